//! IPv4 and IPv6, and media that does not pass the exchange.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::exchange::{Exchange, Setup};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::phone::Phone;
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::wait::{SOON, until_true};

use crate::load::{LOAD_TIME, answering, call_lines};

const BOTH: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// An exchange on 127.0.0.1 and ::1; nothing where this machine has no IPv6.
fn exchange_on_both(lab: &Lab) -> Option<Exchange<'_>> {
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        skip("this machine has no IPv6");
        return None;
    }
    Some(Exchange::start_as(
        lab,
        Setup {
            addresses: BOTH.to_vec(),
            media: Ipv4Addr::UNSPECIFIED.into(),
            media_ports: 300,
            ..Setup::default()
        },
    ))
}

#[test]
fn a_phone_on_ipv6_and_one_on_ipv4_hear_each_other() {
    let lab = Lab::new();
    let Some(exchange) = exchange_on_both(&lab) else {
        return;
    };
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let [v4, v6] = BOTH.map(|address| exchange.sip_on(address).to_string());
    for (from, to) in [(&v6, &v4), (&v4, &v6)] {
        let mut answering = Phone::answer(&lab, &bert, to, &["--tone", "440"]);
        exchange.wait_registered("bert");
        let mut calling = Phone::call(
            &lab,
            &anna,
            from,
            "bert",
            &["--tone", "700", "--seconds", "2"],
        );
        assert_eq!(calling.finish().exit_code, 0);
        assert_eq!(answering.finish().exit_code, 0);
        calling.heard().assert_tone(440, 1.5);
        answering.heard().assert_tone(700, 1.5);
        until_true("bert to be gone", SOON, || {
            exchange.registration_count() == 0
        });
    }
    let records = exchange.wait_records(2);
    assert!(
        records[0].leg("caller").peer.starts_with("UDP [::1]:"),
        "{records:?}"
    );
    assert!(
        records[0].leg("callee").peer.starts_with("UDP 127.0.0.1:"),
        "{records:?}"
    );
    exchange.finish();
}

#[test]
fn a_phone_on_ipv6_calls_a_baresip_on_ipv4() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let Some(exchange) = exchange_on_both(&lab) else {
        return;
    };
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let mut answering = Baresip::start_as(&lab, &baresip::Setup::new(&bert, exchange.sip(), 440));
    let server = exchange.sip_on(BOTH[1]).to_string();
    let mut calling = Phone::call(
        &lab,
        &anna,
        &server,
        "bert",
        &["--tone", "700", "--seconds", "3"],
    );
    assert_eq!(calling.finish().exit_code, 0);
    answering.wait_event("CALL_CLOSED");
    calling.heard().assert_tone(440, 2.0);
    answering.quit_and(|heard| heard.assert_tone(700, 2.0));
    exchange.wait_records(1);
    exchange.finish();
}

#[test]
fn calls_of_sipp_from_ipv6_to_ipv4_all_succeed() {
    const CALLS: usize = 50;
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let Some(exchange) = exchange_on_both(&lab) else {
        return;
    };
    exchange.import_devices("a", 10);
    exchange.import_devices("b", 10);
    let mut callees = answering(&lab, exchange.sip(), "b", 10, CALLS, "callee", "u1");
    let setup = sipp::Setup {
        lines: call_lines("a", "b", 10),
        calls: CALLS,
        rate: 25,
        ..sipp::Setup::new(&lab, "caller", exchange.sip_on(BOTH[1]))
    };
    Sipp::run(&lab, "caller", &setup, LOAD_TIME);
    callees.finish_all(CALLS, LOAD_TIME);
    exchange.wait_records(CALLS);
    exchange.finish();
}

/// Where the media of this story came from.
#[track_caller]
fn media_port(remote_media: Option<&String>) -> u16 {
    let address: SocketAddr = remote_media
        .expect("media was agreed on")
        .parse()
        .expect("an address and port");
    address.port()
}

#[test]
fn speech_of_two_devices_with_direct_media_does_not_pass_the_exchange() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let direct = |user| exchange.add_device_with(user, &["--direct-media"]);
    let (anna, bert, carl) = (direct("anna"), direct("bert"), exchange.add_device("carl"));
    let server = exchange.sip().to_string();
    for (callee, passes_exchange) in [(&bert, false), (&carl, true)] {
        let mut answering = Phone::answer(&lab, callee, &server, &["--tone", "440"]);
        exchange.wait_registered(&callee.user);
        let options = ["--tone", "700", "--seconds", "2"];
        let mut calling = Phone::call(&lab, &anna, &server, &callee.user, &options);
        let (called, answered) = (calling.finish(), answering.finish());
        assert_eq!((called.exit_code, answered.exit_code), (0, 0));
        calling.heard().assert_tone(440, 1.5);
        answering.heard().assert_tone(700, 1.5);
        for story in [called, answered] {
            let port = media_port(story.remote_media.as_ref());
            assert_eq!(
                exchange.media_ports().contains(&port),
                passes_exchange,
                "{story:?}"
            );
        }
    }
    for record in exchange.wait_records(2) {
        assert_eq!(record.cause, 16);
        let journal = exchange.journal(&record.call);
        let journal = format!("{journal:?}");
        let is_counted = journal.contains("packets received");
        let is_direct = journal.contains("Media between the phones: ");
        let passed = record.callee.as_deref() == Some("carl");
        assert_eq!((is_counted, is_direct), (passed, !passed), "{journal}");
    }
    exchange.finish();
}

#[test]
fn two_baresips_with_direct_media_hear_each_other() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let direct = |user| exchange.add_device_with(user, &["--direct-media"]);
    let (anna, bert) = (direct("anna"), direct("bert"));
    let mut answering = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let mut calling = Baresip::start(&lab, &anna, exchange.sip(), 700);
    calling.dial("bert");
    calling.wait_event("CALL_ESTABLISHED");
    assert_eq!(
        exchange.status("media_endpoints"),
        0,
        "media passes the exchange"
    );
    exchange.let_talk(2.0);
    calling.hang_up();
    answering.wait_event("CALL_CLOSED");
    calling.quit_and(|heard| heard.assert_tone(440, 1.0));
    answering.quit_and(|heard| heard.assert_tone(700, 1.0));
    exchange.wait_records(1);
    exchange.finish();
}
