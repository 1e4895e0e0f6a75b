//! What the record of a call says of the protection of its media, leg by leg: as it was agreed on, the
//! weakest that applied while the call was answered, also after a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_charging::MediaProtection;
use fernamt_exchange::interface::Input;
use fernamt_exchange::media;
use fernamt_sdp::CryptoSuite;
use fernamt_sip::transport::Transport;
use rig::sdp::{Kind, OTHER_KEY, answer};
use rig::secure::{Talking, config, keys, talking};
use rig::{ANSWER, OFFER, Rig, body, call_late};

const CLEAR: Option<MediaProtection> = Some(MediaProtection::Clear);

/// With keys from the description, over UDP.
const SDES: Option<MediaProtection> = Some(MediaProtection::Sdes {
    suite: CryptoSuite::AesCm128HmacSha1_80,
    signalling_encrypted: false,
});

/// With keys from a handshake that came to this, over UDP.
const fn dtls(suite: Option<CryptoSuite>) -> Option<MediaProtection> {
    Some(MediaProtection::Dtls {
        suite,
        signalling_encrypted: false,
    })
}

/// What the record of the last call says of its legs.
#[track_caller]
fn recorded(rig: &Rig) -> Vec<Option<MediaProtection>> {
    let (record, _) = rig.records.last().unwrap();
    record.legs.iter().map(|leg| leg.protection).collect()
}

/// The same, after Anna has hung up.
#[track_caller]
fn hang_up(mut call: Talking) -> Vec<Option<MediaProtection>> {
    call.hang_up();
    recorded(&call.rig)
}

fn secured(endpoint: media::EndpointId, suite: CryptoSuite) -> media::Event {
    media::Event::Secured {
        endpoint,
        port: media::MediaPort::Rtp,
        keys: keys(suite, 1),
    }
}

/// Another offer of Anna's, the `number`th.
fn next(kind: Kind, number: u8) -> String {
    let offer = kind.offer("198.51.100.7", 4000);
    offer.replace("1 1 IN", &format!("1 {number} IN"))
}

#[test]
fn each_leg_says_how_its_own_media_were_protected() {
    for (kind, wish, legs) in [
        (Kind::Plain, "never", [CLEAR, CLEAR]),
        (Kind::Sdes, "never", [SDES, CLEAR]),
        (Kind::Opportunistic, "offered", [SDES, SDES]),
        (Kind::Plain, "required", [CLEAR, SDES]),
        (Kind::Dtls, "never", [dtls(None), CLEAR]),
    ] {
        let call = talking(kind, wish);
        assert_eq!(hang_up(call), legs, "{kind:?} {wish}");
    }
}

/// Keys from the description, over TLS.
const SDES_OVER_TLS: Option<MediaProtection> = Some(MediaProtection::Sdes {
    suite: CryptoSuite::AesCm128HmacSha1_80,
    signalling_encrypted: true,
});

/// Anna, whose signalling is encrypted, has called Bert, whose is not; both have keys.
fn calling_over_tls() -> Talking {
    let mut rig = Rig::with(config());
    let phones = rig::two_phones_on(&mut rig, Transport::Tls, Transport::Udp);
    Talking::begin(rig, phones, Kind::Sdes.offer("198.51.100.7", 4000))
}

#[test]
fn keys_over_encrypted_signalling_are_told_from_keys_that_anybody_could_read() {
    assert_eq!(hang_up(calling_over_tls()), [SDES_OVER_TLS, SDES]);
}

#[test]
fn keys_that_are_said_again_over_unencrypted_signalling_are_no_secret_any_more() {
    let mut call = calling_over_tls();
    call.anna.transport = Transport::Udp;
    call.anna.connection = None;
    call.reoffer(&next(Kind::Sdes, 2));
    assert_eq!(hang_up(call), [SDES, SDES]);
}

#[test]
fn the_suite_of_a_handshake_is_known_when_it_has_been_made() {
    let mut call = talking(Kind::Browser, "never");
    let endpoint = call.rig.remotes()[0].0;
    call.media(secured(endpoint, CryptoSuite::AeadAes256Gcm));
    // A second one, after a change, may come to less.
    call.media(secured(endpoint, CryptoSuite::AeadAes128Gcm));
    call.media(secured(endpoint, CryptoSuite::AeadAes256Gcm));
    let weakest = dtls(Some(CryptoSuite::AeadAes128Gcm));
    assert_eq!(hang_up(call), [weakest, CLEAR]);
}

#[test]
fn streams_that_share_ports_share_the_handshake() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let second = Kind::Browser.offer("198.51.100.7", 4000);
    let second = second.split_once("m=audio").unwrap().1;
    let offer = Kind::Browser
        .offer("198.51.100.7", 4000)
        .replace("BUNDLE 0", "BUNDLE 0 1")
        + "m=video"
        + &second
            .replace(
                "8 0 101\r\na=rtpmap:101 telephone-event/8000",
                "96\r\na=rtpmap:96 VP8/90000",
            )
            .replace("a=mid:0", "a=mid:1");
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = ANSWER.to_owned() + "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut talk = anna.talk_as_caller(&sent, &ok);
    let carrier = rig.media.iter().find_map(|order| match order {
        media::Command::Bundle { carrier, .. } => Some(*carrier),
        _ => None,
    });
    let event = secured(carrier.unwrap(), CryptoSuite::AeadAes128Gcm);
    rig.input(Input::Media(event));
    anna.confirm(&mut rig, &mut talk, "");
    anna.hang_up(&mut rig, &mut talk);
    assert_eq!(
        recorded(&rig),
        [dtls(Some(CryptoSuite::AeadAes128Gcm)), CLEAR]
    );
}

#[test]
fn of_several_ways_in_one_call_the_weakest_is_recorded() {
    // Encrypted, then not, then again.
    let mut call = talking(Kind::Sdes, "never");
    call.reoffer(&next(Kind::Plain, 2));
    call.reoffer(&next(Kind::Sdes, 3));
    assert_eq!(hang_up(call), [CLEAR, CLEAR]);
    // Not encrypted, and from then on.
    let mut call = talking(Kind::Plain, "required");
    call.reoffer(&next(Kind::Sdes, 2));
    assert_eq!(hang_up(call), [CLEAR, SDES]);
}

#[test]
fn what_was_offered_and_refused_is_not_recorded() {
    let mut call = talking(Kind::Sdes, "never");
    let Talking {
        rig,
        anna,
        bert,
        hers,
        ..
    } = &mut call;
    let reinvite = anna.in_dialog(hers, "INVITE", "", &next(Kind::Plain, 2));
    anna.send(rig, &reinvite);
    anna.expect(rig, "SIP/2.0 100");
    let invite = bert.expect(rig, "INVITE");
    bert.respond(rig, &invite, "488 Not Acceptable Here", "", "");
    bert.expect(rig, "ACK");
    anna.expect(rig, "SIP/2.0 488");
    assert_eq!(hang_up(call), [SDES, CLEAR]);
}

#[test]
fn of_several_streams_the_weakest_is_recorded() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let fax = "m=image 4002 udptl t38\r\n";
    let offer = Kind::Sdes.offer("198.51.100.7", 4000) + fax;
    for (his_fax, legs) in [
        ("m=image 5002 udptl t38\r\n", [CLEAR, CLEAR]),
        ("m=image 0 udptl t38\r\n", [SDES, CLEAR]),
    ] {
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        bert.respond(
            &mut rig,
            &invite,
            "200 OK",
            "",
            &(ANSWER.to_owned() + his_fax),
        );
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        let mut talk = anna.talk_as_caller(&sent, &ok);
        anna.confirm(&mut rig, &mut talk, "");
        anna.hang_up(&mut rig, &mut talk);
        assert_eq!(recorded(&rig), legs, "{his_fax}");
        let bye = bert.expect(&mut rig, "BYE");
        bert.respond(&mut rig, &bye, "200 OK", "", "");
        anna.expect(&mut rig, "SIP/2.0 200");
    }
}

#[test]
fn a_call_that_nobody_answers_says_nothing_whatever_was_heard_before() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = rig::two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "183 Session Progress", "", ANSWER);
    anna.expect(&mut rig, "SIP/2.0 183");
    assert_eq!(rig.remotes().len(), 2, "there are early media");
    bert.respond(&mut rig, &invite, "486 Busy Here", "", "");
    anna.expect(&mut rig, "SIP/2.0 486");
    assert_eq!(recorded(&rig), [None, None]);
}

#[test]
fn a_call_that_ends_before_media_are_agreed_on_says_nothing() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = rig::two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", "");
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", OFFER);
    let mut his = bert.talk_as_callee(&invite);
    bert.hang_up(&mut rig, &mut his);
    rig.pass(std::time::Duration::from_secs(60));
    assert!(recorded(&rig).iter().all(Option::is_none));
}

#[test]
fn a_late_offer_that_waits_for_its_answer_during_a_restart_is_not_taken_for_media_in_clear() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.8", 5000);
    let (mut talk, offered) = call_late(&mut rig, &mut anna, &bert, &offer);
    let hers = answer(&offered, "198.51.100.7", 4000, true);
    rig.crash(config());
    anna.confirm(&mut rig, &mut talk, &hers);
    anna.hang_up(&mut rig, &mut talk);
    let words = rig.journal();
    assert!(!words.contains("not encrypted"), "{words}");
    let legs = recorded(&rig);
    assert!(!legs.contains(&CLEAR), "{legs:?}");
}

#[test]
fn a_late_offer_is_recorded_when_it_is_answered() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.8", 5000);
    let (mut talk, offered) = call_late(&mut rig, &mut anna, &bert, &offer);
    let hers = answer(&offered, "198.51.100.7", 4000, false);
    anna.confirm(&mut rig, &mut talk, &hers);
    anna.hang_up(&mut rig, &mut talk);
    assert_eq!(recorded(&rig), [CLEAR, SDES]);
}

#[test]
fn the_echo_has_one_leg() {
    let mut rig = Rig::with(config());
    let (mut anna, _) = rig::two_phones(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    let mut talk = rig::call_echo(&mut rig, &mut anna, &offer);
    anna.hang_up(&mut rig, &mut talk);
    assert_eq!(recorded(&rig), [SDES]);
}

#[test]
fn direct_media_are_recorded_as_the_phones_have_agreed() {
    let unknown = format!("a=crypto:1 ROT13_80 inline:{OTHER_KEY}\r\n");
    for (kind, other_suite, legs) in [
        (Kind::Plain, false, CLEAR),
        (Kind::Sdes, false, SDES),
        (Kind::Dtls, false, dtls(None)),
        (Kind::Sdes, true, None),
    ] {
        let mut rig = Rig::with(config());
        for user in ["anna", "bert"] {
            rig.allow_direct_media(user);
        }
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let offer = kind.offer("198.51.100.7", 4000);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        let mut his = answer(&body(&invite), "198.51.100.8", 5000, true);
        if other_suite {
            his = his.split("a=crypto").next().unwrap().to_owned() + &unknown;
        }
        bert.respond(&mut rig, &invite, "200 OK", "", &his);
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        assert!(rig.open_ports.is_empty());
        let mut talk = anna.talk_as_caller(&sent, &ok);
        anna.confirm(&mut rig, &mut talk, "");
        // Nothing is said of it after a restart, but it was noted.
        rig.crash(config());
        anna.hang_up(&mut rig, &mut talk);
        assert_eq!(recorded(&rig), [legs; 2], "{kind:?}");
    }
}

#[test]
fn what_was_noted_survives_a_restart() {
    let mut call = talking(Kind::Dtls, "required");
    let endpoint = call.rig.remotes()[0].0;
    call.media(secured(endpoint, CryptoSuite::AeadAes256Gcm));
    call.rig.crash(config());
    assert_eq!(
        hang_up(call),
        [dtls(Some(CryptoSuite::AeadAes256Gcm)), SDES]
    );
    // What was before, and is no more, is known as well.
    let mut call = talking(Kind::Plain, "required");
    call.reoffer(&next(Kind::Sdes, 2));
    call.rig.crash(config());
    assert_eq!(hang_up(call), [CLEAR, SDES]);
}

#[test]
fn what_version_2_has_written_is_picked_up_and_recorded_as_it_is_agreed() {
    let states = [
        &include_bytes!("data/answered-version-2.bin")[..],
        include_bytes!("data/ringing-version-2.bin"),
    ];
    let mut rig = Rig::recovered(config(), 2, &states);
    assert_eq!(recorded(&rig), [None, None], "the one that rang is over");
    let calls = rig.exchange.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let release = fernamt_exchange::interface::Command::Release(calls[0].call);
    rig.input(Input::Command(release));
    assert_eq!(recorded(&rig), [SDES, CLEAR]);
}
