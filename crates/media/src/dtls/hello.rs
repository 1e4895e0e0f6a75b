//! ClientHellos, as far as they are read before anything is kept of their sender (RFC 6347 section
//! 4.2.1), and the one answer that such a sender gets. What they offer is not looked at.

use std::borrow::Cow;

use super::record::{
    CLIENT_HELLO, Content, DTLS_1_0, HELLO_VERIFY_REQUEST, MESSAGE_HEADER_BYTES, Record, content,
    records,
};

/// The number that a client draws for one handshake, and says in every ClientHello of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientRandom([u8; 32]);

/// What of a ClientHello a datagram has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello<'a> {
    /// Its beginning.
    Beginning {
        random: ClientRandom,
        /// Empty, where nothing has been asked of the client yet.
        cookie: &'a [u8],
    },
    /// A later piece of one that is too long for a datagram.
    Piece,
}

impl Hello<'_> {
    /// Reads a datagram; `None`: it is no ClientHello, or none that makes sense.
    pub(super) fn of(datagram: &[u8]) -> Option<Hello<'_>> {
        if content(datagram) != Content::ClientHello {
            return None;
        }
        let (record, _) = Record::first(datagram)?;
        let message = Message::of(record.fragment)?;
        if message.offset > 0 {
            return Some(Hello::Piece);
        }
        let Cow::Borrowed(part) = message.part else {
            return None;
        };
        let Beginning { random, cookie, .. } = Beginning::of(part)?;
        Some(Hello::Beginning { random, cookie })
    }
}

/// The header of a message or of a piece of one, and what is behind it.
struct Message<'a> {
    length: usize,
    offset: usize,
    part: Cow<'a, [u8]>,
}

impl Message<'_> {
    fn of(fragment: &[u8]) -> Option<Message<'_>> {
        let (header, part) = fragment.split_first_chunk::<MESSAGE_HEADER_BYTES>()?;
        let [_, l0, l1, l2, _, _, o0, o1, o2, ..] = *header;
        let number = |high, middle, low| u32::from_be_bytes([0, high, middle, low]) as usize;
        Some(Message {
            length: number(l0, l1, l2),
            offset: number(o0, o1, o2),
            part: part.into(),
        })
    }

    /// The first message of a client, written as a datagram.
    fn write(&self, record_number: u64) -> Option<Vec<u8>> {
        let three = |number: usize| {
            let [.., high, middle, low] = (number as u64).to_be_bytes();
            [high, middle, low]
        };
        let mut fragment = vec![CLIENT_HELLO];
        fragment.extend(three(self.length));
        fragment.extend([0, 0]);
        fragment.extend(three(self.offset));
        fragment.extend(three(self.part.len()));
        fragment.extend(&*self.part);
        Record::write(record_number, &fragment)
    }
}

/// What a ClientHello says first.
struct Beginning<'a> {
    random: ClientRandom,
    cookie: &'a [u8],
    /// Where the cookie stands, behind its length.
    at: usize,
}

impl Beginning<'_> {
    fn of(hello: &[u8]) -> Option<Beginning<'_>> {
        // Behind the version.
        let (random, behind) = hello.get(2..)?.split_first_chunk::<32>()?;
        let (session, behind) = take_vector(behind)?;
        let (cookie, _) = take_vector(behind)?;
        Some(Beginning {
            random: ClientRandom(*random),
            cookie,
            at: 2 + 32 + 1 + session.len() + 1,
        })
    }
}

/// Bytes with their count before them.
fn take_vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = bytes.split_first()?;
    behind.split_at_checked(usize::from(*length))
}

/// Makes first ClientHellos of second ones. The library keeps an association from the first ClientHello
/// on, and asks for the second itself; ours begins with the second, and is told what the first was.
#[derive(Debug)]
pub(super) struct First {
    cookie_bytes: usize,
    /// In how many pieces it came, each of them in a record.
    pieces: u64,
    /// Where the last two pieces of the second begin, when it has one more, as it is longer by the cookie:
    /// they are the last one of the first.
    last_two: Option<usize>,
    /// One of those two, until the other is here.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    offset: usize,
    part: Vec<u8>,
}

impl First {
    /// Learns from the beginning of a second ClientHello.
    pub(super) fn of(datagram: &[u8]) -> Option<First> {
        let (record, _) = Record::first(datagram)?;
        let message = Message::of(record.fragment)?;
        let beginning = Beginning::of(&message.part)?;
        let cookie_bytes = beginning.cookie.len();
        let part = message.part.len().max(1);
        let pieces = message.length.checked_sub(cookie_bytes)?.div_ceil(part);
        let has_more = message.length.div_ceil(part) > pieces;
        Some(First {
            cookie_bytes,
            pieces: pieces as u64,
            last_two: has_more.then_some(pieces.saturating_sub(1) * part),
            held: None,
        })
    }

    /// The first ClientHello that belongs to a second, or the same pieces of it: without the cookie, and
    /// with the numbers that its records had. Empty: it has none yet.
    pub(super) fn write(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut first = Vec::with_capacity(datagram.len());
        for record in records(datagram) {
            let message = Message::of(record.fragment)?;
            let number = record.number.checked_sub(self.pieces)?;
            let is_one_of_two = self.last_two.is_some_and(|begin| message.offset >= begin);
            let message = self.write_message(&message)?;
            let written = match is_one_of_two {
                true => self.join(number, message),
                false => message.write(number),
            };
            first.extend(written.unwrap_or_default());
        }
        Some(first)
    }

    /// Makes one piece of two; `None`: the other is not here yet.
    fn join(&mut self, number: u64, message: Message<'_>) -> Option<Vec<u8>> {
        let length = message.length;
        let one = Held {
            number,
            offset: message.offset,
            part: message.part.into_owned(),
        };
        let other = self.held.take_if(|held| held.offset != one.offset);
        let Some(other) = other else {
            self.held = Some(one);
            return None;
        };
        let (before, behind) = match one.offset < other.offset {
            true => (one, other),
            false => (other, one),
        };
        let joined = Message {
            length,
            offset: before.offset,
            part: [before.part, behind.part].concat().into(),
        };
        joined.write(before.number)
    }

    fn write_message<'a>(&self, message: &Message<'a>) -> Option<Message<'a>> {
        let length = message.length.checked_sub(self.cookie_bytes)?;
        if message.offset > 0 {
            return Some(Message {
                length,
                offset: message.offset.checked_sub(self.cookie_bytes)?,
                part: message.part.clone(),
            });
        }
        let Beginning { cookie, at, .. } = Beginning::of(&message.part)?;
        let before = message.part.get(..at - 1)?;
        let behind = message.part.get(at + cookie.len()..)?;
        Some(Message {
            length,
            offset: 0,
            part: [before, &[0], behind].concat().into(),
        })
    }
}

/// Asks a client for its hello once more, with this cookie: a HelloVerifyRequest. It always has the first
/// number of a record, and what the library says next has the second.
pub(super) fn verify_request(cookie: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(cookie.len()).ok()?.checked_add(3)?;
    let mut fragment = vec![
        HELLO_VERIFY_REQUEST,
        0,
        0,
        length,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        length,
    ];
    fragment.extend(DTLS_1_0);
    fragment.push(length - 3);
    fragment.extend(cookie);
    Record::write(0, &fragment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A second ClientHello, in records of so many bytes of it, from record `number` on.
    fn second(number: u64, session: &[u8], cookie: &[u8], bytes: usize) -> Vec<Vec<u8>> {
        let mut hello = vec![254, 253];
        hello.extend(10..42);
        for vector in [session, cookie] {
            hello.push(vector.len() as u8);
            hello.extend(vector);
        }
        hello.extend([7; 90]);
        let pieces = (number..).zip(hello.chunks(bytes)).enumerate();
        let pieces = pieces.map(|(index, (number, part))| {
            let piece = Message {
                length: hello.len(),
                offset: index * bytes,
                part: part.into(),
            };
            piece.write(number).unwrap()
        });
        pieces.collect()
    }

    fn random() -> ClientRandom {
        ClientRandom(core::array::from_fn(|index| index as u8 + 10))
    }

    #[test]
    fn a_hello_is_known_by_what_its_client_has_drawn() {
        for (session, cookie) in [(&[][..], &[][..]), (&[1; 32], &[9; 20])] {
            let random = random();
            let whole = second(1, session, cookie, 500).remove(0);
            let beginning = Some(Hello::Beginning { random, cookie });
            assert_eq!(Hello::of(&whole), beginning);
            let pieces = second(1, session, cookie, 100);
            assert_eq!(Hello::of(&pieces[0]), beginning);
            assert_eq!(Hello::of(&pieces[1]), Some(Hello::Piece));
            // Too short to say who it is.
            let [start, _] = &second(1, session, cookie, 35)[..2] else {
                panic!()
            };
            assert_eq!(Hello::of(start), None);
        }
        assert_eq!(Hello::of(&verify_request(&[1; 20]).unwrap()), None);
    }

    #[test]
    fn the_first_hello_is_the_second_without_its_cookie() {
        for bytes in [500, 100] {
            let (first, second) = (
                second(0, &[1; 32], &[], bytes),
                second(2, &[1; 32], &[9; 20], bytes),
            );
            let mut template = First::of(&second[0]).unwrap();
            let written = second.iter().map(|piece| template.write(piece).unwrap());
            let all = written.flatten().collect::<Vec<_>>();
            let body = |datagrams: &[u8]| {
                let parts = records(datagrams).map(|record| {
                    let message = Message::of(record.fragment).unwrap();
                    (message.length, message.offset, message.part.to_vec())
                });
                let parts = parts.collect::<Vec<_>>();
                let whole = parts.iter().flat_map(|(.., part)| part.clone());
                assert!(parts.iter().all(|(length, ..)| *length == parts[0].0));
                whole.collect::<Vec<u8>>()
            };
            assert_eq!(body(&all), body(&first.concat()));
            let numbers: Vec<u64> = records(&all).map(|record| record.number).collect();
            assert_eq!(numbers[0], 2 - template.pieces);
            // Its pieces in one datagram.
            assert_eq!(template.write(&second.concat()), Some(all));
        }
    }

    /// The first just fits one record, so that the cookie makes two of the second.
    #[test]
    fn a_second_hello_in_more_pieces_than_the_first_has_a_first_one() {
        let whole = second(0, &[], &[], 500).remove(0);
        let length = whole.len() - 25;
        for bytes in [length, length + 19, length.div_ceil(2)] {
            let first = second(0, &[], &[], bytes);
            let number = first.len() as u64;
            let mut pieces = second(number, &[], &[9; 20], bytes);
            assert_eq!(pieces.len(), first.len() + 1);
            for is_turned in [false, true] {
                let mut template = First::of(&pieces[0]).unwrap();
                let mut written: Vec<_> = pieces
                    .iter()
                    .map(|piece| template.write(piece).unwrap())
                    .filter(|piece| !piece.is_empty())
                    .collect();
                written.sort_by_key(|piece| Record::first(piece).unwrap().0.number);
                let numbers = written
                    .iter()
                    .map(|piece| Record::first(piece).unwrap().0.number);
                assert!(numbers.eq(0..number), "{bytes} {is_turned}");
                let bodies = |datagrams: &[Vec<u8>]| {
                    let parts = datagrams.iter().map(|datagram| datagram[25..].to_vec());
                    parts.collect::<Vec<_>>().concat()
                };
                assert_eq!(bodies(&written), bodies(&first));
                let end = pieces.len();
                pieces[end.saturating_sub(2).max(1)..].reverse();
            }
        }
    }

    #[test]
    fn a_hello_that_cannot_be_the_second_is_none() {
        let hello = second(0, &[], &[9; 20], 500).remove(0);
        assert_eq!(First::of(&hello).unwrap().write(&hello), None);
    }

    #[test]
    fn a_request_says_its_cookie_and_nothing_else() {
        let request = verify_request(&[7; 20]).unwrap();
        assert_eq!(content(&request), Content::HelloVerifyRequest);
        assert_eq!(request.len(), 13 + 12 + 3 + 20);
        assert_eq!(request[25..28], [254, 255, 20]);
        assert_eq!(verify_request(&[7; 300]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            cookie in any::<bool>(),
        ) {
            let cookie = if cookie { &[9; 20][..] } else { &[] };
            let mut spoilt = second(5, &[1; 9], cookie, 500).remove(0);
            let length = spoilt.len();
            for (at, byte) in (25..length).zip(&bytes) {
                spoilt[at] ^= byte;
            }
            for datagram in [&bytes, &spoilt] {
                Hello::of(datagram);
                First::of(datagram).map(|mut first| first.write(datagram));
            }
        }
    }
}
