//! Keys in descriptions: crypto lines (RFC 4568) and certificates' fingerprints (RFC 8122).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_sdp::crypto::{MAX_KEYS, MAX_SESSION_PARAMETER_BYTES, MAX_TAG, MIN_LIFETIME_PACKETS};
use fernamt_sdp::{
    Attribute, Crypto, CryptoObjection, CryptoSuite, Fingerprint, HashFunction, MasterKey,
    MasterKeyIdentifier, Setup, TlsId, tls_id,
};

/// The key of the examples in RFC 4568: 30 bytes.
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn attribute<'a>(name: &'a str, value: &'a str) -> Attribute<'a> {
    Attribute {
        name,
        value: Some(value),
    }
}

fn crypto(value: &str) -> Option<Crypto> {
    Crypto::parse(&attribute("crypto", value))
}

fn with_key(rest: &str) -> Option<Crypto> {
    crypto(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}"))
}

#[test]
fn suites_are_known_by_both_spellings() {
    for suite in CryptoSuite::ALL {
        assert_eq!(CryptoSuite::from_name(suite.as_str()), Some(suite));
    }
    let early = CryptoSuite::from_name("AES_CM_256_HMAC_SHA1_80");
    assert_eq!(early, Some(CryptoSuite::AesCm256HmacSha1_80));
    assert_eq!(CryptoSuite::from_name("F8_128_HMAC_SHA1_80"), None);
    let lengths = CryptoSuite::ALL.map(CryptoSuite::key_and_salt_bytes);
    assert_eq!(lengths, [44, 28, 46, 30, 46, 30]);
}

#[test]
fn the_examples_of_rfc_4568_are_read_and_written_as_they_are() {
    for value in [
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
        "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32",
        "2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4;inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|2:4",
    ] {
        let line = crypto(value).unwrap();
        assert_eq!(line.exposed().to_string(), value);
    }
}

#[test]
fn an_answer_repeats_tag_and_spelling() {
    let key = "YSBrZXkgb2YgMjU2IGJpdHMgaXMgMzIgYnl0ZXMuLmFuZCAxNCBvZiBzYWx0IQ==";
    let offer = crypto(&format!("7 AES_CM_256_HMAC_SHA1_80 inline:{key}|2^31")).unwrap();
    let own = MasterKey::new(offer.suite, &[7; 46]).unwrap();
    let answer = offer.answer(own).exposed().to_string();
    assert!(answer.starts_with("7 AES_CM_256_HMAC_SHA1_80 inline:BwcHBw"));
    assert!(answer.ends_with("Bw=="), "{answer}");
}

#[test]
fn a_key_is_as_long_as_its_suite_says() {
    let suite = CryptoSuite::AeadAes256Gcm;
    for length in [0, 43, 45, 64] {
        assert_eq!(MasterKey::new(suite, &vec![1; length]), None, "{length}");
    }
    let master = MasterKey::new(suite, &[1; 44]).unwrap();
    assert_eq!((master.key().len(), master.salt().len()), (32, 12));
    assert_eq!(*master.key_and_salt(), [1; 44]);

    assert!(crypto(&format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}")).is_none());
    for broken in [
        "",
        "====",
        &KEY[1..],
        &format!("{KEY}="),
        &format!("{KEY}AAAA"),
        "WVNfX19zZW1jdGwgKCkg*wkyMjA7fQp9CnVubGVz",
    ] {
        let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{broken}");
        assert_eq!(crypto(&line), None, "{line}");
    }
    let unpadded = "YSBrZXkgb2YgMjU2IGJpdHMgaXMgMzIgYnl0ZXMuLmFuZCAxNCBvZiBzYWx0IQ";
    assert!(crypto(&format!("1 AES_256_CM_HMAC_SHA1_80 inline:{unpadded}")).is_some());
}

#[test]
fn lifetime_and_identifier_are_checked() {
    let lifetime = |text: &str| with_key(text).map(|line| line.keys[0].lifetime_packets);
    assert_eq!(lifetime(""), Some(None));
    assert_eq!(lifetime("|2^20"), Some(Some(1 << 20)));
    assert_eq!(lifetime("|1000"), Some(Some(1000)));
    assert_eq!(lifetime("|2^48"), Some(Some(1 << 48)));
    for wrong in [
        "|0",
        "|2^49",
        "|281474976710657",
        "|2^200",
        "|-1",
        "|+1",
        "|",
        "|1|1:1|",
    ] {
        assert_eq!(lifetime(wrong), None, "{wrong}");
    }
    let identifier = |text: &str| {
        let line = with_key(text)?;
        line.keys[0].identifier.map(MasterKeyIdentifier::to_bytes)
    };
    assert_eq!(
        identifier("|2^20|258:4").as_deref(),
        Some(&[0, 0, 1, 2][..])
    );
    assert_eq!(identifier("|1:1").as_deref(), Some(&[1][..]));
    assert_eq!(identifier("|1:128").unwrap().len(), 128);
    for wrong in ["|256:1", "|1:0", "|1:129", "|x:1", "|1:"] {
        assert_eq!(with_key(wrong), None, "{wrong}");
    }
}

#[test]
fn several_keys_need_identifiers_of_one_length() {
    let keys = |rests: &[&str]| {
        let keys: Vec<_> = rests
            .iter()
            .map(|rest| format!("inline:{KEY}{rest}"))
            .collect();
        crypto(&format!("1 AES_CM_128_HMAC_SHA1_80 {}", keys.join(";")))
    };
    let two = keys(&["|1:4", "|2:4"]).unwrap();
    assert_eq!(two.objection(), Some(CryptoObjection::SeveralKeys));
    assert_eq!(keys(&["", ""]), None);
    assert_eq!(keys(&["|1:4", "|2:2"]), None);
    assert_eq!(keys(&["|1:4", ""]), None);
    assert!(keys(&["|1:4"; MAX_KEYS]).is_some());
    assert_eq!(keys(&["|1:4"; MAX_KEYS + 1]), None);
}

#[test]
fn a_key_for_too_few_packets_is_not_taken() {
    let objection = |packets: u64| with_key(&format!("|{packets}")).unwrap().objection();
    assert_eq!(objection(MIN_LIFETIME_PACKETS), None);
    assert_eq!(
        objection(MIN_LIFETIME_PACKETS - 1),
        Some(CryptoObjection::ShortLifetime)
    );
}

#[test]
fn what_weakens_a_line_speaks_against_it() {
    use CryptoObjection as Why;
    let objection = |parameters: &str| with_key(parameters).unwrap().objection();
    assert_eq!(objection(""), None);
    assert_eq!(objection(" WSH=128 -X=1"), None);
    assert_eq!(objection(" UNENCRYPTED_SRTP"), Some(Why::Unencrypted));
    assert_eq!(
        objection(" WSH=64 UNENCRYPTED_SRTCP"),
        Some(Why::Unencrypted)
    );
    assert_eq!(
        objection(" UNAUTHENTICATED_SRTP"),
        Some(Why::Unauthenticated)
    );
    assert_eq!(objection(" KDR=3"), Some(Why::KeyDerivationRate));
    assert_eq!(
        objection(" FEC_ORDER=FEC_SRTP"),
        Some(Why::ForwardErrorCorrection)
    );
    assert_eq!(objection(" NEW=1"), Some(Why::UnknownParameter));
}

#[test]
fn a_crypto_line_has_limits() {
    let tag = |tag: u64| crypto(&format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}"));
    assert!(tag(u64::from(MAX_TAG)).is_some());
    assert!(tag(u64::from(MAX_TAG) + 1).is_none());
    let parameters = |length: usize| with_key(&format!(" -{}", "x".repeat(length - 1)));
    assert!(parameters(MAX_SESSION_PARAMETER_BYTES).is_some());
    assert!(parameters(MAX_SESSION_PARAMETER_BYTES + 1).is_none());
}

#[test]
fn a_key_never_reaches_a_log() {
    let line = with_key("|2^20|1:4").unwrap();
    let shown = format!("{line:?} {:?} {:?}", line.keys, line.keys[0].master);
    assert!(
        !shown.contains("WVNf") && !shown.contains("89, 83"),
        "{shown}"
    );
}

#[test]
fn a_fingerprint_is_read_in_any_case_and_written_in_one() {
    let value = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    let parse = |value: &str| Fingerprint::parse(&attribute("fingerprint", value));
    let fingerprint = parse(value).unwrap();
    assert_eq!(fingerprint.function(), HashFunction::Sha1);
    assert_eq!(fingerprint.hash()[..2], [0x4a, 0xad]);
    assert_eq!(fingerprint.to_string(), value);
    let lower = parse(&value.to_lowercase().replace("sha-1", "SHA-1"));
    assert_eq!(lower, Some(fingerprint));
    for wrong in [
        "sha-1",
        "sha-1 4A",
        "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:+B",
        "sha-1 4A-AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "sha-9 4A",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn weak_hashes_are_known_as_such() {
    let weak = |name| HashFunction::from_name(name).unwrap().is_weak();
    assert!(weak("md2") && weak("MD5") && weak("sha-1"));
    assert!(!weak("sha-224") && !weak("sha-256") && !weak("SHA-384") && !weak("sha-512"));
    assert_eq!(Fingerprint::new(HashFunction::Sha512, &[0; 65]), None);
    assert!(Fingerprint::new(HashFunction::Sha512, &[0; 64]).is_some());
}

#[test]
fn setup_is_answered_as_rfc_4145_says() {
    use Setup::{ActPass, Active, HoldConn, Passive};
    let setup = |value| Setup::parse(&attribute("setup", value));
    assert_eq!(setup("actpass"), Some(ActPass));
    assert_eq!(setup("neither"), None);
    for (offer, answer) in [
        (ActPass, Active),
        (Passive, Active),
        (Active, Passive),
        (HoldConn, HoldConn),
    ] {
        assert_eq!(offer.answer(), answer);
        assert!(answer.may_answer(offer));
        assert_eq!(setup(answer.as_str()), Some(answer));
    }
    assert!(Passive.may_answer(ActPass));
    assert!(!Active.may_answer(Active) && !Passive.may_answer(Passive));
    assert!(!ActPass.may_answer(ActPass) && !Active.may_answer(HoldConn));
}

#[test]
fn an_association_has_a_name_of_20_to_255_characters() {
    let name = |length: usize| TlsId::new(&"a".repeat(length)).is_some();
    assert!(name(tls_id::MIN_BYTES) && !name(tls_id::MIN_BYTES - 1));
    assert!(name(tls_id::MAX_BYTES) && !name(tls_id::MAX_BYTES + 1));
    assert_eq!(TlsId::new("91bbf309c0990a6bec11 38ba2933cee"), None);
}
