//! Handshakes with parties that mean harm, are broken, or know less than we do.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fernamt_sdp::CryptoSuite;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_dtls::crypto_provider::providers::AwsLcRsProvider;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::super::association::MAX_RECORDS;
use super::*;

/// Numbers that look random and are the same every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Spoils a datagram, mostly behind what is looked at before it is given to a handshake.
fn spoilt(datagram: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut spoilt = datagram.to_vec();
    let from = [0, 13, 25, 40][numbers.below(4)].min(datagram.len() - 1);
    for _ in 0..=numbers.below(4) {
        let at = from + numbers.below(datagram.len() - from);
        spoilt[at] = match numbers.below(4) {
            0 => 0,
            1 => 0xff,
            2 => spoilt[at] ^ 1 << numbers.below(8),
            _ => numbers.below(256) as u8,
        };
    }
    match numbers.below(6) {
        0 => spoilt.truncate(numbers.below(datagram.len()) + 1),
        1 => spoilt.extend_from_slice(datagram),
        _ => {}
    }
    spoilt
}

/// Counts the panics of this thread, also those that are caught.
fn count_panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, this) = (panics.clone(), thread::current().id());
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == this {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    panics
}

#[test]
fn spoilt_datagrams_break_nothing() {
    let panics = count_panics();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut given, mut agreed) = (0, 0);
    let rounds = 700;
    for round in 0..rounds {
        let (mut client, mut server) = pair();
        let mut world = World::new();
        world.begin(&mut client, SERVER);
        // From which datagram on there are spoilt ones before the right one.
        let first = round % 8;
        let mut seen = 0;
        for _ in 0..400 {
            let mut arriving = Vec::new();
            for (from, to, datagram) in core::mem::take(&mut world.under_way) {
                if seen >= first && seen < 24 {
                    for _ in 0..8 {
                        arriving.push((from, to, spoilt(&datagram, &mut numbers)));
                        given += 1;
                    }
                }
                seen += 1;
                arriving.push((from, to, datagram));
            }
            world.under_way = arriving;
            world.step(&mut [&mut client, &mut server]);
        }
        agreed += usize::from(client.keys().is_some() && server.keys().is_some());
        for side in [&client, &server] {
            let associations = &side.agreement.rtp.associations;
            assert!(associations.iter().all(|one| one.records <= MAX_RECORDS));
        }
    }
    assert!(given > 20_000, "{given}");
    assert!(agreed > rounds / 10, "{agreed} of {rounds}");
    assert_eq!(panics.load(Ordering::Relaxed), 0);
}

/// A record with a header of a DTLS 1.2 record.
fn record(kind: u8, epoch: u8, number: u16, fragment: &[u8]) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, high, low, 0];
    record.push(fragment.len() as u8);
    record.extend(fragment);
    record
}

/// Lets a client begin, and gives the server all of this once it has answered.
fn flood(datagrams: impl Iterator<Item = Vec<u8>>) -> Side {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    for _ in 0..3 {
        world.step(&mut [&mut client, &mut server]);
    }
    let (from, to) = (address(CLIENT), address(SERVER));
    world.under_way = datagrams.map(|datagram| (from, to, datagram)).collect();
    world.step(&mut [&mut server]);
    server
}

/// Pieces of a message that never ends, each to be put behind the one before, and records of keys that
/// are not there yet, are kept: so many, and no more.
#[test]
fn what_is_kept_for_later_is_bounded() {
    let _ = count_panics();
    let piece = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let header = [11, 0xff, 0xff, 0xff, 0, 2, 0, high, low, 0, 0, 1];
        record(22, 0, 100 + number, &[&header[..], &[7]].concat())
    };
    let early = |number: u16| record(22, 1, number, &[7; 40]);
    let server = flood((0..3_000).map(piece));
    assert_eq!(server.agreement.rtp.associations[0].records, MAX_RECORDS);
    let server = flood((0..3_000).map(early));
    assert_eq!(server.agreement.rtp.associations[0].records, MAX_RECORDS);
}

/// How a client is set up that knows one profile only.
fn client_with(profile: SrtpProtectionProfile) -> ConfigBuilder {
    ConfigBuilder::default()
        .with_crypto_provider(Arc::new(AwsLcRsProvider::new()))
        .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
        .with_srtp_protection_profiles(vec![profile])
        .with_insecure_skip_verify(true)
}

/// Lets a client that is set up so shake hands with a server of ours.
fn shake_hands(own: &Certificate, client: ConfigBuilder) -> (Side, Side) {
    let other = certificate();
    let mut identity = Identity::new(own).unwrap();
    identity.client = Arc::new(client.build(true, None).unwrap());
    let mut client = Side::with(&identity, DtlsRole::Client, &other, CLIENT);
    let mut server = Side::new(DtlsRole::Server, &other, own, SERVER);
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 60_000);
    (client, server)
}

#[test]
fn who_shows_no_certificate_gets_no_keys() {
    let profile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
    let (_, server) = shake_hands(&certificate(), client_with(profile));
    let failed = Agreement::Failed(ProtectionFailure::Handshake);
    assert_eq!(server.agreed, [failed]);
}

#[test]
fn who_knows_one_profile_gets_keys_for_it() {
    for (profile, suite) in [
        (
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
            CryptoSuite::AeadAes256Gcm,
        ),
        (
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            CryptoSuite::AeadAes128Gcm,
        ),
        (
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            CryptoSuite::AesCm128HmacSha1_80,
        ),
        (
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
            CryptoSuite::AesCm128HmacSha1_32,
        ),
    ] {
        let own = certificate();
        let crypto = AwsLcRsProvider::new();
        let key = crypto
            .crypto()
            .import_signing_key(SignatureScheme::EcdsaP256Sha256, &own.private_key)
            .unwrap();
        let chain = vec![own.certificate.clone().into()];
        let shown = vec![rtc_dtls::crypto::Certificate::from_signing_key(chain, key)];
        let (client, server) = shake_hands(&own, client_with(profile).with_certificates(shown));
        assert_agreed(&client, &server);
        assert_eq!(server.keys().unwrap().ours.suite, suite);
    }
}
