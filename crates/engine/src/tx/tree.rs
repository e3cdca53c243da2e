//! The tree: mkdir, rm, mv.

use super::Tx;
use super::place::{self, Place, Way};
use super::rules;
use crate::access::{self, Want};
use crate::backend::Backend;
use crate::change::Change;
use crate::keys;
use crate::object::{Entry, Object, Record};
use bytes::Bytes;
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::{Error, ErrorCode, ObjectId, ObjectType, Path, Perms, Result, limits};
use std::sync::Arc;

/// A directory and the name of an entry in it.
pub(super) struct Slot {
    pub(super) parent: ObjectId,
    pub(super) path: Path,
    /// The directories from the root down to `parent`.
    pub(super) above: Vec<ObjectId>,
    /// The permissions that new members get.
    pub(super) perms: Perms,
}

impl<B: Backend> Tx<B> {
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// `already_exists`, `not_a_directory`, `permission_denied`, `bad_path`.
    pub async fn mkdir(&mut self, target: &Target, exist_ok: bool) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.mkdir_inner(target, exist_ok).await;
        self.settle(&savepoint, result)
    }

    async fn mkdir_inner(&mut self, target: &Target, exist_ok: bool) -> Result<Stored> {
        match self.way(target).await? {
            Way::There(Place { object, path, .. }) if !exist_ok || !object.is_directory() => {
                Err(if exist_ok { place::not_a_directory(&path) } else { place::already_exists(&path) })
            }
            Way::There(Place { id, object, .. }) => {
                Ok(Stored { id, version: object.version, modified: object.modified })
            }
            Way::Missing { path, above, found, taken } => {
                let perms = rules::mask_of(&above).perms();
                let parent = self.make_directories(&path, above, found, taken).await?;
                Ok(self.make_directory(parent, path.name(), perms))
            }
        }
    }

    /// Makes the directories that a path lacks, all but its last segment, and gives the one that is to hold that. Checks
    /// the right to change the lowest that exists; the name there must not be `taken`.
    pub(super) async fn make_directories(
        &mut self,
        path: &Path,
        above: Vec<(ObjectId, Arc<Object>)>,
        found: usize,
        taken: bool,
    ) -> Result<ObjectId> {
        let perms = rules::mask_of(&above).perms();
        let Some((mut parent, lowest)) = above.into_iter().next_back() else {
            return Err(place::already_exists(path));
        };
        self.check(&lowest, Want::Write, &place::ancestor(path, found))?;
        if taken {
            let who = access::who_lacks(&self.principal, |_| true);
            return Err(access::lacks(&who, Want::Write, &place::ancestor(path, found + 1)));
        }
        let missing = path.segments().count() - found;
        for segment in path.segments().skip(found).take(missing.saturating_sub(1)) {
            parent = self.make_directory(parent, segment, perms).id;
        }
        Ok(parent)
    }

    pub(super) fn make_directory(&mut self, parent: ObjectId, name: &str, perms: Perms) -> Stored {
        let id = self.new_id();
        let directory = self.new_directory(parent, name, perms);
        self.add(id, directory)
    }

    /// Removes an object, or a directory; with `recursive` also one that has members. A tree is unlinked at once, and
    /// what it held is deleted later ([`crate::Engine::collect`]).
    ///
    /// # Errors
    /// `not_found`, `directory_not_empty`, `permission_denied`, `bad_argument` (the root), `bad_path`.
    pub async fn rm(&mut self, target: &Target, recursive: bool) -> Result<()> {
        let savepoint = self.savepoint();
        let result = self.rm_inner(target, recursive).await;
        self.settle(&savepoint, result)
    }

    async fn rm_inner(&mut self, target: &Target, recursive: bool) -> Result<()> {
        let place = self.place(target).await?;
        let parent = self.check_removal(&place, recursive).await?;
        let name = place.path.name().to_owned();
        self.put_entry(parent, &name, None);
        self.changes.push(Change::Removed(place.id, parent, name));
        if place.object.is_directory() && recursive {
            self.put(keys::trash(place.id), Some(Record::Bytes(Bytes::new())));
        } else {
            self.discard(place.id, &place.object);
        }
        Ok(())
    }

    /// Whether the caller may remove what is there; gives the directory that holds it.
    pub(super) async fn check_removal(&mut self, place: &Place, recursive: bool) -> Result<ObjectId> {
        let (parent, directory) = place.not_the_root("removed")?;
        self.check(directory, Want::Write, &place.path.parent().unwrap_or(Path::root()))?;
        access::check_sticky(&self.principal, directory, &place.object, &place.path)?;
        if !place.object.is_directory() {
            return Ok(*parent);
        }
        self.check(&place.object, Want::Write, &place.path)?;
        if !recursive && !self.scan(keys::entries(place.id, None), 1).await?.is_empty() {
            let why = format!("the directory {} has members", place.path);
            return Err(Error::new(ErrorCode::DirectoryNotEmpty, why).at(&place.path));
        }
        if recursive && !self.principal.admin {
            self.check_below(place).await?;
        }
        Ok(*parent)
    }

    /// Whether the caller might empty each directory below one. The administrator is not asked, so that a tree of any size goes at once. For others what
    /// decides is noted: each directory and where it is, and the members of a directory in which one may remove only one's own. Members that come to
    /// a directory meanwhile are not: they go with it.
    async fn check_below(&mut self, place: &Place) -> Result<()> {
        let mut waiting = vec![(place.id, place.object.clone(), place.path.clone())];
        while let Some((id, directory, path)) = waiting.pop() {
            let may = access::may(&self.principal, &directory, Want::Write, &path)
                && access::may(&self.principal, &directory, Want::Execute, &path);
            let sticks = directory.perms.is_sticky() && !access::owns(&self.principal, &directory);
            let mut after: Option<String> = None;
            loop {
                let entries =
                    self.scan_unnoted(keys::entries(id, after.as_deref()), limits::MAX_PAGE).await?;
                self.take_turns(entries.len()).await;
                let ended = entries.len() < limits::MAX_PAGE;
                after = entries.last().and_then(|(key, _)| keys::entry_name(key)).map(str::to_owned);
                for (key, record) in entries {
                    let is_directory = record.entry()?.kind == ObjectType::Directory;
                    if may && !sticks && !is_directory {
                        continue;
                    }
                    let Some(entry) = self.read(&key).await? else { continue };
                    let member = entry.entry()?.id;
                    let Some(object) = self.object(member).await? else { continue };
                    if !may || (sticks && !access::owns(&self.principal, &object)) {
                        let why = format!(
                            "what user {:?} may not remove is below {}; nothing was removed",
                            self.principal.user, place.path
                        );
                        return Err(Error::new(ErrorCode::PermissionDenied, why).at(&place.path));
                    }
                    if object.is_directory() {
                        let path = path.join(&object.name)?;
                        waiting.push((member, object, path));
                    }
                }
                if ended {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Deletes an object that has no entry any more, and no members. What else it has left is marked for collection.
    pub(crate) fn discard(&mut self, id: ObjectId, object: &Object) {
        self.put(keys::object(id), None);
        if object.version > 1 || !object.blobs.is_empty() {
            if !object.blobs.is_empty() {
                // The collector finds the blobs of the last version through a version record, as all others.
                let kept = Object { parent: ObjectId::ROOT, name: "".into(), ..object.clone() };
                self.put(keys::version(id, object.version), Some(Record::Object(Arc::new(kept))));
            }
            self.put(keys::trash(id), Some(Record::Bytes(Bytes::new())));
        }
    }

    /// Moves an object or a tree: its ids stay. Onto a directory: into it.
    ///
    /// # Errors
    /// `not_found`, `already_exists`, `permission_denied`, `bad_argument` (the root, or a directory into itself),
    /// `not_a_directory`, `bad_path`.
    pub async fn mv(&mut self, from: &Target, to: &str) -> Result<()> {
        let savepoint = self.savepoint();
        let result = self.mv_inner(from, to).await;
        self.settle(&savepoint, result)
    }

    async fn mv_inner(&mut self, from: &Target, to: &str) -> Result<()> {
        let place = self.place(from).await?;
        let (parent, directory) = place.not_the_root("moved")?;
        self.check(directory, Want::Write, &place.path.parent().unwrap_or(Path::root()))?;
        access::check_sticky(&self.principal, directory, &place.object, &place.path)?;
        if place.object.is_directory() {
            self.check(&place.object, Want::Write, &place.path)?;
        }
        let slot = self.free_slot(to, &place).await?;
        if slot.above.contains(&place.id) {
            return Err(into_itself(&place.path, &slot.path, "moved"));
        }
        if let Some(scope) = &self.principal.scope
            && !scope.may_move(place.path.as_str(), slot.path.as_str(), place.object.is_directory())
        {
            let why = format!(
                "the token in use grants more at {} than at {}; what is moved there could be used in ways in which it cannot be used here",
                slot.path, place.path
            );
            return Err(Error::new(ErrorCode::PermissionDenied, why).at(&slot.path));
        }
        let name = place.path.name().to_owned();
        self.put_entry(*parent, &name, None);
        self.put_entry(slot.parent, slot.path.name(), Some(Entry { id: place.id, kind: place.object.kind }));
        let moved = Object { parent: slot.parent, name: slot.path.name().into(), ..(*place.object).clone() };
        self.put_object(place.id, moved);
        self.changes.push(Change::Moved(place.id, *parent, name));
        Ok(())
    }

    /// Where `mv` and `cp` put what they are given: at `to` or, when that is a directory, into it. Nothing may be there;
    /// its directory must be, and the caller must have the right to change it.
    pub(super) async fn free_slot(&mut self, to: &str, from: &Place) -> Result<Slot> {
        let mut way = self.walk(Path::parse(to)?).await?;
        if let Way::There(directory) = &way
            && directory.object.is_directory()
        {
            if directory.id == from.id {
                return Err(into_itself(&from.path, &directory.path, "moved or copied"));
            }
            way = self.walk(directory.path.join(from.path.name())?).await?;
        }
        match way {
            Way::There(place) => Err(place::already_exists(&place.path)),
            Way::Missing { path, above, found, taken } => {
                if found + 1 < path.segments().count() {
                    return Err(place::not_found(&place::ancestor(&path, found + 1)));
                }
                let Some((parent, directory)) = above.last() else {
                    return Err(place::already_exists(&path));
                };
                self.check(directory, Want::Write, &place::ancestor(&path, found))?;
                if taken {
                    return Err(place::already_exists(&path));
                }
                let perms = rules::mask_of(&above).perms();
                Ok(Slot { parent: *parent, above: above.iter().map(|(id, _)| *id).collect(), path, perms })
            }
        }
    }
}

pub(super) fn into_itself(from: &Path, to: &Path, what: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("the directory {from} cannot be {what} into itself, to {to}"))
        .at(to)
}
