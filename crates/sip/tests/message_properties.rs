//! What holds for any message and for any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use fernamt_sip::builder::{RequestBuilder, ResponseBuilder, Shown};
use fernamt_sip::header::{Event, RAck, Reason, Replaces, RetryAfter, SessionExpires};
use fernamt_sip::message::authorization::{Challenge, Credentials};
use fernamt_sip::message::{Elements, Message, Method, Name, Salvage};
use fernamt_sip::name_addr::{NameAddr, Quoted};
use fernamt_sip::stream::{Frame, Framer};
use fernamt_sip::uri::{EscapedUser, Uri};
use fernamt_sip::validate::{check_request, check_response};
use fernamt_sip::via::Via;
use fernamt_sip::{escape::Escaped, multipart};
use proptest::prelude::*;

const SEEDS: [&[u8]; 8] = [
    include_bytes!("messages/invite-1k.sip"),
    include_bytes!("rfc4475/wsinv.dat"),
    include_bytes!("rfc4475/intmeth.dat"),
    include_bytes!("rfc4475/longreq.dat"),
    include_bytes!("rfc4475/mpart01.dat"),
    include_bytes!("rfc4475/unreason.dat"),
    include_bytes!("rfc4475/regescrt.dat"),
    include_bytes!("rfc5118/ipv4-mapped-ipv6.dat"),
];

/// Reads everything there is in `bytes`, in every way.
fn read_all(bytes: &[u8]) {
    if let Some(salvage) = Salvage::from_bytes(bytes) {
        let mut out = Vec::new();
        let source = "192.0.2.1:5060".parse().ok();
        ResponseBuilder::for_salvage(&mut out, &salvage, 400, None, Some("t"), source).finish();
        assert_eq!(Message::parse(&out).unwrap().status(), Some(400));
    }
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let _ = (
        check_request(&message),
        check_response(&message),
        message.to_string(),
    );
    for header in message.headers() {
        read_text(&header.unfolded());
        read_text(header.value);
    }
    read_fields(&message);
    let mut out = Vec::new();
    let source = "[2001:db8::1]:5060".parse().ok();
    ResponseBuilder::for_request(
        &mut out,
        &message,
        500,
        message.reason_phrase(),
        Some("t"),
        source,
    )
    .copy(&message, Name::RecordRoute)
    .body(message.content_type().unwrap_or(""), message.body());
    let response = Message::parse(&out).unwrap();
    assert_eq!(response.bytes(), out);
    assert_eq!(response.vias().count(), message.vias().count());
}

fn read_fields(message: &Message<'_>) {
    let _ = (
        message.top_via(),
        message.from(),
        message.to(),
        message.call_id(),
        message.cseq(),
    );
    let _ = (
        message.contacts().count(),
        message.contact_is_star(),
        message.max_forwards(),
    );
    let _ = (
        message.expires(),
        message.min_expires(),
        message.flow_timer(),
        message.min_se(),
    );
    let _ = (
        message.routes().count(),
        message.record_routes().count(),
        message.paths().count(),
    );
    let _ = (
        message.require().count(),
        message.supported().count(),
        message.allow().count(),
    );
    let _ = (
        message.session_expires(),
        message.rseq(),
        message.rack(),
        message.q850_cause(),
    );
    let _ = (
        message.refer_to(),
        message.referred_by(),
        message.replaces(),
        message.target_dialog(),
    );
    let _ = (
        message.retry_after(),
        message.event(),
        message.subscription_state(),
    );
    let _ = (
        message.p_asserted_identity(),
        message.privacy().count(),
        message.user_agent(),
    );
    let _ = (
        message.remote_party_id(),
        message.diversions().count(),
        message.accept().count(),
    );
    let _ = message.body_of_type("application/sdp");
    for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
        let _ = message.challenges(name).count();
    }
    for name in [Name::Authorization, Name::ProxyAuthorization] {
        let _ = message.credentials(name).count();
    }
}

fn read_text(text: &str) {
    for element in Elements::new(text) {
        assert!(text.contains(element));
    }
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        assert!(uri.is_equivalent(&uri));
        let _ = (
            uri.user_unescaped(),
            uri.headers().count(),
            uri.params().iter().count(),
        );
    }
    if let Ok(address) = NameAddr::parse(text) {
        let again = address.to_string();
        let again = NameAddr::parse(&again).unwrap();
        assert_eq!(again.uri_text(), address.uri_text());
        assert_eq!(again.display_name(), address.display_name());
        assert_eq!(again.params(), address.params());
        let _ = (
            address.uri(),
            address.q_thousandths(),
            address.expires_seconds(),
            address.tag(),
        );
    }
    if let Ok(via) = Via::parse(text) {
        let again = via.to_string();
        assert_eq!(Via::parse(&again).unwrap().branch(), via.branch());
        let _ = (via.received(), via.rport(), via.maddr(), via.transport());
    }
    if let Ok(credentials) = Credentials::parse(text) {
        let _ = (
            credentials.username(),
            credentials.nonce_count(),
            credentials.params().count(),
        );
    }
    for challenge in Challenge::split(text).flatten() {
        let _ = (challenge.realm(), challenge.is_stale());
    }
    let _ = (
        Reason::parse(text).map(|reason| reason.text().is_some()),
        RAck::parse(text),
    );
    let _ = (
        Replaces::parse(text),
        RetryAfter::parse(text),
        Event::parse(text),
    );
    let _ = (
        SessionExpires::parse(text),
        multipart::parts(text, text.as_bytes()).map(Iterator::count),
    );
    assert!(!Escaped(text).to_string().chars().any(char::is_control));
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,20}"
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("INVITE".to_owned()),
        Just("MESSAGE".to_owned()),
        token()
    ]
}

/// Names that stand for nothing else, so that their values can be anything.
fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        token().prop_map(|name| format!("X-{name}")),
        Just("Subject".to_owned()),
        Just("s".to_owned()),
        Just("Organization".to_owned()),
    ]
}

fn header_value() -> impl Strategy<Value = String> {
    "[ -~\u{e4}\u{20ac}]{0,60}".prop_map(|value| value.trim().to_owned())
}

fn uri() -> impl Strategy<Value = String> {
    (
        "\\PC{0,12}",
        "[a-z][a-z0-9-]{0,12}",
        any::<Option<u16>>(),
        "(;[a-zA-Z0-9.!*_+'~-]{1,9}){0,3}",
    )
        .prop_map(|(user, host, port, params)| {
            let user = if user.is_empty() {
                user
            } else {
                format!("{}@", EscapedUser(&user))
            };
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("sip:{user}{host}{port}{params}")
        })
}

proptest! {
    #[test]
    fn parsing_a_built_request_gives_what_was_put_in(
        method in method(),
        uri in uri(),
        headers in prop::collection::vec((header_name(), header_value()), 0..20),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = Vec::new();
        let mut builder = RequestBuilder::new(&mut out, Method::from_name(&method), &uri);
        for (name, value) in &headers {
            builder.header_raw(name, value);
        }
        builder.body("application/octet-stream", &body);
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!(message.method().as_str(), method);
        prop_assert_eq!(message.request_uri(), Some(uri.as_str()));
        let read: Vec<_> = message
            .headers()
            .map(|header| (header.raw_name.to_owned(), header.value.to_owned()))
            .take(headers.len())
            .collect();
        prop_assert_eq!(read, headers);
        prop_assert_eq!(message.body(), body);
        prop_assert_eq!(message.bytes(), &out[..]);
    }

    #[test]
    fn whatever_is_put_in_the_message_keeps_its_shape(
        method in any::<String>(),
        uri in any::<String>(),
        names in prop::collection::vec(any::<String>(), 0..5),
        values in prop::collection::vec(any::<String>(), 5),
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut out = Vec::new();
        let mut builder = RequestBuilder::new(&mut out, Method::Other(&method), &uri);
        builder.header(Name::Subject, &values[0]).header(Name::From, Shown(Quoted(&values[1])));
        let mut written = 4;
        for (name, value) in names.iter().zip(&values) {
            builder.header_raw(name, value);
            let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            written += usize::from(is_token && Name::from_text(name) != Name::ContentLength);
        }
        builder.body(&values[2], &body);
        // An empty method or URI makes no request, but even then nothing has left its line.
        let head_end = out.len() - body.len();
        let lines = out[..head_end].windows(2).filter(|pair| pair == b"\r\n").count();
        prop_assert!(lines >= written + 2);
        prop_assert!(lines <= names.len() + 6);
        prop_assert_eq!(out[..head_end].iter().filter(|byte| **byte == b'\n').count(), lines);
        prop_assert_eq!(out[..head_end].iter().filter(|byte| **byte == b'\r').count(), lines);
        if let Ok(message) = Message::parse(&out) {
            prop_assert_eq!(message.body(), body);
        }
    }

    #[test]
    fn a_user_part_reads_back_whatever_it_holds(user in any::<String>().prop_filter("none", |user| !user.is_empty())) {
        let text = format!("sip:{}@example.com", EscapedUser(&user));
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(uri.user_unescaped().unwrap(), user);
        } else {
            prop_assert!(text.len() > fernamt_sip::limits::MAX_URI_BYTES);
        }
    }

    #[test]
    fn a_quoted_name_reads_back_as_far_as_it_is_safe(name in "[^\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}]{1,40}") {
        let text = format!("{} <sip:a@b>", Quoted(&name));
        let address = NameAddr::parse(&text).unwrap();
        let shown = address.display_name().unwrap_or_default();
        prop_assert_eq!(shown.trim(), name.trim());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
        let mut framer = Framer::new();
        framer.push(&bytes).unwrap();
        while let Ok(Some(_)) = framer.next_frame() {}
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[a-zA-Z0-9<>\"\\\\;:,=@%/?&.\\[\\] \r\n\t*()#+-]{0,80}") {
        read_text(&text);
    }

    #[test]
    fn a_damaged_message_makes_no_reader_panic(
        seed in 0..SEEDS.len(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..12),
    ) {
        let mut bytes = SEEDS[seed].to_vec();
        for (place, byte, kind) in damages {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                2 => drop(bytes.remove(place)),
                _ => {
                    let tail: Vec<u8> = bytes[place..].iter().copied().take(usize::from(byte)).collect();
                    bytes.splice(place..place, tail);
                }
            }
        }
        read_all(&bytes);
    }

    #[test]
    fn a_framer_gives_the_same_messages_for_any_split(
        order in prop::collection::vec(0..SEEDS.len() + 2, 1..6),
        cuts in prop::collection::vec(1..900_usize, 1..40),
    ) {
        let framed: Vec<Vec<u8>> = order
            .iter()
            .map(|seed| match SEEDS.get(*seed) {
                Some(message) => Message::parse(message).unwrap().bytes().to_vec(),
                None if *seed == SEEDS.len() => b"\r\n\r\n".to_vec(),
                None => b"\r\n".to_vec(),
            })
            .collect();
        let stream = framed.concat();
        prop_assert_eq!(frames(&stream, &[stream.len()]), frames(&stream, &cuts));
    }
}

fn frames(stream: &[u8], cuts: &[usize]) -> Vec<Option<Vec<u8>>> {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    let mut rest = stream;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, tail) = rest.split_at((*cut).min(rest.len()));
        rest = tail;
        framer.push(piece).unwrap();
        while let Some(frame) = framer.next_frame().unwrap() {
            found.push(match frame {
                Frame::Message(bytes) => Some(bytes.to_vec()),
                Frame::Ping => None,
            });
        }
    }
    found
}

#[test]
fn the_seeds_are_messages() {
    for seed in SEEDS {
        read_all(seed);
        assert!(Message::parse(seed).is_ok());
    }
}
