//! `test`: the quick set, a part of it, or all that CI runs.

use crate::args::Args;
use crate::exec::Cmd;
use crate::node::TestNode;
use crate::report::{Counts, Report};
use crate::{attacks, build, check, fuzz, http, project, python, setup, sim};
use anyhow::{Context, Result, bail};

/// Seeds of the quick set, and of `--all`.
const QUICK_SEEDS: u64 = 100;
const ALL_SEEDS: u64 = 1000;
/// Seconds of each fuzz target with `--all`.
const FUZZ_SECONDS: u64 = 60;

const PARTS: [&str; 8] = ["rust", "web", "python", "http", "browser", "e2e", "docs", "sim"];

pub fn run(mut args: Args) -> Result<bool> {
    let all = args.switch("--all");
    let parts = args.rest();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("{unknown:?} is no part of the tests; the parts are {}", PARTS.join(", "));
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    let browser = wanted("browser") || wanted("e2e");

    let mut report = Report::new();
    let ready = report.stage("set up", || {
        setup::for_build()?;
        if browser {
            setup::for_browser_tests()?;
        }
        if all {
            setup::wasm_pack()?;
            setup::cargo_deny()?;
        }
        Ok(())
    }) && report.stage("build the sandbox, the client and the page", build::assets)
        && report.stage("build the crates", build::workspace)
        && report.stage("compile the sandboxes", || {
            Cmd::new(build::emerge_file()).args(["node", "prepare"]).run()
        });
    if !ready {
        return Ok(report.finish(true));
    }
    if all {
        check::stages(&mut report);
    }
    let is_linux = cfg!(target_os = "linux");
    if is_linux && (all || wanted("rust") || wanted("docs")) {
        report.stage("set up native Python", || python::set_up_native().map(drop));
    }
    if wanted("rust") {
        report.tests("rust tests", rust);
        report.tests("rust examples in the docs", doc);
    }
    if wanted("sim") {
        let seeds = if all { ALL_SEEDS } else { QUICK_SEEDS };
        report.tests("simulation", || sim::seeds(seeds));
        if all {
            report.tests("simulation finds the mutations", sim::mutations);
        }
    }
    if all {
        report.tests("attacks", attacks::guarded);
        report.tests("attacks without the guards", attacks::unguarded);
        report.tests("fuzzing", || fuzz::all(FUZZ_SECONDS));
    }
    if wanted("web") {
        report.tests("web tests", || npm("test"));
    }
    // The pages' tests and the examples of the guides run Python too.
    let python = ["python", "e2e", "docs"].into_iter().any(wanted)
        && report.stage("set up Python", python::set_up)
        && report.stage("build the extension for CPython", build::native);
    if python && wanted("python") {
        report.stage("Python types, stubs and style", python::check);
        report.tests("Python package in CPython", python::in_cpython);
        report.tests("Python package in Pyodide", python::in_pyodide);
    }
    if wanted("http") && report.stage("set up schemathesis", http::set_up) {
        report.tests("HTTP against its OpenAPI document", http::schemathesis);
    }
    if wanted("browser") {
        report.tests("client in a browser", || browser_tests(all));
    }
    if wanted("e2e") {
        report.tests("page in a browser", || npm("e2e"));
    }
    if wanted("docs") {
        report.tests("README", docs);
    }
    Ok(report.finish(true))
}

fn rust() -> Result<Counts> {
    if project::find_program(&["cargo-nextest"]).is_some() {
        return Cmd::new("cargo")
            .args(["nextest", "run", "--workspace", "--exclude", "emerge-python", "--no-fail-fast"])
            .env("EMERGE_NATIVE_VENV", python::native_venv())
            .run_tests();
    }
    Cmd::new("cargo")
        .args(["test", "--workspace", "--exclude", "emerge-python", "--all-targets", "--no-fail-fast"])
        .env("EMERGE_NATIVE_VENV", python::native_venv())
        .run_tests()
}

fn doc() -> Result<Counts> {
    Cmd::new("cargo")
        .args(["test", "--workspace", "--exclude", "emerge-python", "--doc", "--no-fail-fast"])
        .run_tests()
}

/// Runs a script of the npm package with the built program at hand.
pub fn npm(script: &str) -> Result<Counts> {
    let mut cmd = Cmd::new("npm").args(["run", "--silent", script, "--workspace", "www"]);
    cmd = cmd.env("EMERGE_BIN", build::emerge_file());
    if let Some(chromium) = setup::chromium() {
        cmd = cmd.env("CHROMIUM", chromium);
    }
    cmd.run_tests()
}

/// The client's tests inside a real browser, against a node of their own.
fn browser_tests(wasm_pack: bool) -> Result<Counts> {
    let driver = setup::chromedriver().context("chromedriver is missing")?;
    // The tests' page comes from a server of its own, whose origin the node must know.
    let address = free_address()?;
    let node = TestNode::start("browser", &["--allow-origin", &format!("http://{address}")])?;
    let cmd = if wasm_pack {
        Cmd::new("wasm-pack")
            .args(["test", "--headless", "--chrome", "--chromedriver"])
            .arg(&driver)
            .arg("wasm-tests")
    } else {
        Cmd::new("cargo")
            .args(["test", "--package", "emerge-wasm-tests", "--target", "wasm32-unknown-unknown"])
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner")
            .env("CHROMEDRIVER", &driver)
    };
    cmd.env("EMERGE_TEST_URL", &node.url)
        .env("EMERGE_TEST_TOKEN", &node.token)
        .env("WASM_BINDGEN_TEST_ADDRESS", &address)
        .run_tests()
}

/// An address of loopback that nobody listens on at the moment.
fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string())
}

/// Every command and example of the README, run as it stands there.
fn docs() -> Result<Counts> {
    Cmd::new("node")
        .arg("docs/run-examples.mjs")
        .env("EMERGE_BIN", build::emerge_file())
        .env("EMERGE_NATIVE_VENV", python::native_venv())
        .run_tests()
}
