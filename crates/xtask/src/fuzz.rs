//! `fuzz`: the targets of `crates/fuzz`, by cargo-fuzz.
//!
//! A target is led by what it covers, and begins with the vectors, the seeds of the repository and what earlier runs here found new. No sanitizer: that
//! would need a nightly compiler, and nothing that is fuzzed is `unsafe`; debug assertions and checks for overflow are on.

use crate::args::Args;
use crate::exec::{Cmd, Running};
use crate::report::Counts;
use crate::{project, setup};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The room of the targets, from the workspace's root.
const ROOM: &str = "crates/fuzz";
/// As `emerge_fuzz::TARGETS` has them.
const TARGETS: [&str; 4] = ["frames", "paths", "lambdas", "worker"];
/// Seconds for each target when nobody says how many.
const SECONDS: u64 = 600;
/// How many run at once.
const AT_ONCE: usize = 2;
/// Bytes of an input.
const MAX_INPUT: usize = 4096;

pub fn run(mut args: Args) -> Result<bool> {
    let seconds = args.number("--seconds")?.unwrap_or(SECONDS).max(1);
    let only = args.value("--only")?;
    args.finish()?;
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|target| only.as_deref().is_none_or(|only| only == *target)).collect();
    if targets.is_empty() {
        bail!("--only: the targets are {}", TARGETS.join(", "));
    }
    Ok(these(&targets, seconds)?.failed == 0)
}

/// Runs each target for some seconds; counts targets.
pub fn all(seconds: u64) -> Result<Counts> {
    these(&TARGETS, seconds)
}

fn these(targets: &[&str], seconds: u64) -> Result<Counts> {
    setup::cargo_fuzz()?;
    fuzzer(&["build", "--sanitizer", "none"]).run()?;
    vectors()?;
    let mut counts = Counts::default();
    for some in targets.chunks(AT_ONCE) {
        let running: Vec<(&str, Running)> =
            some.iter().map(|target| Ok((*target, start(target, seconds)?))).collect::<Result<_>>()?;
        for (target, mut running) in running {
            let held = running.wait()?.success();
            counts += Counts { passed: held.into(), failed: (!held).into() };
            report(target, held)?;
        }
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(counts)
}

/// Where everything of the fuzzers is that is not kept.
fn folder() -> PathBuf {
    project::target().join("fuzz")
}

fn fuzzer(words: &[&str]) -> Cmd {
    let (command, options) = words.split_first().map_or(("", words), |(first, rest)| (*first, rest));
    Cmd::new("cargo")
        .args(["fuzz", command, "--fuzz-dir", ROOM])
        .arg("--target-dir")
        .arg(folder().join("build"))
        .args(options)
}

fn log_of(target: &str) -> PathBuf {
    folder().join(format!("{target}.log"))
}

fn start(target: &str, seconds: u64) -> Result<Running> {
    // What is new goes into the first folder; the others are only read.
    let found = folder().join("corpus").join(target);
    let room = project::root().join(ROOM);
    let crashes = room.join("crashes").join(target);
    let mut folders = vec![found];
    folders.push(crashes.clone());
    folders.extend([room.join("seeds").join(target), folder().join("vectors").join(target)]);
    for folder in &folders {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let words = room.join("words").join(format!("{target}.dict"));
    let mut cmd = fuzzer(&["run", "--sanitizer", "none", target]).args(&folders).arg("--");
    if words.is_file() {
        cmd = cmd.arg(format!("-dict={}", words.display()));
    }
    cmd = cmd
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_INPUT}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    println!("   $ {}", cmd.shown());
    cmd.spawn_into(File::create(log_of(target))?)
}

/// Says in a line what a target did; of one that broke all that it said.
fn report(target: &str, held: bool) -> Result<()> {
    let log = fs::read(log_of(target))?;
    let log = String::from_utf8_lossy(&log);
    if !held {
        println!("{log}");
        println!(
            "   {target} broke; its input is kept in {ROOM}/crashes/{target}, and runs first from now on"
        );
        return Ok(());
    }
    let number = |name: &str| {
        let line = log.lines().rev().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    let covered = log.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "cov:")?;
        words.get(at + 1).map(|points| (*points).to_owned())
    });
    let covered = covered.unwrap_or_default();
    let inputs = number("stat::number_of_executed_units:");
    println!("   {target}: {inputs} inputs, {covered} points covered, nothing broke");
    Ok(())
}

/// The bytes of the protocol's vectors, good and bad, are what the decoders begin with.
fn vectors() -> Result<()> {
    let into = folder().join("vectors").join("frames");
    fs::create_dir_all(&into)?;
    for name in ["values", "bad-values", "frames", "records", "bad-messages"] {
        let file = project::root().join(format!("crates/proto/vectors/{name}.json"));
        for (number, bytes) in hex_in(&file)?.into_iter().enumerate() {
            fs::write(into.join(format!("{name}-{number}")), bytes)?;
        }
    }
    Ok(())
}

/// What stands under `hex` in each case of a file of vectors.
fn hex_in(file: &Path) -> Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(file).with_context(|| project::short(file))?;
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).with_context(|| project::short(file))?;
    let bytes = |case: &serde_json::Value| -> Option<Vec<u8>> {
        let hex = case["hex"].as_str()?;
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
    };
    cases
        .iter()
        .map(|case| bytes(case).with_context(|| format!("{}: a case without hex", project::short(file))))
        .collect()
}
