//! The build steps; each is skipped while nothing that it reads has changed.

use crate::args::Args;
use crate::exec::Cmd;
use crate::fresh::Step;
use crate::report::Report;
use crate::{project, setup};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

const WASM: &str = "wasm32-unknown-unknown";

/// Where the node of a development build, and one that carries its guests, find them; `CARGO_TARGET_DIR` does not move it.
fn guests() -> PathBuf {
    project::root().join("target/guests")
}

/// The `emerge` program of the profile that tests and `start` use.
pub fn emerge_file() -> PathBuf {
    project::target().join("debug/emerge")
}

/// A program of the release profile.
pub fn release_file(name: &str) -> PathBuf {
    project::target().join("release").join(name)
}

/// `build`: the parts that are named, or all.
pub fn run(mut args: Args) -> Result<bool> {
    type Step = fn() -> Result<()>;
    const PARTS: [(&str, Step); 7] = [
        ("guest", guest),
        ("classes", classes),
        ("wasm", wasm),
        ("wheel", wheel),
        ("native", native),
        ("www", www),
        ("program", emerge),
    ];
    let wanted = args.rest();
    if let Some(unknown) = wanted.iter().find(|word| !PARTS.iter().any(|(name, _)| name == word)) {
        bail!("{unknown:?} is no part; the parts are {}", PARTS.map(|(name, _)| name).join(", "));
    }
    let mut report = Report::new();
    report.stage("set up", setup::for_build);
    for (name, build) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            report.stage(name, build);
        }
    }
    Ok(report.finish(false))
}

/// The guest, the client's wasm, the page and the `emerge` program.
pub fn everything() -> Result<()> {
    assets()?;
    emerge()
}

/// All that the `emerge` program carries or serves.
pub fn assets() -> Result<()> {
    guest()?;
    classes()?;
    wasm()?;
    wheel()?;
    www()
}

fn say(name: &str, ran: bool) {
    println!("   {name}: {}", if ran { "built" } else { "fresh" });
}

/// Builds QuickJS to wasm, and the prelude that it evaluates first (`crates/runtime/guest/README.md`).
pub fn guest() -> Result<()> {
    let module = guests().join("javascript.wasm");
    let facts = [Cmd::new("clang").arg("-dumpversion").output()?, rustc()?];
    let inputs = [
        "crates/runtime/guest/Cargo.toml",
        "crates/runtime/guest/Cargo.lock",
        "crates/runtime/guest/build.rs",
        "crates/runtime/guest/src",
        MARKS,
    ];
    let step = Step { name: "guest", inputs: &inputs, facts: &facts, outputs: std::slice::from_ref(&module) };
    let ran = step.run(|| {
        println!("   building the JavaScript sandbox (once; about a minute)");
        let out = project::target().join("guest-build");
        Cmd::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--target", WASM])
            .args(["--manifest-path", "crates/runtime/guest/Cargo.toml", "--target-dir"])
            .arg(&out)
            .env("CC_wasm32_unknown_unknown", "clang")
            .env("AR_wasm32_unknown_unknown", setup::llvm_ar().context("llvm-ar is missing")?)
            .run()?;
        mark(&out.join(WASM).join("release/javascript.wasm"), &module)
    })?;
    say("JavaScript sandbox", ran);

    let prelude = guests().join("prelude.js");
    let step = Step {
        name: "prelude",
        inputs: &["crates/runtime/guest/js", "www/src", "package-lock.json"],
        facts: &PRELUDE.map(str::to_owned),
        outputs: std::slice::from_ref(&prelude),
    };
    let ran = step.run(|| {
        let outfile = format!("--outfile={}", prelude.display());
        Cmd::new("esbuild").args(PRELUDE).args(["--log-level=warning", &outfile]).run()
    })?;
    say("JavaScript prelude", ran);
    python_guest()
}

/// The program that makes a guest note what it writes.
const MARKS: &str = "crates/runtime/guest-marks";

fn mark(plain: &Path, marked: &Path) -> Result<()> {
    Cmd::new("cargo")
        .args(["run", "--quiet", "--release", "--locked"])
        .args(["--manifest-path", &format!("{MARKS}/Cargo.toml"), "--target-dir"])
        .arg(project::target().join("guest-marks"))
        .arg("--")
        .args([plain, marked])
        .run()
}

/// The builder of Python components; it carries the CPython that goes into the guest.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// Builds CPython with the guest's program and the Python package to a component.
fn python_guest() -> Result<()> {
    let component = guests().join("python.wasm");
    let step = Step {
        name: "python-guest",
        inputs: &["crates/runtime/guest-python", "pyodide/src/emerge", MARKS],
        facts: &[COMPONENTIZE_PY.to_owned()],
        outputs: std::slice::from_ref(&component),
    };
    let ran = step.run(|| {
        println!("   building the Python sandbox (half a minute)");
        let builder =
            setup::python_with(COMPONENTIZE_PY, &[COMPONENTIZE_PY])?.with_file_name("componentize-py");
        let guest = "crates/runtime/guest-python";
        // All that lies in a folder goes into the component, so that it gets one with nothing but the sources.
        let sources = project::target().join("guest-python");
        python_sources(&sources)?;
        let plain = project::target().join("guest-python.wasm");
        Cmd::new(builder)
            .args([
                "-d",
                &format!("{guest}/wit"),
                "-w",
                "guest",
                "componentize",
                "-p",
                &format!("{guest}/app"),
            ])
            .arg("-p")
            .arg(&sources)
            .args(["app", "-o"])
            .arg(&plain)
            .run()?;
        mark(&plain, &component)
    })?;
    say("Python sandbox", ran);
    Ok(())
}

/// Builds the classes in Rust that are examples and tests, into `target/classes`.
fn classes() -> Result<()> {
    const NAMES: [&str; 4] = ["account", "counter", "purse", "sample"];
    let module = |folder: &Path, name: &str| folder.join(name).with_extension("wasm");
    let folder = project::root().join("target/classes");
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "crates/proto/Cargo.toml",
        "crates/proto/src",
        "crates/class",
        "crates/class-macros",
    ];
    let outputs = NAMES.map(|name| module(&folder, name));
    let ran = Step { name: "classes", inputs: &inputs, facts: &[rustc()?], outputs: &outputs }.run(|| {
        Cmd::new("cargo")
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "emerge-class",
                "--examples",
                "--profile",
                "wasm",
            ])
            .args(["--target", WASM])
            .run()?;
        let built = project::target().join(WASM).join("wasm/examples");
        NAMES.iter().try_for_each(|name| copy(&module(&built, name), &module(&folder, name)))
    })?;
    say("classes in Rust", ran);
    Ok(())
}

const PRELUDE: [&str; 10] = [
    "crates/runtime/guest/js/main.ts",
    "--bundle",
    "--format=iife",
    "--global-name=prelude",
    "--target=es2023",
    "--minify-whitespace",
    "--minify-syntax",
    "--inject:crates/runtime/guest/js/text.ts",
    "--banner:js=(() => {",
    "--footer:js=return prelude.default })()",
];

/// Builds the client's wasm and its JavaScript into `www/pkg`.
pub fn wasm() -> Result<()> {
    let pkg = project::root().join("www/pkg");
    let module = pkg.join("emerge_wasm_bg.wasm");
    let outputs = [module.clone(), pkg.join("emerge_wasm.js"), pkg.join("emerge_wasm.d.ts")];
    let facts = [rustc()?, project::locked_version("wasm-bindgen")?];
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "package-lock.json",
        "crates/proto/Cargo.toml",
        "crates/proto/src",
        "crates/client/Cargo.toml",
        "crates/client/src",
        "crates/wasm",
    ];
    let ran = Step { name: "wasm", inputs: &inputs, facts: &facts, outputs: &outputs }.run(|| {
        setup::wasm_bindgen()?;
        Cmd::new("cargo")
            .args(["build", "--quiet", "--profile", "wasm", "--package", "emerge-wasm", "--target", WASM])
            .run()?;
        let built = project::target().join(WASM).join("wasm/emerge_wasm.wasm");
        Cmd::new("wasm-bindgen")
            .args(["--target", "web", "--remove-name-section", "--remove-producers-section", "--out-dir"])
            .arg(&pkg)
            .arg(built)
            .run()?;
        Cmd::new("wasm-opt").args(["-O3", "-o"]).arg(&module).arg(&module).run()
    })?;
    say("client wasm", ran);
    Ok(())
}

/// The wheel for Pyodide.
pub fn wheel_file() -> PathBuf {
    project::root().join("target/wheels/emerge-0.1.0-py3-none-pyemscripten_2026_0_wasm32.whl")
}

/// Builds the wheel for Pyodide into `target/wheels`: the Python package, the client's wasm and the JavaScript that loads it.
pub fn wheel() -> Result<()> {
    let out = project::root().join("target/wheels");
    let facts = [rustc()?, project::locked_version("wasm-bindgen")?];
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "crates/proto/src",
        "crates/client/src",
        "crates/pickle/src",
        "crates/wasm",
        "pyodide/pack.py",
        "pyodide/src",
    ];
    let ran = Step { name: "wheel", inputs: &inputs, facts: &facts, outputs: &[wheel_file()] }.run(|| {
        setup::wasm_bindgen()?;
        // A folder of its own, so that the features of one build do not undo the other.
        let build = project::target().join("wheel-build");
        Cmd::new("cargo")
            .args([
                "build",
                "--quiet",
                "--profile",
                "wasm",
                "--package",
                "emerge-wasm",
                "--features",
                "pickle",
            ])
            .args(["--target", WASM, "--target-dir"])
            .arg(&build)
            .run()?;
        let pkg = build.join("pkg");
        Cmd::new("wasm-bindgen")
            .args(["--target", "no-modules", "--no-typescript"])
            .args(["--remove-name-section", "--remove-producers-section", "--out-dir"])
            .arg(&pkg)
            .arg(build.join(WASM).join("wasm/emerge_wasm.wasm"))
            .run()?;
        let module = pkg.join("emerge_wasm_bg.wasm");
        Cmd::new("wasm-opt").args(["-O3", "-o"]).arg(&module).arg(&module).run()?;
        Cmd::new("python3")
            .arg("pyodide/pack.py")
            .arg(&out)
            .arg(pkg.join("emerge_wasm.js"))
            .arg(&module)
            .run()
    })?;
    say("wheel for Pyodide", ran);
    Ok(())
}

const MATURIN: &str = "maturin==1.16.0";
const EXTENSION: &str = "emerge/_native.abi3.so";

/// Where the wheel for CPython lies that tests install and a developer can; its name tells the platform.
fn native_wheels() -> PathBuf {
    project::root().join("target/python-wheels")
}

/// The wheel for CPython that [`native`] has built.
pub fn native_wheel_file() -> Result<PathBuf> {
    wheel_in(&native_wheels())
}

fn wheel_in(folder: &Path) -> Result<PathBuf> {
    let files = std::fs::read_dir(folder).with_context(|| project::short(folder))?;
    let wheels: Vec<PathBuf> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|kind| kind == "whl") && is_native(file))
        .collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        _ => bail!("{} holds {} wheels for CPython and not one", project::short(folder), wheels.len()),
    }
}

fn is_native(wheel: &Path) -> bool {
    wheel.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("-cp310-abi3-"))
}

/// Builds the wheel for CPython 3.10 and later into a folder, in place of an earlier one.
pub fn native_wheel(folder: &Path, profile: &str) -> Result<PathBuf> {
    let maturin = setup::python_with("maturin", &[MATURIN])?.with_file_name("maturin");
    if let Ok(earlier) = wheel_in(folder) {
        std::fs::remove_file(&earlier).with_context(|| project::short(&earlier))?;
    }
    Cmd::new(maturin)
        .args(["build", "--quiet", "--profile", profile, "--out"])
        .arg(folder)
        .arg("--target-dir")
        .arg(project::target())
        .within("pyodide")
        .run()?;
    wheel_in(folder)
}

/// Builds the wheel for CPython, and puts its extension module where the package of this repository finds it: so it is compiled once.
pub fn native() -> Result<()> {
    let extension = project::root().join("pyodide/src").join(EXTENSION);
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        "crates/proto/src",
        "crates/client/src",
        "crates/pickle/src",
        "crates/python",
        "pyodide/pyproject.toml",
        "pyodide/src",
    ];
    let facts = [rustc()?, MATURIN.to_owned()];
    let step =
        Step { name: "native", inputs: &inputs, facts: &facts, outputs: std::slice::from_ref(&extension) };
    let ran = step.run(|| {
        let wheel = native_wheel(&native_wheels(), "dev")?;
        let unpacked = project::target().join("native");
        Cmd::new("python3").args(["-m", "zipfile", "--extract"]).arg(wheel).arg(&unpacked).run()?;
        copy(&unpacked.join(EXTENSION), &extension)
    })?;
    say("wheel for CPython", ran);
    Ok(())
}

/// Puts the Python package below a folder, with its extension module built for speed.
pub fn native_for_speed(folder: &Path) -> Result<()> {
    Cmd::new("cargo").args(["build", "--release", "--package", "emerge-python"]).run()?;
    python_sources(folder)?;
    copy(&release_file("lib_native.so"), &folder.join("emerge/_native.abi3.so"))
}

/// Puts the sources of the Python package, and nothing else, below a folder.
fn python_sources(folder: &Path) -> Result<()> {
    // What is not there has not to be removed.
    let _ = std::fs::remove_dir_all(folder);
    for entry in std::fs::read_dir(project::root().join("pyodide/src/emerge"))? {
        let file = entry?.path();
        if let (Some(name), Some("py")) = (file.file_name(), file.extension().and_then(|kind| kind.to_str()))
        {
            copy(&file, &folder.join("emerge").join(name))?;
        }
    }
    Ok(())
}

/// Builds the npm package and the page into `www/dist`.
pub fn www() -> Result<()> {
    let dist = project::root().join("www/dist");
    let inputs = ["package-lock.json", "www", "www/pkg", "target/wheels"];
    let ran = Step { name: "www", inputs: &inputs, facts: &[], outputs: &[dist.join("index.html"), dist] }
        .run(|| Cmd::new("npm").args(["run", "--silent", "build", "--workspace", "www"]).run())?;
    say("page", ran);
    Ok(())
}

/// Builds the `emerge` program.
pub fn emerge() -> Result<()> {
    Cmd::new("cargo").args(["build", "--package", "emerge-cli"]).run()
}

/// Builds all crates, their tests included, once: so the features of what they share are settled in one way.
pub fn workspace() -> Result<()> {
    // The extension module is maturin's to build.
    Cmd::new("cargo").args(["build", "--workspace", "--exclude", "emerge-python", "--all-targets"]).run()
}

fn rustc() -> Result<String> {
    Cmd::new("rustc").arg("--version").output()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", project::short(from), project::short(to)))?;
    Ok(())
}
