//! Tokens: what one with a scope can do by each operation, who may make which, and that they end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Engine, MemoryBackend, Pattern, Principal, Scope as WalkScope, Tx};
use emerge_proto::account::{NewToken, TokenAction, TokenInfo, UserAction};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{AsOf, ClassHash, Error, ErrorCode, Result, Scope, limits};

type Memory = Engine<MemoryBackend>;

fn scoped(engine: &Memory, grants: &[&str]) -> Tx<MemoryBackend> {
    let scope = Scope::parse(grants).unwrap().unwrap();
    engine.begin(Principal::user("ada").scoped(scope), NOW, seed())
}

/// Objects of ada's in three directories, with a reference by id to one of them, and a class.
async fn tree(engine: &Memory) -> (ClassHash, Target) {
    let mut tx = admin(engine);
    tx.users(UserAction::Add, Some("ada"), Some(&[1; 32]), None).await.unwrap();
    for directory in ["/home", "/copies"] {
        tx.mkdir(&path(directory), false).await.unwrap();
        tx.chown(&path(directory), Some("ada"), None, false).await.unwrap();
    }
    commit(tx).await.unwrap();
    let mut tx = as_user(engine, "ada");
    let class = tx.put_class(source("Counter", "class Counter {}"), vec![]).await.unwrap().hash;
    for (at, name) in ["in/a", "in/b", "inner/c", "out/d", "out/deep/e"].into_iter().enumerate() {
        store(&mut tx, &format!("/home/{name}"), class, at as u64).await.unwrap();
    }
    let id = tx.stat(&path("/home/out/d")).await.unwrap().id;
    commit(tx).await.unwrap();
    (class, Target::Id(id))
}

const OPERATIONS: &[&str] = &[
    "get",
    "stat",
    "history",
    "diff",
    "class",
    "list",
    "call",
    "change",
    "store",
    "new",
    "set",
    "mkdir",
    "restore",
    "rm",
    "mv",
    "cp from",
    "cp to",
    "chmod",
    "chown",
    "set_rules",
    "migrate",
    "purge",
];

/// Does something to an object in a directory, in ways that need both to be there.
async fn run(tx: &mut Tx<MemoryBackend>, what: &str, dir: &str, name: &str, class: ClassHash) -> Result<()> {
    let (d, o) = (path(dir), path(&format!("{dir}/{name}")));
    match what {
        "get" => tx.get(&o, None).await.map(drop),
        "stat" => tx.stat(&o).await.map(drop),
        "history" => tx.history(&o, None, None).await.map(drop),
        "diff" => tx.diff(&o, AsOf::Version(1), None).await.map(drop),
        "class" => tx.class_by_path(&o).await.map(drop),
        "list" => tx.list(&d, None, None).await.map(drop),
        "call" => tx.object_for_call(&o).await.map(drop),
        "change" => {
            let object = tx.object_for_call(&o).await?;
            tx.set_state(&object, &n(9), "add").await.map(drop)
        }
        "store" => store(tx, &format!("{dir}/{name}"), class, 7).await.map(drop),
        "new" => store(tx, &format!("{dir}/new"), class, 7).await.map(drop),
        "set" => tx.set(&path(&format!("{dir}/{name}#n")), &[0x05], None).await.map(drop),
        "mkdir" => tx.mkdir(&path(&format!("{dir}/sub/dir")), false).await.map(drop),
        "restore" => tx.restore(&o, AsOf::Version(1), None).await.map(drop),
        "rm" => tx.rm(&o, false).await,
        "mv" => tx.mv(&o, &format!("{dir}/moved")).await,
        "cp from" => tx.cp(&o, "/home/in/copy", false).await.map(drop),
        "cp to" => tx.cp(&path("/home/in/b"), &format!("{dir}/copy"), false).await.map(drop),
        "chmod" => tx.chmod(&o, "600", false).await.map(drop),
        "chown" => tx.chown(&o, None, Some("ada"), false).await.map(drop),
        "set_rules" => tx.set_rules(&d, Some("all"), None).await.map(drop),
        "migrate" => tx.object_to_migrate(&o).await.map(drop),
        "purge" => tx.purge(&o, false).await,
        other => panic!("{other}"),
    }
}

#[test]
fn each_operation_needs_its_grant() {
    on_memory(async |engine| {
        let (class, _) = tree(engine).await;
        let (read, write, call, rights) = (1, 2, 4, 8);
        let verbs = [("read", read), ("write", write), ("call", call), ("rights", rights)];
        let allowed = |what: &str, mask: u8| match what {
            "stat" => mask != 0,
            "get" | "history" | "diff" | "class" | "list" => mask & read != 0,
            "call" | "change" => mask & call != 0,
            "store" | "new" | "mkdir" | "rm" | "mv" | "purge" => mask & write != 0,
            "set" | "restore" | "migrate" | "cp from" | "cp to" => mask & read != 0 && mask & write != 0,
            "chmod" | "chown" | "set_rules" => mask & rights != 0,
            other => panic!("{other}"),
        };
        for mask in 1..16 {
            let of = |(verb, bit): &(&str, u8)| (mask & bit != 0).then(|| format!("{verb}:/home/in/**"));
            let grants: Vec<String> = verbs.iter().filter_map(of).collect();
            let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
            for what in OPERATIONS {
                let mut tx = scoped(engine, &grants);
                let done = run(&mut tx, what, "/home/in", "a", class).await;
                assert_eq!(done.is_ok(), allowed(what, mask), "{what} with {grants:?}: {done:?}");
                if let Err(error) = done {
                    assert_eq!(error.code, ErrorCode::PermissionDenied, "{what} with {grants:?}: {error}");
                }
            }
        }
    });
}

#[test]
fn nothing_is_there_beside_what_is_granted() {
    on_memory(async |engine| {
        let (class, by_id) = tree(engine).await;
        for grants in [&["*:/home/in/**"] as &[&str], &["*:/home/in/**", "write:/home/out/other"]] {
            for what in OPERATIONS {
                for (dir, name) in [("/home/out", "d"), ("/home/inner", "c"), ("/home/out/deep", "e")] {
                    let mut tx = scoped(engine, grants);
                    let error = run(&mut tx, what, dir, name, class).await.unwrap_err();
                    // Where something is granted below, the directory itself may be known.
                    let known = grants.len() > 1 && dir == "/home/out";
                    let expected = match *what {
                        "new" | "store" | "mkdir" => ErrorCode::PermissionDenied,
                        "list" | "set_rules" | "cp to" if known => ErrorCode::PermissionDenied,
                        _ => ErrorCode::NotFound,
                    };
                    assert_eq!(error.code, expected, "{what} of {dir}/{name} with {grants:?}: {error}");
                }
            }
            let mut tx = scoped(engine, grants);
            for error in [
                tx.get(&by_id, None).await.map(drop).unwrap_err(),
                tx.stat(&by_id).await.map(drop).unwrap_err(),
                tx.rm(&by_id, false).await.unwrap_err(),
            ] {
                assert_eq!(error.code, ErrorCode::NotFound, "{error}");
            }
            assert_eq!(
                tx.list(&path("/home"), None, None).await.unwrap_err().code,
                ErrorCode::PermissionDenied
            );
        }
        // Above what is granted one may pass, and see of it no more than that.
        let mut tx = scoped(engine, &["read:/home/in/a"]);
        assert_eq!(n_of(&tx.get(&path("/home/in/a"), None).await.unwrap().state), 0);
        assert!(tx.stat(&path("/home")).await.is_ok());
        assert_eq!(tx.get(&path("/home/in/b"), None).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(
            tx.list(&path("/home/in"), None, None).await.unwrap_err().code,
            ErrorCode::PermissionDenied
        );
    });
}

async fn found(tx: &mut Tx<MemoryBackend>, from: &str) -> Result<Vec<String>> {
    let mut walk = tx.walk_objects(&path(from), WalkScope::default()).await?;
    let mut names = Vec::new();
    while let Some(candidates) = tx.next_objects(&mut walk, 2).await? {
        names.extend(candidates.into_iter().map(|found| found.path()));
    }
    names.sort();
    Ok(names)
}

#[test]
fn searches_listings_copies_and_watches_show_what_is_granted_alone() {
    on_memory(async |engine| {
        let (class, _) = tree(engine).await;
        settle(engine).await;
        let grants = ["read:/home/in/**", "read:/home", "read:/home/out/deep/**", "write:/copies/**"];
        let mut tx = scoped(engine, &grants);
        assert_eq!(found(&mut tx, "/").await.unwrap(), ["/home/in/a", "/home/in/b", "/home/out/deep/e"]);
        let page = tx.list(&path("/home"), None, None).await.unwrap();
        assert_eq!(page.members.iter().map(|member| &*member.name).collect::<Vec<_>>(), ["in"]);
        let registry = tx.list(&path("/registry"), None, None).await.unwrap_err();
        assert_eq!(registry.code, ErrorCode::NotFound);
        // A copy passes over what is not shown.
        tx.cp(&path("/home"), "/copies/home", true).await.unwrap();
        commit(tx).await.unwrap();
        let mut all = admin(engine);
        assert_eq!(found(&mut all, "/copies").await.unwrap(), ["/copies/home/in/a", "/copies/home/in/b"]);
        drop(all);

        let from = engine.log_end();
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/home/in/a", class, 5).await.unwrap();
        store(&mut tx, "/home/out/d", class, 5).await.unwrap();
        tx.mv(&path("/home/in/b"), "/home/out/b").await.unwrap();
        tx.rm(&path("/home/out/deep/e"), false).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let ada = Principal::user("ada").scoped(Scope::parse(&grants).unwrap().unwrap());
        let seen = engine.changes_after(from, &Pattern::parse("/home/**").unwrap(), &ada, NOW).await.unwrap();
        let mut told: Vec<String> =
            seen.changes.iter().map(|change| format!("{} {}", change.kind.as_str(), change.path)).collect();
        told.sort();
        assert_eq!(told, ["changed /home/in/a", "removed /home/in/b", "removed /home/out/deep/e"]);
    });
}

#[test]
fn what_lies_at_no_path_has_rules_of_its_own() {
    on_memory(async |engine| {
        tree(engine).await;
        let denied = |error: Error| assert_eq!(error.code, ErrorCode::PermissionDenied, "{error}");
        let mut reader = scoped(engine, &["read:/home/**"]);
        denied(reader.put_class(source("Other", "class Other {}"), vec![]).await.unwrap_err());
        denied(reader.create_index("Counter", "n", false).await.unwrap_err());
        denied(reader.users(UserAction::List, None, None, None).await.unwrap_err());
        assert!(reader.class_by_name("Counter").await.is_ok());
        let mut writer = scoped(engine, &["write:/home/**"]);
        assert!(writer.put_class(source("Other", "class Other {}"), vec![]).await.is_ok());
        denied(writer.create_index("Counter", "n", true).await.unwrap_err());
        denied(writer.drop_index("Counter", "n").await.unwrap_err());
        let mut all = scoped(engine, &["write:/**"]);
        assert!(all.create_index("Counter", "n", false).await.is_ok());
        let mut caller = scoped(engine, &["call:/home/in/**"]);
        denied(caller.class_by_name("Counter").await.unwrap_err());
        denied(caller.put_class(source("Other", "class Other {}"), vec![]).await.unwrap_err());
        assert_eq!(caller.index_infos().await.unwrap(), []);
        // What may be called only can neither be read nor replaced, and its class is told to nobody.
        assert_eq!(caller.stat(&path("/home/in/a")).await.unwrap().class_hash, None);
    });
}

#[test]
fn a_tree_goes_whole_or_not_at_all() {
    on_memory(async |engine| {
        tree(engine).await;
        let mut tx = scoped(engine, &["write:/home", "write:/home/out"]);
        let error = tx.rm(&path("/home/out"), true).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied, "a directory below is not granted");
        let mut tx = scoped(engine, &["write:/home", "write:/home/out/**"]);
        tx.rm(&path("/home/out"), true).await.unwrap();
        let mut tx = scoped(engine, &["write:/home/in/**", "*:/home/inner/**"]);
        let error = tx.mv(&path("/home/in/a"), "/home/inner/a").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied, "there it could be read");
        tx.mv(&path("/home/inner/c"), "/home/in/c").await.unwrap();
    });
}

fn new(token: u8, scope: &[&str], expires: Option<i64>) -> NewToken {
    let scope = (!scope.is_empty()).then(|| scope.iter().map(|&grant| grant.to_owned()).collect());
    NewToken { hash: vec![token; 32], scope, expires, note: Some("a test".into()) }
}

/// Makes a token with another's, and gives what the node says of it.
async fn create(engine: &Memory, with: &Principal, user: Option<&str>, new: NewToken) -> Result<TokenInfo> {
    let mut tx = engine.begin(with.clone(), NOW, seed());
    let made = tx.tokens(TokenAction::Create, user, None, Some(&new)).await?;
    commit(tx).await.unwrap();
    Ok(made.into_iter().next().unwrap())
}

async fn bearer(engine: &Memory, token: u8) -> Option<Principal> {
    engine.user_of_token(&[token; 32]).await.unwrap().map(|bearer| bearer.principal)
}

async fn listed(engine: &Memory, who: &Principal) -> Vec<String> {
    let mut tx = engine.begin(who.clone(), NOW, seed());
    let all = tx.tokens(TokenAction::List, None, None, None).await.unwrap();
    all.into_iter().map(|token| token.id[..2].to_owned()).collect()
}

#[test]
fn no_token_makes_a_wider_one() {
    on_memory(async |engine| {
        tree(engine).await;
        let ada = bearer(engine, 1).await.unwrap();
        let root = Principal::admin();
        let made = create(engine, &ada, None, new(2, &["*:/home/in/**"], Some(NOW + 100))).await.unwrap();
        assert_eq!((made.user.as_str(), made.id.as_str()), ("ada", "0202020202020202"));
        assert_eq!((made.expires, made.parent), (Some(NOW + 100), None));
        let two = bearer(engine, 2).await.unwrap();
        assert_eq!(two.scope.as_ref().unwrap().grants(), ["*:/home/in/**"]);
        assert_eq!(two.token.as_deref(), Some("0202020202020202"));

        for (grants, expires, field) in [
            (&["*"] as &[&str], None, "scope"),
            (&["read:/**"], None, "scope"),
            (&["read:/home/in/a", "read:/home"], None, "scope"),
            (&["read:/home/in/a"], Some(NOW + 101), "expires"),
        ] {
            let error = create(engine, &two, None, new(3, grants, expires)).await.unwrap_err();
            let got = (error.code, error.field.as_deref());
            assert_eq!(got, (ErrorCode::PermissionDenied, Some(field)), "{grants:?}");
        }
        // Without more it is as wide as that with which it is made, and lasts as long.
        let three = create(engine, &two, None, new(3, &[], None)).await.unwrap();
        assert_eq!(three.scope, ["*:/home/in/**"]);
        assert_eq!((three.expires, three.parent.as_deref()), (Some(NOW + 100), Some("0202020202020202")));
        let three = bearer(engine, 3).await.unwrap();
        let four = create(engine, &three, None, new(4, &["read:/home/in/a"], None)).await.unwrap();
        assert_eq!(four.parent.as_deref(), Some("0303030303030303"));

        let denied = create(engine, &ada, Some("admin"), new(5, &["read:/**"], None)).await.unwrap_err();
        assert_eq!((denied.code, denied.field.as_deref()), (ErrorCode::PermissionDenied, Some("user")));
        let nobody = create(engine, &root, Some("eve"), new(5, &["*"], None)).await.unwrap_err();
        assert_eq!((nobody.code, nobody.field.as_deref()), (ErrorCode::NotFound, Some("user")));
        // A page with the administrator's user and no administration cannot make itself one.
        let page = Principal::admin().scoped(Scope::objects());
        let error = create(engine, &page, None, new(5, &["*"], None)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied);
        create(engine, &page, None, new(5, &[], None)).await.unwrap();
        assert!(!bearer(engine, 5).await.unwrap().admin);
        create(engine, &root, None, new(6, &["*"], None)).await.unwrap();
        assert!(bearer(engine, 6).await.unwrap().admin);
        create(engine, &root, None, new(7, &["read:/**"], None)).await.unwrap();
        assert!(!bearer(engine, 7).await.unwrap().admin, "a scope and administration never go together");
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn who_sees_a_token_takes_it_back_with_those_that_it_made() {
    on_memory(async |engine| {
        tree(engine).await;
        let ada = bearer(engine, 1).await.unwrap();
        create(engine, &ada, None, new(2, &["*:/home/**"], None)).await.unwrap();
        let two = bearer(engine, 2).await.unwrap();
        create(engine, &two, None, new(3, &["*:/home/in/**"], None)).await.unwrap();
        let three = bearer(engine, 3).await.unwrap();
        create(engine, &three, None, new(4, &["read:/home/in/**"], None)).await.unwrap();
        create(engine, &ada, None, new(5, &["read:/home/out/**"], None)).await.unwrap();
        create(engine, &Principal::admin(), None, new(6, &["read:/**"], None)).await.unwrap();
        assert_eq!(listed(engine, &ada).await, ["02", "03", "04", "05"]);
        assert_eq!(listed(engine, &two).await, ["02", "03", "04"]);
        assert_eq!(listed(engine, &three).await, ["03", "04"]);
        assert_eq!(listed(engine, &Principal::admin()).await, ["02", "03", "04", "05", "06"]);

        let revoke = async |who: &Principal, id: u8| {
            let mut tx = engine.begin(who.clone(), NOW, seed());
            let id = format!("{id:02}").repeat(8);
            let gone = tx.tokens(TokenAction::Revoke, None, Some(&id), None).await?;
            commit(tx).await.unwrap();
            Ok::<_, Error>(gone.len())
        };
        for (who, id) in [(&three, 2), (&three, 5), (&two, 5), (&ada, 6), (&ada, 9)] {
            assert_eq!(revoke(who, id).await.unwrap_err().code, ErrorCode::NotFound, "{id}");
        }
        let generation = engine.accounts_generation();
        assert_eq!(revoke(&two, 3).await, Ok(2));
        assert!(engine.accounts_generation() > generation);
        for (token, known) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
            assert_eq!(bearer(engine, token).await.is_some(), known, "{token}");
        }
        let error = create(engine, &three, None, new(7, &[], None)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthenticated, "it was taken back meanwhile");
        assert_eq!(revoke(&two, 2).await, Ok(1), "also itself");

        // A user who is removed leaves no token.
        let mut tx = admin(engine);
        tx.users(UserAction::Remove, Some("ada"), None, None).await.unwrap();
        commit(tx).await.unwrap();
        assert_eq!(bearer(engine, 5).await, None);
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn there_are_so_many_and_bad_ones_are_refused() {
    on_memory(async |engine| {
        tree(engine).await;
        let ada = bearer(engine, 1).await.unwrap();
        let long = "x".repeat(limits::MAX_NOTE + 1);
        for (token, code, field) in [
            (NewToken { hash: vec![1; 31], ..new(2, &[], None) }, ErrorCode::BadArgument, "hash"),
            (new(1, &[], None), ErrorCode::AlreadyExists, "hash"),
            (new(2, &[], Some(NOW)), ErrorCode::BadArgument, "expires"),
            (new(2, &["see:/a"], None), ErrorCode::BadArgument, "scope"),
            (NewToken { note: Some(long), ..new(2, &[], None) }, ErrorCode::LimitExceeded, "note"),
        ] {
            let error = create(engine, &ada, None, token).await.unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (code, Some(field)));
        }
        let mut tx = as_user(engine, "ada");
        for at in 0..limits::MAX_TOKENS {
            let mut hash = vec![9; 32];
            hash[..2].copy_from_slice(&(at as u16).to_be_bytes());
            let expires = (at == 0).then_some(NOW + 10);
            let token = NewToken { hash, scope: None, expires, note: None };
            tx.tokens(TokenAction::Create, None, None, Some(&token)).await.unwrap();
        }
        commit(tx).await.unwrap();
        let error = create(engine, &ada, None, new(2, &[], None)).await.unwrap_err();
        assert_eq!((error.code, error.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_TOKENS as u64)));
        // What has ended makes room.
        let mut tx = engine.begin(ada, NOW + 10, seed());
        tx.tokens(TokenAction::Create, None, None, Some(&new(2, &[], None))).await.unwrap();
        commit(tx).await.unwrap();
        check_store(engine.backend()).await.unwrap();
    });
}

#[test]
fn a_call_changes_its_own_object_and_no_other() {
    on_memory(async |engine| {
        let (class, _) = tree(engine).await;
        let mut tx = scoped(engine, &["call:/home/in/**"]);
        let object = tx.object_for_call(&path("/home/in/a")).await.unwrap();
        tx.set_state(&object, &n(8), "add").await.unwrap();
        // What its method asks for besides is asked with the same token.
        let stored = tx.store(&path("/home/in/b"), class, &n(1), StoreMode::Put, None, &[]).await;
        assert_eq!(stored.unwrap_err().code, ErrorCode::PermissionDenied);
        assert_eq!(tx.get(&path("/home/in/b"), None).await.unwrap_err().code, ErrorCode::PermissionDenied);
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(n_of(&tx.get(&path("/home/in/a"), None).await.unwrap().state), 8);
    });
}
