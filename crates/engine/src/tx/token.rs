//! Tokens besides the one that was made with a user: for less, for a time, and to be taken back one by one.

use super::Tx;
use crate::access::ROOT_OWNER;
use crate::accounts::{NamedToken, VOUCHED, is_builtin};
use crate::backend::{Backend, Key};
use crate::keys;
use crate::object::{Record, damaged};
use bytes::Bytes;
use emerge_proto::account::{NewToken, TokenAction, TokenInfo};
use emerge_proto::guard::Guard;
use emerge_proto::scope::EVERYTHING;
use emerge_proto::{Error, ErrorCode, Result, Scope, limits};
use std::collections::HashSet;

/// A user's token with its id.
type Named = (String, NamedToken);

impl<B: Backend> Tx<B> {
    /// Lists, makes or takes back tokens. See [`emerge_proto::Op::Tokens`].
    ///
    /// A user does so with the own ones; the bearer of one that was made with another sees that and those that were made with it. The
    /// administrator does so with all.
    ///
    /// # Errors
    /// `permission_denied`, `bad_argument`, `bad_path` (in the scope), `already_exists`, `not_found`, `limit_exceeded`.
    pub async fn tokens(
        &mut self,
        action: TokenAction,
        user: Option<&str>,
        id: Option<&str>,
        new: Option<&NewToken>,
    ) -> Result<Vec<TokenInfo>> {
        let savepoint = self.savepoint();
        let result = match action {
            TokenAction::List => self.list_tokens(user, id).await,
            TokenAction::Create => self.create_token(user, new).await,
            TokenAction::Revoke => self.revoke_token(user, id).await,
        };
        self.settle(&savepoint, result)
    }

    async fn list_tokens(&mut self, user: Option<&str>, id: Option<&str>) -> Result<Vec<TokenInfo>> {
        let users = match user {
            Some(user) => vec![self.token_user(user).await?],
            None if self.principal.admin => self.users_with_tokens().await?,
            None => vec![self.principal.user.clone()],
        };
        let mut infos = Vec::new();
        for user in users {
            let tokens = self.shown_tokens(&user).await?;
            infos.extend(tokens.into_iter().map(|(id, token)| info(&user, id, token)));
        }
        let Some(id) = id else { return Ok(infos) };
        infos.retain(|info| info.id == id);
        if infos.is_empty() { Err(no_token(id)) } else { Ok(infos) }
    }

    async fn create_token(&mut self, user: Option<&str>, new: Option<&NewToken>) -> Result<Vec<TokenInfo>> {
        let new = new.ok_or_else(|| needed("token", "what the token is to be"))?;
        let own = self.principal.user.clone();
        let user = self.token_user(user.unwrap_or(&own)).await?;
        let hash: [u8; 32] = new
            .hash
            .as_slice()
            .try_into()
            .map_err(|_| needed("hash", "the SHA-256 of the token, 32 bytes,"))?;
        if let Some(note) = &new.note
            && note.len() > limits::MAX_NOTE
        {
            let why = format!("a note has at most {} bytes", limits::MAX_NOTE);
            return Err(Error::new(ErrorCode::LimitExceeded, why)
                .field("note")
                .limit(limits::MAX_NOTE as u64));
        }
        if new.expires.is_some_and(|expires| expires <= self.now) {
            let why = "the token would have expired already";
            return Err(Error::new(ErrorCode::BadArgument, why).field("expires"));
        }
        let mut expires = new.expires;
        let scope = match &new.scope {
            Some(grants) => Scope::parse(grants)?,
            None => self.principal.scope.as_deref().cloned(),
        };
        if let Some(own) = &self.principal.scope
            && !scope.as_ref().is_some_and(|scope| own.covers(scope))
        {
            let why = "the token in use grants less than the new one would";
            return Err(Error::new(ErrorCode::PermissionDenied, why).field("scope"));
        }
        if scope.is_none() && is_builtin(&user) && !self.principal.admin {
            let why = "only the administrator makes a token of the administrator";
            return Err(Error::new(ErrorCode::PermissionDenied, why).field("scope"));
        }
        if self.principal.token.as_deref() == Some(VOUCHED) {
            let why =
                "somebody else made the token in use, and it ends when they say: no token is made with it";
            return Err(Error::new(ErrorCode::PermissionDenied, why));
        }
        // Who bears a token that ends cannot make one that lasts.
        let parent = self.own_token().await?;
        if let Some(end) = parent.as_ref().and_then(|(_, parent)| parent.expires) {
            if expires.is_some_and(|expires| expires > end) {
                let why = "the token in use ends before the new one would";
                return Err(Error::new(ErrorCode::PermissionDenied, why).field("expires"));
            }
            expires = expires.or(Some(end));
        }
        // One that another user's goes with would go when nobody expects it.
        let parent = parent.filter(|_| user == own).map(|(id, _)| id);
        self.make_room(&user).await?;
        let id: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let key = keys::named_token(&user, &id);
        if self.read(&keys::token(&hash)).await?.is_some() || self.read(&key).await?.is_some() {
            return Err(Error::new(ErrorCode::AlreadyExists, "the token is in use already").field("hash"));
        }
        let grants = scope.map_or_else(|| vec![EVERYTHING.to_owned()], |scope| scope.grants());
        let token =
            NamedToken { hash, scope: grants, created: self.now, expires, note: new.note.clone(), parent };
        let record = emerge_proto::class::encode(&token);
        self.put(key, Some(Record::Bytes(record.into())));
        let bearer = format!("{user}/{id}");
        self.put(keys::token(&hash), Some(Record::Bytes(Bytes::from(bearer))));
        self.accounts = true;
        Ok(vec![info(&user, id, token)])
    }

    async fn revoke_token(&mut self, user: Option<&str>, id: Option<&str>) -> Result<Vec<TokenInfo>> {
        let id = id.ok_or_else(|| needed("id", "the token's id"))?;
        let users = match user {
            Some(user) => vec![self.token_user(user).await?],
            None if self.principal.admin => self.users_with_tokens().await?,
            None => vec![self.principal.user.clone()],
        };
        for user in users {
            let all = self.named_tokens(&user).await?;
            let shown = self.within_reach(&all);
            if !shown.contains(id) || !all.iter().any(|(known, _)| known == id) {
                continue;
            }
            let gone = with_descendants(&all, id);
            let (revoked, _): (Vec<Named>, Vec<Named>) =
                all.into_iter().partition(|(id, _)| gone.contains(id));
            return Ok(revoked
                .into_iter()
                .map(|(id, token)| {
                    self.forget_token(&user, &id, &token);
                    info(&user, id, token)
                })
                .collect());
        }
        Err(no_token(id))
    }

    /// Forgets all tokens of a user who is removed.
    pub(super) async fn forget_tokens(&mut self, user: &str) -> Result<()> {
        for (id, token) in self.named_tokens(user).await? {
            self.forget_token(user, &id, &token);
        }
        Ok(())
    }

    fn forget_token(&mut self, user: &str, id: &str, token: &NamedToken) {
        self.put(keys::token(&token.hash), None);
        self.put(keys::named_token(user, id), None);
        self.accounts = true;
    }

    /// Refuses one token more than a user may have; those that have expired go first.
    async fn make_room(&mut self, user: &str) -> Result<()> {
        let all = self.named_tokens(user).await?;
        if all.len() < limits::MAX_TOKENS {
            return Ok(());
        }
        let (over, left): (Vec<Named>, Vec<Named>) =
            all.into_iter().partition(|(_, token)| token.expires.is_some_and(|expires| expires <= self.now));
        if left.len() >= limits::MAX_TOKENS {
            let why = format!("a user has at most {} tokens; revoke some", limits::MAX_TOKENS);
            return Err(Error::new(ErrorCode::LimitExceeded, why).limit(limits::MAX_TOKENS as u64));
        }
        for (id, token) in over {
            self.forget_token(user, &id, &token);
        }
        Ok(())
    }

    /// The user whose tokens are meant: the caller's own or, for the administrator, any that there is.
    async fn token_user(&mut self, user: &str) -> Result<String> {
        if user == self.principal.user && (is_builtin(user) || self.account(user).await?.is_some()) {
            return Ok(user.to_owned());
        }
        if !self.principal.admin && Guard::Admin.holds() {
            let own = &self.principal.user;
            let why =
                format!("user {own:?} is no administrator: the tokens of others are the administrator's");
            return Err(Error::new(ErrorCode::PermissionDenied, why).field("user"));
        }
        match is_builtin(user) || self.account(user).await?.is_some() {
            true => Ok(user.to_owned()),
            false => Err(Error::new(ErrorCode::NotFound, format!("there is no user {user:?}")).field("user")),
        }
    }

    /// Every user that may have tokens.
    async fn users_with_tokens(&mut self) -> Result<Vec<String>> {
        let accounts = self.accounts().await?;
        let mut users: Vec<String> = accounts.into_iter().map(|(name, _)| name).collect();
        users.push(ROOT_OWNER.to_owned());
        users.sort_unstable();
        Ok(users)
    }

    /// The token in use, unless it is the user's first; it may be gone by now.
    async fn own_token(&mut self) -> Result<Option<Named>> {
        let Some(id) = self.principal.token.clone() else { return Ok(None) };
        let user = self.principal.user.clone();
        let gone = || {
            let why = format!("the token of user {user:?} is not valid any more");
            Error::new(ErrorCode::Unauthenticated, why)
        };
        let record = self.read(&keys::named_token(&user, &id)).await?.ok_or_else(gone)?;
        Ok(Some((id.to_string(), NamedToken::read(record)?)))
    }

    async fn named_tokens(&mut self, user: &str) -> Result<Vec<Named>> {
        let range = keys::prefix(&keys::named_token(user, ""));
        let records = self.scan(range, limits::MAX_TOKENS + 1).await?;
        let read = |(key, record): (Key, Record)| {
            let (_, id) = keys::named_token_parts(&key).ok_or_else(|| damaged("a token"))?;
            Ok((id.to_owned(), NamedToken::read(record)?))
        };
        records.into_iter().map(read).collect()
    }

    async fn shown_tokens(&mut self, user: &str) -> Result<Vec<Named>> {
        let mut all = self.named_tokens(user).await?;
        let shown = self.within_reach(&all);
        all.retain(|(id, _)| shown.contains(id));
        all.sort_by(|(one_id, one), (other_id, other)| (one.created, one_id).cmp(&(other.created, other_id)));
        Ok(all)
    }

    /// The ids of those of some tokens that are the caller's to see and to take back.
    fn within_reach(&self, all: &[Named]) -> HashSet<String> {
        match (&self.principal.scope, self.principal.token.as_deref()) {
            (Some(_), Some(own)) => with_descendants(all, own),
            // The host's own token of less than everything has made none with an id.
            (Some(_), None) => HashSet::new(),
            (None, _) => all.iter().map(|(id, _)| id.clone()).collect(),
        }
    }
}

/// A token and all that were made with it, and with those.
fn with_descendants(all: &[Named], id: &str) -> HashSet<String> {
    let mut found = HashSet::from([id.to_owned()]);
    loop {
        let is_new = |(id, token): &&Named| {
            !found.contains(id) && token.parent.as_ref().is_some_and(|parent| found.contains(parent))
        };
        let more: Vec<String> = all.iter().filter(is_new).map(|(id, _)| id.clone()).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn info(user: &str, id: String, token: NamedToken) -> TokenInfo {
    let NamedToken { hash: _, scope, created, expires, note, parent } = token;
    TokenInfo { id, user: user.to_owned(), scope, created, expires, note, parent }
}

fn needed(field: &str, what: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{what} is needed")).field(field)
}

fn no_token(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no token {id:?}")).field("id")
}
