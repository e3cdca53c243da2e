//! Python in the browser: Pyodide in a worker of a real page, against the JavaScript client or `json` in the same worker.

use crate::Measured;
use crate::chromium::Chromium;
use crate::page_gets::page;
use crate::report::{Answer, median};
use crate::setting::{Setting, fill};
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value as Figures;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

const OBJECTS: u64 = 1000;

/// What the node's notebook serves: Pyodide and the package's wheel.
fn notebook() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../www/dist/notebook"))
}

/// Milliseconds from the import of the package to the first reply, in a Python that runs.
pub(crate) async fn start(runs: usize) -> Measured {
    let (ours, _) = ask("start", runs).await?;
    let note = "ms from `import emerge` to the first reply, the wheel installed".to_owned();
    Ok(Answer { runs: ours.iter().map(|seconds| seconds * 1000.0).collect(), note })
}

/// One question of `pyodide.py` that has a peer; `what` says what both sides did.
pub(crate) async fn compare(question: &str, what: &str, runs: usize) -> Measured {
    let (ours, theirs) = ask(question, runs).await?;
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    Ok(Answer {
        runs: ratios,
        note: format!("{:.0} against {:.0} a second: {what}", median(&ours), median(&theirs)),
    })
}

async fn ask(question: &str, runs: usize) -> Result<(Vec<f64>, Vec<f64>), String> {
    let wheel = std::fs::read_dir(notebook().join("wheels"))
        .map_err(|error| format!("there is no wheel: {error}"))?
        .flatten()
        .find_map(|entry| entry.file_name().into_string().ok().filter(|name| name.starts_with("emerge-")))
        .ok_or("there is no wheel of the package; run: cargo xtask build")?;
    let (sender, mut receiver) = mpsc::channel::<Figures>(1);
    let routes = Router::new()
        .route("/bench/", get(async || page("text/html", include_str!("pyodide.html"))))
        .route("/bench/pyodide.js", get(async || page("text/javascript", include_str!("pyodide.js"))))
        .route(
            "/bench/pyodide_worker.js",
            get(async || page("text/javascript", include_str!("pyodide_worker.js"))),
        )
        .route("/bench/pyodide.py", get(async || page("text/x-python", include_str!("pyodide.py"))))
        .route("/bench/pyodide/{file}", get(file))
        .route(
            "/bench/figures",
            post(async move |Json(figures): Json<Figures>| {
                // The receiver is gone when the question has been given up.
                let _ = sender.send(figures).await;
            }),
        );
    let setting = Setting::new(routes).await?;
    fill(&setting, OBJECTS).await?;
    let link = format!(
        "http://{}/bench/?token={}&question={question}&runs={runs}&objects={OBJECTS}&wheel={wheel}",
        setting.node.address, setting.node.token
    );
    let chromium = Chromium::open(&link)?;
    let figures = tokio::time::timeout(Duration::from_secs(300), receiver.recv()).await;
    chromium.close().await?;
    setting.stop().await?;
    let figures = figures.ok().flatten().ok_or("the page gave no figures within five minutes")?;
    if let Some(error) = figures["error"].as_str() {
        return Err(format!("the page failed: {error}"));
    }
    let numbers = |key: &str| -> Vec<f64> {
        figures[key].as_array().into_iter().flatten().filter_map(Figures::as_f64).collect()
    };
    let ours = numbers("ours");
    if ours.len() < runs {
        return Err(format!("the page gave {} figures of {runs}", ours.len()));
    }
    Ok((ours, numbers("theirs")))
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
