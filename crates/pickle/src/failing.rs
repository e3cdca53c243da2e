//! Errors of this room.

use emerge_proto::{Error, ErrorCode};

/// The bytes are no pickle that Python writes for plain data.
#[cold]
pub(crate) fn bad(why: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("the pickle cannot be read: {why}"))
}

#[cold]
pub(crate) fn too_large(limit: usize) -> Error {
    Error::new(ErrorCode::TooLarge, past(limit)).limit(limit as u64)
}

#[cold]
pub(crate) fn past(limit: usize) -> String {
    format!("the value is past the limit of {limit} bytes")
}
