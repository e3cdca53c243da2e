//! WebSocket and HTTP on one port.

mod guard;
mod http;
mod socket;

use crate::config::Config;
use crate::files;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::Uri;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use emerge_engine::Backend;
use emerge_node::Node;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What every handler shares.
pub(crate) struct Shell<B: Backend> {
    pub(crate) node: Node<B>,
    pub(crate) guard: guard::Guard,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl<B: Backend> Shell<B> {
    /// The shell around a node that listens on `address`. When `stopping` turns true, connections are told and end.
    pub(crate) fn new(
        node: Node<B>,
        config: &Config,
        address: SocketAddr,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { node, guard: guard::Guard::new(config, address), stopping })
    }
}

/// All that the node serves: WebSocket at `/` and `/ws`, `POST /api`, `/healthz`, the page's files, and the host's `routes`.
pub(crate) fn router<B: Backend>(shell: Arc<Shell<B>>, routes: Router) -> Router {
    Router::new()
        .route("/", get(page_or_socket::<B>))
        .route("/ws", get(page_or_socket::<B>))
        .route("/api", post(http::api::<B>))
        .route("/healthz", get(async || "ok\n"))
        .fallback(get(files::serve))
        .with_state(shell.clone())
        .merge(routes)
        .layer(middleware::from_fn_with_state(shell, guard::check::<B>))
}

async fn page_or_socket<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    uri: Uri,
) -> Response {
    match upgrade {
        Ok(upgrade) => socket::upgrade(shell, upgrade),
        // Not a WebSocket's handshake: a browser that wants the page.
        Err(_) => files::serve(uri).await,
    }
}
