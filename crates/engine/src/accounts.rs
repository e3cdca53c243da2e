//! Users and groups that the node knows: their records, and whom a token stands for.

use crate::access::{Principal, ROOT_OWNER};
use crate::backend::Backend;
use crate::engine::Engine;
use crate::keys;
use crate::object::{Record, read};
use emerge_proto::{Error, ErrorCode, Result, Scope};
use minicbor::{Decode, Encode};
use std::sync::atomic::Ordering;

/// A user's record. The token itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Account {
    #[n(0)]
    pub(crate) created: i64,
    /// SHA-256 of the token.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) token: [u8; 32],
    #[n(2)]
    pub(crate) groups: Vec<String>,
}

impl Account {
    pub(crate) fn read(record: Record) -> Result<Self> {
        read(&record.bytes()?, "a user")
    }
}

/// A token that was made besides the user's first. The token itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct NamedToken {
    /// SHA-256 of the token.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) hash: [u8; 32],
    /// The grants, as [`Scope::parse`] reads them.
    #[n(1)]
    pub(crate) scope: Vec<String>,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) expires: Option<i64>,
    #[n(4)]
    pub(crate) note: Option<String>,
    /// The id of the token with which it was made, and with which it goes.
    #[n(5)]
    pub(crate) parent: Option<String>,
}

impl NamedToken {
    pub(crate) fn read(record: Record) -> Result<Self> {
        read(&record.bytes()?, "a token")
    }
}

/// Whom a token stands for, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The user, with what the token is for.
    pub principal: Principal,
    /// Microseconds since 1970-01-01T00:00:00Z at which the token ends; none for one that does not.
    pub expires: Option<i64>,
}

/// The user and the token's id in what is kept under a token's hash: names have no `/`.
pub(crate) fn token_parts(bearer: &str) -> (&str, Option<&str>) {
    bearer.split_once('/').map_or((bearer, None), |(name, id)| (name, Some(id)))
}

/// Compares in constant time. What is looked up is the hash of 256 random bits, so that no time tells of a token; this keeps it so.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

/// Bytes of the name of a user or a group.
const MAX_NAME: usize = 64;

/// A user's or a group's name: letters, digits, and after the first `.`, `_` and `-`.
pub(crate) fn check_name(name: &str, field: &str) -> Result<()> {
    let good = |char: char| char.is_alphanumeric() || matches!(char, '.' | '_' | '-');
    if name.len() <= MAX_NAME && name.starts_with(char::is_alphanumeric) && name.chars().all(good) {
        return Ok(());
    }
    let why = format!(
        "{name:?} is no name: up to {MAX_NAME} bytes of letters, digits, '.', '_' and '-' are needed"
    );
    Err(Error::new(ErrorCode::BadArgument, why).field(field).limit(MAX_NAME as u64))
}

/// The user and the group that are always there.
pub(crate) fn is_builtin(name: &str) -> bool {
    name == ROOT_OWNER
}

/// In the place of a token's id, for whom somebody else vouches: ids have digits of hexadecimal alone.
pub(crate) const VOUCHED: &str = "vouched";

impl<B: Backend> Engine<B> {
    /// A user whom the node knows, with the groups of now, for whom somebody else vouches: that is as a token without a scope is, of which no other is made.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn vouched_user(&self, name: &str) -> Result<Option<Principal>> {
        let Some(record) = self.look(&keys::user(name)).await?.record else { return Ok(None) };
        let groups = Account::read(record)?.groups;
        Ok(Some(Principal { groups, token: Some(VOUCHED.into()), ..Principal::user(name) }))
    }

    /// Grows whenever a user or a group may have changed, so that what was asked of [`Engine::user_of_token`] need not be asked again
    /// before that.
    pub fn accounts_generation(&self) -> u64 {
        self.shared.accounts.load(Ordering::Acquire)
    }

    pub(crate) fn accounts_changed(&self) {
        self.shared.accounts.fetch_add(1, Ordering::AcqRel);
    }

    /// Whom a token of this SHA-256 stands for, with the groups of now. Whether it has expired is for the caller to see.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn user_of_token(&self, hash: &[u8; 32]) -> Result<Option<Bearer>> {
        let Some(record) = self.look(&keys::token(hash)).await?.record else { return Ok(None) };
        let bearer = String::from_utf8_lossy(&record.bytes()?).into_owned();
        let (name, id) = token_parts(&bearer);
        let account = match self.look(&keys::user(name)).await?.record {
            Some(record) => Some(Account::read(record)?),
            None if is_builtin(name) => None,
            None => return Ok(None),
        };
        let Some(id) = id else {
            // The two may be of different moments.
            let known = account.filter(|account| is_same(&account.token, hash));
            return Ok(known.map(|account| Bearer {
                principal: Principal { groups: account.groups, ..Principal::user(name) },
                expires: None,
            }));
        };
        let Some(record) = self.look(&keys::named_token(name, id)).await?.record else { return Ok(None) };
        let token = NamedToken::read(record)?;
        if !is_same(&token.hash, hash) {
            return Ok(None);
        }
        let user = match account {
            Some(account) => Principal { groups: account.groups, ..Principal::user(name) },
            None => Principal::admin(),
        };
        let principal = match Scope::parse(&token.scope)? {
            Some(scope) => user.scoped(scope),
            None => user,
        };
        let principal = Principal { token: Some(id.into()), ..principal };
        Ok(Some(Bearer { principal, expires: token.expires }))
    }
}
