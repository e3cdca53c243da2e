//! Users and groups, which only the administrator may see and change.

use super::Client;
use emerge_proto::account::{
    GroupAction, GroupInfo, NewToken, Quota, QuotaInfo, TokenAction, TokenInfo, UserAction, UserInfo,
};
use emerge_proto::{Error, ErrorCode, Op, Result};
use sha2::{Digest, Sha256};

/// A token of 256 random bits, and its hash, which is all that the node is told of it.
fn new_token() -> Result<(String, Vec<u8>)> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorCode::Internal, format!("the system gives no randomness: {error}"))
    })?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = Sha256::digest(&token).to_vec();
    Ok((token, hash))
}

impl Client {
    /// All users.
    ///
    /// # Errors
    /// `permission_denied`.
    pub async fn users(&self) -> Result<Vec<UserInfo>> {
        self.ask(Op::Users { action: UserAction::List, name: None, token_hash: None, groups: None }).await
    }

    /// Makes a user, in some groups; gives the token, which is kept nowhere.
    ///
    /// # Errors
    /// `permission_denied`, `already_exists`, `not_found` (a group), `bad_argument`, `limit_exceeded`.
    pub async fn add_user(&self, name: &str, groups: &[String]) -> Result<String> {
        self.with_token(UserAction::Add, name, Some(groups.to_vec())).await
    }

    /// Gives a user another token; the present one is not valid any more.
    ///
    /// # Errors
    /// `permission_denied`, `not_found`.
    pub async fn new_token(&self, name: &str) -> Result<String> {
        self.with_token(UserAction::Token, name, None).await
    }

    async fn with_token(
        &self,
        action: UserAction,
        name: &str,
        groups: Option<Vec<String>>,
    ) -> Result<String> {
        let (token, hash) = new_token()?;
        let op = Op::Users { action, name: Some(name.to_owned()), token_hash: Some(hash), groups };
        self.ask::<Vec<UserInfo>>(op).await?;
        Ok(token)
    }

    /// Forgets a user, whose token is not valid any more. Their objects stay.
    ///
    /// # Errors
    /// `permission_denied`, `not_found`.
    pub async fn remove_user(&self, name: &str) -> Result<()> {
        let (action, name) = (UserAction::Remove, Some(name.to_owned()));
        self.ask::<Vec<UserInfo>>(Op::Users { action, name, token_hash: None, groups: None }).await?;
        Ok(())
    }

    /// The tokens that the caller may see: the own ones, or those of a user; for the administrator those of all.
    ///
    /// # Errors
    /// `permission_denied`, `not_found` (the user).
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenInfo>> {
        let user = user.map(str::to_owned);
        self.ask(Op::Tokens { action: TokenAction::List, user, id: None, token: None }).await
    }

    /// Makes a token, for the caller or, as the administrator may, for a user. `scope` is what it is for, such as `read:/inventory/**` (as much as the
    /// token in use when absent), `expires` when it ends, in microseconds since 1970-01-01T00:00:00Z. Gives the token, which is kept nowhere, and what the node knows of it.
    ///
    /// # Errors
    /// `permission_denied` (it would grant more than the one in use, or last longer), `bad_argument`, `not_found` (the user), `limit_exceeded`.
    pub async fn create_token(
        &self,
        user: Option<&str>,
        scope: Option<Vec<String>>,
        expires: Option<i64>,
        note: Option<String>,
    ) -> Result<(String, TokenInfo)> {
        let (token, hash) = new_token()?;
        let op = Op::Tokens {
            action: TokenAction::Create,
            user: user.map(str::to_owned),
            id: None,
            token: Some(NewToken { hash, scope, expires, note }),
        };
        let made = self.ask::<Vec<TokenInfo>>(op).await?.into_iter().next();
        let made =
            made.ok_or_else(|| Error::new(ErrorCode::BadFrame, "the node tells of no token that it made"))?;
        Ok((token, made))
    }

    /// Takes a token back, and those that were made with it; gives what the node knew of them.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`.
    pub async fn revoke_token(&self, id: &str, user: Option<&str>) -> Result<Vec<TokenInfo>> {
        let (user, id) = (user.map(str::to_owned), Some(id.to_owned()));
        self.ask(Op::Tokens { action: TokenAction::Revoke, user, id, token: None }).await
    }

    /// What users store and may store: the caller, or a user; for the administrator all.
    ///
    /// # Errors
    /// `permission_denied`, `not_found` (the user).
    pub async fn quotas(&self, user: Option<&str>) -> Result<Vec<QuotaInfo>> {
        self.ask(Op::Quotas { user: user.map(str::to_owned), set: None }).await
    }

    /// Says what a user may store from now on; gives what the user stores and may store. What is there already stays.
    ///
    /// # Errors
    /// `permission_denied`, `not_found` (the user).
    pub async fn set_quota(&self, user: &str, quota: Quota) -> Result<QuotaInfo> {
        let told: Vec<QuotaInfo> =
            self.ask(Op::Quotas { user: Some(user.to_owned()), set: Some(quota) }).await?;
        let told = told.into_iter().next();
        told.ok_or_else(|| Error::new(ErrorCode::BadFrame, "the node tells of no quota that it set"))
    }

    /// All groups, with their members.
    ///
    /// # Errors
    /// `permission_denied`.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>> {
        self.ask(Op::Groups { action: GroupAction::List, name: None, user: None }).await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// `permission_denied`, `already_exists`, `bad_argument`, `limit_exceeded`.
    pub async fn add_group(&self, name: &str) -> Result<()> {
        self.group(GroupAction::Add, name, None).await
    }

    /// Forgets a group; nobody is in it any more.
    ///
    /// # Errors
    /// `permission_denied`, `not_found`, `bad_argument` (the group `admin`).
    pub async fn remove_group(&self, name: &str) -> Result<()> {
        self.group(GroupAction::Remove, name, None).await
    }

    /// Takes a user into a group.
    ///
    /// # Errors
    /// `permission_denied`, `not_found`, `limit_exceeded`.
    pub async fn join_group(&self, name: &str, user: &str) -> Result<()> {
        self.group(GroupAction::Join, name, Some(user)).await
    }

    /// Lets a user out of a group.
    ///
    /// # Errors
    /// `permission_denied`, `not_found`.
    pub async fn leave_group(&self, name: &str, user: &str) -> Result<()> {
        self.group(GroupAction::Leave, name, Some(user)).await
    }

    async fn group(&self, action: GroupAction, name: &str, user: Option<&str>) -> Result<()> {
        let op = Op::Groups { action, name: Some(name.to_owned()), user: user.map(str::to_owned) };
        self.ask::<Vec<GroupInfo>>(op).await?;
        Ok(())
    }
}
