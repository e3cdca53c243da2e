//! Directories: pages, patterns and orders of listings; what the node itself tells; copies in parts.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use bytes::Bytes;
use common::*;
use emerge_engine::backend::{CommitRecord, Key, Limits};
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, BackendError, CopyPart, Engine, Listing, MemoryBackend, Principal, Tx};
use emerge_proto::op::{SortBy, StoreMode, Target};
use emerge_proto::{ClassHash, ErrorCode, ObjectType, Value, limits};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is read: keys that are asked for, and records that scans give.
#[derive(Clone)]
struct Counting {
    inner: MemoryBackend,
    read: Arc<AtomicUsize>,
}

impl Backend for Counting {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.read.fetch_add(keys.len(), Ordering::Relaxed);
        self.inner.get_many(keys).await
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        let found = self.inner.scan(range, limit).await?;
        self.read.fetch_add(found.len(), Ordering::Relaxed);
        Ok(found)
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        self.inner.commit(record, fence).await
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        self.inner.claim().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

async fn fill<B: Backend>(engine: &Engine<B>, class: ClassHash, directory: &str, count: usize) {
    for from in (0..count).step_by(1000) {
        let mut tx = admin(engine);
        for at in from..(from + 1000).min(count) {
            store(&mut tx, &format!("{directory}/{at:06}"), class, at as u64).await.unwrap();
        }
        let number = commit(tx).await.unwrap().number;
        engine.durable(number).await.unwrap();
    }
}

#[test]
fn the_first_page_costs_the_same_in_a_directory_of_any_size() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        fill(engine, class, "/small", 100).await;
        fill(engine, class, "/large", 20_000).await;
    });
    let read = Arc::new(AtomicUsize::new(0));
    let cost = |directory: &str, listing: Listing<'_>| {
        // Nothing is in memory yet.
        on(Counting { inner: backing.clone(), read: read.clone() }, async |engine| {
            read.store(0, Ordering::Relaxed);
            let page = admin(engine).list_by(&path(directory), &listing).await.unwrap();
            assert!(!page.members.is_empty());
            read.load(Ordering::Relaxed)
        })
    };
    for limit in [1, 50, 100] {
        for glob in [None, Some("00000*"), Some("*")] {
            let of =
                |directory: &str| cost(directory, Listing { limit: Some(limit), glob, ..Listing::default() });
            let (small, large) = (of("/small"), of("/large"));
            assert!(large <= small + 2, "{limit} {glob:?}: {large} records read, of a small one {small}");
        }
    }
    let far = cost("/large", Listing { after: Some("015000"), limit: Some(10), ..Listing::default() });
    assert!(far < 50, "a page further on is found at once: {far}");
    let matching = cost("/large", Listing { glob: Some("01999?"), ..Listing::default() });
    assert!(matching < 50, "what a pattern begins with is not read past: {matching}");
}

async fn all<B: Backend>(tx: &mut Tx<B>, at: &str, listing: Listing<'_>) -> Vec<String> {
    let (mut names, mut after, mut cursors) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let page = tx.list_by(&path(at), &Listing { after: after.as_deref(), ..listing }).await.unwrap();
        let last = page.last.or_else(|| page.members.last().map(|last| last.name.clone()));
        cursors.extend(last);
        names.extend(page.members.into_iter().map(|member| member.name));
        after = page.next;
        if after.is_none() {
            assert!(cursors.is_sorted_by(|one, two| one < two), "{cursors:?}");
            return names;
        }
    }
}

#[test]
fn listings_are_sorted_and_filtered() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut other = admin(engine);
        let second = other.put_class(source("Alpha", "class Alpha {}"), vec![]).await.unwrap().hash;
        commit(other).await.unwrap();
        // Name, class, size by the length of a text, day.
        let members =
            [("b.txt", class, 5, 3), ("a.txt", second, 9, 1), ("c.md", class, 1, 2), ("d.md", second, 5, 4)];
        for (name, class, size, day) in members {
            let mut tx = engine.begin(Principal::admin(), NOW + day * 86_400_000_000, seed());
            let fields = Value::Map(vec![("t".into(), Value::Text("x".repeat(size)))]).encode();
            tx.store(&path(&format!("/d/{name}")), class, &fields, StoreMode::Put, None, &[]).await.unwrap();
            commit(tx).await.unwrap();
        }
        let mut tx = engine.begin(Principal::admin(), NOW + 9 * 86_400_000_000, seed());
        tx.mkdir(&path("/d/sub"), false).await.unwrap();
        tx.chmod(&path("/d/c.md"), "700", false).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        let by = |sort, descending| Listing { sort: Some(sort), descending, ..Listing::default() };
        for (sort, wanted) in [
            (SortBy::Name, ["a.txt", "b.txt", "c.md", "d.md", "sub"]),
            (SortBy::Size, ["sub", "c.md", "b.txt", "d.md", "a.txt"]),
            (SortBy::Created, ["a.txt", "c.md", "b.txt", "d.md", "sub"]),
            (SortBy::Modified, ["a.txt", "b.txt", "d.md", "c.md", "sub"]),
            (SortBy::Class, ["sub", "a.txt", "d.md", "b.txt", "c.md"]),
        ] {
            for limit in [1, 2, 3, 5, 10] {
                let listing = Listing { limit: Some(limit), ..by(sort, false) };
                assert_eq!(all(&mut tx, "/d", listing).await, wanted, "{sort:?} by {limit}");
                if matches!(sort, SortBy::Name | SortBy::Created) {
                    let mut down = all(&mut tx, "/d", Listing { descending: true, ..listing }).await;
                    down.reverse();
                    assert_eq!(down, wanted, "{sort:?} down by {limit}");
                }
            }
        }
        // Equal ones are in the order of their names either way.
        assert_eq!(
            all(&mut tx, "/d", by(SortBy::Size, true)).await,
            ["a.txt", "b.txt", "d.md", "c.md", "sub"]
        );
        assert_eq!(
            all(&mut tx, "/d", by(SortBy::Class, true)).await,
            ["b.txt", "c.md", "a.txt", "d.md", "sub"]
        );

        for (glob, wanted) in [
            ("*.txt", vec!["a.txt", "b.txt"]),
            ("?.md", vec!["c.md", "d.md"]),
            ("[a-c].*", vec!["a.txt", "b.txt", "c.md"]),
            ("[!a-c].*", vec!["d.md"]),
            ("{a,d}.*", vec!["a.txt", "d.md"]),
            ("s*", vec!["sub"]),
            ("*", vec!["a.txt", "b.txt", "c.md", "d.md", "sub"]),
            ("c.md", vec!["c.md"]),
            ("C.MD", vec![]),
            ("\\*", vec![]),
        ] {
            for sort in [None, Some(SortBy::Name), Some(SortBy::Created)] {
                let mut names =
                    all(&mut tx, "/d", Listing { glob: Some(glob), sort, ..Listing::default() }).await;
                names.sort_unstable();
                assert_eq!(names, wanted, "{glob} {sort:?}");
            }
        }
        for glob in ["[", "{a", "[z-a]"] {
            let error = tx
                .list_by(&path("/d"), &Listing { glob: Some(glob), ..Listing::default() })
                .await
                .unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("glob")),
                "{glob}"
            );
        }
        let size =
            tx.list_by(&path("/d"), &Listing { limit: Some(1), ..by(SortBy::Size, false) }).await.unwrap();
        for (sort, descending) in [(SortBy::Size, true), (SortBy::Created, false), (SortBy::Name, true)] {
            let listing = Listing { after: size.next.as_deref(), ..by(sort, descending) };
            let error = tx.list_by(&path("/d"), &listing).await.unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("after")));
        }
        // A directory is fetched with its first members.
        let fetched = tx.get(&path("/d"), None).await.unwrap();
        assert_eq!((fetched.stat.kind, fetched.members.unwrap().members.len()), (ObjectType::Directory, 5));
        assert_eq!(fetched.stat.rules.unwrap().keep, "default");
        assert_eq!(tx.get(&path("/d"), Some(1.into())).await.unwrap_err().code, ErrorCode::IsADirectory);
    });
}

#[test]
fn a_listing_has_what_others_committed_just_now_and_what_is_not_committed_yet() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        for name in ["a", "b", "c", "d"] {
            store(&mut tx, &format!("/d/{name}"), class, 1).await.unwrap();
        }
        let number = commit(tx).await.unwrap().number;
        engine.durable(number).await.unwrap();
        let before = admin(engine);
        let mut tx = admin(engine);
        tx.rm(&path("/d/b"), false).await.unwrap();
        store(&mut tx, "/d/bb", class, 2).await.unwrap();
        commit(tx).await.unwrap();
        let listed = async |tx: &mut Tx<_>, glob, wanted: &[&str]| {
            for (limit, sort) in [(1, None), (2, None), (9, None), (2, Some(SortBy::Created))] {
                let listing = Listing { limit: Some(limit), glob, sort, ..Listing::default() };
                assert_eq!(all(tx, "/d", listing).await, wanted, "{limit} {glob:?} {sort:?}");
            }
        };
        let mut tx = admin(engine);
        listed(&mut tx, None, &["a", "bb", "c", "d"]).await;
        listed(&mut tx, Some("?"), &["a", "c", "d"]).await;
        tx.rm(&path("/d/a"), false).await.unwrap();
        tx.mv(&path("/d/c"), "/d/x").await.unwrap();
        store(&mut tx, "/d/y", class, 3).await.unwrap();
        listed(&mut tx, None, &["bb", "d", "x", "y"]).await;
        listed(&mut tx, Some("?"), &["d", "x", "y"]).await;
        drop((tx, before));
        listed(&mut admin(engine), None, &["a", "bb", "c", "d"]).await;
    });
}

#[test]
fn an_unchanged_directory_is_not_read_again() {
    let read = Arc::new(AtomicUsize::new(0));
    on(Counting { inner: MemoryBackend::new(), read: read.clone() }, async |engine| {
        let class = put_class(engine).await;
        fill(engine, class, "/d", 5).await;
        let list = async |at: &str, limit| {
            read.store(0, Ordering::Relaxed);
            let names =
                all(&mut admin(engine), at, Listing { limit: Some(limit), ..Listing::default() }).await;
            (names, read.load(Ordering::Relaxed))
        };
        let changed = async |tx: Tx<_>| {
            let number = commit(tx).await.unwrap().number;
            engine.durable(number).await.unwrap();
        };
        let (first, reads) = list("/d", 2).await;
        assert_eq!((first.len(), reads > 0), (5, true));
        assert_eq!(list("/d", 2).await, (first, 0));
        assert!(list("/d", 3).await.1 > 0, "other pages");
        let mut tx = admin(engine);
        tx.mkdir(&path("/elsewhere"), false).await.unwrap();
        changed(tx).await;
        assert_eq!(list("/d", 2).await.1, 0);
        let mut tx = admin(engine);
        tx.mv(&path("/d/000001"), "/elsewhere/x").await.unwrap();
        changed(tx).await;
        for _ in 0..2 {
            assert_eq!(list("/d", 2).await.0, ["000000", "000002", "000003", "000004"]);
            assert_eq!(list("/elsewhere", 2).await.0, ["x"]);
        }
        // What shows is as it is now.
        let mut tx = admin(engine);
        tx.chmod(&path("/d"), "755", false).await.unwrap();
        tx.chmod(&path("/d/000003"), "704", false).await.unwrap();
        changed(tx).await;
        let shown = all(&mut as_user(engine, "eve"), "/d", Listing::default()).await;
        assert_eq!(shown, ["000003"]);
    });
}

#[test]
fn sorting_is_bounded() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        fill(engine, class, "/many", limits::MAX_SORTED + 1).await;
        let mut tx = admin(engine);
        let sorted = Listing { sort: Some(SortBy::Size), limit: Some(1), ..Listing::default() };
        let refused = tx.list_by(&path("/many"), &sorted).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.limit),
            (ErrorCode::LimitExceeded, Some(limits::MAX_SORTED as u64))
        );
        let some = Listing { glob: Some("0000*"), descending: true, limit: Some(2), ..sorted };
        assert_eq!(tx.list_by(&path("/many"), &some).await.unwrap().members.len(), 2);
    });
}

#[test]
fn the_node_tells_of_objects_classes_and_nodes() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        let id = store(&mut tx, "/a/o", class, 7).await.unwrap().id;
        tx.chmod(&path("/a"), "755", false).await.unwrap();
        tx.chmod(&path("/a/o"), "700", false).await.unwrap();
        let shown = store(&mut tx, "/a/p", class, 8).await.unwrap().id;
        tx.chmod(&path("/a/p"), "704", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "eve");
        tx.put_class(source("Mine", "class Mine {}"), vec![]).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        assert!(
            all(&mut tx, "/", Listing::default()).await.iter().all(|name| name == "a"),
            "none is listed at the root"
        );
        let by_id = format!("/registry/{id}");
        let stat = tx.stat(&path(&by_id)).await.unwrap();
        assert_eq!((&*stat.name, stat.path.as_deref(), stat.id), ("o", Some("/a/o"), id));
        assert_eq!(tx.stat(&Target::Id(id)).await.unwrap().path.as_deref(), Some("/a/o"));
        assert_eq!(tx.stat(&path("/a/o")).await.unwrap().path, None);
        assert_eq!(n_of(&tx.get(&path(&by_id), None).await.unwrap().state), 7);
        assert_eq!(tx.history(&path(&by_id), None, None).await.unwrap().len(), 1);
        assert_eq!(tx.class_by_path(&path(&by_id)).await.unwrap().lineage[0].hash, class);
        assert_eq!(tx.object_for_call(&path(&by_id)).await.unwrap().path.as_str(), "/a/o");
        tx.cp(&path(&by_id), "/copy", false).await.unwrap();
        tx.rm(&path("/copy"), false).await.unwrap();
        let registry = tx.list_by(&path("/registry"), &Listing::default()).await.unwrap();
        let of = |at: &str| {
            registry.members.iter().find(|member| member.path.as_deref() == Some(at)).unwrap().name.clone()
        };
        assert_eq!((registry.members.len(), of("/a/o"), of("/a/p")), (3, id.to_string(), shown.to_string()));
        for limit in [1, 2, 3] {
            assert_eq!(
                all(&mut tx, "/registry", Listing { limit: Some(limit), ..Listing::default() }).await.len(),
                3
            );
        }

        let classes = all(&mut tx, "/classes", Listing::default()).await;
        assert_eq!(classes, ["Counter", "eve:Mine"]);
        let stat = tx.stat(&path("/classes/Counter")).await.unwrap();
        assert_eq!((stat.class_version, stat.class_hash), (Some(1), Some(class)));
        let Value::Map(told) =
            Value::decode(&tx.get(&path("/classes/Counter"), None).await.unwrap().state).unwrap()
        else {
            panic!("not a map")
        };
        assert!(told.contains(&("source".into(), Value::Text("class Counter {}".into()))));
        assert_eq!(all(&mut tx, "/nodes", Listing::default()).await, ["test"]);
        assert_eq!(tx.get(&path("/nodes/test"), None).await.unwrap().stat.kind, ObjectType::Node);
        for at in ["/registry", "/classes", "/nodes"] {
            let fetched = tx.get(&path(at), None).await.unwrap();
            assert_eq!((fetched.stat.kind, fetched.members.is_some()), (ObjectType::Directory, true));
            for missing in [format!("{at}/none"), format!("{at}/a/b")] {
                assert_eq!(
                    tx.stat(&path(&missing)).await.unwrap_err().code,
                    ErrorCode::NotFound,
                    "{missing}"
                );
                assert_eq!(tx.get(&path(&missing), None).await.unwrap_err().code, ErrorCode::NotFound);
            }
        }
        // Nobody changes them, the administrator included.
        for at in ["/registry", "/classes", "/nodes", &*by_id, "/classes/Counter", "/nodes/x/y"] {
            for error in [
                store(&mut tx, at, class, 1).await.unwrap_err(),
                tx.mkdir(&path(at), true).await.unwrap_err(),
                tx.rm(&path(at), true).await.unwrap_err(),
                tx.purge(&path(at), true).await.unwrap_err(),
                tx.mv(&path("/a/o"), at).await.unwrap_err(),
                tx.mv(&path(at), "/b").await.unwrap_err(),
                tx.cp(&path("/a/o"), at, false).await.unwrap_err(),
                tx.chmod(&path(at), "777", false).await.unwrap_err(),
                tx.chown(&path(at), Some("admin"), None, false).await.unwrap_err(),
                tx.set_rules(&path(at), Some("all"), None).await.unwrap_err(),
                tx.restore(&path(at), 1.into(), None).await.unwrap_err(),
            ] {
                assert_eq!(error.code, ErrorCode::PermissionDenied, "{at}: {error}");
            }
        }
        assert_eq!(tx.list(&path(&by_id), None, None).await.unwrap_err().code, ErrorCode::NotADirectory);
        assert_eq!(
            tx.history(&path("/nodes/test"), None, None).await.unwrap_err().code,
            ErrorCode::Unsupported
        );
        let sorted = Listing { sort: Some(SortBy::Size), ..Listing::default() };
        assert_eq!(tx.list_by(&path("/nodes"), &sorted).await.unwrap_err().code, ErrorCode::Unsupported);
        drop(tx);

        let mut tx = as_user(engine, "eve");
        assert_eq!(all(&mut tx, "/classes", Listing::default()).await, ["Mine"]);
        assert_eq!(tx.stat(&path("/classes/Counter")).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(tx.stat(&path("/classes/admin:Counter")).await.unwrap_err().code, ErrorCode::NotFound);
        let seen = tx.list(&path("/registry"), None, None).await.unwrap().members;
        let mut seen: Vec<String> = seen.into_iter().filter_map(|member| member.path).collect();
        seen.sort_unstable();
        assert_eq!(seen, ["/a", "/a/p"]);
        let hidden = tx.get(&path(&by_id), None).await.unwrap_err();
        assert_eq!((hidden.code, hidden.path.as_deref()), (ErrorCode::NotFound, Some(&*by_id)));
        assert!(!hidden.message.contains("/a"), "{hidden}");
    });
}

/// Makes a tree of about 3,400 objects and directories, some of them not for eve.
async fn forest<B: Backend>(engine: &Engine<B>, class: ClassHash) -> usize {
    let mut count = 1;
    for d in 0..30 {
        let mut tx = admin(engine);
        for at in 0..100 {
            store(&mut tx, &format!("/t/d{d:02}/a{at:03}"), class, at).await.unwrap();
        }
        store(&mut tx, &format!("/t/d{d:02}.x"), class, 1).await.unwrap();
        tx.mkdir(&path(&format!("/t/d{d:02}/empty")), false).await.unwrap();
        store(&mut tx, &format!("/t/d{d:02}/zone/deep/o"), class, 1).await.unwrap();
        count += 101 + 2 + 4;
        commit(tx).await.unwrap();
    }
    let mut tx = admin(engine);
    tx.chmod(&path("/t"), "o+rx", true).await.unwrap();
    store(&mut tx, "/t/d00/hidden", class, 1).await.unwrap();
    tx.mkdir(&path("/free"), false).await.unwrap();
    tx.chmod(&path("/free"), "777", false).await.unwrap();
    commit(tx).await.unwrap();
    count - 30
}

async fn tree_of<B: Backend>(engine: &Engine<B>, root: &str) -> Vec<String> {
    let (mut rest, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(at) = rest.pop() {
        let mut tx = admin(engine);
        let mut after = None;
        loop {
            let page = tx.list(&path(&at), after.as_deref(), None).await.unwrap();
            for member in page.members {
                let below = format!("{at}/{}", member.name);
                found.push(below[root.len()..].to_owned());
                if member.kind == ObjectType::Directory {
                    rest.push(below);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn a_large_tree_is_copied_in_parts() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        let count = forest(engine, class).await;
        for (to, made) in [("/free/copy", "/free/copy"), ("/free", "/free/t")] {
            let (mut cursor, mut parts) = (None::<String>, Vec::new());
            loop {
                let mut tx = as_user(engine, "eve");
                let part = tx.copy_part(&path("/t"), to, cursor.as_deref()).await.unwrap();
                commit(tx).await.unwrap();
                cursor.clone_from(&part.cursor);
                parts.push(part);
                if cursor.is_none() {
                    break;
                }
            }
            let copied: Vec<u64> = parts.iter().map(|part| part.copied).collect();
            assert_eq!(copied.last(), Some(&(count as u64)), "{copied:?}");
            assert!(copied.len() >= 4 && copied.is_sorted());
            let cursors: Vec<&String> = parts.iter().filter_map(|part| part.cursor.as_ref()).collect();
            assert!(cursors.is_sorted(), "{cursors:?}");
            let mut wanted = tree_of(engine, "/t").await;
            wanted.retain(|at| at != "/d00/hidden");
            assert_eq!(tree_of(engine, made).await, wanted);
            assert_eq!(wanted.len() + 1, count);
            let stat = admin(engine).stat(&path(&format!("{made}/d29/zone/deep/o"))).await.unwrap();
            assert_eq!((&*stat.owner, stat.version), ("eve", 1));
        }
        // Of a copy in one commit it is as much.
        let mut tx = as_user(engine, "eve");
        assert_eq!(tx.cp(&path("/t"), "/free/one", true).await.unwrap(), count as u64);
        settle(engine).await;
    });
    futures_executor::block_on(check_store(&backing)).unwrap();
}

#[test]
fn a_copy_in_parts_meets_changes_between_them() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        forest(engine, class).await;
        let part = async |cursor: Option<&str>| -> emerge_proto::Result<CopyPart> {
            let mut tx = as_user(engine, "eve");
            let part = tx.copy_part(&path("/t"), "/free/copy", cursor).await?;
            commit(tx).await.unwrap();
            Ok(part)
        };
        let first = part(None).await.unwrap();
        part(None).await.expect("into what is there by now");
        let again = part(None).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::AlreadyExists);
        // The directory in which it was goes, and what is new comes along.
        let at = first.path.parent().unwrap();
        let mut tx = admin(engine);
        tx.rm(&Target::from(&at), true).await.unwrap();
        store(&mut tx, "/t/zz", class, 1).await.unwrap();
        tx.chmod(&path("/t/zz"), "704", false).await.unwrap();
        commit(tx).await.unwrap();
        let second = part(first.cursor.as_deref()).await.unwrap();
        assert!(second.copied > first.copied && second.cursor.is_some());
        // What was made must still be there.
        let mut tx = admin(engine);
        tx.mv(&path("/free/copy"), "/free/moved").await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(part(second.cursor.as_deref()).await.unwrap_err().code, ErrorCode::NotFound);
        let mut tx = admin(engine);
        tx.mv(&path("/free/moved"), "/free/copy").await.unwrap();
        tx.chmod(&path("/free/copy"), "700", true).await.unwrap();
        tx.chown(&path("/free/copy"), Some("admin"), Some("admin"), true).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(
            part(second.cursor.as_deref()).await.unwrap_err().code,
            ErrorCode::NotFound,
            "it is hers no more"
        );
        let wrong = part(Some("x")).await.unwrap_err();
        assert_eq!((wrong.code, wrong.field.as_deref()), (ErrorCode::BadArgument, Some("after")));
        assert_eq!(part(Some("0000000000000001:a")).await.unwrap_err().code, ErrorCode::NotFound);
    });
}
