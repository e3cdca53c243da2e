//! Bytes on disk for each object, after 10,000 stores of 200 bytes in ten fields and a compaction: what the store takes then more than an empty
//! one, whose journal is allocated ahead at a fixed size.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, class, path, state, text};
use axum::Router;
use emerge_proto::op::StoreMode;
use emerge_server::backend::embedded::Embedded;
use std::path::Path;

const OBJECTS: u64 = 10_000;

pub(crate) async fn measure(runs: usize) -> Measured {
    let mut figures = Vec::new();
    let mut empty = 0;
    for _ in 0..runs {
        let setting = Setting::new(Router::new()).await?;
        let client = setting.client().await?;
        let hash = client.put_class(&class()).await.map_err(text)?.hash;
        let stores =
            (0..OBJECTS).map(|number| {
                let client = client.clone();
                async move {
                    client.store(&path(number)?, hash, state(number), StoreMode::Create).await.map_err(text)
                }
            });
        let mut stores = futures_util::StreamExt::buffer_unordered(futures_util::stream::iter(stores), 64);
        while let Some(stored) = futures_util::StreamExt::next(&mut stores).await {
            stored?;
        }
        drop(stores);
        client.close().await;
        let Setting { node, folder } = setting;
        node.stop().await.map_err(text)?;
        let fresh = tempfile::tempdir().map_err(text)?;
        empty = compacted(fresh.path())?;
        let full = compacted(&folder.path().join("store"))?;
        figures.push(full.saturating_sub(empty) as f64 / OBJECTS as f64);
    }
    Ok(Answer {
        runs: figures,
        note: format!("bytes for each of {OBJECTS} objects beyond an empty store's {} KB", empty / 1024),
    })
}

/// Bytes that a store takes once it is compacted and closed.
fn compacted(store: &Path) -> Result<u64, String> {
    let embedded = Embedded::open(store).map_err(text)?;
    embedded.compact().map_err(text)?;
    drop(embedded);
    size(store).map_err(text)
}

/// Bytes that a folder takes on the disk: blocks, so that holes do not count.
fn size(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.blocks() * 512 };
    }
    Ok(bytes)
}
