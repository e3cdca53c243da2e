//! A subtree as a file: its classes, directories and objects (see [`emerge_proto::sequence`] for the file around them). The items:
//!
//! - first `["emerge-export", 1, path of the subtree, time in microseconds]`;
//! - `["class", source]`, a class source as in `PROTOCOL.md`, before all that needs it;
//! - `["directory", path, [owner, group, permissions], [keep, mask]]`, before what is in it; [`OwnRules`] are left out of one that has none;
//! - `["version", path, version]`, those of an object right after each other, the oldest first; [`Version`] is the record;
//! - the number of the end is 0.
//!
//! Paths are relative to the subtree; that of its own root is empty.

mod export;
mod import;

pub use export::Export;
pub use import::{Import, Imported};

use emerge_engine::{MadeVersion, Ownership};
use emerge_proto::sequence::{SequenceWriter, damaged};
use emerge_proto::{ClassHash, ClassSource, Perms, Result};
use minicbor::{Decode, Decoder, Encode};

/// How an export begins.
const NAME: &str = "emerge-export";
/// The version of its form.
const FORM: u64 = 1;

/// To whom something belongs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Owned {
    #[n(0)]
    owner: String,
    #[n(1)]
    group: String,
    #[n(2)]
    perms: Perms,
}

/// The rules that a directory sets itself, as their operation has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct OwnRules {
    #[n(0)]
    keep: Option<String>,
    #[n(1)]
    mask: Option<String>,
}

impl From<Owned> for Ownership {
    fn from(owned: Owned) -> Self {
        let Owned { owner, group, perms } = owned;
        Self { owner, group, perms }
    }
}

/// A version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Version {
    #[n(0)]
    owned: Owned,
    #[n(1)]
    class: ClassHash,
    /// An encoded map.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    fields: Vec<u8>,
    #[n(3)]
    version: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(4)]
    created: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[n(5)]
    modified: i64,
    /// Who made it; the owner when absent.
    #[n(6)]
    author: Option<String>,
    /// The method that made it.
    #[n(7)]
    method: Option<String>,
    /// The version whose state it had again.
    #[n(8)]
    restored: Option<u64>,
    /// The operation that made it, when it changed no state.
    #[n(9)]
    operation: Option<String>,
}

impl From<Version> for MadeVersion {
    fn from(version: Version) -> Self {
        let author = version.author.unwrap_or_else(|| version.owned.owner.clone());
        Self {
            ownership: version.owned.into(),
            class: version.class,
            fields: version.fields,
            version: version.version,
            created: version.created,
            modified: version.modified,
            author,
            method: version.method,
            restored: version.restored,
            operation: version.operation,
        }
    }
}

/// One item after the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A class, and who stored it first where that is known.
    Class(Box<ClassSource>, Option<String>),
    Directory(String, Owned, OwnRules),
    Version(String, Box<Version>),
}

impl Item {
    pub(crate) fn put(&self, to: &mut SequenceWriter) {
        to.item(|e| {
            match self {
                Item::Class(source, None) => e.array(2)?.str("class")?.encode(source)?,
                Item::Class(source, Some(owner)) => e.array(3)?.str("class")?.encode(source)?.str(owner)?,
                // As programs that know of no rules have it.
                Item::Directory(path, owned, rules) if *rules == OwnRules::default() => {
                    e.array(3)?.str("directory")?.str(path)?.encode(owned)?
                }
                Item::Directory(path, owned, rules) => {
                    e.array(4)?.str("directory")?.str(path)?.encode(owned)?.encode(rules)?
                }
                Item::Version(path, version) => e.array(3)?.str("version")?.str(path)?.encode(version)?,
            };
            Ok(())
        });
    }

    /// # Errors
    /// `bad_argument` when it is none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        Self::try_read(bytes).map_err(damaged)
    }

    fn try_read(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let mut d = Decoder::new(bytes);
        let length = d.array()?;
        Ok(match d.str()? {
            "class" => {
                let source = Box::new(d.decode()?);
                let owner = (length == Some(3)).then(|| d.str().map(str::to_owned)).transpose()?;
                Item::Class(source, owner)
            }
            "directory" => {
                let (path, owned) = (d.str()?.to_owned(), d.decode()?);
                let rules = if length == Some(3) { OwnRules::default() } else { d.decode()? };
                Item::Directory(path, owned, rules)
            }
            "version" => Item::Version(d.str()?.to_owned(), Box::new(d.decode()?)),
            _ => return Err(minicbor::decode::Error::message("an unknown item")),
        })
    }
}
