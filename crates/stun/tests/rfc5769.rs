//! The sample messages of RFC 5769 and of RFC 8489 appendix B.1 (with errata 6268 and 6290).

use fernamt_stun::message::algorithm::PasswordAlgorithm;
use fernamt_stun::message::key::user_hash;
use fernamt_stun::message::{Builder, Integrity, Key, MessageError, attribute};
use fernamt_stun::{Class, Message, Method, TransactionId};

const SHORT_TERM_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
/// The user of sections 2.4 and B.1, in Katakana.
const USER: &str = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
/// The password of sections 2.4 and B.1, as it is after its preparation.
const PASSWORD: &str = "TheMatrIX";
const REALM: &str = "example.org";

#[allow(clippy::unwrap_used, reason = "a test")]
fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits).unwrap()
}

/// RFC 5769 section 2.1.
fn request() -> Vec<u8> {
    bytes(
        "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74
         00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014
         9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf",
    )
}

/// RFC 5769 section 2.2.
fn response_v4() -> Vec<u8> {
    bytes(
        "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008
         0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96",
    )
}

/// RFC 5769 section 2.3.
fn response_v6() -> Vec<u8> {
    bytes(
        "01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014
         0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275
         bfe3ed41 80280004 c8fb0b4c",
    )
}

/// RFC 5769 section 2.4.
fn long_term() -> Vec<u8> {
    bytes(
        "00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383 aae38383 e382afe3
         82b90000 0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 0014000b
         6578616d 706c652e 6f726700 00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666",
    )
}

/// RFC 8489 appendix B.1.
fn long_term_sha256() -> Vec<u8> {
    bytes(
        "00010090 2112a442 78ad3433 c6ad72c0 29da412e 001e0020 4a3cf38f ef6992bd a952c678 0417da0f
         24819415 569e60b2 05c46e41 407f1704 00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b
         39353464 364f4c33 346f4c39 46535476 79363473 41000000 0014000b 6578616d 706c652e 6f726700
         001d0004 00020000 001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c
         c6518e65",
    )
}

#[test]
fn the_sample_request_is_read_and_verified() {
    let bytes = request();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.method(), Method::BINDING);
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    let key = Key::short_term(SHORT_TERM_PASSWORD).unwrap();
    assert_eq!(message.verify(&key), Some(Integrity::Sha1));
    assert_eq!(message.verify(&Key::short_term("wrong").unwrap()), None);
    // PRIORITY belongs to ICE.
    assert_eq!(message.unknown(&[attribute::USERNAME, 8]).kinds(), [0x0024]);
}

#[test]
fn the_sample_responses_are_read_and_verified() {
    let key = Key::short_term(SHORT_TERM_PASSWORD).unwrap();
    for (bytes, address) in [
        (response_v4(), "192.0.2.1:32853"),
        (
            response_v6(),
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.software(), Some("test vector"));
        assert_eq!(message.mapped_address(), Some(address.parse().unwrap()));
        assert_eq!(message.verify(&key), Some(Integrity::Sha1));
    }
}

#[test]
fn a_changed_bit_is_noticed() {
    // The fingerprint at the end is what notices.
    for index in 0..request().len() - 8 {
        let mut bytes = request();
        bytes[index] ^= 1;
        let key = Key::short_term(SHORT_TERM_PASSWORD).unwrap();
        // The magic cookie, the length, or the fingerprint.
        assert!(Message::parse(&bytes).is_err(), "byte {index}");
        // Without the fingerprint, the integrity.
        bytes.truncate(bytes.len() - 8);
        bytes[3] = bytes[3].wrapping_sub(8);
        let verified = Message::parse(&bytes).ok().and_then(|it| it.verify(&key));
        assert_eq!(verified, None, "byte {index}");
    }
    let mut bytes = request();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(
        Message::parse(&bytes).unwrap_err(),
        MessageError::Fingerprint
    );
}

#[test]
fn the_long_term_sample_is_verified_and_written_the_same() {
    let bytes = long_term();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username(), Some(USER));
    assert_eq!(message.realm(), Some(REALM));
    assert_eq!(message.nonce(), Some("f//499k954d6OL34oL9FSTvy64sA"));
    let key = Key::long_term(PasswordAlgorithm::Md5, USER, REALM, PASSWORD);
    assert_eq!(message.verify(&key), Some(Integrity::Sha1));
    let mut written = Vec::new();
    Builder::new(
        &mut written,
        Class::Request,
        Method::BINDING,
        message.transaction(),
    )
    .text(attribute::USERNAME, USER)
    .text(attribute::NONCE, "f//499k954d6OL34oL9FSTvy64sA")
    .text(attribute::REALM, REALM)
    .integrity(Integrity::Sha1, &key)
    .finish()
    .unwrap();
    assert_eq!(written, bytes);
}

#[test]
fn the_long_term_sample_with_sha256_is_verified_and_written_the_same() {
    let bytes = long_term_sha256();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.user_hash(), Some(&user_hash(USER, REALM)));
    assert_eq!(
        message.password_algorithm(),
        Some(PasswordAlgorithm::Sha256)
    );
    let key = Key::long_term(PasswordAlgorithm::Sha256, USER, REALM, PASSWORD);
    assert_eq!(message.verify(&key), Some(Integrity::Sha256));
    let transaction = TransactionId([
        0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e,
    ]);
    let mut written = Vec::new();
    Builder::new(&mut written, Class::Request, Method::BINDING, transaction)
        .attribute(attribute::USERHASH, &user_hash(USER, REALM))
        .text(
            attribute::NONCE,
            "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA",
        )
        .text(attribute::REALM, REALM)
        .attribute(
            attribute::PASSWORD_ALGORITHM,
            &PasswordAlgorithm::Sha256.value(),
        )
        .integrity(Integrity::Sha256, &key)
        .finish()
        .unwrap();
    assert_eq!(written, bytes);
}
