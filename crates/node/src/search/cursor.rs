//! Where a search goes on: an opaque text that belongs to its query. The count of what was given comes before all that differs, so that the cursors of one
//! search grow in the order of their bytes.

use emerge_proto::class::encode;
use emerge_proto::value::order;
use emerge_proto::{Error, ErrorCode, ObjectId, Query, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A cursor: which query it is of, how many objects were given before it, and the last of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    query: [u8; 8],
    /// Objects that were given.
    pub(super) given: u64,
    /// The last object that was looked at, or in an ordered search the last that was given.
    pub(super) id: Option<ObjectId>,
    /// In an ordered search the key of its value; in one for text its score.
    pub(super) key: Vec<u8>,
}

impl Cursor {
    /// The cursor that a request names, or one at the beginning.
    ///
    /// # Errors
    /// `bad_argument` when it is not one of this query.
    pub(super) fn read(query: &Query, text: Option<&str>) -> Result<Self> {
        let of = fingerprint(query);
        let Some(text) = text else { return Ok(Self { query: of, ..Self::default() }) };
        let wrong = || {
            Error::new(ErrorCode::BadArgument, "after: this is not a cursor of this search").field("after")
        };
        let bytes = bytes_of(text).ok_or_else(wrong)?;
        if bytes.len() < 32 || bytes[..8] != of {
            return Err(wrong());
        }
        let number = |part: &[u8]| part.try_into().map(u64::from_be_bytes).map_err(|_| wrong());
        let id = <[u8; 16]>::try_from(&bytes[16..32]).map_err(|_| wrong())?;
        Ok(Self {
            query: of,
            given: number(&bytes[8..16])?,
            id: Some(ObjectId(id)),
            key: bytes[32..].to_vec(),
        })
    }

    /// Whether the key of its value, if any, is one that an index can have.
    pub(super) fn is_in_index(&self) -> bool {
        self.id.is_none() || order::length(&self.key) == Some(self.key.len())
    }

    /// The text of a cursor after an object.
    pub(super) fn at(&self, given: u64, id: ObjectId, key: &[u8]) -> String {
        let parts: [&[u8]; 4] = [&self.query, &given.to_be_bytes(), &id.0, key];
        parts.concat().iter().fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// What tells one query from another. How many objects a page has makes no difference.
fn fingerprint(query: &Query) -> [u8; 8] {
    let digest = Sha256::digest(encode(&Query { page: None, ..query.clone() }));
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
