//! Memories of components. A component's memory cannot be reached from outside, so this makes it: the host then puts it back into an earlier state by
//! copying the pages that the guest has written, which it notes itself (`guest-python/marks`).

use super::image::{Image, PAGE};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// What the guest notes as written at once.
const CARD: usize = 1024;
const CARDS: usize = PAGE / CARD;
/// Bytes at the end of a memory's initial size in which the guest notes what it writes: one for each card of a 32-bit memory.
const MAP: usize = (1 << 32) / CARD;
/// Bytes past an image's size up to which an instance is still worth clearing.
const WORTH_CLEARING: usize = 4 * 1024 * 1024;

/// Address space of a memory: readable and writable up to its size, inaccessible beyond.
struct Region {
    base: *mut u8,
    mapped: usize,
    size: AtomicUsize,
    /// Where the map begins.
    map: usize,
}

// SAFETY: the region is plain memory. Who reads or writes it: compiled code, which has the store, and `Memory`, which asks for the same.
unsafe impl Send for Region {}
// SAFETY: as above; what is shared, the size, is atomic.
unsafe impl Sync for Region {}

impl Region {
    fn new(minimum: usize, size: usize, mapped: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, at a place that the system chooses.
        let base = unsafe {
            mmap_anonymous(null_mut(), mapped, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)
        }?;
        let region =
            Self { base: base.cast(), mapped, size: AtomicUsize::new(0), map: minimum.saturating_sub(MAP) };
        region.grow(size)?;
        Ok(region)
    }

    /// Lets the memory begin with a state.
    fn map(&self, begun: &Begun) -> io::Result<()> {
        if begun.length > self.size.load(Ordering::Acquire) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let how = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: the range is accessible already and lies in the region's own mapping; nobody writes to the file, so that it stays as it is.
        unsafe { mmap(self.base.cast(), begun.length, access, how, &begun.file, 0) }?;
        Ok(())
    }

    fn grow(&self, size: usize) -> io::Result<()> {
        if size > self.mapped {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: the range lies in the region's own mapping.
        unsafe { mprotect(self.base.cast(), size, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        self.size.store(size, Ordering::Release);
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is the region's own, and nobody has the region any more.
        let _ = unsafe { munmap(self.base.cast(), self.mapped) };
    }
}

struct Owned(Arc<Region>);

// SAFETY: the base never moves; the bytes up to the size are accessible, and those from there to the end of the reservation and of the guard are not.
unsafe impl LinearMemory for Owned {
    fn byte_size(&self) -> usize {
        self.0.size.load(Ordering::Acquire)
    }

    fn byte_capacity(&self) -> usize {
        self.0.mapped
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        Ok(self.0.grow(size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.base
    }
}

/// Makes the memories of an engine's instances.
pub(super) struct Memories;

// SAFETY: a memory is zeroed, has the size asked for, and is followed by reservation and guard.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let mapped = reserved.unwrap_or(minimum).max(minimum) + guard;
        let size = minimum.max(WANTED.get());
        let region = Arc::new(Region::new(minimum, size, mapped).map_err(|error| error.to_string())?);
        if let Some(base) = BEGUN.take() {
            // Where this fails, the guest writes its data itself.
            let _ = region.map(&base);
        }
        MADE.with_borrow_mut(|made| *made = Some(Arc::clone(&region)));
        Ok(Box::new(Owned(region)))
    }
}

thread_local! {
    /// The memory that was made last, between the making and the end of the poll in which it was.
    static MADE: RefCell<Option<Arc<Region>>> = const { RefCell::new(None) };
    /// The least size of memories that are made in the present poll.
    static WANTED: Cell<usize> = const { Cell::new(0) };
    /// What memories begin with that are made in the present poll.
    static BEGUN: RefCell<Option<Arc<Begun>>> = const { RefCell::new(None) };
}

/// Makes an instance and gives its memory too, when it has one.
pub(super) struct Making<F> {
    instantiate: Pin<Box<F>>,
    size: usize,
    begun: Option<Arc<Begun>>,
    made: Option<Arc<Region>>,
}

impl<F: Future> Making<F> {
    /// The memory will have `size` bytes at least, and begin with the state of a base.
    pub(super) fn new(instantiate: F, size: usize, base: Option<&Base>) -> Self {
        let begun = base.and_then(|base| base.begun.clone());
        Self { instantiate: Box::pin(instantiate), size, begun, made: None }
    }
}

impl<F: Future> Future for Making<F> {
    type Output = (F::Output, Option<Memory>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        MADE.take();
        WANTED.set(self.size);
        BEGUN.set(self.begun.clone());
        let polled = self.instantiate.as_mut().poll(context);
        WANTED.set(0);
        BEGUN.take();
        if let Some(made) = MADE.take() {
            self.made = Some(made);
        }
        polled.map(|instance| (instance, self.made.take().map(Memory)))
    }
}

/// The image from which all others stem.
pub(super) struct Base {
    pub(super) image: Image,
    /// Absent where the system has no such files.
    begun: Option<Arc<Begun>>,
}

/// The base as a file without a name: memories that begin with it share its pages until they write to them.
struct Begun {
    file: File,
    length: usize,
}

impl Base {
    pub(super) fn new(image: Image) -> Self {
        let file = unnamed_file().and_then(|mut file| {
            for page in (0..).map_while(|at| image.page(at)) {
                file.write_all(page)?;
            }
            Ok(Arc::new(Begun { file, length: image.len() }))
        });
        Self { image, begun: file.ok() }
    }
}

#[cfg(target_os = "linux")]
fn unnamed_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("emerge-guest", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn unnamed_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The memory of an instance. Who has it has the instance's store as well, and uses neither while the guest runs in the other's way: all methods are
/// for the time between calls.
pub(super) struct Memory(Arc<Region>);

impl Memory {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the bytes up to the size are accessible. Nobody else uses them meanwhile: no guest code runs, as `Memory` says.
        unsafe { std::slice::from_raw_parts_mut(self.0.base, self.0.size.load(Ordering::Acquire)) }
    }

    /// Takes an image of the present state, after which nothing is noted as written.
    pub(super) fn image(&mut self, parent: Option<&Image>) -> Image {
        self.forget();
        Image::take(self.bytes(), parent)
    }

    /// Puts a new memory into an image's state. False when it is too small or too large.
    pub(super) fn begin(&mut self, image: &Image, base: &Base) -> bool {
        if !self.fits(image) {
            return false;
        }
        // Again: an instance that was made has written to its memory.
        let mapped = base.begun.as_ref().is_some_and(|begun| self.0.map(begun).is_ok());
        if !mapped {
            self.forget();
            image.write(self.bytes());
        } else {
            for page in image.differing(&base.image) {
                for card in page * CARDS..(page + 1) * CARDS {
                    self.put(card, image);
                }
            }
        }
        true
    }

    /// Puts the memory back into the state of the image in which it was before its last call. False when it has grown so much that a new instance is
    /// cheaper.
    pub(super) fn restore(&mut self, image: &Image) -> bool {
        if !self.fits(image) {
            return false;
        }
        for card in self.written() {
            self.put(card, image);
        }
        true
    }

    fn fits(&mut self, image: &Image) -> bool {
        (image.len()..=image.len() + WORTH_CLEARING).contains(&self.bytes().len())
    }

    fn put(&mut self, card: usize, image: &Image) {
        let bytes = &mut self.bytes()[card * CARD..(card + 1) * CARD];
        match image.page(card / CARDS) {
            Some(page) => bytes.copy_from_slice(&page.as_chunks::<CARD>().0[card % CARDS]),
            None => bytes.fill(0),
        }
    }

    /// Numbers of the cards that were written, which are forgotten.
    fn written(&mut self) -> Vec<usize> {
        let map = self.0.map;
        let cards = self.bytes().len() / CARD;
        // The memory's size is a multiple of 64 KiB, so that nothing of the map is left over.
        let (words, _) = self.bytes()[map..map + cards].as_chunks_mut::<8>();
        let mut written = Vec::with_capacity(1024);
        for (at, word) in words.iter_mut().enumerate() {
            if u64::from_ne_bytes(*word) != 0 {
                written.extend((0..8).filter(|card| word[*card] != 0).map(|card| at * 8 + card));
                *word = [0; 8];
            }
        }
        written
    }

    fn forget(&mut self) {
        self.written();
    }

    /// Where the guest notes what it writes.
    #[cfg(test)]
    pub(super) fn map_at(&self) -> usize {
        self.0.map
    }

    /// Whether the memory is in an image's state, all of it compared.
    #[cfg(test)]
    pub(super) fn is(&mut self, image: &Image) -> bool {
        let (pages, _) = self.bytes().as_chunks::<PAGE>();
        pages.iter().enumerate().all(|(at, page)| page == image.page(at).unwrap_or(&[0; PAGE]))
    }
}
