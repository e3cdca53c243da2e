//! What stored code, or the guest that runs it, says to the node: requests, results, and what a module says of itself.

use emerge_pickle::{
    changes, class_from_pickle, op_from_pickle, returned_from_pickle, value_from_pickle, value_of_pickle,
    value_to_pickle,
};
use emerge_proto::class::{decode, encode};
use emerge_proto::module::{Description, Reply, reply};
use emerge_proto::{ErrorCode, Op, Value};

// The runtime itself is left out: to build it with the fuzzer's flags takes minutes.
#[path = "../../runtime/src/native/frame.rs"]
#[allow(dead_code, reason = "only what a worker says is read here")]
mod frame;

/// The first byte says what the others are.
pub fn worker(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind {
        b'p' => pickled_request(bytes),
        b'r' => pickled_result(bytes),
        b'c' => compared(bytes),
        b'o' => request(bytes),
        b'm' => module_reply(bytes),
        b'd' => module_description(bytes),
        b'n' => native_frames(bytes),
        _ => {}
    }
}

/// A request of Python's is one that the node could have been sent, or refused.
fn pickled_request(bytes: &[u8]) {
    if let Ok(op) = op_from_pickle(bytes) {
        assert_eq!(decode::<Op>(&encode(&op)).unwrap(), op);
    }
}

/// A result and a state are values, which Python reads again as they are.
fn pickled_result(bytes: &[u8]) {
    let Ok((result, state)) = returned_from_pickle(bytes) else { return };
    for encoded in [result, state] {
        let value = match Value::decode(&encoded) {
            Ok(value) => value,
            // What was counted while it was read is about what it takes on the wire; whoever keeps it looks again.
            Err(error) => {
                assert_eq!(error.code, ErrorCode::TooLarge);
                continue;
            }
        };
        match value_to_pickle(&encoded) {
            Ok(pickle) => match value_of_pickle(&pickle) {
                Ok(again) => assert_eq!(again, value),
                // A pickle may be longer than what it came from.
                Err(error) => assert_eq!(error.code, ErrorCode::TooLarge),
            },
            // Python's years end at 9999, and a moment there may be past that in UTC.
            Err(error) => assert_eq!(error.code, ErrorCode::UnmappableValue),
        }
    }
}

/// Two states, one after the other, the length of the first in two bytes: nothing has changed between a state and itself.
fn compared(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Some((old, new)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else { return };
    let _ = changes(old, new);
    if let Ok(none) = changes(old, old) {
        let nothing = Value::List(vec![Value::List(vec![]), Value::List(vec![])]);
        assert_eq!(value_of_pickle(&none).unwrap(), nothing);
    }
}

/// Frames of a worker of native Python: each is read as a whole, or refused.
fn native_frames(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk::<{ frame::HEADER }>() {
        let Ok((kind, length)) = frame::header(*head) else { return };
        let Some((body, rest)) = rest.split_at_checked(length) else { return };
        bytes = rest;
        match frame::said(kind, body.to_vec()) {
            Ok(frame::Said::Ask { what, input, more }) => {
                assert_eq!(input.len() + more.len() + 8, length);
                match what {
                    0 => pickled_request(&input),
                    1 => drop(class_from_pickle(&input)),
                    2 => drop(value_from_pickle(&input)),
                    _ => drop(changes(&input, &more)),
                }
            }
            Ok(frame::Said::Done(kept) | frame::Said::Ready(kept) | frame::Said::Failed(kept)) => {
                assert_eq!(kept, body);
            }
            Ok(frame::Said::Log(line)) => assert!(!line.is_empty() || body.is_empty()),
            Err(error) => assert_eq!(error.code, ErrorCode::MethodFailed),
        }
    }
}

/// A request of JavaScript's or of a module's.
fn request(bytes: &[u8]) {
    if let Ok(op) = decode::<Op>(bytes) {
        assert_eq!(decode::<Op>(&encode(&op)).unwrap(), op);
    }
}

fn module_reply(bytes: &[u8]) {
    match reply(bytes) {
        Ok(Reply::Returned { result, state }) => {
            Value::decode(result).unwrap();
            assert!(state.is_none_or(|state| matches!(Value::decode(state), Ok(Value::Map(_)))));
        }
        Ok(Reply::Failed(error)) => assert!(error.effect.is_none() && error.log.is_none()),
        Err(_) => {}
    }
}

/// What passes the check of a class has an address that says what it is.
fn module_description(bytes: &[u8]) {
    let Ok(description) = Description::of(bytes) else { return };
    let class = description.class(bytes.to_vec());
    if class.check().is_ok() {
        assert_eq!(decode::<emerge_proto::ClassSource>(&encode(&class)).unwrap().hash(), class.hash());
    }
}
