//! Objects that are asked where they lie: whoever asks finds what a walk that takes all objects out of the store would give him.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{MemoryBackend, Principal, Scope, Tx};
use emerge_proto::{ClassHash, Scope as Grants};
use proptest::prelude::*;

/// So many that either directory has more than a walk over a tree would look at: all objects of the store are.
const MEMBERS: usize = 2_060;

/// One change; numbers choose among the members of one of two directories.
#[derive(Clone, Debug)]
enum Step {
    Store(usize, u64),
    Remove(usize),
    Hide(usize),
    Move(usize),
    /// Of the second directory.
    Close(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = prop_oneof![0..MEMBERS, MEMBERS..MEMBERS + 10];
    let step = prop_oneof![
        4 => (member.clone(), any::<u64>()).prop_map(|(at, value)| Step::Store(at, value)),
        2 => member.clone().prop_map(Step::Remove),
        1 => member.clone().prop_map(Step::Hide),
        1 => member.prop_map(Step::Move),
        1 => any::<bool>().prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..12)
}

fn member(at: usize) -> String {
    format!("/d{}/{at:04}", at % 2)
}

/// Whether there is something to do it to, and whether who does it may, is not what this is about.
async fn take(tx: &mut Tx<MemoryBackend>, class: ClassHash, steps: &[Step]) {
    for step in steps {
        let _ = match step {
            Step::Store(at, value) => store(tx, &member(*at), class, *value).await.map(|_| ()),
            Step::Remove(at) => tx.rm(&path(&member(*at)), false).await,
            Step::Hide(at) => tx.chmod(&path(&member(*at)), "0600", false).await.map(|_| ()),
            Step::Move(at) => tx.mv(&path(&member(*at)), &format!("/d0/moved{at}")).await,
            Step::Close(closed) => {
                tx.chmod(&path("/d1"), if *closed { "0700" } else { "0777" }, false).await.map(|_| ())
            }
        };
    }
}

fn is_wanted(state: &[u8]) -> Option<u64> {
    let n = n_of(state);
    n.is_multiple_of(3).then_some(n)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn who_asks_where_objects_lie_finds_what_a_walk_gives(
        (settled, recent, own) in (steps(), steps(), steps()),
        budget in prop_oneof![1..6_usize, 6..700_usize],
        class_alone in any::<bool>(),
    ) {
        on_memory(async |engine| {
            let class = put_class(engine).await;
            let mut tx = admin(engine);
            for at in 0..MEMBERS {
                store(&mut tx, &member(at), class, at as u64).await.unwrap();
            }
            // The others are for the administrator alone.
            for at in 0..MEMBERS / 2 {
                tx.chmod(&path(&member(at)), "0644", false).await.unwrap();
            }
            for directory in ["/d0", "/d1"] {
                tx.chmod(&path(directory), "0777", false).await.unwrap();
            }
            take(&mut tx, class, &settled).await;
            commit(tx).await.unwrap();
            settle(engine).await;
            // Writes that one who is at it may not have seen stay in memory.
            let _at_it = admin(engine);
            // A clock that was put back gives new objects a place before those that are there.
            let mut tx = engine.begin(Principal::admin(), NOW - 1_000_000_000, seed());
            take(&mut tx, class, &recent).await;
            commit(tx).await.unwrap();

            let token_for = |grants: &[&str]| {
                Principal::user("ada").scoped(Grants::parse(grants).unwrap().unwrap())
            };
            let part = token_for(&["read:/", "read:/d1/**"]);
            for who in [Principal::admin(), Principal::user("ada"), part.clone()] {
                let mut tx = engine.begin(who.clone(), NOW, seed());
                take(&mut tx, class, &own).await;
                let scope = Scope { class: class_alone.then(|| "Counter".into()), ..Scope::default() };
                let mut walk = tx.walk_objects(&path("/"), scope.clone()).await.unwrap();
                prop_assert_eq!(walk.access(), "scan");
                let mut given = Vec::new();
                while let Some(found) = tx.next_objects(&mut walk, budget).await.unwrap() {
                    given.extend(found.iter().filter(|one| is_wanted(one.state().unwrap()).is_some()).map(|one| one.path()));
                }
                let mut asking = tx.walk_objects(&path("/"), scope).await.unwrap();
                let (mut answered, mut asked) = (Vec::new(), 0);
                while let Some(found) = tx.next_asked(&mut asking, budget, &mut is_wanted).await.unwrap() {
                    for (one, answer) in found {
                        let said = is_wanted(one.state().unwrap());
                        asked += u64::from(answer.is_some());
                        prop_assert!(answer.is_none_or(|answer| Some(answer) == said), "{}", one.path());
                        answered.extend(said.map(|_| one.path()));
                    }
                }
                prop_assert_eq!(&answered, &given, "for {:?}", who);
                if who == part {
                    prop_assert!(answered.iter().all(|path| path.starts_with("/d1/")), "{answered:?}");
                }
                prop_assert_eq!(asking.seen(), walk.seen());
                // The first page learns classes and directories.
                prop_assert!(asked > 0 || given.is_empty(), "none was asked where it lies");
            }
            Ok(())
        })?;
    }
}
