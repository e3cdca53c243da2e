//! Versions of an object: which are kept, what differs between two, and how an earlier one comes back.

use super::Tx;
use super::object::Cause;
use super::place::{self, Place};
use crate::access::Want;
use crate::backend::Backend;
use crate::keys;
use crate::object::Object;
use emerge_proto::op::Target;
use emerge_proto::record::{Stored, VersionInfo};
use emerge_proto::version::{ClassAt, Diff, FieldChange};
use emerge_proto::{AsOf, Error, ErrorCode, Result, Value, limits};
use std::collections::HashMap;
use std::sync::Arc;

/// What a diff may hold: it has to fit into one message.
const MAX_DIFF: usize = limits::MAX_MESSAGE / 2;

impl<B: Backend> Tx<B> {
    /// An object's versions that are kept, newest first.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`.
    pub async fn history(&mut self, target: &Target) -> Result<Vec<VersionInfo>> {
        let place = self.readable_object(target).await?;
        let mut versions = vec![info(&place.object)];
        for (_, record) in self.scan(keys::versions(place.id), usize::MAX).await?.into_iter().rev() {
            versions.push(info(&*record.object()?));
        }
        Ok(versions)
    }

    /// One of an object's versions.
    pub(super) async fn version_of(&mut self, place: &Place, which: AsOf) -> Result<Arc<Object>> {
        let now = &place.object;
        let (found, why) = match which {
            AsOf::Version(version) if version == now.version => return Ok(Arc::clone(now)),
            AsOf::Version(version) => {
                let why =
                    format!("version {version} of {} is not kept; it is at {}", place.path, now.version);
                (self.read(&keys::version(place.id, version)).await?, why)
            }
            AsOf::Moment(moment) if moment >= now.modified => return Ok(Arc::clone(now)),
            AsOf::Moment(moment) => {
                let mut found = None;
                for (_, record) in self.scan(keys::versions(place.id), usize::MAX).await? {
                    if record.clone().object()?.modified > moment {
                        break;
                    }
                    found = Some(record);
                }
                (
                    found,
                    format!(
                        "{} was not there at that moment, or its version of then is not kept",
                        place.path
                    ),
                )
            }
        };
        found.ok_or_else(|| Error::new(ErrorCode::NotFound, why).at(&place.path).field("version"))?.object()
    }

    /// What differs between two versions of an object; the second is the current one when none is named.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`; `too_large` when it does not fit into a message.
    pub async fn diff(&mut self, target: &Target, from: AsOf, to: Option<AsOf>) -> Result<Diff> {
        let place = self.readable_object(target).await?;
        let old = self.version_of(&place, from).await?;
        let new = match to {
            Some(to) => self.version_of(&place, to).await?,
            None => Arc::clone(&place.object),
        };
        let fields = changes(self.fields_of(&old).await?, self.fields_of(&new).await?);
        let size = |change: &FieldChange| {
            change.old.as_ref().map_or(0, Vec::len) + change.new.as_ref().map_or(0, Vec::len)
        };
        if fields.iter().map(size).sum::<usize>() > MAX_DIFF {
            let why = format!(
                "what differs between these versions of {} is more than {MAX_DIFF} bytes; get each of them",
                place.path
            );
            return Err(Error::new(ErrorCode::TooLarge, why).at(&place.path).limit(MAX_DIFF as u64));
        }
        let (mut old_class, mut new_class) = (None, None);
        if old.class != new.class {
            old_class = self.class_at(&old).await?;
            new_class = self.class_at(&new).await?;
        }
        Ok(Diff { from: info(&old), to: info(&new), fields, old_class, new_class })
    }

    /// Makes a version with the state and the class of an earlier one; owner, group and permissions stay as they are.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`; `conflict` when the object is not at `base`.
    pub async fn restore(&mut self, target: &Target, which: AsOf, base: Option<u64>) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.restore_inner(target, which, base).await;
        self.settle(&savepoint, result)
    }

    async fn restore_inner(&mut self, target: &Target, which: AsOf, base: Option<u64>) -> Result<Stored> {
        let place = self.readable_object(target).await?;
        self.check(&place.object, Want::Write, &place.path)?;
        if base.is_some_and(|base| base != place.object.version) {
            return Err(place::moved_on(&place, base));
        }
        let earlier = self.version_of(&place, which).await?;
        let state = self.state_of(&earlier).await?.into();
        self.make_version(&place, earlier.class, &state, Cause::Restored(earlier.version)).await
    }

    async fn fields_of(&mut self, object: &Object) -> Result<Vec<(String, Vec<u8>)>> {
        match Value::decode(&self.state_of(object).await?)? {
            Value::Map(fields) => {
                Ok(fields.into_iter().map(|(name, value)| (name, value.encode())).collect())
            }
            _ => Err(crate::object::damaged("a state")),
        }
    }

    async fn class_at(&mut self, object: &Object) -> Result<Option<ClassAt>> {
        let Some(hash) = object.class else { return Ok(None) };
        let lineage = self.class(hash).await?;
        Ok(lineage.first().map(|class| ClassAt {
            name: class.source.name.clone(),
            version: class.version,
            hash,
        }))
    }
}

fn info(object: &Object) -> VersionInfo {
    VersionInfo {
        version: object.version,
        modified: object.modified,
        author: object.author.clone(),
        method: object.method.clone(),
        size: object.size(),
        restored: object.restored,
    }
}

/// The fields that differ: those of `old` in their order, then those that only `new` has.
fn changes(old: Vec<(String, Vec<u8>)>, new: Vec<(String, Vec<u8>)>) -> Vec<FieldChange> {
    let order: Vec<String> = new.iter().map(|(field, _)| field.clone()).collect();
    let mut new: HashMap<String, Vec<u8>> = new.into_iter().collect();
    let mut changes = Vec::new();
    for (field, value) in old {
        let now = new.remove(&field);
        if now.as_ref() != Some(&value) {
            changes.push(FieldChange { field, old: Some(value), new: now });
        }
    }
    changes.extend(order.into_iter().filter_map(|field| {
        let value = new.remove(&field)?;
        Some(FieldChange { field, old: None, new: Some(value) })
    }));
    changes
}
