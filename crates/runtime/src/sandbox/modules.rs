//! Compiled modules of classes, by the address of the class version; the one used longest ago goes first.

use super::imports::Host;
use emerge_proto::ClassHash;
use emerge_proto::module::Description;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::InstancePre;

/// A module that is ready to be made an instance of.
pub(super) struct Compiled {
    pub(super) pre: InstancePre<Host>,
    pub(super) description: Description,
    /// Bytes that it takes.
    pub(super) size: usize,
}

pub(super) struct Modules {
    kept: Mutex<Kept>,
    limit: usize,
}

#[derive(Default)]
struct Kept {
    modules: HashMap<ClassHash, (Arc<Compiled>, u64)>,
    bytes: usize,
    uses: u64,
}

impl Modules {
    /// Keeps modules of so many bytes together, and the last one in any case.
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: Mutex::default(), limit }
    }

    pub(super) fn get(&self, hash: &ClassHash) -> Option<Arc<Compiled>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        let (compiled, used) = kept.modules.get_mut(hash)?;
        *used = uses;
        Some(Arc::clone(compiled))
    }

    pub(super) fn put(&self, hash: ClassHash, compiled: Arc<Compiled>) {
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        kept.bytes += compiled.size;
        if let Some((old, _)) = kept.modules.insert(hash, (compiled, uses)) {
            kept.bytes -= old.size;
        }
        while kept.bytes > self.limit && kept.modules.len() > 1 {
            let oldest = kept.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(hash, _)| *hash);
            let Some((old, _)) = oldest.and_then(|oldest| kept.modules.remove(&oldest)) else { break };
            kept.bytes -= old.size;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing under this lock panics between two states that belong together.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
