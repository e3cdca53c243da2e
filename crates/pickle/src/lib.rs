//! Emerge's values, operations and records as Python pickles (protocol 5).
//!
//! Python's own pickler is in C wherever there is a Python, so the Python package writes each request as one pickle and
//! hands the bytes over; here they are read as data. Nothing in a pickle is ever run: a global is a name, and one that is
//! not in the short list that stands for Emerge's values is an error. Replies go the other way, and use only opcodes of
//! builtin types, `datetime`, `uuid`, `decimal` and the constructors of `emerge._wire`.

mod error;
mod failing;
mod machine;
mod op;
mod record;
mod value;
mod write;

pub use error::error_to_pickle;
pub use op::{class_from_pickle, op_from_pickle};
pub use record::{reply_to_pickle, stream_item_to_pickle};

use emerge_proto::{Result, Value};
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
