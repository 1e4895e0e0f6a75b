//! Whose a packet is that arrives at ports which several endpoints share (RFC 8843 section 9.2): by
//! what it says of itself, by its source when that is known, by a payload type that only one has. No
//! packet is judged here.

use fernamt_exchange::media::{EndpointId, Remote};
use fernamt_rtp::Packet;
use fernamt_rtp::packet::Header;
use fernamt_rtp::rtcp::Compound;

use crate::endpoint::Link;
use crate::gate::PayloadTypes;

/// Endpoints that share the ports of another, at most.
pub(crate) const MAX_RIDERS: usize = 16;

/// Sources whose endpoint is remembered, in each direction; the oldest goes for one more.
const MAX_SOURCES: usize = 32;

/// The endpoints at one pair of ports.
#[derive(Debug)]
pub(crate) struct Bundle {
    carrier: Link,
    /// The one whose ports they are comes first.
    members: Vec<Member>,
    heard: Sources,
    sent: Sources,
}

/// One of them.
#[derive(Debug)]
struct Member {
    link: Link,
    mid: Option<(u8, Box<str>)>,
    payload_types: Option<PayloadTypes>,
}

impl Bundle {
    /// The carrier and its riders; riders above [`MAX_RIDERS`] are left out.
    pub(crate) fn new(carrier: Link, riders: impl Iterator<Item = Link>) -> Bundle {
        let all = core::iter::once(carrier).chain(riders);
        let members = all.take(1 + MAX_RIDERS).map(|link| Member {
            link,
            mid: None,
            payload_types: None,
        });
        Bundle {
            carrier,
            members: members.collect(),
            heard: Sources::default(),
            sent: Sources::default(),
        }
    }

    /// Says what the packets of a member are like.
    pub(crate) fn describe(&mut self, link: Link, remote: &Remote) {
        let member = self.members.iter_mut().find(|member| member.link == link);
        if let Some(member) = member {
            member.mid.clone_from(&remote.mid);
            member.payload_types = Some(PayloadTypes::from(remote.payload_types.as_slice()));
        }
    }

    /// Whose ports they are.
    pub(crate) fn carrier(&self) -> Link {
        self.carrier
    }

    /// The members besides the carrier.
    pub(crate) fn riders(&self) -> impl Iterator<Item = Link> {
        self.members.iter().skip(1).map(|member| member.link)
    }

    /// Whether an endpoint is one of them.
    pub(crate) fn has(&self, endpoint: EndpointId) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.link.endpoint == endpoint)
    }

    /// Whose an RTP packet is.
    pub(crate) fn owner(&mut self, packet: &[u8], header: Header) -> Option<Link> {
        if let Some(member) = self.by_mid(packet) {
            self.heard.learn(header.ssrc, member);
            return self.link(member);
        }
        if let Some(member) = self.heard.get(header.ssrc) {
            return self.link(member);
        }
        let member = self.by_payload_type(header.payload_type)?;
        self.heard.learn(header.ssrc, member);
        self.link(member)
    }

    fn by_mid(&self, packet: &[u8]) -> Option<usize> {
        self.members.iter().position(|member| {
            member
                .mid
                .as_ref()
                .is_some_and(|(id, mid)| Packet::peek_element(packet, *id) == Some(mid.as_bytes()))
        })
    }

    /// The only member with this payload type.
    fn by_payload_type(&self, payload_type: u8) -> Option<usize> {
        let mut having = self.members.iter().enumerate().filter(|(_, member)| {
            let types = &member.payload_types;
            types.is_some_and(|types| types.contains(payload_type))
        });
        let (member, _) = having.next()?;
        having.next().is_none().then_some(member)
    }

    /// Whose an RTCP datagram is: that of its source, or of a source that it is about.
    pub(crate) fn owner_of_rtcp(&self, rtcp: Compound<'_>) -> Option<Link> {
        let of_source = rtcp.source().and_then(|source| self.heard.get(source));
        let member = of_source.or_else(|| rtcp.about().find_map(|about| self.sent.get(about)));
        self.link(member.unwrap_or(0))
    }

    /// Notes a source that is sent for a member.
    pub(crate) fn sends(&mut self, endpoint: EndpointId, ssrc: u32) {
        let mut members = self.members.iter();
        let member = members.position(|member| member.link.endpoint == endpoint);
        if let Some(member) = member {
            self.sent.learn(ssrc, member);
        }
    }

    fn link(&self, member: usize) -> Option<Link> {
        Some(self.members.get(member)?.link)
    }
}

/// Sources and the members they belong to.
#[derive(Debug, Default)]
struct Sources {
    list: Vec<(u32, usize)>,
    next: usize,
}

impl Sources {
    fn get(&self, ssrc: u32) -> Option<usize> {
        let found = self.list.iter().find(|(known, _)| *known == ssrc);
        found.map(|(_, member)| *member)
    }

    fn learn(&mut self, ssrc: u32, member: usize) {
        if let Some(known) = self.list.iter_mut().find(|(known, _)| *known == ssrc) {
            known.1 = member;
        } else if self.list.len() < MAX_SOURCES {
            self.list.push((ssrc, member));
        } else if let Some(oldest) = self.list.get_mut(self.next) {
            *oldest = (ssrc, member);
            self.next = (self.next + 1) % MAX_SOURCES;
        }
    }
}

#[cfg(test)]
mod tests;
