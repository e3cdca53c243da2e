//! The build steps; each is skipped while nothing that it reads has changed.

use crate::exec::Cmd;
use crate::fresh::Step;
use crate::{project, setup};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The sandbox's guest for JavaScript.
pub fn guest_file() -> PathBuf {
    project::target().join("guests/javascript.wasm")
}

/// The `emerge` program of the profile that tests and `start` use.
pub fn emerge_file() -> PathBuf {
    project::target().join("debug/emerge")
}

/// A program of the release profile.
pub fn release_file(name: &str) -> PathBuf {
    project::target().join("release").join(name)
}

/// The guest, the client's wasm, the page and the `emerge` program.
pub fn everything() -> Result<()> {
    assets()?;
    emerge()
}

/// All that the `emerge` program carries or serves.
pub fn assets() -> Result<()> {
    guest()?;
    wasm()?;
    www()
}

fn say(name: &str, ran: bool) {
    println!("   {name}: {}", if ran { "built" } else { "fresh" });
}

/// Builds QuickJS and its prelude to one wasm module.
pub fn guest() -> Result<()> {
    let file = guest_file();
    let facts = [Cmd::new("clang").arg("-dumpversion").output()?, rustc()?];
    let step = Step {
        name: "guest",
        inputs: &["crates/runtime/guest"],
        facts: &facts,
        outputs: std::slice::from_ref(&file),
    };
    let ran = step.run(|| {
        println!("   building the JavaScript sandbox (once; about a minute)");
        let out = project::target().join("guest-build");
        let archiver = setup::llvm_ar().context("llvm-ar is missing")?;
        Cmd::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip1", "--target-dir"])
            .arg(&out)
            .dir(project::root().join("crates/runtime/guest"))
            .env("WASI_SDK", "/usr")
            .env("CC_wasm32_wasip1", "clang")
            .env("AR_wasm32_wasip1", archiver)
            .env("CFLAGS_wasm32_wasip1", GUEST_CFLAGS)
            .run()?;
        copy(&out.join("wasm32-wasip1/release/javascript.wasm"), &file)
    })?;
    say("JavaScript sandbox", ran);
    Ok(())
}

const GUEST_CFLAGS: &str = "--target=wasm32-wasi --sysroot=/usr -isystem /usr/include/wasm32-wasi \
     -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN";

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
        let target = "wasm32-unknown-unknown";
        Cmd::new("cargo")
            .args(["build", "--quiet", "--profile", "wasm", "--package", "emerge-wasm", "--target", target])
            .run()?;
        let built = project::target().join(target).join("wasm/emerge_wasm.wasm");
        Cmd::new("wasm-bindgen")
            .args(["--target", "web", "--remove-name-section", "--remove-producers-section", "--out-dir"])
            .arg(&pkg)
            .arg(built)
            .run()?;
        Cmd::new("wasm-opt").args(["-Oz", "-o"]).arg(&module).arg(&module).run()
    })?;
    say("client wasm", ran);
    Ok(())
}

/// Builds the npm package and the page into `www/dist`.
pub fn www() -> Result<()> {
    let page = project::root().join("www/dist/index.html");
    let inputs = ["package-lock.json", "www", "www/pkg"];
    let ran = Step { name: "www", inputs: &inputs, facts: &[], outputs: std::slice::from_ref(&page) }
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
    Cmd::new("cargo").args(["build", "--workspace", "--all-targets"]).run()
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
