//! A listing with properties, all pages, by a page; against a raw WebSocket stream of the same bytes to it.

use crate::Measured;
use crate::page::{figures_among, text};
use crate::report::{Answer, median, numbers};
use crate::setting;
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::get;
use emerge_engine::Principal;
use emerge_proto::Op;
use emerge_proto::class::decode;
use emerge_proto::record::Page;
use std::sync::{Arc, OnceLock};

const MEMBERS: u64 = 10_000;

pub(crate) async fn measure(runs: usize) -> Measured {
    // The replies to the requests for the pages, one message each.
    let pages: Arc<OnceLock<Vec<Bytes>>> = Arc::default();
    let sent = Arc::clone(&pages);
    let raw = async move |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |mut socket| {
            // Each message of the client asks for all of them.
            while let Some(Ok(Message::Binary(_))) = socket.recv().await {
                for page in sent.get().into_iter().flatten() {
                    if socket.send(Message::Binary(page.clone())).await.is_err() {
                        return;
                    }
                }
            }
        })
    };
    let routes = Router::new()
        .route("/bench/stream", get(raw))
        .route("/bench/", get(async || text("text/html", include_str!("page.html"))))
        .route("/bench/page.js", get(async || text("text/javascript", include_str!("listing.js"))));
    let known = Arc::clone(&pages);
    let figures = figures_among(MEMBERS, routes, &format!("runs={runs}"), async move |setting| {
        let mut replies = Vec::new();
        let mut after = None;
        loop {
            let op = Op::List {
                path: "/bench".into(),
                after: after.take(),
                limit: None,
                glob: None,
                sort: None,
                descending: None,
            };
            let reply =
                setting.node.node().execute(&Principal::admin(), op, 0).await.map_err(setting::text)?;
            after = decode::<Page>(&reply).map_err(setting::text)?.next;
            replies.push(Bytes::from(reply));
            if after.is_none() {
                break;
            }
        }
        known.set(replies).map_err(|_| "the pages are known already".to_owned())
    })
    .await?;
    let (lists, streams) = (numbers(&figures, "lists", runs)?, numbers(&figures, "streams", runs)?);
    let bytes: usize = pages.get().into_iter().flatten().map(Bytes::len).sum();
    let note = format!(
        "{:.1} ms for {MEMBERS} members with properties, {:.1} ms for a raw stream of their {} KB",
        median(&lists),
        median(&streams),
        bytes / 1000
    );
    Ok(Answer { runs: lists.iter().zip(&streams).map(|(lists, streams)| streams / lists).collect(), note })
}
