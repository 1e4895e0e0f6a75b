//! What phones and we protect packets with: keys of descriptions and certificates. Nothing is agreed here.

use std::sync::OnceLock;

use fernamt_exchange::media::{Dtls, DtlsRole, SrtpKey, SrtpKeys};
use fernamt_rtp::srtp::{Protector, Unprotector};
use fernamt_sdp::CryptoSuite;

use crate::dtls::Certificate;
use crate::protection::master_key;

/// Keys of the description, ours first.
pub(super) fn keys(side: usize) -> SrtpKeys {
    let key = |fill: u8| SrtpKey {
        suite: CryptoSuite::AesCm128HmacSha1_80,
        key_and_salt: vec![fill + side as u8; 30].into(),
        identifier: Box::default(),
        lifetime_packets: None,
    };
    SrtpKeys {
        ours: key(0x10),
        theirs: key(0x20),
    }
}

/// What a phone protects with, and what it is protected with.
pub(super) struct Cipher {
    pub(super) ours: Protector,
    pub(super) theirs: Unprotector,
}

impl Cipher {
    /// With the keys as the phone sees them.
    pub(super) fn new(keys: &SrtpKeys) -> Cipher {
        Cipher {
            ours: Protector::new(&master_key(&keys.ours).unwrap()),
            theirs: Unprotector::new(&master_key(&keys.theirs).unwrap()),
        }
    }
}

pub(super) fn dtls(role: DtlsRole, expected: &Certificate) -> Dtls {
    Dtls {
        role,
        fingerprints: vec![expected.fingerprint()],
        established: None,
        established_rtcp: None,
    }
}

/// The certificate of all phones, and ours.
pub(super) fn certificates() -> &'static [Certificate; 2] {
    static CERTIFICATES: OnceLock<[Certificate; 2]> = OnceLock::new();
    CERTIFICATES.get_or_init(|| {
        ["phone", "desk"].map(|name| {
            let key = rcgen::KeyPair::generate().unwrap();
            let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            Certificate {
                certificate: parameters.self_signed(&key).unwrap().der().to_vec(),
                private_key: key.serialize_der(),
            }
        })
    })
}
