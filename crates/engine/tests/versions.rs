//! Versions: at a moment, what differs, and how an earlier one comes back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{NOW, admin, as_user, commit, n, on_memory, path, put_class, seed, source, store};
use emerge_engine::Principal;
use emerge_proto::op::StoreMode;
use emerge_proto::{AsOf, ErrorCode, Value, limits};

fn fields(fields: &[(&str, Value)]) -> Vec<u8> {
    Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()).encode()
}

#[test]
fn a_version_is_named_by_its_number_or_by_a_moment() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for (at, value) in [(0, 1), (10, 2), (20, 3)] {
            let mut tx = engine.begin(Principal::admin(), NOW + at, seed());
            store(&mut tx, "/a", class, value).await.unwrap();
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        for (which, value) in [
            (AsOf::Version(1), 1),
            (AsOf::Version(3), 3),
            (AsOf::Moment(NOW), 1),
            (AsOf::Moment(NOW + 9), 1),
            (AsOf::Moment(NOW + 10), 2),
            (AsOf::Moment(NOW + 19), 2),
            (AsOf::Moment(NOW + 20), 3),
            (AsOf::Moment(i64::MAX), 3),
        ] {
            assert_eq!(tx.get(&path("/a"), Some(which)).await.unwrap().state, n(value), "{which:?}");
        }
        for which in [AsOf::Version(0), AsOf::Version(4), AsOf::Moment(NOW - 1), AsOf::Moment(i64::MIN)] {
            let refused = tx.get(&path("/a"), Some(which)).await.unwrap_err();
            assert_eq!(
                (refused.code, refused.path.as_deref()),
                (ErrorCode::NotFound, Some("/a")),
                "{which:?}"
            );
            assert_eq!(tx.diff(&path("/a"), which, None).await.unwrap_err().code, ErrorCode::NotFound);
            assert_eq!(tx.restore(&path("/a"), which, None).await.unwrap_err().code, ErrorCode::NotFound);
        }
    });
}

#[test]
fn a_diff_tells_fields_and_classes() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let first = tx.put_class(source("Counter", "class Counter {}"), vec![]).await.unwrap();
        let second = tx.put_class(source("Counter", "class Counter { more() {} }"), vec![]).await.unwrap();
        let states = [
            fields(&[("same", Value::Int(1)), ("gone", Value::Int(2)), ("other", Value::Int(3))]),
            fields(&[("new", Value::Null), ("other", Value::Float(3.0)), ("same", Value::Int(1))]),
        ];
        tx.store(&path("/a"), first.hash, &states[0], StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.store(&path("/a"), second.hash, &states[1], StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        let diff = tx.diff(&path("/a"), AsOf::Version(1), None).await.unwrap();
        assert_eq!((diff.from.version, diff.to.version), (1, 2));
        let change = |name: &str, old: Option<Value>, new: Option<Value>| {
            (name.to_owned(), old.map(|value| value.encode()), new.map(|value| value.encode()))
        };
        let told: Vec<_> =
            diff.fields.into_iter().map(|change| (change.field, change.old, change.new)).collect();
        // A whole number and a float of the same value are not the same value.
        assert_eq!(
            told,
            [
                change("gone", Some(Value::Int(2)), None),
                change("other", Some(Value::Int(3)), Some(Value::Float(3.0))),
                change("new", None, Some(Value::Null)),
            ]
        );
        let classes = [diff.old_class.unwrap(), diff.new_class.unwrap()];
        assert_eq!(classes.map(|class| (class.version, class.hash)), [(1, first.hash), (2, second.hash)]);
        let same = tx.diff(&path("/a"), AsOf::Version(2), Some(AsOf::Version(2))).await.unwrap();
        assert!(same.fields.is_empty() && same.old_class.is_none() && same.new_class.is_none());
    });
}

#[test]
fn a_diff_that_fits_into_no_message_is_refused() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for letter in ["x", "y"] {
            let mut tx = admin(engine);
            let state = fields(&[("text", Value::Text(letter.repeat(5_000_000)))]);
            tx.store(&path("/a"), class, &state, StoreMode::Put, None, &[]).await.unwrap();
            commit(tx).await.unwrap();
        }
        let refused = admin(engine).diff(&path("/a"), AsOf::Version(1), None).await.unwrap_err();
        assert_eq!((refused.code, refused.path.as_deref()), (ErrorCode::TooLarge, Some("/a")));
        assert_eq!(refused.limit, Some(limits::MAX_MESSAGE as u64 / 2));
    });
}

#[test]
fn what_is_restored_is_a_new_version_with_the_state_and_the_class_of_then() {
    on_memory(async |engine| {
        let mut tx = admin(engine);
        let first = tx.put_class(source("Counter", "class Counter {}"), vec![]).await.unwrap().hash;
        let second =
            tx.put_class(source("Counter", "class Counter { more() {} }"), vec![]).await.unwrap().hash;
        // Large enough to lie elsewhere, by its hash.
        let large = fields(&[("text", Value::Text("x".repeat(3_000_000)))]);
        tx.store(&path("/a"), first, &large, StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        tx.store(&path("/a"), second, &n(2), StoreMode::Put, None, &[]).await.unwrap();
        commit(tx).await.unwrap();

        let mut tx = admin(engine);
        let refused = tx.restore(&path("/a"), AsOf::Version(1), Some(1)).await.unwrap_err();
        assert_eq!((refused.code, refused.path.as_deref()), (ErrorCode::Conflict, Some("/a")));
        assert_eq!(tx.restore(&path("/a"), AsOf::Version(1), Some(2)).await.unwrap().version, 3);
        commit(tx).await.unwrap();
        let mut tx = admin(engine);
        let fetched = tx.get(&path("/a"), None).await.unwrap();
        assert!(
            fetched.state == large && fetched.stat.class_hash == Some(first) && fetched.stat.version == 3
        );
        let history = tx.history(&path("/a"), None, None).await.unwrap();
        assert_eq!(history.iter().map(|info| info.restored).collect::<Vec<_>>(), [Some(1), None, None]);
        assert_eq!(tx.get(&path("/a"), Some(AsOf::Version(2))).await.unwrap().state, n(2));
        // A later version was not restored.
        tx.store(&path("/a"), second, &n(4), StoreMode::Put, None, &[]).await.unwrap();
        assert_eq!(tx.history(&path("/a"), None, None).await.unwrap()[0].restored, None);
    });
}

#[test]
fn to_restore_needs_the_right_to_read_and_to_write() {
    on_memory(async |engine| {
        let class = put_class(engine).await;
        for value in [1, 2] {
            let mut tx = admin(engine);
            store(&mut tx, "/a", class, value).await.unwrap();
            commit(tx).await.unwrap();
        }
        let mut tx = admin(engine);
        tx.chmod(&path("/a"), "o+r", false).await.unwrap();
        commit(tx).await.unwrap();
        let mut tx = as_user(engine, "eve");
        let refused = tx.restore(&path("/a"), AsOf::Version(1), None).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
        for target in ["/", "/none"] {
            let wanted = if target == "/" { ErrorCode::IsADirectory } else { ErrorCode::NotFound };
            let mut tx = admin(engine);
            assert_eq!(tx.restore(&path(target), AsOf::Version(1), None).await.unwrap_err().code, wanted);
            assert_eq!(tx.diff(&path(target), AsOf::Version(1), None).await.unwrap_err().code, wanted);
        }
    });
}
