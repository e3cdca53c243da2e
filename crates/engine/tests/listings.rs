//! Pages that are kept as they were shown: whoever lists a directory again sees what a listing that reads everything anew would tell.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{Engine, MemoryBackend, Principal};
use emerge_proto::Scope;
use emerge_proto::class::{decode, encode};
use emerge_proto::record::{Listing, Page};
use proptest::prelude::*;

/// One change; numbers choose among few names, so that the same are met again.
#[derive(Clone, Debug)]
enum Step {
    Store(u8, u8, u64),
    Remove(u8, u8),
    Move(u8, u8, u8),
    Chmod(u8, u8, bool),
    /// Of a whole directory.
    MoveAll(u8),
    ChmodAll(u8, bool),
    /// What a transaction that is rolled back does is nowhere seen.
    GiveUp(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (directory, name) = (0..3_u8, 0..5_u8);
    let step = prop_oneof![
        4 => (directory.clone(), name.clone(), any::<u64>()).prop_map(|(d, n, v)| Step::Store(d, n, v)),
        1 => (directory.clone(), name.clone()).prop_map(|(d, n)| Step::Remove(d, n)),
        1 => (directory.clone(), name.clone(), directory.clone()).prop_map(|(d, n, to)| Step::Move(d, n, to)),
        2 => (directory.clone(), name.clone(), any::<bool>()).prop_map(|(d, n, open)| Step::Chmod(d, n, open)),
        1 => directory.clone().prop_map(Step::MoveAll),
        1 => (directory.clone(), any::<bool>()).prop_map(|(d, open)| Step::ChmodAll(d, open)),
        1 => (directory, name).prop_map(|(d, n)| Step::GiveUp(d, n)),
    ];
    prop::collection::vec(step, 1..30)
}

fn directory(number: u8) -> String {
    format!("/d{number}")
}

fn member(of: u8, name: u8) -> String {
    format!("/d{of}/m{name}")
}

async fn take(engine: &Engine<MemoryBackend>, class: emerge_proto::ClassHash, step: &Step) {
    let mut tx = admin(engine);
    // Whether there is something to do it to is not what this is about.
    let done = match step {
        Step::Store(d, n, value) => store(&mut tx, &member(*d, *n), class, *value).await.map(|_| ()),
        Step::Remove(d, n) => tx.rm(&path(&member(*d, *n)), false).await,
        Step::Move(d, n, to) => tx.mv(&path(&member(*d, *n)), &format!("{}/moved{n}", directory(*to))).await,
        Step::Chmod(d, n, open) => {
            tx.chmod(&path(&member(*d, *n)), if *open { "0644" } else { "0600" }, false).await.map(|_| ())
        }
        Step::MoveAll(d) => tx.mv(&path(&directory(*d)), &directory((*d + 1) % 3)).await,
        Step::ChmodAll(d, open) => {
            tx.chmod(&path(&directory(*d)), if *open { "0755" } else { "0700" }, false).await.map(|_| ())
        }
        Step::GiveUp(d, n) => {
            let _ = store(&mut tx, &member(*d, *n), class, 1).await;
            let _ = tx.list_encoded(&path(&directory(*d)), &Listing::default()).await;
            return;
        }
    };
    if done.is_ok() {
        commit(tx).await.unwrap();
    }
}

/// All pages of a directory, as a listing that is kept tells them, and as one that is not.
async fn both(
    engine: &Engine<MemoryBackend>,
    who: &Principal,
    at: &str,
    limit: Option<u32>,
) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut shown, mut told) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let listing = Listing { after: after.as_deref(), limit, ..Listing::default() };
        let mut tx = engine.begin(who.clone(), NOW, seed());
        let page = match tx.list_encoded(&path(at), &listing).await {
            Ok(page) => page,
            Err(error) => encode(&error),
        };
        let mut tx = engine.begin(who.clone(), NOW, seed());
        match tx.list_by(&path(at), &listing).await {
            Ok(anew) => {
                after.clone_from(&anew.next);
                told.push(encode(&anew));
            }
            Err(error) => {
                after = None;
                told.push(encode(&error));
            }
        }
        shown.push(page);
        if after.is_none() {
            return (shown, told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn what_is_kept_of_listings_is_what_they_would_tell(steps in steps()) {
        on_memory(async |engine| {
            let class = put_class(engine).await;
            let viewers = [Principal::admin(), Principal::user("ada"), Principal::user("bob")];
            for step in &steps {
                take(engine, class, step).await;
                // Only what lies in the backend is kept.
                settle(engine).await;
                for (at, who) in (0..3).flat_map(|at| viewers.iter().map(move |who| (directory(at), who))) {
                    for limit in [None, Some(2)] {
                        // The first finds what was scanned, the second keeps what it shows, the third is shown it.
                        for _ in 0..3 {
                            let (shown, told) = both(engine, who, &at, limit).await;
                            assert_eq!(shown, told, "{at} for {}", who.user);
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn a_page_that_was_kept_is_validated_as_one_that_was_read() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/d/one", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let listing = Listing::default();
        for _ in 0..3 {
            admin(engine).list_encoded(&path("/d"), &listing).await.unwrap();
        }
        for change in ["/d/one", "/d/two"] {
            let mut reader = admin(engine);
            let page: Page = decode(&reader.list_encoded(&path("/d"), &listing).await.unwrap()).unwrap();
            store(&mut reader, "/count", class, page.members.len() as u64).await.unwrap();
            let mut writer = admin(engine);
            store(&mut writer, change, class, 2).await.unwrap();
            commit(writer).await.unwrap();
            assert!(commit(reader).await.is_err(), "what the listing told of {change} has changed");
        }
    });
}

#[test]
fn what_was_shown_for_one_token_is_not_shown_for_another() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        for name in ["one", "two"] {
            store(&mut tx, &format!("/d/{name}"), class, 1).await.unwrap();
        }
        tx.chmod(&path("/d"), "777", true).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let ada = || Principal::user("ada");
        let scoped = |grants: &[&str]| ada().scoped(Scope::parse(grants).unwrap().unwrap());
        let viewers = [
            (ada(), ["one", "two"].as_slice()),
            (scoped(&["read:/d", "read:/d/one"]), &["one"]),
            (scoped(&["read:/d", "read:/d/two"]), &["two"]),
            (scoped(&["read:/d/**"]), &["one", "two"]),
            (scoped(&["read:/d"]), &[]),
        ];
        for (first, sees) in &viewers {
            for (second, sees_then) in &viewers {
                // Twice each, so that the second time is of what was kept.
                for (who, sees) in [(first, sees), (first, sees), (second, sees_then), (second, sees_then)] {
                    let mut tx = engine.begin(who.clone(), NOW, seed());
                    let page = tx.list_encoded(&path("/d"), &Listing::default()).await.unwrap();
                    let page: Page = decode(&page).unwrap();
                    let names: Vec<&str> = page.members.iter().map(|stat| stat.name.as_str()).collect();
                    assert_eq!(&names, sees, "{who:?} after {first:?}");
                }
            }
        }
    });
}
