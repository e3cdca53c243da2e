//! Searching.

use super::path;
use crate::args::Search;
use crate::output::{NAME, Output, table};
use emerge_client::native::Client;
use emerge_node::json::{matches_to_json, plan_to_json};
use emerge_proto::query::{Aggregate, AggregateKind, Group, Matches, Plan};
use emerge_proto::{Error, ErrorCode, Language, Query, Result, Value};
use futures_util::StreamExt;
use std::pin::pin;

pub(super) async fn search(args: &Search, client: &Client, output: &Output) -> Result<()> {
    let query = query(args)?;
    if args.explain {
        let plan = client.explain(query).await?;
        if output.json {
            output.json(&plan_to_json(&plan));
        } else {
            explain(&plan, output);
        }
        return Ok(());
    }
    let mut pages = pin!(client.search(query.clone()));
    while let Some(page) = pages.next().await {
        let page = page?;
        let json = matches_to_json(&query, &page)?;
        for failure in &page.failures {
            if output.json {
                continue;
            }
            output.note(format!("{}: {}", failure.path, failure.error.message));
        }
        if let Some(more) = page.more_failures {
            output.note(format!("and {more} more objects on which the function failed"));
        }
        print(&query, &page, &json, output)?;
    }
    Ok(())
}

fn print(query: &Query, page: &Matches, json: &serde_json::Value, output: &Output) -> Result<()> {
    if let Some(count) = page.count {
        output.line(count);
        return Ok(());
    }
    if let (Some(rows), Some(group)) = (&page.groups, &query.group) {
        if output.json {
            output.json(&json["groups"]);
            return Ok(());
        }
        let mut lines = vec![vec![group.by.clone(), "count".to_owned()]];
        lines[0]
            .extend(group.aggregates.iter().map(|each| format!("{}({})", each.kind.as_str(), each.field)));
        for row in rows {
            let key = row.key.as_deref().map(Value::decode).transpose()?;
            let mut line = vec![
                key.map_or_else(|| "-".to_owned(), |key| key.to_json().to_string()),
                row.count.to_string(),
            ];
            if let Value::List(values) = Value::decode(&row.values)? {
                line.extend(values.iter().map(|value| value.to_json().to_string()));
            }
            lines.push(line);
        }
        table(&lines).iter().for_each(|line| output.line(line));
        return Ok(());
    }
    if output.json {
        for each in ["items", "failures"] {
            json[each].as_array().into_iter().flatten().for_each(|line| output.json(line));
        }
        return Ok(());
    }
    for item in &page.items {
        output.line(format!("{NAME}{}{NAME:#}  {}", item.path, Value::decode(&item.state)?.to_json()));
    }
    Ok(())
}

fn explain(plan: &Plan, output: &Output) {
    let access = match (&plan.index, &*plan.access) {
        (Some(index), _) => format!("index {index}"),
        (None, "tree") => "the objects below the directory".to_owned(),
        (None, _) => "all objects".to_owned(),
    };
    output.line(format!("looks at  {access}"));
    plan.ranges.iter().for_each(|range| output.line(format!("range     {range}")));
    if let Some(native) = &plan.native {
        output.line(format!("native    {native}"));
    }
    if let Some(sandbox) = &plan.sandbox {
        output.line(format!("sandbox   {sandbox}"));
    }
    output.line(format!(
        "looked at {}, of them {} in the sandbox; found {}",
        plan.seen, plan.sandboxed, plan.found
    ));
}

fn query(args: &Search) -> Result<Query> {
    let (mut directory, mut function) = (args.directory.as_deref(), args.function.as_deref());
    // One argument may be either.
    if function.is_none() && directory.is_some_and(|text| !text.starts_with('/')) {
        function = directory.take();
    }
    let (language, source) = match &args.python {
        Some(source) => (Language::Python, Some(source.as_str())),
        None => (Language::JavaScript, function),
    };
    if args.python.is_some() && function.is_some() {
        return Err(Error::new(ErrorCode::BadArgument, "give one function, in JavaScript or in Python")
            .field("python"));
    }
    let params = match &args.params {
        Some(text) => match serde_json::from_str(text) {
            Ok(json @ serde_json::Value::Object(_)) => Some(Value::from_json(&json)?.encode()),
            _ => {
                return Err(
                    Error::new(ErrorCode::BadArgument, "--params must be a JSON object").field("params")
                );
            }
        },
        None => None,
    };
    let kinds = [
        (AggregateKind::Sum, &args.sum),
        (AggregateKind::Min, &args.min),
        (AggregateKind::Max, &args.max),
        (AggregateKind::Mean, &args.mean),
    ];
    let aggregates = kinds
        .iter()
        .flat_map(|(kind, fields)| fields.iter().map(|field| Aggregate { kind: *kind, field: field.clone() }))
        .collect();
    Ok(Query {
        params,
        directory: directory.map(|text| path(text).map(|path| path.to_string())).transpose()?,
        class: args.class.clone(),
        order: args.order.clone(),
        descending: args.descending.then_some(true),
        limit: args.limit,
        fields: args.fields.clone(),
        count: args.count.then_some(true),
        group: args.group_by.clone().map(|by| Group { by, aggregates }),
        ..Query::new(language, source)
    })
}
