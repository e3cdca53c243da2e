//! CPython's client, against redis-py and Pyro5 in the same process.

use crate::Measured;
use crate::redis::Redis;
use crate::report::Answer;
use crate::setting::Setting;
use axum::Router;
use serde_json::Value as Figures;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cpython.py");

/// One question of `cpython.py`; `what` says what both sides did.
pub(crate) async fn measure(question: &str, what: &str, runs: usize) -> Measured {
    let python = std::env::var("EMERGE_BENCH_PYTHON")
        .map_err(|_| "no Python is set up for it; ask it by npm run bench".to_owned())?;
    let redis = Redis::start(1).await?;
    let setting = Setting::new(Router::new()).await?;
    let url = format!("{}?token={}", setting.node.url(), setting.node.token);
    let output = Command::new(python)
        .args([SCRIPT, question, &url, &redis.port().to_string(), &runs.to_string()])
        .output()
        .await
        .map_err(|error| format!("Python does not start: {error}"))?;
    setting.stop().await?;
    redis.stop().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Figures = serde_json::from_str(&said).map_err(|_| {
        let why = String::from_utf8_lossy(&output.stderr);
        format!("Python failed: {}", why.lines().last().unwrap_or_default())
    })?;
    Answer::of_sides(&figures, what, runs)
}
