//! What holds for every transport and every numbering: what is written is read again, what is not
//! understood stays, and no text makes anything panic.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::net::SocketAddr;

use fernamt_sdp::{
    Bundle, Candidate, CandidateAddress, CandidateKind, Crypto, CryptoSuite, Fingerprint,
    HashFunction, IceCredentials, IceDescription, IceOptions, InlineKey, MasterKey,
    MasterKeyIdentifier, MediaRewrite, PayloadMap, Profile, RemoteCandidate, Rewrite,
    SessionDescription, Setup, TlsId, TransportDescription, TrickleFragment,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(vec![
        Profile::Avp,
        Profile::Avpf,
        Profile::Savp,
        Profile::Savpf,
        Profile::UdpTlsSavp,
        Profile::UdpTlsSavpf,
    ])
}

fn crypto() -> impl Strategy<Value = Crypto> {
    let key = (
        any::<[u8; 46]>(),
        of(1..=1u64 << 48),
        of((any::<u32>(), 4u8..=128)),
    );
    let tag = 1..=999_999_999u32;
    let suite = prop::sample::select(CryptoSuite::ALL.to_vec());
    let parameters = prop::sample::select(vec!["", "WSH=64", "KDR=2 UNENCRYPTED_SRTP"]);
    (tag, suite, key, parameters, any::<bool>()).prop_map(|(tag, suite, key, parameters, early)| {
        let (bytes, lifetime_packets, identifier) = key;
        let master = MasterKey::new(suite, &bytes[..suite.key_and_salt_bytes()]).unwrap();
        let identifier = identifier
            .map(|(value, length)| MasterKeyIdentifier::new(value.into(), length).unwrap());
        let has_early = suite.as_str().starts_with("AES_256");
        Crypto {
            early_spelling: early && has_early,
            keys: vec![InlineKey {
                master,
                lifetime_packets,
                identifier,
            }],
            session_parameters: parameters.to_owned(),
            tag,
            suite,
        }
    })
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    let function = prop::sample::select(vec![
        HashFunction::Md5,
        HashFunction::Sha1,
        HashFunction::Sha256,
        HashFunction::Sha384,
        HashFunction::Sha512,
    ]);
    (function, vec(any::<u8>(), 64)).prop_map(|(function, hash)| {
        Fingerprint::new(function, &hash[..function.hash_bytes()]).unwrap()
    })
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let related = of((any::<SocketAddr>(), any::<u16>()));
    let kind = prop::sample::select(vec![
        CandidateKind::Host,
        CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive,
        CandidateKind::Relayed,
        CandidateKind::Other("new".into()),
    ]);
    let name = of("[a-z][a-z0-9-]{0,30}\\.local");
    let extensions = vec("[a-z]{1,4}-[a-z]{1,4} [!-~]{1,8}", 0..3);
    let head = (
        "[A-Za-z0-9+/]{1,32}",
        1..=256u16,
        any::<u32>(),
        any::<SocketAddr>(),
    );
    (head, kind, related, name, extensions).prop_map(|(head, kind, related, name, extensions)| {
        let (foundation, component, priority, address) = head;
        let mut candidate = Candidate::host(&foundation, component, priority, address);
        if let Some(name) = name {
            candidate.address = CandidateAddress::Name(name.into());
        }
        candidate.kind = kind;
        candidate.related =
            related.map(|(address, port)| (CandidateAddress::Ip(address.ip()), port));
        candidate.extensions = extensions.join(" ").into();
        candidate
    })
}

fn ice() -> impl Strategy<Value = IceDescription> {
    let credentials = ("[A-Za-z0-9+/]{4,256}", "[A-Za-z0-9+/]{22,256}");
    let remote = vec((1..=256u16, any::<SocketAddr>()), 0..3);
    let flags = any::<[bool; 5]>();
    (credentials, vec(candidate(), 0..4), remote, flags).prop_map(
        |((ufrag, password), candidates, remote, flags)| {
            let [end_of_candidates, lite, mismatch, trickle, ice2] = flags;
            IceDescription {
                credentials: IceCredentials::new(&ufrag, &password).unwrap(),
                candidates,
                end_of_candidates,
                options: IceOptions { trickle, ice2 },
                lite,
                mismatch,
                remote_candidates: remote
                    .into_iter()
                    .map(|(component, address)| RemoteCandidate {
                        component,
                        address: SocketAddr::new(address.ip(), address.port()),
                    })
                    .collect(),
            }
        },
    )
}

fn transport() -> impl Strategy<Value = TransportDescription> {
    let keys = (
        vec(crypto(), 0..3),
        vec(fingerprint(), 0..3),
        of(prop::sample::select(vec![
            Setup::ActPass,
            Setup::Active,
            Setup::Passive,
        ])),
        of("[A-Za-z0-9+/_-]{20,255}"),
    );
    let names = (
        of("[a-z0-9]{1,16}"),
        any::<bool>(),
        of(1..=14u8),
        of(any::<SocketAddr>()),
    );
    (profile(), keys, of(ice()), names, any::<[bool; 3]>()).prop_map(
        |(profile, keys, ice, names, [rtcp_mux, rtcp_mux_only, rtcp_reduced_size])| {
            let (mid, bundled, mid_extension, rtcp) = names;
            TransportDescription {
                profile,
                cryptos: keys.0,
                fingerprints: keys.1,
                setup: keys.2,
                tls_id: keys.3.map(|text| TlsId::new(&text).unwrap()),
                ice,
                rtcp_mux,
                rtcp_mux_only,
                rtcp_reduced_size,
                rtcp: rtcp.map(|rtcp| SocketAddr::new(rtcp.ip(), rtcp.port())),
                bundle: (bundled && mid.is_some()).then_some(Bundle {
                    tagged: 0,
                    only: false,
                }),
                mid: mid.map(Into::into),
                mid_extension,
            }
        },
    )
}

/// Lines that have nothing to do with a transport, as they are.
fn other_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "a=x-[a-z]{1,8}:[ -~]{0,30}",
        "a=[A-Z][a-z]{1,8}",
        "[ibuz]=[ -~]{1,20}",
        Just("a=ptime:20".to_owned()),
        Just("a=label: 1".to_owned()),
        Just("a=rtpmap:8  PCMA/8000".to_owned()),
    ]
}

/// Lines of all kinds of transports, right and wrong.
fn transport_line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "crypto",
        "fingerprint",
        "setup",
        "tls-id",
        "ice-ufrag",
        "ice-pwd",
        "ice-options",
        "ice-lite",
        "candidate",
        "remote-candidates",
        "end-of-candidates",
        "rtcp",
        "rtcp-mux",
        "rtcp-rsize",
        "mid",
        "group",
        "bundle-only",
        "extmap",
        "rtcp-fb",
        "ssrc",
        "pcfg",
    ]);
    let value = prop_oneof![
        "[ -~]{0,40}",
        "[0-9]{1,3} (AES_CM_128_HMAC_SHA1_80|AEAD_AES_128_GCM) inline:[A-Za-z0-9+/=]{0,70}[|0-9:^]{0,9}",
        "1 [0-9]{1,3} UDP [0-9]{1,11} ([0-9.]{1,15}|[0-9a-f:]{1,20}) [0-9]{1,6} typ host( raddr)?",
        "sha-(1|256) ([0-9A-F]{2}:){0,40}[0-9A-F]{2}",
        "BUNDLE( [0-9]){0,4}",
        "[0-9]",
    ];
    (name, value).prop_map(|(name, value)| format!("a={name}:{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn no_text_makes_anything_panic(
        session in vec(transport_line(), 0..6),
        sections in vec((profile(), vec(transport_line(), 0..10)), 0..4),
        own in transport(),
    ) {
        let mut text = HEAD.to_owned();
        session.iter().for_each(|line| text.push_str(&format!("{line}\r\n")));
        for (profile, lines) in &sections {
            text.push_str(&format!("m=audio 4000 {profile} 8 96\r\n"));
            lines.iter().for_each(|line| text.push_str(&format!("{line}\r\n")));
        }
        let description = SessionDescription::parse(text.as_bytes()).unwrap();
        for section in 0..sections.len() {
            prop_assert!(TransportDescription::of(&description, section).is_some());
        }
        let fragment = TrickleFragment::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(fragment.sections.len(), sections.len());

        // Of what the writer said about its transport, nothing is left.
        let change = MediaRewrite { transport: Some(&own), ..MediaRewrite::default() };
        let rewrite = Rewrite { media: vec![change; sections.len()], ..Rewrite::default() };
        let mut out = Vec::new();
        rewrite.apply(&description, &mut out);
        let after = SessionDescription::parse(&out).unwrap();
        if let [_] = &sections[..] {
            prop_assert_eq!(TransportDescription::of(&after, 0).unwrap(), own);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_of_fragments_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = TrickleFragment::parse(&bytes);
    }

    #[test]
    fn what_is_written_is_read_again(own in transport(), written in vec(transport_line(), 0..8)) {
        let lines: String = written.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!("{HEAD}m=audio 4000 RTP/AVP 8\r\n{lines}");
        let change = MediaRewrite { transport: Some(&own), ..MediaRewrite::default() };
        let rewrite = Rewrite { media: vec![change], ..Rewrite::default() };
        let mut out = Vec::new();
        rewrite.apply(&SessionDescription::parse(text.as_bytes()).unwrap(), &mut out);
        let after = SessionDescription::parse(&out).unwrap();
        prop_assert_eq!(TransportDescription::of(&after, 0).unwrap(), own);
    }

    #[test]
    fn what_is_not_about_transport_stays_byte_for_byte(
        lines in vec((any::<bool>(), other_line(), transport_line()), 0..12),
        own in transport(),
    ) {
        let line_of = |(ours, other, transport): &(bool, String, String)| {
            format!("{}\r\n", if *ours { other } else { transport })
        };
        let all: String = lines.iter().map(line_of).collect();
        let kept: String =
            lines.iter().filter(|(ours, ..)| *ours).map(line_of).collect();
        // A reader without feedback, ICE and certificates sees nothing of the other's transport.
        let own = TransportDescription { profile: Profile::Savp, ..own };
        let text = format!("{HEAD}m=audio 4000 RTP/AVPF 8\r\n{all}");
        let change = MediaRewrite { transport: Some(&own), ..MediaRewrite::default() };
        let rewrite = Rewrite { media: vec![change], ..Rewrite::default() };
        let mut out = Vec::new();
        rewrite.apply(&SessionDescription::parse(text.as_bytes()).unwrap(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let body = out.split_once("m=audio 4000 RTP/SAVP 8\r\n").unwrap().1;
        prop_assert!(body.starts_with(&kept), "{body}");
    }

    #[test]
    fn an_answer_in_the_numbers_of_the_offer_needs_no_change(
        offered in vec((0..128u8, 0..6usize), 1..12),
        answered in vec((0..128u8, 0..6usize), 1..12),
    ) {
        let codecs = ["opus/48000/2", "PCMA/8000", "telephone-event/8000", "telephone-event/48000", "G729/8000", "red/8000"];
        let section = |formats: &[(u8, usize)]| {
            let numbers: String = formats.iter().map(|(number, _)| format!(" {number}")).collect();
            let maps: String = formats
                .iter()
                .map(|(number, codec)| format!("a=rtpmap:{number} {}\r\n", codecs[*codec]))
                .collect();
            format!("{HEAD}m=audio 4000 RTP/AVP{numbers}\r\n{maps}")
        };
        let (offer, answer) = (section(&offered), section(&answered));
        let offer = SessionDescription::parse(offer.as_bytes()).unwrap();
        let answer = SessionDescription::parse(answer.as_bytes()).unwrap();
        let map = PayloadMap::between(&offer.media()[0], &answer.media()[0]);
        let mut numbers: Vec<_> =
            answer.media()[0].codecs().filter_map(|format| map.to_offered(format.payload_type)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), count, "no two formats get one number");
        for pair in map.pairs() {
            prop_assert_eq!(map.to_offered(pair.answered), Some(pair.offered));
            prop_assert_eq!(map.to_answered(pair.offered), pair.answered);
        }

        let change = MediaRewrite { renumber: Some(&map), ..MediaRewrite::default() };
        let rewrite = Rewrite { media: vec![change], ..Rewrite::default() };
        let mut out = Vec::new();
        rewrite.apply(&answer, &mut out);
        let after = SessionDescription::parse(&out).unwrap();
        if !after.media()[0].is_rejected() {
            prop_assert!(PayloadMap::between(&offer.media()[0], &after.media()[0]).is_identity());
        }
    }
}
