//! The outcomes of requests in the store: finding one, knowing which a session has, ending a session.

use crate::access::Principal;
use crate::backend::Backend;
use crate::change::LogRecord;
use crate::engine::{Engine, Side, number_of};
use crate::keys;
use crate::object::{Record, damaged};
use crate::session::{Indexed, KeptOutcome, KeptSession, SessionRecord, checkpoint_key, replay};
use emerge_proto::{Error, ErrorCode, Result, SessionId};
use std::collections::{BTreeMap, HashMap};

impl<B: Backend> Engine<B> {
    /// The outcome of a request (or of a part of it) that has committed.
    ///
    /// # Errors
    /// `session_expired` when the log no longer reaches back to it, `storage_failed`.
    pub async fn outcome(&self, session: SessionId, seq: u64, part: &str) -> Result<Option<KeptOutcome>> {
        loop {
            let Some(number) = self.outcome_at(session, seq, part).await? else { return Ok(None) };
            let looked = self.look(&keys::log(number)).await?;
            if let Some(record) = looked.record
                && let Some(outcome) = LogRecord::read(record)?.outcome
            {
                return Ok(Some(KeptOutcome { reply: outcome.reply, depends_on: looked.number }));
            }
            // A commit that failed meanwhile has taken it along; else the log no longer reaches back to it.
            if self.outcome_at(session, seq, part).await? == Some(number) {
                return Err(no_longer_kept(seq));
            }
        }
    }

    /// The commit in which an outcome lies.
    async fn outcome_at(&self, session: SessionId, seq: u64, part: &str) -> Result<Option<u64>> {
        loop {
            self.index_session(session).await?;
            let mut state = self.state();
            state.usable()?;
            // The index may have been dropped meanwhile.
            if let Some(indexed) = state.sessions.get(session) {
                return Ok(indexed.outcomes.get(&(seq, part.to_owned())).copied());
            }
        }
    }

    /// What is kept of a session; none when it has left no outcome.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn load_session(&self, session: SessionId) -> Result<Option<KeptSession>> {
        self.index_session(session).await?;
        let state = self.state();
        Ok(state.sessions.get(session).filter(|indexed| indexed.time.is_some()).map(|indexed| {
            let mut outcomes: Vec<u64> = indexed.outcomes.keys().map(|(seq, _)| *seq).collect();
            outcomes.dedup();
            KeptSession { user: indexed.user.clone(), acknowledged: indexed.acknowledged, outcomes }
        }))
    }

    /// Deletes all that is kept of a session.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn forget_session(&self, session: SessionId) -> Result<()> {
        let mut tx = self.begin(Principal::admin(), 0, 0);
        tx.end_session(session, None);
        // It has read nothing that could have changed.
        tx.commit(None).await?;
        Ok(())
    }

    /// Makes sure that the session's outcomes are known in memory.
    pub(crate) async fn index_session(&self, session: SessionId) -> Result<()> {
        if self.state().sessions.get(session).is_some() {
            return Ok(());
        }
        // What is written meanwhile stays in sight, so that no late answer of the backend is taken for the present.
        let _reading = Reading::begin(self);
        loop {
            self.load_outcomes().await?;
            if self.state().sessions.get(session).is_some() {
                return Ok(());
            }
            let looked = self.look(&keys::session(session)).await?;
            let indexed = indexed(looked.record)?;
            let mut state = self.state();
            if state.sessions.is_loaded()
                && state.sessions.get(session).is_none()
                && state.is_good(&looked.key, looked.at)
            {
                state.sessions.insert(session, indexed);
            }
        }
    }

    /// Makes sure that all outcomes since the last checkpoint are known in memory. The caller is [`Reading`].
    async fn load_outcomes(&self) -> Result<()> {
        while !self.state().sessions.is_loaded() {
            let checkpoint = self.look(&checkpoint_key()).await?;
            let since = checkpoint.record.map(Record::bytes).transpose()?;
            let since = since.map_or(Ok(0), |number| number_of(&number))?;
            let range = keys::log_after(since);
            let scanned = self.scan(&range, usize::MAX, Side::Start, &BTreeMap::new()).await?;
            let mut log = Vec::with_capacity(scanned.records.len());
            for (key, record) in scanned.records {
                let number = keys::log_number(&key).ok_or_else(|| damaged("the log"))?;
                log.push((number, LogRecord::read(record)?));
            }
            let mut ids: Vec<SessionId> =
                log.iter().filter_map(|(_, record)| Some(record.outcome.as_ref()?.session)).collect();
            ids.sort_unstable();
            ids.dedup();
            let keys: Vec<Vec<u8>> = ids.iter().map(|id| keys::session(*id).to_vec()).collect();
            let mut sessions = HashMap::with_capacity(ids.len());
            let mut read = vec![(checkpoint.key, checkpoint.at)];
            for (id, looked) in ids.into_iter().zip(self.look_many(&keys).await?) {
                sessions.insert(id, indexed(looked.record)?);
                read.push((looked.key, looked.at));
            }
            log.iter().for_each(|(number, record)| replay(&mut sessions, *number, record));
            let mut state = self.state();
            if !state.sessions.is_loaded()
                && state.is_range_good(&range, scanned.at)
                && read.iter().all(|(key, at)| state.is_good(key, *at))
            {
                state.sessions.load(since, sessions);
            }
        }
        Ok(())
    }
}

/// A read outside a transaction: while it lasts no write that came after its beginning is forgotten, so that it can tell whether what it
/// read is still so.
struct Reading<'a, B: Backend> {
    engine: &'a Engine<B>,
    began: u64,
}

impl<'a, B: Backend> Reading<'a, B> {
    fn begin(engine: &'a Engine<B>) -> Self {
        let began = engine.state().begin();
        Self { engine, began }
    }
}

impl<B: Backend> Drop for Reading<'_, B> {
    fn drop(&mut self) {
        // What it gives is dropped after the state is let go of.
        let _forgotten = self.engine.state().end(self.began);
    }
}

fn indexed(record: Option<Record>) -> Result<Indexed> {
    let Some(record) = record else { return Ok(Indexed::default()) };
    Ok(Indexed::from_record(SessionRecord::read(&record.bytes()?)?))
}

pub(crate) fn no_longer_kept(seq: u64) -> Error {
    Error::new(
        ErrorCode::SessionExpired,
        format!("the outcome of request {seq} is no longer kept, so the request cannot run again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;
    use crate::engine::EngineOptions;
    use crate::memory::MemoryBackend;
    use crate::session::Outcome;
    use crate::tx::CommitError;
    use futures_executor::block_on;

    const SESSION: SessionId = SessionId([9; 16]);

    async fn request(engine: &Engine<MemoryBackend>, seq: u64, time: i64) {
        let mut tx = engine.begin(Principal::admin(), time, seq);
        tx.mkdir(&format!("/d{seq}").as_str().into(), false).await.unwrap();
        let (part, user, reply) = (String::new(), "ada".into(), vec![seq as u8]);
        tx.commit(Some(Outcome { session: SESSION, seq, part, user, acknowledged: 0, reply })).await.unwrap();
    }

    #[test]
    fn a_session_that_wakes_while_it_is_ended_lives_on() {
        block_on(async {
            let engine = Engine::open(MemoryBackend::new(), EngineOptions::new("test"), 0).await.unwrap();
            request(&engine, 1, 10).await;
            let mut ending = engine.begin(Principal::admin(), 30, 7);
            assert!(ending.is_silent(SESSION, 20).await.unwrap());
            ending.end_session(SESSION, Some(20));
            request(&engine, 2, 20).await;
            assert_eq!(ending.commit(None).await, Err(CommitError::Conflict));
            assert_eq!(engine.load_session(SESSION).await.unwrap().unwrap().outcomes, [1, 2]);
        });
    }

    #[test]
    fn an_outcome_that_the_log_has_lost_is_an_error_and_no_leave_to_run_again() {
        block_on(async {
            let engine = Engine::open(MemoryBackend::new(), EngineOptions::new("test"), 0).await.unwrap();
            request(&engine, 1, 10).await;
            let number = engine.outcome(SESSION, 1, "").await.unwrap().unwrap().depends_on;
            let mut pruning = engine.begin(Principal::admin(), 30, 7);
            pruning.put_raw(keys::log(number), None);
            pruning.commit(None).await.unwrap();
            let error = engine.outcome(SESSION, 1, "").await.unwrap_err();
            assert_eq!(error.code, ErrorCode::SessionExpired);
        });
    }
}
