//! Watching: the durable end of the log, as those who may read it see it.

use crate::access::Principal;
use crate::backend::Backend;
use crate::change::{Change, LogRecord, Where};
use crate::engine::{Engine, number_of};
use crate::keys;
use crate::object::{damaged, read};
use crate::pattern::Pattern;
use emerge_proto::watch::{Change as Told, ChangeKind};
use emerge_proto::{Error, ErrorCode, ObjectId, Result};

/// Records of the log that are read at a time.
const RECORDS: usize = 256;

/// A place in the log: after a commit, or after so many of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    commit: u64,
    change: u32,
}

/// What a look at the log gave.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the watcher is told, in the order of commits.
    pub changes: Vec<Told>,
    /// Where to go on.
    pub next: Mark,
}

impl Mark {
    /// The commit up to which all has been seen.
    pub fn commit(self) -> u64 {
        self.commit
    }
}

impl<B: Backend> Engine<B> {
    /// The end of the log now: what is committed after it will be told.
    pub fn log_end(&self) -> Mark {
        Mark { commit: self.state().gate.through(), change: u32::MAX }
    }

    /// A mark as an opaque text; texts of one store are in the order of their marks.
    pub fn token(&self, mark: Mark) -> String {
        let store = self.store_id();
        let tail = &store.0[12..];
        format!(
            "{:02x}{:02x}{:02x}{:02x}{:016x}{:08x}",
            tail[0], tail[1], tail[2], tail[3], mark.commit, mark.change
        )
    }

    /// The mark of a token.
    ///
    /// # Errors
    /// `bad_argument` when it is none of this store.
    pub fn mark(&self, token: &str) -> Result<Mark> {
        let bad = || {
            Error::new(ErrorCode::BadArgument, "the token is not one of this store's changes").field("from")
        };
        let number =
            |range| token.get(range).and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or_else(bad);
        let mark =
            Mark { commit: number(8..24)?, change: u32::try_from(number(24..32)?).map_err(|_| bad())? };
        if self.token(mark) == token { Ok(mark) } else { Err(bad()) }
    }

    /// The next changes after a mark that match a pattern, as far as they are durable and the watcher may know of them; none when there are no
    /// further ones. One look reads a part of the log.
    ///
    /// # Errors
    /// `log_expired`, `storage_failed`, `unavailable`.
    pub async fn changes_after(
        &self,
        mark: Mark,
        pattern: &Pattern,
        who: &Principal,
        now: i64,
    ) -> Result<Seen> {
        let through = {
            let mut state = self.state();
            state.usable()?;
            state.gate.through()
        };
        // A commit of which only some changes were told is read again.
        let first = if mark.change == u32::MAX { mark.commit.saturating_add(1) } else { mark.commit };
        if first > through {
            return Ok(Seen { changes: Vec::new(), next: mark });
        }
        #[cfg(feature = "mutations")]
        let first = through.min(first + 2 * u64::from(self.shared.options.mutations.watch_gap));
        let range = keys::log(first)..keys::log(through.saturating_add(1));
        let records = self.shared.backend.scan(range, RECORDS).await?;
        self.check_reach(mark.commit).await?;
        let last = match records.last() {
            Some((key, _)) if records.len() == RECORDS => {
                keys::log_number(key).ok_or_else(|| damaged("the log"))?
            }
            _ => through,
        };
        let mut changes = Vec::new();
        let mut tx = self.begin(who.clone(), now, 0);
        for (key, bytes) in records {
            let commit = keys::log_number(&key).ok_or_else(|| damaged("the log"))?;
            let log: LogRecord = read(&bytes, "a change")?;
            let author = log.author.unwrap_or_default();
            for (at, (change, place)) in log.changes.iter().zip(log.places.unwrap_or_default()).enumerate() {
                let here = Mark { commit, change: u32::try_from(at).unwrap_or(u32::MAX - 1) };
                if here <= mark {
                    continue;
                }
                if let Some(told) = tell(&mut tx, change, place, pattern).await {
                    changes.push(Told {
                        token: self.token(here),
                        time: log.time,
                        author: author.clone(),
                        ..told
                    });
                }
            }
        }
        Ok(Seen { changes, next: Mark { commit: last, change: u32::MAX } })
    }

    /// Whether the log still holds what came after a commit.
    pub(crate) async fn check_reach(&self, commit: u64) -> Result<()> {
        let found = self.look(&keys::meta("log")).await?.record;
        let gone = found
            .map(crate::object::Record::bytes)
            .transpose()?
            .map_or(Ok(0), |number| number_of(&number))?;
        if commit >= gone {
            return Ok(());
        }
        let why = "the change log no longer reaches back to where this watch is to go on: look at what there is, and watch from now on";
        Err(Error::new(ErrorCode::LogExpired, why).field("from"))
    }
}

/// What a watcher is told of a change; nothing when the pattern does not match or the watcher may not know.
async fn tell<B: Backend>(
    tx: &mut crate::tx::Tx<B>,
    change: &Change,
    place: Where,
    pattern: &Pattern,
) -> Option<Told> {
    let Where { path, from, version, directory, rights, rights_after } = place;
    let path = path?;
    let (mut kind, id): (ChangeKind, ObjectId) = match change {
        Change::Created(id) => (ChangeKind::Created, *id),
        Change::Updated(id, _) => (ChangeKind::Changed, *id),
        Change::Removed(id, _, _) => (ChangeKind::Removed, *id),
        Change::Moved(id, _, _) => (ChangeKind::Moved, *id),
    };
    // What a change of rights hides from the watcher is gone, and what it shows has come.
    let turned = match (&rights, &rights_after) {
        (Some(before), Some(after)) if kind == ChangeKind::Changed => {
            match (tx.would_know(before), tx.would_know(after)) {
                (true, true) => None,
                (true, false) => Some(ChangeKind::Removed),
                (false, true) => Some(ChangeKind::Created),
                (false, false) => return None,
            }
        }
        _ => None,
    };
    kind = turned.unwrap_or(kind);
    // Who watches something inside a tree learns that the tree has come or gone.
    let tree = directory && (turned.is_some() || matches!(kind, ChangeKind::Removed | ChangeKind::Moved));
    let matches = |path: &str| pattern.matches(path) || (tree && pattern.reaches_below(path));
    let (to, old) = (matches(&path), from.as_deref().is_some_and(matches));
    if !to && !old {
        return None;
    }
    let may_to = match (turned, kind) {
        (Some(_), ChangeKind::Removed) => tx.may_pass(&path).await,
        // The rights from before are not those that it has.
        (Some(_), _) => tx.may_know(id, &path, None).await,
        (None, _) => tx.may_know(id, &path, rights_after.as_ref().or(rights.as_ref())).await,
    };
    let may_from = match (&from, &rights, &rights_after) {
        // It was there with other rights than it has.
        (Some(from), Some(before), Some(_)) => tx.would_know(before) && tx.may_pass(from).await,
        (Some(from), rights, _) => tx.may_know(id, from, rights.as_ref()).await,
        (None, ..) => false,
    };
    let told = |kind, path, from, version| Told {
        kind,
        token: String::new(),
        path,
        from,
        id: Some(id),
        version,
        time: 0,
        author: String::new(),
        directory,
    };
    match (kind, may_to, may_from) {
        (ChangeKind::Moved, true, true) => Some(told(kind, path, from, version)),
        // Of a move between what the watcher may know and what not, only the one side is told.
        (ChangeKind::Moved, true, false) if to => Some(told(ChangeKind::Created, path, None, version)),
        (ChangeKind::Moved, false, true) if old => Some(told(ChangeKind::Removed, from?, None, None)),
        (ChangeKind::Moved, _, _) => None,
        (ChangeKind::Removed, true, _) => Some(told(kind, path, None, None)),
        (_, true, _) => Some(told(kind, path, None, version)),
        (_, false, _) => None,
    }
}
