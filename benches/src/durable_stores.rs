//! Durable stores, 64 tasks, against raw `fdatasync` of 512 appended bytes on the same disk.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, class, state, text};
use axum::Router;
use emerge_proto::Path;
use emerge_proto::op::StoreMode;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TASKS: usize = 64;
const FOR: Duration = Duration::from_millis(1500);

pub(crate) async fn measure(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let client = setting.client().await?;
    let hash = client.put_class(&class()).await.map_err(text)?.hash;
    let number = Arc::new(AtomicU64::new(0));
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (client, number) = (client.clone(), number.clone());
                tokio::spawn(async move {
                    let mut stored = 0u64;
                    while begun.elapsed() < FOR {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        let path = Path::parse(&format!("/stores/k{number}"))?;
                        client.store(&path, hash, state(number), StoreMode::Create).await?;
                        stored += 1;
                    }
                    Ok::<_, emerge_proto::Error>(stored)
                })
            })
            .collect();
        let mut stored = 0;
        for task in tasks {
            stored += task.await.map_err(text)?.map_err(text)?;
        }
        let ours = stored as f64 / begun.elapsed().as_secs_f64();
        let file = setting.folder.path().join("fdatasync");
        let theirs = tokio::task::spawn_blocking(move || syncs_per_second(&file)).await.map_err(text)??;
        if run > 0 {
            ratios.push(ours / theirs);
            rates = (ours, theirs);
        }
    }
    client.close().await;
    setting.stop().await?;
    Ok(Answer {
        runs: ratios,
        note: format!("{:.0} stores/s by {TASKS} tasks against {:.0} fdatasync/s", rates.0, rates.1),
    })
}

fn syncs_per_second(file: &std::path::Path) -> Result<f64, String> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).map_err(text)?;
    let begun = Instant::now();
    let mut syncs = 0;
    while begun.elapsed() < FOR {
        file.write_all(&[7; 512]).map_err(text)?;
        file.sync_data().map_err(text)?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / begun.elapsed().as_secs_f64())
}
