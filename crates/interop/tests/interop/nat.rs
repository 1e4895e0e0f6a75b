//! A phone behind a router that translates addresses.

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::exchange::{Account, Exchange, Setup};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::network::{EXCHANGE, INSIDE, Nat, OUTSIDE, ROUTER, prefix};
use fernamt_interop::wait::{SOON, until_true};

/// A call between a phone behind the router and one outside.
fn call_through_nat(inside_calls: bool) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let nat = match Nat::build() {
        Ok(nat) => nat,
        Err(why) => return skip(&format!("no networks can be made here: {why}")),
    };
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            addresses: vec![EXCHANGE.into()],
            media: EXCHANGE.into(),
            prefix: prefix(&nat.exchange),
            ..Setup::default()
        },
    );
    let phone = |account: &Account, tone_hz, address: std::net::Ipv4Addr, namespace: &str| {
        let setup = baresip::Setup {
            address: address.into(),
            namespace: Some(namespace.to_owned()),
            ..baresip::Setup::new(account, exchange.sip(), tone_hz)
        };
        Baresip::start_as(&lab, &setup)
    };
    let (ines, otto) = (exchange.add_device("ines"), exchange.add_device("otto"));
    let mut inside = phone(&ines, 700, INSIDE, &nat.inside);
    let mut outside = phone(&otto, 440, OUTSIDE, &nat.outside);
    let all = exchange.ask_json(&["registrations"]);
    let binding = all
        .as_array()
        .and_then(|all| all.iter().find(|it| it["user"] == "ines"));
    let received = binding.expect("ines is registered")["received"].to_string();
    assert!(
        received.contains(&ROUTER.to_string()),
        "no NAT in between: {received}"
    );

    let (calling, answering, whom) = if inside_calls {
        (&mut inside, &mut outside, "otto")
    } else {
        (&mut outside, &mut inside, "ines")
    };
    calling.dial(whom);
    calling.wait_event("CALL_ESTABLISHED");
    until_true("three seconds of talk", SOON, || {
        exchange.ask_json(&["calls"])[0]["duration"]
            .as_f64()
            .is_some_and(|seconds| seconds >= 3.0)
    });
    answering.hang_up();
    calling.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.released_by.as_str()), (16, "callee"));
    inside.quit_and(|heard| heard.assert_tone(440, 2.0));
    outside.quit_and(|heard| heard.assert_tone(700, 2.0));
    exchange.finish();
}

#[test]
fn a_phone_behind_nat_calls_one_outside_and_both_hear_each_other() {
    call_through_nat(true);
}

#[test]
fn a_phone_behind_nat_is_called_from_outside_and_both_hear_each_other() {
    call_through_nat(false);
}
