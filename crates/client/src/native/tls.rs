//! TLS by rustls under a native client, and who is trusted to name nodes.

use emerge_proto::{Error, ErrorCode, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The variable that names a file of certificates (PEM) which are trusted, in the place of the system's.
pub const CA_VARIABLE: &str = "EMERGE_CA";

/// Whose certificates of nodes are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    file: Option<PathBuf>,
}

impl Trust {
    /// Those of a file of certificates (PEM), and no others. Without a file, as by default: that which [`CA_VARIABLE`] names, or else the system's.
    pub fn of(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    fn config(&self) -> Result<Arc<ClientConfig>> {
        let named = || std::env::var_os(CA_VARIABLE).filter(|ca| !ca.is_empty()).map(PathBuf::from);
        match &self.file {
            Some(file) => trusting(Some(file.clone()), "ca"),
            None => trusting(named(), CA_VARIABLE),
        }
    }
}

/// A connection to a node, with TLS or without.
pub enum Wire {
    /// Without.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects to a port. With `tls` the node must show a certificate of `host` that is trusted.
    ///
    /// # Errors
    /// Of the system; `InvalidData` when the certificate is not trusted or the file of trusted ones cannot be read.
    pub async fn connect(host: &str, port: u16, tls: bool, trust: &Trust) -> io::Result<Self> {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        if !tls {
            return Ok(Wire::Plain(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a certificate cannot name this host")
        })?;
        let config = trust.config().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let stream = TlsConnector::from(config).connect(name, tcp).await?;
        Ok(Wire::Tls(Box::new(stream)))
    }
}

/// The configuration that trusts a file's certificates, or the system's. Made once for each; the system's are many.
fn trusting(ca: Option<PathBuf>, field: &str) -> Result<Arc<ClientConfig>> {
    type Made = (Option<PathBuf>, Arc<ClientConfig>);
    static LAST: Mutex<Option<Made>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, config)) = &*last
        && *of == ca
        && ca.is_none()
    {
        return Ok(config.clone());
    }
    let roots = match &ca {
        Some(file) => roots_in(file, field)?,
        None => {
            let mut roots = RootCertStore::empty();
            // Some of a system's are often not well-formed; the others do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorCode::Internal, format!("there is no TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    *last = Some((ca, config.clone()));
    Ok(config)
}

fn roots_in(file: &Path, field: &str) -> Result<RootCertStore> {
    let bad =
        |why: String| Error::new(ErrorCode::BadArgument, format!("{}: {why}", file.display())).field(field);
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| bad(format!("it cannot be read: {error}")))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| bad(format!("it is no PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| bad(format!("there is no certificate that can be trusted: {error}")))?;
    }
    if roots.is_empty() {
        return Err(bad("there is no certificate in it".into()));
    }
    Ok(roots)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
