//! One worker: a process in which one user's calls of one class run, one after the other. Whoever drops it ends it.

use super::frame::{HEADER, Order, Said, frame, garbled, header, said};
use super::parent::Forked;
use super::{confine, failed};
use crate::Fs;
use crate::sandbox::imports::{self, CallLog};
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result};
use rustix::process::{Signal, pidfd_send_signal};
use serde::Deserialize;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long a worker may take to import what its class requires.
const READY: Duration = Duration::from_secs(30);
/// What a worker may map besides its own memory: files, and room that is never used.
const ROOM: u64 = 1024 * 1024 * 1024;

pub(super) struct Worker {
    stream: UnixStream,
    handle: OwnedFd,
    pid: i32,
    /// Bytes of memory that it had before any code of a user's.
    base: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It fails only for a process that has ended.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

#[derive(Deserialize)]
struct Told {
    message: String,
    package: Option<String>,
}

impl Worker {
    /// Waits until a worker has shut itself off, sees that it has, and bounds its memory.
    ///
    /// # Errors
    /// `unsupported` with the package in `field` when that cannot be imported; `unavailable`.
    pub(super) async fn ready(forked: Forked, memory: usize, is_confined: bool) -> Result<Self> {
        let why = "a worker of native Python could not be made ready";
        forked.stream.set_nonblocking(true).map_err(|error| failed(why, &error))?;
        let stream = UnixStream::from_std(forked.stream).map_err(|error| failed(why, &error))?;
        let mut worker = Self { stream, handle: forked.handle, pid: forked.pid, base: 0 };
        tokio::time::timeout(READY, worker.settled())
            .await
            .map_err(|_| failed(why, &"its packages take too long to be imported"))??;
        let before = Status::of(worker.pid).ok_or_else(|| failed(why, &"it has no status"))?;
        worker.base = before.data;
        // It bounds itself, for whoever is not root may have no right to do so for another user.
        let memory = memory as u64;
        let most = if Guard::Memory.holds() { before.data + memory } else { u64::MAX };
        // Most of what this counts is never used; what is, the other limit counts.
        let mapped = if Guard::Memory.holds() { before.size + 2 * memory + ROOM } else { u64::MAX };
        let bounds = serde_json::json!({ "data": most, "mapped": mapped }).to_string();
        worker.tell(Order::Shut, &[bounds.as_bytes()]).await?;
        tokio::time::timeout(READY, worker.settled())
            .await
            .map_err(|_| failed(why, &"it does not shut itself off"))??;
        if is_confined {
            Status::of(worker.pid).ok_or_else(|| failed(why, &"it has no status"))?.check(most)?;
        }
        Ok(worker)
    }

    /// Waits for the word that what was asked of a new worker is done.
    async fn settled(&mut self) -> Result<()> {
        let why = "a worker of native Python could not be made ready";
        match self.hear().await? {
            Said::Ready(_) => Ok(()),
            Said::Failed(told) => {
                let told: Told = serde_json::from_slice(&told).map_err(|error| failed(why, &error))?;
                let error =
                    Error::new(ErrorCode::Unsupported, format!("the node's native Python: {}", told.message));
                Err(error.field(told.package.as_deref().unwrap_or("native-python")))
            }
            _ => Err(failed(why, &"it says what it should not")),
        }
    }

    /// Whether it waits for work: it has neither ended nor said anything that nobody asked for.
    pub(super) fn waits(&self) -> bool {
        self.stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Whether it holds so much memory by now that the next call would have too little.
    pub(super) fn is_worn(&self, memory: usize) -> bool {
        Status::of(self.pid).is_none_or(|status| status.data.saturating_sub(self.base) > memory as u64 / 2)
    }

    /// Does a piece of work, and gives its output. What it asks of the file system joins the call.
    ///
    /// # Errors
    /// `method_failed` when the process ended; `too_large`. It is not to be used again after any.
    pub(super) async fn work(
        &mut self,
        order: Order,
        parts: &[&[u8]],
        fs: Option<Arc<dyn Fs>>,
        log: &mut CallLog,
    ) -> Result<Vec<u8>> {
        self.tell(order, parts).await?;
        loop {
            match self.hear().await? {
                Said::Done(output) => return Ok(output),
                Said::Log(line) => log.write(&line),
                Said::Ask { what, input, more } => {
                    let (is_done, reply) = imports::answer(fs.clone(), what, &input, &more).await;
                    self.tell(Order::Reply, &[&[u8::from(is_done)], &reply]).await?;
                }
                Said::Ready(_) | Said::Failed(_) => return Err(garbled()),
            }
        }
    }

    async fn tell(&mut self, order: Order, parts: &[&[u8]]) -> Result<()> {
        self.stream.write_all(&frame(order, parts)).await.map_err(|_| died())
    }

    async fn hear(&mut self) -> Result<Said> {
        let mut head = [0; HEADER];
        self.stream.read_exact(&mut head).await.map_err(|_| died())?;
        let (kind, len) = header(head)?;
        let mut body = Vec::with_capacity(len.min(64 * 1024));
        let read = (&mut self.stream).take(len as u64).read_to_end(&mut body).await.map_err(|_| died())?;
        if read < len {
            return Err(died());
        }
        said(kind, body)
    }
}

fn died() -> Error {
    Error::new(
        ErrorCode::MethodFailed,
        "the process that ran the method has ended: native code in it crashed, or found no memory",
    )
}

/// What the kernel says of a process.
struct Status {
    seccomp: u64,
    no_new_privs: u64,
    user: u64,
    data: u64,
    size: u64,
    /// The most that `data` may be; none without a limit.
    most: Option<u64>,
}

impl Status {
    fn of(pid: i32) -> Option<Self> {
        let told = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        Self::read(&told("status")?, &told("limits")?)
    }

    fn read(text: &str, limits: &str) -> Option<Self> {
        let number = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            seccomp: number("Seccomp")?,
            no_new_privs: number("NoNewPrivs")?,
            user: number("Uid")?,
            data: number("VmData")?.checked_mul(1024)?,
            size: number("VmSize")?.checked_mul(1024)?,
            // The soft limit and the hard one are the same.
            most: limits
                .lines()
                .find_map(|line| line.strip_prefix("Max data size"))
                .and_then(|limits| limits.split_whitespace().nth(1)?.parse().ok()),
        })
    }

    /// Sees that a worker is confined, by what the kernel says and not by what the worker says.
    fn check(&self, most: u64) -> Result<()> {
        const FILTERED: u64 = 2;
        let missing = if self.seccomp != FILTERED {
            "no filter of system calls"
        } else if self.no_new_privs != 1 {
            "new privileges"
        } else if confine::is_root() && self.user != u64::from(confine::OWN_USER) {
            "another user than its own"
        } else if most != u64::MAX && self.most != Some(most) {
            "another limit of memory than it was given"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorCode::Unsupported, format!("a worker of native Python has {missing}"))
            .field("native-python"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_confined_is_refused() {
        let text = |seccomp, privileges| {
            format!(
                "Name:\tpython\nUid:\t{0}\t{0}\t{0}\t{0}\nVmSize:\t  200 kB\nVmData:\t  100 kB\nNoNewPrivs:\t{privileges}\nSeccomp:\t{seccomp}\nSeccomp_filters:\t2\n",
                confine::OWN_USER
            )
        };
        let limits = "Limit Soft Hard Units\nMax data size             5000                 5000                 bytes\n";
        let status = Status::read(&text(2, 1), limits).unwrap();
        assert_eq!((status.data, status.size, status.most), (102_400, 204_800, Some(5000)));
        assert!(status.check(5000).is_ok());
        for (text, most, words) in [
            (text(0, 1), 5000, "no filter"),
            (text(2, 0), 5000, "new privileges"),
            (text(2, 1), 4999, "another limit"),
        ] {
            let error = Status::read(&text, limits).unwrap().check(most).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
        assert!(Status::read("Name:\tx\n", limits).is_none());
    }
}
