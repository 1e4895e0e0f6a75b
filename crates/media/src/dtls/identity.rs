//! Our certificate for handshakes on the media path, and how handshakes are made; none is made here.

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use fernamt_exchange::media::Fingerprint;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, SignatureScheme};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::cookie::{Cookies, Provider};
use super::fingerprint;

/// Time until an unanswered flight is sent again for the first time. The path is that of the voice:
/// where it takes longer than this there is no talking.
pub(super) const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);

/// Only suites with forward secrecy and authenticated encryption, for certificates of either kind;
/// the first is the one that RFC 8827 section 6.5 asks for.
const CIPHER_SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];

/// What we would protect packets with, best first (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
const PROFILES: [SrtpProtectionProfile; 4] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
];

/// The name that a ClientHello asks for. The library sends one in any case, and an address must not
/// stand there (RFC 6066 section 3); whoever is right is told by the fingerprint.
const SERVER_NAME: &str = "localhost";

/// A self-signed certificate with its private key, both DER, on the curve P-256: what RFC 8827 section
/// 6.5 asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate (X.509).
    pub certificate: Vec<u8>,
    /// The private key (PKCS #8).
    pub private_key: Vec<u8>,
}

impl Certificate {
    /// What our descriptions say of it (RFC 8122).
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint::of(&self.certificate)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Certificate(not shown)")
    }
}

/// What every handshake of ours begins with.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) client: Arc<HandshakeConfig>,
    pub(super) server: Arc<HandshakeConfig>,
    pub(super) cookies: Cookies,
}

impl Identity {
    /// `None` when the cryptography does not work on this machine, or the certificate with it.
    pub(crate) fn new(certificate: &Certificate) -> Option<Identity> {
        let scheme = SignatureScheme::EcdsaP256Sha256;
        let identity = Identity::made_of(certificate, scheme).inspect_err(
            |error| tracing::error!(%error, "handshakes on the media path cannot work"),
        );
        identity.ok()
    }

    /// From a certificate and a key of any kind.
    pub(super) fn made_of(
        certificate: &Certificate,
        scheme: SignatureScheme,
    ) -> Result<Identity, Box<dyn core::error::Error>> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(Provider::default());
        let key = provider
            .crypto()
            .import_signing_key(scheme, &certificate.private_key)?;
        let cookies = Cookies::new(provider.random())?;
        let chain = vec![certificate.certificate.clone().into()];
        // Any certificate will do for the handshake, as long as there is one; whether it is the right
        // one is asked with its fingerprint.
        let builder = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![crypto::Certificate::from_signing_key(chain, key)])
            .with_cipher_suites(CIPHER_SUITES.to_vec())
            .with_srtp_protection_profiles(PROFILES.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_server_name(SERVER_NAME.to_owned())
            .with_flight_interval(FLIGHT_TIMEOUT);
        Ok(Identity {
            client: Arc::new(builder.clone().build(true, None)?),
            server: Arc::new(builder.build(false, None)?),
            cookies,
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(not shown)")
    }
}
