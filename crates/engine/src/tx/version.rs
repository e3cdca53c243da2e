//! Versions of an object: which are kept, what differs between two, and how an earlier one comes back.

use super::Tx;
use super::object::{Base, Cause};
use super::place::{self, Place};
use crate::access::Want;
use crate::backend::Backend;
use crate::keys;
use crate::object::{Object, Record};
use emerge_proto::op::Target;
use emerge_proto::record::{Stored, VersionInfo};
use emerge_proto::version::{ClassAt, Diff, FieldChange};
use emerge_proto::{AsOf, Error, ErrorCode, ObjectId, Result, Value, limits};
use std::collections::HashMap;
use std::sync::Arc;

/// What a diff may hold: it has to fit into one message.
const MAX_DIFF: usize = limits::MAX_MESSAGE / 2;

impl<B: Backend> Tx<B> {
    /// The newest versions that are kept of an object or a directory, newest first, those below `before` if given; at most `limit`
    /// or [`limits::MAX_PAGE`]. A directory has one for each change of its rights. A path into an object leads to one by a reference, as for all here.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_argument` (the path leads to a value within an object, too), `bad_path`.
    pub async fn history(
        &mut self,
        target: &Target,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Vec<VersionInfo>> {
        if limit == Some(0) {
            return Err(Error::new(ErrorCode::BadArgument, "a page has at least one version").field("limit"));
        }
        let limit = limit.map_or(limits::MAX_PAGE, |limit| (limit as usize).min(limits::MAX_PAGE));
        let place = self.whole(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        let mut versions = Vec::new();
        let mut end = before.unwrap_or(u64::MAX);
        if end > place.object.version {
            versions.push(info(&place.object));
            end = place.object.version;
        }
        // Versions are numbered without gaps, but those that were pruned are gone.
        let oldest = self.scan(keys::versions(place.id), 1).await?;
        let oldest =
            oldest.first().and_then(|(key, _)| keys::version_parts(key)).map_or(end, |(_, oldest)| oldest);
        while versions.len() < limit && end > oldest {
            let missing = limit - versions.len();
            let start = end.saturating_sub(missing.max(64) as u64).max(oldest);
            let found = self.scan(keys::versions_between(place.id, start, end), usize::MAX).await?;
            for (_, record) in found.into_iter().rev().take(missing) {
                versions.push(info(&*record.object()?));
            }
            end = start;
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
            AsOf::Moment(moment) => (
                self.version_at(place.id, now.version, moment).await?,
                format!("{} was not there at that moment, or its version of then is not kept", place.path),
            ),
        };
        found.ok_or_else(|| Error::new(ErrorCode::NotFound, why).at(&place.path).field("version"))?.object()
    }

    /// The last of the versions below `end` that was made at a moment or before. Their times grow with their numbers, so it is
    /// found by halves: an object may have any number of them.
    async fn version_at(&mut self, id: ObjectId, end: u64, moment: i64) -> Result<Option<Record>> {
        let (mut low, mut high) = (0, end);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            // The first that is kept from the middle on.
            let next = self.scan(keys::versions_between(id, middle, high), 1).await?.into_iter().next();
            let Some((key, record)) = next else {
                high = middle;
                continue;
            };
            if record.clone().object()?.modified > moment {
                high = middle;
            } else {
                low = keys::version_parts(&key).map_or(high, |(_, version)| version + 1);
                found = Some(record);
            }
        }
        Ok(found)
    }

    /// What differs between two versions of an object; the second is the current one when none is named.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_argument`, `bad_path`; `too_large` when it does not fit into a message.
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
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_argument`, `bad_path`; `conflict` when the object is not at `base`.
    pub async fn restore(&mut self, target: &Target, which: AsOf, base: Option<u64>) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.restore_inner(target, which, base).await;
        self.settle(&savepoint, result)
    }

    async fn restore_inner(&mut self, target: &Target, which: AsOf, base: Option<u64>) -> Result<Stored> {
        let place = self.whole_to_change(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() {
            return Err(place::is_a_directory(&place.path));
        }
        self.check(&place.object, Want::Write, &place.path)?;
        if let Some(base) = base {
            place::still_at(&place, Base::version(base))?;
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
        author: object.author.to_string(),
        method: object.method.clone(),
        size: object.size(),
        restored: object.restored,
        operation: object.operation.clone(),
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
