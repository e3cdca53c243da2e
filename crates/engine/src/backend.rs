//! What the engine needs of a place to keep bytes.

use bytes::Bytes;
use emerge_proto::{Error, ErrorCode};
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

/// A key; keys are ordered by their bytes.
pub type Key = Arc<[u8]>;

/// One change of a commit record: a value to put, or none to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub key: Key,
    /// The new value; none deletes.
    pub value: Option<Bytes>,
}

/// All that one commit changes. No key is in it twice. Applying it again changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitRecord {
    /// The changes, in the order of their keys.
    pub writes: Vec<Write>,
}

impl CommitRecord {
    /// Bytes of its keys and values.
    pub fn size(&self) -> usize {
        self.writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len)).sum()
    }
}

/// What a backend can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one value.
    pub max_value: usize,
    /// Bytes of keys and values of one commit record.
    pub max_batch: usize,
}

/// Why a backend did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendError {
    /// Another owner has claimed the store; this one may never write again.
    Fenced {
        /// The fence that was presented.
        presented: u64,
        /// The fence that is in force.
        current: u64,
    },
    /// Another process has the store open.
    InUse(String),
    /// What is stored is not what this program writes.
    Incompatible(String),
    /// A record is past a limit of [`Limits`]; nothing was changed.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Reading or writing failed. After a commit it is unknown whether the record was applied.
    Failed(String),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { presented, current } => {
                write!(f, "another owner has the store (fence {current}; this owner has {presented})")
            }
            Self::InUse(what) => write!(f, "another process has the store open: {what}"),
            Self::Incompatible(what) => write!(f, "the store cannot be used: {what}"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "a record of {bytes} bytes is too large for the storage; the limit is {limit}")
            }
            Self::Failed(what) => write!(f, "the storage failed: {what}"),
        }
    }
}

impl std::error::Error for BackendError {}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        let code = match &error {
            BackendError::Fenced { .. } | BackendError::InUse(_) => ErrorCode::Unavailable,
            BackendError::TooLarge { .. } => ErrorCode::TooLarge,
            BackendError::Incompatible(_) | BackendError::Failed(_) => ErrorCode::StorageFailed,
        };
        let limit =
            if let BackendError::TooLarge { limit, .. } = &error { Some(*limit as u64) } else { None };
        let mut typed = Error::new(code, error.to_string());
        typed.limit = limit;
        typed
    }
}

/// A place for ordered keys. No snapshots and no transactions of its own are asked for: the engine is the only writer
/// (the backend refuses any other by the fence) and validates in memory.
///
/// A get or a scan that begins after a commit returned sees that commit. One that runs at the same time as a commit may
/// see any part of it.
pub trait Backend: Send + Sync + 'static {
    /// The values of some keys, in the order of `keys`.
    fn get_many(&self, keys: &[Key])
    -> impl Future<Output = Result<Vec<Option<Bytes>>, BackendError>> + Send;

    /// The first `limit` keys of a range (its end excluded) and their values, in order.
    fn scan(
        &self,
        range: Range<Key>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Key, Bytes)>, BackendError>> + Send;

    /// The last `limit` keys of a range and their values, the last one first. A backend that can begin at the end does.
    fn scan_back(
        &self,
        range: Range<Key>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Key, Bytes)>, BackendError>> + Send {
        async move {
            let mut found = self.scan(range, usize::MAX).await?;
            found.reverse();
            found.truncate(limit);
            Ok(found)
        }
    }

    /// As [`Backend::scan`], for who keeps nothing of it: each key and its value are shown where they lie.
    fn show(
        &self,
        range: Range<Key>,
        limit: usize,
        see: &mut (dyn FnMut(&[u8], &[u8]) + Send),
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        async move {
            for (key, value) in self.scan(range, limit).await? {
                see(&key, &value);
            }
            Ok(())
        }
    }

    /// Applies a record, all of it or nothing; it is durable when this returns. Refused as
    /// [`BackendError::Fenced`] when `fence` is not the one that the last [`Backend::claim`] gave.
    fn commit(
        &self,
        record: CommitRecord,
        fence: u64,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Takes the store over, durably: every earlier owner's commits are refused from now on. Gives the fence for commits.
    fn claim(&self) -> impl Future<Output = Result<u64, BackendError>> + Send;

    /// What it can take.
    fn limits(&self) -> Limits;
}
