//! TLS by rustls, with the certificate of now: its files are looked at again when they change, so that no renewal needs a restart.

use emerge_proto::{Error, ErrorCode, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where a certificate and its key lie, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a file was when it was last read, so that a change is noticed.
type Stamp = Option<(SystemTime, u64)>;

/// What the port's TLS needs.
pub(crate) struct Tls {
    files: TlsFiles,
    config: RwLock<(Arc<ServerConfig>, [Stamp; 2])>,
}

impl Tls {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// `bad_argument`, which names the file.
    pub(crate) fn open(files: TlsFiles) -> Result<Self> {
        // Before they are read, so that what changes meanwhile is read again.
        let stamps = stamps(&files);
        let config = read(&files)?;
        Ok(Self { files, config: RwLock::new((config, stamps)) })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).0.clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Takes another certificate when its files have changed, for connections from then on. One that cannot be read leaves that which is there.
    fn look(&self, always: bool) {
        let now = stamps(&self.files);
        if !always && self.config.read().unwrap_or_else(PoisonError::into_inner).1 == now {
            return;
        }
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        // Also when it fails: it is tried again when they change again.
        config.1 = now;
        match read(&self.files) {
            Ok(read) => {
                config.0 = read;
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => tracing::warn!(%error, "the certificate stays as it is"),
        }
    }

    /// Looks at the files now and then, and when the process is told to (SIGHUP); never ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        #[cfg(unix)]
        let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        loop {
            let hangup = async {
                #[cfg(unix)]
                if let Some(told) = &mut told {
                    told.recv().await;
                    return;
                }
                std::future::pending::<()>().await;
            };
            let always = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = hangup => true,
            };
            let tls = self.clone();
            // Files block. A look that panicked is made again.
            let _ = tokio::task::spawn_blocking(move || tls.look(always)).await;
        }
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|file| {
        let facts = std::fs::metadata(file).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    })
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>> {
    let bad = |file: &Path, field: &str, why: String| {
        Error::new(ErrorCode::BadArgument, format!("{}: {why}", file.display())).field(field)
    };
    let (file, field) = (&files.certificate, "tls-cert");
    let certificates =
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(file, field, format!("there is no certificate in PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(bad(file, field, "there is no certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| bad(&files.key, "tls-key", format!("there is no private key in PEM: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| bad(file, field, format!("it does not go with its key: {error}")))?;
    Ok(Arc::new(config))
}
