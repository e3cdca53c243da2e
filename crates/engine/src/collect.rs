//! What is done later, in the background, a little at a time.

use crate::access::Principal;
use crate::backend::Backend;
use crate::backend::Key;
use crate::change::LogRecord;
use crate::engine::Engine;
use crate::keys;
use crate::object::{Object, Record};
use crate::session::SessionRecord;
use crate::tx::{CommitError, Tx};
use bytes::Bytes;
use emerge_proto::rules::Keep;
use emerge_proto::{Error, ObjectId, Result, limits};
use std::collections::HashMap;

/// Where the walks over versions and sessions go on. They begin anew after a restart.
#[derive(Default)]
pub(crate) struct Cursors {
    versions: Option<Key>,
    sessions: Option<Key>,
}

/// What a round of collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Records that were looked at.
    pub seen: usize,
    /// Records that were deleted.
    pub deleted: usize,
}

impl<B: Backend> Engine<B> {
    /// Deletes what nobody can reach any more: unlinked trees, surplus and old versions with the blobs that only they
    /// held, outcomes of sessions that have been silent for [`limits::SESSION_TTL_MS`], and the old end of the change
    /// log. Looks at about `budget` records, in transactions of their own, so that a crash leaves nothing half done. The
    /// host calls it now and then; when nothing was deleted there is no hurry.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn collect(&self, now_micros: i64, budget: usize) -> Result<Collected> {
        let mut done = Collected::default();
        let share = (budget / 5).max(1);
        for task in [Task::Trash, Task::Versions, Task::Sessions, Task::Log, Task::Indexes] {
            let mut tx = self.begin(Principal::admin(), now_micros, 0);
            let result = match task {
                Task::Trash => tx.collect_trash(share).await,
                Task::Versions => tx.collect_versions(share).await,
                Task::Sessions => tx.collect_sessions(share).await,
                Task::Log => tx.collect_log(share).await,
                Task::Indexes => tx.collect_indexes(share).await,
            };
            let (seen, deleted) = result?;
            match tx.commit(None).await {
                Ok(_) => {
                    done.seen += seen;
                    done.deleted += deleted;
                }
                // The next round tries again.
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Adds the next objects to the first index that is being built, about `budget` of them. Gives whether there is more to do. The host calls it as long as
    /// there is, while others use the store.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn build_indexes(&self, now_micros: i64, budget: usize) -> Result<bool> {
        let Some(index) = self.state().indexes.iter().find(|index| !index.ready).cloned() else {
            return Ok(false);
        };
        let mut budget = budget.max(1);
        loop {
            let mut tx = self.begin(Principal::admin(), now_micros, 0);
            tx.build_index(&index, budget).await?;
            match tx.commit(None).await {
                Ok(_) => return Ok(true),
                // Fewer objects are less likely to be changed meanwhile.
                Err(CommitError::Conflict) if budget > 1 => budget /= 2,
                Err(CommitError::Conflict) => return Ok(true),
                Err(CommitError::Error(error)) => return Err(error),
            }
        }
    }
}

/// What a walk over versions knows of the object that it is at, and of directories that it has asked.
struct Kept {
    id: Option<ObjectId>,
    newest: u64,
    /// When the newest version was made.
    modified: i64,
    keep: Keep,
    directories: HashMap<ObjectId, Keep>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { id: None, newest: 0, modified: i64::MAX, keep: Keep::Standard, directories: HashMap::new() }
    }
}

#[derive(Clone, Copy)]
enum Task {
    Trash,
    Versions,
    Sessions,
    Log,
    Indexes,
}

const RETENTION_MICROS: i64 = limits::KEEP_DAYS as i64 * 24 * 3600 * 1_000_000;

impl<B: Backend> Tx<B> {
    async fn collect_trash(&mut self, budget: usize) -> Result<(usize, usize)> {
        let (mut seen, mut deleted) = (0, 0);
        // Only collection takes trash away, and what it finds in there it notes.
        for (key, _) in self.scan_unnoted(keys::all(keys::TRASH), budget).await? {
            if seen >= budget {
                break;
            }
            seen += 1;
            let Some(id) = keys::id_of(&key) else { continue };
            let members = self.scan(keys::entries(id, None), budget).await?;
            seen += members.len();
            if members.is_empty() {
                let versions = self.scan(keys::versions(id), budget).await?;
                seen += versions.len();
                let all = versions.len() < budget;
                for (version, record) in versions {
                    self.put_raw(version, None);
                    deleted += 1;
                    let record = record.object()?;
                    self.release_blobs(&record, id).await?;
                }
                if all {
                    self.put_raw(keys::object(id).into(), None);
                    self.put_raw(key, None);
                    deleted += 1;
                }
                continue;
            }
            for (entry, record) in members {
                let member = record.entry()?.id;
                self.put_raw(entry, None);
                deleted += 1;
                match self.object(member).await? {
                    Some(object) if object.is_directory() => {
                        self.put_raw(keys::trash(member).into(), Some(Record::Bytes(Bytes::new())));
                    }
                    Some(object) => self.discard(member, &object),
                    None => {}
                }
            }
        }
        Ok((seen, deleted))
    }

    // A version is never changed and deleting it twice does no harm, so the walk notes no reads but those of blobs.
    async fn collect_versions(&mut self, budget: usize) -> Result<(usize, usize)> {
        let versions = self.next_of(keys::VERSION, |cursors| &mut cursors.versions, budget).await?;
        let seen = versions.len();
        let mut deleted = 0;
        let mut kept = Kept::default();
        let mut versions = versions.into_iter().peekable();
        while let Some((key, record)) = versions.next() {
            let Some((id, version)) = keys::version_parts(&key) else { continue };
            if kept.id != Some(id) {
                self.learn_kept(&mut kept, id).await?;
            }
            let object = record.object()?;
            let mut surplus = version <= kept.keep.surplus(kept.newest);
            if let (false, Some(micros)) = (surplus, kept.keep.micros()) {
                // It was current until the next one was made.
                let next = match versions.peek() {
                    Some((next, record)) if keys::version_parts(next).is_some_and(|(next, _)| next == id) => {
                        Some(record.clone().object()?.modified)
                    }
                    _ if version + 1 >= kept.newest => Some(kept.modified),
                    _ => self.version_time_unnoted(id, version + 1).await?,
                };
                surplus = next.unwrap_or(kept.modified) < self.time() - micros;
            }
            if surplus {
                self.put_raw(key, None);
                self.release_blobs(&object, id).await?;
                deleted += 1;
            }
        }
        Ok((seen, deleted))
    }

    /// What is to be kept of an object's versions, by the nearest directory above that says so.
    async fn learn_kept(&mut self, kept: &mut Kept, id: ObjectId) -> Result<()> {
        kept.id = Some(id);
        (kept.newest, kept.modified, kept.keep) = (0, i64::MAX, Keep::Standard);
        let Some(object) = self.object_unnoted(id).await? else { return Ok(()) };
        (kept.newest, kept.modified) = (object.version, object.modified);
        let rule = |object: &Object| object.rules.as_deref().and_then(|rules| rules.keep);
        let (mut at, mut keep, mut asked) = (object.parent, rule(&object), Vec::new());
        while keep.is_none() {
            if let Some(known) = kept.directories.get(&at) {
                keep = Some(*known);
                break;
            }
            let Some(directory) = self.object_unnoted(at).await? else { break };
            asked.push(at);
            keep = rule(&directory);
            if at == ObjectId::ROOT {
                break;
            }
            at = directory.parent;
        }
        kept.keep = keep.unwrap_or(Keep::Standard);
        kept.directories.extend(asked.into_iter().map(|at| (at, kept.keep)));
        Ok(())
    }

    async fn collect_sessions(&mut self, budget: usize) -> Result<(usize, usize)> {
        let records = self.next_of(keys::SESSION, |cursors| &mut cursors.sessions, budget).await?;
        let horizon = self.time() - limits::SESSION_TTL_MS as i64 * 1000;
        // Those that no checkpoint has written down yet, and those whose record is old.
        let mut silent = self.silent_sessions(horizon, budget);
        let seen = records.len() + silent.len();
        for (key, record) in records {
            let Some(session) = keys::session_of(&key) else { continue };
            if SessionRecord::read(&record.bytes()?)?.time < horizon && !silent.contains(&session) {
                silent.push(session);
            }
        }
        let mut deleted = 0;
        for session in silent {
            // A session that lives on may have an old record.
            if self.is_silent(session, horizon).await? {
                self.end_session(session, Some(horizon));
                deleted += 1;
            }
        }
        Ok((seen, deleted))
    }

    async fn collect_log(&mut self, budget: usize) -> Result<(usize, usize)> {
        let records = self.scan_unnoted(keys::all(keys::LOG), budget).await?;
        let (seen, mut deleted) = (records.len(), 0);
        let mut last = None;
        for (key, record) in records {
            if LogRecord::read(record)?.time >= self.time() - RETENTION_MICROS {
                break;
            }
            last = keys::log_number(&key);
            self.put_raw(key, None);
            deleted += 1;
        }
        if let Some(last) = last {
            // Tells those who watch that what they want to go on from is gone.
            self.put_raw(keys::meta("log"), Some(Record::Bytes(Bytes::copy_from_slice(&last.to_be_bytes()))));
        }
        Ok((seen, deleted))
    }

    /// The next records of a walk over one kind; after the last it begins anew.
    async fn next_of(
        &mut self,
        kind: u8,
        cursor: impl Fn(&mut Cursors) -> &mut Option<Key>,
        budget: usize,
    ) -> Result<Vec<(Key, Record)>> {
        let all = keys::all(kind);
        let start = self.with_cursors(|cursors| cursor(cursors).clone()).unwrap_or(all.start);
        let records = self.scan_unnoted(start..all.end, budget).await?;
        let next = records.last().filter(|_| records.len() == budget).map(|(last, _)| {
            let mut next = last.to_vec();
            next.push(0);
            Key::from(next)
        });
        self.with_cursors(|cursors| *cursor(cursors) = next);
        Ok(records)
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Error::new(
                emerge_proto::ErrorCode::Conflict,
                "something that was read has been changed since",
            ),
            CommitError::Error(error) => error,
        }
    }
}
