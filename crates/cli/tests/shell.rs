//! The prompt on a terminal, and what other shells are told of a word.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{INVENTORY, Node};
use rexpect::session::{PtySession, spawn_command};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

const PATIENCE: u64 = 60_000;

/// A node with something in it.
fn stocked() -> Node {
    let node = Node::start();
    node.ok(&["store", "--from", INVENTORY]);
    node
}

/// A shell on a terminal of its own, at its first prompt.
fn prompt(node: &Node) -> PtySession {
    let mut command = node.command(&["shell"]);
    command.env("TERM", "xterm");
    let mut shell = spawn_command(command, Some(PATIENCE)).unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    shell
}

/// What another shell would offer for the last of these words.
fn offered(node: &Node, words: &[&str]) -> Vec<String> {
    let output = node
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

#[test]
fn commands_run_at_the_prompt_from_where_one_stands() {
    let node = stocked();
    let mut shell = prompt(&node);
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
    let mut again = prompt(&node);
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
    let node = stocked();
    let mut shell = prompt(&node);
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
    let node = stocked();
    let mut shell = prompt(&node);
    // Once it has run for a moment.
    shell.send_line("call /inventory/widget1 totalCost").unwrap();
    shell.exp_regex("\r\n30\r\n").unwrap();
    shell.exp_string("emerge:/> ").unwrap();
    let begun = Instant::now();
    shell.send_line("call /inventory/widget1 forever").unwrap();
    shell.exp_string("forever").unwrap();
    // The prompt lets go of the terminal before the line runs; until then Ctrl-C is a key of its own.
    shell.exp_string("\u{1b}[?2004l").unwrap();
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
    let node = stocked();
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
    let mut node = stocked();
    // Options come after what the node has.
    assert_eq!(offered(&node, &["ls", ""])[0], "/inventory/");
    assert_eq!(offered(&node, &["ls", "/inv"]), ["/inventory/"]);
    assert_eq!(offered(&node, &["cat", "/inventory/w"]), ["/inventory/widget1", "/inventory/widget2"]);
    assert_eq!(offered(&node, &["cat", "/inventory/widget1"]), ["/inventory/widget1"]);
    assert_eq!(offered(&node, &["mv", "/inventory/widget1", "/i"]), ["/inventory/"]);
    assert_eq!(offered(&node, &["call", "/inventory/widget1", "to"]), ["totalCost"]);
    assert_eq!(offered(&node, &["call", "/inventory", "s"]), ["sell"], "the methods of members");
    assert!(offered(&node, &["cat", "/nothing/x"]).is_empty());
    assert!(offered(&node, &["hist"]).contains(&"history".to_owned()));
    node.stop();
    let begun = Instant::now();
    assert!(offered(&node, &["cat", "/inventory/w"]).is_empty(), "silent when nobody is there");
    assert!(begun.elapsed() < Duration::from_secs(3));
    for (shell, word) in [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")] {
        let script = node.command(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains(word) && script.contains("COMPLETE"), "{shell}: {script}");
    }
}
