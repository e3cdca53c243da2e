//! Classes with several owners: the same source stored by several users, their indexes, and whose objects a unique one binds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{CommitError, Engine, MemoryBackend, Tx};
use emerge_proto::{ClassHash, ClassVersion, Error, ErrorCode};

type Memory = Engine<MemoryBackend>;

async fn put_as(engine: &Memory, user: &str, text: &str) -> ClassVersion {
    let mut tx = as_user(engine, user);
    let class = tx.put_class(source("Item", text), vec![]).await.unwrap();
    commit(tx).await.unwrap();
    class
}

/// A class that ada and bob have both stored, and a directory for each.
async fn shared(engine: &Memory) -> ClassHash {
    let class = put_as(engine, "ada", "class Item {}").await;
    assert_eq!(put_as(engine, "bob", "class Item {}").await, class);
    let mut tx = admin(engine);
    for (at, user) in ["ada", "bob"].into_iter().enumerate() {
        tx.users(emerge_proto::account::UserAction::Add, Some(user), Some(&[at as u8; 32]), None)
            .await
            .unwrap();
        tx.mkdir(&path(&format!("/{user}")), false).await.unwrap();
        tx.chown(&path(&format!("/{user}")), Some(user), None, false).await.unwrap();
    }
    commit(tx).await.unwrap();
    class.hash
}

async fn index(engine: &Memory, mut tx: Tx<MemoryBackend>, unique: bool) -> Result<bool, Error> {
    let info = tx.create_index("Item", "n", unique).await?;
    commit(tx).await.unwrap();
    while engine.build_indexes(NOW, 3).await.unwrap() {}
    Ok(info.unique)
}

async fn put(engine: &Memory, user: &str, at: &str, class: ClassHash, n: u64) -> Result<(), Error> {
    let mut tx = as_user(engine, user);
    store(&mut tx, at, class, n).await?;
    committed(tx).await
}

async fn committed(tx: Tx<MemoryBackend>) -> Result<(), Error> {
    match commit(tx).await {
        Ok(_) => Ok(()),
        Err(CommitError::Error(error)) => Err(error),
        Err(CommitError::Conflict) => panic!("nobody else writes"),
    }
}

async fn drop_by(engine: &Memory, mut tx: Tx<MemoryBackend>) -> Result<bool, Error> {
    let class = as_user(engine, "ada").class_by_name("Item").await.unwrap().lineage[0].class_id;
    let dropped = tx.drop_index(&class.to_string(), "n").await?;
    commit(tx).await.unwrap();
    Ok(dropped)
}

async fn checked(engine: &Memory) {
    settle(engine).await;
    check_store(engine.backend()).await.unwrap();
}

#[test]
fn the_same_source_is_a_class_of_each_who_stores_it() {
    on_memory(async |engine| {
        let first = put_as(engine, "ada", "class Item { a }").await;
        assert_eq!(
            as_user(engine, "bob").class_by_name("Item").await.unwrap_err().code,
            ErrorCode::ClassNotFound
        );
        put_as(engine, "bob", "class Item { a }").await;
        let found = as_user(engine, "bob").class_by_name("Item").await.unwrap();
        assert_eq!(found.lineage[0], first);
        let listed = as_user(engine, "bob").list(&path("/classes"), None, None).await.unwrap();
        assert_eq!(listed.members.len(), 1);
        assert_eq!(admin(engine).class_named("Item").await.unwrap(), Some(first.class_id));

        // Again, it writes nothing.
        let mut tx = as_user(engine, "bob");
        tx.put_class(source("Item", "class Item { a }"), vec![]).await.unwrap();
        assert!(!commit(tx).await.unwrap().wrote);

        // Both go on with the class, by numbers of their own versions.
        let second = put_as(engine, "bob", "class Item { b }").await;
        let third = put_as(engine, "ada", "class Item { c }").await;
        assert_eq!((second.class_id, second.version), (first.class_id, 2));
        assert_eq!((third.class_id, third.version), (first.class_id, 3));
        // What is one's own already moves nothing back; another's newest becomes one's newest.
        put_as(engine, "ada", "class Item { a }").await;
        put_as(engine, "bob", "class Item { a }").await;
        for (user, newest) in [("ada", 3), ("bob", 2)] {
            let found = as_user(engine, user).class_by_name("Item").await.unwrap();
            assert_eq!(found.lineage[0].version, newest, "{user}");
        }
        put_as(engine, "bob", "class Item { c }").await;
        assert_eq!(as_user(engine, "bob").class_by_name("Item").await.unwrap().lineage[0], third);
        checked(engine).await;
    });
}

#[test]
fn a_name_goes_over_to_the_class_of_the_source() {
    on_memory(async |engine| {
        let own = put_as(engine, "bob", "class Item { own }").await;
        let first = put_as(engine, "ada", "class Item { a }").await;
        put_as(engine, "ada", "class Item { b }").await;
        assert_ne!(own.class_id, first.class_id);
        put_as(engine, "bob", "class Item { a }").await;
        // The next number is free, though bob has seen the first version only.
        let next = put_as(engine, "bob", "class Item { c }").await;
        assert_eq!((next.class_id, next.version), (first.class_id, 3));
        // Back to the class of before, which goes on too.
        put_as(engine, "eve", "class Item { own }").await;
        let eves = put_as(engine, "eve", "class Item { d }").await;
        assert_eq!((eves.class_id, eves.version), (own.class_id, 2));
        checked(engine).await;
    });
}

#[test]
fn an_owner_is_who_has_stored_that_version() {
    on_memory(async |engine| {
        let first = put_as(engine, "ada", "class Item {}").await;
        let second = put_as(engine, "ada", "class Item { next }").await;
        put_as(engine, "bob", "class Item {}").await;
        put_as(engine, "bob", "class Item { bobs }").await;
        let mut tx = as_user(engine, "eve");
        for (class, user, owns) in [
            (&first, "ada", true),
            (&first, "bob", true),
            (&second, "ada", true),
            (&second, "bob", false),
            (&first, "eve", false),
        ] {
            assert_eq!(tx.owns_version(class, user).await.unwrap(), owns, "{user} {}", class.version);
        }
    });
}

#[test]
fn each_owner_has_an_index_of_the_class() {
    on_memory(async |engine| {
        let class = shared(engine).await;
        let mut tx = as_user(engine, "bob");
        let id = tx.class_by_name("Item").await.unwrap().lineage[0].class_id.to_string();
        for target in [id.clone(), class.to_string()] {
            let mut tx = as_user(engine, "eve");
            let error = tx.create_index(&target, "n", false).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::PermissionDenied);
        }
        assert!(!index(engine, as_user(engine, "ada"), false).await.unwrap());
        // Another owner finds it, and has made nothing of it.
        assert_eq!(as_user(engine, "bob").index_infos().await.unwrap().len(), 1);
        let error = drop_by(engine, as_user(engine, "bob")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied);
        assert!(!index(engine, as_user(engine, "bob"), false).await.unwrap());
        assert_eq!(engine.indexes().len(), 1);
        assert!(engine.indexes()[0].ready, "it is there already");
        assert!(drop_by(engine, as_user(engine, "ada")).await.unwrap());
        assert_eq!(engine.indexes().len(), 1);
        // Who made it drops it though the name has gone to another class.
        put_as(engine, "eve", "class Item { other }").await;
        put_as(engine, "bob", "class Item { other }").await;
        assert!(drop_by(engine, as_user(engine, "bob")).await.unwrap());
        assert!(engine.indexes().is_empty());
        // An administrator's that binds nothing is the owners' to drop; an administrator drops each at once.
        let mut tx = admin(engine);
        tx.create_index(&id, "n", false).await.unwrap();
        commit(tx).await.unwrap();
        assert!(drop_by(engine, as_user(engine, "ada")).await.unwrap());
        index(engine, as_user(engine, "ada"), true).await.unwrap();
        assert!(drop_by(engine, admin(engine)).await.unwrap());
        assert!(engine.indexes().is_empty());
        let mut tx = admin(engine);
        tx.create_index(&id, "n", true).await.unwrap();
        commit(tx).await.unwrap();
        let error = drop_by(engine, as_user(engine, "ada")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied);
        checked(engine).await;
    });
}

#[test]
fn a_unique_index_binds_what_its_maker_owns() {
    on_memory(async |engine| {
        let class = shared(engine).await;
        let code = |result: Result<(), Error>| result.map_err(|error| (error.code, error.path));
        let clash = |at: &str| Err((ErrorCode::NotUnique, Some(at.to_owned())));
        put(engine, "bob", "/bob/x", class, 1).await.unwrap();
        put(engine, "bob", "/bob/y", class, 1).await.unwrap();
        put(engine, "ada", "/ada/a", class, 1).await.unwrap();
        assert!(!index(engine, as_user(engine, "bob"), false).await.unwrap());
        assert!(index(engine, as_user(engine, "ada"), true).await.unwrap());

        assert_eq!(code(put(engine, "ada", "/ada/b", class, 1).await), clash("/ada/a"));
        put(engine, "ada", "/ada/b", class, 2).await.unwrap();
        put(engine, "bob", "/bob/z", class, 2).await.unwrap();
        // To bob it is not unique, and ada's duplicates are none.
        for (user, unique) in [("ada", true), ("bob", false)] {
            let info = as_user(engine, user).index_infos().await.unwrap().remove(0);
            assert_eq!((info.unique, info.ready, info.duplicates), (unique, true, None), "{user}");
        }
        let mut tx = as_user(engine, "ada");
        let error = tx.create_index("Item", "n", false).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::AlreadyExists);

        // What comes to an owner with a value that is there: by a gift or a copy.
        let mut tx = admin(engine);
        tx.chown(&path("/bob/z"), Some("ada"), None, false).await.unwrap();
        assert_eq!(code(committed(tx).await), clash("/ada/b"));
        let mut tx = admin(engine);
        tx.chown(&path("/ada/b"), Some("bob"), None, false).await.unwrap();
        tx.chown(&path("/bob/z"), Some("ada"), None, false).await.unwrap();
        committed(tx).await.unwrap();
        let mut tx = as_user(engine, "bob");
        tx.chmod(&path("/bob"), "755", true).await.unwrap();
        committed(tx).await.unwrap();
        let mut tx = as_user(engine, "ada");
        tx.cp(&path("/bob/x"), "/ada/c", false).await.unwrap();
        assert_eq!(code(committed(tx).await), clash("/ada/a"));

        // Bob's own, beside ada's: it counts what is his.
        let mut tx = as_user(engine, "bob");
        assert!(tx.drop_index("Item", "n").await.unwrap());
        commit(tx).await.unwrap();
        assert!(index(engine, as_user(engine, "bob"), true).await.unwrap());
        for (user, duplicates) in [("ada", None), ("bob", Some(1))] {
            let info = as_user(engine, user).index_infos().await.unwrap().remove(0);
            assert_eq!((info.unique, info.duplicates), (true, duplicates), "{user}");
        }
        assert!(code(put(engine, "bob", "/bob/n", class, 1).await).is_err());
        put(engine, "ada", "/ada/n", class, 9).await.unwrap();
        put(engine, "bob", "/bob/n", class, 9).await.unwrap();

        // One that goes leaves the other's.
        assert!(drop_by(engine, as_user(engine, "ada")).await.unwrap());
        put(engine, "ada", "/ada/m", class, 9).await.unwrap();
        assert!(code(put(engine, "bob", "/bob/m", class, 9).await).is_err());
        // An administrator's binds all.
        let id = as_user(engine, "bob").class_by_name("Item").await.unwrap().lineage[0].class_id.to_string();
        let mut tx = admin(engine);
        tx.create_index(&id, "n", true).await.unwrap();
        commit(tx).await.unwrap();
        assert!(code(put(engine, "bob", "/bob/q", class, 9).await).is_err());
        put(engine, "ada", "/ada/q", class, 50).await.unwrap();
        assert!(code(put(engine, "bob", "/bob/q", class, 50).await).is_err());
        checked(engine).await;
    });
}
