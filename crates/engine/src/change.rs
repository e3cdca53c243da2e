//! The log: what each commit changed, by its number, with the outcome of the request that asked for it.

use crate::object::{Object, Record, read};
use crate::session::LoggedOutcome;
use emerge_proto::{ObjectId, Perms, Result, SessionId};
use minicbor::{Decode, Encode};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    /// An object or a directory was made. Where it was made follows from its record and from later moves.
    #[n(0)]
    Created(#[n(0)] ObjectId),
    /// An object has a new version.
    #[n(1)]
    Updated(#[n(0)] ObjectId, #[n(1)] u64),
    /// An object or a tree was unlinked from this directory and name.
    #[n(2)]
    Removed(#[n(0)] ObjectId, #[n(1)] ObjectId, #[n(2)] String),
    /// An object or a tree was moved away from this directory and name.
    #[n(3)]
    Moved(#[n(0)] ObjectId, #[n(1)] ObjectId, #[n(2)] String),
}

/// What one commit changed, and the request that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LogRecord {
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(0)]
    pub(crate) time: i64,
    #[n(1)]
    pub(crate) changes: Vec<Change>,
    /// The outcome of the request that asked for it.
    #[n(2)]
    pub(crate) outcome: Option<LoggedOutcome>,
    /// Sessions that ended: what the log says of them before this does not count any more.
    #[n(3)]
    pub(crate) ended: Option<Vec<SessionId>>,
    /// Who changed it.
    #[n(4)]
    pub(crate) author: Option<String>,
    /// Where each of `changes` was after the commit; for those who watch.
    #[n(5)]
    pub(crate) places: Option<Vec<Where>>,
}

/// Where a change was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Where {
    /// Absent for what was made and removed in the same commit.
    #[n(0)]
    pub(crate) path: Option<String>,
    /// The path before a move.
    #[n(1)]
    pub(crate) from: Option<String>,
    /// The version after it.
    #[n(2)]
    pub(crate) version: Option<u64>,
    #[n(3)]
    pub(crate) directory: bool,
    /// Who had which rights before: of what was removed, for nobody can look them up any more; of what was moved, for not everybody can look them up where
    /// it is; and of that whose rights have changed.
    #[n(4)]
    pub(crate) rights: Option<Rights>,
    /// Who had which rights after a change of them.
    #[n(5)]
    pub(crate) rights_after: Option<Rights>,
}

/// The rights to an object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rights {
    #[n(0)]
    pub(crate) owner: String,
    #[n(1)]
    pub(crate) group: String,
    #[n(2)]
    pub(crate) perms: Perms,
}

impl Rights {
    pub(crate) fn of(object: &Object) -> Self {
        Self { owner: object.owner.to_string(), group: object.group.to_string(), perms: object.perms }
    }
}

impl Where {
    /// About how many bytes it takes in the log.
    pub(crate) fn size(&self) -> usize {
        let size = |rights: &Option<Rights>| {
            rights.as_ref().map_or(0, |rights| rights.owner.len() + rights.group.len() + 8)
        };
        let rights = size(&self.rights) + size(&self.rights_after);
        self.path.as_ref().map_or(0, String::len) + self.from.as_ref().map_or(0, String::len) + rights + 24
    }
}

impl LogRecord {
    pub(crate) fn read(record: Record) -> Result<Self> {
        read(&record.bytes()?, "a change")
    }

    /// True when it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.outcome.is_none() && self.ended.is_none()
    }
}
