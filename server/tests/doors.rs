//! The node's doors: what strangers and broken clients send over real sockets, and that the store stays as it was.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use emerge_client::native::Client;
use emerge_proto::class::decode;
use emerge_proto::frame::{Frame, Hello, Request, decode_message, encode_frame};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::{ClassSource, Error, ErrorCode, Language, Op, Path, Value, limits};
use emerge_server::{Config, RunningNode};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn node() -> (RunningNode, TempDir) {
    let folder = TempDir::new().unwrap();
    let runtime = emerge_server::sandbox(&|_| {}).await.unwrap();
    let node = emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await.unwrap();
    (node, folder)
}

#[test]
fn a_node_that_ends_with_its_runtime_lets_go_of_its_folder() {
    let folder = TempDir::new().unwrap();
    let start = || {
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let started = threads.block_on(async {
            let runtime = emerge_server::sandbox(&|_| {}).await?;
            emerge_server::start(Config { port: 0, ..Config::new(folder.path()) }, runtime).await
        });
        (started.map(drop), threads)
    };
    let (started, threads) = start();
    started.unwrap();
    drop(threads);
    // The committer hears of it on a thread of its own.
    let last = (0..100).map(|_| start().0).find(|again| {
        std::thread::sleep(Duration::from_millis(20));
        again.is_ok()
    });
    assert_eq!(last, Some(Ok(())), "another node can open the folder");
}

fn hello(token: &str) -> Frame {
    Frame::Hello(Hello {
        min_version: 1,
        max_version: limits::PROTOCOL_VERSION,
        token: token.into(),
        session: None,
        connection: 1,
        acknowledged: 0,
        agent: "doors".into(),
    })
}

fn message(frames: &[Frame]) -> Vec<u8> {
    let mut message = Vec::new();
    frames.iter().for_each(|frame| encode_frame(frame, &mut message));
    message
}

fn request(seq: u64, op: Op) -> Frame {
    Frame::Request(Request { seq, acknowledged: 0, op, timeout_ms: None, credit: None })
}

async fn connect(node: &RunningNode) -> Socket {
    tokio_tungstenite::connect_async(node.url()).await.unwrap().0
}

/// The frames of the next message; none when the node has closed the connection.
async fn receive(socket: &mut Socket) -> Option<Vec<Frame>> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), socket.next())
            .await
            .expect("the node says nothing");
        match next {
            Some(Ok(Message::Binary(bytes))) => return Some(decode_message(&bytes).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

/// The error with which the node ends the connection.
async fn refusal(socket: &mut Socket) -> Error {
    loop {
        let frames = receive(socket).await.expect("the connection ended without a reason");
        for frame in frames {
            if let Frame::Close { error } = frame {
                assert!(receive(socket).await.is_none(), "the connection goes on");
                return error;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_messages_that_wait_none_is_lost() {
    let (node, _folder) = node().await;
    let mut socket = connect(&node).await;
    let ping = |token| Message::Binary(message(&[Frame::Ping { token }]).into());
    // Far more than are taken in a row, and all of them there before the first is read.
    for token in 0..1000 {
        socket.feed(ping(token)).await.unwrap();
    }
    socket.flush().await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < 1000 {
        let next = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
        let Ok(Some(Ok(Message::Binary(bytes)))) = next else { panic!("{} pongs: {next:?}", answered.len()) };
        answered.extend(decode_message(&bytes).unwrap().into_iter().map(|frame| match frame {
            Frame::Pong { token } => token,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(answered, (0..1000).collect::<Vec<_>>());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_end_the_connection_with_a_typed_error() {
    let (node, _folder) = node().await;
    let good = message(&[hello(&node.token)]);
    let list = message(&[request(
        1,
        Op::List {
            path: Target::Path("/".into()),
            after: None,
            limit: None,
            glob: None,
            sort: None,
            descending: None,
        },
    )]);
    let nodes_frame = message(&[Frame::Push { topic: "x".into(), value: vec![0xf6] }]);
    let oversized = vec![0; limits::MAX_MESSAGE + 1];
    let cases: [(&str, &[u8], ErrorCode); 5] = [
        ("cut short", &list[..list.len() - 3], ErrorCode::BadFrame),
        ("no CBOR", &[0xff, 0xfe], ErrorCode::BadFrame),
        ("an unknown kind", &[0x82, 0x18, 0x63, 0x80], ErrorCode::UnknownFrame),
        ("too large", &oversized, ErrorCode::TooLarge),
        ("a node's frame", &nodes_frame, ErrorCode::BadFrame),
    ];
    for (what, bytes, code) in cases {
        let mut socket = connect(&node).await;
        socket.send(Message::Binary(good.clone().into())).await.unwrap();
        assert!(matches!(receive(&mut socket).await.unwrap()[..], [Frame::Welcome(_)]));
        socket.send(Message::Binary(bytes.to_vec().into())).await.unwrap();
        let error = refusal(&mut socket).await;
        assert_eq!(error.code, code, "{what}: {error}");
    }
    let mut socket = connect(&node).await;
    socket.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(refusal(&mut socket).await.code, ErrorCode::BadFrame);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_begins_with_a_hello_of_a_known_version_and_a_right_token() {
    let (node, _folder) = node().await;
    let Frame::Hello(right) = hello(&node.token) else { unreachable!() };
    let cases = [
        (Frame::Ack { through: 1 }, ErrorCode::BadFrame),
        (hello(""), ErrorCode::Unauthenticated),
        (hello("wrong"), ErrorCode::Unauthenticated),
        (Frame::Hello(Hello { min_version: 77, max_version: 99, ..right }), ErrorCode::UnsupportedVersion),
    ];
    for (frame, code) in cases {
        let mut socket = connect(&node).await;
        socket.send(Message::Binary(message(std::slice::from_ref(&frame)).into())).await.unwrap();
        assert_eq!(refusal(&mut socket).await.code, code, "{frame:?}");
    }
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_and_hosts_are_refused() {
    let (node, _folder) = node().await;
    for (name, value) in [("Origin", "http://evil.example"), ("Host", "evil.example")] {
        let mut request = node.url().into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        request.headers_mut().insert("Accept", emerge_proto::error::MEDIA_TYPE.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Err(tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), 403, "{name}");
                let error: Error = decode(response.body().as_deref().unwrap()).unwrap();
                assert_eq!(error.code, ErrorCode::ForbiddenOrigin);
                assert!(error.message.contains(value.trim_start_matches("http://")), "{error}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_typed_errors_and_change_nothing() {
    let (node, _folder) = node().await;
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    let class = ClassSource::new(
        "Thing",
        Language::JavaScript,
        "class Thing extends EmergeObject { loud() { return 1; } }",
    );
    let hash = client.put_class(&class).await.unwrap().hash;
    let thing = Path::parse("/thing").unwrap();
    let state = |value| Value::Map(vec![("x".into(), value)]).encode();
    client.store(&thing, hash, state(Value::Int(1)), StoreMode::Create).await.unwrap();
    let before = client.get(&thing, None).await.unwrap();

    let mut deep = Value::Null;
    for _ in 0..limits::MAX_DEPTH + 2 {
        deep = Value::List(vec![deep]);
    }
    let store = |path: &str, fields: Vec<u8>| Op::Store {
        path: path.into(),
        class: hash,
        fields,
        mode: StoreMode::Put,
        base: None,
        removed: None,
        id: None,
    };
    let call = |method: &str| Op::Call {
        path: "/thing".into(),
        method: method.into(),
        args: Value::List(Vec::new()).encode(),
        log: false,
        after: None,
        with: None,
    };
    let cases = [
        (store("/thing", state(deep)), ErrorCode::TooDeep),
        (store("/thing", vec![0xa1, 0x61]), ErrorCode::BadFrame),
        (store("/thing", Value::Int(1).encode()), ErrorCode::BadFrame),
        (store("/thing", state(Value::Bytes(vec![0; limits::MAX_STATE + 1]))), ErrorCode::TooLarge),
        (store("/a/../b", state(Value::Null)), ErrorCode::BadPath),
        (store("/a//b", state(Value::Null)), ErrorCode::BadPath),
        (store("/a\u{7}b", state(Value::Null)), ErrorCode::BadPath),
        (store(&format!("/{}", "s".repeat(256)), state(Value::Null)), ErrorCode::BadPath),
        (Op::Get { path: Target::ResultOf(1), version: None, children: None }, ErrorCode::Unsupported),
        (Op::Get { path: "/nothing".into(), version: None, children: None }, ErrorCode::NotFound),
        (Op::Get { path: "/thing".into(), version: Some(9.into()), children: None }, ErrorCode::NotFound),
        (call("quiet"), ErrorCode::MethodNotFound),
        (Op::Rm { path: "/".into(), recursive: true }, ErrorCode::BadArgument),
    ];
    let mut socket = connect(&node).await;
    socket.send(Message::Binary(message(&[hello(&node.token)]).into())).await.unwrap();
    assert!(matches!(receive(&mut socket).await.unwrap()[..], [Frame::Welcome(_)]));
    let mut wrong = Vec::new();
    for (seq, (op, code)) in (1..).zip(cases) {
        let name = format!("{} {seq}", op.name());
        socket.send(Message::Binary(message(&[request(seq, op)]).into())).await.unwrap();
        match &receive(&mut socket).await.expect(&name)[..] {
            [Frame::Result { seq: answered, value: None, error: Some(error) }] => {
                if (*answered, error.code) != (seq, code) {
                    wrong.push(format!("{name}: {error}"));
                }
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(client.get(&thing, None).await.unwrap(), before);
    client.close().await;
    node.stop().await.unwrap();
}

/// One HTTP request by hand: status and body.
async fn http(node: &RunningNode, token: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let head = format!(
        "POST /api HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        node.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = if status == 200 { "application/json" } else { "application/problem+json" };
    assert!(head.contains(&format!("content-type: {kind}\r\n")), "{answer}");
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{answer}: {error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn http_does_one_operation_for_each_request() {
    let (node, _folder) = node().await;
    assert_eq!(http(&node, "wrong", "{}").await.0, 401);
    let (status, error) = http(&node, &node.token, r#"{"op": "fly"}"#).await;
    assert_eq!((status, &error["code"], &error["field"]), (400, &"bad_argument".into(), &"op".into()));
    assert_eq!((&error["status"], &error["detail"]), (&400.into(), &error["message"]));
    assert!(error["message"].is_string() && error["title"].is_string(), "{error}");
    let class = r#"{"op": "put_class", "name": "Circle", "source": "class Circle extends EmergeObject { area() { return Math.PI * this.r ** 2; } }",
        "fields": [{"name": "r", "type": "float", "default": 0.0}]}"#;
    let (status, class) = http(&node, &node.token, class).await;
    assert_eq!(status, 200, "{class}");
    let store =
        format!(r#"{{"op": "store", "path": "/c", "class": {}, "fields": {{"r": 2.0}}}}"#, class["hash"]);
    assert_eq!(http(&node, &node.token, &store).await.1["version"], 1);
    let (_, called) = http(&node, &node.token, r#"{"op": "call", "path": "/c", "method": "area"}"#).await;
    assert!((called["result"].as_f64().unwrap() - 12.566).abs() < 0.001, "{called}");
    let (_, got) = http(&node, &node.token, r#"{"op": "get", "path": "/c"}"#).await;
    assert_eq!((&got["fields"]["r"], &got["meta"]["path"]), (&2.0.into(), &"/c".into()));
    assert_eq!(http(&node, &node.token, r#"{"op": "get", "path": "/d"}"#).await.0, 404);
    http(&node, &node.token, &store.replace("2.0", "3.0")).await;
    let (_, diff) = http(&node, &node.token, r#"{"op": "diff", "path": "/c", "from": 1}"#).await;
    assert_eq!((&diff["from"]["version"], &diff["to"]["version"]), (&1.into(), &2.into()));
    assert_eq!(diff["fields"], serde_json::json!([{ "field": "r", "old": 2.0, "new": 3.0 }]));
    let restore = r#"{"op": "restore", "path": "/c", "version": 1, "base": 2}"#;
    assert_eq!(http(&node, &node.token, restore).await.1["version"], 3);
    assert_eq!(http(&node, &node.token, restore).await.0, 409);
    let then = r#"{"op": "get", "path": "/c", "version": "2100-01-01T00:00:00Z"}"#;
    assert_eq!(http(&node, &node.token, then).await.1["fields"]["r"], 2.0);
    let chmod = r#"{"op": "chmod", "path": "/c", "perms": "o+r"}"#;
    assert_eq!(http(&node, &node.token, chmod).await.1["version"], 4);
    let chown = r#"{"op": "chown", "path": "/c", "group": "admin"}"#;
    assert_eq!(http(&node, &node.token, chown).await.1["version"], 4);
    let (_, history) = http(&node, &node.token, r#"{"op": "history", "path": "/c"}"#).await;
    assert_eq!(history[0]["operation"], "chmod");
    let page = r#"{"op": "history", "path": "/c", "before": 4, "limit": 1}"#;
    assert_eq!(http(&node, &node.token, page).await.1[0]["version"], 3);
    let rules = r#"{"op": "set_rules", "path": "/", "keep": "5 versions", "mask": "077"}"#;
    assert_eq!(http(&node, &node.token, rules).await.1["version"], 2);
    let (_, root) = http(&node, &node.token, r#"{"op": "stat", "path": "/"}"#).await;
    assert_eq!((&root["rules"]["keep"], &root["rules"]["mask_from"]), (&"5 versions".into(), &"/".into()));
    let hash = "00".repeat(32);
    let user = format!(r#"{{"op": "users", "action": "add", "name": "ada", "token_hash": "{hash}"}}"#);
    assert_eq!(http(&node, &node.token, &user).await.1[0]["name"], "ada");
    let (_, groups) = http(&node, &node.token, r#"{"op": "groups", "action": "list"}"#).await;
    assert_eq!(groups, serde_json::json!([{ "name": "admin", "members": [] }]));
    assert_eq!(http(&node, &node.notebook_token, r#"{"op": "users", "action": "list"}"#).await.0, 403);
    let (_, page) =
        http(&node, &node.token, r#"{"op": "list", "path": "/", "glob": "c*", "sort": "size"}"#).await;
    assert_eq!(
        (page["members"][0]["name"].as_str(), page["members"].as_array().map(Vec::len)),
        (Some("c"), Some(1))
    );
    let (_, root) = http(&node, &node.token, r#"{"op": "get", "path": "/"}"#).await;
    assert!(root["members"]["members"].as_array().is_some_and(|members| !members.is_empty()));
    let cp = r#"{"op": "cp", "from": "/c", "to": "/purged"}"#;
    assert_eq!(http(&node, &node.token, cp).await.0, 200);
    assert_eq!(http(&node, &node.token, r#"{"op": "purge", "path": "/purged"}"#).await.0, 200);
    let (status, error) = http(&node, &node.token, r#"{"op": "get", "path": "/c", "version": "soon"}"#).await;
    assert_eq!((status, &error["field"]), (400, &"version".into()));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_watched_over_http() {
    let (node, _folder) = node().await;
    let client = Client::connect(&node.url(), &node.token).await.unwrap();
    let get = async |query: &str, header: &str| {
        let mut socket = TcpStream::connect(node.address).await.unwrap();
        let head = format!(
            "GET /api/watch?{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{header}\r\n",
            node.address, node.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    };
    let until = async |socket: &mut TcpStream, end: &str| {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while !text.contains(end) {
            let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut buffer));
            let count = read.await.unwrap().unwrap();
            assert!(count > 0, "it ended with {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        text
    };
    let mut watching = get("pattern=/watched/**", "").await;
    let begun = until(&mut watching, "event: watching").await;
    assert!(begun.contains("200 OK") && begun.contains("text/event-stream"), "{begun}");
    client.mkdir("/watched", false).await.unwrap();
    client.mkdir("/watched/b", false).await.unwrap();
    let told = until(&mut watching, "\"path\":\"/watched/b\"").await;
    let token = told.split("id: ").nth(1).unwrap().split('\n').next().unwrap().trim().to_owned();
    let mut again = get("pattern=/watched/**", &format!("Last-Event-ID: {token}\r\n")).await;
    let told = until(&mut again, "/watched/b").await;
    assert!(!told.contains("event: watching") && !told.contains("\"path\":\"/watched\""), "{told}");
    let mut bad = get("pattern=x", "").await;
    assert!(until(&mut bad, "bad_argument").await.contains("400 Bad Request"));
    // A node that stops does not wait for those who watch.
    client.close().await;
    let begun = std::time::Instant::now();
    node.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
