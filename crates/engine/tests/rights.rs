//! Rights: every operation with every right, what is not there for whom, chmod, chown and sticky directories.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Engine, MemoryBackend, Principal, Tx};
use emerge_proto::account::{GroupAction, UserAction};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, limits};

type Memory = Engine<MemoryBackend>;

fn staff(engine: &Memory, name: &str) -> Tx<MemoryBackend> {
    engine.begin(Principal { groups: vec!["staff".into()], ..Principal::user(name) }, NOW, seed())
}

/// Users and groups that the node knows.
async fn people(engine: &Memory) {
    let mut tx = admin(engine);
    for group in ["staff", "crew"] {
        tx.groups(GroupAction::Add, Some(group), None).await.unwrap();
    }
    for (at, user) in ["ada", "bob", "eve"].into_iter().enumerate() {
        tx.users(UserAction::Add, Some(user), Some(&[at as u8; 32]), None).await.unwrap();
    }
    commit(tx).await.unwrap();
}

/// Makes a directory or an object as somebody has it.
async fn put(engine: &Memory, class: Option<ClassHash>, at: &str, owner: &str, perms: &str) -> ObjectId {
    let mut tx = admin(engine);
    let made = match class {
        Some(class) => store(&mut tx, at, class, 1).await.unwrap(),
        None => tx.mkdir(&path(at), false).await.unwrap(),
    };
    tx.chown(&path(at), Some(owner), Some("staff"), false).await.unwrap();
    tx.chmod(&path(at), perms, false).await.unwrap();
    commit(tx).await.unwrap();
    made.id
}

const OPERATIONS: &[&str] = &[
    "get",
    "stat",
    "history",
    "diff",
    "class",
    "call",
    "store",
    "create",
    "overwrite",
    "new",
    "mkdir",
    "rm",
    "mv",
    "cp",
    "cp into",
    "restore",
    "chmod",
    "chown",
    "list",
    "list it",
];

async fn run(
    tx: &mut Tx<MemoryBackend>,
    operation: &str,
    dir: &str,
    o: &Target,
    class: ClassHash,
) -> Result<String, Error> {
    let said = |text: &str| text.to_owned();
    let at = |name: &str| format!("{dir}/{name}");
    let put = |mode| (n(2), mode);
    Ok(match operation {
        "get" => n_of(&tx.get(o, None).await?.state).to_string(),
        "stat" => tx.stat(o).await?.name,
        "history" => tx.history(o, None, None).await?.len().to_string(),
        "diff" => tx.diff(o, 1.into(), None).await?.fields.len().to_string(),
        "class" => tx.class_by_path(o).await?.lineage[0].source.name.clone(),
        "call" => tx.object_for_call(o).await?.path.to_string(),
        "store" | "create" | "overwrite" => {
            let (fields, mode) = put(match operation {
                "store" => StoreMode::Put,
                "create" => StoreMode::Create,
                _ => StoreMode::Overwrite,
            });
            tx.store(o, class, &fields, mode, None, &[]).await.map(|_| said("stored"))?
        }
        "new" => store(tx, &at("new/deep"), class, 1).await.map(|_| said("made"))?,
        "mkdir" => tx.mkdir(&path(&at("sub")), false).await.map(|_| said("made"))?,
        "rm" => tx.rm(o, false).await.map(|()| said("removed"))?,
        "mv" => tx.mv(o, "/free/o").await.map(|()| said("moved"))?,
        "cp" => tx.cp(o, "/free/o", false).await.map(|_| said("copied"))?,
        "cp into" => tx.cp(&path("/free/mine"), &at("copy"), false).await.map(|_| said("copied"))?,
        "restore" => tx.restore(o, 1.into(), None).await.map(|_| said("restored"))?,
        "chmod" => tx.chmod(o, "777", false).await.map(|_| said("changed"))?,
        "chown" => tx.chown(o, None, Some("eve"), false).await.map(|_| said("given"))?,
        "list" => {
            let page = tx.list(&path(dir), None, None).await?;
            page.members.into_iter().map(|member| member.name).collect::<Vec<_>>().join(" ")
        }
        "list it" => tx.list(o, None, None).await.map(|_| said("listed"))?,
        other => panic!("{other}"),
    })
}

/// What is right, by the bits (`rwx`: 4, 2, 1) that the caller has on the directory and on the object.
fn right(operation: &str, d: u16, o: u16, dir: &str) -> Result<&'static str, (ErrorCode, String)> {
    let denied = |at: &str| Err((ErrorCode::PermissionDenied, at.to_owned()));
    let missing = |at: &str| Err((ErrorCode::NotFound, at.to_owned()));
    let here = format!("{dir}/o");
    let (readable, writable, passable) = (4, 2, 1);
    // What makes something where nothing is.
    let makes = matches!(operation, "new" | "mkdir" | "cp into");
    if operation == "list" {
        return match d {
            0 => missing(dir),
            d if d & readable == 0 => denied(dir),
            _ => Ok(if o & readable != 0 { "o" } else { "" }),
        };
    }
    if makes || (matches!(operation, "store" | "create") && (d == 0 || o == 0)) {
        if d == 0 {
            // Nobody but the administrator may make something at the root, taken or not.
            return if operation == "cp into" { missing(dir) } else { denied("/") };
        }
        if d & passable == 0 || d & writable == 0 {
            return denied(dir);
        }
        return match operation {
            "new" | "mkdir" => Ok("made"),
            "cp into" => Ok("copied"),
            _ => denied(&here),
        };
    }
    if d == 0 {
        return missing(&here);
    }
    if d & passable == 0 {
        return denied(dir);
    }
    if o == 0 {
        return missing(&here);
    }
    let needs = |bits: u16, said| if o & bits == bits { Ok(said) } else { denied(&here) };
    match operation {
        "get" => needs(readable, "1"),
        "stat" => Ok("o"),
        "history" => needs(readable, "2"),
        "diff" => needs(readable, "0"),
        "class" => needs(readable, "Counter"),
        "call" => needs(passable, ""),
        "store" | "overwrite" => needs(writable, "stored"),
        "create" => Err((ErrorCode::AlreadyExists, here)),
        "rm" if d & writable != 0 => Ok("removed"),
        "mv" if d & writable != 0 => Ok("moved"),
        "rm" | "mv" => denied(dir),
        "cp" => needs(readable, "copied"),
        "restore" => needs(readable | writable, "restored"),
        "chmod" | "chown" => denied(&here),
        "list it" if o & readable != 0 => Err((ErrorCode::NotADirectory, here)),
        "list it" => denied(&here),
        other => panic!("{other}"),
    }
}

#[test]
fn every_operation_with_every_right() {
    on_memory(async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.mkdir(&path("/free"), false).await.unwrap();
        tx.chmod(&path("/free"), "777", false).await.unwrap();
        store(&mut tx, "/free/mine", class, 1).await.unwrap();
        tx.chmod(&path("/free/mine"), "777", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut cases = 0;
        for d in 0..8u16 {
            for o in 0..8u16 {
                let dir = format!("/d{d}{o}");
                // The owner has nothing, and neither has the group: only what is for all others counts for eve.
                put(engine, None, &dir, "ada", &format!("00{d}")).await;
                // Its rights are those of its second version.
                let mut tx = admin(engine);
                let id = store(&mut tx, &format!("{dir}/o"), class, 1).await.unwrap().id;
                commit(tx).await.unwrap();
                let mut tx = admin(engine);
                tx.chmod(&path(&format!("{dir}/o")), &format!("00{o}"), false).await.unwrap();
                commit(tx).await.unwrap();
                for operation in OPERATIONS {
                    let mut tx = as_user(engine, "eve");
                    let by_path = run(&mut tx, operation, &dir, &path(&format!("{dir}/o")), class).await;
                    let got = by_path.clone().map_err(|error| (error.code, error.path.unwrap_or_default()));
                    match right(operation, d, o, &dir) {
                        Ok(said) if *operation == "call" => assert_eq!(got, Ok(format!("{dir}/o{said}"))),
                        wanted => {
                            assert_eq!(
                                got,
                                wanted.map(str::to_owned),
                                "{operation}, directory {d}, object {o}"
                            );
                        }
                    }
                    let about_it = !matches!(*operation, "new" | "mkdir" | "cp into" | "list");
                    if about_it {
                        let mut tx = as_user(engine, "eve");
                        let by_id = run(&mut tx, operation, &dir, &Target::Id(id), class).await;
                        if d & 1 == 0 || o == 0 {
                            let error = by_id.unwrap_err();
                            assert_eq!(error.code, ErrorCode::NotFound, "{operation} {d} {o}: {error}");
                            assert!(!error.to_string().contains("/d"), "{error}");
                        } else {
                            assert_eq!(by_id, by_path, "{operation} {d} {o}");
                        }
                    }
                    let mut tx = admin(engine);
                    let all = run(&mut tx, operation, &dir, &path(&format!("{dir}/o")), class).await;
                    let never = matches!(*operation, "create" | "list it");
                    assert_eq!(all.is_err(), never, "{operation}: {all:?}");
                    cases += 1;
                }
            }
        }
        assert_eq!(cases, 64 * OPERATIONS.len());
    });
}

#[test]
fn what_is_hidden_gives_the_errors_of_what_is_missing() {
    on_memory(async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        put(engine, None, "/open", "ada", "rwxrwxrwx").await;
        put(engine, None, "/open/h", "ada", "rwx------").await;
        put(engine, Some(class), "/open/h/o", "ada", "rwxrwxrwx").await;
        let missing = ObjectId([9; 16]);
        let hidden = put(engine, Some(class), "/open/h/p", "ada", "rwxrwxrwx").await;
        for operation in
            OPERATIONS.iter().filter(|name| !matches!(**name, "new" | "mkdir" | "store" | "create"))
        {
            let mut tx = staff(engine, "eve");
            let of = async |tx: &mut Tx<MemoryBackend>, dir: &str| {
                let error = run(tx, operation, dir, &path(&format!("{dir}/o")), class).await.unwrap_err();
                format!("{error:?}").replace(dir, "DIR")
            };
            assert_eq!(of(&mut tx, "/open/h").await, of(&mut tx, "/open/z").await, "{operation}");
            if !matches!(*operation, "cp into" | "list") {
                let by_id = async |tx: &mut Tx<MemoryBackend>, id: ObjectId| {
                    let error = run(tx, operation, "/open/h", &Target::Id(id), class).await.unwrap_err();
                    format!("{error:?}").replace(&id.to_string(), "ID")
                };
                assert_eq!(by_id(&mut tx, hidden).await, by_id(&mut tx, missing).await, "{operation}");
            }
        }
        // Who may write in a directory learns that a name is taken, and no more.
        let mut tx = staff(engine, "eve");
        for error in [
            store(&mut tx, "/open/h/new", class, 1).await.unwrap_err(),
            store(&mut tx, "/open/h", class, 1).await.unwrap_err(),
            tx.mkdir(&path("/open/h"), true).await.unwrap_err(),
        ] {
            assert_eq!((error.code, error.path.as_deref()), (ErrorCode::PermissionDenied, Some("/open/h")));
        }
        store(&mut tx, "/open/mine", class, 1).await.unwrap();
        assert_eq!(tx.mv(&path("/open/mine"), "/open/h").await.unwrap_err().code, ErrorCode::AlreadyExists);
    });
}

#[test]
fn listings_copies_and_changes_pass_over_what_is_hidden() {
    on_memory(async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        put(engine, None, "/mix", "ada", "rwxrwxrwx").await;
        let mut tx = admin(engine);
        for at in 0..40 {
            let name = format!("/mix/{at:02}");
            store(&mut tx, &name, class, at).await.unwrap();
            tx.chown(&path(&name), Some(if at % 10 == 3 { "eve" } else { "ada" }), None, false)
                .await
                .unwrap();
            let perms = if at % 4 == 0 { "rw-r--r--" } else { "rw-------" };
            tx.chmod(&path(&name), perms, false).await.unwrap();
        }
        commit(tx).await.unwrap();
        let seen: Vec<String> =
            (0..40).filter(|at| at % 4 == 0 || at % 10 == 3).map(|at| format!("{at:02}")).collect();
        for limit in [1, 2, 3, 7, 13, 14, 15, 40] {
            let mut tx = as_user(engine, "eve");
            let (mut names, mut after) = (Vec::new(), None);
            loop {
                let page = tx.list(&path("/mix"), after.as_deref(), Some(limit)).await.unwrap();
                assert!(page.members.len() <= limit as usize);
                names.extend(page.members.into_iter().map(|member| member.name));
                after = page.next;
                if after.is_none() {
                    break;
                }
                assert_eq!(after.as_ref(), names.last(), "a cursor names what the caller has seen");
            }
            assert_eq!(names, seen, "by {limit}");
        }
        put(engine, None, "/free", "eve", "rwxrwxrwx").await;
        let mut tx = as_user(engine, "eve");
        tx.cp(&path("/mix"), "/free/copy", true).await.unwrap();
        let copied = tx.list(&path("/free/copy"), None, None).await.unwrap().members;
        assert_eq!(copied.iter().map(|member| &*member.name).collect::<Vec<_>>(), seen);
        assert!(copied.iter().all(|member| member.owner == "eve" && member.version == 1));
        let denied = tx.chmod(&path("/mix"), "777", true).await.unwrap_err();
        assert_eq!((denied.code, denied.path.as_deref()), (ErrorCode::PermissionDenied, Some("/mix")));
        tx.chmod(&path("/free"), "go=", true).await.unwrap();
        assert!(
            tx.list(&path("/free/copy"), None, None).await.unwrap().members[0].perms.to_string()
                == "rw-------"
        );
        commit(tx).await.unwrap();
        assert_eq!(
            as_user(engine, "bob").list(&path("/free"), None, None).await.unwrap_err().code,
            ErrorCode::NotFound
        );

        // Of others' members only those that can be seen stand in the way: 03 cannot, 20 can when it is eve's.
        let mut tx = staff(engine, "ada");
        tx.chmod(&path("/mix"), "g+r", true).await.unwrap();
        commit(tx).await.unwrap();
        let stat = admin(engine).stat(&path("/mix/03")).await.unwrap();
        assert_eq!((&*stat.owner, &*stat.perms.to_string(), stat.version), ("eve", "rw-------", 1));
        assert_eq!(admin(engine).stat(&path("/mix/01")).await.unwrap().perms.to_string(), "rw-r-----");
        let mut tx = admin(engine);
        tx.chown(&path("/mix/20"), Some("eve"), None, false).await.unwrap();
        commit(tx).await.unwrap();
        let denied = staff(engine, "ada").chmod(&path("/mix"), "g+w", true).await.unwrap_err();
        assert_eq!((denied.code, denied.path.as_deref()), (ErrorCode::PermissionDenied, Some("/mix/20")));
    });
}

#[test]
fn rights_are_changed_by_owners_and_make_versions() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        put(engine, None, "/d", "ada", "rwxrwxrwx").await;
        put(engine, Some(class), "/d/o", "ada", "rwxrwxrwx").await;
        let mut tx = staff(engine, "ada");
        assert_eq!(tx.chmod(&path("/d/o"), "o-w,g=rx", false).await.unwrap().version, 2);
        assert_eq!(
            tx.chmod(&path("/d/o"), "o-x", false).await.unwrap().version,
            2,
            "one version of a transaction"
        );
        assert_eq!(tx.chmod(&path("/d"), "o=rx", false).await.unwrap().version, 2);
        commit(tx).await.unwrap();
        let mut tx = staff(engine, "ada");
        assert_eq!(tx.chmod(&path("/d/o"), "rwxr-xr--", false).await.unwrap().version, 2, "nothing changes");
        assert!(!commit(tx).await.unwrap().wrote);
        let mut tx = admin(engine);
        assert_eq!(tx.chown(&path("/d/o"), Some("bob"), Some("crew"), false).await.unwrap().version, 3);
        commit(tx).await.unwrap();
        let mut tx = staff(engine, "ada");
        store(&mut tx, "/d/p", class, 1).await.unwrap();
        tx.chmod(&path("/d/p"), "600", false).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        let told = |infos: Vec<emerge_proto::record::VersionInfo>| -> Vec<(u64, String, Option<String>)> {
            infos.into_iter().map(|info| (info.version, info.author, info.operation)).collect()
        };
        let say = |text: &str| Some(text.to_owned());
        assert_eq!(
            told(tx.history(&path("/d/o"), None, None).await.unwrap()),
            [(3, "admin".into(), say("chown")), (2, "ada".into(), say("chmod")), (1, "admin".into(), None)]
        );
        assert_eq!(
            told(tx.history(&path("/d"), None, None).await.unwrap())[0],
            (2, "ada".into(), say("chmod"))
        );
        assert_eq!(told(tx.history(&path("/d/p"), None, None).await.unwrap()), [(1, "ada".into(), None)]);
        let earlier = tx.get(&path("/d/o"), Some(1.into())).await.unwrap();
        assert_eq!((&*earlier.stat.owner, &*earlier.stat.perms.to_string()), ("ada", "rwxrwxrwx"));
        let now = tx.get(&path("/d/o"), None).await.unwrap();
        assert_eq!((&*now.stat.owner, &*now.stat.group, n_of(&now.state)), ("bob", "crew", 1));
        assert_eq!(tx.restore(&path("/d/o"), 1.into(), None).await.unwrap().version, 4);
        assert_eq!(tx.stat(&path("/d/o")).await.unwrap().owner, "bob", "rights stay");
        let restored = tx.history(&path("/d/o"), None, None).await.unwrap().remove(0);
        assert_eq!((restored.restored, restored.operation), (Some(1), None));
        drop(tx);

        // user, operation, what it comes to
        type Case =
            (&'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<ErrorCode>);
        let cases: &[Case] = &[
            ("bob", "chown", Some("ada"), None, Some(ErrorCode::PermissionDenied)),
            ("bob", "chown", Some("bob"), None, None),
            ("bob", "chown", None, Some("staff"), None),
            ("bob", "chown", None, Some("bob"), None),
            ("bob", "chown", None, Some("crew"), None),
            ("bob", "chown", None, Some("admin"), Some(ErrorCode::PermissionDenied)),
            ("bob", "chown", None, None, Some(ErrorCode::BadArgument)),
            ("bob", "chown", None, Some("no/name"), Some(ErrorCode::BadArgument)),
            ("bob", "chmod", Some("u+x"), None, None),
            ("bob", "chmod", Some("u+q"), None, Some(ErrorCode::BadArgument)),
            ("ada", "chmod", Some("u+x"), None, Some(ErrorCode::PermissionDenied)),
            ("ada", "chown", None, Some("staff"), Some(ErrorCode::PermissionDenied)),
        ];
        for (user, operation, first, second, wanted) in cases {
            let mut tx = staff(engine, user);
            let result = match *operation {
                "chmod" => tx.chmod(&path("/d/o"), first.unwrap(), false).await,
                _ => tx.chown(&path("/d/o"), *first, *second, false).await,
            };
            assert_eq!(
                result.err().map(|error| error.code),
                *wanted,
                "{user} {operation} {first:?} {second:?}"
            );
        }
        settle(engine).await;
    });
    futures_executor::block_on(check_store(&backing)).unwrap();
}

#[test]
fn large_values_stay_with_a_version_of_other_rights() {
    let backing = MemoryBackend::new();
    on(backing.clone(), async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        let mut fields = Vec::new();
        let mut encoder = minicbor::Encoder::new(&mut fields);
        encoder.map(1).unwrap().str("b").unwrap().bytes(&vec![7; 200_000]).unwrap();
        let mut tx = admin(engine);
        tx.store(&path("/big"), class, &fields, StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.chmod(&path("/big"), "700", false).await.unwrap();
        commit(tx).await.unwrap();
        settle(engine).await;
        let later = NOW + 2 * limits::KEEP_DAYS as i64 * 24 * 3600 * 1_000_000;
        engine.collect(later, 1000).await.unwrap();
        assert_eq!(admin(engine).history(&path("/big"), None, None).await.unwrap().len(), 1);
        assert_eq!(admin(engine).get(&path("/big"), None).await.unwrap().state, fields);
        settle(engine).await;
    });
    let checked = futures_executor::block_on(check_store(&backing)).unwrap();
    assert_eq!((checked.blobs, checked.versions), (1, 0));
}

#[test]
fn entries_of_sticky_directories_belong_to_their_owners() {
    on_memory(async |engine| {
        people(engine).await;
        let class = put_class(engine).await;
        put(engine, None, "/shared", "ada", "rwxrwxrwt").await;
        put(engine, None, "/free", "ada", "rwxrwxrwx").await;
        for name in ["o", "p"] {
            put(engine, Some(class), &format!("/shared/{name}"), "bob", "rwxrwxrwx").await;
        }
        put(engine, None, "/shared/dir", "bob", "rwxrwxrwt").await;
        put(engine, Some(class), "/shared/dir/x", "eve", "rwxrwxrwx").await;
        // user, what, may
        for (user, may) in [("ada", true), ("bob", true), ("eve", false), ("admin", true)] {
            let begin = || if user == "admin" { admin(engine) } else { staff(engine, user) };
            let denied = |result: emerge_proto::Result<()>, what: &str| match result {
                Ok(()) => assert!(may, "{user} {what}"),
                Err(error) => {
                    assert!(!may, "{user} {what}: {error}");
                    assert_eq!(
                        (error.code, error.path.as_deref()),
                        (ErrorCode::PermissionDenied, Some("/shared/o"))
                    );
                }
            };
            denied(begin().rm(&path("/shared/o"), false).await, "rm");
            denied(begin().mv(&path("/shared/o"), "/shared/q").await, "rename");
            denied(begin().mv(&path("/shared/o"), "/free").await, "mv");
            // All else is as in any directory.
            let mut tx = begin();
            store(&mut tx, "/shared/o", class, 7).await.unwrap();
            store(&mut tx, &format!("/shared/new-{user}"), class, 7).await.unwrap();
            tx.rm(&path(&format!("/shared/new-{user}")), false).await.unwrap();
            tx.cp(&path("/shared/o"), "/free", false).await.unwrap();
        }
        // A sticky directory with members is removed by its owner alone; bob owns that one, ada the one around it.
        for (user, may) in [("bob", true), ("ada", false), ("eve", false)] {
            assert_eq!(staff(engine, user).rm(&path("/shared/dir"), true).await.is_ok(), may, "{user}");
        }
        assert!(admin(engine).rm(&path("/shared"), true).await.is_ok());
    });
}

#[test]
fn a_tree_is_removed_by_who_might_empty_it() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        people(engine).await;
        put(engine, None, "/team", "ada", "rwxrwx---").await;
        put(engine, None, "/team/shared", "ada", "rwxrwx---").await;
        put(engine, Some(class), "/team/shared/o", "ada", "rwx------").await;
        // Empty, it goes with its entry; with something in it nobody else may take it away, nor see what.
        put(engine, None, "/team/shared/private", "ada", "rwx------").await;
        put(engine, Some(class), "/team/shared/private/thesis", "ada", "rwx------").await;
        for attempt in [
            staff(engine, "bob").rm(&path("/team/shared"), true).await,
            staff(engine, "bob").purge(&path("/team/shared"), true).await,
        ] {
            let refused = attempt.unwrap_err();
            assert_eq!(
                (refused.code, refused.path.as_deref()),
                (ErrorCode::PermissionDenied, Some("/team/shared"))
            );
            assert!(!refused.message.contains("thesis") && !refused.message.contains("private"), "{refused}");
        }
        put(engine, None, "/team/sticky", "ada", "rwxrwxrwt").await;
        put(engine, Some(class), "/team/sticky/of-ada", "ada", "rwx------").await;
        put(engine, None, "/team/both", "ada", "rwxrwx---").await;
        admin(engine).stat(&path("/team/both")).await.unwrap();
        assert!(staff(engine, "bob").rm(&path("/team/both"), true).await.is_ok());
        assert!(staff(engine, "ada").rm(&path("/team/shared"), true).await.is_ok());
        let mut tx = admin(engine);
        tx.rm(&path("/team/shared/private/thesis"), false).await.unwrap();
        commit(tx).await.unwrap();
        assert!(staff(engine, "bob").rm(&path("/team/shared"), true).await.is_ok());
        assert!(staff(engine, "ada").rm(&path("/team/sticky"), true).await.is_ok());
        assert!(staff(engine, "bob").rm(&path("/team/sticky"), true).await.is_err());
        put(engine, Some(class), "/team/sticky/of-ada", "bob", "rwx------").await;
        assert!(staff(engine, "bob").rm(&path("/team/sticky"), true).await.is_ok());
        // The root directory is not his to write in.
        assert!(staff(engine, "bob").rm(&path("/team"), true).await.is_err());
        assert!(admin(engine).rm(&path("/team"), true).await.is_ok());
    });
}
