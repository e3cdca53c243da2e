//! Every command against a real node, as a person types it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{EMERGE, INVENTORY, Node};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn a_file_of_objects_is_stored_read_and_called() {
    let node = Node::start();
    let stored = node.ok(&["store", "--from", INVENTORY]);
    assert_eq!(stored, "/inventory/widget1 version 1\n/inventory/widget2 version 1\n");
    assert_eq!(node.ok(&["ls", "/"]), "inventory/\n");
    assert_eq!(node.ok(&["ls", "/inventory"]), "widget1\nwidget2\n");
    let long = node.ok(&["ls", "-l", "/inventory"]);
    assert!(long.starts_with("rwxr-x---  admin  admin  InventoryItem  v1"), "{long}");
    let json: Value =
        serde_json::from_str(node.ok(&["ls", "--json", "/inventory"]).lines().next().unwrap()).unwrap();
    assert_eq!(json["path"], "/inventory/widget1");

    assert_eq!(node.ok(&["cat", "/inventory/widget1"]), "{\"unitPrice\":3.0,\"quantityOnHand\":10}\n");
    assert_eq!(node.ok(&["cat", "-p", "/inventory/widget1#unitPrice"]), "3.0\n");
    assert_eq!(node.ok(&["call", "/inventory/widget1", "totalCost"]), "30\n");
    assert_eq!(node.ok(&["call", "/inventory/widget1", "sell", "4"]), "6\n");
    assert_eq!(node.ok(&["cat", "/inventory/widget1#quantityOnHand"]), "6\n");
    assert_eq!(node.ok(&["call", "/inventory", "totalCost"]), "widget1  18\nwidget2  2\n");

    let history = node.ok(&["history", "/inventory/widget1"]);
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines[0].starts_with("v2") && lines[0].ends_with("sell()"), "{history}");
    assert!(lines[1].starts_with("v1") && lines[1].ends_with("stored"), "{history}");
    assert_eq!(node.ok(&["cat", "--version", "1", "/inventory/widget1#quantityOnHand"]), "10\n");

    let diff = node.ok(&["diff", "/inventory/widget1", "1", "2"]);
    assert!(
        diff.starts_with("- v1") && diff.ends_with("- quantityOnHand: 10\n+ quantityOnHand: 6\n"),
        "{diff}"
    );
    assert_eq!(
        node.ok(&["restore", "/inventory/widget1", "1", "--base", "2"]),
        "/inventory/widget1 version 3\n"
    );
    let history = node.ok(&["history", "/inventory/widget1"]);
    assert!(history.lines().next().unwrap_or_default().ends_with("restored v1"), "{history}");
    assert_eq!(node.ok(&["restore", "/inventory/widget1", "2"]), "/inventory/widget1 version 4\n");
    assert_eq!(
        node.ok(&["cat", "--version", "2100-01-01T00:00:00Z", "/inventory/widget1#quantityOnHand"]),
        "6\n"
    );

    node.ok(&["chmod", "o+r,g-w", "/inventory/widget1"]);
    node.ok(&["chown", "admin:admin", "/inventory/widget1"]);
    let history = node.ok(&["history", "/inventory/widget1"]);
    assert!(history.lines().next().unwrap_or_default().ends_with("admin  chmod"), "{history}");
    node.ok(&["chmod", "-R", "1777", "/inventory"]);
    assert!(node.ok(&["ls", "-l", "/"]).contains("rwxrwxrwt"));
    assert_eq!(node.run(&["chmod", "u+q", "/inventory"]).status.code(), Some(2));
    node.ok(&["rules", "/inventory", "--keep", "2 versions", "--mask", "077"]);
    let rules = node.ok(&["rules", "/inventory"]);
    assert!(rules.contains("2 versions  from /inventory") && rules.contains("077"), "{rules}");
    assert!(node.ok(&["stat", "/inventory"]).contains("2 versions"));
    assert_eq!(node.ok(&["history", "/inventory/widget1", "--limit", "1"]).lines().count(), 1);
    node.ok(&["cp", "/inventory/widget1", "/inventory/gone"]);
    node.ok(&["purge", "/inventory/gone"]);
    assert_eq!(node.fails(&["stat", "/inventory/gone"]).0, 3);

    let listed = node.ok(&["ls", "/inventory", "--glob", "widget[12]", "--sort", "name", "--descending"]);
    assert_eq!(listed, "widget2\nwidget1\n");
    node.ok(&["cp", "-r", "/inventory", "/inventory-copy"]);
    assert_eq!(node.ok(&["ls", "/inventory-copy"]), node.ok(&["ls", "/inventory"]));
    let stat: Value = serde_json::from_str(&node.ok(&["stat", "--json", "/inventory/widget1"])).unwrap();
    let by_id = format!("/registry/{}", stat["id"].as_str().unwrap());
    assert_eq!(node.ok(&["cat", &by_id]), node.ok(&["cat", "/inventory/widget1"]));
    assert!(node.ok(&["stat", &by_id]).contains("/inventory/widget1"));
    assert!(node.ok(&["ls", "-l", "/registry"]).contains(" -> /inventory/widget1"));
    assert_eq!(node.fails(&["rm", "-r", "/registry"]).1["code"], "permission_denied");

    node.ok(&["group", "add", "staff"]);
    let token = node.ok(&["user", "add", "ada", "--groups", "staff"]);
    let as_ada = |args: &[&str]| node.command(args).env("EMERGE_TOKEN", token.trim()).output().unwrap();
    assert!(as_ada(&["ls", "/"]).status.success());
    assert_eq!(as_ada(&["user", "list"]).status.code(), Some(4));
    assert!(node.ok(&["user", "list"]).starts_with("ada  "));
    node.ok(&["group", "leave", "staff", "ada"]);
    node.ok(&["group", "join", "staff", "ada"]);
    assert_eq!(node.ok(&["group", "list"]), "admin\nstaff  ada\n");
    node.ok(&["chown", "ada:staff", "/inventory/widget1"]);
    assert_ne!(node.ok(&["user", "token", "ada"]), token);
    assert_eq!(as_ada(&["ls", "/"]).status.code(), Some(4));
    node.ok(&["user", "rm", "ada"]);
    node.ok(&["group", "rm", "staff"]);
    assert_eq!(node.fails(&["chown", "admin", "/inventory/none"]).1["code"], "not_found");

    let methods = node.ok(&["methods", "/inventory/widget1"]);
    assert_eq!(methods, "totalCost()\nsell(count = 1)\nforever()\nhoard()\n");
    assert!(
        node.ok(&["code", "/inventory/widget1"]).starts_with("class InventoryItem extends EmergeObject {")
    );
    let help = node.ok(&["help", "/inventory/widget1"]);
    for part in ["InventoryItem", "unitPrice: float = 0.0", "What all of it costs."] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn a_method_runs_here_once_its_class_is_trusted() {
    let node = Node::start();
    let file = node.folder.path().join("counter.py");
    let python = "import emerge\n\n@emerge.dataclass\nclass Counter(emerge.Object):\n    count: int = 0\n\n    \
                  def add(self, by):\n        self.count += by\n        print('added', by)\n        return self.count\n\n\
                  objects = {'/py': Counter(count=2)}\n";
    std::fs::write(&file, python).unwrap();
    node.ok(&["store", "--from", file.to_str().unwrap()]);
    let javascript = "import { EmergeObject, int } from 'emerge-client';\n\
                      class Tally extends EmergeObject { static fields = { count: int(0) }; add(by) { return this.count += by; } }\n\
                      export const objects = { '/js': new Tally({ count: 2 }) };\n";
    let file = node.folder.path().join("tally.js");
    std::fs::write(&file, javascript).unwrap();
    node.ok(&["store", "--from", file.to_str().unwrap()]);
    for path in ["/py", "/js"] {
        let (_, error) = node.fails(&["call", "--local", path, "add", "3"]);
        assert_eq!(error["code"], "permission_denied", "{error}");
        assert_eq!(node.ok(&["call", "--local", "--trust", path, "add", "3"]), "5\n");
        assert_eq!(
            node.ok(&["call", "--local", path, "add", "4"]),
            "6\n",
            "trust is remembered, the change is not"
        );
        assert_eq!(node.ok(&["cat", &format!("{path}#count")]), "2\n");
        assert_eq!(node.ok(&["call", path, "add", "1"]), "3\n");
    }
    let logged = node.run(&["call", "--local", "--log", "/py", "add", "5"]);
    assert!(String::from_utf8_lossy(&logged.stderr).contains("added 5"), "{logged:?}");
}

#[test]
fn places_inside_objects_and_children() {
    let node = Node::start();
    let customer = r#"{"name": "Ada", "address": {"city": "Ulm", "odd name": [1, 2]}, "farms": []}"#;
    node.ok(&["store", "/customers/c0", "--class", "Customer", "--json", customer]);
    for name in ["hill", "dale"] {
        let json = format!("{{\"name\": \"{name}\"}}");
        node.ok(&["store", &format!("/farms/{name}"), "--class", "Farm", "--json", &json]);
    }
    assert_eq!(
        node.ok(&["add", "/customers/c0", "farms", "/farms/hill", "/farms/dale"]),
        "/customers/c0 version 2\n"
    );
    assert_eq!(node.ok(&["cat", "/customers/c0#farms[0].name"]), "\"hill\"\n");
    assert_eq!(node.ok(&["cat", "/customers/c0#farms[1]"]), "{\"name\":\"dale\"}\n");
    assert_eq!(node.ok(&["cat", "/customers/c0#address[\"odd name\"][1]"]), "2\n");
    assert_eq!(
        node.ok(&["set", "/customers/c0#address.city", "Bonn", "--base", "2"]),
        "/customers/c0#address.city version 3\n"
    );
    assert_eq!(node.ok(&["cat", "/customers/c0#address.city"]), "\"Bonn\"\n");
    assert_eq!(node.ok(&["cat", "--version", "2", "/customers/c0#address.city"]), "\"Ulm\"\n");
    assert!(node.ok(&["stat", "/customers/c0#farms[0]"]).contains("Farm"));
    node.ok(&["rm", "/farms/hill"]);
    assert_eq!(node.ok(&["cat", "--children", "/customers/c0#farms"]), "null\n{\"name\":\"dale\"}\n");
    let (code, error) = node.fails(&["cat", "/customers/c0#farms[0]"]);
    assert_eq!(
        (code, &error["path"], &error["field"]),
        (3, &json!("/farms/hill"), &json!("farms[0]")),
        "{error}"
    );
    let (_, error) = node.fails(&["cat", "/customers/c0#farms[x]"]);
    assert_eq!(error["code"], "bad_path", "{error}");
    let (code, _) = node.fails(&["set", "/customers/c0#name", "Bob", "--base", "1"]);
    assert_eq!(code, 7);
}

#[test]
fn calls_with_names_queries_mixins_and_migrations() {
    let node = Node::start();
    let store = |name: &str, text: &str| {
        let file = node.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        node.ok(&["store", "--from", file.to_str().unwrap()]);
    };
    store(
        "shop.js",
        "import { EmergeObject, float, text, list, Table } from 'emerge-client';
class Item extends EmergeObject {
  static fields = { price: float(2), count: float(3) };
  cost(factor = 1, plus = 0) { return this.price * this.count * factor + plus; }
  sell(by) { if (by > this.count) throw new Error('too many'); return this.count -= by; }
}
class Named extends EmergeObject {
  static fields = { name: text('Ada') };
  greet() { return `I am ${this.name}`; }
}
class Costs extends EmergeObject {
  async query(fs) { return new Table(['cost'], [[await fs.call('/shop/a', 'cost')]]); }
}
export const objects = { '/shop/a': new Item(), '/shop/b': new Item({ count: 1 }), '/named': new Named(), '/costs': new Costs() };
",
    );
    assert_eq!(node.ok(&["call", "/shop/a", "cost", "2", "plus=0.5"]), "12.5\n");
    let (_, error) = node.fails(&["call", "/shop/a", "cost", "plus=0.5", "x=1"]);
    assert!(error["message"].as_str().unwrap().contains("cost(factor = 1, plus = 0)"), "{error}");
    let (code, _) = node.fails(&["call", "--atomic", "/shop", "sell", "2"]);
    assert_eq!((code, node.ok(&["cat", "/shop/a#count"])), (6, "3.0\n".to_owned()));
    assert_eq!(node.ok(&["call", "--atomic", "/shop", "sell", "1"]), "a  2\nb  0\n");

    node.ok(&["query", "/costs"]);
    assert_eq!(node.ok(&["cat", "/costs#results"]), "{\"$table\":{\"columns\":[\"cost\"],\"rows\":[[4]]}}\n");
    let mixed = node.ok(&["mixin", "/shop/a", "/named", "/both", "--name", "Both"]);
    assert_eq!(mixed, "/both version 1, of class Both\n");
    assert_eq!(node.ok(&["call", "/both", "greet"]), "I am Ada\n");
    let (_, error) = node.fails(&["mixin", "/shop/a", "/shop/b", "/bad"]);
    assert_eq!(error["code"], "class_invalid", "{error}");

    store(
        "newer.js",
        "import { EmergeObject, float, text } from 'emerge-client';
class Item extends EmergeObject {
  static fields = { price: float(2), count: float(3), note: text('new') };
  cost() { return this.price * this.count; }
}
export const objects = { '/newer': new Item() };
",
    );
    assert_eq!(node.ok(&["migrate", "/shop/a", "Item"]), "/shop/a version 3\n");
    assert_eq!(node.ok(&["cat", "/shop/a#note"]), "\"new\"\n");
    let how = "(old) => ({ price: old.price + 1 })";
    assert_eq!(node.ok(&["migrate", "/shop", "/newer", "--how", how]), "b version 3\n");
    assert_eq!(node.ok(&["cat", "/shop/b"]), "{\"price\":3.0,\"count\":3.0,\"note\":\"new\"}\n");
    assert!(node.ok(&["migrate", "/shop/a", "Item"]).contains("already"));
}

#[test]
fn a_file_is_run_as_a_module_and_what_it_prints_is_shown() {
    let node = Node::start();
    let file = node.folder.path().join("notes.py");
    let python = "import emerge\n\n@emerge.dataclass\nclass Note(emerge.Object):\n    text: str = ''\n\n    \
                  def longer(self, by: int = 1) -> str:\n        return self.text * by\n\n\
                  print('one note')\nobjects = {'/note': Note(text='a')}\n\
                  if __name__ == '__main__':\n    raise SystemExit('this is for people')\n";
    std::fs::write(&file, python).unwrap();
    let stored = node.run(&["store", "--from", file.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&stored.stdout), "/note version 1\n", "{stored:?}");
    assert!(String::from_utf8_lossy(&stored.stderr).contains("one note\n"), "{stored:?}");
    let methods = node.ok(&["methods", "/note"]);
    assert!(methods.contains("longer(by: int = 1) -> str"), "{methods}");

    let text = node.folder.path().join("notes.txt");
    std::fs::write(&text, python).unwrap();
    let (exit, error) = node.fails(&["store", "--from", text.to_str().unwrap()]);
    assert_eq!((exit, error["code"].as_str()), (2, Some("bad_argument")), "{error}");
    assert!(error["message"].as_str().unwrap().contains(".py, .js, .mjs"), "{error}");

    // Some editors begin a file with a byte order mark; others keep to what was there before UTF-8.
    std::fs::write(&file, format!("\u{feff}{python}")).unwrap();
    node.ok(&["store", "--from", file.to_str().unwrap()]);
    std::fs::write(&file, b"# \xe9t\xe9\nobjects = {}\n").unwrap();
    let (exit, error) = node.fails(&["store", "--from", file.to_str().unwrap()]);
    assert_eq!((exit, error["code"].as_str()), (2, Some("bad_argument")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("is not UTF-8"), "{error}");

    std::fs::write(&file, python.replace("Note(text='a')}", "Note(text='a'), '/other': Note(text={1: 2})}"))
        .unwrap();
    let (exit, error) = node.fails(&["store", "--from", file.to_str().unwrap()]);
    assert_eq!(
        (exit, error["path"].as_str(), error["field"].as_str()),
        (1, Some("/other"), Some("text")),
        "{error}"
    );
    assert!(error["message"].as_str().unwrap().starts_with("objects[\"/other\"]: a dict key"), "{error}");

    for import in ["import pricing", "from pricing import rate", "from . import pricing"] {
        std::fs::write(&file, format!("{import}\nobjects = {{}}\n")).unwrap();
        let (exit, error) = node.fails(&["store", "--from", file.to_str().unwrap()]);
        assert_eq!((exit, error["code"].as_str()), (2, Some("bad_argument")), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("A file is run by itself in the node's Python"), "{error}");
        assert!(message.contains("pricing'") || message.contains("relative import"), "{error}");
    }
}

#[test]
fn fields_become_what_their_class_declares() {
    let node = Node::start();
    node.ok(&["store", "--from", INVENTORY]);
    node.ok(&[
        "store",
        "/x",
        "--class",
        "InventoryItem",
        "--json",
        r#"{"unitPrice": 3, "quantityOnHand": null}"#,
    ]);
    assert_eq!(node.ok(&["cat", "/x"]), "{\"unitPrice\":3.0,\"quantityOnHand\":null}\n");
}

#[test]
fn help_is_of_a_path_a_command_or_the_program() {
    let node = Node::start();
    let part = |args: &[&str], wanted: &str| {
        let text = node.ok(args);
        assert!(text.contains(wanted), "{args:?}: {text}");
    };
    part(&["help"], "Usage: emerge [OPTIONS] <COMMAND>");
    part(&["help", "store"], "Usage: emerge store [OPTIONS]");
    part(&["help", "node", "start"], "Usage: emerge node start");
}

#[test]
fn objects_are_moved_copied_and_removed() {
    let node = Node::start();
    node.ok(&["mkdir", "/a"]);
    let (code, error) = node.fails(&["mkdir", "/a"]);
    assert_eq!((code, &error["code"]), (7, &json!("already_exists")));
    node.ok(&["mkdir", "-p", "/a"]);
    let stored = node.ok(&["store", "/a/point", "--class", "Point", "--json", r#"{"x": 1, "y": 2.5}"#]);
    assert_eq!(stored, "/a/point version 1\n");
    assert_eq!(
        node.ok(&["store", "/a/point", "--class", "Point", "--json", r#"{"x": 3, "y": 2.5}"#]),
        "/a/point version 2\n"
    );
    node.ok(&["mkdir", "/b"]);
    node.ok(&["cp", "/a/point", "/b/copy"]);
    node.ok(&["cp", "-r", "/a", "/c"]);
    node.ok(&["mv", "/a/point", "/a/moved"]);
    assert_eq!(node.ok(&["ls", "/a"]), "moved\n");
    assert_eq!(node.ok(&["ls", "/c"]), "point\n");
    assert_eq!(node.ok(&["cat", "/b/copy"]), "{\"x\":3,\"y\":2.5}\n");
    let stat: Value = serde_json::from_str(&node.ok(&["stat", "--json", "/b/copy"])).unwrap();
    assert_eq!(
        (&stat["version"], &stat["class"], &stat["type"]),
        (&json!(1), &json!("Point"), &json!("object"))
    );
    let (code, error) = node.fails(&["rm", "/a"]);
    assert_eq!((code, &error["code"]), (1, &json!("directory_not_empty")));
    node.ok(&["rm", "-r", "/a", "/b", "/c"]);
    assert_eq!(node.ok(&["ls"]), "");
}

#[test]
fn all_survives_a_kill() {
    let node = Node::start();
    node.ok(&["store", "--from", INVENTORY]);
    node.ok(&["call", "/inventory/widget1", "sell", "1"]);
    let token = node.token.clone();
    let node = Node::start_in(node.kill(), "0");
    assert_eq!(node.token, token, "the token belongs to the store");
    assert_eq!(node.ok(&["cat", "/inventory/widget1#quantityOnHand"]), "9\n");
    assert_eq!(node.ok(&["call", "/inventory/widget1", "totalCost"]), "27\n");
}

#[test]
fn what_is_wrong_is_named() {
    let node = Node::start();
    node.ok(&["store", "--from", INVENTORY]);
    for (args, code, name) in [
        (&["cat", "/nothing"][..], 3, "not_found"),
        (&["cat", "/inventory"], 1, "is_a_directory"),
        (&["cat", "/inventory/widget1#price"], 3, "not_found"),
        (&["cat", "/inventory/../x"], 2, "bad_path"),
        (&["ls", "/inventory/widget1"], 1, "not_a_directory"),
        (&["call", "/inventory/widget1", "steal"], 3, "method_not_found"),
        (&["call", "/inventory/widget1", "sell", "100"], 6, "method_failed"),
        (&["call", "/inventory/widget1", "hoard"], 6, "out_of_memory"),
        (&["call", "/inventory/widget1", "forever"], 8, "deadline_exceeded"),
        (&["store", "/x", "--class", "Point", "--json", "{oops"], 2, "bad_argument"),
        (&["store", "--from", "/no/such/file.js"], 2, "bad_argument"),
        (&["store", "/x", "--class", "InventoryItem", "--json", r#"{"price": 3}"#], 2, "bad_argument"),
        (&["store", "/x", "--class", "InventoryItem", "--json", r#"{"unitPrice": "3"}"#], 2, "bad_argument"),
        (&["help", "nothing"], 2, "bad_argument"),
    ] {
        let (exit, error) = node.fails(args);
        assert_eq!((exit, error["code"].as_str().unwrap()), (code, name), "{args:?}: {error}");
    }
    let (_, error) = node.fails(&["call", "/inventory/widget1", "sell", "100"]);
    assert!(error["message"].as_str().unwrap().contains("only 10 are left"), "{error}");
    assert!(error["trace"].as_str().unwrap().contains("only ${this.quantityOnHand} are left"), "{error}");
    assert_eq!(
        node.ok(&["cat", "/inventory/widget1#quantityOnHand"]),
        "10\n",
        "a failed method changes nothing"
    );

    let failed = node.run(&["call", "--log", "/inventory/widget1", "hoard"]);
    assert!(String::from_utf8_lossy(&failed.stderr).starts_with("hoarding\n"), "{failed:?}");

    let wrong = node.command(&["--json", "ls"]).env("EMERGE_TOKEN", "wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("\"unauthenticated\""));
    assert_eq!(node.run(&["ls", "--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn a_class_with_a_free_name_is_refused() {
    let node = Node::start();
    let file = node.folder.path().join("free.js");
    std::fs::write(
        &file,
        "import { EmergeObject } from \"emerge-client\";\nconst RATE = 2;\nclass Bad extends EmergeObject {\n  cost() { return RATE * 3; }\n}\n\
         export const objects = { \"/bad\": new Bad() };\n",
    )
    .unwrap();
    let (_, error) = node.fails(&["store", "--from", file.to_str().unwrap()]);
    assert_eq!(
        (error["code"].as_str(), error["field"].as_str()),
        (Some("class_invalid"), Some("RATE")),
        "{error}"
    );
    assert_eq!(node.ok(&["ls"]), "", "nothing was stored");
}

#[test]
fn init_remembers() {
    let node = Node::start();
    let link = format!("{}/?token={}", node.url.replace("ws://", "http://"), node.token);
    let bare = |args: &[&str]| {
        node.command(args).env_remove("EMERGE_URL").env_remove("EMERGE_TOKEN").output().unwrap()
    };
    assert!(bare(&["init", &link]).status.success());
    let listed = bare(&["ls", "/"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let file = node.folder.path().join("config/emerge/node.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_has_one_node_and_a_second_is_told_so() {
    let node = Node::start();
    let data = node.folder.path().join("data");
    let second = start_and_wait(&data);
    assert!(!second.status.success());
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("another process has the store open"),
        "{second:?}"
    );
}

/// Several times, for whether the signal was heard hung on a moment.
#[cfg(unix)]
#[test]
fn a_node_that_is_stopped_as_soon_as_it_is_ready_stops_in_order() {
    for _ in 0..10 {
        let mut node = Node::start();
        let sent = Command::new("kill").args(["-TERM", &node.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(node.child.wait().unwrap().code(), Some(0));
    }
}

fn start_and_wait(data: &Path) -> Output {
    Command::new(EMERGE)
        .args(["node", "start", "--json", "--port", "0", "--data"])
        .arg(data)
        .output()
        .unwrap()
}

#[test]
fn transactions() {
    let node = Node::start();
    let store = ["store", "/ledger/a", "--class", "Line", "--json", r#"{"amount": 1}"#];
    assert_eq!(node.ok(&["tx", "begin", "month end"]), "month end\n");
    node.ok(&[&["--tx", "month end"], &store[..]].concat());
    assert_eq!(node.ok(&["--tx", "month end", "cat", "/ledger/a"]), "{\"amount\":1}\n");
    assert_eq!(node.fails(&["cat", "/ledger/a"]).0, 3);
    let open = node.ok(&["tx", "list"]);
    assert!(open.starts_with("month end  ") && open.contains(" operations"), "{open}");
    node.ok(&["tx", "commit", "month end"]);
    assert_eq!(node.ok(&["cat", "/ledger/a"]), "{\"amount\":1}\n");
    let (code, error) = node.fails(&["tx", "commit", "month end"]);
    assert_eq!((code, &error["code"]), (1, &json!("transaction_expired")));
    assert_eq!(node.fails(&["--tx", "never", "ls", "/"]).0, 3);

    // By the environment, and taken back.
    let name = node.ok(&["tx", "begin"]).trim().to_owned();
    let within = |args: &[&str]| node.command(args).env("EMERGE_TX", &name).output().unwrap();
    assert!(within(&["rm", "/ledger/a"]).status.success());
    assert!(within(&["tx", "rollback"]).status.success());
    assert_eq!(node.ok(&["tx", "list"]), "");
    node.ok(&["cat", "/ledger/a"]);
}

#[test]
fn a_script_is_one_transaction() {
    let node = Node::start();
    let script = |last: &str| {
        format!(
            "set -e; {EMERGE} mkdir /script; {EMERGE} store /script/a --class Line --json '{{\"amount\": 1}}'; {last}"
        )
    };
    let (code, error) = node.fails(&["tx", "run", "--", "sh", "-c", &script("exit 3")]);
    assert_eq!((code, &error["code"]), (1, &json!("cancelled")));
    assert_eq!(node.fails(&["stat", "/script"]).0, 3);
    node.ok(&["tx", "run", "--", "sh", "-c", &script("true")]);
    assert_eq!(node.ok(&["ls", "/script"]), "a\n");
    assert_eq!(node.fails(&["tx", "run", "--", "/no/such/program"]).0, 1);
    assert_eq!(node.ok(&["tx", "list"]), "");
}

#[test]
fn the_lines_of_a_file_are_stored() {
    let node = Node::start();
    let file = node.folder.path().join("points.jsonl");
    let name = file.to_str().unwrap();
    let line = |at: u32| {
        format!("{{\"path\": \"/points/p{at}\", \"class\": \"Point\", \"fields\": {{\"x\": {at}}}}}\n")
    };
    std::fs::write(&file, (0..2500).map(line).collect::<String>()).unwrap();
    let output = node.run(&["store", "--from", name]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("stored 1000") && told.contains("stored 2000") && told.contains("stored 2500 objects"),
        "{told}"
    );
    assert_eq!(node.ok(&["cat", "/points/p2499#x"]), "2499\n");
    for (bad, why) in [
        ("{", "not JSON"),
        (r#"{"path": "/a"}"#, "class"),
        (r#"{"path": "a", "class": "Point"}"#, "begin"),
        (r#"{"path": "/a", "class": "Point", "fields": {"y": 1}}"#, "no field"),
        (r#"{"path": "/a", "class": "Point", "fields": 1}"#, "fields"),
    ] {
        std::fs::write(&file, format!("\n{bad}\n")).unwrap();
        let (code, error) = node.fails(&["store", "--from", name]);
        let message = error["message"].as_str().unwrap();
        assert!(code == 2 && message.starts_with("line 2 of ") && message.contains(why), "{code} {message}");
    }
    let (code, error) = node.fails(&["store", "--from", "/no/such.jsonl"]);
    assert_eq!((code, &error["code"]), (2, &json!("bad_argument")));
}

/// The lines of JSON that a page has, and the cursor in its last one.
fn page(node: &Node, arguments: &[&str]) -> (Vec<Value>, Value) {
    let told = node.ok(&[arguments, &["--json"]].concat());
    let mut lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let next = lines.pop().unwrap()["next"].clone();
    (lines, next)
}

#[test]
fn listings_and_searches_come_page_by_page() {
    let node = Node::start();
    for at in 0..5 {
        let fields = format!("{{\"size\": {}, \"at\": {at}}}", 9 - at);
        node.ok(&["store", &format!("/pages/p{at}"), "--class", "Page", "--json", &fields]);
    }
    for start in [
        &["ls", "/pages", "--page", "2", "--sort", "created", "--descending"][..],
        &["search", "/pages", "--class", "Page", "--order", "size", "--page", "2"],
        &["search", "/pages", "--page", "2"],
    ] {
        let (mut found, mut after) = page(&node, start);
        assert_eq!(found.len(), 2, "{start:?}");
        while let Some(cursor) = after.as_str() {
            let (more, next) = page(&node, &[start, &["--after", cursor]].concat());
            found.extend(more);
            after = next;
        }
        let mut paths: Vec<&str> = found
            .iter()
            .map(|each| each["path"].as_str().or(each["meta"]["path"].as_str()).unwrap())
            .collect();
        if start.contains(&"created") || start.contains(&"size") {
            assert_eq!(paths.first().copied(), Some("/pages/p4"), "{start:?}");
        }
        paths.sort_unstable();
        assert_eq!(paths, ["/pages/p0", "/pages/p1", "/pages/p2", "/pages/p3", "/pages/p4"], "{start:?}");
    }
    let output = node.run(&["ls", "/pages", "--page", "4"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--after p3"), "{told}");
}

#[test]
fn a_watch_ends_when_its_time_is_over_and_no_call_has_none() {
    let node = Node::start();
    let (code, error) = node.fails(&["--timeout", "1", "watch", "/**"]);
    assert_eq!((code, &error["code"]), (8, &json!("deadline_exceeded")));
    node.ok(&["store", "/a", "--class", "Line", "--json", r#"{"amount": 1}"#]);
    let (code, error) = node.fails(&["call", "--deadline", "0", "/a", "grow"]);
    assert_eq!((code, &error["field"]), (2, &json!("deadline")));
    for args in [&["ls", "/"][..], &["watch", "/**"]] {
        let (code, error) = node.fails(&[&["--timeout", "0"], args].concat());
        assert_eq!((code, &error["code"], &error["field"]), (2, &json!("bad_argument"), &json!("timeout")));
    }
}

#[test]
fn changes_are_watched() {
    let node = Node::start();
    let mut watching = node
        .command(&["watch", "/watched/**", "--json", "--count", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says nothing with --json before the first change: that is made until it is told.
    let store = ["store", "/watched/a", "--class", "Line", "--json", r#"{"amount": 1}"#];
    while watching.try_wait().unwrap().is_none() {
        node.ok(&store);
    }
    let printed = watching.wait_with_output().unwrap();
    let lines: Vec<Value> = String::from_utf8(printed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let token = lines[0]["token"].as_str().unwrap();
    let text = node.ok(&["watch", "/watched/**", "--from", token, "--count", "1"]);
    assert!(text.contains(lines[1]["path"].as_str().unwrap()), "{text}");
    assert_eq!(node.fails(&["watch", "x", "--count", "1"]).0, 2);
}

#[test]
fn objects_are_searched() {
    let node = Node::start();
    node.ok(&["store", "--from", INVENTORY]);
    let found = node.ok(&["search", "/inventory", "o => o.unitPrice < 1", "--fields", "quantityOnHand"]);
    assert_eq!(found, "/inventory/widget2  {\"quantityOnHand\":4}\n");
    assert_eq!(node.ok(&["search", "--count"]), "2\n");
    let python = ["--python", "lambda o, p: o.unitPrice > p.least", "--params", "{\"least\": 1}"];
    assert_eq!(node.ok(&[&["search", "--count"], &python[..]].concat()), "1\n");
    // A lambda is Python without being told so, and no words to look for.
    let plain = ["search", "/inventory", "lambda o: o.unitPrice < 1", "--fields", "quantityOnHand"];
    assert_eq!(node.ok(&plain), found);
    assert!(node.ok(&["search", "--explain", "--descending"]).contains("newest first"));
    let ordered =
        node.ok(&["search", "--json", "--order", "unitPrice", "--limit", "1", "--class", "InventoryItem"]);
    let item: Value = serde_json::from_str(&ordered).unwrap();
    assert_eq!(
        (&item["meta"]["path"], &item["fields"]["unitPrice"]),
        (&json!("/inventory/widget2"), &json!(0.5))
    );
    let groups = node.ok(&[
        "search",
        "--group-by",
        "unitPrice",
        "--sum",
        "quantityOnHand",
        "--mean",
        "quantityOnHand",
    ]);
    assert_eq!(
        groups,
        "unitPrice  count  sum(quantityOnHand)  mean(quantityOnHand)\n0.5        1      4                    4.0\n3.0        1      10                   10.0\n"
    );
    node.ok(&[
        "store",
        "/data/a",
        "--class",
        "Note",
        "--json",
        "{\"note\": \"A red Widget\", \"unitPrice\": 1}",
    ]);
    node.ok(&[
        "store",
        "/data/b",
        "--class",
        "Note",
        "--json",
        "{\"note\": \"a widget, red\", \"unitPrice\": 9}",
    ]);
    assert_eq!(node.ok(&["search", "data", "red wid*"]).lines().count(), 2);
    assert_eq!(node.ok(&["search", "\"red widget\""]), "/data/a  note: A red Widget\n");
    assert_eq!(node.ok(&["search", "red", "--in", "note", "--count"]), "2\n");
    assert_eq!(node.ok(&["search", "/", "o => o.unitPrice > 5", "--text", "red", "--count"]), "1\n");
    let found: Value = serde_json::from_str(node.ok(&["search", "--json", "\"red widget\""]).trim()).unwrap();
    assert_eq!(
        found["highlights"],
        json!([{ "field": "note", "text": "A red Widget", "ranges": [[2, 12]] }])
    );
    assert_eq!(node.fails(&["search", "data", "..."]).1["field"], "text");
    let plan = node.ok(&["search", "/inventory", "o => o.unitPrice < 1", "--explain"]);
    assert!(plan.contains("native    o => o.unitPrice < 1") && plan.ends_with("found 1\n"), "{plan}");
    let failing = node.run(&["search", "o => o.unitPrice.none.more"]);
    assert!(failing.status.success() && String::from_utf8(failing.stderr).unwrap().contains("TypeError"));
    assert_eq!(
        node.ok(&["index", "create", "InventoryItem", "unitPrice", "--wait"]).trim(),
        "InventoryItem  unitPrice  ready"
    );
    assert!(node.ok(&["index", "list"]).starts_with("InventoryItem  unitPrice  "));
    assert_eq!(node.ok(&["index", "drop", "InventoryItem", "unitPrice"]), "");
    let (code, error) = node.fails(&["index", "drop", "InventoryItem", "unitPrice"]);
    assert_eq!((code, &error["code"], &error["field"]), (3, &json!("not_found"), &json!("unitPrice")));
    let (code, error) = node.fails(&["index", "create", "InventoryItem", "meta.name"]);
    assert_eq!((code, &error["field"]), (2, &json!("meta.name")));
    assert_eq!(node.fails(&["index", "create", "NoSuchClass", "unitPrice"]).0, 3);
    let (code, error) = node.fails(&["search", "o => o.unitPrice < limit"]);
    assert_eq!((code, &error["field"]), (2, &json!("limit")));
}
