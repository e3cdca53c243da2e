//! Objects of a walk that are asked something where they lie in the store, so that nothing is made of those that nobody wants.

use super::Tx;
use super::search::{Candidate, Source, Walk};
use crate::access::{self, Principal, Want};
use crate::backend::Backend;
use crate::engine::{Shown, Side};
use crate::keys;
use crate::object::{self, Object, Stored};
use bytes::Bytes;
use emerge_proto::scope::Verb;
use emerge_proto::{ClassHash, ObjectId, Result};
use std::sync::Arc;

/// What was found of one object.
enum Found<A> {
    /// The caller may read it, and this is its answer.
    Asked(Candidate, A),
    /// More has to be read before it is known whether the walk gives it.
    Whole(ObjectId, Arc<Object>),
}

impl<B: Backend> Tx<B> {
    /// As [`Tx::next_objects`], of which each is asked by its encoded fields; those that have no answer are left out. Not all can be asked where they lie: the others come without an
    /// answer, whoever they are.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn next_asked<A: Send>(
        &mut self,
        walk: &mut Walk,
        budget: usize,
        ask: &mut (dyn FnMut(&[u8]) -> Option<A> + Send),
    ) -> Result<Option<Vec<(Candidate, Option<A>)>>> {
        let range = match &walk.source {
            Source::All(Side::Start, range) if !walk.scope.noted => range.clone(),
            _ => {
                let found = self.next_objects(walk, budget).await?;
                return Ok(found.map(|found| found.into_iter().map(|candidate| (candidate, None)).collect()));
            }
        };
        if range.start >= range.end {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut failure = None;
        let principal = &self.principal;
        let mut see = |key: &[u8], shown: Shown<'_>| {
            let Some(id) = keys::id_of(key) else { return };
            match ask_one(principal, walk, id, shown, ask) {
                Ok(one) => found.extend(one),
                Err(error) => failure = Some(error),
            }
        };
        let (last, number) = self.engine.show(&range, budget, &self.writes, &mut see).await?;
        if let Some(error) = failure {
            return Err(error);
        }
        self.depends_on = self.depends_on.max(number);
        let next = last.map_or_else(|| range.end.clone(), |last| keys::after(&last));
        walk.source = Source::All(Side::Start, next..range.end);
        let mut candidates = Vec::with_capacity(found.len());
        for found in found {
            match found {
                Found::Asked(candidate, answer) => candidates.push((candidate, Some(answer))),
                Found::Whole(id, object) => {
                    let candidate = self.candidate(walk, id, object).await?;
                    candidates.extend(candidate.map(|candidate| (candidate, None)));
                }
            }
        }
        Ok(Some(candidates))
    }
}

/// Asks an object where it is.
fn ask_one<A>(
    principal: &Principal,
    walk: &mut Walk,
    id: ObjectId,
    shown: Shown<'_>,
    ask: &mut (dyn FnMut(&[u8]) -> Option<A> + Send),
) -> Result<Option<Found<A>>> {
    match shown {
        Shown::Stored(bytes) => {
            let stored: Stored<'_> = object::read(bytes, "an object")?;
            let Some(class) = stored.class else { return Ok(None) };
            if !access::user_may_read_stored(principal, &stored) {
                return Ok(None);
            }
            let whole = || Object::decode(&Bytes::copy_from_slice(bytes)).map(Arc::new);
            let state = stored.blobs.is_none().then_some(stored.state);
            ask_readable(walk, principal, (id, class, stored.parent, stored.name), state, whole, ask)
        }
        Shown::Held(record) => {
            let object = record.clone().object()?;
            let Some(class) = object.class else { return Ok(None) };
            if !access::user_may(principal, &object, Want::Read) {
                return Ok(None);
            }
            let state = object.blobs.is_empty().then_some(&object.state[..]);
            let place = (id, class, object.parent, object.name.as_str());
            ask_readable(walk, principal, place, state, || Ok(object.clone()), ask)
        }
    }
}

/// Asks an object that the user may read by its own rights, if its class and its directory are known, its fields lie in one piece, and the token is for where
/// it is.
fn ask_readable<A>(
    walk: &mut Walk,
    principal: &Principal,
    (id, class, parent, name): (ObjectId, ClassHash, ObjectId, &str),
    state: Option<&[u8]>,
    whole: impl Fn() -> Result<Arc<Object>>,
    ask: &mut (dyn FnMut(&[u8]) -> Option<A> + Send),
) -> Result<Option<Found<A>>> {
    let is_wanted = match walk.classes.get(&class) {
        Some(is_wanted) => Some(*is_wanted),
        None => (walk.scope.class.is_none() && walk.scope.class_id.is_none()).then_some(true),
    };
    let directory = match &walk.last_directory {
        Some((last, path)) if *last == parent => Some(path),
        _ => walk.directories.get(&parent),
    };
    match (is_wanted, directory, state) {
        (Some(false), ..) | (_, Some(None), _) => Ok(None),
        (Some(true), Some(Some(directory)), Some(state)) => {
            if !principal.is_granted_at(Verb::Read, format_args!("{directory}/{name}")) {
                return Ok(None);
            }
            walk.seen += 1;
            let Some(answer) = ask(state) else { return Ok(None) };
            let candidate = Candidate { id, directory: directory.clone(), object: whole()? };
            Ok(Some(Found::Asked(candidate, answer)))
        }
        _ => Ok(Some(Found::Whole(id, whole()?))),
    }
}
