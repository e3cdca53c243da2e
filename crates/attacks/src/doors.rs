//! Strangers and broken clients against the node's doors.

use crate::attack::{Attack, Got, Running, brief};
use crate::field::{CONNECTIONS, Field, HIDDEN, SECRET, holds_secret};
use emerge_proto::frame::{Frame, Hello, Request, decode_message, encode_frame};
use emerge_proto::guard::Guard;
use emerge_proto::op::Target;
use emerge_proto::{Op, limits};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// What HTTP answered.
pub(crate) struct Answer {
    /// 0 when the connection ended without an answer.
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// What it says, for people.
    pub(crate) fn told(&self) -> String {
        brief(&format!("{} {}", self.status, self.body.trim()))
    }

    /// What an attack got that should not be served.
    pub(crate) fn got(&self) -> Got {
        if (200..300).contains(&self.status) {
            Got::Through(self.told())
        } else {
            Got::Contained(self.told())
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

const PATIENCE: Duration = Duration::from_secs(3);

/// A connection of Eve's, from an address of her own.
async fn connect(field: &Field) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 66], 0).into())?;
    socket.connect(field.address()).await
}

/// Sends bytes as they are, and gives what comes until the connection ends or nothing comes any more.
pub(crate) async fn exchange(field: &Field, bytes: &[u8]) -> Vec<u8> {
    match connect(field).await {
        Ok(stream) => exchange_on(stream, bytes).await,
        Err(_) => Vec::new(),
    }
}

async fn exchange_on(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    // A node that has heard enough may close while it is still spoken to.
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await;
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(Ok(read @ 1..)) =
        tokio::time::timeout(Duration::from_millis(400), stream.read(&mut piece)).await
    {
        got.extend_from_slice(&piece[..read]);
    }
    got
}

async fn raw(field: &Field, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&exchange(field, bytes).await).into_owned()
}

async fn http(field: &Field, request: &str) -> Answer {
    answer(&raw(field, request.as_bytes()).await)
}

fn answer(got: &str) -> Answer {
    let (head, body) = got.split_once("\r\n\r\n").unwrap_or((got, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, body: body.to_owned() }
}

/// An operation by HTTP.
pub(crate) async fn ask(field: &Field, token: &str, op: &str) -> Answer {
    let at = field.address();
    let request = format!(
        "POST /api HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{op}",
        op.len()
    );
    http(field, &request).await
}

type Run = for<'a> fn(&'a Field) -> Running<'a>;

/// A request of HTTP with another line or header than it should have. `@at@` is the node's address, `@token@` Eve's token, `@get@` the body of a get of her own.
type Row = (&'static str, &'static str, &'static [Guard], &'static str, Through);

/// What shows that a request got what it should not.
#[derive(Clone, Copy)]
enum Through {
    /// It was served.
    Served,
    /// A text in the answer.
    Has(&'static str),
    /// More than one answer.
    Two,
    /// A text is not in the answer's head.
    Lacks(&'static str),
}

const OP: &str = r#"{"op":"list","path":"/"}"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("door-host", "reach the node by a foreign name (DNS rebinding)", &[Guard::Host], "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", Through::Served),
    ("door-host-suffix", "reach the node by a name that ends like its own", &[Guard::Host], "GET /healthz HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", Through::Served),
    ("door-host-user", "reach the node by a name with another before an @", &[Guard::Host], "GET /healthz HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", Through::Served),
    ("door-host-none", "name no host", &[], "GET /healthz HTTP/1.1\r\n\r\n", Through::Served),
    ("door-host-two", "name two hosts", &[], "GET /healthz HTTP/1.1\r\nHost: @at@\r\nHost: evil.example\r\n\r\n", Through::Served),
    ("door-host-absolute", "name another host in the request's line", &[Guard::Host], "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", Through::Served),
    ("door-origin", "come from a page of another origin", &[Guard::Origin], "POST /api HTTP/1.1\r\nHost: @at@\r\nOrigin: https://evil.example\r\nAuthorization: Bearer @token@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-origin-null", "come from a page without an origin", &[Guard::Origin], "POST /api HTTP/1.1\r\nHost: @at@\r\nOrigin: null\r\nAuthorization: Bearer @token@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-origin-prefix", "come from an origin that begins like the node's", &[Guard::Origin], "GET /healthz HTTP/1.1\r\nHost: @at@\r\nOrigin: http://@at@.evil.example\r\n\r\n", Through::Served),
    ("door-preflight", "be allowed by a preflight", &[], "OPTIONS /api HTTP/1.1\r\nHost: @at@\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", Through::Has("access-control-allow-methods")),
    ("door-websocket-origin", "open a WebSocket from another origin's page", &[Guard::Origin], "GET /ws HTTP/1.1\r\nHost: @at@\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", Through::Has("101")),
    ("door-websocket-host", "open a WebSocket by a foreign name", &[Guard::Host], "GET /ws HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", Through::Has("101")),
    ("door-no-token", "ask without a token", &[Guard::Token], "POST /api HTTP/1.1\r\nHost: @at@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-wrong-token", "guess a token", &[Guard::Token], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer 0000000000000000000000000000000000000000000000000000000000000000\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-part-token", "use the first half of a token", &[Guard::Token], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @half@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-token-sql", "a token that is a query", &[Guard::Token], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer ' OR 1=1 --\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-basic", "a token by another scheme", &[Guard::Token], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Basic @token@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n@op@", Through::Served),
    ("door-notebook-token", "be given the notebook's token without the administrator's", &[], "GET /notebook?token=@token@ HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("#token=")),
    ("door-traversal", "read a file of the machine by its path", &[], "GET /../../../../../../etc/passwd HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("root:")),
    ("door-traversal-encoded", "read a file of the machine by an encoded path", &[], "GET /%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("root:")),
    ("door-traversal-slash", "read a file by encoded slashes", &[], "GET /pkg/..%2f..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("root:")),
    ("door-traversal-nul", "read a file behind a zero byte", &[], "GET /index.html%00/../../etc/passwd HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("root:")),
    ("door-traversal-object", "leave a directory by its path", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\nContent-Type: application/json\r\nContent-Length: 58\r\n\r\n{\"op\": \"get\", \"path\": \"/shared/eve-1/../ada/hidden\"      }", Through::Has(SECRET)),
    ("door-rest", "read another's object as a resource", &[Guard::Rights], "GET /objects/shared/ada/hidden HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\n\r\n", Through::Has(SECRET)),
    ("door-rest-delete", "remove another's object as a resource", &[Guard::Rights], "DELETE /objects/shared/ada/hidden HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\n\r\n", Through::Served),
    ("door-backup", "take a backup of all", &[], "GET /backup HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\n\r\n", Through::Served),
    ("door-trace", "have headers sent back", &[], "TRACE / HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\n\r\n", Through::Has("Bearer")),
    ("door-connect", "use the node as a proxy", &[], "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Served),
    ("door-smuggle-cl-te", "two lengths, of which one is chunks", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("200 OK")),
    ("door-smuggle-two-lengths", "two lengths", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /healthz HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("200 OK")),
    ("door-smuggle-sign", "a length with a sign", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nContent-Length: +0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Two),
    ("door-smuggle-te", "an encoding that is almost chunked", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("200 OK")),
    ("door-smuggle-space", "a space before a header's colon", &[], "GET /healthz HTTP/1.1\r\nHost: @at@\r\nContent-Length : 5\r\n\r\n", Through::Served),
    ("door-smuggle-fold", "a header that goes on in the next line", &[], "GET /healthz HTTP/1.1\r\nHost: @at@\r\nX: a\r\n b\r\n\r\n", Through::Served),
    ("door-smuggle-chunk", "a chunk whose length is no number", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nGET /healthz HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("200 OK")),
    ("door-header-split", "a line break in a header's value", &[], "GET /notebook?x=%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("Set-Cookie")),
    ("door-garbage", "what is no HTTP", &[], "\u{16}\u{3}\u{1}\u{0}\u{0}\u{0}\u{0}garbage\r\n\r\n", Through::Served),
    ("door-http2", "speak HTTP/2 at once", &[], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Through::Has("200 OK")),
    ("door-xml", "a body of another type", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n<!ENTITY x SYSTEM 'f'>  ", Through::Served),
    ("door-json-twice", "a name twice in a JSON object", &[], "POST /api HTTP/1.1\r\nHost: @at@\r\nAuthorization: Bearer @token@\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n{\"op\":\"stat\",\"op\":\"list\",\"path\":\"/\"}  ", Through::Served),
    ("door-policy-page", "be served the page without a policy", POLICY, "GET / HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Lacks("content-security-policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")),
    ("door-policy-missing", "be served what is not there without a policy", POLICY, "GET /nothing HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Lacks("content-security-policy: default-src 'none'; base-uri 'none';")),
    ("door-policy-object", "be served an object as a page", POLICY, "GET /objects/shared/ada HTTP/1.1\r\nHost: @at@\r\nAccept: text/html\r\nAuthorization: Bearer @token@\r\n\r\n", Through::Lacks("sandbox")),
    ("door-policy-refused", "be refused without a policy", POLICY, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", Through::Lacks("content-security-policy: default-src 'none'")),
    ("door-frame", "show the page in a frame of another's", POLICY, "GET / HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Lacks("x-frame-options: deny")),
    ("door-sniff", "have a browser guess what an answer is", POLICY, "GET / HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Lacks("x-content-type-options: nosniff")),
    ("door-policy-inline", "be served the page with a policy that lets code in it run", &[], "GET / HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("unsafe-inline")),
    ("door-policy-eval", "be served the page with a policy that makes code of texts", &[], "GET / HTTP/1.1\r\nHost: @at@\r\n\r\n", Through::Has("'unsafe-eval'")),
];

/// Which guard it is of what a browser is told.
const POLICY: &[Guard] = &[Guard::Policy];

pub(crate) fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = ROWS
        .iter()
        .map(|row| Attack::new(row.0, row.1, row.2, move |field| Box::pin(request(field, row.3, row.4))))
        .collect();
    let more: [(&str, &str, &[Guard], Run); 16] = [
        ("door-header-size", "a header of a megabyte", &[], |field| Box::pin(big_header(field))),
        ("door-header-count", "ten thousand headers", &[], |field| Box::pin(many_headers(field))),
        ("door-body-size", "a body over the limit", &[Guard::Body], |field| Box::pin(big_body(field))),
        ("door-json-deep", "a JSON text that nests without end", &[], |field| Box::pin(deep_json(field))),
        ("door-slow-loris", "hold hundreds of connections and say nothing", &[], |field| {
            Box::pin(slow(field))
        }),
        ("door-flood", "open more connections than an address may have", &[Guard::Limits], |field| {
            Box::pin(flood(field))
        }),
        ("door-zipped", "have a compressed body unpacked, as a bomb would be", &[], |field| {
            Box::pin(zipped(field))
        }),
        ("door-slow-head", "take for ever to say what is wanted", &[Guard::Slow], |field| {
            Box::pin(slow_head(field))
        }),
        ("door-slow-body", "send a body a byte at a time", &[], |field| Box::pin(slow_body(field))),
        ("door-message-size", "a message over the limit", &[Guard::Message], |field| {
            Box::pin(big_message(field))
        }),
        ("door-frame-length", "a WebSocket frame of four million terabytes", &[], |field| {
            Box::pin(huge_frame(field))
        }),
        ("door-frame-garbage", "frames that are no frames", &[], |field| Box::pin(garbage(field))),
        ("door-frame-deep", "a frame that nests without end", &[], |field| Box::pin(deep_frame(field))),
        ("door-replay", "send a request of a session again", &[], |field| Box::pin(replay(field))),
        ("door-session", "go on with another's session", &[], |field| Box::pin(session(field))),
        ("door-policy-notebook", "be served the notebook without a policy", POLICY, |field| {
            Box::pin(notebook(field))
        }),
    ];
    all.extend(more.into_iter().map(|(name, tries, guards, run)| Attack::new(name, tries, guards, run)));
    all
}

async fn request(field: &Field, text: &str, through: Through) -> Got {
    let text = text
        .replace("@at@", &field.address().to_string())
        .replace("@half@", &field.eve_token[..field.eve_token.len() / 2])
        .replace("@token@", &field.eve_token)
        .replace("@op@", OP);
    let got = raw(field, text.as_bytes()).await;
    let answer = answer(&got);
    let is_through = match through {
        Through::Served => matches!(answer.status, 101 | 200..=299),
        Through::Has(text) => got.contains(text),
        Through::Lacks(text) => {
            let head = got.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
            !head.contains(text) || !head.starts_with("http/1.1 ")
        }
        Through::Two => got.matches("HTTP/1.1 ").count() > 1,
    };
    if is_through || holds_secret(&got) { Got::Through(answer.told()) } else { Got::Contained(answer.told()) }
}

/// The notebook's page, and its worker, which has a policy of its own.
async fn notebook(field: &Field) -> Got {
    let at = field.node.notebook_address;
    let mut told = String::new();
    for target in ["/", "/assets/worker.js", "/nothing"] {
        let Ok(stream) = TcpStream::connect(at).await else { return Got::wrong("there is no notebook") };
        let request = format!("GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        let got = String::from_utf8_lossy(&exchange_on(stream, request.as_bytes()).await).into_owned();
        let head = got.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:"));
        let Some(policy) = policy.filter(|policy| policy.contains("frame-ancestors 'none'")) else {
            return Got::Through(format!("{target} has no policy"));
        };
        told = brief(policy);
    }
    Got::Contained(told)
}

async fn big_header(field: &Field) -> Got {
    let at = field.address();
    let header = "x".repeat(1 << 20);
    http(field, &format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\nX: {header}\r\n\r\n")).await.got()
}

async fn many_headers(field: &Field) -> Got {
    let (at, headers) = (field.address(), "X: y\r\n".repeat(10_000));
    http(field, &format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n{headers}\r\n")).await.got()
}

async fn big_body(field: &Field) -> Got {
    let padding = " ".repeat(limits::MAX_MESSAGE + 1000);
    ask(field, &field.eve_token, &format!("{OP}{padding}")).await.got()
}

async fn deep_json(field: &Field) -> Got {
    let deep = format!(
        r#"{{"op":"set","path":"/shared/x#a","value":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    ask(field, &field.eve_token, &deep).await.got()
}

/// Connections that say nothing. That others are served meanwhile, at the door too, is what counts.
async fn slow(field: &Field) -> Got {
    let mut held = Vec::new();
    for _ in 0..400 {
        if let Ok(mut stream) = connect(field).await {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHo").await;
            held.push(stream);
        }
    }
    let began = std::time::Instant::now();
    let answer = ask(field, &field.ada_token, OP).await;
    let took = began.elapsed();
    if answer.status == 200 && took < Duration::from_secs(1) {
        Got::Contained(format!("{} are held, and another is served in {took:.1?}", held.len()))
    } else {
        Got::Through(format!("another was not served: {} after {took:.1?}", answer.status))
    }
}

async fn flood(field: &Field) -> Got {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.extend(connect(field).await.ok());
    }
    // All of them are taken in before the next.
    tokio::time::sleep(Duration::from_millis(200)).await;
    http(field, &format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", field.address())).await.got()
}

/// [`OP`], compressed.
const ZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca, 0x2f, 0x50, 0xb2, 0x52,
    0xca, 0xc9, 0x2c, 0x2e, 0x51, 0xd2, 0x51, 0x2a, 0x48, 0x2c, 0xc9, 0x00, 0xf2, 0xf4, 0x95, 0x6a, 0x01,
    0xf2, 0x41, 0x32, 0xdd, 0x18, 0x00, 0x00, 0x00,
];

async fn zipped(field: &Field) -> Got {
    let head = format!(
        "POST /api HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        field.address(),
        field.eve_token,
        ZIPPED.len()
    );
    answer(&raw(field, &[head.as_bytes(), ZIPPED].concat()).await).got()
}

/// How long a client may take to say what it wants, and somewhat more.
const SLOW: Duration = Duration::from_secs(34);

async fn slow_head(field: &Field) -> Got {
    let Ok(mut stream) = connect(field).await else { return Got::Contained("no connection".into()) };
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\n").await;
    let mut piece = [0; 100];
    match tokio::time::timeout(SLOW, stream.read(&mut piece)).await {
        Ok(_) => Got::Contained("the connection was closed".into()),
        Err(_) => Got::Through(format!("the connection was still open after {SLOW:?}")),
    }
}

async fn slow_body(field: &Field) -> Got {
    let Ok(mut stream) = connect(field).await else { return Got::Contained("no connection".into()) };
    let head = format!(
        "POST /api HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\n",
        field.address(),
        field.eve_token
    );
    let _ = stream.write_all(head.as_bytes()).await;
    for _ in 0..20 {
        let _ = stream.write_all(b" ").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = ask(field, &field.ada_token, OP).await;
    if answer.status == 200 {
        Got::Contained("it waits alone".into())
    } else {
        Got::Through("others wait too".into())
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn websocket(field: &Field) -> Option<Socket> {
    let stream = connect(field).await.ok()?;
    let request = format!("ws://{}/ws", field.address()).into_client_request().ok()?;
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (socket, _) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await.ok()?;
    Some(socket)
}

fn message(frames: &[Frame]) -> Vec<u8> {
    let mut message = Vec::new();
    frames.iter().for_each(|frame| encode_frame(frame, &mut message));
    message
}

fn hello(token: &str, session: Option<emerge_proto::SessionId>, connection: u64) -> Frame {
    Frame::Hello(Hello {
        min_version: 1,
        max_version: limits::PROTOCOL_VERSION,
        token: token.into(),
        session,
        connection,
        acknowledged: 0,
        agent: "attack".into(),
    })
}

/// Sends a message, and gives the frames of what comes next; none when the connection has ended.
async fn say(socket: &mut Socket, bytes: Vec<u8>) -> Option<Vec<Frame>> {
    let sent = tokio::time::timeout(PATIENCE, socket.send(Message::Binary(bytes.into()))).await;
    if !matches!(sent, Ok(Ok(()))) {
        return None;
    }
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await {
            Ok(Some(Ok(Message::Binary(bytes)))) => return decode_message(&bytes).ok(),
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
            Ok(Some(Ok(_))) => {}
        }
    }
}

async fn welcomed(field: &Field) -> Option<(Socket, emerge_proto::SessionId)> {
    let mut socket = websocket(field).await?;
    let frames = say(&mut socket, message(&[hello(&field.eve_token, None, 1)])).await?;
    let session = frames.iter().find_map(|frame| match frame {
        Frame::Welcome(welcome) => Some(welcome.session),
        _ => None,
    })?;
    Some((socket, session))
}

/// What a connection was told, when what it sent may not be answered as if it were good.
fn closed(frames: Option<Vec<Frame>>, good: impl Fn(&Frame) -> bool) -> Got {
    match frames {
        None => Got::Contained("the connection was closed".into()),
        Some(frames) if frames.iter().any(good) => Got::Through("it was answered".into()),
        Some(frames) => Got::Contained(brief(&format!("{:?}", frames.first()))),
    }
}

const NO_WELCOME: &str = "there was no welcome";

async fn big_message(field: &Field) -> Got {
    let Some((mut socket, _)) = welcomed(field).await else { return Got::wrong(NO_WELCOME) };
    let args = vec![0x40; limits::MAX_MESSAGE + 2 * 1024 * 1024];
    let path = Target::Path("/nought".into());
    let op = Op::Call { path, method: "x".into(), args, log: false, after: None, with: None };
    let call = Frame::Request(Request { seq: 1, acknowledged: 0, op, timeout_ms: None, credit: None });
    let bytes = message(&[Frame::Ping { token: 7 }, call]);
    closed(say(&mut socket, bytes).await, |frame| matches!(frame, Frame::Pong { token: 7 }))
}

async fn huge_frame(field: &Field) -> Got {
    let Some((socket, _)) = welcomed(field).await else { return Got::wrong(NO_WELCOME) };
    let mut stream = socket.into_inner();
    let _ = stream
        .write_all(&[0x82, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3])
        .await;
    let mut piece = [0; 1000];
    match tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await {
        Ok(_) => Got::Contained("the connection was closed".into()),
        Err(_) => Got::Through("the node waits for it".into()),
    }
}

async fn garbage(field: &Field) -> Got {
    let Some((mut socket, _)) = welcomed(field).await else { return Got::wrong(NO_WELCOME) };
    closed(say(&mut socket, vec![0xff; 1000]).await, |frame| !matches!(frame, Frame::Close { .. }))
}

async fn deep_frame(field: &Field) -> Got {
    let Some((mut socket, _)) = welcomed(field).await else { return Got::wrong(NO_WELCOME) };
    closed(say(&mut socket, vec![0x81; 1_000_000]).await, |frame| !matches!(frame, Frame::Close { .. }))
}

fn mkdir(at: &str) -> Vec<u8> {
    let op = Op::Mkdir { path: Target::Path(at.into()), exist_ok: false };
    message(&[Frame::Request(Request { seq: 1, acknowledged: 0, op, timeout_ms: None, credit: None })])
}

async fn replay(field: &Field) -> Got {
    let Some((mut socket, _)) = welcomed(field).await else { return Got::wrong(NO_WELCOME) };
    let at = field.fresh();
    let first = say(&mut socket, mkdir(&at)).await;
    let again = say(&mut socket, mkdir(&at)).await;
    let failed = |frames: &Option<Vec<Frame>>| {
        format!("{frames:?}").contains("already_exists") || format!("{frames:?}").contains("AlreadyExists")
    };
    if failed(&first) || failed(&again) {
        return Got::Through(brief(&format!("it was done again: {again:?}")));
    }
    Got::Contained("it was done once".into())
}

async fn session(field: &Field) -> Got {
    // Eve goes on with a session that Ada has.
    let Some(mut of_ada) = websocket(field).await else { return Got::wrong(NO_WELCOME) };
    let welcome = say(&mut of_ada, message(&[hello(&field.ada_token, None, 1)])).await;
    let session = welcome.iter().flatten().find_map(|frame| match frame {
        Frame::Welcome(welcome) => Some(welcome.session),
        _ => None,
    });
    let Some(mut of_eve) = websocket(field).await else { return Got::wrong(NO_WELCOME) };
    let mut first = message(&[hello(&field.eve_token, session, 2)]);
    let op = Op::Get { path: Target::Path(HIDDEN.into()), version: None, children: None };
    encode_frame(
        &Frame::Request(Request { seq: 1, acknowledged: 0, op, timeout_ms: None, credit: None }),
        &mut first,
    );
    let mut all = String::new();
    let mut frames = say(&mut of_eve, first).await;
    for _ in 0..3 {
        all.push_str(&format!("{frames:?}"));
        frames = say(&mut of_eve, message(&[Frame::Ping { token: 1 }])).await;
    }
    let secret: String = SECRET.bytes().map(|byte| format!("{byte}, ")).collect();
    let is_same = session.is_some_and(|session| all.contains(&format!("session: {session:?}")));
    if all.contains(SECRET) || all.contains(secret.trim_end_matches(", ")) || is_same {
        Got::Through(brief(&all))
    } else {
        Got::Contained(brief(&all))
    }
}
