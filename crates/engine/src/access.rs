//! Who may do what: the one place where permissions are decided.
//!
//! Nine bits as in a Unix file system, for the owner, the group and all others; the first that fits the caller counts
//! alone. A caller with `admin` passes everywhere. What needs what:
//!
//! | doing | needs |
//! |---|---|
//! | reaching anything below a directory | `x` on that directory, and on each above it |
//! | list | `r` on the directory |
//! | mkdir, store of a new object, rm, purge, mv, cp into | `w` on the directory whose entries change |
//! | rm, purge of a directory | `w` on it too; with `recursive`, `w` and `x` on each directory below that has members, and in sticky ones to own them or all that is in them |
//! | mv of a directory | `w` on it too |
//! | rm, purge and mv out of a sticky directory | to own the entry or the directory |
//! | get, history, diff, class of an object, cp from | `r` on the object; `r` on each directory that is copied |
//! | search | `r` on an object that is to be found, and the directories above it passable; else it is as if it were not there |
//! | making and dropping an index | to own the class; `admin` for one of all classes |
//! | stat | any right on the object |
//! | store over an object | `w` on the object |
//! | restore, migrate | `r` and `w` on the object |
//! | mixin | `r` on both objects, and what a store of the new one needs |
//! | a path into an object | `r` on each object that it leads through, and of a call `x` on the last |
//! | set, add | `r` and `w` on the object that changes; of add what stat needs on each child |
//! | call | `x` on the object; `w` too when the method changes it |
//! | chmod | to own it; with `recursive`, all below that the caller may see |
//! | chown of the group | to own it, and to be in the new group |
//! | chown of the owner | `admin` |
//! | set_rules | to own the directory |
//! | users, groups | `admin` |
//!
//! **What is not there for a caller.** What a user may not read does not appear. One rule, in two halves:
//!
//! - *In sets* (a listing, a copy or a change of a tree, a call on a directory, a search, a count, a rank) appears what the caller may read
//!   or owns ([`shows`]). The rest is passed over as if it were not there.
//! - *By its path or its id*, what the caller has no right to at all ([`knows`]) gives the same error, word for word, as if
//!   nothing were there: `not_found`. Who has some right gets `permission_denied`, which names the one that is lacking and
//!   the path on which. By its id, what cannot be reached is `not_found` too, for the error would tell where it is.
//!
//! Who may write in a directory learns that a name is taken, or that the directory is not empty, and no more.
//!
//! A new object or directory belongs to the user who made it and to that user's first group (or, with none, to a group
//! of the user's own name), with the permissions that the mask of its directory leaves ([`emerge_proto::rules::Mask`]). The root directory belongs to `admin`, group `admin`, `rwxrwxr-x`.

use crate::change::Rights;
use crate::object::{Object, Stored};
use emerge_proto::{Error, ErrorCode, Path, Perms, Result};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's name.
    pub user: String,
    /// The groups that the user is in; new objects get the first.
    pub groups: Vec<String>,
    /// Passes every check.
    pub admin: bool,
}

impl Principal {
    /// A user without groups.
    pub fn user(name: impl Into<String>) -> Self {
        Self { user: name.into(), groups: Vec::new(), admin: false }
    }

    /// The administrator.
    pub fn admin() -> Self {
        Self { user: ROOT_OWNER.into(), groups: vec![ROOT_OWNER.into()], admin: true }
    }

    /// The group of what the user makes.
    pub(crate) fn group(&self) -> &str {
        self.groups.first().unwrap_or(&self.user)
    }
}

pub(crate) const ROOT_OWNER: &str = "admin";
pub(crate) const ROOT_PERMS: Perms = Perms(0o775);

/// What a caller wants of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Read,
    Write,
    Execute,
}

/// The three bits that count for the caller.
fn granted(principal: &Principal, object: &Object) -> u16 {
    granted_by(principal, &object.owner, &object.group, object.perms)
}

fn granted_by(principal: &Principal, owner: &str, group: &str, perms: Perms) -> u16 {
    if principal.admin {
        return 7;
    }
    let shift = if owner == principal.user {
        6
    } else if principal.groups.iter().any(|own| own == group) {
        3
    } else {
        0
    };
    perms.0 >> shift & 7
}

pub(crate) fn may(principal: &Principal, object: &Object, want: Want) -> bool {
    let bit = match want {
        Want::Read => 4,
        Want::Write => 2,
        Want::Execute => 1,
    };
    granted(principal, object) & bit != 0
}

/// Whether the caller may read an object that was not taken out of the store.
pub(crate) fn may_read_stored(principal: &Principal, object: &Stored<'_>) -> bool {
    granted_by(principal, object.owner, object.group, object.perms) & 4 != 0
}

/// Whether the caller decides about an object's rights.
pub(crate) fn owns(principal: &Principal, object: &Object) -> bool {
    principal.admin || object.owner == principal.user
}

/// Whether an object appears in what the caller is shown of a set.
pub(crate) fn shows(principal: &Principal, object: &Object) -> bool {
    may(principal, object, Want::Read) || owns(principal, object)
}

/// The same of what is gone, by the rights that it had.
pub(crate) fn showed(principal: &Principal, rights: &Rights) -> bool {
    principal.admin
        || rights.owner == principal.user
        || granted_by(principal, &rights.owner, &rights.group, rights.perms) & 4 != 0
}

/// Whether an object is there for the caller at all.
pub(crate) fn knows(principal: &Principal, object: &Object) -> bool {
    granted(principal, object) != 0 || owns(principal, object)
}

/// Whether a sticky directory lets the caller remove or rename an entry.
pub(crate) fn check_sticky(
    principal: &Principal,
    directory: &Object,
    entry: &Object,
    path: &Path,
) -> Result<()> {
    if !directory.perms.is_sticky() || owns(principal, directory) || owns(principal, entry) {
        return Ok(());
    }
    let why = format!("user {:?} owns neither {path} nor its directory, which is sticky", principal.user);
    Err(Error::new(ErrorCode::PermissionDenied, why).at(path))
}

/// Refuses to change the rights of what the caller does not own.
pub(crate) fn check_owner(principal: &Principal, object: &Object, path: &Path) -> Result<()> {
    if owns(principal, object) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::PermissionDenied, format!("user {:?} does not own {path}", principal.user))
        .at(path))
}

pub(crate) fn check(principal: &Principal, object: &Object, want: Want, path: &Path) -> Result<()> {
    if may(principal, object, want) {
        return Ok(());
    }
    Err(denied(principal, want, path))
}

pub(crate) fn denied(principal: &Principal, want: Want, path: &Path) -> Error {
    let letter = match want {
        Want::Read => "r",
        Want::Write => "w",
        Want::Execute => "x",
    };
    Error::new(ErrorCode::PermissionDenied, format!("user {:?} lacks {letter:?} on {path}", principal.user))
        .at(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use emerge_proto::{ObjectId, ObjectType};

    #[test]
    fn the_first_class_that_fits_counts_alone() {
        let perms = Perms::parse("-w-r----x").unwrap();
        let object = Object { kind: ObjectType::Object, perms, ..Object::of_test(ObjectId::ROOT) };
        let staff = |user: &str| Principal { groups: vec!["staff".into()], ..Principal::user(user) };
        assert!(may(&staff("ada"), &object, Want::Write) && !may(&staff("ada"), &object, Want::Read));
        assert!(may(&staff("bob"), &object, Want::Read) && !may(&staff("bob"), &object, Want::Execute));
        assert!(may(&Principal::user("eve"), &object, Want::Execute));
        assert!(!may(&Principal::user("eve"), &object, Want::Read));
        assert!(may(&Principal::admin(), &object, Want::Read));

        assert!(shows(&staff("ada"), &object), "its owner");
        assert!(!shows(&Principal::user("eve"), &object) && knows(&Principal::user("eve"), &object));
        let closed = Object { perms: Perms(0), ..object };
        assert!(shows(&staff("ada"), &closed) && knows(&staff("ada"), &closed));
        assert!(!knows(&staff("bob"), &closed) && knows(&Principal::admin(), &closed));
    }

    #[test]
    fn sticky_directories_are_for_owners() {
        let object = |owner: &str, perms: &str| Object {
            kind: ObjectType::Directory,
            parent: ObjectId::ROOT,
            name: "o".into(),
            class: None,
            owner: owner.into(),
            group: "staff".into(),
            perms: Perms::parse(perms).unwrap(),
            version: 1,
            created: 0,
            modified: 0,
            author: owner.into(),
            method: None,
            restored: None,
            operation: None,
            rules: None,
            state: Bytes::new(),
            blobs: Vec::new(),
        };
        let (plain, sticky) = (object("ada", "rwxrwxrwx"), object("ada", "rwxrwxrwt"));
        let entry = object("bob", "rwxrwxrwx");
        let path = Path::parse("/d/o").unwrap();
        for (user, may) in [("ada", true), ("bob", true), ("eve", false)] {
            let user = Principal::user(user);
            assert_eq!(check_sticky(&user, &sticky, &entry, &path).is_ok(), may, "{user:?}");
            assert!(check_sticky(&user, &plain, &entry, &path).is_ok());
        }
        assert!(check_sticky(&Principal::admin(), &sticky, &entry, &path).is_ok());
    }
}
