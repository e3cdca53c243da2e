//! Who drives the sockets of this process.
//!
//! A thread that waits for a reply drives them itself: to wake it from another thread would cost it a third of its round trip. It looks for the reply for a
//! moment before it sleeps, since a node nearby answers sooner than the system wakes a thread that sleeps. While nobody waits, a thread of its own drives, so
//! that heartbeats, reconnects and the futures of asyncio go on.

use crate::own::generation;
use emerge_proto::{Error, ErrorCode, Result};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// For how long after a wait nobody drives, since the thread that waited will probably wait again.
const GRACE: Duration = Duration::from_millis(5);
/// The same when there is something to do in the background.
const SOON: Duration = Duration::from_millis(1);

/// For how long a thread looks for what it waits for before it sleeps.
const LOOK_FOR: Duration = Duration::from_micros(200);
/// A wait of less shows that looking pays: what ended it came soon, or would have, had the thread not slept.
const SOON_ENOUGH: Duration = Duration::from_micros(400);

/// The runtime of this process.
pub(crate) struct Reactor {
    /// Driven by one of the threads that are in its `block_on`.
    runtime: Runtime,
    /// Threads that wait, or are about to.
    waiting: AtomicUsize,
    /// How many have begun to wait, ever.
    waits: AtomicUsize,
    /// Whether the thread in the background drives, or is about to.
    in_background: AtomicBool,
    /// Whether a thread looks for what it waits for: one at a time, for it keeps a processor busy.
    looking: AtomicBool,
    /// Whether the last wait was short, so that the next one is expected to be.
    is_quick: AtomicBool,
    /// Asks the thread in the background to let go.
    let_go: Notify,
    /// Whether there may be something to do in the background.
    wanted: Mutex<bool>,
    called: Condvar,
}

impl Reactor {
    /// The reactor of this process, made when it is first asked for. A forked child makes its own, and leaves its parent's alone.
    ///
    /// Must be called by a thread that is attached to Python: so no other one can be in here when a process forks.
    ///
    /// # Errors
    /// `unavailable` when there is no thread for it.
    pub(crate) fn get() -> Result<&'static Self> {
        type Made = (usize, std::result::Result<&'static Reactor, String>);
        static REACTOR: Mutex<Option<Made>> = Mutex::new(None);
        let mut reactor = REACTOR.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, made) = match &*reactor {
            Some(made) if made.0 == generation() => made,
            _ => reactor.insert((generation(), Self::start().map_err(|error| error.to_string()))),
        };
        made.clone()
            .map_err(|error| Error::new(ErrorCode::Unavailable, format!("no thread for the client: {error}")))
    }

    /// Lets this thread begin what is to run in the background.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// A reactor for the rest of this process, and its thread.
    fn start() -> std::io::Result<&'static Self> {
        let reactor: &Self = Box::leak(Box::new(Self::new()?));
        std::thread::Builder::new().name("emerge".into()).spawn(|| reactor.drive_while_nobody_waits())?;
        Ok(reactor)
    }

    fn new() -> std::io::Result<Self> {
        Ok(Self {
            // What other threads ask for comes from the global queue: all of it at once, so that it leaves in one message.
            runtime: Builder::new_current_thread().enable_all().global_queue_interval(1).build()?,
            waiting: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            in_background: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            is_quick: AtomicBool::new(false),
            let_go: Notify::new(),
            wanted: Mutex::new(false),
            called: Condvar::new(),
        })
    }

    /// Runs a future to its end on this thread.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(self);
        if self.in_background.load(Ordering::SeqCst) {
            self.let_go.notify_one();
        }
        let began = Instant::now();
        let looking = if self.is_quick.load(Ordering::Relaxed) { Looking::begin(self) } else { None };
        let done = self.runtime.block_on(async {
            let mut future = pin!(future);
            if let Some(looking) = looking {
                let found = look(future.as_mut(), began + LOOK_FOR).await;
                drop(looking);
                if let Some(done) = found {
                    return done;
                }
            }
            future.await
        });
        self.is_quick.store(began.elapsed() < SOON_ENOUGH, Ordering::Relaxed);
        done
    }

    /// Runs a future in the background.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let task = self.runtime.spawn(future);
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if !self.in_background.load(Ordering::SeqCst) {
            self.called.notify_one();
        }
        task
    }

    fn drive_while_nobody_waits(&self) {
        loop {
            self.in_background.store(true, Ordering::SeqCst);
            // Whoever comes after this sees that it has to ask.
            if self.waiting.load(Ordering::SeqCst) == 0 {
                self.runtime.block_on(self.let_go.notified());
            }
            self.in_background.store(false, Ordering::SeqCst);
            self.rest();
        }
    }

    /// Until nobody has waited for a while, or somebody needs the background.
    fn rest(&self) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let before = self.waits.load(Ordering::SeqCst);
            let is_free = || self.waiting.load(Ordering::SeqCst) == 0;
            if !(*wanted && is_free()) {
                // Who waits drives what is wanted too, but may be done at any time.
                let time = if *wanted { SOON } else { GRACE };
                wanted = self.called.wait_timeout(wanted, time).unwrap_or_else(PoisonError::into_inner).0;
            }
            if is_free() && (*wanted || self.waits.load(Ordering::SeqCst) == before) {
                *wanted = false;
                return;
            }
        }
    }
}

/// Counts a thread that waits.
struct Waiting<'a>(&'a Reactor);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The one thread that looks for what it waits for.
struct Looking<'a>(&'a Reactor);

impl<'a> Looking<'a> {
    fn begin(reactor: &'a Reactor) -> Option<Self> {
        (!reactor.looking.swap(true, Ordering::Acquire)).then_some(Self(reactor))
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.looking.store(false, Ordering::Release);
    }
}

/// Polls a future and the sockets again and again until it is done, or the time is up.
async fn look<F: Future>(mut future: Pin<&mut F>, until: Instant) -> Option<F::Output> {
    loop {
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Some(done);
        }
        if Instant::now() >= until {
            return None;
        }
        // Whoever else has something to do on this processor goes first.
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
}
