//! Messages of people who do not know the password, and bytes that are no messages.

use fernamt_stun::message::{Builder, Class, ErrorCode, Integrity, Message, Method, attribute};
use proptest::prelude::*;

use super::*;

const FORGER: &str = "203.0.113.66:6666";

fn request(username: &str, password: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id = TransactionId([7; 12]);
    let mut message = Builder::new(&mut bytes, Class::Request, Method::BINDING, id)
        .text(attribute::USERNAME, username)
        .number(message::PRIORITY, 1)
        .attribute(message::USE_CANDIDATE, &[]);
    if let Some(password) = password {
        message = message.integrity(Integrity::Sha1, &Key::short_term(password).unwrap());
    }
    message.fingerprint().finish().unwrap();
    bytes
}

/// Lite agents believe most, so they are the ones to be fooled.
fn agents() -> [World; 2] {
    [false, true].map(|lite| {
        World::new(&Ice {
            lite,
            candidates: Vec::new(),
            ..ice(false)
        })
    })
}

fn assert_unmoved(world: &World) {
    assert_eq!(world.sent, [], "an answer to a forger");
    assert_eq!(world.ours.pairs.len(), 0);
    assert_eq!(world.ours.selected(), None);
    assert_eq!(world.ours.sources().count(), 0);
}

/// GHSA-7mwp-86fv-hcg3: checks without a proof were answered, and moved the media.
#[test]
fn ice_no_integrity() {
    let right = &credentials("ours").password;
    for mut world in agents() {
        for forged in [
            request("oursfrag:theirfrag", None),
            request("oursfrag:theirfrag", Some("")),
            request("oursfrag:theirfrag", Some("a guess")),
            request("oursfrag:theirfrag", Some(&credentials("their").password)),
            request("oursfrag:somebody", Some(right)),
            request("somebody:theirfrag", Some(right)),
            request("oursfrag", Some(right)),
            request("", Some(right)),
        ] {
            world.arrive(&forged, address(FORGER));
        }
        assert_unmoved(&world);
        world.arrive(&request("oursfrag:theirfrag", Some(right)), address(THEIRS));
        assert_ne!(world.sent, []);
    }
}

/// CVE-2026-25994: a user name longer than the room for it.
#[test]
fn ice_long_ufrag() {
    let right = &credentials("ours").password;
    for mut world in agents() {
        for length in [256, 508, 509, 513, 2_000, 20_000] {
            let long = "u".repeat(length);
            for username in [
                format!("{long}:theirfrag"),
                format!("oursfrag:{long}"),
                format!("{long}:{long}"),
                long.clone(),
            ] {
                world.arrive(&request(&username, Some(right)), address(FORGER));
            }
        }
        assert_unmoved(&world);
    }
    let long = Ice {
        remote: IceCredentials {
            fragment: "u".repeat(600).into(),
            password: "p".repeat(257).into(),
        },
        ..ice(true)
    };
    assert!(Agent::new(&long, 1, address(OURS).ip(), &Random::new(), 0).is_none());
}

/// A forged answer said where we are; whoever could guess the transaction could send it.
#[test]
fn stun_predictable_txid() {
    let candidates = (1..=9).map(|port| candidate(SocketAddr::new([203, 0, 113, 1].into(), port)));
    let mut world = World::new(&Ice {
        candidates: candidates.collect(),
        ..ice(true)
    });
    // All 96 bits are those of the source, in its order: the tie-breaker has taken the first 64.
    let numbers = |seed: u64| (1..=50).map(move |n| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for seed in [0, 1 << 63, 7 << 20] {
        let mut source = numbers(seed);
        let random = Random::known(move || source.next().unwrap());
        world.ours =
            Agent::new(&world.ice, 1, address(OURS).ip(), &random, world.now_micros).unwrap();
        (world.random, world.sent) = (random, Vec::new());
        world.is_silent = true;
        world.run(450);
        let names = world.sent.iter();
        let names = names.map(|(_, sent)| Message::parse(sent).unwrap().transaction().0);
        let drawn: Vec<u64> = numbers(seed).skip(1).collect();
        let expected = drawn.chunks(2).map(|pair| {
            let bytes = [pair[0].to_le_bytes(), pair[1].to_le_bytes()].concat();
            <[u8; 12]>::try_from(&bytes[..12]).unwrap()
        });
        let names: Vec<[u8; 12]> = names.collect();
        assert!(names.len() >= 9, "{}", names.len());
        assert_eq!(names, expected.take(names.len()).collect::<Vec<_>>());
    }
    let mut world = World::new(&ice(true));
    world.is_silent = true;
    world.run(100);
    let asked = Message::parse(&world.sent[0].1).unwrap().transaction();
    let answer = |password: Option<&str>| {
        let mut bytes = Vec::new();
        let mut message = Builder::new(&mut bytes, Class::Success, Method::BINDING, asked)
            .masked_address(attribute::XOR_MAPPED_ADDRESS, address(FORGER));
        if let Some(password) = password {
            message = message.integrity(Integrity::Sha1, &Key::short_term(password).unwrap());
        }
        message.fingerprint().finish().unwrap();
        bytes
    };
    // Even with the right transaction, and from the right place.
    for forged in [answer(None), answer(Some("a guess"))] {
        world.arrive(&forged, address(THEIRS));
    }
    assert_eq!(world.ours.selected(), None);
    assert_eq!(world.ours.sources().count(), 0);
    // From the wrong place even the right answer proves nothing.
    let right = answer(Some(&credentials("their").password));
    world.arrive(&right, address(FORGER));
    assert_eq!(world.ours.selected(), None);
}

#[test]
fn what_must_be_understood_and_is_not_is_refused_with_a_proof() {
    let [mut world, _] = agents();
    let key = Key::short_term(&credentials("ours").password).unwrap();
    let mut bytes = Vec::new();
    let id = TransactionId([7; 12]);
    Builder::new(&mut bytes, Class::Request, Method::BINDING, id)
        .text(attribute::USERNAME, "oursfrag:theirfrag")
        .number(message::PRIORITY, 1)
        .attribute(0x7fff, &[])
        .integrity(Integrity::Sha1, &key)
        .finish()
        .unwrap();
    world.arrive(&bytes, address(THEIRS));
    let answer = Message::parse(&world.sent[0].1).unwrap();
    assert_eq!(answer.class(), Class::Error);
    assert_eq!(answer.verify(&key), Some(Integrity::Sha1));
    assert_eq!(answer.error_code().unwrap().0, ErrorCode::UNKNOWN_ATTRIBUTE);
    assert_eq!(world.ours.pairs.len(), 0);
}

proptest! {
    #[test]
    fn any_bytes_change_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        at in 0_usize..80,
        with in any::<u8>(),
    ) {
        for mut world in agents() {
            world.arrive(&bytes, address(FORGER));
            let right = &credentials("ours").password;
            let mut spoilt = request("oursfrag:theirfrag", Some(right));
            if let Some(byte) = spoilt.get_mut(at) {
                prop_assume!(*byte != with);
                *byte = with;
                world.arrive(&spoilt, address(FORGER));
            }
            prop_assert_eq!(world.sent.len(), 0);
            prop_assert_eq!(world.ours.pairs.len(), 0);
        }
    }
}
