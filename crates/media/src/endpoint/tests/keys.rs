//! Keys of protected endpoints: how long they last, what follows them, and what they are called.

use fernamt_exchange::media::{Event, ProtectionFailure, Remote, Rollovers, SrtpKey, SrtpKeys};
use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{
    FORMER_KEY_MICROS, LIFETIME_GRACE_PACKETS, MAX_SENT_SOURCES, Protector, Unprotector,
};
use fernamt_sdp::CryptoSuite;

use super::protected::{Party, key, keys, party_address, protected};
use super::rig::Rig;
use super::*;
use crate::protection::{MAX_LEFT_KEYS, master_key};

const SUITE: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;

/// Other keys of the party.
fn theirs_changed(fill: u8) -> SrtpKeys {
    SrtpKeys {
        theirs: key(SUITE, fill),
        ..keys(SUITE)
    }
}

fn is_heard(rig: &mut Rig, packet: &[u8]) -> bool {
    rig.arrive(Channel::Rtp, packet, party_address()).0 == RTP
}

#[test]
fn what_is_on_its_way_with_the_key_before_is_heard_until_the_new_one_is() {
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(SUITE)));
    let mut before = Party::new(&keys(SUITE));
    assert!(is_heard(&mut rig, &before.says(1)));
    rig.set_remote(&protected(theirs_changed(9)));
    let mut after = Party::new(&theirs_changed(9));
    assert!(is_heard(&mut rig, &before.says(2)), "it has no answer yet");
    let late = before.says(3);
    assert!(is_heard(&mut rig, &after.says(4)));
    assert!(!is_heard(&mut rig, &late));
    assert!(is_heard(&mut rig, &after.says(5)));
    assert_eq!(rig.endpoint.statistics().packets_unauthentic, 1);
    // Only what is the party's is written down.
    let moved = rig.endpoint.take_moved().unwrap();
    assert_eq!((moved.theirs[0].index, moved.heard_packets.0), (5, 2));
}

#[test]
fn the_key_before_is_not_heard_for_ever() {
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(SUITE)));
    let mut before = Party::new(&keys(SUITE));
    rig.set_remote(&protected(theirs_changed(9)));
    rig.now_micros = FORMER_KEY_MICROS - 1;
    assert!(is_heard(&mut rig, &before.says(1)));
    rig.now_micros = FORMER_KEY_MICROS;
    assert!(!is_heard(&mut rig, &before.says(2)));
}

fn lasting(packets: u64, key: SrtpKey) -> SrtpKey {
    SrtpKey {
        lifetime_packets: Some(packets),
        ..key
    }
}

#[test]
fn the_end_of_a_party_s_key_is_told_before_and_then_once() {
    let short = SrtpKeys {
        theirs: lasting(1_600, key(SUITE, 2)),
        ..keys(SUITE)
    };
    let mut rig = Rig::new();
    rig.set_remote(&protected(short.clone()));
    let mut party = Party::new(&keys(SUITE));
    let last = 1_600 + LIFETIME_GRACE_PACKETS;
    let mut told_old = Vec::new();
    for number in 1..=last {
        rig.now_micros += 20_000;
        assert!(is_heard(&mut rig, &party.says(number as u16)), "{number}");
        if rig.endpoint.take_old_key() {
            told_old.push(number);
        }
        let failure = rig.endpoint.take_failure();
        let ended = number == last;
        assert_eq!(
            failure,
            ended.then_some(ProtectionFailure::PartyKeyExhausted)
        );
    }
    assert_eq!(told_old, [1_400, 1_500, 1_600]);
    for number in 1..10 {
        let number = (last + number) as u16;
        assert!(!is_heard(&mut rig, &party.says(number)));
        assert_eq!(rig.endpoint.take_failure(), None, "told once");
    }
    // We are still heard, and so is the party with another key.
    assert!(rig.seal(&rtp(1)).is_some());
    rig.set_remote(&protected(theirs_changed(9)));
    let mut party = Party::new(&theirs_changed(9));
    assert!(is_heard(&mut rig, &party.says(1)));
    assert_eq!(rig.endpoint.take_failure(), None);
}

#[test]
fn nothing_is_sent_beyond_the_life_of_our_key_and_that_is_told_once() {
    let short = SrtpKeys {
        ours: lasting(160, key(SUITE, 1)),
        ..keys(SUITE)
    };
    let mut rig = Rig::new();
    rig.set_remote(&protected(short.clone()));
    for number in 0..160 {
        assert!(rig.seal(&rtp(number)).is_some());
        assert_eq!(
            rig.endpoint.take_old_key(),
            [139, 149, 159].contains(&number)
        );
    }
    assert_eq!(rig.endpoint.take_failure(), None, "nothing was refused yet");
    for number in 160..170 {
        assert_eq!(rig.seal(&rtp(number)), None);
        let told = rig.endpoint.take_failure();
        let first = number == 160;
        assert_eq!(told, first.then_some(ProtectionFailure::KeyExhausted));
    }
    let ours = key(SUITE, 7);
    rig.set_remote(&protected(SrtpKeys { ours, ..short }));
    assert!(rig.seal(&rtp(170)).is_some());
}

/// A party that goes on sending while it is held: how often its numbers have wrapped is known when it is
/// let in again.
#[test]
fn a_party_on_hold_is_not_let_in_and_not_lost() {
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(SUITE)));
    let mut party = Party::new(&keys(SUITE));
    assert!(is_heard(&mut rig, &party.says(1)));
    rig.set_remote(&Remote {
        sends: false,
        ..protected(keys(SUITE))
    });
    for number in (2..200_000_u32).step_by(1_000) {
        assert!(!is_heard(&mut rig, &party.says(number as u16)));
        rig.now_micros += 20_000_000;
    }
    assert_eq!(rig.endpoint.statistics().packets_received, 1);
    assert_eq!(rig.endpoint.statistics().packets_unauthentic, 0);
    rig.set_remote(&protected(keys(SUITE)));
    assert!(is_heard(&mut rig, &party.says(200_100_u32 as u16)));
}

#[test]
fn what_a_key_has_done_and_which_names_it_knows_survive_a_restart() {
    let mut before = Rig::new();
    before.set_remote(&protected(keys(SUITE)));
    let packet_of = |ssrc: u32| {
        let mut packet = rtp(1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    };
    let name = |sealed: &[u8]| Header::peek(sealed).unwrap().ssrc;
    let mut names = std::collections::HashSet::new();
    let last = MAX_SENT_SOURCES as u32 + 10;
    for ssrc in 1..=last {
        assert!(names.insert(name(&before.seal(&packet_of(ssrc)).unwrap())));
    }
    let rollovers: Rollovers = before.endpoint.take_moved().unwrap();
    assert_eq!(rollovers.sent_packets, u64::from(last));
    assert_eq!(rollovers.ours.len(), MAX_SENT_SOURCES);
    assert_eq!(rollovers.made_up_names.map(|names| names.count), Some(10));
    let mut after = Rig::new();
    after.set_remote(&Remote {
        rollovers,
        ..protected(keys(SUITE))
    });
    let mut party = Party::new(&keys(SUITE));
    for ssrc in MAX_SENT_SOURCES as u32 + 1..=last + 10 {
        let sealed = after.seal(&packet_of(ssrc)).unwrap();
        assert!(names.insert(name(&sealed)), "no name comes twice");
        assert_eq!(party.hears(sealed)[12..], rtp(1)[12..]);
    }
}

/// RFC 4568 section 6.1: each side names its own key, or does not.
#[test]
fn keys_with_and_without_names_are_told_apart() {
    let named = |fill, name: &[u8]| SrtpKey {
        identifier: name.into(),
        ..key(SUITE, fill)
    };
    for (ours, theirs) in [(&[][..], &[0, 0, 4, 42][..]), (&[1], &[]), (&[1], &[2, 2])] {
        let both = SrtpKeys {
            ours: named(1, ours),
            theirs: named(2, theirs),
        };
        let mut rig = Rig::new();
        rig.set_remote(&protected(both.clone()));
        let mut party = Party {
            protector: Protector::new(&master_key(&both.theirs).unwrap()),
            unprotector: Unprotector::new(&master_key(&both.ours).unwrap()),
        };
        let said = party.says(1);
        assert_eq!(said.len(), 172 + theirs.len() + 10);
        // Somebody else's name, or one where there should be none.
        let other = SrtpKeys {
            theirs: named(2, &[9; 4]),
            ..both.clone()
        };
        assert!(!is_heard(&mut rig, &Party::new(&other).says(1)));
        assert!(is_heard(&mut rig, &said));
        let sealed = rig.seal(&rtp(1)).unwrap();
        assert_eq!(sealed.len(), 172 + ours.len() + 10);
        assert_eq!(party.hears(sealed), rtp(1));
    }
}

/// Other keys of ours, told apart by a number.
fn ours_changed(fill: u8) -> SrtpKeys {
    SrtpKeys {
        ours: key(SUITE, fill),
        ..keys(SUITE)
    }
}

/// Several parties answer one offer, in clear or with another of our keys, and the first takes the call.
#[test]
fn no_number_is_used_twice_under_a_key_that_comes_back() {
    let report = b"\x80\xc9\x00\x01\x00\x00\x00\x07";
    for between in [remote(None, true), protected(ours_changed(7))] {
        let mut rig = Rig::new();
        rig.set_remote(&protected(keys(SUITE)));
        let mut party = Party::new(&keys(SUITE));
        for number in 1..=3 {
            party.hears(rig.seal(&rtp(number)).unwrap());
            assert!(is_heard(&mut rig, &party.says(number)));
        }
        let mut room = [&report[..], &[0; 100]].concat();
        let shield = &mut rig.endpoint.shield;
        shield.seal_rtcp(Channel::Rtp, &mut room, report.len());
        rig.set_remote(&between);
        assert!(rig.seal(&rtp(1)).is_some());
        assert!(!rig.take_events().iter().any(is_about_positions));
        rig.set_remote(&protected(keys(SUITE)));
        let events = rig.take_events();
        let [Event::RolledOver { rollovers, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((rollovers.sent_packets, rollovers.rtcp), (3, 1));
        assert_eq!(rollovers.heard_packets.0, 3);
        assert_eq!(rig.seal(&rtp(3)), None, "it was sent with this key");
        party.hears(rig.seal(&rtp(4)).unwrap());
        assert!(is_heard(&mut rig, &party.says(4)));
        // The same once more is no news.
        rig.set_remote(&protected(keys(SUITE)));
        assert_eq!(rig.take_events(), []);
    }
}

fn is_about_positions(event: &Event) -> bool {
    matches!(event, Event::RolledOver { .. })
}

#[test]
fn so_many_keys_that_were_left_are_known() {
    for (others, is_known) in [(MAX_LEFT_KEYS, true), (MAX_LEFT_KEYS + 1, false)] {
        let mut rig = Rig::new();
        rig.set_remote(&protected(keys(SUITE)));
        assert!(rig.seal(&rtp(1)).is_some());
        for number in 0..others {
            rig.set_remote(&protected(ours_changed(0x40 + number as u8)));
        }
        rig.set_remote(&protected(keys(SUITE)));
        assert_eq!(rig.take_events().iter().any(is_about_positions), is_known);
        assert_eq!(rig.seal(&rtp(1)).is_none(), is_known);
    }
}
