//! Offers and answers of an end of our own (RFC 3264), against texts and against each other.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::{
    Capabilities, Codec, Direction, Endpoint, Negotiated, NegotiationError, PayloadChoice,
    SessionDescription,
};

fn endpoint() -> Endpoint {
    Endpoint::new(400, "192.0.2.1:6000".parse().unwrap(), Capabilities::g711())
}

fn offer(sections: &str) -> String {
    format!(
        "v=0\r\no=bob 5 6 IN IP4 198.51.100.2\r\ns=x\r\nc=IN IP4 198.51.100.2\r\nt=3 4\r\n{sections}"
    )
}

fn answer(end: &mut Endpoint, offer: &str) -> Result<(String, Negotiated), NegotiationError> {
    end.answer(&SessionDescription::parse(offer.as_bytes()).unwrap())
}

fn accept(end: &mut Endpoint, answer: &str) -> Result<Negotiated, NegotiationError> {
    end.accept(&SessionDescription::parse(answer.as_bytes()).unwrap())
}

#[test]
fn an_offer_is_answered_with_its_first_codec_that_we_have() {
    let offer = offer(
        "m=audio 7000 RTP/AVP 9 0 8 97\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:30\r\n\
         a=mid:aud\r\na=sendonly\r\n",
    );
    let (text, stream) = answer(&mut endpoint(), &offer).unwrap();
    assert_eq!(
        text,
        "v=0\r\no=- 100 100 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=3 4\r\n\
         m=audio 6000 RTP/AVP 0 97\r\na=mid:aud\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=recvonly\r\n"
    );
    assert_eq!(
        stream,
        Negotiated {
            media_index: 0,
            remote: "198.51.100.2:7000".parse().unwrap(),
            remote_rtcp: Some("198.51.100.2:7001".parse().unwrap()),
            codec: 1,
            payload: PayloadChoice {
                send: 0,
                receive: 0
            },
            telephone_event: Some(PayloadChoice {
                send: 97,
                receive: 97
            }),
            direction: Direction::RecvOnly,
            ptime_milliseconds: 30,
            rtcp_mux: false,
        }
    );
}

#[test]
fn every_section_is_answered_in_its_place() {
    let offer = offer(
        "m=video 7000 RTP/AVP 31 32\r\na=mid:v\r\nm=audio 7002 RTP/SAVP 0\r\n\
         m=audio 7004 RTP/AVP 9\r\nm=audio 7006 RTP/AVPF 8\r\na=rtcp-mux\r\nm=chat 0 X/Y\r\n",
    );
    let (text, stream) = answer(&mut endpoint(), &offer).unwrap();
    let media: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("m=") || line.starts_with("a=mid"))
        .collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 31 32",
            "a=mid:v",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 9",
            "m=audio 6000 RTP/AVPF 8",
            "m=chat 0 X/Y 0",
        ]
    );
    assert_eq!(stream.media_index, 3);
    assert!(stream.rtcp_mux);
    assert_eq!(stream.remote_rtcp, Some(stream.remote));
    assert!(text.contains("a=rtcp-mux\r\n"));
}

#[test]
fn an_offer_without_anything_for_us_is_refused_and_changes_nothing() {
    let mut end = endpoint();
    let cases = [
        (
            "m=audio 7000 RTP/AVP 9 18\r\n",
            NegotiationError::NoCommonCodec,
        ),
        ("m=video 7000 RTP/AVP 31\r\n", NegotiationError::NoAudio),
        ("m=audio 7000 RTP/SAVP 0\r\n", NegotiationError::NoAudio),
        ("m=audio 0 RTP/AVP 0\r\n", NegotiationError::NoAudio),
        (
            "m=audio 7000 RTP/AVP 0\r\nc=IN IP4 host.example\r\n",
            NegotiationError::NoAddress,
        ),
        ("", NegotiationError::NoAudio),
    ];
    for (sections, expected) in cases {
        assert_eq!(
            answer(&mut end, &offer(sections)).unwrap_err(),
            expected,
            "{sections}"
        );
    }
    let (text, _) = answer(&mut end, &offer("m=audio 7000 RTP/AVP 0\r\n")).unwrap();
    assert!(text.contains("o=- 100 100 "), "the version did not move");
}

#[test]
fn two_ends_agree_and_each_sends_with_the_numbers_of_the_other() {
    let mut caller = endpoint();
    let opus = Codec {
        encoding: "opus".into(),
        clock_rate: 48_000,
        channels: 2,
        payload_type: 101,
        parameters: Some("useinbandfec=1".into()),
    };
    let capabilities = Capabilities {
        codecs: vec![opus, Codec::PCMU],
        telephone_event: Some(96),
        ..Capabilities::g711()
    };
    let mut callee = Endpoint::new(800, "[2001:db8::2]:9000".parse().unwrap(), capabilities);
    let (text, theirs) = answer(&mut callee, &caller.offer()).unwrap();
    let ours = accept(&mut caller, &text).unwrap();
    assert_eq!((ours.codec, theirs.codec), (1, 1), "PCMU on both sides");
    assert_eq!(ours.remote, "[2001:db8::2]:9000".parse().unwrap());
    assert_eq!(theirs.remote, "192.0.2.1:6000".parse().unwrap());
    assert_eq!(
        ours.telephone_event,
        Some(PayloadChoice {
            send: 101,
            receive: 101
        })
    );
    assert!(ours.rtcp_mux && theirs.rtcp_mux);
    // In this session 101 means events: opus has to move in what the callee offers later.
    let text = callee.offer();
    assert!(text.contains("m=audio 9000 RTP/AVP 96 0 101\r\n"), "{text}");
    assert!(
        text.contains("a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"),
        "{text}"
    );
    assert_eq!(callee.codec_of(96), Some(0));
    assert_eq!(callee.codec_of(101), None);
}

#[test]
fn an_answer_with_its_own_numbers_is_followed() {
    let mut end = endpoint();
    end.offer();
    let text = offer("m=audio 7000 RTP/AVP 120\r\na=rtpmap:120 pcma/8000/1\r\n");
    let stream = accept(&mut end, &text).unwrap();
    assert_eq!(
        stream.payload,
        PayloadChoice {
            send: 120,
            receive: 8
        }
    );
    assert_eq!(stream.telephone_event, None);
}

#[test]
fn an_answer_that_does_not_fit_the_offer_is_refused() {
    let mut end = endpoint();
    assert_eq!(
        accept(&mut end, &offer("m=audio 7000 RTP/AVP 0\r\n")).unwrap_err(),
        NegotiationError::NoOffer
    );
    let cases = [
        (
            "",
            NegotiationError::MediaCount {
                offered: 1,
                answered: 0,
            },
        ),
        (
            "m=audio 7000 RTP/AVP 0\r\nm=audio 7000 RTP/AVP 0\r\n",
            NegotiationError::MediaCount {
                offered: 1,
                answered: 2,
            },
        ),
        ("m=audio 0 RTP/AVP 0\r\n", NegotiationError::Rejected),
        (
            "m=audio 7000 RTP/AVP 18\r\n",
            NegotiationError::FormatNotOffered,
        ),
        ("m=video 7000 RTP/AVP 0\r\n", NegotiationError::NoAudio),
    ];
    for (sections, expected) in cases {
        end.offer();
        assert_eq!(
            accept(&mut end, &offer(sections)).unwrap_err(),
            expected,
            "{sections}"
        );
    }
    end.offer();
    end.withdraw();
    let late = accept(&mut end, &offer("m=audio 7000 RTP/AVP 0\r\n"));
    assert_eq!(late.unwrap_err(), NegotiationError::NoOffer);
}

#[test]
fn hold_and_resume_change_direction_and_version_and_nothing_else() {
    let mut end = endpoint();
    let mut peer = Endpoint::new(800, "192.0.2.2:7000".parse().unwrap(), Capabilities::g711());
    let first = end.offer();
    let (text, _) = answer(&mut peer, &first).unwrap();
    accept(&mut end, &text).unwrap();
    assert_eq!(
        end.offer(),
        first,
        "the same offer again has the same version"
    );

    end.set_direction(Direction::SendOnly);
    let hold = end.offer();
    assert_eq!(
        hold,
        first
            .replace("100 100", "100 101")
            .replace("sendrecv", "sendonly")
    );
    let (text, held) = answer(&mut peer, &hold).unwrap();
    assert_eq!(held.direction, Direction::RecvOnly);
    assert_eq!(
        accept(&mut end, &text).unwrap().direction,
        Direction::SendOnly
    );

    end.set_direction(Direction::SendRecv);
    let resume = end.offer();
    assert!(resume.contains("100 102"));
    let (_, resumed) = answer(&mut peer, &resume).unwrap();
    assert_eq!(resumed.direction, Direction::SendRecv);
}

#[test]
fn a_later_offer_keeps_the_sections_of_the_session() {
    let mut end = endpoint();
    let first = offer("m=video 7000 RTP/AVP 31\r\nm=audio 7002 RTP/AVP 8\r\n");
    answer(&mut end, &first).unwrap();
    let text = end.offer();
    assert!(
        text.contains("m=video 0 RTP/AVP 31\r\nm=audio 6000 RTP/AVP 8 0 101\r\n"),
        "{text}"
    );
    let answer = offer("m=video 0 RTP/AVP 31\r\nm=audio 7002 RTP/AVP 8\r\n");
    assert_eq!(accept(&mut end, &answer).unwrap().media_index, 1);
}

#[test]
fn packet_times_stay_within_what_both_sides_bear() {
    let ptime = |attributes: &str| {
        let offer = offer(&format!("m=audio 7000 RTP/AVP 0\r\n{attributes}"));
        answer(&mut endpoint(), &offer)
            .unwrap()
            .1
            .ptime_milliseconds
    };
    assert_eq!(ptime(""), 20);
    assert_eq!(ptime("a=ptime:40\r\n"), 40);
    assert_eq!(ptime("a=ptime:40\r\na=maxptime:30\r\n"), 30);
    assert_eq!(ptime("a=ptime:1\r\n"), 10);
    assert_eq!(ptime("a=ptime:9999\r\n"), 60);
    assert_eq!(ptime("a=ptime:0\r\n"), 20);
}

#[test]
fn events_at_another_rate_than_the_voice_are_not_taken() {
    let offer = offer("m=audio 7000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/48000\r\n");
    let (text, stream) = answer(&mut endpoint(), &offer).unwrap();
    assert_eq!(stream.telephone_event, None);
    assert!(text.contains("m=audio 6000 RTP/AVP 0\r\n"));
}
