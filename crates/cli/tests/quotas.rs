//! What users store and may store: the command, against a node.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::Node;
use serde_json::{Value, json};
use std::process::Output;

fn with(node: &Node, token: &str, args: &[&str]) -> Output {
    node.command(args).env("EMERGE_TOKEN", token).output().unwrap()
}

#[test]
fn a_quota_is_set_shown_kept_to_and_lifted() {
    let node = Node::start();
    let token = node.ok(&["user", "add", "ada"]);
    let token = token.trim();
    node.ok(&["mkdir", "/home"]);
    node.ok(&["chmod", "777", "/home"]);
    let set = node.ok(&["user", "quota", "ada", "--objects", "2", "--bytes", "1m", "--json"]);
    let set: Value = serde_json::from_str(&set).unwrap();
    let wanted = json!({ "user": "ada", "objects": 0, "bytes": 0, "max_objects": 2, "max_bytes": 1 << 20 });
    assert_eq!(set, wanted);
    for name in ["/home/a", "/home/b"] {
        assert!(with(&node, token, &["mkdir", name]).status.success());
    }
    let refused = with(&node, token, &["mkdir", "/home/c", "--json"]);
    let told: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((refused.status.code(), &told["code"]), (Some(9), &json!("quota_exceeded")), "{told}");
    assert_eq!((&told["field"], &told["limit"]), (&json!("objects"), &json!(2)));

    let own = with(&node, token, &["user", "quota"]);
    assert_eq!(String::from_utf8(own.stdout).unwrap(), "ada  2 of 2 objects  0 of 1048576 bytes\n");
    assert_eq!(with(&node, token, &["user", "quota", "admin"]).status.code(), Some(4));
    assert_eq!(with(&node, token, &["user", "quota", "ada", "--unlimited"]).status.code(), Some(4));
    assert!(node.ok(&["user", "quota"]).starts_with("ada "));

    assert_eq!(node.ok(&["user", "quota", "ada", "--unlimited"]), "ada  2 objects  0 bytes\n");
    assert!(with(&node, token, &["mkdir", "/home/c"]).status.success());
    for words in [&["user", "quota", "--objects", "2"][..], &["user", "quota", "ada", "--bytes", "2x"]] {
        assert_eq!(node.run(words).status.code(), Some(2), "{words:?}");
    }
}
