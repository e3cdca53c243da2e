//! Rights: chmod and chown.

use super::Tx;
use super::place::Place;
use super::rules::keep_of;
use crate::access::{self, Want};
use crate::backend::Backend;
use crate::keys;
use crate::object::Object;
use emerge_proto::guard::Guard;
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::rules::Keep;
use emerge_proto::{Error, ErrorCode, ObjectId, Path, PermsChange, Result, limits};
use std::sync::Arc;

/// What of a tree an operation is about.
#[derive(Clone)]
struct Member {
    id: ObjectId,
    object: Arc<Object>,
    path: Path,
    /// Which of its versions are kept.
    keep: Keep,
}

impl<B: Backend> Tx<B> {
    /// Changes permissions; with `recursive` those of all below a directory that the caller may see. Makes a version of each
    /// object whose permissions change. See [`emerge_proto::Op::Chmod`].
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_argument`, `limit_exceeded`, `bad_path`.
    pub async fn chmod(&mut self, target: &Target, perms: &str, recursive: bool) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.chmod_inner(target, perms, recursive).await;
        self.settle(&savepoint, result)
    }

    async fn chmod_inner(&mut self, target: &Target, perms: &str, recursive: bool) -> Result<Stored> {
        let change = PermsChange::parse(perms)?;
        let place = self.place(target).await?;
        let mut changed = None;
        for Member { id, object, path, keep } in self.tree(place, recursive).await? {
            access::check_owner(&self.principal, &object, &path)?;
            let perms = change.apply(object.perms);
            if perms.is_as_owner() && !object.perms.is_as_owner() {
                self.check_mark(&object, &path).await?;
            }
            let next = Object { perms, ..(*object).clone() };
            let stored = self.put_rights(id, &object, next, "chmod", keep).await?;
            changed.get_or_insert(stored);
        }
        changed.ok_or_else(|| crate::object::damaged("a tree"))
    }

    /// Gives to another owner or group; with `recursive` all below a directory that the caller may see. See
    /// [`emerge_proto::Op::Chown`].
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_argument`, `limit_exceeded`, `bad_path`.
    pub async fn chown(
        &mut self,
        target: &Target,
        owner: Option<&str>,
        group: Option<&str>,
        recursive: bool,
    ) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.chown_inner(target, owner, group, recursive).await;
        self.settle(&savepoint, result)
    }

    async fn chown_inner(
        &mut self,
        target: &Target,
        owner: Option<&str>,
        group: Option<&str>,
        recursive: bool,
    ) -> Result<Stored> {
        if owner.is_none() && group.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "an owner or a group is needed").field("owner"));
        }
        if let Some(owner) = owner {
            self.check_owner_name(owner).await?;
        }
        if let Some(group) = group {
            self.check_group_name(group).await?;
        }
        let place = self.place(target).await?;
        let mut changed = None;
        for Member { id, object, path, keep } in self.tree(place, recursive).await? {
            access::check_owner(&self.principal, &object, &path)?;
            self.check_gift(&object, owner, group, &path)?;
            let next = Object {
                owner: owner.unwrap_or(&object.owner).into(),
                group: group.unwrap_or(&object.group).into(),
                // Another owner has marked nothing.
                perms: object.perms.without_owner_mark(),
                ..(*object).clone()
            };
            let stored = self.put_rights(id, &object, next, "chown", keep).await?;
            changed.get_or_insert(stored);
        }
        changed.ok_or_else(|| crate::object::damaged("a tree"))
    }

    /// Whether the caller may mark an object to run with its owner's rights: its owner alone, who has stored its class, and with all rights: neither by a token for
    /// less nor within code of others, which would have more by calling it.
    async fn check_mark(&mut self, object: &Object, path: &Path) -> Result<()> {
        let Some(class) = object.class else {
            let why = format!("{path} is a directory, which has no methods to run with its owner's rights");
            return Err(Error::new(ErrorCode::BadArgument, why).at(path).field("perms"));
        };
        let caller = self.principal.clone();
        let whole = caller.scope.is_none() && !caller.is_narrowed();
        let lineage = self.class(class).await?;
        let own = match lineage.first() {
            Some(class) => self.owns_version(class, &caller.user).await?,
            None => false,
        };
        if (whole && object.owner == caller.user && own) || !Guard::Mark.holds() {
            return Ok(());
        }
        let why = format!(
            "{path} is marked to run with its owner's rights by its owner, who has stored its class, alone: by no token for less, nor within a method of others"
        );
        Err(Error::new(ErrorCode::PermissionDenied, why).at(path))
    }

    /// Whether an owner may give an object to them.
    fn check_gift(
        &self,
        object: &Object,
        owner: Option<&str>,
        group: Option<&str>,
        path: &Path,
    ) -> Result<()> {
        let caller = &self.principal;
        if caller.admin || !Guard::Admin.holds() {
            return Ok(());
        }
        let denied = |why: String| Err(Error::new(ErrorCode::PermissionDenied, why).at(path));
        if owner.is_some_and(|owner| owner != object.owner) {
            return denied(format!("only an administrator may give {path} to another owner"));
        }
        let own = |group: &str| {
            group == object.group
                || caller
                    .all(|who| who.admin || group == who.user || who.groups.iter().any(|own| own == group))
        };
        match group {
            Some(group) if !own(group) => denied(format!(
                "user {:?} is not in the group {group:?} to which {path} is to be given",
                caller.user
            )),
            _ => Ok(()),
        }
    }

    /// What is at a place and, with `recursive`, all below it that the caller may see, a directory before its members.
    async fn tree(&mut self, place: Place, recursive: bool) -> Result<Vec<Member>> {
        let keep = keep_of(&place.above, &place.object);
        let mut tree = vec![Member { id: place.id, object: place.object, path: place.path, keep }];
        let mut at = 0;
        while recursive && at < tree.len() {
            let Member { id, object, path, keep } = tree[at].clone();
            at += 1;
            if !object.is_directory() {
                continue;
            }
            self.check(&object, Want::Read, &path)?;
            self.check(&object, Want::Execute, &path)?;
            let entries = self.scan(keys::entries(id, None), limits::MAX_TREE + 1).await?;
            for (id, object) in self.shown_members(&path, entries).await? {
                let path = path.join(&object.name)?;
                let keep = object.rules.as_deref().and_then(|rules| rules.keep).unwrap_or(keep);
                tree.push(Member { id, object, path, keep });
            }
            if tree.len() > limits::MAX_TREE {
                let why =
                    format!("a change of a tree is of at most {} objects and directories", limits::MAX_TREE);
                return Err(Error::new(ErrorCode::LimitExceeded, why)
                    .at(&path)
                    .limit(limits::MAX_TREE as u64));
            }
        }
        Ok(tree)
    }

    /// Puts an object with other rights or rules: a version of its own with the same state, unless nothing changes. A version that
    /// this transaction has made keeps what it says of how it was made.
    pub(super) async fn put_rights(
        &mut self,
        id: ObjectId,
        old: &Arc<Object>,
        next: Object,
        operation: &str,
        keep: Keep,
    ) -> Result<Stored> {
        let rights = |object: &Object| {
            (object.perms, object.owner.clone(), object.group.clone(), object.rules.clone())
        };
        if rights(&next) == rights(old) {
            return Ok(Stored { id, version: old.version, modified: old.modified });
        }
        let version = self.next_version(id, old, keep).await?;
        let mut object = Object { version, ..next };
        if version > old.version {
            for blob in &old.blobs {
                self.use_blob(blob, id, version);
            }
            object.modified = self.now.max(old.modified);
            object.author = self.caller.user.as_str().into();
            (object.method, object.restored, object.operation) = (None, None, Some(operation.to_owned()));
        }
        let object = self.put_object(id, object);
        Ok(Stored { id, version, modified: object.modified })
    }
}
