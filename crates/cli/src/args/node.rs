//! The node itself.

use super::{Format, limits};
use clap::{Args, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Start a node and keep it running until Ctrl-C. With --json one line {"url", "token", "notebook", "data"} is printed when it is ready.
    Start(Box<NodeStart>),
    /// Compile the sandboxes for JavaScript and Python now, once for each version, and not when a node starts; for the image of a machine, say.
    Prepare,
    /// See whether this system has what a node needs, and with --native-python whether that environment can be used. Ends with 1 when something is missing.
    Doctor(NodeDoctor),
}

#[derive(Debug, Args)]
pub(crate) struct NodeStart {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The folder of the store; made when absent.
    #[arg(long, env = "EMERGE_DATA", value_name = "DIR", default_value = ".emerge")]
    pub(crate) data: PathBuf,
    /// The port for WebSocket and HTTP; 0 takes a free one.
    #[arg(long, default_value_t = emerge_server::Config::DEFAULT_PORT)]
    pub(crate) port: u16,
    /// The port of the notebook page; 0 takes a free one [default: the one after --port].
    #[arg(long, value_name = "PORT")]
    pub(crate) notebook_port: Option<u16>,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The node's name.
    #[arg(long, default_value = "node1")]
    pub(crate) name: String,
    /// An origin whose pages may connect, beside the node's own (may be given several times).
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// A name by which the node may be reached (may be given several times).
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// What each user may take: connections=N, requests=N a second, bytes=N a second, streams=N, run=SECONDS of methods a minute, with commas between them; 0 is
    /// without a limit. What is not named stays as it is by default.
    #[arg(long, env = "EMERGE_LIMIT_USER", value_name = "LIMITS", value_parser = limits::allowance)]
    pub(crate) limit_user: Option<emerge_server::Allowance>,
    /// What each address may take, likewise; of IPv6 the addresses of one /64 count as one.
    #[arg(long, env = "EMERGE_LIMIT_ADDRESS", value_name = "LIMITS", value_parser = limits::address_allowance)]
    pub(crate) limit_address: Option<emerge_server::Allowance>,
    /// What is written into the audit log beside the store: off, admin (what administers, and what is refused), writes, all.
    #[arg(long, env = "EMERGE_AUDIT", value_name = "LEVEL", default_value = "admin", value_parser = limits::level)]
    pub(crate) audit: emerge_server::AuditLevel,
    /// Bytes of one file of the audit log.
    #[arg(long, env = "EMERGE_AUDIT_BYTES", value_name = "BYTES", default_value_t = 64 * 1024 * 1024, value_parser = clap::value_parser!(u64).range(1024..))]
    pub(crate) audit_bytes: u64,
    /// Files of the audit log that are kept, the current one included.
    #[arg(long, env = "EMERGE_AUDIT_FILES", value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) audit_files: u32,
    /// The certificate, as PEM, with which the node speaks TLS: clients come by wss: and https: then.
    #[arg(long, env = "EMERGE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    #[arg(long, env = "EMERGE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Take tokens (JWT) of this OpenID provider, word for word as they have it in `iss`.
    #[arg(long, env = "EMERGE_OIDC_ISSUER", value_name = "URL", requires_all = ["oidc_audience", "jwks"])]
    pub(crate) oidc_issuer: Option<String>,
    /// Whom those tokens are for: what `aud` is or holds.
    #[arg(long, env = "EMERGE_OIDC_AUDIENCE", value_name = "AUDIENCE", requires = "oidc_issuer")]
    pub(crate) oidc_audience: Option<String>,
    /// The provider's keys: a file of JWKS, which is read again when it changes.
    #[arg(long, env = "EMERGE_JWKS", value_name = "FILE", requires = "oidc_issuer")]
    pub(crate) jwks: Option<PathBuf>,
    /// The claim that is the name of a user of this node.
    #[arg(long, env = "EMERGE_OIDC_CLAIM", value_name = "CLAIM", default_value = emerge_server::OidcConfig::CLAIM)]
    pub(crate) oidc_claim: String,
    /// A folder of packages of pure Python that methods may import, such as pip install --target fills.
    #[arg(long, env = "EMERGE_PYTHON_PACKAGES", value_name = "DIR")]
    pub(crate) python_packages: Option<PathBuf>,
    /// A virtual environment of Python (Linux only) in whose processes classes run that require packages, as in requires = ["pandas"]; off when it is not given.
    #[arg(long, env = "EMERGE_NATIVE_PYTHON", value_name = "VENV")]
    pub(crate) native_python: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, or a filter such as emerge_server=debug.
    #[arg(long, env = "EMERGE_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    /// Log a JSON object for each line.
    #[arg(long)]
    pub(crate) log_json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NodeDoctor {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The virtual environment that the node would be started with.
    #[arg(long, env = "EMERGE_NATIVE_PYTHON", value_name = "VENV")]
    pub(crate) native_python: Option<PathBuf>,
}
