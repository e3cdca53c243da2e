//! Watching: order, completeness, rights, tokens, and a log that no longer reaches back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{Engine, Mark, MemoryBackend, Pattern, Principal};
use emerge_proto::watch::Change;
use emerge_proto::{ErrorCode, limits};

async fn all(
    engine: &Engine<MemoryBackend>,
    from: Mark,
    pattern: &str,
    who: &Principal,
) -> (Vec<Change>, Mark) {
    settle(engine).await;
    let pattern = Pattern::parse(pattern).unwrap();
    let (mut told, mut at) = (Vec::new(), from);
    loop {
        let seen = engine.changes_after(at, &pattern, who, NOW).await.unwrap();
        if seen.next == at {
            return (told, at);
        }
        told.extend(seen.changes.into_iter().filter(|change| !change.path.starts_with("/settled")));
        at = seen.next;
    }
}

fn shown(changes: &[Change]) -> Vec<String> {
    let text = |change: &Change| {
        let from = change.from.as_deref().map_or_else(String::new, |from| format!(" from {from}"));
        format!("{} {}{from} {:?}", change.kind.as_str(), change.path, change.version)
    };
    changes.iter().map(text).collect()
}

#[test]
fn changes_come_in_the_order_of_commits_with_their_places_of_then() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        settle(engine).await;
        let from = engine.log_end();
        let mut tx = admin(engine);
        store(&mut tx, "/a/b/x", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        store(&mut tx, "/a/b/x", class, 2).await.unwrap();
        tx.mv(&path("/a/b"), "/c").await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.rm(&path("/c"), true).await.unwrap();
        commit(tx).await.unwrap();
        // What is made and removed in one commit was never there.
        let mut tx = admin(engine);
        store(&mut tx, "/a/never", class, 1).await.unwrap();
        tx.rm(&path("/a/never"), false).await.unwrap();
        commit(tx).await.unwrap();
        let (told, _) = all(engine, from, "/**", &Principal::admin()).await;
        assert_eq!(
            shown(&told),
            [
                "created /a Some(1)",
                "created /a/b Some(1)",
                "created /a/b/x Some(1)",
                // Where it is after the commit.
                "changed /c/x Some(2)",
                "moved /c from /a/b Some(1)",
                "removed /c None",
            ]
        );
        assert!(told.windows(2).all(|pair| pair[0].token < pair[1].token), "tokens grow");
        assert!(told.iter().all(|change| change.author == "admin" && change.time == NOW));
        // Whoever watches inside a tree learns that it goes, on either side.
        let (inside, _) = all(engine, from, "/a/b/x/**", &Principal::admin()).await;
        assert_eq!(shown(&inside), ["created /a/b/x Some(1)", "moved /c from /a/b Some(1)"]);
        let (other, _) = all(engine, from, "/c/*", &Principal::admin()).await;
        assert_eq!(shown(&other), ["changed /c/x Some(2)", "moved /c from /a/b Some(1)", "removed /c None"]);
    });
}

#[test]
fn a_watch_goes_on_after_each_token() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        settle(engine).await;
        let from = engine.log_end();
        for round in 0..3 {
            let mut tx = admin(engine);
            for at in 0..4 {
                store(&mut tx, &format!("/a/n{at}"), class, round).await.unwrap();
            }
            commit(tx).await.unwrap();
        }
        let (told, _) = all(engine, from, "/a/*", &Principal::admin()).await;
        assert_eq!(told.len(), 12);
        for (at, change) in told.iter().enumerate() {
            let mark = engine.mark(&change.token).unwrap();
            let (rest, _) = all(engine, mark, "/a/*", &Principal::admin()).await;
            assert_eq!(rest, told[at + 1..]);
        }
        for bad in ["", "x", "é", "0102030400000000000000070000000b", &told[0].token[1..]] {
            let error = engine.mark(bad).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("from")),
                "{bad:?}"
            );
        }
    });
}

#[test]
fn what_may_not_be_read_is_not_told() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let staff =
            |user: &str, admin| Principal { groups: vec!["staff".into()], admin, ..Principal::user(user) };
        settle(engine).await;
        let from = engine.log_end();
        let mut tx = engine.begin(staff("ada", true), NOW, seed());
        store(&mut tx, "/open/a", class, 1).await.unwrap();
        store(&mut tx, "/open/b", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        store(&mut tx, "/secret/a", class, 1).await.unwrap();
        tx.mv(&path("/open/b"), "/secret/b").await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.rm(&path("/secret/a"), false).await.unwrap();
        tx.rm(&path("/open/a"), false).await.unwrap();
        store(&mut tx, "/open/hidden", class, 1).await.unwrap();
        tx.mv(&path("/secret/b"), "/open/c").await.unwrap();
        commit(tx).await.unwrap();
        let (told, _) = all(engine, from, "/**", &staff("eve", false)).await;
        let told = shown(&told);
        assert_eq!(
            told,
            [
                "created /open Some(1)",
                // Of what is gone by now only that it went is told.
                "created /open/b Some(1)",
                "removed /open/b None",
                // What is gone had its rights; what belongs to others is not told, although she may list its directory.
                "removed /open/a None",
                "created /open/c Some(1)",
            ]
        );
    });
}

/// `/w/pub`, which all may enter, with an object that all may read, and `/w/hidden`, which is its owner's alone.
async fn shared(engine: &Engine<MemoryBackend>) {
    let class = put_class(engine).await;
    let mut tx = admin(engine);
    store(&mut tx, "/w/pub/o", class, 1).await.unwrap();
    store(&mut tx, "/w/pub/own", class, 1).await.unwrap();
    tx.mkdir(&path("/w/hidden"), false).await.unwrap();
    for (at, perms) in
        [("/w", "755"), ("/w/pub", "755"), ("/w/pub/o", "644"), ("/w/pub/own", "600"), ("/w/hidden", "700")]
    {
        tx.chmod(&path(at), perms, false).await.unwrap();
    }
    commit(tx).await.unwrap();
    settle(engine).await;
}

#[test]
fn what_moves_out_of_sight_is_gone_and_what_comes_into_it_is_new() {
    on_memory(async |engine| {
        shared(engine).await;
        let from = engine.log_end();
        for (source, target) in [
            ("/w/pub/o", "/w/hidden/o"),
            ("/w/hidden/o", "/w/hidden/p"),
            ("/w/hidden/p", "/w/pub/p"),
            // What she never saw is not missed.
            ("/w/pub/own", "/w/hidden/own"),
            ("/w/pub", "/w/hidden/pub"),
            ("/w/hidden/pub", "/w/pub"),
        ] {
            let mut tx = admin(engine);
            tx.mv(&path(source), target).await.unwrap();
            commit(tx).await.unwrap();
        }
        let (told, _) = all(engine, from, "/w/**", &Principal::user("eve")).await;
        assert_eq!(
            shown(&told),
            [
                "removed /w/pub/o None",
                "created /w/pub/p Some(1)",
                "removed /w/pub None",
                "created /w/pub Some(1)"
            ]
        );
        assert!(told.iter().all(|change| change.from.is_none()));
        // Where it went is not told, also to who watches only there.
        let (told, _) = all(engine, from, "/w/hidden/**", &Principal::user("eve")).await;
        assert_eq!(shown(&told), Vec::<String>::new());
        // Once it is gone for good, what became of it before is told still.
        let mut tx = admin(engine);
        tx.mv(&path("/w/pub/p"), "/w/hidden/p").await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.rm(&path("/w/hidden/p"), false).await.unwrap();
        commit(tx).await.unwrap();
        let (told, _) = all(engine, from, "/w/pub/*", &Principal::user("eve")).await;
        assert_eq!(shown(&told).last().unwrap(), "removed /w/pub/p None");
    });
}

#[test]
fn a_change_of_rights_takes_away_and_gives() {
    on_memory(async |engine| {
        shared(engine).await;
        let from = engine.log_end();
        for (at, perms) in [
            ("/w/pub/o", "600"),
            // Of what she does not see nothing is told.
            ("/w/pub/o", "640"),
            ("/w/pub/o", "604"),
            ("/w/pub/o", "644"),
            ("/w/pub", "700"),
            ("/w/pub", "755"),
        ] {
            let mut tx = admin(engine);
            tx.chmod(&path(at), perms, false).await.unwrap();
            commit(tx).await.unwrap();
        }
        let eve = Principal::user("eve");
        let wanted = [
            "removed /w/pub/o None",
            "created /w/pub/o Some(4)",
            "changed /w/pub/o Some(5)",
            "removed /w/pub None",
            "created /w/pub Some(3)",
        ];
        assert_eq!(shown(&all(engine, from, "/w/**", &eve).await.0), wanted);
        // Whoever watches inside a tree learns that it has gone, and come.
        assert_eq!(shown(&all(engine, from, "/w/pub/o", &eve).await.0), wanted);
        // What is hidden and moved at once was there, and is nowhere.
        let hidden = engine.log_end();
        let mut tx = admin(engine);
        tx.chmod(&path("/w/pub/o"), "600", false).await.unwrap();
        tx.mv(&path("/w/pub/o"), "/w/pub/q").await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(shown(&all(engine, hidden, "/w/**", &eve).await.0), ["removed /w/pub/o None"]);
        let back = engine.log_end();
        let mut tx = admin(engine);
        tx.mv(&path("/w/pub/q"), "/w/pub/r").await.unwrap();
        tx.chmod(&path("/w/pub/r"), "644", false).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(shown(&all(engine, back, "/w/**", &eve).await.0), ["created /w/pub/r Some(7)"]);
        // Also when it is shown before it is moved.
        for (at, perms, to, told) in [
            ("/w/pub/r", "600", "/w/pub/s", "removed /w/pub/r None"),
            ("/w/pub/s", "644", "/w/pub/t", "created /w/pub/t Some(9)"),
        ] {
            let before = engine.log_end();
            let mut tx = admin(engine);
            tx.chmod(&path(at), perms, false).await.unwrap();
            tx.mv(&path(at), to).await.unwrap();
            commit(tx).await.unwrap();
            assert_eq!(shown(&all(engine, before, "/w/**", &eve).await.0), [told]);
        }
        let (told, _) = all(engine, from, "/w/pub", &Principal::admin()).await;
        assert!(told.iter().all(|change| change.kind.as_str() == "changed"), "{:?}", shown(&told));
    });
}

#[test]
fn it_says_when_the_log_no_longer_reaches_back() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let begin = engine.log_end();
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 2).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let end = engine.log_end();
        let later = NOW + (limits::KEEP_DAYS as i64 + 1) * 24 * 3600 * 1_000_000;
        while engine.collect(later, 1000).await.unwrap().deleted > 0 {}
        settle(engine).await;
        let pattern = Pattern::parse("/a").unwrap();
        let error = engine.changes_after(begin, &pattern, &Principal::admin(), NOW).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::LogExpired, Some("from")));
        assert!(end.commit() > begin.commit());
        let now = engine.log_end();
        let mut tx = admin(engine);
        store(&mut tx, "/a", class, 3).await.unwrap();
        commit(tx).await.unwrap();
        let (told, _) = all(engine, now, "/a", &Principal::admin()).await;
        assert_eq!(shown(&told), ["changed /a Some(3)"]);
    });
}

#[test]
fn only_what_is_durable_is_told() {
    // Nobody takes the commits to the backend.
    let engine = futures_executor::block_on(Engine::open(
        MemoryBackend::new(),
        emerge_engine::EngineOptions::new("test"),
        NOW,
    ))
    .unwrap();
    futures_executor::block_on(async {
        let from = engine.log_end();
        let mut tx = admin(&engine);
        tx.mkdir(&path("/a"), false).await.unwrap();
        tx.commit(None).await.unwrap();
        let pattern = Pattern::parse("/**").unwrap();
        let seen = engine.changes_after(from, &pattern, &Principal::admin(), NOW).await.unwrap();
        assert!(seen.changes.is_empty() && seen.next == from);
        assert_eq!(engine.log_end(), from);
    });
}
