//! Connections and their streams.

use crate::Answer;
use crate::mailbox::{Letter, Mailbox};
use crate::raw::Raw;
use crate::reactor::Reactor;
use emerge_client::Client;
use emerge_proto::{Error, Result};
use futures_util::StreamExt;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

/// How long a wait goes on before it looks whether the user has pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);
const CREDIT: u32 = 64;

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
    task: AbortHandle,
}

impl Asked {
    fn begin(
        letter: impl Future<Output = Letter> + Send + 'static,
        mailbox: Py<Mailbox>,
        future: Py<PyAny>,
    ) -> PyResult<Self> {
        let reactor = Reactor::get().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let task = reactor.spawn(async move { Mailbox::put(&mailbox, future, letter.await) });
        Ok(Self { task: task.abort_handle() })
    }
}

#[pymethods]
impl Asked {
    /// Gives it up; a request is cancelled at the node.
    fn cancel(&self) {
        self.task.abort();
    }
}

/// Connects and waits for the node's welcome.
#[pyfunction]
pub(crate) fn connect(
    py: Python<'_>,
    url: String,
    token: String,
    agent: String,
) -> PyResult<(bool, Vec<u8>, Option<Connection>)> {
    let opening = async move {
        let mut config = emerge_client::Config::new(token);
        config.agent = agent;
        let client = Client::open(&url, config)?;
        client.opened().await?;
        Ok::<_, Error>(client)
    };
    Ok(match wait(py, opening)?.and_then(|opened| opened) {
        Ok(client) => (true, Vec::new(), Some(Connection { client })),
        Err(error) => (false, emerge_pickle::error_to_pickle(&error), None),
    })
}

/// A connection to a node.
#[pyclass(frozen)]
pub(crate) struct Connection {
    client: Client,
}

fn limited(client: &Client, timeout: Option<f64>) -> Client {
    match timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(timeout) => client.with_timeout(timeout),
        None => client.clone(),
    }
}

async fn asked(client: Client, request: Vec<u8>) -> Result<Vec<u8>> {
    let op = emerge_pickle::op_from_pickle(&request)?;
    let reply = client.request(&op)?.await?;
    emerge_pickle::reply_to_pickle(op.name(), &reply)
}

#[pymethods]
impl Connection {
    /// Asks and waits.
    fn ask(&self, py: Python<'_>, request: Vec<u8>, timeout: Option<f64>) -> PyResult<Answer> {
        let reply = wait(py, asked(limited(&self.client, timeout), request))?;
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
        let client = limited(&self.client, timeout);
        Asked::begin(async move { Some(Answer(asked(client, request).await)) }, mailbox, future)
    }

    /// Asks for a streamed reply.
    fn stream(&self, request: &[u8], timeout: Option<f64>) -> Items {
        let client = limited(&self.client, timeout);
        let opened = emerge_pickle::op_from_pickle(request)
            .map(|op| Open { name: op.name(), items: client.stream(&op, CREDIT) });
        Items { opened: Arc::new(Mutex::new(Some(opened))) }
    }

    /// Waits for what is under way and ends the connection.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, self.client.close()).map(drop)
    }

    /// `connecting`, `open`, `offline`, `resuming` or `closed`.
    #[getter]
    fn state(&self) -> &'static str {
        self.client.state().as_str()
    }
}

struct Open {
    name: &'static str,
    items: emerge_client::native::Items<Raw>,
}

/// A streamed reply; nothing once it has ended.
#[pyclass(frozen)]
pub(crate) struct Items {
    opened: Arc<Mutex<Option<Result<Open>>>>,
}

async fn taken(opened: Arc<Mutex<Option<Result<Open>>>>) -> Letter {
    let mut opened = opened.lock().await;
    let item = match opened.as_mut()? {
        Ok(open) => match open.items.next().await? {
            Ok(Raw(item)) => emerge_pickle::stream_item_to_pickle(open.name, &item),
            Err(error) => Err(error),
        },
        Err(error) => Err(error.clone()),
    };
    if item.is_err() {
        *opened = None;
    }
    Some(Answer(item))
}

#[pymethods]
impl Items {
    /// Waits for the next item.
    fn take(&self, py: Python<'_>) -> PyResult<Letter> {
        Ok(match wait(py, taken(self.opened.clone()))? {
            Ok(letter) => letter,
            Err(error) => Some(Answer(Err(error))),
        })
    }

    /// Asks for the next item; the future gets it by the mailbox.
    fn take_soon(&self, mailbox: Py<Mailbox>, future: Py<PyAny>) -> PyResult<Asked> {
        Asked::begin(taken(self.opened.clone()), mailbox, future)
    }
}
