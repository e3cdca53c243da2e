//! Watches over connections by hand: what is told, when, and after a cut.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use emerge_proto::class::decode;
use emerge_proto::frame::{Frame, Request};
use emerge_proto::watch::{Change, ChangeKind};
use emerge_proto::{ErrorCode, Op, limits};

fn watch(seq: u64, pattern: &str, from: Option<&str>, credit: u32) -> Frame {
    let op = Op::Watch { pattern: pattern.into(), from: from.map(str::to_owned) };
    Frame::Request(Request { seq, acknowledged: 0, op, timeout_ms: None, credit: Some(credit) })
}

fn told(frames: &[Frame]) -> Vec<(ChangeKind, String)> {
    let change = |frame: &Frame| match frame {
        Frame::Item { value, cursor, .. } => {
            let change: Change = decode(value).unwrap();
            assert_eq!(*cursor, change.token);
            Some((change.kind, change.path))
        }
        _ => None,
    };
    frames.iter().filter_map(change).collect()
}

fn created(paths: &[&str]) -> Vec<(ChangeKind, String)> {
    paths.iter().map(|path| (ChangeKind::Created, (*path).to_owned())).collect()
}

#[test]
fn a_change_is_told_when_it_is_durable_and_a_slow_reader_waits_alone() {
    let node = node();
    let (mut watcher, session) = Peer::open(&node, None, 1);
    let (mut slow, _) = Peer::open(&node, None, 1);
    let (mut writer, _) = Peer::open(&node, None, 1);
    let begun = watcher.says(&[watch(1, "/**", None, 10)], NOW);
    assert_eq!(told(&begun), [(ChangeKind::Watching, "/**".to_owned())]);
    assert_eq!(told(&slow.says(&[watch(1, "/**", None, 2)], NOW)).len(), 1);
    writer.says(&[request(1, 0, mkdir("/a"), None), request(2, 0, mkdir("/b"), None)], NOW);
    assert_eq!(watcher.hears(NOW), []);
    commit(&node);
    assert_eq!(told(&watcher.hears(NOW)), created(&["/a", "/b"]));
    assert_eq!(told(&slow.hears(NOW)), created(&["/a"]));
    assert_eq!(told(&slow.says(&[Frame::Credit { seq: 1, more: 5 }], NOW)), created(&["/b"]));
    // After a cut it goes on after the last item that arrived.
    writer.says(&[request(3, 0, mkdir("/c"), None), request(4, 0, mkdir("/d"), None)], NOW);
    commit(&node);
    let heard = watcher.hears(NOW);
    let Frame::Item { cursor, .. } = &heard[0] else { panic!("{heard:?}") };
    let (mut again, _) = Peer::open(&node, Some(session), 2);
    assert_eq!(told(&again.says(&[watch(1, "/**", Some(cursor), 10)], NOW)), created(&["/d"]));
    // A node that stops does not wait for it.
    again.connection.drain();
    assert_eq!(again.connection.in_flight(), 0);
}

#[test]
fn bad_watches_are_refused_and_they_are_bounded() {
    let node = node();
    let (mut peer, _) = Peer::open(&node, None, 1);
    let code = |frames: Vec<Frame>| match &frames[..] {
        [Frame::Result { error: Some(error), .. }] => error.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(peer.says(&[watch(1, "a", None, 1)], NOW)), ErrorCode::BadArgument);
    assert_eq!(code(peer.says(&[watch(2, "/**", Some("no token"), 1)], NOW)), ErrorCode::BadArgument);
    let plain = Op::Watch { pattern: "/**".into(), from: None };
    assert_eq!(code(peer.says(&[request(3, 0, plain, None)], NOW)), ErrorCode::Unsupported);
    for seq in 0..limits::MAX_WATCHES as u64 {
        assert_eq!(peer.says(&[watch(10 + seq, "/**", None, 1)], NOW).len(), 1);
    }
    assert_eq!(code(peer.says(&[watch(200, "/**", None, 1)], NOW)), ErrorCode::LimitExceeded);
    // One that is cancelled makes room.
    peer.says(&[Frame::Cancel { seq: 10 }], NOW);
    assert_eq!(told(&peer.says(&[watch(201, "/**", None, 1)], NOW)).len(), 1);
}
