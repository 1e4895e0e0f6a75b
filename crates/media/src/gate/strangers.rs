//! How much is done for sources that are not known to be the party, or not yet. What can be refused
//! without work is refused before; no packet is held here.
//!
//! What strangers send must not keep the party out while it is still one of them. So each kind of
//! [`Work`] has a share of its own, and in it each degree of [`Trust`], and in that each source: they
//! are spread over [`LANES`], other ones every second, so that whoever floods fills his own.

use core::net::{IpAddr, SocketAddr};

use super::STRANGE_PACKETS_PER_SECOND;

/// Checks, and answers to checks, of one source that are looked at in a second. To see whether one is
/// authentic takes no longer than to receive it, and a party sends few of them, of which none should be
/// missed: it repeats them after half a second, then after one.
pub(crate) const STRANGE_CHECKS_PER_SECOND: u32 = 1_000;

/// Shares that the sources of one degree of trust are spread over. From all of them together no more
/// than this times the limit of one source is looked at.
pub(super) const LANES: usize = 8;

const WINDOW_MICROS: u64 = 1_000_000;

/// What a datagram asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// To see whether the answer to a check of ours is authentic.
    Answer,
    /// To see whether a check with the right names is authentic.
    Check,
    /// To go on with a handshake, or to begin one.
    Handshake,
    /// To see whether a protected packet is authentic.
    Packet,
}

impl Work {
    /// How much of it is done in a second for one source.
    fn limit(self) -> u32 {
        match self {
            Work::Answer | Work::Check => STRANGE_CHECKS_PER_SECOND,
            Work::Handshake | Work::Packet => STRANGE_PACKETS_PER_SECOND,
        }
    }
}

/// What speaks for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It is exactly where the party is, or is said to be.
    Exact,
    /// It is on a host where the party may be.
    Host,
    /// Nothing.
    Nobody,
}

/// What has been done for strangers in this second.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    answers: Share,
    checks: Share,
    handshakes: Share,
    packets: Share,
}

#[derive(Debug, Default)]
struct Share {
    start_micros: u64,
    exact: Lanes,
    host: Lanes,
    nobody: Lanes,
}

type Lanes = [u16; LANES];

const _: () = assert!(STRANGE_CHECKS_PER_SECOND <= u16::MAX as u32);
const _: () = assert!(STRANGE_PACKETS_PER_SECOND <= u16::MAX as u32);

impl Strangers {
    /// Counts one datagram; whether it may be looked at.
    pub(crate) fn allow(
        &mut self,
        work: Work,
        trust: Trust,
        from: SocketAddr,
        now_micros: u64,
    ) -> bool {
        let share = match work {
            Work::Answer => &mut self.answers,
            Work::Check => &mut self.checks,
            Work::Handshake => &mut self.handshakes,
            Work::Packet => &mut self.packets,
        };
        if now_micros.saturating_sub(share.start_micros) >= WINDOW_MICROS {
            *share = Share {
                start_micros: now_micros,
                ..Share::default()
            };
        }
        let salt = share.start_micros;
        // Whoever has a host has all of its ports; those of a host of the party are told apart, since
        // the party has one of them and a neighbour behind the same NAT another.
        let (lanes, port) = match trust {
            Trust::Exact => (&mut share.exact, from.port()),
            Trust::Host => (&mut share.host, from.port()),
            Trust::Nobody => (&mut share.nobody, 0),
        };
        let Some(count) = lanes.get_mut(lane(from.ip(), port, salt)) else {
            return false;
        };
        let is_allowed = u32::from(*count) < work.limit();
        *count += u16::from(is_allowed);
        is_allowed
    }
}

/// The lane of a source. Of IPv6 the network counts, of which one host can have every address.
fn lane(ip: IpAddr, port: u16, salt: u64) -> usize {
    let place = match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    };
    let mix = |value: u64| (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = mix(mix(place ^ salt << 32) ^ u64::from(port));
    (mixed >> 32) as usize % LANES
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const WORKS: [Work; 4] = [Work::Answer, Work::Check, Work::Handshake, Work::Packet];
    const TRUSTS: [Trust; 3] = [Trust::Exact, Trust::Host, Trust::Nobody];

    fn source(number: u32) -> SocketAddr {
        SocketAddr::new(IpAddr::V4((0xcb00_7100 + number).into()), 4_000)
    }

    /// How many of so many are looked at.
    fn allowed(strangers: &mut Strangers, work: Work, trust: Trust, count: u32, now: u64) -> u32 {
        let looked_at = |_: &u32| strangers.allow(work, trust, source(1), now);
        (0..count).filter(looked_at).count() as u32
    }

    #[test]
    fn the_datagram_of_a_source_after_the_limit_waits_for_the_next_second() {
        for work in WORKS {
            let mut strangers = Strangers::default();
            for now in [0, 999_999, 1_000_000] {
                let expected = if now == 999_999 { 0 } else { work.limit() };
                let count = allowed(&mut strangers, work, Trust::Nobody, work.limit() + 1, now);
                assert_eq!(count, expected, "at {now}");
            }
        }
    }

    #[test]
    fn each_kind_of_work_and_each_degree_of_trust_has_a_share_of_its_own() {
        let mut strangers = Strangers::default();
        for (work, trust) in WORKS
            .iter()
            .flat_map(|work| TRUSTS.map(|trust| (*work, trust)))
        {
            let count = allowed(&mut strangers, work, trust, 2 * work.limit(), 0);
            assert_eq!(count, work.limit());
        }
    }

    #[test]
    fn all_strangers_together_have_so_many_lanes_and_no_more() {
        let mut strangers = Strangers::default();
        let mut allowed = 0;
        for number in 0..100_000 {
            let from = source(number);
            allowed += u32::from(strangers.allow(Work::Check, Trust::Nobody, from, 7));
        }
        assert_eq!(allowed, LANES as u32 * STRANGE_CHECKS_PER_SECOND);
    }

    #[test]
    fn who_has_a_host_or_a_network_has_one_lane_and_not_the_same_each_second() {
        let six = |host: u64| IpAddr::V6((0x2001_0db8_u128 << 96 | u128::from(host)).into());
        let lanes: HashSet<usize> = (0..1_000).map(|host| lane(six(host), 0, 1)).collect();
        assert_eq!(lanes.len(), 1);
        let mut strangers = Strangers::default();
        let from_port = |port| SocketAddr::new(source(1).ip(), port);
        let looked_at =
            |port: &u16| strangers.allow(Work::Check, Trust::Nobody, from_port(*port), 0);
        let count = (1..10_000).filter(looked_at).count();
        assert_eq!(count as u32, STRANGE_CHECKS_PER_SECOND);
        // Two that meet in one second do not meet in all of them.
        let meets = |salt: &u64| lane(source(1).ip(), 0, *salt) == lane(source(2).ip(), 0, *salt);
        let often = (0..8_000).filter(meets).count();
        assert!((700..1_300).contains(&often), "{often} of 8000");
    }

    #[test]
    fn ports_of_a_host_of_the_party_are_spread_over_all_lanes() {
        let mut per_lane = [0; LANES];
        for port in 1_024..=u16::MAX {
            per_lane[lane(source(1).ip(), port, 12_345)] += 1;
        }
        let fair = 64_512 / LANES;
        let is_fair = |count: &usize| (fair * 9 / 10..fair * 11 / 10).contains(count);
        assert!(per_lane.iter().all(is_fair), "{per_lane:?}");
    }
}
