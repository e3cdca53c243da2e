//! `check`: all that is known without running the tests.

use crate::args::Args;
use crate::exec::Cmd;
use crate::report::Report;
use crate::{build, codegen, project, setup, tidy};
use anyhow::{Result, bail};

pub fn run(args: Args) -> Result<bool> {
    args.finish()?;
    let mut report = Report::new();
    let ready = report.stage("set up", || setup::for_build().and_then(|()| setup::cargo_deny()))
        && report.stage("build the sandbox, the client and the page", build::assets);
    if ready {
        stages(&mut report);
    }
    Ok(report.finish(false))
}

/// The stages of `check`, which `test --all` has too.
pub fn stages(report: &mut Report) {
    report.stage("format", || Cmd::new("cargo").args(["fmt", "--all", "--check"]).run());
    report.stage("generated code", || codegen::run(project::root(), true));
    report.stage("tidy", tidy::run);
    report.stage("lint (Rust)", || {
        let clippy = Cmd::new("cargo").arg("clippy");
        clippy.clone().args(["--workspace", "--all-targets", "--", "--deny", "warnings"]).run()?;
        clippy
            .args(["--package", "emerge-wasm", "--package", "emerge-wasm-tests", "--all-targets"])
            .args(["--target", "wasm32-unknown-unknown", "--", "--deny", "warnings"])
            .run()
    });
    report.stage("types (TypeScript)", || {
        Cmd::new("npm").args(["run", "--silent", "check", "--workspace", "www"]).run()?;
        Cmd::new("tsc").args(["--project", "crates/runtime/guest/js"]).run()
    });
    report.stage("lint (TypeScript)", || Cmd::new("eslint").args(["--max-warnings", "0", "."]).run());
    report.stage("no host imports", tidy::imports::run);
    // Advisories need a database from the network, so they are not part of a check that must say the same everywhere.
    report.stage("licences, sources, bans", || {
        Cmd::new("cargo").args(["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]).run()
    });
}

/// `codegen`: writes what is generated, or with `--check` only compares.
pub fn codegen(mut args: Args) -> Result<bool> {
    let check = args.switch("--check");
    args.finish()?;
    if let Err(error) = codegen::run(project::root(), check) {
        bail!("codegen: {error:#}");
    }
    Ok(true)
}
