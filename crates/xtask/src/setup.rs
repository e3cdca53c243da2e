//! Installs what the other commands need, each thing only when it is missing.

use crate::exec::Cmd;
use crate::project;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The version of wasm-pack; its lock file is that of its release.
const WASM_PACK: &str = "0.15.1";
/// The version of cargo-deny; its lock file is that of its release.
const CARGO_DENY: &str = "0.20.2";
/// The version of cargo-fuzz; its lock file is that of its release.
const CARGO_FUZZ: &str = "0.13.2";

/// Everything that any command needs.
pub fn everything() -> Result<()> {
    for_build()?;
    for_browser_tests()?;
    wasm_pack()?;
    cargo_deny()?;
    cargo_fuzz()
}

/// What building the node, the client's wasm and the page needs.
pub fn for_build() -> Result<()> {
    rust_targets(&["wasm32-unknown-unknown"])?;
    guest_compiler()?;
    wasm_bindgen()?;
    npm_packages()?;
    pyodide_wheels()
}

fn rust_targets(targets: &[&str]) -> Result<()> {
    let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).output()?;
    let installed = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> =
        targets.iter().copied().filter(|target| !installed.join(target).join("lib").is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if project::find_program(&["rustup"]).is_none() {
        bail!("this Rust lacks the targets {}, and there is no rustup to add them", missing.join(" and "));
    }
    Cmd::new("rustup").args(["target", "add"]).args(missing).run()
}

/// What compiles QuickJS to WebAssembly.
fn guest_compiler() -> Result<()> {
    let mut missing = Vec::new();
    if project::find_program(&["clang"]).is_none() {
        missing.push("clang");
    }
    if llvm_ar().is_none() {
        missing.push("llvm");
    }
    packages(&missing, "to build the JavaScript sandbox")
}

/// LLVM's archiver, under its plain or a numbered name.
pub fn llvm_ar() -> Option<PathBuf> {
    let numbered: Vec<String> = (14..=24).rev().map(|major| format!("llvm-ar-{major}")).collect();
    let mut names = vec!["llvm-ar"];
    names.extend(numbered.iter().map(String::as_str));
    project::find_program(&names)
}

/// The browser and its driver.
pub fn for_browser_tests() -> Result<()> {
    let mut missing = Vec::new();
    if chromium().is_none() {
        missing.push("chromium");
    }
    if chromedriver().is_none() {
        missing.push("chromium-driver");
    }
    packages(&missing, "to test in a real browser")
}

/// Redis, which the bench compares with.
pub fn redis() -> Result<()> {
    let missing = match project::find_program(&["redis-server"]) {
        Some(_) => vec![],
        None => vec!["redis-server"],
    };
    packages(&missing, "to compare with Redis")
}

/// A PostgreSQL server, against which the bench measures.
pub fn postgres() -> Result<()> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
    if debian || project::find_program(&["postgres"]).is_some() {
        return Ok(());
    }
    packages(&["postgresql"], "to measure against PostgreSQL")
}

/// The browser's program.
pub fn chromium() -> Option<PathBuf> {
    std::env::var_os("CHROMIUM")
        .map(PathBuf::from)
        .or_else(|| project::find_program(&["chromium", "chromium-browser", "google-chrome"]))
}

/// The program that drives the browser.
pub fn chromedriver() -> Option<PathBuf> {
    std::env::var_os("CHROMEDRIVER").map(PathBuf::from).or_else(|| project::find_program(&["chromedriver"]))
}

/// Installs Debian packages where we can, and says what to install where we cannot.
fn packages(names: &[&str], purpose: &str) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install {}", names.join(" "));
    let Some(apt) = project::find_program(&["apt-get"]) else {
        bail!("{purpose} please install {} (the names are Debian's)", names.join(", "));
    };
    let root = Cmd::new("id").arg("-u").output()?.trim() == "0";
    let prefix: &[&str] = if root {
        &[]
    } else if Cmd::new("sudo").args(["-n", "true"]).output().is_ok() {
        &["sudo", "-n"]
    } else {
        bail!("{purpose} please run: sudo {line}");
    };
    let apt_get = |args: &[&str]| {
        let mut words: Vec<&str> = prefix.to_vec();
        let apt = apt.to_string_lossy();
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", &apt, "-qq", "-o", "DPkg::Lock::Timeout=300"]);
        words.extend(args);
        Cmd::new(words[0]).args(&words[1..]).run()
    };
    apt_get(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(names);
    apt_get(&install).with_context(|| format!("{purpose} please run: sudo {line}"))
}

/// `wasm-bindgen`, of just the version that the crates are built with.
pub fn wasm_bindgen() -> Result<()> {
    let version = project::locked_version("wasm-bindgen")?;
    // Not --locked: the command line's own lock file names releases that some mirrors do not carry.
    tool("wasm-bindgen", "wasm-bindgen-cli", &version, false)
}

/// `wasm-pack`, which runs the browser tests of `test --all`.
pub fn wasm_pack() -> Result<()> {
    tool("wasm-pack", "wasm-pack", WASM_PACK, true)
}

/// `cargo-deny`, which checks licences and sources.
pub fn cargo_deny() -> Result<()> {
    tool("cargo-deny", "cargo-deny", CARGO_DENY, true)
}

/// `cargo-fuzz`, and the C++ compiler of the fuzzing engine that it links.
pub fn cargo_fuzz() -> Result<()> {
    if project::find_program(&["c++", "g++", "clang++"]).is_none() {
        packages(&["g++"], "to build the fuzzers")?;
    }
    tool("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ, true)
}

fn tool(program: &str, package: &str, version: &str, locked: bool) -> Result<()> {
    let right = || {
        let said = Cmd::new(program).arg("--version").output().unwrap_or_default();
        said.split_whitespace().any(|word| word == version)
    };
    if right() {
        return Ok(());
    }
    let root = project::tools();
    println!("   {program} {version} is not here: building it once, which takes some minutes");
    let mut install = Cmd::new("cargo").args(["install", "--quiet", package, "--version", version]);
    install = install.arg("--root").arg(&root).arg("--target-dir").arg(root.join("build"));
    if locked {
        install = install.arg("--locked");
    }
    install.run()?;
    let _ = std::fs::remove_dir_all(root.join("build"));
    if !right() {
        bail!(
            "{} was installed, and does not say that it is {version}",
            root.join("bin").join(program).display()
        );
    }
    Ok(())
}

/// The npm packages of the lock file.
pub fn npm_packages() -> Result<()> {
    let Some(node) = project::find_program(&["node"]) else {
        bail!("please install Node.js 20.19 or newer, with npm");
    };
    let version = Cmd::new(node).arg("--version").output()?;
    if !new_enough(version.trim()) {
        bail!("Node.js here is {}; please install 20.19 or newer", version.trim());
    }
    let mut hash = Sha256::new();
    for file in ["package.json", "package-lock.json", "www/package.json"] {
        hash.update(std::fs::read(project::root().join(file)).with_context(|| file.to_owned())?);
    }
    let key = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let stamp = project::root().join("node_modules/.emerge-installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(());
    }
    Cmd::new("npm").args(["ci", "--no-fund", "--no-audit", "--loglevel=error"]).run()?;
    std::fs::write(&stamp, key).with_context(|| project::short(&stamp))
}

/// The Python of the virtual environment of this name, made with these packages; their programs lie beside it.
pub fn python_with(name: &str, packages: &[&str]) -> Result<PathBuf> {
    environment(&project::tools().join(name), packages, python3)
}

/// As [`python_with`], in a given folder and of an interpreter that every user can read where there is one: native Python runs as a user of its own when the
/// node is root.
pub fn python_for_all_with(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    environment(folder, packages, || {
        let system = PathBuf::from("/usr/bin/python3");
        let usable =
            || system.is_file() && Cmd::new(&system).args(["-c", "import ensurepip, venv"]).output().is_ok();
        if !usable() {
            let _ = self::packages(&["python3", "python3-venv"], "for native Python")
                .map_err(|error| println!("   {error:#}"));
        }
        if usable() { Ok(system) } else { python3() }
    })
}

/// The folder of a tool that processes of another user read: beside the others where all users may go there, or else where they do.
pub fn folder_for_all(name: &str) -> PathBuf {
    let usual = project::tools().join(name);
    let open =
        |folder: &Path| std::fs::metadata(folder).is_ok_and(|about| about.permissions().mode() & 0o001 != 0);
    let _ = std::fs::create_dir_all(project::tools());
    let whole = project::tools().canonicalize().unwrap_or_else(|_| project::tools());
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    if !is_root || whole.ancestors().all(open) {
        usual
    } else {
        Path::new("/var/cache/emerge-tools").join(name)
    }
}

fn environment(
    folder: &Path,
    packages: &[&str],
    python3: impl FnOnce() -> Result<PathBuf>,
) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let stamp = folder.join(".installed");
    // Its scripts name its path, which another checkout with the same target folder has not.
    let wanted = format!("{}\n{}", folder.display(), packages.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && python.is_file() {
        return Ok(python);
    }
    Cmd::new(python3()?).args(["-m", "venv", "--clear"]).arg(folder).run()?;
    if !packages.is_empty() {
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
        Cmd::new(&python).args(install).args(packages).run()?;
    }
    std::fs::write(&stamp, wanted).with_context(|| project::short(&stamp))?;
    Ok(python)
}

/// A Python that can make virtual environments; Debian's own brings neither that nor pip.
fn python3() -> Result<PathBuf> {
    let usable = || {
        let python = project::find_program(&["python3"])?;
        Cmd::new(&python).args(["-c", "import ensurepip, venv"]).output().is_ok().then_some(python)
    };
    if let Some(python) = usable() {
        return Ok(python);
    }
    packages(&["python3", "python3-venv"], "for the notebook's Python and the sandbox's")?;
    usable().context("please install Python 3.10 or newer, with venv")
}

/// Where the wheels lie that the notebook's Python has beside its own library.
fn pyodide_wheels() -> Result<()> {
    let list = project::root().join("www/pyodide-wheels.txt");
    let key = std::fs::read_to_string(&list).with_context(|| project::short(&list))?;
    let folder = project::root().join("target/pyodide-wheels");
    let stamp = folder.join(".downloaded");
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(());
    }
    Cmd::new(python_with("pip", &[])?)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:"])
        .args(["--python-version", "3.14", "--require-hashes", "--requirement"])
        .arg(&list)
        .arg("--dest")
        .arg(&folder)
        .run()?;
    std::fs::write(&stamp, key).with_context(|| project::short(&stamp))
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0u32));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (20, 19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_compared_by_number() {
        assert!(new_enough("v20.19.0") && new_enough("v22.0.1") && new_enough("v100.1.0"));
        assert!(!new_enough("v20.9.0") && !new_enough("v18.20.0") && !new_enough("?"));
    }
}
