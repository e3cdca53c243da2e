//! Class versions: reading them, and the order of a class and its bases.

use crate::object::{Record, read};
use emerge_proto::class::Captured;
use emerge_proto::{ClassHash, ClassSource, ClassVersion, Error, ErrorCode, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A class version and those that it inherits from, nearest first.
pub type Lineage = Arc<[Arc<ClassVersion>]>;

/// Classes that one class may inherit from, itself included.
const MAX_LINEAGE: usize = 64;
/// Classes that one class may use, its bases not counted.
pub(crate) const MAX_CAPTURED: usize = 256;
/// Lineages kept in memory; past that all are forgotten and read again.
const MAX_CACHED: usize = 10_000;
/// Bytes of their sources and modules, the bases' not counted; past that likewise.
const MAX_CACHED_BYTES: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct ClassCache {
    lineages: HashMap<ClassHash, Lineage>,
    bytes: usize,
}

impl ClassCache {
    pub(crate) fn get(&self, hash: ClassHash) -> Option<Lineage> {
        self.lineages.get(&hash).cloned()
    }

    pub(crate) fn insert(&mut self, hash: ClassHash, lineage: Lineage) {
        let size = size_of(&lineage);
        if self.lineages.len() >= MAX_CACHED || self.bytes + size > MAX_CACHED_BYTES {
            self.clear();
        }
        self.bytes += size;
        if let Some(old) = self.lineages.insert(hash, lineage) {
            self.bytes -= size_of(&old);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.lineages.clear();
        self.bytes = 0;
    }
}

fn size_of(lineage: &Lineage) -> usize {
    lineage.first().map_or(0, |class| class.source.size())
}

pub(crate) fn not_found(hash: ClassHash) -> Error {
    Error::new(ErrorCode::ClassNotFound, format!("the node does not have the class version {hash}"))
}

/// The stored classes that a class names in its captures.
pub(crate) fn captures(class: &ClassSource) -> impl Iterator<Item = ClassHash> + '_ {
    class.captures.iter().flatten().filter_map(|capture| match capture.what {
        Captured::Class(hash) => Some(hash),
        _ => None,
    })
}

pub(crate) fn too_many_captured() -> Error {
    Error::new(ErrorCode::ClassInvalid, format!("the class uses more than {MAX_CAPTURED} other classes"))
        .limit(MAX_CAPTURED as u64)
}

pub(crate) fn read_class(hash: ClassHash, record: Option<Record>) -> Result<Arc<ClassVersion>> {
    let bytes = record.ok_or_else(|| not_found(hash))?.bytes()?;
    Ok(Arc::new(read(&bytes, "a class version")?))
}

/// A class that is reached from `hash` and not yet known.
pub(crate) fn missing(
    hash: ClassHash,
    known: &BTreeMap<ClassHash, Arc<ClassVersion>>,
) -> Result<Option<ClassHash>> {
    if known.len() > MAX_LINEAGE {
        return Err(Error::new(
            ErrorCode::ClassInvalid,
            format!("the class {hash} inherits from more than {MAX_LINEAGE} classes"),
        )
        .limit(MAX_LINEAGE as u64));
    }
    if !known.contains_key(&hash) {
        return Ok(Some(hash));
    }
    let bases = known.values().flat_map(|class| &class.source.bases);
    Ok(bases.map(|base| base.hash).find(|base| !known.contains_key(base)))
}

/// The class and its bases: depth first, a class that is reached twice at its last place, so that it comes after all
/// that inherit from it. A class version names its bases by their hashes, so there are no cycles.
pub(crate) fn linearise(hash: ClassHash, known: &BTreeMap<ClassHash, Arc<ClassVersion>>) -> Lineage {
    // Visited from the back (last base first), each class is placed before what was placed already.
    fn place(
        hash: ClassHash,
        known: &BTreeMap<ClassHash, Arc<ClassVersion>>,
        placed: &mut Vec<Arc<ClassVersion>>,
    ) {
        let Some(class) = known.get(&hash) else { return };
        if placed.iter().any(|other| other.hash == hash) {
            return;
        }
        for base in class.source.bases.iter().rev() {
            place(base.hash, known, placed);
        }
        placed.push(class.clone());
    }
    let mut placed = Vec::new();
    place(hash, known, &mut placed);
    placed.reverse();
    placed.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::class::BaseRef;
    use emerge_proto::{Language, ObjectId};

    #[test]
    fn a_diamond_has_its_top_last() {
        let mut known = BTreeMap::new();
        for (name, bases) in [(1, vec![]), (2, vec![1]), (3, vec![1]), (4, vec![2, 3])] {
            let hash = ClassHash([name; 16]);
            let bases =
                bases.iter().map(|base| BaseRef { name: "B".into(), hash: ClassHash([*base; 16]) }).collect();
            let source = ClassSource {
                name: "A".into(),
                language: Language::JavaScript,
                source: String::new(),
                bases,
                fields: vec![],
                doc: None,
                captures: None,
                module: None,
                requires: None,
            };
            let class = ClassVersion {
                hash,
                class_id: ObjectId([0; 16]),
                version: 1,
                owner: "ada".into(),
                created: 0,
                source,
                methods: vec![],
            };
            known.insert(hash, Arc::new(class));
        }
        let order: Vec<u8> =
            linearise(ClassHash([4; 16]), &known).iter().map(|class| class.hash.0[0]).collect();
        assert_eq!(order, [4, 2, 3, 1]);
    }
}
