//! Large values: kept once by their content, in chunks, as long as some version of some object holds them.
//!
//! Invariant: a blob's chunks are there exactly while some `x hash id version` is. Both change in the same commit, and
//! whoever relies on either has read it, so that a store and a collection of the same blob cannot both commit.

use super::Tx;
use crate::backend::Backend;
use crate::fields::{self, Large};
use crate::keys;
use crate::object::{BlobRef, Object, Record};
use bytes::Bytes;
use emerge_proto::value::raw;
use emerge_proto::{Error, ErrorCode, ObjectId, Result};
use sha2::{Digest, Sha256};

/// Bytes of one record of a blob, within what every backend takes.
const CHUNK: usize = 256 * 1024;

impl<B: Backend> Tx<B> {
    /// Takes large values out of a state and keeps them as blobs of this version of this object.
    pub(super) async fn put_state(
        &mut self,
        id: ObjectId,
        version: u64,
        state: &Bytes,
    ) -> Result<(Bytes, Vec<BlobRef>)> {
        let (state, large) = fields::split(state)?;
        let mut blobs = Vec::with_capacity(large.len());
        for large in large {
            let hash = Sha256::digest(&large.value).into();
            let blob = BlobRef { field: large.field, hash, len: large.value.len() as u64 };
            self.put_blob(&blob, &large.value, id, version).await?;
            blobs.push(blob);
        }
        Ok((state, blobs))
    }

    async fn put_blob(&mut self, blob: &BlobRef, value: &Bytes, id: ObjectId, version: u64) -> Result<()> {
        if self.read(&keys::blob(&blob.hash, 0)).await?.is_none() {
            for (at, start) in (0..value.len()).step_by(CHUNK).enumerate() {
                let chunk = value.slice(start..(start + CHUNK).min(value.len()));
                self.put(keys::blob(&blob.hash, at as u32), Some(Record::Bytes(chunk)));
            }
        }
        self.use_blob(blob, id, version);
        Ok(())
    }

    /// Notes that a version of an object holds a blob, which is there.
    pub(super) fn use_blob(&mut self, blob: &BlobRef, id: ObjectId, version: u64) {
        self.put(keys::blob_use(&blob.hash, id, version), Some(Record::Bytes(Bytes::new())));
    }

    /// Takes a version's hold on its blobs away, and deletes those that nothing else holds.
    pub(crate) async fn release_blobs(&mut self, object: &Object, id: ObjectId) -> Result<()> {
        for blob in &object.blobs {
            self.put(keys::blob_use(&blob.hash, id, object.version), None);
            if self.scan(keys::blob_uses(&blob.hash), 1).await?.is_empty() {
                for at in 0..chunks(blob) {
                    self.put(keys::blob(&blob.hash, at), None);
                }
            }
        }
        Ok(())
    }

    /// The encoded value of one field, without the other fields' blobs.
    pub(super) async fn field_of(&mut self, object: &Object, name: &str) -> Result<Option<Vec<u8>>> {
        for (at, entry) in raw::entries(&object.state)?.enumerate() {
            let (key, value) = entry?;
            if key != name {
                continue;
            }
            return match object.blobs.iter().find(|blob| blob.field as usize == at) {
                Some(blob) => self.blob(blob).await.map(Some),
                None => Ok(Some(value.to_vec())),
            };
        }
        Ok(None)
    }

    async fn blob(&mut self, blob: &BlobRef) -> Result<Vec<u8>> {
        let keys: Vec<Vec<u8>> = (0..chunks(blob)).map(|at| keys::blob(&blob.hash, at)).collect();
        let mut value = Vec::with_capacity(blob.len as usize);
        for chunk in self.read_many(&keys).await? {
            // It can only be gone when the object has been changed since it was read.
            let chunk = chunk
                .ok_or_else(|| Error::new(ErrorCode::Conflict, "the object was changed while it was read"))?;
            value.extend_from_slice(&chunk.bytes()?);
        }
        Ok(value)
    }

    /// The state of an object as users see it.
    pub(crate) async fn state_of(&mut self, object: &Object) -> Result<Vec<u8>> {
        if object.blobs.is_empty() {
            return Ok(object.state.to_vec());
        }
        let mut values = Vec::with_capacity(object.blobs.len());
        for blob in &object.blobs {
            let value = self.blob(blob).await?;
            values.push(Large { field: blob.field, value: value.into() });
        }
        fields::join(&object.state, &values)
    }
}

fn chunks(blob: &BlobRef) -> u32 {
    blob.len.div_ceil(CHUNK as u64) as u32
}
