//! Keys in offers and answers (RFC 4568, RFC 8643), without any packet.

use fernamt_rtp::srtp::Suite;
use fernamt_sdp::{Encryption, SessionDescription, TransportDescription};
use fernamt_sip::transport::{Flow, Transport};

use super::super::offer::{NoSession, Session};
use super::super::stack::Stack;
use super::super::{AgentSettings, Command, EndKind, Event};
use super::world::{LEFT, RIGHT, World, address, udp};
use crate::media::Protection;

fn session(encryption: Encryption, transport: Transport, seed: u8) -> Session {
    let settings = AgentSettings {
        media_port: 4_000,
        encryption,
        ..AgentSettings::default()
    };
    let mut stack = Stack::new(settings, [seed; 32]);
    let flow = Flow {
        transport,
        ..udp(address(LEFT), address(RIGHT))
    };
    Session::new(&mut stack, flow)
}

/// The m-line and the tags and suites of a description's first section.
fn voice(text: &str) -> (String, Vec<(u32, &'static str)>) {
    let description = SessionDescription::parse(text.as_bytes()).expect("a description");
    let transport = TransportDescription::of(&description, 0).expect("RTP");
    let lines = transport.cryptos.iter();
    let lines = lines.map(|line| (line.tag, line.suite.as_str())).collect();
    (transport.profile.to_string(), lines)
}

fn version(text: &str) -> u64 {
    let description = SessionDescription::parse(text.as_bytes()).expect("a description");
    description.origin().version().expect("a number")
}

const OFFERED: [(u32, &str); 3] = [
    (1, "AES_CM_128_HMAC_SHA1_80"),
    (2, "AEAD_AES_256_GCM"),
    (3, "AEAD_AES_128_GCM"),
];

#[test]
fn an_offer_asks_for_what_the_person_and_the_signalling_want() {
    use Encryption::{Never, Offered, Required};
    use Transport::{Tcp, Tls, Udp, Wss};
    for (encryption, transport, profile, count) in [
        (Offered, Udp, "RTP/AVP", 1),
        (Offered, Tcp, "RTP/AVP", 3),
        (Offered, Tls, "RTP/SAVP", 3),
        (Offered, Wss, "RTP/SAVP", 3),
        (Required, Udp, "RTP/SAVP", 1),
        (Required, Tls, "RTP/SAVP", 3),
        (Never, Udp, "RTP/AVP", 0),
        (Never, Tls, "RTP/AVP", 0),
    ] {
        let text = session(encryption, transport, 1).offer();
        let expected = (profile.to_owned(), OFFERED[..count].to_vec());
        assert_eq!(voice(&text), expected, "{encryption:?} {transport:?}");
        assert!(text.contains("rtcp-mux"));
    }
}

#[test]
fn keys_are_of_one_call_and_one_suite() {
    let keys = |seed| {
        let text = session(Encryption::Offered, Transport::Tcp, seed).offer();
        let lines = text.lines().filter_map(|line| line.split("inline:").nth(1));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut all = [keys(1), keys(2)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
}

/// What both sides have in the end: the keys of one are those of the other.
fn agree(left: &mut Session, right: &mut Session) -> Result<Option<Protection>, NoSession> {
    let (answer, there) = right.answer(left.offer().as_bytes())?;
    let here = left.accept(answer.as_bytes())?;
    let crossed = there.protection.map(|there| Protection {
        ours: there.theirs,
        theirs: there.ours,
    });
    assert_eq!(here.protection, crossed);
    Ok(here.protection)
}

#[test]
fn both_sides_agree_on_the_first_line_and_keep_their_keys() {
    for (encryption, transport) in [
        (Encryption::Offered, Transport::Udp),
        (Encryption::Offered, Transport::Tls),
        (Encryption::Required, Transport::Udp),
    ] {
        let mut left = session(encryption, transport, 1);
        let mut right = session(Encryption::Offered, Transport::Udp, 2);
        let first = agree(&mut left, &mut right).expect("agreed");
        assert_eq!(
            first.as_ref().map(Protection::suite),
            Some("AES_CM_128_HMAC_SHA1_80")
        );
        let first = first.expect("keys");
        assert_ne!(first.ours, first.theirs);
        // Held by one, taken back by the other: the same keys, whoever offers.
        left.set_hold(true);
        assert_eq!(
            agree(&mut left, &mut right).expect("agreed"),
            Some(first.clone())
        );
        let back = agree(&mut right, &mut left).expect("agreed").expect("keys");
        assert_eq!((back.ours, back.theirs), (first.theirs, first.ours));
    }
}

#[test]
fn who_cannot_is_answered_in_clear_unless_encryption_is_required() {
    use Encryption::{Never, Offered, Required};
    let agreed = |left, right| {
        let mut left = session(left, Transport::Udp, 1);
        let mut right = session(right, Transport::Udp, 2);
        agree(&mut left, &mut right)
    };
    for (left, right) in [(Offered, Never), (Never, Offered), (Never, Never)] {
        assert_eq!(agreed(left, right).expect("agreed"), None);
    }
    for (left, right) in [(Never, Required), (Required, Never)] {
        assert_eq!(agreed(left, right).map_err(|no| no.status), Err(488));
    }
    // A call in clear is changed in clear.
    let mut left = session(Offered, Transport::Udp, 1);
    let mut right = session(Never, Transport::Udp, 2);
    agree(&mut left, &mut right).expect("agreed");
    assert_eq!(voice(&left.offer()), ("RTP/AVP".to_owned(), Vec::new()));
}

#[test]
fn an_answer_in_clear_to_an_offer_that_insists_is_refused() {
    for (encryption, transport) in [
        (Encryption::Required, Transport::Udp),
        (Encryption::Offered, Transport::Tls),
    ] {
        let mut left = session(encryption, transport, 1);
        left.offer();
        let answer = PLAIN.replace('\n', "\r\n");
        assert!(left.accept(answer.as_bytes()).is_err());
    }
    // With keys beside a plain profile, it is the answer that decides; here it must have them.
    let mut left = session(Encryption::Offered, Transport::Udp, 1);
    left.offer();
    let plan = left.accept(PLAIN.replace('\n', "\r\n").as_bytes());
    assert_eq!(plan.expect("agreed").protection, None);
}

const PLAIN: &str = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
                     m=audio 6000 RTP/AVP 8\n";

const KEY_16: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// An offer in this profile with these lines.
fn offer(profile: &str, lines: &str) -> String {
    PLAIN.replace("RTP/AVP", profile).replace('\n', "\r\n") + &lines.replace('\n', "\r\n")
}

#[test]
fn an_offer_is_answered_in_its_profile_with_its_tag_and_suite() {
    let line = format!(
        "a=crypto:7 F8_128_HMAC_SHA1_80 inline:{KEY_16}\n\
         a=crypto:8 AES_CM_128_HMAC_SHA1_32 inline:{KEY_16}|2^20|1:4\n\
         a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{KEY_16}\n"
    );
    for profile in ["RTP/SAVP", "RTP/AVP", "RTP/SAVPF"] {
        let mut phone = session(Encryption::Offered, Transport::Udp, 1);
        let (text, plan) = phone
            .answer(offer(profile, &line).as_bytes())
            .expect("an answer");
        assert_eq!(
            voice(&text),
            (profile.to_owned(), vec![(8, "AES_CM_128_HMAC_SHA1_32")])
        );
        let protection = plan.protection.expect("keys");
        assert_eq!(protection.theirs.suite(), Suite::AesCm128HmacSha1_32);
        assert_eq!(protection.theirs.mki(), [0, 0, 0, 1]);
        assert!(protection.ours.mki().is_empty());
    }
}

#[test]
fn what_cannot_be_answered_is_refused_with_488() {
    let fingerprint = format!(
        "a=setup:actpass\na=fingerprint:sha-256 {}00\n",
        "00:".repeat(31)
    );
    let unauthenticated =
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_16} UNAUTHENTICATED_SRTP\n");
    let short = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\n".to_owned();
    for (profile, lines) in [
        ("UDP/TLS/RTP/SAVPF", &fingerprint),
        ("UDP/TLS/RTP/SAVP", &fingerprint),
        ("RTP/SAVPF", &fingerprint),
        ("RTP/SAVP", &unauthenticated),
        ("RTP/SAVP", &short),
        ("RTP/SAVP", &String::new()),
    ] {
        let mut phone = session(Encryption::Offered, Transport::Udp, 1);
        let refused = phone.answer(offer(profile, lines).as_bytes());
        assert_eq!(
            refused.map_err(|no| no.status).err(),
            Some(488),
            "{profile}"
        );
    }
    // With a profile that every phone has, the handshake is only a wish (RFC 8643).
    let mut phone = session(Encryption::Offered, Transport::Udp, 1);
    let (text, plan) = phone
        .answer(offer("RTP/AVP", &fingerprint).as_bytes())
        .expect("an answer");
    assert_eq!((voice(&text).1, plan.protection), (Vec::new(), None));
    let mut phone = session(Encryption::Required, Transport::Udp, 1);
    let refused = phone.answer(offer("RTP/AVP", &fingerprint).as_bytes());
    let reason = refused.expect_err("refused").reason;
    assert!(reason.contains("required"), "{reason}");
}

#[test]
fn of_several_sections_the_one_that_can_be_protected_is_taken() {
    let key = "A".repeat(38) + "==";
    let crypto = format!("a=crypto:1 AEAD_AES_128_GCM inline:{key}\n");
    let two = format!("m=audio 6002 RTP/SAVP 0\n{crypto}m=video 6004 RTP/SAVP 96\n");
    let mut phone = session(Encryption::Required, Transport::Udp, 1);
    let (text, plan) = phone
        .answer(offer("RTP/AVP", &two).as_bytes())
        .expect("an answer");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=audio 0 RTP/AVP 8",
            "m=audio 4000 RTP/SAVP 0",
            "m=video 0 RTP/SAVP 96"
        ]
    );
    assert_eq!(plan.remote.port(), 6_002);
    assert_eq!(
        plan.protection.as_ref().map(Protection::suite),
        Some("AEAD_AES_128_GCM")
    );
    // What is offered anew has the sections in their places.
    let again = phone.offer();
    let lines: Vec<_> = again
        .lines()
        .filter(|line| line.starts_with("m="))
        .collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("m=audio 4000 RTP/SAVP "), "{again}");
}

#[test]
fn a_new_key_of_the_other_side_is_taken_and_ours_stays() {
    let line = |key: &str| format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\n");
    let mut phone = session(Encryption::Offered, Transport::Udp, 1);
    let mut answer = |key: &str| {
        let offer = offer("RTP/SAVP", &line(key));
        let (text, plan) = phone.answer(offer.as_bytes()).expect("an answer");
        (version(&text), plan.protection.expect("keys"))
    };
    let (first, before) = answer(KEY_16);
    let (second, after) = answer(&KEY_16.replace("WVNf", "WVNg"));
    assert_eq!(before.ours, after.ours);
    assert_ne!(before.theirs, after.theirs);
    assert_eq!(first, second);
}

#[test]
fn another_key_of_ours_is_another_version_of_the_description() {
    let mut phone = session(Encryption::Offered, Transport::Udp, 1);
    let mut answer = |suite: &str| {
        let line = format!("a=crypto:1 {suite} inline:{KEY_16}\n");
        let offer = offer("RTP/SAVP", &line);
        let (text, _) = phone.answer(offer.as_bytes()).expect("an answer");
        version(&text)
    };
    let first = answer("AES_CM_128_HMAC_SHA1_80");
    assert_eq!(answer("AES_CM_128_HMAC_SHA1_32"), first + 1);
}

#[test]
fn a_call_that_insists_is_refused_by_a_phone_in_clear() {
    for (left, right, refused) in [
        (Encryption::Required, Encryption::Never, true),
        (Encryption::Never, Encryption::Required, true),
        (Encryption::Required, Encryption::Offered, false),
        (Encryption::Offered, Encryption::Required, false),
    ] {
        let mut world = World::new();
        for (at, encryption, port) in [(LEFT, left, 4_000), (RIGHT, right, 5_000)] {
            let settings = AgentSettings {
                media_port: port,
                accept_calls: at == RIGHT,
                encryption,
                ..AgentSettings::default()
            };
            world.add(at, settings);
        }
        world.call(0, RIGHT);
        world.seconds(1);
        if refused {
            let EndKind::Refused(refusal) = &world.ended(0).kind else {
                panic!("{:?}", world.ended(0));
            };
            assert_eq!(refusal.status, 488);
            let reason = world.ended(0).reason.as_deref().expect("a Warning");
            assert!(reason.contains("encrypted media are"), "{reason}");
            continue;
        }
        world.command(1, Command::Answer);
        world.seconds(1);
        assert!(world.has(0, &Event::Answered));
        let (here, there) = (&world.plan(0).protection, &world.plan(1).protection);
        let (here, there) = (here.as_ref().expect("keys"), there.as_ref().expect("keys"));
        assert_eq!((&here.ours, &here.theirs), (&there.theirs, &there.ours));
    }
}

#[test]
fn an_invite_with_keys_still_fits_into_a_datagram() {
    // RFC 3261 section 18.1.1; what credentials add is somewhat more than 300 bytes.
    const LONGEST: usize = 1_300 - 350;
    let mut world = World::of_two(|_| {});
    world.call(0, RIGHT);
    let length = world.sent_bytes[0].len();
    assert!(length <= LONGEST, "{length}");
}
