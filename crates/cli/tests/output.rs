//! What is printed: exact in a pipe, harmless on a terminal; and what describes a class.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::Node;
use rexpect::session::spawn_command;
use serde_json::Value;

fn store(node: &Node, name: &str, text: &str) {
    let file = node.folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    node.ok(&["store", "--from", file.to_str().unwrap()]);
}

/// Whoever stored this would like to colour, and to retitle, the terminals of others.
const HOSTILE: &str = "import { EmergeObject, text } from 'emerge-client';
/** A \u{1b}[31mred class. */
class Paint extends EmergeObject {
  static fields = { t: text('A\\u001b[31mB\\u007f\\u009b') };
  // \u{1b}]0;title\u{7}
  say() { return this.t; }
  fail() { throw new Error(this.t); }
}
export const objects = { '/paint/a': new Paint() };
";

#[test]
fn a_pipe_gets_exact_bytes() {
    let node = Node::start();
    store(&node, "paint.js", HOSTILE);
    assert_eq!(node.ok(&["call", "/paint/a", "say"]), "A\u{1b}[31mB\u{7f}\u{9b}\n");
    assert_eq!(node.ok(&["call", "/paint", "say"]), "a  A\u{1b}[31mB\u{7f}\u{9b}\n");
    assert!(node.ok(&["code", "/paint/a"]).contains("// \u{1b}]0;title\u{7}\n"));
    let json: Value = serde_json::from_str(&node.ok(&["cat", "/paint/a#t", "--json"])).unwrap();
    assert_eq!(json, "A\u{1b}[31mB\u{7f}\u{9b}");
    assert_eq!(node.fails(&["call", "/paint/a", "fail"]).1["message"], "Error: A\u{1b}[31mB\u{7f}\u{9b}");
    let failed = node.run(&["call", "/paint/a", "fail"]);
    assert!(String::from_utf8(failed.stderr).unwrap().contains("A\u{1b}[31mB\u{7f}\u{9b}"));
}

#[test]
fn a_terminal_gets_no_control_characters_of_others() {
    let node = Node::start();
    store(&node, "paint.js", HOSTILE);
    let shown = |args: &[&str]| {
        let mut command = node.command(args);
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        spawn_command(command, Some(60_000)).unwrap().exp_eof().unwrap()
    };
    let harmless = "A\\u001b[31mB\\u007f\\u009b";
    assert_eq!(shown(&["call", "/paint/a", "say"]), format!("{harmless}\r\n"));
    assert_eq!(shown(&["cat", "/paint/a#t"]), format!("\"{harmless}\"\r\n"));
    // What the program itself makes bold still is.
    assert_eq!(shown(&["call", "/paint", "say"]), format!("\u{1b}[1ma\u{1b}[0m  {harmless}\r\n"));
    for args in [&["code", "/paint/a"][..], &["help", "/paint/a"], &["call", "/paint/a", "fail"]] {
        let text = shown(args);
        assert!(
            !text.contains("\u{1b}[31mB") && !text.contains("\u{1b}[31mred") && !text.contains('\u{7}'),
            "{text:?}"
        );
    }
    assert!(shown(&["call", "/paint/a", "fail"]).contains(harmless));
}

#[test]
fn help_tells_the_field_that_counts() {
    let node = Node::start();
    store(
        &node,
        "mixed.js",
        "import { EmergeObject, float, int, text } from 'emerge-client';
class Left extends EmergeObject { static fields = { n: int(1), only: int(0) }; }
class Right extends EmergeObject { static fields = { n: text('x'), name: text('') }; }
export const objects = { '/left': new Left(), '/right': new Right() };
",
    );
    node.ok(&["mixin", "/left", "/right", "/both", "--name", "Both"]);
    let help = node.ok(&["help", "/both"]);
    let fields: Vec<&str> = help.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(fields, ["  n: int = 1", "  name: text = \"\"", "  only: int = 0"], "{help}");
}

#[test]
fn who_may_not_read_a_class_sees_where_it_failed_and_not_what_stands_there() {
    let node = Node::start();
    store(
        &node,
        "shop.js",
        "import { EmergeObject } from 'emerge-client';
class Till extends EmergeObject {
  open(fs) { const combination = 4711; throw new Error('stuck'); }
}
class Door extends EmergeObject {
  async knock() { return fs.call('/till', 'open'); }
}
export const objects = { '/till': new Till(), '/door': new Door() };
",
    );
    store(
        &node,
        "safe.py",
        "import emerge, logging

class Safe(emerge.Object):
    def open(self):
        try:
            combination = 4711; return 1 // 0
        except Exception:
            logging.exception('jammed')
            raise ValueError('stuck')

objects = {'/safe': Safe()}
",
    );
    let token = node.ok(&["user", "add", "eve"]);
    for (path, perms) in [("/", "755"), ("/till", "711"), ("/safe", "711"), ("/door", "755")] {
        node.ok(&["chmod", perms, path]);
    }
    let eve = |args: &[&str]| {
        let told = node.command(args).env("EMERGE_TOKEN", token.trim()).output().unwrap();
        String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap()
    };
    assert!(eve(&["code", "/till"]).contains("permission_denied"));
    for (path, method, place) in [
        ("/till", "open", "Till, line 2, in open"),
        ("/door", "knock", "Till, line 2, in open"),
        ("/safe", "open", "Safe, line 7, in Safe.open"),
    ] {
        for args in [&["call", "--log", path, method][..], &["call", "--json", path, method]] {
            let told = eve(args);
            assert!(told.contains("stuck") && told.contains(place), "{args:?}: {told}");
            assert!(!told.contains("4711") && !told.contains("throw new"), "{args:?}: {told}");
            assert!(!told.contains("return 1 //") && !told.contains("raise ValueError"), "{args:?}: {told}");
        }
    }
    // Whoever may read it sees the line.
    for path in ["/till", "/safe"] {
        let (_, error) = node.fails(&["call", path, "open"]);
        assert!(error["trace"].as_str().unwrap().contains("4711"), "{error}");
        node.ok(&["chmod", "755", path]);
        assert!(eve(&["call", path, "open"]).contains("4711"));
    }
}
