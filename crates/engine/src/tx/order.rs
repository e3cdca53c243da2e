//! The order of a listing, and the cursors of listings that are not in the order of names.
//!
//! A cursor says after which member a page goes on: what that member is sorted by, and its name. Its bytes grow from page to page, as
//! the cursors of every stream do.

use emerge_proto::op::SortBy;
use emerge_proto::record::Listing;
use emerge_proto::{Error, ErrorCode, Result};

/// How a listing is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: SortBy,
    pub(super) descending: bool,
}

/// What a member is sorted by, in bytes whose order is that of the listing; then its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    value: Vec<u8>,
    pub(super) name: String,
}

impl Order {
    /// What a listing asks for.
    pub(super) fn of(listing: &Listing<'_>) -> Self {
        Self { by: listing.sort.unwrap_or(SortBy::Name), descending: listing.descending }
    }

    /// True when the store has members in this order.
    pub(super) fn is_natural(self) -> bool {
        self.by == SortBy::Name && !self.descending
    }

    pub(super) fn by_number(self, number: u64, name: &str) -> Rank {
        self.rank(number.to_be_bytes().to_vec(), name)
    }

    /// By a time, which may lie before 1970.
    pub(super) fn by_time(self, micros: i64, name: &str) -> Rank {
        self.by_number((micros as u64) ^ (1 << 63), name)
    }

    pub(super) fn by_text(self, text: &str, name: &str) -> Rank {
        // The zero byte ends it, so that a text comes before those that begin with it, also upside down.
        self.rank([text.as_bytes(), &[0]].concat(), name)
    }

    fn rank(self, mut value: Vec<u8>, name: &str) -> Rank {
        if self.descending {
            value.iter_mut().for_each(|byte| *byte = !*byte);
        }
        Rank { value, name: name.to_owned() }
    }

    fn letter(self) -> char {
        let letter = match self.by {
            SortBy::Name => 'n',
            SortBy::Size => 's',
            SortBy::Modified => 'm',
            SortBy::Created => 'c',
            SortBy::Class => 'k',
        };
        if self.descending { letter.to_ascii_uppercase() } else { letter }
    }

    pub(super) fn cursor(self, rank: &Rank) -> String {
        let value: String = rank.value.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{value}:{}", self.letter(), rank.name)
    }

    /// Reads a cursor of a listing in the same order.
    ///
    /// # Errors
    /// `bad_argument`, with the field `after`.
    pub(super) fn read(self, cursor: &str) -> Result<Rank> {
        let read = || {
            let (value, name) = cursor.strip_prefix(self.letter())?.split_once(':')?;
            let digits = value.len() % 2 == 0 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            let byte = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
            let value: Option<Vec<u8>> = (0..value.len()).step_by(2).map(byte).collect();
            let value = value.filter(|_| digits)?;
            Some(Rank { value, name: name.to_owned() })
        };
        read().ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "the cursor is not one of a listing in this order")
                .field("after")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_grow_as_members_do() {
        let texts = ["", "A", "Ab", "Abc", "B", "é", "\u{10ffff}"];
        let numbers = [0, 1, 255, 256, 1 << 40, u64::MAX];
        let times = [i64::MIN, -1, 0, 1, 1_800_000_000_000_000, i64::MAX];
        for by in [SortBy::Name, SortBy::Size, SortBy::Modified, SortBy::Created, SortBy::Class] {
            for descending in [false, true] {
                let order = Order { by, descending };
                let ranks: [Vec<Rank>; 3] = [
                    texts
                        .iter()
                        .flat_map(|text| ["a", "b:c"].map(|name| order.by_text(text, name)))
                        .collect(),
                    numbers
                        .iter()
                        .flat_map(|number| ["a", "b"].map(|name| order.by_number(*number, name)))
                        .collect(),
                    times.iter().flat_map(|time| ["a", "b"].map(|name| order.by_time(*time, name))).collect(),
                ];
                for ranks in ranks {
                    for pair in ranks.chunks(2).collect::<Vec<_>>().windows(2) {
                        let (one, two) = (&pair[0][1], &pair[1][0]);
                        assert_eq!(one < two, !descending, "{one:?} {two:?}");
                        assert_eq!(order.cursor(one) < order.cursor(two), !descending);
                    }
                    for rank in ranks {
                        assert_eq!(order.read(&order.cursor(&rank)).unwrap(), rank);
                    }
                }
            }
        }
    }

    #[test]
    fn cursors_of_other_listings_are_refused() {
        let order = Order { by: SortBy::Size, descending: true };
        let other = Order { by: SortBy::Size, descending: false };
        let cursor = other.cursor(&other.by_number(1, "a"));
        for cursor in [&*cursor, "", "a", "S", "Szz:a", "S0:a", "S+1:a", "é"] {
            let error = order.read(cursor).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("after")),
                "{cursor}"
            );
        }
    }
}
