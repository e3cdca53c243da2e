//! The WebAssembly engine: how guests are compiled and interrupted.

use super::internal;
use emerge_proto::{Result, limits};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, MemoryCreator, OptLevel, PoolingAllocationConfig,
};

/// What WebAssembly frames of one call may take; past it the call traps. QuickJS stops well before, at a limit of its own.
const MAX_WASM_STACK: usize = 3 * 1024 * 1024;
/// The stack of a call's fiber: the above, and room for the host's functions.
pub(super) const FIBER_STACK: usize = MAX_WASM_STACK + 512 * 1024;
/// How long a guest runs before it yields its thread to others, and how exactly a deadline is kept.
const TICK: Duration = Duration::from_millis(2);
/// Instances of classes in wasm that there may be at once. Each has 4 GiB of addresses, of which only what it writes is memory.
const MOST_SLOTS: u32 = 1024;
const FEWEST_SLOTS: u32 = 64;
/// Elements of each of their tables: the functions that are called by pointer.
const TABLE_ELEMENTS: usize = 20_000;
/// Bytes that are put back by writing rather than by giving pages back, which costs as much as to write so many.
const KEEP_RESIDENT: usize = 256 * 1024;

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .generate_address_map(false)
        .wasm_relaxed_simd(false);
    config
}

fn made(config: &Config) -> Result<Engine> {
    Engine::new(config).map_err(|error| internal("the sandbox's engine could not be made", &error))
}

/// Makes the engine of the guests, whose memories the host makes.
pub(super) fn engine(memories: Arc<dyn MemoryCreator>) -> Result<Engine> {
    let mut config = config();
    config.parallel_compilation(true).wasm_simd(false).with_host_memory(memories).memory_init_cow(false);
    made(&config)
}

/// Makes the engine of classes in wasm, whose instances lie in a pool. What it compiles comes from anybody, so that one thread does it.
pub(super) fn pooled(calls: usize) -> Result<Engine> {
    let slots = u32::try_from(calls.saturating_mul(4)).unwrap_or(u32::MAX).clamp(FEWEST_SLOTS, MOST_SLOTS);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .total_stacks(slots)
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(limits::CALL_MEMORY)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        // Where the system can tell, only what was written is put back.
        .pagemap_scan(Enabled::Auto);
    let mut config = config();
    config.parallel_compilation(false).wasm_memory64(false).wasm_multi_memory(false);
    config.allocation_strategy(pool);
    if let Ok(engine) = made(&config) {
        return Ok(engine);
    }
    // Where a process may not reserve so many addresses, memories are made as they are needed.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    made(&config)
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
