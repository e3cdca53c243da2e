//! What an operator decides about a node.

use crate::audit::AuditConfig;
use crate::net::tls::TlsFiles;
use crate::oidc::OidcConfig;
use emerge_node::Allowances;
use std::net::IpAddr;
use std::path::PathBuf;

/// The configuration of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the store; made when absent.
    pub data: PathBuf,
    /// The address to listen on; loopback by default.
    pub host: IpAddr,
    /// The port for WebSocket and HTTP; 0 takes a free one.
    pub port: u16,
    /// The port of the notebook page, an origin of its own; 0 takes a free one. If not given, the one after `port`.
    pub notebook_port: Option<u16>,
    /// The node's name.
    pub name: String,
    /// Origins of pages, beside the node's own, that may connect: `https://example.org`.
    pub allow_origins: Vec<String>,
    /// Names by which the node may be reached, beside loopback and its own address: `example.org`.
    pub allow_hosts: Vec<String>,
    /// What each user and each address may take.
    pub allowances: Allowances,
    /// What is written into the audit log.
    pub audit: AuditConfig,
    /// The certificate and its key; without them the ports speak no TLS.
    pub tls: Option<TlsFiles>,
    /// The OpenID provider whose tokens are taken, besides the node's own.
    pub oidc: Option<OidcConfig>,
}

impl Config {
    /// The port that a node listens on by default.
    pub const DEFAULT_PORT: u16 = 5558;

    /// The defaults, for a store in `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            host: IpAddr::from([127, 0, 0, 1]),
            port: Self::DEFAULT_PORT,
            notebook_port: None,
            name: "node1".into(),
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            allowances: Allowances::default(),
            audit: AuditConfig::default(),
            tls: None,
            oidc: None,
        }
    }
}
