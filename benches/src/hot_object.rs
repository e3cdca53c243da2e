//! Increments of one object by a method: by many writers at a time, against one. None may be lost.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, text};
use axum::Router;
use emerge_client::native::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassSource, FieldDecl, FieldType, Language, Path, Value};
use futures_util::future::try_join_all;
use std::time::Instant;

const WRITERS: usize = 16;
const INCREMENTS: i64 = 1000;

pub(crate) async fn measure(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let mut clients = Vec::new();
    for _ in 0..WRITERS {
        clients.push(setting.client().await?);
    }
    let class = ClassSource {
        name: "Counter".into(),
        language: Language::JavaScript,
        source: "class Counter extends EmergeObject { add() { this.value += 1; } }".into(),
        bases: Vec::new(),
        fields: vec![FieldDecl {
            name: "value".into(),
            kind: FieldType::Int,
            default: Some(Value::Int(0).encode()),
            doc: None,
        }],
        doc: None,
        captures: None,
        module: None,
        requires: None,
    };
    let hash = clients[0].put_class(&class).await.map_err(text)?.hash;
    let path = Path::parse("/hot").map_err(text)?;
    let state = Value::Map(vec![("value".into(), Value::Int(0))]).encode();
    clients[0].store(&path, hash, state, StoreMode::Create).await.map_err(text)?;
    let mut total = 0;
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        let alone = rate(&clients[..1], &path).await?;
        let together = rate(&clients, &path).await?;
        total += INCREMENTS * (1 + WRITERS as i64);
        let counted = value(&clients[0], &path).await?;
        if counted != total {
            return Err(format!(
                "{total} increments were acknowledged, and the object has counted {counted}"
            ));
        }
        // The first warms both sides up.
        if run > 0 {
            ratios.push(together / alone);
            rates = (together, alone);
        }
    }
    for client in clients {
        client.close().await;
    }
    setting.stop().await?;
    let note = format!(
        "{:.0} increments/s by {WRITERS} writers, {:.0} by one; all of them counted",
        rates.0, rates.1
    );
    Ok(Answer { runs: ratios, note })
}

/// Increments a second, of all clients together; each waits for one before its next.
async fn rate(clients: &[Client], path: &Path) -> Result<f64, String> {
    let begun = Instant::now();
    try_join_all(clients.iter().map(async |client| {
        for _ in 0..INCREMENTS {
            client.call(path, "add", &[], false).await.map_err(text)?;
        }
        Ok::<_, String>(())
    }))
    .await?;
    Ok(clients.len() as f64 * INCREMENTS as f64 / begun.elapsed().as_secs_f64())
}

async fn value(client: &Client, path: &Path) -> Result<i64, String> {
    let fetched = client.get(path, None).await.map_err(text)?;
    match Value::decode(&fetched.state).map_err(text)? {
        Value::Map(fields) => match fields.first() {
            Some((_, Value::Int(value))) => Ok(*value),
            other => Err(format!("a counter has {other:?}")),
        },
        other => Err(format!("a counter is {other:?}")),
    }
}
