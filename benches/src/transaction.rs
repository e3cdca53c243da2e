//! A transaction of 100 stores, not waited for one by one, against 100 single stores, one after the other; one client.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, class, state, text};
use axum::Router;
use emerge_client::native::{NewObject, STORES_AT_ONCE};
use emerge_proto::Path;
use emerge_proto::op::StoreMode;
use futures_util::stream::StreamExt;
use std::pin::pin;
use std::time::Instant;

const STORES: u64 = 100;
/// Rounds of one run: a store takes about as long as the disk, which is not always as quick.
const ROUNDS: u64 = 5;

pub(crate) async fn measure(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let client = setting.client().await?;
    let hash = client.put_class(&class()).await.map_err(text)?.hash;
    let mut ratios = Vec::new();
    let mut times = (0.0, 0.0);
    for run in 0..=runs as u64 {
        let (mut single, mut together) = (0.0, 0.0);
        for round in 0..ROUNDS {
            let first = (run * ROUNDS + round) * STORES;
            let begun = Instant::now();
            for number in first..first + STORES {
                let path = Path::parse(&format!("/single/k{number}")).map_err(text)?;
                client.store(&path, hash, state(number), StoreMode::Create).await.map_err(text)?;
            }
            single += begun.elapsed().as_secs_f64();
            let objects = (first..first + STORES).map(|number| NewObject {
                path: format!("/together/k{number}").as_str().into(),
                class: hash,
                fields: state(number),
            });
            let begun = Instant::now();
            let tx = client.begin(None, None).await.map_err(text)?;
            let mut stores = pin!(tx.store_all(objects, StoreMode::Create, STORES_AT_ONCE));
            while let Some(stored) = stores.next().await {
                stored.map_err(text)?;
            }
            tx.commit().await.map_err(text)?;
            together += begun.elapsed().as_secs_f64();
        }
        // The first warms both sides up.
        if run > 0 {
            ratios.push(single / together);
            times = (single / ROUNDS as f64, together / ROUNDS as f64);
        }
    }
    client.close().await;
    setting.stop().await?;
    let note = format!(
        "{STORES} single stores {:.1} ms, in one transaction {:.1} ms",
        times.0 * 1000.0,
        times.1 * 1000.0
    );
    Ok(Answer { runs: ratios, note })
}
