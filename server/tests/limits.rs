//! What one user, or one address, may take of a node: over WebSocket and over HTTP.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::{ClassSource, Error, ErrorCode, Language, Path, Result, Value};
use emerge_server::{Allowance, Allowances, AuditConfig, AuditLevel, Config, RunningNode};
use futures_util::StreamExt;
use std::pin::pin;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NONE: Allowance = Allowance { connections: 0, requests: 0, bytes: 0, streams: 0, run: 0 };

async fn node(folder: &TempDir, allowances: Allowances) -> RunningNode {
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let audit = AuditConfig { level: AuditLevel::All, ..AuditConfig::default() };
    let config = Config { port: 0, allowances, audit, ..Config::new(folder.path()) };
    emerge_server::start(config, runtime).await.unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn excess<T>(result: Result<T>) -> (Option<Box<str>>, Option<u64>) {
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded, "{error}");
    assert!(error.retry_after_ms.is_some(), "{error}");
    (error.field, error.limit)
}

async fn get(node: &RunningNode, target: &str, token: &str) -> String {
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        node.address
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A connection that is refused may be gone before all was read.
    let _ = socket.read_to_string(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_makes_so_many_requests_a_second_and_others_are_not_held_up() {
    let folder = TempDir::new().unwrap();
    let user = Allowance { requests: 20, ..NONE };
    let node = node(&folder, Allowances { user, address: NONE }).await;
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    let token = admin.add_user("ada", &[]).await.unwrap();
    let ada = Client::connect(&node.url(), &token).await.unwrap();
    let (mut good, mut refused) = (0, None);
    for _ in 0..40 {
        match ada.stat(&path("/")).await {
            Ok(_) => good += 1,
            Err(error) => refused = Some(error),
        }
    }
    let refused: Error = refused.expect("no request was refused");
    assert!((20..40).contains(&good), "{good}");
    assert_eq!((refused.field.as_deref(), refused.limit), (Some("requests"), Some(20)));
    // Over HTTP it is the same user's.
    let answer = get(&node, "/objects/", &token).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("\"retry_after_ms\":"), "{answer}");
    assert!(admin.stat(&path("/")).await.is_ok(), "another user");
    tokio::time::sleep(Duration::from_millis(u64::from(refused.retry_after_ms.unwrap().get()) + 60)).await;
    assert!(ada.stat(&path("/")).await.is_ok(), "after a while");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_streams_are_counted_and_free_again() {
    let folder = TempDir::new().unwrap();
    let user = Allowance { connections: 2, streams: 1, ..NONE };
    let node = node(&folder, Allowances { user, address: NONE }).await;
    let url = node.url();
    let connect = || Client::connect(&url, &node.token);
    let (one, two) = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!(excess(connect().await), (Some("connections".into()), Some(2)));
    two.close().await;
    drop(two);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let three = connect().await.unwrap();

    let mut watch = pin!(one.watch("/**", None));
    watch.next().await.unwrap().unwrap();
    let mut other = pin!(three.watch("/**", None));
    assert_eq!(excess(other.next().await.unwrap()), (Some("streams".into()), Some(1)));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_by_whichever_door() {
    let folder = TempDir::new().unwrap();
    let address = Allowance { connections: 3, ..NONE };
    let node = node(&folder, Allowances { user: NONE, address }).await;
    // One that says nothing counts as well.
    let silent = TcpStream::connect(node.address).await.unwrap();
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    let third = TcpStream::connect(node.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = get(&node, "/healthz", "").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert_eq!(
        excess(Client::connect(&node.url(), &node.token).await),
        (Some("connections".into()), Some(3))
    );
    assert!(client.stat(&path("/")).await.is_ok(), "who is there stays");
    drop((silent, third));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(get(&node, "/healthz", "").await.starts_with("HTTP/1.1 200 "));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_written_down_without_secrets() {
    let folder = TempDir::new().unwrap();
    let node = node(&folder, Allowances::default()).await;
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    let token = admin.add_user("ada", &[]).await.unwrap();
    let scope = Some(vec!["read:/shop/**".to_owned()]);
    let (limited, info) = admin.create_token(Some("ada"), scope, None, None).await.unwrap();
    admin.mkdir(&path("/shop/back"), false).await.unwrap();
    admin.chmod(&path("/shop"), "755", false).await.unwrap();
    let ada = Client::connect(&node.url(), &limited).await.unwrap();
    ada.rm(&path("/shop"), true).await.unwrap_err();
    assert!(Client::connect(&node.url(), "a wrong token").await.is_err());
    get(&node, "/objects/shop", &token).await;
    get(&node, "/backup", &token).await;
    node.stop().await.unwrap();
    drop((admin, ada));
    tokio::time::sleep(Duration::from_millis(500)).await;

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |op: &str, result: &str, members: &[(&str, &str)]| {
        let found = lines.iter().any(|line| {
            line["op"] == op
                && line["result"] == result
                && line["from"] == "127.0.0.1"
                && members.iter().all(|(name, value)| line[name] == *value)
        });
        assert!(found, "{op} {result} {members:?} in:\n{text}");
    };
    has("users", "ok", &[("user", "admin"), ("detail", "add ada")]);
    has("tokens", "ok", &[("user", "admin"), ("detail", "create ada")]);
    has("mkdir", "ok", &[("path", "/shop/back")]);
    has("chmod", "ok", &[("path", "/shop")]);
    has("rm", "permission_denied", &[("user", "ada"), ("token", &info.id), ("path", "/shop")]);
    has("hello", "unauthenticated", &[]);
    has("get", "ok", &[("user", "ada"), ("path", "/shop")]);
    has("backup", "permission_denied", &[("user", "ada")]);
    for secret in [&token, &limited, &node_token(&folder), "a wrong token"] {
        assert!(!text.contains(secret));
    }
}

fn node_token(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("token")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_methods_run_so_long_a_minute_and_others_go_on() {
    let folder = TempDir::new().unwrap();
    let user = Allowance { run: 1, ..NONE };
    let node = node(&folder, Allowances { user, address: NONE }).await;
    let admin = Client::connect(&node.url(), &node.token).await.unwrap();
    let token = admin.add_user("ada", &[]).await.unwrap();
    let ada = Client::connect(&node.url(), &token).await.unwrap();
    let source = "class Spinner extends EmergeObject {
        spin() { for (let n = 0; n < 3_000_000; n += 1) this.n; return 1; }
        quick() { return 1; }
    }";
    let class = ClassSource::new("Spinner", Language::JavaScript, source);
    let class = admin.put_class(&class).await.unwrap().hash;
    let fields = Value::Map(vec![("n".into(), Value::Int(1))]).encode();
    admin.store(&path("/spinner"), class, fields, StoreMode::Put).await.unwrap();
    admin.chmod(&path("/spinner"), "777", false).await.unwrap();
    let mut refused = None;
    for _ in 0..200 {
        if let Err(error) = ada.call(&path("/spinner"), "spin", &[], false).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("no call was refused");
    assert_eq!(excess::<()>(Err(refused.clone())), (Some("run".into()), Some(1)));
    assert!(refused.retry_after_ms.unwrap().get() < 300_000, "{refused:?}");
    assert_eq!(excess(ada.call(&path("/spinner"), "quick", &[], false).await), (Some("run".into()), Some(1)));
    assert!(ada.stat(&path("/spinner")).await.is_ok(), "what runs nothing");
    assert!(admin.call(&path("/spinner"), "quick", &[], false).await.is_ok(), "another user");
    node.stop().await.unwrap();
}
