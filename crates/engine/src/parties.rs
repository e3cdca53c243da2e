//! Whose rights a method's file system has: those that all parties to the call have.
//!
//! A caller who calls a method of another's class lends the code its rights, so the code may do what both may: the caller, and who answers for the
//! code. Each class whose code may run has somebody who answers for it ([`crate::Tx::narrowed`]). A call within a call narrows further and never widens.

use crate::access::{Principal, ROOT_OWNER};
use emerge_proto::guard::Guard;
use std::sync::Arc;

/// One of those whose rights all count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) user: String,
    pub(crate) groups: Vec<String>,
    pub(crate) admin: bool,
}

/// All whose rights count where code of others runs for a caller; the caller is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties(Arc<[Party]>);

/// A party, or the caller where there is no other.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) user: &'a str,
    pub(crate) groups: &'a [String],
    pub(crate) admin: bool,
}

impl Party {
    fn who(&self) -> Who<'_> {
        Who { user: &self.user, groups: &self.groups, admin: self.admin }
    }
}

impl Principal {
    fn who(&self) -> Who<'_> {
        Who { user: &self.user, groups: &self.groups, admin: self.admin }
    }

    /// Whether this holds for the caller and for every other party.
    pub(crate) fn all(&self, holds: impl Fn(Who<'_>) -> bool) -> bool {
        match &self.parties {
            None => holds(self.who()),
            Some(Parties(parties)) => parties.iter().all(|party| holds(party.who())),
        }
    }

    /// The first party for which this does not hold; those who answer for code come before the caller, so that their code learns nothing of the caller's
    /// rights where their own do not reach.
    pub(crate) fn lacking(&self, holds: impl Fn(Who<'_>) -> bool) -> Option<&str> {
        match &self.parties {
            None => (!holds(self.who())).then_some(&*self.user),
            Some(Parties(parties)) => {
                parties.iter().rev().find(|party| !holds(party.who())).map(|party| &*party.user)
            }
        }
    }

    /// Whether code of others runs with the caller's rights, which are less therefore.
    pub fn is_narrowed(&self) -> bool {
        self.parties.is_some()
    }

    /// Whether all rights are those of this user too, or less.
    pub fn is_bound_by(&self, user: &str) -> bool {
        user == ROOT_OWNER || self.users().any(|party| party == user)
    }

    /// All whose rights count.
    pub(crate) fn users(&self) -> impl Iterator<Item = &str> {
        let others = self.parties.iter().flat_map(|Parties(parties)| parties.iter().skip(1));
        std::iter::once(&*self.user).chain(others.map(|party| &*party.user))
    }

    /// The rights that this and one more have. The administrator has all.
    pub(crate) fn bound_by(self: &Arc<Self>, user: &str, groups: Vec<String>) -> Arc<Self> {
        if self.is_bound_by(user) || !Guard::Parties.holds() {
            return self.clone();
        }
        let mut parties = match &self.parties {
            Some(Parties(parties)) => parties.to_vec(),
            None => {
                vec![Party { user: self.user.clone(), groups: self.groups.clone(), admin: self.admin }]
            }
        };
        parties.push(Party { user: user.to_owned(), groups, admin: false });
        Arc::new(Self { admin: false, parties: Some(Parties(parties.into())), ..(**self).clone() })
    }

    /// Whose classes are in sight by their names, where they are not those of all: nobody's when two users would each see their own.
    pub(crate) fn sees_classes_of(&self) -> Option<&str> {
        let Some(Parties(parties)) = &self.parties else { return Some(&self.user) };
        let mut users = parties.iter().filter(|party| !party.admin).map(|party| &*party.user);
        let first = users.next()?;
        users.all(|user| user == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_and_who_is_a_party_already_narrow_nothing() {
        let ada = Arc::new(Principal::user("ada"));
        for user in ["ada", ROOT_OWNER] {
            assert!(Arc::ptr_eq(&ada.bound_by(user, Vec::new()), &ada), "{user}");
        }
        let both = ada.bound_by("bob", vec!["staff".into()]);
        assert!(both.is_narrowed() && both.is_bound_by("bob") && !both.is_bound_by("eve"));
        assert!(Arc::ptr_eq(&both.bound_by("bob", Vec::new()), &both));
        assert_eq!(both.sees_classes_of(), None);
    }

    #[test]
    fn an_administrator_s_rights_within_another_s_code_are_those_of_the_other() {
        let narrowed = Arc::new(Principal::admin()).bound_by("bob", Vec::new());
        assert!(!narrowed.admin && !narrowed.all(|who| who.admin));
        assert_eq!((narrowed.user.as_str(), narrowed.sees_classes_of()), ("admin", Some("bob")));
        assert_eq!(narrowed.lacking(|who| who.admin), Some("bob"));
    }
}
