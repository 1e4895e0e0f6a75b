//! How the packets of an endpoint are protected: not at all, with keys, or not yet, and then nothing
//! passes. Where keys come from is not known here.

mod keys;

use core::fmt;

use fernamt_exchange::media::{ProtectionFailure, Rollovers, SrtpKey, SrtpKeys, StreamPosition};
use fernamt_rtp::srtp::{Position, ProtectError, Protector, Unprotector};

pub(crate) use keys::{exported_bytes, from_handshake, master_key};

use crate::socket::Channel;

/// Protects what goes to a party and proves what comes from it.
#[derive(Debug, Default)]
pub(crate) enum Shield {
    /// Packets are in clear.
    #[default]
    Clear,
    /// Packets are to be protected, and there are no keys: none is taken in or sent.
    Shut,
    /// There are keys.
    Keyed(Box<Keyed>),
}

/// Keys and how far they have been used.
pub(crate) struct Keyed {
    ours: Ours,
    theirs: Theirs,
    /// Keys for RTCP alone, where it has a handshake of its own.
    rtcp: Option<Box<(Ours, Theirs)>>,
    reported: Option<ProtectionFailure>,
}

struct Ours {
    key: SrtpKey,
    protector: Protector,
}

struct Theirs {
    key: SrtpKey,
    unprotector: Unprotector,
}

impl Shield {
    /// Whether packets pass as they are.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self, Shield::Clear)
    }

    /// Whether there are keys.
    pub(crate) fn is_keyed(&self) -> bool {
        matches!(self, Shield::Keyed(_))
    }

    /// The keys, where there are some.
    pub(crate) fn keys(&self) -> Option<SrtpKeys> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        Some(SrtpKeys {
            ours: keyed.ours.key.clone(),
            theirs: keyed.theirs.key.clone(),
        })
    }

    /// Uses these keys from now on. A direction whose key stays goes on where it stands; a new key
    /// begins anew. Where there were none, both go on from the positions given.
    pub(crate) fn set_keys(
        &mut self,
        keys: &SrtpKeys,
        rollovers: &Rollovers,
    ) -> Result<(), ProtectionFailure> {
        let (ours, theirs, rtcp) = match core::mem::replace(self, Shield::Shut) {
            Shield::Keyed(known) => (Some(known.ours), Some(known.theirs), known.rtcp),
            Shield::Clear | Shield::Shut => (None, None, None),
        };
        let anew = Rollovers::default();
        let rollovers = if ours.is_some() { &anew } else { rollovers };
        let ours = match ours.filter(|ours| ours.key == keys.ours) {
            Some(ours) => ours,
            None => Ours::new(&keys.ours, rollovers)?,
        };
        let theirs = match theirs.filter(|theirs| theirs.key == keys.theirs) {
            Some(theirs) => theirs,
            None => Theirs::new(&keys.theirs, rollovers)?,
        };
        *self = Shield::Keyed(Box::new(Keyed {
            ours,
            theirs,
            rtcp,
            reported: None,
        }));
        Ok(())
    }

    /// Uses these keys for RTCP on its own port, when there are keys for RTP.
    pub(crate) fn set_rtcp_keys(&mut self, keys: &SrtpKeys) -> Result<(), ProtectionFailure> {
        let none = Rollovers::default();
        let pair = (
            Ours::new(&keys.ours, &none)?,
            Theirs::new(&keys.theirs, &none)?,
        );
        if let Shield::Keyed(keyed) = self {
            keyed.rtcp = Some(Box::new(pair));
        }
        Ok(())
    }

    /// Proves an RTP packet and puts it into clear, in place: its length then. `None`: it is not
    /// authentic, and nothing has changed.
    #[inline(never)]
    pub(crate) fn open_rtp(&mut self, datagram: &mut [u8]) -> Option<usize> {
        match self {
            Shield::Clear => Some(datagram.len()),
            Shield::Shut => None,
            Shield::Keyed(keyed) => keyed.theirs.unprotector.unprotect_rtp(datagram).ok(),
        }
    }

    /// The same for RTCP that arrived on this channel.
    pub(crate) fn open_rtcp(&mut self, channel: Channel, datagram: &mut [u8]) -> Option<usize> {
        match self {
            Shield::Clear => Some(datagram.len()),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let theirs = match (channel, &mut keyed.rtcp) {
                    (Channel::Rtcp, Some(rtcp)) => &mut rtcp.1,
                    _ => &mut keyed.theirs,
                };
                theirs.unprotector.unprotect_rtcp(datagram).ok()
            }
        }
    }

    /// Protects the RTP packet in the first `length` bytes of `room`, in place: its length then.
    /// `None`: it may not be sent.
    #[inline(never)]
    pub(crate) fn seal_rtp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        match self {
            Shield::Clear => Some(length),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let sealed = keyed.ours.protector.protect_rtp(room, length);
                keyed.note(sealed)
            }
        }
    }

    /// The same for RTCP that leaves on this channel.
    pub(crate) fn seal_rtcp(
        &mut self,
        channel: Channel,
        room: &mut [u8],
        length: usize,
    ) -> Option<usize> {
        match self {
            Shield::Clear => Some(length),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let ours = match (channel, &mut keyed.rtcp) {
                    (Channel::Rtcp, Some(rtcp)) => &mut rtcp.0,
                    _ => &mut keyed.ours,
                };
                let sealed = ours.protector.protect_rtcp(room, length);
                keyed.note(sealed)
            }
        }
    }

    /// The positions, when they have moved so far that they should be written down.
    pub(crate) fn take_moved(&mut self) -> Option<Rollovers> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        let ours = keyed.ours.protector.take_moved();
        let theirs = keyed.theirs.unprotector.take_moved();
        (ours || theirs).then(|| keyed.positions())
    }

    /// Why nothing can be sent any more, once.
    pub(crate) fn take_failure(&mut self) -> Option<ProtectionFailure> {
        match self {
            Shield::Keyed(keyed) => keyed.reported.take_if(|_| true),
            Shield::Clear | Shield::Shut => None,
        }
    }
}

impl Keyed {
    fn note(&mut self, sealed: Result<usize, ProtectError>) -> Option<usize> {
        if let Err(ProtectError::KeyExpired | ProtectError::TooManySources) = sealed {
            self.reported = Some(ProtectionFailure::KeyExhausted);
        }
        sealed.ok()
    }

    fn positions(&self) -> Rollovers {
        Rollovers {
            ours: self.ours.protector.positions().map(written).collect(),
            theirs: self.theirs.unprotector.positions().map(written).collect(),
            rtcp: self.ours.protector.rtcp_index(),
        }
    }
}

impl Ours {
    fn new(key: &SrtpKey, rollovers: &Rollovers) -> Result<Ours, ProtectionFailure> {
        let mut protector = Protector::new(&master_key(key)?);
        rollovers
            .ours
            .iter()
            .for_each(|stream| protector.resume(position(stream)));
        if rollovers.rtcp > 0 {
            protector.resume_rtcp(rollovers.rtcp);
        }
        Ok(Ours {
            key: key.clone(),
            protector,
        })
    }
}

impl Theirs {
    fn new(key: &SrtpKey, rollovers: &Rollovers) -> Result<Theirs, ProtectionFailure> {
        let mut unprotector = Unprotector::new(&master_key(key)?);
        rollovers
            .theirs
            .iter()
            .for_each(|stream| unprotector.resume(position(stream)));
        Ok(Theirs {
            key: key.clone(),
            unprotector,
        })
    }
}

fn written(position: Position) -> StreamPosition {
    let Position { ssrc, index, shift } = position;
    StreamPosition { ssrc, index, shift }
}

fn position(stream: &StreamPosition) -> Position {
    let StreamPosition { ssrc, index, shift } = *stream;
    Position { ssrc, index, shift }
}

/// Shows neither keys nor what was made of them.
impl fmt::Debug for Keyed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keyed")
            .field("ours", &self.ours.key)
            .field("theirs", &self.theirs.key)
            .finish_non_exhaustive()
    }
}
