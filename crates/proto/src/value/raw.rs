//! Working on encoded maps without decoding their values: what the state of an object is to a node.
//!
//! The values are taken by their extent only, so a store may put tags of its own in their place. Bytes from outside go through
//! [`check_map`](super::check_map) first: it is that which refuses keys that stand twice.

use super::fail::Fail;
use super::reader::{Head, MAP, Reader, TEXT};
use super::scan::{self, Budget};
use super::write;
use crate::{Result, limits};
use std::borrow::Cow;

/// An embedded object adds an array around its map, and an n-dimensional array two arrays.
const DEPTH: usize = 2 * limits::MAX_DEPTH + 4;

/// The key of an entry, and the bytes of its value.
pub type Entry<'b> = (Cow<'b, str>, &'b [u8]);

/// The encoded empty map.
pub const EMPTY: &[u8] = &[0xa0];

/// The entries of an encoded map, in their order: key, and the bytes of the value.
///
/// # Errors
/// `bad_frame` when the bytes are not a map. The iterator itself gives an error once, and then ends, where they are not
/// well-formed or go on after the map.
pub fn entries(map: &[u8]) -> Result<Entries<'_>> {
    let mut reader = Reader::new(map);
    let head = reader.head()?;
    if head.major != MAP {
        return Err(Fail::bad("a map is needed").into());
    }
    Ok(Entries { reader, head, count: 0, ended: false })
}

/// See [`entries`].
pub struct Entries<'b> {
    reader: Reader<'b>,
    head: Head,
    count: u64,
    ended: bool,
}

impl<'b> Entries<'b> {
    fn step(&mut self) -> Result<Option<Entry<'b>>, Fail> {
        let at_end = if self.head.is_indefinite() {
            self.reader.at_break()?
        } else {
            self.count == self.head.argument
        };
        if at_end {
            return match self.reader.left() {
                0 => Ok(None),
                more => Err(Fail::bad(format!("{more} bytes follow the map"))),
            };
        }
        let head = self.reader.head()?;
        if head.major != TEXT {
            return Err(Fail::bad("a key of a map is not a text"));
        }
        let key = self.reader.text_string(&head)?;
        let from = self.reader.position();
        scan::skip(&mut self.reader, &mut Budget::new(DEPTH, usize::MAX)).map_err(|fail| fail.key(&key))?;
        self.count += 1;
        let raw = self.reader.bytes().get(from..self.reader.position()).unwrap_or_default();
        Ok(Some((key, raw)))
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = Result<Entry<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step().map_err(crate::Error::from).transpose();
        self.ended = !matches!(step, Some(Ok(_)));
        step
    }
}

/// The bytes of one value of an encoded map.
///
/// # Errors
/// As [`entries`].
pub fn get<'b>(map: &'b [u8], key: &str) -> Result<Option<&'b [u8]>> {
    for entry in entries(map)? {
        let (name, raw) = entry?;
        if name == key {
            return Ok(Some(raw));
        }
    }
    Ok(None)
}

/// Finds the values of some keys in one pass, which ends when all were found: gives `found` the place of a key in `keys` and the bytes of its value.
///
/// # Errors
/// As [`entries`], and those of `found`.
pub fn pick<'b, K: AsRef<str>>(
    map: &'b [u8],
    keys: &[K],
    mut found: impl FnMut(usize, &'b [u8]) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader::new(map);
    let head = reader.head()?;
    if head.major != MAP {
        return Err(Fail::bad("a map is needed").into());
    }
    let mut wanted = keys.len();
    let mut count = 0;
    while wanted > 0 && if head.is_indefinite() { !reader.at_break()? } else { count < head.argument } {
        count += 1;
        let key = reader.head()?;
        if key.major != TEXT {
            return Err(Fail::bad("a key of a map is not a text").into());
        }
        // Bytes that are those of a text are UTF-8, which need not be looked at then.
        let key = if key.is_indefinite() {
            Cow::Owned(reader.text_string(&key)?.into_owned().into_bytes())
        } else {
            Cow::Borrowed(reader.take(key.argument)?)
        };
        let from = reader.position();
        scan::skip(&mut reader, &mut Budget::new(DEPTH, usize::MAX))?;
        if let Some(at) = keys.iter().position(|wanted| wanted.as_ref().as_bytes() == &*key) {
            found(at, map.get(from..reader.position()).unwrap_or_default())?;
            wanted -= 1;
        }
    }
    Ok(())
}

/// An encoded map of these keys and encoded values.
pub fn build<K: AsRef<str>, V: AsRef<[u8]>>(entries: &[(K, V)]) -> Vec<u8> {
    let bytes: usize = entries.iter().map(|(key, raw)| key.as_ref().len() + raw.as_ref().len() + 3).sum();
    let mut map = Vec::with_capacity(bytes + 9);
    write::head(MAP, entries.len() as u64, &mut map);
    for (key, raw) in entries {
        write::text(key.as_ref(), &mut map);
        map.extend_from_slice(raw.as_ref());
    }
    map
}

/// `base` without the `removed` keys and with the entries of `set`: a key that is there already keeps its place, a new one
/// goes to the end.
///
/// # Errors
/// As [`entries`].
pub fn patch(base: &[u8], set: &[u8], removed: &[String]) -> Result<Vec<u8>> {
    let mut merged: Vec<_> = entries(base)?.collect::<Result<_>>()?;
    if !removed.is_empty() {
        merged.retain(|(key, _)| !removed.iter().any(|name| name == key));
    }
    for entry in entries(set)? {
        let (key, raw) = entry?;
        match merged.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = raw,
            None => merged.push((key, raw)),
        }
    }
    Ok(build(&merged))
}
