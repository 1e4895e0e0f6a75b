//! The vectors of RFC 3711 appendix B, RFC 6188 section 7 and RFC 7714 sections 16 and 17, as tables.
//!
//! Appendix B.1 is about AES-f8, which no suite of ours uses.

use zeroize::Zeroizing;

use super::aes_cm::AesCm;
use super::aes_gcm::AesGcm;
use super::derivation::{Label, SALT_BYTES, SessionKeys, derive, head};
use super::{MasterKey, Protector, Suite, UnprotectError, Unprotector};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn session(key: &[u8], salt: &[u8]) -> SessionKeys {
    SessionKeys {
        encryption: head(key),
        salt: head(salt),
        authentication: Zeroizing::new([0; 20]),
    }
}

type Keystream = (
    &'static str,
    Suite,
    &'static str,
    [(usize, &'static str); 6],
);

/// Name, suite, session key, and blocks of the keystream by their number. The session salt of all of them
/// is F0F1F2F3F4F5F6F7F8F9FAFBFCFD; source, rollover counter and sequence number are 0.
const KEYSTREAMS: [Keystream; 2] = [
    (
        "RFC 3711 B.2",
        Suite::AesCm128HmacSha1_80,
        "2B7E151628AED2A6ABF7158809CF4F3C",
        [
            (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ],
    ),
    (
        "RFC 6188 7.1",
        Suite::AesCm256HmacSha1_80,
        "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
        [
            (0x0000, "92bdd28a93c3f52511c677d08b5515a4"),
            (0x0001, "9da71b2378a854f67050756ded165bac"),
            (0x0002, "63c4868b7096d88421b563b8c94c9a31"),
            (0xfeff, "cea518c90fd91ced9cbb18c078a54711"),
            (0xff00, "3dbc4814f4da5f00a08772b63c6a046d"),
            (0xff01, "6eb246913062a16891433e97dd01a57f"),
        ],
    ),
];

#[test]
fn keystreams_of_counter_mode() {
    let salt = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
    assert_eq!(salt.len(), SALT_BYTES);
    for (name, suite, key, blocks) in KEYSTREAMS {
        let cipher = AesCm::new(&session(&bytes(key), &salt), suite, 10);
        // The segment of 65,282 blocks that the vectors are cut from.
        let mut stream = vec![0; 1_044_512];
        cipher.crypt(0, 0, &mut stream);
        for (number, block) in blocks {
            let found = &stream[number * 16..][..16];
            assert_eq!(found, bytes(block), "{name}, block {number:x}");
        }
    }
}

/// Suite, master key, master salt, and the session keys of RTP.
const DERIVATIONS: [(&str, Suite, &str, &str, &str, &str, &str); 2] = [
    (
        "RFC 3711 B.3",
        Suite::AesCm128HmacSha1_80,
        "E1F97A0D3E018BE0D64FA32C06DE4139",
        "0EC675AD498AFEEBB6960B3AABE6",
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
         E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
         6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2",
    ),
    (
        "RFC 6188 7.2",
        Suite::AesCm256HmacSha1_80,
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
        "3b04803de51ee7c96423ab5b78d2",
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
        "fa31791685ca444a9e07c6c64e93",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
    ),
];

#[test]
fn session_keys_out_of_master_keys() {
    for (name, suite, key, salt, encryption, session_salt, authentication) in DERIVATIONS {
        let master = MasterKey::from_parts(suite, &bytes(key), &bytes(salt)).unwrap();
        for (label, expected) in [
            (Label::RtpEncryption, encryption),
            (Label::RtpSalt, session_salt),
            (Label::RtpAuthentication, authentication),
        ] {
            let expected = bytes(expected);
            let mut derived = vec![0; expected.len()];
            derive(&master, label, &mut derived);
            assert_eq!(derived, expected, "{name}, label {}", label as u8);
        }
        let keys = SessionKeys::rtp(&master);
        assert_eq!(keys.encryption[..suite.key_bytes()], bytes(encryption));
        assert_eq!(keys.salt[..], bytes(session_salt));
        assert_eq!(keys.authentication[..], bytes(authentication)[..20]);
    }
}

const GCM_SALT: &str = "517569642070726f2071756f";
const GCM_KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const GCM_KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// "Gallia est omnis divisa in partes tres" (RFC 7714 section 16).
const RTP: &str = "8040f17b8041f8d35501a0b2
    47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";

/// The sender report that is encrypted in RFC 7714 section 17.
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

/// The SRTCP index of section 17.
const RTCP_INDEX: u32 = 0x5d4;

/// Suite, session key, the packet with its tag (sections 16.1.1, 16.1.2, 16.2.1, 16.2.2), and the tag
/// when the whole packet is associated data (sections 16.1.3, 16.1.4, 16.2.3, 16.2.4).
const GCM_RTP: [(Suite, &str, &str, &str); 2] = [
    (
        Suite::AeadAes128Gcm,
        GCM_KEY_128,
        "8040f17b8041f8d35501a0b2
         f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
         899d7f27beb16a9152cf765ee4390cce",
        "22493f82d2bce397e9d79e3b19aa4216",
    ),
    (
        Suite::AeadAes256Gcm,
        GCM_KEY_256,
        "8040f17b8041f8d35501a0b2
         32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
         7aa3db36dfffd6b0f9bb7878d7a76c13",
        "a866d5910f887463067ceefec45215d4",
    ),
];

/// Suite, session key, the packet encrypted (sections 17.1, 17.2), and its tag when it is
/// authenticated only (sections 17.3, 17.4).
const GCM_RTCP: [(Suite, &str, &str, &str); 2] = [
    (
        Suite::AeadAes128Gcm,
        GCM_KEY_128,
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d
         c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf872
         45d9eade800005d4",
        "841dd9683dd78ec92ae58790125f62b3",
    ),
    (
        Suite::AeadAes256Gcm,
        GCM_KEY_256,
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50
         a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6c
         b26ac3be800005d4",
        "91db4afbfeee5a978fab4393ed2615fe",
    ),
];

/// Both ends with these session keys; what the master key is does not matter then.
fn ends(suite: Suite, key: &str) -> (Protector, Unprotector) {
    let master = MasterKey::new(suite, &vec![0; suite.inline_bytes()]).unwrap();
    let keys = session(&bytes(key), &bytes(GCM_SALT));
    (
        Protector::with_session_keys(&master, &keys, &keys),
        Unprotector::with_session_keys(&master, &keys, &keys),
    )
}

#[test]
fn rtp_with_aes_gcm() {
    let plain = bytes(RTP);
    for (suite, key, protected, tag) in GCM_RTP {
        let (mut sender, mut receiver) = ends(suite, key);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + super::MAX_OVERHEAD_BYTES, 0);
        let length = sender.protect_rtp(&mut buffer, plain.len()).unwrap();
        assert_eq!(buffer[..length], bytes(protected), "{suite:?}");
        assert_eq!(
            receiver.unprotect_rtp(&mut buffer[..length]),
            Ok(plain.len())
        );
        assert_eq!(buffer[..plain.len()], plain);

        let cipher = AesGcm::new(&session(&bytes(key), &bytes(GCM_SALT)), suite);
        let found = cipher.seal(0x5501_a0b2, 0xf17b, &plain, &mut []).unwrap();
        assert_eq!(found[..], bytes(tag), "{suite:?}");
        assert!(cipher.open(0x5501_a0b2, 0xf17b, &plain, &mut [], &found));
    }
}

#[test]
fn rtcp_with_aes_gcm() {
    let plain = bytes(RTCP);
    for (suite, key, protected, _) in GCM_RTCP {
        let (mut sender, mut receiver) = ends(suite, key);
        sender.resume_rtcp(RTCP_INDEX - 2 * super::RTCP_INDEX_STEP);
        assert_eq!(sender.rtcp_index(), RTCP_INDEX);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + super::MAX_OVERHEAD_BYTES, 0);
        let length = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
        assert_eq!(buffer[..length], bytes(protected), "{suite:?}");
        assert_eq!(
            receiver.unprotect_rtcp(&mut buffer[..length]),
            Ok(plain.len())
        );
        assert_eq!(buffer[..plain.len()], plain);
    }
}

#[test]
fn rtcp_that_is_authenticated_only_with_aes_gcm() {
    let plain = bytes(RTCP);
    for (suite, key, _, tag) in GCM_RTCP {
        let (_, mut receiver) = ends(suite, key);
        let tagged = [&plain[..], &bytes(tag), &RTCP_INDEX.to_be_bytes()].concat();
        for place in 8..tagged.len() {
            let mut changed = tagged.clone();
            changed[place] ^= 4;
            let before = changed.clone();
            let refused = receiver.unprotect_rtcp(&mut changed).unwrap_err();
            assert_eq!(refused, UnprotectError::Tag, "byte {place}");
            assert_eq!(changed, before);
        }
        let mut datagram = tagged.clone();
        assert_eq!(receiver.unprotect_rtcp(&mut datagram), Ok(plain.len()));
        assert_eq!(datagram, tagged, "nothing was encrypted");
    }
}

/// Suite, master key with salt, a packet of SRTP and one of SRTCP with the index 1 that another
/// implementation made (the tests of libSRTP), so that whole packets are compared, and the derivation
/// for AEAD with its shorter salt.
const OF_LIBSRTP: [(Suite, &str, &str, Option<&str>); 3] = [
    (
        Suite::AesCm128HmacSha1_80,
        "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        Some("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"),
    ),
    (
        Suite::AesCm256HmacSha1_80,
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
         3b04803de51ee7c96423ab5b78d2",
        "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b",
        None,
    ),
    (
        Suite::AeadAes128Gcm,
        "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
        "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06e
         d2976826f796b201df3131a127e8a392",
        Some(
            "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025
             c52c6fbea2b3b446ea31123ba88ce61e80000001",
        ),
    ),
];

#[test]
fn whole_packets_of_another_implementation() {
    for (suite, key, rtp, rtcp) in OF_LIBSRTP {
        let master = MasterKey::new(suite, &bytes(key)).unwrap();
        let mut receiver = Unprotector::new(&master);
        let mut datagram = bytes(rtp);
        assert_eq!(receiver.unprotect_rtp(&mut datagram), Ok(28), "{suite:?}");
        assert_eq!(datagram[12..28], [0xab; 16]);
        let mut sender = Protector::new(&master);
        assert_eq!(sender.protect_rtp(&mut datagram, 28), Ok(datagram.len()));
        assert_eq!(datagram, bytes(rtp));
        let Some(rtcp) = rtcp else { continue };
        let mut datagram = bytes(rtcp);
        assert_eq!(receiver.unprotect_rtcp(&mut datagram), Ok(24), "{suite:?}");
        assert_eq!(datagram[8..24], [0xab; 16]);
    }
}
