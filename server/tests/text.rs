//! Searches for text over real connections: what was written a moment ago is found, by those who may read it, also after a restart and when the index is lost.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::query::Matches;
use emerge_proto::{ClassHash, ClassSource, ErrorCode, Language, Path, Query, Result, Value};
use emerge_server::{Config, RunningNode};
use futures_util::StreamExt;
use std::pin::pin;
use tempfile::TempDir;

async fn node(folder: &TempDir) -> RunningNode {
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

async fn class(client: &Client) -> ClassHash {
    let source = ClassSource::new("Note", Language::JavaScript, "class Note extends EmergeObject {}");
    client.put_class(&source).await.unwrap().hash
}

async fn store(client: &Client, class: ClassHash, at: &str, text: &str, n: i64) {
    let fields = Value::Map(vec![("text".into(), Value::Text(text.into())), ("n".into(), Value::Int(n))]);
    client.store(&path(at), class, fields.encode(), StoreMode::Put).await.unwrap();
}

fn query(text: &str) -> Query {
    Query { text: Some(text.into()), ..Query::new(Language::JavaScript, None) }
}

/// The paths of what is found, page by page.
async fn find(client: &Client, query: Query) -> Result<Vec<String>> {
    let mut pages = pin!(client.search(query));
    let mut paths = Vec::new();
    while let Some(page) = pages.next().await {
        paths.extend(page?.items.into_iter().map(|item| item.path));
    }
    Ok(paths)
}

async fn found(client: &Client, text: &str) -> Vec<String> {
    find(client, query(text)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_as_soon_as_they_are_stored() {
    let folder = TempDir::new().unwrap();
    let running = node(&folder).await;
    let client = Client::connect(&running.url(), &running.token).await.unwrap();
    let class = class(&client).await;
    store(&client, class, "/data/a", "a red widget", 1).await;
    assert!(!folder.path().join("text").exists(), "nobody has searched");
    assert_eq!(found(&client, "red wid*").await, ["/data/a"]);
    for round in 0..10 {
        store(
            &client,
            class,
            "/data/b",
            &format!("round {round} of a very long text that tells of a red widget"),
            2,
        )
        .await;
        assert_eq!(found(&client, &format!("{round} widget")).await, ["/data/b"]);
        assert_eq!(found(&client, "\"red widget\"").await, ["/data/a", "/data/b"]);
    }
    store(&client, class, "/data/big", &format!("{} needle", "hay ".repeat(50_000)), 3).await;
    assert_eq!(found(&client, "needle").await, ["/data/big"]);

    // Where objects are is no matter of the index.
    client.mv(&path("/data"), &path("/moved")).await.unwrap();
    assert_eq!(found(&client, "red").await, ["/moved/a", "/moved/b"]);
    client.cp(&path("/moved/a"), &path("/copy"), false).await.unwrap();
    assert_eq!(found(&client, "red").await.len(), 3);
    let below = Query { directory: Some("/moved".into()), ..query("red") };
    assert_eq!(find(&client, below).await.unwrap().len(), 2);
    client.restore(&path("/moved/b"), 1, None).await.unwrap();
    assert_eq!(found(&client, "round 0").await, ["/moved/b"]);
    assert!(found(&client, "round 9").await.is_empty());
    client.rm(&path("/moved"), true).await.unwrap();
    assert_eq!(found(&client, "red").await, ["/copy"]);

    // It goes on after a restart, and is made anew when it is lost.
    store(&client, class, "/late", "red too", 4).await;
    client.close().await;
    running.stop().await.unwrap();
    let running = node(&folder).await;
    let client = Client::connect(&running.url(), &running.token).await.unwrap();
    assert_eq!(found(&client, "red").await, ["/late", "/copy"]);
    client.close().await;
    running.stop().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("text")).unwrap();
    let running = node(&folder).await;
    let client = Client::connect(&running.url(), &running.token).await.unwrap();
    assert_eq!(found(&client, "red").await, ["/late", "/copy"]);
    client.close().await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_functions_orders_and_counts() {
    let folder = TempDir::new().unwrap();
    let running = node(&folder).await;
    let client = Client::connect(&running.url(), &running.token).await.unwrap();
    let class = class(&client).await;
    for at in 0..200 {
        store(&client, class, &format!("/n/{at:03}"), &"word ".repeat(1 + at % 7), at as i64).await;
    }
    let all = found(&client, "word").await;
    assert_eq!(all.len(), 200);
    let paged = find(&client, Query { page: Some(7), ..query("word") }).await.unwrap();
    assert_eq!(paged, all);
    let limited: Matches =
        client.search_page(Query { limit: Some(10), page: Some(4), ..query("wor*") }, None).await.unwrap();
    assert!(limited.items.len() == 4 && limited.next.is_some());
    assert!(limited.items.iter().all(|item| item.score.is_some() && item.highlights.is_some()));
    let cursor = limited.next.as_deref();
    let other = client.search_page(query("word"), cursor).await.unwrap_err();
    assert_eq!((other.code, other.field.as_deref()), (ErrorCode::BadArgument, Some("after")));

    let wanted = Query { source: Some("o => o.n % 50 === 3".into()), ..query("word") };
    assert_eq!(find(&client, wanted.clone()).await.unwrap().len(), 4);
    let ordered = Query { order: Some("n".into()), descending: Some(true), limit: Some(2), ..wanted.clone() };
    assert_eq!(find(&client, ordered).await.unwrap(), ["/n/153", "/n/103"]);
    let counted = client.search_page(Query { count: Some(true), ..wanted.clone() }, None).await.unwrap();
    assert_eq!(counted.count, Some(4));
    assert_eq!(client.explain(wanted).await.unwrap().access, "text");
    for (bad, field) in [
        (query(""), "text"),
        (Query { text_fields: Some(vec![]), ..query("a") }, "text_fields"),
        (Query { text: None, text_fields: Some(vec!["n".into()]), ..query("a") }, "text_fields"),
        (query(&"a".repeat(2000)), "text"),
    ] {
        assert_eq!(find(&client, bad).await.unwrap_err().field.as_deref(), Some(field));
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_read_moves_nothing() {
    let folder = TempDir::new().unwrap();
    let running = node(&folder).await;
    let admin = Client::connect(&running.url(), &running.token).await.unwrap();
    let token = admin.add_user("eve", &[]).await.unwrap();
    let eve = Client::connect(&running.url(), &token).await.unwrap();
    let class = class(&admin).await;
    for (at, text) in
        [("/open/a", "secret plan"), ("/open/b", "the plan is long and secret"), ("/open/c", "plan")]
    {
        store(&admin, class, at, text, 0).await;
        admin.chmod(&path(at), "644", false).await.unwrap();
    }
    admin.chmod(&path("/open"), "755", false).await.unwrap();
    let see = async || {
        let page = eve.search_page(query("secret plan"), None).await.unwrap();
        let seen: Vec<_> = page.items.into_iter().map(|item| (item.path, item.score)).collect();
        let count = eve.search_page(Query { count: Some(true), ..query("plan") }, None).await.unwrap().count;
        (seen, page.next, count)
    };
    let before = see().await;
    assert_eq!((before.0.len(), before.2), (2, Some(3)));
    for at in 0..150 {
        store(&admin, class, &format!("/closed/{at}"), "secret plan secret plan", 0).await;
    }
    store(&admin, class, "/open/d", "secret plan", 0).await;
    admin.chmod(&path("/open/d"), "600", false).await.unwrap();
    admin.chmod(&path("/closed"), "700", true).await.unwrap();
    assert_eq!(see().await, before);
    assert_eq!(found(&admin, "secret plan").await.len(), 153);
    let first = eve.search_page(Query { page: Some(1), ..query("secret plan") }, None).await.unwrap();
    assert_eq!(first.items[0].path, before.0[0].0);
    running.stop().await.unwrap();
}
