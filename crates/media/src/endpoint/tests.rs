//! What an endpoint takes in and counts, and when it falls silent, in virtual time.

mod early;
mod forked;
mod keys;
mod own_rtcp;
mod phone;
mod protected;
mod rig;

use std::time::Duration;

use fernamt_exchange::media::Remote;
use proptest::prelude::*;

use super::*;
use rig::Rig;

use crate::socket::Channel;

const RTP: Arrival = Arrival::Accepted(Content::Rtp);
const RTCP: Arrival = Arrival::Accepted(Content::Rtcp);

const PARTY: &str = "192.0.2.10:4000";

fn endpoint(silence: Option<Duration>, sends: bool) -> Endpoint {
    let mut rig = Rig::new();
    rig.set_remote(&remote(silence, sends));
    rig.endpoint
}

fn remote(silence: Option<Duration>, sends: bool) -> Remote {
    Remote {
        sends,
        payload_types: vec![8],
        silence,
        ..Remote::plain(PARTY.parse().unwrap())
    }
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut datagram = vec![0x80, 8];
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([0; 8]);
    datagram.extend([0xd5; 160]);
    datagram
}

fn arrive(endpoint: &mut Endpoint, channel: Channel, datagram: &[u8], now: u64) -> Arrival {
    let from = match channel {
        Channel::Rtp => PARTY,
        Channel::Rtcp => "192.0.2.10:4001",
    };
    let mut datagram = datagram.to_vec();
    endpoint
        .take_in(channel, &mut datagram, from.parse().unwrap(), now)
        .arrival
}

#[test]
fn nothing_is_taken_in_or_sent_before_the_party_is_known() {
    let mut endpoint = Endpoint::new(EndpointId(1), 1_000, 0);
    assert_eq!(
        arrive(&mut endpoint, Channel::Rtp, &rtp(1), 0),
        Arrival::Dropped
    );
    assert!(!endpoint.lets_out(8));
    assert_eq!(endpoint.rtp_destination(), None);
    assert_eq!(endpoint.rtcp_way_out(), None);
    assert_eq!(endpoint.statistics().packets_dropped, 1);
}

#[test]
fn what_is_not_rtp_is_dropped_and_counted() {
    let mut endpoint = endpoint(None, true);
    let version_one = [&[0x40, 8], &rtp(1)[2..]].concat();
    let padding_beyond = [&[0xa0, 8], &rtp(1)[2..171], &[255]].concat();
    let contributing_beyond = [&[0x8f, 8], &rtp(1)[2..20]].concat();
    let bad: [&[u8]; 7] = [
        b"",
        b"\x80",
        &rtp(1)[..11],
        &version_one,
        &padding_beyond,
        &contributing_beyond,
        b"\x00\x01\x00\x00\x21\x12\xa4\x42 a STUN message",
    ];
    for datagram in bad {
        assert_eq!(
            arrive(&mut endpoint, Channel::Rtp, datagram, 0),
            Arrival::Dropped
        );
    }
    assert_eq!(endpoint.statistics().packets_dropped, bad.len() as u64);
    assert_eq!(arrive(&mut endpoint, Channel::Rtp, &rtp(1)[..12], 0), RTP);
}

#[test]
fn rtcp_must_be_whole_and_is_not_counted_as_rtp() {
    let mut endpoint = endpoint(None, true);
    let report = b"\x80\xc9\x00\x01\x00\x00\x00\x07";
    assert_eq!(arrive(&mut endpoint, Channel::Rtcp, report, 0), RTCP);
    for bad in [
        &report[..7],
        b"\x80\xc9\x00\x02\x00\x00\x00\x07",
        b"\x80\xc9\xff\xff",
        &rtp(1),
    ] {
        assert_eq!(
            arrive(&mut endpoint, Channel::Rtcp, bad, 0),
            Arrival::Dropped
        );
    }
    assert_eq!(
        arrive(&mut endpoint, Channel::Rtp, report, 0),
        Arrival::Dropped,
        "not multiplexed"
    );
    assert_eq!(endpoint.statistics().packets_received, 0);
}

#[test]
fn a_type_that_the_party_does_not_know_is_not_sent_to_it() {
    let mut endpoint = endpoint(None, true);
    assert!(!endpoint.lets_out(0));
    assert!(endpoint.lets_out(8));
    assert_eq!(endpoint.rtp_destination(), Some(PARTY.parse().unwrap()));
    let statistics = endpoint.statistics();
    let told = (statistics.packets_withheld, statistics.packets_dropped);
    assert_eq!(told, (1, 0), "nobody has sent anything wrong");
}

#[test]
fn an_echo_has_another_source_and_the_same_everything_else() {
    let endpoint = endpoint(None, true);
    let (mut first, mut second) = (rtp(1), rtp(2));
    endpoint.mask_echo(&mut first);
    endpoint.mask_echo(&mut second);
    assert_eq!(first[..8], rtp(1)[..8]);
    assert_ne!(first[8..12], rtp(1)[8..12]);
    assert_eq!(first[8..12], second[8..12]);
    assert_eq!(first[12..], rtp(1)[12..]);
}

#[test]
fn silence_is_told_once_until_the_party_is_heard_again() {
    let mut endpoint = endpoint(Some(Duration::from_secs(10)), true);
    assert!(!endpoint.falls_silent(9_999_999));
    assert!(endpoint.falls_silent(10_000_000));
    assert!(!endpoint.falls_silent(60_000_000));
    arrive(&mut endpoint, Channel::Rtp, &rtp(1), 60_000_000);
    assert!(!endpoint.falls_silent(69_999_999));
    assert!(endpoint.falls_silent(70_000_000));
}

#[test]
fn only_valid_packets_break_the_silence_and_reports_do() {
    let mut endpoint = endpoint(Some(Duration::from_secs(10)), true);
    arrive(&mut endpoint, Channel::Rtp, b"noise", 5_000_000);
    assert!(endpoint.falls_silent(10_000_000));
    let report = b"\x80\xc9\x00\x01\x00\x00\x00\x07";
    arrive(&mut endpoint, Channel::Rtcp, report, 11_000_000);
    assert!(!endpoint.falls_silent(20_999_999));
}

#[test]
fn a_party_that_may_not_send_is_not_silent_and_gets_all_its_time_after_a_hold() {
    let limit = Some(Duration::from_secs(10));
    let mut rig = Rig::new();
    rig.set_remote(&remote(limit, false));
    assert!(!rig.endpoint.falls_silent(100_000_000));
    rig.now_micros = 100_000_000;
    rig.set_remote(&remote(limit, true));
    assert!(!rig.endpoint.falls_silent(109_999_999));
    assert!(rig.endpoint.falls_silent(110_000_000));
    let mut unwatched = self::endpoint(None, true);
    assert!(!unwatched.falls_silent(u64::MAX));
}

proptest! {
    /// Whatever arrives on either port, from the party itself, only whole packets get through.
    #[test]
    fn any_bytes_are_judged_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        first in prop_oneof![Just(0x80_u8), Just(0x90), Just(0xa0), any::<u8>()],
        is_rtp in any::<bool>(),
    ) {
        let mut endpoint = endpoint(None, true);
        let datagram = [&[first, 8], bytes.as_slice()].concat();
        let channel = if is_rtp { Channel::Rtp } else { Channel::Rtcp };
        let arrival = arrive(&mut endpoint, channel, &datagram, 0);
        let statistics = endpoint.statistics();
        prop_assert_eq!(statistics.packets_received, u64::from(arrival == RTP));
        prop_assert_eq!(statistics.packets_dropped, u64::from(arrival == Arrival::Dropped));
        prop_assert!(arrival != RTP || datagram.len() >= 12);
    }
}
