//! Files of Emerge, backups and exports: a CBOR sequence (RFC 8742) of byte strings, each of which holds one item, a CBOR list. The last item is `["end", …]`
//! and ends with the SHA-256 of every byte of the file before that hash. Both sides work piece by piece, in the memory of one item.

use crate::{Error, ErrorCode, Result};
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt::Display;

/// Bytes of one item.
pub const MAX_ITEM: usize = 128 * 1024 * 1024;
/// Bytes of a hash.
const HASH: usize = 32;
/// How the last item begins.
const END: &str = "end";

/// What writing an item into memory gives; it cannot fail.
pub type Encoded = Result<(), minicbor::encode::Error<Infallible>>;

/// Puts items down.
#[derive(Default)]
pub struct SequenceWriter {
    out: Vec<u8>,
    hash: Sha256,
    count: u64,
}

impl SequenceWriter {
    /// Puts an item down, which `write` encodes.
    pub fn item(&mut self, write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Encoded) {
        let mut item = Vec::new();
        // Writing to a vector cannot fail.
        let _ = write(&mut Encoder::new(&mut item));
        let start = self.out.len();
        let _ = Encoder::new(&mut self.out).bytes(&item);
        self.hash.update(&self.out[start..]);
        self.count += 1;
    }

    /// Ends the sequence: the count of the items, a number of the writer's own, the hash.
    pub fn end(&mut self, number: u64) {
        let count = self.count;
        let before = self.hash.clone();
        let start = self.out.len();
        self.item(|e| e.array(4)?.str(END)?.u64(count)?.u64(number)?.bytes(&[0; HASH])?.ok());
        let place = self.out.len() - HASH;
        let hash = before.chain_update(&self.out[start..place]).finalize();
        self.out[place..].copy_from_slice(&hash);
    }

    /// What was put down since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// What comes out of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An encoded item.
    Item(Vec<u8>),
    /// The end, with the writer's own number; all before it is as it was written.
    End(u64),
}

/// Reads a sequence that comes in pieces.
#[derive(Default)]
pub struct SequenceReader {
    buffer: Vec<u8>,
    read: usize,
    hash: Sha256,
    count: u64,
    ended: bool,
}

/// The error of a file that is not what it must be.
pub fn damaged(why: impl Display) -> Error {
    Error::new(ErrorCode::BadArgument, format!("the file is damaged: {why}"))
}

impl SequenceReader {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the end was read and nothing comes after it.
    pub fn is_done(&self) -> bool {
        self.ended && self.read == self.buffer.len()
    }

    /// The next part, when all of it is there.
    ///
    /// # Errors
    /// `bad_argument` when it is none, when the hash or the count is another, when something follows the end.
    pub fn next_part(&mut self) -> Result<Option<Part>> {
        let rest = &self.buffer[self.read..];
        if self.ended && !rest.is_empty() {
            return Err(damaged("something follows its end"));
        }
        let Some((start, length)) = head(rest)? else { return Ok(None) };
        let Some(item) = rest.get(start..start + length) else { return Ok(None) };
        let part = match end_of(item).map_err(damaged)? {
            None => Part::Item(item.to_vec()),
            Some(End { count, number, hash }) => {
                let before = rest[..start + length].strip_suffix(hash).unwrap_or_default();
                if count != self.count || hash != &*self.hash.clone().chain_update(before).finalize() {
                    return Err(damaged("its content is not what was written"));
                }
                self.ended = true;
                Part::End(number)
            }
        };
        self.hash.update(&rest[..start + length]);
        self.count += 1;
        self.read += start + length;
        Ok(Some(part))
    }
}

/// What the last item says.
struct End<'a> {
    count: u64,
    number: u64,
    hash: &'a [u8],
}

/// The last item; none for another.
fn end_of(item: &[u8]) -> Result<Option<End<'_>>, minicbor::decode::Error> {
    let wrong = |why: &str| Err(minicbor::decode::Error::message(why));
    let mut d = Decoder::new(item);
    let Some(length) = d.array()? else { return wrong("a list of unknown length") };
    if d.datatype().ok() != Some(minicbor::data::Type::String) || d.str()? != END {
        return Ok(None);
    }
    let end = End { count: d.u64()?, number: d.u64()?, hash: d.bytes()? };
    if length != 4 || d.position() != item.len() {
        wrong("its end is not well-formed")
    } else {
        Ok(Some(end))
    }
}

/// Where the content of a byte string begins and how long it is, when its head is there.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(first) = bytes.first() else { return Ok(None) };
    let size = match first {
        0x40..=0x57 => 0,
        0x58 => 1,
        0x59 => 2,
        0x5a => 4,
        0x5b => 8,
        _ => return Err(damaged("not a byte string")),
    };
    let Some(digits) = bytes.get(1..1 + size) else { return Ok(None) };
    let length = match size {
        0 => u64::from(first - 0x40),
        _ => digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)),
    };
    match usize::try_from(length).ok().filter(|length| *length <= MAX_ITEM) {
        Some(length) => Ok(Some((1 + size, length))),
        None => Err(damaged(format!("an item of {length} bytes")).limit(MAX_ITEM as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let mut writer = SequenceWriter::default();
        for text in ["", "a", &"b".repeat(300), &"c".repeat(70_000)] {
            writer.item(|e| e.array(1)?.str(text)?.ok());
        }
        writer.end(7);
        writer.take()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(usize, Option<u64>)> {
        let mut reader = SequenceReader::default();
        let (mut items, mut end) = (0, None);
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
            while let Some(part) = reader.next_part()? {
                match part {
                    Part::Item(_) => items += 1,
                    Part::End(number) => end = Some(number),
                }
            }
        }
        Ok((items, end.filter(|_| reader.is_done())))
    }

    #[test]
    fn it_comes_back_in_pieces_of_any_size() {
        let bytes = whole();
        for piece in [1, 2, 1000, bytes.len()] {
            assert_eq!(read(&bytes, piece), Ok((4, Some(7))), "{piece}");
        }
    }

    #[test]
    fn damage_is_seen() {
        let bytes = whole();
        for cut in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            assert!(read(&bytes[..cut], 1000).is_ok_and(|(_, end)| end.is_none()), "{cut}");
        }
        for at in (0..bytes.len()).step_by(97).chain(bytes.len() - 60..bytes.len()) {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(!matches!(read(&bent, 1000), Ok((_, Some(_)))), "{at}");
        }
        assert!(read(&[&bytes[..], &[0x40]].concat(), 1000).is_err());
        assert_eq!(read(&[0x5b, 255, 0, 0, 0, 0, 0, 0, 0], 9).unwrap_err().limit, Some(MAX_ITEM as u64));
    }
}
