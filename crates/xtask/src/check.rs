//! `check`: all that is known without running the tests.

use crate::args::Args;
use crate::exec::Cmd;
use crate::report::Report;
use crate::{build, codegen, project, setup, tidy};
use anyhow::{Result, bail};

pub fn run(mut args: Args) -> Result<bool> {
    let parts = args.rest();
    if let Some(unknown) = parts.iter().find(|part| !STAGES.iter().any(|stage| stage.name == **part)) {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("{unknown:?} is no check; the checks are {}", names.join(", "));
    }
    let mut report = Report::new();
    let all = parts.is_empty();
    let ready = report.stage("set up", || {
        setup::for_build()?;
        if all || parts.iter().any(|part| part == "deny") { setup::cargo_deny() } else { Ok(()) }
    }) && (!all || report.stage("build the sandbox, the client and the page", build::assets));
    if ready {
        for stage in STAGES.iter().filter(|stage| all || parts.iter().any(|part| part == stage.name)) {
            report.stage(stage.about, stage.run);
        }
    }
    Ok(report.finish(false))
}

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: [Stage; 8] = [
    Stage {
        name: "format",
        about: "format",
        run: || Cmd::new("cargo").args(["fmt", "--all", "--check"]).run(),
    },
    Stage { name: "codegen", about: "generated code", run: || codegen::run(project::root(), true) },
    Stage { name: "tidy", about: "tidy", run: tidy::run },
    Stage {
        name: "clippy",
        about: "lint (Rust)",
        run: || {
            let clippy = Cmd::new("cargo").arg("clippy");
            clippy.clone().args(["--workspace", "--all-targets", "--", "--deny", "warnings"]).run()?;
            clippy
                .args(["--package", "emerge-wasm", "--package", "emerge-wasm-tests", "--all-targets"])
                .args(["--target", "wasm32-unknown-unknown", "--", "--deny", "warnings"])
                .run()
        },
    },
    Stage {
        name: "types",
        about: "types (TypeScript)",
        run: || {
            Cmd::new("npm").args(["run", "--silent", "check", "--workspace", "www"]).run()?;
            Cmd::new("tsc").args(["--project", "crates/runtime/guest/js"]).run()
        },
    },
    Stage {
        name: "eslint",
        about: "lint (TypeScript)",
        run: || Cmd::new("eslint").args(["--max-warnings", "0", "."]).run(),
    },
    Stage { name: "imports", about: "no host imports", run: tidy::imports::run },
    // Advisories need a database from the network, so they are no part of a check that must say the same everywhere.
    Stage {
        name: "deny",
        about: "licences, sources, bans",
        run: || {
            Cmd::new("cargo")
                .args(["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
                .run()
        },
    },
];

/// The stages of `check`, which `test --all` has too.
pub fn stages(report: &mut Report) {
    for stage in &STAGES {
        report.stage(stage.about, stage.run);
    }
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
