//! What went wrong elsewhere with the reading of messages, one test each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use fernamt_sip::escape::Escaped;
use fernamt_sip::limits::{
    MAX_HEADER_BYTES, MAX_HEADER_NAME_BYTES, MAX_HEADERS, MAX_MESSAGE_BYTES, MAX_METHOD_BYTES,
    MAX_URI_BYTES,
};
use fernamt_sip::message::{HeaderError, Message, Name, ParseErrorKind, Salvage};
use fernamt_sip::validate::check_request;

fn request(fields: &str) -> String {
    format!(
        "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         {fields}\r\n"
    )
}

fn failure(text: &str) -> ParseErrorKind {
    Message::parse(text.as_bytes()).unwrap_err().kind
}

#[test]
fn header_smuggling() {
    // What one reader takes for a header field and another for none is refused, not guessed.
    for (fields, kind) in [
        (
            "P-Asserted-Identity\u{a0}: <sip:admin@x>\r\n",
            ParseErrorKind::HeaderField,
        ),
        (
            "P-Asserted-Identity\u{b}: <sip:admin@x>\r\n",
            ParseErrorKind::HeaderField,
        ),
        (
            "P-Asserted-Identity\0: <sip:admin@x>\r\n",
            ParseErrorKind::HeaderField,
        ),
        (
            "Subject: x\nP-Asserted-Identity: <sip:admin@x>\r\n",
            ParseErrorKind::ControlCharacter,
        ),
        (
            "Subject: x\rP-Asserted-Identity: <sip:admin@x>\r\n",
            ParseErrorKind::ControlCharacter,
        ),
        (
            "Subject: x\r\r\nP-Asserted-Identity: <sip:admin@x>\r\n",
            ParseErrorKind::ControlCharacter,
        ),
        ("Subject: x\n\r\nv=0\r\n", ParseErrorKind::ControlCharacter),
        (": <sip:admin@x>\r\n", ParseErrorKind::HeaderField),
        ("P-Asserted-Identity\r\n", ParseErrorKind::HeaderField),
        ("P Asserted: x\r\n", ParseErrorKind::HeaderField),
        (
            "Subject: \"x\\\r\nnot a field\r\n",
            ParseErrorKind::HeaderField,
        ),
    ] {
        assert_eq!(failure(&request(fields)), kind, "{fields:?}");
    }
    // White space that the grammar allows hides nothing.
    for fields in [
        "P-Asserted-Identity : <sip:admin@x>\r\n",
        "P-Asserted-Identity\t:\r\n <sip:admin@x>\r\n",
        "p-asserted-identity:<sip:admin@x>\r\n",
    ] {
        let text = request(fields);
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(
            message.p_asserted_identity().unwrap().uri_text(),
            "sip:admin@x",
            "{fields:?}"
        );
    }
    // A fold continues its field and starts no other.
    let text = request("Subject: x\r\n P-Asserted-Identity: <sip:admin@x>\r\n");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(message.p_asserted_identity().is_none());
    // A first line that is folded would show two readers two requests.
    let folded = request("").replacen("\r\n", "\r\n X: y\r\n", 1);
    assert_eq!(failure(&folded), ParseErrorKind::HeaderField);
}

#[test]
fn control_char_header() {
    for control in (0_u8..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let character = char::from(control);
        for fields in [
            format!("Subject: a{character}b\r\n"),
            format!("Subject: \\{character}\r\n"),
            format!("Subject: \"a\\\\\"{character}\r\n"),
            format!("Subject: \"a{character}\"\r\n"),
            format!("Subject: \"a\r\nX-Next: \\{character}\r\n"),
        ] {
            assert!(
                Message::parse(request(&fields).as_bytes()).is_err(),
                "{fields:?}"
            );
        }
        let uri = request("").replacen("sip:b", &format!("sip:{character}b"), 1);
        assert!(Message::parse(uri.as_bytes()).is_err(), "{control}");
    }
    // RFC 3261 allows them behind a backslash in a quoted string, but not CR and LF.
    let quoted = request("Subject: \"a\\\u{1}\\\u{7f}\"\r\n");
    assert!(Message::parse(quoted.as_bytes()).is_ok());
    // UTF-8 or nothing.
    let latin1 = [&b"INVITE sip:b SIP/2.0\r\nSubject: J\xe4ger\r\n\r\n"[..]].concat();
    assert_eq!(
        Message::parse(&latin1).unwrap_err().kind,
        ParseErrorKind::NotUtf8
    );
}

#[test]
fn sip_parser_overflow() {
    for (field, value) in [
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE"),
        (
            "CSeq: 1 INVITE",
            "CSeq: 99999999999999999999999999999 INVITE",
        ),
        ("CSeq: 1 INVITE", "CSeq: -1 INVITE"),
        ("CSeq: 1 INVITE", "CSeq: 1"),
        ("CSeq: 1 INVITE", "CSeq:"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 1 INVITE"),
        ("Call-ID: c", "Call-ID: c\r\ni: c"),
        ("Call-ID: c", "Call-ID:"),
        ("To: <sip:b@example.com>", "To: <sip:b@example.com>;tag="),
        (
            "To: <sip:b@example.com>",
            "To: <sip:b@example.com>;tag=1\r\nt: <sip:c@d>",
        ),
        ("From: <sip:a@example.com>;tag=1", "From: ;tag=1"),
        (
            "From: <sip:a@example.com>;tag=1",
            "From: \"<sip:a@example.com>;tag=1",
        ),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1", "Via:"),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1", "Via: ,"),
        (
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP a:99999",
        ),
    ] {
        let text = request("").replacen(field, value, 1);
        let message = Message::parse(text.as_bytes()).unwrap();
        assert!(check_request(&message).is_err(), "{value:?}");
    }
    // Lists of any length are walked, not copied.
    let text = request(&format!("Accept: {}\r\n", ",".repeat(MAX_HEADER_BYTES - 8)));
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.accept().count(), MAX_HEADER_BYTES - 7);
    let long_tag = "t".repeat(10_000);
    let text = request("").replacen("tag=1", &format!("tag={long_tag}"), 1);
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.from().unwrap().tag(), Some(long_tag.as_str()));
    assert_eq!(message.rseq(), Ok(None));
    let text = request("RSeq: 4294967296\r\n");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.rseq(), Err(HeaderError::Malformed(Name::RSeq)));
}

#[test]
fn content_length_insane() {
    for (value, kind) in [
        ("-1", ParseErrorKind::ContentLength),
        ("+0", ParseErrorKind::ContentLength),
        ("", ParseErrorKind::ContentLength),
        ("0x1", ParseErrorKind::ContentLength),
        ("1,1", ParseErrorKind::ContentLength),
        ("99999999999999999999999999", ParseErrorKind::ContentLength),
        ("18446744073709551615", ParseErrorKind::BodyTruncated),
        ("4294967295", ParseErrorKind::BodyTruncated),
        ("5", ParseErrorKind::BodyTruncated),
        ("4\r\nl: 3", ParseErrorKind::ContentLength),
    ] {
        let text = format!("{}body", request(&format!("Content-Length: {value}\r\n")));
        assert_eq!(failure(&text), kind, "{value:?}");
    }
    for (value, body) in [
        ("4", "body"),
        ("3", "bod"),
        ("0", ""),
        ("4\r\nl: 4", "body"),
        ("0000004", "body"),
    ] {
        let text = format!("{}body", request(&format!("Content-Length: {value}\r\n")));
        assert_eq!(
            Message::parse(text.as_bytes()).unwrap().body(),
            body.as_bytes(),
            "{value:?}"
        );
    }
}

#[test]
fn large_header() {
    let value = "x".repeat(4_000);
    let text = request(&format!("X-Large: {value}\r\n"));
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.value_of("x-large"), Some(value.as_str()));
    let field = |length: usize| request(&format!("A: {}\r\n", "x".repeat(length - 3)));
    assert!(Message::parse(field(MAX_HEADER_BYTES).as_bytes()).is_ok());
    assert_eq!(
        failure(&field(MAX_HEADER_BYTES + 1)),
        ParseErrorKind::HeaderTooLong
    );
}

#[test]
fn identity_header_length() {
    let token = "eyJhbGciOiJFUzI1NiJ9".repeat(300);
    let text = request(&format!(
        "Identity: {token};info=<https://x.example/c>;alg=ES256;ppt=shaken\r\n"
    ));
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(message.value(Name::Identity).unwrap().starts_with(&token));
    assert!(
        Message::parse(request("y:\r\n").as_bytes())
            .unwrap()
            .value(Name::Identity)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn log_injection() {
    let text = "SIP/2.0 404 Not\u{2028}Found \u{202e}\r\nVia: SIP/2.0/UDP a\r\n\r\n";
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.to_string(), "404 Not\\u{2028}Found \\u{202e}");
    let text = request("Subject: \"\\\u{1b}[2J\"\r\n");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(!format!("{message:?}").contains('\u{1b}'));
    let subject = message.value(Name::Subject).unwrap();
    assert_eq!(Escaped(subject).to_string(), "\"\\\\u{1b}[2J\"");
}

#[test]
fn every_limit_holds_at_one_more() {
    let with_fields = |count: usize| request(&"A: b\r\n".repeat(count - 5));
    assert!(Message::parse(with_fields(MAX_HEADERS).as_bytes()).is_ok());
    assert_eq!(
        failure(&with_fields(MAX_HEADERS + 1)),
        ParseErrorKind::TooManyHeaders
    );

    let with_name = |length: usize| request(&format!("{}: b\r\n", "A".repeat(length)));
    assert!(Message::parse(with_name(MAX_HEADER_NAME_BYTES).as_bytes()).is_ok());
    assert_eq!(
        failure(&with_name(MAX_HEADER_NAME_BYTES + 1)),
        ParseErrorKind::HeaderNameTooLong
    );

    let with_uri = |length: usize| {
        request("").replacen(
            "sip:b@example.com",
            &format!("sip:{}", "u".repeat(length - 4)),
            1,
        )
    };
    assert!(Message::parse(with_uri(MAX_URI_BYTES).as_bytes()).is_ok());
    assert_eq!(
        failure(&with_uri(MAX_URI_BYTES + 1)),
        ParseErrorKind::UriTooLong
    );

    let with_method = |length: usize| request("").replacen("INVITE", &"M".repeat(length), 1);
    assert!(Message::parse(with_method(MAX_METHOD_BYTES).as_bytes()).is_ok());
    assert_eq!(
        failure(&with_method(MAX_METHOD_BYTES + 1)),
        ParseErrorKind::StartLine
    );

    let of_size = |length: usize| {
        let head = request("");
        format!("{head}{}", "b".repeat(length - head.len()))
    };
    assert!(Message::parse(of_size(MAX_MESSAGE_BYTES).as_bytes()).is_ok());
    assert_eq!(
        failure(&of_size(MAX_MESSAGE_BYTES + 1)),
        ParseErrorKind::MessageTooLarge
    );
}

#[test]
fn every_parse_error_has_a_status_and_a_phrase_or_is_dropped() {
    for (text, status) in [
        ("", None),
        ("\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(400)),
        (
            "INVITE sip:a SIP/3.0\r\nVia: SIP/3.0/UDP a\r\n\r\n",
            Some(505),
        ),
        ("INVITE sip:a SIP/2\r\nVia: a\r\n\r\n", Some(400)),
        ("INVITE\r\nVia: a\r\n\r\n", Some(400)),
        ("SIP/2.0 99 x\r\nVia: a\r\n\r\n", None),
        ("SIP/2.0 700 x\r\nVia: a\r\n\r\n", None),
        ("SIP/2.0 2000 x\r\nVia: a\r\n\r\n", None),
        ("INVITE sip:a SIP/2.0\r\nVia: a\r\n", Some(400)),
    ] {
        let error = Message::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.status(), status, "{text:?}");
        assert!(!error.kind.reason_phrase().is_empty());
    }
    assert!(Salvage::from_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_none());
}
