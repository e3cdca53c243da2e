//! Users and groups: only the administrator may see and change them.

use super::Tx;
use crate::accounts::{Account, check_name, is_builtin};
use crate::backend::Backend;
use crate::keys;
use crate::object::Record;
use bytes::Bytes;
use emerge_proto::account::{GroupAction, GroupInfo, Quota, UserAction, UserInfo};
use emerge_proto::guard::Guard;
use emerge_proto::{Error, ErrorCode, Result, limits};

impl<B: Backend> Tx<B> {
    /// Lists, makes, changes or forgets users. See [`emerge_proto::Op::Users`].
    ///
    /// # Errors
    /// `permission_denied`, `bad_argument`, `already_exists`, `not_found`, `limit_exceeded`.
    pub async fn users(
        &mut self,
        action: UserAction,
        name: Option<&str>,
        token_hash: Option<&[u8]>,
        groups: Option<&[String]>,
    ) -> Result<Vec<UserInfo>> {
        let savepoint = self.savepoint();
        let result = self.users_inner(action, name, token_hash, groups).await;
        self.settle(&savepoint, result)
    }

    async fn users_inner(
        &mut self,
        action: UserAction,
        name: Option<&str>,
        token_hash: Option<&[u8]>,
        groups: Option<&[String]>,
    ) -> Result<Vec<UserInfo>> {
        self.check_admin()?;
        let name = match (action, name) {
            (UserAction::List, None) => {
                let accounts = self.accounts().await?;
                return Ok(accounts.into_iter().map(|(name, account)| info(name, account)).collect());
            }
            (UserAction::List, Some(name)) => {
                let account = self.account(name).await?.ok_or_else(|| no_user(name))?;
                return Ok(vec![info(name.to_owned(), account)]);
            }
            (_, name) => name.ok_or_else(|| needed("name", "the user's name"))?,
        };
        match action {
            UserAction::List => Ok(Vec::new()),
            UserAction::Add => {
                check_name(name, "name")?;
                self.check_free(name).await?;
                if self.accounts().await?.len() >= limits::MAX_USERS {
                    return Err(too_many("users", limits::MAX_USERS));
                }
                let mut account =
                    Account { created: self.now, token: hash_of(token_hash)?, groups: Vec::new() };
                for group in groups.unwrap_or_default() {
                    self.check_group(group).await?;
                    join(&mut account, group)?;
                }
                self.check_new_token(&account).await?;
                self.put_account(name, &account);
                Ok(vec![info(name.to_owned(), account)])
            }
            UserAction::Remove => {
                let account = self.account(name).await?.ok_or_else(|| no_user(name))?;
                self.forget_tokens(name).await?;
                self.set_quota(name, &Quota::default());
                self.put(keys::token(&account.token), None);
                self.put(keys::user(name), None);
                self.accounts = true;
                Ok(Vec::new())
            }
            UserAction::Token => {
                let old = self.account(name).await?.ok_or_else(|| no_user(name))?;
                let account = Account { token: hash_of(token_hash)?, ..old.clone() };
                self.check_new_token(&account).await?;
                self.put(keys::token(&old.token), None);
                self.put_account(name, &account);
                Ok(vec![info(name.to_owned(), account)])
            }
        }
    }

    /// Lists, makes, changes or forgets groups. See [`emerge_proto::Op::Groups`].
    ///
    /// # Errors
    /// `permission_denied`, `bad_argument`, `already_exists`, `not_found`, `limit_exceeded`.
    pub async fn groups(
        &mut self,
        action: GroupAction,
        name: Option<&str>,
        user: Option<&str>,
    ) -> Result<Vec<GroupInfo>> {
        let savepoint = self.savepoint();
        let result = self.groups_inner(action, name, user).await;
        self.settle(&savepoint, result)
    }

    async fn groups_inner(
        &mut self,
        action: GroupAction,
        name: Option<&str>,
        user: Option<&str>,
    ) -> Result<Vec<GroupInfo>> {
        self.check_admin()?;
        if action == GroupAction::List {
            return self.all_groups(name).await;
        }
        let name = name.ok_or_else(|| needed("name", "the group's name"))?;
        match action {
            GroupAction::List => {}
            GroupAction::Add => {
                check_name(name, "name")?;
                self.check_free(name).await?;
                if self.scan(keys::all(keys::GROUP), limits::MAX_USERS).await?.len() == limits::MAX_USERS {
                    return Err(too_many("groups", limits::MAX_USERS));
                }
                self.put(keys::group(name), Some(Record::Bytes(Bytes::new())));
            }
            GroupAction::Remove => {
                self.check_group(name).await?;
                if is_builtin(name) {
                    let why = format!("the group {name:?} is always there");
                    return Err(Error::new(ErrorCode::BadArgument, why).field("name"));
                }
                for (user, mut account) in self.accounts().await? {
                    if account.groups.iter().any(|group| group == name) {
                        account.groups.retain(|group| group != name);
                        self.put_account(&user, &account);
                    }
                }
                self.put(keys::group(name), None);
                self.accounts = true;
                return Ok(Vec::new());
            }
            GroupAction::Join | GroupAction::Leave => {
                self.check_group(name).await?;
                let user = user.ok_or_else(|| needed("user", "the user's name"))?;
                let mut account = self.account(user).await?.ok_or_else(|| no_user(user).field("user"))?;
                if action == GroupAction::Join {
                    join(&mut account, name)?;
                } else {
                    account.groups.retain(|group| group != name);
                }
                self.put_account(user, &account);
            }
        }
        self.all_groups(Some(name)).await
    }

    /// All groups with their members, or one of them.
    async fn all_groups(&mut self, only: Option<&str>) -> Result<Vec<GroupInfo>> {
        let mut names = match only {
            Some(name) => {
                self.check_group(name).await?;
                vec![name.to_owned()]
            }
            None => {
                let groups = self.scan(keys::all(keys::GROUP), limits::MAX_USERS).await?;
                let names = groups.iter().filter_map(|(key, _)| keys::name_of(key)).map(str::to_owned);
                names.chain([crate::access::ROOT_OWNER.to_owned()]).collect()
            }
        };
        names.sort_unstable();
        let mut groups: Vec<GroupInfo> =
            names.into_iter().map(|name| GroupInfo { name, members: Vec::new() }).collect();
        for (user, account) in self.accounts().await? {
            for group in groups.iter_mut().filter(|group| account.groups.contains(&group.name)) {
                group.members.push(user.clone());
            }
        }
        Ok(groups)
    }

    pub(super) fn check_admin(&self) -> Result<()> {
        if self.principal.admin || !Guard::Admin.holds() {
            return Ok(());
        }
        let why = format!(
            "user {:?} is no administrator: users and groups are the administrator's",
            self.principal.user
        );
        Err(Error::new(ErrorCode::PermissionDenied, why))
    }

    pub(super) async fn account(&mut self, name: &str) -> Result<Option<Account>> {
        self.read(&keys::user(name)).await?.map(Account::read).transpose()
    }

    pub(super) async fn accounts(&mut self) -> Result<Vec<(String, Account)>> {
        let records = self.scan(keys::all(keys::USER), limits::MAX_USERS).await?;
        let read = |(key, record): (crate::backend::Key, Record)| {
            let name = keys::name_of(&key).ok_or_else(|| crate::object::damaged("a user"))?;
            Ok((name.to_owned(), Account::read(record)?))
        };
        records.into_iter().map(read).collect()
    }

    fn put_account(&mut self, name: &str, account: &Account) {
        let record = emerge_proto::class::encode(account);
        self.put(keys::user(name), Some(Record::Bytes(record.into())));
        self.put(keys::token(&account.token), Some(Record::Bytes(Bytes::copy_from_slice(name.as_bytes()))));
        self.accounts = true;
    }

    /// A user and a group must not have the same name: a user without groups makes things for a group of the own name.
    async fn check_free(&mut self, name: &str) -> Result<()> {
        for (key, what) in [(keys::user(name), "user"), (keys::group(name), "group")] {
            if is_builtin(name) || self.read(&key).await?.is_some() {
                let why = format!("there is a {what} {name:?} already");
                return Err(Error::new(ErrorCode::AlreadyExists, why).field("name"));
            }
        }
        Ok(())
    }

    async fn check_group(&mut self, name: &str) -> Result<()> {
        if is_builtin(name) || self.read(&keys::group(name)).await?.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::NotFound, format!("there is no group {name:?}")).field("name"))
    }

    async fn check_new_token(&mut self, account: &Account) -> Result<()> {
        match self.read(&keys::token(&account.token)).await? {
            None => Ok(()),
            Some(_) => {
                Err(Error::new(ErrorCode::AlreadyExists, "the token is in use already").field("token_hash"))
            }
        }
    }

    /// Whether a name may become the owner of something: of a user that the node knows, or the caller's own.
    pub(super) async fn check_owner_name(&mut self, name: &str) -> Result<()> {
        check_name(name, "owner")?;
        if is_builtin(name) || name == self.principal.user || self.account(name).await?.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadArgument, format!("the node knows no user {name:?}")).field("owner"))
    }

    /// Whether a name may become the group of something: of a group that the node knows, one of the caller's own, or that of a
    /// user, who has it when in no other.
    pub(super) async fn check_group_name(&mut self, name: &str) -> Result<()> {
        check_name(name, "group")?;
        let own = name == self.principal.user || self.principal.groups.iter().any(|group| group == name);
        if own || self.check_group(name).await.is_ok() || self.account(name).await?.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadArgument, format!("the node knows no group {name:?}")).field("group"))
    }
}

fn info(name: String, account: Account) -> UserInfo {
    UserInfo { name, groups: account.groups, created: account.created }
}

fn join(account: &mut Account, group: &str) -> Result<()> {
    if account.groups.iter().any(|known| known == group) {
        return Ok(());
    }
    if account.groups.len() == limits::MAX_GROUPS {
        return Err(too_many("groups of one user", limits::MAX_GROUPS));
    }
    account.groups.push(group.to_owned());
    Ok(())
}

fn hash_of(token_hash: Option<&[u8]>) -> Result<[u8; 32]> {
    token_hash
        .and_then(|hash| hash.try_into().ok())
        .ok_or_else(|| needed("token_hash", "the SHA-256 of the user's token, 32 bytes"))
}

fn needed(field: &str, what: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{what} is needed")).field(field)
}

pub(super) fn no_user(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no user {name:?}")).field("name")
}

fn too_many(what: &str, limit: usize) -> Error {
    Error::new(ErrorCode::LimitExceeded, format!("there may be at most {limit} {what}")).limit(limit as u64)
}
