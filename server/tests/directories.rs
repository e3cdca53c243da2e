//! Copies of more than one commit holds, over a real connection.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_engine::Principal;
use emerge_proto::error::Effect;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::Copied;
use emerge_proto::{ClassSource, ErrorCode, Language, Path, Value, limits};
use emerge_server::{Config, RunningNode};
use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use std::pin::pin;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// A node whose `/t` has more objects and directories than one commit copies.
async fn node(folder: &TempDir) -> (RunningNode, u64) {
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let node = emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap();
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    let source = ClassSource::new("Leaf", Language::JavaScript, "class Leaf extends EmergeObject {}");
    let class = client.put_class(&source).await.unwrap().hash;
    client.close().await;
    let fields = Value::Map(Vec::new()).encode();
    let branches = limits::MAX_COPY / 500 + 2;
    for branch in 0..branches as u64 {
        let mut tx = node.node().engine().begin(Principal::admin(), 1_800_000_000_000_000, branch << 20);
        for leaf in 0..500 {
            let at = format!("/t/b{branch:03}/{leaf}");
            tx.store(&Target::Path(at), class, &fields, StoreMode::Put, None, &[]).await.unwrap();
        }
        tx.commit(None).await.unwrap();
    }
    (node, 1 + branches as u64 * 501)
}

/// Copies by HTTP, and gives the status and the lines of the answer.
async fn copied_by_http(node: &RunningNode, from: &str, to: &str) -> (String, Vec<Json>) {
    let body = json!({ "from": from, "to": to, "recursive": true }).to_string();
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    // HTTP/1.0 knows no chunks.
    let request = format!(
        "POST /copies HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        node.address,
        node.token,
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (head.lines().next().unwrap_or_default().to_owned(), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_copy_by_http_is_a_line_for_each_part() {
    let folder = TempDir::new().unwrap();
    let (node, all) = node(&folder).await;
    let (status, lines) = copied_by_http(&node, "/t", "/copy").await;
    assert!(status.contains("200"), "{status}");
    let counts: Vec<u64> = lines.iter().filter_map(|line| line["copied"].as_u64()).collect();
    assert!(counts.len() > 5 && counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&all));
    let (status, lines) = copied_by_http(&node, "/t", "/copy/b000/0/x").await;
    assert!(status.contains("400") && lines[0]["code"] == "not_a_directory", "{status} {lines:?}");
    let (status, lines) = copied_by_http(&node, "/t/b000", "/small").await;
    assert!(status.contains("204") && lines.is_empty(), "{status}");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_copy_says_how_far_it_is() {
    let folder = TempDir::new().unwrap();
    let (node, all) = node(&folder).await;
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    let refused = client.cp(&path("/t"), &path("/one"), true).await.unwrap_err();
    assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_COPY as u64)));

    let mut parts: Vec<Copied> = Vec::new();
    let mut copy = pin!(client.copy_tree(&path("/t"), &path("/copy")));
    while let Some(part) = copy.next().await {
        parts.push(part.unwrap());
    }
    assert!(parts.len() > 5 && parts.is_sorted_by_key(|part| part.count), "{parts:?}");
    assert_eq!(parts.last().map(|part| part.count), Some(all));
    assert!(parts.iter().all(|part| part.path.starts_with("/t")));
    let mut members = 0;
    let mut pages = pin!(client.list(&path("/copy")));
    while let Some(page) = pages.next().await {
        members += page.unwrap().members.len() as u64;
    }
    assert_eq!(1 + members * 501, all);

    // What is in the way is met in the middle, and the error says what was copied before it.
    client.mv(&path("/copy"), &path("/first")).await.unwrap();
    let mut copy = pin!(client.copy_tree(&path("/t"), &path("/copy")));
    let part = copy.next().await.unwrap().unwrap();
    client.rm(&path("/copy"), true).await.unwrap();
    let mut error = None;
    let mut last = part;
    while let Some(part) = copy.next().await {
        match part {
            Ok(part) => last = part,
            Err(failed) => error = Some(failed),
        }
    }
    let error = error.unwrap();
    assert_eq!((error.code, error.effect), (ErrorCode::NotFound, Some(Effect::Unknown)), "{error}");
    assert!(error.message.contains(&format!("{} objects", last.count)), "{error} {last:?}");

    // A copy that nobody waits for any more ends between two parts.
    let mut copy = Box::pin(client.copy_tree(&path("/t"), &path("/copy")));
    copy.next().await.unwrap().unwrap();
    drop(copy);
    let mut seen = 0;
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let page = client.list(&path("/copy"));
        let now = pin!(page).next().await.unwrap().unwrap().members.len();
        if now == seen {
            break;
        }
        seen = now;
    }
    assert!(seen > 0 && 1 + seen as u64 * 501 < all, "{seen}");
    client.close().await;
    node.stop().await.unwrap();
}
