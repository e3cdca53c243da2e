//! What a C library and QuickJS take from their surroundings: memory, a clock, randomness. All of it lies in the linear memory, so that
//! the host can put an instance back to an earlier state by writing that memory.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    static NOW_MICROS: Cell<i64> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    /// The end of the heap; 0 before its first use.
    static BREAK: Cell<usize> = const { Cell::new(0) };
}

/// Sets the clock and the seed of a run.
pub fn set(now_micros: i64, seed: u64) {
    NOW_MICROS.set(now_micros);
    RANDOM.set(seed);
}

/// A number in `[0, 1)`: SplitMix64, 53 bits of it.
pub fn random() -> f64 {
    let state = RANDOM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(state);
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

/// QuickJS's clock. It stands still within a run.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    NOW_MICROS.get() as f64
}

const PAGE: usize = 64 * 1024;

/// The C library's way to more memory, instead of its own: the end of the heap is kept in memory and not asked of the instance, so it does not
/// matter that an instance that is used again is larger than it was.
#[unsafe(no_mangle)]
extern "C" fn sbrk(increment: isize) -> *mut c_void {
    const FAILED: *mut c_void = usize::MAX as *mut c_void;
    let size = core::arch::wasm32::memory_size(0) * PAGE;
    let old = match BREAK.get() {
        0 => size,
        old => old,
    };
    let Some(new) = old.checked_add_signed(increment).filter(|new| *new >= old) else { return FAILED };
    if new > size && core::arch::wasm32::memory_grow(0, (new - size).div_ceil(PAGE)) == usize::MAX {
        return FAILED;
    }
    BREAK.set(new);
    old as *mut c_void
}

unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
}

/// One heap for Rust and C: the C library's, which gets its memory by [`sbrk`] alone.
struct Heap;

/// What `malloc` aligns to.
const ALIGN: usize = 16;

// SAFETY: the C library's allocator keeps the promises asked for; sizes are not zero by `GlobalAlloc`'s own contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe {
            if layout.align() <= ALIGN {
                malloc(layout.size()).cast()
            } else {
                aligned_alloc(layout.align(), layout.size().next_multiple_of(layout.align())).cast()
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe {
            if layout.align() <= ALIGN {
                calloc(1, layout.size()).cast()
            } else {
                let pointer = self.alloc(layout);
                if !pointer.is_null() {
                    pointer.write_bytes(0, layout.size());
                }
                pointer
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _layout: Layout) {
        unsafe { free(pointer.cast()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe {
            if layout.align() <= ALIGN {
                realloc(pointer.cast(), size).cast()
            } else {
                let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !new.is_null() {
                    new.copy_from_nonoverlapping(pointer, size.min(layout.size()));
                    free(pointer.cast());
                }
                new
            }
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;
