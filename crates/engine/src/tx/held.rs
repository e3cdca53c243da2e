//! What a transaction that is held open needs: going back over part of it, what it takes of memory, what a conflict was about.

use super::{Tx, Undo};
use crate::access::{self, Principal};
use crate::backend::{Backend, Key};
use crate::engine::Engine;
use crate::keys;
use crate::object::Record;
use emerge_proto::op::Target;
use emerge_proto::{Error, ErrorCode, Path, Result, SessionId};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

/// Bytes of memory that a record takes besides its key and its own.
pub(super) const OVERHEAD: usize = 96;

/// Keys that have changed of which a path is looked for.
const MOST_TRIED: usize = 16;

/// Where an operation began, to go back to when it fails.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint {
    undo: usize,
    changes: usize,
}

/// About how many bytes of memory a read or a write takes.
pub(super) fn weight(key: &[u8], record: Option<&Record>) -> usize {
    key.len() + OVERHEAD + record.map_or(0, Record::weight)
}

impl<B: Backend> Tx<B> {
    /// The transaction as it is now.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint { undo: self.undo.len(), changes: self.changes.len() }
    }

    /// Takes back all that was written since the savepoint. What was read stays noted.
    pub fn back_to(&mut self, savepoint: &Savepoint) {
        self.changes.truncate(savepoint.changes);
        while self.undo.len() > savepoint.undo {
            match self.undo.pop() {
                Some(Undo::Write(key, before)) => {
                    self.write(key, before);
                }
                Some(Undo::Touch(id)) => {
                    self.touched.remove(&id);
                }
                None => return,
            }
        }
    }

    /// Goes on for a caller at a time. What was written so far stays: there is no going back to an earlier savepoint.
    pub fn go_on(&mut self, principal: &Principal, now_micros: i64) {
        self.undo.clear();
        self.regrouped |= self.caller.groups != principal.groups;
        if *self.caller != *principal {
            self.caller = Arc::new(principal.clone());
        }
        self.principal = self.caller.clone();
        self.now = now_micros;
    }

    /// Refuses to commit for a caller whose groups are others than when something was done in the transaction: it may have been done with rights that are gone.
    ///
    /// # Errors
    /// `permission_denied`.
    pub fn check_groups(&self, principal: &Principal) -> Result<()> {
        if !self.regrouped && self.caller.groups == principal.groups {
            return Ok(());
        }
        let why = format!(
            "the groups of user {:?} have changed since the transaction began; nothing of it has happened",
            principal.user
        );
        Err(Error::new(ErrorCode::PermissionDenied, why))
    }

    /// About how many bytes of memory the transaction holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives all that the transaction wrote one time, that of its commit: what was held open for long is not seen in the past.
    pub fn stamp(&mut self, now_micros: i64) {
        self.now = now_micros;
        // Indexes that came and went meanwhile are no conflict: which entries there must be is decided only now.
        self.indexes = self.engine.state().indexes.clone();
        for id in &self.touched {
            let Some(Some(Record::Object(object))) = self.writes.get_mut(&keys::object(*id)[..]) else {
                continue;
            };
            let object = Arc::make_mut(object);
            // It was touched, so that a first version is one that this transaction made.
            if object.version == 1 {
                object.created = now_micros;
            }
            object.modified = object.modified.max(now_micros);
        }
    }

    /// After a conflict: the path of what has changed since it was read, as far as there is one that the caller may be told.
    pub async fn changed_path(&self) -> Option<Path> {
        let stale: Vec<Key> = {
            let state = self.engine.state();
            let read =
                self.reads.iter().filter(|(key, (at, _))| is_named(key) && state.has_changed(key, *at));
            let ranges = self.ranges.iter().filter(|(range, _)| is_named(&range.start));
            let listed = ranges.filter_map(|(range, at)| state.changed_in(range, *at));
            let together =
                self.together.iter().flat_map(|(ids, at)| ids.iter().map(|id| (keys::object(*id), *at)));
            let together = together.filter(|(key, at)| state.has_changed(&key[..], *at));
            let read = read.map(|(key, _)| key).chain(listed).cloned();
            read.chain(together.map(|(key, _)| Key::from(key))).take(MOST_TRIED).collect()
        };
        // As the caller sees it now.
        let mut now = self.engine.begin(self.caller.clone(), self.now, 0);
        for key in &stale {
            let path = now.path_of_key(key).await;
            if path.is_some() {
                return path;
            }
        }
        None
    }

    async fn path_of_key(&mut self, key: &Key) -> Option<Path> {
        let id = keys::id_of(key)?;
        let place = self.place(&Target::Id(id)).await.ok()?;
        if !access::shows(&self.principal, &place.object, &place.path) {
            return None;
        }
        if key.first() != Some(&keys::ENTRY) {
            return Some(place.path);
        }
        // What came or went in a directory may be hidden: then the directory is told, and no name.
        let name = std::str::from_utf8(key.get(17..)?).ok()?;
        let path = place.path.join(name).ok()?;
        match self.place(&Target::from(&path)).await {
            Ok(entry) if access::shows(&self.principal, &entry.object, &entry.path) => Some(path),
            _ => Some(place.path),
        }
    }
}

/// True for a key that has to do with a place in the tree.
fn is_named(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(keys::OBJECT | keys::ENTRY)))
}

impl<B: Backend> Engine<B> {
    /// Waits until there is room for a commit, and what is kept of the session is known. After that others may take the room or drop the
    /// index, which only means one commit more than the bound, or a conflict.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn room(&self, session: Option<SessionId>) -> Result<()> {
        while !poll_fn(|cx| {
            let mut state = self.state();
            ready!(state.queue.poll_room(cx));
            Poll::Ready(session.is_none_or(|session| state.sessions.get(session).is_some()))
        })
        .await
        {
            if let Some(session) = session {
                self.index_session(session).await?;
            }
        }
        Ok(())
    }
}
