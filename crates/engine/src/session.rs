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

/// Places of a session that may stand free; more are given back to the store.
const MAX_FREE: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Indexed {
    pub(crate) user: String,
    pub(crate) acknowledged: u64,
    /// The place of each outcome that is not acknowledged, by sequence and part.
    pub(crate) outcomes: BTreeMap<(u64, String), u32>,
    /// Places that hold nothing that is still needed.
    free: Vec<u32>,
    /// All places from here on are unused.
    unused: u32,
}

impl Indexed {
    /// Notes what the store holds.
    pub(crate) fn learn(&mut self, place: u32, record: OutcomeRecord) {
        self.outcomes.insert((record.seq, record.part), place);
        self.unused = self.unused.max(place.saturating_add(1));
        self.acknowledged = self.acknowledged.max(record.acknowledged);
        self.user = record.user;
    }

    /// Frees the places of what the client has acknowledged, once all that the store holds is noted.
    pub(crate) fn free_acknowledged(&mut self) {
        let kept = self.outcomes.split_off(&(self.acknowledged + 1, String::new()));
        self.free.extend(std::mem::replace(&mut self.outcomes, kept).into_values());
    }

    fn take_place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.unused += 1;
            self.unused - 1
        })
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

    /// Adds an outcome. Gives its key and record, and the keys that stand free beyond need.
    pub(crate) fn add(&mut self, outcome: Outcome, time: i64) -> (Key, Bytes, Vec<Key>) {
        let session = self.sessions.entry(outcome.session).or_default();
        session.acknowledged = session.acknowledged.max(outcome.acknowledged);
        session.user.clone_from(&outcome.user);
        session.free_acknowledged();
        let place = session.take_place();
        let record = OutcomeRecord {
            user: outcome.user,
            acknowledged: session.acknowledged,
            time,
            reply: outcome.reply,
            seq: outcome.seq,
            part: outcome.part.clone(),
        };
        session.outcomes.insert((outcome.seq, outcome.part), place);
        let surplus = session.free.split_off(session.free.len().min(MAX_FREE));
        let needless = surplus.iter().map(|place| keys::outcome(outcome.session, *place)).collect();
        (keys::outcome(outcome.session, place), emerge_proto::class::encode(&record).into(), needless)
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
        assert_eq!(index.add(outcome(1, 0), 5).0, place(0));
        assert_eq!(index.add(outcome(2, 0), 5).0, place(1));
        let (key, record, needless) = index.add(outcome(4, 2), 5);
        assert!(key == place(0) || key == place(1), "the place of an acknowledged one is taken");
        assert!(needless.is_empty());
        assert_eq!(OutcomeRecord::read(&record).unwrap().acknowledged, 2);
        // A late request with an older horizon does not lower it.
        let (_, record, _) = index.add(outcome(3, 0), 5);
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
        for seq in 1..=200 {
            index.add(outcome(seq, 0), 5);
        }
        let (key, _, needless) = index.add(outcome(201, 200), 5);
        assert_eq!(needless.len(), 199 - MAX_FREE);
        assert!(!needless.contains(&key));
        for seq in 202..=300 {
            let (again, _, none) = index.add(outcome(seq, seq - 1), 5);
            assert!(none.is_empty() && !needless.contains(&again));
        }
        assert_eq!(index.get(session).unwrap().unused, 200);
    }
}
