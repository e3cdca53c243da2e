//! Outcomes of requests: which are kept for which session.
//!
//! An outcome lies in the log record of its commit, so that keeping it costs no key of its own. Where each session's outcomes lie is known in memory; every
//! so many commits the sessions that had outcomes since are written down. So after a restart the log is read from the last checkpoint on, and no further.
//!
//! Invariant: a session that is not in memory, or not marked, is as its record says.

use crate::backend::{Key, Write};
use crate::change::LogRecord;
use crate::keys;
use crate::object::read;
use emerge_proto::{Result, SessionId};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A request's outcome, to be committed with what the request changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The session.
    pub session: SessionId,
    /// The request's sequence in it.
    pub seq: u64,
    /// The part of the request, when each part commits by itself; empty for the whole.
    pub part: String,
    /// Whose session it is.
    pub user: String,
    /// All outcomes up to here have arrived at the client and may be forgotten.
    pub acknowledged: u64,
    /// The encoded reply.
    pub reply: Vec<u8>,
}

/// A kept outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOutcome {
    /// The encoded reply.
    pub reply: Vec<u8>,
    /// The commit that must be durable before anyone is told.
    pub depends_on: u64,
}

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Whose it is.
    pub user: String,
    /// Requests up to here must be refused: their outcomes are gone.
    pub acknowledged: u64,
    /// The requests whose outcomes (or those of some part) are kept, in order.
    pub outcomes: Vec<u64>,
}

/// An outcome as it lies in the log record of its commit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LoggedOutcome {
    #[n(0)]
    pub(crate) session: SessionId,
    #[n(1)]
    pub(crate) seq: u64,
    #[n(2)]
    pub(crate) acknowledged: u64,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) reply: Vec<u8>,
    #[n(4)]
    pub(crate) user: String,
    /// Absent for the whole of a request.
    #[n(5)]
    pub(crate) part: Option<String>,
}

impl From<Outcome> for LoggedOutcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { session, seq, part, user, acknowledged, reply } = outcome;
        Self { session, seq, acknowledged, reply, user, part: (!part.is_empty()).then_some(part) }
    }
}

/// What a checkpoint writes down of a session.
#[derive(Debug, Encode, Decode)]
pub(crate) struct SessionRecord {
    #[n(0)]
    user: String,
    #[n(1)]
    acknowledged: u64,
    /// Microseconds since 1970-01-01T00:00:00Z of its newest outcome.
    #[n(2)]
    pub(crate) time: i64,
    #[n(3)]
    outcomes: Vec<KeptAt>,
}

/// Where an outcome lies.
#[derive(Debug, Encode, Decode)]
struct KeptAt {
    #[n(0)]
    seq: u64,
    /// The commit.
    #[n(1)]
    number: u64,
    #[n(2)]
    part: String,
}

impl SessionRecord {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        read(bytes, "a session")
    }
}

/// Sessions whose outcomes are known in memory; when there are more, all that no checkpoint has to write down are forgotten and read again when needed.
const MAX_INDEXED: usize = 50_000;
/// Bytes past which the records of a checkpoint go into one commit more.
const CHECKPOINT_BATCH: usize = 1024 * 1024;

/// Which outcomes each session has, the ones on their way to the backend included.
pub(crate) struct SessionIndex {
    /// Commits from one checkpoint to the next.
    every: u64,
    sessions: HashMap<SessionId, Indexed>,
    /// Those whose records are older than they are.
    marked: HashSet<SessionId>,
    /// The commit of the last checkpoint; none before the log was read.
    checkpoint: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Indexed {
    pub(crate) user: String,
    pub(crate) acknowledged: u64,
    /// Microseconds since 1970-01-01T00:00:00Z of its newest outcome; none when it never had any.
    pub(crate) time: Option<i64>,
    /// The commit in which each outcome lies that is not acknowledged, by sequence and part.
    pub(crate) outcomes: BTreeMap<(u64, String), u64>,
}

impl Indexed {
    /// A session as its record says. The log may say some of it again, which changes nothing.
    pub(crate) fn from_record(record: SessionRecord) -> Self {
        let SessionRecord { user, acknowledged, time, outcomes } = record;
        let outcomes = outcomes.into_iter().map(|kept| ((kept.seq, kept.part), kept.number)).collect();
        Self { user, acknowledged, time: Some(time), outcomes }
    }

    /// Adds an outcome, and lets go of those that the client has acknowledged.
    pub(crate) fn add(&mut self, number: u64, time: i64, outcome: &LoggedOutcome) {
        // A late request may have an older horizon.
        self.acknowledged = self.acknowledged.max(outcome.acknowledged);
        self.time = self.time.max(Some(time));
        self.user.clone_from(&outcome.user);
        self.outcomes.insert((outcome.seq, outcome.part.clone().unwrap_or_default()), number);
        while let Some(first) = self.outcomes.first_entry()
            && first.key().0 <= self.acknowledged
        {
            first.remove();
        }
    }

    /// True when it has an outcome of the same request, or the same part of one.
    pub(crate) fn has(&self, outcome: &LoggedOutcome) -> bool {
        // No allocation where there is no part.
        self.outcomes.contains_key(&(outcome.seq, outcome.part.clone().unwrap_or_default()))
    }

    fn record(&self) -> Vec<u8> {
        emerge_proto::class::encode(&SessionRecord {
            user: self.user.clone(),
            acknowledged: self.acknowledged,
            time: self.time.unwrap_or_default(),
            outcomes: self
                .outcomes
                .iter()
                .map(|((seq, part), number)| KeptAt { seq: *seq, number: *number, part: part.clone() })
                .collect(),
        })
    }
}

impl SessionIndex {
    /// An index that writes a checkpoint after every so many commits.
    pub(crate) fn new(every: u64) -> Self {
        Self { every, sessions: HashMap::new(), marked: HashSet::new(), checkpoint: None }
    }

    /// True once all outcomes since the last checkpoint are known.
    pub(crate) fn is_loaded(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Takes what the log holds since the checkpoint at a commit.
    pub(crate) fn load(&mut self, checkpoint: u64, since: HashMap<SessionId, Indexed>) {
        self.marked = since.keys().copied().collect();
        self.sessions = since;
        self.checkpoint = Some(checkpoint);
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Indexed> {
        self.sessions.get(&session)
    }

    /// Adds a session as its record says.
    pub(crate) fn insert(&mut self, session: SessionId, indexed: Indexed) {
        if self.sessions.len() >= MAX_INDEXED {
            self.sessions.retain(|id, _| self.marked.contains(id));
        }
        self.sessions.insert(session, indexed);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.marked.remove(&session);
    }

    /// Sessions without a record of their newest outcome, that have had none since `horizon`; at most `limit`.
    pub(crate) fn silent_since(&self, horizon: i64, limit: usize) -> Vec<SessionId> {
        let is_silent =
            |id: &&SessionId| self.sessions.get(id).is_some_and(|known| known.time < Some(horizon));
        self.marked.iter().filter(is_silent).take(limit).copied().collect()
    }

    /// Adds the outcome of a commit.
    pub(crate) fn add(&mut self, number: u64, time: i64, outcome: &LoggedOutcome) {
        self.sessions.entry(outcome.session).or_default().add(number, time, outcome);
        self.marked.insert(outcome.session);
    }

    /// When a checkpoint is due after a commit: what it writes, for one commit after the other.
    pub(crate) fn checkpoint(&mut self, number: u64) -> Vec<Vec<Write>> {
        if self.checkpoint.is_none_or(|last| number < last.saturating_add(self.every)) {
            return Vec::new();
        }
        self.checkpoint = Some(number);
        let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
        for session in self.marked.drain() {
            let Some(indexed) = self.sessions.get(&session) else { continue };
            let record = indexed.record();
            bytes += record.len();
            batch.push(Write { key: keys::session(session), value: Some(record.into()) });
            if bytes > CHECKPOINT_BATCH {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
        }
        // Comes last: until it is there the log counts from the checkpoint before.
        batch.push(Write { key: checkpoint_key(), value: Some(number.to_be_bytes().to_vec().into()) });
        batches.push(batch);
        batches
    }

    /// Forgets everything; it must be loaded again.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.every);
    }
}

/// Notes what the log says of sessions, one commit after the other.
pub(crate) fn replay(sessions: &mut HashMap<SessionId, Indexed>, number: u64, log: &LogRecord) {
    if let Some(outcome) = &log.outcome {
        sessions.entry(outcome.session).or_default().add(number, log.time, outcome);
    }
    for session in log.ended.iter().flatten() {
        sessions.remove(session);
    }
}

pub(crate) fn checkpoint_key() -> Key {
    keys::meta("outcomes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKPOINT: u64 = 4096;
    const SESSION: SessionId = SessionId([1; 16]);

    fn outcome(seq: u64, acknowledged: u64) -> LoggedOutcome {
        LoggedOutcome {
            session: SESSION,
            seq,
            acknowledged,
            reply: vec![0xf6],
            user: "ada".into(),
            part: None,
        }
    }

    fn seqs(indexed: &Indexed) -> Vec<u64> {
        indexed.outcomes.keys().map(|(seq, _)| *seq).collect()
    }

    #[test]
    fn acknowledged_outcomes_go() {
        let mut index = SessionIndex::new(CHECKPOINT);
        for (number, seq, acknowledged) in [(10, 1, 0), (11, 2, 0), (12, 4, 2), (13, 3, 0)] {
            index.add(number, 5, &outcome(seq, acknowledged));
        }
        let known = index.get(SESSION).unwrap();
        assert_eq!(
            (seqs(known), known.acknowledged),
            (vec![3, 4], 2),
            "a late request does not lower the horizon"
        );
        assert_eq!(known.outcomes[&(3, String::new())], 13);
    }

    #[test]
    fn a_checkpoint_writes_what_is_marked_and_the_log_may_be_read_over_it_again() {
        let mut index = SessionIndex::new(CHECKPOINT);
        index.load(0, HashMap::new());
        index.add(1, 5, &outcome(1, 0));
        assert!(index.checkpoint(CHECKPOINT - 1).is_empty());
        index.add(CHECKPOINT, 6, &outcome(2, 1));
        let batches = index.checkpoint(CHECKPOINT);
        let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
        assert_eq!(
            batch.iter().map(|write| &write.key).collect::<Vec<_>>(),
            [&keys::session(SESSION), &checkpoint_key()]
        );
        assert_eq!(index.checkpoint(2 * CHECKPOINT).concat().len(), 1, "nothing is marked any more");
        let record = SessionRecord::read(batch[0].value.as_ref().unwrap()).unwrap();
        let mut again = Indexed::from_record(record);
        again.add(1, 5, &outcome(1, 0));
        again.add(CHECKPOINT, 6, &outcome(2, 1));
        let known = index.get(SESSION).unwrap();
        assert_eq!(
            (again.acknowledged, again.time, &again.outcomes),
            (known.acknowledged, known.time, &known.outcomes)
        );
    }

    #[test]
    fn a_large_checkpoint_goes_in_parts_and_ends_with_its_number() {
        let mut index = SessionIndex::new(CHECKPOINT);
        index.load(0, HashMap::new());
        for session in 0..3u8 {
            for seq in 1..=10_000 {
                let part = Some("x".repeat(100));
                index.add(
                    seq,
                    5,
                    &LoggedOutcome { session: SessionId([session; 16]), part, ..outcome(seq, 0) },
                );
            }
        }
        let batches = index.checkpoint(CHECKPOINT);
        assert_eq!(batches.len(), 4, "three that are full, and the number");
        assert!(batches.iter().flatten().rev().skip(1).all(|write| write.key != checkpoint_key()));
        assert_eq!(batches.last().and_then(|batch| batch.last()).unwrap().key, checkpoint_key());
    }

    #[test]
    fn what_no_record_holds_is_not_forgotten() {
        let mut index = SessionIndex::new(CHECKPOINT);
        index.load(0, HashMap::new());
        index.add(1, 5, &outcome(1, 0));
        for number in 0..=MAX_INDEXED as u32 {
            let mut id = [2; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            index.insert(SessionId(id), Indexed::default());
        }
        assert!(index.sessions.len() < 10 && index.get(SESSION).is_some());
    }
}
