//! Searches as JSON.

use super::{Args, bad, error_to_json, stat_to_json};
use emerge_proto::query::{Aggregate, AggregateKind, Group, Highlight, IndexInfo, Match, Matches, Plan, Row};
use emerge_proto::{Language, ObjectId, Path, Query, Result, Value};
use serde_json::{Map, Value as Json, json};

/// Reads a query: `{"source": "o => o.unitPrice < 3.5", "directory": "/inventory", "order": "unitPrice"}`. Of the function `language` says what it is in.
pub(super) fn query_from(args: &Args<'_>) -> Result<Query> {
    let language = match args.optional_text("language")?.unwrap_or("javascript") {
        "javascript" => Language::JavaScript,
        "python" => Language::Python,
        other => return Err(bad("language", format!("{other:?} is not a language of searches"))),
    };
    let text = |name| args.optional_text(name).map(|text| text.map(str::to_owned));
    let map = |name| match args.value(name)? {
        None => Ok(None),
        Some(map @ Value::Map(_)) => Ok(Some(map.encode())),
        Some(_) => Err(bad(name, "an object is needed")),
    };
    let number = |name| {
        args.integer(name).map(|number| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    };
    Ok(Query {
        params: map("params")?,
        values: map("values")?,
        directory: text("directory")?,
        class: text("class")?,
        class_id: args.optional("class_id", "the id of a class", |json| ObjectId::parse(json.as_str()?))?,
        order: text("order")?,
        descending: args.flag("descending")?.then_some(true),
        limit: args.integer("limit")?,
        fields: args.names("fields")?,
        count: args.flag("count")?.then_some(true),
        group: group_from(args)?,
        page: number("page")?,
        text: text("text")?,
        text_fields: args.names("text_fields")?,
        ..Query::new(language, args.optional_text("source")?)
    })
}

fn group_from(args: &Args<'_>) -> Result<Option<Group>> {
    const NEEDED: &str = "a list such as [{\"kind\": \"sum\", \"field\": \"price\"}] is needed";
    let aggregate = |json: &Json| {
        let kind = json.get("kind")?.as_str()?;
        Some(Aggregate {
            kind: AggregateKind::ALL.iter().copied().find(|known| known.as_str() == kind)?,
            field: json.get("field")?.as_str()?.to_owned(),
        })
    };
    let aggregates: Vec<Aggregate> = args
        .optional("aggregates", NEEDED, |json| json.as_array()?.iter().map(aggregate).collect())?
        .unwrap_or_default();
    match args.optional_text("group_by")? {
        Some(by) => Ok(Some(Group { by: by.to_owned(), aggregates })),
        None if aggregates.is_empty() => Ok(None),
        None => Err(bad("aggregates", "they are of groups: group_by is needed")),
    }
}

/// One page of what a search found.
///
/// # Errors
/// `bad_frame` when a value is none.
pub fn matches_to_json(query: &Query, page: &Matches) -> Result<Json> {
    let item = |item: &Match| -> Result<Json> {
        let meta = stat_to_json(&item.stat, Path::parse(&item.path).ok());
        let mut json = json!({ "meta": meta, "fields": Value::decode(&item.state)?.to_json() });
        if let Some(score) = item.score {
            json["score"] = score.get().into();
            json["highlights"] = item.highlights.iter().flatten().map(highlight_to_json).collect();
        }
        Ok(json)
    };
    let failures: Vec<Json> = page
        .failures
        .iter()
        .map(|failure| json!({ "path": failure.path, "error": error_to_json(&failure.error) }))
        .collect();
    let mut json = json!({
        "items": page.items.iter().map(item).collect::<Result<Vec<_>>>()?,
        "failures": failures,
        "next": page.next,
    });
    if let Some(more) = page.more_failures {
        json["more_failures"] = more.into();
    }
    if let Some(count) = page.count {
        json["count"] = count.into();
    }
    if let (Some(groups), Some(group)) = (&page.groups, &query.group) {
        json["groups"] = groups.iter().map(|row| row_to_json(group, row)).collect::<Result<_>>()?;
    }
    Ok(json)
}

/// Where words are: `{"field": "name", "text": "a red widget", "ranges": [[2, 5]]}`, in code points.
fn highlight_to_json(highlight: &Highlight) -> Json {
    json!({ "field": highlight.field, "text": highlight.text, "ranges": highlight.ranges })
}

/// A group: `{"key": "red", "count": 3, "values": {"sum(price)": 9.5}}`. Of objects that lack the field there is no `key`.
fn row_to_json(group: &Group, row: &Row) -> Result<Json> {
    let mut json = Map::new();
    if let Some(key) = &row.key {
        json.insert("key".into(), Value::decode(key)?.to_json());
    }
    json.insert("count".into(), row.count.into());
    let mut values = Map::new();
    if let Value::List(items) = Value::decode(&row.values)? {
        for (aggregate, value) in group.aggregates.iter().zip(items) {
            values.insert(format!("{}({})", aggregate.kind.as_str(), aggregate.field), value.to_json());
        }
    }
    json.insert("values".into(), Json::Object(values));
    Ok(Json::Object(json))
}

/// How a search ran.
pub fn plan_to_json(plan: &Plan) -> Json {
    json!({
        "access": plan.access, "index": plan.index, "ranges": plan.ranges, "native": plan.native, "sandbox": plan.sandbox,
        "seen": plan.seen, "sandboxed": plan.sandboxed, "found": plan.found,
    })
}

/// An index.
pub fn index_to_json(index: &IndexInfo) -> Json {
    json!({
        "class": index.class, "class_id": index.class_id.to_string(), "field": index.field, "unique": index.unique,
        "ready": index.ready, "looked_at": index.looked_at, "duplicates": index.duplicates,
    })
}
