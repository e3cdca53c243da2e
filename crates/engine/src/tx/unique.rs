//! Values that no two objects may share.

use super::Tx;
use crate::access::{self, Principal, Want};
use crate::backend::Backend;
use crate::index::{Index, IndexRecord};
use crate::keys;
use emerge_proto::value::order::{self, Kind};
use emerge_proto::{Error, ErrorCode, ObjectId, Result, Value};
use std::sync::Arc;

/// Entries of objects with one value that are looked at at a time.
const SAME: usize = 64;

impl<B: Backend> Tx<B> {
    /// Counts the duplicates that the building of an index found as they are now. No others come to them: whoever would make one is refused.
    pub(super) async fn recount(&mut self, index: &Index, known: &mut IndexRecord) -> Result<()> {
        for maker in known.makers.iter_mut().flatten() {
            let first = maker.first_duplicates.take().unwrap_or_default();
            for id in first {
                let still = match self.object(id).await? {
                    Some(object) if maker.user.as_deref().is_none_or(|owner| *object.owner == *owner) => {
                        match self.entry_of(index, id, Some(&object)).await? {
                            Some(entry) if self.is_linked(id).await? => {
                                self.same(index, id, &entry, maker.user.as_deref(), true).await?.is_some()
                            }
                            _ => false,
                        }
                    }
                    _ => false,
                };
                if !still {
                    maker.duplicates = maker.duplicates.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Refuses a value that another object has: of those of an owner, or of all.
    pub(super) async fn check_unique(
        &mut self,
        index: &Index,
        id: ObjectId,
        entry: &[u8],
        owner: Option<&str>,
    ) -> Result<()> {
        let Some(other) = self.same(index, id, entry, owner, false).await? else { return Ok(()) };
        // Of many that are written at once one cannot tell which it is.
        let own =
            self.climb(id).await.map_or_else(|_| "another object".to_owned(), |place| place.path.to_string());
        // Its path is told to those alone who may read it.
        let shown = match self.climb(other).await {
            Ok(place) => Some(place)
                .filter(|place| access::may(&self.principal, &place.object, Want::Read, &place.path)),
            Err(error) if error.code == ErrorCode::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut error = Error::new(
            ErrorCode::NotUnique,
            format!(
                "the field {:?} of class {} is unique: {own} cannot have the value of {}",
                index.field,
                index.class,
                shown.as_ref().map_or_else(|| "another object".to_owned(), |place| place.path.to_string())
            ),
        )
        .field(&*index.field);
        if let Some(place) = shown {
            error = error.at(place.path);
        }
        Err(error)
    }

    /// Another object with the value of an entry: of those of an owner, or of all; with `earlier` one with a lower id. Objects that were unlinked do not
    /// count, nor do missing values and null.
    pub(super) async fn same(
        &mut self,
        index: &Index,
        id: ObjectId,
        entry: &[u8],
        owner: Option<&str>,
        earlier: bool,
    ) -> Result<Option<ObjectId>> {
        let Some(same) = entry.len().checked_sub(16).and_then(|end| entry.get(..end)) else {
            return Ok(None);
        };
        if matches!(same.get(17), Some(&kind) if kind == Kind::Missing as u8 || kind == Kind::Null as u8) {
            return Ok(None);
        }
        let mut own = None;
        let mut range = keys::prefix(same);
        loop {
            let entries = self.scan(range.clone(), SAME).await?;
            for (key, _) in &entries {
                let Some(other) = keys::last_id(key).filter(|other| *other != id) else { continue };
                if earlier && other > id {
                    continue;
                }
                if let Some(owner) = owner
                    && self.object(other).await?.is_none_or(|object| *object.owner != *owner)
                {
                    continue;
                }
                if !self.is_linked(other).await? {
                    continue;
                }
                // Long texts have the same key when they begin alike.
                if same.len() > order::CUT {
                    if own.is_none() {
                        own = Some(self.value_of(id, &index.field).await?);
                    }
                    if Some(self.value_of(other, &index.field).await?) != own {
                        continue;
                    }
                }
                return Ok(Some(other));
            }
            match entries.last() {
                Some((last, _)) if entries.len() == SAME => range.start = keys::after(last),
                _ => return Ok(None),
            }
        }
    }

    async fn value_of(&mut self, id: ObjectId, field: &str) -> Result<Option<Value>> {
        match self.object(id).await? {
            Some(object) => self.value_in(&object, field).await,
            None => Ok(None),
        }
    }

    /// Whether an object can be reached from the root, by whoever may.
    pub(super) async fn is_linked(&mut self, id: ObjectId) -> Result<bool> {
        let caller = std::mem::replace(&mut self.principal, Arc::new(Principal::admin()));
        let climbed = self.climb(id).await;
        self.principal = caller;
        match climbed {
            Ok(_) => Ok(true),
            Err(error) if error.code == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
