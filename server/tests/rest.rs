//! The resources of HTTP, over a real socket: what a client that knows nothing but HTTP and JSON can do.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod conditions;

use emerge_server::{Config, RunningNode};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Server {
    node: RunningNode,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    json: Json,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn etag(&self) -> String {
        self.header("etag").expect("an ETag").to_owned()
    }

    /// The code of a problem, which says the same in its type and status.
    fn code(&self) -> &str {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.json);
        assert_eq!(self.json["status"], self.status);
        let code = self.json["code"].as_str().unwrap();
        assert_eq!(self.json["type"], format!("urn:emerge:error:{code}"));
        code
    }
}

impl Server {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
        let config = Config { port: 0, ..Config::new(folder.path()) };
        Self { node: emerge_server::start(config, runtime).await.unwrap(), _folder: folder }
    }

    async fn raw(&self, head: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.node.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head}Host: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            self.node.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let json = serde_json::from_str(body).unwrap_or(Json::Null);
        Answer { status, headers, json, text: body.to_owned() }
    }

    async fn ask(&self, method: &str, address: &str, headers: &[(&str, &str)], body: Option<Json>) -> Answer {
        let mut head =
            format!("{method} {address} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", self.node.token);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(&head, &body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// As [`Server::ask`], the text of the answer: what follows the head, without the marks of its chunks.
    async fn text(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        body: Option<Json>,
    ) -> String {
        let answer = self.ask(method, address, headers, body).await;
        let lines = answer.text.lines().filter(|line| line.starts_with('{'));
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn get(&self, address: &str) -> Answer {
        self.ask("GET", address, &[], None).await
    }

    async fn put(&self, address: &str, body: Json) -> Answer {
        self.ask("PUT", address, &[], Some(body)).await
    }

    /// Keeps the class of most tests.
    async fn with_notes() -> Self {
        let server = Self::start().await;
        let source = "class Note extends EmergeObject {\n  static fields = { text: text(\"\"), stars: float(0), tags: map() };\n  \
                      shout(mark) { this.stars += 1; return this.text.toUpperCase() + mark; }\n}";
        let fields = json!([
            {"name": "text", "type": "text"}, {"name": "stars", "type": "float"}, {"name": "tags", "type": "map"},
        ]);
        let kept = server.put("/classes/Note", json!({"source": source, "fields": fields})).await;
        assert_eq!(
            (kept.status, &kept.json["name"], &kept.json["version"]),
            (200, &json!("Note"), &json!(1)),
            "{}",
            kept.json
        );
        server
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_in_wasm_is_put_by_its_module() {
    let server = Server::start().await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/classes/account.wasm");
    let module = std::fs::read(file).expect("cargo xtask build classes makes target/classes/account.wasm");
    let module = emerge_proto::Value::Bytes(module).to_json();
    let kept = server.put("/classes/Account", json!({"module": module})).await;
    assert_eq!((kept.status, &kept.json["language"]), (200, &json!("wasm")), "{}", kept.json);
    assert_eq!(kept.json["methods"][1]["signature"], "withdraw(amount: int, fee: int = 0) -> int");
    assert!(kept.json["source"].as_str().unwrap().starts_with("class Account: a WebAssembly module of "));
    let fields = json!({"owner": "Ada", "balance": 5, "rate": 1, "moves": []});
    let made = server.put("/objects/ada", json!({"class": "Account", "fields": fields})).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let call = json!({"method": "withdraw", "args": [2], "kwargs": {"fee": 1}});
    let called = server.ask("POST", "/calls/ada", &[], Some(call)).await;
    assert_eq!((called.status, &called.json["result"]), (200, &json!(2)), "{}", called.json);
    let read = server.get("/objects/ada").await;
    assert_eq!(read.json["fields"]["moves"], json!([-3]));
    for (address, body, field) in [
        ("/classes/Other", json!({"module": module}), "name"),
        ("/classes/Account", json!({"module": module, "language": "python"}), "language"),
        ("/classes/Account", json!({"module": module, "source": "x"}), "module"),
        ("/classes/Account", json!({"module": {"$bytes": "AAAA"}}), "module"),
        ("/classes/Account", json!({"language": "wasm", "source": ""}), "module"),
    ] {
        let refused = server.put(address, body).await;
        assert_eq!((refused.status, &refused.json["field"]), (400, &json!(field)), "{}", refused.json);
    }
    // What asks for the text of a class has none.
    let mixin = json!({"first": "/ada", "second": "/ada", "to": "/mixed"});
    let mixed = server.ask("POST", "/operations/mixin", &[], Some(mixin)).await;
    assert_eq!(mixed.json["code"], "class_invalid", "{}", mixed.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_put_read_patched_called_and_deleted() {
    let server = Server::with_notes().await;
    let at = "/objects/notes/today";
    let made = server.put(at, json!({"class": "Note", "fields": {"text": "milk", "stars": 3}})).await;
    assert_eq!((made.status, made.header("location")), (201, Some(at)), "{}", made.json);
    assert!(made.etag().starts_with("\"1-"), "{}", made.etag());

    let read = server.get(at).await;
    assert_eq!((read.status, read.etag()), (200, made.etag()));
    assert_eq!(
        read.json["fields"].to_string(),
        r#"{"text":"milk","stars":3.0}"#,
        "a whole number in a float field"
    );
    assert_eq!(read.json["meta"]["path"], "/notes/today");
    let same = server.get("/objects/notes%2Ftoday").await;
    assert_eq!(same.json, read.json, "a client may escape the slash");
    let known = server.ask("GET", at, &[("If-None-Match", &read.etag())], None).await;
    assert_eq!(
        (known.status, known.json.clone(), known.header("etag")),
        (304, Json::Null, Some(&*read.etag()))
    );
    let head = server.ask("HEAD", at, &[], None).await;
    assert_eq!((head.status, head.json.clone(), head.header("etag")), (200, Json::Null, Some(&*read.etag())));

    let part = server.get(&format!("{at}?part=text")).await;
    assert_eq!((&part.json["value"], part.etag()), (&json!("milk"), read.etag()), "{}", part.json);
    assert_eq!(server.get(&format!("{at}?part=txt")).await.code(), "not_found");

    let patch = json!({"fields": {"text": null, "tags": {"due": {"$date": "2026-01-31"}, "no": null}}});
    let patched = server
        .ask(
            "PATCH",
            at,
            &[("If-Match", &read.etag()), ("Content-Type", "application/merge-patch+json")],
            Some(patch),
        )
        .await;
    assert_eq!((patched.status, &patched.json["version"]), (200, &json!(2)), "{}", patched.json);
    let now = server.get(at).await.json;
    assert_eq!(now["fields"], json!({"stars": 3.0, "tags": {"due": {"$date": "2026-01-31"}}}));
    // What a GET gave can be sent back.
    let again = server.put(at, now).await;
    assert_eq!((again.status, &again.json["version"]), (200, &json!(3)), "{}", again.json);
    let other =
        server.ask("PUT", at, &[("Emerge-Class", "Note")], Some(json!({"fields": {"text": "tea"}}))).await;
    assert_eq!(other.status, 200, "{}", other.json);

    let called =
        server.ask("POST", "/calls/notes/today", &[], Some(json!({"method": "shout", "args": ["!"]}))).await;
    assert_eq!(
        (called.status, &called.json["result"], &called.json["version"]),
        (200, &json!("TEA!"), &json!(5)),
        "{}",
        called.json
    );
    server.put("/objects/notes/other", json!({"class": "Note", "fields": {"stars": 0}})).await;
    let each =
        server.text("POST", "/calls/notes", &[], Some(json!({"method": "shout", "args": ["?"]}))).await;
    let lines: Vec<Json> = each.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&lines[0]["name"], &lines[0]["error"]["code"]),
        (&json!("other"), &json!("method_failed")),
        "{each}"
    );
    assert_eq!(lines[1], json!({"name": "today", "result": "TEA?"}), "{each}");

    let methods = server.get("/methods/notes/today").await;
    assert_eq!(
        (&methods.json[0]["name"], &methods.json[0]["params"][0]["name"]),
        (&json!("shout"), &json!("mark"))
    );

    let history = server.get("/history/notes/today").await;
    assert_eq!((history.json.as_array().unwrap().len(), &history.json[0]["method"]), (5, &json!("shout")));
    let diff = server.get("/diff/notes/today?from=1&to=3").await;
    assert_eq!(diff.json["fields"][0], json!({"field": "text", "old": "milk"}), "{}", diff.json);
    let restored =
        server.ask("POST", "/restore/notes/today", &[], Some(json!({"version": 1, "base": 5}))).await;
    assert_eq!((restored.status, &restored.json["version"]), (200, &json!(6)), "{}", restored.json);
    assert_eq!(server.get(&format!("{at}?version=2")).await.json["meta"]["version"], 2);

    let gone = server.ask("DELETE", at, &[], None).await;
    assert_eq!((gone.status, server.get(at).await.code()), (204, "not_found"));
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_only_if_all_is_as_expected() {
    let server = Server::with_notes().await;
    let at = "/objects/a";
    let body = |text: &str| Some(json!({"class": "Note", "fields": {"text": text}}));
    let first = server.ask("PUT", at, &[("If-None-Match", "*")], body("one")).await;
    assert_eq!(first.status, 201);
    for (method, conditions) in [
        ("PUT", ("If-None-Match", "*".to_owned())),
        ("PUT", ("If-Match", "\"2\"".to_owned())),
        ("PUT", ("If-Match", format!("W/{}", first.etag()))),
        ("PATCH", ("If-Match", "\"1-01890000-0000-7000-8000-000000000000\"".to_owned())),
        ("DELETE", ("If-Match", "\"7\", \"8\"".to_owned())),
    ] {
        let (name, value) = &conditions;
        let refused = server.ask(method, at, &[(name, value)], body("two")).await;
        assert_eq!((refused.status, refused.code()), (412, "conflict"), "{method} {conditions:?}");
        assert_eq!((&refused.json["path"], &refused.json["field"]), (&json!("/a"), &json!(name)));
    }
    let elsewhere = server.ask("PUT", "/objects/b", &[("If-Match", "*")], body("two")).await;
    assert_eq!(elsewhere.status, 412, "nothing is there that could match");
    for tag in ["\"1\"".to_owned(), format!("\"7\", {}", server.get(at).await.etag()), "*".to_owned()] {
        let done = server
            .ask("PUT", at, &[("If-Match", if tag == "\"1\"" { "\"1\"" } else { "*" })], body("two"))
            .await;
        assert_eq!(done.status, 200, "{tag}");
    }
    // An object that was removed and made anew is another one, though its version is 1 again.
    server.ask("DELETE", at, &[], None).await;
    let second = server.ask("PUT", at, &[], body("new")).await;
    assert_ne!(second.etag(), first.etag());
    assert_eq!(server.ask("GET", at, &[("If-None-Match", &first.etag())], None).await.status, 200);
    let removed = server.ask("DELETE", at, &[("If-Match", &second.etag())], None).await;
    assert_eq!(removed.status, 204);
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_under_its_key_takes_effect_once() {
    let server = Server::with_notes().await;
    server.put("/objects/a", json!({"class": "Note", "fields": {"text": "x", "stars": 0}})).await;
    let key = [("Idempotency-Key", "k1")];
    let call = || Some(json!({"method": "shout", "args": ["!"]}));
    let first = server.ask("POST", "/calls/a", &key, call()).await;
    let again = server.ask("POST", "/calls/a", &key, call()).await;
    assert_eq!((first.status, &first.json), (200, &again.json), "{}", again.json);
    assert_eq!(server.get("/objects/a").await.json["fields"]["stars"], 1.0);
    // At the same time, too.
    let key = [("Idempotency-Key", "k2")];
    let many =
        futures_util::future::join_all((0..8).map(|_| server.ask("POST", "/calls/a", &key, call()))).await;
    assert!(many.iter().all(|answer| answer.json == many[0].json), "{}", many[0].json);
    assert_eq!(server.get("/objects/a").await.json["fields"]["stars"], 2.0);
    // Another request under the key is another request.
    let other = server.ask("POST", "/calls/a", &key, Some(json!({"method": "shout", "args": ["?"]}))).await;
    assert_eq!((&other.json["result"], &other.json["version"]), (&json!("X?"), &json!(4)));
    let put = || Some(json!({"class": "Note", "fields": {"text": "y"}}));
    let (one, two) = (
        server.ask("PUT", "/objects/b", &key, put()).await,
        server.ask("PUT", "/objects/b", &key, put()).await,
    );
    assert_eq!((one.status, two.status, one.json), (201, 201, two.json));
    for (headers, status) in
        [(&[("Idempotency-Key", "")][..], 400), (&[("Idempotency-Key", &*"k".repeat(256))], 400)]
    {
        assert_eq!(server.ask("PUT", "/objects/b", headers, put()).await.status, status);
    }
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_made_listed_by_pages_moved_and_copied() {
    let server = Server::with_notes().await;
    assert_eq!(server.ask("PUT", "/directories/d/e", &[], None).await.status, 200);
    assert_eq!(server.ask("PUT", "/directories/d/e", &[], None).await.status, 200);
    let anew = server.ask("PUT", "/directories/d/e", &[("If-None-Match", "*")], None).await;
    assert_eq!((anew.status, anew.code()), (412, "already_exists"));
    for name in ["a", "b%20%26%20c", "%C3%BC"] {
        let made = server.put(&format!("/objects/d/{name}"), json!({"class": "Note"})).await;
        assert_eq!(made.status, 201, "{}", made.json);
    }
    let mut names = Vec::new();
    let mut address = "/objects/d?limit=2".to_owned();
    loop {
        let page = server.get(&address).await;
        assert_eq!(page.status, 200, "{address}: {}", page.json);
        names.extend(
            page.json["members"]
                .as_array()
                .unwrap()
                .iter()
                .map(|member| member["path"].as_str().unwrap().to_owned()),
        );
        match page.header("link") {
            Some(link) => {
                address = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
            }
            None => break,
        }
    }
    assert_eq!(names, ["/d/a", "/d/b & c", "/d/e", "/d/ü"]);
    for root in ["/objects", "/objects/"] {
        assert_eq!(server.get(root).await.json["members"][0]["name"], "d");
    }
    let copied = server.ask("POST", "/copies", &[], Some(json!({"from": "/d", "to": "/c"}))).await;
    assert_eq!(copied.code(), "is_a_directory");
    assert_eq!(
        server
            .ask("POST", "/copies", &[], Some(json!({"from": "/d", "to": "/c", "recursive": true})))
            .await
            .status,
        204
    );
    assert_eq!(
        server.ask("POST", "/moves", &[], Some(json!({"from": "/c/a", "to": "/moved"}))).await.status,
        204
    );
    let listed = server.ask("POST", "/operations/list", &[], Some(json!({"path": "/", "limit": 9}))).await;
    let names: Vec<&Json> =
        listed.json["members"].as_array().unwrap().iter().map(|member| &member["name"]).collect();
    assert_eq!(names, ["c", "d", "moved"]);
    assert_eq!(server.ask("DELETE", "/objects/d", &[], None).await.code(), "directory_not_empty");
    assert_eq!(server.ask("DELETE", "/objects/d?recursive=true", &[], None).await.status, 204);
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_a_problem_that_names_it() {
    let server = Server::with_notes().await;
    server.put("/objects/a", json!({"class": "Note", "fields": {"text": "x"}})).await;
    let note = |fields: Json| Some(json!({"class": "Note", "fields": fields}));
    let big = "x".repeat(16 * 1024 * 1024);
    for (method, address, headers, body, status, code, field) in [
        ("GET", "/objects/nothing", &[][..], None, 404, "not_found", Json::Null),
        ("GET", "/objects/a/../b", &[], None, 400, "bad_path", Json::Null),
        ("GET", "/objects//a", &[], None, 400, "bad_path", Json::Null),
        ("GET", "/objects/%FF", &[], None, 400, "bad_path", Json::Null),
        ("GET", "/objects/a?version=soon", &[], None, 400, "bad_argument", json!("version")),
        ("GET", "/objects?limit=0", &[], None, 400, "bad_argument", json!("limit")),
        ("GET", "/objects?limit=x", &[], None, 400, "bad_argument", json!("query")),
        ("GET", "/objects?limmit=2", &[], None, 400, "bad_argument", json!("query")),
        ("GET", "/objects/d?vresion=1", &[], None, 400, "bad_argument", json!("query")),
        (
            "PUT",
            "/objects/a?create=true",
            &[],
            note(json!({"text": "y"})),
            400,
            "bad_argument",
            json!("query"),
        ),
        ("GET", "/history/a?limmit=3", &[], None, 400, "bad_argument", json!("query")),
        ("DELETE", "/objects/d?recursiv=true", &[], None, 400, "bad_argument", json!("query")),
        ("GET", "/objects/a", &[("If-None-Match", "3")], None, 400, "bad_argument", json!("if-none-match")),
        ("PUT", "/objects/a", &[], note(json!({"txt": 1})), 400, "bad_argument", json!("txt")),
        (
            "PUT",
            "/objects/a",
            &[],
            note(json!({"tags": {"a": [{"$date": "x"}]}})),
            400,
            "bad_argument",
            json!("tags.a[0]"),
        ),
        ("PUT", "/objects/new", &[], Some(json!({"fields": {}})), 400, "bad_argument", json!("class")),
        ("PUT", "/objects/new", &[], Some(json!({"class": "Other"})), 404, "class_not_found", json!("Other")),
        (
            "PUT",
            "/objects/a",
            &[],
            Some(json!({"class": "Note", "state": {}})),
            400,
            "bad_argument",
            json!("body"),
        ),
        ("PUT", "/objects/a", &[], Some(json!([])), 400, "bad_argument", json!("body")),
        (
            "PUT",
            "/objects/a",
            &[("Content-Type", "text/plain")],
            note(json!({})),
            415,
            "unsupported",
            json!("Content-Type"),
        ),
        ("PUT", "/objects/a", &[], note(json!({"text": big})), 413, "too_large", Json::Null),
        ("PATCH", "/objects/nothing", &[], note(json!({})), 404, "not_found", Json::Null),
        ("POST", "/objects/a", &[], note(json!({})), 405, "unsupported", Json::Null),
        ("DELETE", "/objects", &[], None, 405, "unsupported", Json::Null),
        ("POST", "/calls/a", &[], Some(json!({"method": "steal"})), 400, "method_not_found", Json::Null),
        (
            "POST",
            "/calls/a",
            &[],
            Some(json!({"method": "shout", "args": 1})),
            400,
            "bad_argument",
            json!("body"),
        ),
        ("POST", "/operations/fly", &[], Some(json!({})), 400, "bad_argument", json!("op")),
        (
            "POST",
            "/operations/list",
            &[],
            Some(json!({"op": "rm", "path": "/"})),
            400,
            "bad_argument",
            json!("op"),
        ),
        (
            "POST",
            "/operations/list",
            &[],
            Some(json!({"path": "/", "limmit": 9})),
            400,
            "bad_argument",
            json!("limmit"),
        ),
        (
            "PUT",
            "/classes/Bad",
            &[],
            Some(json!({"source": "class Bad {"})),
            400,
            "class_invalid",
            Json::Null,
        ),
    ] {
        let name = format!("{method} {address}");
        let refused = server.ask(method, address, headers, body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{name}: {}", refused.json);
        if !field.is_null() {
            assert_eq!(refused.json["field"], field, "{name}: {}", refused.json);
        }
        assert!(refused.json["title"].is_string() && refused.json["detail"].is_string(), "{name}");
        if status == 405 {
            assert!(refused.header("allow").is_some(), "{name}");
        }
    }
    for authorization in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp4\r\n"] {
        let refused = server.raw(&format!("GET /objects/a HTTP/1.1\r\n{authorization}"), "").await;
        assert_eq!((refused.status, refused.code()), (401, "unauthenticated"));
        assert!(refused.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer")));
    }
    assert_eq!(server.get("/objects/a").await.json["fields"], json!({"text": "x"}));
    server.node.stop().await.unwrap();
}

/// Each operation of the document is there: without a token it asks for one, and what is not there does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_of_what_is_served() {
    let server = Server::start().await;
    let document = server.raw("GET /openapi.json HTTP/1.1\r\n", "").await;
    assert_eq!((document.status, &document.json["openapi"]), (200, &json!("3.1.0")));
    for (path, item) in document.json["paths"].as_object().unwrap() {
        let address = path
            .replace("{path}", "x")
            .replace("{name}", "X")
            .replace("{hash}", "x")
            .replace("{operation}", "list");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let answer = server.raw(&format!("{method} {address} HTTP/1.1\r\n"), "").await;
            assert_eq!(answer.status, 401, "{method} {address}");
        }
    }
    assert_eq!(server.get("/objectz/a").await.status, 404);
    server.node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_got_can_be_put_back_and_names_are_checked_at_every_door() {
    let server = Server::with_notes().await;
    let source = "class Starred extends EmergeObject {\n  static fields = { least: int(1) };\n  \
                  query(fs) { return [this.least]; }\n}";
    let fields = json!([{"name": "least", "type": "int"}]);
    let kept = server.put("/classes/Starred", json!({"source": source, "fields": fields})).await;
    assert_eq!(kept.status, 200, "{}", kept.json);
    let made = server.put("/objects/q", json!({"class": "Starred", "fields": {"least": 3}})).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let asked = server.ask("POST", "/operations/query", &[], Some(json!({"path": "/q"}))).await;
    assert_eq!(asked.status, 200, "{}", asked.json);
    let got = server.get("/objects/q").await;
    assert_eq!(got.json["fields"]["results"], json!([3]), "{}", got.json);
    let put = server.put("/objects/q", json!({"fields": got.json["fields"]})).await;
    assert_eq!(put.status, 200, "{}", put.json);
    assert_eq!(server.get("/objects/q").await.json["fields"], got.json["fields"]);

    server.put("/objects/n", json!({"class": "Note", "fields": {"text": "a"}})).await;
    let hash = server.get("/objects/n").await.json["meta"]["class_hash"].clone();
    for (address, body) in [
        ("/api", json!({"op": "store", "path": "/n", "class": hash, "fields": {"txet": "a"}})),
        ("/api", json!({"op": "set", "path": "/n#txet", "value": "a"})),
        ("/operations/store", json!({"path": "/new", "class": hash, "fields": {"txet": "a"}})),
    ] {
        let refused = server.ask("POST", address, &[], Some(body.clone())).await;
        let found = (refused.status, refused.code(), &refused.json["field"]);
        assert_eq!(found, (400, "bad_argument", &json!("txet")), "{body}: {}", refused.json);
    }
    for method in ["call", "diff"] {
        let body = json!({"path": "/n", "method": "shout", "deadline_ms": "x", "from": "soon"});
        let refused = server.ask("POST", &format!("/operations/{method}"), &[], Some(body)).await;
        assert!(
            !refused.json["detail"].as_str().unwrap().contains("is needed is needed"),
            "{}",
            refused.json
        );
    }
    let body = json!({"method": "shout", "args": ["!"], "deadline_ms": 0});
    let refused = server.ask("POST", "/calls/n", &[], Some(body)).await;
    assert_eq!((refused.code(), &refused.json["field"]), ("bad_argument", &json!("deadline")));
}
