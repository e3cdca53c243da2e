//! An object as a resource of HTTP: what a request expects of it (RFC 9110, section 13), and a change that is made only
//! if it is so. Both are one transaction, so that nothing comes between.

use crate::conditions;
use crate::node::{Node, RequestKey, too_much_contention};
use crate::stream;
use emerge_engine::{Backend, Base, CommitError, Lineage, Principal, Tx};
use emerge_proto::class::{decode, encode};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::Stored;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, Op, Path, Result, SessionId, Stat, Value, limits};
use futures_util::stream::{BoxStream, StreamExt};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// What an entity tag says: an object's version and, unless the client left it out, which object. An object that was removed and stored
/// anew begins with version 1 again, under another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The version.
    pub version: u64,
    /// The object.
    pub id: Option<ObjectId>,
}

impl Tag {
    /// The tag of what is there.
    pub fn of(stat: &Stat) -> Self {
        Self { version: stat.version, id: Some(stat.id) }
    }

    /// Whether it is the tag of this object at this version.
    pub fn fits(&self, stat: &Stat) -> bool {
        self.version == stat.version && self.id.is_none_or(|id| id == stat.id)
    }
}

/// Some tags, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: anything that is there.
    Any,
    /// One of these.
    OneOf(Vec<Tag>),
}

impl Tags {
    /// Whether what is there has one of the tags.
    pub fn fit(&self, there: Option<&Stat>) -> bool {
        match (self, there) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::OneOf(tags), Some(stat)) => tags.iter().any(|tag| tag.fits(stat)),
        }
    }
}

/// What a request expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// `If-Match`: what is there has one of these tags.
    pub matching: Option<Tags>,
    /// `If-None-Match`: it has none of these.
    pub none_matching: Option<Tags>,
}

impl Expected {
    pub(crate) fn is_anything(&self) -> bool {
        self.matching.is_none() && self.none_matching.is_none()
    }

    pub(crate) fn check(&self, path: &str, there: Option<&Stat>) -> Result<()> {
        let now = match there {
            Some(stat) => format!("{path} is at version {}", stat.version),
            None => format!("nothing is stored at {path}"),
        };
        let refused = |field: &str, why: &str| {
            Err(Error::new(ErrorCode::Conflict, format!("{now}, which is not what {why}"))
                .at(path)
                .field(field))
        };
        if self.matching.as_ref().is_some_and(|tags| !tags.fit(there)) {
            return refused("If-Match", "the request goes on from");
        }
        if self.none_matching.as_ref().is_some_and(|tags| tags.fit(there)) {
            return refused("If-None-Match", "the request expects");
        }
        Ok(())
    }
}

/// How a class is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassName {
    /// A version by its address.
    Hash(ClassHash),
    /// The newest version of one of the caller's own classes.
    Name(String),
}

impl From<&str> for ClassName {
    fn from(text: &str) -> Self {
        ClassHash::parse(text).map_or_else(|| ClassName::Name(text.to_owned()), ClassName::Hash)
    }
}

/// A change of what is at one path.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The object has exactly these fields.
    Put {
        /// Its class; that of the object that is there when absent.
        class: Option<ClassName>,
        /// The fields.
        fields: Map<String, Json>,
    },
    /// The fields are changed as a merge patch (RFC 7396) says.
    Merge {
        /// The class from now on; as it is when absent.
        class: Option<ClassName>,
        /// Fields to set; null removes.
        fields: Map<String, Json>,
    },
    /// It is removed.
    Remove {
        /// Whether a directory goes with all its members.
        recursive: bool,
    },
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The version that it made; none when something was removed.
    pub stored: Option<Stored>,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What the request expects is not so.
    Unexpected(Error),
    /// All else.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}

/// A key under which a client sends the same request again, so that it takes effect once. It stands for its user's request of exactly this
/// content: another one under the same key is another request.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'a> {
    /// The client's key.
    pub key: &'a [u8],
    /// What the request asks for, all of it.
    pub request: &'a [u8],
}

impl Idempotency<'_> {
    /// Each key is a session of one request; its outcome is kept for as long as a silent session is.
    fn request_key(&self, principal: &Principal) -> RequestKey {
        let mut hash = Sha256::new();
        // What was done with one token is not told to another that grants other things.
        let grants = principal.scope.as_ref().map(|scope| scope.grants()).unwrap_or_default();
        let parts = [&b"idempotency"[..], principal.user.as_bytes(), self.key, self.request];
        for part in parts.into_iter().chain(grants.iter().map(String::as_bytes)) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut session = [0; 16];
        session.copy_from_slice(&digest[..16]);
        RequestKey {
            session: SessionId(session),
            user: principal.user.clone(),
            seq: 1,
            acknowledged: 0,
            part: String::new(),
        }
    }
}

impl<B: Backend> Node<B> {
    /// As [`Node::execute`]; the same request under the same key takes effect once.
    ///
    /// # Errors
    /// As [`Node::execute`].
    pub async fn execute_once(
        &self,
        principal: &Principal,
        once: Option<Idempotency<'_>>,
        op: Op,
        now: i64,
    ) -> Result<Vec<u8>> {
        let key = once.map(|once| once.request_key(principal));
        let reply = self.run(principal, key.as_ref(), op, now).await;
        if reply.depends_on > 0 {
            self.engine().durable(reply.depends_on).await?;
        }
        reply.result
    }

    /// As [`Node::execute_once`], if what the operation is about is as expected; durable when this returns.
    ///
    /// # Errors
    /// [`Refusal::Unexpected`]; `bad_argument` for a condition that means nothing for this operation; and whatever the operation gives.
    pub async fn execute_expecting(
        &self,
        principal: &Principal,
        once: Option<Idempotency<'_>>,
        expected: &Expected,
        op: Op,
        now: i64,
    ) -> Result<Vec<u8>, Refusal> {
        if expected.is_anything() {
            return Ok(self.execute_once(principal, once, op, now).await?);
        }
        let key = once.map(|once| once.request_key(principal));
        self.run_expecting(principal, key.as_ref(), op, expected, now).await
    }

    /// Runs an operation whose reply is a stream, outside any session: the encoded items, each when all that it depends on is durable. None when it has no
    /// streamed form. Sent again under the same key, each part of it takes effect once.
    ///
    /// # Errors
    /// Whatever the operation gives at its beginning.
    pub async fn items(
        &self,
        principal: &Principal,
        once: Option<Idempotency<'_>>,
        op: &Op,
        now: i64,
    ) -> Result<Option<BoxStream<'static, Result<Vec<u8>>>>> {
        let key = once.map(|once| once.request_key(principal));
        let Some(steps) = stream::open(self, principal, key.as_ref(), op, now).await? else {
            return Ok(None);
        };
        let node = self.clone();
        let items = steps.filter_map(move |step| {
            let node = node.clone();
            async move {
                let step = match step {
                    Ok(step) => step,
                    Err(error) => return Some(Err(error)),
                };
                match node.engine().durable(step.depends_on).await {
                    Ok(()) => step.item.map(|item| Ok(item.value)),
                    Err(error) => Some(Err(error)),
                }
            }
        });
        Ok(Some(items.boxed()))
    }

    /// Changes what is at a path, if it is as expected; durable when this returns.
    ///
    /// # Errors
    /// [`Refusal::Unexpected`]; and whatever the operation gives.
    pub async fn change(
        &self,
        principal: &Principal,
        once: Option<Idempotency<'_>>,
        path: &Path,
        expected: &Expected,
        change: &Change,
        now: i64,
    ) -> Result<Changed, Refusal> {
        let key = once.map(|once| once.request_key(principal));
        for _ in 0..limits::MAX_RETRIES {
            if let Some(earlier) = self.earlier_outcome(key.as_ref()).await? {
                self.engine().durable(earlier.depends_on).await?;
                return Ok(Changed { stored: decode(&earlier.result?)? });
            }
            let mut tx = self.begin(principal, now);
            let changed = match apply(&mut tx, path, expected, change).await {
                Ok(changed) => changed,
                Err(_) if !tx.is_current() => continue,
                Err(refusal) => {
                    self.engine().durable(tx.depends_on()).await?;
                    return Err(refusal);
                }
            };
            match tx.commit(key.as_ref().map(|key| key.outcome(encode(&changed.stored)))).await {
                Ok(commit) => {
                    self.engine().durable(commit.number).await?;
                    return Ok(changed);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Error(error)) => return Err(error.into()),
            }
        }
        Err(too_much_contention().at(path).into())
    }
}

async fn apply<B: Backend>(
    tx: &mut Tx<B>,
    path: &Path,
    expected: &Expected,
    change: &Change,
) -> Result<Changed, Refusal> {
    let target = Target::from(path);
    if !expected.is_anything() {
        let there = conditions::there(tx.stat(&target).await)?;
        expected.check(path.as_str(), there.as_ref()).map_err(Refusal::Unexpected)?;
    }
    let stored = match change {
        Change::Put { class, fields } => Some(put(tx, &target, class.as_ref(), fields).await?),
        Change::Merge { class, fields } => Some(merge(tx, &target, class.as_ref(), fields).await?),
        Change::Remove { recursive } => {
            tx.rm(&target, *recursive).await?;
            None
        }
    };
    Ok(Changed { stored })
}

fn no_fields(target: &Target) -> Error {
    let error = Error::new(ErrorCode::IsADirectory, "a directory has no fields");
    match target {
        Target::Path(path) => error.at(path),
        _ => error,
    }
}

async fn put<B: Backend>(
    tx: &mut Tx<B>,
    target: &Target,
    class: Option<&ClassName>,
    fields: &Map<String, Json>,
) -> Result<Stored> {
    let lineage = match class {
        Some(name) => class_of(tx, name).await?,
        None => {
            let needed = || {
                Error::new(ErrorCode::BadArgument, "a new object needs its class, by name or by address")
                    .field("class")
            };
            let stat = match tx.stat(target).await {
                Err(error) if error.code == ErrorCode::NotFound => return Err(needed()),
                there => there?,
            };
            match stat.class_hash {
                Some(hash) => tx.class(hash).await?,
                None => return Err(no_fields(target)),
            }
        }
    };
    let mut set = Vec::with_capacity(fields.len());
    for (name, json) in fields {
        set.push((name.clone(), Value::from_json(json).map_err(|error| within(name, error))?));
    }
    let hash = newest(&lineage)?;
    tx.store(target, hash, &Value::Map(set).encode(), StoreMode::Put, None, &[]).await
}

async fn merge<B: Backend>(
    tx: &mut Tx<B>,
    target: &Target,
    class: Option<&ClassName>,
    patch: &Map<String, Json>,
) -> Result<Stored> {
    let fetched = tx.get(target, None).await?;
    let lineage = match (class, fetched.stat.class_hash) {
        (Some(name), _) => class_of(tx, name).await?,
        (None, Some(hash)) => tx.class(hash).await?,
        (None, None) => return Err(no_fields(target)),
    };
    let Value::Map(mut old) = Value::decode(&fetched.state)? else {
        return Err(Error::new(ErrorCode::StorageFailed, "the stored state is no map"));
    };
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (name, patch) in patch {
        let at = old.iter().position(|(known, _)| known == name);
        let before = at.map(|at| std::mem::replace(&mut old[at].1, Value::Null));
        match merged(before, patch).map_err(|error| within(name, error))? {
            Some(value) => set.push((name.clone(), value)),
            None if at.is_some() => removed.push(name.clone()),
            None => {}
        }
    }
    let (hash, base) = (newest(&lineage)?, Some(Base::version(fetched.stat.version)));
    tx.store(target, hash, &Value::Map(set).encode(), StoreMode::Patch, base, &removed).await
}

/// What a merge patch makes of a value; none when it removes it. An object in the patch that is the JSON form of a value
/// (`{"$date": …}`) stands for that value.
fn merged(before: Option<Value>, patch: &Json) -> Result<Option<Value>> {
    let map = match patch {
        Json::Null => return Ok(None),
        Json::Object(map) if !map.keys().any(|key| key.starts_with('$')) => map,
        json => return Value::from_json(json).map(Some),
    };
    let (class, mut entries) = match before {
        Some(Value::Map(entries)) => (None, entries),
        Some(Value::Object { class, fields }) => (Some(class), fields),
        _ => (None, Vec::new()),
    };
    for (name, patch) in map {
        let at = entries.iter().position(|(known, _)| known == name);
        let before = at.map(|at| std::mem::replace(&mut entries[at].1, Value::Null));
        match (at, merged(before, patch).map_err(|error| within(name, error))?) {
            (Some(at), Some(value)) => entries[at].1 = value,
            (Some(at), None) => {
                entries.remove(at);
            }
            (None, Some(value)) => entries.push((name.clone(), value)),
            (None, None) => {}
        }
    }
    Ok(Some(match class {
        Some(class) => Value::Object { class, fields: entries },
        None => Value::Map(entries),
    }))
}

async fn class_of<B: Backend>(tx: &mut Tx<B>, name: &ClassName) -> Result<Lineage> {
    match name {
        ClassName::Hash(hash) => tx.class(*hash).await,
        ClassName::Name(name) => {
            let info = tx.class_by_name(name).await?;
            let hash = info.lineage.first().map(|class| class.hash);
            tx.class(hash.ok_or_else(|| no_class(name))?).await
        }
    }
}

fn newest(lineage: &Lineage) -> Result<ClassHash> {
    lineage.first().map(|class| class.hash).ok_or_else(|| no_class("of the object"))
}

fn no_class(name: &str) -> Error {
    Error::new(ErrorCode::ClassNotFound, format!("there is no class {name:?}")).field("class")
}

/// The error of a part of a field's value, with the whole field path.
fn within(name: &str, mut error: Error) -> Error {
    let field = match error.field.as_deref() {
        None => name.to_owned(),
        Some(rest) if rest.starts_with('[') => format!("{name}{rest}"),
        Some(rest) => format!("{name}.{rest}"),
    };
    error.field = Some(field.into());
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(before: Json, patch: Json) -> Option<Json> {
        merged(Some(Value::from_json(&before).unwrap()), &patch).unwrap().map(|value| value.to_json())
    }

    #[test]
    fn a_merge_patch_does_what_its_rfc_shows() {
        // RFC 7396, appendix A, as far as it is about objects.
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(patched(before.clone(), patch.clone()), Some(after), "{before} {patch}");
        }
        assert_eq!(patched(json!({"a": "foo"}), json!(null)), None);
    }

    #[test]
    fn the_json_form_of_a_value_stands_for_the_value() {
        let date = json!({"$date": "2026-01-31"});
        assert_eq!(patched(json!({"a": {"b": 1}}), json!({"a": date})), Some(json!({"a": date})));
        let error = merged(None, &json!({"a": {"b": {"$date": "x"}}})).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("a.b")));
    }

    #[test]
    fn a_tag_without_an_id_fits_by_version() {
        let id = ObjectId([1; 16]);
        let tag = |version, id| Tag { version, id };
        let stat = Stat {
            name: "o".into(),
            id,
            kind: emerge_proto::ObjectType::Object,
            class: None,
            class_hash: None,
            class_version: None,
            owner: String::new(),
            group: String::new(),
            perms: emerge_proto::Perms::DEFAULT,
            version: 3,
            created: 0,
            modified: 0,
            size: 0,
            node: String::new(),
            rules: None,
            path: None,
            requires: None,
        };
        assert!(tag(3, None).fits(&stat) && tag(3, Some(id)).fits(&stat));
        assert!(!tag(2, Some(id)).fits(&stat) && !tag(3, Some(ObjectId([2; 16]))).fits(&stat));
        assert!(Tags::Any.fit(Some(&stat)) && !Tags::Any.fit(None));
        assert!(!Tags::OneOf(Vec::new()).fit(Some(&stat)));
    }
}
