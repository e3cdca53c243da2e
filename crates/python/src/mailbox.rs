//! Replies for the futures of one asyncio loop, which hears of all that came meanwhile in one call.

use crate::Answer;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Threads of the background that are within Python, or about to be.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Whether the interpreter ends: a thread that is within it then brings the process down.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Lets no thread of the background into Python any more, and waits until those that are there have left. Called when the interpreter is about to end.
#[pyfunction]
pub(crate) fn leave(py: Python<'_>) {
    IS_OVER.store(true, Ordering::SeqCst);
    py.detach(|| {
        while INSIDE.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    });
}

/// In a child that has just been forked: the threads of its parent are not there.
pub(crate) fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
}

/// Runs something within Python, unless that is about to end.
fn within(body: impl FnOnce(Python<'_>)) {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    if !IS_OVER.load(Ordering::SeqCst) {
        Python::attach(body);
    }
    INSIDE.fetch_sub(1, Ordering::SeqCst);
}

/// A reply, or nothing at the end of a stream.
pub(crate) type Letter = Option<Answer>;

#[derive(Default)]
struct Letters {
    waiting: Vec<(Py<PyAny>, Letter)>,
}

/// Replies that wait until the loop takes them.
#[pyclass(frozen)]
pub(crate) struct Mailbox {
    call_soon: Py<PyAny>,
    letters: Arc<Mutex<Letters>>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in a reply; the first one wakes the loop. Must not be called by a thread that is attached to Python.
    pub(crate) fn put(mailbox: &Py<Self>, future: Py<PyAny>, letter: Letter) {
        let mut letters = mailbox.get().lock();
        let is_first = letters.waiting.is_empty();
        letters.waiting.push((future, letter));
        drop(letters);
        if is_first {
            within(|py| {
                let woken = mailbox
                    .getattr(py, "drain")
                    .and_then(|drain| mailbox.get().call_soon.call1(py, (drain,)));
                // A loop that is closed has nobody left who waits.
                drop(woken);
            });
        }
    }
}

#[pymethods]
impl Mailbox {
    #[new]
    fn new(call_soon: Py<PyAny>) -> Self {
        Self { call_soon, letters: Arc::default() }
    }

    /// Gives every future its reply; the loop calls it.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let letters = std::mem::take(&mut self.lock().waiting);
        for (future, letter) in letters {
            if !future.call_method0(py, "done")?.is_truthy(py)? {
                future.call_method1(py, "set_result", (letter,))?;
            }
        }
        Ok(())
    }
}
