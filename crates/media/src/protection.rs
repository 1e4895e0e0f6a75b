//! How the packets of an endpoint are protected: not at all, with keys, or not yet, and then nothing
//! passes. Where keys come from is not known here.

mod keys;
mod left;

use core::fmt;

use fernamt_exchange::media::{
    MadeUpNames, MediaPort, ProtectionFailure, Rollovers, RtcpPosition, SrtpKey, SrtpKeys,
    StreamPosition,
};
use fernamt_rtp::srtp::{Hearing, Position, ProtectError, Protector, Substitutes};

pub(crate) use keys::{exported_bytes, from_handshake, master_key};
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
    main: Pair,
    /// Keys for RTCP alone, where it has a handshake of its own.
    rtcp: Option<Box<Pair>>,
}

/// Both directions.
struct Pair {
    ours: Ours,
    theirs: Theirs,
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

    /// The keys, where there are some, and on which port they were agreed.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (MediaPort, SrtpKeys)> {
        let keyed = self.keyed();
        let main = keyed.map(|keyed| (MediaPort::Rtp, keyed.main.keys()));
        let rtcp = keyed.and_then(|keyed| keyed.rtcp.as_ref());
        let rtcp = rtcp.map(|rtcp| (MediaPort::Rtcp, rtcp.keys()));
        main.into_iter().chain(rtcp)
    }

    /// How far they have been used.
    pub(crate) fn positions(&self) -> Option<Rollovers> {
        self.keyed().map(Keyed::positions)
    }

    fn keyed(&self) -> Option<&Keyed> {
        match self {
            Shield::Keyed(keyed) => Some(keyed),
            Shield::Clear | Shield::Shut => None,
        }
    }

    /// Uses no keys from now on, and keeps in mind how far those in use have been used.
    pub(crate) fn leave(&mut self, next: Shield, left: &mut LeftKeys) {
        if let Shield::Keyed(known) = core::mem::replace(self, next) {
            let Pair { ours, theirs } = known.main;
            left.keep(ours, Some(theirs));
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
        let (main, rtcp) = match core::mem::replace(self, Shield::Shut) {
            Shield::Keyed(known) => (Some(known.main), known.rtcp),
            Shield::Clear | Shield::Shut => (None, None),
        };
        let (main, has_come_back) = Pair::after(main, keys, rollovers, left, now_micros)?;
        *self = Shield::Keyed(Box::new(Keyed { main, rtcp }));
        Ok(has_come_back)
    }

    /// The same for RTCP on its own port, when there are keys for RTP.
    pub(crate) fn set_rtcp_keys(
        &mut self,
        keys: &SrtpKeys,
        position: RtcpPosition,
        now_micros: u64,
    ) -> Result<(), ProtectionFailure> {
        let Shield::Keyed(keyed) = self else {
            return Ok(());
        };
        let rollovers = Rollovers {
            rtcp: position.sent,
            heard_packets: (0, position.heard),
            ..Rollovers::default()
        };
        let known = keyed.rtcp.take().map(|known| *known);
        // Keys of handshakes do not come back.
        let none = &mut LeftKeys::default();
        let (pair, _) = Pair::after(known, keys, &rollovers, none, now_micros)?;
        keyed.rtcp = Some(Box::new(pair));
        Ok(())
    }

    /// RTCP has no keys of its own any more.
    pub(crate) fn forget_rtcp_keys(&mut self) {
        if let Shield::Keyed(keyed) = self {
            keyed.rtcp = None;
        }
    }

    /// Proves an RTP packet and puts it into clear, in place: its length then. `None`: it is not
    /// authentic, and nothing has changed.
    #[inline(never)]
    pub(crate) fn open_rtp(&mut self, datagram: &mut [u8], now_micros: u64) -> Option<usize> {
        match self {
            Shield::Clear => Some(datagram.len()),
            Shield::Shut => None,
            Shield::Keyed(keyed) => {
                let hearing = &mut keyed.main.theirs.hearing;
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
                let hearing = &mut keyed.of_rtcp(channel).theirs.hearing;
                hearing.unprotect_rtcp(datagram, now_micros).ok()
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
            Shield::Keyed(keyed) => keyed.main.ours.seal(|ours| ours.protect_rtp(room, length)),
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
                let ours = &mut keyed.of_rtcp(channel).ours;
                ours.seal(|ours| ours.protect_rtcp(room, length))
            }
        }
    }

    /// The positions, when they have moved so far that they should be written down.
    pub(crate) fn take_moved(&mut self) -> Option<Rollovers> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        // All are asked: none may be skipped.
        let moved = keyed.pairs().fold(false, |moved, pair| {
            let ours = pair.ours.protector.take_moved();
            let theirs = pair.theirs.hearing.current_mut().take_moved();
            moved | ours | theirs
        });
        moved.then(|| keyed.positions())
    }

    /// Why nothing can be sent, or nothing is let in, any more: once for each key.
    pub(crate) fn take_failure(&mut self) -> Option<ProtectionFailure> {
        let Shield::Keyed(keyed) = self else {
            return None;
        };
        if keyed.pairs().any(|pair| pair.ours.end.take()) {
            return Some(ProtectionFailure::KeyExhausted);
        }
        let ended = keyed.pairs().any(|pair| pair.theirs.take_end());
        ended.then_some(ProtectionFailure::PartyKeyExhausted)
    }

    /// Whether a key is so near to the end of its life that others should be agreed on, and that was
    /// not told yet.
    pub(crate) fn take_old_key(&mut self) -> bool {
        let Shield::Keyed(keyed) = self else {
            return false;
        };
        keyed.pairs().fold(false, |old, pair| {
            let ours = pair.ours.protector.take_old();
            old | ours | pair.theirs.hearing.current_mut().take_old()
        })
    }
}

impl Keyed {
    fn pairs(&mut self) -> impl Iterator<Item = &mut Pair> {
        let rtcp = self.rtcp.as_deref_mut();
        core::iter::once(&mut self.main).chain(rtcp)
    }

    /// What RTCP on this channel is protected with.
    fn of_rtcp(&mut self, channel: Channel) -> &mut Pair {
        match (channel, &mut self.rtcp) {
            (Channel::Rtcp, Some(rtcp)) => rtcp,
            _ => &mut self.main,
        }
    }

    fn positions(&self) -> Rollovers {
        let Pair { ours, theirs } = &self.main;
        let (ours, theirs) = (&ours.protector, theirs.hearing.current());
        let rtcp = self.rtcp.as_ref().map(|rtcp| RtcpPosition {
            sent: rtcp.ours.protector.rtcp_index(),
            heard: rtcp.theirs.hearing.current().packets().1,
        });
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
            rtcp_alone: rtcp.unwrap_or_default(),
        }
    }
}

impl Pair {
    /// These keys after those that are known, and whether ours is one that was left and has come back.
    fn after(
        known: Option<Pair>,
        keys: &SrtpKeys,
        rollovers: &Rollovers,
        left: &mut LeftKeys,
        now_micros: u64,
    ) -> Result<(Pair, bool), ProtectionFailure> {
        let anew = Rollovers::default();
        let rollovers = if known.is_some() { &anew } else { rollovers };
        let (before, theirs) = match known {
            Some(Pair { ours, theirs }) => (Some(ours), Some(theirs)),
            None => (None, None),
        };
        let is_kept = |ours: &Ours| keys.ours.continues(&ours.key);
        let again = match &before {
            Some(ours) if is_kept(ours) => None,
            _ => left.take(&keys.ours),
        };
        let has_come_back = again.is_some();
        let (ours, theirs) = match (before, again) {
            (Some(ours), None) if is_kept(&ours) => (ours, theirs),
            (before, again) => {
                before
                    .into_iter()
                    .for_each(|before| left.keep(before, None));
                match again {
                    Some(again) => (again.ours, theirs.or(again.theirs)),
                    None => (Ours::new(&keys.ours, rollovers)?, theirs),
                }
            }
        };
        let theirs = match theirs {
            Some(theirs) => theirs.change(&keys.theirs, now_micros)?,
            None => Theirs::new(&keys.theirs, rollovers)?,
        };
        Ok((Pair { ours, theirs }, has_come_back))
    }

    fn keys(&self) -> SrtpKeys {
        SrtpKeys {
            ours: self.ours.key.clone(),
            theirs: self.theirs.key.clone(),
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
            .field("ours", &self.main.ours.key)
            .field("theirs", &self.main.theirs.key)
            .finish_non_exhaustive()
    }
}
