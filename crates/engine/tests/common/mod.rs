//! A store with its committer, for tests.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use emerge_engine::{Backend, Commit, CommitError, Engine, EngineOptions, MemoryBackend, Principal, Tx};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::Stored;
use emerge_proto::{ClassHash, ClassSource, Language, Result};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

pub const NOW: i64 = 1_800_000_000_000_000;

static SEED: AtomicU64 = AtomicU64::new(1);

pub fn seed() -> u64 {
    SEED.fetch_add(1, Ordering::Relaxed) << 20
}

/// Runs a future with an engine's committer beside it.
pub fn with_committer<B: Backend, T>(engine: &Engine<B>, body: impl Future<Output = T>) -> T {
    futures_executor::block_on(async {
        match select(pin!(engine.run()), pin!(body)).await {
            Either::Left((ended, body)) => {
                drop(ended);
                body.await
            }
            Either::Right((result, _)) => result,
        }
    })
}

/// Opens an engine over a backend and runs a test on it. Checkpoints are frequent.
pub fn on<B: Backend, T>(backend: B, body: impl AsyncFnOnce(&Engine<B>) -> T) -> T {
    let options = EngineOptions { checkpoint: 7, ..EngineOptions::new("test") };
    let engine = futures_executor::block_on(Engine::open(backend, options, NOW)).unwrap();
    with_committer(&engine.clone(), body(&engine))
}

pub fn on_memory<T>(body: impl AsyncFnOnce(&Engine<MemoryBackend>) -> T) -> T {
    on(MemoryBackend::new(), body)
}

pub fn admin<B: Backend>(engine: &Engine<B>) -> Tx<B> {
    engine.begin(Principal::admin(), NOW, seed())
}

pub fn as_user<B: Backend>(engine: &Engine<B>, name: &str) -> Tx<B> {
    engine.begin(Principal::user(name), NOW, seed())
}

pub fn path(text: &str) -> Target {
    Target::from(text)
}

/// An encoded map of one integer field.
pub fn n(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    minicbor::Encoder::new(&mut bytes).map(1).unwrap().str("n").unwrap().u64(value).unwrap();
    bytes
}

/// What [`n`] encoded.
pub fn n_of(state: &[u8]) -> u64 {
    let mut decoder = minicbor::Decoder::new(state);
    decoder.map().unwrap();
    decoder.str().unwrap();
    decoder.u64().unwrap()
}

pub fn source(name: &str, text: &str) -> ClassSource {
    ClassSource::new(name, Language::JavaScript, text)
}

pub async fn put_class<B: Backend>(engine: &Engine<B>) -> ClassHash {
    let mut tx = admin(engine);
    let class = tx.put_class(source("Counter", "class Counter {}"), vec![]).await.unwrap();
    tx.commit(None).await.unwrap();
    class.hash
}

pub async fn store<B: Backend>(tx: &mut Tx<B>, at: &str, class: ClassHash, value: u64) -> Result<Stored> {
    tx.store(&path(at), class, &n(value), StoreMode::Put, None, &[]).await
}

pub async fn commit<B: Backend>(tx: Tx<B>) -> Result<Commit, CommitError> {
    tx.commit(None).await
}

/// Waits until all that was committed is durable.
pub async fn settle<B: Backend>(engine: &Engine<B>) {
    let mut tx = admin(engine);
    tx.mkdir(&path("/settled"), true).await.unwrap();
    tx.rm(&path("/settled"), false).await.unwrap();
    let number = tx.commit(None).await.unwrap().number;
    engine.durable(number).await.unwrap();
}

/// Lets others run once.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
