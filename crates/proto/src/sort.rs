//! In which order members of a directory are listed.

use minicbor::{Decode, Encode};

/// What a listing is sorted by; members that are equal in it are in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SortBy {
    /// The bytes of the name.
    #[n(0)]
    Name,
    /// Bytes of the encoded state.
    #[n(1)]
    Size,
    /// When it was last changed.
    #[n(2)]
    Modified,
    /// When it was made.
    #[n(3)]
    Created,
    /// The class's name; directories come first.
    #[n(4)]
    Class,
}

impl SortBy {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            SortBy::Name => "name",
            SortBy::Size => "size",
            SortBy::Modified => "modified",
            SortBy::Created => "created",
            SortBy::Class => "class",
        }
    }

    /// Finds it by its name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Name, Self::Size, Self::Modified, Self::Created, Self::Class];
        all.into_iter().find(|by| by.as_str() == text)
    }
}
