//! Copies of a whole store, made while it is used, and stores made of them.
//!
//! A copy is what a scan of all keys found, a batch at a time, and between the batches every commit that became durable meanwhile, in their order.
//!
//! Invariant: applied in order, a copy is the store exactly as it was after the last commit that is in it. For the copy follows the commits from
//! before its scan began. Of a key that no followed commit wrote the scan found the one value that it had all the time. Of any other key the last
//! write is that of the last followed commit that wrote it: either that commit comes after the batch that held the key, or it was
//! durable before that batch was read, which then found its value. And whatever the scan may have seen of a commit that was just being written, that
//! commit is in the copy whole: before the copy ends, it waits until all that had a number by then is durable and followed.

mod archive;
mod restore;

pub use restore::{Check, Restore, Restored};

use crate::backend::{Backend, Key, Write};
use crate::engine::{Engine, number_of};
use crate::keys;
use crate::object::damaged;
use archive::Writer;
use emerge_proto::{Error, ErrorCode, ObjectId, Result};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Copies of one store that may be made at the same time.
pub const MAX_BACKUPS: usize = 2;
/// Bytes of commits that a copy may lag behind.
const MAX_LAG: usize = 128 * 1024 * 1024;
/// Keys of one batch of the scan.
const BATCH: usize = 256;

/// The copies that are being made, each with the commits that it has still to put down.
#[derive(Default)]
pub(crate) struct Followers {
    next: u64,
    each: BTreeMap<u64, Follower>,
}

#[derive(Default)]
struct Follower {
    waiting: VecDeque<Vec<Write>>,
    bytes: usize,
    /// The last commit that was followed.
    number: u64,
    failed: Option<Error>,
}

impl Followers {
    /// Whether anybody wants to know what is written.
    pub(crate) fn any(&self) -> bool {
        !self.each.is_empty()
    }

    fn add(&mut self, number: u64) -> Result<u64> {
        if self.each.len() == MAX_BACKUPS {
            let why = format!("{MAX_BACKUPS} backups of this store are being made already; try again later");
            return Err(Error::new(ErrorCode::LimitExceeded, why).limit(MAX_BACKUPS as u64));
        }
        self.next += 1;
        self.each.insert(self.next, Follower { number, ..Follower::default() });
        Ok(self.next)
    }

    /// Commits up to a number have become durable.
    pub(crate) fn push(&mut self, number: u64, writes: &[Write]) {
        let bytes = crate::queue::size(writes);
        for follower in self.each.values_mut().filter(|follower| follower.failed.is_none()) {
            follower.number = number;
            follower.bytes += bytes;
            follower.waiting.push_back(writes.to_vec());
            if follower.bytes > MAX_LAG {
                let why = "more was changed than the backup could follow; its reader is too slow";
                follower.failed = Some(Error::new(ErrorCode::LimitExceeded, why).limit(MAX_LAG as u64));
                follower.waiting.clear();
            }
        }
    }

    /// Nobody knows what is in the store now.
    pub(crate) fn fail(&mut self, error: &Error) {
        for follower in self.each.values_mut() {
            follower.failed.get_or_insert_with(|| error.clone());
            follower.waiting.clear();
        }
    }

    fn take(&mut self, id: u64) -> Result<(VecDeque<Vec<Write>>, u64)> {
        let gone = || Error::new(ErrorCode::Internal, "the backup is not known");
        let follower = self.each.get_mut(&id).ok_or_else(gone)?;
        match &follower.failed {
            Some(error) => Err(error.clone()),
            None => {
                follower.bytes = 0;
                Ok((std::mem::take(&mut follower.waiting), follower.number))
            }
        }
    }
}

enum Stage {
    Header,
    /// Goes on from this key.
    Scan(Key),
    End,
    Done,
}

/// A copy that is being made. Dropping it gives it up.
pub struct Backup<B: Backend> {
    engine: Engine<B>,
    follower: u64,
    /// What had been committed when it began.
    began: u64,
    time: i64,
    stage: Stage,
    writer: Writer,
}

impl<B: Backend> Engine<B> {
    /// Begins a copy of the whole store as it will be when the copy is done, while it is used. `now_micros` is noted in it.
    ///
    /// # Errors
    /// `limit_exceeded` when [`MAX_BACKUPS`] are being made, `unavailable`, `storage_failed`.
    pub fn backup(&self, now_micros: i64) -> Result<Backup<B>> {
        let mut state = self.state();
        state.usable()?;
        let began = state.last;
        let follower = state.followers.add(began)?;
        drop(state);
        Ok(Backup {
            engine: self.clone(),
            follower,
            began,
            time: now_micros,
            stage: Stage::Header,
            writer: Writer::default(),
        })
    }
}

impl<B: Backend> Backup<B> {
    /// The next bytes of the copy; none when it is whole.
    ///
    /// # Errors
    /// `limit_exceeded` when more was changed since the last call than it can follow; `storage_failed`.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Header => {
                // From here on the scan sees every commit that is not followed.
                self.engine.durable(self.began).await?;
                self.writer.header(keys::FORMAT, self.engine.store_id(), self.time);
                self.stage = Stage::Scan(everything().start);
            }
            Stage::Scan(from) => {
                let range = from..everything().end;
                let found = self.engine.backend().scan(range, BATCH).await?;
                self.stage = self.writer.scanned(&found).map_or(Stage::End, Stage::Scan);
                self.put_followed()?;
            }
            Stage::End => {
                let last = self.engine.state().last;
                self.engine.durable(last).await?;
                let number = self.put_followed()?;
                self.writer.end(number);
            }
            Stage::Done => return Ok(None),
        }
        Ok(Some(self.writer.take()))
    }

    fn put_followed(&mut self) -> Result<u64> {
        let (followed, number) = self.engine.state().followers.take(self.follower)?;
        followed.iter().for_each(|writes| self.writer.writes(writes));
        Ok(number)
    }
}

impl<B: Backend> Drop for Backup<B> {
    fn drop(&mut self) {
        self.engine.state().followers.each.remove(&self.follower);
    }
}

/// Copies a store that nobody has open, of any format up to this program's. What `put` is given, one after the other, is the copy.
///
/// # Errors
/// `storage_failed` when the backend holds no store, or one of a newer program; whatever `put` gives.
pub async fn copy_closed<B: Backend>(
    backend: &B,
    now_micros: i64,
    mut put: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let names = [keys::meta("format"), keys::meta("store"), keys::meta("number")];
    let mut facts = backend.get_many(&names).await?.into_iter().flatten();
    let (Some(format), Some(store), Some(number)) = (facts.next(), facts.next(), facts.next()) else {
        return Err(Error::new(ErrorCode::StorageFailed, "there is no store to copy"));
    };
    let format = number_of(&format)?;
    crate::upgrade::check(format)?;
    let store = ObjectId(<[u8; 16]>::try_from(&*store).map_err(|_| damaged("the store's id"))?);
    let mut writer = Writer::default();
    writer.header(format, store, now_micros);
    let mut next = Some(everything().start);
    while let Some(from) = next {
        let found = backend.scan(from..everything().end, BATCH).await?;
        next = writer.scanned(&found);
        put(&writer.take())?;
    }
    writer.end(number_of(&number)?);
    put(&writer.take())
}

/// The range of all keys.
fn everything() -> Range<Key> {
    // No kind of key is 255.
    Key::from(&[][..])..Key::from(&[u8::MAX][..])
}
