//! ICE in descriptions (RFC 8839) and in fragments of them (RFC 8840).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::ice::{
    MAX_CANDIDATE_BYTES, MAX_CANDIDATES, MAX_PASSWORD_BYTES, MAX_UFRAG_BYTES, MIN_PASSWORD_BYTES,
    MIN_UFRAG_BYTES,
};
use fernamt_sdp::{
    Attribute, Candidate, CandidateAddress, CandidateKind, CandidateTransport, IceCredentials,
    MAX_BYTES, MAX_LINES, MAX_MEDIA, ParseError, SessionDescription, TcpType, TransportDescription,
    TrickleFragment,
};

const PASSWORD: &str = "asd88fgpdd777uzjYhagZg";

fn candidate(value: &str) -> Option<Candidate> {
    Candidate::parse(&Attribute {
        name: "candidate",
        value: Some(value),
    })
}

#[test]
fn candidates_are_read_and_written_as_they_are() {
    for value in [
        "1 1 UDP 2130706431 203.0.113.141 8998 typ host",
        "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
        "1 1 UDP 2130706431 2001:db8:1234::5 9000 typ host",
        "H2a8f01c3 256 UDP 1 2001:db8::1 0 typ relay raddr :: rport 0",
        "7 1 TCP 2105458943 192.0.2.1 9 typ host tcptype active generation 2 ufrag Xy+/ network-cost 50",
        "8 2 UDP 41885695 f3a9c2d4-7b61-4f0e.local 50000 typ prflx raddr host.example rport 7",
        "9 1 SCTP 5 192.0.2.1 9 typ special x-1 y",
    ] {
        let read = candidate(value).unwrap();
        assert_eq!(read.to_string(), value);
        assert_eq!(candidate(&read.to_string()), Some(read));
    }
}

#[test]
fn a_candidate_is_read_with_all_that_is_known_of_it() {
    let read =
        candidate("3 1 tcp 1518280447 192.0.2.4 9 typ srflx tcptype passive raddr 10.0.0.1 rport 5 generation 3").unwrap();
    assert_eq!(read.transport, CandidateTransport::Tcp);
    assert_eq!(read.kind, CandidateKind::ServerReflexive);
    assert_eq!(read.socket_address(), Some("192.0.2.4:9".parse().unwrap()));
    let behind = CandidateAddress::Ip("10.0.0.1".parse().unwrap());
    assert_eq!(read.related, Some((behind, 5)));
    assert_eq!(
        (read.tcp_type(), read.generation()),
        (Some(TcpType::Passive), Some(3))
    );
    assert_eq!(read.extension("network-id"), None);

    let empty = candidate("1 1 UDP 1 192.0.2.1 1 typ host generation 0 network-id ").unwrap();
    assert_eq!(&*empty.extensions, "generation 0");

    let hidden = candidate("1 1 udp 5 0a1b.LOCAL 9 typ host").unwrap();
    assert!(hidden.address.is_multicast_name());
    assert_eq!(hidden.socket_address(), None);
    assert!(
        !candidate("1 1 udp 5 a.example 9 typ host")
            .unwrap()
            .address
            .is_multicast_name()
    );
}

#[test]
fn what_is_no_candidate_is_passed_over() {
    for wrong in [
        "",
        "1",
        "1 1 UDP 1 192.0.2.1 1 typ",
        "1 1 UDP 1 192.0.2.1 1 host typ",
        "1 0 UDP 1 192.0.2.1 1 typ host",
        "1 257 UDP 1 192.0.2.1 1 typ host",
        "1 1 UDP 4294967296 192.0.2.1 1 typ host",
        "1 1 UDP 1 192.0.2.1 65536 typ host",
        "1 1 UDP 1 192.0.2.999 1 typ host",
        "1 1 UDP 1 fe80::1%eth0 1 typ host",
        "1 1 UDP 1 192.0.2.1 1 typ srflx raddr 10.0.0.1 rport x",
        "a:b 1 UDP 1 192.0.2.1 1 typ host",
    ] {
        assert_eq!(candidate(wrong), None, "{wrong}");
    }
    let foundation = |length: usize| {
        candidate(&format!(
            "{} 1 UDP 1 192.0.2.1 1 typ host",
            "f".repeat(length)
        ))
    };
    assert!(foundation(32).is_some() && foundation(33).is_none());
    let long = |length: usize| {
        let start = "1 1 UDP 1 192.0.2.1 1 typ host x ";
        candidate(&format!("{start}{}", "y".repeat(length - start.len())))
    };
    assert!(long(MAX_CANDIDATE_BYTES).is_some() && long(MAX_CANDIDATE_BYTES + 1).is_none());
}

#[test]
fn ice_long_ufrag() {
    let ufrag = |length: usize| IceCredentials::new(&"u".repeat(length), PASSWORD).is_some();
    assert!(ufrag(MIN_UFRAG_BYTES) && !ufrag(MIN_UFRAG_BYTES - 1));
    assert!(ufrag(MAX_UFRAG_BYTES) && !ufrag(MAX_UFRAG_BYTES + 1));
    let password = |length: usize| IceCredentials::new("8hhY", &"p".repeat(length)).is_some();
    assert!(password(MIN_PASSWORD_BYTES) && !password(MIN_PASSWORD_BYTES - 1));
    assert!(password(MAX_PASSWORD_BYTES) && !password(MAX_PASSWORD_BYTES + 1));
    assert_eq!(IceCredentials::new("a:b:c", PASSWORD), None);

    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8\r\na=ice-ufrag:{}\r\na=ice-pwd:{PASSWORD}\r\n",
        "u".repeat(40_000)
    );
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    let transport = TransportDescription::of(&description, 0).unwrap();
    assert_eq!(
        transport.ice, None,
        "a section without ICE, and nothing worse"
    );
}

#[test]
fn a_password_never_reaches_a_log() {
    let credentials = IceCredentials::new("8hhY", PASSWORD).unwrap();
    assert!(!format!("{credentials:?}").contains("asd88"));
}

#[test]
fn other_credentials_are_a_restart() {
    let before = IceCredentials::new("8hhY", PASSWORD).unwrap();
    let other = IceCredentials::new("8hhZ", PASSWORD).unwrap();
    assert!(other.restart(&before) && !before.clone().restart(&before));
    let other = IceCredentials::new("8hhY", &PASSWORD.replace('a', "b")).unwrap();
    assert!(other.restart(&before));
}

#[test]
fn no_more_candidates_are_kept_than_the_limit() {
    let text = |count: usize| {
        let line = "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n";
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:8hhY\r\n\
             a=ice-pwd:{PASSWORD}\r\nm=audio 4000 RTP/AVP 8\r\n{}",
            line.repeat(count)
        )
    };
    for (count, kept) in [
        (MAX_CANDIDATES, MAX_CANDIDATES),
        (MAX_CANDIDATES + 1, MAX_CANDIDATES),
    ] {
        let text = text(count);
        let description = SessionDescription::parse(text.as_bytes()).unwrap();
        let ice = TransportDescription::of(&description, 0)
            .unwrap()
            .ice
            .unwrap();
        assert_eq!(ice.candidates.len(), kept);
    }
}

#[test]
fn all_that_a_section_says_about_ice_is_read() {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=ice-options:ice2 rtp+ecn\r\n\
         m=audio 4000 RTP/AVP 8\r\na=ice-ufrag:8hhY\r\na=ice-pwd:{PASSWORD}\r\na=ice-options:trickle\r\n\
         a=remote-candidates:1 192.0.2.3 45664 2 2001:db8::1 45665 3 broken\r\n\
         a=ice-mismatch\r\na=end-of-candidates\r\n"
    );
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    let ice = TransportDescription::of(&description, 0)
        .unwrap()
        .ice
        .unwrap();
    assert!(ice.lite && ice.mismatch && ice.end_of_candidates && !ice.is_gathering());
    assert!(ice.options.trickle && ice.options.ice2);
    let chosen: Vec<_> = ice
        .remote_candidates
        .iter()
        .map(|c| (c.component, c.address))
        .collect();
    let expected = [
        (1, "192.0.2.3:45664".parse().unwrap()),
        (2, "[2001:db8::1]:45665".parse().unwrap()),
    ];
    assert_eq!(chosen, expected);
}

#[test]
fn a_fragment_with_more_candidates_is_read() {
    let body = format!(
        "a=group:BUNDLE 1 2\r\na=ice-ufrag:9uB6\r\na=ice-pwd:{PASSWORD}\r\n\
         m=audio 9 RTP/AVP 0\r\na=mid:1\r\n\
         a=candidate:1 1 UDP 2130706432 2001:db8:a0b:12f0::1 5000 typ host\r\n\
         a=candidate:2 1 UDP 1694498815 192.0.2.3 5010 typ srflx raddr 10.0.1.1 rport 8998\r\n\
         a=unknown\r\na=end-of-candidates\r\n\
         m=video 9 RTP/AVP 31\r\na=mid:2\r\na=ice-ufrag:7hT2\r\na=ice-pwd:{PASSWORD}x\r\n"
    );
    let fragment = TrickleFragment::parse(body.as_bytes()).unwrap();
    assert!(!fragment.end_of_candidates);
    let [audio, video] = &fragment.sections[..] else {
        panic!("two sections")
    };
    assert_eq!(audio.mid.as_deref(), Some("1"));
    assert_eq!(audio.credentials.as_ref().unwrap().ufrag(), "9uB6");
    assert_eq!(audio.candidates.len(), 2);
    assert!(audio.end_of_candidates && !video.end_of_candidates);
    assert_eq!(video.credentials.as_ref().unwrap().ufrag(), "7hT2");
    assert!(video.candidates.is_empty());

    let ended = TrickleFragment::parse(b"a=end-of-candidates\nm=audio 9 RTP/AVP 0\n").unwrap();
    assert!(ended.end_of_candidates && ended.sections[0].end_of_candidates);
    assert_eq!(ended.sections[0].credentials, None);
    assert_eq!(TrickleFragment::parse(b"").unwrap().sections.len(), 0);
}

#[test]
fn a_fragment_has_the_limits_of_a_description() {
    let sections =
        |count: usize| TrickleFragment::parse("m=audio 9 RTP/AVP 0\n".repeat(count).as_bytes());
    assert!(sections(MAX_MEDIA).is_ok());
    assert!(matches!(
        sections(MAX_MEDIA + 1),
        Err(ParseError::TooManyMedia { .. })
    ));
    let lines = |count: usize| TrickleFragment::parse("a=x\n".repeat(count).as_bytes());
    assert!(lines(MAX_LINES).is_ok());
    assert_eq!(lines(MAX_LINES + 1), Err(ParseError::TooManyLines));
    let bytes =
        |count: usize| TrickleFragment::parse(format!("a={}", "x".repeat(count - 2)).as_bytes());
    assert!(bytes(MAX_BYTES).is_ok());
    assert!(matches!(
        bytes(MAX_BYTES + 1),
        Err(ParseError::TooLong { .. })
    ));
    assert!(matches!(
        TrickleFragment::parse(b"candidate"),
        Err(ParseError::Line { line: 1 })
    ));
}
