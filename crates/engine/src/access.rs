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
//! | users, groups, tokens of others | `admin` |
//!
//! **A token may have a scope** ([`emerge_proto::Scope`]), which takes away and never gives: besides what is above, each `r`
//! needs the grant `read` at the path where it is needed, each `w` `write`, `x` on an object `call`, and what owners do `rights`. `x` on a directory needs that anything is granted there or below. What a
//! method makes of the object that it is called on needs `call` or `write`. Storing a class needs `write` somewhere, making and dropping indexes `write:/**`. What the scope
//! does not reach is not there. A scope and `admin` never go together.
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
use core::net::IpAddr;
use emerge_proto::scope::Verb;
use emerge_proto::{Error, ErrorCode, Path, Perms, Result, Scope};
use std::fmt::Display;
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's name.
    pub user: String,
    /// The groups that the user is in; new objects get the first.
    pub groups: Vec<String>,
    /// Passes every check. Nobody with a scope does.
    pub admin: bool,
    /// What the token in use is for; everything when absent.
    pub scope: Option<Arc<Scope>>,
    /// The id of the token in use; none for the one that was made with the user, or by the host.
    pub token: Option<Arc<str>>,
    /// From where, for who writes down what was done; it decides nothing.
    pub from: Option<IpAddr>,
}

impl Principal {
    /// A user without groups.
    pub fn user(name: impl Into<String>) -> Self {
        Self { user: name.into(), groups: Vec::new(), admin: false, scope: None, token: None, from: None }
    }

    /// The administrator.
    pub fn admin() -> Self {
        Self { groups: vec![ROOT_OWNER.into()], admin: true, ..Self::user(ROOT_OWNER) }
    }

    /// The same user with a token that is for less.
    pub fn scoped(self, scope: Scope) -> Self {
        Self { admin: false, scope: Some(Arc::new(scope)), ..self }
    }

    /// Whether a verb is granted somewhere.
    pub(crate) fn is_granted(&self, verb: Verb) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.has(verb))
    }

    /// Whether a verb is granted at a path.
    pub(crate) fn is_granted_at(&self, verb: Verb, at: impl Display) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.allows(verb, &at.to_string()))
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
    /// What a method that was called on the object makes of it.
    Change,
}

/// A member of a directory, as a path.
pub(crate) struct Member<'a>(pub(crate) &'a Path, pub(crate) &'a str);

impl Display for Member<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0.as_str().trim_end_matches('/'), self.1)
    }
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

/// Whether the user may, whatever the token is for. What counts in the end is [`may`].
pub(crate) fn user_may(principal: &Principal, object: &Object, want: Want) -> bool {
    let bit = match want {
        Want::Read => 4,
        Want::Write | Want::Change => 2,
        Want::Execute => 1,
    };
    granted(principal, object) & bit != 0
}

/// Whether the user may read an object that was not taken out of the store, whatever the token is for.
pub(crate) fn user_may_read_stored(principal: &Principal, object: &Stored<'_>) -> bool {
    granted_by(principal, object.owner, object.group, object.perms) & 4 != 0
}

/// Whether the token is for this, whatever the user may.
fn is_in_scope(principal: &Principal, object: &Object, want: Want, at: impl Display) -> bool {
    let Some(scope) = &principal.scope else { return true };
    let path = at.to_string();
    match want {
        Want::Read => scope.allows(Verb::Read, &path),
        Want::Write => scope.allows(Verb::Write, &path),
        Want::Change => scope.allows(Verb::Call, &path) || scope.allows(Verb::Write, &path),
        Want::Execute if object.is_directory() => scope.reaches(&path),
        Want::Execute => scope.allows(Verb::Call, &path),
    }
}

/// Whether the caller may do something with an object that is at a path.
pub(crate) fn may(principal: &Principal, object: &Object, want: Want, at: impl Display) -> bool {
    user_may(principal, object, want) && is_in_scope(principal, object, want, at)
}

/// Whether the user decides about an object's rights.
pub(crate) fn owns(principal: &Principal, object: &Object) -> bool {
    principal.admin || object.owner == principal.user
}

/// Whether an object appears in what the user is shown of a set, whatever the token is for.
pub(crate) fn user_sees(principal: &Principal, object: &Object) -> bool {
    user_may(principal, object, Want::Read) || owns(principal, object)
}

/// Whether an object that is at a path appears in what the caller is shown of a set.
pub(crate) fn shows(principal: &Principal, object: &Object, at: impl Display) -> bool {
    user_sees(principal, object) && principal.is_granted_at(Verb::Read, at)
}

/// The same of what is gone, by the rights that it had.
pub(crate) fn showed(principal: &Principal, rights: &Rights) -> bool {
    principal.admin
        || rights.owner == principal.user
        || granted_by(principal, &rights.owner, &rights.group, rights.perms) & 4 != 0
}

/// Whether an object that is at a path is there for the caller at all.
pub(crate) fn knows(principal: &Principal, object: &Object, at: impl Display) -> bool {
    (granted(principal, object) != 0 || owns(principal, object))
        && principal.scope.as_ref().is_none_or(|scope| scope.reaches(&at.to_string()))
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
    if !principal.is_granted_at(Verb::Rights, path) {
        return Err(out_of_scope(principal, Verb::Rights, path));
    }
    if owns(principal, object) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::PermissionDenied, format!("user {:?} does not own {path}", principal.user))
        .at(path))
}

pub(crate) fn check(principal: &Principal, object: &Object, want: Want, path: &Path) -> Result<()> {
    if !user_may(principal, object, want) {
        return Err(denied(principal, want, path));
    }
    if !is_in_scope(principal, object, want, path) {
        let verb = match want {
            Want::Read => Verb::Read,
            Want::Write => Verb::Write,
            Want::Execute | Want::Change => Verb::Call,
        };
        return Err(out_of_scope(principal, verb, path));
    }
    Ok(())
}

/// The token in use is not for this.
pub(crate) fn out_of_scope(principal: &Principal, verb: Verb, at: impl Display) -> Error {
    let verb = verb.as_str();
    let why = format!("the token in use of user {:?} does not grant {verb}:{at}", principal.user);
    Error::new(ErrorCode::PermissionDenied, why).at(at)
}

pub(crate) fn denied(principal: &Principal, want: Want, path: &Path) -> Error {
    let letter = match want {
        Want::Read => "r",
        Want::Write | Want::Change => "w",
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
        assert!(
            user_may(&staff("ada"), &object, Want::Write) && !user_may(&staff("ada"), &object, Want::Read)
        );
        assert!(
            user_may(&staff("bob"), &object, Want::Read) && !user_may(&staff("bob"), &object, Want::Execute)
        );
        assert!(user_may(&Principal::user("eve"), &object, Want::Execute));
        assert!(!user_may(&Principal::user("eve"), &object, Want::Read));
        assert!(user_may(&Principal::admin(), &object, Want::Read));

        assert!(shows(&staff("ada"), &object, "/o"), "its owner");
        assert!(
            !shows(&Principal::user("eve"), &object, "/o") && knows(&Principal::user("eve"), &object, "/o")
        );
        let closed = Object { perms: Perms(0), ..object };
        assert!(shows(&staff("ada"), &closed, "/o") && knows(&staff("ada"), &closed, "/o"));
        assert!(!knows(&staff("bob"), &closed, "/o") && knows(&Principal::admin(), &closed, "/o"));
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
