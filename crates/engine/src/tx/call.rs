//! What a method call needs of a transaction.

use super::Tx;
use super::inside::{self, End, Spot};
use super::object::{Base, Cause};
use super::place::{self, Place};
use crate::access::{self, Principal, Want};
use crate::backend::Backend;
use compact_str::CompactString;
use emerge_proto::guard::Guard;
use emerge_proto::op::Target;
use emerge_proto::record::Stored;
use emerge_proto::value::{FieldPath, Step};
use emerge_proto::{ClassHash, ClassVersion, Error, ErrorCode, ObjectId, Result, Value};
use std::sync::Arc;

/// An object whose method is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectForCall {
    /// Its identity.
    pub id: ObjectId,
    /// Where it is; a path into another object when it lies inside that.
    pub path: String,
    /// The place inside the object with this identity, for one that lies inside another.
    pub inside: Option<Box<[Step]>>,
    /// Its class version.
    pub class: ClassHash,
    /// Its owner's user name.
    pub owner: CompactString,
    /// Whether it is marked to run with its owner's rights.
    pub as_owner: bool,
    /// Whether the caller may read it, and so its class.
    pub readable: bool,
    /// Its version.
    pub version: u64,
    /// Its fields: an encoded map.
    pub state: Vec<u8>,
}

/// What the history names as the method of a version that a migration made.
const MIGRATE: &str = "migrate";

/// Code that runs for a caller.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// A class version, and those that it inherits from.
    pub lineage: &'a [Arc<ClassVersion>],
    /// Those that these use.
    pub captured: &'a [Arc<ClassVersion>],
    /// The owner of the object on which it runs.
    pub object_owner: &'a str,
    /// Versions that the caller trusts. Trust in the first of the lineage covers all that its address is made of.
    pub trusted: &'a [ClassHash],
}

impl Code<'_> {
    fn classes(&self) -> impl Iterator<Item = &Arc<ClassVersion>> {
        self.lineage.iter().chain(self.captured)
    }

    fn trusts(&self, class: &ClassVersion) -> bool {
        self.trusted.contains(&class.hash) || !(self.trusted.is_empty() || Guard::Trust.holds())
    }

    fn is_trusted(&self) -> bool {
        self.lineage.first().is_some_and(|class| self.trusts(class))
    }
}

impl<B: Backend> Tx<B> {
    /// The rights of code that runs for a caller with these rights: those that the caller and all who answer for the code have.
    ///
    /// Who answers for a class version is somebody who has stored its source: the caller, else who owns the object, if these have, else who stored it
    /// first. Then nobody's rights are touched by who stores a known source: it lends the storer's name to what the storer calls or owns alone.
    /// The administrator has all rights, so that the administrator's classes narrow nothing.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn narrowed(&mut self, caller: &Arc<Principal>, code: &Code<'_>) -> Result<Arc<Principal>> {
        let mut narrowed = caller.clone();
        if code.is_trusted() {
            return Ok(narrowed);
        }
        for class in code.classes() {
            if narrowed.is_bound_by(&class.owner)
                || code.trusts(class)
                || self.owns_version(class, &caller.user).await?
            {
                continue;
            }
            let answers = match self.owns_version(class, code.object_owner).await? {
                true => code.object_owner,
                false => &class.owner,
            };
            let groups = match narrowed.is_bound_by(answers) {
                true => continue,
                false => self.account(answers).await?.map(|account| account.groups),
            };
            narrowed = narrowed.bound_by(answers, groups.unwrap_or_default());
        }
        Ok(narrowed)
    }

    /// The rights of the owner of an object that is marked to run with them; none when it is not, or the node does not know the owner any more. The token
    /// that the caller uses says what the caller may ask for, not what the owner does then.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn rights_of_mark(&mut self, object: &ObjectForCall) -> Result<Option<Arc<Principal>>> {
        if !object.as_owner {
            return Ok(None);
        }
        let from = self.caller.from;
        if object.owner == access::ROOT_OWNER {
            return Ok(Some(Arc::new(Principal { from, ..Principal::admin() })));
        }
        let account = self.account(&object.owner).await?;
        Ok(account.map(|account| {
            Arc::new(Principal { groups: account.groups, from, ..Principal::user(object.owner.as_str()) })
        }))
    }

    /// Whether code may run among that of others with the rights that count now: when for each class of it somebody answers whose rights these do not
    /// exceed. Whose the object is does not matter.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn may_join(&mut self, code: &Code<'_>) -> Result<bool> {
        let rights = self.principal.clone();
        if code.is_trusted() {
            return Ok(true);
        }
        for class in code.classes() {
            if rights.is_bound_by(&class.owner) || code.trusts(class) {
                continue;
            }
            let mut answers = false;
            for user in rights.users() {
                answers = answers || self.owns_version(class, user).await?;
            }
            if !answers {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all whose rights count now have stored the source of a class version.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn all_own_version(&mut self, class: &ClassVersion) -> Result<bool> {
        let rights = self.principal.clone();
        for user in rights.users() {
            if !self.owns_version(class, user).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An object that the caller may call, which needs `x` on it and nothing more: a method may show and use what its
    /// caller may not read.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`.
    pub async fn object_for_call(&mut self, target: &Target) -> Result<ObjectForCall> {
        let place = if inside::is_inside(target) {
            let spot = self.spot(target, None, &[], End::Follow).await?;
            if !spot.steps.is_empty() {
                return self.inner_for_call(spot);
            }
            spot.place
        } else {
            self.seen(target).await?
        };
        self.whole_for_call(place, Want::Execute).await
    }

    /// An object of its own, on which the caller must have a right.
    async fn whole_for_call(&mut self, place: Place, want: Want) -> Result<ObjectForCall> {
        let Some(class) = place.object.class else { return Err(place::is_a_directory(&place.path)) };
        self.check(&place.object, want, &place.path)?;
        Ok(ObjectForCall {
            id: place.id,
            class,
            owner: place.object.owner.clone(),
            as_owner: place.object.perms.is_as_owner(),
            readable: access::may(&self.principal, &place.object, Want::Read, &place.path),
            version: place.object.version,
            state: self.state_of(&place.object).await?,
            path: place.path.to_string(),
            inside: None,
        })
    }

    /// An object that lies inside another, which must be readable too.
    fn inner_for_call(&self, spot: Spot) -> Result<ObjectForCall> {
        let Spot { place, steps, value } = spot;
        let part = FieldPath(&steps).to_string();
        let path = format!("{}#{part}", place.path);
        self.check(&place.object, Want::Execute, &place.path)?;
        match value {
            Some(Value::Object { class, fields }) => Ok(ObjectForCall {
                id: place.id,
                class,
                owner: place.object.owner.clone(),
                // Its owner has marked the whole, which is of another class.
                as_owner: false,
                readable: access::may(&self.principal, &place.object, Want::Read, &place.path),
                version: place.object.version,
                state: Value::Map(fields).encode(),
                path,
                inside: Some(steps.into()),
            }),
            other => {
                let kind = other.as_ref().map_or("null", Value::type_name);
                let why = format!("{path} is a value ({kind}) and has no methods");
                Err(Error::new(ErrorCode::BadArgument, why).at(&place.path).field(part))
            }
        }
    }

    /// An object whose class is to change, which needs `r` and `w` on it.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`.
    pub async fn object_to_migrate(&mut self, target: &Target) -> Result<ObjectForCall> {
        let place = self.readable_object(target).await?;
        self.whole_for_call(place, Want::Write).await
    }

    /// Gives an object another class version, and the fields that go with it. `object` is what [`Tx::object_to_migrate`] gave; its state does not matter.
    ///
    /// # Errors
    /// `class_not_found`, `conflict` when the object has been changed meanwhile, `permission_denied`, `not_found`, `bad_argument` (names a field whose
    /// value is not of its declared type), `too_large`.
    pub async fn migrate(
        &mut self,
        object: &ObjectForCall,
        class: ClassHash,
        state: &[u8],
    ) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.migrate_inner(object, class, state).await;
        self.settle(&savepoint, result)
    }

    async fn migrate_inner(
        &mut self,
        object: &ObjectForCall,
        class: ClassHash,
        state: &[u8],
    ) -> Result<Stored> {
        let place = self.place(&Target::Id(object.id)).await?;
        self.check(&place.object, Want::Write, &place.path)?;
        place::still_at(&place, Base::version(object.version))?;
        let state = self.fitted(class, state, &place.object.state, &place.path).await?;
        self.make_version(&place, Some(class), &state, Cause::Method(MIGRATE)).await
    }

    /// Stores what a method has made of its own object, which needs `w` for the caller. `object` is what
    /// [`Tx::object_for_call`] gave; its state does not matter.
    ///
    /// # Errors
    /// `conflict` when a nested call or an operation of the method has changed the object meanwhile, `permission_denied`,
    /// `not_found` (the method removed it), `bad_argument` (names a field whose value is not of its declared type), `too_large`.
    pub async fn set_state(&mut self, object: &ObjectForCall, state: &[u8], method: &str) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.set_state_inner(object, state, method).await;
        self.settle(&savepoint, result)
    }

    async fn set_state_inner(
        &mut self,
        object: &ObjectForCall,
        state: &[u8],
        method: &str,
    ) -> Result<Stored> {
        let place = self.place(&Target::Id(object.id)).await.map_err(|error| match error.code {
            ErrorCode::NotFound => {
                let why = format!(
                    "{} was removed by an operation inside its own method {method:?}, which then changed it",
                    object.path
                );
                Error::new(ErrorCode::NotFound, why).at(&object.path)
            }
            _ => error,
        })?;
        self.check(&place.object, Want::Change, &place.path)?;
        if place.object.version != object.version {
            return Err(Error::new(
                ErrorCode::Conflict,
                format!("{} was changed by an operation inside its own method {method:?}", place.path),
            )
            .at(&place.path));
        }
        if let Some(steps) = &object.inside {
            crate::fields::check(state)?;
            let Value::Map(fields) = Value::decode(state)? else {
                return Err(Error::new(ErrorCode::BadFrame, "the state of an object is a map"));
            };
            let inner = Value::Object { class: object.class, fields };
            return self.put_inside(&place, steps, Cause::Method(method), |_| Ok(inner)).await;
        }
        let state = self.fitted(object.class, state, &place.object.state, &place.path).await?;
        self.make_version(&place, place.object.class, &state, Cause::Method(method)).await
    }
}
