//! What is made of the objects that are wanted: a page of them, the first of an order, a count, or groups.

use super::cursor::Cursor;
use super::sandbox::{PROPERTIES, property};
use emerge_engine::{Backend, Candidate, Tx};
use emerge_proto::inside::field_name;
use emerge_proto::query::{Aggregate, Group, Match, Matches, Row};
use emerge_proto::value::{order, raw};
use emerge_proto::{Error, ErrorCode, ObjectId, Query, Result, Value, limits};
use emerge_query::Aggregator;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Bytes of states that one page should not grow past.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Collector<'q> {
    query: &'q Query,
    /// Objects that this page may still give.
    wanted: u64,
    /// Whether no page comes after it, when it gives all of these.
    is_last: bool,
    /// Whether there is nothing more to be looked at.
    pub(super) ended: bool,
    found: u64,
    bytes: usize,
    /// The last object that was looked at.
    last: Option<ObjectId>,
    plain: Vec<Candidate>,
    first: First,
    groups: BTreeMap<Vec<u8>, Gathered>,
}

/// The first objects of an order, of those after a cursor.
struct First {
    after: Option<(Vec<u8>, ObjectId)>,
    ascending: BTreeMap<(Vec<u8>, ObjectId), Candidate>,
    descending: BTreeMap<Reverse<(Vec<u8>, ObjectId)>, Candidate>,
    /// Whether some were left out, which later pages give.
    is_cut: bool,
}

struct Gathered {
    key: Option<Vec<u8>>,
    count: u64,
    values: Vec<Aggregator>,
}

impl<'q> Collector<'q> {
    pub(super) fn new(query: &'q Query, cursor: &Cursor) -> Self {
        let page = query.page.map_or(limits::MAX_PAGE, |page| (page as usize).min(limits::MAX_PAGE)) as u64;
        let left = query.limit.map_or(u64::MAX, |limit| limit.saturating_sub(cursor.given));
        let after = query.order.as_ref().and(cursor.id).map(|id| (cursor.key.clone(), id));
        Self {
            query,
            wanted: page.min(left),
            is_last: left <= page,
            ended: false,
            found: 0,
            bytes: 0,
            last: cursor.id,
            plain: Vec::new(),
            first: First { after, ascending: BTreeMap::new(), descending: BTreeMap::new(), is_cut: false },
            groups: BTreeMap::new(),
        }
    }

    /// Objects that were wanted.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    fn gives_objects(&self) -> bool {
        self.query.count != Some(true) && self.query.group.is_none()
    }

    /// True when no object more is needed.
    pub(super) fn is_full(&self) -> bool {
        if !self.gives_objects() {
            return false;
        }
        if self.query.order.is_some() {
            return self.wanted == 0;
        }
        self.plain.len() as u64 >= self.wanted || self.bytes > PAGE_BYTES
    }

    /// Objects that this page may still give.
    pub(super) fn wanted(&self) -> usize {
        usize::try_from(self.wanted).unwrap_or(usize::MAX)
    }

    /// True when the page is made and it is known whether another comes after it, though not all objects were looked at: those come in the order that is
    /// wanted, up to the place that they have reached.
    pub(super) fn has_first(&self, reached: Option<&(Vec<u8>, ObjectId)>) -> bool {
        let Some(reached) = reached else { return false };
        let first = &self.first;
        let (count, is_passed) = if self.query.descending == Some(true) {
            let last = first.descending.last_key_value().map(|(Reverse(place), _)| place);
            (first.descending.len(), last.is_some_and(|last| last >= reached))
        } else {
            let last = first.ascending.last_key_value().map(|(place, _)| place);
            (first.ascending.len(), last.is_some_and(|last| last <= reached))
        };
        is_passed && (first.is_cut || self.is_last && count as u64 == self.wanted)
    }

    /// Goes past an object that is not wanted.
    pub(super) fn pass(&mut self, candidate: &Candidate) {
        self.last = Some(candidate.id);
    }

    /// The last object that was looked at.
    pub(super) fn last(&self) -> Option<ObjectId> {
        self.last
    }

    /// Takes objects that are wanted, of which only the count is.
    pub(super) fn count(&mut self, wanted: u64) {
        self.found += wanted;
    }

    /// Takes an object that is wanted.
    pub(super) async fn take<B: Backend>(&mut self, tx: &mut Tx<B>, candidate: Candidate) -> Result<()> {
        self.found += 1;
        self.last = Some(candidate.id);
        if self.query.count == Some(true) {
            return Ok(());
        }
        if let Some(group) = &self.query.group {
            return self.gather(tx, group, &candidate).await;
        }
        if let Some(field) = &self.query.order {
            let state = tx.candidate_state(&candidate).await?;
            let key = order::key(value_of(tx, &candidate, &state, field).await?.as_ref());
            self.sort(key, candidate);
            return Ok(());
        }
        self.bytes += candidate.size();
        self.plain.push(candidate);
        Ok(())
    }

    fn sort(&mut self, key: Vec<u8>, candidate: Candidate) {
        let place = (key, candidate.id);
        let first = &mut self.first;
        self.bytes += candidate.size();
        let too_many =
            |count: usize, bytes: usize| count > 1 && (count as u64 > self.wanted || bytes > PAGE_BYTES);
        if self.query.descending == Some(true) {
            if first.after.as_ref().is_some_and(|after| place >= *after) {
                return;
            }
            // One that was changed meanwhile may come twice.
            if let Some(twice) = first.descending.insert(Reverse(place), candidate) {
                self.bytes -= twice.size();
            }
            while too_many(first.descending.len(), self.bytes)
                && let Some((_, last)) = first.descending.pop_last()
            {
                self.bytes -= last.size();
                first.is_cut = true;
            }
        } else {
            if first.after.as_ref().is_some_and(|after| place <= *after) {
                return;
            }
            if let Some(twice) = first.ascending.insert(place, candidate) {
                self.bytes -= twice.size();
            }
            while too_many(first.ascending.len(), self.bytes)
                && let Some((_, last)) = first.ascending.pop_last()
            {
                self.bytes -= last.size();
                first.is_cut = true;
            }
        }
    }

    async fn gather<B: Backend>(
        &mut self,
        tx: &mut Tx<B>,
        group: &Group,
        candidate: &Candidate,
    ) -> Result<()> {
        let state = tx.candidate_state(candidate).await?;
        let value = value_of(tx, candidate, &state, &group.by).await?;
        let encoded = value.as_ref().map(Value::encode);
        let mut key = order::key(value.as_ref());
        // Keys of long texts are cut.
        if let Some(encoded) = &encoded
            && key.len() > order::CUT
        {
            key.extend_from_slice(encoded);
        }
        if !self.groups.contains_key(&key) && self.groups.len() == limits::MAX_SEARCH_GROUPS {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!(
                    "the field {:?} has more than {} different values",
                    group.by,
                    limits::MAX_SEARCH_GROUPS
                ),
            )
            .field(&*group.by)
            .limit(limits::MAX_SEARCH_GROUPS as u64));
        }
        let gathered = self.groups.entry(key).or_insert_with(|| Gathered {
            key: encoded,
            count: 0,
            values: group.aggregates.iter().map(|aggregate| Aggregator::new(aggregate.kind)).collect(),
        });
        gathered.count += 1;
        for (Aggregate { field, .. }, aggregator) in group.aggregates.iter().zip(&mut gathered.values) {
            if let Some(value) = value_of(tx, candidate, &state, field).await? {
                aggregator.add(&value);
            }
        }
        Ok(())
    }

    /// The page. `key` is what a cursor after the last object that was looked at keeps of it besides its id.
    pub(super) async fn finish<B: Backend>(
        self,
        tx: &mut Tx<B>,
        cursor: &Cursor,
        key: &[u8],
    ) -> Result<Matches> {
        let mut page = Matches::default();
        if self.query.count == Some(true) {
            page.count = Some(self.query.limit.map_or(self.found, |limit| limit.min(self.found)));
            return Ok(page);
        }
        if self.query.group.is_some() {
            let rows = self.groups.into_values().map(|gathered| {
                let values = gathered.values.into_iter().map(Aggregator::finish).collect();
                Row { key: gathered.key, count: gathered.count, values: Value::List(values).encode() }
            });
            page.groups = Some(rows.collect());
            return Ok(page);
        }
        let first = self.first;
        let sorted: Vec<((Vec<u8>, ObjectId), Candidate)> = if self.query.order.is_none() {
            self.plain.into_iter().map(|candidate| ((Vec::new(), candidate.id), candidate)).collect()
        } else if self.query.descending == Some(true) {
            first.descending.into_iter().map(|(Reverse(place), candidate)| (place, candidate)).collect()
        } else {
            first.ascending.into_iter().collect()
        };
        let given = cursor.given + sorted.len() as u64;
        let is_done = self.query.limit.is_some_and(|limit| given >= limit);
        let more = if self.query.order.is_some() { first.is_cut } else { !self.ended };
        if more && !is_done {
            page.next = match (&self.query.order, sorted.last()) {
                (Some(_), Some(((key, id), _))) => Some(cursor.at(given, *id, key)),
                (Some(_), None) => None,
                (None, _) => self.last.map(|id| cursor.at(given, id, key)),
            };
        }
        for (_, candidate) in sorted {
            let stat = tx.candidate_stat(&candidate).await?;
            let state = tx.candidate_state(&candidate).await?;
            let state = match &self.query.fields {
                Some(fields) => project(&state, fields)?,
                None => state,
            };
            page.items.push(Match { path: candidate.path(), stat, state, score: None, highlights: None });
        }
        Ok(page)
    }
}

/// What stands before the name of a property where a field is named.
pub(crate) const META: &str = "meta.";

/// The value of an object's field, or of its property (`meta.name`); none when the object lacks it.
async fn value_of<B: Backend>(
    tx: &mut Tx<B>,
    candidate: &Candidate,
    state: &[u8],
    field: &str,
) -> Result<Option<Value>> {
    let Some(name) = property_of(field)? else {
        return raw::get(state, field)?.map(Value::decode).transpose();
    };
    Ok(property(name, candidate, &tx.candidate_stat(candidate).await?))
}

/// The property that is named where a field is; none for a field.
///
/// # Errors
/// `bad_argument` when there is no such property.
fn property_of(field: &str) -> Result<Option<&str>> {
    let Some(name) = field.strip_prefix(META) else { return Ok(None) };
    let name = match name {
        "class_name" => "class",
        "classVersion" => "class_version",
        name => name,
    };
    if PROPERTIES.contains(&name) {
        return Ok(Some(name));
    }
    let why = format!("{field}: there is no such property; there are {}", PROPERTIES.join(", "));
    Err(Error::new(ErrorCode::BadArgument, why).field(field))
}

/// A query whose fields are named by their names alone, without what a count is not changed by. Sees that the properties by which it orders, groups and sums are there.
///
/// # Errors
/// `bad_argument` names the first that is not, or the argument that names a place within a field.
pub(super) fn with_names(query: &Query) -> Result<Cow<'_, Query>> {
    let mut named = Cow::Borrowed(query);
    // None where the name is as it stands.
    let name = |field: &str, argument: &str| -> Result<Option<String>> {
        if property_of(field)?.is_some() {
            return Ok(None);
        }
        Ok(match field_name(field, argument)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(name) => Some(name),
        })
    };
    if let Some(order) = &query.order
        && let Some(name) = name(order, "order")?
    {
        named.to_mut().order = Some(name);
    }
    for (at, field) in query.fields.iter().flatten().enumerate() {
        if field.starts_with(META) {
            let why = format!("fields: {field} is a property, and all of these come with every object");
            return Err(Error::new(ErrorCode::BadArgument, why).field("fields"));
        }
        if let Some(name) = name(field, "fields")?
            && let Some(place) = named.to_mut().fields.as_mut().and_then(|fields| fields.get_mut(at))
        {
            *place = name;
        }
    }
    for (at, field) in query.text_fields.iter().flatten().enumerate() {
        if field.starts_with(META) {
            let why = format!("text_fields: {field} is a property, and text is looked for in fields");
            return Err(Error::new(ErrorCode::BadArgument, why).field("text_fields"));
        }
        if let Some(name) = name(field, "text_fields")?
            && let Some(place) = named.to_mut().text_fields.as_mut().and_then(|fields| fields.get_mut(at))
        {
            *place = name;
        }
    }
    if let Some(group) = &query.group {
        let by = name(&group.by, "group")?;
        let mut aggregated = Vec::with_capacity(group.aggregates.len());
        for each in &group.aggregates {
            aggregated.push(name(&each.field, "group")?);
        }
        if (by.is_some() || aggregated.iter().any(Option::is_some))
            && let Some(group) = &mut named.to_mut().group
        {
            group.by = by.unwrap_or_else(|| group.by.clone());
            for (each, name) in group.aggregates.iter_mut().zip(aggregated) {
                each.field = name.unwrap_or_else(|| each.field.clone());
            }
        }
    }
    // How many there are depends neither on their order nor on what is told of each.
    if query.count == Some(true)
        && (query.order.is_some() || query.descending.is_some() || query.fields.is_some())
    {
        let named = named.to_mut();
        (named.order, named.descending, named.fields) = (None, None, None);
    }
    Ok(named)
}

/// A state with some of its fields only.
fn project(state: &[u8], fields: &[String]) -> Result<Vec<u8>> {
    let mut kept = Vec::with_capacity(fields.len());
    for entry in raw::entries(state)? {
        let (name, value) = entry?;
        if fields.iter().any(|field| *field == name) {
            kept.push((name, value));
        }
    }
    Ok(raw::build(&kept))
}
