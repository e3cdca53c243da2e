//! Users and groups that a node knows.

use minicbor::{Decode, Encode};

/// What is done with a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum UserAction {
    /// Tells all users.
    #[n(0)]
    List,
    /// Makes a user with a token, in some groups.
    #[n(1)]
    Add,
    /// Forgets a user; the token is not valid any more, open sessions end. Their objects stay.
    #[n(2)]
    Remove,
    /// Gives a user another token in place of the present one, which is not valid any more.
    #[n(3)]
    Token,
}

impl UserAction {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            UserAction::List => "list",
            UserAction::Add => "add",
            UserAction::Remove => "remove",
            UserAction::Token => "token",
        }
    }

    /// Finds an action by its name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::List, Self::Add, Self::Remove, Self::Token].into_iter().find(|action| action.as_str() == text)
    }
}

/// What is done with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum GroupAction {
    /// Tells all groups.
    #[n(0)]
    List,
    /// Makes a group.
    #[n(1)]
    Add,
    /// Forgets a group; nobody is in it any more.
    #[n(2)]
    Remove,
    /// Takes a user into it.
    #[n(3)]
    Join,
    /// Lets a user out of it.
    #[n(4)]
    Leave,
}

impl GroupAction {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            GroupAction::List => "list",
            GroupAction::Add => "add",
            GroupAction::Remove => "remove",
            GroupAction::Join => "join",
            GroupAction::Leave => "leave",
        }
    }

    /// Finds an action by its name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::List, Self::Add, Self::Remove, Self::Join, Self::Leave];
        all.into_iter().find(|action| action.as_str() == text)
    }
}

/// What is done with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum TokenAction {
    /// Tells tokens, which does not tell what they are.
    #[n(0)]
    List,
    /// Makes one.
    #[n(1)]
    Create,
    /// Takes one back, and those that were made with it: they are not valid any more.
    #[n(2)]
    Revoke,
}

impl TokenAction {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenAction::List => "list",
            TokenAction::Create => "create",
            TokenAction::Revoke => "revoke",
        }
    }

    /// Finds an action by its name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::List, Self::Create, Self::Revoke].into_iter().find(|action| action.as_str() == text)
    }
}

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewToken {
    /// SHA-256 of the token, 32 bytes: the client makes the token, and nobody keeps it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub hash: Vec<u8>,
    /// What it is for, as [`crate::Scope::parse`] reads it: `read:/inventory/**`, or `*` for everything. As much as the token in use when absent.
    #[n(1)]
    pub scope: Option<Vec<String>>,
    /// Microseconds since 1970-01-01T00:00:00Z at which it ends; when the token in use does, if at all, when absent.
    #[n(2)]
    pub expires: Option<i64>,
    /// What it is made for, for people.
    #[n(3)]
    pub note: Option<String>,
}

/// A token that a node knows. What it is, is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TokenInfo {
    /// By which it is taken back.
    #[n(0)]
    pub id: String,
    /// Whom it stands for.
    #[n(1)]
    pub user: String,
    /// What it is for.
    #[n(2)]
    pub scope: Vec<String>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(3)]
    pub created: i64,
    /// When it ends; none for one that does not.
    #[n(4)]
    pub expires: Option<i64>,
    /// What it was made for.
    #[n(5)]
    pub note: Option<String>,
    /// The id of the token of the same user with which it was made, and with which it goes.
    #[n(6)]
    pub parent: Option<String>,
}

/// A user that a node knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UserInfo {
    /// The name.
    #[n(0)]
    pub name: String,
    /// The groups that the user is in; what the user makes belongs to the first.
    #[n(1)]
    pub groups: Vec<String>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(2)]
    pub created: i64,
}

/// How much a user may store; what is absent has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Quota {
    /// Objects and directories.
    #[n(0)]
    pub objects: Option<u64>,
    /// Bytes of their states, of the earlier versions that are kept, and of classes.
    #[n(1)]
    pub bytes: Option<u64>,
}

/// What a user stores, and may store.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QuotaInfo {
    /// The user's name.
    #[n(0)]
    pub user: String,
    /// Objects and directories that the user owns.
    #[n(1)]
    pub objects: u64,
    /// Bytes of their states, of the earlier versions that are kept, and of classes.
    #[n(2)]
    pub bytes: u64,
    /// How many objects and directories there may be; any number when absent.
    #[n(3)]
    pub max_objects: Option<u64>,
    /// How many bytes there may be; any number when absent.
    #[n(4)]
    pub max_bytes: Option<u64>,
}

/// A group that a node knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupInfo {
    /// The name.
    #[n(0)]
    pub name: String,
    /// Who is in it, by name.
    #[n(1)]
    pub members: Vec<String>,
}
