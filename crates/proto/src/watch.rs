//! What a watcher is told.

use crate::ObjectId;
use minicbor::{Decode, Encode};

/// What happened to an object or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ChangeKind {
    /// Nothing yet: the watch has begun, and what is committed from now on will be told.
    #[n(0)]
    Watching,
    /// It was made.
    #[n(1)]
    Created,
    /// It has a new version.
    #[n(2)]
    Changed,
    /// It was removed, with all that it held.
    #[n(3)]
    Removed,
    /// It was moved, with all that it holds.
    #[n(4)]
    Moved,
}

impl ChangeKind {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Watching => "watching",
            ChangeKind::Created => "created",
            ChangeKind::Changed => "changed",
            ChangeKind::Removed => "removed",
            ChangeKind::Moved => "moved",
        }
    }
}

/// One change, as a watcher is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// What happened.
    #[n(0)]
    pub kind: ChangeKind,
    /// The place from which a later watch goes on after this change.
    #[n(1)]
    pub token: String,
    /// Where it is, or was when it was removed.
    #[n(2)]
    pub path: String,
    /// Where it was before it was moved, if that may be known.
    #[n(3)]
    pub from: Option<String>,
    /// The identity; absent before anything has happened.
    #[n(4)]
    pub id: Option<ObjectId>,
    /// The version that it has since; absent when it was removed.
    #[n(5)]
    pub version: Option<u64>,
    /// When it was committed, in microseconds since 1970-01-01T00:00:00Z.
    #[n(6)]
    pub time: i64,
    /// Who did it.
    #[n(7)]
    pub author: String,
    /// Whether it is a directory: then all below it has come or gone with it.
    #[n(8)]
    pub directory: bool,
}
