//! Rules of directories, which versions they keep, pages of history, and purging.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Engine, MemoryBackend, Principal};
use emerge_proto::op::StoreMode;
use emerge_proto::{AsOf, ClassHash, ErrorCode, limits};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * SECOND;

type Memory = Engine<MemoryBackend>;

/// Stores once a day, `times` times from the day `from`.
async fn edit(engine: &Memory, class: ClassHash, at: &str, from: i64, times: i64) {
    for day in from..from + times {
        let mut tx = engine.begin(Principal::admin(), NOW + day * DAY, seed());
        store(&mut tx, at, class, day as u64).await.unwrap();
        commit(tx).await.unwrap();
    }
}

async fn rules(engine: &Memory, at: &str, keep: Option<&str>, mask: Option<&str>) {
    let mut tx = admin(engine);
    tx.set_rules(&path(at), keep, mask).await.unwrap();
    commit(tx).await.unwrap();
}

/// Walks over all versions, a few at a time.
async fn collect(engine: &Memory, day: i64) {
    for _ in 0..60 {
        engine.collect(NOW + day * DAY, 100).await.unwrap();
    }
}

async fn kept(engine: &Memory, at: &str) -> Vec<u64> {
    let versions = admin(engine).history(&path(at), None, None).await.unwrap();
    versions.into_iter().map(|info| info.version).collect()
}

fn down(from: u64, to: u64) -> Vec<u64> {
    (to..=from).rev().collect()
}

#[test]
fn directories_say_which_versions_are_kept() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        for at in ["/all/below", "/few/sub", "/few/own", "/week", "/plain"] {
            tx.mkdir(&path(at), false).await.unwrap();
        }
        commit(tx).await.unwrap();
        rules(engine, "/all", Some("all"), None).await;
        rules(engine, "/few", Some("3 versions"), None).await;
        rules(engine, "/few/own", Some("default"), None).await;
        rules(engine, "/week", Some("7 days"), None).await;
        let places = ["/all/below/o", "/few/sub/o", "/few/own/o", "/week/o", "/plain/o"];
        for at in places {
            edit(engine, class, at, 0, 110).await;
        }
        // What is surplus by its number goes with the next one.
        assert_eq!(kept(engine, "/few/sub/o").await, down(110, 108));
        assert_eq!(kept(engine, "/plain/o").await, down(110, 11));
        assert_eq!(kept(engine, "/all/below/o").await.len(), 110);
        collect(engine, 109).await;
        assert_eq!(kept(engine, "/all/below/o").await, down(110, 1));
        assert_eq!(kept(engine, "/few/sub/o").await, down(110, 108));
        // The last edit was on day 109: what was current within 30 days, and 7, is kept.
        assert_eq!(kept(engine, "/few/own/o").await, down(110, 79));
        assert_eq!(kept(engine, "/plain/o").await, down(110, 79));
        assert_eq!(kept(engine, "/week/o").await, down(110, 102));
        let then =
            admin(engine).get(&path("/week/o"), Some(AsOf::Moment(NOW + 102 * DAY + 1))).await.unwrap();
        assert_eq!(n_of(&then.state), 102);
        collect(engine, 200).await;
        assert_eq!(kept(engine, "/all/below/o").await.len(), 110);
        assert_eq!((kept(engine, "/few/sub/o").await.len(), kept(engine, "/week/o").await), (3, vec![110]));

        // A rule that changes counts from then on, also for what is moved there.
        let mut tx = admin(engine);
        tx.mv(&path("/all/below/o"), "/few/sub/p").await.unwrap();
        commit(tx).await.unwrap();
        collect(engine, 200).await;
        assert_eq!(kept(engine, "/few/sub/p").await, down(110, 108));
        rules(engine, "/few", Some("1 version"), None).await;
        collect(engine, 200).await;
        assert_eq!(kept(engine, "/few/sub/p").await, [110]);
        edit(engine, class, "/few/sub/p", 201, 2).await;
        assert_eq!(kept(engine, "/few/sub/p").await, [112]);
        settle(engine).await;
    });
    futures_executor::block_on(check_store(&backing)).unwrap();
}

#[test]
fn a_version_is_kept_for_a_time_after_the_next_one() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        edit(engine, class, "/o", 0, 1).await;
        edit(engine, class, "/o", 100, 2).await;
        collect(engine, 120).await;
        assert_eq!(kept(engine, "/o").await, [3, 2, 1], "the first was current until day 100");
        let then = admin(engine).get(&path("/o"), Some(AsOf::Moment(NOW + 99 * DAY))).await.unwrap();
        assert_eq!(then.stat.version, 1);
        collect(engine, 131).await;
        assert_eq!(kept(engine, "/o").await, [3, 2]);
        collect(engine, 132).await;
        assert_eq!(kept(engine, "/o").await, [3]);
    });
}

#[test]
fn rules_are_set_by_owners_and_hold_below() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.mkdir(&path("/a/b/c"), false).await.unwrap();
        store(&mut tx, "/a/o", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        let rules_of = async |at: &str| {
            let rules = admin(engine).stat(&path(at)).await.unwrap().rules.unwrap();
            [rules.keep, rules.keep_from.unwrap_or_default(), rules.mask, rules.mask_from.unwrap_or_default()]
        };
        assert_eq!(rules_of("/a/b/c").await, ["default", "", "027", ""]);
        rules(engine, "/a", Some("all"), Some("002")).await;
        rules(engine, "/a/b", Some("2 weeks"), None).await;
        assert_eq!(rules_of("/a").await, ["all", "/a", "002", "/a"]);
        assert_eq!(rules_of("/a/b/c").await, ["2 weeks", "/a/b", "002", "/a"]);
        rules(engine, "/a/b/c", None, Some("077")).await;
        let mut tx = admin(engine);
        let made = async |tx: &mut emerge_engine::Tx<MemoryBackend>, at: &str| {
            store(tx, at, class, 1).await.unwrap();
            tx.stat(&path(at)).await.unwrap().perms.to_string()
        };
        assert_eq!(made(&mut tx, "/a/b/new/deep/o").await, "rwxrwxr-x");
        assert_eq!(tx.stat(&path("/a/b/new/deep")).await.unwrap().perms.to_string(), "rwxrwxr-x");
        assert_eq!(made(&mut tx, "/a/b/c/o").await, "rwx------");
        tx.mkdir(&path("/a/b/c/d"), false).await.unwrap();
        assert_eq!(tx.stat(&path("/a/b/c/d")).await.unwrap().perms.to_string(), "rwx------");
        assert_eq!(made(&mut tx, "/else/o").await, "rwxr-x---");
        assert!(tx.stat(&path("/a/o")).await.unwrap().rules.is_none(), "an object has none");
        commit(tx).await.unwrap();
        rules(engine, "/a/b", Some("inherit"), None).await;
        assert_eq!(rules_of("/a/b/c").await, ["all", "/a", "077", "/a/b/c"]);
        rules(engine, "/a", Some("inherit"), Some("inherit")).await;
        assert_eq!(rules_of("/a/b").await, ["default", "", "027", ""]);
        let history = admin(engine).history(&path("/a"), None, None).await.unwrap();
        assert_eq!(history.len(), 3);
        assert_eq!((history[0].operation.as_deref(), &*history[0].author), (Some("set_rules"), "admin"));

        let mut tx = admin(engine);
        assert_eq!(tx.set_rules(&path("/a"), None, None).await.unwrap().version, 3, "nothing changes");
        for (at, keep, mask, code) in [
            ("/a/o", Some("all"), None, ErrorCode::NotADirectory),
            ("/none", Some("all"), None, ErrorCode::NotFound),
            ("/a", Some("0 versions"), None, ErrorCode::BadArgument),
            ("/a", Some("all"), Some("8"), ErrorCode::BadArgument),
        ] {
            assert_eq!(tx.set_rules(&path(at), keep, mask).await.unwrap_err().code, code, "{at}");
        }
        tx.chmod(&path("/a"), "777", false).await.unwrap();
        commit(tx).await.unwrap();
        let refused = as_user(engine, "eve").set_rules(&path("/a"), Some("all"), None).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn history_comes_in_pages() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.mkdir(&path("/all"), false).await.unwrap();
        tx.set_rules(&path("/all"), Some("all"), None).await.unwrap();
        commit(tx).await.unwrap();
        let last = limits::MAX_PAGE as u64 + 500;
        for at in 1..=last {
            let mut tx = engine.begin(Principal::admin(), NOW + at as i64 * SECOND, seed());
            store(&mut tx, "/all/o", class, at).await.unwrap();
            commit(tx).await.unwrap();
        }
        assert_eq!(kept(engine, "/all/o").await, down(last, 501));
        for limit in [1, 63, 64, 65, 700, 5000] {
            let (mut all, mut before) = (Vec::new(), None);
            loop {
                let page = admin(engine).history(&path("/all/o"), before, Some(limit)).await.unwrap();
                assert!(page.len() <= limit as usize && page.len() <= limits::MAX_PAGE);
                let Some(oldest) = page.last() else { break };
                before = Some(oldest.version);
                all.extend(page.into_iter().map(|info| info.version));
            }
            assert_eq!(all, down(last, 1), "by {limit}");
        }
        let none = admin(engine).history(&path("/all/o"), None, Some(0)).await.unwrap_err();
        assert_eq!((none.code, none.field.as_deref()), (ErrorCode::BadArgument, Some("limit")));
        // Any version is found by a moment, without reading all of them.
        for at in [1, 2, 499, 777, last - 1, last] {
            let moment = AsOf::Moment(NOW + at as i64 * SECOND + SECOND / 2);
            assert_eq!(admin(engine).get(&path("/all/o"), Some(moment)).await.unwrap().stat.version, at);
        }
        let before = admin(engine).get(&path("/all/o"), Some(AsOf::Moment(NOW))).await.unwrap_err();
        assert_eq!(before.code, ErrorCode::NotFound);
    });
}

fn large(byte: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    minicbor::Encoder::new(&mut bytes).map(1).unwrap().str("b").unwrap().bytes(&vec![byte; 100_000]).unwrap();
    bytes
}

#[test]
fn purging_forgets_at_once() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let class = put_class(engine).await;
        for byte in [1, 2, 3] {
            let mut tx = admin(engine);
            for at in ["/t/a", "/t/d/b", "/other"] {
                let byte = if at == "/other" { 3 } else { byte };
                tx.store(&path(at), class, &large(byte), StoreMode::Put, None, &[]).await.unwrap();
            }
            tx.mkdir(&path("/t/empty"), true).await.unwrap();
            tx.chmod(&path("/t/empty"), if byte == 2 { "700" } else { "755" }, false).await.unwrap();
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        for (at, recursive, code) in [
            ("/t", false, ErrorCode::DirectoryNotEmpty),
            ("/none", false, ErrorCode::NotFound),
            ("/", true, ErrorCode::BadArgument),
        ] {
            assert_eq!(tx.purge(&path(at), recursive).await.unwrap_err().code, code, "{at}");
        }
        assert!(!commit(tx).await.unwrap().wrote);
        let mut tx = admin(engine);
        tx.chmod(&path("/t"), "755", false).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(
            as_user(engine, "eve").purge(&path("/t/empty"), false).await.unwrap_err().code,
            ErrorCode::PermissionDenied
        );

        let mut tx = admin(engine);
        tx.purge(&path("/t/a"), false).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        assert_eq!(admin(engine).get(&path("/t/a"), None).await.unwrap_err().code, ErrorCode::NotFound);
        let mut tx = admin(engine);
        tx.purge(&path("/t"), true).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
    });
    let checked = futures_executor::block_on(check_store(&backing)).unwrap();
    assert_eq!((checked.trash, checked.blobs), (0, 1), "nothing waits, and what another object holds stays");
    assert_eq!(checked.versions, 2, "those of the other object");
    assert_eq!(checked.paths.keys().collect::<Vec<_>>(), ["/", "/other"]);
}

#[test]
fn purges_are_bounded() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for from in (0..=limits::MAX_TREE).step_by(1000) {
            let mut tx = admin(engine);
            for at in from..(from + 1000).min(limits::MAX_TREE + 1) {
                store(&mut tx, &format!("/many/{at}"), class, 1).await.unwrap();
            }
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        let refused = tx.purge(&path("/many"), true).await.unwrap_err();
        assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_TREE as u64)));
        assert!(!commit(tx).await.unwrap().wrote, "a failed purge leaves all as it was");
        let mut tx = admin(engine);
        tx.rm(&path("/many/0"), false).await.unwrap();
        tx.purge(&path("/many"), true).await.unwrap();
        commit(tx).await.unwrap();
    });
}
