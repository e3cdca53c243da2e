//! What a search may be asked for: an order that is turned, decimals, the names of fields and classes.

use super::*;

fn found(page: &Matches) -> Vec<&str> {
    paths(page)
}

async fn refused(node: &TestNode, user: &Principal, query: Query) -> (ErrorCode, Option<String>) {
    let error = search(node, user, query).await.unwrap_err();
    (error.code, error.field.map(String::from))
}

#[tokio::test]
async fn without_an_order_the_newest_can_come_first() {
    let node = node().await;
    let admin = Principal::admin();
    let item = class(&node, "Item", None).await;
    for at in 0..5 {
        store(&node, &admin, &format!("/d/{at}"), &item, &map(&[("n", Value::Int(at % 2))])).await;
    }
    let all = Query { descending: Some(true), ..Query::new(Language::JavaScript, None) };
    assert_eq!(
        found(&search(&node, &admin, all.clone()).await.unwrap()),
        ["/d/4", "/d/3", "/d/2", "/d/1", "/d/0"]
    );
    let even = Query { page: Some(2), descending: Some(true), ..javascript("o => o.n === 0") };
    let first = search(&node, &admin, even.clone()).await.unwrap();
    assert_eq!(found(&first), ["/d/4", "/d/2"]);
    let next = Op::Search { query: even.clone(), after: first.next.clone() };
    let second: Matches = decode(&node.execute(&admin, next, NOW).await.unwrap()).unwrap();
    assert_eq!(found(&second), ["/d/0"]);
    assert!(explain(&node, even.clone()).await.access.ends_with(", newest first"));
    // How many there are depends neither on their order nor on what is told of each.
    let counted = |limit| Query { count: Some(true), limit, fields: Some(vec!["n".into()]), ..even.clone() };
    for (limit, count) in [(None, 3), (Some(2), 2), (Some(9), 3), (Some(0), 0)] {
        let query = Query { order: Some("n".into()), ..counted(limit) };
        assert_eq!(search(&node, &admin, query).await.unwrap().count, Some(count), "{limit:?}");
    }
    let misnamed = Query { order: Some("a.b".into()), ..counted(None) };
    assert_eq!(refused(&node, &admin, misnamed).await, (ErrorCode::BadArgument, Some("order".into())));
    let grouped =
        Query { group: Some(Group { by: "n".into(), aggregates: vec![] }), ..Query { page: None, ..even } };
    assert_eq!(refused(&node, &admin, grouped).await, (ErrorCode::BadArgument, Some("descending".into())));
}

#[tokio::test]
async fn decimals_are_ordered_and_summed_with_and_without_an_index() {
    let node = node().await;
    let admin = Principal::admin();
    let item = class(&node, "Item", None).await;
    let decimal = |exponent: i64, mantissa: i64| Value::Decimal { exponent, mantissa: mantissa.into() };
    let amounts = [
        decimal(0, 10),
        decimal(-1, 1005),
        Value::Int(9),
        decimal(0, -3),
        Value::Float(9.5),
        decimal(-2, 925),
    ];
    for (at, amount) in amounts.iter().enumerate() {
        store(&node, &admin, &format!("/d/{at}"), &item, &map(&[("amount", amount.clone())])).await;
    }
    let ordered = Query { order: Some("amount".into()), ..Query::new(Language::JavaScript, None) };
    let wanted = ["/d/3", "/d/2", "/d/5", "/d/4", "/d/0", "/d/1"];
    assert_eq!(found(&search(&node, &admin, ordered.clone()).await.unwrap()), wanted);
    let index = Op::CreateIndex { class: "Item".into(), field: "amount".into(), unique: false };
    node.execute(&admin, index, NOW).await.unwrap();
    while node.engine().build_indexes(NOW, 100).await.unwrap() {}
    assert_eq!(
        found(&search(&node, &admin, Query { class: Some("Item".into()), ..ordered.clone() }).await.unwrap()),
        wanted
    );
    let few = Query { class: Some("Item".into()), page: Some(2), ..ordered.clone() };
    assert_eq!(explain(&node, few).await.index, None, "decimals lie apart in it");
    // In pages, each after the last.
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let query = Query { page: Some(2), class: Some("Item".into()), ..ordered.clone() };
        let page: Matches =
            decode(&node.execute(&admin, Op::Search { query, after }, NOW).await.unwrap()).unwrap();
        pages.extend(found(&page).into_iter().map(str::to_owned));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, wanted);
    for (source, language) in
        [("o => o.amount > 9.3", Language::JavaScript), ("lambda o: o.amount > 9.3", Language::Python)]
    {
        let by_index =
            search(&node, &admin, Query { class: Some("Item".into()), ..Query::new(language, Some(source)) })
                .await
                .unwrap();
        let by_scan = search(&node, &admin, Query::new(language, Some(source))).await.unwrap();
        assert_eq!(
            (found(&by_index), by_index.failures.len()),
            (found(&by_scan), by_scan.failures.len()),
            "{source}"
        );
    }
    let aggregates =
        AggregateKind::ALL.iter().map(|kind| Aggregate { kind: *kind, field: "amount".into() }).collect();
    let exact = Query {
        group: Some(Group { by: "meta.class".into(), aggregates }),
        ..javascript("o => typeof o.amount !== 'number' || Number.isInteger(o.amount)")
    };
    let page = search(&node, &admin, exact).await.unwrap();
    let row = &page.groups.unwrap()[0];
    let Value::List(values) = Value::decode(&row.values).unwrap() else { panic!("no list") };
    assert!(values.contains(&decimal(-2, 12575)) && values.contains(&decimal(0, -3)), "{values:?}");
}

#[tokio::test]
async fn one_field_is_named_and_no_place_within() {
    let node = node().await;
    let admin = Principal::admin();
    let item = class(&node, "Item", None).await;
    for (at, value) in [(0, 2), (1, 1)] {
        let state = map(&[("x.a", Value::Int(value)), ("x", map(&[("a", Value::Int(at))]))]);
        store(&node, &admin, &format!("/d/{at}"), &item, &state).await;
    }
    let all = || Query::new(Language::JavaScript, None);
    let grouped = |by: &str, field: &str| Group {
        by: by.into(),
        aggregates: vec![Aggregate { kind: AggregateKind::Sum, field: field.into() }],
    };
    for (query, argument) in [
        (Query { order: Some("x.a".into()), ..all() }, "order"),
        (Query { group: Some(grouped("kids[0]", "n")), ..all() }, "group"),
        (Query { group: Some(grouped("n", "x.a")), ..all() }, "group"),
        (Query { fields: Some(vec!["x".into(), "x.a".into()]), ..all() }, "fields"),
        (Query { fields: Some(vec!["meta.path".into()]), ..all() }, "fields"),
    ] {
        assert_eq!(refused(&node, &admin, query).await, (ErrorCode::BadArgument, Some(argument.into())));
    }
    let index = |field: &str| Op::CreateIndex { class: "Item".into(), field: field.into(), unique: false };
    let error = node.execute(&admin, index("kids[0]"), NOW).await.unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("field")));
    // A name that really is one is quoted.
    let ordered = Query { order: Some("[\"x.a\"]".into()), fields: Some(vec!["[\"x.a\"]".into()]), ..all() };
    let page = search(&node, &admin, ordered).await.unwrap();
    assert_eq!(found(&page), ["/d/1", "/d/0"]);
    assert_eq!(Value::decode(&page.items[0].state).unwrap(), map(&[("x.a", Value::Int(1))]));
    node.execute(&admin, index("[\"x.a\"]"), NOW).await.unwrap();
    assert_eq!(node.engine().indexes()[0].field, "x.a");
}

#[tokio::test]
async fn a_class_that_nobody_can_have_meant_is_refused() {
    let node = node().await;
    let (admin, ben) = (Principal::admin(), Principal::user("ben"));
    let item = class(&node, "Item", None).await;
    class(&node, "Unused", None).await;
    let of = |name: &str| Query { class: Some(name.into()), ..javascript("o => o.n === 1") };
    let not_found = (ErrorCode::ClassNotFound, Some("class".to_owned()));
    assert_eq!(refused(&node, &admin, of("Itme")).await, not_found);
    assert!(search(&node, &admin, of("Unused")).await.unwrap().items.is_empty());
    // Another's class is not told from none.
    assert_eq!(refused(&node, &ben, of("Unused")).await, refused_as(&node, &ben, "Itme").await);
    store(&node, &admin, "/d", &item, &map(&[("n", Value::Int(2))])).await;
    assert_eq!(refused(&node, &ben, of("Item")).await, not_found);
    node.execute(&admin, Op::Chmod { path: "/d".into(), perms: "o+r".into(), recursive: false }, NOW)
        .await
        .unwrap();
    assert!(search(&node, &ben, of("Item")).await.unwrap().items.is_empty(), "ben may read an object of it");
    // Where the node itself tells what is there, nothing is searched.
    for directory in ["/registry", "/classes"] {
        let query = Query { directory: Some(directory.into()), ..javascript("o => true") };
        assert_eq!(refused(&node, &admin, query).await, (ErrorCode::BadArgument, Some("directory".into())));
    }
}

#[tokio::test]
async fn text_is_looked_for_in_fields_of_the_object_itself() {
    let node = node().await;
    let admin = Principal::admin();
    let of = |field: &str| Query {
        text: Some("red".into()),
        text_fields: Some(vec![field.into()]),
        ..Query::new(Language::JavaScript, None)
    };
    for place in ["address.city", "kids[0]", "meta.name"] {
        let wanted = (ErrorCode::BadArgument, Some("text_fields".to_owned()));
        assert_eq!(refused(&node, &admin, of(place)).await, wanted, "{place}");
    }
}

async fn refused_as(node: &TestNode, user: &Principal, class: &str) -> (ErrorCode, Option<String>) {
    refused(node, user, Query { class: Some(class.into()), ..javascript("o => o.n === 1") }).await
}

#[tokio::test]
async fn a_stream_of_members_is_of_a_directory() {
    let node = node().await;
    let admin = Principal::admin();
    let item = class(&node, "Item", None).await;
    store(&node, &admin, "/d/a", &item, &map(&[("n", Value::Int(2))])).await;
    for op in [
        Op::Call {
            path: "/d/a".into(),
            method: "x".into(),
            args: vec![0x80],
            log: false,
            after: None,
            with: None,
        },
        Op::Migrate { path: "/d/a".into(), class: item.hash(), how: None, from: None, after: None },
    ] {
        let refused = node.items(&admin, None, &op, NOW).await.err().unwrap();
        assert_eq!((refused.code, refused.path.as_deref()), (ErrorCode::NotADirectory, Some("/d/a")));
    }
    let op = Op::Mixin { first: "/d/a".into(), second: "/d".into(), to: "/m".into(), name: None };
    let refused = node.execute(&admin, op, NOW).await.unwrap_err();
    assert_eq!((refused.code, refused.path.as_deref()), (ErrorCode::IsADirectory, Some("/d")));
}
