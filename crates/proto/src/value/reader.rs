//! The heads and strings of CBOR items. Every length is compared with what is left before anything is allocated.

use super::fail::Fail;
use std::borrow::Cow;

pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const SIMPLE: u8 = 7;

/// The byte that ends an item of indefinite length.
pub(super) const BREAK: u8 = 0xff;

/// The head of an item.
pub(super) struct Head {
    pub(super) major: u8,
    /// The low five bits.
    pub(super) info: u8,
    /// The argument; 0 when the length is indefinite.
    pub(super) argument: u64,
}

impl Head {
    pub(super) fn is_indefinite(&self) -> bool {
        self.info == 31
    }
}

pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn set_position(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Never more than this many items can follow, since each takes a byte.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'b [u8], Fail> {
        let length = usize::try_from(length).map_err(|_| Fail::cut())?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(Fail::cut)?;
        self.at += length;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Fail> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N as u64)?);
        Ok(number)
    }

    #[inline]
    pub(super) fn head(&mut self) -> Result<Head, Fail> {
        let first = *self.bytes.get(self.at).ok_or_else(Fail::cut)?;
        self.at += 1;
        let (major, info) = (first >> 5, first & 31);
        let argument = match info {
            0..=23 => u64::from(info),
            24 => u64::from(self.number::<1>()?[0]),
            25 => u64::from(u16::from_be_bytes(self.number()?)),
            26 => u64::from(u32::from_be_bytes(self.number()?)),
            27 => u64::from_be_bytes(self.number()?),
            31 if matches!(major, BYTES | TEXT | ARRAY | MAP) => 0,
            _ => return Err(Fail::bad(format!("the byte 0x{first:02x} cannot begin a value"))),
        };
        Ok(Head { major, info, argument })
    }

    /// Steps over a number, a truth value, null, or a string of less than 24 bytes, when one is next and whole: what most values are.
    #[inline]
    pub(super) fn skip_plain(&mut self) -> bool {
        let Some(&first) = self.bytes.get(self.at) else { return false };
        let length = match first {
            0x00..=0x17 | 0x20..=0x37 | 0xf4..=0xf6 => 1,
            0x18 | 0x38 => 2,
            0x19 | 0x39 => 3,
            0x1a | 0x3a => 5,
            0x1b | 0x3b | 0xfb => 9,
            0x40..=0x57 | 0x60..=0x77 => 1 + usize::from(first & 31),
            _ => return false,
        };
        let is_whole = length <= self.left();
        if is_whole {
            self.at += length;
        }
        is_whole
    }

    /// Takes the break, when it is next.
    pub(super) fn at_break(&mut self) -> Result<bool, Fail> {
        let is_break = *self.bytes.get(self.at).ok_or_else(Fail::cut)? == BREAK;
        if is_break {
            self.at += 1;
        }
        Ok(is_break)
    }

    #[inline]
    pub(super) fn byte_string(&mut self, head: &Head) -> Result<Cow<'b, [u8]>, Fail> {
        if !head.is_indefinite() {
            return self.take(head.argument).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while !self.at_break()? {
            whole.extend_from_slice(self.chunk(BYTES)?);
        }
        Ok(Cow::Owned(whole))
    }

    #[inline]
    pub(super) fn text_string(&mut self, head: &Head) -> Result<Cow<'b, str>, Fail> {
        if !head.is_indefinite() {
            return utf8(self.take(head.argument)?).map(Cow::Borrowed);
        }
        let mut whole = String::new();
        while !self.at_break()? {
            whole.push_str(utf8(self.chunk(TEXT)?)?);
        }
        Ok(Cow::Owned(whole))
    }

    fn chunk(&mut self, major: u8) -> Result<&'b [u8], Fail> {
        let head = self.head()?;
        if head.major != major || head.is_indefinite() {
            return Err(Fail::bad("a string of indefinite length has a chunk of another kind"));
        }
        self.take(head.argument)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fail> {
    std::str::from_utf8(bytes).map_err(|_| Fail::bad("a text is not UTF-8"))
}
