//! Searches, inside the node: by an index against a get, and without one against a plain scan of the same keys of the store.

use crate::Measured;
use crate::report::Answer;
use crate::setting::{Setting, fill, path, text};
use axum::Router;
use emerge_engine::backend::Key;
use emerge_engine::{Backend, Principal};
use emerge_proto::class::decode;
use emerge_proto::query::Matches;
use emerge_proto::{Language, Op, Query};
use std::time::{Duration, Instant};

/// Objects of which an index finds ten.
const MANY: u64 = 1_000_000;
/// Objects that are all asked.
const OBJECTS: u64 = 100_000;
const NOW: i64 = 1_800_000_000_000_000;
/// Searches, and gets, of one run.
const TIMES: u64 = 300;

/// How many gets a search takes that finds ten of many by an index.
pub(crate) async fn indexed(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    fill(&setting, MANY).await?;
    let node = setting.node.node();
    let ask = async |op: Op| node.execute(&Principal::admin(), op, NOW).await.map_err(text);
    ask(Op::CreateIndex { class: "*".into(), field: "latitude".into(), unique: false }).await?;
    while node.engine().build_indexes(NOW, 1000).await.map_err(text)? {}
    let search = |at: u64| {
        let from = at as f64 * 0.001;
        let source = format!("o => o.latitude >= {from} && o.latitude < {}", from + 0.0095);
        Op::Search { query: Query::new(Language::JavaScript, Some(&source)), after: None }
    };
    let mut figures = Vec::new();
    let (mut searches, mut gets) = (Duration::ZERO, Duration::ZERO);
    for run in 0..runs as u64 {
        let (mut searching, mut getting) = (Duration::ZERO, Duration::ZERO);
        for time in 0..TIMES {
            let at = (run * TIMES + time) * 7919 % (MANY - 10);
            let began = Instant::now();
            let found = ask(search(at)).await?;
            searching += began.elapsed();
            let found: Matches = decode(&found).map_err(text)?;
            if found.items.len() != 10 {
                return Err(format!("{} objects were found, and not 10", found.items.len()));
            }
            let began = Instant::now();
            ask(Op::Get { path: (&path(at)?).into(), version: None, children: None }).await?;
            getting += began.elapsed();
        }
        figures.push(searching.as_secs_f64() / getting.as_secs_f64());
        searches += searching;
        gets += getting;
    }
    let each = |all: Duration| all.as_secs_f64() * 1e6 / (runs as f64 * TIMES as f64);
    let note =
        format!("{:.0} µs against {:.0}: ten of {MANY} by an index, a get", each(searches), each(gets));
    setting.stop().await?;
    Ok(Answer { runs: figures, note })
}

/// How fast many objects are asked natively, against reading the same keys of the store.
pub(crate) async fn unindexed(runs: usize) -> Measured {
    let setting = Setting::new(Router::new()).await?;
    fill(&setting, OBJECTS).await?;
    let node = setting.node.node();
    // The objects, as they lie in the store.
    let (start, end) = (Key::from(&b"o"[..]), Key::from(&b"p"[..]));
    let query = Query {
        count: Some(true),
        ..Query::new(Language::JavaScript, Some("o => o.height >= 1500 && o.open"))
    };
    let mut figures = Vec::new();
    let (mut searches, mut scans) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..runs {
        let began = Instant::now();
        let mut from = start.clone();
        let mut seen = 0;
        loop {
            let records = node.engine().backend().scan(from..end.clone(), 512).await.map_err(text)?;
            seen += records.len() as u64;
            let Some((last, _)) = records.last().filter(|_| records.len() == 512) else { break };
            from = [&last[..], &[0]].concat().into();
        }
        let scanning = began.elapsed();
        let began = Instant::now();
        let op = Op::Search { query: query.clone(), after: None };
        let found = node.execute(&Principal::admin(), op, NOW).await.map_err(text)?;
        let searching = began.elapsed();
        let found: Matches = decode(&found).map_err(text)?;
        if seen < OBJECTS || found.count.is_none_or(|count| count < OBJECTS / 8) {
            return Err(format!("{seen} records were read, and {:?} found", found.count));
        }
        figures.push(scanning.as_secs_f64() / searching.as_secs_f64());
        searches += searching;
        scans += scanning;
    }
    let rate = |all: Duration| OBJECTS as f64 * runs as f64 / all.as_secs_f64();
    let note = format!("{:.0} against {:.0} a second: objects asked, keys read", rate(searches), rate(scans));
    setting.stop().await?;
    Ok(Answer { runs: figures, note })
}
