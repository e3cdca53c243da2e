//! Connections and their streams.

use crate::Answer;
use crate::mailbox::{Letter, Mailbox};
use crate::own::Own;
use crate::raw::Raw;
use crate::reactor::Reactor;
use emerge_client::Client;
use emerge_client::native::Trust;
use emerge_proto::{Error, Op, Result};
use futures_util::StreamExt;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

/// How long a wait goes on before it looks whether the user has pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);
const CREDIT: u32 = 64;
/// Parts of a copy that may be on the way: each is told as it comes, and what is cancelled copies few more.
const PARTS: u32 = 4;

/// Waits without holding the interpreter, and heeds signals.
fn wait<T: Send>(py: Python<'_>, task: impl Future<Output = T> + Send) -> PyResult<Result<T>> {
    let reactor = match Reactor::get() {
        Ok(reactor) => reactor,
        Err(error) => return Ok(Err(error)),
    };
    let mut task = Box::pin(task);
    loop {
        let waited = py.detach(|| reactor.wait(async { tokio::time::timeout(LOOK, &mut task).await }));
        match waited {
            Ok(value) => return Ok(Ok(value)),
            Err(_) => py.check_signals()?,
        }
    }
}

/// What a future of asyncio waits for.
#[pyclass(frozen)]
pub(crate) struct Asked {
    task: Own<AbortHandle>,
}

impl Asked {
    fn begin(
        letter: impl Future<Output = Letter> + Send + 'static,
        mailbox: Py<Mailbox>,
        future: Py<PyAny>,
    ) -> PyResult<Self> {
        let reactor = Reactor::get().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let task = reactor.spawn(async move { Mailbox::put(&mailbox, future, letter.await) });
        Ok(Self { task: Own::new(task.abort_handle()) })
    }
}

#[pymethods]
impl Asked {
    /// Gives it up; a request is cancelled at the node.
    fn cancel(&self) {
        if let Ok(task) = self.task.get() {
            task.abort();
        }
    }
}

/// What a function that connects gives: whether it is good, the pickle of the error, the connection.
type Connected = (bool, Vec<u8>, Option<Connection>);

fn connected(client: Result<Client>) -> Connected {
    match client {
        Ok(client) => (true, Vec::new(), Some(Connection { client: Own::new(client) })),
        Err(error) => (false, emerge_pickle::error_to_pickle(&error), None),
    }
}

/// Must be called within the reactor.
fn open(url: &str, token: String, agent: String, ca: Option<PathBuf>) -> Result<Client> {
    let mut config = emerge_client::Config::new(token);
    config.agent = agent;
    Client::open(url, config, Trust::of(ca))
}

/// Connects and waits for the node's welcome.
#[pyfunction]
#[pyo3(signature = (url, token, agent, ca=None))]
pub(crate) fn connect(
    py: Python<'_>,
    url: String,
    token: String,
    agent: String,
    ca: Option<PathBuf>,
) -> PyResult<Connected> {
    let opening = async move {
        let client = open(&url, token, agent, ca)?;
        client.opened().await?;
        Ok::<_, Error>(client)
    };
    Ok(connected(wait(py, opening)?.and_then(|opened| opened)))
}

/// Begins to connect; [`Connection::opened_soon`] tells when the node has said welcome.
#[pyfunction]
#[pyo3(signature = (url, token, agent, ca=None))]
pub(crate) fn begin(url: &str, token: String, agent: String, ca: Option<PathBuf>) -> Connected {
    connected(Reactor::get().and_then(|reactor| {
        let _entered = reactor.enter();
        open(url, token, agent, ca)
    }))
}

/// A connection to a node.
#[pyclass(frozen)]
pub(crate) struct Connection {
    client: Own<Client>,
}

impl Connection {
    fn client(&self) -> Result<Client> {
        self.client.get().cloned()
    }

    fn limited(&self, timeout: Option<f64>) -> Result<Client> {
        let client = self.client.get()?;
        Ok(match timeout {
            // What is less than 0, or no number, becomes 0 and is refused as that is; what is endless becomes very long.
            Some(seconds) => client.with_timeout(Duration::from_millis((seconds * 1000.0).ceil() as u64)),
            None => client.clone(),
        })
    }
}

async fn asked(client: Result<Client>, request: Vec<u8>) -> Result<Vec<u8>> {
    let op = emerge_pickle::op_from_pickle(&request)?;
    let reply = client?.request(&op)?.await?;
    emerge_pickle::reply_to_pickle(op.replies_as(), &reply)
}

#[pymethods]
impl Connection {
    /// Asks and waits.
    fn ask(&self, py: Python<'_>, request: Vec<u8>, timeout: Option<f64>) -> PyResult<Answer> {
        let reply = wait(py, asked(self.limited(timeout), request))?;
        Ok(Answer(reply.and_then(|reply| reply)))
    }

    /// Asks; the future gets the reply by the mailbox.
    fn ask_soon(
        &self,
        request: Vec<u8>,
        timeout: Option<f64>,
        mailbox: Py<Mailbox>,
        future: Py<PyAny>,
    ) -> PyResult<Asked> {
        let client = self.limited(timeout);
        Asked::begin(async move { Some(Answer(asked(client, request).await)) }, mailbox, future)
    }

    /// Asks for a streamed reply.
    fn stream(&self, request: &[u8], timeout: Option<f64>) -> Items {
        let opened = self.limited(timeout).and_then(|client| {
            let op = emerge_pickle::op_from_pickle(request)?;
            let credit = if matches!(op, Op::Cp { .. }) { PARTS } else { CREDIT };
            Ok(Open { name: op.replies_as(), items: client.stream(&op, credit) })
        });
        Items {
            opened: Own::new(Arc::new(Opened {
                stream: Mutex::new(Some(opened)),
                over: watch::Sender::new(false),
            })),
        }
    }

    /// Waits for what is under way and ends the connection.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.client() {
            Ok(client) => wait(py, async move { client.close().await }).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Closes; the future gets an empty reply when that is done.
    fn close_soon(&self, mailbox: Py<Mailbox>, future: Py<PyAny>) -> PyResult<Asked> {
        let client = self.client();
        let closed = async move {
            if let Ok(client) = client {
                client.close().await;
            }
            Some(Answer(Ok(Vec::new())))
        };
        Asked::begin(closed, mailbox, future)
    }

    /// Waits for the node's welcome or the first failure; the future gets an empty reply or the error.
    fn opened_soon(&self, mailbox: Py<Mailbox>, future: Py<PyAny>) -> PyResult<Asked> {
        let client = self.client();
        let opened = async move {
            let opened = match client {
                Ok(client) => client.opened().await,
                Err(error) => Err(error),
            };
            Some(Answer(opened.map(|()| Vec::new())))
        };
        Asked::begin(opened, mailbox, future)
    }

    /// `connecting`, `open`, `offline`, `resuming` or `closed`.
    #[getter]
    fn state(&self) -> &'static str {
        self.client.get().map_or("closed", |client| client.state().as_str())
    }
}

struct Open {
    name: &'static str,
    items: emerge_client::native::Items<Raw>,
}

/// What a streamed reply shares with those who wait for its items.
struct Opened {
    /// Absent once it has ended.
    stream: Mutex<Option<Result<Open>>>,
    /// Whether nobody wants another item: who waits for one hears of it.
    over: watch::Sender<bool>,
}

/// A streamed reply; nothing once it has ended.
#[pyclass(frozen)]
pub(crate) struct Items {
    opened: Own<Arc<Opened>>,
}

async fn taken(opened: Result<Arc<Opened>>) -> Letter {
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Some(Answer(Err(error))),
    };
    let mut over = opened.over.subscribe();
    tokio::select! {
        biased;
        _ = over.wait_for(|over| *over) => None,
        item = next(&opened.stream) => item,
    }
}

async fn next(stream: &Mutex<Option<Result<Open>>>) -> Letter {
    let mut stream = stream.lock().await;
    let item = match stream.as_mut()? {
        Ok(open) => match open.items.next().await? {
            Ok(Raw(item)) => emerge_pickle::stream_item_to_pickle(open.name, &item),
            Err(error) => Err(error),
        },
        Err(error) => Err(error.clone()),
    };
    if item.is_err() {
        *stream = None;
    }
    Some(Answer(item))
}

#[pymethods]
impl Items {
    /// Waits for the next item.
    fn take(&self, py: Python<'_>) -> PyResult<Letter> {
        Ok(match wait(py, taken(self.opened.get().cloned()))? {
            Ok(letter) => letter,
            Err(error) => Some(Answer(Err(error))),
        })
    }

    /// Asks for the next item; the future gets it by the mailbox.
    fn take_soon(&self, mailbox: Py<Mailbox>, future: Py<PyAny>) -> PyResult<Asked> {
        Asked::begin(taken(self.opened.get().cloned()), mailbox, future)
    }

    /// Ends it: there is nothing more for those who wait for an item.
    fn abandon(&self) {
        if let Ok(opened) = self.opened.get() {
            opened.over.send_replace(true);
        }
    }
}
