//! Transactions that the node holds open, over connections by hand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_engine::MemoryBackend;
use emerge_node::Node;
use emerge_proto::class::decode;
use emerge_proto::frame::{Frame, Request};
use emerge_proto::record::{Fetched, MemberCalled, Page};
use emerge_proto::transaction::{Ended, Transaction};
use emerge_proto::{Error, ErrorCode, Op, SessionId, Value, limits};
use emerge_runtime::{BoxFuture, Call, Fs, Returned};
use std::future::pending;
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

/// A client that numbers its requests and waits for each.
struct Client {
    node: Node<MemoryBackend>,
    peer: Peer,
    session: SessionId,
    seq: u64,
    now: i64,
}

impl Client {
    fn new(node: &Node<MemoryBackend>) -> Self {
        let (peer, session) = Peer::open(node, None, 1);
        Self { node: node.clone(), peer, session, seq: 0, now: NOW }
    }

    fn send(&mut self, seq: u64, op: Op) -> Result<Vec<u8>, Error> {
        let mut heard = self.peer.says(&[request(seq, 0, op, None)], self.now);
        commit(&self.node);
        heard.extend(self.peer.hears(self.now));
        match &heard[..] {
            [Frame::Result { seq: of, value, error }] if *of == seq => {
                error.clone().map_or_else(|| Ok(value.clone().unwrap()), Err)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, op: Op) -> Result<Vec<u8>, Error> {
        self.seq += 1;
        self.send(self.seq, op)
    }

    fn begin(&mut self, name: Option<&str>) -> Result<Transaction, Error> {
        let op = Op::Begin { name: name.map(str::to_owned), lifetime_ms: None };
        self.ask(op).map(|reply| decode(&reply).unwrap())
    }

    fn inside(&mut self, tx: &str, op: Op) -> Result<Vec<u8>, Error> {
        self.ask(within(tx, op))
    }

    fn end(&mut self, tx: &str, commit: bool) -> Result<Option<i64>, Error> {
        self.ask(Op::End { tx: tx.into(), commit }).map(|reply| decode::<Ended>(&reply).unwrap().committed)
    }

    /// The number that an object holds; none when it is not there.
    fn number(&mut self, path: &str) -> Option<i64> {
        match self.ask(get(path)) {
            Ok(reply) => Some(number_in(&reply)),
            Err(error) => {
                assert_eq!(error.code, ErrorCode::NotFound, "{error}");
                None
            }
        }
    }

    /// A new connection of the same session.
    fn reconnect(&mut self, connection: u64) {
        self.peer = Peer::open(&self.node, Some(self.session), connection).0;
    }
}

fn within(tx: &str, op: Op) -> Op {
    Op::In { tx: tx.into(), op: Box::new(op), after: None }
}

fn get(path: &str) -> Op {
    Op::Get { path: path.into(), version: None, children: None }
}

fn call(path: &str, method: &str) -> Op {
    Op::Call {
        path: path.into(),
        method: method.into(),
        args: vec![0x80],
        log: false,
        after: None,
        with: None,
    }
}

fn number_in(reply: &[u8]) -> i64 {
    match Value::decode(&decode::<Fetched>(reply).unwrap().state).unwrap() {
        Value::Map(fields) => match fields.first() {
            Some((_, Value::Int(number))) => *number,
            None => 0,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A node whose objects hold a number `n` and have the methods `add`, `fail` (which changes it and fails), `save` (which
/// stores another object and fails) and `hang`.
fn counters() -> Node<MemoryBackend> {
    let node = node_with(WithFs(|call: Call, fs: Arc<dyn Fs>| -> BoxFuture<'static, _> {
        Box::pin(async move {
            let number = match Value::decode(&call.state)? {
                Value::Map(fields) => fields.first().map_or(0, |(_, value)| match value {
                    Value::Int(number) => *number,
                    _ => 0,
                }),
                _ => 0,
            };
            match call.method.as_str() {
                "hang" => {
                    fs.request(mkdir("/hung")).await?;
                    pending().await
                }
                "save" => {
                    fs.request(mkdir("/saved")).await?;
                    Err(Error::new(ErrorCode::MethodFailed, "no"))
                }
                "fail" => Err(Error::new(ErrorCode::MethodFailed, "no")),
                _ => {
                    let state = Value::Map(vec![("n".into(), Value::Int(number + 1))]).encode();
                    Ok(Returned { result: vec![0xf6], state: Some(state), log: String::new() })
                }
            }
        })
    }));
    let mut client = Client::new(&node);
    let class = thing();
    client.ask(Op::PutClass { class: class.clone() }).unwrap();
    for path in ["/counters/a", "/counters/b"] {
        client.ask(store(path, &class)).unwrap();
    }
    node
}

#[test]
fn a_block_commits_as_one_and_nobody_sees_half_of_it() {
    let node = counters();
    let (mut client, mut other) = (Client::new(&node), Client::new(&node));
    let tx = client.begin(None).unwrap();
    assert_eq!(tx.expires - tx.began, limits::TRANSACTION_MS as i64 * 1000);
    let id = tx.id.to_string();
    for _ in 0..3 {
        client.inside(&id, call("/counters/a", "add")).unwrap();
    }
    client.inside(&id, store("/new", &thing())).unwrap();
    assert_eq!(number_in(&client.inside(&id, get("/counters/a")).unwrap()), 3);
    assert_eq!((other.number("/counters/a"), other.number("/new")), (Some(0), None));
    client.now = NOW + 7 * SECOND;
    assert_eq!(client.end(&id, true).unwrap(), Some(NOW + 7 * SECOND));
    assert_eq!((other.number("/counters/a"), other.number("/new")), (Some(3), Some(0)));
    let history = other.ask(Op::History { path: "/counters/a".into(), before: None, limit: None }).unwrap();
    let history: Vec<emerge_proto::record::VersionInfo> = decode(&history).unwrap();
    assert_eq!(
        (history.len(), history[0].modified),
        (2, NOW + 7 * SECOND),
        "one version, of the time of the commit"
    );
    let error = client.end(&id, true).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::TransactionExpired, Some(&*id)));
    assert!(error.message.contains("was committed"), "{error}");
}

#[test]
fn a_conflict_names_the_path_and_nothing_happens() {
    let node = counters();
    let (mut client, mut other) = (Client::new(&node), Client::new(&node));
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, get("/counters/b")).unwrap();
    client.inside(&id, store("/new", &thing())).unwrap();
    other.ask(call("/counters/b", "add")).unwrap();
    let error = client.end(&id, true).unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::Conflict, Some("/counters/b")));
    assert_eq!(other.number("/new"), None);
    assert_eq!(client.end(&id, true).unwrap_err().code, ErrorCode::TransactionExpired);
}

#[test]
fn an_operation_that_fails_changes_nothing_and_the_transaction_goes_on() {
    let node = counters();
    let mut client = Client::new(&node);
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, call("/counters/a", "add")).unwrap();
    for method in ["fail", "save"] {
        let error = client.inside(&id, call("/counters/a", method)).unwrap_err();
        assert_eq!(error.code, ErrorCode::MethodFailed);
    }
    let again = client.inside(&id, store("/counters/a", &thing())).unwrap_err();
    assert_eq!(again.code, ErrorCode::AlreadyExists);
    assert_eq!(client.inside(&id, get("/saved")).unwrap_err().code, ErrorCode::NotFound);
    client.end(&id, true).unwrap();
    assert_eq!((client.number("/counters/a"), client.number("/saved")), (Some(1), None));
}

#[test]
fn a_stale_error_is_a_conflict() {
    let node = counters();
    let (mut client, mut other) = (Client::new(&node), Client::new(&node));
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, get("/counters/a")).unwrap();
    other.ask(Op::Rm { path: "/counters/b".into(), recursive: false }).unwrap();
    other.ask(call("/counters/a", "add")).unwrap();
    let error = client.inside(&id, get("/counters/b")).unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (ErrorCode::Conflict, Some("/counters/a")));
}

#[test]
fn a_named_transaction_is_added_to_by_several_clients_of_its_user() {
    let node = counters();
    let (mut client, mut second) = (Client::new(&node), Client::new(&node));
    client.begin(Some("month end")).unwrap();
    let taken = second.begin(Some("month end")).unwrap_err();
    assert_eq!((taken.code, taken.field.as_deref()), (ErrorCode::AlreadyExists, Some("name")));
    client.inside("month end", call("/counters/a", "add")).unwrap();
    second.inside("month end", call("/counters/a", "add")).unwrap();
    let open: Vec<Transaction> = decode(&second.ask(Op::Transactions { tx: None }).unwrap()).unwrap();
    assert_eq!((open.len(), open[0].name.as_deref(), open[0].operations), (1, Some("month end"), 2));
    assert!(open[0].bytes > 0);
    // Its opener may leave.
    client.peer.says(&[Frame::Bye], NOW);
    second.end("month end", true).unwrap();
    assert_eq!(second.number("/counters/a"), Some(2));
    assert_eq!(
        second.inside("month end", get("/counters/a")).unwrap_err().code,
        ErrorCode::TransactionExpired
    );
    assert_eq!(second.inside("never", get("/counters/a")).unwrap_err().code, ErrorCode::NotFound);
    second.begin(Some("month end")).unwrap();
    second.end("month end", false).unwrap();
}

#[test]
fn another_user_does_not_find_it() {
    let node = counters();
    let mut client = Client::new(&node);
    let tx = client.begin(Some("mine")).unwrap();
    let mut ada = Client::new(&node);
    let mut peer = Peer::new(&node);
    peer.says(&[hello("ada", None, 1)], NOW);
    ada.peer = peer;
    assert_eq!(ada.inside("mine", get("/counters/a")).unwrap_err().code, ErrorCode::NotFound);
    let by_id = ada.end(&tx.id.to_string(), false).unwrap_err();
    assert_eq!(by_id.code, ErrorCode::TransactionExpired);
    assert_eq!(ada.ask(Op::Transactions { tx: None }).unwrap(), [0x80]);
    // Nor does it keep the name from her.
    ada.begin(Some("mine")).unwrap();
    client.inside("mine", get("/counters/a")).unwrap();
}

#[test]
fn what_comes_again_is_not_done_again() {
    let node = counters();
    let mut client = Client::new(&node);
    let begun = client.send(1, Op::Begin { name: None, lifetime_ms: None }).unwrap();
    client.reconnect(2);
    assert_eq!(client.send(1, Op::Begin { name: None, lifetime_ms: None }).unwrap(), begun);
    let id = decode::<Transaction>(&begun).unwrap().id.to_string();
    for connection in 3..6 {
        client.send(2, within(&id, call("/counters/a", "add"))).unwrap();
        client.reconnect(connection);
    }
    let ended = client.send(3, Op::End { tx: id.clone(), commit: true }).unwrap();
    client.reconnect(7);
    assert_eq!(client.send(3, Op::End { tx: id, commit: true }).unwrap(), ended);
    client.seq = 3;
    assert_eq!(client.number("/counters/a"), Some(1));

    // One that only read left nothing in the store to be found.
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, get("/counters/a")).unwrap();
    let seq = client.seq + 1;
    let ended = client.send(seq, Op::End { tx: id.clone(), commit: true }).unwrap();
    client.reconnect(8);
    assert_eq!(client.send(seq, Op::End { tx: id, commit: true }).unwrap(), ended);
    let rolled = {
        client.seq = seq;
        let id = client.begin(None).unwrap().id.to_string();
        let seq = client.seq + 1;
        let first = client.send(seq, Op::End { tx: id.clone(), commit: false }).unwrap();
        client.reconnect(9);
        (first, client.send(seq, Op::End { tx: id, commit: false }).unwrap())
    };
    assert_eq!(rolled.0, rolled.1);
}

#[test]
fn an_operation_that_is_cut_off_leaves_nothing() {
    let node = counters();
    let mut client = Client::new(&node);
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, call("/counters/a", "add")).unwrap();
    let hang = request(10, 0, within(&id, call("/counters/a", "hang")), None);
    assert_eq!(client.peer.says(&[hang], NOW), []);
    // What comes after it waits for its turn, and gets it when the connection that hung is gone.
    client.reconnect(2);
    client.seq = 10;
    assert_eq!(client.inside(&id, Op::Stat { path: "/hung".into() }).unwrap_err().code, ErrorCode::NotFound);
    client.end(&id, true).unwrap();
    assert_eq!(client.number("/counters/a"), Some(1));
    // Another cut: by a cancel.
    let id = client.begin(None).unwrap().id.to_string();
    let hang = request(20, 0, within(&id, call("/counters/a", "hang")), None);
    let cut = client.peer.says(&[hang, Frame::Cancel { seq: 20 }], NOW);
    assert!(
        matches!(&cut[..], [Frame::Result { error: Some(error), .. }] if error.code == ErrorCode::Cancelled)
    );
    client.seq = 20;
    assert_eq!(client.inside(&id, Op::Stat { path: "/hung".into() }).unwrap_err().code, ErrorCode::NotFound);
    client.inside(&id, call("/counters/b", "add")).unwrap();
    client.end(&id, true).unwrap();
    assert_eq!(client.number("/counters/b"), Some(1));
}

#[test]
fn it_expires_and_lets_go_of_what_it_held() {
    let node = counters();
    let mut client = Client::new(&node);
    let op = |lifetime_ms| Op::Begin { name: Some("t".into()), lifetime_ms };
    let too_long = client.ask(op(Some(limits::MAX_TRANSACTION_MS + 1))).unwrap_err();
    assert_eq!((too_long.code, too_long.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_TRANSACTION_MS)));
    assert_eq!(client.ask(op(Some(0))).unwrap_err().code, ErrorCode::BadArgument);
    let bad_name = client.begin(Some("a/b")).unwrap_err();
    assert_eq!((bad_name.code, bad_name.field.as_deref()), (ErrorCode::BadArgument, Some("name")));
    client.ask(op(Some(1000))).unwrap();
    client.inside("t", call("/counters/a", "add")).unwrap();
    client.now = NOW + SECOND;
    for _ in 0..2 {
        let error = client.end("t", true).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::TransactionExpired, Some("t")));
        assert!(error.message.contains("expired"), "{error}");
    }
    assert_eq!(client.number("/counters/a"), Some(0));
    // The host's clock does it as well.
    client.ask(op(Some(1000))).unwrap();
    node.handle_timeout(NOW + 2 * SECOND);
    assert_eq!(client.ask(Op::Transactions { tx: None }).unwrap(), [0x80]);
}

#[test]
fn a_user_holds_so_many_and_those_of_a_session_go_with_it() {
    let node = counters();
    let mut client = Client::new(&node);
    for _ in 0..limits::MAX_USER_TRANSACTIONS {
        client.begin(None).unwrap();
    }
    let error = client.begin(None).unwrap_err();
    assert_eq!(
        (error.code, error.limit),
        (ErrorCode::LimitExceeded, Some(limits::MAX_USER_TRANSACTIONS as u64))
    );
    client.peer.says(&[Frame::Bye], NOW);
    let mut client = Client::new(&node);
    client.begin(None).unwrap();
    assert_eq!(
        decode::<Vec<Transaction>>(&client.ask(Op::Transactions { tx: None }).unwrap()).unwrap().len(),
        1
    );
}

#[test]
fn no_transaction_goes_into_another_and_memory_is_bounded() {
    let node = counters();
    let mut client = Client::new(&node);
    let id = client.begin(None).unwrap().id.to_string();
    for op in [
        Op::Begin { name: None, lifetime_ms: None },
        Op::End { tx: id.clone(), commit: true },
        Op::Transactions { tx: None },
        within(&id, get("/counters/a")),
    ] {
        let error = client.inside(&id, op).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("op")));
    }
    let large = |at: usize| {
        Value::Map(vec![("bytes".into(), Value::Bytes(vec![at as u8; 7 * 1024 * 1024]))]).encode()
    };
    let store = |at: usize| Op::Store {
        path: format!("/large/{at}").as_str().into(),
        class: thing().hash(),
        fields: large(at),
        mode: emerge_proto::op::StoreMode::Create,
        base: None,
        removed: None,
        id: None,
    };
    let stored = (0..9).take_while(|at| client.inside(&id, store(*at)).is_ok()).count();
    assert_eq!(stored, limits::MAX_TRANSACTION_BYTES / (7 * 1024 * 1024));
    let error = client.inside(&id, store(8)).unwrap_err();
    assert_eq!((error.code, error.limit), (ErrorCode::TooLarge, Some(limits::MAX_TRANSACTION_BYTES as u64)));
    client.end(&id, true).unwrap();
    let page: Page = decode(
        &client
            .ask(Op::List {
                path: "/large".into(),
                after: None,
                limit: None,
                glob: None,
                sort: None,
                descending: None,
            })
            .unwrap(),
    )
    .unwrap();
    assert_eq!(page.members.len(), stored);
}

#[test]
fn a_node_that_was_started_again_says_that_it_is_gone() {
    let node = counters();
    let id = Client::new(&node).begin(None).unwrap().id.to_string();
    let mut client = Client::new(&counters());
    let error = client.end(&id, true).unwrap_err();
    assert_eq!(error.code, ErrorCode::TransactionExpired);
    assert!(error.message.contains("has not happened"), "{error}");
}

#[test]
fn streams_run_in_it_too() {
    let node = counters();
    let mut client = Client::new(&node);
    let id = client.begin(None).unwrap().id.to_string();
    client.inside(&id, call("/counters/a", "add")).unwrap();
    client.inside(&id, store("/counters/c", &thing())).unwrap();
    let mut stream = |seq, op, after: Option<&str>| -> Vec<Frame> {
        let op = Op::In { tx: id.clone(), op: Box::new(op), after: after.map(str::to_owned) };
        client.peer.says(
            &[Frame::Request(Request { seq, acknowledged: 0, op, timeout_ms: None, credit: Some(9) })],
            NOW,
        )
    };
    let list = Op::List {
        path: "/counters".into(),
        after: None,
        limit: Some(1),
        glob: None,
        sort: None,
        descending: None,
    };
    let names = |heard: Vec<Frame>| -> Vec<String> {
        heard
            .into_iter()
            .filter_map(|frame| if let Frame::Item { cursor, .. } = frame { Some(cursor) } else { None })
            .collect()
    };
    assert_eq!(names(stream(100, list.clone(), None)), ["a", "b", "c"]);
    assert_eq!(names(stream(101, list, Some("a"))), ["b", "c"]);
    let mut heard = stream(102, call("/counters", "add"), None);
    // Cut off and sent again after the first item, it calls nothing twice.
    heard.extend(stream(103, call("/counters", "fail"), Some("b")));
    let failed = heard.iter().filter_map(|frame| match frame {
        Frame::Item { value, .. } => decode::<MemberCalled>(value).unwrap().error.map(|error| error.code),
        _ => None,
    });
    assert_eq!(failed.collect::<Vec<_>>(), [ErrorCode::MethodFailed]);
    client.seq = 103;
    client.end(&id, true).unwrap();
    let numbers = ["a", "b", "c"].map(|name| client.number(&format!("/counters/{name}")));
    assert_eq!(numbers, [Some(2), Some(1), Some(1)]);
}
