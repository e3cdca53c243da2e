//! Whatever is written is read again; whatever is read is a value or a typed error, and never a panic.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use emerge_proto::class::encode;
use emerge_proto::frame::{decode_message, encode_frame};
use emerge_proto::record::{ObjectType, Page, PageCursors, Perms, Stat, encode_page};
use emerge_proto::rules::Rules;
use emerge_proto::value::{Array, DType, Step, Value, check, check_map, raw};
use emerge_proto::{ClassHash, ErrorCode, Inside, ObjectId, perturb};
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashSet;

fn integer() -> impl Strategy<Value = BigInt> {
    prop_oneof![
        any::<i64>().prop_map(BigInt::from),
        any::<u64>().prop_map(BigInt::from),
        (-3i128..3, 60u32..66).prop_map(|(near, power)| BigInt::from((1i128 << power) + near)),
        vec(any::<u8>(), 0..40).prop_map(|bytes| BigInt::from_signed_bytes_be(&bytes)),
    ]
}

fn array() -> impl Strategy<Value = Value> {
    (proptest::sample::select(DType::ALL), vec(0u64..4, 0..4)).prop_flat_map(|(dtype, shape)| {
        let count: u64 = shape.iter().product();
        vec(any::<u8>(), count as usize * dtype.size())
            .prop_map(move |data| Value::Array(Array { dtype, shape: shape.clone(), data }))
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    // From year 0000 to year 9999.
    let micros = -62_167_219_200_000_000i64..253_402_300_800_000_000;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer().prop_map(Value::integer),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        ".{0,30}".prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        micros.prop_map(Value::DateTime),
        (-719_528i32..2_932_897).prop_map(Value::Date),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        (any::<i64>(), integer()).prop_map(|(exponent, mantissa)| Value::Decimal { exponent, mantissa }),
        any::<i64>().prop_map(Value::Duration),
        array(),
        ".{0,20}".prop_map(Value::Ref),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![".{0,12}".prop_map(Step::Key), any::<usize>().prop_map(Step::Index)]
}

fn distinct(entries: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut known = HashSet::new();
    entries.into_iter().filter(|(key, _)| known.insert(key.clone())).collect()
}

fn table(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    (0usize..4).prop_flat_map(move |columns| {
        let rows = vec(vec(inner.clone(), columns..=columns), 0..4);
        rows.prop_map(move |rows| Value::Table {
            columns: (0..columns).map(|at| format!("c{at}")).collect(),
            rows,
        })
    })
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let entries = || vec((".{0,8}", inner.clone()), 0..6).prop_map(distinct);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            entries().prop_map(Value::Map),
            table(inner.clone()),
            // Reading it keeps equal members once.
            vec(inner.clone(), 0..6)
                .prop_map(|members| Value::decode(&Value::Set(members).encode()).unwrap()),
            (any::<[u8; 16]>(), entries())
                .prop_map(|(class, fields)| Value::Object { class: ClassHash(class), fields }),
        ]
    })
}

/// JSON has one NaN only.
fn has_odd_nan(value: &Value) -> bool {
    match value {
        Value::Float(float) => float.is_nan() && float.to_bits() != f64::NAN.to_bits(),
        Value::List(items) | Value::Set(items) => items.iter().any(has_odd_nan),
        Value::Map(entries) | Value::Object { fields: entries, .. } => {
            entries.iter().any(|(_, value)| has_odd_nan(value))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn field_paths_go_round(steps in vec(step(), 1..6)) {
        let inside = Inside::of(steps).unwrap();
        prop_assert_eq!(Inside::parse(&inside.to_string()).unwrap(), inside);
    }

    #[test]
    fn values_are_picked_as_they_are_found_one_by_one(
        fields in vec((".{0,8}", value()), 0..8).prop_map(distinct),
        wanted in proptest::collection::hash_set(0usize..10, 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let map = Value::Map(fields.clone()).encode();
        let keys: Vec<String> = wanted
            .into_iter()
            .map(|at| fields.get(at).map_or_else(|| "no such field".to_owned(), |(key, _)| key.clone()))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let mut found = vec![None; keys.len()];
        raw::pick(&map, &keys, |at, value| {
            found[at] = Some(value);
            Ok(())
        })
        .unwrap();
        for (key, value) in keys.iter().zip(&found) {
            prop_assert_eq!(*value, raw::get(&map, key).unwrap());
        }
        // What is cut short is an error, unless all was found before.
        let cut = cut.index(map.len());
        let mut left = keys.len();
        let picked = raw::pick(&map[..cut], &keys, |_, value| {
            left -= 1;
            Value::decode(value).map(drop)
        });
        prop_assert!(picked.is_err() || left == 0);
    }

    #[test]
    fn a_page_is_written_as_its_record_and_its_end_read_without_its_members(
        names in vec(("[a-z]{1,9}", "[ab]", any::<(bool, bool, bool)>()), 0..8),
        next in proptest::option::of("[a-z]{0,9}"),
        last in proptest::option::of("[a-z]{0,9}"),
    ) {
        let rules = || Rules { keep: "all".into(), mask: "0".into(), keep_from: None, mask_from: None };
        let member = |(name, owner, (has_class, has_path, has_rules)): &(String, String, (bool, bool, bool))| Stat {
            name: name.clone(),
            id: ObjectId([1; 16]),
            kind: ObjectType::Object,
            class: has_class.then(|| "C".into()),
            class_hash: has_class.then_some(ClassHash([2; 16])),
            class_version: has_class.then_some(70),
            owner: owner.clone(),
            group: "staff".into(),
            perms: Perms::DEFAULT,
            version: 3,
            created: -1,
            modified: 2,
            size: 1 << 40,
            node: owner.clone(),
            rules: has_rules.then(rules),
            path: has_path.then(|| "/a".into()),
            requires: (*has_path && *has_class).then(|| vec!["pandas".into()]),
        };
        let page = Page { members: names.iter().map(member).collect(), next, last };
        let borrowed = page.members.iter().map(|member| Stat {
            name: &*member.name,
            id: member.id,
            kind: member.kind,
            class: member.class.as_deref(),
            class_hash: member.class_hash,
            class_version: member.class_version,
            owner: &*member.owner,
            group: &*member.group,
            perms: member.perms,
            version: member.version,
            created: member.created,
            modified: member.modified,
            size: member.size,
            node: &*member.node,
            rules: member.rules.clone(),
            path: member.path.as_deref(),
            requires: member.requires.clone(),
        });
        let encoded = encode_page(borrowed.clone(), page.next.as_deref(), page.last.as_deref());
        prop_assert_eq!(&encoded, &encode(&page));
        prop_assert_eq!(borrowed.map(Stat::into_owned).collect::<Vec<_>>(), page.members.clone());
        prop_assert_eq!(PageCursors::of(&encoded).unwrap(), PageCursors { next: page.next, last: page.last });
    }

    #[test]
    fn any_text_is_a_field_path_or_a_typed_error(text in "[a-z0-9.\\[\\]\"\\\\# \u{fc}]{0,16}") {
        match Inside::parse(&text) {
            Ok(inside) => prop_assert_eq!(Inside::parse(&inside.to_string()).unwrap(), inside),
            Err(error) => prop_assert_eq!(error.code, ErrorCode::BadPath),
        }
    }

    #[test]
    fn values_come_back(value in value()) {
        let bytes = value.encode();
        prop_assert!(check(&bytes).is_ok());
        prop_assert_eq!(&Value::decode(&bytes).unwrap(), &value);
        if !has_odd_nan(&value) {
            let json = value.to_json();
            prop_assert_eq!(&Value::from_json(&json).unwrap(), &value, "{}", json);
            let text: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
            prop_assert_eq!(&Value::from_json(&text).unwrap(), &value, "{}", json);
        }
    }

    #[test]
    fn perturbed_values(value in value(), seed in any::<u64>()) {
        let mut bytes = value.encode();
        let mut random = perturb::Random::new(seed);
        for _ in 0..8 {
            perturb::perturb(&mut bytes, &mut random);
            perturb::value(&bytes);
        }
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..64)) {
        perturb::value(&bytes);
        perturb::message(&bytes);
    }

    #[test]
    fn maps_are_patched_as_values_are(base in vec((".{0,3}", leaf()), 0..8), set in vec((".{0,3}", leaf()), 0..8), gone in vec(".{0,3}", 0..4)) {
        let (base, set) = (distinct(base), distinct(set));
        let patched = raw::patch(&Value::Map(base.clone()).encode(), &Value::Map(set.clone()).encode(), &gone).unwrap();
        prop_assert!(check_map(&patched).is_ok());
        let mut expected = base;
        expected.retain(|(key, _)| !gone.contains(key));
        for (key, value) in set {
            match expected.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => expected.push((key, value)),
            }
        }
        for (key, value) in &expected {
            prop_assert_eq!(raw::get(&patched, key).unwrap(), Some(&value.encode()[..]));
        }
        prop_assert_eq!(Value::decode(&patched).unwrap(), Value::Map(expected));
    }

    #[test]
    fn perturbed_messages(pick in any::<u64>(), seed in any::<u64>()) {
        let mut random = perturb::Random::new(seed);
        let corpus = perturb::corpus();
        let mut message = corpus[(pick % corpus.len() as u64) as usize].clone();
        if let Ok(frames) = decode_message(&message) {
            let mut again = Vec::new();
            frames.iter().for_each(|frame| encode_frame(frame, &mut again));
            prop_assert_eq!(decode_message(&again).unwrap(), frames);
        }
        for _ in 0..8 {
            perturb::perturb(&mut message, &mut random);
            perturb::message(&message);
            perturb::value(&message);
        }
    }
}
