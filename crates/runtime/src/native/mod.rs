//! Native Python: classes that require packages, in processes of an interpreter that the operator chose (`--native-python`), which the kernel keeps off the machine.
//!
//! One process is the parent (`parent.rs`), confined before it starts (`confine.rs`); a worker is a fork of it that confines itself further before it reads any code
//! (`filter.rs`, `guest-native/`), and serves one user and one class. So nothing of one user is there for another. A system that cannot confine them has no
//! native Python.

mod confine;
mod filter;
mod frame;
mod parent;
mod venv;
mod worker;

use crate::sandbox::admission::{Admission, returned, with_log};
use crate::sandbox::imports::{self, CallLog};
use crate::sandbox::instance::Output;
use crate::sandbox::outcome::{Subject, join};
use crate::sandbox::pool::{ClassKey, key_of};
use crate::sandbox::python::{classes, pickled, subject};
use crate::{Call, Fs, NativeReport, Returned};
use emerge_proto::class::Captured;
use emerge_proto::guard::Guard;
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, ObjectId, Result, limits};
use frame::Order;
use parent::{Forked, Parent};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use venv::Venv;
use worker::Worker;

/// How a [`Native`] is made.
#[derive(Clone, Debug)]
pub struct NativeOptions {
    /// The folder of the virtual environment.
    pub venv: PathBuf,
    /// Calls that run at once, nested ones not counted; more wait.
    pub calls: usize,
    /// How many of them one user may have.
    pub share: usize,
    /// Workers kept for later calls.
    pub idle: usize,
}

impl NativeOptions {
    /// The defaults, for an environment.
    pub fn new(venv: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // A worker is a process with memory of its own, so that there are fewer than instances of the sandbox.
        Self { venv: venv.into(), calls: threads * 4, share: threads * 2, idle: threads * 4 }
    }
}

/// A worker, and whom it serves.
struct Idle {
    user: String,
    class: ClassKey,
    memory: usize,
    worker: Worker,
}

/// Runs classes that require packages.
pub struct Native {
    venv: Venv,
    limit: usize,
    admission: Admission,
    /// Nested calls, which the admission lets through: each is a process.
    nested: Semaphore,
    /// Classes that are checked at once; more wait.
    checks: Semaphore,
    /// The parent; none after one has died, until it is needed again.
    parent: Mutex<Option<Parent>>,
    idle: Mutex<Vec<Idle>>,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("venv", &self.venv.folder).finish_non_exhaustive()
    }
}

impl Native {
    /// Makes native Python ready, and sees that it works: an interpreter starts, a worker shuts itself off and imports numpy and pandas where they are installed. It takes a second or two.
    ///
    /// # Errors
    /// `unsupported` when this system cannot confine it, with what is missing; `unavailable` when the environment is missing or broken. The `field` of both is
    /// `native-python`.
    pub async fn open(options: &NativeOptions) -> Result<(Arc<Self>, NativeReport)> {
        confine::check_system()?;
        let native = Arc::new(Self {
            venv: Venv::open(&options.venv)?,
            limit: options.idle,
            admission: Admission::new(options.calls, options.share),
            nested: Semaphore::new(options.calls.max(1)),
            checks: Semaphore::new((options.calls / 4).max(1)),
            parent: Mutex::default(),
            idle: Mutex::default(),
        });
        drop(native.worker(&BTreeSet::new(), limits::CALL_MEMORY).await?);
        let version = lock(&native.parent).as_ref().map(|parent| parent.version.clone()).unwrap_or_default();
        let report = NativeReport {
            version,
            interpreter: native.venv.interpreter.clone(),
            packages: native.venv.installed(),
            landlock: confine::landlock_abi(),
            user: confine::is_root().then_some(confine::OWN_USER),
        };
        Ok((native, report))
    }

    /// Sees that the packages of a class, and of those that it needs, are installed.
    ///
    /// # Errors
    /// `unsupported`, with the package in `field`.
    pub(crate) fn has(&self, class: &ClassSource, packages: &BTreeSet<&str>) -> Result<()> {
        let packages: Vec<&str> = packages.iter().copied().collect();
        let Some(package) = self.venv.lacks(&packages) else { return Ok(()) };
        let why = format!(
            "class {:?} requires {package}, which the environment of this node's native Python has not; its operator adds it with pip",
            class.name
        );
        Err(Error::new(ErrorCode::Unsupported, why).field(package))
    }

    /// Checks a class by evaluating it with all that it needs, where it will run.
    ///
    /// # Errors
    /// `class_invalid`, as the sandbox; `unsupported` with the package in `field` when that cannot be imported.
    pub(crate) async fn check(
        self: &Arc<Self>,
        class: &ClassSource,
        needed: &[Arc<ClassVersion>],
    ) -> Result<()> {
        let what = format!("class {:?}", class.name);
        let subject = subject(&what, ErrorCode::ClassInvalid, LOAD_DEADLINE, limits::CALL_MEMORY);
        let own = ClassVersion {
            hash: class.hash(),
            class_id: ObjectId([0; 16]),
            version: 1,
            owner: String::new(),
            created: 0,
            source: class.clone(),
            methods: Vec::new(),
        };
        let _turn = turn(&self.checks, &what).await?;
        let all: Vec<&ClassVersion> =
            std::iter::once(&own).chain(needed.iter().map(|class| &**class)).collect();
        let mut worker = self.worker(&imports_of(&all), limits::CALL_MEMORY).await?;
        load(&mut worker, &classes(all.into_iter())?, &subject).await
    }

    /// Runs a method.
    pub(crate) async fn call(
        self: &Arc<Self>,
        call: Call,
        fs: Arc<dyn Fs>,
        nested: bool,
    ) -> Result<Returned> {
        let admitted = self.admission.admit(&call, nested).await?;
        // An outer call waits for this one, so that there is an end to waiting.
        let _turn = if nested { Some(turn(&self.nested, &admitted.what).await?) } else { None };
        let subject = subject(&admitted.what, ErrorCode::MethodFailed, call.deadline, call.memory);
        let (class, input) = pickled(&call)?;
        let class = key_of(class);
        let mut worker = match self.take(&call.user, &class, call.memory) {
            Some(worker) => worker,
            None => self.loaded(&call).await?,
        };
        let mut log = CallLog::new(call.log);
        let seed = call.seed.to_le_bytes();
        let input: [&[u8]; 2] = [&seed, &input];
        let work = worker.work(Order::Call, &input, Some(fs), &mut log);
        let output = match tokio::time::timeout(imports::patience(call.deadline), work).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return with_log(Err(error), log.end()),
            Err(_) => return with_log(Err(subject.late()), log.end()),
        };
        let parts = subject.parts(Output::Bytes(output)).map_err(|error| of_method(error, call.memory));
        self.put(Idle { user: call.user, class, memory: call.memory, worker });
        let returned = parts.and_then(|parts| {
            let [pair] = parts.as_slice() else { return Err(frame::garbled()) };
            let (result, state) =
                emerge_pickle::returned_from_pickle(pair).map_err(|error| of_method(error, call.memory))?;
            returned(&call.state, result, state)
        });
        with_log(returned, log.end())
    }

    /// A worker with a call's class.
    async fn loaded(self: &Arc<Self>, call: &Call) -> Result<Worker> {
        let what =
            call.lineage.first().map(|class| format!("class {:?}", class.source.name)).unwrap_or_default();
        let subject = subject(&what, ErrorCode::MethodFailed, LOAD_DEADLINE, call.memory);
        let all: Vec<&ClassVersion> =
            call.lineage.iter().chain(&call.captured).map(|class| &**class).collect();
        let mut worker = self.worker(&imports_of(&all), call.memory).await?;
        load(&mut worker, &classes(all.into_iter())?, &subject).await?;
        Ok(worker)
    }

    /// A new worker, in which nothing of anybody's has run.
    async fn worker(self: &Arc<Self>, imports: &BTreeSet<String>, memory: usize) -> Result<Worker> {
        let native = Arc::clone(self);
        let imports: Vec<String> = imports.iter().cloned().collect();
        let forked = tokio::task::spawn_blocking(move || native.fork(&imports)).await;
        let (forked, is_confined) = forked.map_err(|error| failed("no worker was forked", &error))??;
        Worker::ready(forked, memory, is_confined).await
    }

    fn fork(&self, imports: &[String]) -> Result<(Forked, bool)> {
        let mut kept = lock(&self.parent);
        let is_confined = Guard::Confined.holds();
        // One that has died since is found out by asking it, and a second is asked then.
        for _ in 0..2 {
            let mut parent = match kept.take().filter(|parent| parent.is_confined == is_confined) {
                Some(parent) => parent,
                None => Parent::start(&self.venv, is_confined)?,
            };
            if let Ok(forked) = parent.fork(imports) {
                *kept = Some(parent);
                return Ok((forked, is_confined));
            }
        }
        let mut parent = Parent::start(&self.venv, is_confined)?;
        let forked = parent.fork(imports)?;
        *kept = Some(parent);
        Ok((forked, is_confined))
    }

    /// A worker that served the same user and has this class.
    fn take(&self, user: &str, class: &ClassKey, memory: usize) -> Option<Worker> {
        let mut idle = lock(&self.idle);
        // What has ended meanwhile serves nobody.
        idle.retain(|idle| idle.worker.waits());
        let at = idle.iter().rposition(|idle| {
            (idle.user == user || !Guard::Users.holds()) && idle.class == *class && idle.memory == memory
        })?;
        Some(idle.remove(at).worker)
    }

    fn put(&self, done: Idle) {
        if self.limit == 0 || done.worker.is_worn(done.memory) {
            return;
        }
        let mut idle = lock(&self.idle);
        let evicted = (idle.len() >= self.limit).then(|| idle.remove(0));
        idle.push(done);
        drop(idle);
        drop(evicted);
    }
}

/// How long a class waits for others that are checked, and a nested call for others.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits for a turn.
///
/// # Errors
/// `unavailable` after a while.
async fn turn<'a>(turns: &'a Semaphore, what: &str) -> Result<SemaphorePermit<'a>> {
    match tokio::time::timeout(PATIENCE, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(error)) => Err(failed("native Python is stopping", &error)),
        Err(_) => {
            let why =
                format!("{what} waited {} s for other processes of native Python to end", PATIENCE.as_secs());
            Err(Error::new(ErrorCode::Unavailable, why))
        }
    }
}

/// The deadline of evaluating a class.
const LOAD_DEADLINE: Duration = Duration::from_millis(limits::CALL_DEADLINE_MS);

async fn load(worker: &mut Worker, classes: &[u8], subject: &Subject<'_>) -> Result<()> {
    let input = join(&[classes]);
    let input: [&[u8]; 1] = [&input];
    let mut log = CallLog::new(false);
    let work = worker.work(Order::Load, &input, None, &mut log);
    let output =
        tokio::time::timeout(imports::patience(LOAD_DEADLINE), work).await.map_err(|_| subject.late())??;
    subject.parts(Output::Bytes(output)).map(drop)
}

/// What a worker imports before it shuts itself off: what its classes require, and what they name of it. Later it could not load more native code.
fn imports_of(classes: &[&ClassVersion]) -> BTreeSet<String> {
    let top = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let mut imports: BTreeSet<String> =
        classes.iter().flat_map(|class| class.source.packages()).cloned().collect();
    let known: BTreeSet<String> = imports.iter().map(|package| top(package)).collect();
    for capture in classes.iter().flat_map(|class| class.source.captures.iter().flatten()) {
        if let Captured::Module(module) | Captured::Member { module, .. } = &capture.what
            && known.contains(&top(module))
        {
            imports.insert(module.clone());
        }
    }
    imports
}

/// A failure of a method's for whoever called it: what found no memory is the limit's error, and an output that none of ours gives is no trouble of the node's.
fn of_method(error: Error, memory: usize) -> Error {
    if error.code == ErrorCode::Internal {
        return frame::garbled();
    }
    const NAMES: [&str; 2] = ["MemoryError", "_ArrayMemoryError"];
    let name = error.message.split(':').next().unwrap_or_default();
    if error.code != ErrorCode::MethodFailed || !NAMES.contains(&name) {
        return error;
    }
    let message = format!("{} (the limit is {memory} bytes more than its packages take)", error.message);
    Error { code: ErrorCode::OutOfMemory, message, ..error }.limit(memory as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing under these locks panics between two states that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(what: &str, why: &dyn fmt::Display) -> Error {
    Error::new(ErrorCode::Unavailable, format!("{what}: {why}")).field("native-python")
}
