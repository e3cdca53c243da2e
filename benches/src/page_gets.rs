//! Gets by a page, against a raw WebSocket echo between the same page and the same server.

use crate::Measured;
use crate::chromium::Chromium;
use crate::report::{Answer, median};
use crate::setting::{Setting, fill};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value as Figures;
use std::time::Duration;
use tokio::sync::mpsc;

const OBJECTS: u64 = 1000;

pub(crate) async fn one_at_a_time(runs: usize) -> Measured {
    measure(runs, 1).await
}

pub(crate) async fn in_flight(runs: usize) -> Measured {
    measure(runs, 64).await
}

async fn measure(runs: usize, depth: usize) -> Measured {
    let (sender, mut receiver) = mpsc::channel::<Figures>(1);
    let routes = Router::new()
        .route("/bench/echo", get(echo))
        .route("/bench/", get(async || page("text/html", include_str!("page.html"))))
        .route("/bench/page.js", get(async || page("text/javascript", include_str!("page.js"))))
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
        "http://{}/bench/?token={}&runs={runs}&depth={depth}&objects={OBJECTS}",
        setting.node.address, setting.node.token
    );
    let chromium = Chromium::open(&link)?;
    let figures = tokio::time::timeout(Duration::from_secs(180), receiver.recv()).await;
    chromium.close().await?;
    setting.stop().await?;
    let figures = figures.ok().flatten().ok_or("the page gave no figures within three minutes")?;
    if let Some(error) = figures["error"].as_str() {
        return Err(format!("the page failed: {error}"));
    }
    let numbers = |key: &str| -> Vec<f64> {
        figures[key].as_array().into_iter().flatten().filter_map(Figures::as_f64).collect()
    };
    let (gets, echoes) = (numbers("gets"), numbers("echoes"));
    let ratios: Vec<f64> = gets.iter().zip(&echoes).map(|(gets, echoes)| gets / echoes).collect();
    if ratios.len() < runs {
        return Err(format!("the page gave {} figures of {runs}", ratios.len()));
    }
    let note = format!(
        "{:.0} gets/s against {:.0} echoes/s of 200 bytes, {depth} in flight, no driver",
        median(&gets),
        median(&echoes)
    );
    Ok(Answer { runs: ratios, note })
}

/// A text of the bench's own page.
pub(crate) fn page(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.write_buffer_size(0).on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Binary(bytes) = message
                && socket.send(Message::Binary(bytes)).await.is_err()
            {
                return;
            }
        }
    })
}
