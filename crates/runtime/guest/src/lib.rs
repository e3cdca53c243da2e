//! QuickJS as a WebAssembly guest. Its imports are `emerge.ask` and `emerge.log`, and nothing else: no clock, no randomness,
//! no files, no standard streams.
//!
//! The host calls `start` once with the prelude (`js/`), whose value is an array of functions, and then `run` with the number of
//! one of them. Input and output are bytes, whose meaning is the prelude's and the host's affair.

mod host;
mod natives;
mod system;
mod values;

use rquickjs_core::context::EvalOptions;
use rquickjs_core::promise::{MaybePromise, PromiseState};
use rquickjs_core::{CatchResultExt, Context, Ctx, Function, Persistent, Runtime, TypedArray};
use std::cell::RefCell;

/// How deep the stack may get before QuickJS raises a `RangeError`. `build.rs` gives 320 KiB, and C functions need the rest.
const MAX_STACK: usize = 192 * 1024;

struct Guest {
    // Declared before the context, so that it is dropped before it.
    functions: Vec<Persistent<Function<'static>>>,
    context: Context,
}

thread_local! {
    static GUEST: RefCell<Option<Guest>> = const { RefCell::new(None) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What `run` and `start` give when JavaScript itself failed outside the prelude's own handling: the output is its text.
const BROKEN: u64 = 1 << 63;
/// What `run` gives when the work waits for a promise that nothing will settle: there is no output.
const PENDING: u64 = 1 << 62;

unsafe extern "C" {
    // Named here, so that the linker does not wrap every export in a run of all constructors and destructors.
    fn __wasm_call_ctors();
}

/// Reserves `len` bytes for an input.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(len: usize) -> *mut u8 {
    let mut buffer = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(len));
    buffer.as_mut_ptr()
}

/// Evaluates the prelude. Gives 0, or `BROKEN` and the output's place.
///
/// # Safety
/// `source` and `len` are those of an [`alloc`] that the host has filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn start(source: *mut u8, len: usize) -> u64 {
    // SAFETY: `start` is called once, before anything else; the rest is the caller's promise.
    let source = unsafe {
        __wasm_call_ctors();
        Vec::from_raw_parts(source, len, len)
    };
    match boot(source) {
        Ok(guest) => {
            GUEST.with_borrow_mut(|slot| *slot = Some(guest));
            0
        }
        Err(text) => BROKEN | output(text.into_bytes()),
    }
}

fn boot(source: Vec<u8>) -> Result<Guest, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(MAX_STACK);
    runtime.set_loader(natives::Client, natives::Client);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    let functions = context.with(|ctx| {
        let made = || -> rquickjs_core::Result<Vec<Persistent<Function<'static>>>> {
            let natives = natives::object(&ctx)?;
            let prelude: Function = evaluate(&ctx, source, "emerge")?;
            let functions: Vec<Function> = prelude.call((natives,))?;
            Ok(functions.into_iter().map(|function| Persistent::save(&ctx, function)).collect())
        };
        made().catch(&ctx).map_err(|error| error.to_string())
    })?;
    // What the prelude needed only once is not carried into every call.
    runtime.run_gc();
    Ok(Guest { functions, context })
}

pub(crate) fn evaluate<'js, T: rquickjs_core::FromJs<'js>>(
    ctx: &Ctx<'js>,
    source: Vec<u8>,
    name: &str,
) -> rquickjs_core::Result<T> {
    let mut options = EvalOptions::default();
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(source, options)
}

/// Runs the prelude's function `which` on an input, with a clock and a seed, until nothing is left to do.
/// Gives the output's place (`address << 32 | length`), `BROKEN` and the place of a text, or `PENDING`.
///
/// # Safety
/// `input` and `len` are those of an [`alloc`] that the host has filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(which: usize, input: *mut u8, len: usize, now_micros: i64, seed: u64) -> u64 {
    // SAFETY: the caller's promise.
    let input = unsafe { Vec::from_raw_parts(input, len, len) };
    system::set(now_micros, seed);
    GUEST.with_borrow(|guest| {
        let Some(guest) = guest else { return BROKEN | output(b"the guest has not been started".to_vec()) };
        let Some(function) = guest.functions.get(which) else {
            return BROKEN | output(b"the prelude has no such function".to_vec());
        };
        guest.context.with(|ctx| match invoke(&ctx, function.clone(), input).catch(&ctx) {
            Ok(Some(bytes)) => output(bytes),
            Ok(None) => PENDING,
            Err(error) => BROKEN | output(error.to_string().into_bytes()),
        })
    })
}

fn invoke<'js>(
    ctx: &Ctx<'js>,
    function: Persistent<Function<'static>>,
    input: Vec<u8>,
) -> rquickjs_core::Result<Option<Vec<u8>>> {
    let input = TypedArray::new(ctx.clone(), input)?;
    let value: MaybePromise = function.restore(ctx)?.call((input,))?;
    // A job that throws has done so inside a promise's own handling; nothing is lost by going on to the next.
    while value.state() == PromiseState::Pending && ctx.execute_pending_job() {}
    if value.state() == PromiseState::Pending {
        return Ok(None);
    }
    let bytes: TypedArray<u8> = value.finish()?;
    Ok(Some(natives::copy(&bytes)))
}

/// Keeps an output until the next one, and gives its place.
pub(crate) fn output(bytes: Vec<u8>) -> u64 {
    OUTPUT.with_borrow_mut(|slot| {
        *slot = bytes;
        (slot.as_ptr() as u64) << 32 | slot.len() as u64
    })
}
