//! `attacks`: named attacks on a real node.

use crate::args::Args;
use crate::build;
use crate::exec::Cmd;
use crate::python;
use crate::report::Counts;
use anyhow::Result;

pub fn run(mut args: Args) -> Result<bool> {
    let off = args.switch("--guards-off");
    let list = args.switch("--list");
    let only = args.value("--only")?;
    args.finish()?;
    if !list {
        build::assets()?;
        if cfg!(target_os = "linux") {
            python::set_up_native()?;
        }
    }
    let mut words: Vec<&str> = only.iter().flat_map(|only| ["--only", only.as_str()]).collect();
    words.extend(list.then_some("--list"));
    Ok(suite(off, &words)?.failed == 0)
}

/// Runs all of them against a node with all its guards.
pub fn guarded() -> Result<Counts> {
    suite(false, &[])
}

/// Takes each guard away, and shows that its attacks succeed then.
pub fn unguarded() -> Result<Counts> {
    suite(true, &[])
}

fn suite(off: bool, words: &[&str]) -> Result<Counts> {
    let mut cmd = Cmd::new("cargo").args(["run", "--quiet", "--package", "emerge-attacks"]);
    cmd = cmd.env("EMERGE_NATIVE_VENV", python::native_venv());
    if off {
        cmd = cmd.args(["--features", "guards-off"]);
    }
    cmd = cmd.arg("--").args(words);
    if off {
        cmd = cmd.arg("--guards-off");
    }
    cmd.run_tests()
}
