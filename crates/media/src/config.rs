//! What the media plane is told when it starts, and its limits; nothing that changes with a call.

use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::announcement::Language;
use crate::dtls::Certificate;

/// The largest RTP or RTCP datagram that is relayed, in bytes. Voice needs some hundred; a path of
/// 1,500 bytes carries less than this. Larger ones are dropped and counted.
pub const MAX_DATAGRAM_BYTES: usize = 2_048;

/// The most local addresses that one plane opens endpoints on.
pub const MAX_LOCAL_ADDRESSES: usize = 64;

/// The most media threads.
pub const MAX_THREADS: usize = 64;

/// How a media plane is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaneConfig {
    /// The UDP ports of the media, on every local address. An endpoint takes an even one for RTP and
    /// the next for RTCP (RFC 3550 section 11).
    pub ports: RangeInclusive<u16>,
    /// Media threads; `0`: one per core.
    pub threads: usize,
    /// Differentiated services code point of what is sent (RFC 2474): `46` is expedited forwarding,
    /// the class of voice (RFC 4594 section 4.1).
    pub differentiated_services: u8,
    /// The most endpoints open at once.
    pub endpoints: usize,
    /// Idle pairs of sockets, per local address, that stay bound for the next calls.
    pub idle_pairs: usize,
    /// Addresses whose pairs are bound at the start, so that the first calls find them.
    pub prepared_addresses: Vec<IpAddr>,
    /// How many pairs are bound at the start on each of those.
    pub prepared_pairs: usize,
    /// How long a pair is not used again after its endpoint was closed, so that late packets of one
    /// call find nobody instead of the next call. Where nothing ever arrived, nothing is expected to
    /// come late, and a quarter of it is enough.
    pub quarantine: Duration,
    /// The most packets in a second that are accepted from one party. Ends floods, and loops that
    /// somebody makes by giving our own addresses as his.
    pub packets_per_second: u32,
    /// Our certificate for the agreement of keys on the media path (RFC 5763); `None`: no keys are
    /// agreed there.
    pub certificate: Option<Certificate>,
    /// The language of the announcements.
    pub language: Language,
    /// How often it is looked who has settled or fallen silent, and idle pairs are put in order.
    pub tick: Duration,
}

impl Default for PlaneConfig {
    fn default() -> Self {
        PlaneConfig {
            ports: 10_000..=59_999,
            threads: 0,
            differentiated_services: 46,
            endpoints: 20_000,
            idle_pairs: 1_024,
            prepared_addresses: Vec::new(),
            prepared_pairs: 64,
            quarantine: Duration::from_secs(2),
            packets_per_second: 1_000,
            certificate: None,
            language: Language::default(),
            tick: Duration::from_millis(250),
        }
    }
}

impl PlaneConfig {
    /// The even ports of the range whose next port is in the range, too.
    pub(crate) fn even_ports(&self) -> impl Iterator<Item = u16> + use<> {
        let (low, high) = (*self.ports.start(), *self.ports.end());
        (low..=high).filter(move |port| *port != 0 && port % 2 == 0 && *port < high)
    }

    /// The octet of the IP header that carries the code point.
    pub(crate) fn traffic_class(&self) -> u8 {
        (self.differentiated_services & 0x3f) << 2
    }

    /// Media threads, counted.
    pub(crate) fn thread_count(&self) -> usize {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        threads.min(MAX_THREADS)
    }
}

/// Why a media plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The range of ports holds no even port followed by an odd one.
    #[error(
        "the media port range {low}-{high} holds no even port with the next one; give at least one such pair"
    )]
    NoPorts {
        /// The lowest port.
        low: u16,
        /// The highest port.
        high: u16,
    },
    /// The operating system refused something the plane cannot be without.
    #[error("cannot start the media threads: {action}: {source}")]
    System {
        /// What was asked of it.
        action: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even_ports(ports: RangeInclusive<u16>) -> Vec<u16> {
        PlaneConfig {
            ports,
            ..PlaneConfig::default()
        }
        .even_ports()
        .collect()
    }

    #[test]
    fn a_pair_of_ports_is_even_and_odd_and_within_the_range() {
        assert_eq!(even_ports(10_000..=10_003), [10_000, 10_002]);
        assert_eq!(even_ports(10_001..=10_004), [10_002]);
        assert_eq!(even_ports(65_534..=65_535), [65_534]);
        assert_eq!(even_ports(0..=3), [2]);
        assert_eq!(even_ports(5..=5), [0_u16; 0]);
    }

    #[test]
    fn expedited_forwarding_is_the_traffic_class_b8() {
        assert_eq!(PlaneConfig::default().traffic_class(), 0xb8);
    }
}
