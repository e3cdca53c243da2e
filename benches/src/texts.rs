//! Searches for text, inside the node: the best ten of many short texts, against a search that finds ten of the same objects by an index.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, class, text};
use axum::Router;
use emerge_engine::Principal;
use emerge_proto::class::decode;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::query::Matches;
use emerge_proto::{ErrorCode, Language, Op, Query, Value};
use std::time::{Duration, Instant};

const OBJECTS: u64 = 1_000_000;
const NOW: i64 = 1_800_000_000_000_000;
/// Searches of each kind in one run.
const TIMES: u64 = 300;
/// Words of a text, and all that there are: one of a hundred objects in 25 has a given one.
const WORDS: u64 = 8;
const ALL_WORDS: u64 = 20_000;

/// How many searches by an index one for text takes.
pub(crate) async fn best(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    let node = setting.node.node();
    fill(&setting).await?;
    let ask = async |op: Op| node.execute(&Principal::admin(), op, NOW).await;
    ask(Op::CreateIndex { class: "*".into(), field: "latitude".into(), unique: false })
        .await
        .map_err(text)?;
    while node.engine().build_indexes(NOW, 1000).await.map_err(text)? {}
    let search = async |query: Query| {
        let began = Instant::now();
        let found = ask(Op::Search { query, after: None }).await?;
        let took = began.elapsed();
        let found: Matches = decode(&found)?;
        Ok::<_, emerge_proto::Error>((took, found.items.len()))
    };
    let words = |at: u64| Query {
        text: Some(word(at * 7919 % ALL_WORDS)),
        limit: Some(10),
        ..Query::new(Language::JavaScript, None)
    };
    let ranged = |at: u64| {
        let from = (at * 7919 % (OBJECTS - 10)) as f64 * 0.001;
        let source = format!("o => o.latitude >= {from} && o.latitude < {}", from + 0.0095);
        Query::new(Language::JavaScript, Some(&source))
    };
    // The index of words is made when somebody asks.
    loop {
        match search(words(0)).await {
            Ok(_) => break,
            Err(error) if error.code == ErrorCode::Unavailable => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let mut figures = Vec::new();
    let (mut texts, mut indexed) = (Duration::ZERO, Duration::ZERO);
    for run in 0..runs as u64 {
        let (mut by_text, mut by_index) = (Duration::ZERO, Duration::ZERO);
        for time in 0..TIMES {
            let at = run * TIMES + time;
            for (query, all) in [(words(at), &mut by_text), (ranged(at), &mut by_index)] {
                let (took, found) = search(query).await.map_err(text)?;
                if found != 10 {
                    return Err(format!("{found} objects were found, and not 10"));
                }
                *all += took;
            }
        }
        figures.push(by_text.as_secs_f64() / by_index.as_secs_f64());
        texts += by_text;
        indexed += by_index;
    }
    let each = |all: Duration| all.as_secs_f64() * 1e6 / (runs as f64 * TIMES as f64);
    let note = format!(
        "{:.0} µs against {:.0}: the best ten of {OBJECTS} by a word, ten by an index",
        each(texts),
        each(indexed)
    );
    setting.stop().await?;
    Ok(Answer { runs: figures, note })
}

fn word(number: u64) -> String {
    // Letters, unlike for neighbours.
    let mut rng = fastrand::Rng::with_seed(number);
    let length = rng.usize(4..10);
    std::iter::repeat_with(|| rng.lowercase()).take(length).chain(format!("{number:x}").chars()).collect()
}

/// Objects of short texts of random words, and a number.
async fn fill(setting: &Setting) -> Result<(), String> {
    let engine = setting.node.node().engine();
    let mut last = 0;
    let mut rng = fastrand::Rng::with_seed(1);
    for from in (0..OBJECTS).step_by(1000) {
        let mut tx = engine.begin(Principal::admin(), NOW, from + 1);
        let hash = tx.put_class(class(), Vec::new()).await.map_err(text)?.hash;
        for number in from..from + 1000 {
            let words: Vec<String> = (0..WORDS).map(|_| word(rng.u64(..ALL_WORDS))).collect();
            let state = Value::Map(vec![
                ("name".into(), Value::Text(words.join(" "))),
                ("latitude".into(), Value::Float(number as f64 * 0.001)),
            ]);
            let at = Target::Path(format!("/texts/k{number:06}"));
            tx.store(&at, hash, &state.encode(), StoreMode::Put, None, &[]).await.map_err(text)?;
        }
        last = tx.commit(None).await.map_err(|error| format!("{error:?}"))?.number;
    }
    engine.durable(last).await.map_err(text)
}
