//! Two users and the administrator over real connections: what each may see and do, and that a change of users and groups holds at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::account::GroupInfo;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::op::{CallWith, StoreMode};
use emerge_proto::{ClassSource, ErrorCode, Language, Path, Result, Value};
use emerge_server::{Config, RunningNode};
use futures_util::StreamExt;
use std::pin::pin;
use tempfile::TempDir;

async fn node(folder: &TempDir) -> RunningNode {
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap()
}

async fn connect(node: &RunningNode, token: &str) -> Client {
    Client::connect(&node.url(), token).await.unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

async fn names(client: &Client, at: &str) -> Result<Vec<String>> {
    let mut pages = pin!(client.list(&path(at)));
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        names.extend(page?.members.into_iter().map(|member| member.name));
    }
    Ok(names)
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.map(|_| ()).unwrap_err().code
}

fn counter() -> ClassSource {
    let source = "class Counter extends EmergeObject { add() { this.n += 1; return this.n; } show() { return this.n; } }";
    class("Counter", Language::JavaScript, source)
}

fn class(name: &str, language: Language, source: &str) -> ClassSource {
    ClassSource {
        name: name.into(),
        language,
        source: source.into(),
        bases: Vec::new(),
        fields: Vec::new(),
        doc: None,
        captures: None,
        module: None,
    }
}

fn fields(n: i64) -> Vec<u8> {
    Value::Map(vec![("n".into(), Value::Int(n))]).encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_share_what_they_may() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let admin = connect(&node, &node.token).await;
    admin.add_group("staff").await.unwrap();
    let ada_token = admin.add_user("ada", &["staff".into()]).await.unwrap();
    let bob_token = admin.add_user("bob", &[]).await.unwrap();
    let ada = connect(&node, &ada_token).await;
    let bob = connect(&node, &bob_token).await;
    admin.mkdir(&path("/shared"), false).await.unwrap();
    admin.chmod(&path("/shared"), "1777", false).await.unwrap();

    // Each makes something; what is for the group does not appear to who is not in it.
    let class = ada.put_class(&counter()).await.unwrap().hash;
    for (client, name) in [(&ada, "hers"), (&bob, "his")] {
        let at = path(&format!("/shared/{name}"));
        client.store(&at, class, fields(1), StoreMode::Put).await.unwrap();
    }
    assert_eq!(names(&admin, "/shared").await.unwrap(), ["hers", "his"]);
    assert_eq!(names(&ada, "/shared").await.unwrap(), ["hers"]);
    assert_eq!(names(&bob, "/shared").await.unwrap(), ["his"]);
    let hers = path("/shared/hers");
    let hidden = bob.get(&hers, None).await.unwrap_err();
    let missing = bob.get(&path("/shared/none"), None).await.unwrap_err();
    assert_eq!(hidden.message.replace("hers", "none"), missing.message);
    assert_eq!((hidden.code, missing.code), (ErrorCode::NotFound, ErrorCode::NotFound));
    assert_eq!(code(bob.call(&hers, "show", &[], false).await), ErrorCode::NotFound);
    assert_eq!(code(bob.history(&hers, None, None).await), ErrorCode::NotFound);

    // In the group he sees it with the next request of the session that he has, and may call what changes nothing.
    admin.join_group("staff", "bob").await.unwrap();
    assert_eq!(names(&bob, "/shared").await.unwrap(), ["hers", "his"]);
    assert_eq!(bob.call(&hers, "show", &[], false).await.unwrap().version, None);
    assert_eq!(code(bob.call(&hers, "add", &[], false).await), ErrorCode::PermissionDenied);
    assert_eq!(code(bob.chmod(&hers, "g+w", false).await), ErrorCode::PermissionDenied);
    ada.chmod(&hers, "g+w", false).await.unwrap();
    assert_eq!(bob.call(&hers, "add", &[], false).await.unwrap().version, Some(3));
    let who: Vec<(String, Option<String>, Option<String>)> = (ada.history(&hers, None, None).await.unwrap())
        .into_iter()
        .map(|info| (info.author, info.method, info.operation))
        .collect();
    let say = |text: &str| Some(text.to_owned());
    assert_eq!(who[..2], [("bob".into(), say("add"), None), ("ada".into(), None, say("chmod"))]);
    assert_eq!(code(bob.rm(&hers, false).await), ErrorCode::PermissionDenied, "the directory is sticky");
    assert_eq!(code(bob.purge(&hers, false).await), ErrorCode::PermissionDenied);
    assert_eq!(code(bob.mv(&hers, &path("/shared/mine")).await), ErrorCode::PermissionDenied);
    assert_eq!(code(ada.chown(&hers, Some("bob"), None, false).await), ErrorCode::PermissionDenied);
    ada.chown(&hers, None, Some("ada"), false).await.unwrap();
    assert_eq!(names(&bob, "/shared").await.unwrap(), ["his"]);
    admin.chown(&hers, Some("bob"), None, false).await.unwrap();
    assert_eq!(names(&ada, "/shared").await.unwrap(), Vec::<String>::new());
    bob.rm(&hers, false).await.unwrap();

    // People are the administrator's.
    for client in [&ada, &bob] {
        assert_eq!(code(client.users().await), ErrorCode::PermissionDenied);
        assert_eq!(code(client.join_group("staff", "bob").await), ErrorCode::PermissionDenied);
        assert_eq!(code(client.new_token("ada").await), ErrorCode::PermissionDenied);
    }
    let groups = admin.groups().await.unwrap();
    assert_eq!(groups[1], GroupInfo { name: "staff".into(), members: vec!["ada".into(), "bob".into()] });
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_call_and_not_read_hears_nothing_of_the_source() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let admin = connect(&node, &node.token).await;
    let ada = connect(&node, &admin.add_user("ada", &[]).await.unwrap()).await;
    let python = "class Safe(emerge.Object):\n    def open(self, key, tries='hunter2'):\n        raise KeyError(key)  # hunter2\n";
    let javascript = "class Safe extends EmergeObject {\n  open(key, tries = 'hunter2') { throw new Error(key); /* hunter2 */ }\n}";
    for (at, language, source, line) in
        [("/py", Language::Python, python, "line 3"), ("/js", Language::JavaScript, javascript, "line 2")]
    {
        let at = path(at);
        let captures = (language == Language::Python)
            .then(|| vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }]);
        let class = ClassSource { captures, ..class("Safe", language, source) };
        let class = admin.put_class(&class).await.unwrap().hash;
        admin.store(&at, class, fields(1), StoreMode::Put).await.unwrap();
        admin.chmod(&at, "711", false).await.unwrap();
        let none = Value::Map(vec![("nothing".into(), Value::Null)]).encode();
        let one = [Value::Text("k".into())];
        for (client, reads) in [(&admin, true), (&ada, false)] {
            let with = CallWith { kwargs: Some(none.clone()), ..CallWith::default() };
            let misfit = client.call_with(&at, "open", &one, false, with).await.unwrap_err();
            assert_eq!(misfit.code, ErrorCode::BadArgument, "{misfit}");
            assert!(misfit.message.contains("nothing"), "what is wrong is told: {misfit}");
            let failed = client.call(&at, "open", &one, true).await.unwrap_err();
            assert_eq!(failed.code, ErrorCode::MethodFailed, "{failed}");
            assert!(failed.trace.as_deref().unwrap().contains(line), "where it failed is told: {failed:?}");
            for told in [format!("{misfit:?}"), format!("{failed:?}")] {
                assert_eq!(told.contains("hunter2"), reads, "{told}");
            }
        }
    }
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_at_once_and_lasts_over_a_restart() {
    let folder = TempDir::new().unwrap();
    let node_one = node(&folder).await;
    let admin = connect(&node_one, &node_one.token).await;
    let first = admin.add_user("ada", &[]).await.unwrap();
    let ada = connect(&node_one, &first).await;
    assert_eq!(ada.stat(&path("/")).await.unwrap().owner, "admin");
    let second = admin.new_token("ada").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(code(ada.stat(&path("/")).await), ErrorCode::Unauthenticated, "an open session ends too");
    assert_eq!(code(Client::connect(&node_one.url(), &first).await), ErrorCode::Unauthenticated);
    let ada = connect(&node_one, &second).await;
    ada.stat(&path("/")).await.unwrap();
    drop((ada, admin));
    node_one.stop().await.unwrap();

    let node_two = node(&folder).await;
    let ada = connect(&node_two, &second).await;
    ada.stat(&path("/")).await.unwrap();
    let admin = connect(&node_two, &node_two.token).await;
    admin.remove_user("ada").await.unwrap();
    assert_eq!(code(ada.stat(&path("/")).await), ErrorCode::Unauthenticated);
    assert_eq!(code(Client::connect(&node_two.url(), &second).await), ErrorCode::Unauthenticated);
    node_two.stop().await.unwrap();
    // Nothing in the folder holds a token that a user was given.
    let mut files = vec![folder.path().to_path_buf()];
    while let Some(file) = files.pop() {
        if file.is_dir() {
            files.extend(std::fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&file).unwrap();
            for token in [&first, &second] {
                assert!(
                    !bytes.windows(token.len()).any(|part| part == token.as_bytes()),
                    "{}",
                    file.display()
                );
            }
        }
    }
}
