//! Emerge's values, operations and records as Python pickles (protocol 5).
//!
//! Python's own pickler is in C wherever there is a Python, so the Python package writes each request as one pickle and
//! hands the bytes over; here they are read as data. Nothing in a pickle is ever run: a global is a name, and one that is
//! not in the short list that stands for Emerge's values is an error. Replies go the other way, and use only opcodes of
//! builtin types, `datetime`, `uuid`, `decimal` and the constructors of `emerge._wire`.

mod error;
mod failing;
mod machine;
mod module;
mod op;
mod record;
mod value;
mod write;

pub use error::error_to_pickle;
pub use module::{module_reply, module_request, module_to_pickle};
pub use op::{class_from_pickle, op_from_pickle};
pub use record::{reply_to_pickle, stream_item_to_pickle};

use emerge_proto::{Error, Result, Value};
use std::collections::{HashMap, HashSet};

/// Reads a pickled Python value and gives it encoded.
///
/// # Errors
/// `unmappable_value` naming the field path and the Python type; `too_deep`, `too_large`; `bad_argument` when the bytes
/// are no pickle.
pub fn value_from_pickle(pickle: &[u8]) -> Result<Vec<u8>> {
    Ok(value_of_pickle(pickle)?.encode())
}

/// Reads a pickled Python value.
///
/// # Errors
/// As [`value_from_pickle`].
pub fn value_of_pickle(pickle: &[u8]) -> Result<Value> {
    let heap = machine::read(pickle)?;
    value::Reader::new(&heap).value(heap.root)
}

/// Writes an encoded value as a pickle.
///
/// # Errors
/// `bad_frame` when the bytes are no value; `unmappable_value` for a moment or a day outside Python's years 1 to 9999.
pub fn value_to_pickle(encoded: &[u8]) -> Result<Vec<u8>> {
    let mut writer = write::Writer::new();
    writer.value(&Value::decode(encoded)?)?;
    Ok(writer.finish())
}

/// Writes what a call takes as one pickled tuple: the address of its class version, the method's name, the object's path, and the encoded state and arguments; of a call with arguments by name also these, and
/// whether it is a query.
///
/// # Errors
/// As [`value_to_pickle`].
pub fn call_to_pickle(
    class: &[u8],
    method: &str,
    path: &str,
    state: &[u8],
    args: &[u8],
    kwargs: Option<&[u8]>,
    is_query: bool,
) -> Result<Vec<u8>> {
    let (state, args) = (Value::decode(state)?, Value::decode(args)?);
    let kwargs = kwargs.map_or(Ok(Value::Map(Vec::new())), Value::decode)?;
    let is_plain = matches!(&kwargs, Value::Map(kwargs) if kwargs.is_empty());
    let mut writer = write::Writer::new();
    writer.tuple(|writer| {
        writer.bytes(class);
        writer.text(method);
        writer.text(path);
        writer.value(&state)?;
        writer.value(&args)?;
        if !is_plain || is_query {
            writer.value(&kwargs)?;
            writer.bool(is_query);
        }
        Ok::<_, Error>(())
    })?;
    Ok(writer.finish())
}

/// Reads a pickled tuple of a method's result and its object's fields, and gives each encoded. They may share parts.
///
/// # Errors
/// As [`value_from_pickle`]; the field path of what is in the result begins with `result`.
pub fn returned_from_pickle(pickle: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let heap = machine::read(pickle)?;
    let machine::Node::Tuple(pair) = heap.node(heap.root) else {
        return Err(failing::bad("a pair is a tuple"));
    };
    let [first, second] = pair[..] else { return Err(failing::bad("a pair has two values")) };
    let result = value::Reader::new(&heap).value(first).map_err(in_result)?.encode();
    Ok((result, value::Reader::new(&heap).value(second)?.encode()))
}

#[cold]
fn in_result(mut error: Error) -> Error {
    let path = error.field.take().unwrap_or_default();
    error.message = format!("of the method's result, {}", error.message);
    let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    error.field(format!("result{dot}{path}"))
}

/// Compares two pickled dicts of fields by what they are on the wire: a pickled tuple of the names whose values are new or
/// differ, and of the names that are gone.
///
/// # Errors
/// As [`value_from_pickle`].
pub fn changes(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let (old, new) = (fields_of_pickle(old)?, fields_of_pickle(new)?);
    let in_old: HashMap<&str, &Value> = old.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let in_new: HashSet<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
    let changed = new.iter().filter(|(name, value)| in_old.get(name.as_str()) != Some(&value));
    let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    let removed = old.iter().map(|(name, _)| name.as_str()).filter(|name| !in_new.contains(name));
    let removed: Vec<&str> = removed.collect();
    let mut writer = write::Writer::new();
    writer.tuple(|writer| {
        [changed, removed].iter().try_for_each(|names| {
            writer.list(names, |writer, name| {
                writer.text(name);
                Ok(())
            })
        })
    })?;
    Ok(writer.finish())
}

fn fields_of_pickle(pickle: &[u8]) -> Result<Vec<(String, Value)>> {
    match value_of_pickle(pickle)? {
        Value::Map(fields) => Ok(fields),
        other => Err(failing::bad(&format!("fields are a dict, not a {}", other.type_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_may_share_its_parts_and_nothing_else_is_a_pair() {
        let shared = Value::Map(vec![("n".into(), Value::Int(1))]);
        // ({"n": 1}, [that dict]) as CPython's pickler writes it.
        let pickle = b"\x80\x05}\x94\x8c\x01n\x94K\x01s]\x94h\x00a\x86\x94.";
        let (first, second) = returned_from_pickle(pickle).unwrap();
        assert_eq!(Value::decode(&first).unwrap(), shared);
        assert_eq!(Value::decode(&second).unwrap(), Value::List(vec![shared]));
        for other in [&b"\x80\x05N."[..], b"\x80\x05K\x01\x85.", b"\x80\x05K\x01K\x01K\x01\x87."] {
            assert!(returned_from_pickle(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn an_error_says_whether_the_result_is_meant() {
        // ({1: 2}, {}), ([{1: 2}], {}), ({"a": {1: 2}}, {}) and ({}, {"a": {1: 2}}).
        for (pickle, field) in [
            (&b"\x80\x05}K\x01K\x02s}\x86."[..], "result"),
            (b"\x80\x05]}K\x01K\x02sa}\x86.", "result[0]"),
            (b"\x80\x05}\x8c\x01a}K\x01K\x02ss}\x86.", "result.a"),
            (b"\x80\x05}}\x8c\x01a}K\x01K\x02ss\x86.", "a"),
        ] {
            let error = returned_from_pickle(pickle).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{error:?}");
            assert_eq!(error.message.starts_with("of the method's result, a dict key"), field != "a");
        }
    }
}
