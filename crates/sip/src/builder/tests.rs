use super::*;
use crate::name_addr::Quoted;

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP phone.example;branch=z9hG4bK1;received=9.9.9.9;rport;x=\"a;b\", SIP/2.0/UDP b\r\n\
    v: SIP/2.0/TCP c\r\n\
    f: \"A\" <sip:a@b>;tag=1\r\nTo: Bob\r\n <sip:b@b>\r\ni: 1@x\r\nCSeq: 7 INVITE\r\n\
    Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n\r\n";

fn text(out: &[u8]) -> &str {
    core::str::from_utf8(out).unwrap()
}

#[test]
fn a_request_is_written_and_reads_back() {
    let mut out = b"left over".to_vec();
    RequestBuilder::new(&mut out, Method::Invite, "sip:bob@example.com")
        .via(Transport::Tcp, "192.0.2.1:5060", "z9hG4bKa", true)
        .header(Name::MaxForwards, 70)
        .header_raw("X-Own", "y")
        .body("application/sdp", b"v=0\r\n");
    assert_eq!(
        text(&out),
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\n\
         Max-Forwards: 70\r\nX-Own: y\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    );
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.bytes(), out);
    assert_eq!(message.body(), b"v=0\r\n");
}

#[test]
fn a_response_repeats_what_it_must_and_marks_the_top_via() {
    let request = Message::parse(INVITE.as_bytes()).unwrap();
    let source = "192.0.2.7:4321".parse().ok();
    let mut out = Vec::new();
    ResponseBuilder::for_request(&mut out, &request, 180, None, Some("t9"), source)
        .copy(&request, Name::RecordRoute)
        .finish();
    assert_eq!(
        text(&out),
        "SIP/2.0 180 Ringing\r\n\
         Via: SIP/2.0/UDP phone.example;branch=z9hG4bK1;rport=4321;x=\"a;b\";received=192.0.2.7, SIP/2.0/UDP b\r\n\
         Via: SIP/2.0/TCP c\r\n\
         From: \"A\" <sip:a@b>;tag=1\r\nTo: Bob   <sip:b@b>;tag=t9\r\nCall-ID: 1@x\r\nCSeq: 7 INVITE\r\n\
         Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn received_is_added_only_where_it_says_something() {
    let respond = |via: &str, source: &str| {
        let text = format!("INFO sip:a SIP/2.0\r\nVia: {via}\r\n\r\n");
        let request = Message::parse(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        ResponseBuilder::for_request(&mut out, &request, 200, None, None, source.parse().ok())
            .finish();
        Message::parse(&out)
            .unwrap()
            .value(Name::Via)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        respond("SIP/2.0/UDP 1.2.3.4", "1.2.3.4:99"),
        "SIP/2.0/UDP 1.2.3.4"
    );
    assert_eq!(
        respond("SIP/2.0/UDP 1.2.3.4", "[::ffff:1.2.3.4]:99"),
        "SIP/2.0/UDP 1.2.3.4"
    );
    assert_eq!(
        respond("SIP/2.0/UDP 1.2.3.4;rport=7", "1.2.3.4:9"),
        "SIP/2.0/UDP 1.2.3.4;rport=9;received=1.2.3.4"
    );
    assert_eq!(
        respond("SIP/2.0/UDP [2001:db8::1]", "[2001:db8::2]:9"),
        "SIP/2.0/UDP [2001:db8::1];received=2001:db8::2"
    );
    assert_eq!(respond("broken", "1.2.3.4:9"), "broken");
}

#[test]
fn a_tag_is_never_given_twice() {
    let text = "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:a>;tag=old\r\n\r\n";
    let request = Message::parse(text.as_bytes()).unwrap();
    let mut out = Vec::new();
    ResponseBuilder::for_request(&mut out, &request, 200, None, Some("new"), None).finish();
    assert_eq!(
        Message::parse(&out).unwrap().to().unwrap().tag(),
        Some("old")
    );
}

#[test]
fn a_broken_request_is_answered_from_what_can_be_saved() {
    let broken = "OPTIONS sip:t SIP/7.0\r\nVia: SIP/7.0/UDP c;branch=z9hG4bK1\r\nFrom: A <sip:a>;tag=q\r\n\
                  garbage\r\nTo: <sip:t>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";
    let error = Message::parse(broken.as_bytes()).unwrap_err();
    assert_eq!(error.status(), Some(505));
    let salvage = Salvage::from_bytes(broken.as_bytes()).unwrap();
    let mut out = Vec::new();
    ResponseBuilder::for_salvage(
        &mut out,
        &salvage,
        505,
        None,
        Some("z"),
        "1.2.3.4:5".parse().ok(),
    )
    .finish();
    assert_eq!(
        text(&out),
        "SIP/2.0 505 Version Not Supported\r\nVia: SIP/7.0/UDP c;branch=z9hG4bK1\r\n\
         From: A <sip:a>;tag=q\r\nTo: <sip:t>;tag=z\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    for dropped in [
        "ACK sip:t SIP/2.0\r\nVia: SIP/2.0/UDP c\r\n",
        "SIP/2.0 200\r\nVia: a\r\n",
        "X\r\n",
        "",
        "\r\n",
    ] {
        assert!(
            Salvage::from_bytes(dropped.as_bytes()).is_none(),
            "{dropped}"
        );
    }
}

#[test]
fn header_smuggling() {
    let evil = "x\r\nX-Asserted: admin\r\n\r\nINVITE sip:x SIP/2.0\r\n";
    let mut out = Vec::new();
    RequestBuilder::new(&mut out, Method::Other(evil), evil)
        .via(Transport::Udp, evil, evil, false)
        .header(Name::Subject, evil)
        .header(Name::From, Shown(Quoted(evil)))
        .header_raw(evil, "v")
        .header_raw("X-A: b\r\nX-Asserted", "v")
        .header_raw("", "v")
        .header_raw("X-Good", evil)
        .header_raw("l", "0")
        .header(Name::ContentLength, 0)
        .header(Name::Other, "v")
        .body(evil, b"body");
    let message = Message::parse(&out).unwrap();
    let names: Vec<_> = message.headers().map(|header| header.raw_name).collect();
    assert_eq!(
        names,
        [
            "Via",
            "Subject",
            "From",
            "X-Good",
            "Content-Type",
            "Content-Length"
        ]
    );
    assert_eq!(message.body(), b"body");
    assert_eq!(message.bytes(), out);

    ResponseBuilder::new(&mut out, 200, Some(evil)).finish();
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.headers().count(), 1);
}

#[test]
fn control_char_header() {
    let mut out = Vec::new();
    RequestBuilder::new(&mut out, Method::Info, "sip:a\0 b\u{e9}@c")
        .header(Name::Subject, "a\0b\u{b}c\u{7f}d\te\u{1b}[0m")
        .finish();
    let message = Message::parse(&out).unwrap();
    assert_eq!(message.request_uri(), Some("sip:a%00%20b%C3%A9@c"));
    assert_eq!(message.value(Name::Subject), Some("a b c d\te [0m"));
}

#[test]
fn status_codes_stay_in_their_range() {
    let mut out = Vec::new();
    ResponseBuilder::new(&mut out, 7, None).finish();
    assert_eq!(Message::parse(&out).unwrap().status(), Some(100));
    ResponseBuilder::new(&mut out, 60_000, Some("")).finish();
    assert_eq!(Message::parse(&out).unwrap().status(), Some(699));
}
