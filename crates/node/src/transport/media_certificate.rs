//! The certificate by which keys are agreed on the media path (RFC 5763): made once and kept, so that
//! its fingerprint in session descriptions stays the same over restarts. It is not that of TLS: nobody
//! looks into it, only its fingerprint counts, and it names nobody (RFC 8827 section 6.5).

use std::path::Path;

use fernamt_media::Certificate;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls::{broken, write_file};
use crate::error::NodeError;

/// Reads the certificate in `folder`, which is made first if need be.
///
/// # Errors
/// When a file cannot be read or written, or is no certificate or key.
pub(crate) fn open(folder: &Path) -> Result<Certificate, NodeError> {
    let files = (
        folder.join("media-certificate.pem"),
        folder.join("media-key.pem"),
    );
    if !files.0.exists() || !files.1.exists() {
        make(&files.0, &files.1)?;
    }
    let certificate = CertificateDer::from_pem_file(&files.0)
        .map_err(|error| broken("certificate", &files.0, error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.1).map_err(|error| broken("key", &files.1, error))?;
    Ok(Certificate {
        certificate: certificate.to_vec(),
        private_key: key.secret_der().to_vec(),
    })
}

fn make(certificate: &Path, key: &Path) -> Result<(), NodeError> {
    let made = |error: rcgen::Error| broken("certificate", certificate, error);
    let mut params = CertificateParams::new(Vec::new()).map_err(made)?;
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
    let signed = params.self_signed(&pair).map_err(made)?;
    write_file(key, &pair.serialize_pem(), 0o600).map_err(|error| broken("key", key, error))?;
    write_file(certificate, &signed.pem(), 0o644)
        .map_err(|error| broken("certificate", certificate, error))?;
    tracing::info!(file = %certificate.display(), "made the certificate of the media");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_fingerprint_stays_and_the_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        let again = open(folder.path()).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().hash.len(), 32);
        let key = fs::metadata(folder.path().join("media-key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            open(other.path()).unwrap().fingerprint(),
            first.fingerprint()
        );
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        fs::write(folder.path().join("media-key.pem"), "nothing").unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("media-key.pem"), "{error}");
    }
}
