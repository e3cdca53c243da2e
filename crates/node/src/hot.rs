//! Calls on an object over which calls have collided wait for each other instead of thrashing.

use emerge_proto::ObjectId;
use futures_util::lock::{Mutex as AsyncMutex, OwnedMutexGuard};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The objects on which a conflict has happened and is not yet worked off.
#[derive(Default)]
pub(crate) struct HotObjects {
    queues: Mutex<HashMap<ObjectId, Arc<AsyncMutex<()>>>>,
}

/// A place at the head of an object's queue; dropping it lets the next call go on.
pub(crate) struct Turn<'a> {
    hot: &'a HotObjects,
    id: ObjectId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl HotObjects {
    /// Waits for the object's turn when the object is hot; gives none at once when it is not.
    pub(crate) async fn turn_if_hot(&self, id: ObjectId) -> Option<Turn<'_>> {
        let queue = self.lock().get(&id).cloned()?;
        Some(self.wait(id, queue).await)
    }

    /// Makes the object hot and waits for its turn.
    pub(crate) async fn turn(&self, id: ObjectId) -> Turn<'_> {
        let queue = self.lock().entry(id).or_default().clone();
        self.wait(id, queue).await
    }

    async fn wait(&self, id: ObjectId, queue: Arc<AsyncMutex<()>>) -> Turn<'_> {
        let guard = queue.lock_owned().await;
        Turn { hot: self, id, guard: Some(guard) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectId, Arc<AsyncMutex<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queues = self.hot.lock();
        self.guard = None;
        // One reference is the map's own: nobody holds the lock or waits for it.
        if queues.get(&self.id).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.id);
        }
    }
}
