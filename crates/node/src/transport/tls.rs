//! TLS: our certificate (made at first start where none is configured, read again on change), and
//! whom we trust when we connect to others.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use crate::config::TlsConfig;
use crate::error::NodeError;

/// Names of our certificate, at most.
const MAX_NAMES: usize = 64;

/// The certificate that is shown now.
#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.key.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// Certificates of a node.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    certificate: PathBuf,
    key: PathBuf,
    changed: RwLock<Option<SystemTime>>,
    current: Arc<Current>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the configured certificate; without one reads that in `folder`, made first if need be
    /// for these names and addresses.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is no certificate or key.
    pub(crate) fn open(
        config: &TlsConfig,
        folder: &Path,
        names: &[String],
    ) -> Result<Tls, NodeError> {
        let (certificate, key) = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            // One file may hold both.
            (Some(certificate), None) => (certificate.clone(), certificate.clone()),
            _ => {
                let files = (folder.join("certificate.pem"), folder.join("key.pem"));
                if !files.0.exists() || !files.1.exists() {
                    make_self_signed(&files.0, &files.1, names)?;
                }
                files
            }
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let first = read_key(&provider, &certificate, &key)?;
        let current = Arc::new(Current {
            key: RwLock::new(Arc::new(first)),
        });
        let server = server_config(&provider, &current)?;
        let client = client_config(&provider, &config.authorities)?;
        let changed = RwLock::new(modified(&certificate));
        Ok(Tls {
            provider,
            certificate,
            key,
            changed,
            current,
            server,
            client,
        })
    }

    /// Reads the certificate again when its file has changed; whether it has. The old one stays in
    /// use when the new one is no good.
    pub(crate) fn reload(&self) -> Result<bool, NodeError> {
        let now = modified(&self.certificate);
        if *self.changed.read().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        let key = read_key(&self.provider, &self.certificate, &self.key)?;
        *self
            .current
            .key
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        *self.changed.write().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(true)
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// Shakes hands with a server and checks its certificate for the name, or for the address where
    /// we connect without a name (RFC 5922 section 7).
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        name: Option<&str>,
        address: IpAddr,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
            None => ServerName::from(address),
        };
        TlsConnector::from(Arc::clone(&self.client))
            .connect(name, stream)
            .await
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file)
        .and_then(|metadata| metadata.modified())
        .ok()
}

pub(super) fn broken(what: &'static str, file: &Path, problem: impl ToString) -> NodeError {
    NodeError::Certificate {
        what,
        file: file.to_path_buf(),
        problem: problem.to_string(),
    }
}

fn read_key(
    provider: &CryptoProvider,
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, NodeError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| broken("certificate", certificate, error))?;
    if chain.is_empty() {
        return Err(broken(
            "certificate",
            certificate,
            "there is no certificate in the file",
        ));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| broken("key", key, error))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| broken("key", key, error))
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    current: &Arc<Current>,
) -> Result<Arc<ServerConfig>, NodeError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(unsupported)?;
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(current);
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    // Phones reconnect often; a ticket saves both sides a handshake and us the memory of it.
    if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(Arc::new(config))
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    authorities: &Path,
) -> Result<Arc<ClientConfig>, NodeError> {
    let mut roots = RootCertStore::empty();
    match CertificateDer::pem_file_iter(authorities) {
        Ok(certificates) => {
            roots.add_parsable_certificates(certificates.flatten());
        }
        Err(error) => {
            let file = authorities.display();
            tracing::warn!(%file, %error, "no TLS server can be verified: no trusted authorities");
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(unsupported)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn unsupported(error: rustls::Error) -> NodeError {
    NodeError::System {
        what: "TLS cannot be set up",
        error: io::Error::other(error),
    }
}

fn make_self_signed(certificate: &Path, key: &Path, names: &[String]) -> Result<(), NodeError> {
    let made = |error: rcgen::Error| broken("certificate", certificate, error);
    let names: Vec<String> = names
        .iter()
        // A certificate can carry nothing else.
        .filter(|name| name.is_ascii())
        .take(MAX_NAMES)
        .cloned()
        .collect();
    let mut params = CertificateParams::new(names.clone()).map_err(made)?;
    let mut subject = DistinguishedName::new();
    let common = names.first().map_or("fernamt", String::as_str);
    subject.push(DnType::CommonName, common);
    params.distinguished_name = subject;
    // No phone renews what it has been told to trust; a self-signed certificate lasts.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    let pair = KeyPair::generate().map_err(made)?;
    let signed = params.self_signed(&pair).map_err(made)?;
    write_file(key, &pair.serialize_pem(), 0o600).map_err(|error| broken("key", key, error))?;
    write_file(certificate, &signed.pem(), 0o644)
        .map_err(|error| broken("certificate", certificate, error))?;
    tracing::info!(file = %certificate.display(), "made a self-signed TLS certificate");
    Ok(())
}

pub(super) fn write_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::NodeConfig;

    fn open(folder: &Path) -> Result<Tls, NodeError> {
        let config = TlsConfig {
            authorities: "/dev/null".into(),
            ..NodeConfig::default().tls
        };
        Tls::open(
            &config,
            folder,
            &["localhost".to_owned(), "192.0.2.1".to_owned()],
        )
    }

    fn shown(tls: &Tls) -> CertificateDer<'static> {
        tls.current.key.read().unwrap().cert[0].clone()
    }

    #[test]
    fn the_certificate_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = shown(&open(folder.path()).unwrap());
        assert_eq!(shown(&open(folder.path()).unwrap()), first);
        let key = fs::metadata(folder.path().join("key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let tls = open(folder.path()).unwrap();
        assert!(!tls.reload().unwrap());
        let other = tempfile::tempdir().unwrap();
        let new = shown(&open(other.path()).unwrap());
        for file in ["key.pem", "certificate.pem"] {
            fs::copy(other.path().join(file), folder.path().join(file)).unwrap();
        }
        assert!(tls.reload().unwrap());
        assert_eq!(shown(&tls), new);
        fs::write(folder.path().join("certificate.pem"), "nothing").unwrap();
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains("certificate.pem"), "{error}");
        assert_eq!(shown(&tls), new);
    }
}
