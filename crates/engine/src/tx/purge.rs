//! Forgetting now: what is removed, with all its versions and the values that only they held.

use super::Tx;
use crate::backend::Backend;
use crate::change::Change;
use crate::keys;
use crate::object::Object;
use emerge_proto::op::Target;
use emerge_proto::{Error, ErrorCode, ObjectId, Path, Result, limits};
use std::sync::Arc;

impl<B: Backend> Tx<B> {
    /// Removes as `rm` does, and forgets all versions in the same commit. See [`emerge_proto::Op::Purge`].
    ///
    /// # Errors
    /// `not_found`, `directory_not_empty`, `permission_denied`, `bad_argument` (the root), `bad_path`; `limit_exceeded` when there
    /// are more than [`limits::MAX_TREE`] objects and versions.
    pub async fn purge(&mut self, target: &Target, recursive: bool) -> Result<()> {
        let savepoint = self.savepoint();
        let result = self.purge_inner(target, recursive).await;
        self.settle(&savepoint, result)
    }

    async fn purge_inner(&mut self, target: &Target, recursive: bool) -> Result<()> {
        let place = self.place(target).await?;
        let parent = self.check_removal(&place, recursive).await?;
        let name = place.path.name().to_owned();
        self.put_entry(parent, &name, None);
        self.changes.push(Change::Removed(place.id, parent, name));
        let mut left = limits::MAX_TREE;
        let mut rest: Vec<(ObjectId, Arc<Object>)> = vec![(place.id, place.object)];
        while let Some((id, object)) = rest.pop() {
            if object.is_directory() {
                let entries = self.scan(keys::entries(id, None), left + 1).await?;
                take(&mut left, entries.len(), &place.path)?;
                for (key, _) in &entries {
                    self.put_raw(key.clone(), None);
                }
                rest.extend(self.members(&place.path, entries).await?);
            }
            let versions = self.scan(keys::versions(id), left + 1).await?;
            take(&mut left, versions.len(), &place.path)?;
            for (key, record) in versions {
                self.put_raw(key, None);
                self.release_blobs(&*record.object()?, id).await?;
            }
            self.put(keys::object(id), None);
            self.release_blobs(&object, id).await?;
        }
        Ok(())
    }
}

fn take(left: &mut usize, count: usize, path: &Path) -> Result<()> {
    *left = left.checked_sub(count).ok_or_else(|| {
        let why = format!(
            "{path} has more than {} members and versions, which one commit does not purge; rm removes it and forgets them in the background",
            limits::MAX_TREE
        );
        Error::new(ErrorCode::LimitExceeded, why).at(path).limit(limits::MAX_TREE as u64)
    })?;
    Ok(())
}
