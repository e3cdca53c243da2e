//! What code of others may do for a caller: what the caller and all who answer for it may, by every operation, and no more.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::{Code, Engine, MemoryBackend, Principal, Tx};
use emerge_proto::account::{GroupAction, UserAction};
use emerge_proto::class::BaseRef;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassHash, ClassSource, ErrorCode, Perms, Result};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

type Memory = Engine<MemoryBackend>;

const USERS: [&str; 4] = ["admin", "ada", "bob", "eve"];
const GROUPS: [&str; 3] = ["staff", "crew", "guests"];
const PLACES: [&str; 5] = ["/d", "/d/o", "/d/sub", "/d/sub/o", "/o"];

/// Who has something, and what others may do with it.
#[derive(Clone, Debug)]
struct Owned {
    owner: usize,
    group: usize,
    perms: u16,
}

#[derive(Clone, Debug)]
struct World {
    places: Vec<Owned>,
    /// The groups of each user but the administrator.
    groups: [usize; 3],
    caller: usize,
    /// Who answer for the code.
    answering: Vec<usize>,
}

fn world() -> impl Strategy<Value = World> {
    let perms = prop_oneof![4 => 0u16..0o1000, 2 => Just(0o777u16), 1 => (0u16..0o1000).prop_map(|perms| perms | 0o1000)];
    let owned = (0usize..4, 0usize..3, perms).prop_map(|(owner, group, perms)| Owned { owner, group, perms });
    let places = prop::collection::vec(owned, PLACES.len());
    (places, prop::array::uniform3(0usize..3), 0usize..4, prop::collection::vec(0usize..4, 1..3))
        .prop_map(|(places, groups, caller, answering)| World { places, groups, caller, answering })
}

fn principal(world: &World, user: usize) -> Principal {
    match user {
        0 => Principal::admin(),
        user => {
            Principal { groups: vec![GROUPS[world.groups[user - 1]].into()], ..Principal::user(USERS[user]) }
        }
    }
}

fn class_of(user: usize) -> ClassSource {
    source(&format!("Of{user}"), &format!("class Of{user} {{}}"))
}

async fn build(engine: &Memory, world: &World) -> ClassHash {
    let mut tx = admin(engine);
    for group in GROUPS {
        tx.groups(GroupAction::Add, Some(group), None).await.unwrap();
    }
    for (at, user) in USERS.iter().enumerate().skip(1) {
        let group = GROUPS[world.groups[at - 1]].to_owned();
        tx.users(UserAction::Add, Some(user), Some(&[at as u8; 32]), Some(&[group])).await.unwrap();
    }
    commit(tx).await.unwrap();
    for user in 0..USERS.len() {
        let mut tx = engine.begin(principal(world, user), NOW, seed());
        tx.put_class(class_of(user), vec![]).await.unwrap();
        commit(tx).await.unwrap();
    }
    let class = put_class(engine).await;
    let mut tx = admin(engine);
    tx.mkdir(&path("/free"), false).await.unwrap();
    tx.chmod(&path("/free"), "777", false).await.unwrap();
    store(&mut tx, "/free/mine", class, 1).await.unwrap();
    tx.chmod(&path("/free/mine"), "777", false).await.unwrap();
    for at in PLACES {
        match at.ends_with("/o") {
            true => drop(store(&mut tx, at, class, 1).await.unwrap()),
            false => drop(tx.mkdir(&path(at), false).await.unwrap()),
        }
    }
    for (at, owned) in PLACES.iter().zip(&world.places) {
        tx.chown(&path(at), Some(USERS[owned.owner]), Some(GROUPS[owned.group]), false).await.unwrap();
        tx.chmod(&path(at), &Perms(owned.perms).to_string(), false).await.unwrap();
    }
    commit(tx).await.unwrap();
    class
}

/// The rights of code that these answer for.
async fn lent(tx: &mut Tx<MemoryBackend>, answering: &[usize]) -> Arc<Principal> {
    let mut lineage = Vec::new();
    for user in answering {
        lineage.extend(tx.class(class_of(*user).hash()).await.unwrap().iter().cloned());
    }
    let caller = tx.principal().clone();
    let code = Code { lineage: &lineage, captured: &[], object_owner: "nobody", trusted: &[] };
    tx.narrowed(&caller, &code).await.unwrap()
}

const OPERATIONS: [&str; 20] = [
    "get",
    "stat",
    "history",
    "class",
    "call",
    "set_state",
    "store",
    "overwrite",
    "new",
    "mkdir",
    "rm",
    "mv",
    "mv here",
    "cp",
    "cp here",
    "restore",
    "chmod",
    "chown",
    "list",
    "registry",
];

/// Does something, and gives what is told of it, a set where it is one.
async fn run(
    tx: &mut Tx<MemoryBackend>,
    operation: &str,
    at: &str,
    class: ClassHash,
) -> Result<BTreeSet<String>> {
    let o = &path(at);
    let said = |text: &str| Ok(BTreeSet::from([text.to_owned()]));
    let names =
        |page: emerge_proto::record::Page| page.members.into_iter().map(|member| member.name).collect();
    match operation {
        "get" => said(&format!("{:?}", tx.get(o, None).await?.state)),
        "stat" => tx.stat(o).await.and_then(|_| said("told")),
        "history" => tx.history(o, None, None).await.and_then(|_| said("told")),
        "class" => tx.class_by_path(o).await.and_then(|_| said("told")),
        "call" => tx.object_for_call(o).await.and_then(|_| said("told")),
        "set_state" => {
            let object = tx.object_for_call(o).await?;
            tx.set_state(&object, &n(9), "m").await.and_then(|_| said("changed"))
        }
        "store" => store(tx, at, class, 2).await.and_then(|_| said("stored")),
        "overwrite" => {
            tx.store(o, class, &n(2), StoreMode::Overwrite, None, &[]).await.and_then(|_| said("stored"))
        }
        "new" => store(tx, &format!("{at}/new/deep"), class, 1).await.and_then(|_| said("made")),
        "mkdir" => tx.mkdir(&path(&format!("{at}/sub2")), false).await.and_then(|_| said("made")),
        "rm" => tx.rm(o, false).await.and_then(|()| said("removed")),
        "mv" => tx.mv(o, "/free/o").await.and_then(|()| said("moved")),
        "mv here" => tx.mv(&path("/free/mine"), &format!("{at}/mine")).await.and_then(|()| said("moved")),
        "cp" => tx.cp(o, "/free/o", false).await.and_then(|_| said("copied")),
        "cp here" => {
            tx.cp(&path("/free/mine"), &format!("{at}/copy"), false).await.and_then(|_| said("copied"))
        }
        "restore" => tx.restore(o, 1.into(), None).await.and_then(|_| said("restored")),
        "chmod" => tx.chmod(o, "700", false).await.and_then(|_| said("changed")),
        "chown" => tx.chown(o, None, Some("staff"), false).await.and_then(|_| said("given")),
        "list" => tx.list(o, None, None).await.map(names),
        "registry" => tx.list(&path("/registry"), None, None).await.map(names),
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn code_may_do_what_its_caller_and_all_who_answer_for_it_may(world in world()) {
        on_memory(async |engine| {
            let class = build(engine, &world).await;
            for operation in OPERATIONS {
                for at in PLACES {
                    let mut alone = Vec::new();
                    for user in world.answering.iter().chain([&world.caller]) {
                        let mut tx = engine.begin(principal(&world, *user), NOW, seed());
                        alone.push(run(&mut tx, operation, at, class).await);
                    }
                    let mut tx = engine.begin(principal(&world, world.caller), NOW, seed());
                    let rights = lent(&mut tx, &world.answering).await;
                    tx.act_as(&rights);
                    let together = run(&mut tx, operation, at, class).await;
                    let all: Option<Vec<_>> = alone.iter().map(|alone| alone.as_ref().ok()).collect();
                    match (together, all) {
                        (Ok(together), Some(all)) => {
                            let shared = all[1..].iter().fold(all[0].clone(), |shared, one| &shared & one);
                            assert_eq!(together, shared, "{operation} {at}");
                        }
                        (Err(_), None) => {}
                        (together, _) => panic!("{operation} {at}: together {together:?}, alone {alone:?}"),
                    }
                }
            }
        });
    }
}

fn people() -> World {
    let owned = Owned { owner: 0, group: 0, perms: 0o777 };
    World { places: vec![owned; PLACES.len()], groups: [0; 3], caller: 1, answering: vec![2] }
}

async fn narrowed(
    engine: &Memory,
    caller: &str,
    class: ClassHash,
    object_owner: &str,
    trusted: &[ClassHash],
) -> Arc<Principal> {
    let principal = match caller {
        "admin" => Principal::admin(),
        caller => Principal::user(caller),
    };
    let mut tx = engine.begin(principal, NOW, seed());
    let lineage = tx.class(class).await.unwrap();
    let captured =
        tx.captured_by(&lineage.iter().map(|class| &class.source).collect::<Vec<_>>()).await.unwrap();
    let code = Code { lineage: &lineage, captured: &captured, object_owner, trusted };
    let caller = tx.principal().clone();
    tx.narrowed(&caller, &code).await.unwrap()
}

async fn put(engine: &Memory, user: &str, class: ClassSource) -> ClassHash {
    let mut tx = as_user(engine, user);
    let hash = tx.put_class(class, vec![]).await.unwrap().hash;
    commit(tx).await.unwrap();
    hash
}

#[test]
fn who_answers_for_a_class_is_who_calls_it_or_has_the_object_or_stored_it_first() {
    on_memory(async |engine| {
        build(engine, &people()).await;
        let class = put(engine, "bob", source("Shop", "class Shop {}")).await;
        let bound = async |caller: &str, owner: &str, by: &str| {
            let rights = narrowed(engine, caller, class, owner, &[]).await;
            rights.is_narrowed() && rights.is_bound_by(by)
        };
        assert!(bound("ada", "ada", "bob").await && bound("admin", "admin", "bob").await);
        assert!(!bound("bob", "ada", "bob").await, "the caller's own");
        // To have stored a known source counts for what one calls, and for what one owns.
        put(engine, "eve", source("Shop", "class Shop {}")).await;
        assert!(!bound("eve", "bob", "bob").await);
        assert!(bound("ada", "eve", "eve").await && !bound("ada", "eve", "bob").await);
        assert!(bound("ada", "bob", "bob").await && bound("ada", "ada", "bob").await);
        // The administrator's narrows nothing.
        let own = put_class(engine).await;
        assert!(!narrowed(engine, "ada", own, "bob", &[]).await.is_narrowed());
    });
}

#[test]
fn all_whose_code_may_run_bind_it_and_trust_is_of_one_version() {
    on_memory(async |engine| {
        build(engine, &people()).await;
        let base = put(engine, "bob", source("Base", "class Base {}")).await;
        let derived = |text: &str| ClassSource {
            bases: vec![BaseRef { name: "Base".into(), hash: base }],
            ..source("Derived", text)
        };
        let class = put(engine, "eve", derived("class Derived extends Base {}")).await;
        let rights = narrowed(engine, "ada", class, "eve", &[]).await;
        assert!(rights.is_bound_by("bob") && rights.is_bound_by("eve"));
        let rights = narrowed(engine, "eve", class, "eve", &[]).await;
        assert!(rights.is_bound_by("bob"), "the base is another's");
        assert!(!narrowed(engine, "ada", class, "eve", &[class]).await.is_narrowed());
        let rights = narrowed(engine, "ada", class, "eve", &[base]).await;
        assert!(rights.is_bound_by("eve") && !rights.is_bound_by("bob"));
        let newer = put(engine, "eve", derived("class Derived extends Base { more() {} }")).await;
        assert!(narrowed(engine, "ada", newer, "eve", &[class]).await.is_bound_by("eve"));
    });
}

#[test]
fn code_of_others_stores_no_class_in_its_caller_s_name() {
    on_memory(async |engine| {
        build(engine, &people()).await;
        let shop = put(engine, "bob", source("Shop", "class Shop {}")).await;
        let rights = narrowed(engine, "ada", shop, "bob", &[]).await;
        let mut tx = as_user(engine, "ada");
        let own = source("Secret", "class Secret {}");
        tx.put_class(own, vec![]).await.unwrap();
        tx.act_as(&rights);
        let error = tx.put_class(source("Trap", "class Trap {}"), vec![]).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::PermissionDenied, Some("class")));
        // What is there is no more the caller's for having been stored by another's code.
        let known = tx.put_class(source("Shop", "class Shop {}"), vec![]).await.unwrap();
        assert_eq!(known.owner, "bob");
        assert!(!tx.owns_version(&known, "ada").await.unwrap());
        assert_eq!(tx.class_by_name("Secret").await.unwrap_err().code, ErrorCode::ClassNotFound);
        assert_eq!(tx.list(&path("/classes"), None, None).await.unwrap().members, []);
        assert_eq!(tx.create_index("Shop", "n", false).await.unwrap_err().code, ErrorCode::PermissionDenied);
    });
}

#[test]
fn a_listing_that_was_kept_is_shown_to_nobody_who_may_see_less() {
    on_memory(async |engine| {
        let class = build(engine, &people()).await;
        let shop = put(engine, "bob", source("Shop", "class Shop {}")).await;
        let mut tx = as_user(engine, "ada");
        for (name, perms) in [("open", "744"), ("closed", "700")] {
            store(&mut tx, &format!("/d/{name}"), class, 1).await.unwrap();
            tx.chmod(&path(&format!("/d/{name}")), perms, false).await.unwrap();
        }
        commit(tx).await.unwrap();
        let rights = narrowed(engine, "ada", shop, "bob", &[]).await;
        for _ in 0..3 {
            for (narrowed, expected) in
                [(false, vec!["closed", "o", "open", "sub"]), (true, vec!["o", "open", "sub"])]
            {
                let mut tx = as_user(engine, "ada");
                if narrowed {
                    tx.act_as(&rights);
                }
                let listing = emerge_engine::Listing::default();
                let page = tx.list_encoded(&path("/d"), &listing).await.unwrap();
                let page: emerge_proto::record::Page = emerge_proto::class::decode(&page).unwrap();
                let names: Vec<_> = page.members.iter().map(|member| &*member.name).collect();
                assert_eq!(names, expected);
            }
        }
    });
}

#[test]
fn an_error_names_who_answers_for_the_code_and_not_the_caller_s_rights() {
    on_memory(async |engine| {
        let class = build(engine, &people()).await;
        let shop = put(engine, "bob", source("Shop", "class Shop {}")).await;
        let mut tx = as_user(engine, "ada");
        store(&mut tx, "/d/x", class, 1).await.unwrap();
        commit(tx).await.unwrap();
        let rights = narrowed(engine, "ada", shop, "bob", &[]).await;
        let mut said = Vec::new();
        // Bob may execute alone; ada may read, or not.
        for perms in ["711", "111"] {
            let mut tx = as_user(engine, "ada");
            tx.chmod(&path("/d/x"), perms, false).await.unwrap();
            tx.act_as(&rights);
            said.push(tx.get(&path("/d/x"), None).await.unwrap_err());
        }
        assert_eq!(said[0].code, ErrorCode::PermissionDenied);
        assert!(said[0].message.contains("\"bob\""), "{}", said[0]);
        assert_eq!(said[0], said[1]);
    });
}

async fn perms(engine: &Memory, at: &str) -> String {
    admin(engine).stat(&path(at)).await.unwrap().perms.to_string()
}

/// An object of ada's, of a class of hers, that is marked.
async fn marked(engine: &Memory) -> (ClassHash, ClassHash) {
    build(engine, &people()).await;
    let class = put(engine, "ada", source("Box", "class Box {}")).await;
    let newer = put(engine, "ada", source("Box", "class Box { more() {} }")).await;
    let mut tx = as_user(engine, "ada");
    store(&mut tx, "/d/box", class, 1).await.unwrap();
    tx.chmod(&path("/d/box"), "4777", false).await.unwrap();
    commit(tx).await.unwrap();
    assert_eq!(perms(engine, "/d/box").await, "rwsrwxrwx");
    (class, newer)
}

#[test]
fn only_its_owner_marks_an_object_and_with_all_rights() {
    on_memory(async |engine| {
        let (class, _) = marked(engine).await;
        let shop = put(engine, "bob", source("Shop", "class Shop {}")).await;
        let mut tx = as_user(engine, "ada");
        tx.chmod(&path("/d/box"), "777", false).await.unwrap();
        // An object of ada's of a class that she has not stored.
        store(&mut tx, "/d/shop", shop, 1).await.unwrap();
        tx.chmod(&path("/d/shop"), "777", false).await.unwrap();
        commit(tx).await.unwrap();
        let scope = emerge_proto::Scope::parse(&["*:/**"]).unwrap().unwrap();
        let narrowed = (*narrowed(engine, "ada", shop, "bob", &[]).await).clone();
        let all = [
            (Principal::user("bob"), "/d/box", ErrorCode::PermissionDenied),
            (Principal::admin(), "/d/box", ErrorCode::PermissionDenied),
            (Principal::user("ada").scoped(scope), "/d/box", ErrorCode::PermissionDenied),
            (narrowed, "/d/box", ErrorCode::PermissionDenied),
            (Principal::user("ada"), "/d/shop", ErrorCode::PermissionDenied),
            (Principal::admin(), "/d", ErrorCode::BadArgument),
        ];
        for (who, at, code) in all {
            let mut tx = engine.begin(who.clone(), NOW, seed());
            assert_eq!(tx.chmod(&path(at), "u+s", false).await.unwrap_err().code, code, "{who:?} {at}");
        }
        let mut tx = as_user(engine, "ada");
        tx.chmod(&path("/d/box"), "u+s", false).await.unwrap();
        let object = tx.object_for_call(&path("/d/box")).await.unwrap();
        assert_eq!(object.class, class);
        assert_eq!(tx.rights_of_mark(&object).await.unwrap().unwrap().user, "ada");
    });
}

#[test]
fn a_mark_goes_with_other_code_other_owners_and_what_others_write() {
    on_memory(async |engine| {
        let (class, newer) = marked(engine).await;
        let bob = || Principal::user("bob");
        let ada = || Principal::user("ada");
        // One for less, though it is ada's.
        let token = || ada().scoped(emerge_proto::Scope::parse(&["*:/**"]).unwrap().unwrap());
        let keeps = "rwsrwxrwx";
        for (what, who, left) in [
            ("fields", ada(), keeps),
            ("method", ada(), keeps),
            ("move", bob(), keeps),
            ("chmod", ada(), "rwsr-xrwx"),
            ("fields", bob(), "rwxrwxrwx"),
            ("fields", Principal::admin(), "rwxrwxrwx"),
            ("fields", token(), "rwxrwxrwx"),
            ("method", token(), "rwxrwxrwx"),
            ("method", bob(), "rwxrwxrwx"),
            ("restore", bob(), "rwxrwxrwx"),
            ("class", ada(), "rwxrwxrwx"),
            ("migrate", ada(), "rwxrwxrwx"),
            ("owner", Principal::admin(), "rwxrwxrwx"),
            ("group", ada(), "rwxrwxrwx"),
            ("copy", ada(), "rwxr-x---"),
            ("copy", bob(), "rwxr-x---"),
        ] {
            let mut tx = engine.begin(who.clone(), NOW, seed());
            let (o, mut at) = (path("/d/box"), "/d/box");
            match what {
                "fields" => drop(store(&mut tx, "/d/box", class, 2).await.unwrap()),
                "method" => {
                    let object = tx.object_for_call(&o).await.unwrap();
                    tx.set_state(&object, &n(3), "m").await.unwrap();
                }
                "move" => {
                    tx.mv(&o, "/d/moved").await.unwrap();
                    at = "/d/moved";
                }
                "chmod" => drop(tx.chmod(&o, "g-w", false).await.unwrap()),
                "restore" => drop(tx.restore(&o, 1.into(), None).await.unwrap()),
                "class" => drop(store(&mut tx, "/d/box", newer, 2).await.unwrap()),
                "migrate" => {
                    let object = tx.object_to_migrate(&o).await.unwrap();
                    tx.migrate(&object, newer, &n(2)).await.unwrap();
                }
                "owner" => drop(tx.chown(&o, Some("bob"), None, false).await.unwrap()),
                "group" => drop(tx.chown(&o, None, Some("ada"), false).await.unwrap()),
                "copy" => {
                    tx.cp(&o, "/d/copy", false).await.unwrap();
                    at = "/d/copy";
                }
                other => panic!("{other}"),
            }
            // As this transaction sees it; nothing is committed.
            tx.act_as(&Arc::new(Principal::admin()));
            let stat = tx.stat(&path(at)).await.unwrap();
            assert_eq!(stat.perms.to_string(), left, "{what} by {}", who.user);
        }
        // An administrator's import has no marks.
        let mut tx = admin(engine);
        let ownership = emerge_engine::Ownership {
            owner: "ada".into(),
            group: "staff".into(),
            perms: Perms::parse("rwsrwxrwx").unwrap(),
        };
        let made = emerge_engine::MadeVersion {
            ownership,
            class,
            fields: n(1),
            version: 1,
            created: NOW,
            modified: NOW,
            author: "ada".into(),
            method: None,
            restored: None,
            operation: None,
        };
        tx.import_version(&path("/d/imported"), made).await.unwrap();
        assert_eq!(tx.stat(&path("/d/imported")).await.unwrap().perms.to_string(), "rwxrwxrwx");
    });
}

#[test]
fn a_mark_of_who_is_known_no_more_is_none() {
    on_memory(async |engine| {
        marked(engine).await;
        let mut tx = admin(engine);
        let object = tx.object_for_call(&path("/d/box")).await.unwrap();
        assert!(tx.rights_of_mark(&object).await.unwrap().is_some());
        tx.users(UserAction::Remove, Some("ada"), None, None).await.unwrap();
        assert!(tx.rights_of_mark(&object).await.unwrap().is_none());
    });
}
