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
