//! What a back-to-back user agent changes in a description, and that nothing else changes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::{
    Attribute, Direction, Format, MediaRewrite, OwnOrigin, Rewrite, RtcpRewrite,
    SessionDescription, SessionState,
};

const OFFER: &str = "v=0\r\n\
    o=alice 11 12 IN IP4 10.0.0.5\r\n\
    s=My  Phone \r\n\
    i=Info\r\n\
    c=IN IP4 10.0.0.5\r\n\
    b=AS:84\r\n\
    t=0 0\r\n\
    Z=unknown line\r\n\
    a=tool:phone/1.0\r\n\
    m=audio 7078 RTP/AVP 8 0 96 101\r\n\
    i=Voice\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtcp-fb:96 nack\r\n\
    a=rtcp-fb:* trr-int 5000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=rtcp:7079\r\n\
    a=candidate:1 1 UDP 1 10.0.0.5 7078 typ host\r\n\
    a=ice-ufrag:abcd\r\n\
    a=x-unknown:  keep me \r\n\
    m=video 9078 RTP/AVP 97\r\n\
    c=IN IP4 10.0.0.6\r\n\
    a=rtpmap:97 H264/90000\r\n";

fn rewrite(text: &str, rewrite: &Rewrite<'_>) -> String {
    let mut out = Vec::new();
    rewrite.apply(
        &SessionDescription::parse(text.as_bytes()).unwrap(),
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

fn audio(change: MediaRewrite<'_>) -> Rewrite<'_> {
    Rewrite {
        media: vec![change],
        ..Rewrite::default()
    }
}

/// The lines that went and those that came.
fn difference(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let only = |these: &str, those: &str| {
        let those: Vec<_> = those.lines().collect();
        these
            .lines()
            .filter(|line| !those.contains(line))
            .map(str::to_owned)
            .collect()
    };
    (only(before, after), only(after, before))
}

#[test]
fn rewriting_nothing_changes_nothing() {
    assert_eq!(rewrite(OFFER, &Rewrite::default()), OFFER);
    let bare = OFFER.replace("\r\n", "\n");
    assert_eq!(
        rewrite(bare.trim_end(), &Rewrite::default()),
        bare.trim_end()
    );
}

#[test]
fn topology_is_hidden_in_origin_connections_ports_and_attributes() {
    let remove = |attribute: &Attribute<'_>| attribute.is_ice();
    let change = |address: &str, rtcp| MediaRewrite {
        address: Some(address.parse().unwrap()),
        rtcp,
        ..MediaRewrite::default()
    };
    let changed = rewrite(
        OFFER,
        &Rewrite {
            origin: Some(OwnOrigin {
                username: "-",
                session_id: 77,
                session_version: 78,
                address: "203.0.113.1".parse().unwrap(),
            }),
            connection: Some("203.0.113.1".parse().unwrap()),
            remove: Some(&remove),
            media: vec![
                change("203.0.113.1:30000", RtcpRewrite::NextPort),
                change("203.0.113.2:30002", RtcpRewrite::Keep),
            ],
        },
    );
    assert!(!changed.contains("10.0.0"), "{changed}");
    let (gone, come) = difference(OFFER, &changed);
    assert_eq!(
        gone,
        [
            "o=alice 11 12 IN IP4 10.0.0.5",
            "c=IN IP4 10.0.0.5",
            "m=audio 7078 RTP/AVP 8 0 96 101",
            "a=rtcp:7079",
            "a=candidate:1 1 UDP 1 10.0.0.5 7078 typ host",
            "a=ice-ufrag:abcd",
            "m=video 9078 RTP/AVP 97",
            "c=IN IP4 10.0.0.6",
        ]
    );
    assert_eq!(
        come,
        [
            "o=- 77 78 IN IP4 203.0.113.1",
            "c=IN IP4 203.0.113.1",
            "m=audio 30000 RTP/AVP 8 0 96 101",
            "m=video 30002 RTP/AVP 97",
            "c=IN IP4 203.0.113.2",
        ]
    );
}

#[test]
fn a_section_gets_a_connection_of_its_own_only_when_it_differs() {
    let change = MediaRewrite {
        address: Some("[2001:db8::9]:30000".parse().unwrap()),
        ..MediaRewrite::default()
    };
    let changed = rewrite(OFFER, &audio(change));
    assert!(
        changed.contains("i=Voice\r\nc=IN IP6 2001:db8::9\r\na=rtpmap:96"),
        "{changed}"
    );
    assert!(changed.contains("c=IN IP4 10.0.0.5\r\nb="));
    assert_eq!(changed.matches("c=IN IP6").count(), 1, "{changed}");
    let same = MediaRewrite {
        address: Some("10.0.0.5:30000".parse().unwrap()),
        ..MediaRewrite::default()
    };
    assert_eq!(
        rewrite(OFFER, &audio(same)),
        OFFER.replace("7078 RTP", "30000 RTP")
    );
}

#[test]
fn a_connection_is_added_behind_an_m_line_that_ends_the_text() {
    let text = "v=0\no=- 1 1 IN IP4 10.0.0.5\nm=audio 4000 RTP/AVP 0";
    let change = MediaRewrite {
        address: Some("192.0.2.9:5000".parse().unwrap()),
        append: &["mid:1"],
        ..MediaRewrite::default()
    };
    assert_eq!(
        rewrite(text, &audio(change)),
        "v=0\no=- 1 1 IN IP4 10.0.0.5\nm=audio 5000 RTP/AVP 0\nc=IN IP4 192.0.2.9\na=mid:1\n"
    );
}

#[test]
fn a_format_goes_with_everything_that_is_said_about_it() {
    let keep = |format: &Format<'_>| !format.map.encoding.eq_ignore_ascii_case("opus");
    let change = MediaRewrite {
        keep_format: Some(&keep),
        ..MediaRewrite::default()
    };
    let (gone, come) = difference(OFFER, &rewrite(OFFER, &audio(change)));
    assert_eq!(
        gone,
        [
            "m=audio 7078 RTP/AVP 8 0 96 101",
            "a=rtpmap:96 opus/48000/2",
            "a=fmtp:96 useinbandfec=1",
            "a=rtcp-fb:96 nack",
        ]
    );
    assert_eq!(come, ["m=audio 7078 RTP/AVP 8 0 101"]);
}

#[test]
fn a_section_without_formats_left_is_rejected_and_keeps_its_form() {
    let keep = |_: &Format<'_>| false;
    let change = MediaRewrite {
        keep_format: Some(&keep),
        address: Some("192.0.2.9:5000".parse().unwrap()),
        rtcp: RtcpRewrite::Multiplexed,
        ..MediaRewrite::default()
    };
    let changed = rewrite(OFFER, &audio(change));
    assert!(
        changed.contains("m=audio 0 RTP/AVP 8 0 96 101\r\n"),
        "{changed}"
    );
    assert!(!changed.contains("rtcp-mux"));
}

#[test]
fn a_rejected_section_stays_rejected() {
    let text = OFFER.replace("audio 7078", "audio 0");
    let change = MediaRewrite {
        address: Some("10.0.0.5:5000".parse().unwrap()),
        ..MediaRewrite::default()
    };
    assert_eq!(rewrite(&text, &audio(change)), text);
    let reject = MediaRewrite {
        reject: true,
        ..MediaRewrite::default()
    };
    assert_eq!(rewrite(OFFER, &audio(reject)), text);
}

#[test]
fn a_direction_replaces_the_one_that_stands_there() {
    let text = format!("{OFFER}a=sendrecv\r\na=mid:2\r\n");
    let held = MediaRewrite {
        direction: Some(Direction::SendOnly),
        ..MediaRewrite::default()
    };
    let both = Rewrite {
        media: vec![held.clone(), held],
        ..Rewrite::default()
    };
    let (gone, come) = difference(&text, &rewrite(&text, &both));
    assert_eq!(
        (gone, come),
        (
            vec!["a=sendrecv".to_owned()],
            vec!["a=sendonly".to_owned(); 2]
        )
    );
}

#[test]
fn hold_by_the_old_address_stays_hold_behind_a_relay() {
    let text = OFFER.replace("c=IN IP4 10.0.0.5", "c=IN IP4 0.0.0.0");
    let change = MediaRewrite {
        address: Some("192.0.2.9:5000".parse().unwrap()),
        ..MediaRewrite::default()
    };
    let changed = rewrite(&text, &audio(change));
    let sdp = SessionDescription::parse(changed.as_bytes()).unwrap();
    assert_eq!(sdp.media()[0].direction(), Direction::SendOnly, "{changed}");
    assert!(!sdp.media()[0].is_held_by_address());
}

#[test]
fn rtcp_lines_are_kept_replaced_or_taken_out() {
    let text = OFFER.replace("a=rtcp:7079\r\n", "a=rtcp:7079\r\na=rtcp-mux\r\n");
    let rtcp = |rtcp| {
        let changed = rewrite(
            &text,
            &audio(MediaRewrite {
                rtcp,
                ..MediaRewrite::default()
            }),
        );
        let sdp = SessionDescription::parse(changed.as_bytes()).unwrap();
        let media = sdp.media()[0];
        (media.rtcp().map(|rtcp| rtcp.port), media.has("rtcp-mux"))
    };
    assert_eq!(rtcp(RtcpRewrite::Keep), (Some(7_079), true));
    assert_eq!(rtcp(RtcpRewrite::NextPort), (None, false));
    assert_eq!(rtcp(RtcpRewrite::Port(9)), (Some(9), false));
    assert_eq!(rtcp(RtcpRewrite::Multiplexed), (None, true));
}

#[test]
fn several_connections_of_a_section_become_one() {
    let text = OFFER.replace(
        "c=IN IP4 10.0.0.6\r\n",
        "c=IN IP4 10.0.0.6\r\nc=IN IP4 10.0.0.7\r\n",
    );
    let all = Rewrite {
        connection: Some("192.0.2.9".parse().unwrap()),
        ..Rewrite::default()
    };
    let changed = rewrite(&text, &all);
    assert_eq!(
        changed.matches("c=IN IP4 192.0.2.9\r\n").count(),
        2,
        "{changed}"
    );
    assert!(!changed.contains("c=IN IP4 10."));
}

#[test]
fn the_protocol_and_port_count_of_a_changed_m_line_stay_as_written() {
    let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\nm=image 4000 UDPTL t38\r\n\
        m=audio 4002/2 RTP/AVP 0 8\r\n";
    let keep = |format: &Format<'_>| format.payload_type == 8;
    let change = MediaRewrite {
        keep_format: Some(&keep),
        ..MediaRewrite::default()
    };
    let move_fax = MediaRewrite {
        address: Some("10.0.0.5:5000".parse().unwrap()),
        keep_format: Some(&keep),
        ..MediaRewrite::default()
    };
    let changed = rewrite(
        text,
        &Rewrite {
            media: vec![move_fax, change],
            ..Rewrite::default()
        },
    );
    assert!(changed.contains("m=image 5000 UDPTL t38\r\n"), "{changed}");
    assert!(
        changed.contains("m=audio 4002/2 RTP/AVP 8\r\n"),
        "{changed}"
    );
}

#[test]
fn the_version_rises_only_when_the_text_changed() {
    let address = "203.0.113.1".parse().unwrap();
    let mut state = SessionState::new(4_000);
    assert_eq!(
        (state.session_id(), state.session_version()),
        (1_000, 1_000)
    );
    let mut write = |text: &str| {
        let mut out = b"before".to_vec();
        let sdp = SessionDescription::parse(text.as_bytes()).unwrap();
        state.write(&sdp, &Rewrite::default(), address, &mut out);
        let text = String::from_utf8(out.split_off(6)).unwrap();
        assert_eq!(out, b"before");
        text.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(write(OFFER), "o=- 1000 1000 IN IP4 203.0.113.1");
    let other_origin = OFFER.replace("alice 11 12", "alice 11 13");
    assert_eq!(
        write(&other_origin),
        "o=- 1000 1000 IN IP4 203.0.113.1",
        "only theirs changed"
    );
    let held = format!("{OFFER}a=sendonly\r\n");
    assert_eq!(write(&held), "o=- 1000 1001 IN IP4 203.0.113.1");
    assert_eq!(write(&held), "o=- 1000 1001 IN IP4 203.0.113.1");
    assert_eq!(write(OFFER), "o=- 1000 1002 IN IP4 203.0.113.1");
}

#[test]
fn a_user_name_cannot_break_the_origin_line() {
    let origin = |username| OwnOrigin {
        username,
        session_id: 1,
        session_version: 2,
        address: "::1".parse().unwrap(),
    };
    assert_eq!(origin("a b").to_string(), "- 1 2 IN IP6 ::1");
    assert_eq!(origin("a\r\nc=").to_string(), "- 1 2 IN IP6 ::1");
    assert_eq!(origin("").to_string(), "- 1 2 IN IP6 ::1");
    assert_eq!(origin("fernamt").to_string(), "fernamt 1 2 IN IP6 ::1");
}
