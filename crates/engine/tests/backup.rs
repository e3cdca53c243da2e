//! A copy that is made while others write is the store as it was after one of the commits, and a store can be made of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use bytes::Bytes;
use common::*;
use emerge_engine::backend::{BackendError, CommitRecord, Key, Limits, Write};
use emerge_engine::backup::{MAX_BACKUPS, Restore, Restored, copy_closed};
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, Engine, EngineOptions, MemoryBackend};
use emerge_proto::ErrorCode;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Takes its time for everything, a little more or less each time, and remembers every record that it was given.
#[derive(Clone, Default)]
struct Busy {
    inner: MemoryBackend,
    given: Arc<Mutex<Vec<CommitRecord>>>,
    dice: Arc<Mutex<u64>>,
}

impl Busy {
    fn new(seed: u64) -> Self {
        Self { dice: Arc::new(Mutex::new(seed)), ..Self::default() }
    }

    async fn dawdle(&self) {
        let times = {
            let mut dice = self.dice.lock().unwrap();
            *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *dice >> 61
        };
        for _ in 0..times {
            yield_now().await;
        }
    }
}

impl Backend for Busy {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.inner.get_many(keys).await
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        self.dawdle().await;
        let found = self.inner.scan(range, limit).await;
        self.dawdle().await;
        found
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        self.dawdle().await;
        self.given.lock().unwrap().push(record.clone());
        let committed = self.inner.commit(record, fence).await;
        // It is there, and nobody has been told yet.
        self.dawdle().await;
        committed
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        self.inner.claim().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

/// What the records up to a commit make of a store.
fn after(given: &[CommitRecord], number: u64) -> Vec<(Key, Bytes)> {
    let mut store = BTreeMap::new();
    let last = Write { key: Key::from(&b"mnumber"[..]), value: Some(number.to_be_bytes().to_vec().into()) };
    for record in given {
        for Write { key, value } in &record.writes {
            match value {
                Some(value) => store.insert(key.clone(), value.clone()),
                None => store.remove(key),
            };
        }
        if record.writes.contains(&last) {
            return store.into_iter().collect();
        }
    }
    panic!("no record ends with commit {number}");
}

async fn copy<B: Backend>(engine: &Engine<B>) -> Vec<u8> {
    let mut backup = engine.backup(NOW).unwrap();
    let mut copy = Vec::new();
    while let Some(bytes) = backup.next().await.unwrap() {
        copy.extend(bytes);
    }
    copy
}

async fn restored(copy: &[u8], piece: usize) -> emerge_proto::Result<(MemoryBackend, Restored)> {
    let mut restore = Restore::begin(MemoryBackend::new()).await?;
    for piece in copy.chunks(piece) {
        restore.feed(piece).await?;
    }
    restore.finish().await
}

#[test]
fn a_copy_made_beside_writers_is_the_store_after_one_commit() {
    for seed in 0..40 {
        let backend = Busy::new(seed);
        let (copy, given) = on(backend.clone(), async |engine| {
            let class = put_class(engine).await;
            for at in 0..400u64 {
                let mut tx = admin(engine);
                store(&mut tx, &format!("/d{}/o{at}", at % 3), class, at).await.unwrap();
                commit(tx).await.unwrap();
            }
            settle(engine).await;
            let writers = (0..4u64).map(|writer| async move {
                for round in 0..60u64 {
                    let mut tx = admin(engine);
                    let at = (writer * 97 + round * 31 + seed) % 400;
                    let path_of = |at: u64| format!("/d{}/o{at}", at % 3);
                    // Two keys far apart in one commit; now and then one goes.
                    let done = match round % 5 {
                        4 => tx.rm(&path(&path_of(at)), false).await.is_ok(),
                        _ => {
                            store(&mut tx, &path_of(at), class, round).await.is_ok()
                                && store(&mut tx, &path_of((at + 200) % 400), class, round).await.is_ok()
                        }
                    };
                    if done && let Ok(commit) = tx.commit(None).await {
                        engine.durable(commit.number).await.unwrap();
                    }
                    yield_now().await;
                }
            });
            let (copy, _) = futures_util::future::join(copy(engine), join_all(writers)).await;
            (copy, backend.given.lock().unwrap().clone())
        });
        futures_executor::block_on(async {
            let (store, told) = restored(&copy, 1000 + seed as usize).await.unwrap();
            assert!(store.contents() == after(&given, told.number), "seed {seed}, commit {}", told.number);
            assert_eq!(told.time, NOW);
            check_store(&store).await.unwrap();
            Engine::open(store, EngineOptions::new("test"), NOW).await.unwrap();
        });
    }
}

#[test]
fn a_copy_of_a_closed_store_is_the_same_store() {
    let backend = MemoryBackend::new();
    on(backend.clone(), async |engine| {
        let class = put_class(engine).await;
        for at in 0..700u64 {
            let mut tx = admin(engine);
            store(&mut tx, &format!("/o{at}"), class, at).await.unwrap();
            commit(tx).await.unwrap();
        }
        settle(engine).await;
    });
    futures_executor::block_on(async {
        let mut copy = Vec::new();
        copy_closed(&backend, NOW, |bytes| {
            copy.extend_from_slice(bytes);
            Ok(())
        })
        .await
        .unwrap();
        let (store, _) = restored(&copy, 7).await.unwrap();
        assert!(store.contents() == backend.contents());
        let nothing = copy_closed(&MemoryBackend::new(), NOW, |_| Ok(())).await.unwrap_err();
        assert_eq!(nothing.code, ErrorCode::StorageFailed);
        // Into an empty place only.
        assert_eq!(Restore::begin(store).await.map(|_| ()).unwrap_err().code, ErrorCode::AlreadyExists);
    });
}

#[test]
fn a_damaged_copy_is_refused() {
    let copy = on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        copy(engine).await
    });
    futures_executor::block_on(async {
        restored(&copy, 100).await.unwrap();
        let mut wrong = Vec::new();
        for cut in 0..copy.len() {
            wrong.push(copy[..cut].to_vec());
        }
        for at in (0..copy.len()).step_by(3) {
            let mut bent = copy.clone();
            bent[at] ^= 1;
            wrong.push(bent);
        }
        wrong.push([&copy[..], &[0x40]].concat());
        wrong.push([&copy[..], &copy[..]].concat());
        for bytes in wrong {
            let refused = restored(&bytes, 100).await;
            let code = refused.map(|_| ()).unwrap_err().code;
            // A bit of the header may make it one of another format.
            assert!(matches!(code, ErrorCode::BadArgument | ErrorCode::StorageFailed), "{code}");
        }
    });
}

#[test]
fn copies_are_few_and_one_that_cannot_follow_says_so() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut first = engine.backup(NOW).unwrap();
        let others: Vec<_> = (1..MAX_BACKUPS).map(|_| engine.backup(NOW).unwrap()).collect();
        assert_eq!(engine.backup(NOW).map(|_| ()).unwrap_err().code, ErrorCode::LimitExceeded);
        drop(others);
        engine.backup(NOW).unwrap();
        first.next().await.unwrap();
        for at in 0..40u64 {
            let mut tx = admin(engine);
            let large = emerge_proto::Value::Bytes(vec![at as u8; 4 * 1024 * 1024]);
            let fields = emerge_proto::Value::Map(vec![("x".into(), large)]).encode();
            let mode = emerge_proto::op::StoreMode::Put;
            tx.store(&path("/large"), class, &fields, mode, None, &[]).await.unwrap();
            let number = tx.commit(None).await.unwrap().number;
            engine.durable(number).await.unwrap();
        }
        let error = first.next().await.unwrap_err();
        assert_eq!((error.code, error.limit.is_some()), (ErrorCode::LimitExceeded, true));
        drop(first);
        engine.backup(NOW).unwrap().next().await.unwrap();
    });
}
