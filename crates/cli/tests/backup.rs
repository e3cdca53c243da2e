//! Backups by the command: of a running node beside writers, of a stopped one, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{EMERGE, INVENTORY, Node};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_running_store_is_copied_beside_writers_and_comes_back() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let node = Node::start_at(&at("data"));
    node.ok(&["store", "--from", INVENTORY]);
    node.ok(&["call", "/inventory/widget1", "sell", "1"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // One after the other: at every moment the first has as many versions as the second, or one more.
            while !stop.load(Ordering::Relaxed) {
                node.ok(&["store", "/a", "--class", "Count", "--json", r#"{"n": 1}"#]);
                node.ok(&["store", "/b", "--class", "Count", "--json", r#"{"n": 1}"#]);
            }
        });
        for _ in 0..3 {
            node.ok(&["backup", "create", "--force", text(&at("live"))]);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(node.ok(&["backup", "check", text(&at("live"))]).starts_with("whole: "));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(at("live")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (code, error) = node.fails(&["backup", "create", text(&at("live"))]);
    assert_eq!((code, &error["code"]), (7, &json!("already_exists")));
    let (code, error) = node.fails(&["backup", "create", text(&at("x")), "--data", text(&at("data"))]);
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")), "a node has it open");

    node.ok(&["backup", "restore", text(&at("live")), "--data", text(&at("again"))]);
    let (code, error) = node.fails(&["backup", "restore", text(&at("live")), "--data", text(&at("again"))]);
    assert_eq!((code, &error["code"]), (7, &json!("already_exists")));
    let again = Node::start_at(&at("again"));
    assert_ne!(again.token, node.token, "tokens are not in a backup");
    assert_eq!(again.ok(&["cat", "/inventory/widget1#quantityOnHand"]), "9\n");
    assert_eq!(again.ok(&["cat", "--version", "1", "/inventory/widget1#quantityOnHand"]), "10\n");
    assert_eq!(again.ok(&["call", "/inventory/widget1", "totalCost"]), "27\n");
    let version = |path: &str| -> i64 {
        let stat = again.run(&["stat", "--json", path]);
        serde_json::from_slice::<Value>(&stat.stdout).map_or(0, |stat| stat["version"].as_i64().unwrap())
    };
    let (a, b) = (version("/a"), version("/b"));
    assert!(a == b || a == b + 1, "the copy is of one moment: {a} and {b}");
}

#[test]
fn a_stopped_store_is_copied_from_its_folder_and_damage_is_seen() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let node = Node::start_at(&at("data"));
    node.ok(&["store", "--from", INVENTORY]);
    drop(node);
    let run = |args: &[&str]| Command::new(EMERGE).args(args).output().unwrap();
    let made = run(&["backup", "create", "--json", text(&at("copy")), "--data", text(&at("data"))]);
    let told: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(told["commit"].as_u64().unwrap() > 0 && told["store"].is_string(), "{told}");
    let nowhere = run(&["backup", "create", text(&at("x")), "--data", text(&at("nowhere"))]);
    assert_eq!(nowhere.status.code(), Some(3), "{nowhere:?}");
    assert!(!at("nowhere").exists() && !at("x").exists() && !at("x.part").exists());

    let whole = std::fs::read(at("copy")).unwrap();
    let mut bent = whole.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 4;
    for (name, bytes) in
        [("cut", &whole[..whole.len() - 9]), ("bent", &bent), ("empty", &[]), ("other", b"{}")]
    {
        std::fs::write(at(name), bytes).unwrap();
        let refused = run(&["backup", "restore", text(&at(name)), "--data", text(&at("no"))]);
        assert_eq!(refused.status.code(), Some(2), "{name}: {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("damaged"), "{name}: {refused:?}");
        assert!(!at("no").exists(), "{name} left something");
        assert_eq!(run(&["backup", "check", text(&at(name))]).status.code(), Some(2), "{name}");
    }
    // A folder that was there stays, and takes a good one afterwards.
    std::fs::create_dir(at("no")).unwrap();
    assert_eq!(
        run(&["backup", "restore", text(&at("cut")), "--data", text(&at("no"))]).status.code(),
        Some(2)
    );
    assert!(at("no").exists() && !at("no/store").exists());
    assert!(run(&["backup", "restore", text(&at("copy")), "--data", text(&at("no"))]).status.success());
    let again = Node::start_at(&at("no"));
    assert_eq!(again.ok(&["call", "/inventory/widget1", "totalCost"]), "30\n");
}

#[test]
fn a_subtree_goes_into_a_file_and_comes_back_elsewhere() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let node = Node::start_at(&at("data"));
    node.ok(&["store", "--from", INVENTORY]);
    let python = "import emerge\n\nRATE = 3\n\n@emerge.dataclass\nclass Base(emerge.Object):\n    n: int = 1\n\n    def rate(self):\n        return RATE * self.n\n\n\
                  @emerge.dataclass\nclass Made(Base):\n    def twice(self):\n        return 2 * self.rate()\n\n\
                  objects = {'/inventory/py/a': Made(n=5)}\n";
    std::fs::write(at("made.py"), python).unwrap();
    node.ok(&["store", "--from", text(&at("made.py"))]);
    node.ok(&["mkdir", "/inventory/empty"]);
    node.ok(&["call", "/inventory/widget1", "sell", "4"]);
    node.ok(&[
        "store",
        "/inventory/large",
        "--class",
        "Text",
        "--json",
        &json!({"text": "x".repeat(70_000)}).to_string(),
    ]);

    let exported = node.ok(&["export", "--history", "/inventory", text(&at("file"))]);
    assert_eq!(exported, format!("exported /inventory to {}\n", at("file").display()));
    let (code, error) = node.fails(&["import", text(&at("file"))]);
    assert_eq!((code, &error["code"], &error["path"]), (7, &json!("already_exists"), &json!("/inventory")));
    let imported = node.ok(&["import", text(&at("file")), "/copy"]);
    assert_eq!(imported, "imported /copy: 4 objects, 5 versions, 3 directories\n");
    let history = |node: &Node, path: &str| node.ok(&["history", path]);
    assert_eq!(history(&node, "/copy/widget1"), history(&node, "/inventory/widget1"));

    // On a node that knows nothing of it, and where it was.
    let other = Node::start_at(&at("other"));
    other.ok(&["mkdir", "/inventory"]);
    let imported: Value = serde_json::from_str(&other.ok(&["import", "--json", text(&at("file"))])).unwrap();
    assert_eq!((&imported["objects"], &imported["classes"]), (&json!(4), &json!(4)), "{imported}");
    assert_eq!(other.ok(&["call", "/inventory/widget1", "totalCost"]), "18\n");
    assert_eq!(other.ok(&["cat", "--version", "1", "/inventory/widget1#quantityOnHand"]), "10\n");
    assert_eq!(history(&other, "/inventory/widget1"), history(&node, "/inventory/widget1"));
    assert_eq!(other.ok(&["call", "/inventory/py/a", "twice"]), "30\n");
    assert_eq!(other.ok(&["cat", "/inventory/large#text"]).len(), 70_003);
    assert_eq!(other.ok(&["ls", "/inventory/empty"]), "");
    assert_eq!(other.ok(&["call", "/inventory/widget1", "sell", "1"]), "5\n");

    // One object, without its history.
    node.ok(&["export", "/inventory/widget1", text(&at("one"))]);
    assert_eq!(
        node.ok(&["import", text(&at("one")), "/w"]),
        "imported /w: 1 object, 1 version, 0 directories\n"
    );
    assert_eq!(node.ok(&["cat", "/w#quantityOnHand"]), "6\n");
    let (code, error) = node.fails(&["export", "/nothing", text(&at("none"))]);
    assert_eq!((code, &error["code"]), (3, &json!("not_found")));
    assert!(!at("none").exists() && !at("none.part").exists());
    let mut bent = std::fs::read(at("file")).unwrap();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    std::fs::write(at("bent"), &bent).unwrap();
    for (name, bytes) in [("bent", &bent[..]), ("cut", &bent[..middle]), ("odd", b"{}")] {
        std::fs::write(at(name), bytes).unwrap();
        let (code, error) = node.fails(&["import", text(&at(name)), &format!("/{name}")]);
        assert_eq!((code, &error["code"]), (2, &json!("bad_argument")), "{name}: {error}");
    }
}

#[test]
fn files_of_a_store_are_not_for_transactions() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let node = Node::start_at(&at("data"));
    node.ok(&["store", "/a/b", "--class", "Count", "--json", r#"{"n": 1}"#]);
    node.ok(&["export", "/a", text(&at("file"))]);
    node.ok(&["tx", "begin", "R1"]);
    let refused = |args: &[&str]| {
        let (code, error) = node.fails(args);
        assert_eq!(
            (code, &error["code"], &error["field"]),
            (1, &json!("unsupported"), &json!("tx")),
            "{args:?}"
        );
        assert!(error["message"].as_str().unwrap().contains("is not for transactions"), "{error}");
    };
    refused(&["--tx", "R1", "import", text(&at("file")), "/c"]);
    refused(&["--tx", "R1", "export", "/a", text(&at("other"))]);
    refused(&["--tx", "R1", "backup", "create", text(&at("other"))]);
    refused(&["--tx", "R1", "watch", "/a/**"]);
    assert!(!at("other").exists() && !at("other.part").exists());
    // The commands of a program that runs in a transaction find it in their surroundings.
    let script = format!("{EMERGE} import {} /c; exit 1", text(&at("file")));
    let told = node.run(&["tx", "run", "--", "sh", "-c", &script]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("\"import\" is not for transactions"), "{told:?}");
    assert_eq!(node.fails(&["stat", "/c"]).0, 3);
}
