//! `dist`: what is given to others: the program, the npm package, and the wheels for CPython and for Pyodide.

use crate::args::Args;
use crate::exec::Cmd;
use crate::report::Report;
use crate::{build, project, setup};
use anyhow::{Context, Result};

pub fn run(args: Args) -> Result<bool> {
    args.finish()?;
    let dist = project::root().join("dist");
    let mut report = Report::new();
    let good = report.stage("set up", setup::for_build)
        && report.stage("build the sandbox, the client and the page", build::assets)
        && report.stage("build the program for speed", || {
            Cmd::new("cargo")
                .args([
                    "build",
                    "--release",
                    "--package",
                    "emerge-cli",
                    "--features",
                    "emerge-runtime/embed-guests",
                ])
                .run()
        })
        && report.stage("pack", || {
            std::fs::create_dir_all(&dist)?;
            std::fs::copy(build::release_file("emerge"), dist.join("emerge")).context("dist/emerge")?;
            Cmd::new("npm")
                .args(["pack", "--silent", "--workspace", "www", "--pack-destination"])
                .arg(&dist)
                .run()?;
            build::native_wheel(&dist, "release")?;
            let wheel = build::wheel_file();
            std::fs::copy(&wheel, dist.join(wheel.file_name().unwrap_or_default())).context("dist")?;
            for entry in std::fs::read_dir(&dist)? {
                let entry = entry?;
                println!(
                    "   dist/{}  {} KB",
                    entry.file_name().to_string_lossy(),
                    entry.metadata()?.len() / 1024
                );
            }
            Ok(())
        });
    Ok(report.finish(false) && good)
}
