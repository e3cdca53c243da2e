//! Versions and directories as an export has them: with the times, authors, owners and rights that they had.

use super::Tx;
use super::place::{self, Way};
use crate::backend::Backend;
use crate::change::Change;
use crate::fields;
use crate::keys;
use crate::object::{Object, Record};
use bytes::Bytes;
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, ObjectType, Perms, Result};
use std::sync::Arc;

/// To whom something belongs, and who may do what with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's user name.
    pub owner: String,
    /// The group's name.
    pub group: String,
    /// The permissions.
    pub perms: Perms,
}

/// A version of an object, made elsewhere or earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeVersion {
    /// To whom it belonged.
    pub ownership: Ownership,
    /// Its class version, which the store has.
    pub class: ClassHash,
    /// An encoded map.
    pub fields: Vec<u8>,
    /// Its number.
    pub version: u64,
    /// When the object was made, in microseconds since 1970-01-01T00:00:00Z.
    pub created: i64,
    /// When the version was made.
    pub modified: i64,
    /// Who made it.
    pub author: String,
    /// The method that made it.
    pub method: Option<String>,
    /// The version whose state it had again.
    pub restored: Option<u64>,
    /// The operation that made it, when it changed no state.
    pub operation: Option<String>,
}

impl<B: Backend> Tx<B> {
    fn must_be_admin(&self) -> Result<()> {
        if self.principal.admin {
            return Ok(());
        }
        let why = format!("user {:?} may not say when and by whom something was made", self.principal.user);
        Err(Error::new(ErrorCode::PermissionDenied, why))
    }

    /// Adds a version to an object, or makes the object with it; for the administrator alone. Directories are made on the way. Unlike a store this
    /// makes a version each time, also within one transaction.
    ///
    /// # Errors
    /// `permission_denied`, `already_exists` when the object is at that version or a later one, `is_a_directory`, `not_a_directory`,
    /// `class_not_found`, `too_large`, `bad_path`.
    pub async fn import_version(&mut self, target: &Target, made: MadeVersion) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.import_version_inner(target, made).await;
        self.settle(&savepoint, result)
    }

    async fn import_version_inner(&mut self, target: &Target, made: MadeVersion) -> Result<Stored> {
        self.must_be_admin()?;
        self.class(made.class).await?;
        fields::check(&made.fields)?;
        let state = Bytes::from(made.fields);
        let way = self.way(target).await?;
        let (id, parent, name) = match way {
            Way::Missing { path, above, found, taken } => {
                let parent = self.make_directories(&path, above, found, taken).await?;
                (self.new_id(), parent, path.name().to_owned())
            }
            Way::There(place) if place.object.is_directory() => {
                return Err(place::is_a_directory(&place.path));
            }
            Way::There(place) if place.object.version >= made.version => {
                return Err(place::already_exists(&place.path));
            }
            Way::There(place) => {
                let old = &place.object;
                let kept = Object { parent: ObjectId::ROOT, name: "".into(), ..(**old).clone() };
                self.put(keys::version(place.id, old.version), Some(Record::Object(Arc::new(kept))));
                (place.id, old.parent, old.name.to_string())
            }
        };
        let (state, blobs) = self.put_state(id, made.version, &state).await?;
        let Ownership { owner, group, perms } = made.ownership;
        let object = Object {
            kind: ObjectType::Object,
            parent,
            name: name.into(),
            class: Some(made.class),
            owner: owner.into(),
            group: group.into(),
            // A mark is its owner's to make, and no archive's.
            perms: perms.without_owner_mark(),
            version: made.version,
            created: made.created,
            modified: made.modified,
            author: made.author.into(),
            method: made.method,
            restored: made.restored,
            operation: made.operation,
            rules: None,
            state,
            blobs,
        };
        if self.object(id).await?.is_none() {
            return Ok(self.add(id, object));
        }
        self.touch(id);
        self.changes.push(Change::Updated(id, made.version));
        let object = self.put_object(id, object);
        Ok(Stored { id, version: object.version, modified: object.modified })
    }

    /// Makes a directory that belongs to somebody; for the administrator alone. One that is there stays as it is.
    ///
    /// # Errors
    /// `permission_denied`, `not_a_directory`, `bad_path`.
    pub async fn import_directory(&mut self, target: &Target, of: Ownership) -> Result<()> {
        self.must_be_admin()?;
        if let Way::There(place) = self.way(target).await? {
            return if place.object.is_directory() {
                Ok(())
            } else {
                Err(place::not_a_directory(&place.path))
            };
        }
        let made = self.mkdir(target, true).await?;
        if let Some(object) = self.object(made.id).await? {
            let Ownership { owner, group, perms } = of;
            self.put_object(
                made.id,
                Object { owner: owner.into(), group: group.into(), perms, ..(*object).clone() },
            );
        }
        Ok(())
    }
}
