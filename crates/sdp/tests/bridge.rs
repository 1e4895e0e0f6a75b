//! What a description reads like for a party with another transport: what goes, what comes, and that
//! everything else stays byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::{
    Bundle, Candidate, Crypto, CryptoSuite, Fingerprint, HashFunction, IceCredentials,
    IceDescription, MasterKey, MediaRewrite, Profile, Rewrite, RtcpRewrite, SessionDescription,
    Setup, TlsId, TransportDescription, extmap,
};

const CHROME_OFFER: &str = include_str!("descriptions/chrome_offer.sdp");
const BARESIP_SRTP: &str = include_str!("descriptions/baresip_srtp.sdp");
const LINPHONE: &str = include_str!("descriptions/linphone_avpf.sdp");
const ASTERISK: &str = include_str!("descriptions/asterisk_webrtc_answer.sdp");

fn relay<'r>(place: u16, transport: &'r TransportDescription) -> MediaRewrite<'r> {
    MediaRewrite {
        address: Some(([198, 51, 100, 1], 30_000 + place).into()),
        transport: Some(transport),
        ..MediaRewrite::default()
    }
}

fn rewrite(text: &str, media: Vec<MediaRewrite<'_>>) -> String {
    let mut out = Vec::new();
    let rewrite = Rewrite {
        connection: Some([198, 51, 100, 1].into()),
        media,
        ..Rewrite::default()
    };
    rewrite.apply(
        &SessionDescription::parse(text.as_bytes()).unwrap(),
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

fn section(text: &str, section: usize) -> TransportDescription {
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    TransportDescription::of(&description, section).unwrap()
}

fn sdes() -> TransportDescription {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let key = MasterKey::new(suite, &[5; 30]).unwrap();
    TransportDescription {
        cryptos: vec![Crypto::new(1, suite, key)],
        ..TransportDescription::new(Profile::Savp)
    }
}

/// What we say to a browser about the section in this place of a bundle.
fn webrtc(place: u16) -> TransportDescription {
    let credentials = IceCredentials::new("ours", "0123456789abcdefghijkl").unwrap();
    let mut ice = IceDescription::new(credentials);
    let address = ([198, 51, 100, 1], 30_000 + place).into();
    ice.candidates = vec![Candidate::host("1", 1, 2_130_706_431, address)];
    ice.lite = true;
    ice.end_of_candidates = true;
    ice.options.ice2 = true;
    TransportDescription {
        fingerprints: vec![Fingerprint::new(HashFunction::Sha256, &[0xab; 32]).unwrap()],
        setup: Some(Setup::ActPass),
        tls_id: TlsId::new("91bbf309c0990a6bec11e38b"),
        ice: Some(ice),
        rtcp_mux: true,
        rtcp_reduced_size: true,
        mid: Some(format!("m{place}").into()),
        bundle: Some(Bundle {
            tagged: 0,
            only: false,
        }),
        mid_extension: Some(9),
        ..TransportDescription::new(Profile::UdpTlsSavpf)
    }
}

#[test]
fn a_browser_reads_like_an_old_phone() {
    let plain = TransportDescription::new(Profile::Avp);
    let text = rewrite(CHROME_OFFER, vec![relay(0, &plain), relay(2, &plain)]);
    assert_eq!(
        text,
        "v=0\no=- 4611731400430051336 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n\
         m=audio 30000 RTP/AVP 111 63 9 0 8 13 110 126\nc=IN IP4 198.51.100.1\na=sendrecv\n\
         a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:63 red/48000/2\na=fmtp:63 111/111\n\
         a=rtpmap:9 G722/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:13 CN/8000\n\
         a=rtpmap:110 telephone-event/48000\na=rtpmap:126 telephone-event/8000\n\
         m=video 30002 RTP/AVP 96 97 103 104\nc=IN IP4 198.51.100.1\na=sendrecv\na=rtpmap:96 VP8/90000\n\
         a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\na=rtpmap:103 H264/90000\n\
         a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\n\
         a=rtpmap:104 rtx/90000\na=fmtp:104 apt=103\n\
         a=rtcp-fb:* nack pli\na=rtcp-fb:* ccm fir\na=rtcp-fb:* nack\na=rtcp-fb:* goog-remb\n"
    );
}

#[test]
fn a_phone_reads_like_a_browser() {
    let own = webrtc(0);
    let text = rewrite(BARESIP_SRTP, vec![relay(0, &own)]);
    assert_eq!(
        text,
        "v=0\no=- 3182590166 1097240513 IN IP4 192.0.2.21\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\na=tool:baresip 1.0.0\n\
         a=group:BUNDLE m0\na=ice-lite\na=ice-options:ice2\n\
         m=audio 30000 UDP/TLS/RTP/SAVPF 8 0 101\nb=AS:125\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=label:1\na=sendrecv\na=ptime:20\n\
         a=mid:m0\na=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\na=rtcp-mux\na=rtcp-rsize\n\
         a=ice-ufrag:ours\na=ice-pwd:0123456789abcdefghijkl\n\
         a=candidate:1 1 UDP 2130706431 198.51.100.1 30000 typ host\na=end-of-candidates\n\
         a=fingerprint:sha-256 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB\n\
         a=setup:actpass\na=tls-id:91bbf309c0990a6bec11e38b\n"
    );
}

#[test]
fn between_browsers_sources_and_feedback_stay() {
    let own = [webrtc(0), webrtc(1)];
    let text = rewrite(CHROME_OFFER, vec![relay(0, &own[0]), relay(0, &own[1])]);
    for kept in [
        "a=extmap-allow-mixed\n",
        "a=msid-semantic: WMS 5c1f2e7a\n",
        "a=msid:5c1f2e7a 0d94b6e1\n",
        "a=ssrc:2816739405 cname:Xb3kP0vWq8LzT1rY\n",
        "a=ssrc-group:FID 1120034765 3307281946\n",
        "a=rtcp-fb:96 nack pli\n",
        "a=rtcp-fb:111 transport-cc\n",
        "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\n",
        "a=group:BUNDLE m0 m1\n",
    ] {
        assert!(text.contains(kept), "{kept}{text}");
    }
    for gone in [
        "a=group:BUNDLE 0 1",
        "a=mid:0",
        "a=extmap:4",
        "uVq2",
        ".local",
        "3A:5C",
        "a=rtcp:9",
    ] {
        assert!(!text.contains(gone), "{gone} {text}");
    }
    assert_eq!(
        text.matches("a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\n")
            .count(),
        2
    );
    assert_eq!(
        (section(&text, 0), section(&text, 1)),
        (own[0].clone(), own[1].clone())
    );
    let description = SessionDescription::parse(CHROME_OFFER.as_bytes()).unwrap();
    assert_eq!(
        extmap::free_id(description.media()[0].attributes()),
        Some(4)
    );
}

#[test]
fn feedback_stays_for_a_reader_that_has_it_and_becomes_simple_for_any_other() {
    let plain = TransportDescription::new(Profile::Avp);
    let text = rewrite(LINPHONE, vec![relay(0, &plain)]);
    assert!(!text.contains("acfg") && !text.contains("crypto"));
    assert!(text.contains("a=rtcp-fb:* ccm tmmbr\n") && !text.contains("trr-int"));
    assert!(
        text.contains("a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\n")
    );
    let feedback = TransportDescription::new(Profile::Avpf);
    let text = rewrite(LINPHONE, vec![relay(0, &feedback)]);
    assert!(text.contains("m=audio 30000 RTP/AVPF 96 0 8 101\n"));
    assert!(text.contains("a=rtcp-fb:* ccm tmmbr\n"));
    let text = rewrite(CHROME_OFFER, vec![relay(0, &feedback), relay(2, &feedback)]);
    assert!(text.contains("a=rtcp-fb:96 nack pli\n") && !text.contains("a=ssrc"));
    // The header extension that it is about is gone.
    assert!(!text.contains("transport-cc"), "{text}");
    let refused = MediaRewrite {
        reject: true,
        ..relay(2, &plain)
    };
    let text = rewrite(CHROME_OFFER, vec![relay(0, &plain), refused]);
    assert!(!text.contains("rtcp-fb"), "{text}");
}

#[test]
fn keys_of_one_side_never_reach_the_other() {
    for text in [CHROME_OFFER, BARESIP_SRTP, LINPHONE, ASTERISK] {
        let own = sdes();
        let out = rewrite(text, vec![relay(0, &own), relay(2, &own)]);
        assert_eq!(section(&out, 0), own);
        assert!(
            !out.contains("fingerprint") && !out.contains("a=setup") && !out.contains("ice-pwd")
        );
        assert!(!out.contains("connection:new"));
        assert_eq!(
            out.matches("a=crypto").count(),
            SessionDescription::parse(out.as_bytes())
                .unwrap()
                .media()
                .len()
        );
    }
}

#[test]
fn the_old_line_for_a_key_goes() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nk=clear:secret\r\n\
                m=audio 4000 RTP/SAVP 8\r\nk=base64:c2VjcmV0\r\na=ptime:20\r\n";
    let own = sdes();
    let out = rewrite(text, vec![relay(0, &own)]);
    assert!(!out.contains("\nk="), "{out}");
    assert!(out.contains("a=ptime:20"));
}

#[test]
fn capability_negotiation_and_identities_go() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=identity:eyJ\r\n\
        a=tcap:1 RTP/SAVP\r\na=key-mgmt:mikey AQAF\r\nm=audio 4000 RTP/AVP 8\r\n\
        a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=pcfg:1 t=1 a=1\r\na=csup:cap-v0\r\n";
    let plain = TransportDescription::new(Profile::Avp);
    let out = rewrite(text, vec![relay(0, &plain)]);
    assert!(
        out.ends_with("t=0 0\r\nm=audio 30000 RTP/AVP 8\r\n"),
        "{out}"
    );
}

#[test]
fn a_rejected_section_has_its_name_and_nothing_else() {
    let own = [webrtc(0), webrtc(1)];
    let mut rejected = relay(0, &own[1]);
    rejected.reject = true;
    let text = rewrite(CHROME_OFFER, vec![relay(0, &own[0]), rejected]);
    let video = text.split("m=video ").nth(1).unwrap();
    assert!(
        video.starts_with("0 UDP/TLS/RTP/SAVPF 96 97 103 104\n"),
        "{video}"
    );
    assert!(video.ends_with("a=mid:m1\n"), "{video}");
    assert!(!video.contains("fingerprint") && !video.contains("candidate"));
    assert!(text.contains("a=group:BUNDLE m0\n"), "{text}");
}

#[test]
fn a_section_that_has_no_port_of_its_own_says_so() {
    let own = webrtc(0);
    let rider = TransportDescription {
        mid: Some("m1".into()),
        bundle: Some(Bundle {
            tagged: 0,
            only: true,
        }),
        ..TransportDescription::new(Profile::UdpTlsSavpf)
    };
    let text = rewrite(CHROME_OFFER, vec![relay(0, &own), relay(0, &rider)]);
    assert!(text.contains("m=video 0 UDP/TLS/RTP/SAVPF"), "{text}");
    let read = section(&text, 1);
    assert_eq!(read.bundle, rider.bundle);
    assert_eq!((read.ice, read.fingerprints), (own.ice, own.fingerprints));
}

#[test]
fn fax_beside_voice_keeps_its_protocol() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 4000 RTP/SAVP 8\r\na=mid:1\r\nm=image 4002 UDPTL t38\r\na=T38FaxVersion:0\r\na=mid:2\r\n";
    let plain = TransportDescription::new(Profile::Avp);
    let out = rewrite(text, vec![relay(0, &plain), relay(2, &plain)]);
    assert!(
        out.ends_with(
            "m=audio 30000 RTP/AVP 8\r\nm=image 30002 UDPTL t38\r\na=T38FaxVersion:0\r\n"
        ),
        "{out}"
    );
}

#[test]
fn groups_stay_while_their_names_do() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:LS a b\r\na=group:BUNDLE a b\r\n\
        m=audio 4000 RTP/AVP 8\r\na=mid:a\r\nm=video 4002 RTP/AVP 34\r\na=mid:b\r\n";
    let named = |mid: &str| TransportDescription {
        mid: Some(mid.into()),
        ..TransportDescription::new(Profile::Avp)
    };
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let same = rewrite(text, vec![relay(0, &a), relay(2, &b)]);
    assert!(same.contains("a=group:LS a b\r\n") && !same.contains("BUNDLE"));
    let other = rewrite(text, vec![relay(0, &a), relay(2, &c)]);
    assert!(!other.contains("a=group"), "{other}");
}

#[test]
fn where_rtcp_goes_is_said_by_the_transport_alone() {
    let own = TransportDescription {
        rtcp: Some("[2001:db8::1]:30001".parse().unwrap()),
        ..TransportDescription::new(Profile::Avp)
    };
    let mut change = relay(0, &own);
    change.rtcp = RtcpRewrite::Port(7);
    let out = rewrite(BARESIP_SRTP, vec![change]);
    assert!(out.ends_with("a=rtcp:30001 IN IP6 2001:db8::1\n"), "{out}");
    assert_eq!(out.matches("a=rtcp").count(), 1);
}
