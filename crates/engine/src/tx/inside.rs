//! Paths into objects: following them, through references too, and setting what is at their end.

use super::Tx;
use super::object::{Base, Cause};
use super::place::{self, Place};
use crate::access::Want;
use crate::backend::Backend;
use crate::declared::{self, Held};
use crate::fields;
use emerge_proto::inside::{self, Inside};
use emerge_proto::op::Target;
use emerge_proto::record::{Children, FetchedChild, Stored};
use emerge_proto::value::{FieldPath, Step, raw};
use emerge_proto::{AsOf, Error, ErrorCode, Fetched, Path, Result, Stat, Value, limits};
use std::collections::VecDeque;

/// What children may take in one reply: it has to fit into one message.
const MAX_BYTES: usize = limits::MAX_MESSAGE / 2;

/// What is done about the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// What is there is wanted; a reference leads on to its object.
    Follow,
    /// The place itself is wanted; the last name need not be there.
    Stay,
}

/// Where a path leads.
pub(super) struct Spot {
    pub(super) place: Place,
    /// The place inside the object; none when the path leads to the object itself.
    pub(super) steps: Vec<Step>,
    /// What is at that place.
    pub(super) value: Option<Value>,
}

/// How far steps lead within one object.
enum Reached {
    There(Option<Value>),
    /// To a reference with this path, after so many steps.
    Away(String, usize),
}

/// Whether a target is a path into an object.
pub(super) fn is_inside(target: &Target) -> bool {
    matches!(target, Target::Path(text) if text.contains('#'))
}

/// The steps behind the `#` of a target, and the target before it.
fn split(target: &Target) -> Result<(Target, VecDeque<Step>)> {
    let Target::Path(text) = target else { return Ok((target.clone(), VecDeque::new())) };
    let (path, behind) = inside::split(text);
    let steps = match behind {
        Some(behind) => Inside::parse(behind).map_err(|error| error.at(path))?.into_steps(),
        None => Vec::new(),
    };
    Ok((Target::from(path), steps.into()))
}

impl<B: Backend> Tx<B> {
    /// Follows a path into an object. Whatever it leads through must be readable.
    pub(super) async fn spot(
        &mut self,
        target: &Target,
        version: Option<AsOf>,
        more: &[Step],
        end: End,
    ) -> Result<Spot> {
        let (target, mut left) = split(target)?;
        left.extend(more.iter().cloned());
        // What is to be changed must not be named through `/registry`.
        let mut place =
            if end == End::Stay { self.place(&target).await? } else { self.seen(&target).await? };
        if let Some(version) = version {
            self.check(&place.object, Want::Read, &place.path)?;
            place.object = self.version_of(&place, version).await?;
        }
        for _ in 0..=limits::MAX_REFERENCES {
            if left.is_empty() {
                return Ok(Spot { place, steps: Vec::new(), value: None });
            }
            self.check(&place.object, Want::Read, &place.path)?;
            if place.object.is_directory() {
                return Err(place::is_a_directory(&place.path));
            }
            let steps = Vec::from(std::mem::take(&mut left));
            match self.descend(&place, &steps, end).await? {
                Reached::There(value) => return Ok(Spot { place, steps, value }),
                Reached::Away(to, used) => {
                    let (target, through) = split(&Target::Path(to.clone()))?;
                    left.extend(through);
                    left.extend(steps[used..].iter().cloned());
                    let from = (place.path, &steps[..used]);
                    place =
                        self.place(&target).await.map_err(|error| dangling(error, &from.0, from.1, &to))?;
                }
            }
        }
        let why = format!("the path leads through more than {} references", limits::MAX_REFERENCES);
        Err(Error::new(ErrorCode::LimitExceeded, why).at(&place.path).limit(limits::MAX_REFERENCES as u64))
    }

    async fn descend(&mut self, place: &Place, steps: &[Step], end: End) -> Result<Reached> {
        let Some((Step::Key(name), rest)) = steps.split_first() else {
            let why = format!("the fields of {} have names and no numbers", place.path);
            return Err(nothing(place, steps, 1, why));
        };
        let mut value = match self.field_of(&place.object, name).await? {
            Some(encoded) => Value::decode(&encoded)?,
            None if rest.is_empty() && end == End::Stay => return Ok(Reached::There(None)),
            None => {
                let names = raw::entries(&place.object.state)?
                    .map(|entry| Ok(entry?.0.into_owned()))
                    .collect::<Result<Vec<_>>>()?;
                let why = format!("{} has no field {name:?}; {}", place.path, has(&names));
                return Err(nothing(place, steps, 1, why));
            }
        };
        for (at, step) in rest.iter().enumerate() {
            let used = at + 1;
            if let Value::Ref(to) = value {
                return Ok(Reached::Away(to, used));
            }
            value = match inner(value, step) {
                Ok(value) => value,
                Err(Missing::Name(_)) if end == End::Stay && used == rest.len() => {
                    return Ok(Reached::There(None));
                }
                Err(missing) => return Err(nothing(place, steps, used + 1, missing.why(place, steps, used))),
            };
        }
        Ok(match value {
            Value::Ref(to) if end == End::Follow => Reached::Away(to, steps.len()),
            value => Reached::There(Some(value)),
        })
    }

    /// The object at a target, which may be a path into another object that leads to it by a reference.
    pub(super) async fn whole(&mut self, target: &Target) -> Result<Place> {
        if !is_inside(target) {
            return self.seen(target).await;
        }
        let spot = self.spot(target, None, &[], End::Follow).await?;
        if spot.steps.is_empty() {
            return Ok(spot.place);
        }
        let kind = spot.value.as_ref().map_or("null", Value::type_name);
        let part = FieldPath(&spot.steps).to_string();
        let at = &spot.place.path;
        let why = format!("{at}#{part} is a value ({kind}) and no object of its own; it is a part of {at}");
        Err(Error::new(ErrorCode::BadArgument, why).at(at).field(part))
    }

    /// As [`Tx::whole`], for what is to be changed, which must not be named through `/registry`.
    pub(super) async fn whole_to_change(&mut self, target: &Target) -> Result<Place> {
        let (outer, _) = split(target)?;
        let place = self.place(&outer).await?;
        if is_inside(target) { self.whole(target).await } else { Ok(place) }
    }

    /// The properties of the object that a change of a place in it, or of a field below that place, changes.
    ///
    /// # Errors
    /// As [`Tx::set`].
    pub async fn stat_around(&mut self, target: &Target, field: Option<&str>) -> Result<Stat> {
        let more = field.map(Inside::parse).transpose()?;
        let steps = more.as_ref().map_or(&[][..], Inside::steps);
        let place = self.spot(target, None, steps, End::Stay).await?.place;
        let mut stat = self.stat_of(place.id, &place.object, place.path.name()).await?;
        stat.path = Some(place.path.to_string());
        Ok(stat)
    }

    /// What is at a path into an object.
    pub(super) async fn get_inside(&mut self, target: &Target, version: Option<AsOf>) -> Result<Fetched> {
        let Spot { place, steps, value } = self.spot(target, version, &[], End::Follow).await?;
        self.check(&place.object, Want::Read, &place.path)?;
        if place.object.is_directory() {
            return Err(place::is_a_directory(&place.path));
        }
        let stat = self.stat_of(place.id, &place.object, place.path.name()).await?;
        let (state, part) = match Inside::of(steps) {
            Some(part) => (value.unwrap_or(Value::Null).encode(), Some(part.to_string())),
            None => (self.state_of(&place.object).await?, None),
        };
        Ok(Fetched { stat, state, path: Some(place.path.to_string()), part, children: None, members: None })
    }

    /// The objects that a list of references leads to, from the place `from` on. One that is not there (`not_found`, also where something else is by now), or
    /// that the caller may not read, has its error instead.
    ///
    /// # Errors
    /// As [`Tx::get`]; `bad_argument` when the place is no list, or holds something that is no reference.
    pub async fn children(&mut self, target: &Target, version: Option<AsOf>, from: u64) -> Result<Fetched> {
        let Spot { place, steps, value } = self.spot(target, version, &[], End::Follow).await?;
        let part = FieldPath(&steps).to_string();
        let wrong = |why: String| Error::new(ErrorCode::BadArgument, why).at(&place.path).field(part.clone());
        let items = match value {
            Some(Value::List(items)) => items,
            Some(Value::Null) => Vec::new(),
            Some(other) => {
                return Err(wrong(format!(
                    "{}#{part} is a {} and no list of references",
                    place.path,
                    other.type_name()
                )));
            }
            None => {
                let why =
                    format!("{} is an object; name the field that lists its children: {0}#field", place.path);
                return Err(Error::new(ErrorCode::BadArgument, why).at(&place.path));
            }
        };
        let mut children = Children { total: items.len() as u64, items: Vec::new() };
        let mut bytes = 0;
        let begin = usize::try_from(from).unwrap_or(usize::MAX);
        for (at, item) in items.into_iter().enumerate().skip(begin).take(limits::MAX_CHILDREN) {
            let Value::Ref(path) = item else {
                return Err(wrong(format!(
                    "{}#{part}[{at}] is a {} and no reference",
                    place.path,
                    item.type_name()
                )));
            };
            let child = self.child(path).await?;
            bytes += child.state.as_ref().map_or(0, Vec::len) + 256;
            if bytes > MAX_BYTES && !children.items.is_empty() {
                break;
            }
            children.items.push(child);
        }
        let stat = self.stat_of(place.id, &place.object, place.path.name()).await?;
        Ok(Fetched {
            stat,
            state: Value::Null.encode(),
            path: Some(place.path.to_string()),
            part: Some(part),
            children: Some(children),
            members: None,
        })
    }

    async fn child(&mut self, path: String) -> Result<FetchedChild> {
        let no_object = |what: &str| {
            let why = format!("no object is stored at {path}: {what}");
            Error::new(ErrorCode::NotFound, why).at(&path)
        };
        let error = match self.get(&Target::Path(path.clone()), None).await {
            Ok(Fetched { part: Some(_), .. }) => no_object("it is a value inside another"),
            Ok(Fetched { stat: Stat { class_hash: None, .. }, .. }) => no_object("it is a directory"),
            Ok(fetched) => {
                let path = fetched.path.unwrap_or(path);
                return Ok(FetchedChild {
                    path,
                    stat: Some(fetched.stat),
                    state: Some(fetched.state),
                    error: None,
                });
            }
            // What was read may never have been true together: the whole is to be read again.
            Err(error) if error.code == ErrorCode::Conflict || error.code == ErrorCode::StorageFailed => {
                return Err(error);
            }
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::PermissionDenied) => error,
            // Whatever lies in its place by now: the child is gone, and the others are told.
            Err(error) => no_object(&error.message),
        };
        Ok(FetchedChild { path, stat: None, state: None, error: Some(error) })
    }

    /// Sets one place inside an object. See [`emerge_proto::Op::Set`].
    ///
    /// # Errors
    /// `not_found` (of what leads to the place), `bad_path`, `bad_argument` (no path into an object; a value that is not of the field's declared type),
    /// `conflict`, `is_a_directory`, `permission_denied`, `too_large`.
    pub async fn set(&mut self, target: &Target, value: &[u8], base: Option<u64>) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.set_inner(target, value, base).await;
        self.settle(&savepoint, result)
    }

    async fn set_inner(&mut self, target: &Target, value: &[u8], base: Option<u64>) -> Result<Stored> {
        let value = Value::decode(value)?;
        let spot = self.spot(target, None, &[], End::Stay).await?;
        if spot.steps.is_empty() {
            let why = format!("a path into an object is needed, such as {}#field", spot.place.path);
            return Err(Error::new(ErrorCode::BadArgument, why).at(&spot.place.path).field("path"));
        }
        if let Some(base) = base {
            place::still_at(&spot.place, Base::version(base))?;
        }
        self.put_inside(&spot.place, &spot.steps, Cause::Stored, |_| Ok(value)).await
    }

    /// Makes a version of an object in which `change` has made what is at a place of what was there.
    pub(super) async fn put_inside(
        &mut self,
        place: &Place,
        steps: &[Step],
        cause: Cause<'_>,
        change: impl FnOnce(Option<Value>) -> Result<Value>,
    ) -> Result<Stored> {
        self.check(&place.object, Want::Read, &place.path)?;
        self.check(&place.object, Want::Write, &place.path)?;
        let Some((Step::Key(name), rest)) = steps.split_first() else {
            let why = format!("the fields of {} have names and no numbers", place.path);
            return Err(nothing(place, steps, 1, why));
        };
        let old = self.field_of(&place.object, name).await?.map(|old| Value::decode(&old)).transpose()?;
        let mut held = Held::default();
        let change = |old: Option<Value>| {
            held = Held::of(old.as_ref());
            change(old)
        };
        let new = replaced(old, rest, change).map_err(|error| match error {
            Stop::Missing(missing, used) => {
                nothing(place, steps, used + 2, missing.why(place, steps, used + 1))
            }
            Stop::Error(error) => *error,
        })?;
        let lineage = match place.object.class {
            Some(class) => Some(self.class(class).await?),
            None => None,
        };
        let within = self.classes_in(&new).await.map_err(|error| error.at(&place.path))?;
        let new = declared::fitted_at(lineage.as_ref(), &within, steps, new, &held)
            .map_err(|error| error.at(&place.path))?;
        let state = self.state_of(&place.object).await?;
        let state = fields::patch(&state, &raw::build(&[(name, new.encode())]), &[])?;
        self.make_version(place, place.object.class, &state, cause).await
    }
}

/// Why there is nothing at a step.
enum Missing {
    /// No such name; the names that there are.
    Name(Vec<String>),
    /// No such number; how many there are.
    Number(usize),
    /// It has no parts of this kind.
    Kind(&'static str),
}

impl Missing {
    #[cold]
    fn why(&self, place: &Place, steps: &[Step], used: usize) -> String {
        let (around, all) = steps.split_at(used.min(steps.len()));
        let around = format!("{}#{}", place.path, FieldPath(around));
        match (self, all.first()) {
            (Missing::Name(names), Some(Step::Key(name))) => {
                format!("{around} has no {:?}; {}", shorten(name), has(names))
            }
            (Missing::Number(count), Some(Step::Index(index))) => {
                format!("{around} has {count} members, and none has the number {index}")
            }
            (Missing::Kind(kind), Some(Step::Index(_))) => {
                format!("{around} is a {kind} and has no members with numbers")
            }
            (Missing::Kind(kind), _) => format!("{around} is a {kind} and has no parts with names"),
            _ => format!("{around} ends here"),
        }
    }
}

fn inner(value: Value, step: &Step) -> Result<Value, Missing> {
    match (step, value) {
        (Step::Key(name), Value::Map(fields) | Value::Object { fields, .. }) => {
            let names = |fields: &[(String, Value)]| fields.iter().map(|(key, _)| key.clone()).collect();
            match fields.iter().position(|(key, _)| key == name) {
                Some(at) => Ok(fields.into_iter().nth(at).map_or(Value::Null, |(_, value)| value)),
                None => Err(Missing::Name(names(&fields))),
            }
        }
        (Step::Index(at), Value::List(items) | Value::Set(items)) => {
            let count = items.len();
            items.into_iter().nth(*at).ok_or(Missing::Number(count))
        }
        (Step::Key(name), Value::Table { columns, rows }) => match name.as_str() {
            "columns" => Ok(Value::List(columns.into_iter().map(Value::Text).collect())),
            "rows" => Ok(Value::List(rows.into_iter().map(Value::List).collect())),
            _ => Err(Missing::Name(vec!["columns".into(), "rows".into()])),
        },
        (_, value) => Err(Missing::Kind(value.type_name())),
    }
}

enum Stop {
    /// After so many steps.
    Missing(Missing, usize),
    Error(Box<Error>),
}

/// The value with what `change` makes of the place that the steps lead to.
fn replaced(
    value: Option<Value>,
    steps: &[Step],
    change: impl FnOnce(Option<Value>) -> Result<Value>,
) -> Result<Value, Stop> {
    let Some(mut whole) = value else {
        return match steps {
            [] => change(None).map_err(|error| Stop::Error(Box::new(error))),
            _ => Err(Stop::Missing(Missing::Kind("null"), 0)),
        };
    };
    let mut at = &mut whole;
    for (used, step) in steps.iter().enumerate() {
        let last = used + 1 == steps.len();
        at = match (step, at) {
            (Step::Key(name), Value::Map(fields) | Value::Object { fields, .. }) => {
                let place = match fields.iter().position(|(key, _)| key == name) {
                    Some(place) => place,
                    None if last => {
                        let made = change(None).map_err(|error| Stop::Error(Box::new(error)))?;
                        fields.push((name.clone(), made));
                        return Ok(whole);
                    }
                    None => {
                        let names = fields.iter().map(|(key, _)| key.clone()).collect();
                        return Err(Stop::Missing(Missing::Name(names), used));
                    }
                };
                &mut fields[place].1
            }
            (Step::Index(index), Value::List(items)) => {
                let count = items.len();
                items.get_mut(*index).ok_or(Stop::Missing(Missing::Number(count), used))?
            }
            (_, value) => return Err(Stop::Missing(Missing::Kind(value.type_name()), used)),
        };
    }
    let old = std::mem::replace(at, Value::Null);
    *at = change(Some(old)).map_err(|error| Stop::Error(Box::new(error)))?;
    Ok(whole)
}

/// Nothing is at the first `depth` steps.
#[cold]
fn nothing(place: &Place, steps: &[Step], depth: usize, why: String) -> Error {
    let shown = FieldPath(&steps[..depth.min(steps.len())]).to_string();
    Error::new(ErrorCode::NotFound, why).at(&place.path).field(shown)
}

/// A reference that leads nowhere says so, with the path that it has.
#[cold]
fn dangling(mut error: Error, path: &Path, steps: &[Step], to: &str) -> Error {
    let part = FieldPath(steps).to_string();
    error.message = match error.code {
        ErrorCode::NotFound => {
            format!("{path}#{part} refers to {}, where nothing is stored any more", shorten(to))
        }
        _ => format!("{path}#{part} refers to {}: {}", shorten(to), error.message),
    };
    if error.path.is_none() {
        error = error.at(shorten(to));
    }
    error.field(part)
}

fn has(names: &[String]) -> String {
    const SHOWN: usize = 12;
    if names.is_empty() {
        return "it is empty".into();
    }
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| shorten(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    format!("it has {}", shown.join(", "))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
