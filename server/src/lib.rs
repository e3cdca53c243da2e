//! The tokio shell of a node: it owns sockets, files, clock and threads, and knows no rule about objects.
//!
//! [`start`] opens the store, compiles the guests, binds the port and gives a [`RunningNode`].

mod audit;
pub mod backend;
pub mod backup;
mod config;
mod files;
mod net;
mod notebook;
mod oidc;
mod running;
mod sandbox;
mod text;
mod token;

pub use audit::{AuditConfig, AuditLevel};
pub use config::Config;
pub use emerge_node::{Allowance, Allowances};
pub use emerge_runtime::{Native, NativeReport};
pub use net::tls::TlsFiles;
pub use oidc::OidcConfig;
pub use running::{RunningNode, start, start_with};
pub use sandbox::{Additions, native_python, run_file, sandbox, sandbox_with, whole_sandbox};
