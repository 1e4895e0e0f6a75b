//! The outside of DTLS records (RFC 6347 section 4.1): enough to know what may be given to a handshake.

/// Bytes before the fragment of a record in clear.
const HEADER_BYTES: usize = 13;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

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
        match behind.get(length..) {
            Some(next) => rest = next,
            None => return Content::Forgeable,
        }
    }
    match (datagram.first(), datagram.get(HEADER_BYTES)) {
        (Some(&HANDSHAKE), Some(&CLIENT_HELLO)) => Content::ClientHello,
        (Some(&HANDSHAKE), Some(&(SERVER_HELLO | HELLO_VERIFY_REQUEST))) => Content::ServerHello,
        _ => Content::Other,
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

    #[test]
    fn hellos_are_told_by_their_type() {
        assert_eq!(content(&record(22, 0, &[1; 40])), Content::ClientHello);
        assert_eq!(content(&record(22, 0, &[2; 40])), Content::ServerHello);
        assert_eq!(content(&record(22, 0, &[3; 40])), Content::ServerHello);
        assert_eq!(content(&record(22, 0, &[11; 40])), Content::Other);
        assert_eq!(content(&record(20, 0, &[1])), Content::Other);
    }

    #[test]
    fn an_alert_in_clear_is_found_behind_other_records() {
        let alert = record(21, 0, &[2, 40]);
        assert_eq!(content(&alert), Content::Forgeable);
        let behind = [record(22, 0, &[2; 40]), alert].concat();
        assert_eq!(content(&behind), Content::Forgeable);
        assert_eq!(content(&record(21, 1, &[0; 26])), Content::Other);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            content(&bytes);
        }
    }
}
