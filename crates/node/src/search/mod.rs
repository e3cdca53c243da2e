//! Searches: walking over the objects that the caller may read, asking the function of each, natively where that is surely the same and else in the sandbox, and
//! making a page of what is wanted.

mod collect;
mod cursor;
mod sandbox;
mod wishes;
mod words;

use crate::node::Node;
use collect::Collector;
pub(crate) use collect::META;
use cursor::Cursor;
use emerge_engine::{Backend, Candidate, Index, IndexOrder, KeyRanges, Scope, Tx, Walk, yield_now};
use emerge_proto::class::encode;
use emerge_proto::op::Target;
use emerge_proto::query::{Failure, Matches, Plan};
use emerge_proto::{Error, ErrorCode, Op, Query, Result, Value, limits};
use emerge_query::{Access, Answer, Lambda, Names};
use sandbox::Sandboxed;
use std::sync::Arc;
pub(crate) use wishes::Wishes;
use words::Words;

/// Objects from which on a search that finds few of them would be better off with an index.
const SLOW: u64 = 1000;

/// Records that are looked at in one go.
const BUDGET: usize = 512;

/// Those that are looked at first when few are wanted.
const FEW: usize = 32;

/// Where a search runs.
pub(crate) struct Place<'n, B: Backend> {
    pub(crate) node: &'n Node<B>,
    /// The clock that the function sees.
    pub(crate) now: i64,
    /// True within a method, whose transaction then notes all that was read.
    pub(crate) noted: bool,
}

/// An object, and what the function says of it when it was asked already.
type Asked = (Candidate, Option<Result<Answer>>);

/// The cursor after the last page: past all others in the order of their bytes, in which the cursors of a stream grow.
pub(crate) const END: &str = "~";

/// Runs a `search` or an `explain`, and gives its encoded reply.
pub(crate) async fn reply<B: Backend>(place: &Place<'_, B>, tx: &mut Tx<B>, op: &Op) -> Result<Vec<u8>> {
    match op {
        Op::Search { query, after } => Ok(encode(&search(place, tx, query, after.as_deref()).await?)),
        Op::Explain { query } => Ok(encode(&explain(place, tx, query).await?)),
        other => Err(Error::new(ErrorCode::Internal, format!("{:?} does not belong here", other.name()))),
    }
}

/// Runs a search, and gives one page of what it finds.
async fn search<B: Backend>(
    place: &Place<'_, B>,
    tx: &mut Tx<B>,
    query: &Query,
    after: Option<&str>,
) -> Result<Matches> {
    if after == Some(END) {
        return Ok(Matches::default());
    }
    let query = &*collect::with_names(query)?;
    let mut run = Run::new(place, tx, query, after).await?;
    run.go(place, tx).await?;
    if after.is_none() && run.walk.seen() == 0 {
        check_class(place, tx, query).await?;
    }
    // Within a method the transaction is the method's; and a later page repeats what the first has said.
    if !place.noted && after.is_none() {
        run.suggest(place, tx).await?;
    }
    run.page(tx).await
}

/// Runs a search for its plan.
async fn explain<B: Backend>(place: &Place<'_, B>, tx: &mut Tx<B>, query: &Query) -> Result<Plan> {
    let query = &*collect::with_names(query)?;
    let mut run = Run::new(place, tx, query, None).await?;
    run.go(place, tx).await?;
    if run.walk.seen() == 0 {
        check_class(place, tx, query).await?;
    }
    let lambda = run.lambda.as_ref();
    let native = lambda.filter(|lambda| !lambda.is_foreign()).and(query.source.clone());
    let (index, ranges) = match run.walk.access() {
        "index" => run.access.map_or((None, Vec::new()), |(index, access)| (Some(index), access.text)),
        "order" => {
            let narrows = run.access.filter(|(index, _)| Some(&index.field) == query.order.as_ref());
            (run.in_order, narrows.map_or(Vec::new(), |(_, access)| access.text))
        }
        _ => (None, Vec::new()),
    };
    let index = index.map(|index| format!("{} {}", index.class, index.field));
    let access = match (&query.text, run.walk.access()) {
        (Some(_), _) => "text".to_owned(),
        (None, access) if run.scope.descending => format!("{access}, newest first"),
        (None, access) => access.to_owned(),
    };
    Ok(Plan {
        access,
        index,
        ranges,
        native,
        sandbox: lambda.and_then(Lambda::sandbox).map(str::to_owned),
        seen: run.walk.seen(),
        sandboxed: run.sandboxed,
        found: run.collector.found(),
    })
}

/// Refuses the name of a class of which nothing was met, when the caller has none of that name and no object of one is there to be read: a misspelt name
/// would find nothing, and say nothing.
///
/// # Errors
/// `class_not_found`: there is none, or it is another's; which of the two is not told.
async fn check_class<B: Backend>(place: &Place<'_, B>, tx: &mut Tx<B>, query: &Query) -> Result<()> {
    let Some(name) = &query.class else { return Ok(()) };
    if tx.knows_class(name).await? {
        return Ok(());
    }
    // Whatever else was asked for, by an index or for words, may have left its objects out.
    let directory = Target::Path(query.directory.clone().unwrap_or_else(|| "/".into()));
    let scope = Scope { class: Some(name.clone()), noted: place.noted, ..Scope::default() };
    let mut walk = tx.walk_objects(&directory, scope).await?;
    while let Some(found) = tx.next_objects(&mut walk, BUDGET).await? {
        if !found.is_empty() {
            return Ok(());
        }
        yield_now().await;
    }
    let why = format!("there is no class {name:?}: neither one of the caller's own nor an object of one");
    Err(Error::new(ErrorCode::ClassNotFound, why).field("class"))
}

struct Run<'q> {
    query: &'q Query,
    lambda: Option<Lambda>,
    sandbox: Option<Sandboxed>,
    walk: Walk,
    collector: Collector<'q>,
    cursor: Cursor,
    failures: Vec<Failure>,
    more_failures: u64,
    sandboxed: u64,
    /// The index that it may be found by.
    access: Option<(Arc<Index>, Access)>,
    /// The index in whose order objects are looked at, as far as that is no detour.
    in_order: Option<Arc<Index>>,
    /// What is looked at otherwise.
    directory: Target,
    scope: Scope,
    /// The text that is looked for.
    words: Option<Words>,
    /// Whether failures are told: in an ordered search each page looks at all objects, and only the first tells.
    tells: bool,
}

impl<'q> Run<'q> {
    async fn new<B: Backend>(
        place: &Place<'_, B>,
        tx: &mut Tx<B>,
        query: &'q Query,
        after: Option<&str>,
    ) -> Result<Self> {
        check(query)?;
        let cursor = Cursor::read(query, after)?;
        let (mut lambda, mut sandbox) = (None, None);
        if let Some(source) = &query.source {
            let names = Names {
                params: map_of(query.params.as_deref(), "params")?,
                values: map_of(query.values.as_deref(), "values")?,
                others: query.captures.iter().flatten().map(|capture| capture.name.clone()).collect(),
            };
            let read = Lambda::read(query.language, source, &names);
            let made = Sandboxed::new(query, source, &tx.principal().user);
            if read.sandbox().is_some() {
                // What does not compile, or names what cannot be seen, is told before anything is looked at.
                made.check(place).await?;
            }
            lambda = Some(read);
            sandbox = Some(made);
        }
        let words = match &query.text {
            Some(text) => Some(Words::new(place, query, text, &cursor).await?),
            None => None,
        };
        let directory = Target::Path(query.directory.clone().unwrap_or_else(|| "/".into()));
        let mut access = None;
        let accesses = lambda.as_ref().filter(|_| words.is_none()).map(Lambda::accesses);
        for each in accesses.unwrap_or_default() {
            let index =
                tx.index_for(query.class.as_deref(), query.class_id, &each.field, place.noted).await?;
            if let Some(index) = index {
                access = Some((index, each));
                break;
            }
        }
        let index: Option<(Arc<Index>, KeyRanges)> = access.as_ref().map(|(index, access)| {
            (index.clone(), access.spans.iter().map(|span| (span.from.clone(), span.to.clone())).collect())
        });
        let tells = query.order.is_none() || after.is_none();
        let mut in_order = None;
        // Whoever tells what fails has to look at all.
        if let Some(field) = &query.order
            && words.is_none()
            && (!tells || lambda.as_ref().is_none_or(Lambda::raises_never))
        {
            in_order = tx.index_for(query.class.as_deref(), query.class_id, field, place.noted).await?;
            if let Some(index) = &in_order
                && !(cursor.is_in_index() && tx.is_in_order(index, place.noted).await?)
            {
                in_order = None;
            }
        }
        let scope = Scope {
            index,
            order: None,
            class: query.class.clone(),
            class_id: query.class_id,
            after: if query.order.is_none() { cursor.id } else { None },
            descending: query.order.is_none() && query.descending == Some(true),
            named: words.is_some(),
            noted: place.noted,
        };
        let first = match &in_order {
            Some(index) => along(index, query, &cursor, &scope),
            None => scope.clone(),
        };
        let walk = tx.walk_objects(&directory, first).await?;
        let collector = Collector::new(query, &cursor);
        Ok(Self {
            query,
            lambda,
            sandbox,
            walk,
            collector,
            cursor,
            failures: Vec::new(),
            more_failures: 0,
            sandboxed: 0,
            access,
            in_order,
            directory,
            scope,
            words,
            tells,
        })
    }

    /// Looks at objects in another way than in the order of an index, from the first on.
    async fn start_over<B: Backend>(&mut self, tx: &mut Tx<B>) -> Result<()> {
        self.walk = tx.walk_objects(&self.directory, self.scope.clone()).await?;
        self.collector = Collector::new(self.query, &self.cursor);
        self.failures.clear();
        (self.more_failures, self.sandboxed) = (0, 0);
        Ok(())
    }

    /// Looks at objects until the page is full or there are no more.
    async fn go<B: Backend>(&mut self, place: &Place<'_, B>, tx: &mut Tx<B>) -> Result<()> {
        let mut budget = match self.walk.access() {
            // The first of an order may be all.
            "order" => self.collector.wanted().saturating_add(1).clamp(FEW, BUDGET),
            _ => BUDGET,
        };
        while !self.collector.is_full() && !self.collector.has_first(self.walk.reached()) {
            let found = self.next(tx, budget).await?;
            budget = BUDGET;
            if self.walk.gives_up() {
                self.start_over(tx).await?;
                continue;
            }
            let Some(mut candidates) = found else {
                if let Some(words) = &mut self.words
                    && let Some(ids) = words.next().await?
                {
                    self.walk.look_at(ids);
                    continue;
                }
                self.collector.ended = true;
                break;
            };
            if let Some(words) = &mut self.words {
                let found = candidates.into_iter().map(|(candidate, _)| candidate).collect();
                candidates = words.verify(tx, found).await?.into_iter().map(|each| (each, None)).collect();
            }
            self.ask(place, tx, candidates).await?;
            // Others have their turn.
            yield_now().await;
        }
        if let Some(words) = &self.words {
            words.forget(self.walk.take_gone());
        }
        Ok(())
    }

    /// The next objects, with what the function says of them as far as it could be asked natively where they lie. Those that are not wanted are left out then, and where a count
    /// is all that is, those that are wanted are counted.
    async fn next<B: Backend>(&mut self, tx: &mut Tx<B>, budget: usize) -> Result<Option<Vec<Asked>>> {
        let lambda = self.lambda.as_ref();
        let counts = self.query.count == Some(true);
        let is_native = lambda.is_none_or(|lambda| !lambda.needs_meta() && !lambda.is_foreign());
        let without = |found: Vec<Candidate>| found.into_iter().map(|candidate| (candidate, None)).collect();
        if !is_native || lambda.is_none() && !counts {
            return Ok(tx.next_objects(&mut self.walk, budget).await?.map(without));
        }
        let mut counted = 0;
        let mut ask = |state: &[u8]| match lambda.map_or(Ok(Answer::Yes), |lambda| lambda.ask(state, None)) {
            Ok(Answer::No) => None,
            Ok(Answer::Yes) if counts => {
                counted += 1;
                None
            }
            answer => Some(answer),
        };
        let found = tx.next_asked(&mut self.walk, budget, &mut ask).await?;
        self.collector.count(counted);
        Ok(found)
    }

    /// Asks the function of some objects, where that was not done.
    async fn ask<B: Backend>(
        &mut self,
        place: &Place<'_, B>,
        tx: &mut Tx<B>,
        candidates: Vec<Asked>,
    ) -> Result<()> {
        let Some(lambda) = &self.lambda else {
            for (candidate, _) in candidates {
                if self.collector.is_full() {
                    break;
                }
                self.collector.take(tx, candidate).await?;
            }
            return Ok(());
        };
        let mut answers: Vec<Result<bool, Box<Error>>> = Vec::with_capacity(candidates.len());
        // The places of those that the sandbox is asked about, and what it is given.
        let mut asked: Vec<usize> = Vec::new();
        let mut given: Vec<Vec<u8>> = Vec::new();
        let needs_meta = lambda.needs_meta() || lambda.sandbox().is_some() && sandbox::names_meta(self.query);
        let (candidates, told): (Vec<Candidate>, Vec<_>) = candidates.into_iter().unzip();
        for (at, (candidate, told)) in candidates.iter().zip(told).enumerate() {
            let meta = match needs_meta {
                true => {
                    Some(sandbox::meta(self.query.language, candidate, &tx.candidate_stat(candidate).await?))
                }
                false => None,
            };
            let joined;
            let state = match candidate.state() {
                Some(state) => state,
                None => {
                    joined = tx.candidate_state(candidate).await?;
                    &joined
                }
            };
            answers.push(match told.unwrap_or_else(|| lambda.ask(state, meta.clone()))? {
                Answer::Yes => Ok(true),
                Answer::No => Ok(false),
                Answer::Missing(field) => Err(Box::new(sandbox::missing(&field))),
                Answer::Sandbox => {
                    asked.push(at);
                    given.push(sandbox::with_meta(state, meta.as_ref())?);
                    Ok(false)
                }
            });
        }
        if let Some(sandbox) = &self.sandbox
            && !asked.is_empty()
        {
            self.sandboxed += asked.len() as u64;
            for (at, answer) in asked.into_iter().zip(sandbox.ask(place, given).await?) {
                answers[at] = answer.map_err(Box::new);
            }
        }
        for (candidate, answer) in candidates.into_iter().zip(answers) {
            if self.collector.is_full() {
                break;
            }
            match answer {
                Ok(true) => self.collector.take(tx, candidate).await?,
                Ok(false) => self.collector.pass(&candidate),
                Err(error) => {
                    self.collector.pass(&candidate);
                    self.fail(&candidate, *error);
                }
            }
        }
        Ok(())
    }

    /// Notes that an index would have helped.
    async fn suggest<B: Backend>(&self, place: &Place<'_, B>, tx: &mut Tx<B>) -> Result<()> {
        let (seen, found) = (self.walk.seen(), self.collector.found());
        if seen < SLOW
            || self.words.is_some()
            || found.saturating_mul(10) > seen
            || matches!(self.walk.access(), "index" | "order")
            || self.query.class_id.is_some()
        {
            return Ok(());
        }
        let Some(access) = self.lambda.as_ref().and_then(|lambda| lambda.accesses().into_iter().next())
        else {
            return Ok(());
        };
        let class = match &self.query.class {
            Some(name) => match tx.class_named(name).await? {
                Some(id) => id.to_string(),
                None => return Ok(()),
            },
            None => "*".to_owned(),
        };
        // Searches alone do not use up all that a store may have.
        let has_room = place.node.engine().indexes().len() < limits::MAX_INDEXES / 4;
        if has_room && place.node.wishes().wish(&class, &access.field) {
            let mut own = place.node.begin(&emerge_engine::Principal::admin(), place.now);
            // One that cannot be made now, since there are many or somebody makes one, is wished for again.
            if own.create_index(&class, &access.field, false).await.is_ok() {
                let _ = own.commit(None).await;
            }
        }
        Ok(())
    }

    fn fail(&mut self, candidate: &Candidate, error: Error) {
        if !self.tells {
        } else if self.failures.len() < limits::MAX_FAILURES {
            let path = candidate.path();
            self.failures.push(Failure { error: error.at(&path), path });
        } else {
            self.more_failures += 1;
        }
    }

    async fn page<B: Backend>(self, tx: &mut Tx<B>) -> Result<Matches> {
        let last = self.words.as_ref().map(|words| words.key(self.collector.last()));
        let mut page = self.collector.finish(tx, &self.cursor, &last.unwrap_or_default()).await?;
        if let Some(mut words) = self.words {
            page.items.iter_mut().for_each(|item| words.tell(item));
        }
        page.failures = self.failures;
        page.more_failures = (self.more_failures > 0).then_some(self.more_failures);
        Ok(page)
    }
}

/// What is looked at in the order of an index. Conditions on its field narrow it.
fn along(index: &Arc<Index>, query: &Query, cursor: &Cursor, scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    let narrows = |(other, _): &mut (Arc<Index>, KeyRanges)| other.id == index.id;
    let order = IndexOrder {
        index: index.clone(),
        ranges: scope.index.take_if(narrows).map(|(_, ranges)| ranges),
        after: cursor.id.map(|id| (cursor.key.clone(), id)),
        descending: query.descending == Some(true),
    };
    Scope { order: Some(order), ..scope }
}

/// Refuses what makes no sense together, and what is past a limit.
fn check(query: &Query) -> Result<()> {
    let bad = |field: &str, why: &str| {
        Err(Error::new(ErrorCode::BadArgument, format!("{field}: {why}")).field(field))
    };
    if let Some(source) = &query.source
        && source.len() > limits::MAX_LAMBDA
    {
        let why =
            format!("the function's text is {} bytes; the limit is {}", source.len(), limits::MAX_LAMBDA);
        return Err(Error::new(ErrorCode::TooLarge, why).field("source").limit(limits::MAX_LAMBDA as u64));
    }
    if query.language == emerge_proto::Language::Wasm {
        return bad("language", "the function of a search is JavaScript or Python");
    }
    if query.page == Some(0) {
        return bad("page", "a page has at least one object");
    }
    if query.text.is_none() && query.text_fields.is_some() {
        return bad("text_fields", "these are the fields in which text is looked for, and there is none");
    }
    let groups = query.group.is_some();
    if query.count == Some(true) && groups {
        return bad("count", "groups have counts of their own");
    }
    if groups && (query.order.is_some() || query.limit.is_some() || query.fields.is_some()) {
        return bad("group", "order, limit and fields are of searches that give objects");
    }
    if query.descending == Some(true) && groups {
        return bad("descending", "what is grouped comes in no order that could be turned");
    }
    if query.descending == Some(true) && query.order.is_none() && query.text.is_some() {
        return bad("descending", "what a text is in comes best first; name an order to turn");
    }
    for names in
        [query.fields.as_ref().map(Vec::len), query.group.as_ref().map(|group| group.aggregates.len())]
    {
        if names.is_some_and(|names| names > limits::MAX_MEMBERS) {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("a search names at most {} fields", limits::MAX_MEMBERS),
            )
            .limit(limits::MAX_MEMBERS as u64));
        }
    }
    Ok(())
}

/// The entries of an encoded map.
fn map_of(bytes: Option<&[u8]>, field: &str) -> Result<Vec<(String, Value)>> {
    match bytes.map(Value::decode).transpose()? {
        None => Ok(Vec::new()),
        Some(Value::Map(entries)) => Ok(entries),
        Some(_) => Err(Error::new(ErrorCode::BadArgument, format!("{field}: a map is needed")).field(field)),
    }
}
