//! The committer: takes what has been committed in memory to the backend, many commits at a time.

use crate::backend::{Backend, BackendError};
use crate::engine::{Engine, number_record};
use crate::queue::{Waiting, merge};
use crate::state::Health;
use crate::usage::Usage;
use emerge_proto::error::Effect;
use emerge_proto::{Error, ErrorCode, Result};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

enum Step {
    /// One at least; and whether a backup wants to know what is written.
    Commit(Vec<Waiting>, bool),
    Reclaim,
    Stop(Result<()>),
}

impl<B: Backend> Engine<B> {
    /// Takes commits to the backend until the engine is shut down. The host runs it, once.
    ///
    /// # Errors
    /// `unavailable` when another owner has taken the store over.
    pub async fn run(&self) -> Result<()> {
        let mut claim_failed = false;
        loop {
            match poll_fn(|cx| self.next_step(&mut claim_failed, cx)).await {
                Step::Commit(commits, followed) => self.write(commits, followed).await,
                Step::Reclaim => claim_failed = !self.reclaim().await,
                Step::Stop(result) => return result,
            }
        }
    }

    fn next_step(&self, claim_failed: &mut bool, cx: &Context<'_>) -> Poll<Step> {
        let mut state = self.state();
        let max_batch = self.shared.backend.limits().max_batch;
        match &state.health {
            // After a claim that failed, the next one waits until somebody asks for something.
            Health::Reclaim(_) if !std::mem::take(claim_failed) => return Poll::Ready(Step::Reclaim),
            Health::Reclaim(_) => {}
            Health::Good | Health::Closed(_) => {
                let commits = state.queue.take(max_batch);
                if !commits.is_empty() {
                    return Poll::Ready(Step::Commit(commits, state.followers.any()));
                }
                if matches!(state.health, Health::Closed(_)) {
                    return Poll::Ready(Step::Stop(Ok(())));
                }
            }
            Health::Lost(error) => return Poll::Ready(Step::Stop(Err(error.clone()))),
        }
        state.queue.listen(cx);
        Poll::Pending
    }

    async fn write(&self, commits: Vec<Waiting>, followed: bool) {
        let Some(number) = commits.last().map(|commit| commit.number) else { return };
        // Here and not where they are taken: nobody else waits for it.
        let mut record = merge(commits);
        let last = number_record(number);
        let place = record.writes.partition_point(|write| write.key < last.key);
        record.writes.insert(place, last);
        let followed = followed.then(|| record.writes.clone());
        // A committer that is dropped in the middle leaves the commit uncertain.
        let mut uncertain = Uncertain { engine: self, settled: false };
        let result = self.shared.backend.commit(record, self.fence()).await;
        uncertain.settled = true;
        match result {
            Ok(()) => {
                let (wakers, _forgotten) = {
                    let mut state = self.state();
                    // With what makes it durable, or a backup could end without it.
                    if let Some(writes) = &followed {
                        state.followers.push(number, writes);
                    }
                    state.durable(number)
                };
                wakers.into_iter().for_each(Waker::wake);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &BackendError) {
        let typed = Error::new(
            ErrorCode::StorageFailed,
            format!("it is unknown whether the change was stored: {error}"),
        )
        .effect(Effect::Unknown);
        let refusal = Error { effect: None, ..Error::from(error.clone()) };
        let mut state = self.state();
        let health = match (&state.health, error) {
            (Health::Closed(error), _) => Health::Closed(error.clone()),
            (_, BackendError::Fenced { .. }) => Health::Lost(refusal),
            _ => Health::Reclaim(refusal),
        };
        state.fail(health, typed);
        self.accounts_changed();
        self.classes().clear();
    }

    /// Claims the store anew, so that a commit that is still on its way somewhere is refused from now on.
    async fn reclaim(&self) -> bool {
        match self.shared.backend.claim().await {
            Ok(fence) => {
                self.shared.fence.store(fence, Ordering::Release);
                // Those in memory may be of a commit that is lost.
                let Ok(indexes) = Self::read_indexes(&self.shared.backend).await else { return false };
                let Ok(usage) = Usage::read(&self.shared.backend).await else { return false };
                let mut state = self.state();
                (state.indexes, state.usage) = (indexes, usage);
                if matches!(state.health, Health::Reclaim(_)) {
                    state.health = Health::Good;
                }
                true
            }
            Err(_) => false,
        }
    }
}

struct Uncertain<'a, B: Backend> {
    engine: &'a Engine<B>,
    settled: bool,
}

impl<B: Backend> Drop for Uncertain<'_, B> {
    fn drop(&mut self) {
        if !self.settled {
            self.engine.fail(&BackendError::Failed("the committer was stopped".into()));
        }
    }
}
