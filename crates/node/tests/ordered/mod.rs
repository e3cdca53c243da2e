//! Ordered searches along an index give what sorting all objects gives.

use super::*;
use emerge_engine::Index;
use emerge_proto::op::Target;
use emerge_proto::value::{order, raw};

async fn execute(node: &TestNode, op: Op) -> bool {
    node.execute(&Principal::admin(), op, NOW).await.is_ok()
}

async fn indexed(node: &TestNode, indexes: &[(&str, &str)]) {
    for (class, field) in indexes {
        let op = Op::CreateIndex { class: (*class).into(), field: (*field).into(), unique: false };
        node.execute(&Principal::admin(), op, NOW).await.unwrap();
    }
    while node.engine().build_indexes(NOW, 50).await.unwrap() {}
}

/// All pages of a search: the paths, how many failures were told, and the size of each page.
async fn pages(node: &TestNode, user: &Principal, query: &Query) -> (Vec<String>, u64, Vec<usize>) {
    let (mut found, mut failures, mut sizes, mut after) = (Vec::new(), 0, Vec::new(), None);
    loop {
        let op = Op::Search { query: query.clone(), after };
        let page: Matches = decode(&node.execute(user, op, NOW).await.unwrap()).unwrap();
        failures += page.failures.len() as u64 + page.more_failures.unwrap_or(0);
        sizes.push(page.items.len());
        found.extend(page.items.into_iter().map(|item| item.path));
        after = page.next;
        if after.is_none() {
            return (found, failures, sizes);
        }
    }
}

/// What the pages must be: all that an unordered search finds, sorted here.
async fn sorted(node: &TestNode, user: &Principal, query: &Query) -> (Vec<String>, u64, Vec<usize>) {
    let plain = Query { order: None, descending: None, limit: None, page: None, ..query.clone() };
    let all = search(node, user, plain).await.unwrap();
    assert!(all.next.is_none(), "one page has them all");
    let field = query.order.as_deref().unwrap();
    // They come by their ids, and a stable sort leaves equal ones so.
    let mut keyed: Vec<(Vec<u8>, String)> = all
        .items
        .into_iter()
        .map(|item| {
            let value = raw::get(&item.state, field).unwrap().map(|value| Value::decode(value).unwrap());
            (order::key(value.as_ref()), item.path)
        })
        .collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    if query.descending == Some(true) {
        keyed.reverse();
    }
    let mut paths: Vec<String> = keyed.into_iter().map(|(_, path)| path).collect();
    paths.truncate(query.limit.map_or(usize::MAX, |limit| limit as usize));
    let size = query.page.unwrap() as usize;
    let mut sizes: Vec<usize> = paths.chunks(size).map(<[String]>::len).collect();
    if sizes.is_empty() {
        sizes.push(0);
    }
    (paths, all.failures.len() as u64 + all.more_failures.unwrap_or(0), sizes)
}

fn function(dice: &mut Dice) -> Query {
    match dice.roll(6) {
        0 | 1 => Query::new(Language::JavaScript, None),
        2 => javascript(dice.pick(&[
            "o => o.x > -3",
            "o => o.x < 3.5 && o.y !== 1",
            "o => !(o.name === \"red\")",
        ])),
        3 => javascript(&format!("(o, p) => {}", dice.js(2))),
        4 => python(dice.pick(&[
            "lambda o: o.x < 3.5",
            "lambda o: o.name.startswith(\"r\")",
            "lambda o: True",
        ])),
        _ => python(&format!("lambda o, p: {}", dice.py(2))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_an_index_is_that_of_sorting() {
    let node = node().await;
    let mut dice = Dice(4242);
    let (thing, other) = (class(&node, "Thing", None).await, class(&node, "Other", None).await);
    let admin = Principal::admin();
    for at in 0..200 {
        let class = if at % 4 == 0 { &other } else { &thing };
        store(&node, &admin, &format!("/many/o{at:03}"), class, &dice.state()).await;
    }
    indexed(&node, &[("*", "x"), ("Thing", "y"), ("Thing", "name")]).await;
    let mut used = 0;
    for case in 0..5 * cases() {
        if case % 2 == 0 {
            change(&[&node], &thing, &mut dice).await;
        }
        if dice.roll(3) == 0 {
            let perms = dice.pick(&["o=rx", "o=", "o=x"]).to_owned();
            let at = match dice.roll(5) {
                0 => "/many".to_owned(),
                _ => format!("/many/o{:03}", dice.roll(200)),
            };
            let perms = if at == "/many" { "o=rx".to_owned() } else { perms };
            execute(&node, Op::Chmod { path: Target::from(&*at), perms, recursive: false }).await;
        }
        let query = Query {
            params: Some(map(&[("max", Value::Float(3.5))]).encode()),
            values: Some(map(&[("limit", Value::Int(1))]).encode()),
            class: (dice.roll(3) > 0).then(|| dice.pick(&["Thing", "Other"]).to_owned()),
            directory: (dice.roll(4) == 0).then(|| dice.pick(&["/", "/copy"]).to_owned()),
            order: Some(dice.pick(&["x", "y", "name", "tags"]).to_owned()),
            descending: [None, Some(false), Some(true)][dice.roll(3)],
            limit: [None, None, Some(3), Some(40)][dice.roll(4)],
            page: Some([1, 7, 33, 150][dice.roll(4)]),
            ..function(&mut dice)
        };
        if query.page == Some(1) && query.limit != Some(3) {
            continue;
        }
        let user = if dice.roll(3) == 0 { Principal::user("eve") } else { admin.clone() };
        if let Err(error) =
            search(&node, &user, Query { order: None, descending: None, ..query.clone() }).await
        {
            assert_ne!(error.code, ErrorCode::Internal, "{error}");
            continue;
        }
        let (found, wanted) = (pages(&node, &user, &query).await, sorted(&node, &user, &query).await);
        let plan = explain(&node, query.clone()).await;
        assert_eq!(found, wanted, "{query:?}: {plan:?}");
        used += usize::from(plan.access == "order");
    }
    assert!(used * 5 > cases(), "the order of an index was used {used} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_an_order_are_found_without_looking_at_all() {
    let node = node().await;
    let admin = Principal::admin();
    let thing = class(&node, "Thing", None).await;
    for at in 0..1200 {
        let state = map(&[("x", Value::Int(at * 7 % 1200)), ("y", Value::Int(at % 2))]);
        store(&node, &admin, &format!("/many/o{at:04}"), &thing, &state).await;
    }
    indexed(&node, &[("Thing", "x")]).await;
    let first = Query {
        class: Some("Thing".into()),
        order: Some("x".into()),
        limit: Some(3),
        ..Query::new(Language::JavaScript, None)
    };
    let last = Query { descending: Some(true), ..first.clone() };
    let ran = async |query: &Query| {
        let plan = explain(&node, query.clone()).await;
        (plan.access, plan.index, plan.ranges.join(", "), plan.seen)
    };
    let index = || Some("Thing x".to_owned());
    for query in [&first, &last] {
        assert_eq!(ran(query).await, ("order".into(), index(), String::new(), 32));
    }
    // Conditions on the same field narrow it; on another they are asked of each.
    let narrowed = Query { source: Some("o => o.x === 700 || o.x > 5 && o.x < 9".into()), ..first.clone() };
    assert_eq!(ran(&narrowed).await.0, "order");
    let narrowed = Query { source: Some("o => o.x > 1150".into()), ..first.clone() };
    assert_eq!(ran(&narrowed).await, ("order".into(), index(), "x > 1150".into(), 32));
    // One that may fail says of which objects, and so looks at all; a later page says no more.
    let python =
        Query { language: Language::Python, source: Some("lambda o: o.y == 1".into()), ..first.clone() };
    assert_eq!((ran(&python).await.0, ran(&python).await.3), ("scan".into(), 1200));
    // What is below a small directory is looked at there, and what nobody may read is not counted.
    store(&node, &admin, "/few/a", &thing, &map(&[("x", Value::Int(-1))])).await;
    let few = Query { directory: Some("/few".into()), ..first.clone() };
    assert_eq!(ran(&few).await.0, "tree");
    execute(&node, Op::Chmod { path: "/many".into(), perms: "o=rx".into(), recursive: false }).await;
    execute(&node, Op::Chmod { path: "/many/o0000".into(), perms: "o=r".into(), recursive: false }).await;
    let eve = Principal::user("eve");
    let plan: Plan =
        decode(&node.execute(&eve, Op::Explain { query: first.clone() }, NOW).await.unwrap()).unwrap();
    assert_eq!((plan.access.as_str(), plan.seen, plan.found), ("order", 1, 1));
    let index: Vec<Arc<Index>> = node.engine().indexes().to_vec();
    assert_eq!(index.len(), 1, "an ordered search makes no index");
}
