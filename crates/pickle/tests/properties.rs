//! Bytes of any kind never panic, and what this room writes it reads.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use emerge_pickle::{op_from_pickle, value_from_pickle, value_of_pickle, value_to_pickle};
use emerge_proto::Value;
use proptest::prelude::*;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i128>().prop_map(|int| Value::integer(int.into())),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        ".{0,12}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        (-62_135_596_800_000_000i64..253_402_300_800_000_000).prop_map(Value::DateTime),
        (-719_162i32..2_932_897).prop_map(Value::Date),
        any::<i64>().prop_map(Value::Duration),
        (any::<i32>(), any::<i64>()).prop_map(|(exponent, mantissa)| Value::Decimal {
            exponent: exponent.into(),
            mantissa: mantissa.into()
        }),
        "/[a-z]{1,8}".prop_map(Value::Ref),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            proptest::collection::btree_map("[a-z]{0,6}", inner, 0..8)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn written_and_read(value in values()) {
        let pickle = value_to_pickle(&value.encode()).unwrap();
        prop_assert_eq!(value_of_pickle(&pickle).unwrap(), value);
    }

    #[test]
    fn cut_anywhere(value in values(), at in any::<prop::sample::Index>()) {
        let pickle = value_to_pickle(&value.encode()).unwrap();
        prop_assert!(value_from_pickle(&pickle[..at.index(pickle.len())]).is_err());
    }

    #[test]
    fn changed_anywhere(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut pickle = value_to_pickle(&value.encode()).unwrap();
        let at = at.index(pickle.len());
        pickle[at] = byte;
        let _ = (value_from_pickle(&pickle), op_from_pickle(&pickle));
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (value_from_pickle(&bytes), op_from_pickle(&bytes));
    }
}
