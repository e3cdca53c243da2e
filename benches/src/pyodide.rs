//! Python in the browser: Pyodide in a worker of a real page, against the JavaScript client or `json` in the same worker.

use crate::Measured;
use crate::page::{figures, text};
use crate::report::{Answer, numbers};
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value as Figures;
use std::path::PathBuf;

/// What the node's notebook serves: Pyodide and the package's wheel.
fn notebook() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../www/dist/notebook"))
}

/// Milliseconds from the import of the package to the first reply, in a Python that runs.
pub(crate) async fn start(runs: usize) -> Measured {
    let seconds = numbers(&ask("start", runs).await?, "ours", runs)?;
    let note = "ms from `import emerge` to the first reply, the wheel installed".to_owned();
    Ok(Answer { runs: seconds.iter().map(|seconds| seconds * 1000.0).collect(), note })
}

/// One question of `pyodide.py` that has a peer; `what` says what both sides did.
pub(crate) async fn compare(question: &str, what: &str, runs: usize) -> Measured {
    Answer::of_sides(&ask(question, runs).await?, what, runs)
}

async fn ask(question: &str, runs: usize) -> Result<Figures, String> {
    let wheel = std::fs::read_dir(notebook().join("wheels"))
        .map_err(|error| format!("there is no wheel: {error}"))?
        .flatten()
        .find_map(|entry| entry.file_name().into_string().ok().filter(|name| name.starts_with("emerge-")))
        .ok_or("there is no wheel of the package; run: cargo xtask build")?;
    let routes = Router::new()
        .route("/bench/", get(async || text("text/html", include_str!("pyodide.html"))))
        .route("/bench/pyodide.js", get(async || text("text/javascript", include_str!("pyodide.js"))))
        .route(
            "/bench/pyodide_worker.js",
            get(async || text("text/javascript", include_str!("pyodide_worker.js"))),
        )
        .route("/bench/pyodide.py", get(async || text("text/x-python", include_str!("pyodide.py"))))
        .route("/bench/pyodide/{file}", get(file));
    figures(routes, &format!("question={question}&runs={runs}&wheel={wheel}")).await
}

/// A file of Pyodide, or the wheel.
async fn file(Path(name): Path<String>) -> Response {
    let kind = match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("mjs") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    // A name of one segment, so that it names nothing outside these folders.
    for folder in ["pyodide", "wheels"] {
        if let Ok(bytes) = tokio::fs::read(notebook().join(folder).join(&name)).await {
            return ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=3600")], bytes)
                .into_response();
        }
    }
    StatusCode::NOT_FOUND.into_response()
}
