//! TLS: clients that trust the certificate's maker are served, others are not, and a renewed one is used without a restart.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::{Client, Trust};
use emerge_proto::ErrorCode;
use emerge_server::{Config, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who signs certificates.
struct Maker {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Maker {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate of a name; puts it and its key where a node finds them.
    fn sign(&self, name: &str, files: &TlsFiles) {
        let key = KeyPair::generate().unwrap();
        let signed =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::write(&files.certificate, signed.pem()).unwrap();
    }
}

/// A connection with TLS by whoever trusts a maker, or why there is none.
async fn open(port: u16, name: &str, maker: &Maker) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(maker.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_certificate_speaks_tls_alone() {
    let folder = TempDir::new().unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let maker = Maker::new();
    maker.sign("localhost", &files);
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let data = folder.path().join("data");
    let config = Config { port: 0, tls: Some(files.clone()), ..Config::new(data) };
    let node = emerge_server::start(config, runtime).await.unwrap();
    let port = node.address.port();
    assert!(node.url().starts_with("wss://") && node.link().starts_with("https://"));

    for port in [port, node.notebook_address.port()] {
        let mut stream = open(port, "localhost", &maker).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        // Who speaks no TLS gets no answer.
        let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        plain.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert!(open(port, "localhost", &Maker::new()).await.is_err(), "who trusts another");
    assert!(open(port, "other.example", &maker).await.is_err(), "another name");
    let url = format!("wss://localhost:{port}");
    let refused = Client::connect(&url, &node.token).await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::Disconnected, "the system does not know the maker: {refused}");
    let ca = folder.path().join("ca.pem");
    for (pem, good) in [(&maker.pem, true), (&Maker::new().pem, false), (&"none".to_owned(), false)] {
        std::fs::write(&ca, pem).unwrap();
        let client = Client::connect_trusting(&url, &node.token, Trust::of(Some(ca.clone()))).await;
        assert_eq!(client.is_ok(), good, "{pem}");
    }

    // Half of a renewal is none; the other half makes it one.
    std::fs::write(&files.certificate, "no certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(open(port, "localhost", &maker).await.is_ok());
    let next = Maker::new();
    next.sign("localhost", &files);
    let mut renewed = false;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        renewed = open(port, "localhost", &next).await.is_ok();
        if renewed {
            break;
        }
    }
    assert!(renewed, "the renewed certificate is used");
    assert!(open(port, "localhost", &maker).await.is_err());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_is_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (maker, good) = (Maker::new(), TlsFiles { certificate: at("cert.pem"), key: at("key.pem") });
    maker.sign("localhost", &good);
    let other = TlsFiles { certificate: at("other.pem"), key: at("other-key.pem") };
    maker.sign("localhost", &other);
    std::fs::write(at("empty"), "").unwrap();
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    for (certificate, key, field) in [
        ("nothing", "key.pem", "tls-cert"),
        ("empty", "key.pem", "tls-cert"),
        ("cert.pem", "nothing", "tls-key"),
        ("cert.pem", "cert.pem", "tls-key"),
        ("cert.pem", "other-key.pem", "tls-cert"),
    ] {
        let tls = Some(TlsFiles { certificate: at(certificate), key: at(key) });
        let config = Config { port: 0, tls, ..Config::new(at("data")) };
        let error = emerge_server::start(config, runtime.clone()).await.err().unwrap();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (ErrorCode::BadArgument, Some(field)),
            "{certificate} {key}"
        );
    }
}
