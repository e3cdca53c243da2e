//! Transactions that a node holds open for its users.

use crate::{Error, ErrorCode, Result, TransactionId, path};
use minicbor::{Decode, Encode};

/// An open transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transaction {
    /// Its identity.
    #[n(0)]
    pub id: TransactionId,
    /// The name by which the user's clients find it.
    #[n(1)]
    pub name: Option<String>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(2)]
    pub began: i64,
    /// When the node takes it back, in microseconds since 1970-01-01T00:00:00Z.
    #[n(3)]
    pub expires: i64,
    /// Operations that have been done in it.
    #[n(4)]
    pub operations: u64,
    /// Bytes of memory that it holds: what it has read and written.
    #[n(5)]
    pub bytes: u64,
}

/// The reply to `end`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ended {
    /// When it was committed, which is the time of all that it wrote, in microseconds since 1970-01-01T00:00:00Z; absent when it was taken back.
    #[n(0)]
    pub committed: Option<i64>,
}

/// Checks the name of a transaction: a good segment of a path that does not look like an id.
///
/// # Errors
/// `bad_argument`.
pub fn check_name(name: &str) -> Result<()> {
    let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field("name");
    if name.is_empty() {
        return Err(bad(
            "the name of a transaction must not be empty: leave it out for one without a name".into()
        ));
    }
    path::check_segment(name)
        .map_err(|error| bad(format!("a transaction cannot have this name: {}", error.message)))?;
    if TransactionId::parse(name).is_some() {
        return Err(bad("the name of a transaction must not look like an id".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_segments_and_no_ids() {
        assert!(check_name("month end").is_ok());
        for name in ["", "a/b", "..", "a\nb", "018bcfe5-6800-7000-8000-000000000001"] {
            let error = check_name(name).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("name")),
                "{name:?}"
            );
        }
    }
}
