//! Permissions: eleven bits, and a change of them as people write it.

use crate::error::{Error, ErrorCode, Result};
use crate::guard::Guard;
use minicbor::{Decode, Encode};
use std::fmt;

/// Permissions: nine bits as in a Unix file system (`rwxr-x---`), for the owner, the group and all others; `x` on an object
/// means that its methods may be called, on a directory that its entries may be reached. The tenth bit makes a directory
/// sticky: only an entry's owner, the directory's owner and the administrator may remove or rename an entry. It shows as
/// `t` in place of the last `x`, or as `T` where that is not set. The eleventh marks an object whose methods run with its owner's rights; it shows as
/// `s` in place of the owner's `x`, or as `S`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Perms(#[n(0)] pub u16);

/// The bit of a sticky directory.
const STICKY: u16 = 0o1000;
/// The bit of an object whose methods run with its owner's rights.
const AS_OWNER: u16 = 0o4000;

impl Perms {
    /// `rwxr-x---`, for new objects and directories.
    pub const DEFAULT: Perms = Perms(0o750);
    /// All that can be set.
    pub const ALL: Perms = Perms(0o5777);

    /// Reads `rwxr-x---`, `rwxrwxrwt`, `rwxrwx--T` or `rwsr-x---`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 9] = text.as_bytes().try_into().ok()?;
        let mut bits = 0;
        for (at, (byte, letter)) in bytes.iter().zip(*b"rwxrwxrwx").enumerate() {
            let bit = 1 << (8 - at);
            bits |= match *byte {
                b'-' => 0,
                b's' if at == 2 => AS_OWNER | bit,
                b'S' if at == 2 => AS_OWNER,
                b't' if at == 8 => STICKY | bit,
                b'T' if at == 8 => STICKY,
                byte if byte == letter => bit,
                _ => return None,
            };
        }
        Some(Perms(bits))
    }

    /// Whether a directory's entries are removed and renamed by their owners alone.
    pub fn is_sticky(self) -> bool {
        self.0 & STICKY != 0
    }

    /// Whether an object's methods run with its owner's rights.
    pub fn is_as_owner(self) -> bool {
        self.0 & AS_OWNER != 0
    }

    /// The same for an object whose methods run with the rights of any method.
    pub fn without_owner_mark(self) -> Self {
        if Guard::Mark.holds() { Perms(self.0 & !AS_OWNER) } else { self }
    }
}

impl fmt::Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        "rwxrwxrwx".chars().enumerate().try_for_each(|(at, letter)| {
            let set = self.0 >> (8 - at) & 1 == 1;
            let letter = match (at, set) {
                (2, true) if self.is_as_owner() => 's',
                (2, false) if self.is_as_owner() => 'S',
                (8, true) if self.is_sticky() => 't',
                (8, false) if self.is_sticky() => 'T',
                (_, true) => letter,
                (_, false) => '-',
            };
            write!(f, "{letter}")
        })
    }
}

impl fmt::Debug for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A change of permissions: bits to take away, then bits to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermsChange {
    clear: u16,
    set: u16,
}

impl PermsChange {
    /// Reads what people write: all of them, as `rwxr-x---` or octal (`750`, `1777`), or changes with commas between them,
    /// each of who (`u`, `g`, `o`, `a` for all; all when left out), `+`, `-` or `=`, and letters of `rwxst`: `u+x,g-w`. `=`
    /// leaves `s` and `t` as they are, unless they are named.
    ///
    /// # Errors
    /// `bad_argument`, with the field `perms`.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(perms) = Perms::parse(text) {
            return Ok(Self { clear: Perms::ALL.0, set: perms.0 });
        }
        if matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let bits = u16::from_str_radix(text, 8).ok().filter(|bits| bits & !Perms::ALL.0 == 0);
            return bits.map(|set| Self { clear: Perms::ALL.0, set }).ok_or_else(|| bad(text));
        }
        let mut change = Self { clear: 0, set: 0 };
        for part in text.split(',') {
            change.add(part).ok_or_else(|| bad(text))?;
        }
        Ok(change)
    }

    fn add(&mut self, part: &str) -> Option<()> {
        let at = part.find(['+', '-', '='])?;
        let (who, rest) = part.split_at(at);
        let (how, letters) = rest.split_at(1);
        let mut places = 0;
        for letter in who.chars() {
            places |= match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        let places: u16 = if who.is_empty() { 0o777 } else { places };
        let mut bits = 0;
        for letter in letters.chars() {
            bits |= match letter {
                'r' => 0o444 & places,
                'w' => 0o222 & places,
                'x' => 0o111 & places,
                // It belongs to the directory, not to its owner or its group.
                't' if places & 0o007 != 0 => STICKY,
                's' if places & 0o700 != 0 => AS_OWNER,
                _ => return None,
            };
        }
        if how != "=" && bits == 0 {
            return None;
        }
        let cleared = match how {
            "+" => 0,
            "-" => bits,
            _ => places,
        };
        self.clear |= cleared;
        self.set &= !cleared;
        if how != "-" {
            self.set |= bits;
            self.clear &= !bits;
        }
        Some(())
    }

    /// The permissions after the change.
    pub fn apply(self, perms: Perms) -> Perms {
        Perms(perms.0 & !self.clear | self.set)
    }
}

fn bad(text: &str) -> Error {
    let why = format!("{text:?} is no permissions: rwxr-x---, 750, or changes such as u+x,g-w are needed");
    Error::new(ErrorCode::BadArgument, why).field("perms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perms_read_and_write() {
        for text in [
            "rwxr-x---",
            "---------",
            "rwxrwxrwx",
            "r--r--r--",
            "rwxrwxrwt",
            "rwxrwx--T",
            "rwsr-x---",
            "r-Sr-x--t",
        ] {
            assert_eq!(Perms::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Perms::DEFAULT.to_string(), "rwxr-x---");
        for text in ["rwx", "xwrr-x---", "rwtrwxrwx", "rwxrwsrwx", "rwxrwxrws", "rwxrwxrwé", ""] {
            assert!(Perms::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn changes_apply() {
        for (change, from, to) in [
            ("rw-r--r--", "rwxrwxrwt", "rw-r--r--"),
            ("640", "rwxrwxrwt", "rw-r-----"),
            ("1777", "---------", "rwxrwxrwt"),
            ("0750", "---------", "rwxr-x---"),
            ("u+x,g-w", "rw-rw-r--", "rwxr--r--"),
            ("go=", "rwxr-xr-t", "rwx-----T"),
            ("+r", "---------", "r--r--r--"),
            ("a=rx", "rwxrwxrwt", "r-xr-xr-t"),
            ("o+t", "rwxrwx---", "rwxrwx--T"),
            ("a-t", "rwxrwxrwt", "rwxrwxrwx"),
            ("u=rw,u+x", "---------", "rwx------"),
            ("+x,u-x", "---------", "-----x--x"),
            ("u+s", "rwxr-x---", "rwsr-x---"),
            ("u-s,o+x", "rwsr-x---", "rwxr-x--x"),
            ("u=rw", "rwsr-x---", "rwSr-x---"),
            ("4711", "---------", "rws--x--x"),
            ("711", "rwsrwxrwx", "rwx--x--x"),
        ] {
            let changed = PermsChange::parse(change).unwrap().apply(Perms::parse(from).unwrap());
            assert_eq!(changed.to_string(), to, "{change} of {from}");
        }
        for text in [
            "", "u", "u+", "z+x", "u+q", "u+t", "g+s", "78", "778", "2777", "17777", "u+x,", "rwxr-x--",
            "é+x",
        ] {
            let error = PermsChange::parse(text).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("perms")),
                "{text}"
            );
        }
    }
}
