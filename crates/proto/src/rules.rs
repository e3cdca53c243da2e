//! Rules of a directory for all that lies below it: which versions are kept, and which permissions new members get.

use crate::error::{Error, ErrorCode, Result};
use crate::limits;
use crate::perms::Perms;
use minicbor::{Decode, Encode};
use std::fmt;

/// Which versions of an object are kept. The current one always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Keep {
    /// The last [`limits::KEEP_VERSIONS`], each for [`limits::KEEP_DAYS`] after the next one was made.
    #[n(0)]
    Standard,
    /// All of them.
    #[n(1)]
    All,
    /// So many, the current one included.
    #[n(2)]
    Versions(#[n(0)] u64),
    /// Each for so many seconds after the next one was made.
    #[n(3)]
    Seconds(#[n(0)] u64),
}

/// Units of time, longest first, and their seconds.
const UNITS: [(&str, u64); 5] =
    [("week", 7 * 24 * 3600), ("day", 24 * 3600), ("hour", 3600), ("minute", 60), ("second", 1)];

impl Keep {
    /// Reads `default`, `all`, `10 versions`, `30 days` (also seconds, minutes, hours and weeks).
    ///
    /// # Errors
    /// `bad_argument`, with the field `keep`.
    pub fn parse(text: &str) -> Result<Self> {
        let keep = match text {
            "default" => Some(Keep::Standard),
            "all" => Some(Keep::All),
            _ => text.split_once(' ').and_then(|(count, unit)| {
                let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
                let unit = unit.strip_suffix('s').unwrap_or(unit);
                if unit == "version" {
                    return Some(Keep::Versions(count));
                }
                let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
                // A thousand years and more are a slip.
                count.checked_mul(*seconds).filter(|seconds| *seconds < 1 << 35).map(Keep::Seconds)
            }),
        };
        keep.ok_or_else(|| {
            let why = format!("{text:?}: \"default\", \"all\", \"10 versions\" or \"30 days\" is needed");
            Error::new(ErrorCode::BadArgument, why).field("keep")
        })
    }

    /// The newest version that is surplus by number when an object is at `newest`; 0 for none.
    pub fn surplus(self, newest: u64) -> u64 {
        match self {
            Keep::Standard => newest.saturating_sub(limits::KEEP_VERSIONS),
            Keep::Versions(count) => newest.saturating_sub(count),
            Keep::All | Keep::Seconds(_) => 0,
        }
    }

    /// Microseconds for which a version is kept after the next one was made; none when its age does not matter.
    pub fn micros(self) -> Option<i64> {
        let seconds = match self {
            Keep::Standard => limits::KEEP_DAYS * 24 * 3600,
            Keep::Seconds(seconds) => seconds,
            Keep::All | Keep::Versions(_) => return None,
        };
        i64::try_from(seconds.saturating_mul(1_000_000)).ok()
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
        match self {
            Keep::Standard => f.write_str("default"),
            Keep::All => f.write_str("all"),
            Keep::Versions(count) => f.write_str(&counted(*count, "version")),
            Keep::Seconds(all) => {
                let unit = UNITS.iter().find(|(_, seconds)| all % seconds == 0);
                let (name, seconds) = unit.unwrap_or(&UNITS[4]);
                f.write_str(&counted(all / seconds, name))
            }
        }
    }
}

/// Permissions that new members do not get, as a process's umask in Unix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Mask(#[n(0)] pub u16);

impl Mask {
    /// `027`, which leaves `rwxr-x---`.
    pub const DEFAULT: Mask = Mask(0o027);

    /// Reads three octal digits.
    ///
    /// # Errors
    /// `bad_argument`, with the field `mask`.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.len() == 3 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        u16::from_str_radix(text, 8).ok().filter(|_| digits).map(Mask).ok_or_else(|| {
            let why = format!("{text:?} is no mask: three octal digits, such as 027, are needed");
            Error::new(ErrorCode::BadArgument, why).field("mask")
        })
    }

    /// What a new member gets.
    pub fn perms(self) -> Perms {
        Perms(0o777 & !self.0)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// The rules that hold in a directory, and where they were set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rules {
    /// Which versions are kept, as [`Keep::parse`] reads it.
    #[n(0)]
    pub keep: String,
    /// The permissions that new members do not get, in octal.
    #[n(1)]
    pub mask: String,
    /// The directory that says what is kept; absent when none does.
    #[n(2)]
    pub keep_from: Option<String>,
    /// The directory that has the mask; absent when none has.
    #[n(3)]
    pub mask_from: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_read_and_write() {
        for text in
            ["default", "all", "1 version", "10 versions", "30 days", "1 week", "36 hours", "90 seconds"]
        {
            assert_eq!(Keep::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Keep::parse("14 days").unwrap().to_string(), "2 weeks");
        for text in ["", "10", "0 versions", "-1 days", "10 moons", "99999999 weeks", "all versions", "é"] {
            assert_eq!(Keep::parse(text).unwrap_err().field.as_deref(), Some("keep"), "{text}");
        }
        assert_eq!(Keep::Versions(3).surplus(10), 7);
        assert_eq!(
            (Keep::All.surplus(10), Keep::Seconds(1).surplus(10), Keep::Standard.surplus(101)),
            (0, 0, 1)
        );
        assert_eq!((Keep::Seconds(2).micros(), Keep::Versions(2).micros()), (Some(2_000_000), None));
    }

    #[test]
    fn masks_read_and_write() {
        assert_eq!(Mask::parse("002").unwrap().perms().to_string(), "rwxrwxr-x");
        assert_eq!((Mask::DEFAULT.perms(), Mask::DEFAULT.to_string()), (Perms::DEFAULT, "027".into()));
        for text in ["", "27", "0027", "028", "+27", "é2"] {
            assert_eq!(Mask::parse(text).unwrap_err().field.as_deref(), Some("mask"), "{text}");
        }
    }
}
