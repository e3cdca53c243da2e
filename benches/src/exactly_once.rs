//! Durable stores with their outcomes kept, against the same without: 64 tasks on the engine itself.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, fill, state, text};
use axum::Router;
use emerge_engine::{Outcome, Principal};
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, SessionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TASKS: u64 = 64;
const FOR: Duration = Duration::from_millis(1500);

pub(crate) async fn measure(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let hash = fill(&setting, 1).await?;
    let number = Arc::new(AtomicU64::new(0));
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        // Which side goes first alternates, since the store grows.
        let first = run % 2 == 0;
        let one = stores_per_second(&setting, hash, &number, first).await?;
        let other = stores_per_second(&setting, hash, &number, !first).await?;
        let (with, without) = if first { (one, other) } else { (other, one) };
        if run > 0 {
            ratios.push(with / without);
            rates = (with, without);
        }
    }
    setting.stop().await?;
    Ok(Answer {
        runs: ratios,
        note: format!("{:.0} stores/s with outcomes against {:.0}/s without", rates.0, rates.1),
    })
}

async fn stores_per_second(
    setting: &Setting,
    hash: ClassHash,
    number: &Arc<AtomicU64>,
    keep: bool,
) -> Result<f64, String> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (engine, number) = (setting.node.node().engine().clone(), number.clone());
            tokio::spawn(async move {
                let mut random = [task as u8; 10];
                random[1..9].copy_from_slice(&number.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                let session = SessionId::v7(1_800_000_000_000, random);
                let mut seq = 0;
                while begun.elapsed() < FOR {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let path = format!("/once/k{number}");
                    let mut tx = engine.begin(Principal::admin(), 1_800_000_000_000_000, number);
                    let stored = tx
                        .store(&path.as_str().into(), hash, &state(number), StoreMode::Create, None, &[])
                        .await;
                    let reply = emerge_proto::class::encode(&stored.map_err(text)?);
                    seq += 1;
                    let outcome = keep.then(|| Outcome {
                        session,
                        seq,
                        part: String::new(),
                        user: "admin".into(),
                        acknowledged: seq - 1,
                        reply,
                    });
                    match tx.commit(outcome).await {
                        Ok(commit) => engine.durable(commit.number).await.map_err(text)?,
                        Err(emerge_engine::CommitError::Conflict) => seq -= 1,
                        Err(emerge_engine::CommitError::Error(error)) => return Err(text(error)),
                    }
                }
                Ok(seq)
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += task.await.map_err(text)??;
    }
    Ok(stored as f64 / begun.elapsed().as_secs_f64())
}
