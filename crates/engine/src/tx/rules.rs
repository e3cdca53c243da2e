//! Rules of directories: which versions are kept below them, and which permissions new members get.
//!
//! A rule holds for all that lies below the directory, up to another directory that has one of its own.

use super::Tx;
use super::place::{self, Place};
use crate::access;
use crate::backend::Backend;
use crate::object::{Object, OwnRules};
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::rules::{Keep, Mask, Rules};
use emerge_proto::scope::Verb;
use emerge_proto::{ObjectId, Result};
use std::sync::Arc;

/// Directories from the root down.
type Above = [(ObjectId, Arc<Object>)];

/// What a directory says to have a rule from above again.
const INHERIT: &str = "inherit";

fn nearest<T>(above: &Above, own: Option<&Object>, rule: impl Fn(&OwnRules) -> Option<T>) -> Option<T> {
    let of = |object: &Object| object.rules.as_deref().and_then(&rule);
    own.and_then(of).or_else(|| above.iter().rev().find_map(|(_, directory)| of(directory)))
}

/// The mask for new members of the last of these directories.
pub(super) fn mask_of(above: &Above) -> Mask {
    nearest(above, None, |rules| rules.mask).unwrap_or(Mask::DEFAULT)
}

/// Which versions are kept of what lies in the last of these directories or, when it is a directory itself, of that.
pub(super) fn keep_of(above: &Above, object: &Object) -> Keep {
    nearest(above, Some(object), |rules| rules.keep).unwrap_or(Keep::Standard)
}

impl<B: Backend> Tx<B> {
    /// Sets rules of a directory, which only its owner may. See [`emerge_proto::Op::SetRules`].
    ///
    /// # Errors
    /// `not_found`, `not_a_directory`, `permission_denied`, `bad_argument`, `bad_path`.
    pub async fn set_rules(
        &mut self,
        target: &Target,
        keep: Option<&str>,
        mask: Option<&str>,
    ) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.set_rules_inner(target, keep, mask).await;
        self.settle(&savepoint, result)
    }

    async fn set_rules_inner(
        &mut self,
        target: &Target,
        keep: Option<&str>,
        mask: Option<&str>,
    ) -> Result<Stored> {
        let place = self.place(target).await?;
        access::check_owner(&self.principal, &place.object, &place.path)?;
        if !place.object.is_directory() {
            return Err(place::not_a_directory(&place.path));
        }
        let mut rules = place.object.rules.as_deref().cloned().unwrap_or_default();
        match keep {
            Some(INHERIT) => rules.keep = None,
            Some(keep) => rules.keep = Some(Keep::parse(keep)?),
            None => {}
        }
        match mask {
            Some(INHERIT) => rules.mask = None,
            Some(mask) => rules.mask = Some(Mask::parse(mask)?),
            None => {}
        }
        let rules = (rules != OwnRules::default()).then(|| Arc::new(rules));
        let keep = keep_of(&place.above, &place.object);
        let next = Object { rules, ..(*place.object).clone() };
        self.put_rights(place.id, &place.object, next, "set_rules", keep).await
    }

    /// Sets rules of a directory as [`Tx::set_rules`] does, but none that it has already, and nothing when it belongs to somebody else.
    ///
    /// # Errors
    /// As [`Tx::set_rules`], but for `permission_denied`.
    pub async fn import_rules(
        &mut self,
        target: &Target,
        keep: Option<&str>,
        mask: Option<&str>,
    ) -> Result<()> {
        let Place { object, path, .. } = self.place(target).await?;
        if !access::owns(&self.principal, &object) || !self.principal.is_granted_at(Verb::Rights, &path) {
            return Ok(());
        }
        let own = object.rules.as_deref().cloned().unwrap_or_default();
        self.set_rules(target, keep.filter(|_| own.keep.is_none()), mask.filter(|_| own.mask.is_none()))
            .await?;
        Ok(())
    }

    /// The rules that hold in a directory.
    pub(super) fn rules_of(&self, place: &Place) -> Rules {
        let object = &*place.object;
        let from = |has: &dyn Fn(&OwnRules) -> bool| {
            let of = |object: &Object| object.rules.as_deref().is_some_and(has);
            if of(object) {
                return Some(place.path.to_string());
            }
            let depth = place.above.iter().rposition(|(_, directory)| of(directory))?;
            Some(place::ancestor(&place.path, depth).to_string())
        };
        let mask = nearest(&place.above, Some(object), |rules| rules.mask).unwrap_or(Mask::DEFAULT);
        Rules {
            keep: keep_of(&place.above, object).to_string(),
            mask: mask.to_string(),
            keep_from: from(&|rules| rules.keep.is_some()),
            mask_from: from(&|rules| rules.mask.is_some()),
        }
    }
}
