//! Requests on a connection that holds.

use super::peer::NAMES;
use super::*;
use emerge_proto::frame::Frame;

#[test]
fn requests_of_one_turn_share_a_message() {
    let mut bench = Bench::open();
    let before = bench.peer.messages;
    let seqs: Vec<u64> =
        (0..100).map(|at| bench.session.request(read(&format!("/{at}")), None, None, 0).unwrap()).collect();
    bench.drain(&[]);
    bench.settle();
    assert_eq!(bench.peer.messages - before, 1);
    assert_eq!(seqs, (1..=100).collect::<Vec<u64>>());
    for (at, seq) in seqs.iter().enumerate() {
        assert_eq!(bench.told_of(*seq), [Told::Value(format!("/{at}").into_bytes())]);
    }
    assert_eq!(bench.session.pending(), 0);
}

#[test]
fn messages_are_bounded() {
    let mut config = Config::new("t");
    config.message_bytes = 1000;
    let mut bench = Bench::new(config);
    bench.settle();
    for at in 0..100 {
        bench.session.request(read(&format!("/{at:0>100}")), None, None, 0).unwrap();
    }
    let huge = bench.session.request(read(&format!("/{:0>4000}", 1)), None, None, 0).unwrap();
    while let Some(message) = bench.session.poll_transmit() {
        assert!(message.len() < 1200 || message.len() > 4000 && message.len() < 4100, "{}", message.len());
        bench.wire.up.push_back(message);
    }
    bench.settle();
    assert_eq!(bench.told.len(), 101);
    assert_eq!(bench.told_of(huge).len(), 1);
}

#[test]
fn requests_before_the_welcome_wait() {
    let mut bench = Bench::new(Config::new("t"));
    let seq = bench.request(&read("/a"));
    bench.open_link();
    assert!(bench.step_up());
    assert!(matches!(&bench.peer.heard[..], [Frame::Hello(_)]));
    assert!(bench.told.is_empty());
    bench.settle();
    assert_eq!(bench.told_of(seq).len(), 1);
}

#[test]
fn too_many_requests_are_refused() {
    let mut config = Config::new("t");
    config.max_in_flight = 10;
    config.max_requests = 15;
    let mut bench = Bench::new(config);
    bench.settle();
    bench.peer.mute = true;
    for at in 0..15 {
        bench.request(&read(&format!("/{at}")));
    }
    bench.settle();
    let refused = bench.session.request(read("/x"), None, None, 0).unwrap_err();
    assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(15)));
    let sent = bench.peer.heard.iter().filter(|frame| matches!(frame, Frame::Request(_))).count();
    assert_eq!(sent, 10);
}

#[test]
fn too_many_bytes_are_refused() {
    let mut config = Config::new("t");
    config.max_request_bytes = 100;
    let mut session = Session::new(config, 1, 0);
    // One request may be as large as a message allows, whatever the sum.
    session.request(read(&format!("/{:0>200}", 1)), None, None, 0).unwrap();
    let refused = session.request(read("/x"), None, None, 0).unwrap_err();
    assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(100)));
}

#[test]
fn acknowledgements_ride_on_requests_or_follow_alone() {
    let mut bench = Bench::open();
    for _ in 0..3 {
        bench.request(&write("/a"));
        bench.settle();
    }
    let Some(Frame::Request(last)) = bench.peer.heard.last() else { panic!("a request") };
    assert_eq!((last.seq, last.acknowledged), (3, 2));
    assert_eq!(bench.peer.outcomes(), 1);
    bench.advance(1000);
    bench.settle();
    assert_eq!(bench.peer.heard.last(), Some(&Frame::Ack { through: 3 }));
    assert_eq!(bench.peer.outcomes(), 0);
    let heard = bench.peer.heard.len();
    bench.advance(5000);
    bench.settle();
    assert_eq!(bench.peer.heard.len(), heard, "an acknowledgement is sent once");
}

#[test]
fn streams_come_as_fast_as_credit_allows() {
    let mut bench = Bench::open();
    let seq = bench.stream(&list("/d"), 3);
    bench.settle();
    assert_eq!(bench.told_of(seq).len(), 3);
    for more in [1, 5] {
        bench.session.credit(seq, more).unwrap();
        bench.drain(&[]);
        bench.settle();
    }
    assert_eq!(bench.told_of(seq).len(), 9);
    bench.session.credit(seq, 100).unwrap();
    bench.drain(&[]);
    bench.settle();
    let told = bench.told_of(seq);
    assert_eq!(told.len(), NAMES + 1);
    assert_eq!(told.last(), Some(&Told::End));
    assert_eq!(told[7], Told::Item("n007".into()));
    // It ended meanwhile.
    bench.session.credit(seq, 1).unwrap();
}

#[test]
fn credit_has_a_limit() {
    let mut bench = Bench::open();
    let refused = bench.session.request(list("/d"), None, Some(limits::MAX_CREDIT + 1), 0).unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitExceeded);
    let seq = bench.stream(&list("/d"), limits::MAX_CREDIT);
    assert_eq!(bench.session.credit(seq, 1).unwrap_err().code, ErrorCode::LimitExceeded);
    let seq = bench.request(&read("/a"));
    assert_eq!(bench.session.credit(seq, 1).unwrap_err().code, ErrorCode::BadArgument);
}

#[test]
fn cancelled_requests_end_once() {
    let mut bench = Bench::open();
    let stream = bench.stream(&list("/d"), 1);
    bench.settle();
    bench.session.cancel(stream, bench.now);
    bench.session.cancel(stream, bench.now);
    bench.drain(&[]);
    bench.settle();
    assert_eq!(bench.told_of(stream), [Told::Item("n000".into()), Told::Error(ErrorCode::Cancelled, None)]);
    let cancels = bench.peer.heard.iter().filter(|frame| matches!(frame, Frame::Cancel { .. })).count();
    assert_eq!(cancels, 1);
    // Never sent: nobody else needs to know.
    let unsent = bench.session.request(write("/a"), None, None, bench.now).unwrap();
    bench.session.cancel(unsent, bench.now);
    bench.drain(&[]);
    bench.settle();
    assert_eq!(bench.told_of(unsent), [Told::Error(ErrorCode::Cancelled, Some(Effect::None))]);
    assert!(bench.peer.effects.is_empty());
    assert_eq!(bench.session.pending(), 0);
}

#[test]
fn a_request_without_time_is_refused() {
    let mut bench = Bench::open();
    let refused = bench.session.request(write("/a"), Some(0), None, bench.now).unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::BadArgument, Some("timeout")));
    assert_eq!(bench.session.pending(), 0);
}

#[test]
fn deadlines_tell_what_is_known() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let (write_seq, read_seq) = (
        bench.session.request(write("/a"), Some(100), None, 0).unwrap(),
        bench.session.request(read("/a"), Some(100), None, 0).unwrap(),
    );
    bench.drain(&[]);
    bench.settle();
    let Some(Frame::Request(sent)) = bench.peer.heard.last() else { panic!("a request") };
    assert!(sent.timeout_ms.is_some_and(|timeout| (100..110).contains(&timeout)));
    bench.advance(99);
    assert!(bench.told.is_empty());
    bench.advance(10);
    bench.settle();
    assert_eq!(bench.told_of(write_seq), [Told::Error(ErrorCode::DeadlineExceeded, Some(Effect::Unknown))]);
    assert_eq!(bench.told_of(read_seq), [Told::Error(ErrorCode::DeadlineExceeded, Some(Effect::None))]);
    assert_eq!(bench.peer.heard.last(), Some(&Frame::Cancel { seq: read_seq }));
    // The outcome arrives after all; it was told already.
    let mut late = Vec::new();
    emerge_proto::frame::encode_frame(
        &Frame::Result { seq: write_seq, value: Some(vec![]), error: None },
        &mut late,
    );
    bench.hand_in(&late);
    assert_eq!(bench.told_of(write_seq).len(), 1);
}

#[test]
fn a_request_that_never_left_did_not_happen() {
    let mut bench = Bench::new(Config::new("t"));
    let seq = bench.session.request(write("/a"), Some(50), None, 0).unwrap();
    bench.advance(60);
    assert_eq!(bench.told_of(seq), [Told::Error(ErrorCode::DeadlineExceeded, Some(Effect::None))]);
    bench.settle();
    assert!(bench.peer.effects.is_empty());
    assert_eq!(bench.session.pending(), 0);
}

#[test]
fn duplicate_and_foreign_results_are_ignored() {
    let mut bench = Bench::open();
    let seq = bench.request(&read("/a"));
    bench.step_up();
    let message = bench.wire.down.pop_front().unwrap();
    bench.hand_in(&message);
    bench.hand_in(&message);
    let mut foreign = Vec::new();
    for seq in [0, 2, 99, u64::MAX] {
        emerge_proto::frame::encode_frame(
            &Frame::Result { seq, value: Some(vec![1]), error: None },
            &mut foreign,
        );
        emerge_proto::frame::encode_frame(
            &Frame::Item { seq, value: vec![1], cursor: "c".into() },
            &mut foreign,
        );
    }
    bench.hand_in(&foreign);
    assert_eq!(bench.told, [(seq, Told::Value(b"/a".to_vec()))]);
    assert_eq!(bench.session.state(), State::Open);
}

#[test]
fn a_slow_read_holds_nobody_back() {
    let mut bench = Bench::open();
    let stream = bench.stream(&list("/d"), 1);
    for at in 0..3 * limits::MAX_OUTCOMES {
        bench.request(&write(&format!("/{at}")));
        bench.settle();
    }
    assert_eq!(bench.peer.effects.len(), 3 * limits::MAX_OUTCOMES);
    assert!(bench.peer.outcomes() <= 1100, "{} outcomes are kept", bench.peer.outcomes());
    // The stream goes on, also on another connection, where it has another number.
    bench.cut();
    bench.reconnect();
    for _ in 0..NAMES {
        let _ = bench.session.credit(stream, 1);
        bench.drain(&[]);
        bench.settle();
    }
    let told = bench.told_of(stream);
    let names: Vec<Told> = (0..NAMES).map(|at| Told::Item(format!("n{at:03}"))).chain([Told::End]).collect();
    assert_eq!(told, names);
    assert_eq!(bench.session.pending(), 0);
}

#[test]
fn a_stream_that_writes_and_is_not_read_gives_an_error() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let op = Op::Call {
        path: "/d".into(),
        method: "m".into(),
        args: vec![0x80],
        log: false,
        after: None,
        with: None,
    };
    let stream = bench.session.request(&op, None, Some(1), 0).unwrap();
    for _ in 1..limits::MAX_OUTCOMES {
        // Each is answered before it is sent, so that only the stream is outstanding.
        let seq = bench.session.request(read("/a"), None, None, 0).unwrap();
        bench.session.cancel(seq, 0);
    }
    let refused = bench.session.request(read("/a"), None, None, 0).unwrap_err();
    assert_eq!((refused.code, refused.limit), (ErrorCode::LimitExceeded, Some(limits::MAX_OUTCOMES as u64)));
    bench.session.cancel(stream, 0);
    bench.session.request(read("/a"), None, None, 0).unwrap();
}

#[test]
fn malformed_operations_are_refused_and_spoil_nothing() {
    let mut bench = Bench::open();
    for bytes in [vec![], vec![0x82, 2], vec![0xff; 9], vec![0x82, 0x61, b'x', 0x80]] {
        let refused = bench.session.request(bytes, None, None, 0).unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadArgument);
    }
    let seq = bench.request(&read("/a"));
    bench.settle();
    assert_eq!(bench.told_of(seq).len(), 1);
}
