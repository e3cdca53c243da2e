//! The WebAssembly engine: how guests are compiled and interrupted.

use super::internal;
use emerge_proto::Result;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::{Config, Engine, MemoryCreator, OptLevel};

/// What WebAssembly frames of one call may take; past it the call traps. QuickJS stops well before, at a limit of its own.
const MAX_WASM_STACK: usize = 3 * 1024 * 1024;
/// The stack of a call's fiber: the above, and room for the host's functions.
const FIBER_STACK: usize = MAX_WASM_STACK + 512 * 1024;
/// How long a guest runs before it yields its thread to others, and how exactly a deadline is kept.
const TICK: Duration = Duration::from_millis(2);

/// Makes the engine of a guest; `memories` makes its memories when the host must reach them.
pub(super) fn engine(memories: Option<Arc<dyn MemoryCreator>>) -> Result<Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .generate_address_map(false)
        .wasm_simd(false)
        .wasm_relaxed_simd(false);
    if let Some(memories) = memories {
        config.with_host_memory(memories).memory_init_cow(false);
    }
    Engine::new(&config).map_err(|error| internal("the sandbox's engine could not be made", &error))
}

/// Advances the engine's epoch while calls run, and sleeps while none does.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    running: AtomicUsize,
    stopped: AtomicBool,
}

impl Ticker {
    /// Starts the thread; it ends when the ticker is dropped.
    pub(super) fn start(engine: &Engine) -> Result<Self> {
        let shared = Arc::new(Shared { running: AtomicUsize::new(0), stopped: AtomicBool::new(false) });
        let (engine, of_thread) = (engine.clone(), Arc::clone(&shared));
        let handle = std::thread::Builder::new()
            .name("emerge-epoch".into())
            .spawn(move || {
                while !of_thread.stopped.load(Ordering::Acquire) {
                    if of_thread.running.load(Ordering::Acquire) == 0 {
                        std::thread::park();
                    } else {
                        std::thread::sleep(TICK);
                        engine.increment_epoch();
                    }
                }
            })
            .map_err(|error| internal("the sandbox's clock could not be started", &error))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Keeps the epoch going until the guard is dropped.
    pub(super) fn run(&self) -> Running {
        if self.shared.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Running(Arc::downgrade(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Says that a guest runs.
pub(super) struct Running(Weak<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
