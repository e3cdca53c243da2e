//! What users store and may store: counted in the commit that changes it, whichever way it does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::backup::Restore;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, CommitError, Engine, MemoryBackend, Principal, Tx};
use emerge_proto::account::{Quota, QuotaInfo, UserAction};
use emerge_proto::op::StoreMode;
use emerge_proto::{AsOf, ClassHash, Error, ErrorCode, limits};

type Memory = Engine<MemoryBackend>;

/// Two users, who may make things at the root.
async fn users<B: Backend>(engine: &Engine<B>) -> ClassHash {
    let class = put_class(engine).await;
    let mut tx = admin(engine);
    for (at, user) in ["ada", "bob"].into_iter().enumerate() {
        tx.users(UserAction::Add, Some(user), Some(&[at as u8; 32]), None).await.unwrap();
    }
    tx.chmod(&path("/"), "777", false).await.unwrap();
    commit(tx).await.unwrap();
    class
}

async fn set<B: Backend>(engine: &Engine<B>, user: &str, objects: Option<u64>, bytes: Option<u64>) {
    let mut tx = admin(engine);
    tx.quotas(Some(user), Some(&Quota { objects, bytes })).await.unwrap();
    commit(tx).await.unwrap();
}

async fn used<B: Backend>(engine: &Engine<B>, user: &str) -> (u64, u64) {
    let info = as_user(engine, user).quotas(None, None).await.unwrap().remove(0);
    assert_eq!(info.user, user);
    (info.objects, info.bytes)
}

fn refused(result: Result<emerge_engine::Commit, CommitError>) -> (String, u64) {
    let Err(CommitError::Error(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.code, ErrorCode::QuotaExceeded, "{error}");
    (error.field.unwrap().into(), error.limit.unwrap())
}

/// An encoded map of one field of so many bytes.
fn large(bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    minicbor::Encoder::new(&mut encoded).map(1).unwrap().str("n").unwrap().bytes(&vec![7; bytes]).unwrap();
    encoded
}

async fn store_large<B: Backend>(tx: &mut Tx<B>, at: &str, class: ClassHash, bytes: usize) {
    tx.store(&path(at), class, &large(bytes), StoreMode::Put, None, &[]).await.unwrap();
}

#[test]
fn all_that_changes_what_is_stored_is_counted() {
    on_memory(async |engine| {
        let class = users(engine).await;
        let one = n(1).len() as u64;
        assert_eq!(used(engine, "ada").await, (0, 0));
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/a", class, 1).await.unwrap();
        store(&mut tx, "/home/b", class, 1).await.unwrap();
        // Written twice in one commit: one version.
        store(&mut tx, "/home/b", class, 2).await.unwrap();
        assert_eq!(used(engine, "ada").await, (0, 0), "not yet");
        commit(tx).await.unwrap();
        assert_eq!(used(engine, "ada").await, (3, 2 * one));

        let steps: [(&str, (u64, u64)); 10] = [
            ("another version", (3, 3 * one)),
            ("restore", (3, 4 * one)),
            ("chmod", (3, 5 * one)),
            ("mv", (3, 5 * one)),
            ("cp", (4, 6 * one)),
            ("rolled back", (4, 6 * one)),
            ("purge", (3, 5 * one)),
            ("made and removed", (3, 5 * one)),
            ("rm", (2, 4 * one)),
            ("collected", (2, one)),
        ];
        for (what, wanted) in steps {
            let mut tx = as_user(engine, "ada");
            match what {
                "another version" => drop(store(&mut tx, "/home/a", class, 3).await.unwrap()),
                "restore" => drop(tx.restore(&path("/home/a"), AsOf::Version(1), None).await.unwrap()),
                "chmod" => drop(tx.chmod(&path("/home/a"), "700", false).await.unwrap()),
                "mv" => tx.mv(&path("/home/a"), "/home/c").await.unwrap(),
                "cp" => drop(tx.cp(&path("/home/b"), "/home/d", false).await.unwrap()),
                "rolled back" => {
                    let savepoint = tx.savepoint();
                    store(&mut tx, "/home/e", class, 1).await.unwrap();
                    tx.back_to(&savepoint);
                }
                "purge" => tx.purge(&path("/home/d"), false).await.unwrap(),
                "made and removed" => {
                    store(&mut tx, "/home/e", class, 1).await.unwrap();
                    tx.rm(&path("/home/e"), false).await.unwrap();
                }
                // The earlier versions are there until they are collected.
                "rm" => tx.rm(&path("/home/c"), false).await.unwrap(),
                _ => while engine.collect(NOW, 100).await.unwrap().deleted > 0 {},
            }
            commit(tx).await.unwrap();
            assert_eq!(used(engine, "ada").await, wanted, "{what}");
        }
        // To another owner goes what is there now; the version before stays with who owned it.
        let mut tx = admin(engine);
        tx.chown(&path("/home/b"), Some("bob"), None, false).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!((used(engine, "ada").await, used(engine, "bob").await), ((1, one), (1, one)));
        // A class is of who stored it first.
        let before = used(engine, "bob").await.1;
        for user in ["bob", "ada"] {
            let mut tx = as_user(engine, user);
            tx.put_class(source("Lamp", "class Lamp {}"), vec![]).await.unwrap();
            commit(tx).await.unwrap();
        }
        assert!(used(engine, "bob").await.1 > before + 10);
        assert_eq!(used(engine, "ada").await, (1, one));
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn values_of_their_own_count_in_each_version_and_until_they_are_collected() {
    on_memory(async |engine| {
        let class = users(engine).await;
        let size = large(limits::BLOB_THRESHOLD * 2).len() as u64;
        for wanted in [1, 2] {
            let mut tx = as_user(engine, "ada");
            store_large(&mut tx, "/large", class, limits::BLOB_THRESHOLD * 2).await;
            commit(tx).await.unwrap();
            assert_eq!(used(engine, "ada").await, (1, wanted * size));
        }
        let mut tx = as_user(engine, "ada");
        tx.rm(&path("/large"), false).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(used(engine, "ada").await, (0, 2 * size));
        while engine.collect(NOW, 100).await.unwrap().deleted > 0 {}
        assert_eq!(used(engine, "ada").await, (0, 0));
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn what_is_past_a_quota_is_refused_whole_and_less_is_not() {
    on_memory(async |engine| {
        let class = users(engine).await;
        set(engine, "ada", Some(3), None).await;
        let mut tx = as_user(engine, "ada");
        for name in ["a", "b"] {
            store(&mut tx, &format!("/home/{name}"), class, 1).await.unwrap();
        }
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/a", class, 5).await.unwrap();
        store(&mut tx, "/home/c", class, 5).await.unwrap();
        assert_eq!(refused(commit(tx).await), ("objects".into(), 3));
        let mut tx = as_user(engine, "ada");
        assert_eq!(n_of(&tx.get(&path("/home/a"), None).await.unwrap().state), 1, "nothing of it");
        // In the place of another there is room.
        tx.rm(&path("/home/b"), false).await.unwrap();
        store(&mut tx, "/home/c", class, 5).await.unwrap();
        commit(tx).await.unwrap();
        // What others make in a user's place is the others'; what they write over is the owner's.
        let mut tx = as_user(engine, "ada");
        tx.chmod(&path("/home"), "777", false).await.unwrap();
        tx.chmod(&path("/home/a"), "666", false).await.unwrap();
        commit(tx).await.unwrap();
        let bytes = used(engine, "ada").await.1;
        set(engine, "ada", Some(3), Some(bytes)).await;
        let mut tx = as_user(engine, "bob");
        store(&mut tx, "/home/d", class, 5).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "bob");
        store(&mut tx, "/home/a", class, 6).await.unwrap();
        assert_eq!(refused(commit(tx).await), ("bytes".into(), bytes));
        // Given away by the administrator it counts for the new owner, who has no room.
        let mut tx = admin(engine);
        tx.chown(&path("/home/d"), Some("ada"), None, false).await.unwrap();
        assert_eq!(refused(commit(tx).await), ("objects".into(), 3));
        // Less than there is: what is there stays, and may go.
        set(engine, "ada", Some(1), Some(0)).await;
        let mut tx = as_user(engine, "ada");
        tx.purge(&path("/home/a"), false).await.unwrap();
        commit(tx).await.unwrap();
        set(engine, "ada", None, None).await;
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/e", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn commits_at_once_are_neither_in_conflict_over_what_is_counted_nor_past_the_quota_together() {
    on_memory(async |engine| {
        let class = users(engine).await;
        for directory in ["/a", "/b", "/c"] {
            let mut tx = as_user(engine, "ada");
            tx.mkdir(&path(directory), false).await.unwrap();
            commit(tx).await.unwrap();
        }
        set(engine, "ada", Some(5), None).await;
        let mut open = Vec::new();
        for directory in ["/a", "/b", "/c"] {
            let mut tx = as_user(engine, "ada");
            store(&mut tx, &format!("{directory}/one"), class, 1).await.unwrap();
            open.push(tx);
        }
        let mut done = Vec::new();
        for tx in open {
            done.push(commit(tx).await);
        }
        assert!(done[0].is_ok() && done[1].is_ok(), "{done:?}");
        assert_eq!(refused(done.remove(2)), ("objects".into(), 5));
    });
}

#[test]
fn quotas_are_the_administrators_and_everybody_sees_the_own() {
    on_memory(async |engine| {
        users(engine).await;
        set(engine, "ada", Some(7), Some(1000)).await;
        let wanted = QuotaInfo {
            user: "ada".into(),
            objects: 0,
            bytes: 0,
            max_objects: Some(7),
            max_bytes: Some(1000),
        };
        for asked in [None, Some("ada")] {
            assert_eq!(
                as_user(engine, "ada").quotas(asked, None).await.unwrap(),
                std::slice::from_ref(&wanted)
            );
        }
        assert_eq!(admin(engine).quotas(Some("ada"), None).await.unwrap(), [wanted]);
        let all = admin(engine).quotas(None, None).await.unwrap();
        assert_eq!(all.iter().map(|info| info.user.as_str()).collect::<Vec<_>>(), ["ada", "admin", "bob"]);
        let code = |result: Result<Vec<QuotaInfo>, Error>| result.unwrap_err().code;
        let quota = Quota::default();
        assert_eq!(code(as_user(engine, "ada").quotas(Some("bob"), None).await), ErrorCode::PermissionDenied);
        for (user, wanted) in
            [(Some("ada"), ErrorCode::PermissionDenied), (None, ErrorCode::PermissionDenied)]
        {
            assert_eq!(code(as_user(engine, "ada").quotas(user, Some(&quota)).await), wanted);
        }
        assert_eq!(code(admin(engine).quotas(Some("eve"), None).await), ErrorCode::NotFound);
        assert_eq!(code(admin(engine).quotas(Some("eve"), Some(&quota)).await), ErrorCode::NotFound);
        assert_eq!(code(admin(engine).quotas(None, Some(&quota)).await), ErrorCode::BadArgument);
        // Who is forgotten and made again has none.
        let mut tx = admin(engine);
        tx.users(UserAction::Remove, Some("ada"), None, None).await.unwrap();
        tx.users(UserAction::Add, Some("ada"), Some(&[9; 32]), None).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(admin(engine).quotas(Some("ada"), None).await.unwrap()[0].max_objects, None);
    });
}

#[test]
fn what_is_counted_and_what_is_allowed_outlives_the_program() {
    let backend = MemoryBackend::new();
    let before = on(backend.clone(), async |engine| {
        let class = users(engine).await;
        set(engine, "ada", Some(2), None).await;
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/a", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        (class, used(engine, "ada").await)
    });
    on(backend, async |engine: &Memory| {
        assert_eq!(used(engine, "ada").await, before.1);
        let mut tx = engine.begin(Principal::user("ada"), NOW, seed());
        store(&mut tx, "/home/b", before.0, 1).await.unwrap();
        assert_eq!(refused(commit(tx).await), ("objects".into(), 2));
    });
}

/// A backup that the program before format 5 made. In it ada has stored the class Lamp; `/home/a` three times, `/home/b` once, `/home/c`, which was given to bob then, `/home/large`
/// of a kilobyte more than lies in a record; and `/home/tree` of two objects, which was unlinked and not collected.
const FORMAT_4: &[u8] = include_bytes!("stores/format-4.backup");

#[test]
fn a_store_of_format_4_is_upgraded_where_it_is_and_counted_exactly() {
    let backend = futures_executor::block_on(async {
        let mut restore = Restore::begin(MemoryBackend::new()).await.unwrap();
        restore.feed(FORMAT_4).await.unwrap();
        restore.finish().await.unwrap().0
    });
    let format = |backend: &MemoryBackend| {
        let contents = backend.contents().into_iter();
        let format: Vec<_> =
            contents.filter(|(key, _)| &key[..] == b"mformat").map(|(_, value)| value).collect();
        format[0].last().copied().unwrap()
    };
    assert_eq!(format(&backend), 4);
    let one = n(1).len() as u64;
    let blob = large(limits::BLOB_THRESHOLD + 1000).len() as u64;
    // Twice: what is counted is counted once.
    for _ in 0..2 {
        on(backend.clone(), async |engine| {
            assert_eq!(format(engine.backend()), 5);
            let mut tx = as_user(engine, "ada");
            let lamp = tx.class_by_name("Lamp").await.unwrap().lineage.remove(0);
            let lamp = emerge_proto::class::encode(&lamp).len() as u64;
            // The directories /home and /home/tree, a, b, large, x and y; the earlier version of c is still hers.
            assert_eq!(used(engine, "ada").await, (7, 7 * one + blob + lamp));
            assert_eq!(used(engine, "bob").await, (1, one));
            settle(engine).await;
        });
        futures_executor::block_on(check_store(&backend)).unwrap();
    }
    on(backend, async |engine| {
        let before = used(engine, "ada").await;
        while engine.collect(NOW, 100).await.unwrap().deleted > 0 {}
        assert_eq!(used(engine, "ada").await, (before.0 - 3, before.1 - 2 * one));
        set(engine, "ada", Some(4), None).await;
        let class = put_class(engine).await;
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/more", class, 1).await.unwrap();
        assert_eq!(refused(commit(tx).await), ("objects".into(), 4));
        settle(engine).await;
        check_store(engine.backend()).await.unwrap();
    });
}
