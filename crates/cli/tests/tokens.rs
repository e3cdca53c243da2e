//! The commands about tokens, against a node.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::Node;
use serde_json::Value;
use std::process::Output;

fn with(node: &Node, token: &str, args: &[&str]) -> Output {
    node.command(args).env("EMERGE_TOKEN", token).output().unwrap()
}

#[test]
fn tokens_for_less_are_made_used_and_taken_back() {
    let node = Node::start();
    node.ok(&["mkdir", "/inventory"]);
    node.ok(&["mkdir", "/books"]);
    let made = node.ok(&[
        "token",
        "create",
        "--scope",
        "read:/inventory/**,read:/other",
        "--expires",
        "90d",
        "--note",
        "a page",
        "--json",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["scope"], serde_json::json!(["read:/inventory/**", "read:/other"]));
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 64);

    assert!(with(&node, token, &["ls", "/inventory"]).status.success());
    assert_eq!(with(&node, token, &["ls", "/books"]).status.code(), Some(3));
    assert_eq!(with(&node, token, &["rm", "-r", "/inventory"]).status.code(), Some(4));
    assert_eq!(with(&node, token, &["token", "create", "--scope", "*"]).status.code(), Some(4));
    let inner = with(&node, token, &["token", "create", "--scope", "read:/inventory/**"]);
    let inner = String::from_utf8(inner.stdout).unwrap();

    let listed = node.ok(&["token", "list"]);
    assert!(listed.contains("a page") && listed.lines().count() == 2, "{listed}");
    assert!(!listed.contains(token), "{listed}");
    let id = made["id"].as_str().unwrap();
    let gone = node.ok(&["token", "revoke", id, "--json"]);
    assert_eq!(gone.lines().count(), 2, "with the one that it made: {gone}");
    for token in [token, inner.trim()] {
        assert!(!with(&node, token, &["ls", "/inventory"]).status.success());
    }
    let (_, error) = node.fails(&["token", "revoke", id]);
    assert_eq!((&error["code"], &error["field"]), (&"not_found".into(), &"id".into()));
    assert_eq!(node.ok(&["token", "list"]), "");
}

#[test]
fn bad_words_are_refused_before_anything_is_asked() {
    let node = Node::start();
    for args in [
        ["--scope", "eat:/a"],
        ["--scope", "read:/a/*"],
        ["--scope", "read"],
        ["--expires", "5y"],
        ["--expires", "0d"],
        ["--expires", "soon"],
    ] {
        assert_eq!(node.run(&[&["token", "create"], &args[..]].concat()).status.code(), Some(2), "{args:?}");
    }
    let (_, error) = node.fails(&["token", "create", "--expires", "2001-01-01T00:00:00Z"]);
    assert_eq!((&error["code"], &error["field"]), (&"bad_argument".into(), &"expires".into()));
    let (_, error) = node.fails(&["token", "create", "--user", "eve"]);
    assert_eq!((&error["code"], &error["field"]), (&"not_found".into(), &"user".into()));
}
