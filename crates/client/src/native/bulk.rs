//! Storing many objects.

use super::Client;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::Stored;
use emerge_proto::{ClassHash, Result};
use futures_util::{Stream, StreamExt, stream};

/// Stores that are on the way at a time, when the caller does not say.
pub const STORES_AT_ONCE: usize = 256;

/// An object to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Where.
    pub path: Target,
    /// The version of its class, which the node has.
    pub class: ClassHash,
    /// Its fields: an encoded map.
    pub fields: Vec<u8>,
}

impl Client {
    /// Stores many objects, `at_once` on the way at a time; gives the reply to each, in their order. Who stops taking them stops the stores
    /// that are not yet on the way.
    pub fn store_all<I: IntoIterator<Item = NewObject>>(
        &self,
        objects: I,
        mode: StoreMode,
        at_once: usize,
    ) -> impl Stream<Item = Result<Stored>> + use<I> {
        let client = self.clone();
        let storing = objects.into_iter().map(move |NewObject { path, class, fields }| {
            let client = client.clone();
            async move { client.store(path, class, fields, mode).await }
        });
        stream::iter(storing).buffered(at_once.max(1))
    }
}
