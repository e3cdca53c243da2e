//! The items of a copy (see [`emerge_proto::sequence`] for the file around them):
//!
//! - first `["emerge-backup", 1, format of the store, id of the store, time in microseconds]`;
//! - then lists of `[key, value]`, or `[key, null]` for a key that was deleted, to be applied in order;
//! - the number of the end is that of the last commit.

use super::BATCH;
use crate::backend::{Key, Write};
use bytes::Bytes;
use emerge_proto::sequence::{Part, SequenceReader, SequenceWriter, damaged};
use emerge_proto::{ObjectId, Result};
use minicbor::Decoder;
use minicbor::bytes::ByteSlice;

/// How a copy begins.
const NAME: &str = "emerge-backup";
/// The version of its form.
const VERSION: u64 = 1;
/// Bytes of pairs past which they go into one item more.
const ITEM: usize = 1024 * 1024;

/// Puts a copy down.
#[derive(Default)]
pub(super) struct Writer {
    sequence: SequenceWriter,
}

impl Writer {
    pub(super) fn header(&mut self, format: u64, store: ObjectId, time: i64) {
        self.sequence
            .item(|e| e.array(5)?.str(NAME)?.u64(VERSION)?.u64(format)?.bytes(&store.0)?.i64(time)?.ok());
    }

    /// What a scan found; gives the key from which it goes on.
    pub(super) fn scanned(&mut self, found: &[(Key, Bytes)]) -> Option<Key> {
        self.pairs(found.iter().map(|(key, value)| (&**key, Some(&**value))));
        let (last, _) = found.last().filter(|_| found.len() == BATCH)?;
        // A zero byte makes the key the next possible one.
        Some([&**last, &[0]].concat().into())
    }

    /// What a commit wrote.
    pub(super) fn writes(&mut self, writes: &[Write]) {
        self.pairs(writes.iter().map(|write| (&*write.key, write.value.as_deref())));
    }

    fn pairs<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        let (mut some, mut bytes) = (Vec::new(), 0);
        let mut pairs = pairs.peekable();
        while let Some((key, value)) = pairs.next() {
            bytes += key.len() + value.map_or(0, <[u8]>::len);
            some.push((<&ByteSlice>::from(key), value.map(<&ByteSlice>::from)));
            if bytes > ITEM || pairs.peek().is_none() {
                self.sequence.item(|e| e.encode(&some)?.ok());
                some.clear();
                bytes = 0;
            }
        }
    }

    pub(super) fn end(&mut self, number: u64) {
        self.sequence.end(number);
    }

    /// What was put down since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.sequence.take()
    }
}

/// What a copy says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: u64,
    pub(super) store: ObjectId,
    pub(super) time: i64,
}

/// An item of a copy.
pub(super) enum Item {
    Header(Header),
    Pairs(Vec<Write>),
    End { number: u64 },
}

/// Reads a copy that comes in pieces.
#[derive(Default)]
pub(super) struct Reader {
    sequence: SequenceReader,
    begun: bool,
}

impl Reader {
    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.sequence.feed(bytes);
    }

    /// Whether the end was read.
    pub(super) fn is_done(&self) -> bool {
        self.sequence.is_done()
    }

    /// The next item, when all of it is there.
    ///
    /// # Errors
    /// `bad_argument` when it is none, or the hash is another.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        Ok(match self.sequence.next_part()? {
            None => None,
            Some(Part::End(_)) if !self.begun => return Err(damaged("it has no beginning")),
            Some(Part::End(number)) => Some(Item::End { number }),
            Some(Part::Item(item)) if self.begun => Some(Item::Pairs(pairs(&item).map_err(damaged)?)),
            Some(Part::Item(item)) => {
                self.begun = true;
                Some(Item::Header(header(&item).map_err(damaged)?))
            }
        })
    }
}

fn header(item: &[u8]) -> Result<Header, minicbor::decode::Error> {
    let wrong = minicbor::decode::Error::message::<&str>;
    let mut d = Decoder::new(item);
    if d.array()? != Some(5) || d.str()? != NAME || d.u64()? != VERSION {
        return Err(wrong("it does not begin as a backup of this version"));
    }
    let (format, store, time) = (d.u64()?, d.bytes()?, d.i64()?);
    let store = ObjectId(store.try_into().map_err(|_| wrong("the store's id"))?);
    Ok(Header { format, store, time })
}

fn pairs(item: &[u8]) -> Result<Vec<Write>, minicbor::decode::Error> {
    let mut d = Decoder::new(item);
    let pairs: Vec<(&ByteSlice, Option<&ByteSlice>)> = d.decode()?;
    let write = |(key, value): (&ByteSlice, Option<&ByteSlice>)| Write {
        key: Key::from(&**key),
        value: value.map(|value| Bytes::copy_from_slice(value)),
    };
    Ok(pairs.into_iter().map(write).collect())
}
