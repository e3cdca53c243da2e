//! What a transaction tells those who watch, and what a watcher may be told.

use super::Tx;
use crate::access::{self, Want};
use crate::backend::{Backend, Key};
use crate::change::{Change, Rights, Where};
use crate::keys;
use crate::object::{Object, Record};
use emerge_proto::op::Target;
use emerge_proto::scope::Verb;
use emerge_proto::{ObjectId, Path, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<B: Backend> Tx<B> {
    /// Where each change is after the commit. All that is above it was read on the way there, so that this reads nothing.
    pub(super) fn places(&self, writes: &BTreeMap<Key, Option<Record>>) -> Vec<Where> {
        let known = |id: ObjectId| -> Option<&Arc<Object>> {
            let key = keys::object(id);
            match writes.get(&key[..]).or_else(|| self.reads.get(&key[..]).map(|(_, record)| record)) {
                Some(Some(Record::Object(object))) => Some(object),
                _ => None,
            }
        };
        let path_of = |directory: ObjectId, name: &str| -> Option<String> {
            let (mut names, mut at) = (vec![name], directory);
            while at != ObjectId::ROOT {
                let object = known(at)?;
                names.push(&object.name);
                at = object.parent;
                // Names are never empty, so that a longer path than there may be is a circle.
                if names.len() > limits::MAX_PATH {
                    return None;
                }
            }
            names.push("");
            names.reverse();
            Some(names.join("/"))
        };
        let here = |id: ObjectId| {
            let object = known(id)?;
            Some((path_of(object.parent, &object.name)?, object))
        };
        let before = |id: ObjectId| match self.reads.get(&keys::object(id)[..]) {
            Some((_, Some(Record::Object(object)))) => Some(object),
            _ => None,
        };
        // The rights before and after, if they have changed.
        let turned = |id: ObjectId, object: &Object| {
            let was = before(id)?;
            let same = (was.perms, &was.owner, &was.group) == (object.perms, &object.owner, &object.group);
            (!same).then(|| (Rights::of(was), Rights::of(object)))
        };
        let moved: BTreeSet<ObjectId> = self
            .changes
            .iter()
            .filter_map(|change| if let Change::Moved(id, ..) = change { Some(*id) } else { None })
            .collect();
        let place = |change: &Change| match change {
            Change::Created(id) | Change::Updated(id, _) => here(*id).and_then(|(path, object)| {
                let turned = turned(*id, object);
                // Of what was moved too, its move tells it: who could see it before does not know where it is now, and who can see it now did not know of it.
                if turned.is_some() && moved.contains(id) {
                    return None;
                }
                let (rights, rights_after) = turned.unzip();
                Some(Where {
                    path: Some(path),
                    from: None,
                    version: Some(object.version),
                    directory: object.is_directory(),
                    rights,
                    rights_after,
                })
            }),
            Change::Moved(id, directory, name) => here(*id).map(|(path, object)| {
                let (was, rights_after) = turned(*id, object).unzip();
                Where {
                    path: Some(path),
                    from: path_of(*directory, name),
                    version: Some(object.version),
                    directory: object.is_directory(),
                    rights: Some(was.unwrap_or_else(|| Rights::of(object))),
                    rights_after,
                }
            }),
            // What nobody has ever seen is not missed.
            Change::Removed(id, directory, name) => before(*id).map(|object| Where {
                path: path_of(*directory, name),
                from: None,
                version: None,
                directory: object.is_directory(),
                rights: Some(Rights::of(object)),
                rights_after: None,
            }),
        };
        self.changes.iter().map(|change| place(change).unwrap_or_default()).collect()
    }

    /// Whether the caller may know that something is, or was, at a path: what appears for the caller in a listing, in a directory that may be passed. `rights`
    /// are those that it had, for where it cannot be looked up.
    pub(crate) async fn may_know(&mut self, id: ObjectId, path: &str, rights: Option<&Rights>) -> bool {
        if self.principal.admin {
            return true;
        }
        let shown = match self.place(&Target::Id(id)).await {
            Ok(place) => access::shows(&self.principal, &place.object, &place.path),
            Err(_) => rights.is_some_and(|rights| self.would_know(rights)),
        };
        shown && self.may_pass(path).await
    }

    /// Whether what has such rights appears for the caller in a listing.
    pub(crate) fn would_know(&self, rights: &Rights) -> bool {
        access::showed(&self.principal, rights)
    }

    /// Whether the caller may pass the directory of a path, and be told of what is there.
    pub(crate) async fn may_pass(&mut self, path: &str) -> bool {
        if self.principal.admin {
            return true;
        }
        if !self.principal.is_granted_at(Verb::Read, path) {
            return false;
        }
        let Some(parent) = Path::parse(path).ok().and_then(|path| path.parent()) else { return false };
        match self.place(&Target::from(&parent)).await {
            Ok(place) => access::may(&self.principal, &place.object, Want::Execute, &place.path),
            Err(_) => false,
        }
    }
}
