//! Connections that are lost, refused, silent, and closed.

use super::*;
use emerge_proto::frame::{Frame, encode_frame};

fn message(frame: &Frame) -> Vec<u8> {
    let mut message = Vec::new();
    encode_frame(frame, &mut message);
    message
}

#[test]
fn states_are_told_in_order() {
    let mut bench = Bench::open();
    assert_eq!(bench.states, [State::Open]);
    bench.cut();
    bench.reconnect();
    assert_eq!(bench.states, [State::Open, State::Offline, State::Resuming, State::Open]);
    assert_eq!(bench.reasons, [ErrorCode::Disconnected]);
    let connections: Vec<u64> = bench
        .peer
        .heard
        .iter()
        .filter_map(|frame| if let Frame::Hello(hello) = frame { Some(hello.connection) } else { None })
        .collect();
    assert_eq!(connections, [1, 2]);
}

#[test]
fn unreachable_nodes_are_tried_with_growing_waits() {
    let mut bench = Bench::new(Config::new("t"));
    let mut waits = Vec::new();
    for _ in 0..30 {
        assert!(std::mem::take(&mut bench.wire.opening));
        bench.session.handle_closed(bench.now);
        bench.drain(&[]);
        let wait = bench.session.poll_timeout().unwrap() - bench.now;
        waits.push(wait);
        bench.advance(wait);
    }
    assert!(waits[0] <= 100 && waits.iter().all(|wait| *wait <= 10_000), "{waits:?}");
    assert!(waits[10..].iter().any(|wait| *wait > 2_000), "{waits:?}");
    // The network is back, as the host knows.
    bench.session.handle_closed(bench.now);
    bench.session.hurry(bench.now);
    bench.drain(&[]);
    bench.settle();
    assert_eq!(bench.session.state(), State::Open);
    // One outcome, and the next loss is a first one.
    bench.request(&read("/a"));
    bench.settle();
    bench.cut();
    assert!(bench.session.poll_timeout().unwrap() - bench.now <= 100);
}

#[test]
fn a_connection_that_does_not_open_is_given_up() {
    let mut bench = Bench::new(Config::new("t"));
    bench.wire.opening = false;
    bench.advance(10_000);
    assert_eq!(bench.reasons, [ErrorCode::Disconnected]);
    bench.reconnect();
}

#[test]
fn silence_is_asked_about_and_then_taken_for_death() {
    let mut bench = Bench::open();
    bench.advance(limits::HEARTBEAT_MS);
    assert!(matches!(bench.wire.up.front(), Some(up) if !up.is_empty()));
    bench.settle();
    assert!(matches!(bench.peer.heard.last(), Some(Frame::Ping { .. })));
    // It answered, so it lives.
    bench.advance(limits::DEAD_AFTER_MS - 1);
    assert_eq!(bench.session.state(), State::Open);
    bench.advance(1);
    assert_eq!(bench.states, [State::Open, State::Offline]);
    bench.reconnect();
}

#[test]
fn the_node_is_answered_when_it_asks() {
    let mut bench = Bench::open();
    bench.hand_in(&message(&Frame::Ping { token: 77 }));
    bench.settle();
    assert_eq!(bench.peer.heard.last(), Some(&Frame::Pong { token: 77 }));
}

#[test]
fn hopeless_refusals_end_the_session() {
    for code in [ErrorCode::Unauthenticated, ErrorCode::UnsupportedVersion, ErrorCode::ForbiddenOrigin] {
        let mut bench = Bench::new(Config::new("wrong"));
        let seq = bench.request(&write("/a"));
        bench.peer.refuse = Some(Error::new(code, "no"));
        bench.settle();
        assert_eq!(bench.session.state(), State::Closed);
        assert_eq!(bench.reasons, [code]);
        assert_eq!(bench.told_of(seq), [Told::Error(code, Some(Effect::None))]);
        assert_eq!(bench.session.poll_timeout(), None, "it does not try again");
        assert_eq!(bench.session.request(read("/a"), None, None, 0).unwrap_err().code, code);
    }
}

#[test]
fn a_refusal_that_the_host_read_ends_the_session_also_after_its_transport() {
    for transport_first in [true, false] {
        let mut bench = Bench::new(Config::new("t"));
        let seq = bench.request(&write("/a"));
        assert!(bench.wire.opening);
        if transport_first {
            bench.session.handle_closed(bench.now);
        }
        bench.session.handle_refused(Error::new(ErrorCode::ForbiddenOrigin, "no"), bench.now);
        bench.drain(&[]);
        assert_eq!(bench.session.state(), State::Closed);
        assert_eq!(bench.reasons.last(), Some(&ErrorCode::ForbiddenOrigin));
        assert_eq!(bench.told_of(seq), [Told::Error(ErrorCode::ForbiddenOrigin, Some(Effect::None))]);
        bench.session.handle_refused(Error::new(ErrorCode::Unavailable, "late"), bench.now);
        assert_eq!(bench.session.state(), State::Closed, "a late answer changes nothing");
    }
}

#[test]
fn a_node_that_is_not_ready_is_tried_again() {
    let mut bench = Bench::new(Config::new("t"));
    bench.peer.refuse = Some(Error::new(ErrorCode::Unavailable, "starting"));
    for _ in 0..20 {
        bench.settle();
        assert_eq!(bench.session.state(), State::Offline);
        bench.advance(10_000);
    }
    bench.peer.refuse = None;
    bench.reconnect();
}

#[test]
fn what_the_node_never_takes_is_not_sent_for_ever() {
    let mut bench = Bench::open();
    let seq = bench.request(&write("/a"));
    for _ in 0..MAX_REFUSALS {
        bench.hand_in(&message(&Frame::Close { error: Error::new(ErrorCode::BadFrame, "no") }));
        bench.peer.mute = true;
        if bench.session.state() != State::Closed {
            bench.reconnect();
        }
    }
    assert_eq!(bench.session.state(), State::Closed);
    assert_eq!(bench.told_of(seq), [Told::Error(ErrorCode::BadFrame, Some(Effect::Unknown))]);
}

#[test]
fn a_foreign_protocol_version_ends_the_session() {
    let mut bench = Bench::new(Config::new("t"));
    bench.open_link();
    let welcome = Welcome {
        version: 9,
        session: SessionId([1; 16]),
        resumed: false,
        user: String::new(),
        node: String::new(),
        time: 0,
    };
    bench.hand_in(&message(&Frame::Welcome(welcome)));
    assert_eq!(bench.session.state(), State::Closed);
    assert_eq!(bench.reasons, [ErrorCode::UnsupportedVersion]);
}

#[test]
fn nonsense_drops_the_connection_and_nothing_else() {
    let result = message(&Frame::Result { seq: 1, value: Some(vec![1; 40]), error: None });
    let nonsense = [
        vec![0xff],
        result[..20].to_vec(),
        vec![0x82, 0x18, 99, 0x80],
        message(&Frame::Bye),
        b"text".to_vec(),
    ];
    for bytes in nonsense {
        let mut bench = Bench::open();
        let seq = bench.request(&write("/a"));
        bench.step_up();
        bench.hand_in(&bytes);
        assert_eq!(bench.session.state(), State::Offline, "{bytes:?}");
        assert!(bench.told.is_empty());
        bench.reconnect();
        assert_eq!(bench.told_of(seq), [Told::Value(b"/a".to_vec())]);
        assert_eq!(bench.peer.effects["/a"], 1);
    }
}

#[test]
fn what_came_before_the_nonsense_counts() {
    let mut bench = Bench::open();
    let seq = bench.request(&read("/a"));
    bench.step_up();
    let mut bytes = bench.wire.down.pop_front().unwrap();
    bytes.push(0xff);
    bench.hand_in(&bytes);
    assert_eq!(bench.told_of(seq), [Told::Value(b"/a".to_vec())]);
    assert_eq!(bench.session.state(), State::Offline);
}

#[test]
fn a_node_must_greet_first() {
    let mut bench = Bench::new(Config::new("t"));
    bench.open_link();
    bench.hand_in(&message(&Frame::Result { seq: 1, value: Some(vec![]), error: None }));
    assert_eq!(bench.reasons, [ErrorCode::BadFrame]);
}

#[test]
fn closing_waits_for_outcomes_and_says_goodbye() {
    let mut bench = Bench::open();
    let (seq, stream) = (bench.request(&write("/a")), bench.stream(&list("/d"), 1));
    bench.session.close(bench.now);
    assert_eq!(bench.session.request(read("/a"), None, None, 0).unwrap_err().code, ErrorCode::Disconnected);
    bench.drain(&[]);
    assert_eq!(bench.session.state(), State::Open);
    bench.settle();
    assert_eq!(bench.told_of(seq), [Told::Value(b"/a".to_vec())]);
    assert!(matches!(bench.told_of(stream).last(), Some(Told::Error(ErrorCode::Cancelled, _))));
    assert_eq!(bench.session.state(), State::Closed);
    assert!(bench.reasons.is_empty(), "closing is no error");
}

#[test]
fn goodbye_is_the_last_word() {
    let mut bench = Bench::open();
    bench.session.close(bench.now);
    let bye = bench.session.poll_transmit().unwrap();
    assert_eq!(bye, message(&Frame::Bye));
    assert_eq!(bench.session.poll_transmit(), None);
    assert_eq!(bench.session.poll_event(), Some(Event::Disconnect));
    assert_eq!(bench.session.poll_event(), Some(Event::State(State::Closed, None)));
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn closing_does_not_wait_for_ever() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let (written, unread) = (bench.request(&write("/a")), bench.request(&read("/a")));
    bench.settle();
    bench.session.close(bench.now);
    bench.advance(5_000);
    assert_eq!(bench.told_of(written), [Told::Error(ErrorCode::Disconnected, Some(Effect::Unknown))]);
    assert_eq!(bench.told_of(unread), [Told::Error(ErrorCode::Disconnected, Some(Effect::None))]);
    assert_eq!(bench.session.state(), State::Closed);
}

#[test]
fn closing_without_a_connection_is_at_once() {
    let mut bench = Bench::open();
    bench.cut();
    let seq = bench.request(&write("/a"));
    bench.session.close(bench.now);
    bench.drain(&[]);
    assert_eq!(bench.session.state(), State::Closed);
    assert_eq!(bench.told_of(seq), [Told::Error(ErrorCode::Disconnected, Some(Effect::None))]);
}
