//! Classes in a transaction.

use super::Tx;
use crate::access::Want;
use crate::backend::Backend;
use crate::classes::{self, Lineage};
use crate::keys;
use crate::object::{ClassHead, Record, read};
use emerge_proto::op::Target;
use emerge_proto::record::ClassInfo;
use emerge_proto::{ClassHash, ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<B: Backend> Tx<B> {
    /// Keeps a class version. The same source again is the same version; another source under the same owner and name is
    /// the next version of the class. `methods` is what the runtime's analysis found.
    ///
    /// # Errors
    /// `class_invalid`, `too_large`, `class_not_found` (a base).
    pub async fn put_class(&mut self, source: ClassSource, methods: Vec<MethodDecl>) -> Result<ClassVersion> {
        source.check()?;
        let hash = source.hash();
        if let Some(record) = self.read(&keys::class(hash)).await? {
            return Ok((*classes::read_class(hash, Some(record))?).clone());
        }
        for base in &source.bases {
            self.class(base.hash).await?;
        }
        self.captured_by(&[&source]).await?;
        let key = keys::class_head(&self.principal.user, &source.name);
        let head = match self.read(&key).await? {
            Some(record) => {
                let head: ClassHead = read(&record.bytes()?, "a class")?;
                ClassHead { version: head.version + 1, hash, ..head }
            }
            None => ClassHead { class_id: self.new_id(), version: 1, hash },
        };
        let class = ClassVersion {
            hash,
            class_id: head.class_id,
            version: head.version,
            owner: self.principal.user.clone(),
            created: self.now,
            source,
            methods,
        };
        let record = |bytes: Vec<u8>| Some(Record::Bytes(bytes.into()));
        self.put(key, record(emerge_proto::class::encode(&head)));
        self.put(keys::class(hash), record(emerge_proto::class::encode(&class)));
        Ok(class)
    }

    /// A class version and those that it inherits from, those that this transaction put included.
    ///
    /// # Errors
    /// `class_not_found`.
    pub async fn class(&mut self, hash: ClassHash) -> Result<Lineage> {
        let cached = self.engine.classes().get(hash);
        if let Some(lineage) = cached {
            return Ok(lineage);
        }
        let at = self.engine.state().last;
        let mut known = BTreeMap::new();
        let mut own = false;
        while let Some(missing) = classes::missing(hash, &known)? {
            let key = keys::class(missing);
            own |= self.writes.contains_key(&key[..]);
            let record = self.read(&key).await?;
            known.insert(missing, classes::read_class(missing, record)?);
        }
        let lineage = classes::linearise(hash, &known);
        if !own {
            self.engine.remember_class(hash, &lineage, at);
        }
        Ok(lineage)
    }

    /// The classes that these use besides their bases (their captures), and what those need in turn.
    ///
    /// # Errors
    /// `class_not_found`; `class_invalid` when they are too many.
    pub async fn captured_by(&mut self, classes: &[&ClassSource]) -> Result<Vec<Arc<ClassVersion>>> {
        let mut found: Vec<Arc<ClassVersion>> = Vec::new();
        let mut wanted: Vec<ClassHash> = classes.iter().flat_map(|class| classes::captures(class)).collect();
        while let Some(hash) = wanted.pop() {
            if found.iter().any(|known| known.hash == hash) {
                continue;
            }
            for class in &*self.class(hash).await? {
                if found.iter().any(|known| known.hash == class.hash) {
                    continue;
                }
                if found.len() == classes::MAX_CAPTURED {
                    return Err(classes::too_many_captured());
                }
                wanted.extend(classes::captures(&class.source));
                found.push(class.clone());
            }
        }
        Ok(found)
    }

    /// The class of an object, with its bases.
    ///
    /// # Errors
    /// `not_found`, `is_a_directory`, `permission_denied`, `bad_path`.
    pub async fn class_by_path(&mut self, target: &Target) -> Result<ClassInfo> {
        let place = self.whole(target).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        match place.object.class {
            Some(hash) => self.class_by_hash(hash).await,
            None => Err(super::place::is_a_directory(&place.path)),
        }
    }

    /// A class version, with its bases. Everyone may read every class whose hash they know.
    ///
    /// # Errors
    /// `class_not_found`.
    pub async fn class_by_hash(&mut self, hash: ClassHash) -> Result<ClassInfo> {
        // Noted as a read, so that the reply waits until the class is durable.
        self.read(&keys::class(hash)).await?;
        let lineage = self.class(hash).await?;
        Ok(ClassInfo { lineage: lineage.iter().map(|class| (**class).clone()).collect() })
    }

    /// The newest version of one of the caller's own classes, with its bases.
    ///
    /// # Errors
    /// `class_not_found`.
    pub async fn class_by_name(&mut self, name: &str) -> Result<ClassInfo> {
        let record = self.read(&keys::class_head(&self.principal.user, name)).await?.ok_or_else(|| {
            Error::new(
                ErrorCode::ClassNotFound,
                format!("{} has no class {name:?} here", self.principal.user),
            )
            .field(name)
        })?;
        let head: ClassHead = read(&record.bytes()?, "a class")?;
        self.class_by_hash(head.hash).await
    }
}
