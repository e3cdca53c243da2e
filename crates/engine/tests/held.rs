//! Transactions that are held open: going back, memory, time, and what a conflict names.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{CommitError, Principal};
use emerge_proto::{ErrorCode, Path};

const SECOND: i64 = 1_000_000;

#[test]
fn a_part_is_taken_back_and_the_rest_commits() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 1).await.unwrap();
        tx.go_on(&Principal::admin(), NOW);
        let before = (tx.savepoint(), tx.bytes());
        store(&mut tx, "/b/c", class, 2).await.unwrap();
        store(&mut tx, "/a", class, 3).await.unwrap();
        assert!(tx.bytes() > before.1);
        tx.back_to(&before.0);
        assert_eq!(tx.get(&path("/b/c"), None).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(n_of(&tx.get(&path("/a"), None).await.unwrap().state), 1);
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let kept = tx.get(&path("/a"), None).await.unwrap();
        assert_eq!((n_of(&kept.state), kept.stat.version), (1, 1));
        assert_eq!(tx.stat(&path("/b")).await.unwrap_err().code, ErrorCode::NotFound);
    });
}

#[test]
fn what_was_held_gets_the_time_of_its_commit() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut first = admin(engine);
        store(&mut first, "/old", class, 1).await.unwrap();
        commit(first).await.unwrap();
        let mut tx = admin(engine);
        store(&mut tx, "/new", class, 1).await.unwrap();
        store(&mut tx, "/old", class, 2).await.unwrap();
        tx.stamp(NOW + 5 * SECOND);
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let new = tx.stat(&path("/new")).await.unwrap();
        assert_eq!((new.created, new.modified), (NOW + 5 * SECOND, NOW + 5 * SECOND));
        let old = tx.stat(&path("/old")).await.unwrap();
        assert_eq!((old.created, old.modified, old.version), (NOW, NOW + 5 * SECOND, 2));
    });
}

#[test]
fn memory_is_counted_once_and_given_back() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 1).await.unwrap();
        let once = tx.bytes();
        for value in 2..100 {
            tx.go_on(&Principal::admin(), NOW);
            store(&mut tx, "/a", class, value).await.unwrap();
        }
        assert!(tx.bytes() < once + 64, "{} bytes after {once}", tx.bytes());
    });
}

#[test]
fn a_conflict_names_what_changed_to_those_who_may_know() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let staff = |admin| Principal { groups: vec!["staff".into()], admin, ..Principal::user("ada") };
        let mut tx = engine.begin(staff(true), NOW, seed());
        store(&mut tx, "/open/a", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.mkdir(&path("/secret"), false).await.unwrap();
        commit(tx).await.unwrap();

        let changed = async |reads: &str, change: (&str, &str)| {
            let mut held = engine.begin(Principal { user: "eve".into(), ..staff(false) }, NOW, seed());
            let _ = held.stat(&path(reads)).await;
            let mut other = admin(engine);
            match change {
                (from, "") => drop(store(&mut other, from, class, 7).await.unwrap()),
                (from, to) => other.mv(&path(from), to).await.unwrap(),
            }
            commit(other).await.unwrap();
            assert_eq!(held.try_commit(None).await, Err(CommitError::Conflict));
            held.changed_path().await.map(|path: Path| path.to_string())
        };
        assert_eq!(changed("/open/a", ("/open/a", "")).await.as_deref(), Some("/open/a"));
        // What came there is not for her to read, nor where the other went: that something has changed in the directory is.
        assert_eq!(changed("/open/new", ("/open/new", "")).await.as_deref(), Some("/open"));
        assert_eq!(changed("/open/a", ("/open/a", "/secret/b")).await.as_deref(), Some("/open"));
    });
}

#[test]
fn whoever_was_taken_out_of_a_group_does_not_commit_what_it_allowed() {
    on_memory(async |engine| {
        let user = |groups: &[&str]| Principal {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Principal::user("ada")
        };
        let mut tx = engine.begin(user(&["staff"]), NOW, seed());
        assert!(tx.check_groups(&user(&["staff"])).is_ok());
        let refused = tx.check_groups(&user(&[])).unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        // An operation of the time between does not hide it.
        tx.go_on(&user(&[]), NOW);
        assert!(tx.check_groups(&user(&[])).is_err());
    });
}
