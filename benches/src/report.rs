//! The table and the JSON lines.

use crate::Measured;
use serde_json::{Value as Figures, json};
use std::io::Write;
use std::path::Path;

/// The figures of one question, one for each run, and what both sides did.
pub(crate) struct Answer {
    pub(crate) runs: Vec<f64>,
    pub(crate) note: String,
}

/// Numbers of one kind, `runs` at least.
pub(crate) fn numbers(figures: &Figures, key: &str, runs: usize) -> Result<Vec<f64>, String> {
    let numbers: Vec<f64> =
        figures[key].as_array().into_iter().flatten().filter_map(Figures::as_f64).collect();
    if numbers.len() < runs {
        return Err(format!("{} figures of {key} came, of {runs}", numbers.len()));
    }
    Ok(numbers)
}

impl Answer {
    /// The ratios of what both sides did, operations per second.
    pub(crate) fn of_sides(figures: &Figures, what: &str, runs: usize) -> Measured {
        let (ours, theirs) = (numbers(figures, "ours", runs)?, numbers(figures, "theirs", runs)?);
        let note = format!("{:.0} against {:.0} a second: {what}", median(&ours), median(&theirs));
        Ok(Self { runs: ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect(), note })
    }
}

struct Row {
    name: &'static str,
    floor: f64,
    aim: f64,
    /// Whether less is better: sizes.
    less: bool,
    measured: Measured,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.measured.as_ref().ok().map(|answer| median(&answer.runs))
    }

    fn reaches(&self, bound: f64) -> bool {
        self.ratio().is_some_and(|ratio| if self.less { ratio <= bound } else { ratio >= bound })
    }
}

/// All questions of this run.
pub(crate) struct Report {
    only: String,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(only: String) -> Self {
        Self { only, rows: Vec::new() }
    }

    /// Asks a question whose figure should be large.
    pub(crate) async fn ask(
        &mut self,
        name: &'static str,
        floor: f64,
        aim: f64,
        measure: impl AsyncFnOnce() -> Measured,
    ) {
        self.add(name, floor, aim, false, measure).await;
    }

    /// Asks a question whose figure should be small.
    pub(crate) async fn ask_less(
        &mut self,
        name: &'static str,
        floor: f64,
        aim: f64,
        measure: impl AsyncFnOnce() -> Measured,
    ) {
        self.add(name, floor, aim, true, measure).await;
    }

    async fn add(
        &mut self,
        name: &'static str,
        floor: f64,
        aim: f64,
        less: bool,
        measure: impl AsyncFnOnce() -> Measured,
    ) {
        if !fits(&self.only, name) {
            return;
        }
        eprintln!("{name} …");
        let measured = measure().await;
        self.rows.push(Row { name, floor, aim, less, measured });
    }

    pub(crate) fn print(&self) {
        println!("{:<28} {:>9} {:>8} {:>8}  {:<5} what was done", "question", "ratio", "floor", "aim", "");
        for row in &self.rows {
            let (ratio, note) = match &row.measured {
                Ok(answer) => (format!("{:.2}", median(&answer.runs)), answer.note.as_str()),
                Err(why) => ("-".into(), why.as_str()),
            };
            let verdict = if row.reaches(row.floor) { "pass" } else { "short" };
            let sign = if row.less { "<=" } else { "" };
            println!(
                "{:<28} {ratio:>9} {:>8} {:>8}  {verdict:<5} {note}",
                row.name,
                format!("{sign}{}", row.floor),
                format!("{sign}{}", row.aim)
            );
        }
    }

    pub(crate) fn write(&self, file: &Path) -> std::io::Result<()> {
        let mut out = std::fs::File::create(file)?;
        for row in &self.rows {
            let (runs, error) = match &row.measured {
                Ok(answer) => (answer.runs.clone(), None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let line = json!({
                "name": row.name, "ratio": row.ratio(), "target": row.floor, "aim": row.aim,
                "pass": row.reaches(row.floor), "runs": runs, "less_is_better": row.less, "error": error,
            });
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    pub(crate) fn all_pass(&self) -> bool {
        self.rows.iter().all(|row| row.reaches(row.floor))
    }
}

/// The middle of the figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(
            fits("*", "main/page-get")
                && fits("main/page-*", "main/page-get")
                && fits("*get", "main/page-get")
        );
        assert!(!fits("main/page", "main/page-get") && !fits("*set", "main/page-get"));
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
