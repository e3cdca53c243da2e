//! A node with native Python, by the command; and one that cannot have it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{EMERGE, Node};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn venv() -> PathBuf {
    std::env::var_os("EMERGE_NATIVE_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/native-venv"),
        PathBuf::from,
    )
}

fn doctor(venv: &Path) -> (Output, Value) {
    let output = Command::new(EMERGE)
        .args(["node", "doctor", "--json", "--native-python"])
        .arg(venv)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let native = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["check"] == "native Python")
        .unwrap();
    (output, native)
}

/// Whether this system can confine native Python. Where it cannot, the node says so and does not start.
fn can_be_confined() -> bool {
    let (output, native) = doctor(&venv());
    if native["ok"] == true {
        assert!(output.status.success());
        let found = native["found"].as_str().unwrap();
        assert!(found.contains("Landlock") && found.contains("pandas 3."), "{found}");
        return true;
    }
    assert!(!output.status.success());
    assert!(
        native["found"].as_str().unwrap().contains("cannot be confined here"),
        "{native}; run: cargo xtask setup"
    );
    let (error, code) = start(&venv());
    assert!(error.contains("cannot be confined here") && code != 0, "{error}");
    false
}

/// What a node says that cannot start, and its exit code.
fn start(venv: &Path) -> (String, i32) {
    let folder = TempDir::new().unwrap();
    let output = Command::new(EMERGE)
        .args(["node", "start", "--port", "0", "--data"])
        .arg(folder.path())
        .arg("--native-python")
        .arg(venv)
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

const FILE: &str = r#"
import emerge

class Costs(emerge.Object):
    requires = ["pandas"]

    def table(self, factor: int = 1):
        import pandas as pd
        print("asked")
        rows = [{"name": each.name, "cost": emerge.fs.get(each.path).cost} for each in emerge.fs.list("/stock")]
        frame = pd.DataFrame(rows)
        emerge.fs.set("/stock/nail#cost", float(frame["cost"].sum()) * factor)
        return frame

    def fails(self):
        import pandas as pd
        emerge.fs.set("/stock/nail#cost", 100.0)
        return pd.DataFrame()["none"]

objects = {"/costs": Costs()}
"#;

#[test]
fn a_method_in_native_python_is_a_part_of_its_call() {
    if !can_be_confined() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("costs.py"));
    std::fs::write(&file, FILE).unwrap();
    let node =
        Node::start_with(&data, TempDir::new().unwrap(), "0", &["--native-python", venv().to_str().unwrap()]);
    node.ok(&["store", "/stock/nail", "--class", "Item", "--json", r#"{"cost": 0.5}"#]);
    node.ok(&["store", "/stock/saw", "--class", "Item", "--json", r#"{"cost": 20.0}"#]);
    node.ok(&["store", "--from", file.to_str().unwrap()]);
    assert_eq!(
        serde_json::from_str::<Value>(&node.ok(&["--json", "call", "/costs", "table", "--", "2"])).unwrap()["result"],
        json!({"$table": {"columns": ["name", "cost"], "rows": [["nail", 0.5], ["saw", 20.0]]}})
    );
    // It was one transaction, and what fails changes nothing.
    assert_eq!(node.ok(&["cat", "/stock/nail#cost"]).trim(), "41.0");
    let (_, error) = node.fails(&["call", "/costs", "fails"]);
    assert_eq!((&error["code"], &error["message"]), (&json!("method_failed"), &json!("KeyError: 'none'")));
    assert_eq!(node.ok(&["cat", "/stock/nail#cost"]).trim(), "41.0");
    // What shows what a class requires.
    let stat: Value = serde_json::from_str(&node.ok(&["--json", "stat", "/costs"])).unwrap();
    assert_eq!(stat["requires"], json!(["pandas"]));
    assert!(node.ok(&["methods", "/costs"]).ends_with("requires pandas\n"));
    assert!(node.ok(&["stat", "/costs"]).contains("requires  pandas"));
    assert!(node.ok(&["help", "/costs"]).contains("requires pandas"));
}

#[test]
fn without_it_a_class_that_requires_packages_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("costs.py");
    std::fs::write(&file, FILE).unwrap();
    let node = Node::start();
    let (code, error) = node.fails(&["store", "--from", file.to_str().unwrap()]);
    assert_ne!(code, 0);
    assert_eq!((&error["code"], &error["field"]), (&json!("unsupported"), &json!("pandas")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("--native-python VENV"), "{error}");
}

#[test]
fn an_environment_that_is_missing_is_told_at_start_and_by_the_doctor() {
    let folder = TempDir::new().unwrap();
    let none = folder.path().join("none");
    let words = if doctor(&venv()).1["ok"] == true {
        "is no environment for native Python"
    } else {
        "cannot be confined here"
    };
    let (error, code) = start(&none);
    assert!(error.contains(words) && code != 0, "{error}");
    let (output, native) = doctor(&none);
    assert!(!output.status.success());
    assert!(native["found"].as_str().unwrap().contains(words), "{native}");
    // The other checks are told nevertheless.
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}
