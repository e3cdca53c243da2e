//! Paths into objects, through references, and children.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{admin, as_user, commit, n, on_memory, path, put_class, source};
use emerge_engine::{Backend, Base, Engine, Tx};
use emerge_proto::op::{Child, StoreMode};
use emerge_proto::{AsOf, ClassHash, ErrorCode, FieldDecl, FieldType, Path, Perms, Stat, Value, limits};

fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn reference(path: &str) -> Value {
    Value::Ref(path.to_owned())
}

async fn put<B: Backend>(tx: &mut Tx<B>, at: &str, class: ClassHash, fields: &Value) {
    tx.store(&path(at), class, &fields.encode(), StoreMode::Put, None, &[]).await.unwrap();
}

async fn value<B: Backend>(tx: &mut Tx<B>, at: &str) -> Value {
    let fetched = tx.get(&path(at), None).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    assert!(fetched.part.is_some(), "{at}");
    Value::decode(&fetched.state).unwrap()
}

/// A customer with a list of farms, an address, and an embedded object.
async fn customers<B: Backend>(engine: &Engine<B>) -> ClassHash {
    let class = put_class(engine).await;
    let mut tx = admin(engine);
    let embedded = Value::Object { class, fields: vec![("n".into(), Value::Int(5))] };
    let customer = map(&[
        ("name", text("Ada")),
        ("farms", Value::List(vec![reference("/farms/hill"), reference("/farms/dale")])),
        ("address", map(&[("city", text("Ulm")), ("odd name", Value::List(vec![text("a"), text("b")]))])),
        ("inner", embedded),
        ("none", Value::Null),
    ]);
    put(&mut tx, "/customers/c0", class, &customer).await;
    put(
        &mut tx,
        "/farms/hill",
        class,
        &map(&[("name", text("Hill")), ("owner", reference("/customers/c0"))]),
    )
    .await;
    put(&mut tx, "/farms/dale", class, &map(&[("name", text("Dale"))])).await;
    commit(tx).await.unwrap();
    class
}

#[test]
fn a_path_leads_into_an_object_and_through_references() {
    on_memory(async |engine| {
        customers(engine).await;
        let mut tx = admin(engine);
        let table = Value::Table {
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec![Value::Int(1), text("x")]],
        };
        tx.set(&path("/farms/dale#table"), &table.encode(), None).await.unwrap();
        for (at, wanted) in [
            ("/farms/dale#table.rows[0][1]", text("x")),
            ("/farms/dale#table.columns[0]", text("a")),
            ("/customers/c0#name", text("Ada")),
            ("/customers/c0#address.city", text("Ulm")),
            ("/customers/c0#address[\"odd name\"][1]", text("b")),
            ("/customers/c0#farms[0].name", text("Hill")),
            ("/customers/c0#farms[0].owner.farms[1].name", text("Dale")),
            ("/customers/c0#inner.n", Value::Int(5)),
            ("/customers/c0#farms", Value::List(vec![reference("/farms/hill"), reference("/farms/dale")])),
        ] {
            assert_eq!(value(&mut tx, at).await, wanted, "{at}");
        }
        let farm = tx.get(&path("/customers/c0#farms[1]"), None).await.unwrap();
        assert_eq!(
            (farm.path.as_deref(), farm.part, farm.stat.name.as_str()),
            (Some("/farms/dale"), None, "dale")
        );
        let stat = tx.stat(&path("/customers/c0#farms[1]")).await.unwrap();
        assert_eq!(stat.path.as_deref(), Some("/farms/dale"));
        assert_eq!(Stat { path: None, ..stat }, farm.stat);
        let part = tx.get(&path("/customers/c0#farms[0].owner.name"), None).await.unwrap();
        assert_eq!((part.path.as_deref(), part.part.as_deref()), (Some("/customers/c0"), Some("name")));
    });
}

#[test]
fn what_is_not_there_says_what_is_missing_where() {
    on_memory(async |engine| {
        let class = customers(engine).await;
        let mut tx = admin(engine);
        put(&mut tx, "/many", class, &map(&[("xs", Value::List(vec![Value::Int(1), text("t")]))])).await;
        for (at, code, message, field) in [
            (
                "/customers/c0#frams",
                ErrorCode::NotFound,
                "/customers/c0 has no field \"frams\"; it has name, farms",
                "frams",
            ),
            (
                "/customers/c0#farms[2]",
                ErrorCode::NotFound,
                "/customers/c0#farms has 2 members, and none has the number 2",
                "farms[2]",
            ),
            (
                "/customers/c0#address.zip",
                ErrorCode::NotFound,
                "/customers/c0#address has no \"zip\"; it has city",
                "address.zip",
            ),
            (
                "/customers/c0#name.first",
                ErrorCode::NotFound,
                "/customers/c0#name is a text and has no parts with names",
                "name.first",
            ),
            (
                "/many#xs[0][0]",
                ErrorCode::NotFound,
                "/many#xs[0] is a int and has no members with numbers",
                "xs[0][0]",
            ),
            ("/customers/c0#none.x", ErrorCode::NotFound, "/customers/c0#none is a null", "none.x"),
            ("/customers/c0#farms[0].nothing", ErrorCode::NotFound, "/farms/hill has no field", "nothing"),
            ("/customers/c0#farms[x]", ErrorCode::BadPath, "a number from 0", "farms[x]"),
            ("/customers/c0#[0]", ErrorCode::NotFound, "the fields of /customers/c0 have names", "[0]"),
            ("/customers#x", ErrorCode::IsADirectory, "/customers is a directory", ""),
            ("/nobody#x", ErrorCode::NotFound, "nothing is stored at /nobody", ""),
        ] {
            let error = tx.get(&path(at), None).await.unwrap_err();
            assert_eq!(error.code, code, "{at}: {error}");
            assert!(error.message.contains(message), "{at}: {error}");
            assert_eq!(error.field.as_deref().unwrap_or_default(), field, "{at}");
        }
        let value = tx.stat(&path("/customers/c0#name")).await.unwrap_err();
        assert_eq!((value.code, value.field.as_deref()), (ErrorCode::BadArgument, Some("name")));
        let call = tx.object_for_call(&path("/customers/c0#name")).await.unwrap_err();
        assert!(call.message.contains("has no methods"), "{call}");
    });
}

#[test]
fn a_deleted_child_leaves_a_gap_that_says_so() {
    on_memory(async |engine| {
        customers(engine).await;
        let mut tx = admin(engine);
        tx.rm(&path("/farms/hill"), false).await.unwrap();
        let gone = tx.get(&path("/customers/c0#farms[0].name"), None).await.unwrap_err();
        assert_eq!(
            (gone.code, gone.path.as_deref(), gone.field.as_deref()),
            (ErrorCode::NotFound, Some("/farms/hill"), Some("farms[0]"))
        );
        assert!(gone.message.contains("/customers/c0#farms[0] refers to /farms/hill"), "{gone}");
        let fetched = tx.children(&path("/customers/c0#farms"), None, 0).await.unwrap();
        let children = fetched.children.unwrap();
        assert_eq!((children.total, children.items.len()), (2, 2));
        assert_eq!(children.items[0].error.as_ref().map(|error| error.code), Some(ErrorCode::NotFound));
        assert_eq!(children.items[1].stat.as_ref().map(|stat| stat.name.as_str()), Some("dale"));
        let rest = tx.children(&path("/customers/c0#farms"), None, 1).await.unwrap().children.unwrap();
        assert_eq!(rest.items, children.items[1..]);
        assert!(
            tx.children(&path("/customers/c0#farms"), None, 9)
                .await
                .unwrap()
                .children
                .unwrap()
                .items
                .is_empty()
        );
        for (at, words) in [
            ("/customers/c0#name", "no list"),
            ("/customers/c0#address[\"odd name\"]", "no reference"),
            ("/customers/c0", "name the field"),
        ] {
            let error = tx.children(&path(at), None, 0).await.unwrap_err();
            assert!(error.code == ErrorCode::BadArgument && error.message.contains(words), "{error}");
        }
    });
}

#[test]
fn references_in_a_circle_end() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        put(
            &mut tx,
            "/a",
            class,
            &map(&[
                ("me", reference("/a")),
                ("again", reference("/a#again")),
                ("all", Value::List(vec![reference("/a")])),
            ]),
        )
        .await;
        let me = tx.get(&path("/a#me.me.me.all[0].me"), None).await.unwrap();
        assert_eq!(me.path.as_deref(), Some("/a"));
        let endless = tx.get(&path("/a#again"), None).await.unwrap_err();
        assert_eq!(
            (endless.code, endless.limit),
            (ErrorCode::LimitExceeded, Some(limits::MAX_REFERENCES as u64))
        );
        let far = format!("/a#me{}", ".me".repeat(limits::MAX_REFERENCES));
        assert_eq!(tx.get(&path(&far), None).await.unwrap_err().code, ErrorCode::LimitExceeded);
        assert_eq!(tx.children(&path("/a#all"), None, 0).await.unwrap().children.unwrap().items.len(), 1);
        put(&mut tx, "/b", class, &map(&[("all", Value::List(vec![reference("/a#again")]))])).await;
        let child = tx.children(&path("/b#all"), None, 0).await.unwrap().children.unwrap().items.remove(0);
        let gap = child.error.unwrap();
        assert_eq!(gap.code, ErrorCode::NotFound);
        assert!(gap.message.contains("references"), "{gap}");
    });
}

#[test]
fn one_place_is_set() {
    on_memory(async |engine| {
        customers(engine).await;
        let mut tx = admin(engine);
        let set =
            async |tx: &mut Tx<_>, at: &str, value: Value| tx.set(&path(at), &value.encode(), None).await;
        assert_eq!(set(&mut tx, "/customers/c0#address.city", text("Bonn")).await.unwrap().version, 2);
        set(&mut tx, "/customers/c0#address.zip", text("53111")).await.unwrap();
        set(&mut tx, "/customers/c0#address[\"odd name\"][0]", Value::Null).await.unwrap();
        set(&mut tx, "/customers/c0#inner.n", Value::Int(6)).await.unwrap();
        set(&mut tx, "/customers/c0#brand new", text("x")).await.unwrap_err();
        set(&mut tx, "/customers/c0#[\"brand new\"]", text("x")).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(
            value(&mut tx, "/customers/c0#address").await,
            map(&[
                ("city", text("Bonn")),
                ("odd name", Value::List(vec![Value::Null, text("b")])),
                ("zip", text("53111"))
            ])
        );
        assert_eq!(value(&mut tx, "/customers/c0#inner.n").await, Value::Int(6));
        assert_eq!(value(&mut tx, "/customers/c0#[\"brand new\"]").await, text("x"));
        assert_eq!(tx.get(&path("/customers/c0"), None).await.unwrap().stat.version, 2);
        assert_eq!(
            Value::decode(&tx.get(&path("/customers/c0#address.city"), Some(1.into())).await.unwrap().state)
                .unwrap(),
            text("Ulm")
        );

        // Through a reference; and the reference itself, which is not followed at the end.
        set(&mut tx, "/customers/c0#farms[0].name", text("Hill Farm")).await.unwrap();
        assert_eq!(value(&mut tx, "/farms/hill#name").await, text("Hill Farm"));
        set(&mut tx, "/customers/c0#farms[0]", reference("/farms/dale")).await.unwrap();
        assert_eq!(value(&mut tx, "/customers/c0#farms[0].name").await, text("Dale"));

        let refused = tx.set(&path("/customers/c0#name"), &text("x").encode(), Some(1)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Conflict);
        tx.set(&path("/customers/c0#name"), &text("Bob").encode(), Some(3)).await.unwrap();
        for (at, code, words) in [
            ("/customers/c0", ErrorCode::BadArgument, "a path into an object is needed"),
            ("/customers/c0#farms[2]", ErrorCode::NotFound, "has 2 members"),
            ("/customers/c0#address.a.b", ErrorCode::NotFound, "no \"a\""),
            ("/customers/c0#nothing.b", ErrorCode::NotFound, "no field"),
            ("/customers/c0#name.b", ErrorCode::NotFound, "no parts"),
            ("/customers#x", ErrorCode::IsADirectory, "directory"),
        ] {
            let error = set(&mut tx, at, Value::Null).await.unwrap_err();
            assert!(error.code == code && error.message.contains(words), "{at}: {error}");
        }
        assert_eq!(
            tx.set(&path("/customers/c0#name"), &[0xff], None).await.unwrap_err().code,
            ErrorCode::BadFrame
        );
    });
}

#[test]
fn a_declared_type_decides_whatever_changes_the_field() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let field = |name: &str, kind| FieldDecl { name: name.into(), kind, default: None, doc: None };
        let mut item = source("Item", "class Item {}");
        item.fields = vec![
            field("price", FieldType::Float),
            field("when", FieldType::Date),
            field("note", FieldType::Any),
        ];
        let class = tx.put_class(item, vec![]).await.unwrap().hash;
        let mut old = source("Old", "class Old {}");
        old.fields = vec![field("price", FieldType::Any), field("note", FieldType::Any)];
        let untyped = tx.put_class(old, vec![]).await.unwrap().hash;
        let good = map(&[("price", Value::Int(3)), ("when", text("2024-02-29")), ("note", Value::Int(1))]);
        put(&mut tx, "/i", class, &good).await;
        assert_eq!(value(&mut tx, "/i#price").await, Value::Float(3.0));
        assert_eq!(value(&mut tx, "/i#when").await.type_name(), "date");
        let wrong = map(&[("note", text("what is declared any may be anything")), ("price", text("x"))]);
        let refused = |error: emerge_proto::Error| {
            let found = (error.code, error.path.as_deref(), error.field.as_deref());
            assert_eq!(found, (ErrorCode::BadArgument, Some("/i"), Some("price")), "{error}");
        };
        for (mode, base) in
            [(StoreMode::Put, None), (StoreMode::Patch, Some(Base::version(1))), (StoreMode::Overwrite, None)]
        {
            refused(tx.store(&path("/i"), class, &wrong.encode(), mode, base, &[]).await.unwrap_err());
        }
        let object = tx.object_for_call(&path("/i")).await.unwrap();
        refused(tx.set_state(&object, &wrong.encode(), "spoil").await.unwrap_err());
        let whole = map(&[("price", Value::Int(4))]);
        tx.set_state(&object, &whole.encode(), "reprice").await.unwrap();
        assert_eq!(value(&mut tx, "/i#price").await, Value::Float(4.0));
        put(&mut tx, "/old", untyped, &map(&[("price", text("x"))])).await;
        let object = tx.object_to_migrate(&path("/old")).await.unwrap();
        let error = tx.migrate(&object, class, &object.state).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("price")));
        // A class that says less takes it.
        tx.store(&path("/i"), untyped, &wrong.encode(), StoreMode::Put, None, &[]).await.unwrap();
    });
}

#[test]
fn a_declared_type_decides() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let field = |name: &str, kind| FieldDecl { name: name.into(), kind, default: None, doc: None };
        let mut item = source("Item", "class Item {}");
        item.fields = vec![
            field("price", FieldType::Float),
            field("when", FieldType::Date),
            field("any", FieldType::Any),
            field("data", FieldType::Array),
        ];
        let class = tx.put_class(item, vec![]).await.unwrap().hash;
        put(&mut tx, "/i", class, &map(&[("price", Value::Float(1.0))])).await;
        let set =
            async |tx: &mut Tx<_>, at: &str, value: Value| tx.set(&path(at), &value.encode(), None).await;
        set(&mut tx, "/i#price", Value::Int(3)).await.unwrap();
        set(&mut tx, "/i#when", text("2024-02-29")).await.unwrap();
        set(&mut tx, "/i#data", Value::Bytes(vec![1, 2])).await.unwrap();
        assert_eq!(value(&mut tx, "/i#price").await, Value::Float(3.0));
        assert_eq!(value(&mut tx, "/i#when").await.type_name(), "date");
        assert_eq!(value(&mut tx, "/i#data").await.type_name(), "array");
        set(&mut tx, "/i#price", Value::Null).await.unwrap();
        set(&mut tx, "/i#any", Value::Int(3)).await.unwrap();
        for (at, wrong) in
            [("/i#price", text("x")), ("/i#when", text("tomorrow")), ("/i#data", Value::Int(1))]
        {
            let error = set(&mut tx, at, wrong).await.unwrap_err();
            assert_eq!((error.code, error.path.as_deref()), (ErrorCode::BadArgument, Some("/i")), "{error}");
        }
    });
}

#[test]
fn objects_become_children() {
    on_memory(async |engine| {
        let class = customers(engine).await;
        let mut tx = admin(engine);
        let there = |path: &str| Child { path: path.into(), class: None, fields: None };
        let new = |path: &str| Child { path: path.into(), class: Some(class), fields: Some(n(7)) };
        let parent = path("/customers/c0");
        put(&mut tx, "/farms/moor", class, &map(&[])).await;
        tx.add_children(&parent, "farms", &[there("/farms/moor"), new("/farms/new/one")]).await.unwrap();
        tx.add_children(&parent, "address.others", &[there("/customers/c0#farms[0]")]).await.unwrap();
        tx.add_children(&path("/customers/c0#farms[0]"), "none", &[there("/farms/dale")]).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        let children = tx.children(&path("/customers/c0#farms"), None, 0).await.unwrap().children.unwrap();
        let names: Vec<&str> = children.items.iter().map(|child| child.path.as_str()).collect();
        assert_eq!(names, ["/farms/hill", "/farms/dale", "/farms/moor", "/farms/new/one"]);
        assert_eq!(children.items[3].state.as_deref(), Some(&n(7)[..]));
        assert_eq!(
            value(&mut tx, "/customers/c0#address.others").await,
            Value::List(vec![reference("/farms/hill")])
        );
        assert_eq!(value(&mut tx, "/farms/hill#none").await, Value::List(vec![reference("/farms/dale")]));

        let many = vec![there("/farms/dale"); limits::MAX_CHILDREN + 1];
        for (field, children, code) in [
            ("farms", &[there("/farms/dale")][..], ErrorCode::AlreadyExists),
            ("more", &[there("/farms/dale"), there("/farms/dale")], ErrorCode::AlreadyExists),
            ("farms", &[new("/farms/dale")], ErrorCode::AlreadyExists),
            ("farms", &[there("/farms/none")], ErrorCode::NotFound),
            ("farms", &[there("/farms")], ErrorCode::IsADirectory),
            ("farms", &[], ErrorCode::BadArgument),
            ("farms", &many, ErrorCode::LimitExceeded),
            ("name", &[there("/farms/dale")], ErrorCode::BadArgument),
            ("name.x", &[there("/farms/dale")], ErrorCode::NotFound),
            ("a b", &[there("/farms/dale")], ErrorCode::BadPath),
        ] {
            let error = tx.add_children(&parent, field, children).await.unwrap_err();
            assert_eq!(error.code, code, "{field}: {error}");
        }
        // One that fails adds and stores nothing.
        let error =
            tx.add_children(&parent, "farms", &[new("/farms/two"), there("/farms/dale")]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::AlreadyExists);
        assert_eq!(tx.stat(&path("/farms/two")).await.unwrap_err().code, ErrorCode::NotFound);
    });
}

#[test]
fn rights_are_asked_of_each_object_on_the_way() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        tx.mkdir(&path("/open"), false).await.unwrap();
        put(&mut tx, "/closed/x", class, &map(&[("n", Value::Int(1))])).await;
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "ada");
        assert_eq!(tx.get(&path("/closed/x#n"), None).await.unwrap_err().code, ErrorCode::NotFound);
        let mut tx = as_user(engine, "ada");
        let mine = map(&[("to", reference("/closed/x")), ("all", Value::List(vec![reference("/closed/x")]))]);
        assert_eq!(Perms::DEFAULT, Perms(0o750));
        tx.store(&path("/mine"), class, &mine.encode(), StoreMode::Put, None, &[]).await.unwrap_err();
        let mut tx = admin(engine);
        put(&mut tx, "/mine", class, &mine).await;
        tx.chmod(&path("/mine"), "o+r", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "ada");
        // What the caller has no right to is not there, also behind a reference.
        for at in ["/mine#to.n", "/mine#to", "/mine#all[0]"] {
            let error = tx.get(&path(at), None).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::NotFound, "{at}: {error}");
        }
        assert_eq!(
            tx.set(&path("/mine#to"), &[0xf6], None).await.unwrap_err().code,
            ErrorCode::PermissionDenied
        );
        assert!(Path::parse("/mine").is_ok());
    });
}

#[test]
fn a_large_value_is_reached_without_the_others() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        let large = |byte| Value::List(vec![Value::Bytes(vec![byte; 100_000]), text("end")]);
        put(&mut tx, "/big", class, &map(&[("a", large(1)), ("b", large(2)), ("c", Value::Int(3))])).await;
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(value(&mut tx, "/big#b[0]").await, Value::Bytes(vec![2; 100_000]));
        assert_eq!(value(&mut tx, "/big#a[1]").await, text("end"));
        tx.set(&path("/big#b[1]"), &text("new").encode(), None).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        assert_eq!(value(&mut tx, "/big#b[1]").await, text("new"));
        assert_eq!(value(&mut tx, "/big#a").await, large(1));
    });
}

#[test]
fn versions_are_those_of_the_object_that_a_path_leads_to() {
    on_memory(async |engine| {
        customers(engine).await;
        for name in ["Hill 2", "Hill 3"] {
            let mut tx = admin(engine);
            tx.set(&path("/customers/c0#farms[0].name"), &text(name).encode(), None).await.unwrap();
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        let farm = path("/customers/c0#farms[0]");
        let direct = tx.history(&path("/farms/hill"), None, None).await.unwrap();
        assert_eq!(direct.iter().map(|info| info.version).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(tx.history(&farm, None, None).await.unwrap(), direct);
        let longer = path("/farms/hill#owner.farms[0]");
        assert_eq!(tx.history(&longer, Some(3), Some(1)).await.unwrap(), direct[1..2]);
        let differs = tx.diff(&farm, AsOf::Version(1), None).await.unwrap();
        assert_eq!(differs, tx.diff(&path("/farms/hill"), AsOf::Version(1), None).await.unwrap());
        assert_eq!(tx.restore(&farm, AsOf::Version(1), Some(3)).await.unwrap().version, 4);
        assert_eq!(value(&mut tx, "/farms/hill#name").await, text("Hill"));
        assert_eq!(tx.stat(&path("/customers/c0")).await.unwrap().version, 1, "the holder stays as it is");

        // A value within an object has no versions of its own, and the error says whose part it is.
        for at in ["/customers/c0#name", "/customers/c0#farms", "/customers/c0#inner", "/customers/c0#none"] {
            let (target, part) = (path(at), at.split_once('#').unwrap().1);
            for error in [
                tx.history(&target, None, None).await.unwrap_err(),
                tx.diff(&target, AsOf::Version(1), None).await.unwrap_err(),
                tx.restore(&target, AsOf::Version(1), None).await.unwrap_err(),
            ] {
                let found = (error.code, error.path.as_deref(), error.field.as_deref());
                assert_eq!(found, (ErrorCode::BadArgument, Some("/customers/c0"), Some(part)), "{error}");
                assert!(error.message.ends_with("it is a part of /customers/c0"), "{error}");
            }
        }
        let missing = tx.history(&path("/customers/c0#farms[7]"), None, None).await.unwrap_err();
        assert_eq!(missing.code, ErrorCode::NotFound);

        // Rights are those on what is reached, and all on the way must be readable.
        tx.chmod(&path("/farms/hill"), "o=", false).await.unwrap();
        tx.chmod(&path("/farms"), "o=rx", false).await.unwrap();
        tx.chmod(&path("/farms/dale"), "o=r", false).await.unwrap();
        tx.chmod(&path("/customers"), "o=rx", false).await.unwrap();
        tx.chmod(&path("/customers/c0"), "o=r", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "eve");
        assert!(tx.history(&farm, None, None).await.is_err());
        let dale = path("/customers/c0#farms[1]");
        assert_eq!(tx.history(&dale, None, None).await.unwrap().len(), 2);
        let refused = tx.restore(&dale, AsOf::Version(1), None).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (ErrorCode::PermissionDenied, Some("/farms/dale"))
        );
        // What is to be changed is not named through the registry.
        let id = tx.stat(&path("/customers/c0")).await.unwrap().id;
        let registry = path(&format!("/registry/{id}#farms[1]"));
        assert_eq!(tx.history(&registry, None, None).await.unwrap().len(), 2);
        assert!(admin(engine).restore(&registry, AsOf::Version(1), None).await.is_err());
    });
}

#[test]
fn a_method_of_an_object_inside_another_changes_its_place() {
    on_memory(async |engine| {
        customers(engine).await;
        let mut tx = admin(engine);
        let object = tx.object_for_call(&path("/customers/c0#inner")).await.unwrap();
        assert_eq!(
            (object.path.as_str(), &object.state),
            ("/customers/c0#inner", &map(&[("n", Value::Int(5))]).encode())
        );
        let stored = tx.set_state(&object, &map(&[("n", Value::Int(9))]).encode(), "grow").await.unwrap();
        assert_eq!(stored.version, 2);
        assert_eq!(value(&mut tx, "/customers/c0#inner.n").await, Value::Int(9));
        assert_eq!(
            tx.history(&path("/customers/c0"), None, None).await.unwrap()[0].method.as_deref(),
            Some("grow")
        );
        let farm = tx.object_for_call(&path("/customers/c0#farms[0]")).await.unwrap();
        assert_eq!(farm.path, "/farms/hill");
    });
}

#[test]
fn an_object_gets_another_class_version_and_earlier_versions_keep_theirs() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        let mut tx = admin(engine);
        put(&mut tx, "/a", class, &map(&[("n", Value::Int(1))])).await;
        let newer =
            tx.put_class(source("Counter", "class Counter { more() {} }"), vec![]).await.unwrap().hash;
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let object = tx.object_to_migrate(&path("/a")).await.unwrap();
        let state = map(&[("n", Value::Int(1)), ("m", Value::Int(2))]).encode();
        assert_eq!(
            tx.migrate(&object, ClassHash([9; 16]), &state).await.unwrap_err().code,
            ErrorCode::ClassNotFound
        );
        assert_eq!(tx.migrate(&object, newer, &[0x80]).await.unwrap_err().code, ErrorCode::BadFrame);
        assert_eq!(tx.migrate(&object, newer, &state).await.unwrap().version, 2);
        assert_eq!(tx.migrate(&object, newer, &state).await.unwrap_err().code, ErrorCode::Conflict);
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let now = tx.get(&path("/a"), None).await.unwrap();
        assert_eq!((now.stat.class_hash, now.stat.version, now.state), (Some(newer), 2, state));
        assert_eq!(tx.get(&path("/a"), Some(1.into())).await.unwrap().stat.class_hash, Some(class));
        assert_eq!(tx.history(&path("/a"), None, None).await.unwrap()[0].method.as_deref(), Some("migrate"));
        assert_eq!(
            as_user(engine, "ada").object_to_migrate(&path("/a")).await.unwrap_err().code,
            ErrorCode::NotFound
        );
        assert_eq!(tx.object_to_migrate(&path("/")).await.unwrap_err().code, ErrorCode::IsADirectory);
    });
}
