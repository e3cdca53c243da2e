//! Indexes: their entries are those of the objects whatever happens, and unique values stay so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::backend::Write;
use emerge_engine::testing::check_store;
use emerge_engine::{
    Backend, CommitError, CommitRecord, Engine, EngineOptions, IndexOrder, MemoryBackend, Principal, Scope,
    Tx,
};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::query::IndexInfo;
use emerge_proto::value::order;
use emerge_proto::{ClassHash, ErrorCode, ObjectId, Value};

async fn create<B: Backend>(engine: &Engine<B>, class: &str, field: &str, unique: bool) {
    let mut tx = admin(engine);
    tx.create_index(class, field, unique).await.unwrap();
    tx.commit(None).await.unwrap();
}

async fn build<B: Backend>(engine: &Engine<B>) {
    while engine.build_indexes(NOW, 3).await.unwrap() {}
}

async fn put<B: Backend>(
    engine: &Engine<B>,
    at: &str,
    class: ClassHash,
    value: u64,
) -> Result<(), CommitError> {
    let mut tx = admin(engine);
    store(&mut tx, at, class, value).await.unwrap();
    tx.commit(None).await.map(|_| ())
}

/// The names of the objects whose field is in a range, by an index.
async fn between<B: Backend>(tx: &mut Tx<B>, directory: &str, from: i64, to: i64) -> Option<Vec<String>> {
    let index = tx.index_for(None, None, "n", false).await.unwrap()?;
    let key = |value: i64| order::key(Some(&Value::Int(value)));
    let scope = Scope { index: Some((index, vec![(key(from), key(to))])), ..Scope::default() };
    let mut walk = tx.walk_objects(&Target::from(directory), scope).await.unwrap();
    assert_eq!(walk.access(), "index");
    let mut found = Vec::new();
    while let Some(objects) = tx.next_objects(&mut walk, 2).await.unwrap() {
        found.extend(objects.into_iter().map(|object| object.path()));
    }
    found.sort();
    Some(found)
}

#[test]
fn entries_follow_objects() {
    let backend = MemoryBackend::new();
    on(backend.clone(), async |engine| {
        let class = put_class(engine).await;
        for at in 0..10 {
            put(engine, &format!("/a/o{at}"), class, at).await.unwrap();
        }
        create(engine, "*", "n", false).await;
        assert_eq!(between(&mut admin(engine), "/", 0, 9).await, None, "it is not ready");
        put(engine, "/a/o3", class, 30).await.unwrap();
        build(engine).await;
        let mut tx = admin(engine);
        assert_eq!(between(&mut tx, "/", 2, 4).await.unwrap(), ["/a/o2", "/a/o4"]);
        put(engine, "/a/o2", class, 20).await.unwrap();
        let mut tx = admin(engine);
        tx.mv(&path("/a/o4"), "/b4").await.unwrap();
        // What it wrote itself is looked at too; the caller asks each for its value.
        assert_eq!(between(&mut tx, "/", 5, 6).await.unwrap(), ["/a/o5", "/a/o6", "/b4"]);
        tx.commit(None).await.unwrap();
        let mut tx = admin(engine);
        tx.cp(&path("/a"), "/c", true).await.unwrap();
        tx.commit(None).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(between(&mut tx, "/", 4, 5).await.unwrap(), ["/a/o5", "/b4", "/c/o5"]);
        assert_eq!(
            between(&mut tx, "/c", 4, 20).await.unwrap(),
            ["/c/o2", "/c/o5", "/c/o6", "/c/o7", "/c/o8", "/c/o9"]
        );
        tx.rm(&path("/a"), true).await.unwrap();
        tx.restore(&path("/b4"), 1.into(), None).await.unwrap();
        tx.commit(None).await.unwrap();
        // Entries of what waits for collection are there, and nobody sees them.
        assert_eq!(between(&mut admin(engine), "/", 4, 5).await.unwrap(), ["/b4", "/c/o5"]);
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
        for _ in 0..20 {
            engine.collect(NOW, 50).await.unwrap();
        }
        assert!(admin(engine).drop_index("*", "m").await.is_ok_and(|dropped| !dropped));
        let mut tx = admin(engine);
        assert!(tx.drop_index("*", "n").await.unwrap());
        tx.commit(None).await.unwrap();
        assert!(engine.indexes().is_empty());
        put(engine, "/d", class, 4).await.unwrap();
        engine.collect(NOW, 500).await.unwrap();
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn an_index_outlives_its_node() {
    let backend = MemoryBackend::new();
    on(backend.clone(), async |engine| {
        let class = put_class(engine).await;
        for at in 0..7 {
            put(engine, &format!("/o{at}"), class, at).await.unwrap();
        }
        create(engine, "Counter", "n", false).await;
        engine.build_indexes(NOW, 3).await.unwrap();
        settle(engine).await;
    });
    let engine = futures_executor::block_on(Engine::open(backend, EngineOptions::new("test"), NOW)).unwrap();
    with_committer(&engine.clone(), async {
        assert!(!engine.indexes()[0].ready);
        build(&engine).await;
        assert!(engine.indexes()[0].ready);
        let mut tx = admin(&engine);
        let index = tx.index_for(Some("Counter"), None, "n", true).await.unwrap().unwrap();
        assert_eq!((&*index.class, &*index.field), ("Counter", "n"));
        assert_eq!(tx.index_for(Some("Other"), None, "n", true).await.unwrap(), None);
        assert_eq!(tx.index_for(None, None, "n", true).await.unwrap(), None, "it has not all objects");
        settle(&engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn a_unique_value_stays_unique() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        put(engine, "/a", class, 1).await.unwrap();
        create(engine, "Counter", "n", true).await;
        build(engine).await;
        put(engine, "/a", class, 1).await.unwrap();
        put(engine, "/b", class, 2).await.unwrap();
        let Err(CommitError::Error(error)) = put(engine, "/c", class, 1).await else {
            panic!("it is not unique")
        };
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::NotUnique, Some("n")));
        assert_eq!(error.path.as_deref(), Some("/a"));
        let Err(CommitError::Error(error)) = put(engine, "/b", class, 1).await else {
            panic!("it is not unique")
        };
        assert_eq!(error.code, ErrorCode::NotUnique);

        // Exchanged in one transaction.
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 2).await.unwrap();
        store(&mut tx, "/b", class, 1).await.unwrap();
        tx.commit(None).await.unwrap();
        // Two in one transaction.
        let mut tx = admin(engine);
        store(&mut tx, "/x", class, 9).await.unwrap();
        store(&mut tx, "/y", class, 9).await.unwrap();
        assert!(
            matches!(tx.commit(None).await, Err(CommitError::Error(error)) if error.code == ErrorCode::NotUnique)
        );

        // Two transactions at the same time: the second meets what the first has done when it runs again.
        let (mut one, mut other) = (admin(engine), admin(engine));
        store(&mut one, "/p", class, 5).await.unwrap();
        store(&mut other, "/q", class, 5).await.unwrap();
        let (one, other) = futures_util::join!(one.commit(None), other.commit(None));
        assert!(one.is_ok());
        match other {
            Err(CommitError::Conflict) => {}
            Err(CommitError::Error(error)) => assert_eq!(error.code, ErrorCode::NotUnique),
            Ok(_) => panic!("both have it"),
        }

        // What was removed, alone or with its tree, leaves its value to others.
        put(engine, "/t/o", class, 7).await.unwrap();
        for gone in ["/p", "/t"] {
            let mut tx = admin(engine);
            tx.rm(&path(gone), true).await.unwrap();
            tx.commit(None).await.unwrap();
        }
        put(engine, "/q", class, 5).await.unwrap();
        put(engine, "/u", class, 7).await.unwrap();
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn a_value_is_unique_among_what_others_may_not_see_too() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        create(engine, "Counter", "n", true).await;
        build(engine).await;
        put(engine, "/hidden/a", class, 1).await.unwrap();
        put(engine, "/seen/b", class, 2).await.unwrap();
        let mut tx = admin(engine);
        tx.chmod(&path("/hidden"), "700", true).await.unwrap();
        tx.chmod(&path("/seen"), "755", true).await.unwrap();
        tx.mkdir(&path("/eve"), false).await.unwrap();
        tx.chmod(&path("/eve"), "777", false).await.unwrap();
        tx.commit(None).await.unwrap();
        for (value, told) in [(1, None), (2, Some("/seen/b"))] {
            let mut tx = as_user(engine, "eve");
            store(&mut tx, "/eve/c", class, value).await.unwrap();
            let Err(CommitError::Error(error)) = tx.commit(None).await else { panic!("it is not unique") };
            assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotUnique, told));
            assert!(!error.message.contains("hidden"), "{}", error.message);
        }
        // A hundred with this value that wait for collection hide none that is there.
        for at in 0..100 {
            put(engine, &format!("/gone/o{at}/o"), class, 100 + at).await.unwrap();
        }
        let mut tx = admin(engine);
        tx.rm(&path("/gone"), true).await.unwrap();
        tx.commit(None).await.unwrap();
        put(engine, "/seen/d", class, 150).await.unwrap();
        let Err(CommitError::Error(error)) = put(engine, "/seen/e", class, 150).await else {
            panic!("it is not unique")
        };
        assert_eq!(error.path.as_deref(), Some("/seen/d"));
    });
}

#[test]
fn indexes_are_told_to_the_class_s_owner() {
    on_memory(async |engine| {
        let mut tx = as_user(engine, "ada");
        tx.put_class(source("Note", "class Note {}"), vec![]).await.unwrap();
        tx.create_index("Note", "n", false).await.unwrap();
        tx.commit(None).await.unwrap();
        create(engine, "*", "n", false).await;
        let fields = |infos: Vec<IndexInfo>| infos.into_iter().map(|info| info.class).collect::<Vec<_>>();
        assert_eq!(fields(as_user(engine, "ada").index_infos().await.unwrap()), ["Note"]);
        assert!(as_user(engine, "eve").index_infos().await.unwrap().is_empty());
        assert_eq!(fields(admin(engine).index_infos().await.unwrap()), ["*", "Note"]);
    });
}

#[test]
fn values_that_are_the_same_before_are_counted() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for (at, value) in [1, 2, 1, 3, 1].into_iter().enumerate() {
            put(engine, &format!("/a{at}"), class, value).await.unwrap();
        }
        create(engine, "*", "n", true).await;
        engine.build_indexes(NOW, 2).await.unwrap();
        let info = admin(engine).index_infos().await.unwrap().remove(0);
        assert_eq!((info.ready, info.looked_at, info.duplicates), (false, Some(2), None));
        build(engine).await;
        let info = admin(engine).index_infos().await.unwrap().remove(0);
        assert_eq!((info.ready, info.looked_at, info.duplicates), (true, None, Some(2)));
        put(engine, "/a0", class, 1).await.unwrap();
        assert!(put(engine, "/a3", class, 1).await.is_err());
        // Those that are no longer of one value are no longer counted, whichever of them has changed.
        let duplicates = async || admin(engine).index_infos().await.unwrap().remove(0).duplicates;
        put(engine, "/a0", class, 10).await.unwrap();
        assert_eq!(duplicates().await, Some(1));
        assert!(put(engine, "/a0", class, 1).await.is_err(), "it has given the value up");
        let mut tx = admin(engine);
        tx.mkdir(&path("/tree"), false).await.unwrap();
        tx.mv(&path("/a2"), "/tree/a2").await.unwrap();
        tx.commit(None).await.unwrap();
        assert_eq!(duplicates().await, Some(1));
        let mut tx = admin(engine);
        tx.rm(&path("/tree"), true).await.unwrap();
        tx.commit(None).await.unwrap();
        assert_eq!(duplicates().await, None);
    });
}

#[test]
fn an_index_may_go_while_it_is_used() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        put(engine, "/a", class, 1).await.unwrap();
        create(engine, "*", "n", false).await;
        build(engine).await;
        let mut reader = admin(engine);
        let index = reader.index_for(None, None, "n", true).await.unwrap().unwrap();
        let mut tx = admin(engine);
        tx.drop_index("*", "n").await.unwrap();
        tx.commit(None).await.unwrap();
        // It has no entry in the index, which is no longer kept.
        put(engine, "/b", class, 1).await.unwrap();
        let key = order::key(Some(&Value::Int(1)));
        let scope = Scope { index: Some((index, vec![(key.clone(), key)])), noted: true, ..Scope::default() };
        let mut walk = reader.walk_objects(&path("/"), scope).await.unwrap();
        assert_eq!(walk.access(), "tree");
        let mut found = Vec::new();
        while let Some(objects) = reader.next_objects(&mut walk, 10).await.unwrap() {
            found.extend(objects.into_iter().map(|object| object.path()));
        }
        found.sort();
        assert_eq!(found, ["/a", "/b"]);
    });
}

#[test]
fn an_index_is_made_or_not_with_its_transaction() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut held = admin(engine);
        store(&mut held, "/a", class, 1).await.unwrap();
        let before = held.savepoint();
        held.create_index("*", "n", false).await.unwrap();
        held.back_to(&before);
        held.create_index("*", "m", false).await.unwrap();
        // Another index is made meanwhile, which is no conflict for one that was held open.
        create(engine, "*", "o", false).await;
        held.stamp(NOW);
        held.commit(None).await.unwrap();
        let mut fields: Vec<String> = engine.indexes().iter().map(|index| index.field.clone()).collect();
        fields.sort();
        assert_eq!(fields, ["m", "o"]);
        build(engine).await;
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
        let long = "f".repeat(256);
        for field in ["", &long] {
            assert_eq!(
                admin(engine).create_index("*", field, false).await.unwrap_err().code,
                ErrorCode::BadArgument
            );
        }
    });
}

#[test]
fn long_and_large_values_are_compared_whole() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        create(engine, "*", "t", true).await;
        build(engine).await;
        let text = |length: usize, end: &str| {
            Value::Map(vec![("t".into(), Value::Text("a".repeat(length) + end))]).encode()
        };
        let put = async |at: &str, fields: Vec<u8>| {
            let mut tx = admin(engine);
            tx.store(&path(at), class, &fields, StoreMode::Put, None, &[]).await.unwrap();
            tx.commit(None).await
        };
        for length in [300, 100_000] {
            put(&format!("/a{length}"), text(length, "x")).await.unwrap();
            put(&format!("/b{length}"), text(length, "y")).await.unwrap();
            let error = put("/c", text(length, "x")).await;
            assert!(matches!(error, Err(CommitError::Error(error)) if error.code == ErrorCode::NotUnique));
        }
        // Missing and null are of many.
        for at in ["/m", "/n"] {
            put(at, Value::Map(vec![]).encode()).await.unwrap();
            put(&format!("{at}2"), Value::Map(vec![("t".into(), Value::Null)]).encode()).await.unwrap();
        }
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn only_an_owner_indexes_a_class() {
    on_memory(async |engine| {
        put_class(engine).await;
        let mut tx = as_user(engine, "eve");
        assert_eq!(tx.create_index("*", "n", false).await.unwrap_err().code, ErrorCode::PermissionDenied);
        assert_eq!(tx.create_index("Counter", "n", false).await.unwrap_err().code, ErrorCode::ClassNotFound);
        let id = admin(engine).class_by_name("Counter").await.unwrap().lineage[0].class_id.to_string();
        assert_eq!(tx.create_index(&id, "n", true).await.unwrap_err().code, ErrorCode::PermissionDenied);
        let mut tx = admin(engine);
        tx.create_index(&id, "n", true).await.unwrap();
        assert_eq!(tx.create_index("Counter", "n", false).await.unwrap_err().code, ErrorCode::AlreadyExists);
        tx.create_index("Counter", "n", true).await.unwrap();
    });
}

/// Makes the records of all indexes those of a program that did not keep who made an index.
async fn forget_makers(backend: &MemoryBackend, unique: bool, ready: bool, duplicates: u64) {
    let fence = backend.claim().await.unwrap();
    let mut writes = Vec::new();
    for (key, value) in backend.contents().into_iter().filter(|(key, _)| key[0] == b'd') {
        let mut now = minicbor::Decoder::new(&value);
        assert_eq!(now.array().unwrap(), Some(8), "the record has the makers at its end");
        let (id, class): (ObjectId, String) = (now.decode().unwrap(), now.decode().unwrap());
        let mut before = minicbor::Encoder::new(Vec::new());
        before.array(7).unwrap().encode(id).unwrap().str(&class).unwrap().bool(unique).unwrap();
        before.bool(ready).unwrap().null().unwrap().u64(0).unwrap().u64(duplicates).unwrap();
        writes.push(Write { key, value: Some(before.into_writer().into()) });
    }
    assert_eq!(writes.len(), 1);
    backend.commit(CommitRecord { writes }, fence).await.unwrap();
}

#[test]
fn an_index_of_before_makers_were_kept_is_everyones() {
    // Ready, and one whose building had just begun.
    for ready in [true, false] {
        let backend = MemoryBackend::new();
        on(backend.clone(), async |engine| {
            let mut tx = as_user(engine, "ada");
            tx.put_class(source("Counter", "class Counter {}"), vec![]).await.unwrap();
            tx.commit(None).await.unwrap();
            let class = put_class(engine).await;
            for (at, value) in [("/a", 1), ("/b", 2), ("/c", 1)] {
                put(engine, at, class, value).await.unwrap();
            }
            let mut tx = as_user(engine, "ada");
            tx.create_index("Counter", "n", true).await.unwrap();
            tx.commit(None).await.unwrap();
            build(engine).await;
            settle(engine).await;
        });
        futures_executor::block_on(forget_makers(&backend, true, ready, u64::from(ready)));
        on(backend.clone(), async |engine| {
            let class = put_class(engine).await;
            assert_eq!((engine.indexes()[0].unique.clone(), engine.indexes()[0].ready), (vec![None], ready));
            build(engine).await;
            let told = async |user: Option<&str>| {
                let mut tx = user.map_or_else(|| admin(engine), |user| as_user(engine, user));
                let infos = tx.index_infos().await.unwrap();
                infos.into_iter().map(|info| (info.unique, info.ready, info.duplicates)).collect::<Vec<_>>()
            };
            for user in [None, Some("ada")] {
                assert_eq!(told(user).await, [(true, true, Some(1))], "{user:?}, ready: {ready}");
            }
            assert_eq!(between(&mut admin(engine), "/", 1, 2).await, None, "it is of one class");
            // It binds what anyone owns.
            assert!(put(engine, "/d", class, 2).await.is_err());
            put(engine, "/d", class, 4).await.unwrap();
            // Whoever makes it too has it beside everyone's, which stays.
            let mut tx = as_user(engine, "ada");
            assert!(tx.create_index("Counter", "n", true).await.unwrap().unique);
            tx.commit(None).await.unwrap();
            build(engine).await;
            assert_eq!(engine.indexes()[0].unique, [None, Some("ada".into())]);
            let mut tx = as_user(engine, "ada");
            assert!(tx.drop_index("Counter", "n").await.unwrap());
            tx.commit(None).await.unwrap();
            assert_eq!(engine.indexes()[0].unique, [None]);
            assert!(put(engine, "/e", class, 4).await.is_err());
            settle(engine).await;
        });
        futures_executor::block_on(check_store(&backend)).unwrap();
        // As it was, it is any owner's to drop.
        futures_executor::block_on(forget_makers(&backend, true, true, 0));
        on(backend.clone(), async |engine| {
            let mut tx = as_user(engine, "ada");
            assert!(tx.drop_index("Counter", "n").await.unwrap());
            tx.commit(None).await.unwrap();
            assert!(engine.indexes().is_empty());
            settle(engine).await;
        });
    }
}

/// Objects along an index with what each has reached, two at a time.
async fn along<B: Backend>(tx: &mut Tx<B>, order: IndexOrder, noted: bool) -> Vec<String> {
    let scope = Scope { order: Some(order), noted, ..Scope::default() };
    let mut walk = tx.walk_objects(&path("/"), scope).await.unwrap();
    assert_eq!(walk.access(), "order");
    let mut found = Vec::new();
    while let Some(objects) = tx.next_objects(&mut walk, 2).await.unwrap() {
        found.extend(objects.into_iter().map(|object| object.path()));
    }
    if walk.gives_up() {
        found.push("?".into());
    }
    found
}

#[test]
fn objects_come_in_the_order_of_an_index() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        create(engine, "*", "n", false).await;
        build(engine).await;
        for (at, (name, value)) in
            [("a", 3), ("b", 1), ("c", 2), ("d", 2), ("e", 0), ("f", 9)].iter().enumerate()
        {
            // Ids follow the time to the millisecond.
            let mut tx = engine.begin(Principal::admin(), NOW + at as i64 * 1000, seed());
            store(&mut tx, &format!("/{name}"), class, *value).await.unwrap();
            tx.commit(None).await.unwrap();
        }
        let order = async |descending, after, ranges| {
            let index = admin(engine).index_for(None, None, "n", false).await.unwrap().unwrap();
            IndexOrder { index, ranges, after, descending }
        };
        let key = |value: i64| order::key(Some(&Value::Int(value)));
        let id = admin(engine).stat(&path("/c")).await.unwrap().id;
        for noted in [false, true] {
            let mut tx = admin(engine);
            let all = along(&mut tx, order(false, None, None).await, noted).await;
            assert_eq!(all, ["/e", "/b", "/c", "/d", "/a", "/f"]);
            let back = along(&mut tx, order(true, None, None).await, noted).await;
            assert_eq!(back, all.iter().rev().cloned().collect::<Vec<_>>());
            let after = Some((key(2), id));
            assert_eq!(along(&mut tx, order(false, after.clone(), None).await, noted).await, all[3..]);
            assert_eq!(along(&mut tx, order(true, after.clone(), None).await, noted).await, back[4..]);
            let ranges = || Some(vec![(key(0), key(1)), (key(2), key(3))]);
            assert_eq!(along(&mut tx, order(false, after, ranges()).await, noted).await, all[3..5]);
            assert_eq!(along(&mut tx, order(true, None, ranges()).await, noted).await, back[1..]);
        }
        // What the transaction has written comes first, and once, whatever its value was.
        let mut tx = admin(engine);
        store(&mut tx, "/f", class, 1).await.unwrap();
        store(&mut tx, "/g", class, 5).await.unwrap();
        tx.rm(&path("/b"), false).await.unwrap();
        let mut found = along(&mut tx, order(true, None, None).await, true).await;
        found[..2].sort();
        assert_eq!(found, ["/f", "/g", "/a", "/d", "/c", "/e"]);
        // A value that another adds in what was passed is a conflict; one after what was looked at is not.
        let reads = async |value: u64| {
            let scope = Scope { order: Some(order(true, None, None).await), noted: true, ..Scope::default() };
            let mut tx = admin(engine);
            let mut walk = tx.walk_objects(&path("/"), scope).await.unwrap();
            tx.next_objects(&mut walk, 2).await.unwrap();
            put(engine, "/x", class, value).await.unwrap();
            tx.mkdir(&path(&format!("/dir{value}")), false).await.unwrap();
            let done = tx.commit(None).await.map(drop);
            let mut tx = admin(engine);
            tx.rm(&path("/x"), false).await.unwrap();
            tx.commit(None).await.unwrap();
            done
        };
        assert_eq!(reads(0).await, Ok(()));
        assert_eq!(reads(7).await, Err(CommitError::Conflict));
        // An index that has gone tells nothing any more.
        let gone = order(false, None, None).await;
        let mut tx = admin(engine);
        tx.drop_index("*", "n").await.unwrap();
        tx.commit(None).await.unwrap();
        assert_eq!(along(&mut admin(engine), gone, false).await, ["?"]);
    });
}
