//! What the tests of both guests need.

use crate::Call;
use emerge_proto::{ClassSource, ClassVersion, MethodDecl, ObjectId, Value, limits};
use std::sync::Arc;
use std::time::Duration;

/// Where the tests keep compiled guests.
pub(super) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp/compiled");

/// The version that a node would keep of a class.
pub(super) fn version(source: ClassSource, methods: Vec<MethodDecl>) -> Arc<ClassVersion> {
    let (hash, class_id) = (source.hash(), ObjectId([1; 16]));
    Arc::new(ClassVersion { hash, class_id, version: 1, owner: "ada".into(), created: 0, source, methods })
}

pub(super) fn call(class: &Arc<ClassVersion>, method: &str, args: &[i64], state: Value) -> Call {
    Call {
        lineage: vec![Arc::clone(class)],
        captured: Vec::new(),
        path: "/thing".into(),
        state: state.encode(),
        method: method.into(),
        args: Value::List(args.iter().copied().map(Value::Int).collect()).encode(),
        kwargs: None,
        is_query: false,
        user: "ada".into(),
        now_micros: 1_700_000_000_000_000,
        seed: 7,
        deadline: Duration::from_secs(60),
        memory: limits::CALL_MEMORY,
        log: true,
    }
}
