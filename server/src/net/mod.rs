//! WebSocket and HTTP on one port.

pub(crate) mod guard;
mod http;
mod rest;
pub(crate) mod serve;
mod socket;
pub(crate) mod tls;

use crate::config::Config;
use crate::files;
use crate::token::Tokens;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use emerge_engine::Backend;
use emerge_node::{Authenticator, Node};
use serve::Peer;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The way from this port to the notebook's.
pub(crate) struct NotebookDoor {
    /// The notebook's port.
    pub(crate) port: u16,
    /// Whether it speaks TLS, as this one does then.
    pub(crate) tls: bool,
    /// The notebook's own token, and who may be given it.
    pub(crate) tokens: Arc<Tokens>,
}

/// What every handler shares.
pub(crate) struct Shell<B: Backend> {
    pub(crate) node: Node<B>,
    pub(crate) guard: guard::Guard,
    pub(crate) notebook: NotebookDoor,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl<B: Backend> Shell<B> {
    /// The shell around a node that listens on `address`. When `stopping` turns true, connections are told and end.
    pub(crate) fn new(
        node: Node<B>,
        config: &Config,
        address: SocketAddr,
        notebook: NotebookDoor,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let guard = guard::Guard::new(config, address).with_sibling(notebook.port);
        Arc::new(Self { node, guard, notebook, stopping })
    }
}

/// All that the node serves: WebSocket at `/` and `/ws`, `POST /api`, `/api/watch`, the resources and `/openapi.json`, `/healthz`, the way to `/notebook`,
/// the page's files, and the host's `routes`.
pub(crate) fn router<B: Backend>(shell: Arc<Shell<B>>, routes: Router) -> Router {
    Router::new()
        .route("/", get(page_or_socket::<B>))
        .route("/ws", get(page_or_socket::<B>))
        .route("/api", post(http::api::<B>))
        .route("/api/watch", get(http::watch::<B>))
        .route("/healthz", get(async || "ok\n"))
        .route("/notebook", get(to_notebook::<B>))
        .fallback(get(page))
        .with_state(shell.clone())
        .merge(rest::router(shell.clone()))
        .merge(routes)
        .layer(middleware::from_fn_with_state(shell, guard::check::<B>))
}

async fn page(headers: HeaderMap, uri: Uri) -> Response {
    match rest::nothing_at(&uri) {
        Some(problem) => problem,
        None => files::serve(headers, uri).await,
    }
}

async fn page_or_socket<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    Extension(peer): Extension<Peer>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match upgrade {
        Ok(upgrade) => socket::upgrade(shell, peer, upgrade),
        // Not a WebSocket's handshake: a browser that wants the page.
        Err(_) => files::serve(headers, uri).await,
    }
}

#[derive(serde::Deserialize)]
struct Link {
    token: Option<String>,
}

/// Sends a browser on to the notebook's origin. Whoever shows the administrator's token takes the notebook's along, in the fragment;
/// the administrator's own stays here.
async fn to_notebook<B: Backend + 'static>(
    State(shell): State<Arc<Shell<B>>>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Response {
    let door = &shell.notebook;
    let scheme = if door.tls { "https" } else { "http" };
    let mut to = format!("{scheme}://{}:{}/", guard::name_of(&headers), door.port);
    if link.token.is_some_and(|token| door.tokens.authenticate(&token).is_some_and(|user| user.admin)) {
        to.push_str("#token=");
        to.push_str(&door.tokens.notebook);
    }
    let headers = [
        (header::LOCATION, to.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
