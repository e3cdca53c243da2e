//! Conditions at every address, pages of versions, and what a body may not be.

use super::{Answer, Server};
use serde_json::json;

impl Server {
    async fn post(&self, address: &str, headers: &[(&str, &str)], body: serde_json::Value) -> Answer {
        self.ask("POST", address, headers, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_an_object_obeys_conditions() {
    let server = Server::with_notes().await;
    let note = |text: &str| json!({"class": "Note", "fields": {"text": text}});
    for text in ["one", "two"] {
        server.put("/objects/a", note(text)).await;
    }
    server.put("/objects/taken", note("x")).await;
    let hash = server.get("/objects/a").await.json["meta"]["class_hash"].clone();
    let (old, new) = ([("If-Match", "\"1\"")], [("If-None-Match", "*")]);
    let changes = [
        ("/calls/a", json!({"method": "shout", "args": ["!"]})),
        ("/restore/a", json!({"version": 1})),
        ("/moves", json!({"from": "/a", "to": "/b"})),
        ("/copies", json!({"from": "/a", "to": "/b"})),
        ("/operations/rm", json!({"path": "/a"})),
        ("/operations/set", json!({"path": "/a#text", "value": "y"})),
        ("/operations/add", json!({"path": "/a", "field": "tags", "children": ["/taken"]})),
        ("/operations/chmod", json!({"path": "/a", "perms": "750"})),
        ("/operations/mixin", json!({"first": "/a", "second": "/taken", "to": "/b"})),
        ("/operations/store", json!({"path": "/a", "class": hash, "fields": {}})),
        ("/api", json!({"op": "rm", "path": "/a"})),
    ];
    for (address, body) in changes {
        let refused = server.post(address, &old, body).await;
        assert_eq!((refused.status, refused.code()), (412, "conflict"), "{address}: {}", refused.json);
        assert_eq!(refused.json["field"], "If-Match", "{address}");
    }
    for (address, body) in [
        ("/moves", json!({"from": "/a", "to": "/taken"})),
        ("/copies", json!({"from": "/a", "to": "/taken"})),
        ("/operations/mixin", json!({"first": "/a", "second": "/taken", "to": "/taken"})),
        ("/operations/mkdir", json!({"path": "/taken"})),
    ] {
        let refused = server.post(address, &new, body).await;
        assert_eq!((refused.status, &refused.json["field"]), (412, &json!("If-None-Match")), "{address}");
    }
    let now = server.get("/objects/a").await.json;
    assert_eq!((&now["meta"]["version"], &now["fields"]["text"]), (&json!(2), &json!("two")));
    assert_eq!(server.get("/objects/taken").await.json["fields"]["text"], "x");
    assert_eq!(server.get("/objects/b").await.status, 404);

    // Where a condition can mean nothing it is refused, and nothing happens.
    server.put("/objects/d/m", note("m")).await;
    let source = json!({"source": "class Other extends EmergeObject {}"});
    for (method, address, body) in [
        ("POST", "/calls/d", json!({"method": "shout", "args": ["!"]})),
        ("POST", "/operations/call", json!({"path": "/", "method": "shout", "paths": ["/a"]})),
        ("POST", "/operations/list", json!({"path": "/"})),
        ("POST", "/operations/search", json!({})),
        ("POST", "/operations/begin", json!({"name": "t"})),
        ("POST", "/import", json!({})),
        ("PUT", "/classes/Other", source),
    ] {
        let headers = [
            ("If-Match", "\"1\""),
            (
                "Content-Type",
                if address == "/import" { "application/octet-stream" } else { "application/json" },
            ),
        ];
        let refused = server.ask(method, address, &headers, Some(body)).await;
        assert_eq!((refused.status, refused.code()), (400, "bad_argument"), "{address}: {}", refused.json);
        assert_eq!(refused.json["field"], "If-Match", "{address}");
    }
    assert_eq!(server.get("/objects/d/m").await.json["meta"]["version"], 1);
    assert_eq!(server.get("/classes/Other").await.status, 404);

    // As expected, it is done; under one key once.
    let two = [("If-Match", "\"2\""), ("Idempotency-Key", "k")];
    for _ in 0..2 {
        let called = server.post("/calls/a", &two, json!({"method": "shout", "args": ["!"]})).await;
        assert_eq!((called.status, &called.json), (200, &json!({"result": "TWO!", "version": 3})));
    }
    let moved = server
        .post("/moves", &[("If-Match", "\"3\""), ("If-None-Match", "*")], json!({"from": "/a", "to": "/b"}))
        .await;
    assert_eq!(moved.status, 204, "{}", moved.json);
    assert_eq!(server.get("/objects/b").await.json["meta"]["version"], 3);
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_come_in_pages() {
    let server = Server::with_notes().await;
    for text in ["a", "b", "c", "d", "e"] {
        server.put("/objects/x/y", json!({"class": "Note", "fields": {"text": text}})).await;
    }
    let mut address = "/history/x/y?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = server.get(&address).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let versions = page.json.as_array().unwrap().iter().map(|each| each["version"].as_u64().unwrap());
        pages.push(versions.collect::<Vec<_>>());
        let Some(link) = page.header("link") else { break };
        address = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    let whole = server.get("/history/x/y").await;
    assert_eq!((whole.json.as_array().unwrap().len(), whole.header("link")), (5, None));
    assert_eq!(server.get("/history/x/y?before=2").await.json.as_array().unwrap().len(), 1);
    let refused = server.get("/history/x/y?limit=0").await;
    assert_eq!((refused.code(), &refused.json["field"]), ("bad_argument", &json!("limit")));
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_one_object_in_which_no_name_comes_twice() {
    let server = Server::with_notes().await;
    let list = server.put("/objects/a", json!(["Note", {"text": "x"}])).await;
    assert_eq!((list.status, list.code(), &list.json["field"]), (400, "bad_argument", &json!("body")));
    for (method, address, body) in [
        ("PUT", "/objects/a", r#"{"class": "Note", "fields": {"text": "x", "text": "y"}}"#),
        ("POST", "/api", r#"{"op": "mkdir", "path": "/x", "text": 1, "text": 1}"#),
    ] {
        let head = format!("{method} {address} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", server.node.token);
        let refused = server.raw(&head, body).await;
        assert_eq!((refused.status, refused.code()), (400, "bad_argument"), "{address}: {}", refused.json);
        assert_eq!(refused.json["field"], "text", "{address}");
    }
    assert_eq!(server.get("/objects/a").await.status, 404);
    for address in ["/classes", "/classes/", "/history", "/api/x", "/objects/a/"] {
        let nothing = server.get(address).await;
        assert_eq!(nothing.header("content-type"), Some("application/problem+json"), "{address}");
    }
    assert_eq!(server.get("/nowhere").await.header("content-type"), Some("text/plain; charset=utf-8"));
    server.ask("PUT", "/directories/d", &[], None).await;
    let refused = server.ask("PATCH", "/objects/d", &[], Some(json!({"fields": {"x": 1}}))).await;
    assert_eq!((refused.code(), &refused.json["path"]), ("is_a_directory", &json!("/d")));
    server.node.stop().await.unwrap();
}
