//! How sections of real descriptions are transported, and what answers them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::transport::{MAX_CRYPTOS, MAX_FINGERPRINTS};
use fernamt_sdp::{
    AnswerPolicy, Blame, Bundle, CryptoSuite, Direction, Encryption, HashFunction, Keying,
    MAX_MEDIA, Profile, SessionDescription, Settled, SettledKeying, Setup, TransportDescription,
    TransportError,
};

const CHROME_OFFER: &str = include_str!("descriptions/chrome_offer.sdp");
const CHROME_ANSWER: &str = include_str!("descriptions/chrome_answer.sdp");
const BARESIP_SRTP: &str = include_str!("descriptions/baresip_srtp.sdp");
const BARESIP_DTLS: &str = include_str!("descriptions/baresip_dtls.sdp");
const BARESIP_ICE: &str = include_str!("descriptions/baresip_ice.sdp");
const LINPHONE: &str = include_str!("descriptions/linphone_avpf.sdp");
const ASTERISK: &str = include_str!("descriptions/asterisk_webrtc_answer.sdp");

const EVERYTHING: AnswerPolicy<'_> = AnswerPolicy {
    encryption: Encryption::Offered,
    suites: &CryptoSuite::ALL,
    dtls: true,
    ice: true,
    rtcp_mux: true,
};

fn section(text: &str, section: usize) -> TransportDescription {
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    TransportDescription::of(&description, section).unwrap()
}

/// A section with these lines behind its m-line.
fn with(profile: &str, lines: &str) -> TransportDescription {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    section(&format!("{head}m=audio 4000 {profile} 8\r\n{lines}"), 0)
}

const STRONG: &str = "a=fingerprint:sha-224 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:01:02:03:04:05:06:07:08\r\n";
const WEAK: &str =
    "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n";
const CRYPTO: &str =
    "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

#[test]
fn an_old_phone_has_nothing_but_a_profile() {
    let plain = with(
        "RTP/AVP",
        "a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n",
    );
    assert_eq!(plain, TransportDescription::new(Profile::Avp));
    assert!(!plain.feedback() && !plain.is_opportunistic() && !plain.is_webrtc());
}

#[test]
fn an_offer_of_chrome_is_read() {
    let audio = section(CHROME_OFFER, 0);
    assert_eq!(audio.profile, Profile::UdpTlsSavpf);
    assert!(audio.feedback() && audio.is_webrtc() && !audio.is_opportunistic());
    assert!(audio.rtcp_mux && audio.rtcp_reduced_size && !audio.rtcp_mux_only);
    assert_eq!(audio.setup, Some(Setup::ActPass));
    assert_eq!(audio.fingerprints.len(), 1);
    assert_eq!(audio.fingerprints[0].function(), HashFunction::Sha256);
    assert_eq!(audio.mid.as_deref(), Some("0"));
    let tagged = Bundle {
        tagged: 0,
        only: false,
    };
    assert_eq!((audio.bundle, audio.mid_extension), (Some(tagged), Some(4)));
    let ice = audio.ice.as_ref().unwrap();
    assert_eq!(ice.credentials.ufrag(), "uVq2");
    assert_eq!(ice.candidates.len(), 4);
    assert!(ice.candidates[0].address.is_multicast_name());
    assert!(ice.is_gathering() && !ice.lite);

    let video = section(CHROME_OFFER, 1);
    assert_eq!(video.bundle, Some(tagged));
    assert_eq!(video.mid.as_deref(), Some("1"));
    assert!(video.ice.unwrap().candidates.is_empty());
}

#[test]
fn a_bundled_section_has_the_transport_of_the_first_one() {
    let (audio, video) = (section(CHROME_ANSWER, 0), section(CHROME_ANSWER, 1));
    assert_eq!(video.ice, audio.ice);
    assert_eq!(video.fingerprints, audio.fingerprints);
    assert_eq!(video.setup, Some(Setup::Active));
    assert_eq!(video.mid.as_deref(), Some("1"));
    assert!(video.rtcp_mux && video.is_webrtc());
}

#[test]
fn a_bundled_section_without_address_is_not_held() {
    let description = SessionDescription::parse(CHROME_ANSWER.as_bytes()).unwrap();
    let video = description.media()[1];
    assert!(!video.is_held_by_address());
    assert_eq!(video.direction(), Direction::RecvOnly);
    let only = CHROME_ANSWER
        .replace("m=video 9", "m=video 0")
        .replace("a=mid:1", "a=mid:1\na=bundle-only");
    let description = SessionDescription::parse(only.as_bytes()).unwrap();
    assert_eq!(description.media()[1].direction(), Direction::RecvOnly);
    let alone = CHROME_ANSWER.replace("a=group:BUNDLE 0 1\n", "");
    let description = SessionDescription::parse(alone.as_bytes()).unwrap();
    assert!(description.media()[1].is_held_by_address());
}

#[test]
fn a_section_that_is_rejected_carries_no_others() {
    let text = CHROME_ANSWER.replace("m=audio 9", "m=audio 0");
    assert_eq!(section(&text, 1).bundle.unwrap().tagged, 1);
}

#[test]
fn what_other_phones_say_is_read() {
    let srtp = section(BARESIP_SRTP, 0);
    assert_eq!(srtp.profile, Profile::Savp);
    let suites: Vec<_> = srtp.cryptos.iter().map(|line| line.suite).collect();
    assert_eq!(
        suites,
        [CryptoSuite::AesCm128HmacSha1_80, CryptoSuite::AeadAes128Gcm]
    );
    assert_eq!(srtp.rtcp, Some("192.0.2.21:11377".parse().unwrap()));

    let dtls = section(BARESIP_DTLS, 0);
    assert_eq!(
        (dtls.profile, dtls.setup),
        (Profile::UdpTlsSavpf, Some(Setup::ActPass))
    );
    assert!(dtls.has_strong_fingerprint() && dtls.rtcp_mux && !dtls.is_webrtc());

    let ice = section(BARESIP_ICE, 0);
    assert_eq!(ice.profile, Profile::Avp);
    let ice = ice.ice.unwrap();
    assert_eq!(ice.credentials.ufrag(), "kT3f", "from the session");
    assert_eq!(ice.candidates.len(), 4);

    let linphone = section(LINPHONE, 0);
    assert_eq!(
        (linphone.profile, linphone.cryptos.len()),
        (Profile::Savpf, 4)
    );
    assert!(linphone.cryptos[3].early_spelling);

    let asterisk = section(ASTERISK, 0);
    assert!(asterisk.is_webrtc());
    assert_eq!(asterisk.ice.unwrap().candidates.len(), 2);
}

#[test]
fn a_section_overrides_what_the_session_says_of_certificates() {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{WEAK}a=setup:passive\r\n\
         m=audio 4000 UDP/TLS/RTP/SAVP 8\r\nm=video 4002 UDP/TLS/RTP/SAVP 34\r\n{STRONG}{WEAK}a=setup:active\r\n\
         m=image 4004 udptl t38\r\n"
    );
    let (audio, video) = (section(&text, 0), section(&text, 1));
    assert_eq!(audio.fingerprints.len(), 1);
    assert_eq!(audio.setup, Some(Setup::Passive));
    assert_eq!(video.fingerprints.len(), 2);
    assert_eq!(video.setup, Some(Setup::Active));
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    assert_eq!(TransportDescription::of(&description, 2), None);
    assert_eq!(TransportDescription::of(&description, 3), None);
}

#[test]
fn lines_beyond_the_limits_are_passed_over() {
    let cryptos = |count: usize| with("RTP/SAVP", &CRYPTO.repeat(count)).cryptos.len();
    assert_eq!(
        (cryptos(MAX_CRYPTOS), cryptos(MAX_CRYPTOS + 1)),
        (MAX_CRYPTOS, MAX_CRYPTOS)
    );
    let fingerprints = |count: usize| with("RTP/SAVP", &STRONG.repeat(count)).fingerprints.len();
    assert_eq!(fingerprints(MAX_FINGERPRINTS), MAX_FINGERPRINTS);
    assert_eq!(fingerprints(MAX_FINGERPRINTS + 1), MAX_FINGERPRINTS);
    let mid = |length: usize| with("RTP/AVP", &format!("a=mid:{}\r\n", "m".repeat(length))).mid;
    assert!(mid(fernamt_sdp::bundle::MAX_MID_BYTES).is_some());
    assert_eq!(mid(fernamt_sdp::bundle::MAX_MID_BYTES + 1), None);
}

#[test]
fn restarts_are_seen() {
    let first = section(BARESIP_ICE, 0);
    let again = section(&BARESIP_ICE.replace("kT3f", "kT3g"), 0);
    assert!(again.restarts_ice(&first) && !first.restarts_ice(&first));
    assert!(
        !again.restarts_dtls(&first),
        "an ICE restart is no new association"
    );

    let before = section(CHROME_ANSWER, 0);
    assert!(!section(CHROME_ANSWER, 1).restarts_dtls(&before));
    assert!(
        section(CHROME_OFFER, 0).restarts_dtls(&before),
        "another certificate"
    );
    let passive = section(&CHROME_ANSWER.replace("setup:active", "setup:passive"), 0);
    assert!(passive.restarts_dtls(&before), "another role");
    let open = section(&CHROME_ANSWER.replace("setup:active", "setup:actpass"), 0);
    assert!(
        !open.restarts_dtls(&before),
        "an offer that leaves the role open"
    );
    let named = CHROME_ANSWER.replace("a=mid:0", "a=tls-id:91bbf309c0990a6bec11e38b\r\na=mid:0");
    assert!(section(&named, 0).restarts_dtls(&before), "another name");
}

#[test]
fn an_answer_has_the_profile_of_the_offer_and_what_both_can() {
    let answer = section(CHROME_OFFER, 0).answer(&EVERYTHING).unwrap();
    assert_eq!(answer.profile, Profile::UdpTlsSavpf);
    assert_eq!(
        answer.keying,
        Keying::Dtls {
            setup: Setup::Active
        }
    );
    assert!(answer.ice && answer.rtcp_mux && answer.rtcp_reduced_size);

    let answer = section(BARESIP_SRTP, 0).answer(&EVERYTHING).unwrap();
    assert_eq!(
        answer.keying,
        Keying::Sdes { offered: 0 },
        "the offerer's preference counts"
    );
    assert!(!answer.ice && !answer.rtcp_mux, "only what was offered");
    let gcm = AnswerPolicy {
        suites: &[CryptoSuite::AeadAes128Gcm],
        ..EVERYTHING
    };
    let answer = section(BARESIP_SRTP, 0).answer(&gcm).unwrap();
    assert_eq!(answer.keying, Keying::Sdes { offered: 1 });
}

#[test]
fn keys_are_chosen_by_profile_and_policy() {
    let keying = |profile: &str, lines: &str, policy: &AnswerPolicy<'_>| {
        with(profile, lines)
            .answer(policy)
            .map(|answer| answer.keying)
    };
    let never = AnswerPolicy {
        encryption: Encryption::Never,
        ..EVERYTHING
    };
    let required = AnswerPolicy {
        encryption: Encryption::Required,
        ..EVERYTHING
    };
    let sdes_only = AnswerPolicy {
        dtls: false,
        ..EVERYTHING
    };
    let both = format!("{CRYPTO}{STRONG}a=setup:actpass\r\n");
    let dtls = Keying::Dtls {
        setup: Setup::Active,
    };
    let sdes = Keying::Sdes { offered: 0 };
    let unencrypted = CRYPTO.replace("\r\n", " UNENCRYPTED_SRTP\r\n");
    for (profile, lines, policy, expected) in [
        ("RTP/AVP", "", &EVERYTHING, Ok(Keying::None)),
        (
            "RTP/AVP",
            "",
            &required,
            Err(TransportError::EncryptionRequired),
        ),
        // Opportunistic (RFC 8643).
        ("RTP/AVP", CRYPTO, &EVERYTHING, Ok(sdes)),
        ("RTP/AVP", CRYPTO, &required, Ok(sdes)),
        ("RTP/AVPF", &*both, &EVERYTHING, Ok(dtls)),
        ("RTP/AVP", &*both, &sdes_only, Ok(sdes)),
        ("RTP/AVP", CRYPTO, &never, Ok(Keying::None)),
        ("RTP/AVP", WEAK, &EVERYTHING, Ok(Keying::None)),
        ("RTP/AVP", &*unencrypted, &EVERYTHING, Ok(Keying::None)),
        // Protected.
        (
            "RTP/SAVP",
            CRYPTO,
            &never,
            Err(TransportError::EncryptionForbidden),
        ),
        ("RTP/SAVP", "", &EVERYTHING, Err(TransportError::NoKeys)),
        (
            "RTP/SAVP",
            &*unencrypted,
            &EVERYTHING,
            Err(TransportError::NoKeys),
        ),
        ("RTP/SAVPF", &*both, &EVERYTHING, Ok(dtls)),
        (
            "UDP/TLS/RTP/SAVP",
            CRYPTO,
            &EVERYTHING,
            Err(TransportError::NoKeys),
        ),
        (
            "UDP/TLS/RTP/SAVP",
            &*both,
            &sdes_only,
            Err(TransportError::NoKeys),
        ),
        (
            "UDP/TLS/RTP/SAVPF",
            WEAK,
            &EVERYTHING,
            Err(TransportError::WeakFingerprint),
        ),
        // Without setup, the offerer begins.
        (
            "UDP/TLS/RTP/SAVPF",
            STRONG,
            &EVERYTHING,
            Ok(Keying::Dtls {
                setup: Setup::Passive,
            }),
        ),
    ] {
        assert_eq!(
            keying(profile, lines, policy),
            expected,
            "{profile} {lines} {policy:?}"
        );
    }
}

#[test]
fn rtcp_on_the_port_of_rtp_and_nowhere_else_is_taken_or_refused() {
    let offer = with("RTP/AVP", "a=rtcp-mux\r\na=rtcp-mux-only\r\n");
    let answer = offer.answer(&EVERYTHING).unwrap();
    assert!(answer.rtcp_mux);
    let policy = AnswerPolicy {
        rtcp_mux: false,
        ..EVERYTHING
    };
    assert_eq!(offer.answer(&policy), Err(TransportError::MuxRequired));
    assert_eq!(TransportError::MuxRequired.blame(), Blame::Unsupported);
    let offer = with("RTP/AVP", "a=rtcp-mux\r\n");
    assert!(!offer.answer(&policy).unwrap().rtcp_mux);
}

#[test]
fn offer_and_answer_settle_what_both_say() {
    let settled = Settled::new(&section(CHROME_OFFER, 0), &section(ASTERISK, 0)).unwrap();
    let dtls = SettledKeying::Dtls {
        offerer_is_client: false,
    };
    assert_eq!(settled.keying, dtls);
    assert!(settled.ice && settled.rtcp_mux);

    let mismatch = section(&ASTERISK.replace("a=ptime:20", "a=ice-mismatch"), 0);
    assert!(
        !Settled::new(&section(CHROME_OFFER, 0), &mismatch)
            .unwrap()
            .ice
    );

    let offer = section(BARESIP_SRTP, 0);
    let mut answer = TransportDescription::new(Profile::Savp);
    answer.cryptos = vec![offer.cryptos[1].clone()];
    let settled = Settled::new(&offer, &answer).unwrap();
    let sdes = SettledKeying::Sdes {
        offered: 1,
        answered: 0,
    };
    assert_eq!(settled.keying, sdes);
    assert!(!settled.rtcp_mux);
}

#[test]
fn an_answer_that_does_not_fit_is_an_error() {
    let settle = |offer: (&str, &str), answer: (&str, &str)| {
        let answer = with(answer.0, answer.1);
        Settled::new(&with(offer.0, offer.1), &answer).map(|settled| settled.keying)
    };
    let other_tag = CRYPTO.replace("crypto:3", "crypto:4");
    let other_suite = CRYPTO.replace("SHA1_80", "SHA1_32");
    let sdes = Ok(SettledKeying::Sdes {
        offered: 0,
        answered: 0,
    });
    let active = format!("{STRONG}a=setup:active\r\n");
    let actpass = format!("{STRONG}a=setup:actpass\r\n");
    let profiles = |offered, answered| Err(TransportError::Profile { offered, answered });
    let not_offered = Err(TransportError::CryptoNotOffered);
    let offerer_begins = Ok(SettledKeying::Dtls {
        offerer_is_client: true,
    });
    let both_begin = Err(TransportError::Setup {
        offered: Setup::Active,
        answered: Setup::Active,
    });
    for (offer, answer, expected) in [
        (("RTP/SAVP", CRYPTO), ("RTP/SAVP", CRYPTO), sdes),
        (
            ("RTP/SAVP", CRYPTO),
            ("RTP/AVP", CRYPTO),
            profiles(Profile::Savp, Profile::Avp),
        ),
        (("RTP/SAVP", CRYPTO), ("RTP/SAVP", &other_tag), not_offered),
        (
            ("RTP/SAVP", CRYPTO),
            ("RTP/SAVP", &other_suite),
            not_offered,
        ),
        (
            ("RTP/SAVP", CRYPTO),
            ("RTP/SAVP", ""),
            Err(TransportError::NoKeys),
        ),
        // Opportunistic: taken, not taken, and taken with the profile that names it.
        (("RTP/AVP", CRYPTO), ("RTP/AVP", CRYPTO), sdes),
        (
            ("RTP/AVP", CRYPTO),
            ("RTP/AVP", ""),
            Ok(SettledKeying::None),
        ),
        (("RTP/AVP", CRYPTO), ("RTP/SAVP", CRYPTO), sdes),
        (
            ("RTP/AVP", ""),
            ("RTP/SAVP", ""),
            profiles(Profile::Avp, Profile::Savp),
        ),
        (("RTP/AVP", ""), ("RTP/AVP", CRYPTO), not_offered),
        (
            ("UDP/TLS/RTP/SAVP", &actpass),
            ("UDP/TLS/RTP/SAVP", STRONG),
            offerer_begins,
        ),
        (
            ("UDP/TLS/RTP/SAVP", &active),
            ("UDP/TLS/RTP/SAVP", &active),
            both_begin,
        ),
        (
            ("UDP/TLS/RTP/SAVP", &actpass),
            ("UDP/TLS/RTP/SAVP", WEAK),
            Err(TransportError::WeakFingerprint),
        ),
    ] {
        assert_eq!(settle(offer, answer), expected, "{offer:?} {answer:?}");
    }
    assert_eq!(TransportError::CryptoNotOffered.blame(), Blame::Peer);
}

#[test]
fn what_we_answer_settles() {
    for offer in [
        CHROME_OFFER,
        BARESIP_SRTP,
        BARESIP_DTLS,
        BARESIP_ICE,
        LINPHONE,
    ] {
        let offer = section(offer, 0);
        let chosen = offer.answer(&EVERYTHING).unwrap();
        let mut answer = TransportDescription::new(chosen.profile);
        answer.rtcp_mux = chosen.rtcp_mux;
        answer.rtcp_reduced_size = chosen.rtcp_reduced_size;
        match chosen.keying {
            Keying::None => {}
            Keying::Sdes { offered } => answer.cryptos.push(offer.cryptos[offered].clone()),
            Keying::Dtls { setup } => {
                answer.setup = Some(setup);
                answer.fingerprints = section(ASTERISK, 0).fingerprints;
            }
        }
        let settled = Settled::new(&offer, &answer).unwrap();
        assert_eq!(settled.rtcp_mux, offer.rtcp_mux);
        assert_eq!(
            settled.keying == SettledKeying::None,
            chosen.keying == Keying::None
        );
    }
}

#[test]
fn sdp_overflow() {
    // As many members as fit, none of them there, before the one that is; many sections that ask.
    let members = "x ".repeat(12_000);
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {members}m\r\na=group:LS {members}\r\n"
    );
    for place in 0..MAX_MEDIA {
        text.push_str(&format!(
            "m=audio 4000 RTP/AVP 8\r\n{}a=mid:{place}\r\n",
            "a=x\r\n".repeat(50)
        ));
    }
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    for section in 0..MAX_MEDIA {
        let transport = TransportDescription::of(&description, section).unwrap();
        assert_eq!(transport.bundle, None);
    }

    let group = |before: usize| {
        let members = "x ".repeat(before);
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {members}0\r\n\
             m=audio 4000 RTP/AVP 8\r\na=mid:0\r\n"
        );
        section(&text, 0).bundle
    };
    assert!(group(MAX_MEDIA - 1).is_some());
    assert_eq!(group(MAX_MEDIA), None, "a member beyond the limit");
}
