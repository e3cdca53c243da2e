//! Tokens over real sockets, by every door: what one grants, that it ends, and that taking it back holds at once, also on what is open.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassSource, Error, ErrorCode, Language, Op, Path, Result, Value};
use emerge_server::{Config, RunningNode};
use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn node(folder: &TempDir) -> RunningNode {
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap()
}

async fn connect(node: &RunningNode, token: &str) -> Result<Client> {
    Client::connect(&node.url(), token).await
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.map(|_| ()).unwrap_err().code
}

fn grants(scope: &[&str]) -> Option<Vec<String>> {
    Some(scope.iter().map(|&grant| grant.to_owned()).collect())
}

/// A class whose methods go beyond their own object.
fn till() -> ClassSource {
    ClassSource::new("Till", Language::JavaScript, "class Till extends EmergeObject {
            add() { this.n += 1; return this.n; }
            async peek(path) { return (await fs.get(path)).n; }
            async spread(path) { const other = await fs.get(path); other.n = 99; await fs.store(path, other); }
        }"
        )
}

/// `/shop/a`, `/shop/b` and `/vault/c`, all of them ada's.
async fn shop(node: &RunningNode) -> (Client, Client, String) {
    let admin = connect(node, &node.token).await.unwrap();
    let token = admin.add_user("ada", &[]).await.unwrap();
    for directory in ["/shop", "/vault"] {
        admin.mkdir(&path(directory), false).await.unwrap();
        admin.chown(&path(directory), Some("ada"), None, false).await.unwrap();
    }
    let ada = connect(node, &token).await.unwrap();
    let class = ada.put_class(&till()).await.unwrap().hash;
    for (at, name) in ["/shop/a", "/shop/b", "/vault/c"].into_iter().enumerate() {
        let fields = Value::Map(vec![("n".into(), Value::Int(at as i64))]).encode();
        ada.store(&path(name), class, fields, StoreMode::Create).await.unwrap();
    }
    (admin, ada, token)
}

/// One request over HTTP; gives the status and the body.
async fn http(node: &RunningNode, token: &str, method: &str, target: &str, body: &Json) -> (u16, Json) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        node.address,
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // What is sent in chunks has their lengths around it.
    let json = body.find(['{', '[']).map_or("null", |at| body[at..].trim_end_matches(['0', '\r', '\n']));
    (status, serde_json::from_str(json.trim()).unwrap_or(Json::Null))
}

async fn api(node: &RunningNode, token: &str, op: Json) -> (u16, Json) {
    http(node, token, "POST", "/api", &op).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_asks_what_a_token_grants() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let (_, ada, _) = shop(&node).await;
    let (token, info) =
        ada.create_token(None, grants(&["read:/shop/**"]), None, Some("a page".into())).await.unwrap();
    assert_eq!((info.user.as_str(), info.note.as_deref()), ("ada", Some("a page")));
    let reader = connect(&node, &token).await.unwrap();

    assert!(reader.get(&path("/shop/a"), None).await.is_ok());
    assert_eq!(code(reader.get(&path("/vault/c"), None).await), ErrorCode::NotFound);
    assert_eq!(code(reader.rm(&path("/shop/a"), false).await), ErrorCode::PermissionDenied);
    assert_eq!(code(reader.list(&path("/")).next().await.unwrap()), ErrorCode::PermissionDenied);
    assert_eq!(code(reader.users().await), ErrorCode::PermissionDenied);
    assert_eq!(
        code(reader.create_token(None, grants(&["*"]), None, None).await),
        ErrorCode::PermissionDenied
    );

    // HTTP, as resources and as operations.
    let (status, found) = http(&node, &token, "GET", "/objects/shop/a", &Json::Null).await;
    assert_eq!(status, 200, "{found}");
    for (method, target, status) in [
        ("GET", "/objects/vault/c", 404),
        ("GET", "/history/vault/c", 404),
        ("DELETE", "/objects/shop/a", 403),
        ("GET", "/backup", 403),
    ] {
        assert_eq!(http(&node, &token, method, target, &Json::Null).await.0, status, "{method} {target}");
    }
    for (op, expected) in [
        (json!({"op": "get", "path": "/shop/a"}), Ok(())),
        (json!({"op": "get", "path": "/vault/c"}), Err("not_found")),
        (json!({"op": "call", "path": "/shop/a", "method": "add"}), Err("permission_denied")),
        (json!({"op": "set", "path": "/shop/a#n", "value": 3}), Err("permission_denied")),
        (json!({"op": "tokens", "action": "list"}), Ok(())),
        (json!({"op": "users", "action": "list"}), Err("permission_denied")),
    ] {
        let (status, answer) = api(&node, &token, op.clone()).await;
        match expected {
            Ok(()) => assert_eq!(status, 200, "{op}: {answer}"),
            Err(code) => assert_eq!(answer["code"], code, "{op}: {answer}"),
        }
    }
    let (_, answer) =
        api(&node, &token, json!({"op": "search", "source": "o => true", "language": "javascript"})).await;
    let found = answer.to_string();
    assert!(found.contains("/shop/a") && !found.contains("vault"), "{found}");

    // In a transaction as out of it; and one that was begun with more is not to be found.
    let tx = reader.begin(None, None).await.unwrap();
    assert!(tx.get(&path("/shop/b"), None).await.is_ok());
    assert_eq!(code(tx.stat(&path("/vault/c")).await), ErrorCode::NotFound);
    assert_eq!(code(tx.rm(&path("/shop/b"), false).await), ErrorCode::PermissionDenied);
    let wide = ada.begin(Some("wide"), None).await.unwrap();
    assert_eq!(code(reader.open_transaction("wide").await), ErrorCode::NotFound);
    let committed = Op::End { tx: wide.info().id.to_string(), commit: true };
    assert_eq!(code(reader.request(&committed).unwrap().await), ErrorCode::TransactionExpired);
    assert_eq!(reader.transactions().await.unwrap().len(), 1);
    assert!(wide.commit().await.is_ok());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_has_no_more_than_the_token_of_its_caller() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let (_, ada, _) = shop(&node).await;
    let (token, _) =
        ada.create_token(None, grants(&["call:/shop/**", "read:/shop/b"]), None, None).await.unwrap();
    let caller = connect(&node, &token).await.unwrap();
    let call = async |method: &str, argument: Option<&str>| {
        let args = argument.map(|text| Value::Text(text.into())).into_iter().collect();
        let args = Value::List(args).encode();
        let (path, method) = (Target::from("/shop/a"), method.to_owned());
        caller.request(&Op::Call { path, method, args, log: false, after: None, with: None })?.await
    };
    call("add", None).await.unwrap();
    call("peek", Some("/shop/b")).await.unwrap();
    for (method, at) in
        [("peek", "/vault/c"), ("peek", "/shop/a"), ("spread", "/shop/b"), ("spread", "/vault/c")]
    {
        let error = call(method, Some(at)).await.unwrap_err();
        let known =
            matches!(error.code, ErrorCode::MethodFailed | ErrorCode::PermissionDenied | ErrorCode::NotFound);
        assert!(known, "{method} {at}: {error}");
    }
    assert_eq!(code(caller.get(&path("/shop/a"), None).await), ErrorCode::PermissionDenied);
    let n = ada.get(&path("/shop/a"), None).await.unwrap();
    assert_eq!(Value::decode(&n.state).unwrap(), Value::Map(vec![("n".into(), Value::Int(1))]));
    let b = ada.get(&path("/shop/b"), None).await.unwrap();
    assert_eq!(Value::decode(&b.state).unwrap(), Value::Map(vec![("n".into(), Value::Int(1))]), "untouched");
    node.stop().await.unwrap();
}

/// The error with which something that goes on ends.
async fn end_of<T>(stream: impl futures_util::Stream<Item = Result<T>>) -> Error {
    let mut stream = pin!(stream);
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("it goes on");
        if let Err(error) = next.expect("it ended without an error") {
            return error;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_is_refused_at_once_on_what_is_open() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let (admin, ada, first) = shop(&node).await;
    let (token, info) = ada.create_token(None, None, None, None).await.unwrap();
    let bearer = connect(&node, &token).await.unwrap();
    let watched = bearer.watch("/**", None);
    assert!(bearer.get(&path("/shop/a"), None).await.is_ok());
    let (child, _) = bearer.create_token(None, grants(&["read:/**"]), None, None).await.unwrap();
    let child = connect(&node, &child).await.unwrap();

    let watching = tokio::spawn(async move { end_of(watched).await.code });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let gone = admin.revoke_token(&info.id, None).await.unwrap();
    assert_eq!(gone.len(), 2, "with the one that it made");
    assert_eq!(code(bearer.get(&path("/shop/a"), None).await), ErrorCode::Unauthenticated);
    assert_eq!(code(child.get(&path("/shop/a"), None).await), ErrorCode::Unauthenticated);
    assert_eq!(watching.await.unwrap(), ErrorCode::Unauthenticated);
    assert_eq!(code(connect(&node, &token).await), ErrorCode::Unauthenticated);
    let (status, answer) = api(&node, &token, json!({"op": "stat", "path": "/"})).await;
    assert_eq!((status, &answer["code"]), (401, &json!("unauthenticated")));
    // The user's first token is another.
    assert!(connect(&node, &first).await.is_ok());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_says_also_on_what_is_open() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder).await;
    let (_, ada, _) = shop(&node).await;
    let expires = now_micros() + 1_500_000;
    let (token, _) = ada.create_token(None, None, Some(expires), None).await.unwrap();
    let bearer = connect(&node, &token).await.unwrap();
    let watched = bearer.watch("/**", None);
    let watching = tokio::spawn(async move { end_of(watched).await.code });
    assert!(bearer.get(&path("/shop/a"), None).await.is_ok());
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(code(bearer.get(&path("/shop/a"), None).await), ErrorCode::Unauthenticated);
    assert_eq!(code(connect(&node, &token).await), ErrorCode::Unauthenticated);
    assert_eq!(api(&node, &token, json!({"op": "stat", "path": "/"})).await.0, 401);
    // What comes after its end is not told.
    ada.rm(&path("/shop/b"), false).await.unwrap();
    assert_eq!(watching.await.unwrap(), ErrorCode::Unauthenticated);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_over_http_and_outlive_the_node() {
    let folder = TempDir::new().unwrap();
    let running = node(&folder).await;
    let (_, _, first) = shop(&running).await;
    // The SHA-256 of "correct horse battery staple".
    let hash = "c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a";
    let create = json!({
        "op": "tokens", "action": "create", "token_hash": hash, "scope": ["read:/shop/**"],
        "expires": "2100-01-01T00:00:00Z", "note": "curl",
    });
    let (status, made) = api(&running, &first, create).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(made[0]["id"], hash[..16]);
    assert_eq!(made[0]["expires"], "2100-01-01T00:00:00Z");
    let (_, listed) = api(&running, &first, json!({"op": "tokens", "action": "list"})).await;
    assert_eq!(listed, made);
    assert!(!listed.to_string().contains(hash), "neither the token nor its hash is told");
    running.stop().await.unwrap();

    let again = node(&folder).await;
    let token = "correct horse battery staple";
    assert_eq!(http(&again, token, "GET", "/objects/shop/a", &Json::Null).await.0, 200);
    assert_eq!(http(&again, token, "GET", "/objects/vault/c", &Json::Null).await.0, 404);
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_holds_by_each_door_and_is_told_as_no_passing_excess() {
    let folder = TempDir::new().unwrap();
    let running = node(&folder).await;
    let (_, ada, token) = shop(&running).await;
    let own = ada.quotas(None).await.unwrap().remove(0);
    let set = json!({"op": "quotas", "user": "ada", "set": {"objects": own.objects}});
    let (status, told) = api(&running, &running.token, set).await;
    assert_eq!(
        (status, &told[0]["max_objects"], &told[0]["max_bytes"]),
        (200, &json!(own.objects), &Json::Null)
    );
    let wrong = json!({"op": "quotas", "user": "ada", "set": {"object": 1}});
    assert_eq!(api(&running, &running.token, wrong).await.0, 400);

    let (status, error) = api(&running, &token, json!({"op": "mkdir", "path": "/shop/more"})).await;
    assert_eq!((status, &error["code"], &error["field"]), (507, &json!("quota_exceeded"), &json!("objects")));
    assert_eq!(code(ada.mkdir(&path("/shop/more"), false).await), ErrorCode::QuotaExceeded);
    assert_eq!(code(ada.mkdir(&path("/shop/more"), false).await), ErrorCode::QuotaExceeded, "again");
    ada.purge(&path("/shop/a"), false).await.unwrap();
    assert!(ada.mkdir(&path("/shop/more"), false).await.is_ok());
    running.stop().await.unwrap();
}
