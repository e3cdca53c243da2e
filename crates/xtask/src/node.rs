//! A node for the tests: a free port, an empty store, gone when dropped.

use crate::exec::{Cmd, Running};
use crate::{build, project};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// A running node.
pub struct TestNode {
    /// Where it listens.
    pub url: String,
    /// Its token.
    pub token: String,
    running: Option<Running>,
    data: PathBuf,
}

impl TestNode {
    /// Starts one with further options, and waits until it says that it is ready.
    pub fn start(name: &str, options: &[&str]) -> Result<TestNode> {
        let data = project::target().join("test-data").join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data)?;
        let cmd = Cmd::new(build::emerge_file())
            .args(["node", "start", "--json", "--port", "0", "--data"])
            .arg(&data)
            .args(options);
        println!("   $ {} &", cmd.shown());
        let mut running = cmd.spawn_reading()?;
        let mut line = String::new();
        if let Some(out) = running.stdout() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let ready: serde_json::Value = match serde_json::from_str(&line) {
            Ok(ready) => ready,
            Err(_) => bail!("the node ended before it was ready, or said {line:?}: {}", cmd.shown()),
        };
        let field = |name: &str| {
            ready[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("the node's line has no {name}: {line}"))
        };
        Ok(TestNode { url: field("url")?, token: field("token")?, running: Some(running), data })
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.running.take();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
