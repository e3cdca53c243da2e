//! Following the store from outside: what has changed since a commit, and all that there is. For what is derived from objects and kept elsewhere.

use crate::access::Principal;
use crate::backend::{Backend, Key};
use crate::change::{Change, LogRecord};
use crate::engine::Engine;
use crate::keys;
use crate::object::{Object, damaged, read};
use bytes::Bytes;
use emerge_proto::{ObjectId, Result};
use std::collections::BTreeSet;

/// Records that are read at a time.
const CHUNK: usize = 64;
/// Bytes of fields past which no more are given at a time.
const BYTES: usize = 32 * 1024 * 1024;

/// Objects as they were at some moment after what was asked for.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Each with its encoded fields; none for one that is gone, or is a directory.
    pub objects: Vec<(ObjectId, Option<Vec<u8>>)>,
    /// All changes up to this commit are in it.
    pub through: u64,
}

impl<B: Backend> Engine<B> {
    /// The objects that changed after a commit, as far as that is durable: those of the next `records` records of the log, or of fewer when they are large. An object that was unlinked with its
    /// tree is not among them.
    ///
    /// # Errors
    /// `log_expired` when the log no longer reaches back so far; `storage_failed`, `unavailable`.
    pub async fn changed_after(&self, commit: u64, records: usize, now_micros: i64) -> Result<Followed> {
        let through = self.log_end().commit();
        if commit >= through {
            return Ok(Followed { objects: Vec::new(), through: commit });
        }
        let range = keys::log(commit + 1)..keys::log(through.saturating_add(1));
        let found = self.shared.backend.scan(range, records).await?;
        self.check_reach(commit).await?;
        let through = match found.last() {
            Some((key, _)) if found.len() == records => {
                keys::log_number(key).ok_or_else(|| damaged("the log"))?
            }
            _ => through,
        };
        let mut followed = Followed { objects: Vec::new(), through };
        let (mut ids, mut bytes) = (BTreeSet::new(), 0);
        for (at, (key, record)) in found.iter().enumerate() {
            let log: LogRecord = read(record, "a change")?;
            ids.extend(log.changes.iter().filter_map(|change| match change {
                Change::Created(id) | Change::Updated(id, _) | Change::Removed(id, _, _) => Some(*id),
                Change::Moved(..) => None,
            }));
            let is_last = at + 1 == found.len();
            if ids.len() < CHUNK && !is_last {
                continue;
            }
            bytes += self.add(std::mem::take(&mut ids), &mut followed.objects, now_micros).await?;
            if bytes > BYTES && !is_last {
                followed.through = keys::log_number(key).ok_or_else(|| damaged("the log"))?;
                break;
            }
        }
        Ok(followed)
    }

    /// The next objects, in the order of their ids, about `records` of them, or fewer when they are large; and the id of the last that was looked at, none when there are no more.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn objects_after(
        &self,
        cursor: Option<ObjectId>,
        records: usize,
        now_micros: i64,
    ) -> Result<(Vec<(ObjectId, Option<Vec<u8>>)>, Option<ObjectId>)> {
        let (mut objects, mut cursor, mut bytes) = (Vec::new(), cursor, 0);
        while objects.len() < records && bytes <= BYTES {
            let found = self.shared.backend.scan(keys::objects(cursor), CHUNK).await?;
            let count = found.len();
            cursor = found.last().and_then(|(key, _)| keys::id_of(key)).or(cursor);
            let found = found.into_iter().filter_map(|(key, bytes)| Some((keys::id_of(&key)?, Some(bytes))));
            bytes += self.fields_of(found, &mut objects, now_micros).await?;
            if count < CHUNK {
                return Ok((objects, None));
            }
        }
        Ok((objects, cursor))
    }

    async fn add(
        &self,
        ids: BTreeSet<ObjectId>,
        objects: &mut Vec<(ObjectId, Option<Vec<u8>>)>,
        now_micros: i64,
    ) -> Result<usize> {
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        let mut bytes = 0;
        for ids in ids.chunks(CHUNK) {
            let keys: Vec<Key> = ids.iter().map(|id| keys::object(*id).into()).collect();
            let records = self.shared.backend.get_many(&keys).await?;
            bytes += self.fields_of(ids.iter().copied().zip(records), objects, now_micros).await?;
        }
        Ok(bytes)
    }

    /// Adds objects to `objects`; gives how many bytes they are.
    async fn fields_of(
        &self,
        records: impl Iterator<Item = (ObjectId, Option<Bytes>)> + Send,
        objects: &mut Vec<(ObjectId, Option<Vec<u8>>)>,
        now_micros: i64,
    ) -> Result<usize> {
        let mut bytes = 0;
        for (id, record) in records {
            let object = record.map(|bytes| Object::decode(&bytes)).transpose()?;
            let state = match object.filter(|object| object.class.is_some()) {
                Some(object) if object.blobs.is_empty() => Some(object.state.to_vec()),
                // A large value of one that has changed meanwhile may be gone; that change comes later.
                Some(object) => self.begin(Principal::admin(), now_micros, 0).state_of(&object).await.ok(),
                None => None,
            };
            bytes += state.as_ref().map_or(0, Vec::len) + size_of::<ObjectId>();
            objects.push((id, state));
        }
        Ok(bytes)
    }
}
