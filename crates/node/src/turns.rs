//! A queue whose first has its turn: who comes first is served first, and a place is given up by dropping it.

use emerge_proto::{Error, ErrorCode, Result, limits};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

#[derive(Default)]
pub(crate) struct Turns {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    next: u64,
    places: BTreeMap<u64, Option<Waker>>,
}

/// A place in a queue. It is taken when this is made, not when it is waited for.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    place: u64,
}

impl Turns {
    /// Takes the last place.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub(crate) fn queue(self: &Arc<Self>) -> Result<Turn> {
        let mut queue = self.lock();
        if queue.places.len() >= limits::MAX_TRANSACTION_QUEUE {
            let limit = limits::MAX_TRANSACTION_QUEUE as u64;
            let why = format!("more than {limit} operations wait for their turn in one transaction");
            return Err(Error::new(ErrorCode::LimitExceeded, why).limit(limit));
        }
        let place = queue.next;
        queue.next += 1;
        queue.places.insert(place, None);
        Ok(Turn { turns: self.clone(), place })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until all who came before have given their places up.
    pub(crate) async fn come(&self) {
        poll_fn(|cx| {
            let mut queue = self.turns.lock();
            if queue.places.first_key_value().is_none_or(|(first, _)| *first >= self.place) {
                return Poll::Ready(());
            }
            queue.places.insert(self.place, Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let waker = {
            let mut queue = self.turns.lock();
            queue.places.remove(&self.place);
            queue.places.first_entry().and_then(|mut first| first.get_mut().take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn who_comes_first_is_first_and_who_leaves_is_passed_over() {
        let turns = Arc::new(Turns::default());
        let [first, second, third] = [(); 3].map(|()| turns.queue().unwrap());
        assert!(first.come().now_or_never().is_some());
        assert!(third.come().now_or_never().is_none() && second.come().now_or_never().is_none());
        drop(second);
        assert!(third.come().now_or_never().is_none());
        drop(first);
        assert!(third.come().now_or_never().is_some());
        drop(third);
        assert!(turns.queue().unwrap().come().now_or_never().is_some());
    }

    #[test]
    fn a_queue_is_bounded() {
        let turns = Arc::new(Turns::default());
        let places: Vec<Turn> = (0..limits::MAX_TRANSACTION_QUEUE).map(|_| turns.queue().unwrap()).collect();
        assert_eq!(turns.queue().err().unwrap().code, ErrorCode::LimitExceeded);
        drop(places);
        assert!(turns.queue().is_ok());
    }
}
