//! The guest's imports, all of them: `emerge.ask` and `emerge.log`. And what a store holds of its call.

use super::budget::{Held, UsedUp};
use super::javascript::class_parts;
use super::outcome::{Listing, join};
use super::wasi::World;
use super::{LOAD_DEADLINE, internal};
use crate::Fs;
use emerge_proto::class::{decode, encode};
use emerge_proto::guard::Guard;
use emerge_proto::record::ClassInfo;
use emerge_proto::{ClassVersion, Error, ErrorCode, Language, Op, Result, limits};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use wasmtime::{Caller, Linker, Memory, ResourceLimiter, StoreContextMut, TypedFunc, UpdateDeadline};

/// How long the work of a call is waited for.
pub(crate) fn patience(deadline: Duration) -> Duration {
    if Guard::Deadline.holds() { deadline } else { Duration::MAX }
}

/// Elements of all tables of an instance; each takes 8 bytes that do not count as memory of the call.
const MAX_ELEMENTS: usize = 1024 * 1024;

/// Why the host stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Its time was up.
    Deadline,
    /// The call wanted more memory than it may have.
    Memory,
    /// Memory that is shared is used up.
    UsedUp(UsedUp),
}

/// What a call logs, if that is wanted, up to a limit.
pub(crate) struct CallLog {
    text: Option<String>,
    is_full: bool,
}

impl CallLog {
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { text: is_wanted.then(String::new), is_full: false }
    }

    fn takes(&self) -> bool {
        self.text.is_some() && !self.is_full
    }

    /// Adds a line.
    pub(crate) fn write(&mut self, line: &str) {
        let Some(text) = &mut self.text else { return };
        if self.is_full {
            return;
        }
        let room = limits::CALL_LOG.saturating_sub(text.len());
        if line.len() < room || !Guard::Log.holds() {
            text.push_str(line);
            text.push('\n');
        } else {
            text.push_str(&line[..line.floor_char_boundary(room)]);
            text.push_str(&format!("\n(the log ends here: its limit is {} bytes)\n", limits::CALL_LOG));
            self.is_full = true;
        }
    }

    /// What was logged.
    pub(crate) fn end(&mut self) -> String {
        self.text.take().unwrap_or_default()
    }
}

/// What a store holds: the host's side of the call that runs in it.
pub(super) struct Host {
    pub(super) memory: Option<Memory>,
    /// How a class in wasm gives room for a reply.
    pub(super) alloc: Option<TypedFunc<u32, u32>>,
    /// What a class in wasm said before it gave up.
    pub(super) failed: Option<String>,
    pub(super) stopped: Option<Stopped>,
    pub(super) held: Held,
    pub(super) fs: Option<Arc<dyn Fs>>,
    reply: Vec<u8>,
    /// The classes that the call has met.
    pub(super) met: Vec<Listing>,
    log: CallLog,
    deadline: Instant,
    limit: usize,
    /// Elements of all tables.
    elements: usize,
}

impl Host {
    pub(super) fn new(held: Held) -> Self {
        Self {
            memory: None,
            alloc: None,
            failed: None,
            stopped: None,
            held,
            fs: None,
            reply: Vec::new(),
            met: Vec::new(),
            log: CallLog::new(false),
            // An instance is made before its call begins, and on a busy machine that takes more than a tick.
            deadline: Instant::now() + LOAD_DEADLINE,
            limit: 0,
            elements: 0,
        }
    }

    /// Makes ready for a call, or for work without one when there is no `fs`.
    pub(super) fn begin(&mut self, fs: Option<Arc<dyn Fs>>, log: bool, deadline: Duration, memory: usize) {
        self.stopped = None;
        self.fs = fs;
        self.reply = Vec::new();
        self.met = Vec::new();
        self.log = CallLog::new(log);
        self.deadline = Instant::now() + deadline;
        self.limit = memory;
    }

    /// Ends a call: lets go of all that belonged to it, and gives its log.
    pub(super) fn end(&mut self) -> String {
        self.fs = None;
        self.reply = Vec::new();
        self.met = Vec::new();
        self.log.end()
    }

    /// Called each time the epoch advances while the guest computes.
    pub(super) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if Instant::now() < self.deadline || !Guard::Deadline.holds() {
            return Ok(UpdateDeadline::Yield(1));
        }
        self.stopped = Some(Stopped::Deadline);
        Ok(UpdateDeadline::Interrupt)
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // The memory that a module begins with, and that an image needs, is the sandbox's own affair: only what a call adds is limited.
        if self.limit != 0 && desired > self.limit && Guard::Memory.holds() {
            self.stopped = Some(Stopped::Memory);
        } else {
            match self.held.grow(desired) {
                Ok(()) => return Ok(true),
                Err(used_up) => {
                    self.stopped = Some(Stopped::UsedUp(used_up));
                    return Err(used_up.into());
                }
            }
        }
        // An error and not `false`: the guest is stopped here, and need not cope with a refusal in the middle of anything.
        let why = format!("the guest wants {desired} bytes of memory, and may have {}", self.limit);
        Err(wasmtime::Error::msg(why))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.elements = self.elements.saturating_add(desired.saturating_sub(current));
        Ok(self.elements <= MAX_ELEMENTS)
    }
}

thread_local! {
    static INSIDE_FS: Cell<bool> = const { Cell::new(false) };
}

/// True while a guest's request of the file system is being worked on, in this thread: a call made now is a nested one.
pub(super) fn is_nested() -> bool {
    INSIDE_FS.get()
}

/// Marks the thread while a request is polled.
struct Marked<F>(Pin<Box<F>>);

impl<F: Future> Future for Marked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let outer = INSIDE_FS.replace(true);
        let polled = self.0.as_mut().poll(context);
        INSIDE_FS.set(outer);
        polled
    }
}

/// Defines the imports.
pub(super) fn define(linker: &mut Linker<Host>) -> Result<()> {
    linker
        .func_wrap_async("emerge", "ask", |caller: Caller<'_, Host>, (what, request, len, into, capacity)| {
            Box::new(ask(caller, what, request, len, into, capacity))
        })
        .and_then(|linker| linker.func_wrap("emerge", "log", log))
        .map_err(|error| internal("the sandbox's imports could not be defined", &error))?;
    Ok(())
}

/// Defines the imports of the Python guest: `ask` and `log`.
pub(super) fn define_python(linker: &mut wasmtime::component::Linker<World>) -> Result<()> {
    let mut root = linker.root();
    root.func_wrap_async(
        "ask",
        |store: StoreContextMut<'_, World>, (what, input, more): (u32, Vec<u8>, Vec<u8>)| {
            let fs = store.data().host.fs.clone();
            Box::new(async move { Ok((answer(fs, what, &input, &more).await,)) })
        },
    )
    .and_then(|()| {
        root.func_wrap("log", |mut store: StoreContextMut<'_, World>, (text,): (String,)| {
            store.data_mut().host.log.write(&text);
            Ok(())
        })
    })
    .map_err(|error| internal("the sandbox's imports could not be defined", &error))
}

/// What a Python asks of its host: 0 an operation, 1 the address of a class, 2 whether a value can travel, 3 what changed between two dicts. True and a pickle, or
/// false and that of an error.
pub(crate) async fn answer(fs: Option<Arc<dyn Fs>>, what: u32, input: &[u8], more: &[u8]) -> (bool, Vec<u8>) {
    let answer = match what {
        0 => ask_fs(fs, input).await,
        1 => emerge_pickle::class_from_pickle(input).map(|class| class.hash().0.to_vec()),
        2 => emerge_pickle::value_from_pickle(input).map(|_| Vec::new()),
        _ => emerge_pickle::changes(input, more),
    };
    match answer {
        Ok(pickle) => (true, pickle),
        Err(error) => (false, emerge_pickle::error_to_pickle(&error)),
    }
}

async fn ask_fs(fs: Option<Arc<dyn Fs>>, pickle: &[u8]) -> Result<Vec<u8>> {
    let op = emerge_pickle::op_from_pickle(pickle)?;
    let name = op.name();
    let reply = request(fs, op).await?;
    emerge_pickle::reply_to_pickle(name, &reply)
}

/// Runs an operation of the guest's within its call.
pub(super) async fn request(fs: Option<Arc<dyn Fs>>, op: Op) -> Result<Vec<u8>> {
    let Some(fs) = fs else {
        return Err(Error::new(ErrorCode::Unsupported, "there is no file system while a class is read"));
    };
    Marked(Box::pin(async move { fs.request(op).await })).await
}

/// `ask(what, request, len, into, capacity) -> reply's length`: see the guest's `host.rs`. A reply is a 0 and what was asked for, or a 1 and an error's
/// record.
async fn ask(
    mut caller: Caller<'_, Host>,
    what: u32,
    from: u32,
    len: u32,
    into: u32,
    capacity: u32,
) -> wasmtime::Result<u32> {
    let Some(memory) = caller.data().memory else { return Err(wasmtime::Error::msg("no memory")) };
    if len > 0 {
        let bytes = memory
            .data(&caller)
            .get(from as usize..from as usize + len as usize)
            .ok_or_else(|| wasmtime::Error::msg("the request is not in memory"))?
            .to_vec();
        let fs = caller.data().fs.clone();
        let answer = match (decode::<Op>(&bytes), what) {
            (Ok(op), 0) => request(fs, op).await,
            (Ok(op), _) => met(request(fs, op).await, &mut caller.data_mut().met).await,
            (Err(error), _) => Err(error),
        };
        let mut reply = Vec::with_capacity(256);
        match answer {
            Ok(record) => {
                reply.push(0);
                reply.extend_from_slice(&record);
            }
            Err(error) => {
                reply.push(1);
                reply.extend_from_slice(&encode(&error));
            }
        }
        caller.data_mut().reply = reply;
    }
    let reply = std::mem::take(&mut caller.data_mut().reply);
    let needed = u32::try_from(reply.len())?;
    if needed <= capacity {
        memory.write(&mut caller, into as usize, &reply)?;
    } else {
        caller.data_mut().reply = reply;
    }
    Ok(needed)
}

/// Classes whose lines an error's trace shows; what a method meets besides is left out there.
const MOST_MET: usize = 64;

/// What the guest needs to make a class that a running method meets, of the node's record: the same parts that a class is loaded from. Only a
/// record that comes from the node is read, whose classes have passed the checks.
async fn met(record: Result<Vec<u8>>, listings: &mut Vec<Listing>) -> Result<Vec<u8>> {
    let info: ClassInfo = decode(&record?)?;
    if let Some(other) = info.lineage.iter().find(|class| class.source.language != Language::JavaScript) {
        let why = format!("class {} is not JavaScript", other.source.name);
        return Err(Error::new(ErrorCode::Unsupported, why));
    }
    let lineage: Vec<Arc<ClassVersion>> = info.lineage.into_iter().map(Arc::new).collect();
    let (parts, more) = class_parts(&lineage, &format!("+{}", listings.len())).await?;
    if listings.len() < MOST_MET {
        listings.extend(more);
    }
    Ok(join(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// `log(text, len)`: a line of UTF-8.
pub(super) fn log(mut caller: Caller<'_, Host>, text: u32, len: u32) -> wasmtime::Result<()> {
    let Some(memory) = caller.data().memory else { return Err(wasmtime::Error::msg("no memory")) };
    if !caller.data().log.takes() {
        return Ok(());
    }
    let line = memory
        .data(&caller)
        .get(text as usize..text as usize + len as usize)
        .ok_or_else(|| wasmtime::Error::msg("the text is not in memory"))?;
    // No more than can be kept is copied, however long the line is.
    let most = if Guard::Log.holds() { limits::CALL_LOG + 4 } else { usize::MAX };
    let line = String::from_utf8_lossy(&line[..line.len().min(most)]).into_owned();
    caller.data_mut().log.write(&line);
    Ok(())
}
