//! That what strangers send leaves room for what the party sends.

use super::*;
use crate::gate::strangers::{LANES, STRANGE_CHECKS_PER_SECOND};

/// Sends a second's flood from so many ports of a host: how many are looked at.
fn flood(mut may: impl FnMut(SocketAddr) -> bool, host: &str) -> usize {
    let ports = (1_024..=u16::MAX).map(|port| SocketAddr::new(host.parse().unwrap(), port));
    ports.filter(|from| may(*from)).count()
}

#[test]
fn a_flood_of_one_kind_leaves_room_for_what_the_party_sends() {
    let stranger = "203.0.113.66";
    let party = address("198.51.100.7:61000");
    let limit = STRANGE_PACKETS_PER_SECOND as usize;
    let mut gate = gate("10.0.0.5:4000", NAT);
    assert_eq!(
        flood(|from| gate.may_try(Channel::Rtp, from, 0), stranger),
        limit
    );
    let check = |gate: &mut Gate, work, from| gate.may_check(Channel::Rtp, from, work, false, 0);
    let checks = STRANGE_CHECKS_PER_SECOND as usize;
    for work in [Work::Check, Work::Answer] {
        assert_eq!(flood(|from| check(&mut gate, work, from), stranger), checks);
        assert!(check(&mut gate, work, party));
    }
    // Handshakes of those who may not be the party do not even count.
    let hello = |gate: &mut Gate, from| gate.may_shake_hands(Channel::Rtp, from, false, 0);
    assert_eq!(flood(|from| hello(&mut gate, from), stranger), 0);
    assert!(hello(&mut gate, party));
    assert!(gate.may_try(Channel::Rtp, party, 0));
    // Exactly where it is said to be, it does not share with its neighbours either.
    let looked_at = flood(|from| hello(&mut gate, from), NAT);
    assert_eq!(looked_at + 1, LANES * limit);
    assert!(hello(&mut gate, address("10.0.0.5:4000")));
}

#[test]
fn a_host_that_candidates_name_does_not_share_with_strangers() {
    let mut gate = gate("10.0.0.5:4000", NAT);
    gate.set_paths(Some(Paths::default()));
    let from = address("203.0.113.66:5000");
    let check =
        |gate: &mut Gate, is_named| gate.may_check(Channel::Rtp, from, Work::Check, is_named, 0);
    while check(&mut gate, false) {}
    assert!(check(&mut gate, true));
}
