//! What a class declares, and what its objects and those within them may hold.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{admin, commit, on_memory, path, source};
use emerge_engine::{Backend, Base, Tx};
use emerge_proto::op::{Child, StoreMode};
use emerge_proto::{ClassHash, Error, ErrorCode, FieldDecl, FieldType, Language, MethodDecl, Value};

fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn object(class: ClassHash, fields: &[(&str, Value)]) -> Value {
    let Value::Map(fields) = map(fields) else { unreachable!() };
    Value::Object { class, fields }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

async fn class<B: Backend>(
    tx: &mut Tx<B>,
    name: &str,
    language: Language,
    fields: &[(&str, FieldType)],
    methods: Vec<MethodDecl>,
) -> ClassHash {
    let mut source = source(name, &format!("class {name} {{}}"));
    source.language = language;
    let field = |(name, kind): &(&str, FieldType)| FieldDecl {
        name: (*name).into(),
        kind: *kind,
        default: None,
        doc: None,
    };
    source.fields = fields.iter().map(field).collect();
    tx.put_class(source, methods).await.unwrap().hash
}

/// A class of places, and one of items that have a place, some more and anything.
async fn classes<B: Backend>(tx: &mut Tx<B>) -> (ClassHash, ClassHash) {
    let place = [("shelf", FieldType::Int), ("since", FieldType::Date), ("next", FieldType::Object)];
    let place = class(tx, "Place", Language::JavaScript, &place, vec![]).await;
    let item = [("place", FieldType::Object), ("more", FieldType::List), ("any", FieldType::Any)];
    (place, class(tx, "Item", Language::JavaScript, &item, vec![]).await)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, at: &str, field: &str) {
    let error = result.unwrap_err();
    let found = (error.code, error.path.as_deref(), error.field.as_deref());
    assert_eq!(found, (ErrorCode::BadArgument, Some(at), Some(field)), "{error}");
}

async fn put<B: Backend>(tx: &mut Tx<B>, at: &str, class: ClassHash, fields: &Value) -> Result<u64, Error> {
    let stored = tx.store(&path(at), class, &fields.encode(), StoreMode::Put, None, &[]).await;
    stored.map(|stored| stored.version)
}

async fn value<B: Backend>(tx: &mut Tx<B>, at: &str) -> Value {
    Value::decode(&tx.get(&path(at), None).await.unwrap().state).unwrap()
}

#[test]
fn the_types_of_objects_within_hold_on_every_way_in() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let (place, item) = classes(&mut tx).await;
        let good = object(place, &[("shelf", Value::Int(1)), ("since", text("2024-02-29"))]);
        let bad = object(place, &[("shelf", text("one"))]);
        let deep = object(place, &[("shelf", Value::Int(1)), ("next", bad.clone())]);
        put(&mut tx, "/i", item, &map(&[("place", good.clone()), ("more", Value::List(vec![good.clone()]))]))
            .await
            .unwrap();
        assert_eq!(value(&mut tx, "/i#place.since").await.type_name(), "date");
        assert_eq!(value(&mut tx, "/i#more[0].since").await.type_name(), "date");

        let table =
            Value::Table { columns: vec!["c".into()], rows: vec![vec![good.clone()], vec![bad.clone()]] };
        for (fields, field) in [
            (map(&[("place", bad.clone())]), "place.shelf"),
            (map(&[("place", deep.clone())]), "place.next.shelf"),
            (map(&[("more", Value::List(vec![good.clone(), bad.clone()]))]), "more[1].shelf"),
            (map(&[("any", map(&[("a b", Value::Set(vec![bad.clone()]))]))]), "any[\"a b\"][0].shelf"),
            (map(&[("any", table)]), "any.rows[1][0].shelf"),
            (
                map(&[("place", object(place, &[("shelf", Value::Int(1)), ("shlef", Value::Int(1))]))]),
                "place.shlef",
            ),
        ] {
            refused(put(&mut tx, "/i", item, &fields).await, "/i", field);
            refused(put(&mut tx, "/new", item, &fields).await, "/new", field);
            let (at, bytes, base) = (path("/i"), fields.encode(), Some(Base::version(1)));
            refused(tx.store(&at, item, &bytes, StoreMode::Patch, base, &[]).await, "/i", field);
            let called = tx.object_for_call(&path("/i")).await.unwrap();
            refused(tx.set_state(&called, &fields.encode(), "spoil").await, "/i", field);
            let Value::Map(entries) = &fields else { unreachable!() };
            let set = tx.set(&path(&format!("/i#{}", entries[0].0)), &entries[0].1.encode(), None).await;
            refused(set, "/i", field);
        }
        for (at, value, field) in [
            ("/i#place.shelf", text("one"), "place.shelf"),
            ("/i#place.next", bad.clone(), "place.next.shelf"),
            ("/i#more[0].shelf", text("one"), "more[0].shelf"),
            ("/i#more[0]", bad.clone(), "more[0].shelf"),
            ("/i#place.shlef", Value::Int(1), "place.shlef"),
        ] {
            refused(tx.set(&path(at), &value.encode(), None).await, "/i", field);
        }
        tx.set(&path("/i#more[0].since"), &text("2024-03-01").encode(), None).await.unwrap();
        assert_eq!(value(&mut tx, "/i#more[0].since").await.type_name(), "date");
        // What a method of an object within leaves.
        let inner = tx.object_for_call(&path("/i#more[0]")).await.unwrap();
        refused(
            tx.set_state(&inner, &map(&[("shelf", text("x"))]).encode(), "spoil").await,
            "/i",
            "more[0].shelf",
        );
        // A class that declares nothing checks what lies within all the same.
        let free = class(&mut tx, "Free", Language::JavaScript, &[], vec![]).await;
        refused(put(&mut tx, "/f", free, &map(&[("x", bad.clone())])).await, "/f", "x.shelf");
        put(&mut tx, "/f", free, &map(&[("x", good)])).await.unwrap();
        let old = tx.object_to_migrate(&path("/f")).await.unwrap();
        refused(tx.migrate(&old, item, &map(&[("place", bad)]).encode()).await, "/f", "place.shelf");
        let strange = map(&[("x", object(ClassHash([7; 16]), &[]))]);
        let error = put(&mut tx, "/f", free, &strange).await.unwrap_err();
        assert_eq!((error.code, error.path.as_deref()), (ErrorCode::ClassNotFound, Some("/f")), "{error}");
    });
}

#[test]
fn a_name_that_the_class_does_not_declare_is_refused_on_every_way_in() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let (_, item) = classes(&mut tx).await;
        let (one, extra) =
            (map(&[("any", Value::Int(1))]), map(&[("any", Value::Int(2)), ("extra", Value::Int(1))]));
        put(&mut tx, "/i", item, &one).await.unwrap();
        refused(put(&mut tx, "/i", item, &extra).await, "/i", "extra");
        refused(put(&mut tx, "/new", item, &extra).await, "/new", "extra");
        refused(tx.set(&path("/i#extra"), &Value::Int(1).encode(), None).await, "/i", "extra");
        let child = Child { path: "/new".into(), class: Some(item), fields: Some(extra.encode()) };
        refused(tx.add_children(&path("/i"), "more", std::slice::from_ref(&child)).await, "/new", "extra");
        let child = Child { fields: Some(one.encode()), ..child };
        refused(tx.add_children(&path("/i"), "extra", &[child]).await, "/i", "extra");
        let called = tx.object_for_call(&path("/i")).await.unwrap();
        refused(tx.set_state(&called, &extra.encode(), "spoil").await, "/i", "extra");

        // A Python class, and one that declares nothing, take any.
        let python = class(&mut tx, "Py", Language::Python, &[("any", FieldType::Any)], vec![]).await;
        put(&mut tx, "/p", python, &extra).await.unwrap();
        let free = class(&mut tx, "Free", Language::JavaScript, &[], vec![]).await;
        put(&mut tx, "/f", free, &extra).await.unwrap();
        // The fields of before a migration stay, and do not hinder what comes later; others are still refused.
        let more = map(&[("extra", Value::Int(2)), ("other", Value::Int(1))]);
        let old = tx.object_to_migrate(&path("/f")).await.unwrap();
        refused(tx.migrate(&old, item, &more.encode()).await, "/f", "other");
        tx.migrate(&old, item, &old.state).await.unwrap();
        put(&mut tx, "/f", item, &extra).await.unwrap();
        tx.set(&path("/f#extra"), &Value::Int(3).encode(), None).await.unwrap();
        let called = tx.object_for_call(&path("/f")).await.unwrap();
        tx.set_state(&called, &extra.encode(), "keep").await.unwrap();
        refused(tx.set_state(&called, &more.encode(), "spoil").await, "/f", "other");
    });
}

#[test]
fn all_fields_are_held_against_a_class_that_has_changed() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let (place, _) = classes(&mut tx).await;
        let js = Language::JavaScript;
        let before = [("code", FieldType::Int), ("price", FieldType::Int), ("place", FieldType::Object)];
        let before = class(&mut tx, "Part", js, &before, vec![]).await;
        let now = [("code", FieldType::Text), ("price", FieldType::Float), ("place", FieldType::Any)];
        let now = class(&mut tx, "Part", js, &now, vec![]).await;
        let within = object(place, &[("shelf", Value::Int(1))]);
        let fields = map(&[("code", Value::Int(1)), ("price", Value::Int(2)), ("place", within)]);
        put(&mut tx, "/p", before, &fields).await.unwrap();

        let store = async |tx: &mut Tx<_>, mode, class, fields: &[(&str, Value)], removed: &[&str]| {
            let base = Some(Base::version(tx.stat(&path("/p")).await.unwrap().version));
            let removed: Vec<String> = removed.iter().map(|name| (*name).to_owned()).collect();
            let base = base.filter(|_| mode != StoreMode::Put);
            tx.store(&path("/p"), class, &map(fields).encode(), mode, base, &removed).await
        };
        let (one, other) = (("price", Value::Int(3)), ("code", text("c")));
        for mode in [StoreMode::Patch, StoreMode::Overwrite] {
            refused(store(&mut tx, mode, now, &[], &[]).await, "/p", "code");
            refused(store(&mut tx, mode, now, std::slice::from_ref(&one), &[]).await, "/p", "code");
        }
        assert_eq!(value(&mut tx, "/p#price").await, Value::Int(2), "nothing was stored");
        // Under its own class the object is stored as ever, and the value of before is of the wrong type no more.
        store(&mut tx, StoreMode::Patch, before, std::slice::from_ref(&one), &[]).await.unwrap();
        store(&mut tx, StoreMode::Patch, now, &[other], &[]).await.unwrap();
        assert_eq!(value(&mut tx, "/p#price").await, Value::Float(3.0), "in the form of the new class");

        // A field that is gone from the class stays, as after a migration, and is removed when that is asked for.
        let less = class(&mut tx, "Part", js, &[("code", FieldType::Text)], vec![]).await;
        refused(store(&mut tx, StoreMode::Patch, less, &[one], &[]).await, "/p", "price");
        store(&mut tx, StoreMode::Patch, less, &[], &["place"]).await.unwrap();
        assert_eq!(value(&mut tx, "/p#price").await, Value::Float(3.0));
        assert_eq!(tx.get(&path("/p#place"), None).await.unwrap_err().code, ErrorCode::NotFound);

        // An earlier version brings its class back with its fields: they belong together. To store it under the newer one is refused as before.
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        store(&mut tx, StoreMode::Put, before, &[("code", Value::Int(1))], &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.restore(&path("/p"), emerge_proto::AsOf::Version(1), None).await.unwrap();
        assert_eq!(tx.stat(&path("/p")).await.unwrap().class_hash, Some(less));
        store(&mut tx, StoreMode::Patch, now, &[], &[]).await.unwrap();
        tx.restore(&path("/p"), emerge_proto::AsOf::Version(2), None).await.unwrap();
        refused(store(&mut tx, StoreMode::Patch, now, &[], &[]).await, "/p", "code");
    });
}

#[test]
fn a_query_object_keeps_its_results_whoever_stores_it() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let query = MethodDecl {
            name: "query".into(),
            params: vec![],
            doc: None,
            is_async: false,
            is_static: false,
            is_property: false,
            returns: None,
        };
        let class =
            class(&mut tx, "Cheap", Language::JavaScript, &[("limit", FieldType::Int)], vec![query]).await;
        let whole = map(&[
            ("limit", Value::Int(1)),
            ("results", Value::List(vec![])),
            ("results_at", Value::DateTime(1)),
            ("results_by", text("ada")),
        ]);
        put(&mut tx, "/q", class, &whole).await.unwrap();
        refused(put(&mut tx, "/q", class, &map(&[("result", Value::Null)])).await, "/q", "result");
    });
}
