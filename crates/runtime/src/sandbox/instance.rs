//! One instance of the JavaScript guest.
//!
//! The whole mutable state of an instance is its linear memory: the guest exports no global or table that changes, and its stack pointer is where it was
//! whenever an export has returned. So putting an image's bytes back where it has written is as good as a new instance. An instance whose call was
//! stopped in the middle is dropped.

use super::budget::Held;
use super::image::Image;
use super::imports::Host;
use super::memory::{Base, Making, Memory};
use super::pool::Resident;
use emerge_proto::Result;
use wasmtime::{InstancePre, ResourceLimiter, Store, TypedFunc};

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
    /// The same, as the guest exports it.
    exported: wasmtime::Memory,
    alloc: TypedFunc<u32, u32>,
    start: TypedFunc<(u32, u32), u64>,
    run: TypedFunc<(u32, u32, u32, i64, u64), u64>,
}

/// An error on the way into or out of the guest: a trap, mostly.
pub(super) type Trapped = wasmtime::Error;

impl Instance {
    /// Makes an instance with `size` bytes of memory at least, in which nothing has run yet; what `base` has is in it already.
    pub(super) async fn new(
        pre: &InstancePre<Host>,
        host: Host,
        size: usize,
        base: Option<&Base>,
    ) -> Result<Self, Trapped> {
        let mut store = Store::new(pre.module().engine(), host);
        store.limiter(|host| host);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_epoch_deadline(1);
        store.data_mut().memory_growing(0, size, None)?;
        let (instance, memory) = Making::new(pre.instantiate_async(&mut store), size, base).await;
        let instance = instance?;
        let none = || wasmtime::Error::msg("the guest exports no memory of its own");
        let exported = instance.get_memory(&mut store, "memory").ok_or_else(none)?;
        store.data_mut().memory = Some(exported);
        let alloc = instance.get_typed_func(&mut store, "alloc")?;
        let start = instance.get_typed_func(&mut store, "start")?;
        let run = instance.get_typed_func(&mut store, "run")?;
        Ok(Self { store, memory: memory.ok_or_else(none)?, exported, alloc, start, run })
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
        self.exported.write(&mut self.store, at as usize, input)?;
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
            .exported
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
    pub(super) fn image(&mut self, parent: Option<&Image>) -> Image {
        self.memory.image(parent)
    }

    /// Puts a new instance into an image's state. False when it is too small or too large.
    pub(super) fn begin(&mut self, image: &Image, base: &Base) -> bool {
        self.memory.begin(image, base)
    }
}

impl Resident for Instance {
    fn memory(&mut self) -> (&mut Memory, &mut Held) {
        (&mut self.memory, &mut self.store.data_mut().held)
    }
}
