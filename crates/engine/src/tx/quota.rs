//! What users store and may store: what a commit changes of it, who sees it, who says how much it may be.

use super::Tx;
use super::account::no_user;
use crate::access::ROOT_OWNER;
use crate::accounts::is_builtin;
use crate::backend::Backend;
use crate::change::Change;
use crate::keys;
use crate::object::{Record, read};
use crate::usage::Changes;
use emerge_proto::account::{Quota, QuotaInfo};
use emerge_proto::{Error, ErrorCode, ObjectId, Result};
use std::collections::{BTreeSet, HashSet};

impl<B: Backend> Tx<B> {
    /// What a commit of this transaction changes of what users store.
    pub(super) async fn used(&mut self) -> Result<Changes> {
        let created = |change: &Change| match change {
            Change::Created(id) => Some(*id),
            _ => None,
        };
        let made: HashSet<ObjectId> = self.changes.iter().filter_map(created).collect();
        let (mut changes, mut unknown) = (Changes::default(), Vec::new());
        for kind in [keys::OBJECT, keys::VERSION, keys::CLASS] {
            for (key, record) in self.writes.range(keys::all(kind)) {
                if let Some(record) = record {
                    changes.count(key, record, false)?;
                }
                // An earlier version is written once.
                let is_new = match kind {
                    keys::OBJECT => keys::id_of(key).is_some_and(|id| made.contains(&id)),
                    keys::VERSION => record.is_some(),
                    _ => false,
                };
                match self.reads.get(key) {
                    Some((_, Some(before))) => changes.count(key, before, true)?,
                    Some((_, None)) => {}
                    None if is_new => {}
                    None => unknown.push(key.clone()),
                }
            }
        }
        // What was only met in a range: noted, so that nobody else takes it away too.
        for looked in self.engine.look_many(&unknown).await? {
            let key = looked.key.clone();
            if let Some(before) = self.note(looked) {
                changes.count(&key, &before, true)?;
            }
        }
        Ok(changes)
    }

    /// Tells what users store and may store, or sets what one may. See [`emerge_proto::Op::Quotas`].
    ///
    /// # Errors
    /// `permission_denied`, `bad_argument`, `not_found` (the user).
    pub async fn quotas(&mut self, user: Option<&str>, set: Option<&Quota>) -> Result<Vec<QuotaInfo>> {
        let savepoint = self.savepoint();
        let result = self.quotas_inner(user, set).await;
        self.settle(&savepoint, result)
    }

    async fn quotas_inner(&mut self, user: Option<&str>, set: Option<&Quota>) -> Result<Vec<QuotaInfo>> {
        let own = user.is_none_or(|user| user == self.principal.user);
        if set.is_some() || !own {
            self.check_admin()?;
        }
        if let Some(quota) = set {
            let name = user.ok_or_else(|| {
                Error::new(ErrorCode::BadArgument, "the user whose quota it is, is needed").field("user")
            })?;
            if !is_builtin(name) && self.account(name).await?.is_none() {
                return Err(no_user(name).field("user"));
            }
            self.set_quota(name, quota);
        }
        let names = match user {
            Some(user) => vec![user.to_owned()],
            None if self.principal.admin => self.users_with_quotas().await?,
            None => vec![self.principal.user.clone()],
        };
        let mut infos = Vec::with_capacity(names.len());
        for user in names {
            let quota = self.quota(&user).await?;
            let used = {
                let state = self.engine.state();
                self.depends_on = self.depends_on.max(state.last);
                state.usage.used(&user)
            };
            if !own
                && used == Default::default()
                && !is_builtin(&user)
                && self.account(&user).await?.is_none()
            {
                return Err(no_user(&user).field("user"));
            }
            infos.push(QuotaInfo {
                user,
                objects: used.objects,
                bytes: used.bytes,
                max_objects: quota.objects,
                max_bytes: quota.bytes,
            });
        }
        Ok(infos)
    }

    /// The users that the node knows, and whoever stores something.
    async fn users_with_quotas(&mut self) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.engine.state().usage.users().map(str::to_owned).collect();
        names.extend(self.accounts().await?.into_iter().map(|(name, _)| name));
        names.insert(ROOT_OWNER.to_owned());
        Ok(names.into_iter().collect())
    }

    async fn quota(&mut self, user: &str) -> Result<Quota> {
        match self.read(&keys::quota(user)).await? {
            Some(record) => read(&record.bytes()?, "a quota"),
            None => Ok(Quota::default()),
        }
    }

    /// Sets what a user may store; a quota of nothing is none.
    pub(super) fn set_quota(&mut self, user: &str, quota: &Quota) {
        let record =
            (*quota != Quota::default()).then(|| Record::Bytes(emerge_proto::class::encode(quota).into()));
        self.put(keys::quota(user), record);
    }
}
