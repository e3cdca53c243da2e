//! What is lost, doubled or cut on the way changes nothing: each request ends once, each effect happens once.

use super::peer::NAMES;
use super::*;
use emerge_proto::frame::Frame;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn unanswered_requests_keep_their_numbers() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let seqs: Vec<u64> = (0..5).map(|at| bench.request(&write(&format!("/{at}")))).collect();
    bench.settle();
    bench.cut();
    bench.peer.mute = false;
    bench.reconnect();
    for (at, seq) in seqs.iter().enumerate() {
        assert_eq!(bench.told_of(*seq), [Told::Value(format!("/{at}").into_bytes())]);
        assert_eq!(bench.peer.effects[&format!("/{at}")], 1);
    }
}

#[test]
fn a_session_that_the_node_lost_fails_what_may_have_happened() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let (written, unread) = (bench.request(&write("/a")), bench.request(&read("/b")));
    bench.settle();
    bench.peer.forget();
    bench.peer.mute = false;
    bench.cut();
    let waited = bench.request(&write("/c"));
    bench.reconnect();
    assert_eq!(bench.told_of(written), [Told::Error(ErrorCode::SessionExpired, Some(Effect::Unknown))]);
    assert_eq!(bench.told_of(unread), [Told::Value(b"/b".to_vec())]);
    assert_eq!(bench.told_of(waited), [Told::Value(b"/c".to_vec())]);
    assert_eq!(bench.peer.effects["/a"], 1);
}

#[test]
fn streams_go_on_after_the_last_item() {
    let mut bench = Bench::open();
    let stream = bench.stream(&list("/d"), 7);
    bench.settle();
    bench.cut();
    bench.session.credit(stream, 50).unwrap();
    bench.reconnect();
    let told = bench.told_of(stream);
    assert_eq!(told.len(), NAMES + 1);
    let resent = bench.peer.heard.iter().rev().find_map(|frame| match frame {
        Frame::Request(request) => Some(request.clone()),
        _ => None,
    });
    let resent = resent.unwrap();
    assert_eq!(resent.seq, stream);
    assert_eq!(resent.credit, Some(50));
    assert!(matches!(resent.op, Op::List { after: Some(after), .. } if after == "n006"));
}

#[test]
fn a_cancellation_survives_the_connection() {
    let mut bench = Bench::open();
    bench.peer.mute = true;
    let (written, unread) = (bench.request(&write("/a")), bench.request(&read("/a")));
    bench.settle();
    bench.cut();
    for seq in [written, unread] {
        bench.session.cancel(seq, bench.now);
    }
    bench.drain(&[]);
    // Nothing depends on a read, so that it ends at once; the write's fate is the node's to tell.
    assert_eq!(bench.told_of(unread), [Told::Error(ErrorCode::Cancelled, Some(Effect::None))]);
    assert!(bench.told_of(written).is_empty());
    bench.peer.mute = false;
    bench.reconnect();
    assert_eq!(bench.told_of(written), [Told::Value(b"/a".to_vec())]);
    assert!(bench.peer.heard.contains(&Frame::Cancel { seq: written }));
}

#[derive(Clone, Debug)]
enum Act {
    Write,
    Read,
    List(u32),
    Credit(u32),
    Cancel,
    Up,
    Down,
    DoubleDown,
    CutDown(usize),
    Cut,
    Time(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Write),
        1 => Just(Act::Read),
        1 => (1u32..9).prop_map(Act::List),
        2 => (1u32..5).prop_map(Act::Credit),
        1 => Just(Act::Cancel),
        6 => Just(Act::Up),
        6 => Just(Act::Down),
        2 => Just(Act::DoubleDown),
        1 => any::<usize>().prop_map(Act::CutDown),
        1 => Just(Act::Cut),
        3 => (1u64..400).prop_map(Act::Time),
    ]
}

fn perform(bench: &mut Bench, act: &Act, asked: &mut BTreeMap<u64, Op>) {
    let newest = asked.keys().next_back().copied();
    match act {
        Act::Write | Act::Read => {
            let path = format!("/{}", asked.len());
            let op = if matches!(act, Act::Write) { write(&path) } else { read(&path) };
            let seq = bench.request(&op);
            assert!(asked.insert(seq, op).is_none(), "numbers are new");
        }
        Act::List(credit) => {
            let seq = bench.stream(&list("/d"), *credit);
            asked.insert(seq, list("/d"));
        }
        Act::Credit(more) => {
            for (seq, _) in asked.iter().filter(|(_, op)| matches!(op, Op::List { .. })) {
                bench.session.credit(*seq, *more).unwrap();
            }
            bench.drain(&[]);
        }
        Act::Cancel => {
            newest.iter().for_each(|seq| bench.session.cancel(*seq, bench.now));
            bench.drain(&[]);
        }
        Act::Up => {
            bench.open_link();
            bench.step_up();
        }
        Act::Down => {
            bench.step_down();
        }
        Act::DoubleDown => {
            if let Some(message) = bench.wire.down.pop_front() {
                bench.hand_in(&message);
                bench.hand_in(&message);
            }
        }
        Act::CutDown(at) => {
            if let Some(message) = bench.wire.down.pop_front() {
                bench.hand_in(&message[..at % message.len()]);
                bench.cut();
            }
        }
        Act::Cut => bench.cut(),
        Act::Time(millis) => bench.advance(*millis),
    }
}

fn run(acts: &[Act], config: Config) -> Result<(), TestCaseError> {
    let mut bench = Bench::new(config);
    let mut asked = BTreeMap::new();
    for act in acts {
        perform(&mut bench, act, &mut asked);
    }
    // The faults end; all that is outstanding must end too.
    for _ in 0..60 {
        for (seq, _) in asked.iter().filter(|(_, op)| matches!(op, Op::List { .. })) {
            let _ = bench.session.credit(*seq, 5);
        }
        bench.drain(&[]);
        bench.settle();
        bench.advance(1000);
    }
    prop_assert_eq!(bench.session.pending(), 0);
    prop_assert_eq!(bench.peer.outcomes(), 0, "all outcomes are acknowledged in the end");
    for (seq, op) in &asked {
        let mut told = bench.told_of(*seq);
        let end = told.pop();
        match op {
            Op::List { .. } => {
                let names: Vec<Told> = (0..told.len()).map(|at| Told::Item(format!("n{at:03}"))).collect();
                prop_assert_eq!(&told, &names, "each item once, in order");
                let whole = end == Some(Told::End) && told.len() == NAMES;
                prop_assert!(whole || matches!(end, Some(Told::Error(ErrorCode::Cancelled, _))), "{:?}", end);
            }
            op => {
                prop_assert!(told.is_empty(), "{seq} ended twice: {told:?} {end:?}");
                let path = match op {
                    Op::Rm { path, .. } | Op::Stat { path } => match path {
                        emerge_proto::op::Target::Path(path) => path.clone(),
                        _ => unreachable!(),
                    },
                    _ => unreachable!(),
                };
                let effects = bench.peer.effects.get(&path).copied().unwrap_or(0);
                match end {
                    Some(Told::Value(value)) => {
                        prop_assert_eq!(value, path.into_bytes());
                        prop_assert_eq!(effects, u32::from(op.may_write()));
                    }
                    Some(Told::Error(ErrorCode::Cancelled, Some(Effect::None))) => {
                        prop_assert_eq!(effects, 0)
                    }
                    other => prop_assert!(false, "{seq} ended with {other:?}"),
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_effect_happens_once(acts in proptest::collection::vec(act(), 0..150)) {
        run(&acts, Config::new("t"))?;
    }

    #[test]
    fn also_in_small_messages_and_with_few_in_flight(acts in proptest::collection::vec(act(), 0..150)) {
        let mut config = Config::new("t");
        config.message_bytes = 30;
        config.max_in_flight = 3;
        run(&acts, config)?;
    }
}

/// A fixed play that each mutation must spoil.
#[cfg(feature = "mutations")]
mod mutations {
    use super::*;
    use crate::session::Mutations;
    use proptest::strategy::{Strategy, ValueTree};

    fn spoilt(mutations: Mutations) -> bool {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let plays = proptest::collection::vec(act(), 0..150);
        (0..300).any(|_| {
            let acts = plays.new_tree(&mut runner).unwrap().current();
            let mut config = Config::new("t");
            config.mutations = mutations;
            std::panic::catch_unwind(|| run(&acts, config)).map_or(true, |done| done.is_err())
        })
    }

    #[test]
    fn each_is_found() {
        assert!(!spoilt(Mutations::default()));
        assert!(spoilt(Mutations { resend_forgets_sequence: true, ..Mutations::default() }));
        assert!(spoilt(Mutations { cursor_off_by_one: true, ..Mutations::default() }));
        assert!(spoilt(Mutations { cut_message_accepted: true, ..Mutations::default() }));
    }
}
