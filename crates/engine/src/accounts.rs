//! Users and groups that the node knows: their records, and whom a token stands for.

use crate::access::{Principal, ROOT_OWNER};
use crate::backend::Backend;
use crate::engine::Engine;
use crate::keys;
use crate::object::{Record, read};
use emerge_proto::{Error, ErrorCode, Result};
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

impl<B: Backend> Engine<B> {
    /// Grows whenever a user or a group may have changed, so that what was asked of [`Engine::user_of_token`] need not be asked again
    /// before that.
    pub fn accounts_generation(&self) -> u64 {
        self.shared.accounts.load(Ordering::Acquire)
    }

    pub(crate) fn accounts_changed(&self) {
        self.shared.accounts.fetch_add(1, Ordering::AcqRel);
    }

    /// The user whose token has this SHA-256, with the groups of now.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn user_of_token(&self, hash: &[u8; 32]) -> Result<Option<Principal>> {
        let Some(record) = self.look(&keys::token(hash)).await?.record else { return Ok(None) };
        let name = String::from_utf8_lossy(&record.bytes()?).into_owned();
        let Some(record) = self.look(&keys::user(&name)).await?.record else { return Ok(None) };
        let account = Account::read(record)?;
        // The two may be of different moments.
        let same = account.token == *hash;
        Ok(same.then_some(Principal { user: name, groups: account.groups, admin: false }))
    }
}
