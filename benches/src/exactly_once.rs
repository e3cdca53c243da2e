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
/// A slice of one side's time. Slices are short and many, for what the backend does in the background comes in waves that must meet both sides.
const SLICE: Duration = Duration::from_millis(150);
/// Slices of each side in one run.
const SLICES: usize = 16;

/// Its runs scatter by a tenth, so that it takes more of them than other questions.
pub(crate) async fn measure(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let hash = fill(&setting, 1).await?;
    let number = Arc::new(AtomicU64::new(0));
    // Each task is a session of its own, which lasts.
    let mut sessions: Vec<Session> =
        (0..TASKS).map(|task| Session { id: SessionId::v7(task, [task as u8; 10]), last: 0 }).collect();
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        let mut stored = [0, 0];
        for slice in 0..2 * SLICES {
            // A B B A: the store grows, so that neither side may always come first.
            let keep = matches!(slice % 4, 0 | 3);
            stored[usize::from(keep)] += stores(&setting, hash, &number, &mut sessions, keep).await?;
        }
        let [without, with] = stored.map(|stored| stored as f64 / (SLICE.as_secs_f64() * SLICES as f64));
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

/// A session, and the number of its last request.
#[derive(Clone, Copy)]
struct Session {
    id: SessionId,
    last: u64,
}

/// Stores that were durable within a slice.
async fn stores(
    setting: &Setting,
    hash: ClassHash,
    number: &Arc<AtomicU64>,
    sessions: &mut [Session],
    keep: bool,
) -> Result<u64, String> {
    let begun = Instant::now();
    let tasks: Vec<_> = sessions
        .iter()
        .map(|&session| {
            let (engine, number) = (setting.node.node().engine().clone(), number.clone());
            tokio::spawn(async move {
                let mut seq = session.last;
                while begun.elapsed() < SLICE {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let path = format!("/once/k{number}");
                    let mut tx = engine.begin(Principal::admin(), 1_800_000_000_000_000, number);
                    let stored = tx
                        .store(&path.as_str().into(), hash, &state(number), StoreMode::Create, None, &[])
                        .await;
                    let reply = emerge_proto::class::encode(&stored.map_err(text)?);
                    seq += 1;
                    let outcome = keep.then(|| Outcome {
                        session: session.id,
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
    for (session, task) in sessions.iter_mut().zip(tasks) {
        let last: u64 = task.await.map_err(text)??;
        stored += last - session.last;
        if keep {
            session.last = last;
        }
    }
    Ok(stored)
}
