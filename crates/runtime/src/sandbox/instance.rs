//! One instance of the JavaScript guest.
//!
//! The whole mutable state of an instance is its linear memory: the guest exports no global or table that changes, and its stack pointer is where it was
//! whenever an export has returned. So writing an image over the memory is as good as a new instance, at the cost of comparing a megabyte. An
//! instance whose call was stopped in the middle is dropped.

use super::budget::unmade;
use super::image::Image;
use super::imports::Host;
use emerge_proto::Result;
use wasmtime::{AsContextMut, InstancePre, Memory, Store, TypedFunc};

const WASM_PAGE: usize = 64 * 1024;
/// Bytes past an image's size up to which an instance is still worth clearing.
const WORTH_CLEARING: usize = 4 * 1024 * 1024;

/// What an export gave.
pub(crate) enum Output {
    /// Bytes, as the prelude means them.
    Bytes(Vec<u8>),
    /// JavaScript failed outside the prelude's own handling.
    Broken(String),
    /// The work waits for a promise that nothing will settle.
    Pending,
}

/// One instance of the guest.
pub(super) struct Instance {
    pub(super) store: Store<Host>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    start: TypedFunc<(u32, u32), u64>,
    run: TypedFunc<(u32, u32, u32, i64, u64), u64>,
}

/// An error on the way into or out of the guest: a trap, mostly.
pub(super) type Trapped = wasmtime::Error;

impl Instance {
    /// Makes an instance. Nothing has run in it yet.
    pub(super) async fn new(pre: &InstancePre<Host>, host: Host) -> Result<Self, Trapped> {
        let mut store = Store::new(pre.module().engine(), host);
        store.limiter(|host| host);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_epoch_deadline(1);
        let instance = pre.instantiate_async(&mut store).await?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the guest exports no memory"))?;
        store.data_mut().memory = Some(memory);
        let alloc = instance.get_typed_func(&mut store, "alloc")?;
        let start = instance.get_typed_func(&mut store, "start")?;
        let run = instance.get_typed_func(&mut store, "run")?;
        Ok(Self { store, memory, alloc, start, run })
    }

    /// Evaluates the prelude.
    pub(super) async fn start(&mut self, prelude: &[u8]) -> Result<Output, Trapped> {
        let at = self.put(prelude).await?;
        self.store.set_epoch_deadline(1);
        let packed = self.start.call_async(&mut self.store, (at, prelude.len() as u32)).await?;
        self.output(packed)
    }

    /// Runs the prelude's function `which`.
    pub(super) async fn run(
        &mut self,
        which: u32,
        input: &[u8],
        now_micros: i64,
        seed: u64,
    ) -> Result<Output, Trapped> {
        let at = self.put(input).await?;
        self.store.set_epoch_deadline(1);
        let packed =
            self.run.call_async(&mut self.store, (which, at, input.len() as u32, now_micros, seed)).await?;
        self.output(packed)
    }

    async fn put(&mut self, input: &[u8]) -> Result<u32, Trapped> {
        self.store.set_epoch_deadline(1);
        let at = self.alloc.call_async(&mut self.store, input.len() as u32).await?;
        self.memory.write(&mut self.store, at as usize, input)?;
        Ok(at)
    }

    fn output(&self, packed: u64) -> Result<Output, Trapped> {
        const BROKEN: u64 = 1 << 63;
        const PENDING: u64 = 1 << 62;
        if packed == PENDING {
            return Ok(Output::Pending);
        }
        let (at, len) = ((packed & !BROKEN) >> 32, packed & 0xffff_ffff);
        let bytes = self
            .memory
            .data(&self.store)
            .get(at as usize..(at + len) as usize)
            .ok_or_else(|| wasmtime::Error::msg("the guest's output is not in its memory"))?
            .to_vec();
        Ok(if packed & BROKEN == 0 {
            Output::Bytes(bytes)
        } else {
            Output::Broken(String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    /// Takes an image of the present state.
    pub(super) fn image(&self, parent: Option<&Image>) -> Image {
        Image::take(self.memory.data(&self.store), parent)
    }

    /// Puts the instance into an image's state. False when it has grown so much that a new instance is cheaper.
    pub(super) fn restore(&mut self, image: &Image) -> Result<bool> {
        let size = self.memory.data_size(&self.store);
        if size > image.len() + WORTH_CLEARING {
            return Ok(false);
        }
        if size < image.len() {
            let pages = (image.len() - size).div_ceil(WASM_PAGE) as u64;
            self.memory
                .grow(self.store.as_context_mut(), pages)
                .map_err(|error| unmade("a guest's memory could not be enlarged", &error))?;
        }
        image.write(self.memory.data_mut(&mut self.store));
        Ok(true)
    }
}
