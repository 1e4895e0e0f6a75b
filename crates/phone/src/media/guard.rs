//! SRTP and SRTCP of one call (RFC 3711): what goes out is protected, what comes in is verified. The
//! keys come from the signalling; without any, packets go as they are.

use fernamt_rtp::srtp::{Hearing, MasterKey, Protector, UnprotectError};
use fernamt_sip::time::Time;

use super::plan::Protection;

/// RTP or RTCP: they have keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// The voice.
    Voice,
    /// Its reports.
    Control,
}

/// The keys of a call at work.
#[derive(Default)]
pub(super) struct Guard {
    /// One for each key that was sent with. They stay: a key that comes back goes on where it was,
    /// since a keystream must not be used twice. They are our own keys, one for each suite at most.
    senders: Vec<(MasterKey, Protector)>,
    /// Which of them sends; `None`: packets go in clear.
    sending: Option<usize>,
    /// What comes in; through a change of keys, since the other side changes when it has our answer.
    hearing: Option<Hearing>,
    unauthentic: u64,
}

impl Guard {
    /// Takes the keys that were agreed on. Who keeps a key goes on where it was.
    pub(super) fn agree(&mut self, protection: Option<&Protection>, now: Time) {
        let Some(Protection { ours, theirs }) = protection else {
            self.sending = None;
            self.hearing = None;
            return;
        };
        let known = self.senders.iter().position(|(key, _)| key == ours);
        if known.is_none() {
            self.senders.push((ours.clone(), Protector::new(ours)));
        }
        self.sending = known.or(self.senders.len().checked_sub(1));
        match &mut self.hearing {
            Some(hearing) => hearing.change(theirs, now.as_micros()),
            None => self.hearing = Some(Hearing::new(theirs)),
        }
    }

    /// A packet as it goes out; `None` when it must not (the key is used up, say).
    pub(super) fn outgoing(&mut self, stream: Stream, packet: &[u8]) -> Option<Vec<u8>> {
        let Some(sending) = self.sending else {
            return Some(packet.to_vec());
        };
        let (_, sender) = self.senders.get_mut(sending)?;
        let overhead = match stream {
            Stream::Voice => sender.rtp_overhead(),
            Stream::Control => sender.rtcp_overhead(),
        };
        let mut bytes = Vec::with_capacity(packet.len() + overhead);
        bytes.extend_from_slice(packet);
        bytes.resize(packet.len() + overhead, 0);
        let length = match stream {
            Stream::Voice => sender.protect_rtp(&mut bytes, packet.len()),
            Stream::Control => sender.protect_rtcp(&mut bytes, packet.len()),
        };
        bytes.truncate(length.ok()?);
        Some(bytes)
    }

    /// What is in a datagram, decrypted in place; `None` when it is not let in.
    pub(super) fn incoming<'d>(
        &mut self,
        stream: Stream,
        datagram: &'d mut [u8],
        now: Time,
    ) -> Option<&'d [u8]> {
        let Some(hearing) = &mut self.hearing else {
            return Some(datagram);
        };
        let opened = match stream {
            Stream::Voice => hearing.unprotect_rtp(datagram, now.as_micros()),
            Stream::Control => hearing.unprotect_rtcp(datagram, now.as_micros()),
        };
        match opened {
            Ok(length) => datagram.get(..length),
            // A repetition is nobody's forgery.
            Err(UnprotectError::Repeated | UnprotectError::Old) => None,
            Err(_) => {
                self.unauthentic += 1;
                None
            }
        }
    }

    /// Packets from the right address whose tag was wrong, or that had none.
    pub(super) fn unauthentic(&self) -> u64 {
        self.unauthentic
    }
}

/// Without keys.
impl core::fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Guard")
            .field("sending", &self.sending)
            .field("unauthentic", &self.unauthentic)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fernamt_rtp::Header;
    use fernamt_rtp::srtp::Suite;

    const NOW: Time = Time::from_micros(1_000_000);

    fn keys(ours: u8, theirs: u8) -> Protection {
        let suite = Suite::AesCm128HmacSha1_80;
        let key = |byte: u8| MasterKey::new(suite, &[byte; 30]).expect("a key");
        Protection {
            ours: key(ours),
            theirs: key(theirs),
        }
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 7,
        };
        let mut bytes = vec![0; 12 + 160];
        header.write(&[0xd5; 160], &mut bytes).expect("room");
        bytes
    }

    fn guard(ours: u8, theirs: u8) -> Guard {
        let mut guard = Guard::default();
        guard.agree(Some(&keys(ours, theirs)), NOW);
        guard
    }

    fn passes(from: &mut Guard, to: &mut Guard, sequence: u16) -> bool {
        let sent = from.outgoing(Stream::Voice, &packet(sequence));
        let mut sent = sent.expect("it may be sent");
        to.incoming(Stream::Voice, &mut sent, NOW) == Some(&packet(sequence)[..])
    }

    #[test]
    fn without_keys_packets_go_as_they_are() {
        let mut guard = Guard::default();
        assert_eq!(guard.outgoing(Stream::Voice, b"any"), Some(b"any".to_vec()));
        assert_eq!(
            guard.incoming(Stream::Control, &mut b"any".to_vec(), NOW),
            Some(&b"any"[..])
        );
    }

    #[test]
    fn a_repetition_is_dropped_and_not_called_a_forgery() {
        let (mut left, mut right) = (guard(1, 2), guard(2, 1));
        let sent = left.outgoing(Stream::Voice, &packet(1)).expect("sent");
        let mut take =
            |mut bytes: Vec<u8>| right.incoming(Stream::Voice, &mut bytes, NOW).is_some();
        assert!(take(sent.clone()));
        assert!(!take(sent.clone()));
        assert_eq!(right.unauthentic(), 0);
        assert!(right.incoming(Stream::Voice, &mut packet(2), NOW).is_none());
        assert_eq!(right.unauthentic(), 1);
    }

    #[test]
    fn the_old_key_is_heard_until_the_new_one_is_used() {
        let (mut left, mut right) = (guard(1, 2), guard(2, 1));
        assert!(passes(&mut left, &mut right, 1));
        right.agree(Some(&keys(2, 3)), NOW);
        // On its way before the other side knew our answer.
        assert!(passes(&mut left, &mut right, 2));
        let late = left.outgoing(Stream::Voice, &packet(3)).expect("sent");
        left.agree(Some(&keys(3, 2)), NOW);
        assert!(passes(&mut left, &mut right, 4));
        assert_eq!(right.incoming(Stream::Voice, &mut late.clone(), NOW), None);
        assert_eq!(right.unauthentic(), 1);
    }

    #[test]
    fn a_key_that_comes_back_never_uses_its_keystream_twice() {
        let mut left = guard(1, 2);
        let control = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let first = left.outgoing(Stream::Control, &control).expect("sent");
        let voice = left.outgoing(Stream::Voice, &packet(1));
        assert!(voice.is_some());
        left.agree(Some(&keys(9, 2)), NOW);
        left.agree(None, NOW);
        left.agree(Some(&keys(1, 2)), NOW);
        assert_eq!(left.outgoing(Stream::Voice, &packet(1)), None);
        let second = left.outgoing(Stream::Control, &control).expect("sent");
        assert_ne!(first, second);
    }
}
