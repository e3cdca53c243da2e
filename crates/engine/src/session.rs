//! Outcomes of requests: which are kept for which session.
//!
//! A session's outcomes lie in numbered places. One that the client has acknowledged is not deleted: its place is taken by a later one, so that a
//! request at a time costs one write of the same few keys.
//!
//! Invariant: the newest outcome of a session is never deleted or overwritten before a newer one is there, so that what the client has acknowledged
//! survives a restart with it.

use crate::backend::Key;
use crate::keys;
use crate::object::read;
use bytes::Bytes;
#[cfg(doc)]
use emerge_proto::limits;
use emerge_proto::{Result, SessionId};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};

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

/// As it is stored.
#[derive(Encode, Decode)]
pub(crate) struct OutcomeRecord {
    #[n(0)]
    pub(crate) user: String,
    #[n(1)]
    pub(crate) acknowledged: u64,
    /// Microseconds since 1970-01-01T00:00:00Z of the commit.
    #[n(2)]
    pub(crate) time: i64,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) reply: Vec<u8>,
    #[n(4)]
    pub(crate) seq: u64,
    #[n(5)]
    pub(crate) part: String,
}

impl OutcomeRecord {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        read(bytes, "an outcome")
    }
}

/// Sessions whose outcomes are known in memory; when there are more, all are forgotten and read again when needed.
const MAX_INDEXED: usize = 50_000;

/// Which outcomes each session has, the ones on their way to the backend included.
#[derive(Default)]
pub(crate) struct SessionIndex {
    sessions: HashMap<SessionId, Indexed>,
}

/// Records of acknowledged outcomes that a session may have standing, for their places to be taken; more are deleted.
const MAX_FREE: usize = 256;
/// Bytes of a reply past which its record is deleted once it is acknowledged.
const MAX_FREE_REPLY: usize = 512;

#[derive(Clone, Debug, Default)]
pub(crate) struct Indexed {
    pub(crate) user: String,
    pub(crate) acknowledged: u64,
    /// Where each outcome lies that is not acknowledged, by sequence and part.
    pub(crate) outcomes: BTreeMap<(u64, String), Place>,
    /// Places whose records are needed no more.
    free: Vec<u32>,
    /// Those of them that should be deleted.
    doomed: Vec<u32>,
    /// Places without a record, below `unused`.
    vacant: Vec<u32>,
    /// All places from here on are without a record. A session has at most [`limits::MAX_OUTCOMES`] outcomes, so that this stays small.
    unused: u32,
}

/// Where an outcome lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) number: u32,
    is_large: bool,
}

impl Indexed {
    /// Notes what the store holds.
    pub(crate) fn learn(&mut self, place: u32, record: OutcomeRecord) {
        let is_large = record.reply.len() > MAX_FREE_REPLY;
        self.outcomes.insert((record.seq, record.part), Place { number: place, is_large });
        self.unused = self.unused.max(place.saturating_add(1));
        self.acknowledged = self.acknowledged.max(record.acknowledged);
        self.user = record.user;
    }

    /// Frees the places of what the client has acknowledged, once all that the store holds is noted.
    pub(crate) fn free_acknowledged(&mut self) {
        while let Some(first) = self.outcomes.first_entry()
            && first.key().0 <= self.acknowledged
        {
            let place = first.remove();
            if place.is_large || self.free.len() >= MAX_FREE { &mut self.doomed } else { &mut self.free }
                .push(place.number);
        }
    }

    /// A place for a new outcome, if it can be one whose record is there already: to write a key again costs less than to write another.
    fn take_place(&mut self) -> u32 {
        let standing = self.free.pop().or_else(|| self.doomed.pop()).or_else(|| self.vacant.pop());
        standing.unwrap_or_else(|| {
            let next = self.unused;
            self.unused = self.unused.saturating_add(1);
            next
        })
    }

    /// Places whose records are to be deleted now.
    fn take_doomed(&mut self) -> Vec<u32> {
        let doomed = std::mem::take(&mut self.doomed);
        self.vacant.extend(&doomed);
        doomed
    }
}

impl SessionIndex {
    pub(crate) fn get(&self, session: SessionId) -> Option<&Indexed> {
        self.sessions.get(&session)
    }

    pub(crate) fn insert(&mut self, session: SessionId, indexed: Indexed) {
        if self.sessions.len() >= MAX_INDEXED {
            self.sessions.clear();
        }
        self.sessions.insert(session, indexed);
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    /// Adds an outcome. Gives its key and record, and the keys to be deleted with it.
    pub(crate) fn add(&mut self, outcome: ReadyOutcome) -> (Key, Bytes, Vec<Key>) {
        let ReadyOutcome { session: id, mut record, mut encoded } = outcome;
        let session = self.sessions.entry(id).or_default();
        session.acknowledged = session.acknowledged.max(record.acknowledged);
        if session.acknowledged > record.acknowledged {
            // A late request with an older horizon.
            record.acknowledged = session.acknowledged;
            encoded = emerge_proto::class::encode(&record).into();
        }
        session.user.clone_from(&record.user);
        session.free_acknowledged();
        let place = session.take_place();
        let is_large = record.reply.len() > MAX_FREE_REPLY;
        session.outcomes.insert((record.seq, record.part), Place { number: place, is_large });
        let needless = session.take_doomed().into_iter().map(|place| keys::outcome(id, place)).collect();
        (keys::outcome(id, place), encoded, needless)
    }
}

/// An outcome that was encoded before anybody had to wait for it.
pub(crate) struct ReadyOutcome {
    pub(crate) session: SessionId,
    pub(crate) record: OutcomeRecord,
    encoded: Bytes,
}

impl ReadyOutcome {
    /// Readies an outcome of a commit at `time`.
    pub(crate) fn new(outcome: Outcome, time: i64) -> Self {
        let Outcome { session, seq, part, user, acknowledged, reply } = outcome;
        let record = OutcomeRecord { user, acknowledged, time, reply, seq, part };
        let encoded = emerge_proto::class::encode(&record).into();
        Self { session, record, encoded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_outcomes_go_and_the_newest_stays() {
        let session = SessionId([1; 16]);
        let outcome = |seq, acknowledged| Outcome {
            session,
            seq,
            part: String::new(),
            user: "ada".into(),
            acknowledged,
            reply: vec![0xf6],
        };
        let mut index = SessionIndex::default();
        let place = |at| keys::outcome(session, at);
        assert_eq!(index.add(ReadyOutcome::new(outcome(1, 0), 5)).0, place(0));
        assert_eq!(index.add(ReadyOutcome::new(outcome(2, 0), 5)).0, place(1));
        let (key, record, needless) = index.add(ReadyOutcome::new(outcome(4, 2), 5));
        assert!(key == place(0) || key == place(1), "the place of an acknowledged one is taken");
        assert!(needless.is_empty());
        assert_eq!(OutcomeRecord::read(&record).unwrap().acknowledged, 2);
        // A late request with an older horizon does not lower it.
        let (_, record, _) = index.add(ReadyOutcome::new(outcome(3, 0), 5));
        assert_eq!(OutcomeRecord::read(&record).unwrap().acknowledged, 2);
        let outcomes = &index.get(session).unwrap().outcomes;
        assert_eq!(outcomes.keys().map(|(seq, _)| *seq).collect::<Vec<u64>>(), [3, 4]);
    }

    #[test]
    fn a_burst_gives_its_places_back() {
        let session = SessionId([1; 16]);
        let outcome = |seq, acknowledged| Outcome {
            session,
            seq,
            part: String::new(),
            user: "ada".into(),
            acknowledged,
            reply: vec![0xf6],
        };
        let mut index = SessionIndex::default();
        for seq in 1..=600 {
            index.add(ReadyOutcome::new(outcome(seq, 0), 5));
        }
        let (_, _, needless) = index.add(ReadyOutcome::new(outcome(601, 600), 5));
        assert_eq!(needless.len(), 600 - MAX_FREE);
        let mut used = 601;
        for _ in 0..20 {
            for seq in used + 1..=used + 400 {
                index.add(ReadyOutcome::new(outcome(seq, used), 5));
            }
            used += 400;
        }
        assert!(index.get(session).unwrap().unused <= 601, "places are taken again");
    }

    #[test]
    fn large_replies_do_not_stay() {
        let session = SessionId([1; 16]);
        let outcome = |seq, acknowledged, bytes| Outcome {
            session,
            seq,
            part: String::new(),
            user: "ada".into(),
            acknowledged,
            reply: vec![0; bytes],
        };
        let mut index = SessionIndex::default();
        let large: Vec<Key> = (1..=10)
            .map(|seq| index.add(ReadyOutcome::new(outcome(seq, 0, MAX_FREE_REPLY + 1), 5)).0)
            .collect();
        let (key, _, needless) = index.add(ReadyOutcome::new(outcome(11, 10, 1), 5));
        assert_eq!(needless.len(), 9);
        assert!(large.iter().all(|known| *known == key || needless.contains(known)));
        let (key, _, needless) = index.add(ReadyOutcome::new(outcome(12, 11, 1), 5));
        assert!(needless.is_empty() && large.contains(&key));
    }
}
