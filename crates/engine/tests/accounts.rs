//! Users and groups that the node knows, and whom their tokens stand for.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Engine, MemoryBackend, Tx};
use emerge_proto::account::{GroupAction, GroupInfo, UserAction};
use emerge_proto::{Error, ErrorCode, Result, limits};

async fn add(tx: &mut Tx<MemoryBackend>, name: &str, token: u8, groups: &[&str]) -> Result<()> {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    tx.users(UserAction::Add, Some(name), Some(&[token; 32]), Some(&groups)).await.map(|_| ())
}

async fn group(
    tx: &mut Tx<MemoryBackend>,
    action: GroupAction,
    name: &str,
    user: Option<&str>,
) -> Result<Vec<GroupInfo>> {
    tx.groups(action, Some(name), user).await
}

async fn groups_of(engine: &Engine<MemoryBackend>, token: u8) -> Option<(String, Vec<String>)> {
    let principal = engine.user_of_token(&[token; 32]).await.unwrap()?.principal;
    assert!(!principal.admin);
    Some((principal.user, principal.groups))
}

fn known(user: &str, groups: &[&str]) -> Option<(String, Vec<String>)> {
    Some((user.into(), groups.iter().map(|&group| group.to_owned()).collect()))
}

#[test]
fn a_token_stands_for_its_user_as_long_as_it_is_valid() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        let began = engine.accounts_generation();
        let mut tx = admin(engine);
        group(&mut tx, GroupAction::Add, "staff", None).await.unwrap();
        group(&mut tx, GroupAction::Add, "crew", None).await.unwrap();
        add(&mut tx, "ada", 1, &["staff"]).await.unwrap();
        add(&mut tx, "bob", 2, &[]).await.unwrap();
        assert_eq!(groups_of(engine, 1).await, None, "not before the commit");
        assert_eq!(engine.accounts_generation(), began);
        commit(tx).await.unwrap();
        assert!(engine.accounts_generation() > began);
        assert_eq!(groups_of(engine, 1).await, known("ada", &["staff"]));
        assert_eq!(groups_of(engine, 2).await, known("bob", &[]));
        assert_eq!(groups_of(engine, 9).await, None);

        let before = engine.accounts_generation();
        let mut tx = admin(engine);
        let joined = group(&mut tx, GroupAction::Join, "crew", Some("ada")).await.unwrap();
        assert_eq!(joined, [GroupInfo { name: "crew".into(), members: vec!["ada".into()] }]);
        group(&mut tx, GroupAction::Join, "crew", Some("ada")).await.unwrap();
        group(&mut tx, GroupAction::Leave, "staff", Some("bob")).await.unwrap();
        tx.users(UserAction::Token, Some("bob"), Some(&[3; 32]), None).await.unwrap();
        commit(tx).await.unwrap();
        assert!(engine.accounts_generation() > before);
        assert_eq!(groups_of(engine, 1).await, known("ada", &["staff", "crew"]));
        assert_eq!((groups_of(engine, 2).await, groups_of(engine, 3).await), (None, known("bob", &[])));

        let mut tx = admin(engine);
        let names = |groups: Vec<GroupInfo>| -> Vec<(String, usize)> {
            groups.into_iter().map(|group| (group.name, group.members.len())).collect()
        };
        let all = names(tx.groups(GroupAction::List, None, None).await.unwrap());
        assert_eq!(all, [("admin".into(), 0), ("crew".into(), 1), ("staff".into(), 1)]);
        group(&mut tx, GroupAction::Remove, "staff", None).await.unwrap();
        tx.users(UserAction::Remove, Some("bob"), None, None).await.unwrap();
        let users = tx.users(UserAction::List, None, None, None).await.unwrap();
        assert_eq!(
            users.iter().map(|user| (&*user.name, user.groups.len())).collect::<Vec<_>>(),
            [("ada", 1)]
        );
        commit(tx).await.unwrap();
        assert_eq!((groups_of(engine, 1).await, groups_of(engine, 3).await), (known("ada", &["crew"]), None));
        settle(engine).await;
    });
    futures_executor::block_on(check_store(&backing)).unwrap();
    on(backing, async |engine| {
        assert_eq!(groups_of(engine, 1).await, known("ada", &["crew"]), "after a restart");
    });
}

#[test]
fn what_is_wrong_is_said() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        group(&mut tx, GroupAction::Add, "staff", None).await.unwrap();
        add(&mut tx, "ada", 1, &["staff"]).await.unwrap();
        let told = |error: Error| (error.code, error.field.as_deref().unwrap_or_default().to_owned());
        let is = |code, field: &str| (code, field.to_owned());
        use ErrorCode::*;
        assert_eq!(told(add(&mut tx, "ada", 2, &[]).await.unwrap_err()), is(AlreadyExists, "name"));
        assert_eq!(told(add(&mut tx, "staff", 2, &[]).await.unwrap_err()), is(AlreadyExists, "name"));
        assert_eq!(told(add(&mut tx, "admin", 2, &[]).await.unwrap_err()), is(AlreadyExists, "name"));
        assert_eq!(told(add(&mut tx, "bob", 1, &[]).await.unwrap_err()), is(AlreadyExists, "token_hash"));
        assert_eq!(told(add(&mut tx, "bob", 2, &["none"]).await.unwrap_err()), is(NotFound, "name"));
        for name in ["", "a/b", ".a", "-a", "a b", &"a".repeat(65)] {
            assert_eq!(
                told(add(&mut tx, name, 2, &[]).await.unwrap_err()),
                is(BadArgument, "name"),
                "{name}"
            );
        }
        let short = tx.users(UserAction::Add, Some("bob"), Some(&[1; 31]), None).await.unwrap_err();
        assert_eq!(told(short), is(BadArgument, "token_hash"));
        let nobody = tx.users(UserAction::Remove, Some("bob"), None, None).await.unwrap_err();
        assert_eq!(told(nobody), is(NotFound, "name"));
        let nobody = tx.users(UserAction::Token, None, Some(&[1; 32]), None).await.unwrap_err();
        assert_eq!(told(nobody), is(BadArgument, "name"));
        let taken = group(&mut tx, GroupAction::Add, "ada", None).await.unwrap_err();
        assert_eq!(told(taken), is(AlreadyExists, "name"));
        let builtin = group(&mut tx, GroupAction::Remove, "admin", None).await.unwrap_err();
        assert_eq!(told(builtin), is(BadArgument, "name"));
        let nobody = group(&mut tx, GroupAction::Join, "staff", Some("bob")).await.unwrap_err();
        assert_eq!(told(nobody), is(NotFound, "user"));
        for at in 0..limits::MAX_GROUPS {
            group(&mut tx, GroupAction::Add, &format!("g{at}"), None).await.unwrap();
        }
        for at in 1..limits::MAX_GROUPS {
            group(&mut tx, GroupAction::Join, &format!("g{at}"), Some("ada")).await.unwrap();
        }
        let many = group(&mut tx, GroupAction::Join, "g0", Some("ada")).await.unwrap_err();
        assert_eq!((many.code, many.limit), (LimitExceeded, Some(limits::MAX_GROUPS as u64)));
        commit(tx).await.unwrap();

        for user in ["ada", "eve"] {
            let mut tx = as_user(engine, user);
            for error in [
                tx.users(UserAction::List, None, None, None).await.map(|_| ()).unwrap_err(),
                add(&mut tx, "zoe", 7, &[]).await.unwrap_err(),
                tx.groups(GroupAction::List, None, None).await.map(|_| ()).unwrap_err(),
                group(&mut tx, GroupAction::Join, "admin", Some("ada")).await.map(|_| ()).unwrap_err(),
            ] {
                assert_eq!(error.code, PermissionDenied, "{user}: {error}");
            }
        }
    });
}

#[test]
fn groups_are_bounded() {
    on_memory(async |engine| {
        for from in (0..limits::MAX_USERS).step_by(1024) {
            let mut tx = admin(engine);
            for at in from..from + 1024 {
                group(&mut tx, GroupAction::Add, &format!("g{at:05}"), None).await.unwrap();
            }
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        let many = group(&mut tx, GroupAction::Add, "more", None).await.unwrap_err();
        assert_eq!((many.code, many.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_USERS as u64)));
    });
}

#[test]
fn things_are_given_to_whom_the_node_knows() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        store(&mut tx, "/o", class, 1).await.unwrap();
        group(&mut tx, GroupAction::Add, "staff", None).await.unwrap();
        add(&mut tx, "ada", 1, &[]).await.unwrap();
        for (owner, group, field) in
            [(Some("eve"), None, "owner"), (None, Some("crew"), "group"), (Some("a/b"), None, "owner")]
        {
            let error = tx.chown(&path("/o"), owner, group, false).await.unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some(field)));
        }
        for (owner, group) in
            [(Some("ada"), None), (None, Some("staff")), (None, Some("ada")), (Some("admin"), Some("admin"))]
        {
            tx.chown(&path("/o"), owner, group, false).await.unwrap();
        }
    });
}
