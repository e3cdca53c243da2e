//! What every backend must do.

use crate::backend::{Backend, BackendError, CommitRecord, Key, Write};
use crate::random::Random;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Checks a backend. `open` opens the same store each time, an empty one at first; what was opened before has been
/// dropped.
pub async fn backend_suite<B: Backend>(open: impl AsyncFn() -> B) {
    empty_store(&open().await).await;
    reads_and_writes(&open().await).await;
    ranges(&open().await).await;
    records_are_idempotent(&open().await).await;
    sizes(&open().await).await;
    fences(&open).await;
    durable_over_reopening(&open).await;
    like_a_map(&open).await;
}

fn key(bytes: impl AsRef<[u8]>) -> Key {
    Key::from(bytes.as_ref())
}

fn put(at: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    Write { key: key(at), value: Some(Bytes::copy_from_slice(value.as_ref())) }
}

fn delete(at: impl AsRef<[u8]>) -> Write {
    Write { key: key(at), value: None }
}

fn record(mut writes: Vec<Write>) -> CommitRecord {
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    CommitRecord { writes }
}

async fn all<B: Backend>(backend: &B) -> Vec<(Key, Bytes)> {
    backend.scan(key([])..key([0xff; 40]), usize::MAX).await.unwrap()
}

/// Deletes everything, so that each check begins with nothing.
async fn clear<B: Backend>(backend: &B) -> u64 {
    let fence = backend.claim().await.unwrap();
    let writes = all(backend).await.into_iter().map(|(key, _)| Write { key, value: None }).collect();
    backend.commit(record(writes), fence).await.unwrap();
    assert!(all(backend).await.is_empty());
    fence
}

async fn empty_store<B: Backend>(backend: &B) {
    assert_eq!(backend.get_many(&[]).await.unwrap(), []);
    assert_eq!(backend.get_many(&[key("a"), key("")]).await.unwrap(), [None, None]);
    assert!(all(backend).await.is_empty());
    let refused = backend.commit(record(vec![put("a", "1")]), u64::MAX).await;
    assert!(matches!(refused, Err(BackendError::Fenced { .. })), "{refused:?}");
    assert!(all(backend).await.is_empty());
}

async fn reads_and_writes<B: Backend>(backend: &B) {
    let fence = clear(backend).await;
    let writes = vec![put("a", "1"), put("b", ""), put([0, 0xff, 0], [0xff; 3]), put([0xff; 30], "end")];
    backend.commit(record(writes), fence).await.unwrap();
    let asked = [key("b"), key("missing"), key("a"), key([0, 0xff, 0]), key("a"), key("aa"), key([0xff; 30])];
    let got = backend.get_many(&asked).await.unwrap();
    let some = |value: &[u8]| Some(Bytes::copy_from_slice(value));
    let one = some(b"1");
    assert_eq!(got, [some(b""), None, one.clone(), some(&[0xff; 3]), one, None, some(b"end")]);
    backend.commit(record(vec![delete("a"), put("b", "2"), delete("missing")]), fence).await.unwrap();
    assert_eq!(backend.get_many(&[key("a"), key("b")]).await.unwrap(), [None, some(b"2")]);
    backend.commit(CommitRecord::default(), fence).await.unwrap();
}

async fn ranges<B: Backend>(backend: &B) {
    let fence = clear(backend).await;
    let mut keys: Vec<Vec<u8>> = vec![
        vec![1],
        vec![1, 0],
        vec![1, 0, 0],
        vec![1, 1],
        vec![1, 0xff],
        vec![1, 0xff, 0xff],
        vec![2],
        vec![2, 0],
    ];
    backend.commit(record(keys.iter().rev().map(|at| put(at, at)).collect()), fence).await.unwrap();
    keys.sort();
    let scan = async |start: &[u8], end: &[u8], limit: usize| {
        let found = backend.scan(key(start)..key(end), limit).await.unwrap();
        let mut back = backend.scan_back(key(start)..key(end), usize::MAX).await.unwrap();
        back.reverse();
        assert_eq!(back[..limit.min(back.len())], found[..], "the same from the end");
        assert!(found.iter().all(|(key, value)| key[..] == value[..]), "each key with its own value");
        found.into_iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(scan(&[1], &[2], 100).await, keys[..6], "the start is included, the end is not");
    assert_eq!(scan(&[1, 0, 1], &[1, 0xff, 0], usize::MAX).await, keys[3..5]);
    assert_eq!(scan(&[0], &[9], 3).await, keys[..3]);
    assert_eq!(scan(&[1], &[1], 9).await, keys[..0]);
    assert_eq!(scan(&[2], &[1], 9).await, keys[..0], "a range that ends before it starts is empty");
    assert_eq!(scan(&[1], &[9], 0).await, keys[..0]);
    backend.commit(record(vec![delete([1, 0]), put([1, 5], [1, 5])]), fence).await.unwrap();
    assert_eq!(scan(&[1], &[1, 0xff], 3).await, [vec![1], vec![1, 0, 0], vec![1, 1]]);
}

async fn records_are_idempotent<B: Backend>(backend: &B) {
    let fence = clear(backend).await;
    backend.commit(record(vec![put("gone", "x")]), fence).await.unwrap();
    let twice = record(vec![put("a", "1"), put("b", "2"), delete("gone")]);
    backend.commit(twice.clone(), fence).await.unwrap();
    let once = all(backend).await;
    backend.commit(twice, fence).await.unwrap();
    assert_eq!(all(backend).await, once);
}

async fn sizes<B: Backend>(backend: &B) {
    let fence = clear(backend).await;
    let limits = backend.limits();
    let large = vec![7; limits.max_value.min(1024 * 1024)];
    backend.commit(record(vec![put("large", &large)]), fence).await.unwrap();
    let got = backend.get_many(&[key("large")]).await.unwrap();
    assert_eq!(got[0].as_deref(), Some(&large[..]));
    let many = (0..5_000u32).map(|at| put(at.to_be_bytes(), [at as u8; 20])).collect();
    backend.commit(record(many), fence).await.unwrap();
    let found = backend.scan(key([])..key(5_000u32.to_be_bytes()), 10_000).await.unwrap();
    assert_eq!(found.len(), 5_000);
    assert!(found.iter().enumerate().all(|(at, (key, _))| key[..] == (at as u32).to_be_bytes()));
    if limits.max_value < 100 * 1024 * 1024 {
        let before = all(backend).await.len();
        let too_large = record(vec![put("beside", "1"), put("too large", vec![0; limits.max_value + 1])]);
        let refused = backend.commit(too_large, fence).await;
        assert!(matches!(refused, Err(BackendError::TooLarge { .. })), "{refused:?}");
        assert_eq!(all(backend).await.len(), before);
    }
}

async fn fences<B: Backend>(open: &impl AsyncFn() -> B) {
    let backend = open().await;
    let first = clear(&backend).await;
    backend.commit(record(vec![put("a", "first")]), first).await.unwrap();
    let second = backend.claim().await.unwrap();
    assert!(second > first);
    let late = backend.commit(record(vec![put("a", "late"), put("b", "late")]), first).await;
    assert_eq!(late, Err(BackendError::Fenced { presented: first, current: second }));
    assert_eq!(all(&backend).await, [(key("a"), Bytes::from_static(b"first"))]);
    backend.commit(record(vec![put("a", "second")]), second).await.unwrap();
    drop(backend);
    let backend = open().await;
    let third = backend.claim().await.unwrap();
    assert!(third > second, "a fence is never given twice, also after reopening");
    let late = backend.commit(record(vec![delete("a")]), second).await;
    assert!(matches!(late, Err(BackendError::Fenced { .. })), "{late:?}");
    assert_eq!(all(&backend).await, [(key("a"), Bytes::from_static(b"second"))]);
}

async fn durable_over_reopening<B: Backend>(open: &impl AsyncFn() -> B) {
    let backend = open().await;
    let mut fence = clear(&backend).await;
    drop(backend);
    for round in 0..5u8 {
        let backend = open().await;
        if round > 0 {
            let value = backend.get_many(&[key("round"), key([round - 1])]).await.unwrap();
            assert_eq!(value[0].as_deref(), Some(&[round - 1][..]));
            assert_eq!(value[1].as_deref(), Some(&b"kept"[..]));
            fence = backend.claim().await.unwrap();
        } else {
            fence = fence.max(backend.claim().await.unwrap());
        }
        backend.commit(record(vec![put("round", [round]), put([round], "kept")]), fence).await.unwrap();
    }
}

async fn like_a_map<B: Backend>(open: &impl AsyncFn() -> B) {
    let mut random = Random(7);
    let mut model: BTreeMap<Key, Bytes> = BTreeMap::new();
    let mut backend = open().await;
    let mut fence = clear(&backend).await;
    for step in 0..300 {
        let mut writes = BTreeMap::new();
        for _ in 0..random.below(8) {
            let length = random.below(4) as usize;
            let at: Vec<u8> = (0..=length).map(|_| [0, 1, b'a', 0xff][random.below(4) as usize]).collect();
            let value =
                (random.below(3) > 0).then(|| Bytes::from(vec![step as u8; random.below(40) as usize]));
            writes.insert(key(at), value);
        }
        for (key, value) in &writes {
            match value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(key),
            };
        }
        let writes = writes.into_iter().map(|(key, value)| Write { key, value }).collect();
        backend.commit(CommitRecord { writes }, fence).await.unwrap();
        if random.below(40) == 0 {
            drop(backend);
            backend = open().await;
            fence = backend.claim().await.unwrap();
        }
        let (from, to) = (key([random.below(256) as u8]), key([random.below(256) as u8, 0xff]));
        let limit = random.below(20) as usize;
        let found = backend.scan(from.clone()..to.clone(), limit).await.unwrap();
        let back = backend.scan_back(from.clone()..to.clone(), limit).await.unwrap();
        let mut shown = Vec::new();
        let mut see = |at: &[u8], value: &[u8]| shown.push((key(at), Bytes::copy_from_slice(value)));
        backend.show(from.clone()..to.clone(), limit, &mut see).await.unwrap();
        assert_eq!(shown, found);
        let expected: Vec<(Key, Bytes)> = if from < to {
            model.range(from..to).map(|(key, value)| (key.clone(), value.clone())).collect()
        } else {
            Vec::new()
        };
        assert_eq!(found, expected[..limit.min(expected.len())]);
        assert_eq!(back, expected.into_iter().rev().take(limit).collect::<Vec<_>>());
    }
    assert_eq!(all(&backend).await, model.into_iter().collect::<Vec<_>>());
}
