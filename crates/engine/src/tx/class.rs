//! Classes in a transaction.

use super::Tx;
use crate::access::Want;
use crate::backend::Backend;
use crate::classes::{self, Lineage};
use crate::keys;
use crate::object::{ClassHead, Record, read};
use bytes::Bytes;
use emerge_proto::op::Target;
use emerge_proto::record::ClassInfo;
use emerge_proto::scope::Verb;
use emerge_proto::{ClassHash, ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, ObjectId, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<B: Backend> Tx<B> {
    /// Keeps a class version. The same source again is the same version, which then has the caller as one more owner, and is the newest of this name among
    /// the caller's classes; another source under the same owner and name is the next version of the class. `methods` is what the runtime's analysis found.
    ///
    /// # Errors
    /// `class_invalid`, `too_large`, `class_not_found` (a base).
    pub async fn put_class(&mut self, source: ClassSource, methods: Vec<MethodDecl>) -> Result<ClassVersion> {
        source.check()?;
        if !self.principal.is_granted(Verb::Write) {
            return Err(self.no_classes(Verb::Write));
        }
        let hash = source.hash();
        if let Some(record) = self.read(&keys::class(hash)).await? {
            let class = classes::read_class(hash, Some(record))?;
            // Who stores a source answers for it, which code of others may not make its caller do.
            if !self.principal.is_narrowed() {
                self.share_class(&class).await?;
            }
            return Ok((*class).clone());
        }
        if self.principal.is_narrowed() {
            let why = format!(
                "user {:?} would answer for the class {:?}: code that others answer for stores no new class, unless the caller trusts it",
                self.principal.user, source.name
            );
            return Err(Error::new(ErrorCode::PermissionDenied, why).field("class"));
        }
        for base in &source.bases {
            self.class(base.hash).await?;
        }
        self.captured_by(&[&source]).await?;
        let user = self.principal.user.clone();
        let head = match self.class_head(&user, &source.name).await? {
            Some(head) => {
                // Owners share the class's numbers, so that each is of one version.
                let newest = self.newest_version(head.class_id).await?.unwrap_or(head.version);
                let version = newest.max(head.version) + 1;
                self.put_newest_version(head.class_id, version);
                ClassHead { version, hash, ..head }
            }
            None => ClassHead { class_id: self.new_id(), version: 1, hash },
        };
        let class = ClassVersion {
            hash,
            class_id: head.class_id,
            version: head.version,
            owner: user,
            created: self.now,
            source,
            methods,
        };
        self.put_class_head(&class);
        self.put(keys::class(hash), Some(Record::Bytes(emerge_proto::class::encode(&class).into())));
        Ok(class)
    }

    /// Classes lie at no path.
    fn no_classes(&self, verb: Verb) -> Error {
        let (user, verb) = (&self.principal.user, verb.as_str());
        let why = format!("the token in use of user {user:?} grants {verb} nowhere, which classes need");
        Error::new(ErrorCode::PermissionDenied, why)
    }

    /// Makes the caller one of the owners of a version that is there. Who is one already keeps the newest of the name as it is.
    async fn share_class(&mut self, class: &ClassVersion) -> Result<()> {
        let user = self.principal.user.clone();
        if self.owns_version(class, &user).await? {
            return Ok(());
        }
        // A version's class never changes, so the name's class becomes that of the version. The numbers go on from the class's newest: until a class is
        // shared, its first owner's head alone tells which that is, and that head may go to another class.
        let first = self.class_head(&class.owner, &class.source.name).await?;
        let mut newest = class.version;
        if let Some(first) = first.filter(|first| first.class_id == class.class_id) {
            newest = newest.max(first.version);
        }
        self.note_newest_version(class.class_id, newest).await?;
        if let Some(left) = self.class_head(&user, &class.source.name).await? {
            self.note_newest_version(left.class_id, left.version).await?;
        }
        self.put(keys::class_owner(class.hash, &user), Some(Record::Bytes(Bytes::new())));
        self.put_class_head(class);
        Ok(())
    }

    /// Whether a user is one of the owners of a class version: has stored its source.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn owns_version(&mut self, class: &ClassVersion, user: &str) -> Result<bool> {
        Ok(class.owner == user || self.read(&keys::class_owner(class.hash, user)).await?.is_some())
    }

    pub(super) async fn class_head(&mut self, user: &str, name: &str) -> Result<Option<ClassHead>> {
        let record = self.read(&keys::class_head(user, name)).await?;
        record.map(|record| read(&record.bytes()?, "a class")).transpose()
    }

    /// Makes a version the newest of its name among the caller's classes.
    fn put_class_head(&mut self, class: &ClassVersion) {
        let head = ClassHead { class_id: class.class_id, version: class.version, hash: class.hash };
        let key = keys::class_head(&self.principal.user, &class.source.name);
        self.put(key, Some(Record::Bytes(emerge_proto::class::encode(&head).into())));
    }

    async fn newest_version(&mut self, class: ObjectId) -> Result<Option<u64>> {
        let record = self.read(&keys::class_newest(class)).await?;
        record.map(|record| read(&record.bytes()?, "the newest version of a class")).transpose()
    }

    /// Keeps the number of a class's newest version where it is not kept yet.
    async fn note_newest_version(&mut self, class: ObjectId, version: u64) -> Result<()> {
        if self.newest_version(class).await?.is_none() {
            self.put_newest_version(class, version);
        }
        Ok(())
    }

    fn put_newest_version(&mut self, class: ObjectId, version: u64) {
        self.put(
            keys::class_newest(class),
            Some(Record::Bytes(emerge_proto::class::encode(&version).into())),
        );
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
        if !self.principal.is_granted(Verb::Read) && !self.principal.is_granted(Verb::Write) {
            return Err(self.no_classes(Verb::Read));
        }
        let head = match self.principal.sees_classes_of().map(str::to_owned) {
            Some(user) => self.class_head(&user, name).await?,
            None => None,
        };
        let head = head.ok_or_else(|| {
            let user = &self.principal.user;
            Error::new(ErrorCode::ClassNotFound, format!("{user} has no class {name:?} here")).field(name)
        })?;
        self.class_by_hash(head.hash).await
    }
}
