//! Encrypted calls: phones that others wrote use SRTP with keys from the session description or from
//! DTLS, and talk to phones that know nothing of it. A listener on the wire understands nothing.

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::browser::{Browser, lab_with};
use fernamt_interop::capture::{Capture, Listener, TCPDUMP};
use fernamt_interop::exchange::{Account, Exchange, TALK_SECONDS};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::linphone::{self, LINPHONE, Linphone};
use fernamt_interop::records::Protection;
use fernamt_interop::sound::HEARD_SECONDS;

/// The tone of the phone that encrypts, and of the one that does not.
const SECRET_HZ: u16 = 700;
const PLAIN_HZ: u16 = 440;

/// What baresip reports when it has keys.
const ENCRYPTED: &str = "CALL_MENC";

/// A way in which a baresip encrypts.
struct Way {
    /// As baresip calls it.
    encryption: &'static str,
    /// What carries its signalling.
    transport: &'static str,
    /// Whether RTP and RTCP share a port.
    mux: bool,
    /// What its record says, beyond the default.
    device: &'static [&'static str],
    /// What baresip says when it encrypts.
    proof: &'static str,
    /// What the call record calls it.
    kind: &'static str,
}

/// Keys in the session description, where both sides may do without.
const SDES: Way = Way {
    encryption: "srtp",
    transport: "udp",
    mux: false,
    device: &[],
    proof: "SRTP is Enabled",
    kind: "sdes",
};

/// The same, where nobody may do without and nobody reads the keys on the way.
const SDES_BY_TLS: Way = Way {
    encryption: "srtp-mand",
    transport: "tls",
    ..SDES
};

/// Keys from a handshake, with two ports.
const DTLS: Way = Way {
    encryption: "dtls_srtp",
    transport: "tls",
    mux: false,
    device: &["--media-transport", "dtls"],
    proof: "DTLS-SRTP complete",
    kind: "dtls",
};

/// The same with one port.
const DTLS_ON_ONE_PORT: Way = Way { mux: true, ..DTLS };

impl Way {
    fn phone(&self, lab: &Lab, exchange: &Exchange<'_>, account: &Account) -> Baresip {
        let server = match self.transport {
            "tls" => exchange.tls(),
            _ => exchange.sip(),
        };
        let setup = baresip::Setup {
            encryption: Some(self.encryption),
            transport: self.transport,
            mux: self.mux,
            authority: (self.transport == "tls").then(|| exchange.certificate()),
            ..baresip::Setup::new(account, server, SECRET_HZ)
        };
        Baresip::start_as(lab, &setup)
    }

    /// How often hello is said for a call of it, on each port that it uses.
    fn hellos(&self) -> &'static [usize] {
        match self.mux {
            true => &[1],
            false => &[1, 1],
        }
    }

    #[track_caller]
    fn assert_used_by(&self, phone: &Baresip) {
        let said = phone.said();
        assert!(said.contains(self.proof), "it has not encrypted: {said}");
    }

    /// What the record says of a leg whose phone encrypts like this.
    fn recorded(&self) -> Option<Protection> {
        Some(Protection {
            kind: self.kind.to_owned(),
            suite: Some("AES_CM_128_HMAC_SHA1_80".to_owned()),
            signalling_encrypted: Some(self.transport == "tls"),
        })
    }
}

/// A phone that encrypts and one that does not talk through the exchange.
fn call_with(way: &Way, encrypting_calls: bool) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let sara = exchange.add_device_with("sara", way.device);
    let paul = exchange.add_device("paul");
    let mut encrypting = way.phone(&lab, &exchange, &sara);
    let mut plain = Baresip::start(&lab, &paul, exchange.sip(), PLAIN_HZ);
    let (calling, whom) = if encrypting_calls {
        (&mut encrypting, "paul")
    } else {
        (&mut plain, "sara")
    };
    calling.dial(whom);
    encrypting.wait_event(ENCRYPTED);
    exchange.let_talk(TALK_SECONDS);
    encrypting.hang_up();
    plain.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    let sides = match encrypting_calls {
        true => ["caller", "callee"],
        false => ["callee", "caller"],
    };
    assert_eq!((record.cause, record.released_by.as_str()), (16, sides[0]));
    assert_eq!(record.leg(sides[0]).protection, way.recorded());
    assert_eq!(record.leg(sides[1]).protection, Some(Protection::clear()));
    assert_eq!(record.encrypted, Some(false));
    let in_clear = exchange.ask_json(&["cdr", "--unencrypted"]);
    assert_eq!(in_clear[0]["call"], record.call.as_str());
    way.assert_used_by(&encrypting);
    encrypting.quit_and(|heard| heard.assert_tone(PLAIN_HZ, HEARD_SECONDS));
    plain.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    exchange.finish();
}

/// A phone that encrypts hears itself.
fn echo_with(way: &Way) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let sara = exchange.add_device_with("sara", way.device);
    let mut phone = way.phone(&lab, &exchange, &sara);
    phone.dial("*43");
    phone.wait_event(ENCRYPTED);
    exchange.let_talk(TALK_SECONDS);
    phone.hang_up();
    exchange.wait_records(1);
    way.assert_used_by(&phone);
    phone.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    exchange.finish();
}

#[test]
fn a_baresip_with_sdes_calls_one_without_encryption() {
    call_with(&SDES, true);
}

#[test]
fn a_baresip_with_sdes_is_called_by_one_without_encryption() {
    call_with(&SDES, false);
}

#[test]
fn a_baresip_with_sdes_hears_its_echo() {
    echo_with(&SDES);
}

#[test]
fn a_baresip_that_demands_sdes_calls_one_without_encryption() {
    call_with(&SDES_BY_TLS, true);
}

#[test]
fn a_baresip_that_demands_sdes_is_called_by_one_without_encryption() {
    call_with(&SDES_BY_TLS, false);
}

#[test]
fn a_baresip_that_demands_sdes_hears_its_echo() {
    echo_with(&SDES_BY_TLS);
}

#[test]
fn a_baresip_with_dtls_calls_one_without_encryption() {
    call_with(&DTLS, true);
}

#[test]
fn a_baresip_with_dtls_is_called_by_one_without_encryption() {
    call_with(&DTLS, false);
}

#[test]
fn a_baresip_with_dtls_hears_its_echo() {
    echo_with(&DTLS);
}

#[test]
fn a_baresip_with_dtls_on_one_port_calls_one_without_encryption() {
    call_with(&DTLS_ON_ONE_PORT, true);
}

#[test]
fn a_baresip_with_dtls_on_one_port_is_called_by_one_without_encryption() {
    call_with(&DTLS_ON_ONE_PORT, false);
}

/// A phone begins its handshake as it answers, and the hello may be quicker than the answer. It is said
/// once on each port that it uses: there is no second of silence.
fn says_hello_once(way: &Way) {
    let Some(lab) = Lab::with(&[BARESIP, TCPDUMP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let Some(listener) = Listener::start(&lab, &exchange.media_ports()) else {
        return exchange.finish();
    };
    let sara = exchange.add_device_with("sara", way.device);
    let paul = exchange.add_device("paul");
    let mut answering = way.phone(&lab, &exchange, &sara);
    let mut plain = Baresip::start(&lab, &paul, exchange.sip(), PLAIN_HZ);
    plain.dial("sara");
    answering.wait_event(ENCRYPTED);
    exchange.let_talk(TALK_SECONDS);
    answering.hang_up();
    plain.wait_event("CALL_CLOSED");
    exchange.wait_records(1);
    let hellos: Vec<usize> = listener.stop().first_hellos().collect();
    assert_eq!(hellos, way.hellos());
    way.assert_used_by(&answering);
    answering.quit_and(|heard| heard.assert_tone(PLAIN_HZ, HEARD_SECONDS));
    plain.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    exchange.finish();
}

#[test]
fn a_baresip_with_dtls_that_answers_says_hello_once() {
    says_hello_once(&DTLS);
}

#[test]
fn a_baresip_with_dtls_on_one_port_that_answers_says_hello_once() {
    says_hello_once(&DTLS_ON_ONE_PORT);
}

/// The exchange says hello where the phone calls. After a restart it does not do so again, on neither port:
/// the phone knows of no restart and would not answer.
fn needs_no_other_handshake_after_a_restart(way: &Way) {
    let Some(lab) = Lab::with(&[BARESIP, TCPDUMP]) else {
        return;
    };
    let mut exchange = Exchange::start(&lab);
    let sara = exchange.add_device_with("sara", way.device);
    let paul = exchange.add_device("paul");
    let mut calling = way.phone(&lab, &exchange, &sara);
    let mut plain = Baresip::start(&lab, &paul, exchange.sip(), PLAIN_HZ);
    calling.dial("paul");
    calling.wait_event(ENCRYPTED);
    exchange.let_talk(TALK_SECONDS);
    let Some(listener) = Listener::start(&lab, &exchange.media_ports()) else {
        return exchange.finish();
    };
    exchange.kill();
    exchange.start_again();
    if exchange.log().contains("cannot be taken up again") {
        return skip("other programs took media ports of the exchange while it was down");
    }
    exchange.let_talk(TALK_SECONDS);
    // Its connection has ended with the exchange, and it makes another one for that.
    calling.hang_up();
    plain.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.released_by.as_str()), (16, "caller"));
    let capture = listener.stop();
    assert_eq!(capture.first_hellos().count(), 0);
    assert!(capture.longest() > 0, "the listener is deaf");
    let last = TALK_SECONDS - 0.5;
    calling.quit_and(|heard| {
        heard
            .last_seconds(last)
            .assert_tone(PLAIN_HZ, HEARD_SECONDS)
    });
    plain.quit_and(|heard| {
        heard
            .last_seconds(last)
            .assert_tone(SECRET_HZ, HEARD_SECONDS)
    });
    exchange.finish();
}

#[test]
fn a_baresip_with_dtls_needs_no_other_handshake_after_a_restart() {
    needs_no_other_handshake_after_a_restart(&DTLS);
}

#[test]
fn a_baresip_with_dtls_on_one_port_needs_no_other_handshake_after_a_restart() {
    needs_no_other_handshake_after_a_restart(&DTLS_ON_ONE_PORT);
}

#[test]
fn a_baresip_with_sdes_and_one_with_dtls_hear_each_other() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let sara = exchange.add_device_with("sara", SDES_BY_TLS.device);
    let dora = exchange.add_device_with("dora", DTLS.device);
    let mut calling = SDES_BY_TLS.phone(&lab, &exchange, &sara);
    let mut answering = DTLS.phone(&lab, &exchange, &dora);
    calling.dial("dora");
    calling.wait_event(ENCRYPTED);
    answering.wait_event(ENCRYPTED);
    exchange.let_talk(TALK_SECONDS);
    answering.hang_up();
    calling.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!(record.encrypted, Some(true));
    assert_eq!(record.leg("caller").protection, SDES_BY_TLS.recorded());
    assert_eq!(record.leg("callee").protection, DTLS.recorded());
    assert_eq!(
        exchange.ask_json(&["cdr", "--exposed"]),
        serde_json::json!([])
    );
    SDES_BY_TLS.assert_used_by(&calling);
    DTLS.assert_used_by(&answering);
    calling.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    answering.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    exchange.finish();
}

/// A browser, whose keys come from a handshake, and a baresip that demands keys in the session
/// description talk through the exchange.
fn talk_of_browser_and_baresip(lab: &Lab, exchange: &Exchange<'_>, browser_calls: bool) {
    let sara = exchange.add_device_with("sara", SDES_BY_TLS.device);
    let wanda = exchange.add_device("wanda");
    let browser = Browser::start(lab, SECRET_HZ, Some(exchange));
    let page = browser.open();
    page.register(exchange, &wanda);
    let mut baresip = SDES_BY_TLS.phone(lab, exchange, &sara);
    if browser_calls {
        page.call("sara", false);
    } else {
        baresip.dial("wanda");
    }
    page.wait_for("confirmed");
    baresip.wait_event(ENCRYPTED);
    page.wait_for_tone(SECRET_HZ, HEARD_SECONDS);
    exchange.let_talk(TALK_SECONDS);
    page.heard().assert_tone(SECRET_HZ, HEARD_SECONDS);
    let figures = page.figures();
    assert_eq!(figures["dtls"], "connected", "{figures}");
    page.hang_up();
    baresip.wait_event("CALL_CLOSED");
    exchange.wait_records(1);
    SDES_BY_TLS.assert_used_by(&baresip);
    baresip.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    browser.quit();
}

fn browser_with_sdes(browser_calls: bool) {
    let Some(lab) = lab_with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    talk_of_browser_and_baresip(&lab, &exchange, browser_calls);
    exchange.finish();
}

#[test]
fn a_browser_with_dtls_calls_a_baresip_that_demands_sdes() {
    browser_with_sdes(true);
}

#[test]
fn a_browser_with_dtls_is_called_by_a_baresip_that_demands_sdes() {
    browser_with_sdes(false);
}

/// A linphonec that encrypts and a baresip that does not talk through the exchange.
fn linphone_with_srtp(linphone_calls: bool) {
    let Some(lab) = Lab::with(&[BARESIP, LINPHONE]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (lina, paul) = (exchange.add_device("lina"), exchange.add_device("paul"));
    let setup = linphone::Setup {
        is_encrypted: true,
        ..linphone::Setup::new(&lina, exchange.sip(), SECRET_HZ)
    };
    let mut linphone = Linphone::start_as(&lab, &setup);
    let mut baresip = Baresip::start(&lab, &paul, exchange.sip(), PLAIN_HZ);
    if linphone_calls {
        linphone.call("paul");
    } else {
        baresip.dial("lina");
    }
    baresip.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(TALK_SECONDS);
    linphone.hang_up();
    baresip.wait_event("CALL_CLOSED");
    exchange.wait_records(1);
    baresip.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    linphone.quit().assert_tone(PLAIN_HZ, HEARD_SECONDS);
    exchange.finish();
}

#[test]
fn a_linphone_that_demands_srtp_calls_a_baresip_without_encryption() {
    linphone_with_srtp(true);
}

#[test]
fn a_linphone_that_demands_srtp_is_called_by_a_baresip_without_encryption() {
    linphone_with_srtp(false);
}

/// What a listener on the wire takes down of a call between two such phones, who must hear each
/// other; `None` where nobody may listen.
fn overheard(ways: Option<[&Way; 2]>) -> Option<Capture> {
    let lab = Lab::with(&[BARESIP, TCPDUMP])?;
    let exchange = Exchange::start(&lab);
    let listener = Listener::start(&lab, &exchange.media_ports())?;
    let devices = ways.map_or([&[] as &[&str]; 2], |ways| ways.map(|way| way.device));
    let sara = exchange.add_device_with("sara", devices[0]);
    let dora = exchange.add_device_with("dora", devices[1]);
    let phone = |account: &Account, at: usize| match ways {
        Some(ways) => ways[at].phone(&lab, &exchange, account),
        None => Baresip::start(&lab, account, exchange.sip(), SECRET_HZ),
    };
    let (mut calling, mut answering) = (phone(&sara, 0), phone(&dora, 1));
    calling.dial("dora");
    if ways.is_some() {
        calling.wait_event(ENCRYPTED);
        answering.wait_event(ENCRYPTED);
    }
    exchange.let_talk(TALK_SECONDS);
    answering.hang_up();
    calling.wait_event("CALL_CLOSED");
    exchange.wait_records(1);
    for phone in [calling, answering] {
        phone.quit_and(|heard| heard.assert_tone(SECRET_HZ, HEARD_SECONDS));
    }
    exchange.finish();
    Some(listener.stop())
}

#[test]
fn a_listener_on_the_wire_hears_every_word_of_a_call_without_encryption() {
    let Some(capture) = overheard(None) else {
        return;
    };
    assert!(
        capture.tone_seconds(SECRET_HZ) >= HEARD_SECONDS,
        "a listener is deaf"
    );
}

/// The phones say G.711 and send many packets, but what is in them is nothing for a listener.
#[track_caller]
fn assert_secret(capture: &Capture) {
    assert!(capture.g711_packets() as f64 >= HEARD_SECONDS * 50.0);
    assert_eq!(
        capture.tone_seconds(SECRET_HZ),
        0.0,
        "a listener hears the tone"
    );
}

#[test]
fn a_listener_on_the_wire_hears_nothing_of_a_call_with_sdes() {
    if let Some(capture) = overheard(Some([&SDES_BY_TLS, &SDES_BY_TLS])) {
        assert_secret(&capture);
    }
}

#[test]
fn a_listener_on_the_wire_hears_nothing_of_a_call_with_dtls() {
    if let Some(capture) = overheard(Some([&DTLS, &DTLS_ON_ONE_PORT])) {
        assert_secret(&capture);
    }
}

#[test]
fn a_listener_on_the_wire_hears_nothing_of_a_call_between_dtls_and_sdes() {
    let Some(lab) = lab_with(&[BARESIP, TCPDUMP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let Some(listener) = Listener::start(&lab, &exchange.media_ports()) else {
        return;
    };
    talk_of_browser_and_baresip(&lab, &exchange, true);
    exchange.finish();
    assert_secret(&listener.stop());
}
