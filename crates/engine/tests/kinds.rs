//! Values of every kind in unique indexes, masks over copies, and children whose place something else has taken.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, Engine, MemoryBackend, Principal, Scope};
use emerge_proto::op::{Child, StoreMode, Target};
use emerge_proto::{ClassHash, ErrorCode, Result, Value};

/// A class whose field `n` has a unique index that is ready.
async fn with_unique_index<B: Backend>(engine: &Engine<B>) -> ClassHash {
    let class = put_class(engine).await;
    let mut tx = admin(engine);
    tx.create_index("Counter", "n", true).await.unwrap();
    tx.commit(None).await.unwrap();
    while engine.build_indexes(NOW, 3).await.unwrap() {}
    class
}

async fn put<B: Backend>(
    engine: &Engine<B>,
    at: &str,
    class: ClassHash,
    value: &Value,
) -> Result<(), ErrorCode> {
    let mut tx = admin(engine);
    let state = Value::Map(vec![("n".into(), value.clone())]).encode();
    tx.store(&path(at), class, &state, StoreMode::Put, None, &[]).await.unwrap();
    match tx.commit(None).await {
        Ok(_) => Ok(()),
        Err(emerge_engine::CommitError::Error(error)) => Err(error.code),
        Err(other) => panic!("{other:?}"),
    }
}

fn decimal(exponent: i64, mantissa: i64) -> Value {
    Value::Decimal { exponent, mantissa: mantissa.into() }
}

/// Pairs of different values, each with another form of the first.
fn pairs() -> Vec<[Value; 3]> {
    let text = |text: &str| Value::Text(text.into());
    let map = |entries: &[(&str, i64)]| {
        Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value))).collect())
    };
    vec![
        [decimal(-2, 150), decimal(-2, 275), decimal(-1, 15)],
        [Value::Ref("/x".into()), Value::Ref("/y".into()), Value::Ref("/x".into())],
        [Value::List(vec![text("a")]), Value::List(vec![text("b")]), Value::List(vec![text("a")])],
        [map(&[("a", 1), ("b", 2)]), map(&[("a", 1)]), map(&[("b", 2), ("a", 1)])],
        [
            Value::Set(vec![Value::Int(1), Value::Int(2)]),
            Value::Set(vec![]),
            Value::Set(vec![Value::Int(2), Value::Int(1)]),
        ],
        [Value::Duration(1), Value::Duration(2), Value::Duration(1)],
    ]
}

#[test]
fn different_values_of_any_kind_are_unique_and_equal_ones_are_not() {
    let backend = MemoryBackend::new();
    on(backend.clone(), async |engine| {
        let class = with_unique_index(engine).await;
        for (at, [one, other, same]) in pairs().into_iter().enumerate() {
            assert_eq!(put(engine, &format!("/{at}a"), class, &one).await, Ok(()), "{one:?}");
            assert_eq!(put(engine, &format!("/{at}b"), class, &other).await, Ok(()), "{other:?}");
            let refused = put(engine, &format!("/{at}c"), class, &same).await;
            assert_eq!(refused, Err(ErrorCode::NotUnique), "{same:?}");
        }
        settle(engine).await;
        check_store(&backend).await.unwrap();
    });
}

#[test]
fn a_store_of_format_3_gets_its_keys_anew() {
    let backend = MemoryBackend::new();
    let all = pairs();
    on(backend.clone(), async |engine| {
        let class = with_unique_index(engine).await;
        put(engine, "/int", class, &Value::Int(1)).await.unwrap();
        put(engine, "/list", class, &all[2][0]).await.unwrap();
        put(engine, "/decimal", class, &all[0][0]).await.unwrap();
        settle(engine).await;
    });
    // As it was written then: one key for all values without an order.
    futures_executor::block_on(async {
        let fence = backend.claim().await.unwrap();
        let mut writes = Vec::new();
        for (key, value) in backend.contents() {
            let kind = key.get(17).copied().filter(|kind| key[0] == b'i' && matches!(kind, 13 | 14));
            if kind.is_some() {
                let id = &key[key.len() - 16..];
                let old = [&key[..17], &[13], id].concat();
                writes.push(emerge_engine::backend::Write { key: key.clone(), value: None });
                writes.push(emerge_engine::backend::Write { key: old.into(), value: Some(value) });
            } else if key[0] == b'm' && key.ends_with(b"format") {
                let value = Some(3u64.to_be_bytes().to_vec().into());
                writes.push(emerge_engine::backend::Write { key, value });
            }
        }
        assert_eq!(writes.len(), 5);
        writes.sort_by(|one, other| one.key.cmp(&other.key));
        backend.commit(emerge_engine::CommitRecord { writes }, fence).await.unwrap();
    });
    on(backend.clone(), async |engine| {
        let class = put_class(engine).await;
        // What had an order of its own binds all the while.
        assert_eq!(put(engine, "/again", class, &Value::Int(1)).await, Err(ErrorCode::NotUnique));
        while engine.build_indexes(NOW, 3).await.unwrap() {}
        assert_eq!(put(engine, "/again", class, &all[2][2]).await, Err(ErrorCode::NotUnique));
        assert_eq!(put(engine, "/again", class, &all[0][2]).await, Err(ErrorCode::NotUnique));
        assert_eq!(put(engine, "/other", class, &all[2][1]).await, Ok(()));
        settle(engine).await;
        check_store(&backend).await.unwrap();
    });
}

#[test]
fn a_copy_is_a_new_member_of_its_directory() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/from/o", class, 1).await.unwrap();
        store(&mut tx, "/from/d/o", class, 2).await.unwrap();
        tx.chmod(&path("/from"), "1777", true).await.unwrap();
        tx.mkdir(&path("/to"), false).await.unwrap();
        tx.set_rules(&path("/to"), None, Some("077")).await.unwrap();
        tx.cp(&path("/from/o"), "/to/o", false).await.unwrap();
        tx.cp(&path("/from"), "/to", true).await.unwrap();
        tx.mv(&path("/from/o"), "/to/moved").await.unwrap();
        for (at, perms) in [
            ("/to/o", "rwx-----T"),
            ("/to/from/o", "rwx-----T"),
            ("/to/from/d", "rwx-----T"),
            ("/to/from/d/o", "rwx-----T"),
            ("/to/moved", "rwxrwxrwt"),
        ] {
            assert_eq!(tx.stat(&path(at)).await.unwrap().perms.to_string(), perms, "{at}");
        }
        // In parts, too.
        let mut part = tx.copy_part(&path("/from"), "/to/parts", None).await.unwrap();
        while let Some(cursor) = part.cursor {
            part = tx.copy_part(&path("/from"), "/to/parts", Some(&cursor)).await.unwrap();
        }
        assert_eq!(tx.stat(&path("/to/parts/d/o")).await.unwrap().perms.to_string(), "rwx-----T");
    });
}

#[test]
fn what_has_taken_the_place_of_a_child_is_a_gap() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 1).await.unwrap();
        let child = |at: &str| Child { path: at.into(), class: Some(class), fields: Some(n(2)) };
        tx.add_children(&path("/a"), "kids", &[child("/b"), child("/c"), child("/d/e")]).await.unwrap();
        tx.rm(&path("/b"), false).await.unwrap();
        tx.mkdir(&path("/b"), false).await.unwrap();
        tx.rm(&path("/d"), true).await.unwrap();
        store(&mut tx, "/d", class, 1).await.unwrap();
        let children = tx.children(&path("/a#kids"), None, 0).await.unwrap().children.unwrap();
        let told: Vec<_> =
            children.items.iter().map(|child| child.error.as_ref().map(|error| error.code)).collect();
        assert_eq!(told, [Some(ErrorCode::NotFound), None, Some(ErrorCode::NotFound)]);
        let gap = children.items[0].error.as_ref().unwrap();
        assert!(gap.message.contains("directory") && gap.path.as_deref() == Some("/b"), "{gap}");
    });
}

#[test]
fn objects_come_from_the_newest_on() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for at in 0..7 {
            let mut tx = engine.begin(Principal::admin(), NOW + at * 10_000, seed());
            store(&mut tx, &format!("/d/{at}"), class, 1).await.unwrap();
            tx.commit(None).await.unwrap();
        }
        for directory in ["/", "/d"] {
            let mut after = None;
            let mut found = Vec::new();
            loop {
                let mut tx = admin(engine);
                let scope = Scope { descending: true, after, ..Scope::default() };
                let mut walk = tx.walk_objects(&Target::from(directory), scope).await.unwrap();
                let Some(some) = tx.next_objects(&mut walk, 2).await.unwrap() else { break };
                after = some.last().map(|object| object.id).or(after);
                if some.is_empty() {
                    break;
                }
                found.extend(some.into_iter().map(|object| object.path()));
            }
            let wanted: Vec<String> = (0..7).rev().map(|at| format!("/d/{at}")).collect();
            assert_eq!(found, wanted, "{directory}");
        }
    });
}
