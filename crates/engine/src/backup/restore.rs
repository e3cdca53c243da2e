//! A store made of a copy.

use super::archive::{Header, Item, Reader};
use super::everything;
use crate::backend::{Backend, CommitRecord};
use crate::engine::number_of;
use crate::keys;
use crate::upgrade;
use emerge_proto::sequence::damaged;
use emerge_proto::{Error, ErrorCode, ObjectId, Result};

/// What a copy held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The identity of the store.
    pub store: ObjectId,
    /// When the copy was begun, in microseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// The last commit in it.
    pub number: u64,
}

/// Fills an empty backend from a copy, which comes in pieces. Until [`Restore::finish`] has said that all was there, the backend must
/// not be used as a store.
pub struct Restore<B: Backend> {
    backend: B,
    fence: u64,
    reader: Reader,
    header: Option<Header>,
    number: Option<u64>,
}

impl<B: Backend> Restore<B> {
    /// Takes an empty backend.
    ///
    /// # Errors
    /// `already_exists` when something is in it, `storage_failed`, `unavailable`.
    pub async fn begin(backend: B) -> Result<Self> {
        if !backend.scan(everything(), 1).await?.is_empty() {
            return Err(Error::new(ErrorCode::AlreadyExists, "a backup is restored into an empty place"));
        }
        let fence = backend.claim().await?;
        Ok(Self { backend, fence, reader: Reader::default(), header: None, number: None })
    }

    /// Takes the next bytes of the copy.
    ///
    /// # Errors
    /// `bad_argument` when they are damaged; `storage_failed`, also for a copy that a newer program made.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.feed(bytes);
        while let Some(item) = self.reader.next()? {
            match item {
                Item::Header(header) => {
                    upgrade::check(header.format)?;
                    self.header = Some(header);
                }
                Item::Pairs(mut writes) => {
                    writes.sort_by(|a, b| a.key.cmp(&b.key));
                    if writes.windows(2).any(|pair| pair[0].key == pair[1].key) {
                        return Err(damaged("a key is there twice in one item"));
                    }
                    self.backend.commit(CommitRecord { writes }, self.fence).await?;
                }
                Item::End { number } => self.number = Some(number),
            }
        }
        Ok(())
    }

    /// Sees that the copy was whole; gives the backend, which is a store now.
    ///
    /// # Errors
    /// `bad_argument` when something is missing or is not as it was written.
    pub async fn finish(self) -> Result<(B, Restored)> {
        let (Some(header), Some(number), true) = (self.header, self.number, self.reader.is_done()) else {
            return Err(damaged("its end is missing"));
        };
        let facts = [keys::meta("format"), keys::meta("number"), keys::meta("store")];
        let facts: Vec<_> = self.backend.get_many(&facts).await?.into_iter().flatten().collect();
        let [format, last, store] = &facts[..] else {
            return Err(damaged("the facts of the store are missing"));
        };
        if number_of(format)? != header.format || number_of(last)? != number || **store != header.store.0 {
            return Err(damaged("the facts of the store are not those of the backup"));
        }
        Ok((self.backend, Restored { store: header.store, time: header.time, number }))
    }
}

/// Reads a copy and sees that it is whole, without making a store of it.
#[derive(Default)]
pub struct Check {
    reader: Reader,
    header: Option<Header>,
    number: Option<u64>,
}

impl Check {
    /// Takes the next bytes of the copy.
    ///
    /// # Errors
    /// `bad_argument` when they are damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.feed(bytes);
        while let Some(item) = self.reader.next()? {
            match item {
                Item::Header(header) => self.header = Some(header),
                Item::Pairs(_) => {}
                Item::End { number } => self.number = Some(number),
            }
        }
        Ok(())
    }

    /// What it holds.
    ///
    /// # Errors
    /// `bad_argument` when its end is missing.
    pub fn finish(self) -> Result<Restored> {
        match (self.header, self.number, self.reader.is_done()) {
            (Some(header), Some(number), true) => {
                Ok(Restored { store: header.store, time: header.time, number })
            }
            _ => Err(damaged("its end is missing")),
        }
    }
}
