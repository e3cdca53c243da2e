//! `bench`: the questions of `benches/`, each against its baseline in the same run.

use crate::args::Args;
use crate::exec::Cmd;
use crate::report::Report;
use crate::{build, python, setup};
use anyhow::Result;

pub fn run(mut args: Args) -> Result<bool> {
    let words = args.rest();
    let mut report = Report::new();
    let ready = report.stage("set up", || {
        setup::for_build()?;
        setup::for_browser_tests()?;
        // The bench itself says which questions it leaves out for want of a peer.
        for peer in [setup::redis, setup::postgres] {
            let _ = peer().map_err(|error| println!("   {error:#}"));
        }
        Ok(())
    }) && report.stage("build the sandbox, the client and the page", build::assets)
        && report.stage("build for speed", || {
            Cmd::new("cargo")
                .args(["build", "--release", "--package", "emerge-cli", "--package", "emerge-bench"])
                .args(["--features", "emerge-runtime/embed-guests"])
                .run()
        });
    if !ready {
        return Ok(report.finish(false));
    }
    let mut python = None;
    // The bench itself says which questions it leaves out for want of Python.
    report.stage("set up Python's client and its peers", || {
        python = Some(python::for_bench()?);
        Ok(())
    });
    if cfg!(target_os = "linux") {
        report.stage("set up native Python", || python::set_up_native().map(drop));
    }
    let mut cmd = Cmd::new(build::release_file("emerge-bench"))
        .env("EMERGE_NATIVE_VENV", python::native_venv())
        .args(words)
        .env("EMERGE_BIN", build::release_file("emerge"));
    if let Some(chromium) = setup::chromium() {
        cmd = cmd.env("CHROMIUM", chromium);
    }
    if let Some((program, package)) = python {
        cmd = cmd.env("EMERGE_BENCH_PYTHON", program).env("PYTHONPATH", package);
    }
    println!("\n== bench\n   $ {}", cmd.shown());
    Ok(cmd.spawn()?.wait()?.success())
}
