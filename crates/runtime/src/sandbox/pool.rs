//! What is kept between calls: images of loaded classes, and idle instances. Both are bounded.

use super::image::Image;
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

/// An instance that waits for its next call, in the state of an image.
pub(super) struct Idle<I> {
    pub(super) instance: I,
    pub(super) user: String,
    pub(super) state: Arc<Loaded>,
}

/// Idle instances; the one that waits longest goes first.
pub(super) struct Instances<I> {
    idle: Mutex<Vec<Idle<I>>>,
    limit: usize,
}

impl<I> Instances<I> {
    pub(super) fn new(limit: usize) -> Self {
        Self { idle: Mutex::default(), limit }
    }

    /// A new instance. Where there is no memory for it, those that wait are let go first, for they hold memory too.
    pub(super) async fn made<F: Future<Output = Result<I>>>(&self, make: impl Fn() -> F) -> Result<I> {
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

    /// Takes an instance that served the same user and has these classes.
    pub(super) fn take(&self, user: &str, wanted: &Arc<Loaded>) -> Option<Idle<I>> {
        self.take_if(|idle| (idle.user == user || !Guard::Users.holds()) && Arc::ptr_eq(&idle.state, wanted))
    }

    /// Takes an instance that served the same user, whatever its classes.
    pub(super) fn take_any(&self, user: &str) -> Option<Idle<I>> {
        self.take_if(|idle| idle.user == user)
    }

    /// Takes the one that was put in last of those that fit.
    pub(super) fn take_if(&self, fits: impl FnMut(&Idle<I>) -> bool) -> Option<Idle<I>> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(fits)?;
        Some(idle.remove(at))
    }

    pub(super) fn put(&self, instance: Idle<I>) {
        let mut idle = lock(&self.idle);
        let evicted = (idle.len() >= self.limit && !idle.is_empty()).then(|| idle.remove(0));
        if self.limit > 0 {
            idle.push(instance);
        }
        // Unmapping an instance's memory takes a while: others need not wait for it.
        drop(idle);
        drop(evicted);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics between two states that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
