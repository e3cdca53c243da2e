//! What is kept between calls: images of loaded classes, and idle instances. Both are bounded.

use super::budget::Held;
use super::engine::FIBER_STACK;
use super::image::Image;
use super::memory::Memory;
use super::outcome::Listing;
use emerge_proto::guard::Guard;
use emerge_proto::{ClassHash, ClassVersion, ErrorCode, ObjectId, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which classes an image holds: a class version, which implies its bases, whose class it is, and who answers for it: an image knows that one, and runs the code of classes that
/// it meets when they have the same. The class of a function has all else in common with that of everybody's function of the same text.
pub(crate) type ClassKey = (ClassHash, ObjectId, String);

/// The key of a class and its bases.
pub(crate) fn key_of(class: &ClassVersion) -> ClassKey {
    (class.hash, class.class_id, class.owner.clone())
}

/// A guest in which a class and its bases have been evaluated.
pub(super) struct Loaded {
    pub(super) image: Image,
    pub(super) listings: Vec<Listing>,
}

/// Images of loaded classes; the one used longest ago goes first.
pub(super) struct Images {
    kept: Mutex<Kept>,
    limit: usize,
}

#[derive(Default)]
struct Kept {
    images: HashMap<ClassKey, (Arc<Loaded>, u64)>,
    bytes: usize,
    uses: u64,
}

/// What an image costs besides its own pages: the list of all of them.
const LIST_BYTES: usize = 4096;

impl Images {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: Mutex::default(), limit }
    }

    pub(super) fn get(&self, key: &ClassKey) -> Option<Arc<Loaded>> {
        let mut kept = lock(&self.kept);
        kept.uses += 1;
        let uses = kept.uses;
        let (loaded, used) = kept.images.get_mut(key)?;
        *used = uses;
        Some(Arc::clone(loaded))
    }

    pub(super) fn put(&self, key: ClassKey, loaded: Arc<Loaded>) {
        let mut kept = lock(&self.kept);
        kept.uses += 1;
        let uses = kept.uses;
        kept.bytes += cost(&loaded);
        if let Some((old, _)) = kept.images.insert(key, (loaded, uses)) {
            kept.bytes -= cost(&old);
        }
        while kept.bytes > self.limit && kept.images.len() > 1 {
            let Some(oldest) =
                kept.images.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone())
            else {
                break;
            };
            if let Some((old, _)) = kept.images.remove(&oldest) {
                kept.bytes -= cost(&old);
            }
        }
    }
}

fn cost(loaded: &Loaded) -> usize {
    let text: usize = loaded.listings.iter().map(|listing| listing.source.len()).sum();
    loaded.image.own_bytes() + LIST_BYTES + text
}

/// An instance of a guest, as far as it is kept between calls.
pub(super) trait Resident {
    /// Its memory, and what it holds of the sandbox's.
    fn memory(&mut self) -> (&mut Memory, &mut Held);
}

/// An instance that waits for its next call.
struct Idle<I> {
    instance: I,
    user: String,
    /// The classes that are loaded in it.
    state: Arc<Loaded>,
    /// Whether a call has been in its memory since that was put back.
    used: bool,
    /// Bytes that it holds meanwhile.
    holds: usize,
}

impl<I: Resident> Idle<I> {
    /// Puts the memory back, if a call has been in it. False when a new instance is cheaper.
    fn tidy(&mut self) -> bool {
        if !std::mem::take(&mut self.used) || !Guard::Reset.holds() {
            return true;
        }
        self.instance.memory().0.restore(&self.state.image)
    }

    /// Counts no more than what is its own: the rest of its memory it shares with others until it writes there.
    fn rest(&mut self) {
        let (memory, held) = self.instance.memory();
        self.holds = memory.own_bytes() + FIBER_STACK;
        held.shrink(self.holds);
    }

    /// Makes it ready for a call, which may write to all of its memory. False when it cannot be.
    fn wake(&mut self) -> bool {
        let (memory, held) = self.instance.memory();
        held.grow(memory.len()).is_ok() && self.tidy()
    }
}

/// Idle instances; the one that waits longest goes first.
pub(super) struct Instances<I> {
    idle: Mutex<Vec<Idle<I>>>,
    limit: usize,
    /// Bytes that all of them may hold.
    bytes: usize,
}

impl<I: Resident> Instances<I> {
    pub(super) fn new(limit: usize, bytes: usize) -> Self {
        Self { idle: Mutex::default(), limit, bytes }
    }

    /// A new instance. Where there is no memory for it, those that wait are let go first, for they hold memory too.
    async fn made<F: Future<Output = Result<I>>>(&self, make: impl Fn() -> F) -> Result<I> {
        match make().await {
            Err(error) if error.code == ErrorCode::OutOfMemory && self.let_go() => make().await,
            made => made,
        }
    }

    /// Lets all go; true when there were any.
    fn let_go(&self) -> bool {
        let idle = std::mem::take(&mut *lock(&self.idle));
        !idle.is_empty()
    }

    /// Takes an instance that has these classes, in the state of their image, and has served nobody but this user and nothing but them: code that breaks
    /// out of its language can reach all of its memory, the marks too, and what it hides from them must meet no other class.
    pub(super) fn take(&self, user: &str, wanted: &Arc<Loaded>) -> Option<I> {
        let mut idle = self.take_if(|idle| {
            (idle.user == user || !Guard::Users.holds()) && Arc::ptr_eq(&idle.state, wanted)
        })?;
        idle.wake().then_some(idle.instance)
    }

    /// The same, or a new one.
    pub(super) async fn take_or_make<F: Future<Output = Result<I>>>(
        &self,
        user: &str,
        wanted: &Arc<Loaded>,
        make: impl Fn() -> F,
    ) -> Result<I> {
        match self.take(user, wanted) {
            Some(instance) => Ok(instance),
            None => self.made(make).await,
        }
    }

    /// Keeps an instance in which a call has been, whose memory [`Instances::tidy`] will put back. One that has grown so much that it could not be is let go.
    pub(super) fn put(&self, mut instance: I, user: String, state: Arc<Loaded>) {
        let (memory, _) = instance.memory();
        let holds = memory.len();
        if memory.fits(&state.image) {
            self.keep(Idle { instance, user, state, used: true, holds });
        }
    }

    /// Puts the memory of an instance back that waits for its next call; for its last one nobody need wait so long. It is out of reach of other calls
    /// meanwhile, for some microseconds.
    pub(super) fn tidy(&self) {
        if let Some(mut idle) = self.take_if(|idle| idle.used)
            && idle.tidy()
        {
            idle.rest();
            self.keep(idle);
        }
    }

    /// Takes the one that was put in last of those that fit.
    fn take_if(&self, fits: impl FnMut(&Idle<I>) -> bool) -> Option<Idle<I>> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(fits)?;
        Some(idle.remove(at))
    }

    fn keep(&self, instance: Idle<I>) {
        // It would push all others out, and then itself.
        if self.limit == 0 || instance.holds > self.bytes {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.push(instance);
        let mut held: usize = idle.iter().map(|idle| idle.holds).sum();
        let mut over = 0;
        while idle.len() - over > self.limit || held > self.bytes {
            held -= idle[over].holds;
            over += 1;
        }
        let evicted: Vec<Idle<I>> = idle.drain(..over).collect();
        // Unmapping an instance's memory takes a while: others need not wait for it.
        drop(idle);
        drop(evicted);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics between two states that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;

    struct Instance(Memory, Held);

    impl Resident for Instance {
        fn memory(&mut self) -> (&mut Memory, &mut Held) {
            (&mut self.0, &mut self.1)
        }
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_by_bytes() {
        const SIZE: usize = 1 << 20;
        let budget = Budget::new(1 << 40);
        let state = Arc::new(Loaded { image: Image::take(&[0; SIZE], None), listings: Vec::new() });
        let waiting = |instances: &Instances<Instance>| -> Vec<String> {
            lock(&instances.idle).iter().map(|idle| idle.user.clone()).collect()
        };
        for (limit, bytes, left) in [
            (3, usize::MAX, vec!["user 2", "user 3", "user 4"]),
            (100, 2 * SIZE, vec!["user 3", "user 4"]),
            (100, SIZE - 1, vec![]),
            (0, usize::MAX, vec![]),
        ] {
            let instances = Instances::new(limit, bytes);
            for number in 0..5 {
                let mut held = budget.of("ada");
                held.grow(SIZE).unwrap();
                instances.put(
                    Instance(Memory::of_size(SIZE), held),
                    format!("user {number}"),
                    Arc::clone(&state),
                );
            }
            assert_eq!(waiting(&instances), left, "{limit} and {bytes}");
        }
    }
}
