//! What the index names is what has the words, in an order of its own, whatever was written, and also after it was opened again.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use emerge_node::{Ranked, TextDocument, TextPosition};
use emerge_proto::{ErrorCode, ObjectId, Value};
use emerge_query::text::TextQuery;
use emerge_text::WordIndex;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn id(number: u8) -> ObjectId {
    let mut id = [7; 16];
    id[15] = number;
    ObjectId(id)
}

fn position(commit: u64) -> TextPosition {
    TextPosition { store: id(255), commit, cursor: None, ready: true, added: 0 }
}

fn document(number: u8, fields: &[(&str, &str)]) -> TextDocument {
    let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
    TextDocument { id: id(number), state: Some(Value::Map(fields.collect()).encode()) }
}

fn query(text: &str, fields: Option<&[&str]>) -> TextQuery {
    let fields: Option<Vec<String>> = fields.map(|fields| fields.iter().map(|&field| field.into()).collect());
    TextQuery::read(text, fields.as_deref()).unwrap()
}

fn find(index: &WordIndex, text: &str) -> Vec<u8> {
    let found = index.find(&query(text, None), None, 100).unwrap();
    found.into_iter().map(|ranked| ranked.id.0[15]).collect()
}

#[test]
fn the_best_come_first() {
    let index = WordIndex::open(None);
    assert_eq!(index.find(&query("a", None), None, 1).unwrap_err().code, ErrorCode::Unavailable);
    index.clear(position(0)).unwrap();
    let documents = [
        document(3, &[("name", "red widget")]),
        document(1, &[("name", "Red"), ("note", "a widget, and many more words that make it long: red")]),
        document(2, &[("name", "widgets"), ("note", "reddish red")]),
        document(4, &[("name", "widget red")]),
        document(5, &[("n", "")]),
    ];
    index.write(&documents, position(1)).unwrap();
    assert_eq!(index.position(), Some(position(1)));
    // Those that fit as well are in the order of their ids.
    assert_eq!(find(&index, "red widget"), [3, 4, 1]);
    assert_eq!(find(&index, "\"red widget\""), [3]);
    assert_eq!(find(&index, "wid*"), [1, 2, 3, 4]);
    assert_eq!(find(&index, "red*").len(), 4);
    let named = |text: &str, fields: &[&str]| {
        let found = index.find(&query(text, Some(fields)), None, 100).unwrap();
        found.into_iter().map(|ranked| ranked.id.0[15]).collect::<Vec<_>>()
    };
    assert_eq!(named("widget", &["note"]), [1]);
    assert_eq!(named("re*", &["note"]), [1, 2]);
    assert_eq!(named("name*", &["name"]), Vec::<u8>::new());
    let both = named("\"red widget\" red", &["name", "note"]);
    assert_eq!(both, [3]);

    let twice = [document(6, &[("t", "once")]), document(6, &[("t", "twice")])];
    index.write(&twice, position(1)).unwrap();
    assert_eq!((find(&index, "once"), find(&index, "twice")), (vec![], vec![6]));

    // What was written again, or is gone.
    let gone = TextDocument { id: id(4), state: None };
    index.write(&[document(3, &[("name", "blue")]), gone], position(2)).unwrap();
    assert_eq!(find(&index, "red widget"), [1]);
    index.forget(vec![id(1)]);
    index.write(&[], position(3)).unwrap();
    assert_eq!(find(&index, "red widget"), Vec::<u8>::new());
}

#[test]
fn a_score_says_nothing_of_others() {
    let index = WordIndex::open(None);
    index.clear(position(0)).unwrap();
    index.write(&[document(1, &[("t", "rare words here")])], position(1)).unwrap();
    let score = || index.find(&query("rare words", None), None, 1).unwrap()[0].score;
    let before = score();
    let many: Vec<TextDocument> =
        (2..200).map(|at| document(at, &[("t", "rare and quite other text, much of it")])).collect();
    index.write(&many, position(2)).unwrap();
    assert_eq!(score(), before);
}

#[test]
fn it_is_there_again_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("text");
    let index = WordIndex::open(Some(&folder));
    assert_eq!(index.position(), None);
    assert!(!folder.exists(), "nothing is made before it is needed");
    index.clear(position(0)).unwrap();
    let half = TextPosition { cursor: Some(id(9)), ready: false, added: 3, ..position(7) };
    index.write(&[document(1, &[("t", "red")])], half.clone()).unwrap();
    drop(index);
    let index = WordIndex::open(Some(&folder));
    assert_eq!(index.position(), Some(half));
    assert_eq!(find(&index, "red"), [1]);
    drop(index);
    for entry in std::fs::read_dir(&folder).unwrap() {
        std::fs::write(entry.unwrap().path(), "broken").unwrap();
    }
    let index = WordIndex::open(Some(&folder));
    let broken = index.position().is_none() || index.find(&query("red", None), None, 1).is_err();
    assert!(broken);
    index.clear(position(9)).unwrap();
    assert_eq!(find(&index, "red"), Vec::<u8>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_names_all_that_have_the_words(
        writes in prop::collection::vec(prop::collection::vec(
            (0..40u8, prop::option::of(prop::collection::vec("[ab]{1,3}|é|a-b", 0..6))), 0..12), 1..6),
        asked in prop::collection::vec("([ab]{1,2}\\*?|\"[ab] [ab]{1,2}\\*?\")( [ab]\\*?)?", 1..8),
        limit in 1..7usize,
    ) {
        let index = WordIndex::open(None);
        index.clear(position(0)).unwrap();
        let mut model: BTreeMap<ObjectId, Vec<u8>> = BTreeMap::new();
        for (at, write) in writes.into_iter().enumerate() {
            let documents: BTreeMap<u8, TextDocument> = write.into_iter().map(|(number, words)| {
                let document = match words {
                    Some(words) => {
                        let (name, note) = words.split_at(words.len() / 2);
                        document(number, &[("name", &name.join(" ")), ("note", &note.join(", "))])
                    }
                    None => TextDocument { id: id(number), state: None },
                };
                (number, document)
            }).collect();
            for document in documents.values() {
                match &document.state {
                    Some(state) => model.insert(document.id, state.clone()),
                    None => model.remove(&document.id),
                };
            }
            index.write(&documents.into_values().collect::<Vec<_>>(), position(at as u64 + 1)).unwrap();
        }
        for text in asked {
            for fields in [None, Some(&["name"][..]), Some(&["name", "note"][..])] {
                let query = query(&text, fields);
                let mut named: Vec<Ranked> = Vec::new();
                loop {
                    let page = index.find(&query, named.last().copied(), limit).unwrap();
                    named.extend(&page);
                    if page.len() < limit {
                        break;
                    }
                }
                prop_assert!(named.windows(2).all(|two| two[0].place() < two[1].place()));
                let mut found: Vec<ObjectId> = named.iter().map(|ranked| ranked.id)
                    .filter(|id| query.find(&model[id]).unwrap().is_some()).collect();
                found.sort();
                let wanted: Vec<ObjectId> = model.iter()
                    .filter(|(_, state)| query.find(state).unwrap().is_some()).map(|(id, _)| *id).collect();
                prop_assert_eq!(found, wanted, "{} {:?}", text, fields);
            }
        }
    }
}
