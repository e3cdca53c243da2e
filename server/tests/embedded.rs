//! The embedded store: the suite of all backends, its lock, the size of what it keeps, and `kill -9`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use emerge_engine::testing::{backend_suite, check_store};
use emerge_engine::{BackendError, Engine, EngineOptions, Outcome, Principal};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassHash, ClassSource, Language, SessionId};
use emerge_server::backend::embedded::Embedded;
use futures_util::future::{Either, join_all, select};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NOW: i64 = 1_800_000_000_000_000;
const SESSION: SessionId = SessionId([3; 16]);

fn on<T>(folder: &Path, body: impl AsyncFnOnce(&Engine<Embedded>) -> T) -> T {
    futures_executor::block_on(async {
        let backend = Embedded::open(folder).unwrap();
        let engine = Engine::open(backend, EngineOptions::new("test"), NOW).await.unwrap();
        let committer = engine.clone();
        match select(pin!(committer.run()), pin!(body(&engine))).await {
            Either::Left(_) => panic!("the committer ended"),
            Either::Right((result, _)) => result,
        }
    })
}

fn source() -> ClassSource {
    ClassSource::new("Sample", Language::JavaScript, "class Sample {}")
}

/// An encoded map of ten fields, about 200 bytes, no two alike.
fn ten_fields(seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    encoder.map(10).unwrap();
    for at in 0..10u64 {
        let value = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 * 6) ^ at;
        encoder.str(&format!("field_{at:02}")).unwrap();
        match at % 2 {
            0 => encoder.u64(value).unwrap(),
            _ => encoder.str(&format!("{value:013x}")[..13]).unwrap(),
        };
    }
    bytes
}

async fn put_class(engine: &Engine<Embedded>) -> ClassHash {
    let mut tx = engine.begin(Principal::admin(), NOW, 1);
    let class = tx.put_class(source(), vec![]).await.unwrap();
    let commit = tx.commit(None).await.unwrap();
    engine.durable(commit.number).await.unwrap();
    class.hash
}

async fn store(engine: &Engine<Embedded>, class: ClassHash, seq: u64) -> u64 {
    let mut tx = engine.begin(Principal::admin(), NOW, seq << 20);
    let at = Target::from(&*format!("/d/{seq}"));
    tx.store(&at, class, &ten_fields(seq), StoreMode::Put, None, &[]).await.unwrap();
    let outcome = Outcome {
        session: SESSION,
        seq,
        part: String::new(),
        user: "admin".into(),
        acknowledged: seq.saturating_sub(100),
        reply: vec![0xf6],
    };
    tx.commit(Some(outcome)).await.unwrap().number
}

#[test]
fn embedded_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("store");
    futures_executor::block_on(backend_suite(async || Embedded::open(&at).unwrap()));
}

#[test]
fn a_folder_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = Embedded::open(folder.path()).unwrap();
    let second = Embedded::open(folder.path()).map(|_| ()).unwrap_err();
    assert!(
        matches!(&second, BackendError::InUse(what) if what.contains(folder.path().to_str().unwrap())),
        "{second}"
    );
    drop(first);
    Embedded::open(folder.path()).unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "x").unwrap();
    let refused = Embedded::open(&file).map(|_| ()).unwrap_err();
    assert!(matches!(refused, BackendError::Failed(_)), "{refused}");
}

#[test]
fn small_objects_stay_small() {
    let folder = tempfile::tempdir().unwrap();
    const COUNT: u64 = 10_000;
    on(folder.path(), async |engine| {
        let class = put_class(engine).await;
        for from in (0..COUNT).step_by(500) {
            let numbers = join_all((from..from + 500).map(|seq| store(engine, class, seq + 1))).await;
            engine.durable(numbers.into_iter().max().unwrap()).await.unwrap();
        }
        engine.backend().compact().unwrap();
        let each = engine.backend().sizes().unwrap().tables / COUNT;
        println!("{} bytes of state, {each} bytes on disk for each object", ten_fields(1).len());
        assert!(each < 400, "{each} bytes for each object");
        let fetched = engine.begin(Principal::admin(), NOW, 0).get(&"/d/7".into(), None).await.unwrap();
        assert_eq!(fetched.state, ten_fields(7));
        engine.shutdown().await.unwrap();
    });
    on(folder.path(), async |engine| {
        let fetched = engine.begin(Principal::admin(), NOW, 0).get(&"/d/9999".into(), None).await.unwrap();
        assert_eq!(fetched.state, ten_fields(9999));
    });
}

/// What the crash test starts and kills: commits one request after another, eight at a time, and prints the number of
/// each that it knows to be durable. Without its folder in the environment it is not the child, and does nothing.
#[test]
fn crash_child() {
    let Ok(folder) = std::env::var("EMERGE_CRASH_FOLDER") else { return };
    let first: u64 = std::env::var("EMERGE_CRASH_FIRST").unwrap().parse().unwrap();
    on(Path::new(&folder), async |engine| {
        let class = put_class(engine).await;
        let mut out = std::io::stdout();
        for from in (first..).step_by(8) {
            for seq in from..from + 8 {
                let number = store(engine, class, seq).await;
                if seq % 3 == 0 {
                    engine.durable(number).await.unwrap();
                    writeln!(out, "durable {seq}").unwrap();
                    out.flush().unwrap();
                }
            }
            if from % 50 == 0 {
                engine.collect(NOW, 100).await.unwrap();
            }
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut next = 1;
    for round in 0..8u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash_child", "--nocapture", "--test-threads=1"])
            .env("EMERGE_CRASH_FOLDER", folder.path())
            .env("EMERGE_CRASH_FIRST", next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut began = None;
        // Killed at another moment each time, in the middle of commits.
        while began
            .is_none_or(|began: Instant| began.elapsed() < Duration::from_millis(37 * (round % 5) + round))
        {
            let line = lines.next().expect("the child does not end by itself").unwrap();
            if let Some(seq) = line.strip_prefix("durable ") {
                began.get_or_insert_with(Instant::now);
                acknowledged.insert(seq.parse::<u64>().unwrap());
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still wrote before it died counts as said; a line may be cut.
        for line in lines.map_while(Result::ok) {
            if let Some(seq) = line.strip_prefix("durable ").and_then(|seq| seq.parse::<u64>().ok()) {
                acknowledged.insert(seq);
            }
        }
        let checked =
            futures_executor::block_on(check_store(&Embedded::open(folder.path()).unwrap())).unwrap();
        for seq in &acknowledged {
            assert_eq!(checked.paths.get(&format!("/d/{seq}")), Some(&1), "round {round}, request {seq}");
        }
        // Requests follow each other, so what is there has no holes; and each has its outcome, or has passed it on.
        let stored = checked.paths.keys().filter(|at| at.starts_with("/d/")).count() as u64;
        let through = checked.outcomes.iter().map(|(_, seq, _)| *seq).max().unwrap();
        assert_eq!(stored, through, "round {round}");
        assert!(through >= *acknowledged.last().unwrap());
        next = through + 1;
    }
    assert!(acknowledged.len() > 30, "{}", acknowledged.len());
}
