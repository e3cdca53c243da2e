//! The prompt on a terminal, and what other shells are told of a word.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const EMERGE: &str = env!("CARGO_BIN_EXE_emerge");
const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inventory.js");
const PATIENCE: u64 = 60_000;

struct Node {
    child: Child,
    url: String,
    token: String,
    folder: TempDir,
}

impl Node {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(EMERGE)
            .args(["node", "start", "--json", "--port", "0", "--log", "warn", "--data"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        let node = Self { child, url: text("url"), token: text("token"), folder };
        let stored = node.command(&["store", "--from", INVENTORY]).output().unwrap();
        assert!(stored.status.success(), "{stored:?}");
        node
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(EMERGE);
        command
            .args(args)
            .env("EMERGE_URL", &self.url)
            .env("EMERGE_TOKEN", &self.token)
            .env("TERM", "xterm")
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command
    }

    /// A shell on a terminal of its own, at its first prompt.
    fn shell(&self) -> PtySession {
        let mut shell = spawn_command(self.command(&["shell"]), Some(PATIENCE)).unwrap();
        shell.exp_string("emerge:/> ").unwrap();
        shell
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What another shell would offer for the last of these words.
    fn offered(&self, words: &[&str]) -> Vec<String> {
        let output = self
            .command(&["--", "emerge"])
            .args(words)
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn commands_run_at_the_prompt_from_where_one_stands() {
    let node = Node::start();
    let mut shell = node.shell();
    shell.send_line("ls").unwrap();
    shell.exp_string("inventory").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    shell.send_line("cd inventory").unwrap();
    shell.exp_string("emerge:/inventory> ").unwrap();
    shell.send_line("ls").unwrap();
    shell.exp_string("widget1").unwrap();
    shell.exp_string("emerge:/inventory> ").unwrap();
    shell.send_line("call widget1 totalCost").unwrap();
    shell.exp_regex("\r\n30\r\n").unwrap();
    shell.exp_string("emerge:/inventory> ").unwrap();
    shell.send_line("cat ../inventory/widget1#quantityOnHand").unwrap();
    shell.exp_regex("\r\n10\r\n").unwrap();
    shell.send_line("cd nowhere").unwrap();
    shell.exp_string("not_found").unwrap();
    shell.send_line("cd widget1").unwrap();
    shell.exp_string("not_a_directory").unwrap();
    shell.send_line("ls --no-such-flag").unwrap();
    shell.exp_string("unexpected argument").unwrap();
    shell.send_line("node start").unwrap();
    shell.exp_string("outside the shell").unwrap();
    shell.send_line("cat 'widget1").unwrap();
    shell.exp_string("quotation mark").unwrap();
    shell.send_line("cd").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    shell.send_line("exit").unwrap();
    shell.exp_eof().unwrap();

    // What was typed is there again.
    let mut again = node.shell();
    again.send("\u{1b}[A\u{1b}[A").unwrap();
    again.flush().unwrap();
    again.exp_regex("cd").unwrap();
    again.send_control('c').unwrap();
    again.exp_string("emerge:/> ").unwrap();
    again.send_control('d').unwrap();
    again.exp_eof().unwrap();
}

#[test]
fn tab_completes_commands_paths_and_methods() {
    let node = Node::start();
    let mut shell = node.shell();
    shell.send("hist\t/inv\twidget1\r").unwrap();
    shell.flush().unwrap();
    shell.exp_string("history /inventory/").unwrap();
    shell.exp_string("stored").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    shell.send_line("cd /inventory").unwrap();
    shell.exp_string("emerge:/inventory> ").unwrap();
    shell.send("call widget1 tot\t\r").unwrap();
    shell.flush().unwrap();
    shell.exp_string("call widget1 totalCost").unwrap();
    shell.exp_regex("\r\n30\r\n").unwrap();
    shell.send_control('d').unwrap();
    shell.exp_eof().unwrap();
}

#[test]
fn ctrl_c_stops_what_runs_and_the_shell_goes_on() {
    let node = Node::start();
    let mut shell = node.shell();
    // Once it has run for a moment.
    shell.send_line("call /inventory/widget1 totalCost").unwrap();
    shell.exp_regex("\r\n30\r\n").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    let begun = Instant::now();
    shell.send_line("call /inventory/widget1 forever").unwrap();
    shell.exp_string("forever").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    shell.send_control('c').unwrap();
    shell.exp_string("stopped by Ctrl-C").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "the call would have run for five");
    shell.send_line("call /inventory/widget2 totalCost").unwrap();
    shell.exp_regex("\r\n2\r\n").unwrap();
    shell.send_control('d').unwrap();
    shell.exp_eof().unwrap();
}

#[test]
fn lines_of_a_pipe_run_without_a_terminal() {
    let node = Node::start();
    let run = |lines: &str| {
        let mut child = node
            .command(&["shell"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, printed, _) = run("cd /inventory\npwd\nls\ncall widget1 totalCost\n");
    assert_eq!((code, &*printed), (0, "/inventory\nwidget1\nwidget2\n30\n"));
    let (code, printed, errors) = run("cat /nothing\nls\n");
    assert_eq!((code, &*printed), (3, "inventory/\n"), "{errors}");
    assert!(errors.contains("not_found"), "{errors}");
}

#[test]
fn other_shells_are_told_paths_and_methods() {
    let mut node = Node::start();
    // Options come after what the node has.
    assert_eq!(node.offered(&["ls", ""])[0], "/inventory/");
    assert_eq!(node.offered(&["ls", "/inv"]), ["/inventory/"]);
    assert_eq!(node.offered(&["cat", "/inventory/w"]), ["/inventory/widget1", "/inventory/widget2"]);
    assert_eq!(node.offered(&["cat", "/inventory/widget1"]), ["/inventory/widget1"]);
    assert_eq!(node.offered(&["mv", "/inventory/widget1", "/i"]), ["/inventory/"]);
    assert_eq!(node.offered(&["call", "/inventory/widget1", "to"]), ["totalCost"]);
    assert_eq!(node.offered(&["call", "/inventory", "s"]), ["sell"], "the methods of members");
    assert!(node.offered(&["cat", "/nothing/x"]).is_empty());
    assert!(node.offered(&["hist"]).contains(&"history".to_owned()));
    node.stop();
    let begun = Instant::now();
    assert!(node.offered(&["cat", "/inventory/w"]).is_empty(), "silent when nobody is there");
    assert!(begun.elapsed() < Duration::from_secs(3));
    for (shell, word) in [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")] {
        let script = node.command(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains(word) && script.contains("COMPLETE"), "{shell}: {script}");
    }
}
