//! Exports that are imported where something of them cannot be.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{NOW, node, thing};
use emerge_engine::{MemoryBackend, Principal};
use emerge_node::Node;
use emerge_proto::account::UserAction;
use emerge_proto::class::decode;
use emerge_proto::op::StoreMode;
use emerge_proto::record::Page;
use emerge_proto::{Error, ErrorCode, Op, Path, Result, Value};

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
