//! `soak`: fuzzing, seeds without end and the page's tests in a loop, for as long as one likes.

use crate::args::Args;
use crate::report::{Counts, Report};
use crate::{build, fuzz, setup, sim, test};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Seeds in one round.
const ROUND: u64 = 2000;

pub fn run(mut args: Args) -> Result<bool> {
    let minutes = args.number("--minutes")?.unwrap_or(30).max(1);
    args.finish()?;
    let third = Duration::from_secs(minutes * 20);
    let mut report = Report::new();
    let ready = report.stage("set up", || setup::for_build().and_then(|()| setup::for_browser_tests()))
        && report.stage("build", build::everything);
    if ready {
        report.tests("fuzzing", || fuzz::all(third.as_secs() / 2));
        report.tests("simulation", || until(third, |round| sim::seeds_from(round * ROUND, ROUND)));
        report.tests("page in a browser", || until(third, |_| test::npm("e2e")));
    }
    Ok(report.finish(true))
}

/// Repeats a round until the time is over or something failed; at least one round.
fn until(time: Duration, mut round: impl FnMut(u64) -> Result<Counts>) -> Result<Counts> {
    let begun = Instant::now();
    let mut total = Counts::default();
    for number in 0.. {
        total += round(number)?;
        if total.failed > 0 || begun.elapsed() >= time {
            break;
        }
    }
    Ok(total)
}
