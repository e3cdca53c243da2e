//! What the user of the command trusts, and marks, against a node.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::Node;
use serde_json::{Value, json};
use std::process::Output;

fn with(node: &Node, token: &str, args: &[&str]) -> Output {
    node.command(args).env("EMERGE_TOKEN", token).output().unwrap()
}

/// Stores an object of eve's at `/open/reader`, whose class says `word` beside what it reads.
fn store_reader(node: &Node, eve: &str, word: &str) {
    let file = node.folder.path().join("reader.js");
    let source = format!(
        "import {{ EmergeObject }} from 'emerge-client';\n\
         class Reader extends EmergeObject {{ async read(path) {{ return '{word}' + (await fs.get(path)).word; }} }}\n\
         export const objects = {{ '/open/reader': new Reader() }};\n"
    );
    std::fs::write(&file, source).unwrap();
    let stored = with(node, eve, &["store", "--from", file.to_str().unwrap()]);
    assert!(stored.status.success(), "{stored:?}");
    assert!(with(node, eve, &["chmod", "777", "/open/reader"]).status.success());
}

/// A node with `/secret` of the administrator's and `/open/reader` of eve's; eve's token.
fn node() -> (Node, String) {
    let node = Node::start();
    let eve = node.ok(&["user", "add", "eve"]).trim().to_owned();
    node.ok(&["mkdir", "/open"]);
    node.ok(&["chmod", "777", "/open"]);
    let file = node.folder.path().join("word.js");
    let source = "import { EmergeObject, text } from 'emerge-client';\n\
                  class Word extends EmergeObject { static fields = { word: text('') }; }\n\
                  export const objects = { '/secret': new Word({ word: 'swordfish' }) };\n";
    std::fs::write(&file, source).unwrap();
    node.ok(&["store", "--from", file.to_str().unwrap()]);
    store_reader(&node, &eve, "");
    (node, eve)
}

#[test]
fn trust_goes_along_with_calls_is_of_one_version_listed_and_taken_back() {
    let (node, eve) = node();
    let read = ["call", "/open/reader", "read", "/secret"];
    let refused = || assert_eq!(node.fails(&read).1["code"], "not_found");
    refused();
    assert_eq!(node.ok(&["trust", "--list"]), "");
    let trusted: Value = serde_json::from_str(&node.ok(&["trust", "/open/reader", "--json"])).unwrap();
    let hash = trusted["hash"].as_str().unwrap().to_owned();
    assert_eq!(trusted, json!({ "hash": hash, "name": "Reader", "owner": "eve" }));
    assert_eq!(node.ok(&read), "swordfish\n");
    assert!(node.ok(&["trust", "/open/reader"]).contains("is trusted already"));
    assert_eq!(node.ok(&["trust", "--list"]), format!("{hash}  Reader  eve\n"));
    // It is the own: eve's call has none of it, nor does it give what its caller may not.
    assert_eq!(with(&node, &eve, &read).status.code(), Some(3));
    // Another version is not trusted.
    store_reader(&node, &eve, "changed: ");
    refused();
    let more = node.ok(&["trust", "/open/reader"]);
    assert!(more.contains("is trusted from now on") && !more.contains(&hash), "{more}");
    assert_eq!(node.ok(&read), "changed: swordfish\n");
    // By the beginning of an address, and by the name.
    assert_eq!(node.ok(&["trust", "--revoke", &hash[..8]]), format!("{hash}  Reader  eve\n"));
    assert_eq!(node.ok(&read), "changed: swordfish\n", "the other one");
    assert_eq!(node.ok(&["trust", "--revoke", "Reader"]).lines().count(), 1);
    refused();
    assert_eq!(node.ok(&["trust", "--list"]), "");
    let (status, error) = node.fails(&["trust", "--revoke", "Reader"]);
    assert_eq!((status, &error["code"]), (3, &json!("not_found")));
    assert_eq!(node.fails(&["trust", "/nothing"]).1["code"], "not_found");
    for words in [&["trust"][..], &["trust", "/open/reader", "--list"], &["trust", "--list", "--revoke", "x"]]
    {
        assert_eq!(node.run(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_mark_is_made_shown_and_taken_away() {
    let (node, eve) = node();
    let of_eve = |args: &[&str]| with(&node, &eve, args);
    store_reader(&node, &eve, "");
    assert!(
        of_eve(&["store", "/open/own", "--class", "Own", "--json", r#"{"word": "hello"}"#]).status.success()
    );
    assert!(of_eve(&["chmod", "700", "/open/own"]).status.success());
    let mallory = node.ok(&["user", "add", "mallory"]);
    let read = ["call", "/open/reader", "read", "/open/own"];
    let by_mallory = || with(&node, mallory.trim(), &read);
    assert_eq!(by_mallory().status.code(), Some(3));
    assert_eq!(node.fails(&["chmod", "u+s", "/open/reader"]).1["code"], "permission_denied");
    assert!(of_eve(&["chmod", "4711", "/open/reader"]).status.success());
    let stat: Value = serde_json::from_str(&node.ok(&["stat", "/open/reader", "--json"])).unwrap();
    assert_eq!(stat["perms"], "rws--x--x");
    assert!(node.ok(&["ls", "-l", "/open"]).contains("rws--x--x"));
    assert_eq!(String::from_utf8(by_mallory().stdout).unwrap(), "hello\n");
    assert!(of_eve(&["chmod", "u-s", "/open/reader"]).status.success());
    assert_eq!(by_mallory().status.code(), Some(3));
}
