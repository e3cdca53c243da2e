//! Gets by a native client on one connection, 64 in flight, random keys, against redis-benchmark's GET.

use crate::Measured;
use crate::redis::Redis;
use crate::report::Answer;
use crate::setting::{Setting, fill, path, text};
use axum::Router;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::time::Instant;

const KEYS: u64 = 100_000;
const GETS: usize = 200_000;
const IN_FLIGHT: usize = 64;

pub(crate) async fn measure(runs: usize) -> Measured {
    let redis = Redis::start(KEYS).await?;
    let setting = Setting::new(Router::new()).await?;
    fill(&setting, KEYS).await?;
    let client = setting.client().await?;
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        let mut rng = fastrand::Rng::with_seed(run as u64);
        let mut next = || path(rng.u64(0..KEYS));
        let begun = Instant::now();
        let mut flight = FuturesUnordered::new();
        let mut sent = 0;
        let mut bytes = 0usize;
        while sent < GETS || !flight.is_empty() {
            while sent < GETS && flight.len() < IN_FLIGHT {
                let (client, path) = (client.clone(), next()?);
                flight.push(async move { client.get(&path, None).await });
                sent += 1;
            }
            if let Some(fetched) = flight.next().await {
                bytes += fetched.map_err(text)?.state.len();
            }
        }
        if bytes != GETS * 200 {
            return Err(format!("{GETS} gets gave {bytes} bytes"));
        }
        let ours = GETS as f64 / begun.elapsed().as_secs_f64();
        let theirs = redis.gets_per_second(KEYS, 5 * GETS).await?;
        // The first pair warms both sides up.
        if run > 0 {
            ratios.push(ours / theirs);
            rates = (ours, theirs);
        }
    }
    client.close().await;
    setting.stop().await?;
    redis.stop().await?;
    Ok(Answer {
        runs: ratios,
        note: format!("{:.0} gets/s against redis-benchmark -c 1 -P 64 {:.0}/s, 200 bytes", rates.0, rates.1),
    })
}
