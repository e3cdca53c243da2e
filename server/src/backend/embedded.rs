//! The durable store in one folder: a log-structured tree (fjall) with a journal.
//!
//! One thread writes, so that no other thread ever waits for the disk; reads run where they are asked for. A commit is
//! one batch in the journal, acknowledged after `fdatasync`. The folder is locked while it is open, and the fence lies
//! in it, so that neither another process nor a late former owner in this one can write.

use bytes::Bytes;
use emerge_engine::backend::{Backend, BackendError, CommitRecord, Key, Limits};
use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Bytes of decompressed blocks kept in memory; hot records are kept by the engine as well.
const BLOCK_CACHE: u64 = 64 * 1024 * 1024;
/// Bytes of recent writes kept in memory before they go to a table.
const MEMTABLE: u64 = 32 * 1024 * 1024;
/// Bytes of journal that may lie on disk; 64 MB is the least that the tree takes.
const JOURNAL: u64 = 128 * 1024 * 1024;
/// Larger blocks compress better, smaller ones are read faster.
const BLOCK: u32 = 8 * 1024;
/// Bytes of one value and of one commit. The tree would take more; this bounds memory.
const LIMITS: Limits = Limits { max_value: 64 * 1024 * 1024, max_batch: 256 * 1024 * 1024 };
/// Commits that may wait for the thread.
const WAITING: usize = 16;

const FENCE: &str = "fence";

/// A store in one folder.
pub struct Embedded {
    database: Database,
    data: Keyspace,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Bytes that a store takes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the tables: all that is stored and has left the journal.
    pub tables: u64,
    /// Of the journal, which does not grow with what is stored: it is written anew and again, up to a bound. Its file
    /// is allocated ahead, so that it may show as larger than what it takes.
    pub journal: u64,
}

type Answer<T> = oneshot::Sender<Result<T, BackendError>>;

enum Job {
    Commit(CommitRecord, u64, Answer<()>),
    Claim(Answer<u64>),
}

impl Embedded {
    /// Opens the store in a folder; makes it when there is none.
    ///
    /// # Errors
    /// [`BackendError::InUse`] when it is open already, [`BackendError::Incompatible`], [`BackendError::Failed`].
    pub fn open(folder: &Path) -> Result<Self, BackendError> {
        let wrong = |error| opening(&error, folder);
        let database = Database::builder(folder)
            .cache_size(BLOCK_CACHE)
            .max_journaling_size(JOURNAL)
            .journal_compression(CompressionType::Lz4)
            // Of two, one asks without pause whether the other has done compacting.
            .worker_threads(1)
            .open()
            .map_err(wrong)?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE)
                .data_block_size_policy(BlockSizePolicy::all(BLOCK))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        };
        let data = database.keyspace("data", options).map_err(wrong)?;
        let owner = database.keyspace("owner", KeyspaceCreateOptions::default).map_err(wrong)?;
        let fence = match owner.get(FENCE).map_err(wrong)? {
            Some(bytes) => u64::from_be_bytes(
                (*bytes).try_into().map_err(|_| BackendError::Incompatible("its fence is damaged".into()))?,
            ),
            None => 0,
        };
        let (jobs, queue) = sync_channel(WAITING);
        let mut writer = Writer { database: database.clone(), data: data.clone(), owner, fence };
        let thread = std::thread::Builder::new()
            .name("emerge-store".into())
            .spawn(move || writer.run(&queue))
            .map_err(|error| BackendError::Failed(format!("no thread for writing: {error}")))?;
        Ok(Self { database, data, jobs: Some(jobs), writer: Some(thread) })
    }

    /// Writes everything from memory to tables and merges the tables into one, without what was deleted. It takes as
    /// long as reading and writing the whole store, and blocks.
    ///
    /// # Errors
    /// [`BackendError::Failed`].
    pub fn compact(&self) -> Result<(), BackendError> {
        self.data.rotate_memtable_and_wait().map_err(|error| failed(&error))?;
        self.data.major_compact().map_err(|error| failed(&error))
    }

    /// How much it takes on disk.
    ///
    /// # Errors
    /// [`BackendError::Failed`].
    pub fn sizes(&self) -> Result<Sizes, BackendError> {
        let journal = self.database.journal_disk_space().map_err(|error| failed(&error))?;
        Ok(Sizes { tables: self.data.disk_space(), journal })
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, BackendError> {
        let stopped = || BackendError::Failed("the writing thread has stopped".into());
        let (answer, result) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        // The engine commits one record at a time, so the queue is never full for long.
        jobs.send(job(answer)).map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The thread ends with its queue, and the folder's lock with the last handle.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic in it has been reported to whoever waited for its answer.
            let _ = writer.join();
        }
    }
}

impl Backend for Embedded {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        keys.iter()
            .map(|key| {
                let value = self.data.get(key).map_err(|error| failed(&error))?;
                // Copied, since the value would hold its whole block in memory.
                Ok(value.map(|value| Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        self.data.range::<&[u8], _>(&*range.start..&*range.end).take(limit).map(record).collect()
    }

    async fn scan_back(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        self.data.range::<&[u8], _>(&*range.start..&*range.end).rev().take(limit).map(record).collect()
    }

    async fn show(
        &self,
        range: Range<Key>,
        limit: usize,
        see: &mut (dyn FnMut(&[u8], &[u8]) + Send),
    ) -> Result<(), BackendError> {
        if range.start >= range.end {
            return Ok(());
        }
        for item in self.data.range::<&[u8], _>(&*range.start..&*range.end).take(limit) {
            let (key, value) = item.into_inner().map_err(|error| failed(&error))?;
            see(&key, &value);
        }
        Ok(())
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        let largest =
            record.writes.iter().filter_map(|write| write.value.as_ref().map(Bytes::len)).max().unwrap_or(0);
        if largest > LIMITS.max_value {
            return Err(BackendError::TooLarge { bytes: largest, limit: LIMITS.max_value });
        }
        let size = record.size();
        if size > LIMITS.max_batch {
            return Err(BackendError::TooLarge { bytes: size, limit: LIMITS.max_batch });
        }
        self.ask(|answer| Job::Commit(record, fence, answer)).await
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        self.ask(Job::Claim).await
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}

/// The only one that writes.
struct Writer {
    database: Database,
    data: Keyspace,
    owner: Keyspace,
    fence: u64,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Job>) {
        for job in queue {
            // Whoever asked may have stopped waiting.
            match job {
                Job::Commit(record, fence, answer) => {
                    let _ = answer.send(self.commit(record, fence));
                }
                Job::Claim(answer) => {
                    let _ = answer.send(self.claim());
                }
            }
        }
    }

    fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        if fence != self.fence {
            return Err(BackendError::Fenced { presented: fence, current: self.fence });
        }
        // fdatasync flushes the file's length too, so nothing of the batch can be lost.
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for write in record.writes {
            match write.value {
                Some(value) => batch.insert(&self.data, &*write.key, &*value),
                None => batch.remove(&self.data, &*write.key),
            }
        }
        batch.commit().map_err(|error| failed(&error))
    }

    fn claim(&mut self) -> Result<u64, BackendError> {
        let next = self.fence + 1;
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.owner, FENCE, next.to_be_bytes());
        batch.commit().map_err(|error| failed(&error))?;
        self.fence = next;
        Ok(next)
    }
}

/// A key and its value, copied: what the store gives holds its whole block in memory.
fn record(item: fjall::Guard) -> Result<(Key, Bytes), BackendError> {
    let (key, value) = item.into_inner().map_err(|error| failed(&error))?;
    Ok((Key::from(&*key), Bytes::copy_from_slice(&value)))
}

fn failed(error: &fjall::Error) -> BackendError {
    BackendError::Failed(match error {
        fjall::Error::Poisoned => {
            "an earlier write failed, and the disk cannot be trusted before the node is started again".into()
        }
        error => error.to_string(),
    })
}

fn opening(error: &fjall::Error, folder: &Path) -> BackendError {
    let folder = folder.display();
    match error {
        fjall::Error::Locked => BackendError::InUse(format!("the folder {folder}")),
        fjall::Error::InvalidVersion(_) => {
            BackendError::Incompatible(format!("the folder {folder} was written by another version: {error}"))
        }
        fjall::Error::Unrecoverable | fjall::Error::InvalidTrailer | fjall::Error::InvalidTag(_) => {
            BackendError::Incompatible(format!("the folder {folder} is damaged: {error}"))
        }
        error => BackendError::Failed(format!("the folder {folder} cannot be opened: {error}")),
    }
}
