//! Searches over a memory store with the real sandbox. What is evaluated natively is what the sandbox says, on random functions over mixed values.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod asked;
mod dice;
mod ordered;

use dice::Dice;
use emerge_engine::{Engine, EngineOptions, MemoryBackend, Principal};
use emerge_node::{Authenticator, Node, NodeOptions};
use emerge_proto::class::decode;
use emerge_proto::op::StoreMode;
use emerge_proto::query::{Aggregate, AggregateKind, Group, Matches, Plan};
use emerge_proto::{ClassSource, ErrorCode, Language, Op, Query, Result, Value};
use emerge_runtime::{Sandbox, SandboxOptions};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const NOW: i64 = 1_800_000_000_000_000;

fn sandbox() -> Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    let made = || {
        let options = SandboxOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::open(&options, &|text| eprintln!("{text}")).expect("the sandbox opens");
        sandbox.ready_python(&|text| eprintln!("{text}")).expect("the Python guest is compiled");
        Arc::new(sandbox)
    };
    SANDBOX.get_or_init(made).clone()
}

struct Nobody;

impl Authenticator for Nobody {
    fn authenticate(&self, _: &str) -> Option<Principal> {
        None
    }
}

type TestNode = Node<MemoryBackend>;

async fn node() -> TestNode {
    // Time enough also on a busy machine.
    node_within(Duration::from_secs(60)).await
}

async fn node_within(deadline: Duration) -> TestNode {
    let engine = Engine::open(MemoryBackend::default(), EngineOptions::new("test"), NOW).await.unwrap();
    let run = engine.clone();
    tokio::spawn(async move { run.run().await });
    let mut options = NodeOptions::new("test", [7; 32]);
    options.call_deadline = deadline;
    Node::new(engine, sandbox(), Arc::new(Nobody), options)
}

async fn class(node: &TestNode, name: &str, base: Option<&ClassSource>) -> ClassSource {
    let extends = base.map_or("EmergeObject", |base| &base.name);
    let source = ClassSource {
        name: name.into(),
        language: Language::JavaScript,
        source: format!("class {name} extends {extends} {{}}"),
        bases: base
            .map(|base| emerge_proto::class::BaseRef { name: base.name.clone(), hash: base.hash() })
            .into_iter()
            .collect(),
        fields: vec![],
        doc: None,
        captures: None,
        module: None,
        requires: None,
    };
    node.execute(&Principal::admin(), Op::PutClass { class: source.clone() }, NOW).await.unwrap();
    source
}

async fn store(node: &TestNode, user: &Principal, path: &str, class: &ClassSource, state: &Value) {
    let op = Op::Store {
        path: path.into(),
        class: class.hash(),
        fields: state.encode(),
        mode: StoreMode::Put,
        base: None,
        removed: None,
        id: None,
    };
    // Ids follow the time to the millisecond.
    static MILLIS: AtomicI64 = AtomicI64::new(0);
    let now = NOW + MILLIS.fetch_add(1, Ordering::Relaxed) * 1000;
    node.execute(user, op, now).await.unwrap();
}

fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

async fn search(node: &TestNode, user: &Principal, query: Query) -> Result<Matches> {
    let reply = node.execute(user, Op::Search { query, after: None }, NOW).await?;
    decode(&reply)
}

async fn explain(node: &TestNode, query: Query) -> Plan {
    decode(&node.execute(&Principal::admin(), Op::Explain { query }, NOW).await.unwrap()).unwrap()
}

fn paths(page: &Matches) -> Vec<&str> {
    page.items.iter().map(|item| item.path.as_str()).collect()
}

fn javascript(source: &str) -> Query {
    Query::new(Language::JavaScript, Some(source))
}

fn python(source: &str) -> Query {
    Query::new(Language::Python, Some(source))
}

/// The number of functions of each language, in the quick set.
const CASES: usize = 60;

fn cases() -> usize {
    std::env::var("EMERGE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

async fn many(node: &TestNode, dice: &mut Dice, count: usize) {
    let class = class(node, "Thing", None).await;
    for at in 0..count {
        let state = dice.state();
        store(node, &Principal::admin(), &format!("/many/o{at}"), &class, &state).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn native_answers_are_those_of_the_sandbox() {
    let node = node().await;
    let seed =
        std::env::var("EMERGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut dice = Dice(seed);
    many(&node, &mut dice, 120).await;
    let params = map(&[("max", Value::Float(3.5))]).encode();
    let values = map(&[("limit", Value::Int(1))]).encode();
    let (mut natively, mut asked) = (0, 0);
    for case in 0..2 * cases() {
        let depth = 1 + dice.roll(3);
        let (native, foreign) = if case % 2 == 0 {
            let body = dice.js(depth);
            // Called like this it is nothing that is read natively.
            (
                javascript(&format!("(o, p) => {body}")),
                javascript(&format!("(o, p) => ((o, p) => {body})(o, p)")),
            )
        } else {
            let body = dice.py(depth);
            (
                python(&format!("lambda o, p: {body}")),
                python(&format!("lambda o, p: (lambda o, p: {body})(o, p)")),
            )
        };
        let with =
            |query: Query| Query { params: Some(params.clone()), values: Some(values.clone()), ..query };
        let (native, foreign) = (with(native), with(foreign));
        let text = native.source.clone().unwrap();
        let one = search(&node, &Principal::admin(), native.clone()).await;
        let other = search(&node, &Principal::admin(), foreign).await;
        match (&one, &other) {
            (Ok(one), Ok(other)) => {
                assert_eq!(paths(one), paths(other), "{text}");
                let told = |page: &Matches| {
                    page.failures
                        .iter()
                        .map(|each| (each.path.clone(), each.error.message.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!((told(one), one.more_failures), (told(other), other.more_failures), "{text}");
            }
            (one, other) => assert_eq!(
                one.as_ref().err().map(|error| error.code),
                other.as_ref().err().map(|error| error.code),
                "{text}: {one:?} and {other:?}"
            ),
        }
        let plan = explain(&node, native).await;
        natively += plan.seen - plan.sandboxed;
        asked += plan.seen;
    }
    // It would be easy to be right by asking the sandbox for everything.
    assert!(natively * 2 > asked, "{natively} of {asked} were answered natively");
}

/// Changes an object, or a tree, in the same way on all nodes; what cannot be done is done on none.
async fn change(nodes: &[&TestNode], class: &ClassSource, dice: &mut Dice) {
    let at = |dice: &mut Dice| emerge_proto::op::Target::from(&*format!("/many/o{:03}", dice.roll(210)));
    let tree = |dice: &mut Dice| dice.pick(&["/many", "/copy", "/moved"]).to_owned();
    let op = match dice.roll(10) {
        0..4 => Op::Store {
            path: at(dice),
            class: class.hash(),
            fields: dice.state().encode(),
            mode: StoreMode::Put,
            base: None,
            removed: None,
            id: None,
        },
        4 => Op::Rm { path: at(dice), recursive: false },
        5 => Op::Mv { from: at(dice), to: format!("/many/o{:03}", dice.roll(210)) },
        6 => Op::Restore { path: at(dice), version: 1.into(), base: None },
        7 => Op::Purge { path: at(dice), recursive: false },
        8 => match dice.roll(3) {
            0 => Op::Rm { path: (&*tree(dice)).into(), recursive: true },
            1 => Op::Mv { from: (&*tree(dice)).into(), to: tree(dice) },
            _ => Op::Mkdir { path: "/many".into(), exist_ok: true },
        },
        _ => Op::Cp {
            from: at(dice),
            to: format!("/copy/o{:03}", dice.roll(210)),
            recursive: false,
            after: None,
        },
    };
    let mut outcomes = Vec::new();
    for node in nodes {
        outcomes.push(
            node.execute(&Principal::admin(), op.clone(), NOW).await.map(drop).map_err(|error| error.code),
        );
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{op:?}: {outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_changes_no_answer() {
    let (plain, indexed) = (node().await, node().await);
    let mut dice = Dice(77);
    let class = class(&plain, "Thing", None).await;
    crate::class(&indexed, "Thing", None).await;
    let admin = Principal::admin();
    for at in 0..200 {
        let state = dice.state();
        for node in [&plain, &indexed] {
            store(node, &admin, &format!("/many/o{at:03}"), &class, &state).await;
        }
    }
    for (class, field) in [("*", "x"), ("Thing", "y"), ("*", "name")] {
        let op = Op::CreateIndex { class: class.into(), field: field.into(), unique: false };
        indexed.execute(&admin, op, NOW).await.unwrap();
    }
    while indexed.engine().build_indexes(NOW, 50).await.unwrap() {}
    let mut used = 0;
    for case in 0..4 * cases() {
        let condition = |dice: &mut Dice, python: bool| {
            let constant = dice.pick(&[
                "0",
                "1",
                "-3",
                "3.5",
                "7",
                "\"red\"",
                "\"\"",
                "\"\u{1f40e}x\"",
                "\"\u{ffff}\"",
                "\"m\"",
                "9007199254740992",
                "-0",
                "+1",
                "-3.5",
                if python { "-9223372036854775808" } else { "-9223372036854775808n" },
                if python { "9007199254740993" } else { "9007199254740993n" },
                if python { "+7" } else { "7n" },
                if python { "-limit" } else { "-p.max" },
                if python { "None" } else { "null" },
                if python { "True" } else { "true" },
                if python { "limit" } else { "p.max" },
            ]);
            let field = dice.pick(&["o.x", "o.y", "o.name"]);
            let signs: &[&str] = if python {
                &["==", "<", "<=", ">", ">=", "!="]
            } else {
                &["===", "==", "<", "<=", ">", ">=", "!=="]
            };
            let cmp = dice.pick(signs);
            match dice.roll(6) {
                0 => format!("{constant} {cmp} {field}"),
                1 if python => format!("{constant} {cmp} {field} < 4"),
                2 => format!("{field}.{}(\"r\")", if python { "startswith" } else { "startsWith" }),
                _ => format!("{field} {cmp} {constant}"),
            }
        };
        let is_python = case % 2 == 1;
        let parts: Vec<String> = (0..1 + dice.roll(3)).map(|_| condition(&mut dice, is_python)).collect();
        let query = if is_python {
            python(&format!("lambda o: {}", parts.join(" and ")))
        } else {
            javascript(&format!("(o, p) => {}", parts.join(" && ")))
        };
        let query = Query {
            params: Some(map(&[("max", Value::Float(3.5))]).encode()),
            values: Some(map(&[("limit", Value::Int(1))]).encode()),
            class: (dice.roll(2) == 0).then(|| "Thing".into()),
            ..query
        };
        change(&[&plain, &indexed], &class, &mut dice).await;
        let text = query.source.clone().unwrap();
        let plan = explain(&indexed, query.clone()).await;
        used += usize::from(plan.access == "index");
        let one = search(&plain, &admin, query.clone()).await.unwrap();
        let other = search(&indexed, &admin, query).await.unwrap();
        let told = |page: &Matches| {
            let failures: Vec<_> =
                page.failures.iter().map(|each| (each.path.clone(), each.error.message.clone())).collect();
            (
                paths(page).into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>(),
                failures.len(),
                page.more_failures,
            )
        };
        assert_eq!(told(&one), told(&other), "{text}: {plan:?}");
    }
    assert!(used > cases(), "the indexes were used {used} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_would_have_helped_three_times_is_made() {
    let node = node().await;
    let class = class(&node, "Thing", None).await;
    for at in 0..1001 {
        store(&node, &Principal::admin(), &format!("/t/o{at}"), &class, &map(&[("x", Value::Int(at))])).await;
    }
    for round in 0..4 {
        assert_eq!(node.engine().indexes().len(), usize::from(round > 2));
        let query = Query { class: Some("Thing".into()), ..javascript("o => o.x < 3") };
        assert_eq!(search(&node, &Principal::admin(), query.clone()).await.unwrap().items.len(), 3);
        let none = javascript("o => o.x >= 0");
        assert_eq!(search(&node, &Principal::admin(), none).await.unwrap().items.len(), 1000);
    }
    while node.engine().build_indexes(NOW, 500).await.unwrap() {}
    let plan = explain(&node, Query { class: Some("Thing".into()), ..javascript("o => o.x < 3") }).await;
    assert_eq!(
        (&*plan.access, plan.index.as_deref(), plan.seen, plan.found),
        ("index", Some("Thing x"), 4, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_orders_pages_counts_and_groups() {
    let node = node().await;
    let admin = Principal::admin();
    let item = class(&node, "Item", None).await;
    let special = class(&node, "Special", Some(&item)).await;
    let other = class(&node, "Other", None).await;
    for at in 0..9 {
        let class = if at % 3 == 0 { &special } else { &item };
        let state = map(&[
            ("price", Value::Float(f64::from(9 - at))),
            ("colour", Value::Text(if at % 2 == 0 { "red" } else { "blue" }.into())),
        ]);
        store(&node, &admin, &format!("/shop/{}/i{at}", at % 2), class, &state).await;
    }
    store(&node, &admin, "/shop/x", &other, &map(&[("price", Value::Text("dear".into()))])).await;
    store(&node, &admin, "/elsewhere", &item, &map(&[("price", Value::Float(1.0))])).await;
    let shop = |source: &str| Query { directory: Some("/shop".into()), ..python(source) };

    let page = search(&node, &admin, shop("lambda o: o.price < 3")).await.unwrap();
    assert_eq!(paths(&page), ["/shop/1/i7", "/shop/0/i8"]);
    assert_eq!(page.failures.len(), 1, "{page:?}");
    assert_eq!(page.failures[0].path, "/shop/x");
    assert!(page.failures[0].error.message.starts_with("TypeError: "), "{page:?}");

    let all = |query: Query| Query { class: Some("Item".into()), ..query };
    let query =
        all(Query { order: Some("price".into()), page: Some(2), limit: Some(5), ..shop("lambda o: True") });
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let reply = node.execute(&admin, Op::Search { query: query.clone(), after }, NOW).await.unwrap();
        let page: Matches = decode(&reply).unwrap();
        found.extend(page.items.iter().map(|item| item.path.clone()));
        after = page.next;
        if after.is_none() {
            break;
        }
        let foreign = Op::Search { query: shop("lambda o: False"), after: after.clone() };
        let error = node.execute(&admin, foreign, NOW).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("after")));
    }
    assert_eq!(found, ["/shop/0/i8", "/shop/1/i7", "/shop/0/i6", "/shop/1/i5", "/shop/0/i4"]);

    let query = Query {
        class: Some("Special".into()),
        order: Some("price".into()),
        descending: Some(true),
        ..shop("lambda o: True")
    };
    assert_eq!(
        paths(&search(&node, &admin, query).await.unwrap()),
        ["/shop/0/i0", "/shop/1/i3", "/shop/0/i6"]
    );
    let by_id = Query {
        class_id: Some(emerge_proto::ObjectId(special.hash().0)),
        count: Some(true),
        ..shop("lambda o: True")
    };
    assert_eq!(search(&node, &admin, by_id).await.unwrap().count, Some(3));
    let every = Query { fields: Some(vec!["colour".into()]), source: None, ..all(shop("")) };
    let page = search(&node, &admin, every).await.unwrap();
    assert_eq!(page.items.len(), 9);
    assert_eq!(Value::decode(&page.items[0].state).unwrap(), map(&[("colour", Value::Text("red".into()))]));

    use emerge_proto::query::{Aggregate, AggregateKind, Group};
    let aggregate = |kind| Aggregate { kind, field: "price".into() };
    let group = Group {
        by: "colour".into(),
        aggregates: AggregateKind::ALL.iter().map(|kind| aggregate(*kind)).collect(),
    };
    let page = search(&node, &admin, Query { group: Some(group), ..shop("lambda o: True") }).await.unwrap();
    let rows: Vec<(Option<Value>, u64, Value)> = page
        .groups
        .unwrap()
        .into_iter()
        .map(|row| {
            (row.key.map(|key| Value::decode(&key).unwrap()), row.count, Value::decode(&row.values).unwrap())
        })
        .collect();
    let floats = |floats: [f64; 4]| Value::List(floats.map(Value::Float).into());
    let text = |text: &str| Some(Value::Text(text.into()));
    assert_eq!(
        rows[1..],
        [(text("blue"), 4, floats([20.0, 2.0, 8.0, 5.0])), (text("red"), 5, floats([25.0, 1.0, 9.0, 5.0]))]
    );
    // Of the one that lacks the colour: there is no sum of a text, and it is the smallest.
    let dear = Value::Text("dear".into());
    assert_eq!(rows[0], (None, 1, Value::List(vec![Value::Null, dear.clone(), dear, Value::Null])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_read_is_not_there() {
    let node = node().await;
    let (admin, ada, eve) = (Principal::admin(), Principal::user("ada"), Principal::user("eve"));
    let item = class(&node, "Item", None).await;
    for (user, path) in [(&admin, "/secret/a"), (&admin, "/b")] {
        store(&node, user, path, &item, &map(&[("price", Value::Text("no number".into()))])).await;
    }
    let query = || python("lambda o: o.price < 3 or o.nothing");
    let page = search(&node, &admin, query()).await.unwrap();
    assert_eq!(page.failures.len(), 2);
    for user in [ada, eve] {
        let page = search(&node, &user, query()).await.unwrap();
        assert_eq!(page, Matches::default(), "nothing of what it may not read, errors included");
        let count = search(&node, &user, Query { count: Some(true), source: None, ..query() }).await.unwrap();
        assert_eq!(count.count, Some(0));
        let error =
            search(&node, &user, Query { directory: Some("/secret".into()), ..query() }).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_cannot_run_are_refused_by_what_is_wrong() {
    let node = node().await;
    let item = class(&node, "Item", None).await;
    store(&node, &Principal::admin(), "/a", &item, &map(&[("x", Value::Int(1))])).await;
    for (query, field, says) in [
        (javascript("o => o.x < max"), "max", "max"),
        (javascript("o => o.x <"), "source", "SyntaxError"),
        (python("lambda o: o.x <"), "source", "SyntaxError"),
        (Query { page: Some(0), ..javascript("o => true") }, "page", "page"),
        (javascript("o => { fs.rm('/a'); return true; }"), "fs", "no file system"),
        (javascript("o => o.x > fs"), "fs", "no file system"),
        // Nor what the node itself puts around it.
        (javascript("o => objects.length + test + params"), "objects", "objects"),
    ] {
        let text = query.source.clone();
        let error = search(&node, &Principal::admin(), query).await.unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (ErrorCode::BadArgument, Some(field)),
            "{text:?}: {error}"
        );
        assert!(error.message.contains(says), "{error}");
    }
    // A name of its own is what it says.
    let own = javascript("(fs) => { const params = fs.x; return params === 1; }");
    assert_eq!(paths(&search(&node, &Principal::admin(), own).await.unwrap()), ["/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_end_is_stopped() {
    let node = node_within(Duration::from_millis(500)).await;
    let item = class(&node, "Item", None).await;
    store(&node, &Principal::admin(), "/a", &item, &map(&[("x", Value::Int(1))])).await;
    for query in [javascript("o => { for (;;); }"), python("lambda o: [0 for i in iter(int, 1)]")] {
        let error = search(&node, &Principal::admin(), query).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::DeadlineExceeded, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_order_and_group_as_fields_do() {
    let node = node().await;
    let admin = Principal::admin();
    let (small, big) = (class(&node, "Small", None).await, class(&node, "Big", None).await);
    for (name, class, n) in [("b", &small, 2), ("c", &big, 1), ("a", &small, 3)] {
        store(&node, &admin, &format!("/o/{name}"), class, &map(&[("n", Value::Int(n))])).await;
    }
    let all = |order: &str| Query { order: Some(order.into()), ..javascript("o => true") };
    assert_eq!(paths(&search(&node, &admin, all("meta.name")).await.unwrap()), ["/o/a", "/o/b", "/o/c"]);
    for field in ["meta.node", "meta.class_version"] {
        assert_eq!(search(&node, &admin, all(field)).await.unwrap().items.len(), 3, "{field}");
    }
    let newest = Query { descending: Some(true), ..all("meta.created") };
    assert_eq!(paths(&search(&node, &admin, newest).await.unwrap()), ["/o/a", "/o/c", "/o/b"]);
    let group = |by: &str| Query {
        group: Some(Group {
            by: by.into(),
            aggregates: vec![Aggregate { kind: AggregateKind::Max, field: "meta.name".into() }],
        }),
        ..javascript("o => true")
    };
    let groups = search(&node, &admin, group("meta.class_name")).await.unwrap().groups.unwrap();
    let rows: Vec<(Value, u64, Value)> = groups
        .iter()
        .map(|row| {
            let key = Value::decode(row.key.as_deref().unwrap()).unwrap();
            (key, row.count, Value::decode(&row.values).unwrap())
        })
        .collect();
    let text = |text: &str| Value::Text(text.into());
    let expected = [("Big", 1, "c"), ("Small", 2, "b")]
        .map(|(name, count, last)| (text(name), count, Value::List(vec![text(last)])));
    assert_eq!(rows, expected);
    for wrong in [all("meta.nmae"), group("meta.nothing")] {
        let error = search(&node, &admin, wrong).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BadArgument, "{error}");
        assert!(error.field.is_some_and(|field| field.starts_with("meta.n")), "{}", error.message);
    }
}
