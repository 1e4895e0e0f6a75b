//! The outside of DTLS records (RFC 6347 section 4.1): enough to know what may be given to a handshake.

/// Bytes before the fragment of a record in clear.
const HEADER_BYTES: usize = 13;

/// Bytes before what a message of a handshake says.
pub(super) const MESSAGE_HEADER_BYTES: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The version of records while none is agreed on, and of a HelloVerifyRequest (RFC 6347 sections 4.1 and
/// 4.2.1).
pub(super) const DTLS_1_0: [u8; 2] = [254, 255];

/// All that a ChangeCipherSpec ever says (RFC 5246 section 7.1).
const CHANGE: [u8; 1] = [1];

pub(super) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;

/// Types of handshake messages that are ever sent in clear (RFC 5246 section 7.4, RFC 6347 section
/// 4.3.2); the others are noise.
const IN_CLEAR: [u8; 10] = [1, 2, 3, 4, 11, 12, 13, 14, 15, 16];

/// The last number of a message in clear, well above what there are in a handshake. One with a higher
/// number would be kept for later, and spoil the end.
const MAX_MESSAGE_NUMBER: u16 = 16;

/// What a datagram is for a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Begins a handshake, or goes on with its beginning.
    ClientHello,
    /// Asks for the ClientHello once more, with a cookie.
    HelloVerifyRequest,
    /// The first answer to it.
    ServerHello,
    /// Another message of a handshake in clear.
    Clear,
    /// Anything else that may belong to a handshake.
    Other,
    /// Must not be given to one: it could end it, and anybody could have written it.
    Forgeable,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    kind: u8,
    is_clear: bool,
    /// Its sequence number, without the epoch.
    pub(super) number: u64,
    pub(super) fragment: &'a [u8],
}

impl Record<'_> {
    /// Takes the first record, and gives what is behind it. `None` where there is no whole one.
    pub(super) fn first(datagram: &[u8]) -> Option<(Record<'_>, &[u8])> {
        let (header, behind) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let [kind, _, _, epoch_high, epoch_low, number @ .., high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (fragment, rest) = behind.split_at_checked(length)?;
        let is_clear = [epoch_high, epoch_low] == [0, 0];
        let [n0, n1, n2, n3, n4, n5] = number;
        let record = Record {
            kind,
            is_clear,
            number: u64::from_be_bytes([0, 0, n0, n1, n2, n3, n4, n5]),
            fragment,
        };
        Some((record, rest))
    }

    /// Writes a message of a handshake in clear. `None`: it is too long.
    pub(super) fn write(number: u64, fragment: &[u8]) -> Option<Vec<u8>> {
        let length = u16::try_from(fragment.len()).ok()?;
        let mut record = vec![HANDSHAKE];
        record.extend(DTLS_1_0);
        // Epoch and number, which has six bytes.
        record.extend(number.to_be_bytes());
        record.extend(length.to_be_bytes());
        record.extend(fragment);
        Some(record)
    }

    /// Whether nobody is harmed when anybody has written it. Alerts in clear are passed over (RFC 6347
    /// section 4.1.2.7); a handshake whose end they tell ends by its timer.
    fn is_harmless(&self) -> bool {
        match (self.kind, self.is_clear) {
            (CHANGE_CIPHER_SPEC, true) => self.fragment == CHANGE,
            (HANDSHAKE, true) => is_plausible(self.fragment),
            (_, true) => false,
            (kind, false) => {
                (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) && !self.fragment.is_empty()
            }
        }
    }
}

/// All whole records of a datagram.
pub(super) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    core::iter::from_fn(move || {
        let (record, behind) = Record::first(rest)?;
        rest = behind;
        Some(record)
    })
}

/// Tells what a datagram is.
pub(super) fn content(datagram: &[u8]) -> Content {
    let mut rest = datagram;
    while !rest.is_empty() {
        match Record::first(rest) {
            Some((record, behind)) if record.is_harmless() => rest = behind,
            _ => return Content::Forgeable,
        }
    }
    match Record::first(datagram) {
        Some((first, _)) if first.kind == HANDSHAKE && first.is_clear => {
            match first.fragment.first() {
                Some(&CLIENT_HELLO) => Content::ClientHello,
                Some(&SERVER_HELLO) => Content::ServerHello,
                Some(&HELLO_VERIFY_REQUEST) => Content::HelloVerifyRequest,
                _ => Content::Clear,
            }
        }
        Some(_) => Content::Other,
        None => Content::Forgeable,
    }
}

/// How many records there are in a datagram.
pub(super) fn count(datagram: &[u8]) -> usize {
    records(datagram).count()
}

/// Whether a datagram has a record that is not in clear.
pub(super) fn has_protected(datagram: &[u8]) -> bool {
    records(datagram).any(|record| !record.is_clear)
}

/// Whether a handshake message in clear, of which a record can hold several, can be one of a handshake
/// (RFC 6347 section 4.2.2). A part of a message has its record for itself.
fn is_plausible(messages: &[u8]) -> bool {
    let mut rest = messages;
    loop {
        let Some((header, behind)) = rest.split_first_chunk::<MESSAGE_HEADER_BYTES>() else {
            return false;
        };
        let [kind, l0, l1, l2, n0, n1, o0, o1, o2, f0, f1, f2] = *header;
        let number = |high, middle, low| u32::from_be_bytes([0, high, middle, low]);
        let (length, offset, part) = (number(l0, l1, l2), number(o0, o1, o2), number(f0, f1, f2));
        let is_message = IN_CLEAR.contains(&kind)
            && u16::from_be_bytes([n0, n1]) <= MAX_MESSAGE_NUMBER
            && offset + part <= length
            && (part > 0 || length == 0);
        let Some((_, next)) = behind.split_at_checked(part as usize) else {
            return false;
        };
        if !is_message || (part < length && !(next.is_empty() && rest.len() == messages.len())) {
            return false;
        }
        if next.is_empty() {
            return true;
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, epoch: u8, fragment: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0, 0];
        record.push(fragment.len() as u8);
        record.extend(fragment);
        record
    }

    /// A whole message of 20 bytes.
    fn message(kind: u8) -> Vec<u8> {
        let mut message = vec![kind, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 20];
        message.extend([7; 20]);
        message
    }

    #[test]
    fn hellos_are_told_by_their_type() {
        assert_eq!(content(&record(22, 0, &message(1))), Content::ClientHello);
        assert_eq!(content(&record(22, 0, &message(2))), Content::ServerHello);
        assert_eq!(
            content(&record(22, 0, &message(3))),
            Content::HelloVerifyRequest
        );
        assert_eq!(content(&record(22, 0, &message(11))), Content::Clear);
        assert_eq!(content(&record(20, 0, &[1])), Content::Other);
    }

    #[test]
    fn an_alert_in_clear_is_found_behind_other_records() {
        let alert = record(21, 0, &[2, 40]);
        assert_eq!(content(&alert), Content::Forgeable);
        let behind = [record(22, 0, &message(2)), alert].concat();
        assert_eq!(content(&behind), Content::Forgeable);
        assert_eq!(content(&record(21, 1, &[0; 26])), Content::Other);
    }

    #[test]
    fn messages_that_no_handshake_has_are_noise() {
        let spoilt = |at: usize, with: u8| {
            let mut spoilt = message(1);
            spoilt[at] = with;
            content(&record(22, 0, &spoilt))
        };
        assert_eq!(spoilt(5, MAX_MESSAGE_NUMBER as u8), Content::ClientHello);
        assert_eq!(spoilt(5, MAX_MESSAGE_NUMBER as u8 + 1), Content::Forgeable);
        assert_eq!(spoilt(0, 7), Content::Forgeable);
        assert_eq!(spoilt(3, 19), Content::Forgeable);
        assert_eq!(spoilt(8, 1), Content::Forgeable);
        assert_eq!(spoilt(11, 21), Content::Forgeable);
        assert_eq!(
            content(&record(22, 0, &message(1)[..11])),
            Content::Forgeable
        );
    }

    #[test]
    fn only_what_a_handshake_says_in_clear_is_taken_in_clear() {
        assert_eq!(content(&record(20, 0, &[1])), Content::Other);
        for (kind, fragment) in [
            (20, &[2][..]),
            (20, &[1, 1]),
            (23, &[7; 9]),
            (24, &[1]),
            (40, &[1]),
        ] {
            assert_eq!(content(&record(kind, 0, fragment)), Content::Forgeable);
        }
        assert_eq!(content(&record(24, 1, &[7; 40])), Content::Forgeable);
        assert_eq!(content(&record(22, 1, &[])), Content::Forgeable);
        assert_eq!(content(&[]), Content::Forgeable);
        let trailed = [record(22, 0, &message(1)), vec![22, 254, 253]].concat();
        assert_eq!(content(&trailed), Content::Forgeable);
    }

    #[test]
    fn a_record_holds_whole_messages_or_one_piece() {
        let two = [message(11), message(12)].concat();
        assert_eq!(content(&record(22, 0, &two)), Content::Clear);
        let mut piece = message(11);
        piece[3] = 40;
        assert_eq!(content(&record(22, 0, &piece)), Content::Clear);
        let before = [piece.clone(), message(12)].concat();
        assert_eq!(content(&record(22, 0, &before)), Content::Forgeable);
        let behind = [message(12), piece].concat();
        assert_eq!(content(&record(22, 0, &behind)), Content::Forgeable);
        let nothing = [11, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(content(&record(22, 0, &nothing)), Content::Forgeable);
    }

    #[test]
    fn records_are_counted_and_told_apart() {
        let clear = [record(22, 0, &message(16)), record(20, 0, &[1])].concat();
        assert_eq!((count(&clear), has_protected(&clear)), (2, false));
        let ended = [clear, record(22, 1, &[7; 40])].concat();
        assert_eq!((count(&ended), has_protected(&ended)), (3, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            content(&bytes);
        }
    }
}
