//! The parent of the workers: one process of the operator's Python, in which nothing of a user's runs. It has imported what most workers need, so that a
//! worker is a fork of it and takes milliseconds.

use super::confine;
use super::frame::{HEADER, Order, frame, header};
use super::venv::Venv;
use super::{failed, filter};
use crate::sandbox::outcome::join;
use emerge_proto::{Error, ErrorCode, Result};
use rust_embed::RustEmbed;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Deserialize;
use serde_json::json;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The package `emerge`, as methods have it.
#[derive(RustEmbed)]
#[folder = "../../pyodide/src/emerge"]
#[include = "*.py"]
struct Package;

/// The program of the guest in the sandbox, which is that of a worker too.
#[derive(RustEmbed)]
#[folder = "guest-python/app"]
#[include = "guest_*.py"]
struct Guest;

/// What is a worker's alone.
#[derive(RustEmbed)]
#[folder = "guest-native"]
#[include = "*.py"]
struct Own;

/// What of the package other hosts have.
const OTHER_HOSTS: [&str; 4] = ["__init__", "_host_native", "_host_pyodide", "_wakers"];
/// What is imported before workers are forked, of what is installed: what takes long and leaves the interpreter as it was. Other packages are imported in each worker.
const PRELOADED: [&str; 2] = ["numpy", "pandas"];
/// How long the parent may take to be ready, or to fork.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the end of its complaints that are kept.
const COMPLAINTS: usize = 4096;

pub(super) struct Parent {
    control: UnixStream,
    child: Child,
    complaints: Arc<Mutex<Vec<u8>>>,
    /// The whole version of the interpreter.
    pub(super) version: String,
    pub(super) is_confined: bool,
}

/// A worker that was forked.
pub(super) struct Forked {
    pub(super) stream: UnixStream,
    /// Names the process for as long as it is open, whatever becomes of its number.
    pub(super) handle: OwnedFd,
    pub(super) pid: i32,
}

#[derive(Deserialize)]
struct Ready {
    version: String,
}

#[derive(Deserialize)]
struct Made {
    pid: i32,
}

impl Parent {
    /// Starts it. It blocks, for a second or so.
    ///
    /// # Errors
    /// `unavailable`, with what Python says of it.
    pub(super) fn start(venv: &Venv, is_confined: bool) -> Result<Self> {
        let why = "the parent of the workers of native Python could not be started";
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed(why, &error))?;
        ours.set_read_timeout(Some(PATIENCE)).map_err(|error| failed(why, &error))?;
        ours.set_write_timeout(Some(PATIENCE)).map_err(|error| failed(why, &error))?;
        let boot = text_of::<Own>("boot.py")?;
        let mut child = confine::spawn(venv, &boot, theirs.into(), is_confined)?;
        let complaints = Arc::<Mutex<Vec<u8>>>::default();
        if let Some(stderr) = child.stderr.take() {
            let kept = Arc::clone(&complaints);
            std::thread::Builder::new()
                .name("emerge-native".into())
                .spawn(move || keep_end(stderr, &kept))
                .map_err(|error| failed(why, &error))?;
        }
        let mut parent = Self { control: ours, child, complaints, version: String::new(), is_confined };
        let preload: Vec<&str> = PRELOADED.into_iter().filter(|package| venv.has(package)).collect();
        let parts = parts(venv, &preload, is_confined)?;
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let told = parent.control.write_all(&frame(Order::Boot, &[&join(&parts)]));
        let ready = told.map_err(|error| failed(why, &error)).and_then(|()| parent.hear::<Ready>());
        match ready {
            Ok((ready, _)) => parent.version = ready.version,
            Err(error) => return Err(parent.explained(&error)),
        }
        Ok(parent)
    }

    /// Forks a worker, which is to import these. It blocks, for milliseconds.
    ///
    /// # Errors
    /// `unavailable`: the parent has died, and another is to be started.
    pub(super) fn fork(&mut self, imports: &[String]) -> Result<Forked> {
        let why = "a worker of native Python could not be forked";
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed(why, &error))?;
        let order = frame(Order::Fork, &[json!({ "imports": imports }).to_string().as_bytes()]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        let given = [theirs.as_fd()];
        along.push(SendAncillaryMessage::ScmRights(&given));
        // Its first bytes alone: the other side reads no more with the descriptor.
        let (head, body) = order.split_at(HEADER);
        let sent = sendmsg(&self.control, &[IoSlice::new(head)], &mut along, SendFlags::NOSIGNAL);
        match sent {
            Ok(HEADER) => {}
            Ok(_) => return Err(failed(why, &"the order was cut")),
            Err(error) => return Err(self.explained(&failed(why, &error))),
        }
        drop(theirs);
        let heard = self.control.write_all(body).map_err(|error| failed(why, &error));
        match heard.and_then(|()| self.hear::<Made>()) {
            Ok((child, Some(handle))) => Ok(Forked { stream: ours, handle, pid: child.pid }),
            Ok((_, None)) => Err(failed(why, &"its parent sent no descriptor")),
            Err(error) => Err(self.explained(&error)),
        }
    }

    /// Reads an answer, and the descriptor that comes with it.
    fn hear<T: for<'a> Deserialize<'a>>(&mut self) -> Result<(T, Option<OwnedFd>)> {
        let why = "the parent of the workers of native Python does not answer";
        let mut head = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut head)];
        let got = recvmsg(&self.control, into, &mut along, RecvFlags::CMSG_CLOEXEC)
            .map_err(|error| failed(why, &error))?;
        let handle = along.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let mut control = &self.control;
        control.read_exact(&mut head[got.bytes..]).map_err(|error| failed(why, &error))?;
        let (_, len) = header(head)?;
        let mut body = vec![0; len];
        control.read_exact(&mut body).map_err(|error| failed(why, &error))?;
        let answer = serde_json::from_slice(&body).map_err(|error| failed(why, &error))?;
        Ok((answer, handle))
    }

    /// An error with what Python said last.
    fn explained(&mut self, error: &Error) -> Error {
        // It ends when its conversation does; what it complains of is read by then.
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let ended = (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            matches!(self.child.try_wait(), Ok(Some(_)))
        });
        let said = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        let last = said.trim().lines().last().unwrap_or(if ended {
            "it has ended without a word"
        } else {
            "it hangs"
        });
        Error::new(ErrorCode::Unavailable, format!("{}: {last}", error.message)).field("native-python")
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // Its workers go with it: each asked the kernel for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_end(mut from: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 1024];
    while let Ok(len) = from.read(&mut piece) {
        if len == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&piece[..len]);
        let over = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..over);
    }
}

/// What the parent is made of: what it is told, and its modules, each after its name.
fn parts(venv: &Venv, preload: &[&str], is_confined: bool) -> Result<Vec<Vec<u8>>> {
    let mut modules = Vec::new();
    let mut texts = Vec::new();
    for file in Package::iter() {
        let name = file.trim_end_matches(".py").to_owned();
        if !OTHER_HOSTS.contains(&name.as_str()) {
            modules.push(format!("emerge.{name}"));
        }
        texts.push((format!("emerge.{name}"), text_of::<Package>(&file)?));
    }
    for file in Guest::iter() {
        texts.push((file.trim_end_matches(".py").to_owned(), text_of::<Guest>(&file)?));
    }
    for file in Own::iter() {
        texts.push((file.trim_end_matches(".py").to_owned(), text_of::<Own>(&file)?));
    }
    let filter = filter::bytes_of(&filter::of_worker()?);
    let standard = venv.library.join(format!("python{}", venv.version));
    let config = json!({
        "packages": venv.packages,
        "index": [&venv.packages, &standard, std::path::Path::new("/usr/share/zoneinfo")],
        "preload": preload,
        "modules": modules,
        "confined": is_confined,
        "filter": filter.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    });
    let mut parts = vec![config.to_string().into_bytes()];
    for (name, text) in texts {
        parts.push(name.into_bytes());
        parts.push(text.into_bytes());
    }
    Ok(parts)
}

fn text_of<Files: RustEmbed>(file: &str) -> Result<String> {
    let found = Files::get(file).ok_or_else(|| failed("a module of native Python is missing", &file))?;
    String::from_utf8(found.data.into_owned())
        .map_err(|error| failed("a module of native Python is no text", &error))
}
