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
use std::collections::BTreeMap;
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
        let place = |change: &Change| match change {
            Change::Created(id) | Change::Updated(id, _) => here(*id).map(|(path, object)| Where {
                path: Some(path),
                from: None,
                version: Some(object.version),
                directory: object.is_directory(),
                rights: None,
            }),
            Change::Moved(id, directory, name) => here(*id).map(|(path, object)| Where {
                path: Some(path),
                from: path_of(*directory, name),
                version: Some(object.version),
                directory: object.is_directory(),
                rights: None,
            }),
            Change::Removed(id, directory, name) => {
                let was = self.reads.get(&keys::object(*id)[..]).and_then(|(_, record)| match record {
                    Some(Record::Object(object)) => Some(object),
                    _ => None,
                });
                // What nobody has ever seen is not missed.
                was.map(|object| Where {
                    path: path_of(*directory, name),
                    from: None,
                    version: None,
                    directory: object.is_directory(),
                    rights: Some(Rights::of(object)),
                })
            }
        };
        self.changes.iter().map(|change| place(change).unwrap_or_default()).collect()
    }

    /// Whether the caller may know that something is, or was, at a path: what appears for the caller in a listing, in a directory that may be passed. `rights`
    /// are those of what is gone.
    pub(crate) async fn may_know(&mut self, id: ObjectId, path: &str, rights: Option<&Rights>) -> bool {
        if self.principal.admin {
            return true;
        }
        if !self.principal.is_granted_at(Verb::Read, path) {
            return false;
        }
        let shown = match self.place(&Target::Id(id)).await {
            Ok(place) => access::shows(&self.principal, &place.object, &place.path),
            Err(_) => rights.is_some_and(|rights| access::showed(&self.principal, rights)),
        };
        let parent = Path::parse(path).ok().and_then(|path| path.parent());
        match parent {
            Some(parent) if shown => match self.place(&Target::from(&parent)).await {
                Ok(place) => access::may(&self.principal, &place.object, Want::Execute, &place.path),
                Err(_) => false,
            },
            _ => false,
        }
    }
}
