//! The notebook page: Pyodide, the page and the Python wheel, on a port and so an origin of their own.
//!
//! The notebook runs its user's programs, so it has neither the explorer's origin nor the administrator's token. Its files (14 MB) are
//! embedded in a release program as the explorer's are, so that one file remains all that is installed; a development build reads them
//! from the folder. Nothing is fetched from elsewhere.

use crate::config::Config;
use crate::files::{Files, body, content_type};
use crate::net::guard::{Guard, name_of, refusal, sources};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use emerge_proto::guard::Guard as Holds;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// The folder of the page's files among all that the node serves.
const FOLDER: &str = "notebook/";

struct Page {
    guard: Guard,
    /// The port of the node's protocol.
    node_port: u16,
    /// Whether it speaks TLS, as this one does then.
    tls: bool,
}

/// What the notebook's port serves: the files, and `/node.json`, which says where the node and the wheel are.
pub(crate) fn router(config: &Config, address: SocketAddr, node_port: u16) -> Router {
    let page = Arc::new(Page { guard: Guard::new(config, address), node_port, tls: config.tls.is_some() });
    Router::new()
        .route("/node.json", get(node))
        .fallback(get(file))
        .with_state(page.clone())
        .layer(middleware::from_fn_with_state(page, check))
}

async fn check(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    if let Err(error) = page.guard.allow(request.headers()) {
        tracing::warn!(%error, "a request to the notebook was refused");
        return refusal(request.headers(), &error);
    }
    let scripts = if request.uri().path() == WORKER { WORKER_SCRIPTS } else { PAGE_SCRIPTS };
    let policy = content_security_policy(scripts, request.headers(), page.node_port);
    let mut response = next.run(request).await;
    if !Holds::Policy.holds() {
        return response;
    }
    let headers: [(HeaderName, &str); 8] = [
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        // Together these isolate the page, and only then has it the shared memory by which a running cell is interrupted.
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The worker in which Python runs. It has no document, and the policy that comes with it alone.
const WORKER: &str = "/assets/worker.js";
/// What Pyodide's `run_js` needs, by which a wheel brings its JavaScript along.
const WORKER_SCRIPTS: &str = "'self' blob: 'wasm-unsafe-eval' 'unsafe-eval'";
const PAGE_SCRIPTS: &str = "'self' 'wasm-unsafe-eval'";

/// What the page and its worker may do: run this origin's scripts and wasm, and talk to this origin and the node. Code in attributes and in `javascript:` links,
/// as rich output from a stranger's object could hold, is forbidden. `data:` and inline styles are for rich output.
fn content_security_policy(scripts: &str, headers: &HeaderMap, node_port: u16) -> String {
    let node = sources(headers, node_port);
    format!(
        "default-src 'none'; script-src {scripts}; worker-src 'self'; \
         style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
         connect-src 'self' {node}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

async fn node(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let wheel =
        Files::iter().find(|name| name.starts_with("notebook/wheels/emerge-") && name.ends_with(".whl"));
    let wheel = wheel.as_deref().and_then(|name| name.strip_prefix(FOLDER)).map(|name| format!("/{name}"));
    let scheme = if page.tls { "wss" } else { "ws" };
    let url = format!("{scheme}://{}:{}", name_of(&headers), page.node_port);
    Json(json!({ "url": url, "wheel": wheel })).into_response()
}

async fn file(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let name = format!("{FOLDER}{}", if path.is_empty() { "index.html" } else { path });
    let Some(file) = Files::get(&name) else {
        let text = if Files::get("notebook/index.html").is_some() {
            format!("There is nothing at /{path} of the notebook.\n")
        } else {
            "This program was built without the notebook; build it with: npm start\n".to_owned()
        };
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
            .into_response();
    };
    let tag: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::CONTENT_TYPE, content_type(&name)), (header::ETAG, tag)], body(file.data)).into_response()
}
