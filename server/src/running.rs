//! Starting and stopping a node.

use crate::audit::AuditLog;
use crate::backend::embedded::Embedded;
use crate::config::Config;
use crate::net::serve::Port;
use crate::net::tls::Tls;
use crate::net::{self, NotebookDoor, Shell};
use crate::notebook;
use crate::oidc::Oidc;
use crate::text::Text;
use crate::token::{self, Tokens};
use axum::Router;
use emerge_engine::{Backend, Engine, EngineOptions};
use emerge_node::{Audit, Node, NodeOptions};
use emerge_proto::{Error, ErrorCode, Result};
use emerge_runtime::Runtime;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// The folder of the store in the folder of a node's data.
pub(crate) const STORE: &str = "store";
/// The text index, beside it.
const TEXT: &str = "text";
/// How long a stopping node waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(5);
/// After how many of these what nobody can reach any more is collected.
const COLLECT_EVERY: u32 = 20;
/// How often somebody looks whether there are indexes to be built.
const BUILD_EVERY: Duration = Duration::from_millis(500);
/// Objects that are added to an index in one transaction.
const BUILD_BUDGET: usize = 500;
/// Records that one round of collection may touch.
const COLLECT_BUDGET: usize = 10_000;

/// A node that runs in this process.
pub struct RunningNode {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token that stands for the administrator.
    pub token: String,
    /// Where the notebook page is served: another port, and so another origin.
    pub notebook_address: SocketAddr,
    /// The token of the notebook page: it may do with objects what their owner may, and nothing administrative.
    pub notebook_token: String,
    /// The folder of its store.
    pub data: PathBuf,
    node: Node<Embedded>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    notebook_server: JoinHandle<()>,
    /// Tells when the committer has let go of the store.
    committer: oneshot::Receiver<()>,
    collector: JoinHandle<()>,
    /// Follows the files of the certificate.
    certificate: Option<JoinHandle<()>>,
    /// Whether the ports speak TLS.
    secure: bool,
}

/// Starts a node: opens the store, readies the guests, binds the port.
///
/// # Errors
/// `storage_failed` (the folder cannot be used, or another node has it), `unavailable` (the port is taken).
pub async fn start(config: Config, runtime: Arc<dyn Runtime>) -> Result<RunningNode> {
    start_with(config, runtime, Router::new()).await
}

/// Builds the indexes that are not ready, while others use the store.
async fn build_indexes<B: Backend>(engine: &Engine<B>) {
    loop {
        match engine.build_indexes(now_micros(), BUILD_BUDGET).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "an index could not be built and will be tried again");
                return;
            }
        }
    }
}

/// Brings the text index up to date, if there is one.
async fn follow_text<B: Backend>(node: &Node<B>) {
    loop {
        match node.follow_text(now_micros()).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the text index could not follow the store and will try again");
                return;
            }
        }
    }
}

/// Makes the folder of a store: it holds tokens, and what others may not read.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// As [`start`], with further routes on the same port, behind the same checks of Host and Origin.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, runtime: Arc<dyn Runtime>, routes: Router) -> Result<RunningNode> {
    let storage = |what: &str, path: &Path, error: std::io::Error| {
        Error::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
    };
    make_folder(&config.data).map_err(|error| storage("cannot make the folder", &config.data, error))?;
    let data =
        config.data.canonicalize().map_err(|error| storage("cannot use the folder", &config.data, error))?;

    let backend = Embedded::open(&data.join(STORE))?;
    let engine = Engine::open(backend, EngineOptions::new(&config.name), now_micros()).await?;
    let kept = |name: &str| {
        token::read_or_make(&data, name).map_err(|error| storage("cannot keep the token in", &data, error))
    };
    let token = kept(token::OWNER_FILE)?;
    let notebook_token = kept(token::NOTEBOOK_FILE)?;

    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("the system gives no randomness: {error}"))
    })?;
    let oidc = config.oidc.clone().map(Oidc::open).transpose()?;
    let tokens = Arc::new(Tokens { owner: token.clone(), notebook: notebook_token.clone(), oidc });
    let node = Node::with_text(
        engine.clone(),
        runtime,
        tokens.clone(),
        NodeOptions { allowances: config.allowances, ..NodeOptions::new(&config.name, entropy) },
        Arc::new(Text::open(&data.join(TEXT))),
    );
    let audit = AuditLog::open(&data, config.audit)?;
    let node = node.with_audit(audit.map(|audit| Arc::new(audit) as Arc<dyn Audit>));
    let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);

    let (listener, address) = listen(SocketAddr::new(config.host, config.port), "--port").await?;
    let (notebook_listener, notebook_address) = listen_for_notebook(&config, address).await?;
    let door = NotebookDoor { port: notebook_address.port(), tls: tls.is_some(), tokens };

    let (runtime_lives, runtime_ended) = oneshot::channel();
    let committer = start_committer(engine.clone(), runtime_ended)?;
    let collector = tokio::spawn({
        let (engine, node) = (engine.clone(), node.clone());
        async move {
            let _runtime_lives: oneshot::Sender<()> = runtime_lives;
            loop {
                for _ in 0..COLLECT_EVERY {
                    tokio::time::sleep(BUILD_EVERY).await;
                    build_indexes(&engine).await;
                    follow_text(&node).await;
                }
                node.handle_timeout(now_micros());
                if let Err(error) = engine.collect(now_micros(), COLLECT_BUDGET).await {
                    tracing::warn!(%error, "collection failed and will be tried again");
                }
            }
        }
    });
    let (stop, stopping) = watch::channel(false);
    let shell = Shell::new(node.clone(), &config, address, door, stopping.clone());
    let port = |router| Port { router, tls: tls.clone(), meters: node.meters().clone() };
    let server = tokio::spawn(port(net::router(shell, routes)).serve(listener, stopping.clone()));
    let pages = notebook::router(&config, notebook_address, address.port());
    let notebook_server = tokio::spawn(port(pages).serve(notebook_listener, stopping));
    let certificate = tls.clone().map(|tls| tokio::spawn(tls.follow()));
    tracing::info!(%address, notebook = %notebook_address, data = %data.display(), "the node is ready");
    Ok(RunningNode {
        address,
        token,
        notebook_address,
        notebook_token,
        data,
        node,
        stop,
        server,
        notebook_server,
        committer,
        collector,
        certificate,
        secure: tls.is_some(),
    })
}

/// Runs the committer on a thread of its own: as a task it would wait behind requests while the disk does nothing, and they for it. It ends with the engine,
/// or with the runtime of a node that nobody stopped.
fn start_committer(
    engine: Engine<Embedded>,
    runtime_ended: oneshot::Receiver<()>,
) -> Result<oneshot::Receiver<()>> {
    let (ended, committer) = oneshot::channel();
    let handle = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("emerge-commit".into())
        .spawn(move || {
            handle.block_on(async {
                tokio::select! {
                    ran = engine.run() => if let Err(error) = ran {
                        tracing::error!(%error, "the node no longer owns its store and takes no more changes");
                    },
                    _ = runtime_ended => {}
                }
            });
            drop(engine);
            // Nobody listens when the node was not stopped but dropped.
            let _ = ended.send(());
        })
        .map_err(|error| Error::new(ErrorCode::Unavailable, format!("no thread for commits: {error}")))?;
    Ok(committer)
}

async fn listen(wanted: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        let why = format!("cannot listen on {wanted}: {error}; choose another with {flag}");
        Error::new(ErrorCode::Unavailable, why)
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// A port that was asked for must be free; the one after the main port is only a wish.
async fn listen_for_notebook(config: &Config, main: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    const FLAG: &str = "--notebook-port";
    let at = |port| SocketAddr::new(config.host, port);
    match config.notebook_port {
        Some(port) => listen(at(port), FLAG).await,
        None if config.port == 0 => listen(at(0), FLAG).await,
        None => match listen(at(main.port().checked_add(1).unwrap_or(0)), FLAG).await {
            Ok(listening) => Ok(listening),
            Err(error) => {
                tracing::info!(%error, "the notebook takes a free port");
                listen(at(0), FLAG).await
            }
        },
    }
}

impl RunningNode {
    /// The end of a scheme: with TLS it is another.
    fn s(&self) -> &'static str {
        if self.secure { "s" } else { "" }
    }

    /// The link that opens the explorer page, token included.
    pub fn link(&self) -> String {
        format!("http{}://{}/?token={}", self.s(), self.address, self.token)
    }

    /// The link that opens the notebook page. Its token is in the fragment, which no server ever sees.
    pub fn notebook_link(&self) -> String {
        format!("http{}://{}/#token={}", self.s(), self.notebook_address, self.notebook_token)
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("ws{}://{}", self.s(), self.address)
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
        self.notebook_server.abort();
        let flushed = self.node.engine().shutdown().await;
        // It ends with the engine, whose folder may be opened again after this.
        if tokio::time::timeout(DRAIN, self.committer).await.is_err() {
            tracing::warn!("the store is still being written");
        }
        self.collector.abort();
        if let Some(certificate) = self.certificate {
            certificate.abort();
        }
        flushed
    }
}

/// The clock of this shell: microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
