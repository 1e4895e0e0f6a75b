//! What is read from descriptions that phones send, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::net::SocketAddr;

use fernamt_sdp::{
    Attribute, Blame, Direction, MAX_BYTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA, MediaKind,
    ParseError, Protocol, RtpMap, SessionDescription,
};

const PHONE: &str = "v=0\r\n\
    o=alice 2890844526 2890844527 IN IP4 192.0.2.1\r\n\
    s=Call\r\n\
    c=IN IP4 192.0.2.101\r\n\
    t=0 0\r\n\
    a=group:BUNDLE a1 v1\r\n\
    a=sendonly\r\n\
    m=audio 49172 RTP/AVP 8 0 9 96 101 8 97\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1;stereo=0\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\n\
    a=ptime:30\r\n\
    a=maxptime:40.0\r\n\
    a=mid:a1\r\n\
    a=rtcp:53020 IN IP4 192.0.2.77\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0 UNENCRYPTED_SRTCP\r\n\
    a=candidate:1 1 UDP 2130706431 192.0.2.1 8998 typ host\r\n\
    a=candidate:broken\r\n\
    m=video 51372/2 RTP/SAVPF 31\r\n\
    c=IN IP6 2001:db8::1\r\n\
    a=inactive\r\n\
    a=rtcp-mux\r\n\
    a=fingerprint:sha-256 AB:CD\r\n";

fn parse(text: &str) -> SessionDescription<'_> {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> ParseError {
    SessionDescription::parse(text.as_bytes())
        .map(|_| ())
        .unwrap_err()
}

fn with(lines: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n{lines}")
}

#[test]
fn session_lines_are_read() {
    let sdp = parse(PHONE);
    let origin = sdp.origin();
    assert_eq!(
        (origin.username, origin.session_id),
        ("alice", "2890844526")
    );
    assert_eq!(origin.version(), Some(2_890_844_527));
    assert_eq!(
        origin.to_string(),
        "alice 2890844526 2890844527 IN IP4 192.0.2.1"
    );
    assert_eq!(sdp.session_name(), Some("Call"));
    assert_eq!(
        sdp.connection().unwrap().ip(),
        Some("192.0.2.101".parse().unwrap())
    );
    assert_eq!(sdp.direction(), Some(Direction::SendOnly));
    let group = sdp.groups().next().unwrap();
    assert_eq!(group.semantics, "BUNDLE");
    assert_eq!(group.members().collect::<Vec<_>>(), ["a1", "v1"]);
    assert_eq!(sdp.text(), PHONE.as_bytes());
}

#[test]
fn a_media_section_is_read_with_what_it_inherits() {
    let sdp = parse(PHONE);
    let audio = &sdp.media()[0];
    assert_eq!(
        (audio.kind, audio.port, audio.port_count),
        (MediaKind::Audio, 49_172, 1)
    );
    assert_eq!(audio.protocol, Protocol::RtpAvp);
    assert_eq!(audio.direction(), Direction::SendOnly, "from the session");
    assert_eq!(audio.address(), Some("192.0.2.101:49172".parse().unwrap()));
    assert_eq!(
        audio.rtcp_address(),
        Some("192.0.2.77:53020".parse().unwrap())
    );
    assert_eq!(audio.ptime_milliseconds(), Some(30));
    assert_eq!(audio.maxptime_milliseconds(), Some(40));
    assert_eq!(audio.mid(), Some("a1"));

    let video = &sdp.media()[1];
    assert_eq!((video.kind, video.port_count), (MediaKind::Video, 2));
    assert!(video.protocol.is_secure());
    assert_eq!(video.direction(), Direction::Inactive, "its own");
    let address: SocketAddr = "[2001:db8::1]:51372".parse().unwrap();
    assert_eq!(
        (video.address(), video.rtcp_address()),
        (Some(address), Some(address))
    );
}

#[test]
fn codecs_come_from_rtpmap_or_the_static_table() {
    let sdp = parse(PHONE);
    let codecs: Vec<String> = sdp.media()[0]
        .codecs()
        .map(|format| format!("{} {}", format.payload_type, format.map))
        .collect();
    assert_eq!(
        codecs,
        [
            "8 PCMA/8000",
            "0 PCMU/8000",
            "9 G722/8000",
            "96 opus/48000/2",
            "101 telephone-event/8000"
        ],
        "97 means nothing without rtpmap"
    );
    let opus = sdp.media()[0].codecs().nth(3).unwrap();
    assert_eq!(opus.parameters, Some("useinbandfec=1;stereo=0"));
    assert_eq!(
        opus.map,
        RtpMap {
            encoding: "OPUS",
            clock_rate: 48_000,
            channels: 2
        }
    );
    assert!(sdp.media()[0].codecs().last().unwrap().is_telephone_event());
}

/// CVE-2022-39244 and others: formats that stand several times.
#[test]
fn sdp_duplicate_codec_reinvite() {
    let text = with(&format!("m=audio 4000 RTP/AVP{}\r\n", " 0 8".repeat(64)));
    let sdp = parse(&text);
    assert_eq!(sdp.media()[0].formats().count(), 128);
    assert_eq!(sdp.media()[0].codecs().count(), 2);
}

/// CVE-2018-1000098, -1000099: a description with more of everything than anyone needs.
#[test]
fn sdp_overflow() {
    let sections = |count| with(&"m=audio 4000 RTP/AVP 0\r\n".repeat(count));
    assert_eq!(parse(&sections(MAX_MEDIA)).media().len(), MAX_MEDIA);
    let error = refused(&sections(MAX_MEDIA + 1));
    assert_eq!(
        error,
        ParseError::TooManyMedia {
            line: 3 + MAX_MEDIA + 1
        }
    );
    assert_eq!(error.blame(), Blame::Unsupported);
    assert_eq!(
        refused(&sections(1_000)),
        error,
        "a thousand end at the first one too many"
    );
    assert_eq!(
        error.to_string(),
        "line 36: the session description has more than 32 media sections"
    );

    let lines = |count: usize| with(&"a=x\r\n".repeat(count - 3));
    assert_eq!(parse(&lines(MAX_LINES)).attributes().count(), MAX_LINES - 3);
    assert_eq!(refused(&lines(MAX_LINES + 1)), ParseError::TooManyLines);

    let formats = |count| with(&format!("m=audio 4000 RTP/AVP{}\r\n", " 0".repeat(count)));
    assert_eq!(
        parse(&formats(MAX_FORMATS)).media()[0].formats().count(),
        MAX_FORMATS
    );
    assert_eq!(
        refused(&formats(MAX_FORMATS + 1)),
        ParseError::TooManyFormats { line: 4 }
    );

    let frame = with("a=\r\n").len();
    let bytes = |count| with(&format!("a={}\r\n", "x".repeat(count - frame)));
    assert_eq!(parse(&bytes(MAX_BYTES)).attributes().count(), 1);
    assert_eq!(
        refused(&bytes(MAX_BYTES + 1)),
        ParseError::TooLong {
            bytes: MAX_BYTES + 1
        }
    );
}

#[test]
fn what_phones_leave_out_or_add_is_tolerated() {
    let text = "\nv=0\no=-  1   1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1 \nX=what\n\n\
        m=audio 4000 RTP/AVP 0 \na=ptime:20";
    let sdp = parse(text);
    assert_eq!(sdp.session_name(), None);
    assert_eq!(sdp.media()[0].ptime_milliseconds(), Some(20));
    assert_eq!(sdp.media()[0].formats().collect::<Vec<_>>(), ["0"]);
    let latin = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Z\xfcrich\r\na=tool:\xfc\r\na=sendonly\r\n";
    let sdp = SessionDescription::parse(latin).unwrap();
    assert_eq!(
        (sdp.session_name(), sdp.direction()),
        (None, Some(Direction::SendOnly))
    );
    assert_eq!(
        parse(&with("m=video 0 RTP/AVP\r\n")).media()[0]
            .formats()
            .count(),
        0
    );
}

#[test]
fn what_would_be_misunderstood_is_refused_with_its_line() {
    let cases: &[(&str, ParseError)] = &[
        ("", ParseError::Version { line: 1 }),
        ("v=1\r\n", ParseError::Version { line: 1 }),
        (
            "o=- 1 1 IN IP4 1.2.3.4\r\nv=0\r\n",
            ParseError::Version { line: 1 },
        ),
        ("v=0\r\ns=-\r\n", ParseError::NoOrigin),
        ("v=0\r\no=- 1 1 IN IP4\r\n", ParseError::Origin { line: 2 }),
        (
            "v=0\r\no=- 1 1 IN IP4 a b\r\n",
            ParseError::Origin { line: 2 },
        ),
        ("v=0\r\nnonsense\r\n", ParseError::Line { line: 2 }),
        ("v=0\r\ns =-\r\n", ParseError::Line { line: 2 }),
        ("v=0\r\ns=a\rb\r\n", ParseError::Control { line: 2 }),
        ("v=0\r\ns=a\0b\r\n", ParseError::Control { line: 2 }),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), *expected, "{text:?}");
        assert_eq!(expected.blame(), Blame::Peer);
    }
    let cases: &[(&str, ParseError)] = &[
        (
            "o=- 1 1 IN IP4 192.0.2.1\r\n",
            ParseError::Repeated {
                line: 4,
                letter: 'o',
            },
        ),
        ("c=IN IP4\r\n", ParseError::Connection { line: 4 }),
        (
            "c=IN IP4 192.0.2.256\r\n",
            ParseError::Connection { line: 4 },
        ),
        (
            "c=IN IP6 2001:db8:::1\r\n",
            ParseError::Connection { line: 4 },
        ),
        (
            "c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\n",
            ParseError::Repeated {
                line: 5,
                letter: 'c',
            },
        ),
        ("m=audio\r\n", ParseError::Media { line: 4 }),
        ("m=audio 65536 RTP/AVP 0\r\n", ParseError::Media { line: 4 }),
        ("m=audio -1 RTP/AVP 0\r\n", ParseError::Media { line: 4 }),
        ("m=audio 4000 RTP/AVP\r\n", ParseError::Media { line: 4 }),
        (
            "m=audio 4000/x RTP/AVP 0\r\n",
            ParseError::Media { line: 4 },
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(refused(&with(lines)), *expected, "{lines:?}");
    }
}

#[test]
fn hold_is_seen_in_the_direction_and_in_the_old_address() {
    let direction = |lines: &str| parse(&with(lines)).media()[0].direction();
    let audio = "m=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(direction(audio), Direction::SendRecv);
    assert_eq!(
        direction(&format!("{audio}a=sendonly\r\n")),
        Direction::SendOnly
    );
    assert_eq!(
        direction(&format!("c=IN IP4 0.0.0.0\r\n{audio}")),
        Direction::SendOnly
    );
    assert_eq!(
        direction(&format!("c=IN IP6 ::\r\n{audio}")),
        Direction::SendOnly
    );
    let both = format!("{audio}c=IN IP4 0.0.0.0\r\na=recvonly\r\n");
    assert_eq!(direction(&both), Direction::Inactive);
}

#[test]
fn an_unspecified_address_with_ice_is_no_hold() {
    let audio = "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n";
    for text in [
        format!("{audio}a=ice-ufrag:abcd\r\n"),
        format!("a=ice-ufrag:abcd\r\n{audio}"),
    ] {
        let text = with(&text);
        assert_eq!(parse(&text).media()[0].direction(), Direction::SendRecv);
    }
}

#[test]
fn directions_are_reversed_and_combined_as_rfc_3264_says() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    assert_eq!(SendOnly.reversed(), RecvOnly);
    assert_eq!(Inactive.reversed(), Inactive);
    assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
    assert_eq!(SendOnly.and(RecvOnly), Inactive);
    for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
        assert_eq!(Direction::from_name(direction.name()), Some(direction));
    }
}

#[test]
fn a_name_as_address_is_kept_but_is_no_ip_address() {
    let text = with("c=IN IP4 media.example.com\r\nm=audio 4000 RTP/AVP 0\r\n");
    let sdp = parse(&text);
    assert_eq!(sdp.connection().unwrap().address, "media.example.com");
    assert_eq!(sdp.media()[0].address(), None);
    let multicast = with("c=IN IP4 224.2.1.1/127/3\r\n");
    assert_eq!(
        parse(&multicast).connection().unwrap().ip(),
        Some("224.2.1.1".parse().unwrap())
    );
}

#[test]
fn rtcp_has_no_port_above_the_last() {
    let text = with("c=IN IP4 192.0.2.1\r\nm=audio 65535 RTP/AVP 0\r\n");
    assert_eq!(parse(&text).media()[0].rtcp_address(), None);
}

#[test]
fn a_section_without_port_is_rejected_unless_it_shares_another_port() {
    let text = with("m=audio 0 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\na=bundle-only\r\n");
    let sdp = parse(&text);
    assert!(sdp.media()[0].is_rejected());
    assert!(!sdp.media()[1].is_rejected());
}

#[test]
fn fax_and_unknown_media_are_named() {
    let text = with("m=image 4000 UDPTL t38\r\nm=chat 4002 TCP/X *\r\n");
    let sdp = parse(&text);
    assert_eq!(
        (sdp.media()[0].kind, sdp.media()[0].protocol),
        (MediaKind::Image, Protocol::Udptl)
    );
    assert_eq!(sdp.media()[1].kind, MediaKind::Other("chat"));
    assert_eq!(sdp.media()[1].protocol.as_str(), "TCP/X");
    assert!(!sdp.media()[1].protocol.is_rtp());
    assert_eq!(sdp.media()[1].codecs().count(), 0);
}

#[test]
fn attributes_know_what_they_are_about() {
    let sdp = parse(PHONE);
    let is = |test: fn(&Attribute<'_>) -> bool| {
        sdp.media()
            .iter()
            .flat_map(|media| media.attributes())
            .filter(test)
            .count()
    };
    assert_eq!(is(|attribute| attribute.is_ice()), 2);
    assert_eq!(is(|attribute| attribute.is_security()), 2);
    assert!(sdp.attributes().any(|attribute| attribute.is_bundle()));
}
