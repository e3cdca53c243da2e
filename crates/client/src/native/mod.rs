//! A client for native programs, over tokio and a WebSocket.
//!
//! ```no_run
//! # async fn run() -> emerge_proto::Result<()> {
//! use emerge_client::native::Client;
//!
//! let client = Client::connect("ws://127.0.0.1:5558", "the token").await?;
//! let stat = client.stat("/inventory/widget1").await?;
//! println!("version {}", stat.version);
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod bulk;
mod calls;
mod driver;
mod replies;
mod socket;
#[cfg(test)]
mod tests;
pub mod tls;
mod transaction;

pub use bulk::{NewObject, STORES_AT_ONCE};
pub use emerge_proto::record::Listing;
pub use replies::{Items, Reply};
pub use tls::Trust;
pub use transaction::Transaction;

use crate::session::{Config, EncodedOp, State};
use driver::{Driver, Status};
use emerge_proto::{ClassHash, Error, ErrorCode, Result};
use replies::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A connection to a node. It comes back by itself when it is lost. Cheap to clone; all clones share it, and it ends when the
/// last one is dropped.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    timeout: Option<u64>,
    /// The transaction that its requests are of.
    tx: Option<Arc<str>>,
    /// Class versions that its calls say to trust.
    trusted: Option<Arc<[ClassHash]>>,
}

struct Handle {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Client {
    /// Connects to a node, and waits until it has welcomed this client.
    ///
    /// # Errors
    /// `bad_argument` (the URL), `disconnected` (nobody answers there), `unauthenticated`, `unsupported_version`.
    pub async fn connect(url: &str, token: &str) -> Result<Self> {
        Self::connect_trusting(url, token, Trust::default()).await
    }

    /// As [`Client::connect`], to a node whose certificate is trusted by somebody else than by default.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_trusting(url: &str, token: &str, trust: Trust) -> Result<Self> {
        let client = Self::open(url, Config::new(token), trust)?;
        client.opened().await?;
        Ok(client)
    }

    /// Begins to connect and does not wait. Requests wait until there is a connection; attempts go on until the client is
    /// closed or refused for good. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `bad_argument` (the URL).
    pub fn open(url: &str, config: Config, trust: Trust) -> Result<Self> {
        let address = socket::Address::parse(url)?.trusting(trust);
        let shared = Arc::new(Shared::new(config));
        let (sender, status) = watch::channel(Status::default());
        tokio::spawn(Driver::new(shared.clone(), address, sender).run());
        Ok(Self { handle: Arc::new(Handle { shared, status }), timeout: None, tx: None, trusted: None })
    }

    /// The same client, whose requests give up after `timeout`, in whole milliseconds; without any they are refused.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let timeout = u64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// The same client, which trusts these class versions and no others: in its calls their code has all of the user's rights, whoever wrote it. A version
    /// covers what it inherits from and uses.
    pub fn trusting(&self, classes: &[ClassHash]) -> Self {
        Self { trusted: (!classes.is_empty()).then(|| classes.into()), ..self.clone() }
    }

    /// Waits until the node has welcomed this client, or the first failure.
    ///
    /// # Errors
    /// What ended an attempt to connect.
    pub async fn opened(&self) -> Result<()> {
        let mut status = self.handle.status.clone();
        let reached = status.wait_for(|status| status.state == State::Open || status.error.is_some()).await;
        match reached {
            Ok(status) if status.state == State::Open => Ok(()),
            Ok(status) => Err(status.error.as_deref().cloned().unwrap_or_else(gone)),
            Err(_) => Err(gone()),
        }
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.handle.status.borrow().state
    }

    /// The node's name and the user that the token stands for; absent before the first welcome.
    pub fn welcome(&self) -> Option<emerge_proto::frame::Welcome> {
        self.handle.shared.welcome()
    }

    /// Waits for what is under way, says goodbye, and closes the connection.
    pub async fn close(&self) {
        self.handle.shared.close();
        let mut status = self.handle.status.clone();
        // An error says that the driver is gone already.
        let _ = status.wait_for(|status| status.state == State::Closed).await;
    }

    /// Asks for an operation with one reply, which comes encoded. Dropping the reply cancels the request.
    ///
    /// # Errors
    /// When the request is refused here; it then has no effect.
    pub fn request(&self, op: impl Into<EncodedOp>) -> Result<Reply> {
        let op = match &self.tx {
            Some(tx) => EncodedOp::within(tx, &op.into()),
            None => op.into(),
        };
        let seq = self.handle.shared.request(op, self.timeout, None)?;
        Ok(Reply::new(self.handle.shared.clone(), seq))
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::Disconnected, "the connection was closed")
}
