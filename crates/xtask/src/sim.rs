//! `sim`: the simulator.

use crate::args::Args;
use crate::exec::Cmd;
use crate::report::Counts;
use anyhow::{Result, bail};

/// How many seeds `sim` runs when it is not told.
const SEEDS: u64 = 1000;

pub fn run(mut args: Args) -> Result<bool> {
    let seeds = args.number("--seeds")?;
    let seed = args.number("--seed")?;
    let mutants = args.switch("--mutations");
    args.finish()?;
    if [seeds.is_some(), seed.is_some(), mutants].into_iter().filter(|given| *given).count() > 1 {
        bail!("give one of --seeds, --seed and --mutations");
    }
    let counts = match (seed, mutants) {
        (Some(seed), _) => simulator(&["--seed", &seed.to_string()], false)?,
        (None, true) => mutations()?,
        (None, false) => self::seeds(seeds.unwrap_or(SEEDS))?,
    };
    Ok(counts.failed == 0)
}

/// Runs the first `count` seeds.
pub fn seeds(count: u64) -> Result<Counts> {
    simulator(&["--seeds", &count.to_string()], false)
}

/// Runs `count` seeds from `first` on.
pub fn seeds_from(first: u64, count: u64) -> Result<Counts> {
    simulator(&["--from", &first.to_string(), "--seeds", &count.to_string()], false)
}

/// Shows that each deliberate defect is found.
pub fn mutations() -> Result<Counts> {
    simulator(&["--mutations"], true)
}

fn simulator(words: &[&str], mutations: bool) -> Result<Counts> {
    let mut cmd = Cmd::new("cargo").args(["run", "--quiet", "--package", "emerge-sim"]);
    if mutations {
        cmd = cmd.args(["--features", "mutations"]);
    }
    cmd.arg("--").args(words).run_tests()
}
