//! Phones behind a router that translates addresses, with and without ICE.

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::browser::{Browser, lab_with};
use fernamt_interop::exchange::{Account, Exchange, Setup, TALK_SECONDS};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::network::{EXCHANGE, INSIDE, Nat, OUTSIDE, ROUTER, prefix};
use fernamt_interop::sound::HEARD_SECONDS;
use fernamt_interop::wait::{SOON, until_true};

/// The tone of the phone behind the router, and of the one outside.
const INSIDE_HZ: u16 = 700;
const OUTSIDE_HZ: u16 = 440;

/// What baresip says when it has found a way.
const ICE_IS_DONE: &str = "connectivity check is complete";

/// What it says when it has agreed on keys.
const KEYS_ARE_THERE: &str = "DTLS-SRTP complete";

/// How a phone is set up beyond the default.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Finds its way by ICE.
    ice: bool,
    /// RTP and RTCP share a port.
    mux: bool,
    /// As a browser does: keys from DTLS, beside ICE and one port.
    webrtc: bool,
}

const PLAIN: Way = Way {
    ice: false,
    mux: false,
    webrtc: false,
};
const ICE: Way = Way {
    ice: true,
    mux: false,
    webrtc: false,
};
const ICE_ON_ONE_PORT: Way = Way {
    ice: true,
    mux: true,
    webrtc: false,
};
const WEBRTC: Way = Way {
    ice: true,
    mux: true,
    webrtc: true,
};

impl Way {
    fn device(self) -> &'static [&'static str] {
        if self.webrtc {
            &["--media-transport", "webrtc"]
        } else {
            &[]
        }
    }

    fn apply(self, setup: baresip::Setup) -> baresip::Setup {
        baresip::Setup {
            nat: self.ice.then_some("ice"),
            encryption: self.webrtc.then_some("dtls_srtp"),
            mux: self.mux,
            ..setup
        }
    }
}

/// An exchange with an address of its own, and the network around it; `None` where none can be made.
fn street<'lab>(lab: &'lab Lab) -> Option<(Nat, Exchange<'lab>)> {
    let nat = match Nat::build() {
        Ok(nat) => nat,
        Err(why) => {
            skip(&format!("no networks can be made here: {why}"));
            return None;
        }
    };
    let exchange = Exchange::start_as(
        lab,
        Setup {
            addresses: vec![EXCHANGE.into()],
            media: EXCHANGE.into(),
            prefix: prefix(&nat.exchange),
            ..Setup::default()
        },
    );
    Some((nat, exchange))
}

fn phone_inside(
    lab: &Lab,
    nat: &Nat,
    exchange: &Exchange<'_>,
    whose: &Account,
    way: Way,
) -> Baresip {
    let setup = baresip::Setup {
        address: INSIDE.into(),
        namespace: Some(nat.inside.clone()),
        ..baresip::Setup::new(whose, exchange.sip(), INSIDE_HZ)
    };
    let phone = Baresip::start_as(lab, &way.apply(setup));
    let all = exchange.ask_json(&["registrations"]);
    let binding = all
        .as_array()
        .and_then(|all| all.iter().find(|it| it["user"] == whose.user.as_str()));
    let received = binding.expect("it is registered")["received"].to_string();
    assert!(
        received.contains(&ROUTER.to_string()),
        "no NAT in between: {received}"
    );
    phone
}

fn phone_outside(
    lab: &Lab,
    nat: &Nat,
    exchange: &Exchange<'_>,
    whose: &Account,
    way: Way,
) -> Baresip {
    let setup = baresip::Setup {
        address: OUTSIDE.into(),
        namespace: Some(nat.outside.clone()),
        ..baresip::Setup::new(whose, exchange.sip(), OUTSIDE_HZ)
    };
    Baresip::start_as(lab, &way.apply(setup))
}

/// A call between a phone behind the router and one outside.
fn call_through_nat(inside_calls: bool, way_inside: Way, way_outside: Way) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let Some((nat, exchange)) = street(&lab) else {
        return;
    };
    let ines = exchange.add_device_with("ines", way_inside.device());
    let otto = exchange.add_device_with("otto", way_outside.device());
    let mut inside = phone_inside(&lab, &nat, &exchange, &ines, way_inside);
    let mut outside = phone_outside(&lab, &nat, &exchange, &otto, way_outside);
    let (calling, whom) = if inside_calls {
        (&mut inside, "otto")
    } else {
        (&mut outside, "ines")
    };
    calling.dial(whom);
    calling.wait_event("CALL_ESTABLISHED");
    for (phone, way) in [(&inside, way_inside), (&outside, way_outside)] {
        if way.ice {
            until_true("connectivity checks to succeed", SOON, || {
                phone.said().contains(ICE_IS_DONE)
            });
        }
        if way.webrtc {
            until_true("the phone to have keys", SOON, || {
                phone.said().contains(KEYS_ARE_THERE)
            });
        }
    }
    exchange.let_talk(TALK_SECONDS);
    inside.hang_up();
    outside.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    let released_by = if inside_calls { "caller" } else { "callee" };
    assert_eq!(
        (record.cause, record.released_by.as_str()),
        (16, released_by)
    );
    inside.quit_and(|heard| heard.assert_tone(OUTSIDE_HZ, HEARD_SECONDS));
    outside.quit_and(|heard| heard.assert_tone(INSIDE_HZ, HEARD_SECONDS));
    exchange.finish();
}

#[test]
fn a_phone_behind_nat_calls_one_outside_and_both_hear_each_other() {
    call_through_nat(true, PLAIN, PLAIN);
}

#[test]
fn a_phone_behind_nat_is_called_from_outside_and_both_hear_each_other() {
    call_through_nat(false, PLAIN, PLAIN);
}

#[test]
fn a_baresip_with_ice_behind_nat_calls_one_without() {
    call_through_nat(true, ICE, PLAIN);
}

#[test]
fn a_baresip_with_ice_behind_nat_is_called_by_one_without() {
    call_through_nat(false, ICE, PLAIN);
}

#[test]
fn a_baresip_with_ice_calls_one_with_ice_behind_nat() {
    call_through_nat(false, ICE, ICE);
}

#[test]
fn a_baresip_with_ice_on_one_port_behind_nat_calls_one_without() {
    call_through_nat(true, ICE_ON_ONE_PORT, PLAIN);
}

#[test]
fn a_baresip_with_ice_on_one_port_behind_nat_is_called_by_one_without() {
    call_through_nat(false, ICE_ON_ONE_PORT, PLAIN);
}

#[test]
fn a_baresip_with_ice_and_dtls_behind_nat_calls_one_without() {
    call_through_nat(true, WEBRTC, PLAIN);
}

#[test]
fn a_baresip_with_ice_and_dtls_behind_nat_is_called_by_one_without() {
    call_through_nat(false, WEBRTC, PLAIN);
}

#[test]
fn a_baresip_with_ice_behind_nat_hears_its_echo() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let Some((nat, exchange)) = street(&lab) else {
        return;
    };
    let ines = exchange.add_device("ines");
    let mut phone = phone_inside(&lab, &nat, &exchange, &ines, ICE);
    phone.dial("*43");
    phone.wait_event("CALL_ESTABLISHED");
    until_true("connectivity checks to succeed", SOON, || {
        phone.said().contains(ICE_IS_DONE)
    });
    exchange.let_talk(TALK_SECONDS);
    phone.hang_up();
    exchange.wait_records(1);
    phone.quit_and(|heard| heard.assert_tone(INSIDE_HZ, HEARD_SECONDS));
    exchange.finish();
}

/// A call between a browser behind the router and a baresip outside.
fn browser_through_nat(browser_calls: bool) {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let Some((nat, exchange)) = street(&lab) else {
        return;
    };
    let (wanda, otto) = (exchange.add_device("wanda"), exchange.add_device("otto"));
    let mut outside = phone_outside(&lab, &nat, &exchange, &otto, PLAIN);
    let browser = Browser::start_behind(&lab, &prefix(&nat.inside), INSIDE_HZ, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    if browser_calls {
        page.call("otto", false);
    } else {
        outside.dial("wanda");
    }
    page.wait_for("confirmed");
    outside.wait_event("CALL_ESTABLISHED");
    page.wait_for_tone(OUTSIDE_HZ, HEARD_SECONDS);
    page.heard().assert_tone(OUTSIDE_HZ, HEARD_SECONDS);
    page.hang_up();
    outside.wait_event("CALL_CLOSED");
    assert_eq!(exchange.wait_records(1)[0].cause, 16);
    outside.quit_and(|heard| heard.assert_tone(INSIDE_HZ, HEARD_SECONDS));
    browser.quit();
    exchange.finish();
}

#[test]
fn a_browser_behind_nat_calls_a_phone_outside() {
    browser_through_nat(true);
}

#[test]
fn a_browser_behind_nat_is_called_from_outside() {
    browser_through_nat(false);
}
