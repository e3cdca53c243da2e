//! Gets by a page, against a raw WebSocket echo between the same page and the same server.

use crate::Measured;
use crate::page::{figures, text};
use crate::report::{Answer, median, numbers};
use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::IntoResponse;
use axum::routing::get;

pub(crate) async fn one_at_a_time(runs: usize) -> Measured {
    measure(runs, 1).await
}

pub(crate) async fn in_flight(runs: usize) -> Measured {
    measure(runs, 64).await
}

async fn measure(runs: usize, depth: usize) -> Measured {
    let routes = Router::new()
        .route("/bench/echo", get(echo))
        .route("/bench/", get(async || text("text/html", include_str!("page.html"))))
        .route("/bench/page.js", get(async || text("text/javascript", include_str!("page.js"))));
    let figures = figures(routes, &format!("runs={runs}&depth={depth}")).await?;
    let (gets, echoes) = (numbers(&figures, "gets", runs)?, numbers(&figures, "echoes", runs)?);
    let note = format!(
        "{:.0} gets/s against {:.0} echoes/s of 200 bytes, {depth} in flight, no driver",
        median(&gets),
        median(&echoes)
    );
    Ok(Answer { runs: gets.iter().zip(&echoes).map(|(gets, echoes)| gets / echoes).collect(), note })
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
