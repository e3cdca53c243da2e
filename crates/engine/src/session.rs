//! Outcomes of requests: which are kept for which session.
//!
//! Invariant: the newest outcome of a session is never deleted before the session is, so that what the client has
//! acknowledged survives a restart with it.

use crate::backend::Key;
use crate::keys;
use crate::object::read;
use bytes::Bytes;
use emerge_proto::{Result, SessionId};
use minicbor::{Decode, Encode};
use std::collections::{BTreeSet, HashMap};

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

#[derive(Clone, Debug, Default)]
pub(crate) struct Indexed {
    pub(crate) user: String,
    pub(crate) acknowledged: u64,
    pub(crate) outcomes: BTreeSet<(u64, String)>,
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

    /// Adds an outcome. Gives the record to store and the keys of the outcomes that it makes needless.
    pub(crate) fn add(&mut self, outcome: Outcome, time: i64) -> (Key, Bytes, Vec<Key>) {
        let session = self.sessions.entry(outcome.session).or_default();
        session.acknowledged = session.acknowledged.max(outcome.acknowledged);
        session.user.clone_from(&outcome.user);
        let kept = session.outcomes.split_off(&(session.acknowledged + 1, String::new()));
        let needless = std::mem::replace(&mut session.outcomes, kept);
        let key = keys::outcome(outcome.session, outcome.seq, &outcome.part);
        session.outcomes.insert((outcome.seq, outcome.part));
        let record = OutcomeRecord {
            user: outcome.user,
            acknowledged: session.acknowledged,
            time,
            reply: outcome.reply,
        };
        let needless =
            needless.iter().map(|(seq, part)| keys::outcome(outcome.session, *seq, part)).collect();
        (key, emerge_proto::class::encode(&record).into(), needless)
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
        assert!(index.add(outcome(1, 0), 5).2.is_empty());
        assert!(index.add(outcome(2, 0), 5).2.is_empty());
        let (_, record, needless) = index.add(outcome(4, 2), 5);
        assert_eq!(needless, [keys::outcome(session, 1, ""), keys::outcome(session, 2, "")]);
        assert_eq!(OutcomeRecord::read(&record).unwrap().acknowledged, 2);
        // A late request with an older horizon does not lower it.
        let (_, record, needless) = index.add(outcome(3, 0), 5);
        assert!(needless.is_empty());
        assert_eq!(OutcomeRecord::read(&record).unwrap().acknowledged, 2);
        assert_eq!(index.get(session).unwrap().outcomes.len(), 2);
    }
}
