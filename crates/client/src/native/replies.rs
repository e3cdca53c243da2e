//! The session and those who wait for its replies, shared between the callers and the driver.

use super::gone;
use crate::session::{Config, Delivery, EncodedOp, Event, Kind, Session, State};
use bytes::Bytes;
use emerge_proto::frame::Welcome;
use emerge_proto::{Error, Result, class};
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use minicbor::Decode;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What the driver must do.
pub(super) enum Command {
    Connect,
    Disconnect,
    State(State, Option<Box<Error>>),
}

/// Someone who waits for a request.
#[derive(Default)]
struct Waiter {
    waker: Option<Waker>,
    items: VecDeque<Bytes>,
    end: Option<Result<Bytes>>,
}

pub(super) struct Shared {
    state: Mutex<Shares>,
    /// The driver, which callers wake when they have asked for something.
    driver: AtomicWaker,
    epoch: Instant,
}

struct Shares {
    session: Session,
    waiters: HashMap<u64, Waiter>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        // The standard library's hash keys are the randomness that needs no other crate.
        let seed = RandomState::new().build_hasher().finish();
        let state = Mutex::new(Shares { session: Session::new(config, seed, 0), waiters: HashMap::new() });
        Self { state, driver: AtomicWaker::new(), epoch: Instant::now() }
    }

    /// A panic elsewhere leaves the session in a state that is as good as any: it is changed by single calls.
    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time of the session's clock `millis` as an instant.
    pub(super) fn instant(&self, millis: u64) -> Instant {
        self.epoch + std::time::Duration::from_millis(millis)
    }

    pub(super) fn register_driver(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    pub(super) fn welcome(&self) -> Option<Welcome> {
        self.lock().session.welcome().cloned()
    }

    pub(super) fn request(&self, op: EncodedOp, timeout: Option<u64>, credit: Option<u32>) -> Result<u64> {
        let mut shares = self.lock();
        let seq = shares.session.request(op, timeout, credit, self.now())?;
        shares.waiters.insert(seq, Waiter::default());
        drop(shares);
        self.driver.wake();
        Ok(seq)
    }

    pub(super) fn close(&self) {
        self.lock().session.close(self.now());
        self.driver.wake();
    }

    /// The next message to send.
    pub(super) fn transmit(&self) -> Option<Vec<u8>> {
        self.lock().session.poll_transmit()
    }

    /// True once the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.lock().session.state() == State::Closed
    }

    /// True when nobody waits for anything.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let shares = self.lock();
        shares.waiters.is_empty() && shares.session.pending() == 0
    }

    fn forget(&self, seq: u64) {
        let mut shares = self.lock();
        if let Some(waiter) = shares.waiters.remove(&seq)
            && waiter.end.is_none()
        {
            shares.session.cancel(seq, self.now());
            drop(shares);
            self.driver.wake();
        }
    }

    /// Lets the session hear of something, hands out what it delivers, and gives what it wants done, when it wants to be called and how many tasks were woken.
    pub(super) fn enter(
        &self,
        message: &Bytes,
        tell: impl FnOnce(&mut Session, u64),
        commands: &mut Vec<Command>,
    ) -> (Option<u64>, usize) {
        let mut wakers = Vec::new();
        let mut shares = self.lock();
        let Shares { session, waiters } = &mut *shares;
        tell(session, self.now());
        while let Some(event) = session.poll_event() {
            let woken = match event {
                Event::Connect => {
                    commands.push(Command::Connect);
                    None
                }
                Event::Disconnect => {
                    commands.push(Command::Disconnect);
                    None
                }
                Event::State(state, error) => {
                    commands.push(Command::State(state, error));
                    None
                }
                Event::Delivery(delivery) => deliver(waiters, message, delivery),
                Event::Failed(seq, error) => waiters.get_mut(&seq).and_then(|waiter| {
                    waiter.end = Some(Err(*error));
                    waiter.waker.take()
                }),
            };
            wakers.extend(woken);
        }
        let due = session.poll_timeout();
        drop(shares);
        let woken = wakers.len();
        wakers.into_iter().for_each(Waker::wake);
        (due, woken)
    }
}

fn deliver(waiters: &mut HashMap<u64, Waiter>, message: &Bytes, delivery: Delivery) -> Option<Waker> {
    let waiter = waiters.get_mut(&delivery.seq)?;
    let start = delivery.offset as usize;
    let piece = message.slice(start..start + delivery.length as usize);
    match delivery.kind {
        Kind::Item => waiter.items.push_back(piece),
        Kind::Value | Kind::End => waiter.end = Some(Ok(piece)),
        Kind::Error => {
            let error: Error = class::decode(&piece).unwrap_or_else(|error| error);
            waiter.end = Some(Err(error));
        }
        Kind::Push => return None,
    }
    waiter.waker.take()
}

fn park(waiter: &mut Waiter, context: &Context<'_>) {
    if !waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        waiter.waker = Some(context.waker().clone());
    }
}

/// The encoded reply of a request, to be awaited. Dropping it cancels the request.
#[must_use = "dropping a reply cancels its request"]
pub struct Reply {
    shared: Arc<Shared>,
    seq: u64,
    done: bool,
}

impl Reply {
    pub(super) fn new(shared: Arc<Shared>, seq: u64) -> Self {
        Self { shared, seq, done: false }
    }
}

impl Future for Reply {
    type Output = Result<Bytes>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shares = self.shared.lock();
        let Some(waiter) = shares.waiters.get_mut(&self.seq) else { return Poll::Ready(Err(gone())) };
        let Some(end) = waiter.end.take() else {
            park(waiter, context);
            return Poll::Pending;
        };
        shares.waiters.remove(&self.seq);
        drop(shares);
        self.done = true;
        Poll::Ready(end)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.done {
            self.shared.forget(self.seq);
        }
    }
}

/// The items of a streamed reply. Dropping it cancels the request.
#[must_use = "dropping a stream cancels its request"]
pub struct Items<T> {
    shared: Arc<Shared>,
    /// The request, or why it was refused.
    seq: Result<u64>,
    /// Items taken that the node has not yet heard of.
    taken: u32,
    credit: u32,
    done: bool,
    item: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    pub(super) fn new(shared: Arc<Shared>, op: EncodedOp, timeout: Option<u64>, credit: u32) -> Self {
        let seq = shared.request(op, timeout, Some(credit));
        Self { shared, seq, taken: 0, credit, done: false, item: PhantomData }
    }
}

impl<T: for<'b> Decode<'b, ()>> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let seq = match &self.seq {
            Ok(seq) => *seq,
            Err(error) => {
                let error = error.clone();
                self.done = true;
                return Poll::Ready(Some(Err(error)));
            }
        };
        let shared = self.shared.clone();
        let mut shares = shared.lock();
        let Some(waiter) = shares.waiters.get_mut(&seq) else {
            self.done = true;
            return Poll::Ready(Some(Err(gone())));
        };
        if let Some(item) = waiter.items.pop_front() {
            self.taken += 1;
            // Credit is given back by halves, so that it costs few frames and the node seldom waits.
            if self.taken * 2 > self.credit {
                let allowed = shares.session.credit(seq, self.taken);
                self.taken = 0;
                drop(shares);
                shared.driver.wake();
                allowed?;
            }
            return Poll::Ready(Some(class::decode(&item)));
        }
        let Some(end) = waiter.end.take() else {
            park(waiter, context);
            return Poll::Pending;
        };
        shares.waiters.remove(&seq);
        drop(shares);
        self.done = true;
        Poll::Ready(end.err().map(Err))
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        if let (Ok(seq), false) = (&self.seq, self.done) {
            self.shared.forget(*seq);
        }
    }
}
