//! The storage fails at each write in turn: what was acknowledged stays, what was not is whole or absent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::{FailingBackend, FailureMode, check_store};
use emerge_engine::{CommitError, Engine, EngineOptions, MemoryBackend, Outcome};
use emerge_proto::error::Effect;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ErrorCode, Result, SessionId};
use std::collections::{BTreeMap, BTreeSet};

const SESSION: SessionId = SessionId([5; 16]);

type Failing = FailingBackend<MemoryBackend>;

/// What a client knows: the requests that it was told had happened, and those of which it was told nothing certain.
#[derive(Default)]
struct Client {
    acknowledged: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
}

/// The requests of the scenario; each makes exactly one object `/done/<seq>` among other changes.
async fn request(engine: &Engine<Failing>, class: ClassHash, seq: u64) -> Result<()> {
    loop {
        if let Some(kept) = engine.outcome(SESSION, seq, "").await? {
            assert_eq!(kept.reply, seq.to_be_bytes());
            return engine.durable(kept.depends_on).await;
        }
        let mut tx = admin(engine);
        let at = format!("/jobs/{}", seq % 3);
        let count = match tx.get(&path(&at), None).await {
            Ok(fetched) => n_of(&fetched.state),
            Err(error) if error.code == ErrorCode::NotFound => 0,
            Err(error) => return Err(error),
        };
        tx.store(&path(&at), class, &n(count + 1), StoreMode::Put, None, &[]).await?;
        tx.store(&path(&format!("/done/{seq}")), class, &n(seq), StoreMode::Create, None, &[]).await?;
        // A request whose forerunner was lost does without it.
        let needs = [(4, "/done/1"), (6, "/copy"), (8, "/large")];
        let mut lacks = false;
        for (_, at) in needs.iter().filter(|(needy, _)| *needy == seq) {
            lacks = tx.stat(&path(at)).await.is_err();
        }
        match seq {
            _ if lacks => {}
            4 => tx.mv(&path("/done/1"), "/jobs/moved").await?,
            5 => tx.cp(&path("/jobs"), "/copy", true).await.map(|_| ())?,
            6 => tx.rm(&path("/copy"), true).await?,
            7 => {
                let mut large = Vec::new();
                let mut encoder = minicbor::Encoder::new(&mut large);
                encoder.map(1).unwrap().str("b").unwrap().bytes(&[7; 100_000]).unwrap();
                tx.store(&path("/large"), class, &large, StoreMode::Put, None, &[]).await?;
            }
            8 => tx.rm(&path("/large"), false).await?,
            _ => {}
        }
        let outcome = Outcome {
            session: SESSION,
            seq,
            part: String::new(),
            user: "admin".into(),
            acknowledged: 0,
            reply: seq.to_be_bytes().to_vec(),
        };
        match tx.commit(Some(outcome)).await {
            Ok(commit) => return engine.durable(commit.number).await,
            Err(CommitError::Conflict) => {}
            Err(CommitError::Error(error)) => return Err(error),
        }
    }
}

/// Runs the scenario with a failure at the given write. `resend` says whether a failed request is sent again at once.
fn scenario(after: usize, mode: FailureMode, resend: bool) -> bool {
    let store = MemoryBackend::new();
    let failing = FailingBackend::new(store.clone());
    let mut client = Client::default();
    let failed = on(failing.clone(), async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.create_index("*", "n", false).await.unwrap();
        tx.create_index("Counter", "n", false).await.unwrap();
        tx.commit(None).await.unwrap();
        settle(engine).await;
        failing.fail(after, mode);
        for seq in 1..=10 {
            let mut result = request(engine, class, seq).await;
            if let Err(error) = &result {
                assert_eq!(error.code, ErrorCode::StorageFailed, "{error}");
                assert!(failing.has_failed());
                client.unknown.insert(seq);
                if resend {
                    result = request(engine, class, seq).await;
                    assert!(result.is_ok(), "the engine goes on: {result:?}");
                }
            }
            if result.is_ok() {
                client.unknown.remove(&seq);
                client.acknowledged.insert(seq);
            }
            if seq % 4 == 0 {
                let _ = engine.collect(NOW, 100).await;
                let _ = engine.build_indexes(NOW, 2).await;
            }
        }
        failing.has_failed()
    });
    let checked = futures_executor::block_on(check_store(&store)).unwrap();
    let outcomes: BTreeSet<u64> = checked.outcomes.iter().map(|(_, seq, _)| *seq).collect();
    assert!(outcomes.is_superset(&client.acknowledged), "acknowledged is lost: {outcomes:?}");
    let told: BTreeSet<u64> = client.acknowledged.union(&client.unknown).copied().collect();
    assert!(outcomes.is_subset(&told));
    // Each outcome belongs to a change that is there whole, and each change to an outcome.
    on(store, async |engine| {
        let mut tx = admin(engine);
        let mut sums = BTreeMap::new();
        for seq in 1..=10 {
            let moved = seq == 1 && outcomes.contains(&1) && outcomes.contains(&4);
            let at = if moved { "/jobs/moved".into() } else { format!("/done/{seq}") };
            assert_eq!(tx.stat(&path(&at)).await.is_ok(), outcomes.contains(&seq), "{at}");
            *sums.entry(seq % 3).or_insert(0) += u64::from(outcomes.contains(&seq));
        }
        for (counter, expected) in sums {
            let found = tx.get(&path(&format!("/jobs/{counter}")), None).await;
            let found = found.map_or(0, |fetched| n_of(&fetched.state));
            assert_eq!(found, expected, "each request counts once");
        }
        let copied = outcomes.contains(&5) && !outcomes.contains(&6);
        assert_eq!(tx.stat(&path("/copy/0")).await.is_ok(), copied);
    });
    failed
}

#[test]
fn every_write_may_fail() {
    let mut failures = 0;
    for mode in [FailureMode::Before, FailureMode::After] {
        for resend in [false, true] {
            for after in 0.. {
                if !scenario(after, mode, resend) {
                    break;
                }
                failures += 1;
            }
        }
    }
    assert!(failures >= 40, "{failures}");
}

#[test]
fn opening_may_fail() {
    for mode in [FailureMode::Before, FailureMode::After] {
        for after in 0..2 {
            let store = MemoryBackend::new();
            let failing = FailingBackend::new(store.clone());
            failing.fail(after, mode);
            let opened = futures_executor::block_on(Engine::open(failing, EngineOptions::new("test"), NOW))
                .map(|_| ());
            assert_eq!(opened.unwrap_err().code, ErrorCode::StorageFailed);
            on(store.clone(), async |engine| {
                put_class(engine).await;
                engine.shutdown().await.unwrap();
            });
            futures_executor::block_on(check_store(&store)).unwrap();
        }
    }
}

#[test]
fn what_was_read_of_a_failed_commit_is_not_told() {
    let failing = FailingBackend::new(MemoryBackend::new());
    on(failing.clone(), async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 1).await.unwrap();
        engine.durable(commit(tx).await.unwrap().number).await.unwrap();

        failing.fail(0, FailureMode::Before);
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 2).await.unwrap();
        let writer = commit(tx).await.unwrap();
        // Both read what is not durable: one says so before the failure, one wants to commit after it.
        let mut reader = admin(engine);
        assert_eq!(n_of(&reader.get(&path("/o"), None).await.unwrap().state), 2);
        let read = commit(reader).await.unwrap();
        assert_eq!((read.number, read.wrote), (writer.number, false));
        let mut active = admin(engine);
        store(&mut active, "/o", class, 3).await.unwrap();
        let error = engine.durable(writer.number).await.unwrap_err();
        assert_eq!((error.code, error.effect), (ErrorCode::StorageFailed, Some(Effect::Unknown)));
        assert!(engine.durable(read.number).await.is_err());
        assert!(engine.durable_through() < writer.number);
        assert!(!active.is_current());
        // The committer claims the store again when it gets to run.
        let refused = commit(active).await;
        assert!(matches!(refused, Err(CommitError::Conflict | CommitError::Error(_))), "{refused:?}");
        let mut tx = admin(engine);
        let after = loop {
            match tx.get(&path("/o"), None).await {
                Ok(fetched) => break n_of(&fetched.state),
                Err(error) => assert_eq!(error.code, ErrorCode::StorageFailed),
            }
            yield_now().await;
        };
        assert_eq!(after, 1);
        store(&mut tx, "/o", class, 4).await.unwrap();
        let number = commit(tx).await.unwrap().number;
        engine.durable(number).await.unwrap();
        assert!(engine.durable(writer.number).await.is_err(), "a failed commit stays failed");
    });
}

#[test]
fn a_late_former_owner_cannot_write() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |old| {
        let class = put_class(old).await;
        let mut tx = admin(old);
        store(&mut tx, "/o", class, 1).await.unwrap();
        old.durable(commit(tx).await.unwrap().number).await.unwrap();
        let new = Engine::open(backing.clone(), EngineOptions::new("new"), NOW).await.unwrap();
        let mut tx = admin(old);
        store(&mut tx, "/o", class, 2).await.unwrap();
        let late = commit(tx).await.unwrap();
        assert!(old.durable(late.number).await.is_err());
        let mut tx = admin(old);
        assert_eq!(tx.stat(&path("/o")).await.unwrap_err().code, ErrorCode::Unavailable);
        let mut tx = admin(&new);
        assert_eq!(n_of(&tx.get(&path("/o"), None).await.unwrap().state), 1);
    });
}

#[test]
fn an_outage_passes() {
    let failing = FailingBackend::new(MemoryBackend::new());
    on(failing.clone(), async |engine| {
        let class = put_class(engine).await;
        settle(engine).await;
        failing.outage(true);
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 1).await.unwrap();
        let lost = commit(tx).await.unwrap().number;
        assert_eq!(engine.durable(lost).await.unwrap_err().code, ErrorCode::StorageFailed);
        for _ in 0..5 {
            let error = admin(engine).stat(&path("/")).await.unwrap_err();
            assert_eq!((error.code, error.effect), (ErrorCode::StorageFailed, None));
            yield_now().await;
        }
        failing.outage(false);
        while admin(engine).stat(&path("/")).await.is_err() {
            yield_now().await;
        }
        assert_eq!(admin(engine).stat(&path("/o")).await.unwrap_err().code, ErrorCode::NotFound);
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 2).await.unwrap();
        engine.durable(commit(tx).await.unwrap().number).await.unwrap();
        engine.shutdown().await.unwrap();
        assert_eq!(admin(engine).stat(&path("/")).await.unwrap_err().code, ErrorCode::Unavailable);
    });
}
