//! What protected endpoints take in, and what they learn from it.

use fernamt_exchange::media::{
    Event, Protection, ProtectionFailure, Remote, Rollovers, SrtpKey, SrtpKeys,
};
use fernamt_rtp::srtp::{Protector, Unprotector};
use fernamt_sdp::CryptoSuite;

use super::rig::Rig;
use super::*;
use crate::gate::STRANGE_PACKETS_PER_SECOND;
use crate::protection::master_key;

const SUITES: [CryptoSuite; 6] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AesCm128HmacSha1_32,
    CryptoSuite::AesCm256HmacSha1_80,
    CryptoSuite::AesCm256HmacSha1_32,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::AeadAes256Gcm,
];

pub(super) fn key(suite: CryptoSuite, fill: u8) -> SrtpKey {
    let bytes = match suite {
        CryptoSuite::AesCm128HmacSha1_80 | CryptoSuite::AesCm128HmacSha1_32 => 30,
        CryptoSuite::AesCm256HmacSha1_80 | CryptoSuite::AesCm256HmacSha1_32 => 46,
        CryptoSuite::AeadAes128Gcm => 28,
        CryptoSuite::AeadAes256Gcm => 44,
    };
    SrtpKey {
        suite,
        key_and_salt: vec![fill; bytes].into(),
        identifier: Box::default(),
        lifetime_packets: None,
    }
}

pub(super) fn keys(suite: CryptoSuite) -> SrtpKeys {
    SrtpKeys {
        ours: key(suite, 1),
        theirs: key(suite, 2),
    }
}

pub(super) fn protected(keys: SrtpKeys) -> Remote {
    Remote {
        protection: Protection::Sdes(keys),
        ..remote(None, true)
    }
}

/// The other end: protects with what is theirs to us.
pub(super) struct Party {
    pub(super) protector: Protector,
    pub(super) unprotector: Unprotector,
}

impl Party {
    pub(super) fn new(keys: &SrtpKeys) -> Party {
        Party {
            protector: Protector::new(&master_key(&keys.theirs).unwrap()),
            unprotector: Unprotector::new(&master_key(&keys.ours).unwrap()),
        }
    }

    pub(super) fn says(&mut self, sequence: u16) -> Vec<u8> {
        let mut packet = rtp(sequence);
        let length = packet.len();
        packet.resize(length + 200, 0);
        let length = self.protector.protect_rtp(&mut packet, length).unwrap();
        packet.truncate(length);
        packet
    }

    pub(super) fn hears(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let length = self.unprotector.unprotect_rtp(&mut packet).unwrap();
        packet.truncate(length);
        packet
    }
}

pub(super) fn party_address() -> SocketAddr {
    PARTY.parse().unwrap()
}

fn stranger() -> SocketAddr {
    "203.0.113.66:6666".parse().unwrap()
}

#[test]
fn both_directions_are_protected_in_every_suite() {
    for suite in SUITES {
        let mut rig = Rig::new();
        rig.set_remote(&protected(keys(suite)));
        let mut party = Party::new(&keys(suite));
        for sequence in 1..5 {
            let said = party.says(sequence);
            let (arrival, clear) = rig.arrive(Channel::Rtp, &said, party_address());
            assert_eq!((arrival, clear), (RTP, rtp(sequence)), "{suite:?}");
            let sealed = rig.seal(&rtp(sequence)).unwrap();
            assert_ne!(sealed[12..172], rtp(sequence)[12..]);
            assert_eq!(party.hears(sealed), rtp(sequence));
        }
        assert_eq!(rig.endpoint.statistics().packets_received, 4);
        assert_eq!(rig.endpoint.statistics().bytes_received, 4 * 172);
    }
}

/// CVE-2025-53399: a relay that passed on what it had not proved.
#[test]
fn srtp_tag_ignored() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(suite)));
    let mut party = Party::new(&keys(suite));
    let said = party.says(1);
    for at in 0..said.len() {
        let mut forged = said.clone();
        forged[at] ^= 0x10;
        let (arrival, _) = rig.arrive(Channel::Rtp, &forged, party_address());
        assert_eq!(arrival, Arrival::Dropped, "byte {at}");
    }
    for cut in 1..said.len() {
        let (arrival, _) = rig.arrive(Channel::Rtp, &said[..said.len() - cut], party_address());
        assert_eq!(arrival, Arrival::Dropped);
    }
    assert_eq!(rig.take_events(), []);
    assert_eq!(rig.endpoint.statistics().packets_received, 0);
    assert_eq!(rig.arrive(Channel::Rtp, &said, party_address()).0, RTP);
    // A repetition is dropped, too.
    let (arrival, _) = rig.arrive(Channel::Rtp, &said, party_address());
    assert_eq!(arrival, Arrival::Dropped);
}

/// CVE-2021-41105: a hundred bad packets ended the call.
#[test]
fn srtp_error_hangup() {
    let suite = CryptoSuite::AeadAes128Gcm;
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(suite)));
    let mut party = Party::new(&keys(suite));
    for number in 0..500 {
        let (arrival, _) = rig.arrive(Channel::Rtp, &rtp(number), party_address());
        assert_eq!(arrival, Arrival::Dropped);
    }
    let statistics = rig.endpoint.statistics();
    assert_eq!(statistics.packets_unauthentic, 500);
    assert_eq!(statistics.packets_dropped, 500);
    assert_eq!(rig.take_events(), []);
    let said = party.says(1);
    assert_eq!(rig.arrive(Channel::Rtp, &said, party_address()).0, RTP);
}

#[test]
fn a_forged_packet_moves_no_latch_and_an_authentic_one_does() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(suite)));
    let mut party = Party::new(&keys(suite));
    for sequence in 1..20 {
        rig.arrive(Channel::Rtp, &rtp(sequence), stranger());
        rig.arrive(Channel::Rtp, &rtp(sequence), party_address());
    }
    assert_eq!(rig.take_events(), []);
    assert_eq!(rig.endpoint.rtp_destination(), Some(party_address()));
    // The party is behind a NAT that nobody knew of.
    assert_eq!(rig.arrive(Channel::Rtp, &party.says(1), stranger()).0, RTP);
    assert_eq!(rig.endpoint.rtp_destination(), Some(stranger()));
    let latched = Event::Latched {
        endpoint: EndpointId(1),
        rtp: stranger(),
    };
    assert_eq!(rig.take_events(), [latched]);
}

#[test]
fn a_party_that_moves_is_followed_when_it_is_silent_where_it_was() {
    let suite = CryptoSuite::AeadAes256Gcm;
    let mut rig = Rig::new();
    let elsewhere: SocketAddr = "198.51.100.9:7000".parse().unwrap();
    rig.set_remote(&Remote {
        rtp: "10.0.0.1:4000".parse().unwrap(),
        ..protected(keys(suite))
    });
    let mut party = Party::new(&keys(suite));
    rig.arrive(Channel::Rtp, &party.says(1), party_address());
    rig.now_micros = 400_000;
    assert_eq!(rig.arrive(Channel::Rtp, &party.says(2), elsewhere).0, RTP);
    assert_eq!(rig.endpoint.rtp_destination(), Some(party_address()));
    rig.now_micros = 600_000;
    assert_eq!(rig.arrive(Channel::Rtp, &party.says(3), elsewhere).0, RTP);
    assert_eq!(rig.endpoint.rtp_destination(), Some(elsewhere));
}

#[test]
fn strangers_may_try_only_so_many_packets_a_second() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(suite)));
    let mut party = Party::new(&keys(suite));
    for sequence in 0..2 * STRANGE_PACKETS_PER_SECOND as u16 {
        rig.arrive(Channel::Rtp, &rtp(sequence), stranger());
    }
    let tried = u64::from(STRANGE_PACKETS_PER_SECOND);
    assert_eq!(rig.endpoint.statistics().packets_unauthentic, tried);
    assert_eq!(
        rig.arrive(Channel::Rtp, &party.says(1), party_address()).0,
        RTP
    );
}

#[test]
fn rtcp_is_protected_on_its_own_port_and_on_that_of_rtp() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    for is_multiplexed in [false, true] {
        let mut rig = Rig::new();
        let mut remote = protected(keys(suite));
        if is_multiplexed {
            remote.rtcp = Some(remote.rtp);
        }
        rig.set_remote(&remote);
        let mut party = Party::new(&keys(suite));
        let report = b"\x80\xc9\x00\x01\x00\x00\x00\x07".as_slice();
        let channel = if is_multiplexed {
            Channel::Rtp
        } else {
            Channel::Rtcp
        };
        let from = remote.rtcp.unwrap();
        assert_eq!(rig.arrive(channel, report, from).0, Arrival::Dropped);
        let mut room = [report, &[0; 100]].concat();
        let length = party.protector.protect_rtcp(&mut room, 8).unwrap();
        let (arrival, clear) = rig.arrive(channel, &room[..length], from);
        assert_eq!((arrival, clear.as_slice()), (RTCP, report));
        let mut room = [report, &[0; 100]].concat();
        let length = rig.endpoint.seal_rtcp(channel, &mut room, 8).unwrap();
        room.truncate(length);
        let length = party.unprotector.unprotect_rtcp(&mut room).unwrap();
        assert_eq!(&room[..length], report);
    }
}

#[test]
fn a_call_goes_on_after_a_restart_where_its_streams_stood() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut party = Party::new(&keys(suite));
    let mut before = Rig::new();
    before.set_remote(&protected(keys(suite)));
    // The numbers wrap.
    let mut rollovers = Rollovers::default();
    for sequence in (65_000..=65_535).chain(0..300) {
        assert_eq!(
            before
                .arrive(Channel::Rtp, &party.says(sequence), party_address())
                .0,
            RTP
        );
        let sealed = before.seal(&rtp(sequence)).unwrap();
        party.hears(sealed);
        before.now_micros += 20_000;
        if let Some(moved) = before.endpoint.take_moved() {
            rollovers = moved;
        }
    }
    assert_eq!(rollovers.ours[0].index >> 16, 1);
    let mut after = Rig::new();
    after.set_remote(&Remote {
        rollovers,
        ..protected(keys(suite))
    });
    for sequence in 300..400 {
        assert_eq!(
            after
                .arrive(Channel::Rtp, &party.says(sequence), party_address())
                .0,
            RTP
        );
        let sealed = after.seal(&rtp(sequence)).unwrap();
        assert_eq!(party.hears(sealed), rtp(sequence));
    }
}

#[test]
fn a_description_with_the_same_keys_changes_nothing_about_the_streams() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut rig = Rig::new();
    rig.set_remote(&protected(keys(suite)));
    let mut party = Party::new(&keys(suite));
    let first = party.says(1);
    assert_eq!(rig.arrive(Channel::Rtp, &first, party_address()).0, RTP);
    rig.set_remote(&protected(keys(suite)));
    assert_eq!(
        rig.arrive(Channel::Rtp, &first, party_address()).0,
        Arrival::Dropped
    );
    assert_eq!(
        rig.arrive(Channel::Rtp, &party.says(2), party_address()).0,
        RTP
    );
}

#[test]
fn a_key_that_does_not_fit_lets_nothing_pass_and_is_told() {
    let mut rig = Rig::new();
    let mut keys = keys(CryptoSuite::AesCm128HmacSha1_80);
    keys.theirs.key_and_salt = vec![0; 29].into();
    rig.set_remote(&protected(keys));
    let told = Event::Unprotected {
        endpoint: EndpointId(1),
        reason: ProtectionFailure::Key,
    };
    assert_eq!(rig.take_events(), [told]);
    assert_eq!(
        rig.arrive(Channel::Rtp, &rtp(1), party_address()).0,
        Arrival::Dropped
    );
    assert_eq!(rig.seal(&rtp(1)), None);
}
