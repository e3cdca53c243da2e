//! Child processes: announced, counted, and never left behind.

use crate::project;
use crate::report::Counts;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The process groups that run now. Each child leads a group of its own, so that what it started ends with it.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(8);

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(group: u32, signal: Signal) -> bool {
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| kill_process_group(group, signal).is_ok())
}

/// On Ctrl-C or a request to end: ends the children first.
pub fn end_children_on_signal() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for Ctrl-C")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            end_children();
            // When the only child was a node that stopped as asked, the main thread reports how it ended.
            std::thread::sleep(Duration::from_millis(300));
            std::process::exit(130);
        }
    });
    Ok(())
}

fn end_children() {
    let groups: Vec<u32> = running().iter().copied().collect();
    for group in &groups {
        signal(*group, Signal::TERM);
    }
    let asked = Instant::now();
    while asked.elapsed() < GRACE && !running().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    for group in running().iter() {
        signal(*group, Signal::KILL);
    }
}

/// A running child. Dropping it ends it, and all that it started.
pub struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    /// What it prints, when that was asked for.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        self.forget();
        Ok(status)
    }

    fn forget(&mut self) {
        if !self.ended {
            self.ended = true;
            // What it left in its group ends too.
            signal(self.child.id(), Signal::TERM);
            running().remove(&self.child.id());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        signal(self.child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                self.forget();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(self.child.id(), Signal::KILL);
        let _ = self.child.wait();
        self.forget();
    }
}

/// A command line.
#[derive(Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    folder: Option<std::path::PathBuf>,
}

impl Cmd {
    pub fn new(program: impl AsRef<OsStr>) -> Cmd {
        Cmd { program: program.as_ref().to_owned(), args: Vec::new(), envs: Vec::new(), folder: None }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cmd {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Cmd {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder below the root, and not in the root.
    pub fn within(mut self, folder: &str) -> Cmd {
        self.folder = Some(folder.into());
        self
    }

    /// The line that a person could type to do the same.
    pub fn shown(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if let Some(folder) = &self.folder {
            words.push(format!("cd {} &&", folder.display()));
        }
        for (name, value) in &self.envs {
            words.push(format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
        for word in std::iter::once(&self.program).chain(&self.args) {
            words.push(quoted(&word.to_string_lossy()));
        }
        words.join(" ")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.envs.iter().cloned());
        command.current_dir(
            self.folder
                .as_ref()
                .map_or_else(|| project::root().to_owned(), |below| project::root().join(below)),
        );
        command.stdin(Stdio::null()).process_group(0);
        // The project's own tools and those of its npm packages come before what else is installed.
        let mut path = vec![project::tools().join("bin"), project::root().join("node_modules/.bin")];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        if let Ok(path) = std::env::join_paths(path)
            && !self.envs.iter().any(|(name, _)| name == "PATH")
        {
            command.env("PATH", path);
        }
        // Cargo sets these for the program that it runs; handed on they would make every nested cargo build anew.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    fn spawn_as(&self, mut command: Command) -> Result<Running> {
        let child = command.spawn().with_context(|| format!("cannot start: {}", self.shown()))?;
        running().insert(child.id());
        Ok(Running { child, ended: false })
    }

    /// Starts it with its output to be read.
    pub fn spawn_reading(&self) -> Result<Running> {
        let mut command = self.command();
        command.stdout(Stdio::piped());
        self.spawn_as(command)
    }

    /// Starts it with a file for all that it prints.
    pub fn spawn_into(&self, file: std::fs::File) -> Result<Running> {
        let mut command = self.command();
        command.stdout(file.try_clone()?).stderr(file);
        self.spawn_as(command)
    }

    /// Starts it with the terminal's output as its own.
    pub fn spawn(&self) -> Result<Running> {
        self.spawn_as(self.command())
    }

    /// Announces it, runs it, and fails with its line when it fails.
    pub fn run(&self) -> Result<()> {
        println!("   $ {}", self.shown());
        let status = self.spawn()?.wait()?;
        self.judge(status)
    }

    fn judge(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("failed ({status}): {}", self.shown());
        }
        Ok(())
    }

    /// Runs it silently and gives what it printed.
    pub fn output(&self) -> Result<String> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = self.spawn_as(command)?;
        let mut complaint = running.child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(pipe) = &mut complaint {
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut text = Vec::new();
        if let Some(mut pipe) = running.stdout() {
            pipe.read_to_end(&mut text)?;
        }
        let status = running.wait()?;
        let complaint = reader.join().unwrap_or_default();
        if !status.success() {
            bail!("failed ({status}): {}\n{complaint}", self.shown());
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Announces it and runs it, passing on what it prints and counting the tests that it reports.
    pub fn run_tests(&self) -> Result<Counts> {
        println!("   $ {}", self.shown());
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if std::io::stdout().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        let mut running = self.spawn_as(command)?;
        let out = running.child.stdout.take();
        let err = running.child.stderr.take();
        let errors = std::thread::spawn(move || err.map(|pipe| pass_on(pipe, std::io::stderr())));
        let mut counts = out.map(|pipe| pass_on(pipe, std::io::stdout())).unwrap_or_default();
        let status = running.wait()?;
        counts += errors.join().ok().flatten().unwrap_or_default();
        if !status.success() {
            counts.failed = counts.failed.max(1);
            eprintln!("   failed ({status}): {}", self.shown());
        }
        Ok(counts)
    }
}

fn pass_on(pipe: impl Read, mut to: impl Write) -> Counts {
    let mut counts = Counts::default();
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let _ = to.write_all(&line);
        let _ = to.flush();
        counts += Counts::in_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    counts
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed() {
        let cmd = Cmd::new("cargo").args(["run", "a b", "it's"]).env("X", "1 2");
        assert_eq!(cmd.shown(), r"X='1 2' cargo run 'a b' 'it'\''s'");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = Cmd::new("sh").args(["-c", "echo why >&2; exit 3"]).output().unwrap_err().to_string();
        assert!(error.contains("why") && error.contains("exit 3"), "{error}");
    }

    #[test]
    fn a_dropped_child_is_gone_with_what_it_started() {
        let mut running = Cmd::new("sh").args(["-c", "sleep 1000 & echo $!; wait"]).spawn_reading().unwrap();
        let mut line = String::new();
        BufReader::new(running.stdout().unwrap()).read_line(&mut line).unwrap();
        drop(running);
        let sleeper = format!("/proc/{}/stat", line.trim());
        let gone = || std::fs::read_to_string(&sleeper).map_or(true, |stat| stat.contains(") Z "));
        let begun = Instant::now();
        while !gone() && begun.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone());
    }
}
