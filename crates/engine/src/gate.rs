//! The output gate: who waits for which commit to be durable.

use emerge_proto::{Error, Result};
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// Failures remembered one by one; past that the two oldest are remembered as one, with what lies between them.
const MAX_FAILURES: usize = 1024;

pub(crate) struct Gate {
    /// Every commit up to here is durable, or is in `failed`.
    through: u64,
    /// Numbers of commits of which it is unknown whether they are durable, in order.
    failed: VecDeque<(u64, u64, Error)>,
    waiting: BTreeMap<u64, Vec<Waker>>,
}

impl Gate {
    pub(crate) fn new(through: u64) -> Self {
        Self { through, failed: VecDeque::new(), waiting: BTreeMap::new() }
    }

    pub(crate) fn through(&self) -> u64 {
        self.through
    }

    /// Every commit up to here is durable, without exception.
    pub(crate) fn unbroken(&self) -> u64 {
        self.failed.front().map_or(self.through, |(from, _, _)| from - 1)
    }

    pub(crate) fn poll(&mut self, number: u64, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if number <= self.through {
            let failure = self.failed.iter().find(|(from, to, _)| (*from..=*to).contains(&number));
            return Poll::Ready(failure.map_or(Ok(()), |(_, _, error)| Err(error.clone())));
        }
        let wakers = self.waiting.entry(number).or_default();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Notes what is durable, and gives those to be woken for it: by who has let go of the state, which they will want at once.
    #[must_use]
    pub(crate) fn advance(&mut self, number: u64) -> Vec<Waker> {
        self.through = self.through.max(number);
        let mut wakers = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= self.through
        {
            wakers.extend(first.remove());
        }
        wakers
    }

    /// Commits after those that are durable, up to `number`, failed.
    pub(crate) fn fail(&mut self, number: u64, error: Error) {
        let from = self.through + 1;
        match self.failed.back_mut() {
            Some((_, to, _)) if *to + 1 == from => *to = number,
            _ => self.failed.push_back((from, number, error)),
        }
        if self.failed.len() > MAX_FAILURES
            && let Some((from, _, _)) = self.failed.pop_front()
            && let Some(next) = self.failed.front_mut()
        {
            // To call a durable commit unknown is safe; the other way round is not.
            next.0 = from;
        }
        self.advance(number).into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::ErrorCode;

    #[test]
    fn a_failed_commit_is_never_called_durable() {
        let mut cx = Context::from_waker(Waker::noop());
        let error = || Error::new(ErrorCode::StorageFailed, "disk");
        let mut gate = Gate::new(4);
        assert!(gate.poll(5, &mut cx).is_pending());
        assert_eq!(gate.advance(5).len(), 1);
        gate.fail(7, error());
        assert!(gate.advance(9).is_empty());
        for (number, durable) in [(4, true), (5, true), (6, false), (7, false), (8, true), (9, true)] {
            assert!(
                matches!(gate.poll(number, &mut cx), Poll::Ready(result) if result.is_ok() == durable),
                "{number}"
            );
        }
        assert_eq!((gate.unbroken(), gate.through()), (5, 9));
        for _ in 0..3 * MAX_FAILURES as u64 {
            let next = gate.through() + 1;
            assert!(gate.advance(next).is_empty());
            gate.fail(next + 1, error());
        }
        assert!(gate.failed.len() <= MAX_FAILURES);
        assert!(matches!(gate.poll(6, &mut cx), Poll::Ready(Err(_))));
        assert!(matches!(gate.poll(5, &mut cx), Poll::Ready(Ok(()))));
        assert!(matches!(gate.poll(gate.through(), &mut cx), Poll::Ready(Err(_))));
    }
}
