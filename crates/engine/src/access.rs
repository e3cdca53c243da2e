//! Who may do what: the one place where permissions are decided.
//!
//! Nine bits as in a Unix file system, for the owner, the group and all others; the first that fits the caller counts
//! alone. A caller with `admin` passes everywhere. What needs what:
//!
//! | doing | needs |
//! |---|---|
//! | reaching anything below a directory | `x` on that directory, and on each above it |
//! | list | `r` on the directory |
//! | mkdir, store of a new object, rm, mv, cp into | `w` on the directory whose entries change |
//! | rm of a directory | `w` on it too (directories further down are not asked: the tree is unlinked as one) |
//! | mv of a directory | `w` on it too |
//! | get, history, diff, class of an object, cp from | `r` on the object; `r` on each directory that is copied |
//! | search | `r` on an object that is to be found, and the directories above it passable; else it is as if it were not there |
//! | making and dropping an index | to own the class; `admin` for one of all classes |
//! | stat | `r` on the object or on the directory that holds it, since listing that shows the same |
//! | store over an object | `w` on the object |
//! | restore, migrate | `r` and `w` on the object |
//! | mixin | `r` on both objects, and what a store of the new one needs |
//! | a path into an object | `r` on each object that it leads through, and of a call `x` on the last |
//! | set, add | `r` and `w` on the object that changes; of add what stat needs on each child |
//! | call | `x` on the object; `w` too when the method changes it |
//!
//! A new object or directory belongs to the user who made it and to that user's first group (or, with none, to a group
//! of the user's own name), with [`Perms::DEFAULT`]. The root directory belongs to `admin`, group `admin`, `rwxrwxr-x`.

use crate::object::Object;
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

pub(crate) fn may(principal: &Principal, object: &Object, want: Want) -> bool {
    if principal.admin {
        return true;
    }
    let shift = if object.owner == principal.user {
        6
    } else if principal.groups.contains(&object.group) {
        3
    } else {
        0
    };
    let bit = match want {
        Want::Read => 4,
        Want::Write => 2,
        Want::Execute => 1,
    };
    object.perms.0 >> shift & bit != 0
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
        let object = Object {
            kind: ObjectType::Object,
            parent: ObjectId::ROOT,
            name: "o".into(),
            class: None,
            owner: "ada".into(),
            group: "staff".into(),
            perms: Perms::parse("-w-r----x").unwrap(),
            version: 1,
            created: 0,
            modified: 0,
            author: "ada".into(),
            method: None,
            restored: None,
            state: Bytes::new(),
            blobs: Vec::new(),
        };
        let staff = |user: &str| Principal { groups: vec!["staff".into()], ..Principal::user(user) };
        assert!(may(&staff("ada"), &object, Want::Write) && !may(&staff("ada"), &object, Want::Read));
        assert!(may(&staff("bob"), &object, Want::Read) && !may(&staff("bob"), &object, Want::Execute));
        assert!(may(&Principal::user("eve"), &object, Want::Execute));
        assert!(!may(&Principal::user("eve"), &object, Want::Read));
        assert!(may(&Principal::admin(), &object, Want::Read));
    }
}
