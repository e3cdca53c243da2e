//! Records of objects and entries, in memory and as bytes.

use bytes::Bytes;
use compact_str::CompactString;
use emerge_proto::rules::{Keep, Mask};
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, ObjectType, Perms, Result};
use minicbor::{Decode, Encode};
use std::sync::Arc;

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Entry {
    #[n(0)]
    pub(crate) id: ObjectId,
    #[n(1)]
    pub(crate) kind: ObjectType,
}

/// An object or a directory: its head and its state in one record. Its names are short as a rule, and then need no memory of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: ObjectType,
    /// The directory that holds it; the root holds itself. Nothing in an earlier version.
    pub(crate) parent: ObjectId,
    /// Its name there. Nothing in an earlier version.
    pub(crate) name: CompactString,
    pub(crate) class: Option<ClassHash>,
    pub(crate) owner: CompactString,
    pub(crate) group: CompactString,
    pub(crate) perms: Perms,
    pub(crate) version: u64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    /// Who made this version.
    pub(crate) author: CompactString,
    /// The method that made this version.
    pub(crate) method: Option<String>,
    /// The version whose state this one has again.
    pub(crate) restored: Option<u64>,
    /// The operation that made this version, when it changed no state.
    pub(crate) operation: Option<String>,
    /// Rules of a directory for what lies below it.
    pub(crate) rules: Option<Arc<OwnRules>>,
    /// The encoded map, with null in place of each value in `blobs`.
    pub(crate) state: Bytes,
    /// Values that lie elsewhere, in the order of their fields.
    pub(crate) blobs: Vec<BlobRef>,
}

/// The rules that a directory has of its own; what is absent is as above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct OwnRules {
    #[n(0)]
    pub(crate) mask: Option<Mask>,
    #[n(1)]
    pub(crate) keep: Option<Keep>,
}

/// A field's value that lies elsewhere by its content hash.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct BlobRef {
    /// Which field, counted from 0 in the order of the map.
    #[n(0)]
    pub(crate) field: u32,
    /// SHA-256 of the encoded value.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) hash: [u8; 32],
    /// Bytes of the encoded value.
    #[n(2)]
    pub(crate) len: u64,
}

/// The newest version of a class, by its owner and name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ClassHead {
    #[n(0)]
    pub(crate) class_id: ObjectId,
    #[n(1)]
    pub(crate) version: u64,
    #[n(2)]
    pub(crate) hash: ClassHash,
}

/// An object as it lies in the store.
#[derive(Encode, Decode)]
pub(crate) struct Stored<'a> {
    #[n(0)]
    kind: ObjectType,
    #[n(1)]
    pub(crate) perms: Perms,
    #[n(2)]
    version: u64,
    #[n(3)]
    created: i64,
    /// `modified - created`, which is 0 for every first version.
    #[n(4)]
    age: i64,
    #[n(5)]
    pub(crate) parent: ObjectId,
    #[b(6)]
    pub(crate) name: &'a str,
    #[b(7)]
    pub(crate) owner: &'a str,
    #[b(8)]
    pub(crate) group: &'a str,
    #[n(9)]
    pub(crate) class: Option<ClassHash>,
    #[b(10)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) state: &'a [u8],
    /// Absent when it is the owner.
    #[b(11)]
    author: Option<&'a str>,
    #[b(12)]
    method: Option<&'a str>,
    #[n(13)]
    pub(crate) blobs: Option<Vec<BlobRef>>,
    #[n(14)]
    restored: Option<u64>,
    #[b(15)]
    operation: Option<&'a str>,
    #[n(16)]
    rules: Option<OwnRules>,
}

impl Object {
    /// Bytes of its encoded state as users see it.
    pub(crate) fn size(&self) -> u64 {
        // Each blob stands as one byte of null in the stored state.
        self.state.len() as u64 + self.blobs.iter().map(|blob| blob.len - 1).sum::<u64>()
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == ObjectType::Directory
    }

    pub(crate) fn encode(&self) -> Bytes {
        let wire = Stored {
            kind: self.kind,
            perms: self.perms,
            version: self.version,
            created: self.created,
            age: self.modified.wrapping_sub(self.created),
            parent: self.parent,
            name: &self.name,
            owner: &self.owner,
            group: &self.group,
            class: self.class,
            state: &self.state,
            author: (self.author != self.owner).then_some(&self.author),
            method: self.method.as_deref(),
            restored: self.restored,
            operation: self.operation.as_deref(),
            rules: self.rules.as_deref().cloned(),
            blobs: (!self.blobs.is_empty()).then(|| self.blobs.clone()),
        };
        emerge_proto::class::encode(&wire).into()
    }

    pub(crate) fn decode(bytes: &Bytes) -> Result<Self> {
        let wire: Stored<'_> = read(bytes, "an object")?;
        Ok(Self {
            kind: wire.kind,
            parent: wire.parent,
            name: wire.name.into(),
            class: wire.class,
            owner: wire.owner.into(),
            group: wire.group.into(),
            perms: wire.perms,
            version: wire.version,
            created: wire.created,
            modified: wire.created.wrapping_add(wire.age),
            author: wire.author.unwrap_or(wire.owner).into(),
            method: wire.method.map(str::to_owned),
            restored: wire.restored,
            operation: wire.operation.map(str::to_owned),
            rules: wire.rules.map(Arc::new),
            state: bytes.slice_ref(wire.state),
            blobs: wire.blobs.unwrap_or_default(),
        })
    }
}

/// A record as the engine holds it in memory.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Entry(Entry),
    Object(Arc<Object>),
    Bytes(Bytes),
}

impl Record {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Record::Entry(entry) => emerge_proto::class::encode(entry).into(),
            Record::Object(object) => object.encode(),
            Record::Bytes(bytes) => bytes.clone(),
        }
    }

    /// Reads what lies under a key.
    pub(crate) fn decode(key: &[u8], bytes: Bytes) -> Result<Self> {
        Ok(match key.first() {
            Some(&crate::keys::ENTRY) => Record::Entry(read(&bytes, "an entry")?),
            Some(&(crate::keys::OBJECT | crate::keys::VERSION)) => {
                Record::Object(Arc::new(Object::decode(&bytes)?))
            }
            _ => Record::Bytes(bytes),
        })
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Record::Entry(_) => 0,
            Record::Object(object) => {
                size_of::<Object>() + object.state.len() + object.blobs.len() * size_of::<BlobRef>() + 96
            }
            Record::Bytes(bytes) => bytes.len(),
        }
    }

    pub(crate) fn entry(self) -> Result<Entry> {
        if let Record::Entry(entry) = self { Ok(entry) } else { Err(damaged("an entry")) }
    }

    pub(crate) fn object(self) -> Result<Arc<Object>> {
        if let Record::Object(object) = self { Ok(object) } else { Err(damaged("an object")) }
    }

    pub(crate) fn bytes(self) -> Result<Bytes> {
        if let Record::Bytes(bytes) = self { Ok(bytes) } else { Err(damaged("a record")) }
    }
}

/// Reads a stored record; a failure means that the store is damaged, not that a caller was wrong.
pub(crate) fn read<'b, T: Decode<'b, ()>>(bytes: &'b [u8], what: &str) -> Result<T> {
    emerge_proto::class::decode(bytes).map_err(|error| {
        Error::new(ErrorCode::StorageFailed, format!("the stored record of {what} is damaged: {error}"))
    })
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::new(ErrorCode::StorageFailed, format!("the stored record of {what} is damaged"))
}

#[cfg(test)]
impl Object {
    /// A directory in another.
    pub(crate) fn of_test(parent: ObjectId) -> Self {
        Self {
            kind: ObjectType::Directory,
            parent,
            name: "a".into(),
            class: None,
            owner: "ada".into(),
            group: "staff".into(),
            perms: Perms::DEFAULT,
            version: 1,
            created: 0,
            modified: 0,
            author: "ada".into(),
            method: None,
            restored: None,
            operation: None,
            rules: None,
            state: Bytes::new(),
            blobs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_back() {
        let object = Object {
            kind: ObjectType::Object,
            parent: ObjectId([1; 16]),
            name: "widget".into(),
            class: Some(ClassHash([2; 16])),
            owner: "ada".into(),
            group: "staff".into(),
            perms: Perms::DEFAULT,
            version: 3,
            created: 1_700_000_000_000_000,
            modified: 1_700_000_000_000_005,
            author: "bob".into(),
            method: Some("restock".into()),
            restored: Some(3),
            operation: Some("chmod".into()),
            rules: Some(Arc::new(OwnRules { mask: None, keep: Some(Keep::Versions(3)) })),
            state: Bytes::from_static(&[0xa1, 0x61, 0x61, 0xf6]),
            blobs: vec![BlobRef { field: 0, hash: [9; 32], len: 70_000 }],
        };
        assert_eq!(Object::decode(&object.encode()).unwrap(), object);
        assert_eq!(object.size(), 3 + 70_000);
        let mut cut = object.encode().to_vec();
        cut.pop();
        assert_eq!(Object::decode(&cut.into()).unwrap_err().code, ErrorCode::StorageFailed);
    }
}
