//! Requests have their effect once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, Commit, CommitError, Engine, MemoryBackend, Outcome};
use emerge_proto::{ClassHash, ErrorCode, SessionId, limits};

const SESSION: SessionId = SessionId([9; 16]);

fn outcome(seq: u64, acknowledged: u64) -> Outcome {
    Outcome {
        session: SESSION,
        seq,
        part: String::new(),
        user: "ada".into(),
        acknowledged,
        reply: vec![seq as u8],
    }
}

async fn request<B: Backend>(
    engine: &Engine<B>,
    class: ClassHash,
    seq: u64,
    acknowledged: u64,
) -> Result<Commit, CommitError> {
    let mut tx = admin(engine);
    store(&mut tx, &format!("/r/{seq}"), class, seq).await?;
    tx.commit(Some(outcome(seq, acknowledged))).await
}

#[test]
fn two_runs_of_a_request_cannot_both_commit() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut first = admin(engine);
        let mut second = admin(engine);
        store(&mut first, "/one", class, 1).await.unwrap();
        // The second run does something quite different, so that only the outcome can tell.
        store(&mut second, "/two", class, 1).await.unwrap();
        let commit = first.commit(Some(outcome(1, 0))).await.unwrap();
        assert_eq!(second.commit(Some(outcome(1, 0))).await, Err(CommitError::Conflict));
        let kept = engine.outcome(SESSION, 1, "").await.unwrap().unwrap();
        assert_eq!((kept.reply, kept.depends_on), (vec![1], commit.number));
        assert_eq!(engine.outcome(SESSION, 2, "").await.unwrap(), None);
        assert_eq!(engine.outcome(SESSION, 1, "part").await.unwrap(), None);
        let mut part = admin(engine);
        store(&mut part, "/part", class, 1).await.unwrap();
        part.commit(Some(Outcome { part: "part".into(), ..outcome(1, 0) })).await.unwrap();
        let mut read = admin(engine);
        read.stat(&path("/one")).await.unwrap();
        let commit = read.commit(Some(outcome(2, 0))).await.unwrap();
        assert!(!commit.wrote);
        assert_eq!(
            engine.outcome(SESSION, 2, "").await.unwrap(),
            None,
            "who wrote nothing leaves no outcome"
        );
    });
}

#[test]
fn acknowledged_outcomes_go_and_the_horizon_survives_a_restart() {
    let backing = MemoryBackend::new();
    let class = on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        assert_eq!(engine.load_session(SESSION).await.unwrap(), None);
        for seq in 1..=4 {
            request(engine, class, seq, 0).await.unwrap();
        }
        request(engine, class, 6, 3).await.unwrap();
        settle(engine).await;
        class
    });
    on(backing.clone(), async |engine| {
        let kept = engine.load_session(SESSION).await.unwrap().unwrap();
        assert_eq!((&*kept.user, kept.acknowledged, &kept.outcomes[..]), ("ada", 3, &[4, 6][..]));
        assert_eq!(engine.outcome(SESSION, 6, "").await.unwrap().unwrap().reply, [6]);
        let refused = request(engine, class, 2, 0).await.unwrap_err();
        assert!(matches!(refused, CommitError::Error(error) if error.code == ErrorCode::SessionExpired));
        request(engine, class, 5, 3).await.unwrap();
        let newest = request(engine, class, 7, 6).await.unwrap();
        engine.durable(newest.number).await.unwrap();
        let kept = engine.load_session(SESSION).await.unwrap().unwrap();
        assert_eq!((kept.acknowledged, &kept.outcomes[..]), (6, &[7][..]));
        engine.forget_session(SESSION).await.unwrap();
        assert_eq!(engine.load_session(SESSION).await.unwrap(), None);
        assert_eq!(engine.outcome(SESSION, 7, "").await.unwrap(), None);
        settle(engine).await;
    });
    let checked = futures_executor::block_on(check_store(&backing)).unwrap();
    assert!(checked.outcomes.is_empty());
}

/// What the model knows of a session.
#[derive(Default)]
struct Known {
    acknowledged: u64,
    last: u64,
}

#[test]
fn sessions_are_as_a_model_says_over_checkpoints_and_restarts() {
    let backing = MemoryBackend::new();
    let mut random = 7u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut model: Vec<Known> = (0..5).map(|_| Known::default()).collect();
    // A session that ended is not used again.
    let mut ids: Vec<u8> = (0..5).collect();
    for round in 0..6 {
        on(backing.clone(), async |engine| {
            let class = put_class(engine).await;
            for (known, id) in model.iter().zip(&ids) {
                let kept = engine.load_session(SessionId([*id; 16])).await.unwrap();
                let expected = (known.last > 0)
                    .then(|| (known.acknowledged, (known.acknowledged + 1..=known.last).collect()));
                assert_eq!(
                    kept.map(|kept| (kept.acknowledged, kept.outcomes)),
                    expected,
                    "round {round}, session {id}"
                );
                for seq in known.acknowledged + 1..=known.last {
                    let kept = engine.outcome(SessionId([*id; 16]), seq, "").await.unwrap().unwrap();
                    assert_eq!(kept.reply, [seq as u8]);
                }
            }
            for step in 0..2500 {
                let at = next(5) as usize;
                let (known, id) = (&mut model[at], &mut ids[at]);
                if next(500) == 0 {
                    engine.forget_session(SessionId([*id; 16])).await.unwrap();
                    (*known, *id) = (Known::default(), *id + 5);
                    continue;
                }
                if next(4) == 0 {
                    known.acknowledged += next(known.last - known.acknowledged + 1);
                }
                known.last += 1;
                let mut tx = admin(engine);
                store(&mut tx, &format!("/m/{at}"), class, step).await.unwrap();
                let outcome =
                    Outcome { session: SessionId([*id; 16]), ..outcome(known.last, known.acknowledged) };
                tx.commit(Some(outcome)).await.unwrap();
                if step % 500 == 0 {
                    settle(engine).await;
                }
            }
            settle(engine).await;
        });
    }
    let checked = futures_executor::block_on(check_store(&backing)).unwrap();
    let kept: u64 = model.iter().map(|known| known.last - known.acknowledged).sum();
    assert_eq!(checked.outcomes.len() as u64, kept);
}

#[test]
fn silent_sessions_expire_whole() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        request(engine, class, 1, 0).await.unwrap();
        request(engine, class, 2, 0).await.unwrap();
        let later = NOW + limits::SESSION_TTL_MS as i64 * 1000;
        engine.collect(later - 1_000_000, 100).await.unwrap();
        assert_eq!(engine.load_session(SESSION).await.unwrap().unwrap().outcomes, [1, 2]);
        // One late sign of life keeps the old ones too.
        let mut tx = engine.begin(emerge_engine::Principal::admin(), later, seed());
        store(&mut tx, "/r/3", class, 3).await.unwrap();
        tx.commit(Some(outcome(3, 0))).await.unwrap();
        engine.collect(later + 1_000_000, 100).await.unwrap();
        assert_eq!(engine.load_session(SESSION).await.unwrap().unwrap().outcomes, [1, 2, 3]);
        engine.collect(later + limits::SESSION_TTL_MS as i64 * 1000 + 1_000_000, 100).await.unwrap();
        assert_eq!(engine.load_session(SESSION).await.unwrap(), None);
    });
}

#[test]
fn concurrent_increments_all_count() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/counter", class, 0).await.unwrap();
        commit(tx).await.unwrap();
        let increment = async |task: u64| {
            for seq in 1..=25 {
                loop {
                    let mut tx = admin(engine);
                    let object = tx.object_for_call(&path("/counter")).await.unwrap();
                    yield_now().await;
                    let state = n(n_of(&object.state) + 1);
                    tx.set_state(&object, &state, "increment").await.unwrap();
                    if task.is_multiple_of(2) {
                        yield_now().await;
                    }
                    let outcome = Outcome { session: SessionId([task as u8; 16]), ..outcome(seq, seq - 1) };
                    match tx.commit(Some(outcome)).await {
                        Ok(commit) => {
                            engine.durable(commit.number).await.unwrap();
                            break;
                        }
                        Err(CommitError::Conflict) => {}
                        Err(CommitError::Error(error)) => panic!("{error}"),
                    }
                }
            }
        };
        futures_util::future::join_all((0..8).map(increment)).await;
        let fetched = admin(engine).get(&path("/counter"), None).await.unwrap();
        assert_eq!((n_of(&fetched.state), fetched.stat.version), (200, 201));
        let history = admin(engine).history(&path("/counter"), None, None).await.unwrap();
        assert_eq!(history.len() as u64, limits::KEEP_VERSIONS, "surplus versions go as new ones are made");
        assert_eq!(history[0].method.as_deref(), Some("increment"));
        assert!(history.iter().map(|info| info.version).eq((102..=201).rev()));
    });
}
