//! What a method call needs of a transaction.

use super::Tx;
use super::object::Cause;
use super::place;
use crate::access::Want;
use crate::backend::Backend;
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, Path, Result, Stat};

/// An object whose method is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectForCall {
    /// Its identity.
    pub id: ObjectId,
    /// Where it is.
    pub path: Path,
    /// Its class version.
    pub class: ClassHash,
    /// Its version.
    pub version: u64,
    /// Its properties.
    pub stat: Stat,
    /// Its fields: an encoded map.
    pub state: Vec<u8>,
}

impl<B: Backend> Tx<B> {
    /// An object that the caller may call, which needs `x` on it and nothing more: a method may show and use what its
    /// caller may not read.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`.
    pub async fn object_for_call(&mut self, target: &Target) -> Result<ObjectForCall> {
        let place = self.place(target).await?;
        let Some(class) = place.object.class else { return Err(place::is_a_directory(&place.path)) };
        self.check(&place.object, Want::Execute, &place.path)?;
        Ok(ObjectForCall {
            id: place.id,
            class,
            version: place.object.version,
            stat: self.stat_of(place.id, &place.object, place.path.name()).await?,
            state: self.state_of(&place.object).await?,
            path: place.path,
        })
    }

    /// Stores what a method has made of its own object, which needs `w` for the caller. `version` is what
    /// [`Tx::object_for_call`] gave.
    ///
    /// # Errors
    /// `conflict` when a nested call or an operation of the method has changed the object meanwhile, `permission_denied`,
    /// `not_found` (the method removed it), `too_large`.
    pub async fn set_state(
        &mut self,
        id: ObjectId,
        version: u64,
        state: &[u8],
        method: &str,
    ) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.set_state_inner(id, version, state, method).await;
        self.settle(&savepoint, result)
    }

    async fn set_state_inner(
        &mut self,
        id: ObjectId,
        version: u64,
        state: &[u8],
        method: &str,
    ) -> Result<Stored> {
        let place = self.place(&Target::Id(id)).await?;
        self.check(&place.object, Want::Write, &place.path)?;
        if place.object.version != version {
            return Err(Error::new(
                ErrorCode::Conflict,
                format!("{} was changed by an operation inside its own method {method:?}", place.path),
            )
            .at(&place.path));
        }
        crate::fields::check(state)?;
        let class = place.object.class;
        self.make_version(&place, class, &bytes::Bytes::copy_from_slice(state), Cause::Method(method)).await
    }
}
