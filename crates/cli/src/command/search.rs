//! Searching.

use super::browse::tell_next;
use super::path;
use crate::args::{Index, Search};
use crate::output::{DIM, FOUND, NAME, Output, table};
use emerge_client::native::Client;
use emerge_node::json::{index_to_json, matches_to_json, plan_to_json};
use emerge_proto::query::{Aggregate, AggregateKind, Group, Highlight, IndexInfo, Match, Matches, Plan};
use emerge_proto::{Error, ErrorCode, Language, Query, Result, Value};
use futures_util::StreamExt;
use std::pin::pin;
use std::time::Duration;

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
    if args.page.is_some() || args.after.is_some() {
        let page = client.search_page(query.clone(), args.after.as_deref()).await?;
        show(&query, &page, output)?;
        tell_next(page.next.as_deref(), output);
        return Ok(());
    }
    let mut pages = pin!(client.search(query.clone()));
    while let Some(page) = pages.next().await {
        show(&query, &page?, output)?;
    }
    Ok(())
}

fn show(query: &Query, page: &Matches, output: &Output) -> Result<()> {
    let json = matches_to_json(query, page)?;
    for failure in &page.failures {
        if output.json {
            continue;
        }
        output.note(format!("{}: {}", failure.path, failure.error.message));
    }
    if let Some(more) = page.more_failures {
        output.note(format!("and {more} more objects on which the function failed"));
    }
    print(query, page, &json, output)
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
        if item.highlights.is_some() && query.fields.is_none() {
            found(item, output);
            continue;
        }
        output.line(format!("{NAME}{}{NAME:#}  {}", item.path, Value::decode(&item.state)?.to_json()));
    }
    Ok(())
}

fn explain(plan: &Plan, output: &Output) {
    let (access, turned) = match plan.access.split_once(',') {
        Some((access, turned)) => (access, format!(",{turned}")),
        None => (&*plan.access, String::new()),
    };
    let access = match (&plan.index, access) {
        (Some(index), "order") => format!("index {index}, in its order"),
        (Some(index), _) => format!("index {index}"),
        (None, "text") => "the objects that the text index names".to_owned(),
        (None, "tree") => "the objects below the directory".to_owned(),
        (None, _) => "all objects".to_owned(),
    };
    output.line(format!("looks at  {access}{turned}"));
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

/// How often somebody who waits for an index looks how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(super) async fn index(args: &Index, client: &Client, output: &Output) -> Result<()> {
    match args {
        Index::Create(args) => {
            let mut index = client.create_index(&args.class, &args.field, args.unique).await?;
            let mut told = None;
            while args.wait && !index.ready {
                if told != index.looked_at {
                    told = index.looked_at;
                    output.note(format_args!("{} objects looked at", told.unwrap_or(0)));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                let mut all = client.indexes().await?.into_iter();
                let same = all.find(|other| (other.class_id, &other.field) == (index.class_id, &index.field));
                let gone = || Error::new(ErrorCode::NotFound, "the index was dropped before it was ready");
                index = same.ok_or_else(gone)?;
            }
            show_indexes(&[index], output);
        }
        Index::Drop(args) => {
            let dropped = client.drop_index(&args.class, &args.field).await?;
            if !dropped {
                let why = format!("there is no index of {} by {}", args.class, args.field);
                return Err(Error::new(ErrorCode::NotFound, why).field(&*args.field));
            }
            if output.json {
                output.json(&dropped.into());
            }
        }
        Index::List { .. } => show_indexes(&client.indexes().await?, output),
    }
    Ok(())
}

fn show_indexes(indexes: &[IndexInfo], output: &Output) {
    if output.json {
        indexes.iter().for_each(|index| output.json(&index_to_json(index)));
        return;
    }
    let row = |index: &IndexInfo| {
        let mut state = match index.looked_at {
            Some(count) => format!("being built, {count} objects looked at"),
            None => "ready".to_owned(),
        };
        if index.unique {
            state += ", unique";
        }
        if let Some(count) = index.duplicates {
            state += &format!(" but for {count} that had the value of another before");
        }
        vec![index.class.clone(), index.field.clone(), state]
    };
    table(&indexes.iter().map(row).collect::<Vec<_>>()).iter().for_each(|line| output.line(line));
}

/// Where to look. Without a place to begin from, `data` is `/data`.
fn below(text: &str) -> Result<String> {
    let found = path(text)
        .or_else(|error| if text.starts_with('/') { Err(error) } else { path(&format!("/{text}")) });
    Ok(found?.to_string())
}

/// Whether an argument is a function of Python: no words begin like this and have a colon.
fn is_lambda(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix("lambda");
    rest.is_some_and(|rest| rest.starts_with([' ', ':', '*']) && rest.contains(':'))
}

/// Whether an argument is a function of JavaScript.
fn is_function(text: &str) -> bool {
    let text = text.trim_start();
    text.contains("=>") || ["function", "async "].iter().any(|word| text.starts_with(word))
}

/// A line for each text that holds words, with these marked.
fn found(item: &Match, output: &Output) {
    let mut line = format!("{NAME}{}{NAME:#}", item.path);
    for Highlight { field, text, ranges } in item.highlights.iter().flatten() {
        let mut shown = String::new();
        for (at, char) in (0..).zip(text.chars()) {
            if ranges.iter().any(|(from, _)| *from == at) {
                shown += &format!("{FOUND}");
            }
            if ranges.iter().any(|(_, to)| *to == at) {
                shown += &format!("{FOUND:#}");
            }
            shown.push(if char.is_control() { ' ' } else { char });
        }
        line += &format!("  {DIM}{field}:{DIM:#} {shown}{FOUND:#}");
    }
    output.line(line);
}

fn query(args: &Search) -> Result<Query> {
    let (mut directory, mut function) = (args.directory.as_deref(), args.function.as_deref());
    // One argument may be either.
    if function.is_none() && directory.is_some_and(|text| !text.starts_with('/')) {
        function = directory.take();
    }
    // A function has an arrow or begins with a word for one. What is neither is words to look for.
    let mut python = args.python.as_deref();
    if python.is_none() {
        python = function.take_if(|text| is_lambda(text));
    }
    if python.is_some_and(|text| !is_lambda(text) && is_function(text)) {
        let why = "this is a function in JavaScript: give it without --python";
        return Err(Error::new(ErrorCode::BadArgument, why).field("python"));
    }
    let words = function.take_if(|text| !is_function(text));
    if words.is_some() && args.text.is_some() {
        return Err(Error::new(ErrorCode::BadArgument, "give the words once").field("text"));
    }
    let (language, source) = match python {
        Some(source) => (Language::Python, Some(source)),
        None => (Language::JavaScript, function),
    };
    if python.is_some() && function.is_some() {
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
        directory: directory.map(below).transpose()?,
        class: args.class.clone(),
        order: args.order.clone(),
        descending: args.descending.then_some(true),
        limit: args.limit,
        page: args.page,
        fields: args.fields.clone(),
        count: args.count.then_some(true),
        group: args.group_by.clone().map(|by| Group { by, aggregates }),
        text: words.map(str::to_owned).or_else(|| args.text.clone()),
        text_fields: args.text_fields.clone(),
        ..Query::new(language, source)
    })
}
