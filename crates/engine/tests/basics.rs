//! What single operations do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{Base, CommitError};
use emerge_proto::op::StoreMode;
use emerge_proto::{ErrorCode, ObjectId};

#[test]
fn store_get_stat_list_rm() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        let stored = store(&mut tx, "/a/b/c", class, 7).await.unwrap();
        assert_eq!(stored.version, 1);
        assert_eq!(tx.get(&path("/a/b/c"), None).await.unwrap().state, n(7), "own writes are seen");
        let number = commit(tx).await.unwrap().number;

        let mut tx = admin(engine);
        let fetched = tx.get(&path("/a/b/c"), None).await.unwrap();
        assert_eq!((fetched.state, fetched.stat.id), (n(7), stored.id));
        assert_eq!(fetched.stat.class.as_deref(), Some("Counter"));
        assert_eq!((fetched.stat.class_version, fetched.stat.size), (Some(1), n(7).len() as u64));
        assert_eq!(tx.depends_on(), number);
        assert_eq!(tx.stat(&path("/a")).await.unwrap().class, None);
        let by_id = tx.get(&emerge_proto::op::Target::Id(stored.id), None).await.unwrap();
        assert_eq!(by_id.stat.name, "c");
        assert_eq!(tx.stat(&path("/")).await.unwrap().owner, "admin");
        engine.durable(number).await.unwrap();
        assert!(engine.durable_through() >= number);

        let mut tx = admin(engine);
        assert_eq!(store(&mut tx, "/a/b/c", class, 8).await.unwrap().version, 2);
        assert_eq!(
            store(&mut tx, "/a/b/c", class, 9).await.unwrap().version,
            2,
            "one version for each commit"
        );
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(tx.get(&path("/a/b/c"), Some(1.into())).await.unwrap().state, n(7));
        assert_eq!(tx.get(&path("/a/b/c"), None).await.unwrap().state, n(9));
        assert_eq!(tx.get(&path("/a/b/c"), Some(3.into())).await.unwrap_err().code, ErrorCode::NotFound);
        let history = tx.history(&path("/a/b/c"), None, None).await.unwrap();
        assert_eq!(history.iter().map(|info| info.version).collect::<Vec<_>>(), [2, 1]);

        let refused = tx.rm(&path("/a/b"), false).await.unwrap_err();
        assert_eq!((refused.code, refused.path.as_deref()), (ErrorCode::DirectoryNotEmpty, Some("/a/b")));
        tx.rm(&path("/a/b/c"), false).await.unwrap();
        tx.rm(&path("/a/b"), false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        for gone in ["/a/b/c", "/a/b"] {
            assert_eq!(tx.stat(&path(gone)).await.unwrap_err().code, ErrorCode::NotFound);
        }
        let by_id = emerge_proto::op::Target::Id(stored.id);
        assert_eq!(tx.get(&by_id, None).await.unwrap_err().code, ErrorCode::NotFound);
    });
}

#[test]
fn listing_goes_page_by_page() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for round in 0..5 {
            let mut tx = admin(engine);
            for at in 0..5 {
                store(&mut tx, &format!("/d/m{:02}", at * 5 + round), class, 1).await.unwrap();
            }
            let commit = commit(tx).await.unwrap();
            if round % 2 == 0 {
                engine.durable(commit.number).await.unwrap();
            }
        }
        let mut tx = admin(engine);
        tx.rm(&path("/d/m03"), false).await.unwrap();
        store(&mut tx, "/d/m03b", class, 1).await.unwrap();
        let mut names = Vec::new();
        let mut after: Option<String> = None;
        let mut pages = 0;
        loop {
            let page = tx.list(&path("/d"), after.as_deref(), Some(7)).await.unwrap();
            names.extend(page.members.into_iter().map(|member| member.name));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut expected: Vec<String> = (0..25).filter(|at| *at != 3).map(|at| format!("m{at:02}")).collect();
        expected.insert(3, "m03b".into());
        assert_eq!(names, expected);
        assert_eq!(pages, 4);
    });
}

#[test]
fn store_modes() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        let patch = tx
            .store(&path("/o"), class, &n(1), StoreMode::Patch, Some(Base::version(1)), &[])
            .await
            .unwrap_err();
        assert_eq!(patch.code, ErrorCode::NotFound);
        tx.store(&path("/o"), class, &n(1), StoreMode::Create, None, &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let again = tx.store(&path("/o"), class, &n(1), StoreMode::Create, None, &[]).await.unwrap_err();
        assert_eq!((again.code, again.path.as_deref()), (ErrorCode::AlreadyExists, Some("/o")));
        let stale = tx
            .store(&path("/o"), class, &n(2), StoreMode::Patch, Some(Base::version(9)), &[])
            .await
            .unwrap_err();
        assert_eq!(stale.code, ErrorCode::Conflict);
        let other = Base { version: 1, id: Some(ObjectId([7; 16])) };
        let anew = tx.store(&path("/o"), class, &n(2), StoreMode::Patch, Some(other), &[]).await.unwrap_err();
        assert_eq!((anew.code, anew.path.as_deref()), (ErrorCode::Conflict, Some("/o")), "{anew}");
        let this = Base { version: 1, id: Some(tx.stat(&path("/o")).await.unwrap().id) };
        let over =
            tx.store(&path("/o"), class, &n(2), StoreMode::Overwrite, Some(other), &[]).await.unwrap_err();
        assert_eq!(over.code, ErrorCode::Conflict, "{over}");
        tx.store(&path("/o"), class, &n(2), StoreMode::Patch, Some(this), &[]).await.unwrap();
        let unknown = emerge_proto::ClassHash([9; 16]);
        let refused = tx.store(&path("/p/q"), unknown, &n(2), StoreMode::Put, None, &[]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::ClassNotFound);
        assert_eq!(
            tx.stat(&path("/p")).await.unwrap_err().code,
            ErrorCode::NotFound,
            "a failed store makes no directory"
        );
        let onto = tx.store(&path("/"), class, &n(2), StoreMode::Put, None, &[]).await.unwrap_err();
        assert_eq!(onto.code, ErrorCode::IsADirectory);
        let below = tx.store(&path("/o/x"), class, &n(2), StoreMode::Put, None, &[]).await.unwrap_err();
        assert_eq!((below.code, below.path.as_deref()), (ErrorCode::NotADirectory, Some("/o")));
        commit(tx).await.unwrap();
        assert_eq!(admin(engine).get(&path("/o"), None).await.unwrap().stat.version, 2);
    });
}

#[test]
fn conflicts_are_found() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/d/a", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        // A point read, an absent read, a listed range.
        for reads in ["/d/a", "/d/new", "/d"] {
            let mut slow = admin(engine);
            let _ = slow.stat(&path(reads)).await;
            if reads == "/d" {
                slow.list(&path("/d"), None, None).await.unwrap();
            }
            let mut fast = admin(engine);
            match reads {
                "/d/a" => store(&mut fast, "/d/a", class, 2).await.unwrap(),
                "/d/new" => store(&mut fast, "/d/new", class, 2).await.unwrap(),
                _ => store(&mut fast, "/d/other", class, 2).await.unwrap(),
            };
            commit(fast).await.unwrap();
            assert!(!slow.is_current());
            store(&mut slow, "/elsewhere", class, 1).await.unwrap();
            assert_eq!(commit(slow).await.unwrap_err(), CommitError::Conflict, "{reads}");
        }
        let mut one = admin(engine);
        let mut two = admin(engine);
        store(&mut one, "/d/one", class, 1).await.unwrap();
        store(&mut two, "/d/two", class, 1).await.unwrap();
        commit(one).await.unwrap();
        commit(two).await.expect("stores of different names in one directory do not conflict");
    });
}

#[test]
fn a_method_that_removes_its_own_object_cannot_change_it() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/a/x", class, 1).await.unwrap();
        let object = tx.object_for_call(&path("/a/x")).await.unwrap();
        tx.rm(&path("/a/x"), false).await.unwrap();
        let error = tx.set_state(&object, &n(2), "leave").await.unwrap_err();
        assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/a/x")));
        assert!(error.message.contains("removed") && error.message.contains("\"leave\""), "{error}");
    });
}
