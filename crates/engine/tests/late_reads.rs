//! A backend that answers late must not make the engine take the past for the present.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use bytes::Bytes;
use common::*;
use emerge_engine::backend::{BackendError, CommitRecord, Key, Limits};
use emerge_engine::{Backend, Commit, CommitError, Engine, MemoryBackend, Outcome};
use emerge_proto::{ClassHash, SessionId};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

const SESSION: SessionId = SessionId([9; 16]);

async fn request<B: Backend>(
    engine: &Engine<B>,
    class: ClassHash,
    seq: u64,
    acknowledged: u64,
) -> Result<Commit, CommitError> {
    let mut tx = admin(engine);
    store(&mut tx, &format!("/r{seq}"), class, seq).await?;
    tx.commit(Some(Outcome {
        session: SESSION,
        seq,
        part: String::new(),
        user: "ada".into(),
        acknowledged,
        reply: vec![seq as u8],
    }))
    .await
}

/// What is read of the log and of sessions is told late, and the next listing when `listing` is set: a read that began while `late` was set ends once it is cleared.
#[derive(Clone, Default)]
struct Slow {
    inner: MemoryBackend,
    late: Arc<AtomicBool>,
    listing: Arc<AtomicBool>,
}

impl Slow {
    async fn delay(&self) {
        poll_fn(|_| if self.late.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

fn is_late(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(b'l' | b'r')))
}

impl Backend for Slow {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let values = self.inner.get_many(keys).await;
        if keys.iter().any(|key| is_late(key)) {
            self.delay().await;
        }
        values
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        let is_entries = range.start.first() == Some(&b'e');
        let is_late = is_late(&range.start) || is_entries && self.listing.swap(false, Ordering::SeqCst);
        let values = self.inner.scan(range, limit).await;
        if is_late {
            self.delay().await;
        }
        values
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        self.inner.commit(record, fence).await
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        self.inner.claim().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

#[test]
fn a_late_look_finds_what_was_acknowledged_meanwhile() {
    let slow = Slow::default();
    let late = slow.late.clone();
    on(slow, async |engine| {
        let class = put_class(engine).await;
        let first = request(engine, class, 1, 0).await.unwrap();
        engine.durable(first.number).await.unwrap();
        settle(engine).await;
        // The request was sent again and looks for its outcome.
        late.store(true, Ordering::SeqCst);
        let mut looking = pin!(engine.outcome(SESSION, 1, ""));
        assert!(looking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // By another connection the client has got it, acknowledges it, and goes on.
        let second = request(engine, class, 2, 1).await.unwrap();
        engine.durable(second.number).await.unwrap();
        settle(engine).await;
        late.store(false, Ordering::SeqCst);
        assert_eq!(looking.await.unwrap().unwrap().reply, [1], "it was so when it asked");
        assert_eq!(engine.outcome(SESSION, 2, "").await.unwrap().unwrap().reply, [2]);
    });
}

/// So many commits that a checkpoint writes down the sessions that had outcomes.
async fn checkpoint<B: Backend>(engine: &Engine<B>) {
    for number in 0..10 {
        let mut tx = admin(engine);
        tx.mkdir(&path(&format!("/filler/{number}")), true).await.unwrap();
        tx.commit(None).await.unwrap();
    }
    settle(engine).await;
}

#[test]
fn a_late_read_does_not_bring_back_an_old_index() {
    let backing = MemoryBackend::new();
    let class = on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        request(engine, class, 1, 0).await.unwrap();
        checkpoint(engine).await;
        class
    });
    let slow = Slow { inner: backing, ..Slow::default() };
    let late = slow.late.clone();
    on(slow, async |engine| {
        // The log is read; the session's record is not.
        engine.load_session(SessionId([8; 16])).await.unwrap();
        late.store(true, Ordering::SeqCst);
        let mut loading = pin!(engine.load_session(SESSION));
        assert!(loading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        late.store(false, Ordering::SeqCst);
        engine.load_session(SESSION).await.unwrap();
        request(engine, class, 2, 1).await.unwrap();
        checkpoint(engine).await;
        // So many other sessions that this one is dropped.
        for number in 0..50_000u32 {
            let mut id = [1; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            engine.load_session(SessionId(id)).await.unwrap();
        }
        loading.await.unwrap();
        assert_eq!(engine.outcome(SESSION, 2, "").await.unwrap().unwrap().reply, [2]);
        assert!(request(engine, class, 2, 1).await.is_err(), "a request has its effect once");
    });
}

#[test]
fn a_late_scan_of_the_log_misses_nothing() {
    let backing = MemoryBackend::new();
    let class = on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        request(engine, class, 1, 0).await.unwrap();
        settle(engine).await;
        class
    });
    let slow = Slow { inner: backing, ..Slow::default() };
    let late = slow.late.clone();
    on(slow, async |engine| {
        late.store(true, Ordering::SeqCst);
        let mut loading = pin!(engine.load_session(SESSION));
        assert!(loading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        late.store(false, Ordering::SeqCst);
        request(engine, class, 2, 0).await.unwrap();
        settle(engine).await;
        assert_eq!(loading.await.unwrap().unwrap().outcomes, [1, 2]);
    });
}

#[test]
fn a_late_listing_is_not_kept() {
    let slow = Slow::default();
    let (late, next) = (slow.late.clone(), slow.listing.clone());
    on(slow, async |engine| {
        let class = put_class(engine).await;
        let put = async |at: &str| {
            let mut tx = admin(engine);
            store(&mut tx, at, class, 1).await.unwrap();
            let number = commit(tx).await.unwrap().number;
            engine.durable(number).await.unwrap();
            settle(engine).await;
        };
        let names = async || {
            let members = admin(engine).list(&path("/d"), None, None).await.unwrap().members;
            members.into_iter().map(|member| member.name).collect::<String>()
        };
        put("/d/a").await;
        late.store(true, Ordering::SeqCst);
        next.store(true, Ordering::SeqCst);
        let mut listing = pin!(names());
        assert!(listing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        put("/d/b").await;
        late.store(false, Ordering::SeqCst);
        assert_eq!(listing.await, "a", "it was so when it asked");
        for _ in 0..2 {
            assert_eq!(names().await, "ab");
        }
    });
}
