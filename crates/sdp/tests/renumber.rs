//! Payload type numbers of an offer and of its answer: which mean the same, and how the answer reads
//! in the offerer's numbers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::{MediaRewrite, PayloadMap, PayloadTranslation, Rewrite, SessionDescription};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

/// The map between two sections, each given from its m-line on, and the answer in the offer's numbers.
fn renumber(offer: &str, answer: &str) -> (PayloadMap, String) {
    let (offer, answer) = (format!("{HEAD}{offer}"), format!("{HEAD}{answer}"));
    let offer = SessionDescription::parse(offer.as_bytes()).unwrap();
    let answer = SessionDescription::parse(answer.as_bytes()).unwrap();
    let map = PayloadMap::between(&offer.media()[0], &answer.media()[0]);
    let change = MediaRewrite {
        renumber: Some(&map),
        ..MediaRewrite::default()
    };
    let rewrite = Rewrite {
        media: vec![change],
        ..Rewrite::default()
    };
    let mut out = Vec::new();
    rewrite.apply(&answer, &mut out);
    let text = String::from_utf8(out).unwrap();
    (map, text.strip_prefix(HEAD).unwrap().to_owned())
}

/// Numbers of the offer and of the answer that mean the same and differ.
fn pairs(map: &PayloadMap) -> Vec<(u8, u8)> {
    map.pairs()
        .iter()
        .map(|pair| (pair.offered, pair.answered))
        .collect()
}

#[test]
fn the_same_numbers_change_nothing() {
    let offer = "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let answer = "m=audio  5000 RTP/AVP 8  101\r\na=rtpmap:101 Telephone-Event/8000\r\n";
    let (map, text) = renumber(offer, answer);
    assert!(map.is_identity());
    assert_eq!(text, answer, "byte for byte");
    assert_eq!((map.to_offered(8), map.to_answered(101)), (Some(8), 101));
}

#[test]
fn telephone_events_meet_whatever_they_are_called() {
    let (map, text) = renumber(
        "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n",
        "m=audio 5000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=x-unknown:101\r\n",
    );
    assert_eq!(pairs(&map), [(96, 101)]);
    assert_eq!(
        text,
        "m=audio 5000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
         a=fmtp:96 0-15\r\na=x-unknown:101\r\n"
    );
    let there = PayloadTranslation {
        from: 96,
        to: 101,
        event_clocks: None,
    };
    let back = PayloadTranslation {
        from: 101,
        to: 96,
        event_clocks: None,
    };
    assert_eq!(map.from_offerer().collect::<Vec<_>>(), [there]);
    assert_eq!(map.from_answerer().collect::<Vec<_>>(), [back]);
}

#[test]
fn numbers_that_are_swapped_are_told_apart() {
    let (map, text) = renumber(
        "m=audio 4000 RTP/AVP 96 101\r\na=rtpmap:96 telephone-event/8000\r\na=rtpmap:101 G726-32/8000\r\n",
        "m=audio 5000 RTP/AVP 96 101\r\na=rtpmap:96 G726-32/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    assert_eq!(pairs(&map), [(101, 96), (96, 101)]);
    assert_eq!(
        text,
        "m=audio 5000 RTP/AVP 101 96\r\na=rtpmap:101 G726-32/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
    );
    assert_eq!(map.from_offerer().count(), 2);
    // The answerer sends by the numbers of the offer (RFC 3264 section 5.1); nothing else can be meant.
    assert_eq!(map.from_answerer().count(), 0);
}

#[test]
fn events_of_another_clock_rate_are_the_second_choice() {
    let offer = "m=audio 4000 RTP/AVP 0 110 126\r\na=rtpmap:110 telephone-event/48000\r\n\
                 a=rtpmap:126 telephone-event/8000\r\n";
    let answer = "m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    assert_eq!(pairs(&renumber(offer, answer).0), [(126, 101)]);

    let (map, text) = renumber(&offer.replace(" 126", ""), answer);
    assert_eq!(pairs(&map), [(110, 101)]);
    let there = map.from_offerer().next().unwrap();
    assert_eq!(there.event_clocks, Some((48_000, 8_000)));
    assert_eq!(
        map.from_answerer().next().unwrap().event_clocks,
        Some((8_000, 48_000))
    );
    assert!(
        text.contains("a=rtpmap:110 telephone-event/48000\r\n"),
        "{text}"
    );

    // The same number with another clock rate.
    let (map, text) = renumber(&offer.replace(" 126", ""), &answer.replace("101", "110"));
    assert_eq!(pairs(&map), [(110, 110)]);
    assert_eq!(map.from_answerer().count(), 1);
    assert!(
        text.contains("a=rtpmap:110 telephone-event/48000\r\n"),
        "{text}"
    );
}

#[test]
fn formats_of_video_are_the_same_by_profile_and_packetization() {
    let offer = "m=video 4000 RTP/AVP 96 97 98 99\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 profile-level-id=42e01f;packetization-mode=1\r\na=rtpmap:97 H264/90000\r\n\
        a=fmtp:97 profile-level-id=42e01f\r\na=rtpmap:98 H264/90000\r\n\
        a=fmtp:98 packetization-mode=1; profile-level-id=64001f\r\na=rtpmap:99 VP9/90000\r\na=fmtp:99 profile-id=2\r\n";
    let answer = |parameters: &str| {
        format!(
            "m=video 5000 RTP/AVP 120\r\na=rtpmap:120 H264/90000\r\na=fmtp:120 {parameters}\r\n"
        )
    };
    let found = |parameters: &str| pairs(&renumber(offer, &answer(parameters)).0);
    assert_eq!(
        found("profile-level-id=42e00d;packetization-mode=1"),
        [(96, 120)],
        "the level is a limit"
    );
    assert_eq!(
        found("profile-level-id=4D8028; PACKETIZATION-MODE=1"),
        [(96, 120)],
        "constrained baseline"
    );
    assert_eq!(
        found("packetization-mode=0;profile-level-id=42C01F"),
        [(97, 120)]
    );
    assert_eq!(
        found("profile-level-id=640028;packetization-mode=1"),
        [(98, 120)]
    );
    assert_eq!(found("profile-level-id=4d001f;packetization-mode=1"), []);
    let vp9 = "m=video 5000 RTP/AVP 100\r\na=rtpmap:100 VP9/90000\r\n";
    assert_eq!(pairs(&renumber(offer, vp9).0), []);
    let vp9 = format!("{vp9}a=fmtp:100 profile-id=2\r\n");
    assert_eq!(pairs(&renumber(offer, &vp9).0), [(99, 100)]);

    // With the same number, another profile is taken for what was offered.
    let same = "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=428014\r\n";
    assert!(renumber(offer, same).0.is_identity());
}

#[test]
fn retransmission_and_redundancy_follow_what_they_refer_to() {
    let (map, text) = renumber(
        "m=video 4000 RTP/AVPF 96 97 98 99 110 111\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
         a=fmtp:97 apt=96\r\na=rtpmap:98 VP9/90000\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98;rtx-time=200\r\n\
         a=rtpmap:110 red/90000\r\na=rtpmap:111 ulpfec/90000\r\n",
        "m=video 5000 RTP/AVPF 120 121 96 97\r\na=rtpmap:121 rtx/90000\r\na=fmtp:121 rtx-time=200; apt=120\r\n\
         a=rtpmap:120 VP9/90000\r\na=rtpmap:96 red/90000\r\na=rtpmap:97 ulpfec/90000\r\na=rtcp-fb:120 nack pli\r\n\
         a=rtcp-fb:* ccm fir\r\n",
    );
    assert_eq!(pairs(&map), [(98, 120), (99, 121), (110, 96), (111, 97)]);
    assert_eq!(
        text,
        "m=video 5000 RTP/AVPF 98 99 110 111\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 rtx-time=200; apt=98\r\n\
         a=rtpmap:98 VP9/90000\r\na=rtpmap:110 red/90000\r\na=rtpmap:111 ulpfec/90000\r\na=rtcp-fb:98 nack pli\r\n\
         a=rtcp-fb:* ccm fir\r\n"
    );

    let (map, text) = renumber(
        "m=audio 4000 RTP/AVP 63 111\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:111 opus/48000/2\r\n",
        "m=audio 5000 RTP/AVP 120 121\r\na=rtpmap:120 red/48000/2\r\na=fmtp:120 121/121\r\na=rtpmap:121 opus/48000/2\r\n",
    );
    assert_eq!(pairs(&map), [(63, 120), (111, 121)]);
    assert!(text.contains("m=audio 5000 RTP/AVP 63 111\r\n"), "{text}");
    assert!(text.contains("a=fmtp:63 111/111\r\n"), "{text}");
}

#[test]
fn a_format_without_offer_goes_when_its_number_is_taken() {
    let offer = "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n";
    let (map, text) = renumber(
        offer,
        "m=audio 5000 RTP/AVP 8 96 97\r\na=rtpmap:96 G726-32/8000\r\na=fmtp:96 x\r\na=rtpmap:97 G729/8000\r\n",
    );
    assert!(map.drops(96) && !map.is_identity());
    assert_eq!(map.to_offered(96), None);
    assert_eq!(
        text,
        "m=audio 5000 RTP/AVP 8 97\r\na=rtpmap:97 G729/8000\r\n"
    );

    let (_, text) = renumber(
        offer,
        "m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 G726-32/8000\r\n",
    );
    assert!(
        text.starts_with("m=audio 0 RTP/AVP 96\r\n"),
        "none is left: {text}"
    );
}

#[test]
fn sdp_duplicate_codec_reinvite() {
    let first = "m=audio 4000 RTP/AVP 8 8 101 101 102\r\na=rtpmap:101 telephone-event/8000\r\n\
                 a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/8000\r\na=rtpmap:8 PCMA/8000\r\n";
    let again = "m=audio 5000 RTP/AVP 96 96 8 97 98\r\na=rtpmap:96 telephone-event/8000\r\n\
                 a=rtpmap:97 telephone-event/8000\r\na=rtpmap:98 telephone-event/8000\r\n";
    let (map, text) = renumber(first, again);
    assert_eq!(pairs(&map), [(101, 96), (102, 97)], "each number once");
    assert!(
        text.starts_with("m=audio 5000 RTP/AVP 101 101 8 102 98\r\n"),
        "{text}"
    );

    let all: Vec<_> = (0..128).map(|number: u8| number.to_string()).collect();
    let maps: String = (0..128)
        .map(|number| format!("a=rtpmap:{number} L16/44100\r\na=rtpmap:{number} L16/44100\r\n"))
        .collect();
    let section = format!("m=audio 4000 RTP/AVP {}\r\n{maps}", all.join(" "));
    assert!(renumber(&section, &section).0.is_identity());
}
