//! Starting and stopping a node.

use crate::backend::embedded::Embedded;
use crate::config::Config;
use crate::net::{self, Shell};
use crate::token::{self, OwnerToken};
use axum::Router;
use emerge_engine::{Engine, EngineOptions};
use emerge_node::{Node, NodeOptions};
use emerge_proto::{Error, ErrorCode, Result};
use emerge_runtime::Runtime;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a stopping node waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(5);
/// How often what nobody can reach any more is collected.
const COLLECT_EVERY: Duration = Duration::from_secs(10);
/// Records that one round of collection may touch.
const COLLECT_BUDGET: usize = 10_000;

/// A node that runs in this process.
pub struct RunningNode {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token that stands for the administrator.
    pub token: String,
    /// The folder of its store.
    pub data: PathBuf,
    node: Node<Embedded>,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    committer: JoinHandle<()>,
    collector: JoinHandle<()>,
}

/// Starts a node: opens the store, readies the guests, binds the port.
///
/// # Errors
/// `storage_failed` (the folder cannot be used, or another node has it), `unavailable` (the port is taken).
pub async fn start(config: Config, runtime: Arc<dyn Runtime>) -> Result<RunningNode> {
    start_with(config, runtime, Router::new()).await
}

/// As [`start`], with further routes on the same port, behind the same checks of Host and Origin.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, runtime: Arc<dyn Runtime>, routes: Router) -> Result<RunningNode> {
    let storage = |what: &str, path: &Path, error: std::io::Error| {
        Error::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
    };
    std::fs::create_dir_all(&config.data)
        .map_err(|error| storage("cannot make the folder", &config.data, error))?;
    let data =
        config.data.canonicalize().map_err(|error| storage("cannot use the folder", &config.data, error))?;

    let backend = Embedded::open(&data.join("store"))?;
    let engine = Engine::open(backend, EngineOptions::new(&config.name), now_micros()).await?;
    let token =
        token::read_or_make(&data).map_err(|error| storage("cannot keep the token in", &data, error))?;

    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("the system gives no randomness: {error}"))
    })?;
    let authenticator = Arc::new(OwnerToken::new(token.clone()));
    let node = Node::new(engine.clone(), runtime, authenticator, NodeOptions::new(&config.name, entropy));

    let wanted = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(wanted).await.map_err(|error| {
        Error::new(
            ErrorCode::Unavailable,
            format!("cannot listen on {wanted}: {error}; choose another with --port"),
        )
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::new(ErrorCode::Unavailable, format!("cannot listen on {wanted}: {error}")))?;

    let committer = tokio::spawn({
        let engine = engine.clone();
        async move {
            if let Err(error) = engine.run().await {
                tracing::error!(%error, "the node no longer owns its store and takes no more changes");
            }
        }
    });
    let collector = tokio::spawn({
        let engine = engine.clone();
        async move {
            loop {
                tokio::time::sleep(COLLECT_EVERY).await;
                if let Err(error) = engine.collect(now_micros(), COLLECT_BUDGET).await {
                    tracing::warn!(%error, "collection failed and will be tried again");
                }
            }
        }
    });
    let (stop, stopping) = watch::channel(false);
    let shell = Shell::new(node.clone(), &config, address, stopping.clone());
    let mut stopped = stopping;
    let server = tokio::spawn(
        axum::serve(listener, net::router(shell, routes).into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            })
            .into_future(),
    );
    tracing::info!(%address, data = %data.display(), "the node is ready");
    Ok(RunningNode { address, token, data, node, stop, server, committer, collector })
}

impl RunningNode {
    /// The link that opens the explorer page, token included.
    pub fn link(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The node itself, for what runs in the same process.
    pub fn node(&self) -> &Node<Embedded> {
        &self.node
    }

    /// Stops: takes no new connection, lets requests in flight end, writes all to disk.
    ///
    /// # Errors
    /// `storage_failed` when the last changes could not be written.
    pub async fn stop(mut self) -> Result<()> {
        // Sending fails only when no receiver is left, and then all have stopped.
        let _ = self.stop.send(true);
        if tokio::time::timeout(DRAIN, &mut self.server).await.is_err() {
            tracing::warn!("some connections did not end in time");
            self.server.abort();
        }
        self.collector.abort();
        let flushed = self.node.engine().shutdown().await;
        self.committer.abort();
        flushed
    }
}

/// The clock of this shell: microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
