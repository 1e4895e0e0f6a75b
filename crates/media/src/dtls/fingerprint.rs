//! The hash of a certificate, as a session description names it (RFC 8122); no certificate is read.

use fernamt_exchange::media::Fingerprint;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// The fingerprint that our descriptions name.
pub(crate) fn of(certificate: &[u8]) -> Fingerprint {
    Fingerprint {
        function: "sha-256".into(),
        hash: Sha256::digest(certificate).as_slice().into(),
    }
}

/// Whether a certificate has one of these fingerprints. Those of functions that are broken (SHA-1, MD5,
/// MD2) count for nothing.
pub(crate) fn is_one_of(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    fingerprints.iter().any(|fingerprint| {
        let hash: Box<[u8]> = match fingerprint.function.as_ref() {
            "sha-224" => Sha224::digest(certificate).as_slice().into(),
            "sha-256" => Sha256::digest(certificate).as_slice().into(),
            "sha-384" => Sha384::digest(certificate).as_slice().into(),
            "sha-512" => Sha512::digest(certificate).as_slice().into(),
            _ => return false,
        };
        hash == fingerprint.hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(function: &str, hash: &[u8]) -> Fingerprint {
        Fingerprint {
            function: function.into(),
            hash: hash.into(),
        }
    }

    #[test]
    fn one_right_fingerprint_of_a_sound_function_is_enough() {
        let wrong = fingerprint("sha-512", &[0; 64]);
        let right = fingerprint("sha-384", Sha384::digest(b"certificate").as_slice());
        assert!(is_one_of(&[wrong.clone(), right], b"certificate"));
        assert!(is_one_of(&[of(b"certificate")], b"certificate"));
        assert!(!is_one_of(&[wrong, of(b"other")], b"certificate"));
        assert!(!is_one_of(&[], b"certificate"));
    }

    #[test]
    fn a_broken_function_or_half_a_hash_proves_nothing() {
        let sha_1 = fingerprint("sha-1", &[0; 20]);
        let half = fingerprint("sha-256", &of(b"certificate").hash[..16]);
        let none = fingerprint("sha-256", &[]);
        assert!(!is_one_of(&[sha_1, half, none], b"certificate"));
    }
}
