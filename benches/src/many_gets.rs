//! Gets by path where many objects lie, against gets where few do; by a native client, one at a time.

use crate::Measured;
use crate::report::{Answer, median};
use crate::setting::{Setting, fill, path, text};
use axum::Router;
use std::time::Instant;

const MANY: u64 = 1_000_000;
const FEW: u64 = 1000;
/// Gets of one run, on each side.
const GETS: u64 = 2000;

/// How many times as long a get takes with many objects, by the medians.
pub(crate) async fn measure(runs: usize) -> Measured {
    let (many, few) = (Setting::new(Router::new()).await?, Setting::new(Router::new()).await?);
    fill(&many, MANY).await?;
    fill(&few, FEW).await?;
    let clients = [(many.client().await?, MANY), (few.client().await?, FEW)];
    let mut ratios = Vec::new();
    let mut medians = [0.0; 2];
    for run in 0..=runs as u64 {
        let mut times = [const { Vec::new() }; 2];
        for number in 0..GETS {
            for ((client, objects), times) in clients.iter().zip(&mut times) {
                // All over the store, and not twice the same.
                let path = path((run * GETS + number) * 7919 % objects)?;
                let begun = Instant::now();
                client.get(&path, None).await.map_err(text)?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        // The first warms both sides up.
        if run > 0 {
            medians = times.map(|times| median(&times));
            ratios.push(medians[0] / medians[1]);
        }
    }
    for (client, _) in clients {
        client.close().await;
    }
    many.stop().await?;
    few.stop().await?;
    let note = format!("{:.0} µs among {MANY}, {:.0} µs among {FEW}, p50", medians[0], medians[1]);
    Ok(Answer { runs: ratios, note })
}
