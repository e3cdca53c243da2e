//! Permissions, classes, large values, retention, moves and copies.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Base, CommitError, Engine, MemoryBackend, Principal};
use emerge_proto::class::BaseRef;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ErrorCode, limits};

const DAY: i64 = 24 * 3600 * 1_000_000;

fn staff(engine: &Engine<MemoryBackend>, name: &str) -> emerge_engine::Tx<MemoryBackend> {
    let principal = Principal { groups: vec!["staff".into()], ..Principal::user(name) };
    engine.begin(principal, NOW, seed())
}

/// An encoded map of one field of bytes.
fn blob(byte: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    minicbor::Encoder::new(&mut bytes).map(2).unwrap().str("b").unwrap().bytes(&vec![byte; length]).unwrap();
    minicbor::Encoder::new(&mut bytes).str("n").unwrap().u64(1).unwrap();
    bytes
}

#[test]
fn permissions_hold() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut ada = Principal::user("ada");
        ada.groups.push("staff".into());
        // Only the administrators' group may make something at the root.
        let mut tx = staff(engine, "ada");
        let denied = store(&mut tx, "/ada/x", class, 1).await.unwrap_err();
        assert_eq!((denied.code, denied.path.as_deref()), (ErrorCode::PermissionDenied, Some("/")));
        let mut tx = engine.begin(Principal { admin: true, ..ada }, NOW, seed());
        let made = store(&mut tx, "/ada/x", class, 1).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = staff(engine, "bob");
        let seen = tx.get(&path("/ada/x"), None).await.unwrap().stat;
        assert_eq!((&*seen.owner, &*seen.group, &*seen.perms.to_string()), ("ada", "staff", "rwxr-x---"));
        assert_eq!(tx.list(&path("/ada"), None, None).await.unwrap().members, [seen]);
        for error in [
            store(&mut tx, "/ada/x", class, 2).await.unwrap_err(),
            store(&mut tx, "/ada/new", class, 2).await.unwrap_err(),
            tx.rm(&path("/ada/x"), false).await.unwrap_err(),
            tx.mv(&path("/ada/x"), "/ada/y").await.unwrap_err(),
            tx.cp(&path("/ada/x"), "/ada/y", false).await.unwrap_err(),
            tx.mkdir(&path("/ada/d"), false).await.unwrap_err(),
        ] {
            assert_eq!(error.code, ErrorCode::PermissionDenied, "{error}");
        }
        let object = tx.object_for_call(&path("/ada/x")).await.unwrap();
        let written = tx.set_state(&object, &n(5), "m").await.unwrap_err();
        assert_eq!(
            written.code,
            ErrorCode::PermissionDenied,
            "a method writes with the rights of its caller"
        );
        assert!(!commit(tx).await.unwrap().wrote);

        let mut tx = as_user(engine, "eve");
        for target in [path("/ada/x"), path("/ada/missing"), path("/ada"), Target::Id(made.id)] {
            assert_eq!(tx.get(&target, None).await.unwrap_err().code, ErrorCode::NotFound);
            assert_eq!(tx.stat(&target).await.unwrap_err().code, ErrorCode::NotFound);
        }
        assert_eq!(tx.list(&path("/ada"), None, None).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(tx.list(&path("/"), None, None).await.unwrap().members, [], "the root can be listed");
        assert_eq!(tx.stat(&path("/")).await.unwrap().perms.to_string(), "rwxrwxr-x");
    });
}

#[test]
fn class_versions_count_up() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let first = tx.put_class(source("A", "class A { m() {} }"), vec![]).await.unwrap();
        let second = tx.put_class(source("A", "class A { m() { return 1 } }"), vec![]).await.unwrap();
        let again = tx.put_class(source("A", "class A { m() {} }"), vec![]).await.unwrap();
        assert_eq!((first.version, second.version, again.version), (1, 2, 1));
        assert_eq!((first.class_id, first.clone()), (second.class_id, again));
        let mut derived = source("B", "class B extends A {}");
        derived.bases.push(BaseRef { name: "A".into(), hash: second.hash });
        let derived = tx.put_class(derived, vec![]).await.unwrap();
        let info = tx.class_by_hash(derived.hash).await.unwrap();
        assert_eq!(info.lineage, [derived.clone(), second.clone()], "also before the commit");
        let number = commit(tx).await.unwrap().number;

        let mut tx = as_user(engine, "bob");
        let theirs = tx.put_class(source("A", "class A { other() {} }"), vec![]).await.unwrap();
        assert_eq!(
            (theirs.version, theirs.class_id == first.class_id),
            (1, false),
            "names belong to their owners"
        );
        let mut lost = source("C", "class C extends Z {}");
        lost.bases.push(BaseRef { name: "Z".into(), hash: emerge_proto::ClassHash([1; 16]) });
        assert_eq!(tx.put_class(lost, vec![]).await.unwrap_err().code, ErrorCode::ClassNotFound);
        assert_eq!(tx.class_by_hash(derived.hash).await.unwrap().lineage.len(), 2);
        assert_eq!(tx.depends_on(), number);
        assert_eq!(engine.class(derived.hash).await.unwrap().len(), 2);
        let missing = engine.class(emerge_proto::ClassHash([1; 16])).await.unwrap_err();
        assert_eq!(missing.code, ErrorCode::ClassNotFound);
    });
}

#[test]
fn large_values_are_shared_and_go_with_their_last_holder() {
    let backing = MemoryBackend::new();
    let checked = || futures_executor::block_on(check_store(&backing)).unwrap();
    let size =
        |backing: &MemoryBackend| backing.contents().iter().map(|(_, value)| value.len()).sum::<usize>();
    let class = on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.store(&path("/big"), class, &blob(1, 1_000_000), StoreMode::Put, None, &[]).await.unwrap();
        assert_eq!(tx.get(&path("/big"), None).await.unwrap().state, blob(1, 1_000_000));
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.store(&path("/big"), class, &n(2), StoreMode::Patch, Some(Base::version(1)), &[]).await.unwrap();
        tx.cp(&path("/big"), "/copy", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let fetched = tx.get(&path("/big"), None).await.unwrap();
        assert_eq!(fetched.stat.size, fetched.state.len() as u64);
        assert_eq!(fetched.state.len(), blob(1, 1_000_000).len());
        assert_eq!(tx.get(&path("/copy"), None).await.unwrap().state, fetched.state);
        let most = vec![0; limits::MAX_STATE];
        let refused = tx.store(&path("/x"), class, &most, StoreMode::Put, None, &[]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadFrame);
        let refused =
            tx.store(&path("/x"), class, &blob(0, limits::MAX_STATE), StoreMode::Put, None, &[]).await;
        assert_eq!(refused.unwrap_err().limit, Some(limits::MAX_STATE as u64));
        settle(engine).await;
        class
    });
    assert_eq!(checked().blobs, 1);
    assert!(size(&backing) < 1_100_000, "kept once: {}", size(&backing));
    on(backing.clone(), async |engine| {
        let mut tx = admin(engine);
        tx.rm(&path("/big"), false).await.unwrap();
        tx.store(&path("/copy"), class, &n(1), StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(
            tx.get(&path("/copy"), Some(1.into())).await.unwrap().state.len(),
            blob(1, 1_000_000).len()
        );
        engine.collect(NOW, 100).await.unwrap();
        settle(engine).await;
    });
    assert_eq!(checked().blobs, 1, "an earlier version of the copy still holds it");
    on(backing.clone(), async |engine| {
        engine.collect(NOW + limits::KEEP_DAYS as i64 * DAY + DAY, 100).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(tx.get(&path("/copy"), Some(1.into())).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(tx.get(&path("/copy"), None).await.unwrap().state, n(1));
        settle(engine).await;
    });
    let checked = checked();
    assert_eq!((checked.blobs, checked.trash, checked.versions), (0, 0, 0));
}

#[test]
fn trees_move_and_are_collected() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        let deep = store(&mut tx, "/a/b/c/d", class, 1).await.unwrap();
        for at in 0..50 {
            store(&mut tx, &format!("/a/b/m{at}"), class, 1).await.unwrap();
        }
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        for (from, to) in [("/a", "/a/b"), ("/a/b", "/a/b/c"), ("/a", "/a"), ("/a", "/a/b/new"), ("/", "/a")]
        {
            for error in [tx.mv(&path(from), to).await, tx.cp(&path(from), to, true).await.map(|_| ())] {
                assert_eq!(error.unwrap_err().code, ErrorCode::BadArgument, "{from} {to}");
            }
        }
        tx.mv(&path("/a/b"), "/moved").await.unwrap();
        tx.mkdir(&path("/into"), false).await.unwrap();
        tx.mv(&path("/moved"), "/into").await.unwrap();
        assert_eq!(tx.path_of(&Target::Id(deep.id)).await.unwrap().as_str(), "/into/moved/c/d");
        let stat = tx.stat(&path("/into/moved/c/d")).await.unwrap();
        assert_eq!((stat.id, stat.version), (deep.id, 1), "a move makes no version");
        let missing = tx.mv(&path("/into"), "/no/where").await.unwrap_err();
        assert_eq!((missing.code, missing.path.as_deref()), (ErrorCode::NotFound, Some("/no")));
        commit(tx).await.unwrap();

        let mut held = admin(engine);
        held.get(&Target::Id(deep.id), None).await.unwrap();
        store(&mut held, "/else", class, 1).await.unwrap();
        let mut tx = admin(engine);
        tx.rm(&path("/into"), true).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(commit(held).await, Err(CommitError::Conflict), "what was read is unlinked, far above");
        let mut tx = admin(engine);
        assert_eq!(tx.get(&Target::Id(deep.id), None).await.unwrap_err().code, ErrorCode::NotFound);
        settle(engine).await;
    });
    let before = futures_executor::block_on(check_store(&backing)).unwrap();
    assert_eq!(before.trash, 1);
    // A little at a time, with restarts between.
    for _ in 0..200 {
        let done = on(backing.clone(), async |engine| {
            let done = engine.collect(NOW, 12).await.unwrap();
            engine.shutdown().await.unwrap();
            done
        });
        let checked = futures_executor::block_on(check_store(&backing)).unwrap();
        assert_eq!(checked.paths, before.paths);
        if done.deleted == 0 {
            break;
        }
    }
    let after = futures_executor::block_on(check_store(&backing)).unwrap();
    assert_eq!(after.trash, 0);
    assert!(backing.contents().iter().all(|(key, _)| key[0] != b'e' || key[1..17] == [0; 16]));
}

#[test]
fn copies_are_bounded() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for from in (0..limits::MAX_COPY).step_by(1000) {
            let mut tx = admin(engine);
            for at in from..from + 1000 {
                store(&mut tx, &format!("/many/{at}"), class, 1).await.unwrap();
            }
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        let refused = tx.cp(&path("/many"), "/copy", true).await.unwrap_err();
        assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_COPY as u64)));
        assert!(!commit(tx).await.unwrap().wrote, "a failed copy leaves nothing");
        let mut tx = admin(engine);
        tx.rm(&path("/many/0"), false).await.unwrap();
        tx.cp(&path("/many"), "/copy", true).await.unwrap();
        commit(tx).await.unwrap();
        let page = admin(engine).list(&path("/copy"), Some("9990"), None).await.unwrap();
        assert_eq!(page.members.len(), 9);
    });
}
