//! A node of its own for each test, and the command against it.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

pub const EMERGE: &str = env!("CARGO_BIN_EXE_emerge");
pub const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inventory.js");

/// A running node, killed when the test ends.
pub struct Node {
    pub child: Child,
    pub url: String,
    pub token: String,
    /// Its data, when it was not told where, and what `emerge init` remembers.
    pub folder: TempDir,
}

impl Node {
    pub fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "0")
    }

    pub fn start_in(folder: TempDir, port: &str) -> Self {
        let data = folder.path().join("data");
        Self::start_on(&data, folder, port)
    }

    /// On a data folder that outlives it.
    pub fn start_at(data: &Path) -> Self {
        Self::start_on(data, TempDir::new().unwrap(), "0")
    }

    fn start_on(data: &Path, folder: TempDir, port: &str) -> Self {
        Self::start_with(data, folder, port, &[])
    }

    /// With further words.
    pub fn start_with(data: &Path, folder: TempDir, port: &str, words: &[&str]) -> Self {
        let mut child = Command::new(EMERGE)
            .args(["node", "start", "--json", "--port", port, "--log", "warn", "--data"])
            .arg(data)
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(
            ready.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["url", "token", "notebook", "data"]
        );
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { child, url: text("url"), token: text("token"), folder }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(EMERGE);
        command
            .args(args)
            .env("EMERGE_URL", &self.url)
            .env("EMERGE_TOKEN", &self.token)
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints that must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and the JSON error of a command that must fail.
    pub fn fails(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["--json"], args].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args:?} succeeded");
        let error = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        (output.status.code().unwrap(), error.unwrap_or_else(|| panic!("{args:?}: {text}")))
    }

    /// Ends it, and leaves what was its.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
