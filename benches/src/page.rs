//! A question that a page answers: it runs in Chromium against a node of its own, and posts its figures.

use crate::chromium::Chromium;
use crate::setting::{Setting, fill};
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value as Figures;
use std::time::Duration;
use tokio::sync::mpsc;

/// Objects on the node.
const OBJECTS: u64 = 1000;
/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(300);

/// What a page of ours may do: the node lets a page do nothing that does not say so itself. Pyodide evaluates text.
const POLICY: &str = "default-src 'self' ws:; script-src 'self' 'unsafe-eval'; worker-src 'self'";

/// Opens `/bench/` of `routes` with `query`, and gives the figures that it posts to `/bench/figures`.
pub(crate) async fn figures(routes: Router, query: &str) -> Result<Figures, String> {
    figures_among(OBJECTS, routes, query, async |_| Ok(())).await
}

/// The same with so many objects, and something to do on the node before the page opens.
pub(crate) async fn figures_among(
    objects: u64,
    routes: Router,
    query: &str,
    ready: impl AsyncFnOnce(&Setting) -> Result<(), String>,
) -> Result<Figures, String> {
    let (sender, mut receiver) = mpsc::channel::<Figures>(1);
    let routes = routes
        .route("/bench/figures.js", get(async || text("text/javascript", include_str!("figures.js"))))
        .route(
            "/bench/figures",
            post(async move |Json(figures): Json<Figures>| {
                // The receiver is gone when the question has been given up.
                let _ = sender.send(figures).await;
            }),
        )
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        }));
    let setting = Setting::new(routes).await?;
    fill(&setting, objects).await?;
    ready(&setting).await?;
    let (address, token) = (setting.node.address, &setting.node.token);
    let chromium =
        Chromium::open(&format!("http://{address}/bench/?token={token}&objects={objects}&{query}"))?;
    let figures = tokio::time::timeout(LIMIT, receiver.recv()).await;
    chromium.close().await?;
    setting.stop().await?;
    let figures = figures.ok().flatten().ok_or("the page gave no figures within five minutes")?;
    match figures["error"].as_str() {
        Some(error) => Err(format!("the page failed: {error}")),
        None => Ok(figures),
    }
}

/// A text of the page.
pub(crate) fn text(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}
