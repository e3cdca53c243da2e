//! The arrows between the rooms (`ARCHITECTURE.md`): they go down only.

use super::{File, within};
use crate::exec::Cmd;
use anyhow::{Context, Result};
use serde_json::Value;

/// Each room, and the rooms that its own code may use. What only its tests use is free.
const ROOMS: [(&str, &[&str]); 19] = [
    ("emerge-proto", &[]),
    ("emerge-class-macros", &["emerge-proto"]),
    ("emerge-class", &["emerge-proto", "emerge-class-macros"]),
    ("emerge-pickle", &["emerge-proto"]),
    ("emerge-query", &["emerge-proto"]),
    ("emerge-client", &["emerge-proto"]),
    ("emerge-engine", &["emerge-proto"]),
    ("emerge-runtime", &["emerge-proto", "emerge-pickle"]),
    ("emerge-node", &["emerge-proto", "emerge-query", "emerge-engine", "emerge-runtime"]),
    ("emerge-text", &["emerge-proto", "emerge-query", "emerge-node"]),
    ("emerge-wasm", &["emerge-proto", "emerge-client", "emerge-pickle"]),
    ("emerge-python", &["emerge-proto", "emerge-client", "emerge-pickle"]),
    (
        "emerge-server",
        &["emerge-proto", "emerge-query", "emerge-engine", "emerge-node", "emerge-runtime", "emerge-text"],
    ),
    ("emerge-cli", &["emerge-proto", "emerge-client", "emerge-node", "emerge-runtime", "emerge-server"]),
    ("emerge-sim", &["emerge-proto", "emerge-client", "emerge-engine", "emerge-node", "emerge-runtime"]),
    ("emerge-attacks", &["emerge-proto", "emerge-client", "emerge-server"]),
    ("emerge-wasm-tests", &["emerge-proto", "emerge-client", "emerge-wasm"]),
    (
        "emerge-bench",
        &["emerge-proto", "emerge-client", "emerge-engine", "emerge-node", "emerge-runtime", "emerge-server"],
    ),
    ("xtask", &["emerge-proto"]),
];

/// Rooms without I/O, and what would bring it in. A dependency behind a feature that is off by default is no part of them.
const PURE: [&str; 5] = ["emerge-proto", "emerge-query", "emerge-client", "emerge-engine", "emerge-node"];
const IMPURE: [&str; 9] =
    ["tokio", "mio", "socket2", "js-sys", "web-sys", "pyo3", "getrandom", "rand", "wasmtime"];

/// Clocks, sockets and files in the source of rooms that are given time and bytes.
const PURE_SOURCES: [&str; 3] = ["crates/proto/src", "crates/engine/src", "crates/node/src"];
const IMPURE_WORDS: [&str; 6] =
    ["Instant::now", "SystemTime::now", "std::net::", "std::fs::", "std::process::", "std::thread::"];

pub fn check(files: &[File], problems: &mut Vec<String>) -> Result<()> {
    let text = Cmd::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        arrows(package, problems);
    }
    for file in files.iter().filter(|file| PURE_SOURCES.iter().any(|room| within(&file.path, room))) {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE_WORDS.iter().filter(|word| code.contains(**word)) {
                problems.push(format!(
                    "{}:{}: {word} in a room that does no I/O and reads no clock",
                    file.path.display(),
                    number + 1
                ));
            }
        }
    }
    Ok(())
}

fn arrows(package: &Value, problems: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == name) else {
        problems.push(format!(
            "{name} is a room that no table knows: ARCHITECTURE.md and xtask's tidy name all of them"
        ));
        return;
    };
    let rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let Some(other) = dependency["name"].as_str() else { continue };
        if dependency["kind"] == "dev" {
            continue;
        }
        if rooms.contains(&other) && !allowed.contains(&other) {
            problems.push(format!("{name} uses {other}: an arrow that goes up or across"));
        }
        if PURE.contains(&name) && IMPURE.contains(&other) && dependency["optional"] != true {
            problems.push(format!("{name} uses {other}: it does no I/O"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(package: Value) -> Vec<String> {
        let mut problems = Vec::new();
        arrows(&package, &mut problems);
        problems
    }

    #[test]
    fn an_arrow_up_is_found_and_one_of_tests_is_free() {
        let uses = |name: &str, kind: Value| json!({ "name": "emerge-proto", "dependencies": [{ "name": name, "kind": kind, "optional": false }] });
        assert_eq!(problems(uses("emerge-engine", Value::Null)).len(), 1);
        assert_eq!(problems(uses("tokio", Value::Null)).len(), 1);
        assert!(problems(uses("emerge-engine", json!("dev"))).is_empty());
        assert!(problems(uses("minicbor", Value::Null)).is_empty());
        assert_eq!(problems(json!({ "name": "emerge-attic", "dependencies": [] })).len(), 1);
    }
}
