//! The outside of DTLS records (RFC 6347 section 4.1): enough to know what may be given to a handshake.

/// Bytes before the fragment of a record in clear.
const HEADER_BYTES: usize = 13;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Types of handshake messages that are ever sent in clear (RFC 5246 section 7.4, RFC 6347 section
/// 4.3.2); the others are noise.
const IN_CLEAR: [u8; 9] = [1, 2, 3, 4, 11, 12, 13, 15, 16];

/// Ends the messages of a server (RFC 5246 section 7.4.5).
const SERVER_HELLO_DONE: u8 = 14;

/// The last number of a message in clear, well above what there are in a handshake. One with a higher
/// number would be kept for later, and spoil the end.
const MAX_MESSAGE_NUMBER: u16 = 16;

/// What a datagram is for a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Begins a handshake, or goes on with its beginning.
    ClientHello,
    /// The first answer to it.
    ServerHello,
    /// Anything else that may belong to a handshake.
    Other,
    /// Must not be given to one: it could end it, and anybody could have written it.
    Forgeable,
}

/// Tells what a datagram is. Alerts in clear are forgeable, and are passed over (RFC 6347 section
/// 4.1.2.7); a handshake whose end they tell ends by its timer.
pub(super) fn content(datagram: &[u8]) -> Content {
    let mut rest = datagram;
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let [kind, _, _, epoch_high, epoch_low, .., high, low] = *header;
        // Records of DTLS 1.3 that are encrypted have another header, and are nobody else's.
        if kind & 0xe0 == 0x20 {
            break;
        }
        if kind == ALERT && [epoch_high, epoch_low] == [0, 0] {
            return Content::Forgeable;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((fragment, next)) = behind.split_at_checked(length) else {
            return Content::Forgeable;
        };
        let is_clear = [epoch_high, epoch_low] == [0, 0];
        if kind == HANDSHAKE && is_clear && !is_plausible(fragment) {
            return Content::Forgeable;
        }
        rest = next;
    }
    match (datagram.first(), datagram.get(HEADER_BYTES)) {
        (Some(&HANDSHAKE), Some(&CLIENT_HELLO)) => Content::ClientHello,
        (Some(&HANDSHAKE), Some(&(SERVER_HELLO | HELLO_VERIFY_REQUEST))) => Content::ServerHello,
        _ => Content::Other,
    }
}

/// Whether a message in clear can be one of a handshake (RFC 6347 section 4.2.2).
fn is_plausible(message: &[u8]) -> bool {
    let Some((header, body)) = message.split_first_chunk::<12>() else {
        return false;
    };
    let [kind, l0, l1, l2, n0, n1, o0, o1, o2, f0, f1, f2] = *header;
    let number = |high, middle, low| u32::from_be_bytes([0, high, middle, low]);
    let (length, offset, fragment) = (number(l0, l1, l2), number(o0, o1, o2), number(f0, f1, f2));
    (IN_CLEAR.contains(&kind) || kind == SERVER_HELLO_DONE)
        && u16::from_be_bytes([n0, n1]) <= MAX_MESSAGE_NUMBER
        && offset + fragment <= length
        && body.len() >= fragment as usize
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
        assert_eq!(content(&record(22, 0, &message(3))), Content::ServerHello);
        assert_eq!(content(&record(22, 0, &message(11))), Content::Other);
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

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            content(&bytes);
        }
    }
}
