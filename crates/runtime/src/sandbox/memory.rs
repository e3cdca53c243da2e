//! Memories of guests. A component's memory cannot be reached from outside, so this makes it: the host then puts it back into an earlier state by
//! copying the pages that the guest has written, which it notes itself (`guest-marks`).

use super::image::{Image, PAGE};
use emerge_proto::{Error, ErrorCode};
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
/// Cards whose notes are looked at together.
const LINE: usize = 64;
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
        polled.map(|instance| (instance, self.made.take().map(Memory::new)))
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
pub(super) struct Memory {
    region: Arc<Region>,
    /// A bit for each page that was written since the memory began: those that it shares with no other.
    own: Vec<u64>,
}

impl Memory {
    fn new(region: Arc<Region>) -> Self {
        Self { region, own: Vec::new() }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the bytes up to the size are accessible. Nobody else uses them meanwhile: no guest code runs, as `Memory` says.
        unsafe { std::slice::from_raw_parts_mut(self.region.base, self.len()) }
    }

    /// The size of the memory.
    pub(super) fn len(&self) -> usize {
        self.region.size.load(Ordering::Acquire)
    }

    /// Bytes that it shares with no other memory, as far as they are known: those of the last call are noted when it is put back.
    pub(super) fn own_bytes(&self) -> usize {
        let pages: u32 = self.own.iter().map(|pages| pages.count_ones()).sum();
        pages as usize * PAGE + self.len() / CARD
    }

    /// Sees that the guest notes what it writes: one that was built otherwise would leave what one call did to the next.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn check(&mut self) -> emerge_proto::Result<()> {
        // The last byte of the map says that the data is there.
        let at = self.region.map + MAP - 1;
        if self.bytes().get(at) == Some(&1) {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Unavailable,
            "the guest does not note what it writes: it is not of this version; run `cargo xtask setup`",
        ))
    }

    /// Takes an image of the present state, after which nothing is noted as written.
    pub(super) fn image(&mut self, parent: Option<&Image>) -> Image {
        self.written();
        Image::take(self.bytes(), parent)
    }

    /// Puts a new memory into an image's state. False when it is too small or too large.
    pub(super) fn begin(&mut self, image: &Image, base: &Base) -> bool {
        if !self.fits(image) {
            return false;
        }
        // Again: an instance that was made has written to its memory.
        let mapped = base.begun.as_ref().is_some_and(|begun| self.region.map(begun).is_ok());
        self.own.clear();
        if !mapped {
            self.written();
            image.write(self.bytes());
            self.own.resize(image.len().div_ceil(PAGE).div_ceil(64), u64::MAX);
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

    /// Whether it is as large as an image, or little larger.
    pub(super) fn fits(&self, image: &Image) -> bool {
        (image.len()..=image.len() + WORTH_CLEARING).contains(&self.len())
    }

    fn put(&mut self, card: usize, image: &Image) {
        let page = card / CARDS;
        if page / 64 >= self.own.len() {
            self.own.resize(page / 64 + 1, 0);
        }
        self.own[page / 64] |= 1 << (page % 64);
        let bytes = &mut self.bytes()[card * CARD..(card + 1) * CARD];
        match image.page(page) {
            Some(page) => bytes.copy_from_slice(&page.as_chunks::<CARD>().0[card % CARDS]),
            None => bytes.fill(0),
        }
    }

    /// Numbers of the cards that were written, which are forgotten.
    fn written(&mut self) -> Vec<usize> {
        let map = self.region.map;
        let cards = self.len() / CARD;
        // The memory's size is a multiple of 64 KiB, so that nothing of the map is left over.
        let (lines, _) = self.bytes()[map..map + cards].as_chunks_mut::<LINE>();
        let mut written = Vec::with_capacity(1024);
        for (at, line) in lines.iter_mut().enumerate() {
            if *line == [0; LINE] {
                continue;
            }
            let (words, _) = line.as_chunks::<8>();
            for (word, cards) in words.iter().enumerate().filter(|(_, cards)| **cards != [0; 8]) {
                let first = at * LINE + word * 8;
                written.extend((0..8).filter(|card| cards[*card] != 0).map(|card| first + card));
            }
            *line = [0; LINE];
        }
        written
    }

    #[cfg(test)]
    pub(super) fn of_size(size: usize) -> Self {
        Self::new(Arc::new(Region::new(size, size, size).unwrap()))
    }

    /// Where the guest notes what it writes.
    #[cfg(test)]
    pub(super) fn map_at(&self) -> usize {
        self.region.map
    }

    /// Whether the memory is in an image's state, all of it compared.
    #[cfg(test)]
    pub(super) fn is(&mut self, image: &Image) -> bool {
        let (pages, _) = self.bytes().as_chunks::<PAGE>();
        pages.iter().enumerate().all(|(at, page)| page == image.page(at).unwrap_or(&[0; PAGE]))
    }
}
