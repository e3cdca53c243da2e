//! What ran, what it took, and how it ended.

use anyhow::{Result, bail};
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// Tests counted over all runners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// The tests that a line of a runner's output reports. Known: cargo's own runner (also of wasm-bindgen), nextest,
    /// node's, `N seeds, N passed`, `N mutations, N found`, `N attacks, N contained`, and `N passed, N failed`.
    pub fn in_line(line: &str) -> Counts {
        let line = without_colour(line);
        // Nextest shows the output of a failed test again, pushed in: what stands there is counted in its summary.
        let inner = line.starts_with("    test ");
        let line = line.trim();
        let words: Vec<&str> = line.split([' ', ',', ';', ':']).filter(|word| !word.is_empty()).collect();
        let before = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
        };
        let both = || Counts {
            passed: before("passed").unwrap_or(0),
            failed: before("failed").unwrap_or(0) + before("exec").unwrap_or(0),
        };
        if line.starts_with("test result:") {
            return if inner { Counts::default() } else { both() };
        }
        if line.starts_with("Summary [") && words.contains(&"run") {
            let timed_out = words.iter().position(|word| *word == "timed").map_or(0, |at| number(&words, at));
            let counts = both();
            return Counts { failed: counts.failed + timed_out, ..counts };
        }
        match words[..] {
            ["#" | "ℹ", "pass", n] => Counts { passed: n.parse().unwrap_or(0), failed: 0 },
            ["#" | "ℹ", "fail" | "cancelled", n] => Counts { passed: 0, failed: n.parse().unwrap_or(0) },
            [_, "passed", _, "failed"] => both(),
            [all, "seeds", good, "passed"]
            | [all, "mutations", good, "found"]
            | [all, "attacks", good, "contained" | "succeed"] => {
                let (all, good) = (all.parse().unwrap_or(0), good.parse().unwrap_or(0u64));
                Counts { passed: good, failed: u64::saturating_sub(all, good) }
            }
            _ => Counts::default(),
        }
    }
}

fn number(words: &[&str], at: usize) -> u64 {
    at.checked_sub(1).and_then(|at| words[at].parse().ok()).unwrap_or(0)
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

struct Stage {
    name: String,
    took: Duration,
    counts: Option<Counts>,
    error: Option<String>,
}

/// The stages of one run of a command.
pub struct Report {
    begun: Instant,
    stages: Vec<Stage>,
}

impl Report {
    pub fn new() -> Report {
        Report { begun: Instant::now(), stages: Vec::new() }
    }

    /// Runs a stage under its heading. A failure is kept and told again at the end; gives whether it went well.
    pub fn stage(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        self.keep(name, || work().map(|()| None))
    }

    /// Runs a stage that counts tests.
    pub fn tests(&mut self, name: &str, work: impl FnOnce() -> Result<Counts>) -> bool {
        self.keep(name, || match work()? {
            Counts { passed: 0, failed: 0 } => bail!("it ran no test"),
            counts => Ok(Some(counts)),
        })
    }

    fn keep(&mut self, name: &str, work: impl FnOnce() -> Result<Option<Counts>>) -> bool {
        println!("\n== {name}");
        let begun = Instant::now();
        let (counts, error) = match work() {
            Ok(counts) => (counts, None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let took = begun.elapsed();
        let good = error.is_none() && counts.is_none_or(|counts| counts.failed == 0);
        match &error {
            Some(error) => println!("== {name} failed after {}: {error}", shown(took)),
            None if good => println!("== {name}: {}", shown(took)),
            None => println!("== {name} failed after {}", shown(took)),
        }
        self.stages.push(Stage { name: name.to_owned(), took, counts, error });
        good
    }

    /// Prints the table and the count, and tells whether all went well. With `counted`, the last line is `N passed, N failed`.
    pub fn finish(self, counted: bool) -> bool {
        let mut total = Counts::default();
        let width = self.stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0).max(5);
        println!("\n{:width$}  {:>9}  outcome", "stage", "took");
        for stage in &self.stages {
            let outcome = match (&stage.error, stage.counts) {
                (Some(_), _) => {
                    total.failed += 1;
                    "FAILED".to_owned()
                }
                (None, Some(counts)) => {
                    total += counts;
                    let word = if counts.failed > 0 { "FAILED, " } else { "" };
                    format!("{word}{} of {}", counts.passed, counts.passed + counts.failed)
                }
                (None, None) => "ok".to_owned(),
            };
            println!("{:width$}  {:>9}  {outcome}", stage.name, shown(stage.took));
        }
        println!("{:width$}  {:>9}", "total", shown(self.begun.elapsed()));
        for stage in &self.stages {
            if let Some(error) = &stage.error {
                println!("\n{}: {error}", stage.name);
            }
        }
        if counted {
            println!("\n{} passed, {} failed", total.passed, total.failed);
        }
        total.failed == 0
    }
}

/// A duration for people.
pub fn shown(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} m {:02} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_is_counted() {
        let counts = |line| {
            let Counts { passed, failed } = Counts::in_line(line);
            (passed, failed)
        };
        assert_eq!(
            counts("test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out"),
            (12, 1)
        );
        assert_eq!(
            counts("     Summary [   1.2s] 14 tests run: 12 passed (1 slow), 2 failed, 3 skipped"),
            (12, 2)
        );
        assert_eq!(
            counts(
                "\u{1b}[32m     Summary\u{1b}[0m [   0.0s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m passed, 0 skipped"
            ),
            (3, 0)
        );
        assert_eq!(counts("    test result: FAILED. 0 passed; 1 failed; 0 ignored"), (0, 0));
        assert_eq!(counts("# pass 7"), (7, 0));
        assert_eq!(counts("ℹ fail 2"), (0, 2));
        assert_eq!(counts("1000 seeds, 998 passed"), (998, 2));
        assert_eq!(counts("5 mutations, 4 found"), (4, 1));
        assert_eq!(counts("130 attacks, 130 contained"), (130, 0));
        assert_eq!(counts("9 attacks, 7 succeed"), (7, 2));
        assert_eq!(counts("9 passed, 1 failed"), (9, 1));
        assert_eq!(counts("nothing passed here"), (0, 0));
    }

    #[test]
    fn a_failed_stage_fails_the_run() {
        let mut report = Report::new();
        assert!(report.stage("good", || Ok(())));
        assert!(!report.tests("bad", || Ok(Counts { passed: 1, failed: 1 })));
        assert!(!report.tests("empty", || Ok(Counts::default())));
        assert!(!report.finish(true));
    }
}
