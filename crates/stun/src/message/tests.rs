use std::net::SocketAddr;

use proptest::prelude::*;

use super::address::{masked, read_masked, write_plain};
use super::algorithm::PasswordAlgorithm;
use super::*;

const ID: TransactionId = TransactionId(*b"transactions");

fn start(out: &mut Vec<u8>) -> Builder<'_> {
    Builder::new(out, Class::Request, Method::BINDING, ID)
}

fn built(build: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    build(start(&mut out)).finish().unwrap();
    out
}

#[test]
fn what_is_no_stun_is_told_apart() {
    let good = built(|message| message);
    assert!(Message::parse(&good).is_ok());
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Message::parse(&bytes).unwrap_err()
    };
    assert_eq!(error(&|it| it.truncate(19)), MessageError::Short);
    assert_eq!(error(&|it| it[0] |= 0x40), MessageError::NotStun);
    assert_eq!(error(&|it| it[0] |= 0x80), MessageError::NotStun);
    assert_eq!(error(&|it| it[4] = 0), MessageError::NotStun);
    let length = |said, arrived| MessageError::Length { said, arrived };
    assert_eq!(error(&|it| it[3] = 4), length(4, 0));
    assert_eq!(error(&|it| it.push(0)), length(0, 1));
    assert_eq!(
        error(&|it| {
            it[3] = 2;
            it.extend([0, 0]);
        }),
        length(2, 2)
    );
    assert_eq!(
        error(&|it| {
            it[3] = 4;
            it.extend([0, 6, 0, 1]);
        }),
        MessageError::Attribute
    );
}

#[test]
fn as_many_attributes_as_the_limit_are_read_and_not_one_more() {
    let with =
        |count: usize| built(|message| (0..count).fold(message, |it, _| it.attribute(0x8000, &[])));
    assert!(Message::parse(&with(MAX_ATTRIBUTES)).is_ok());
    assert_eq!(
        Message::parse(&with(MAX_ATTRIBUTES + 1)).unwrap_err(),
        MessageError::ManyAttributes
    );
}

#[test]
fn texts_are_read_up_to_their_limits() {
    for (kind, most) in [
        (attribute::USERNAME, MAX_USERNAME_BYTES),
        (attribute::REALM, MAX_TEXT_BYTES),
    ] {
        let read = |length: usize| {
            let bytes = built(|message| message.text(kind, &"a".repeat(length)));
            let message = Message::parse(&bytes).unwrap();
            message.username().or(message.realm()).map(str::len)
        };
        assert_eq!(read(most), Some(most));
        assert_eq!(read(most + 1), None);
    }
    let bytes = built(|message| message.attribute(attribute::USERNAME, &[0xff]));
    assert_eq!(Message::parse(&bytes).unwrap().username(), None);
}

#[test]
fn a_message_that_would_be_too_long_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let data = vec![0; MAX_MESSAGE_BYTES - HEADER_BYTES - 4];
    start(&mut out)
        .attribute(attribute::DATA, &data)
        .finish()
        .unwrap();
    assert_eq!(out.len(), 6 + MAX_MESSAGE_BYTES);
    assert!(Message::parse(&out[6..]).is_ok());
    out.truncate(6);
    for extra in [1, 5, 70_000] {
        let data = vec![0; data.len() + extra];
        let result = start(&mut out).attribute(attribute::DATA, &data).finish();
        assert_eq!(result, Err(TooLong));
        assert_eq!(out, b"before");
    }
    let full = start(&mut out).attribute(attribute::DATA, &data);
    let key = Key::short_term("k").unwrap();
    let protected = full.integrity(Integrity::Sha256, &key).fingerprint();
    assert_eq!(protected.finish(), Err(TooLong));
}

#[test]
fn passwords_of_the_short_term_mechanism_have_a_limit() {
    assert!(Key::short_term(&"p".repeat(key::MAX_PASSWORD_BYTES)).is_ok());
    let long = Key::short_term(&"p".repeat(key::MAX_PASSWORD_BYTES + 1));
    assert_eq!(long.unwrap_err(), key::LongPassword);
}

#[test]
fn attributes_behind_the_protection_do_not_count() {
    let key = Key::short_term("secret").unwrap();
    let bytes = built(|message| {
        message
            .text(attribute::USERNAME, "anna")
            .integrity(Integrity::Sha1, &key)
            .text(attribute::REALM, "smuggled")
            .attribute(0x7fff, &[1])
            .integrity(Integrity::Sha256, &key)
            .text(attribute::USERNAME, "smuggled")
            .fingerprint()
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username(), Some("anna"));
    assert_eq!(message.realm(), None);
    assert!(
        message
            .unknown(&[6, attribute::MESSAGE_INTEGRITY, 0x1c])
            .is_empty()
    );
    assert_eq!(message.verify(&key), Some(Integrity::Sha256));
    let kinds: Vec<u16> = message.attributes().map(|it| it.kind).collect();
    assert_eq!(kinds, [0x0006, 0x0008, 0x001c, 0x8028]);
}

#[test]
fn a_truncated_integrity_is_accepted_down_to_sixteen_bytes() {
    let key = Key::short_term("secret").unwrap();
    for length in (0..=36).step_by(4) {
        // The length of the message enters the HMAC.
        let body = built(|message| message.text(attribute::USERNAME, "anna"));
        let value = integrity::sha256(&key, &body, body.len(), length).unwrap();
        let mut value = value.to_vec();
        value.resize(length, 0);
        let bytes = built(|message| {
            message
                .text(attribute::USERNAME, "anna")
                .attribute(attribute::MESSAGE_INTEGRITY_SHA256, &value)
        });
        let verified = Message::parse(&bytes).unwrap().verify(&key);
        assert_eq!(verified.is_some(), (16..=32).contains(&length), "{length}");
    }
}

#[test]
fn of_a_repeated_attribute_the_first_counts() {
    let bytes = built(|message| {
        message
            .text(attribute::USERNAME, "anna")
            .text(attribute::USERNAME, "berta")
    });
    assert_eq!(Message::parse(&bytes).unwrap().username(), Some("anna"));
}

#[test]
fn unknown_attributes_are_listed_up_to_a_limit() {
    let bytes = built(|message| {
        (0..20)
            .fold(message, |it, kind| it.attribute(0x7000 + kind, &[]))
            .attribute(0xff00, &[])
    });
    let unknown = Message::parse(&bytes).unwrap().unknown(&[0x7000]);
    assert_eq!(unknown.kinds().len(), Unknown::MOST);
    assert_eq!(unknown.kinds()[0], 0x7001);
    let answer = built(|message| message.unknown(&unknown.kinds()[..3]));
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(
        answer.find(attribute::UNKNOWN_ATTRIBUTES),
        Some(&[0x70, 1, 0x70, 2, 0x70, 3][..])
    );
}

#[test]
fn error_codes_are_read_as_they_are_written() {
    let bytes = built(|message| message.error(ErrorCode::ALLOCATION_QUOTA_REACHED));
    assert_eq!(
        Message::parse(&bytes).unwrap().error_code(),
        Some((
            ErrorCode::ALLOCATION_QUOTA_REACHED,
            "Allocation Quota Reached"
        ))
    );
    for value in [
        &[0, 0, 4][..],
        &[0, 0, 7, 0],
        &[0, 0, 2, 0],
        &[0, 0, 4, 100],
    ] {
        assert_eq!(ErrorCode::read(value), None);
    }
    assert_eq!(
        ErrorCode::read(&[9, 9, 0xf8 | 4, 1]),
        ErrorCode::new(401).map(|code| (code, ""))
    );
}

#[test]
fn password_algorithms_that_are_not_known_are_passed_over() {
    let value = [0, 9, 0, 2, 1, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0];
    let bytes = built(|message| message.attribute(attribute::PASSWORD_ALGORITHMS, &value));
    let message = Message::parse(&bytes).unwrap();
    let all: Vec<_> = message.password_algorithms().unwrap().collect();
    assert_eq!(
        all,
        [
            None,
            Some(PasswordAlgorithm::Sha256),
            Some(PasswordAlgorithm::Md5)
        ]
    );
    assert_eq!(PasswordAlgorithm::read(&value[8..]), None);
    assert_eq!(
        PasswordAlgorithm::read(&value[12..]),
        Some(PasswordAlgorithm::Md5)
    );
}

#[test]
fn an_alternate_server_is_read() {
    let address: SocketAddr = "192.0.2.7:3478".parse().unwrap();
    let bytes = built(|message| message.plain_address(attribute::ALTERNATE_SERVER, address));
    assert_eq!(
        Message::parse(&bytes).unwrap().alternate_server(),
        Some(address)
    );
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<([u8; 16], u16)>().prop_map(SocketAddr::from),
    ]
}

/// Types without those that parsing looks into.
fn any_attribute() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let kind = any::<u16>().prop_filter("protection", |kind| {
        !matches!(*kind, 0x0008 | 0x001c | 0x8028)
    });
    (kind, proptest::collection::vec(any::<u8>(), 0..40))
}

proptest! {
    #[test]
    fn an_address_is_read_as_it_was_written(address in any_address(), id: [u8; 12]) {
        let id = TransactionId(id);
        let written = write_plain(masked(address, id));
        prop_assert_eq!(read_masked(written.as_slice(), id), Some(address));
    }

    #[test]
    fn a_message_is_read_as_it_was_built(
        class in prop_oneof![
            Just(Class::Request), Just(Class::Indication), Just(Class::Success), Just(Class::Error)
        ],
        method in 0_u16..0x1000,
        id: [u8; 12],
        attributes in proptest::collection::vec(any_attribute(), 0..12),
        password in "[a-z]{1,80}",
        sha256: bool,
    ) {
        let (method, id) = (Method::new(method), TransactionId(id));
        let key = Key::short_term(&password).unwrap();
        let integrity = if sha256 { Integrity::Sha256 } else { Integrity::Sha1 };
        let mut out = Vec::new();
        let message = Builder::new(&mut out, class, method, id);
        let message = attributes
            .iter()
            .fold(message, |message, (kind, value)| message.attribute(*kind, value));
        message.integrity(integrity, &key).fingerprint().finish().unwrap();
        let read = Message::parse(&out).unwrap();
        prop_assert_eq!((read.class(), read.method(), read.transaction()), (class, method, id));
        let found: Vec<(u16, Vec<u8>)> = read
            .attributes()
            .take(attributes.len())
            .map(|it| (it.kind, it.value.to_vec()))
            .collect();
        prop_assert_eq!(found, attributes);
        prop_assert_eq!(read.verify(&key), Some(integrity));
        prop_assert_eq!(read.verify(&Key::short_term("WRONG").unwrap()), None);
    }

    #[test]
    fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fix: bool) {
        if fix && bytes.len() >= HEADER_BYTES {
            bytes.truncate(bytes.len() / 4 * 4);
            bytes[0] &= 0x3f;
            bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
            let length = u16::try_from(bytes.len() - HEADER_BYTES).unwrap();
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            // Short attributes, so that some of them fit.
            for place in (HEADER_BYTES..bytes.len()).step_by(4) {
                bytes[place] &= 0x80;
                bytes[place + 1] &= 0x3f;
                bytes[place + 2] = 0;
                bytes[place + 3] &= 0x1f;
            }
        }
        if let Ok(message) = Message::parse(&bytes) {
            let _ = (message.username(), message.realm(), message.nonce(), message.software());
            let _ = (message.user_hash(), message.error_code(), message.password_algorithm());
            let _ = message.password_algorithms().map(Iterator::count);
            let _ = (message.mapped_address(), message.alternate_server());
            let _ = message.masked_address(attribute::XOR_PEER_ADDRESS);
            let _ = message.number(attribute::LIFETIME);
            let _ = message.unknown(&[]);
            let _ = message.verify(&Key::short_term("key").unwrap());
        }
    }
}
