//! One connection over a memory store, by hand: what leaves, when, and what does not.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use emerge_engine::{Engine, MemoryBackend};
use emerge_proto::frame::{Frame, Request};
use emerge_proto::{Error, ErrorCode, Op, limits};
use emerge_runtime::{BoxFuture, Call, Returned};
use futures_util::FutureExt;
use std::sync::{Arc, OnceLock};

#[test]
fn a_reply_waits_until_its_change_is_durable() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    assert_eq!(peer.says(&[request(1, 0, mkdir("/a"), None)], NOW), []);
    // Another's read of what is not yet durable waits as well.
    let (mut other, _) = Peer::open(&node, None, 1);
    assert_eq!(other.says(&[request(1, 0, Op::Stat { path: "/a".into() }, None)], NOW), []);
    assert_eq!((peer.connection.in_flight(), other.connection.in_flight()), (1, 1));
    commit(&node);
    assert!(matches!(peer.hears(NOW)[..], [Frame::Result { seq: 1, error: None, .. }]));
    assert!(matches!(other.hears(NOW)[..], [Frame::Result { seq: 1, error: None, .. }]));
}

#[test]
fn an_item_does_not_overtake_one_at_the_gate() {
    // The method changes the object `a`, and elsewhere fails once all that was committed is durable.
    let engine = Arc::new(OnceLock::<Engine<MemoryBackend>>::new());
    let committer = engine.clone();
    let node = node_with(Method(move |call: Call| -> BoxFuture<'static, _> {
        let committer = committer.clone();
        Box::pin(async move {
            if call.path == "/things/a" {
                let state = vec![0xa1, 0x61, b'n', 0x01];
                return Ok(Returned { result: vec![0xf6], state: Some(state), log: String::new() });
            }
            assert!(committer.get().unwrap().run().now_or_never().is_none());
            Err(Error::new(ErrorCode::MethodFailed, "no"))
        })
    }));
    assert!(engine.set(node.engine().clone()).is_ok());
    let (mut peer, _) = Peer::open(&node, None, 1);
    let class = thing();
    let stores = ["/things/a", "/things/b", "/things/c"].map(|path| store(path, &class));
    let mut frames = vec![request(1, 0, Op::PutClass { class }, None)];
    frames.extend(stores.into_iter().zip(2..).map(|(store, seq)| request(seq, 0, store, None)));
    peer.says(&frames, NOW);
    commit(&node);
    assert_eq!(peer.hears(NOW).len(), 4);
    let op = Op::Call {
        path: "/things".into(),
        method: "run".into(),
        args: vec![0x80],
        log: false,
        after: None,
        with: None,
    };
    let call = Frame::Request(Request { seq: 5, acknowledged: 4, op, timeout_ms: None, credit: Some(8) });
    let mut heard = peer.says(&[call], NOW);
    // The change of `a` becomes durable while the stream is being polled.
    commit(&node);
    heard.extend(peer.hears(NOW));
    let names: Vec<&str> = heard
        .iter()
        .map(|frame| match frame {
            Frame::Item { cursor, .. } => cursor,
            Frame::Result { error: None, .. } => "end",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["a", "b", "c", "end"]);
}

#[test]
fn pages_leave_one_by_one_and_streams_take_turns() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    let class = thing();
    peer.says(&[request(1, 0, Op::PutClass { class: class.clone() }, None)], NOW);
    let mut seq = 1;
    for from in (0..2000).step_by(500) {
        let stores: Vec<Frame> = (from..from + 500)
            .map(|number| {
                seq += 1;
                request(seq, 0, store(&format!("/things/{number:05}"), &class), None)
            })
            .collect();
        peer.says(&stores, NOW);
        commit(&node);
        assert!(peer.hears(NOW).len() >= 500);
    }
    let op = Op::List {
        path: "/things".into(),
        after: None,
        limit: None,
        glob: None,
        sort: None,
        descending: None,
    };
    let list = |seq| {
        let op = op.clone();
        Frame::Request(Request { seq, acknowledged: 2001, op, timeout_ms: None, credit: Some(8) })
    };
    // Each of the pages is more than is sent at once.
    let mut heard = peer.says(&[list(2002), list(2003)], NOW);
    while peer.connection.in_flight() > 0 {
        let more = peer.hears(NOW);
        assert!(more.iter().filter(|frame| matches!(frame, Frame::Item { .. })).count() <= 1);
        heard.extend(more);
    }
    let said: Vec<(u64, &str)> = heard
        .iter()
        .map(|frame| match frame {
            Frame::Item { seq, cursor, .. } => (*seq, &cursor[..]),
            Frame::Result { seq, error: None, .. } => (*seq, "end"),
            other => panic!("{other:?}"),
        })
        .collect();
    let [first, last] = ["00999", "01999"];
    let items = said.iter().filter(|(_, cursor)| *cursor != "end").copied().collect::<Vec<_>>();
    assert_eq!(items, [(2002, first), (2003, first), (2002, last), (2003, last)]);
    assert_eq!(said.len(), 6);
}

#[test]
fn a_request_that_comes_again_finds_its_outcome() {
    let node = node();
    let (mut peer, session) = Peer::open(&node, None, 1);
    peer.says(&[request(1, 0, mkdir("/a"), None)], NOW);
    commit(&node);
    let first = peer.hears(NOW);
    // On the same connection, and after the connection was lost.
    assert_eq!(peer.says(&[request(1, 0, mkdir("/a"), None)], NOW), first);
    let (mut again, resumed) = Peer::open(&node, Some(session), 2);
    assert_eq!(resumed, session);
    assert_eq!(again.says(&[request(1, 0, mkdir("/a"), None)], NOW), first);
    // Once acknowledged it is never run again, and not answered either.
    assert_eq!(again.says(&[Frame::Ack { through: 1 }, request(1, 1, mkdir("/a"), None)], NOW), []);
}

#[test]
fn an_older_connection_is_not_listened_to() {
    let node = node();
    let (mut old, session) = Peer::open(&node, None, 1);
    let (_new, _) = Peer::open(&node, Some(session), 2);
    let heard = old.says(&[request(1, 0, mkdir("/a"), None)], NOW);
    assert!(
        matches!(&heard[..], [Frame::Close { error }] if error.code == ErrorCode::SessionExpired),
        "{heard:?}"
    );
    assert!(old.connection.is_closed());
    let mut late = Peer::new(&node);
    let heard = late.says(&[hello("right", Some(session), 1)], NOW);
    assert!(
        matches!(&heard[..], [Frame::Close { error }] if error.code == ErrorCode::SessionExpired),
        "{heard:?}"
    );
}

#[test]
fn endless_requests_end_by_deadline_and_by_cancel() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    let class = thing();
    let store = store("/thing", &class);
    let call = Op::Call {
        path: "/thing".into(),
        method: "run".into(),
        args: vec![0x80],
        log: false,
        after: None,
        with: None,
    };
    peer.says(&[request(1, 0, Op::PutClass { class }, None), request(2, 0, store, None)], NOW);
    commit(&node);
    assert_eq!(peer.hears(NOW).len(), 2);
    assert_eq!(peer.says(&[request(3, 2, call.clone(), Some(50)), request(4, 2, call, None)], NOW), []);
    assert_eq!(peer.connection.poll_timeout(), Some(NOW + 50_000));
    peer.connection.handle_timeout(NOW + 50_000);
    let heard = peer.hears(NOW + 50_000);
    assert!(
        matches!(&heard[..], [Frame::Result { seq: 3, error: Some(error), .. }] if error.code == ErrorCode::DeadlineExceeded),
        "{heard:?}"
    );
    let heard = peer.says(&[Frame::Cancel { seq: 4 }], NOW + 60_000);
    assert!(
        matches!(&heard[..], [Frame::Result { seq: 4, error: Some(error), .. }] if error.code == ErrorCode::Cancelled),
        "{heard:?}"
    );
    assert_eq!(peer.connection.in_flight(), 0);
}

#[test]
fn a_request_without_time_is_refused_and_does_nothing() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    let heard = peer.says(&[request(1, 0, mkdir("/a"), Some(0))], NOW);
    let [Frame::Result { seq: 1, error: Some(error), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("timeout")));
    let heard = peer.says(&[request(2, 1, Op::Stat { path: "/a".into() }, None)], NOW);
    let [Frame::Result { seq: 2, error: Some(error), .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn a_silent_connection_is_given_up_and_a_ping_keeps_it() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    let dead_after = limits::DEAD_AFTER_MS as i64 * 1000;
    assert_eq!(peer.says(&[Frame::Ping { token: 5 }], NOW + 1_000_000), [Frame::Pong { token: 5 }]);
    peer.connection.handle_timeout(NOW + dead_after);
    assert!(!peer.connection.is_closed());
    peer.connection.handle_timeout(NOW + 1_000_000 + dead_after);
    assert!(peer.connection.is_closed());
}

#[test]
fn bye_forgets_the_session() {
    let node = node();
    let (mut peer, session) = Peer::open(&node, None, 1);
    peer.says(&[request(1, 0, mkdir("/a"), None)], NOW);
    commit(&node);
    assert!(node.engine().load_session(session).now_or_never().unwrap().unwrap().is_some());
    peer.says(&[Frame::Bye], NOW);
    assert!(peer.connection.is_closed());
    assert!(node.engine().load_session(session).now_or_never().unwrap().unwrap().is_none());
}
