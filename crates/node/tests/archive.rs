//! Exports that are imported where something of them cannot be.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{NOW, node, thing};
use emerge_engine::{MemoryBackend, Principal};
use emerge_node::Node;
use emerge_proto::account::UserAction;
use emerge_proto::class::decode;
use emerge_proto::op::StoreMode;
use emerge_proto::record::{ClassInfo, Page};
use emerge_proto::{Error, ErrorCode, Op, Path, Result, Stat, Value};

type TestNode = Node<MemoryBackend>;

async fn execute(node: &TestNode, user: &Principal, op: Op) -> Result<Vec<u8>> {
    node.execute(user, op, NOW).await
}

async fn put(node: &TestNode, user: &Principal, path: &str, n: i64) -> Result<Vec<u8>> {
    let op = Op::Store {
        path: path.into(),
        class: thing().hash(),
        fields: Value::Map(vec![("n".into(), Value::Int(n))]).encode(),
        mode: StoreMode::Put,
        base: None,
        removed: None,
        id: None,
    };
    execute(node, user, op).await
}

async fn exported(node: &TestNode, user: &Principal, path: &str) -> Vec<u8> {
    let mut export = node.export(user, Path::parse(path).unwrap(), true, NOW);
    let mut file = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        file.extend(piece);
    }
    file
}

async fn import(node: &TestNode, user: &Principal, to: &str, file: &[u8]) -> Result<(), Error> {
    let mut import = node.import(user, Some(Path::parse(to).unwrap()), NOW);
    for piece in file.chunks(100) {
        import.feed(piece).await?;
    }
    import.finish().await.map(drop)
}

/// The names in a directory; none when it is not there.
async fn names(node: &TestNode, path: &str) -> Option<Vec<String>> {
    let op =
        Op::List { path: path.into(), after: None, limit: None, glob: None, sort: None, descending: None };
    let reply = execute(node, &Principal::admin(), op).await.ok()?;
    Some(decode::<Page>(&reply).unwrap().members.into_iter().map(|member| member.name).collect())
}

#[tokio::test]
async fn an_import_that_a_unique_index_forbids_leaves_nothing() {
    let node = node();
    let engine = node.engine().clone();
    tokio::spawn(async move { engine.run().await });
    let (admin, ada, bob) = (Principal::admin(), Principal::user("ada"), Principal::user("bob"));
    for (at, user) in ["ada", "bob"].into_iter().enumerate() {
        let op = Op::Users {
            action: UserAction::Add,
            name: Some(user.into()),
            token_hash: Some(vec![at as u8; 32]),
            groups: None,
        };
        execute(&node, &admin, op).await.unwrap();
        let home = format!("/{user}");
        execute(&node, &admin, Op::Mkdir { path: (&*home).into(), exist_ok: false }).await.unwrap();
        let op = Op::Chown { path: (&*home).into(), owner: Some(user.into()), group: None, recursive: false };
        execute(&node, &admin, op).await.unwrap();
    }
    for user in [&admin, &ada, &bob] {
        execute(&node, user, Op::PutClass { class: thing() }).await.unwrap();
    }
    for (path, n) in [("/bob/all/a", 1), ("/bob/all/b", 2), ("/bob/all/deep/c", 3)] {
        put(&node, &bob, path, n).await.unwrap();
    }
    let file = exported(&node, &bob, "/bob/all").await;
    put(&node, &ada, "/ada/mine", 3).await.unwrap();

    // A user's index binds what that user imports, and nobody else.
    let create = || Op::CreateIndex { class: "Thing".into(), field: "n".into(), unique: true };
    execute(&node, &ada, create()).await.unwrap();
    while node.engine().build_indexes(NOW, 10).await.unwrap() {}
    let error = import(&node, &ada, "/ada/new", &file).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::NotUnique, Some("n")), "{error}");
    assert_eq!(error.path.as_deref(), Some("/ada/mine"));
    assert!(error.message.contains("/ada/new/deep/c"), "{error}");
    assert_eq!(names(&node, "/ada").await.unwrap(), ["mine"]);
    import(&node, &bob, "/bob/new", &file).await.unwrap();
    assert_eq!(names(&node, "/bob/new").await.unwrap(), ["a", "b", "deep"]);
    let op = Op::Rm { path: "/bob/new".into(), recursive: true };
    execute(&node, &bob, op).await.unwrap();
    // What the administrator imports has the owner that it had, and is bound by what that owner made.
    execute(&node, &bob, create()).await.unwrap();
    while node.engine().build_indexes(NOW, 10).await.unwrap() {}
    let error = import(&node, &admin, "/again/all", &file).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotUnique, "{error}");
    // Each of them is in the way of its own: which is told does not matter.
    let other = error.path.as_deref().and_then(|path| path.strip_prefix("/bob/all/")).unwrap();
    assert!(error.message.contains(&format!("/again/all/{other} ")), "{error}");
    assert_eq!(names(&node, "/again").await, None, "not even the directories above");

    // An administrator's binds all: also the members of an export among each other and with a free directory to go to.
    let op = Op::Rm { path: "/bob/all".into(), recursive: true };
    execute(&node, &bob, op).await.unwrap();
    let op = Op::CreateIndex { class: "Thing".into(), field: "n".into(), unique: true };
    execute(&node, &admin, op).await.unwrap();
    while node.engine().build_indexes(NOW, 10).await.unwrap() {}
    execute(&node, &admin, Op::Mkdir { path: "/empty".into(), exist_ok: false }).await.unwrap();
    for (user, to) in [(&admin, "/empty"), (&bob, "/bob/there")] {
        let error = import(&node, user, to, &file).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotUnique, "{error}");
        let told = if user.admin { Some("/ada/mine") } else { None };
        assert_eq!(error.path.as_deref(), told, "{error}");
        assert!(error.message.contains(&format!("{to}/deep/c")), "{error}");
    }
    assert_eq!(names(&node, "/empty").await.unwrap(), Vec::<String>::new());
    assert_eq!(names(&node, "/bob").await.unwrap(), Vec::<String>::new());
    // Without what is in the way it is as if nothing had been tried.
    execute(&node, &ada, Op::Rm { path: "/ada/mine".into(), recursive: false }).await.unwrap();
    import(&node, &bob, "/bob/there", &file).await.unwrap();
    assert_eq!(names(&node, "/bob/there").await.unwrap(), ["a", "b", "deep"]);
}

async fn set_rules(node: &TestNode, user: &Principal, path: &str, keep: Option<&str>, mask: Option<&str>) {
    let text = |text: Option<&str>| text.map(str::to_owned);
    execute(node, user, Op::SetRules { path: path.into(), keep: text(keep), mask: text(mask) })
        .await
        .unwrap();
}

/// What is kept below a directory, and its mask: each with the directory that says so.
async fn rules(node: &TestNode, path: &str) -> [(String, Option<String>); 2] {
    let reply = execute(node, &Principal::admin(), Op::Stat { path: path.into() }).await.unwrap();
    let rules = decode::<Stat>(&reply).unwrap().rules.unwrap();
    [(rules.keep, rules.keep_from), (rules.mask, rules.mask_from)]
}

#[tokio::test]
async fn directories_come_back_with_their_rules() {
    let node = node();
    let engine = node.engine().clone();
    tokio::spawn(async move { engine.run().await });
    let (admin, ada) = (Principal::admin(), Principal::user("ada"));
    execute(&node, &admin, Op::PutClass { class: thing() }).await.unwrap();
    for n in 0..3 {
        put(&node, &admin, "/aud/deep/log", n).await.unwrap();
    }
    set_rules(&node, &admin, "/aud", Some("all"), None).await;
    set_rules(&node, &admin, "/aud/deep", None, Some("007")).await;
    let file = exported(&node, &admin, "/aud").await;
    import(&node, &admin, "/copy", &file).await.unwrap();
    let own = |path: &str| Some(path.to_owned());
    assert_eq!(rules(&node, "/copy").await, [("all".into(), own("/copy")), ("027".into(), None)]);
    assert_eq!(
        rules(&node, "/copy/deep").await,
        [("all".into(), own("/copy")), ("007".into(), own("/copy/deep"))]
    );

    // Whoever imports into what is there leaves its own rules, and sets those of what belongs to others not at all.
    execute(&node, &admin, Op::Mkdir { path: "/there".into(), exist_ok: false }).await.unwrap();
    set_rules(&node, &admin, "/there", Some("5 versions"), None).await;
    import(&node, &admin, "/there", &file).await.unwrap();
    assert_eq!(rules(&node, "/there").await[0], ("5 versions".into(), own("/there")));
    execute(&node, &admin, Op::Mkdir { path: "/hers".into(), exist_ok: false }).await.unwrap();
    execute(&node, &admin, Op::Chmod { path: "/hers".into(), perms: "777".into(), recursive: false })
        .await
        .unwrap();
    import(&node, &ada, "/hers", &file).await.unwrap();
    assert_eq!(rules(&node, "/hers").await[0], ("default".into(), None));
    assert_eq!(rules(&node, "/hers/deep").await[1], ("007".into(), own("/hers/deep")));

    // What was exported by programs that knew of no rules has none of them: without them the file is as theirs.
    set_rules(&node, &admin, "/aud", Some("inherit"), None).await;
    let one = exported(&node, &admin, "/aud/deep").await;
    set_rules(&node, &admin, "/aud/deep", None, Some("inherit")).await;
    let older = exported(&node, &admin, "/aud/deep").await;
    assert!(one.len() > older.len());
    import(&node, &admin, "/older", &older).await.unwrap();
    assert_eq!(rules(&node, "/older").await, [("default".into(), None), ("027".into(), None)]);
}

#[tokio::test]
async fn what_the_node_tells_is_not_exported() {
    let node = node();
    let engine = node.engine().clone();
    tokio::spawn(async move { engine.run().await });
    let admin = Principal::admin();
    execute(&node, &admin, Op::PutClass { class: thing() }).await.unwrap();
    put(&node, &admin, "/d/deep/a", 1).await.unwrap();
    for path in ["/registry", "/classes", "/classes/Thing", "/nodes"] {
        let mut export = node.export(&admin, Path::parse(path).unwrap(), false, NOW);
        let error = export.next().await.unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (ErrorCode::BadArgument, Some("path")),
            "{path}: {error}"
        );
        assert_eq!(error.path.as_deref(), Some(path));
    }
    // By its id it is exported from where it is.
    let stat = execute(&node, &admin, Op::Stat { path: "/d".into() }).await.unwrap();
    let id = format!("/registry/{}", decode::<Stat>(&stat).unwrap().id);
    let file = exported(&node, &admin, &id).await;
    assert_eq!(file, exported(&node, &admin, "/d").await);
    import(&node, &admin, "/copy", &file).await.unwrap();
    assert_eq!(names(&node, "/copy/deep").await.unwrap(), ["a"]);
}

/// Whose a class is by its address, and whether a user has one of that name.
async fn owner_of(node: &TestNode, user: &Principal) -> (String, bool) {
    let class = |hash, name| Op::Class { path: None, hash, name };
    let reply = execute(node, user, class(Some(thing().hash()), None)).await.unwrap();
    let own = execute(node, user, class(None, Some("Thing".into()))).await;
    (decode::<ClassInfo>(&reply).unwrap().lineage[0].owner.clone(), own.is_ok())
}

#[tokio::test]
async fn nobody_answers_for_a_class_of_another_s_for_having_imported_it() {
    let (first, other) = (node(), node());
    for node in [&first, &other] {
        let engine = node.engine().clone();
        tokio::spawn(async move { engine.run().await });
        let op = Op::Chmod { path: "/".into(), perms: "777".into(), recursive: false };
        execute(node, &Principal::admin(), op).await.unwrap();
    }
    let (admin, ada, eve) = (Principal::admin(), Principal::user("ada"), Principal::user("eve"));
    execute(&first, &eve, Op::PutClass { class: thing() }).await.unwrap();
    put(&first, &eve, "/eve/one", 1).await.unwrap();
    let op = Op::Chmod { path: "/eve".into(), perms: "777".into(), recursive: true };
    execute(&first, &eve, op).await.unwrap();
    let file = exported(&first, &admin, "/eve").await;

    for (user, to) in [(&ada, "/ada"), (&admin, "/again")] {
        import(&first, user, to, &file).await.unwrap();
        assert_eq!(owner_of(&first, user).await, ("eve".into(), false));
    }
    import(&other, &admin, "/eve", &file).await.unwrap();
    assert_eq!(owner_of(&other, &admin).await, ("eve".into(), false));
    // Where nobody has stored it, a user who imports it does.
    let third = node();
    let engine = third.engine().clone();
    tokio::spawn(async move { engine.run().await });
    let op = Op::Chmod { path: "/".into(), perms: "777".into(), recursive: false };
    execute(&third, &admin, op).await.unwrap();
    import(&third, &ada, "/ada", &file).await.unwrap();
    assert_eq!(owner_of(&third, &ada).await, ("ada".into(), true));
}
