//! The sandbox: guests in wasmtime behind the [`Runtime`] trait.
//!
//! A guest is booted once, and an image of its memory taken. Loading a class makes an image of its own. A call runs in an instance that was put into the
//! class's image before, and is put back after, so that nothing of one call is there in the next (`instance.rs`); besides, no instance serves two users.
//! Calls run on threads of the sandbox's own, and a guest that computes yields its thread every few milliseconds.

pub(crate) mod admission;
mod budget;
mod cache;
mod engine;
mod guests;
mod image;
pub(crate) mod imports;
pub(crate) mod instance;
mod javascript;
mod memory;
mod modules;
pub(crate) mod outcome;
mod packages;
pub(crate) mod pool;
pub(crate) mod python;
#[cfg(test)]
mod testing;
mod wasi;
mod wasm;

use crate::native::Native;
use crate::{BoxFuture, Call, Fs, Returned, Runtime, Spent};
use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, Language, MethodDecl, Result, limits};
pub use javascript::{FileObject, FileObjects};
use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How a [`Sandbox`] is made.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The folder of the built guests; when absent: the folder that `EMERGE_GUESTS` names, what the program carries (feature `embed-guests`), `guests/`
    /// beside the program, or `target/guests` of the workspace (in a build for development).
    pub guests: Option<PathBuf>,
    /// The folder for compiled guests; made when absent. It must be ours alone.
    pub cache: PathBuf,
    /// A folder of packages of pure Python that methods in Python can import, besides the library: such as `pip install --target` fills.
    pub python_packages: Option<PathBuf>,
    /// The threads on which methods run.
    pub threads: usize,
    /// Calls that run at once in each language, nested ones not counted; more wait.
    pub calls: usize,
    /// How many of them one user may have.
    pub share: usize,
    /// Instances of each language kept for later calls; they hold a quarter of `memory` at most.
    pub idle: usize,
    /// Bytes of memory that all instances may hold together.
    pub memory: usize,
    /// Bytes of memory for the images of loaded classes, for each language.
    pub images: usize,
}

impl SandboxOptions {
    /// The defaults, with a folder for compiled guests.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            guests: None,
            cache: cache.into(),
            python_packages: None,
            threads,
            calls: threads * 16,
            // The other half is for whoever else comes; those that run take turns of some milliseconds.
            share: threads * 8,
            idle: 128,
            memory: 4 * 1024 * 1024 * 1024,
            images: 64 * 1024 * 1024,
        }
    }
}

/// Runs stored code in WebAssembly.
pub struct Sandbox {
    javascript: Arc<javascript::JavaScript>,
    python: Arc<python::Python>,
    wasm: Arc<wasm::Wasm>,
    native: Option<Arc<Native>>,
    // Dropped in the background, for a runtime may not be dropped where futures run.
    threads: Option<tokio::runtime::Runtime>,
    /// Calls under way.
    calls: AtomicUsize,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Makes a sandbox. This takes milliseconds, or seconds when a guest has to be compiled first, of which `progress` hears before it begins. It blocks.
    ///
    /// # Errors
    /// `unavailable` when the guest has not been built; `storage_failed` when the folder for compiled guests cannot be used.
    pub fn open(options: &SandboxOptions, progress: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("emerge-guest")
            .enable_time()
            .enable_io()
            .build()
            .map_err(|error| internal("the sandbox's threads could not be started", &error))?;
        let engine = engine::engine(Arc::new(memory::Memories))?;
        let ticker = Arc::new(engine::Ticker::start(&engine)?);
        let budget = budget::Budget::new(options.memory);
        let javascript = javascript::JavaScript::open(
            options,
            progress,
            threads.handle(),
            &engine,
            Arc::clone(&ticker),
            Arc::clone(&budget),
        )?;
        let python = python::Python::new(options, engine, ticker, Arc::clone(&budget))?;
        let wasm = wasm::Wasm::new(options, budget)?;
        Ok(Self {
            javascript: Arc::new(javascript),
            python: Arc::new(python),
            wasm: Arc::new(wasm),
            native: None,
            threads: Some(threads),
            calls: AtomicUsize::new(0),
        })
    }

    /// The same with native Python, where classes run that require packages; without it they are refused.
    #[must_use]
    pub fn with_native(mut self, native: Arc<Native>) -> Self {
        self.native = Some(native);
        self
    }

    /// Native Python for classes that require packages.
    ///
    /// # Errors
    /// `unsupported` when there is none.
    fn native_for(&self, class: &ClassSource, packages: &BTreeSet<&str>) -> Result<Arc<Native>> {
        match &self.native {
            Some(native) => native.has(class, packages).map(|()| Arc::clone(native)),
            None => {
                let named: Vec<&str> = packages.iter().copied().collect();
                let why = format!(
                    "class {:?} requires {}, and this node has no native Python; its operator starts it with --native-python VENV",
                    class.name,
                    named.join(", ")
                );
                Err(Error::new(ErrorCode::Unsupported, why).field(named.first().copied().unwrap_or_default()))
            }
        }
    }

    /// Compiles the Python guest now, if it was never compiled, and not at the first call. It blocks, for seconds then; `progress` hears of it.
    ///
    /// # Errors
    /// As [`Sandbox::open`].
    pub fn ready_python(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
        self.python.ready(progress).map(|_| ())
    }

    /// Runs a Python file (`.py`) with `emerge` importable, or evaluates a JavaScript module with `emerge-client` importable, and gives its
    /// top-level `objects`, a mapping of path to instance, and what it printed. A Python file is not the main program: its `__name__` is its own.
    ///
    /// # Errors
    /// `bad_argument` when there is no such mapping or a value in it is no object of Emerge's, naming its path in `field`, and when the name ends in
    /// none of `.py`, `.js`, `.mjs`; `class_invalid`, `method_failed`, `deadline_exceeded`, `out_of_memory` as in a call. The error has in `log` what the file had
    /// printed.
    pub async fn run_file(
        &self,
        name: &str,
        source: &str,
        now_micros: i64,
        seed: u64,
        deadline: Duration,
    ) -> Result<FileObjects> {
        let (name, source) = (name.to_owned(), source.to_owned());
        let ending = std::path::Path::new(&name).extension().and_then(|ending| ending.to_str());
        if !matches!(ending, Some("py" | "js" | "mjs")) {
            let why =
                format!("{name} is neither Python nor JavaScript: its name ends in none of .py, .js, .mjs");
            return Err(Error::new(ErrorCode::BadArgument, why).field(name));
        }
        if ending == Some("py") {
            let python = Arc::clone(&self.python);
            return self
                .spawn(async move {
                    python.awaited().await?;
                    python.run_file(&name, &source, now_micros, seed, deadline).await
                })
                .await;
        }
        let javascript = Arc::clone(&self.javascript);
        self.spawn(async move { javascript.run_file(&name, &source, now_micros, seed, deadline).await }).await
    }

    /// Runs a call. One that comes while no other runs begins at once, on the thread that asks: most are over before two others have been woken. It has that
    /// thread for one tick of the epoch at most, and goes on where all the others run.
    async fn run_call<T: Send + 'static>(
        &self,
        nested: bool,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        struct Under<'a>(&'a AtomicUsize);
        impl Drop for Under<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let is_only = self.calls.fetch_add(1, Ordering::AcqRel) == 0;
        let _under = Under(&self.calls);
        let mut work = Box::pin(work);
        if is_only && !nested {
            let first = poll_fn(|context| {
                // Its timers are the sandbox's, wherever it runs.
                let _here = self.threads.as_ref().map(|threads| threads.enter());
                // As on a thread of the sandbox's own, a panic is this call's failure and nobody else's; what it left is not used again.
                Poll::Ready(catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))))
            });
            match first.await {
                Ok(Poll::Ready(done)) => return done,
                Ok(Poll::Pending) => {}
                Err(_) => return Err(panicked()),
            }
        }
        self.spawn(work).await
    }

    /// Runs work on the sandbox's threads; dropping the future stops it.
    async fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        struct Aborting<T>(tokio::task::JoinHandle<T>);
        impl<T> Drop for Aborting<T> {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let Some(threads) = &self.threads else { return Err(stopping()) };
        let mut task = Aborting(threads.spawn(work));
        match (&mut task.0).await {
            Ok(done) => done,
            Err(error) if error.is_cancelled() => Err(stopping()),
            Err(_) => Err(panicked()),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl Runtime for Sandbox {
    fn analyse<'a>(
        &'a self,
        class: &'a ClassSource,
        bases: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>> {
        Box::pin(async move {
            let (class, bases) = (class.clone(), bases.to_vec());
            match class.language {
                Language::JavaScript => {
                    let javascript = Arc::clone(&self.javascript);
                    self.spawn(async move { javascript.analyse(class, &bases).await }).await
                }
                Language::Python => {
                    let python = Arc::clone(&self.python);
                    let needed = bases.concat();
                    let sources = std::iter::once(&class).chain(needed.iter().map(|class| &class.source));
                    let packages = packages_of(sources);
                    let native =
                        if packages.is_empty() { None } else { Some(self.native_for(&class, &packages)?) };
                    self.spawn(async move {
                        python.awaited().await?;
                        let methods = python.analyse(class.clone(), &needed).await?;
                        if let Some(native) = native {
                            native.check(&class, &needed).await?;
                        }
                        Ok(methods)
                    })
                    .await
                }
                Language::Wasm => {
                    let wasm = Arc::clone(&self.wasm);
                    self.spawn(async move { wasm.analyse(class).await }).await
                }
            }
        })
    }

    fn analyse_search<'a>(&'a self, class: &'a ClassSource) -> BoxFuture<'a, Result<()>> {
        if class.language != Language::JavaScript {
            return Box::pin(async move { self.analyse(class, &[]).await.map(drop) });
        }
        let (javascript, class) = (Arc::clone(&self.javascript), class.clone());
        Box::pin(
            async move { self.spawn(async move { javascript.analyse_search(class).await }).await.map(drop) },
        )
    }

    fn call<'a>(&'a self, call: Call, fs: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>> {
        self.call_for(call, fs, None)
    }

    fn call_measured<'a>(
        &'a self,
        call: Call,
        fs: Arc<dyn Fs>,
        spent: Spent,
    ) -> BoxFuture<'a, Result<Returned>> {
        self.call_for(call, fs, Some(spent))
    }
}

impl Sandbox {
    fn call_for(&self, call: Call, fs: Arc<dyn Fs>, spent: Option<Spent>) -> BoxFuture<'_, Result<Returned>> {
        let path = call.path.clone();
        let called = async move {
            let nested = imports::is_nested();
            let Some(class) = call.lineage.first() else {
                return Err(Error::new(ErrorCode::ClassNotFound, "the object has no class"));
            };
            let language = class.source.language;
            if let Some(other) = call.lineage.iter().find(|class| class.source.language != language) {
                return Err(unsupported(&other.source));
            }
            match language {
                Language::JavaScript => {
                    let javascript = Arc::clone(&self.javascript);
                    let work = async move { javascript.call(call, fs, nested).await };
                    let done = self.run_call(nested, measured(spent, work)).await;
                    // On the thread that asks, once that has nothing else to do.
                    let javascript = Arc::clone(&self.javascript);
                    tokio::spawn(async move { javascript.tidy() });
                    done
                }
                Language::Python => {
                    let sources = call.lineage.iter().chain(&call.captured).map(|class| &class.source);
                    let packages = packages_of(sources);
                    if !packages.is_empty() {
                        let native = self.native_for(&class.source, &packages)?;
                        let work = async move { native.call(call, fs, nested).await };
                        return self.spawn(measured(spent, work)).await;
                    }
                    let python = Arc::clone(&self.python);
                    let work = async move {
                        python.awaited().await?;
                        python.call(call, fs, nested).await
                    };
                    let done = self.run_call(nested, measured(spent, work)).await;
                    let python = Arc::clone(&self.python);
                    tokio::spawn(async move { python.tidy() });
                    done
                }
                Language::Wasm => {
                    let wasm = Arc::clone(&self.wasm);
                    let work = async move { wasm.call(call, fs, nested).await };
                    self.run_call(nested, measured(spent, work)).await
                }
            }
        };
        Box::pin(async move {
            called.await.map_err(|error| match error.path {
                None => error.at(path),
                Some(_) => error,
            })
        })
    }
}

/// Work, telling how long it is at it.
async fn measured<T>(spent: Option<Spent>, work: impl Future<Output = T>) -> T {
    let Some(spent) = spent else { return work.await };
    let mut work = pin!(work);
    poll_fn(|context| {
        let began = Instant::now();
        let polled = work.as_mut().poll(context);
        spent(began.elapsed());
        polled
    })
    .await
}

fn unsupported(class: &ClassSource) -> Error {
    Error::new(
        ErrorCode::Unsupported,
        format!(
            "class {:?} is in {}, and what inherits from it in another language",
            class.name,
            class.language.as_str()
        ),
    )
}

fn stopping() -> Error {
    Error::new(ErrorCode::Unavailable, "the sandbox is stopping")
}

fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "the sandbox failed in a call; the log says where")
}

/// The packages that classes require.
fn packages_of<'a>(classes: impl Iterator<Item = &'a ClassSource>) -> BTreeSet<&'a str> {
    classes.flat_map(ClassSource::packages).map(String::as_str).collect()
}

fn internal(what: &str, why: &dyn fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, format!("{what}: {why:#}"))
}

/// The deadline of work that is not a call of its own: reading a class.
const LOAD_DEADLINE: Duration = Duration::from_millis(limits::CALL_DEADLINE_MS);
