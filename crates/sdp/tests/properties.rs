//! What holds for every description: no panic, nothing lost, what was set is there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::net::SocketAddr;

use fernamt_sdp::{
    Attribute, Capabilities, Direction, Endpoint, Format, MediaRewrite, OwnOrigin, Rewrite,
    RtcpRewrite, SessionDescription, TransportDescription,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("\r\n"), Just("\n")]
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| format!("IN IP4 {}", std::net::Ipv4Addr::from(ip))),
        any::<[u8; 16]>().prop_map(|ip| format!("IN IP6 {}", std::net::Ipv6Addr::from(ip))),
        Just("IN IP4 host.example.com".to_owned()),
    ]
}

fn attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z-]{1,12}(:[ -~]{0,20})?",
        (0u8..128, "[A-Za-z0-9-]{1,8}").prop_map(|(n, name)| format!("rtpmap:{n} {name}/8000")),
        (0u8..128).prop_map(|n| format!("fmtp:{n} 0-15")),
        prop_oneof![
            "sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux", "ice-lite"
        ],
        any::<u16>().prop_map(|port| format!("rtcp:{port}")),
    ]
    .prop_map(|text| format!("a={text}"))
}

fn section() -> impl Strategy<Value = Vec<String>> {
    let kind = prop_oneof!["audio", "video", "image"];
    let protocol = prop_oneof!["RTP/AVP", "RTP/SAVPF", "UDPTL"];
    let media = (
        kind,
        any::<u16>(),
        protocol,
        vec(prop_oneof![Just(0u8), Just(8u8), 0u8..128], 1..8),
    )
        .prop_map(|(k, p, q, f)| {
            let formats: Vec<_> = f.iter().map(u8::to_string).collect();
            format!("m={k} {p} {q} {}", formats.join(" "))
        });
    let connection = proptest::option::of(address());
    (media, connection, vec(attribute(), 0..8)).prop_map(|(media, connection, attributes)| {
        let connection = connection.map(|address| format!("c={address}"));
        [media]
            .into_iter()
            .chain(connection)
            .chain(attributes)
            .collect()
    })
}

/// A description that is one.
fn description() -> impl Strategy<Value = String> {
    let origin =
        (any::<u64>(), any::<u64>(), address()).prop_map(|(id, v, a)| format!("o=- {id} {v} {a}"));
    let extra = vec(prop_oneof![attribute(), "[bkuepz]=[ -~]{0,20}"], 0..5);
    let parts = (
        origin,
        proptest::option::of(address()),
        extra,
        vec(section(), 0..4),
        line_end(),
    );
    (parts, any::<bool>()).prop_map(|((origin, connection, extra, sections, end), ended)| {
        let connection = connection.map(|address| format!("c={address}"));
        let lines: Vec<String> = ["v=0".to_owned(), origin, "s=-".to_owned()]
            .into_iter()
            .chain(connection)
            .chain(extra)
            .chain(sections.into_iter().flatten())
            .collect();
        let mut text = lines.join(end);
        if ended {
            text.push_str(end);
        }
        text
    })
}

fn apply(rewrite: &Rewrite<'_>, text: &str) -> String {
    let mut out = Vec::new();
    rewrite.apply(
        &SessionDescription::parse(text.as_bytes()).unwrap(),
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = SessionDescription::parse(&bytes);
    }

    #[test]
    fn no_mutation_of_a_description_makes_anything_panic(
        text in description(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = text.into_bytes();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(sdp) = SessionDescription::parse(&bytes) {
            for (section, media) in sdp.media().iter().enumerate() {
                let _ = (media.address(), media.rtcp_address(), media.direction(), media.rtcp());
                let _ = (media.codecs().count(), TransportDescription::of(&sdp, section));
            }
            let mut out = Vec::new();
            Rewrite::default().apply(&sdp, &mut out);
            prop_assert_eq!(&out, &bytes);
            let local = "192.0.2.1:4000".parse().unwrap();
            let _ = Endpoint::new(1, local, Capabilities::g711()).answer(&sdp);
        }
    }

    #[test]
    fn rewriting_nothing_is_identity(text in description()) {
        prop_assert_eq!(apply(&Rewrite::default(), &text), text);
    }

    #[test]
    fn what_was_set_is_read_again(text in description(), ip in any::<[u8; 4]>(), port in 1u16..) {
        let relay = SocketAddr::new(ip.into(), port);
        let keep = |format: &Format<'_>| format.payload_type.is_multiple_of(2);
        let remove = |attribute: &Attribute<'_>| attribute.is_ice();
        let change = MediaRewrite {
            address: Some(relay),
            rtcp: RtcpRewrite::Port(9),
            direction: Some(Direction::RecvOnly),
            keep_format: Some(&keep),
            append: &["x-added:1"],
            ..MediaRewrite::default()
        };
        let origin =
            OwnOrigin { username: "me", session_id: 3, session_version: 4, address: relay.ip() };
        let rewrite = Rewrite {
            origin: Some(origin),
            connection: Some(relay.ip()),
            remove: Some(&remove),
            media: vec![change; 4],
        };
        let before = SessionDescription::parse(text.as_bytes()).unwrap();
        let changed = apply(&rewrite, &text);
        let after = SessionDescription::parse(changed.as_bytes()).unwrap();
        prop_assert_eq!(after.origin().to_string(), origin.to_string());
        prop_assert_eq!(after.media().len(), before.media().len());
        for (old, new) in before.media().iter().zip(after.media()) {
            let codecs = old.codecs().count();
            let kept = old.codecs().filter(keep).count();
            prop_assert_eq!((new.kind, new.protocol), (old.kind, old.protocol));
            prop_assert!(new.has("x-added") && !new.attributes().any(|a| a.is_ice()));
            prop_assert_eq!(new.connection().unwrap().ip(), Some(relay.ip()));
            if old.is_rejected() || (codecs > 0 && kept == 0 && new.is_rejected()) {
                prop_assert!(new.is_rejected());
                continue;
            }
            prop_assert_eq!(new.address(), Some(relay));
            prop_assert_eq!(new.rtcp().map(|rtcp| rtcp.port), Some(9));
            prop_assert_eq!(new.codecs().count(), kept);
            prop_assert!(new.codecs().all(|format| keep(&format)));
            let expected = if relay.ip().is_unspecified() { Direction::Inactive } else { Direction::RecvOnly };
            prop_assert_eq!(new.direction(), expected);
        }
    }

    #[test]
    fn an_answer_has_the_sections_of_the_offer(text in description()) {
        let sdp = SessionDescription::parse(text.as_bytes()).unwrap();
        let local: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let mut end = Endpoint::new(1, local, Capabilities::g711());
        if let Ok((answer, stream)) = end.answer(&sdp) {
            let parsed = SessionDescription::parse(answer.as_bytes()).unwrap();
            prop_assert_eq!(parsed.media().len(), sdp.media().len());
            for (index, (offered, answered)) in sdp.media().iter().zip(parsed.media()).enumerate() {
                prop_assert_eq!(offered.kind, answered.kind);
                prop_assert_eq!(answered.port == 0, index != stream.media_index);
            }
            let chosen = parsed.media()[stream.media_index];
            prop_assert_eq!(chosen.address(), Some(local));
            let payload_type = chosen.codecs().next().unwrap().payload_type;
            let offered: Vec<_> = sdp.media()[stream.media_index].codecs().collect();
            prop_assert!(offered.iter().any(|format| format.payload_type == payload_type));
        }
    }
}
