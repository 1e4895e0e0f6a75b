//! Our certificate for handshakes on the media path, and how handshakes are made; none is made here.

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use fernamt_exchange::media::Fingerprint;

use super::fingerprint;

/// Time until an unanswered flight is sent again for the first time. The path is that of the voice:
/// where it takes longer than this there is no talking.
const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);

/// How often a flight is sent again: for about 30 seconds, each time after twice the time.
const FLIGHT_RETRIES: usize = 6;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);

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
    pub(super) certificate: dimpl::DtlsCertificate,
    pub(super) config: Arc<dimpl::Config>,
}

impl Identity {
    /// `None` when the cryptography does not work on this machine.
    pub(crate) fn new(certificate: &Certificate) -> Option<Identity> {
        let config = dimpl::Config::builder()
            .flight_start_rto(FLIGHT_TIMEOUT)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .build();
        let config = config
            .inspect_err(
                |error| tracing::error!(%error, "handshakes on the media path cannot work"),
            )
            .ok()?;
        Some(Identity {
            certificate: dimpl::DtlsCertificate {
                certificate: certificate.certificate.clone(),
                private_key: certificate.private_key.clone(),
            },
            config: Arc::new(config),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(not shown)")
    }
}
