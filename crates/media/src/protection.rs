//! How the packets of an endpoint are protected: not at all, with keys, or not yet, and then nothing
//! passes. Where keys come from is not known here.

mod keys;
mod left;

use core::fmt;

use fernamt_exchange::media::{
    MadeUpNames, ProtectionFailure, Rollovers, SrtpKey, SrtpKeys, StreamPosition,
};
use fernamt_rtp::srtp::{Hearing, Position, ProtectError, Protector, Substitutes};

pub(crate) use keys::{exported_bytes, from_handshake, master_key};
use left::Left;
pub(crate) use left::LeftKeys;
#[cfg(test)]
pub(crate) use left::MAX_LEFT_KEYS;

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
}

struct Ours {
    key: SrtpKey,
    protector: Protector,
    end: End,
}

struct Theirs {
    key: SrtpKey,
    hearing: Hearing,
    end: End,
}

/// Whether a key may not be used any more, and whether that was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    NotYet,
    Reached,
    Told,
}

impl End {
    fn reach(&mut self) {
        if *self == End::NotYet {
            *self = End::Reached;
        }
    }

    fn take(&mut self) -> bool {
        let is_news = *self == End::Reached;
        if is_news {
            *self = End::Told;
        }
        is_news
    }
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

    /// How far the keys have been used, where there are some.
    pub(crate) fn positions(&self) -> Option<Rollovers> {
        match self {
            Shield::Keyed(keyed) => Some(keyed.positions()),
            Shield::Clear | Shield::Shut => None,
        }
    }

    /// Uses no keys from now on, and keeps in mind how far those in use have been used.
    pub(crate) fn leave(&mut self, next: Shield, left: &mut LeftKeys) {
        if let Shield::Keyed(known) = core::mem::replace(self, next) {
            left.keep(known.ours, Some(known.theirs));
        }
    }

    /// Uses these keys from now on. A direction whose key stays goes on where it stands, and so does our
    /// key when it comes back; any other key begins anew, and that of the party before it is heard until
    /// the new one is ([`Hearing::change`]). Where there were none, both go on from the positions given.
    ///
    /// Whether our key has come back, so that its positions are news.
    pub(crate) fn set_keys(
        &mut self,
        keys: &SrtpKeys,
        rollovers: &Rollovers,
        left: &mut LeftKeys,
        now_micros: u64,
    ) -> Result<bool, ProtectionFailure> {
        let (ours, theirs, rtcp) = match core::mem::replace(self, Shield::Shut) {
            Shield::Keyed(known) => (Some(known.ours), Some(known.theirs), known.rtcp),
            Shield::Clear | Shield::Shut => (None, None, None),
        };
        let anew = Rollovers::default();
        let rollovers = if ours.is_some() { &anew } else { rollovers };
        let again = match &ours {
            Some(ours) if keys.ours.continues(&ours.key) => None,
            _ => left.take(&keys.ours),
        };
        let has_come_back = again.is_some();
        let (ours, theirs) = match (ours, again) {
            (before, Some(again)) => {
                before
                    .into_iter()
                    .for_each(|before| left.keep(before, None));
                let Left { ours, theirs: then } = again;
                (ours, theirs.or(then))
            }
            (Some(ours), None) if keys.ours.continues(&ours.key) => (ours, theirs),
            (before, None) => {
                before
                    .into_iter()
                    .for_each(|before| left.keep(before, None));
                (Ours::new(&keys.ours, rollovers)?, theirs)
            }
        };
        let theirs = match theirs {
            Some(theirs) => theirs.change(&keys.theirs, now_micros)?,
            None => Theirs::new(&keys.theirs, rollovers)?,
        };
        *self = Shield::Keyed(Box::new(Keyed { ours, theirs, rtcp }));
        Ok(has_come_back)
    }

    /// The keys for RTCP alone are those of an agreement that ends with the other keys.
    pub(crate) fn forget_rtcp_keys(&mut self) {
        if let Shield::Keyed(keyed) = self {
            keyed.rtcp = None;
        }
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
    pub(crate) fn open_rtp(&mut self, datagram: &mut [u8], now_micros: u64) -> Option<usize> {
        match self {
            Shield::Clear => Some(datagram.len()),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let hearing = &mut keyed.theirs.hearing;
                hearing.unprotect_rtp(datagram, now_micros).ok()
            }
        }
    }

    /// The same for RTCP that arrived on this channel.
    pub(crate) fn open_rtcp(
        &mut self,
        channel: Channel,
        datagram: &mut [u8],
        now_micros: u64,
    ) -> Option<usize> {
        match self {
            Shield::Clear => Some(datagram.len()),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let theirs = match (channel, &mut keyed.rtcp) {
                    (Channel::Rtcp, Some(rtcp)) => &mut rtcp.1,
                    _ => &mut keyed.theirs,
                };
                theirs.hearing.unprotect_rtcp(datagram, now_micros).ok()
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
            Shield::Keyed(keyed) => keyed.ours.seal(|ours| ours.protect_rtp(room, length)),
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
                ours.seal(|ours| ours.protect_rtcp(room, length))
            }
        }
    }

    /// The positions, when they have moved so far that they should be written down.
    pub(crate) fn take_moved(&mut self) -> Option<Rollovers> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        let ours = keyed.ours.protector.take_moved();
        let theirs = keyed.theirs.hearing.current_mut().take_moved();
        (ours || theirs).then(|| keyed.positions())
    }

    /// Why nothing can be sent, or nothing is let in, any more: once for each key.
    pub(crate) fn take_failure(&mut self) -> Option<ProtectionFailure> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        if keyed.all_ours().any(|ours| ours.end.take()) {
            return Some(ProtectionFailure::KeyExhausted);
        }
        let ended = keyed.all_theirs().any(Theirs::take_end);
        ended.then_some(ProtectionFailure::PartyKeyExhausted)
    }

    /// Whether a key is so near to the end of its life that others should be agreed on, and that was
    /// not told yet.
    pub(crate) fn take_old_key(&mut self) -> bool {
        let Shield::Keyed(keyed) = self else {
            return false;
        };
        let ours = keyed.all_ours().any(|ours| ours.protector.take_old());
        let mut theirs = keyed.all_theirs();
        ours | theirs.any(|theirs| theirs.hearing.current_mut().take_old())
    }
}

impl Keyed {
    fn all_ours(&mut self) -> impl Iterator<Item = &mut Ours> {
        let rtcp = self.rtcp.iter_mut().map(|rtcp| &mut rtcp.0);
        core::iter::once(&mut self.ours).chain(rtcp)
    }

    fn all_theirs(&mut self) -> impl Iterator<Item = &mut Theirs> {
        let rtcp = self.rtcp.iter_mut().map(|rtcp| &mut rtcp.1);
        core::iter::once(&mut self.theirs).chain(rtcp)
    }

    fn positions(&self) -> Rollovers {
        let (ours, theirs) = (&self.ours.protector, self.theirs.hearing.current());
        Rollovers {
            ours: ours.positions().map(written).collect(),
            theirs: theirs.positions().map(written).collect(),
            rtcp: ours.rtcp_index(),
            sent_packets: ours.packets(),
            heard_packets: theirs.packets(),
            made_up_names: ours.substitutes().map(|names| MadeUpNames {
                first: names.first,
                count: names.drawn,
            }),
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
        if rollovers.sent_packets > 0 {
            protector.resume_packets(rollovers.sent_packets);
        }
        if let Some(MadeUpNames { first, count }) = rollovers.made_up_names {
            let drawn = count;
            protector.resume_substitutes(Substitutes { first, drawn });
        }
        if rollovers.rtcp > 0 {
            protector.resume_rtcp(rollovers.rtcp);
        }
        Ok(Ours {
            key: key.clone(),
            protector,
            end: End::NotYet,
        })
    }

    #[inline]
    fn seal(
        &mut self,
        seal: impl FnOnce(&mut Protector) -> Result<usize, ProtectError>,
    ) -> Option<usize> {
        let sealed = seal(&mut self.protector);
        if sealed == Err(ProtectError::KeyExpired) {
            self.end.reach();
        }
        sealed.ok()
    }
}

impl Theirs {
    fn new(key: &SrtpKey, rollovers: &Rollovers) -> Result<Theirs, ProtectionFailure> {
        let mut hearing = Hearing::new(&master_key(key)?);
        let unprotector = hearing.current_mut();
        rollovers
            .theirs
            .iter()
            .for_each(|stream| unprotector.resume(position(stream)));
        unprotector.resume_packets(rollovers.heard_packets);
        Ok(Theirs {
            key: key.clone(),
            hearing,
            end: End::NotYet,
        })
    }

    fn change(mut self, key: &SrtpKey, now_micros: u64) -> Result<Theirs, ProtectionFailure> {
        if self.key != *key {
            self.hearing.change(&master_key(key)?, now_micros);
            (self.key, self.end) = (key.clone(), End::NotYet);
        }
        Ok(self)
    }

    fn take_end(&mut self) -> bool {
        if self.hearing.current().is_expired() {
            self.end.reach();
        }
        self.end.take()
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
