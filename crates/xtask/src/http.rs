//! The node's HTTP, held against its own OpenAPI document by schemathesis.

use crate::exec::Cmd;
use crate::node::TestNode;
use crate::report::Counts;
use crate::{build, project, setup};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;

const TOOLS: [&str; 1] = ["schemathesis==4.32.5"];
/// Requests that it makes up for each operation, and chains of requests, beside the cases that the document itself names. Not a time: what is asked is the
/// same on any machine.
const EXAMPLES: &str = "60";
/// The same run each time; a soak may take others.
const SEED: &str = "1";

/// Sets up a virtual environment with the tool.
pub fn set_up() -> Result<()> {
    setup::python_with("http", &TOOLS).map(|_| ())
}

/// Asks a node for all that its document says, and for what it does not. Each operation without a finding counts as passed.
pub fn schemathesis() -> Result<Counts> {
    let node = TestNode::start("http", &[])?;
    let note = r#"{"text": "buy milk"}"#;
    // The document's examples are about this object.
    Cmd::new(build::emerge_file())
        .args(["store", "/notes/today", "--class", "Note", "--json", note])
        .env("EMERGE_URL", &node.url)
        .env("EMERGE_TOKEN", &node.token)
        .run()?;
    let address = node.url.replacen("ws:", "http:", 1);
    let report = project::target().join("test-data/schemathesis.json");
    let _ = std::fs::remove_file(&report);
    let counts = Cmd::new(project::tools().join("http/bin/schemathesis"))
        .args(["--no-color", "--config-file", "server/tests/schemathesis.toml", "run"])
        .arg(format!("{address}/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {}", node.token)])
        .args(["--max-examples", EXAMPLES, "--seed", SEED, "--report", "json", "--report-json-path"])
        .arg(&report)
        .run_tests()?;
    let text = std::fs::read_to_string(&report).context("schemathesis has left no report")?;
    let report: Value = serde_json::from_str(&text).context("the report of schemathesis")?;
    let tested = report["operations"]["tested"].as_u64().unwrap_or(0);
    let total = report["operations"]["total"].as_u64().unwrap_or(0);
    let findings = report["failures"].as_array().into_iter().flatten();
    let found: BTreeSet<&str> = findings
        .flat_map(|finding| finding["operations"].as_array().into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let failed = found.len() as u64 + (total - tested.min(total));
    let passed = total.saturating_sub(failed);
    println!("   {total} operations, {failed} with findings");
    Ok(Counts { passed, failed: failed.max(counts.failed) })
}
