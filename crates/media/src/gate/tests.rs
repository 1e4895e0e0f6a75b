//! Who gets through the gate, packet by packet, in virtual time.

mod flood;

use std::time::Duration;

use proptest::prelude::*;

use super::latch::{CONSISTENT_PACKETS, REBIND_SILENCE_MICROS};
use super::*;

const SECOND: u64 = 1_000_000;

/// What the description says; a private address behind a NAT in the tests that need one.
const SAID: &str = "192.0.2.10:4000";
const SIGNALLING: &str = "192.0.2.10";
const NAT: &str = "198.51.100.7";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn remote(rtp: &str, signalling: &str) -> Remote {
    Remote {
        signalling: signalling.parse().unwrap(),
        payload_types: vec![0, 8, 101],
        silence: Some(Duration::from_secs(30)),
        ..Remote::plain(address(rtp))
    }
}

fn gate(rtp: &str, signalling: &str) -> Gate {
    Gate::new(&remote(rtp, signalling), 1_000, 0)
}

fn packet(ssrc: u32, sequence: u16) -> Header {
    Header {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: 0,
        ssrc,
    }
}

/// Sends a run of packets and returns the last verdict.
fn send(gate: &mut Gate, from: &str, ssrc: u32, first: u16, count: u8, now: u64) -> Verdict {
    let mut verdict = Verdict::Dropped;
    for index in 0..count {
        let header = packet(ssrc, first.wrapping_add(u16::from(index)));
        verdict = gate.admit(address(from), header, now + u64::from(index) * 20_000);
    }
    verdict
}

#[test]
fn the_negotiated_address_is_latched_with_its_first_packet() {
    let mut gate = gate(SAID, SIGNALLING);
    assert_eq!(gate.rtp_destination(), Some(address(SAID)));
    assert_eq!(send(&mut gate, SAID, 1, 1, 1, 0), Verdict::Latched);
    assert_eq!(send(&mut gate, SAID, 1, 2, 1, 20_000), Verdict::Accepted);
}

#[test]
fn another_port_of_the_signalling_address_is_latched_after_consistent_packets() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    let from = "198.51.100.7:61000";
    assert_eq!(
        send(&mut gate, from, 1, 1, CONSISTENT_PACKETS - 1, 0),
        Verdict::Dropped
    );
    assert_eq!(gate.rtp_destination(), Some(address("10.0.0.5:4000")));
    assert_eq!(send(&mut gate, from, 1, 3, 1, 60_000), Verdict::Latched);
    assert_eq!(gate.rtp_destination(), Some(address(from)));
}

/// Whoever forges the party's address cannot take its stream away from it.
#[test]
fn nothing_is_learned_from_a_source_that_is_not_let_in() {
    let mut gate = gate(SAID, SIGNALLING);
    send(&mut gate, SAID, 1, 1, 1, 0);
    let mut others = 2..100;
    let refused = others.find(|ssrc| send(&mut gate, SAID, *ssrc, 1, 1, 1) == Verdict::Dropped);
    let last = refused.unwrap() - 1;
    assert_eq!(gate.latch.ssrc(), Some(last));
    // Nor from packets beyond the rate.
    let known = last - 1;
    while send(&mut gate, SAID, known, 7, 1, SECOND) == Verdict::Accepted {}
    assert_eq!(gate.latch.ssrc(), Some(known));
    assert_eq!(send(&mut gate, SAID, last, 7, 1, SECOND), Verdict::Dropped);
    assert_eq!(gate.latch.ssrc(), Some(known));
}

#[test]
fn a_look_at_where_rtcp_comes_from_changes_nothing() {
    let beside = "198.51.100.7:61001";
    let mut gate = gate("10.0.0.5:4000", NAT);
    gate.negotiated.rtcp = Some(address("10.0.0.5:4001"));
    assert!(!gate.may_be_rtcp(address(beside), false));
    send(&mut gate, "198.51.100.7:61000", 1, 1, CONSISTENT_PACKETS, 0);
    for (from, may_be) in [
        (beside, true),
        ("10.0.0.5:4001", true),
        ("203.0.113.66:1", false),
    ] {
        assert_eq!(gate.may_be_rtcp(address(from), false), may_be, "{from}");
        assert!(!gate.may_be_rtcp(address(from), true), "not multiplexed");
    }
    assert_eq!(gate.rtcp_latch.address(), None);
    let verdict = gate.admit_rtcp(address(beside), 1, false, 0);
    assert_eq!(verdict, Verdict::Accepted);
    assert!(!gate.may_be_rtcp(address("10.0.0.5:4001"), false));
}

#[test]
fn packets_that_do_not_belong_together_never_latch() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    for n in 0..200_u16 {
        let from = SocketAddr::new(NAT.parse().unwrap(), 61_000);
        let (ssrc, sequence) = if n % 2 == 0 {
            (u32::from(n), n)
        } else {
            (7, n * 300)
        };
        let verdict = gate.admit(from, packet(ssrc, sequence), u64::from(n) * 20_000);
        assert_eq!(verdict, Verdict::Dropped);
    }
    // The same packet again and again is no stream, either.
    for n in 0..10 {
        assert_eq!(
            send(&mut gate, "198.51.100.7:61001", 9, 5, 1, n * 20_000),
            Verdict::Dropped
        );
    }
}

#[test]
fn a_stranger_is_never_latched_however_often_he_sends() {
    for mut gate in [gate(SAID, SIGNALLING), gate("10.0.0.5:4000", NAT)] {
        for n in 0..1_000_u16 {
            let now = u64::from(n) * 20_000;
            assert_eq!(
                send(&mut gate, "203.0.113.66:4000", 1, n, 1, now),
                Verdict::Dropped
            );
        }
        assert_eq!(gate.latch.address(), None);
    }
}

#[test]
fn a_closed_latch_lets_nobody_else_in() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    send(&mut gate, "198.51.100.7:61000", 1, 1, 3, 0);
    for other in ["198.51.100.7:61001", "203.0.113.66:61000", "10.0.0.5:4000"] {
        assert_eq!(
            send(&mut gate, other, 2, 1, 100, 100_000),
            Verdict::Dropped,
            "{other}"
        );
    }
    assert_eq!(gate.rtp_destination(), Some(address("198.51.100.7:61000")));
}

#[test]
fn the_negotiated_address_takes_over_from_a_neighbour_at_the_same_ip_address() {
    let mut gate = gate(SAID, SIGNALLING);
    assert_eq!(
        send(&mut gate, "192.0.2.10:5555", 66, 1, 3, 0),
        Verdict::Latched
    );
    assert_eq!(send(&mut gate, SAID, 1, 1, 1, 100_000), Verdict::Latched);
    assert_eq!(
        send(&mut gate, "192.0.2.10:5555", 66, 4, 50, 120_000),
        Verdict::Dropped
    );
    assert_eq!(gate.rtp_destination(), Some(address(SAID)));
}

#[test]
fn a_new_port_of_the_nat_goes_on_after_a_silence_with_the_same_stream() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    send(&mut gate, "198.51.100.7:61000", 1, 10, 3, 0);
    let after = 40_000 + REBIND_SILENCE_MICROS;
    assert_eq!(
        send(&mut gate, "198.51.100.7:61999", 1, 13, 3, after - 100_000),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.7:61999", 1, 16, 3, after),
        Verdict::Latched
    );
    assert_eq!(gate.rtp_destination(), Some(address("198.51.100.7:61999")));
}

#[test]
fn a_new_port_is_not_taken_without_the_stream_or_the_ip_address() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    send(&mut gate, "198.51.100.7:61000", 1, 10, 3, 0);
    let after = 10 * SECOND;
    // Another SSRC, a sequence far away, one behind, another IP address.
    assert_eq!(
        send(&mut gate, "198.51.100.7:61999", 2, 13, 9, after),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.7:61999", 1, 9_000, 9, after),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.7:61999", 1, 3, 9, after),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.8:61999", 1, 13, 9, after),
        Verdict::Dropped
    );
}

#[test]
fn the_latch_opens_again_only_when_the_addresses_differ() {
    let mut gate = gate(SAID, SIGNALLING);
    send(&mut gate, SAID, 1, 1, 1, 0);
    let held = Remote {
        sends: false,
        receives: false,
        ..remote(SAID, SIGNALLING)
    };
    gate.renegotiate(&held, SECOND);
    assert_eq!(gate.latch.address(), Some(address(SAID)));
    gate.renegotiate(&remote("192.0.2.10:4002", SIGNALLING), SECOND);
    assert_eq!(gate.latch.address(), None);
    assert_eq!(gate.rtp_destination(), Some(address("192.0.2.10:4002")));
}

#[test]
fn the_address_of_before_a_move_does_not_win_against_the_new_one() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    send(&mut gate, "198.51.100.7:61000", 1, 1, 3, 0);
    gate.renegotiate(&remote("10.0.0.5:4002", NAT), SECOND);
    // The phone sends from its old socket until it has the answer.
    assert_eq!(
        send(&mut gate, "198.51.100.7:61000", 1, 50, 50, SECOND),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.7:61002", 2, 1, 3, 2 * SECOND),
        Verdict::Latched
    );
}

#[test]
fn the_address_of_before_a_move_is_taken_again_when_the_phone_stays_there() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    send(&mut gate, "198.51.100.7:61000", 1, 1, 3, 0);
    gate.renegotiate(&remote("198.51.100.7:4000", NAT), SECOND);
    assert_eq!(
        send(&mut gate, "198.51.100.7:61000", 1, 50, 50, SECOND),
        Verdict::Dropped
    );
    assert_eq!(
        send(&mut gate, "198.51.100.7:61000", 1, 150, 3, 3 * SECOND),
        Verdict::Latched
    );
}

#[test]
fn only_negotiated_payload_types_of_a_party_that_may_send_are_accepted() {
    let mut gate = gate(SAID, SIGNALLING);
    let other = Header {
        payload_type: 3,
        ..packet(1, 1)
    };
    assert_eq!(gate.admit(address(SAID), other, 0), Verdict::Dropped);
    gate.renegotiate(
        &Remote {
            sends: false,
            ..remote(SAID, SIGNALLING)
        },
        0,
    );
    assert_eq!(send(&mut gate, SAID, 1, 1, 1, 0), Verdict::Dropped);
    gate.renegotiate(
        &Remote {
            payload_types: Vec::new(),
            ..remote(SAID, SIGNALLING)
        },
        0,
    );
    assert_eq!(gate.admit(address(SAID), other, 0), Verdict::Latched);
}

#[test]
fn payload_types_beyond_seven_bits_are_passed_over() {
    let types = PayloadTypes::from([8, 127, 128, 255].as_slice());
    let known: Vec<u8> = (0..=255)
        .filter(|&payload_type| types.contains(payload_type))
        .collect();
    assert_eq!(known, [8, 127]);
}

#[test]
fn the_packet_above_the_rate_is_dropped_and_the_next_second_goes_on() {
    let mut gate = Gate::new(&remote(SAID, SIGNALLING), 100, 0);
    send(&mut gate, SAID, 1, 0, 1, 0);
    for sequence in 1..=100 {
        assert_eq!(
            gate.admit(address(SAID), packet(1, sequence), 10),
            Verdict::Accepted
        );
    }
    assert_eq!(
        gate.admit(address(SAID), packet(1, 101), 10),
        Verdict::Dropped
    );
    assert_eq!(
        gate.admit(address(SAID), packet(1, 102), SECOND),
        Verdict::Accepted
    );
}

#[test]
fn rtcp_is_taken_from_its_negotiated_address_and_then_from_nobody_else() {
    let mut gate = gate(SAID, SIGNALLING);
    let said = address("192.0.2.10:4001");
    assert_eq!(gate.rtcp_destination(), Some(said));
    assert_eq!(gate.admit_rtcp(said, 1, false, 0), Verdict::Accepted);
    assert_eq!(
        gate.admit_rtcp(address("192.0.2.10:4444"), 1, false, 0),
        Verdict::Dropped
    );
    assert_eq!(
        gate.admit_rtcp(address("203.0.113.66:4001"), 1, false, 0),
        Verdict::Dropped
    );
}

#[test]
fn a_neighbour_of_a_party_that_is_where_it_said_cannot_report_for_it() {
    let mut gate = gate(SAID, SIGNALLING);
    send(&mut gate, SAID, 1, 1, 1, 0);
    assert_eq!(
        gate.admit_rtcp(address("192.0.2.10:4444"), 1, false, 0),
        Verdict::Dropped
    );
}

#[test]
fn rtcp_from_behind_a_nat_follows_the_rtp_and_names_its_source() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    let from = address("198.51.100.7:61001");
    assert_eq!(
        gate.admit_rtcp(from, 1, false, 0),
        Verdict::Dropped,
        "nothing is known yet"
    );
    send(&mut gate, "198.51.100.7:61000", 1, 1, 3, 0);
    assert_eq!(
        gate.rtcp_destination(),
        None,
        "the party is not where it said"
    );
    assert_eq!(
        gate.admit_rtcp(from, 2, false, 0),
        Verdict::Dropped,
        "another source"
    );
    assert_eq!(gate.admit_rtcp(from, 1, false, 0), Verdict::Accepted);
    assert_eq!(gate.rtcp_destination(), Some(from));
}

#[test]
fn multiplexed_rtcp_shares_the_port_and_the_latch_of_rtp() {
    let mut description = remote(SAID, SIGNALLING);
    description.rtcp = Some(description.rtp);
    let mut gate = Gate::new(&description, 1_000, 0);
    assert_eq!(
        gate.admit_rtcp(address(SAID), 1, true, 0),
        Verdict::Accepted
    );
    assert_eq!(
        gate.admit_rtcp(address(SAID), 1, false, 0),
        Verdict::Dropped,
        "the other port"
    );
    assert_eq!(
        gate.admit_rtcp(address("192.0.2.10:4444"), 1, true, 0),
        Verdict::Dropped
    );
    assert_eq!(gate.rtcp_destination(), Some(address(SAID)));
}

#[test]
fn rtcp_that_was_not_negotiated_is_neither_taken_nor_sent() {
    let mut gate = Gate::new(
        &Remote {
            rtcp: None,
            ..remote(SAID, SIGNALLING)
        },
        1_000,
        0,
    );
    assert_eq!(
        gate.admit_rtcp(address("192.0.2.10:4001"), 1, false, 0),
        Verdict::Dropped
    );
    assert_eq!(gate.admit_rtcp(address(SAID), 1, true, 0), Verdict::Dropped);
    assert_eq!(gate.rtcp_destination(), None);
}

#[test]
fn a_handshake_may_be_tried_where_the_party_may_be_and_nowhere_else() {
    let stranger = address("203.0.113.66:4000");
    for channel in [Channel::Rtp, Channel::Rtcp] {
        let mut gate = gate("10.0.0.5:4000", NAT);
        let may = |gate: &mut Gate, from: SocketAddr, has_asked| {
            gate.may_shake_hands(channel, from, has_asked, 0)
        };
        let behind_nat = address("198.51.100.7:61000");
        assert!(may(&mut gate, behind_nat, false));
        // Without checks it says nothing to have sent some.
        assert!(!may(&mut gate, stranger, true));
        gate.identified(channel, behind_nat, 0);
        gate.identified(Channel::Rtp, behind_nat, 0);
        // A NAT that forgot its mapping gives the phone a new port.
        assert!(may(&mut gate, address("198.51.100.7:61999"), false));
        assert!(!may(&mut gate, stranger, false));
        gate.set_paths(Some(Paths::default()));
        assert!(!may(&mut gate, behind_nat, false));
        assert!(may(&mut gate, behind_nat, true));
    }
}

#[test]
fn nothing_is_sent_to_addresses_that_are_nobody() {
    for nobody in [
        "0.0.0.0:4000",
        "192.0.2.10:0",
        "224.0.0.1:4000",
        "255.255.255.255:4000",
        "[::]:4000",
    ] {
        let description = Remote {
            rtcp: Some(address(nobody)),
            ..remote(nobody, SIGNALLING)
        };
        let gate = Gate::new(&description, 1_000, 0);
        assert_eq!(
            (gate.rtp_destination(), gate.rtcp_destination()),
            (None, None),
            "{nobody}"
        );
    }
}

/// Sources of the property test: the party, its NAT, a neighbour behind it, strangers.
const SOURCES: [&str; 6] = [
    "10.0.0.5:4000",
    "198.51.100.7:61000",
    "198.51.100.7:61001",
    "198.51.100.7:61002",
    "203.0.113.66:4000",
    "10.0.0.5:4001",
];

proptest! {
    /// Whoever sends whatever in whichever order: a source that signalling does not vouch for is
    /// never let in, and voice goes only to the negotiated or to an accepted source.
    #[test]
    fn strangers_neither_speak_nor_hear(
        steps in prop::collection::vec((0..SOURCES.len(), 0..3_u32, 0..40_u16, 0..1_500_000_u64), 1..200),
        moves in prop::collection::vec(0..200_usize, 0..4),
    ) {
        let mut gate = gate("10.0.0.5:4000", NAT);
        let (mut now, mut accepted) = (0, vec![address("10.0.0.5:4000")]);
        for (index, (source, ssrc, sequence, pause)) in steps.into_iter().enumerate() {
            now += pause;
            if moves.contains(&index) {
                let port = 4_000 + 2 * (index as u16 % 2);
                gate.renegotiate(&remote(&format!("10.0.0.5:{port}"), NAT), now);
                accepted = vec![SocketAddr::new("10.0.0.5".parse().unwrap(), port)];
                accepted.extend(gate.latch.address());
            }
            let from = address(SOURCES[source]);
            let before = gate.latch.address();
            let verdict = gate.admit(from, packet(ssrc, sequence), now);
            // By signalling, or by going on with the stream on the IP address where it was.
            let vouched = from == gate.negotiated.rtp
                || from.ip() == gate.negotiated.signalling
                || before.is_some_and(|before| before.ip() == from.ip());
            prop_assert!(vouched || verdict == Verdict::Dropped);
            match verdict {
                Verdict::Latched => accepted.push(from),
                Verdict::Accepted => prop_assert_eq!(before, Some(from)),
                Verdict::Dropped => prop_assert_eq!(gate.latch.address(), before),
            }
            let to = gate.rtp_destination();
            prop_assert!(to.is_some_and(|to| accepted.contains(&to)), "{:?}", to);
        }
    }
}

#[test]
fn a_party_has_settled_while_it_is_heard_where_nobody_may_take_its_place() {
    let mut gate = gate(SAID, SIGNALLING);
    assert_eq!(gate.settled_at(0), None, "nothing was heard");
    send(&mut gate, SAID, 1, 1, 1, 0);
    assert_eq!(
        gate.settled_at(REBIND_SILENCE_MICROS - 1),
        Some(address(SAID))
    );
    assert_eq!(
        gate.settled_at(REBIND_SILENCE_MICROS),
        None,
        "it may have a new port"
    );
    // The negotiated address could take over from another port of the same host at any time.
    let mut gate = self::gate(SAID, SIGNALLING);
    let neighbour = "192.0.2.10:9000";
    assert_eq!(
        send(&mut gate, neighbour, 1, 1, CONSISTENT_PACKETS, 0),
        Verdict::Latched
    );
    assert_eq!(gate.settled_at(100_000), None);
    // From behind a NAT it never comes.
    let mut gate = self::gate("10.0.0.5:4000", NAT);
    let mapped = "198.51.100.7:40000";
    assert_eq!(
        send(&mut gate, mapped, 1, 1, CONSISTENT_PACKETS, 0),
        Verdict::Latched
    );
    assert_eq!(gate.settled_at(100_000), Some(address(mapped)));
    gate.set_paths(Some(Paths::default()));
    assert_eq!(gate.settled_at(100_000), None, "checks come from anywhere");
}
