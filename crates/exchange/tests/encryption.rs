//! Who is offered and answered which transport of media, and what becomes of keys.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::collections::HashSet;

use fernamt_exchange::config::Config;
use fernamt_exchange::media::{Command, DtlsRole, Protection, Remote};
use fernamt_sip::message::Name;
use fernamt_sip::transport::Transport;
use rig::sdp::{FINGERPRINT, KEY, KINDS, Kind, OTHER_KEY, line, profile_of};
use rig::secure::config;
use rig::{Phone, Rig, body, header, two_phones, two_phones_on};

/// A call that was answered: what the called party was offered, and what the caller was answered.
fn call(
    rig: &mut Rig,
    anna: &mut Phone,
    bert: &Phone,
    offer: &str,
    keys: bool,
) -> (String, String) {
    anna.invite(rig, "sip:bert@192.0.2.1", "", offer);
    let invite = bert.expect(rig, "INVITE");
    let offered = body(&invite);
    bert.accept(rig, &invite, keys);
    bert.expect(rig, "ACK");
    let answered = anna.expect(rig, "SIP/2.0 200");
    (offered, body(&answered))
}

/// How the media of a phone of this kind are protected, and with its key where it has one.
fn check_protection(kind: Kind, remote: &Remote, key: &str) {
    match (&remote.protection, kind) {
        (Protection::None, Kind::Plain | Kind::Feedback) => {}
        (Protection::Sdes(keys), Kind::Opportunistic | Kind::Sdes | Kind::SdesFeedback) => {
            assert_eq!(base64(&keys.theirs.key_and_salt), key);
            assert_ne!(base64(&keys.ours.key_and_salt), key);
        }
        (Protection::Dtls(dtls), Kind::Dtls | Kind::Browser) => {
            assert_eq!(&*dtls.fingerprints[0].function, "sha-256");
            assert_eq!(*dtls.fingerprints[0].hash, [0x11; 32]);
        }
        (protection, kind) => panic!("{kind:?} has {protection:?}"),
    }
    assert_eq!(remote.ice.is_some(), kind == Kind::Browser);
    assert_eq!(remote.rtcp == Some(remote.rtp), kind == Kind::Browser);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for place in (0..4).rev() {
            text.push(char::from(LETTERS[(word >> (6 * place)) as usize & 63]));
        }
    }
    text
}

#[test]
fn every_kind_of_phone_calls_every_other_kind() {
    // What a device is offered by what its record says and by its signalling.
    let callees = [
        (Kind::Plain, "never", "automatic", Transport::Udp),
        (Kind::Opportunistic, "offered", "automatic", Transport::Udp),
        (Kind::Sdes, "required", "sdes", Transport::Udp),
        (Kind::Sdes, "automatic", "automatic", Transport::Tls),
        (Kind::Dtls, "offered", "dtls", Transport::Udp),
        (Kind::Browser, "automatic", "automatic", Transport::Wss),
        (Kind::Browser, "automatic", "automatic", Transport::Ws),
        (Kind::Feedback, "never", "feedback", Transport::Udp),
        (Kind::SdesFeedback, "required", "feedback", Transport::Udp),
        (Kind::SdesFeedback, "automatic", "feedback", Transport::Tls),
    ];
    for caller in KINDS {
        for (callee, encryption, transport, signalling) in callees {
            let mut rig = Rig::with(config());
            rig.wish("bert", encryption, transport);
            let (mut anna, bert) = two_phones_on(&mut rig, Transport::Udp, signalling);
            let offer = caller.offer("198.51.100.7", 4000);
            let (offered, answered) = call(&mut rig, &mut anna, &bert, &offer, true);
            let both = format!("{caller:?} to {callee:?}:\n{offered}\n{answered}");
            assert_eq!(profile_of(&offered), callee.profile(), "{both}");
            assert_eq!(profile_of(&answered), caller.profile(), "{both}");
            let (of_caller, of_callee) = rig.sides();
            check_protection(caller, &of_caller, KEY);
            check_protection(callee, &of_callee, OTHER_KEY);
            for description in [&offered, &answered] {
                assert!(!description.contains(KEY) && !description.contains(OTHER_KEY));
                assert!(!description.contains(FINGERPRINT), "{both}");
                assert!(!description.contains("198.51.100."), "{both}");
            }
            let is_browser = |kind| kind == Kind::Browser;
            let may_share = |kind| is_browser(kind) || kind == Kind::Dtls;
            let muxes = [&offered, &answered].map(|it| it.contains("a=rtcp-mux"));
            assert_eq!(muxes, [may_share(callee), is_browser(caller)], "{both}");
            for (kind, description) in [(callee, &offered), (caller, &answered)] {
                assert_eq!(
                    description.contains("a=candidate:"),
                    is_browser(kind),
                    "{both}"
                );
                assert_eq!(
                    description.contains("a=group:BUNDLE 0"),
                    is_browser(kind),
                    "{both}"
                );
                assert_eq!(
                    description.contains("a=crypto:"),
                    !is_browser(kind) && kind != Kind::Dtls && kind.is_encrypted(),
                    "{both}"
                );
                if !is_browser(kind) {
                    assert!(!description.contains("a=ssrc:"), "{both}");
                }
            }
        }
    }
}

/// The answer of a phone that has ICE, and neither keys nor one port for all.
fn answer_with_ice() -> String {
    Kind::Plain.offer("198.51.100.8", 5000)
        + "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
           a=candidate:1 1 udp 2130706431 198.51.100.8 5000 typ host\r\n\
           a=candidate:1 2 udp 2130706430 198.51.100.8 5001 typ host\r\n"
}

#[test]
fn a_phone_that_registers_with_ice_is_offered_it_beside_what_every_phone_has() {
    let mut rig = Rig::with(config());
    let (mut anna, mut bert) = two_phones(&mut rig);
    bert.contact_params = ";+sip.ice";
    bert.register(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let offered = body(&invite);
    assert_eq!(profile_of(&offered), "RTP/AVP");
    assert_eq!(offered.matches("a=crypto:").count(), 1, "{offered}");
    for attribute in ["a=ice-ufrag:", "a=ice-pwd:"] {
        assert_eq!(offered.matches(attribute).count(), 1, "{offered}");
    }
    let port = line(&offered, "m=audio ").unwrap().split(' ').next();
    let candidate = line(&offered, "a=candidate:").unwrap();
    assert_eq!(candidate.split(' ').nth(5), port, "it is the default, too");
    assert_eq!(offered.matches("a=candidate:").count(), 2, "RTP and RTCP");
    assert!(!offered.contains("a=rtcp-mux"), "{offered}");
    assert!(invite.len() < 1_300, "{} bytes", invite.len());
    bert.respond(&mut rig, &invite, "200 OK", "", &answer_with_ice());
    bert.expect(&mut rig, "ACK");
    let answered = body(&anna.expect(&mut rig, "SIP/2.0 200"));
    assert!(!answered.contains("a=ice"), "{answered}");
    let (caller, callee) = rig.sides();
    assert!(caller.ice.is_none());
    assert_eq!(callee.ice.map(|ice| ice.candidates.len()), Some(2));
    assert_ne!(callee.rtcp, Some(callee.rtp));
}

#[test]
fn a_phone_with_ice_that_refuses_keys_is_offered_ice_again() {
    let mut rig = Rig::with(config());
    let (mut anna, mut bert) = two_phones(&mut rig);
    bert.contact_params = ";+sip.ice";
    bert.register(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let first = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &first, "488 Not Acceptable Here", "", "");
    bert.expect(&mut rig, "ACK");
    let second = body(&bert.expect(&mut rig, "INVITE"));
    assert_eq!(profile_of(&second), "RTP/SAVP");
    assert!(second.contains("a=ice-ufrag:"), "{second}");
}

#[test]
fn a_plain_phone_that_is_offered_keys_may_pass_them_over() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    let (offered, answered) = call(&mut rig, &mut anna, &bert, &offer, false);
    let first = line(&offered, "a=crypto:").unwrap();
    assert!(
        first.starts_with("1 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{offered}"
    );
    assert!(
        offered.contains("a=crypto:2 AEAD_AES_256_GCM inline:"),
        "{offered}"
    );
    assert!(!answered.contains("a=crypto:"));
    let (caller, callee) = rig.sides();
    assert_eq!(caller.protection, Protection::None);
    assert_eq!(callee.protection, Protection::None);
}

#[test]
fn a_caller_on_encrypted_signalling_without_encryption_is_told_why_there_is_no_call() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones_on(&mut rig, Transport::Tls, Transport::Udp);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let refused = anna.expect(&mut rig, "SIP/2.0 488");
    assert!(
        header(&refused, Name::Warning).starts_with("399 192.0.2.1"),
        "{refused}"
    );
    assert!(header(&refused, Name::Warning).contains("encrypted media are required"));
    assert!(header(&refused, Name::Reason).contains("Q.850;cause=88"));
    bert.expect_nothing(&mut rig);
    assert_eq!(rig.records.last().unwrap().0.status, Some(488));
    assert!(rig.words().contains("encrypted media are required"));
    // With another wish in its record it may call.
    rig.wish("anna", "offered", "automatic");
    call(&mut rig, &mut anna, &bert, &offer, false);
}

#[test]
fn a_device_that_may_go_without_is_offered_clear_media_last_when_it_refuses() {
    for (transport, encryption, refusal, profiles) in [
        (
            Transport::Udp,
            "offered",
            "488 Not Acceptable Here",
            &["RTP/AVP", "RTP/SAVP", "RTP/AVP"][..],
        ),
        (
            Transport::Tls,
            "offered",
            "415 Unsupported Media Type",
            &["RTP/SAVP", "RTP/AVP"],
        ),
        (
            Transport::Ws,
            "automatic",
            "606 Not Acceptable",
            &["UDP/TLS/RTP/SAVPF", "RTP/AVP"],
        ),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("bert", encryption, "automatic");
        let (mut anna, bert) = two_phones_on(&mut rig, Transport::Udp, transport);
        let offer = Kind::Plain.offer("198.51.100.7", 4000);
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let mut numbers = HashSet::new();
        for (number, profile) in (1..).zip(profiles) {
            let invite = bert.expect(&mut rig, "INVITE");
            assert_eq!(profile_of(&body(&invite)), *profile, "{invite}");
            let has_keys = body(&invite).contains("a=crypto") || profile.contains("TLS");
            assert_eq!(has_keys, number < profiles.len(), "{invite}");
            assert!(numbers.insert(header(&invite, Name::CSeq).to_owned()));
            bert.respond(&mut rig, &invite, refusal, "", "");
            bert.expect(&mut rig, "ACK");
        }
        anna.expect(&mut rig, &format!("SIP/2.0 {}", &refusal[..3]));
        bert.expect_nothing(&mut rig);
        assert!(rig.words().contains("refuses the encrypted offer"));
        assert!(rig.open_ports.is_empty());
    }
}

#[test]
fn a_phone_that_demands_encryption_refuses_what_is_only_perhaps_encrypted_and_gets_it() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let perhaps = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &perhaps, "488 Not Acceptable Here", "", "");
    bert.expect(&mut rig, "ACK");
    let only = bert.expect(&mut rig, "INVITE");
    bert.accept(&mut rig, &only, true);
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
    let (caller, callee) = rig.sides();
    check_protection(Kind::Plain, &caller, KEY);
    check_protection(Kind::Sdes, &callee, OTHER_KEY);
}

#[test]
fn a_device_that_must_be_encrypted_is_never_offered_less() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "automatic");
    let (mut anna, bert) = two_phones(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    assert_eq!(profile_of(&body(&invite)), "RTP/SAVP");
    bert.respond(&mut rig, &invite, "488 Not Acceptable Here", "", "");
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 488");
    bert.expect_nothing(&mut rig);
    // Nor may it answer less.
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let plain = Kind::Plain.offer("198.51.100.8", 5000);
    bert.respond(&mut rig, &invite, "200 OK", "", &plain);
    bert.expect(&mut rig, "ACK");
    bert.expect(&mut rig, "BYE");
    let refused = anna.expect(&mut rig, "SIP/2.0 488");
    assert!(
        header(&refused, Name::Warning).contains("called party"),
        "{refused}"
    );
    let flowing = rig.remotes();
    assert!(flowing.is_empty(), "{flowing:?}");
}

#[test]
fn no_two_legs_and_no_two_phones_of_a_device_have_the_same_keys() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "sdes");
    let (mut anna, bert) = two_phones(&mut rig);
    let mut other = Phone::on(Transport::Udp, "bert", 9);
    other.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let (first, second) = (
        bert.expect(&mut rig, "INVITE"),
        other.expect(&mut rig, "INVITE"),
    );
    let keys: Vec<String> = [&first, &second]
        .into_iter()
        .flat_map(|invite| {
            let body = body(invite);
            let keys = body.lines().filter(|line| line.starts_with("a=crypto"));
            keys.map(|line| line.split("inline:").nth(1).unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(keys.len(), 6);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 6);
    let port = |invite: &str| line(&body(invite), "m=audio ").unwrap().to_owned();
    assert_ne!(port(&first), port(&second), "each has ports of its own");
    bert.respond(&mut rig, &first, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    other.accept(&mut rig, &second, true);
    other.expect(&mut rig, "ACK");
    bert.expect(&mut rig, "CANCEL");
    anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(rig.open_ports.len(), 2, "those of the loser are closed");
}

#[test]
fn people_are_told_how_far_a_call_is_encrypted() {
    for (caller, keys, signalling, both, in_header) in [
        (
            Kind::Sdes,
            true,
            Transport::Tls,
            "encrypted on both legs",
            "both-legs",
        ),
        (
            Kind::Sdes,
            false,
            Transport::Udp,
            "not encrypted with the called party",
            "caller-only",
        ),
        (
            Kind::Plain,
            true,
            Transport::Tls,
            "not encrypted with the caller",
            "callee-only",
        ),
        (Kind::Plain, false, Transport::Udp, "not encrypted.", "none"),
    ] {
        let mut rig = Rig::with(config());
        let (mut anna, bert) = two_phones_on(&mut rig, Transport::Udp, signalling);
        let offer = caller.offer("198.51.100.7", 4000);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        let leg = if caller == Kind::Sdes {
            "caller-leg"
        } else {
            "none"
        };
        assert!(
            invite.contains(&format!("\r\nMedia-Encryption: {leg}\r\n")),
            "{invite}"
        );
        bert.accept(&mut rig, &invite, keys);
        bert.expect(&mut rig, "ACK");
        let answered = anna.expect(&mut rig, "SIP/2.0 200");
        let shown = format!("\r\nMedia-Encryption: {in_header}\r\n");
        assert!(answered.contains(&shown), "{answered}");
        let mut talk = anna.talk_as_caller(&sent, &answered);
        anna.confirm(&mut rig, &mut talk, "");
        anna.hang_up(&mut rig, &mut talk);
        let words = rig.words();
        assert!(words.contains(both), "{words}");
        if caller == Kind::Sdes {
            assert!(words.contains("Media with the caller: SRTP, AES-CM-128, keys crossed an unencrypted signalling path (UDP)."), "{words}");
        }
        if signalling == Transport::Tls {
            assert!(words.contains("Media with the called party: SRTP, AES-CM-128, keys from the description over TLS."), "{words}");
        }
        let everything = rig.journal();
        assert!(!everything.contains(KEY) && !everything.contains(OTHER_KEY));
        assert!(!everything.contains("inline"), "{everything}");
    }
}

#[test]
fn a_browser_is_answered_with_the_part_in_the_handshake_that_it_leaves_open() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones_on(&mut rig, Transport::Wss, Transport::Udp);
    let offer = Kind::Browser.offer("198.51.100.7", 4000);
    let (_, answered) = call(&mut rig, &mut anna, &bert, &offer, false);
    assert!(answered.contains("a=setup:active"), "{answered}");
    assert!(
        answered.contains("a=fingerprint:sha-256 07:07"),
        "{answered}"
    );
    let (caller, _) = rig.sides();
    let Protection::Dtls(dtls) = caller.protection else {
        panic!("{caller:?}")
    };
    assert_eq!(dtls.role, DtlsRole::Client);
    let ice = caller.ice.unwrap();
    assert!(!ice.controlling, "the offerer leads");
    assert_eq!(&*ice.remote.fragment, "abcd");
    assert_eq!(line(&answered, "a=ice-ufrag:"), Some(&*ice.local.fragment));
    assert_eq!(line(&answered, "a=ice-pwd:"), Some(&*ice.local.password));
    assert!(ice.local.fragment.len() >= 4 && ice.local.password.len() >= 22);
    assert_eq!(ice.candidates.len(), 1);
}

#[test]
fn without_a_certificate_there_is_no_handshake() {
    let mut rig = Rig::with(Config {
        fingerprint: None,
        ..config()
    });
    let (mut anna, bert) = two_phones_on(&mut rig, Transport::Wss, Transport::Udp);
    let offer = Kind::Browser.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    anna.expect(&mut rig, "SIP/2.0 488");
    bert.expect_nothing(&mut rig);
}

#[test]
fn the_echo_answers_every_kind_of_phone_in_its_own_way() {
    for kind in KINDS {
        let mut rig = Rig::with(config());
        let (mut anna, _) = two_phones(&mut rig);
        anna.invite(
            &mut rig,
            "sip:*43@192.0.2.1",
            "",
            &kind.offer("198.51.100.7", 4000),
        );
        let answered = body(&anna.expect(&mut rig, "SIP/2.0 200"));
        assert_eq!(profile_of(&answered), kind.profile(), "{answered}");
        let (_, remote) = rig.remotes().pop().unwrap();
        check_protection(kind, &remote, KEY);
        let echoed = rig
            .media
            .iter()
            .any(|order| matches!(order, Command::Echo { .. }));
        assert!(echoed);
    }
}
