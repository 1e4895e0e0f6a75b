//! What connectivity checks have found: from where the party may speak and where packets go to, for
//! RTP and RTCP apart. How it was found is not known here.

use core::net::SocketAddr;

use super::same;
use crate::socket::Channel;

/// Addresses of one party that are heard at once: those of its pairs that have answered a check.
pub(crate) const MAX_SOURCES: usize = 8;

/// The ways to a party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paths {
    rtp: Path,
    rtcp: Path,
}

/// The way of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Path {
    sources: [Option<SocketAddr>; MAX_SOURCES],
    destination: Option<SocketAddr>,
}

impl Paths {
    /// Says what has been found of one component. Sources above [`MAX_SOURCES`] are left out.
    pub(crate) fn set(
        &mut self,
        channel: Channel,
        sources: impl Iterator<Item = SocketAddr>,
        destination: Option<SocketAddr>,
    ) {
        let path = match channel {
            Channel::Rtp => &mut self.rtp,
            Channel::Rtcp => &mut self.rtcp,
        };
        path.destination = destination;
        path.sources = [None; MAX_SOURCES];
        // The one in use first, which is heard in any case.
        let all = destination.into_iter().chain(sources);
        for (place, source) in path.sources.iter_mut().zip(all) {
            *place = Some(source);
        }
    }

    #[inline]
    pub(super) fn accept(&self, channel: Channel, from: SocketAddr) -> bool {
        let sources = &self.path(channel).sources;
        sources.iter().flatten().any(|source| same(*source, from))
    }

    #[inline]
    pub(super) fn destination(&self, channel: Channel) -> Option<SocketAddr> {
        self.path(channel).destination
    }

    #[inline]
    fn path(&self, channel: Channel) -> &Path {
        match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::new([192, 0, 2, 1].into(), port)
    }

    #[test]
    fn the_address_in_use_is_heard_even_where_there_are_too_many() {
        let mut paths = Paths::default();
        let others = (1..=MAX_SOURCES as u16).map(address);
        paths.set(Channel::Rtp, others, Some(address(99)));
        assert!(paths.accept(Channel::Rtp, address(99)));
        assert!(paths.accept(Channel::Rtp, address(MAX_SOURCES as u16 - 1)));
        assert!(!paths.accept(Channel::Rtp, address(MAX_SOURCES as u16)));
        assert!(!paths.accept(Channel::Rtcp, address(99)));
        assert_eq!(paths.destination(Channel::Rtp), Some(address(99)));
    }
}
