//! The RTP profiles: whether packets are protected, and whether there is feedback.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::media::Protocol;

/// An RTP profile, as the m-line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// `RTP/AVP` (RFC 3551).
    Avp,
    /// `RTP/AVPF` (RFC 4585).
    Avpf,
    /// `RTP/SAVP` (RFC 3711).
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764).
    UdpTlsSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764).
    UdpTlsSavpf,
}

impl Profile {
    /// The profile of an m-line's protocol.
    pub const fn of(protocol: &Protocol<'_>) -> Option<Profile> {
        match protocol {
            Protocol::RtpAvp => Some(Profile::Avp),
            Protocol::RtpAvpf => Some(Profile::Avpf),
            Protocol::RtpSavp => Some(Profile::Savp),
            Protocol::RtpSavpf => Some(Profile::Savpf),
            Protocol::UdpTlsRtpSavp => Some(Profile::UdpTlsSavp),
            Protocol::UdpTlsRtpSavpf => Some(Profile::UdpTlsSavpf),
            Protocol::Udptl | Protocol::Other(_) => None,
        }
    }

    /// As it stands in an m-line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Profile::Avp => Protocol::RtpAvp.as_str(),
            Profile::Avpf => Protocol::RtpAvpf.as_str(),
            Profile::Savp => Protocol::RtpSavp.as_str(),
            Profile::Savpf => Protocol::RtpSavpf.as_str(),
            Profile::UdpTlsSavp => Protocol::UdpTlsRtpSavp.as_str(),
            Profile::UdpTlsSavpf => Protocol::UdpTlsRtpSavpf.as_str(),
        }
    }

    /// Whether there is feedback (RFC 4585).
    pub const fn has_feedback(self) -> bool {
        matches!(self, Profile::Avpf | Profile::Savpf | Profile::UdpTlsSavpf)
    }

    /// Whether packets are protected whatever else is said.
    pub const fn is_secure(self) -> bool {
        !matches!(self, Profile::Avp | Profile::Avpf)
    }

    /// Whether keys come from a handshake on the media path.
    pub const fn is_dtls(self) -> bool {
        matches!(self, Profile::UdpTlsSavp | Profile::UdpTlsSavpf)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
