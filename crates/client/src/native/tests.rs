//! The native client over real sockets, against a scripted node whose connections can be cut.

use super::*;
use emerge_proto::class::encode;
use emerge_proto::frame::{Frame, Request, Welcome, decode_message, encode_frame};
use emerge_proto::op::Target;
use emerge_proto::record::{Page, Stored};
use emerge_proto::{ObjectId, ObjectType, Op, Path, Perms, SessionId, Stat};
use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

const TOKEN: &str = "secret";
const PAGES: usize = 40;

#[derive(Default)]
struct Script {
    /// Writes done, with their outcomes.
    outcomes: HashMap<u64, Stored>,
    heard: Vec<Frame>,
    messages: usize,
    /// The connection breaks after so many more requests, before they are answered.
    break_after: Option<usize>,
    /// Requests are taken and not answered.
    mute: bool,
}

#[derive(Clone)]
struct Node {
    url: String,
    script: Arc<Mutex<Script>>,
}

impl Node {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let node = Self { url, script: Arc::default() };
        let serving = node.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        node
    }

    async fn serve(self, stream: TcpStream) {
        let mut socket = accept_async(stream).await.unwrap();
        let mut streams = HashMap::new();
        while let Some(Ok(message)) = socket.next().await {
            let Message::Binary(bytes) = message else { continue };
            let mut out = Vec::new();
            for frame in decode_message(&bytes).unwrap() {
                if !self.frame(frame, &mut streams, &mut out) {
                    return;
                }
            }
            pump(&mut streams, &mut out);
            self.script.lock().unwrap().messages += 1;
            if !out.is_empty() && socket.send(Message::Binary(out.into())).await.is_err() {
                return;
            }
        }
    }

    /// False when the connection breaks.
    fn frame(&self, frame: Frame, streams: &mut HashMap<u64, (usize, u32)>, out: &mut Vec<u8>) -> bool {
        let mut script = self.script.lock().unwrap();
        script.heard.push(frame.clone());
        let reply = match frame {
            Frame::Hello(hello) if hello.token != TOKEN => {
                Frame::Close { error: Error::new(ErrorCode::Unauthenticated, "the token is not valid here") }
            }
            Frame::Hello(hello) => {
                let (session, resumed) = (SessionId([1; 16]), hello.session.is_some());
                Frame::Welcome(Welcome {
                    version: 1,
                    session,
                    resumed,
                    user: "u".into(),
                    node: "n".into(),
                    time: 0,
                })
            }
            Frame::Request(Request { seq, op: Op::List { after, .. }, credit: Some(credit), .. }) => {
                let next = after.map_or(0, |after| after.parse::<usize>().unwrap() + 1);
                streams.insert(seq, (next, credit));
                return true;
            }
            Frame::Request(Request { seq, op, .. }) => {
                let answer = script.answer(seq, &op);
                if let Some(left) = &mut script.break_after {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        script.break_after = None;
                        return false;
                    }
                }
                if script.mute {
                    return true;
                }
                let (value, error) = match answer {
                    Ok(value) => (Some(value), None),
                    Err(error) => (None, Some(error)),
                };
                Frame::Result { seq, value, error }
            }
            Frame::Credit { seq, more } => {
                if let Some((_, credit)) = streams.get_mut(&seq) {
                    *credit += more;
                }
                return true;
            }
            _ => return true,
        };
        encode_frame(&reply, out);
        true
    }

    async fn heard(&self, wanted: impl Fn(&Frame) -> bool) {
        for _ in 0..2000 {
            if self.script.lock().unwrap().heard.iter().any(&wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("never heard; only {:?}", self.script.lock().unwrap().heard);
    }
}

impl Script {
    fn answer(&mut self, seq: u64, op: &Op) -> Result<Vec<u8>> {
        match op {
            Op::Stat { path: Target::Path(path) } if path == "/missing" => {
                Err(Error::new(ErrorCode::NotFound, "nothing is stored there").at(path))
            }
            Op::Stat { path: Target::Path(path) } => Ok(encode(&stat(path))),
            Op::Mkdir { .. } => {
                let version = self.outcomes.len() as u64 + 1;
                let made = Stored { id: ObjectId([2; 16]), version, modified: 0 };
                Ok(encode(self.outcomes.entry(seq).or_insert(made)))
            }
            other => panic!("not in this play: {other:?}"),
        }
    }
}

fn pump(streams: &mut HashMap<u64, (usize, u32)>, out: &mut Vec<u8>) {
    streams.retain(|seq, (next, credit)| {
        while *credit > 0 && *next < PAGES {
            let page = Page::by_name(vec![stat(&format!("/{next}"))], None);
            let cursor = format!("{next:03}");
            encode_frame(&Frame::Item { seq: *seq, value: encode(&page), cursor }, out);
            *next += 1;
            *credit -= 1;
        }
        if *next == PAGES {
            encode_frame(&Frame::Result { seq: *seq, value: Some(vec![0xf6]), error: None }, out);
        }
        *next < PAGES
    });
}

fn stat(path: &str) -> Stat {
    Stat {
        name: path.trim_start_matches('/').into(),
        id: ObjectId::ROOT,
        kind: ObjectType::Directory,
        class: None,
        class_hash: None,
        class_version: None,
        owner: "u".into(),
        group: "u".into(),
        perms: Perms::DEFAULT,
        version: 1,
        created: 0,
        modified: 0,
        size: 0,
        node: "n".into(),
        rules: None,
        path: None,
        requires: None,
    }
}

async fn connected() -> (Node, Client) {
    let node = Node::start().await;
    let client = Client::connect(&node.url, TOKEN).await.unwrap();
    (node, client)
}

#[tokio::test]
async fn replies_and_errors_are_typed() {
    let (_node, client) = connected().await;
    assert_eq!(client.state(), State::Open);
    assert_eq!(client.welcome().unwrap().user, "u");
    assert_eq!(client.stat(&Path::parse("/a").unwrap()).await.unwrap().name, "a");
    assert_eq!(client.mkdir("/d", true).await.unwrap().version, 1);
    let error = client.stat("/missing").await.unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::NotFound, Some("/missing")));
    client.close().await;
    assert_eq!(client.state(), State::Closed);
    assert_eq!(client.stat("/a").await.unwrap_err().code, ErrorCode::Disconnected);
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}");
    let error = Client::connect(&url, TOKEN).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::Disconnected);
    assert!(error.message.contains(&url), "{error}");
    let node = Node::start().await;
    let error = Client::connect(&node.url, "wrong").await.err().unwrap();
    assert_eq!(error.code, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_doubles_nothing() {
    let (node, client) = connected().await;
    for round in 1..=5 {
        node.script.lock().unwrap().break_after = Some(7);
        let made = futures_util::future::join_all((0..20).map(|_| client.mkdir("/d", true))).await;
        let mut versions: Vec<u64> = made.into_iter().map(|made| made.unwrap().version).collect();
        versions.sort_unstable();
        assert_eq!(versions, ((round - 1) * 20 + 1..=round * 20).collect::<Vec<u64>>());
    }
    let script = node.script.lock().unwrap();
    assert_eq!(script.heard.iter().filter(|frame| matches!(frame, Frame::Hello(_))).count(), 6);
}

#[tokio::test]
async fn requests_of_one_turn_share_a_message() {
    let (node, client) = connected().await;
    let before = node.script.lock().unwrap().messages;
    let stats = futures_util::future::join_all((0..64).map(|_| client.stat("/a"))).await;
    assert!(stats.iter().all(Result::is_ok));
    assert_eq!(node.script.lock().unwrap().messages - before, 1);
}

#[tokio::test]
async fn a_stream_is_read_to_its_end_also_over_a_loss() {
    let (node, client) = connected().await;
    let mut pages = client.list("/d");
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        names.push(page.unwrap().members[0].name.clone());
        if names.len() == 10 {
            node.script.lock().unwrap().break_after = Some(1);
            client.stat("/a").await.unwrap();
        }
    }
    assert_eq!(names, (0..PAGES).map(|name| name.to_string()).collect::<Vec<String>>());
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_reply_cancels_its_request() {
    let (node, client) = connected().await;
    node.script.lock().unwrap().mute = true;
    let reply = client.request(Op::Stat { path: "/a".into() }).unwrap();
    node.heard(|frame| matches!(frame, Frame::Request(_))).await;
    drop(reply);
    node.heard(|frame| *frame == Frame::Cancel { seq: 1 }).await;
    let pages = client.list("/d");
    node.heard(|frame| matches!(frame, Frame::Request(request) if request.seq == 2)).await;
    drop(pages);
    node.heard(|frame| *frame == Frame::Cancel { seq: 2 }).await;
}

#[tokio::test]
async fn a_deadline_ends_what_gets_no_answer() {
    let (node, client) = connected().await;
    node.script.lock().unwrap().mute = true;
    let hasty = client.with_timeout(Duration::from_millis(30));
    let error = hasty.mkdir("/d", true).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DeadlineExceeded);
    assert_eq!(error.effect, Some(emerge_proto::error::Effect::Unknown));
}

#[tokio::test]
async fn the_goodbye_leaves_before_the_connection_ends() {
    let (node, client) = connected().await;
    let asked = client.request(Op::Mkdir { path: "/d".into(), exist_ok: true }).unwrap();
    client.close().await;
    asked.await.unwrap();
    node.heard(|frame| *frame == Frame::Bye).await;
    // The last clone says goodbye by being dropped.
    let (node, client) = connected().await;
    drop(client);
    node.heard(|frame| *frame == Frame::Bye).await;
}

// One thread, so that what leaves together does not depend on which of two is quicker.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tasks_that_are_answered_together_ask_together() {
    let (node, client) = connected().await;
    let before = node.script.lock().unwrap().messages;
    let asking = tokio::spawn(async move {
        let op = Op::Stat { path: (&Path::parse("/a").unwrap()).into() };
        // In one turn, so that the first answers come together.
        let first: Vec<_> = (0..64).map(|_| client.request(&op).unwrap()).collect();
        let tasks: Vec<_> = first
            .into_iter()
            .map(|first| {
                let client = client.clone();
                tokio::spawn(async move {
                    first.await.unwrap();
                    for _ in 0..50 {
                        client.stat("/a").await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    asking.await.unwrap();
    let messages = node.script.lock().unwrap().messages - before;
    assert!(messages < 64 * 50 / 8, "{messages} messages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_client() {
    let (_node, client) = connected().await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    client.stat("/a").await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(client.handle.shared.is_idle());
}

#[tokio::test]
async fn a_node_that_refuses_the_handshake_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(String::from_utf8(head).unwrap().contains(emerge_proto::error::MEDIA_TYPE));
        let body = encode(&Error::new(ErrorCode::ForbiddenOrigin, "not from there"));
        let kind = emerge_proto::error::MEDIA_TYPE;
        let length = body.len();
        let head =
            format!("HTTP/1.1 403 Forbidden\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    };
    let (refused, ()) = tokio::join!(Client::connect(&url, TOKEN), answer);
    let error = refused.err().unwrap();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::ForbiddenOrigin, "not from there"));
}
