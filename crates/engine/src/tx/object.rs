//! Objects: store, get, stat, list, and how a version is made.

use super::Tx;
use super::inside;
use super::list::Listing;
use super::place::{self, Place, Way};
use super::rules;
use crate::access::{self, Want};
use crate::backend::Backend;
use crate::change::Change;
use crate::classes::Lineage;
use crate::declared::{self, Within};
use crate::fields;
use crate::keys;
use crate::object::{Object, Record};
use bytes::Bytes;
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::{Stored, requires_of};
use emerge_proto::rules::Keep;
use emerge_proto::scope::Verb;
use emerge_proto::value::raw;
use emerge_proto::{
    AsOf, ClassHash, Error, ErrorCode, Fetched, ObjectId, ObjectType, Path, Perms, Result, Stat, Value,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a change is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The object's version.
    pub version: u64,
    /// The object; whichever is there when absent. One that was removed and stored anew counts its versions from 1 again.
    pub id: Option<ObjectId>,
}

impl Base {
    /// A version of whichever object is there.
    pub fn version(version: u64) -> Self {
        Self { version, id: None }
    }
}

/// What a version is made by.
pub(super) enum Cause<'a> {
    Stored,
    Method(&'a str),
    Restored(u64),
}

impl<B: Backend> Tx<B> {
    /// Stores an object; directories are made on the way. See [`emerge_proto::Op::Store`].
    ///
    /// # Errors
    /// `class_not_found`, `already_exists`, `not_found`, `conflict`, `is_a_directory`, `not_a_directory`,
    /// `permission_denied`, `bad_argument`, `bad_path`, `too_large`.
    pub async fn store(
        &mut self,
        target: &Target,
        class: ClassHash,
        fields: &[u8],
        mode: StoreMode,
        base: Option<Base>,
        removed: &[String],
    ) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.store_inner(target, class, fields, mode, base, removed).await;
        self.settle(&savepoint, result)
    }

    pub(super) async fn store_inner(
        &mut self,
        target: &Target,
        class: ClassHash,
        given: &[u8],
        mode: StoreMode,
        base: Option<Base>,
        removed: &[String],
    ) -> Result<Stored> {
        let patches = matches!(mode, StoreMode::Patch | StoreMode::Overwrite);
        if mode == StoreMode::Patch && base.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "a patch needs the version that was fetched")
                .field("base"));
        }
        if !patches && !removed.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "only a patch can remove fields").field("removed"));
        }
        let way = self.way(target).await?;
        let place = match way {
            Way::There(place) => place,
            Way::Missing { path, .. } if patches => {
                let why = "the object that was fetched from there, or stored there, is gone; a new one can be stored";
                return Err(
                    Error::new(ErrorCode::NotFound, format!("nothing is stored at {path}: {why}")).at(&path)
                );
            }
            Way::Missing { path, above, found, taken } => {
                let state = self.fitted(class, given, raw::EMPTY, &path).await?;
                let perms = rules::mask_of(&above).perms();
                let parent = self.make_directories(&path, above, found, taken).await?;
                return self.make_object(parent, path.name(), class, &state, perms).await;
            }
        };
        if place.object.is_directory() {
            return Err(place::is_a_directory(&place.path));
        }
        if mode == StoreMode::Create {
            return Err(place::already_exists(&place.path));
        }
        self.check(&place.object, Want::Write, &place.path)?;
        match (mode, base) {
            (StoreMode::Patch, Some(base)) => place::still_at(&place, base)?,
            // What has changed since may be overwritten, but the changed fields of one object make no sense in another.
            (StoreMode::Overwrite, Some(base)) => place::still_there(&place, base)?,
            _ => {}
        }
        // What an object has of another class need not be of this one.
        let same = place.object.class == Some(class);
        let held = if same { place.object.state.clone() } else { raw::EMPTY.into() };
        let mut state = self.fitted(class, given, &held, &place.path).await?;
        if patches {
            let old = self.state_of(&place.object).await?;
            state = fields::patch(&old, &state, removed)?;
            // What the patch leaves as it was has been held against the other class only. Names stay, as in a migration.
            if !same {
                state = self.fitted(class, &state, &old, &place.path).await?;
            }
        }
        self.make_version(&place, Some(class), &state, Cause::Stored).await
    }

    /// Fields that came from outside, in the form that the class's declared types have. `held` is what the object has already.
    ///
    /// # Errors
    /// `class_not_found`, `bad_frame`, `too_deep`, `too_large`, `limit_exceeded`, `bad_argument` (names the field).
    pub(super) async fn fitted(
        &mut self,
        class: ClassHash,
        fields: &[u8],
        held: &[u8],
        path: &Path,
    ) -> Result<Bytes> {
        let lineage = self.class(class).await?;
        let within = if fields::check(fields)? {
            self.classes_in(&Value::decode(fields)?).await.map_err(|error| error.at(path))?
        } else {
            Within::new()
        };
        declared::fitted(&lineage, &within, fields, held).map_err(|error| error.at(path))
    }

    /// The classes of the objects that lie within a value.
    ///
    /// # Errors
    /// `class_not_found`.
    pub(super) async fn classes_in(&mut self, value: &Value) -> Result<Within> {
        let mut found = BTreeSet::new();
        declared::classes_in(value, &mut found);
        let mut within = Within::with_capacity(found.len());
        for class in found {
            within.insert(class, self.class(class).await?);
        }
        Ok(within)
    }

    /// A new object in a directory; the right to make it has been checked.
    pub(super) async fn make_object(
        &mut self,
        parent: ObjectId,
        name: &str,
        class: ClassHash,
        state: &Bytes,
        perms: Perms,
    ) -> Result<Stored> {
        let id = self.new_id();
        let (state, blobs) = self.put_state(id, 1, state).await?;
        let object = Object {
            kind: ObjectType::Object,
            class: Some(class),
            state,
            blobs,
            ..self.new_directory(parent, name, perms)
        };
        Ok(self.add(id, object))
    }

    /// A directory that the caller makes now; what is added to it makes it an object.
    pub(super) fn new_directory(&self, parent: ObjectId, name: &str, perms: Perms) -> Object {
        Object {
            kind: ObjectType::Directory,
            parent,
            name: name.into(),
            class: None,
            owner: self.principal.user.as_str().into(),
            group: self.principal.group().into(),
            perms,
            version: 1,
            created: self.now,
            modified: self.now,
            author: self.caller.user.as_str().into(),
            method: None,
            restored: None,
            operation: None,
            rules: None,
            state: Bytes::new(),
            blobs: Vec::new(),
        }
    }

    /// Puts a new object or directory and its entry.
    pub(super) fn add(&mut self, id: ObjectId, object: Object) -> Stored {
        let entry = crate::object::Entry { id, kind: object.kind };
        self.put_entry(object.parent, &object.name, Some(entry));
        self.touch(id);
        self.changes.push(Change::Created(id));
        let object = self.put_object(id, object);
        Stored { id, version: object.version, modified: object.modified }
    }

    /// Makes the next version of an object. A transaction makes one version of each object at most: what it writes
    /// later replaces what it wrote before.
    pub(super) async fn make_version(
        &mut self,
        place: &Place,
        class: Option<ClassHash>,
        state: &Bytes,
        cause: Cause<'_>,
    ) -> Result<Stored> {
        let (method, restored) = match cause {
            Cause::Stored => (None, None),
            Cause::Method(method) => (Some(method.to_owned()), None),
            Cause::Restored(version) => (None, Some(version)),
        };
        let (id, old) = (place.id, &place.object);
        if self.touched.contains(&id) {
            self.release_blobs(old, id).await?;
        }
        let version = self.next_version(id, old, rules::keep_of(&place.above, old)).await?;
        let (state, blobs) = self.put_state(id, version, state).await?;
        // What its owner marked is what the owner left: other code, and what others or a token for less made of its fields, is not.
        let keeps_mark = class == old.class
            && *old.owner == *self.principal.user
            && self.principal.scope.is_none()
            && !self.principal.is_narrowed();
        let object = Object {
            class,
            perms: if keeps_mark { old.perms } else { old.perms.without_owner_mark() },
            version,
            // Clocks may step back; an object's own time does not.
            modified: self.now.max(old.modified),
            author: self.caller.user.as_str().into(),
            method,
            restored,
            operation: None,
            state,
            blobs,
            ..(**old).clone()
        };
        let object = self.put_object(id, object);
        Ok(Stored { id, version, modified: object.modified })
    }

    /// Keeps what an object is as an earlier version, unless this transaction has made the current one; gives the number of
    /// the version to write.
    pub(super) async fn next_version(&mut self, id: ObjectId, old: &Arc<Object>, keep: Keep) -> Result<u64> {
        if self.touched.contains(&id) {
            return Ok(old.version);
        }
        let kept = Object { parent: ObjectId::ROOT, name: "".into(), ..(**old).clone() };
        self.put(keys::version(id, old.version), Some(Record::Object(Arc::new(kept))));
        self.touch(id);
        let version = old.version + 1;
        self.changes.push(Change::Updated(id, version));
        let surplus = keep.surplus(version);
        if surplus > 0 {
            self.drop_version(id, surplus).await?;
        }
        Ok(version)
    }

    /// Deletes an earlier version, when it is there.
    pub(crate) async fn drop_version(&mut self, id: ObjectId, version: u64) -> Result<()> {
        let key = keys::version(id, version);
        if let Some(record) = self.read(&key).await? {
            self.put(key, None);
            self.release_blobs(&*record.object()?, id).await?;
        }
        Ok(())
    }

    /// The properties and the state of an object, at an earlier version if one is asked for; with a path into an object what is at that place;
    /// of a directory its properties and the first page of its members.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_path`; `is_a_directory` when a version is asked for; `limit_exceeded` when the path leads through
    /// too many references.
    pub async fn get(&mut self, target: &Target, version: Option<AsOf>) -> Result<Fetched> {
        if inside::is_inside(target) {
            return self.get_inside(target, version).await;
        }
        if let Some(system) = self.system_of(target)?
            && let Some(told) = self.get_system(&system).await?
        {
            return Ok(told);
        }
        let place = self.seen(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() {
            return if version.is_none() {
                self.get_directory(target, &place).await
            } else {
                Err(place::is_a_directory(&place.path))
            };
        }
        let object = match version {
            Some(version) => self.version_of(&place, version).await?,
            None => place.object.clone(),
        };
        let mut stat = self.stat_of(place.id, &object, place.path.name()).await?;
        stat.path = path_to_tell(target, &place);
        // Whoever may read an object may read its earlier versions, whatever their permissions were, and their class.
        stat.class_hash = object.class;
        Ok(Fetched::whole(stat, self.state_of(&object).await?))
    }

    /// A directory's properties and its first members.
    async fn get_directory(&mut self, target: &Target, place: &Place) -> Result<Fetched> {
        let members = Some(self.page(place, &Listing::default()).await?);
        let mut stat = self.stat_of(place.id, &place.object, place.path.name()).await?;
        stat.rules = Some(self.rules_of(place));
        stat.path = path_to_tell(target, place);
        Ok(Fetched { members, ..Fetched::whole(stat, Value::Map(Vec::new()).encode()) })
    }

    /// An object that is not a directory and that the caller may read.
    pub(super) async fn readable_object(&mut self, target: &Target) -> Result<Place> {
        let place = self.whole(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() {
            return Err(place::is_a_directory(&place.path));
        }
        Ok(place)
    }

    /// The properties of what is at a target, for which any right on it will do.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_path`.
    pub async fn stat(&mut self, target: &Target) -> Result<Stat> {
        if let Some(system) = self.system_of(target)?
            && let Some(told) = self.stat_system(&system).await?
        {
            return Ok(told);
        }
        let place = self.whole(target).await?;
        let mut stat = self.stat_of(place.id, &place.object, place.path.name()).await?;
        stat.path = path_to_tell(target, &place);
        if !self.principal.is_granted_at(Verb::Read, &place.path) {
            stat.class_hash = None;
        }
        stat.rules = place.object.is_directory().then(|| self.rules_of(&place));
        if let Some(class) = place.object.class {
            let lineage = self.class(class).await?;
            let packages = requires_of(lineage.iter().map(|class| &class.source));
            stat.requires = (!packages.is_empty()).then(|| packages.into_iter().map(str::to_owned).collect());
        }
        Ok(stat)
    }

    pub(super) async fn stat_of(&mut self, id: ObjectId, object: &Object, name: &str) -> Result<Stat> {
        let lineage = match object.class {
            Some(hash) => Some(self.class(hash).await?),
            None => None,
        };
        Ok(self.stat_with(id, object, name, lineage.as_ref()))
    }

    /// The properties of an object with the lineage of its class.
    pub(super) fn stat_with(
        &self,
        id: ObjectId,
        object: &Object,
        name: &str,
        lineage: Option<&Lineage>,
    ) -> Stat {
        let class_hash = object.class.filter(|_| access::user_sees(&self.principal, object));
        Stat { class_hash, ..self.shown_stat(id, object, name, lineage) }.into_owned()
    }

    /// The properties of an object that shows to the caller. Whoever has the address of a class may read it.
    pub(super) fn shown_stat<'a>(
        &'a self,
        id: ObjectId,
        object: &'a Object,
        name: &'a str,
        lineage: Option<&'a Lineage>,
    ) -> Stat<&'a str> {
        let class = lineage.and_then(|lineage| lineage.first());
        Stat {
            name,
            id,
            kind: object.kind,
            class: class.map(|class| class.source.name.as_str()),
            class_hash: object.class,
            class_version: class.map(|class| class.version),
            owner: &object.owner,
            group: &object.group,
            perms: object.perms,
            version: object.version,
            created: object.created,
            modified: object.modified,
            size: object.size(),
            node: &self.engine.shared.options.node_name,
            rules: None,
            path: None,
            requires: None,
        }
    }
}

/// The path of what the request named by its id; the path of another it knows.
fn path_to_tell(target: &Target, place: &Place) -> Option<String> {
    let same = matches!(target, Target::Path(path) if place.path.as_str() == path.trim_end_matches('/') || path == "/");
    (!same).then(|| place.path.to_string())
}
