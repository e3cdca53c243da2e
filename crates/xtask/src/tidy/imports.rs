//! The rooms without I/O, built for wasm32: they may ask nothing of a host, so no import of any kind may remain when
//! all of their code is linked, also the code that nothing calls yet.

use crate::exec::Cmd;
use crate::project;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

const TARGET: &str = "wasm32-unknown-unknown";

/// The rooms; what they use among each other is linked with them.
const ROOMS: [&str; 2] = ["emerge-client", "emerge-node"];

pub fn run() -> Result<()> {
    let linker = linker()?;
    for room in ROOMS {
        Cmd::new("cargo")
            .args(["rustc", "--quiet", "--package", room, "--lib", "--no-default-features"])
            .args(["--target", TARGET, "--crate-type", "staticlib"])
            .run()?;
        let folder = project::target().join(TARGET).join("debug");
        let archive = folder.join(format!("lib{}.a", room.replace('-', "_")));
        let module = folder.join(format!("{room}.imports.wasm"));
        Cmd::new(&linker)
            .args([
                "-flavor",
                "wasm",
                "--no-entry",
                "--allow-undefined",
                "--no-gc-sections",
                "--whole-archive",
            ])
            .arg(&archive)
            .arg("-o")
            .arg(&module)
            .run()?;
        let bytes = std::fs::read(&module).with_context(|| project::short(&module))?;
        let imports = imports(&bytes).with_context(|| project::short(&module))?;
        if !imports.is_empty() {
            bail!("{room} asks its host for {}", imports.join(", "));
        }
        println!("   {room}: no imports in {} KB", bytes.len() / 1024);
    }
    Ok(())
}

/// The linker that comes with Rust.
fn linker() -> Result<PathBuf> {
    let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).output()?;
    let version = Cmd::new("rustc").arg("-vV").output()?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/rust-lld"))
}

/// The names of a module's imports, as `module.name`.
fn imports(bytes: &[u8]) -> Result<Vec<String>> {
    let Some(mut rest) = bytes.strip_prefix(b"\0asm\x01\0\0\0") else { bail!("this is no wasm module") };
    while let Some((&id, after)) = rest.split_first() {
        rest = after;
        let size = number(&mut rest)?;
        let Some((section, after)) = rest.split_at_checked(size) else { bail!("a section is cut off") };
        rest = after;
        if id == 2 {
            return entries(section);
        }
    }
    Ok(Vec::new())
}

fn entries(mut section: &[u8]) -> Result<Vec<String>> {
    let count = number(&mut section)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let module = name(&mut section)?;
        let field = name(&mut section)?;
        names.push(format!("{module}.{field}"));
        let Some((kind, after)) = section.split_first() else { bail!("an import is cut off") };
        section = after;
        match kind {
            0 => drop(number(&mut section)?),
            1 => {
                section = section.get(1..).context("an import is cut off")?;
                limits(&mut section)?;
            }
            2 => limits(&mut section)?,
            3 => section = section.get(2..).context("an import is cut off")?,
            4 => {
                section = section.get(1..).context("an import is cut off")?;
                number(&mut section)?;
            }
            kind => bail!("an import of the unknown kind {kind}"),
        }
    }
    Ok(names)
}

fn limits(section: &mut &[u8]) -> Result<()> {
    let flags = number(section)?;
    number(section)?;
    if flags & 1 != 0 {
        number(section)?;
    }
    Ok(())
}

fn name(section: &mut &[u8]) -> Result<String> {
    let length = number(section)?;
    let Some((text, after)) = section.split_at_checked(length) else { bail!("a name is cut off") };
    *section = after;
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn number(section: &mut &[u8]) -> Result<usize> {
    let mut value = 0usize;
    for shift in (0..35).step_by(7) {
        let Some((byte, after)) = section.split_first() else { bail!("a number is cut off") };
        *section = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_read() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([1, 4, 1, 0x60, 0, 0]);
        module.extend([2, 21, 2, 3]);
        module.extend(b"env");
        module.extend([1, b'f', 0, 0, 3]);
        module.extend(b"env");
        module.extend([3, b'm', b'e', b'm', 2, 1, 1, 2]);
        assert_eq!(imports(&module).unwrap(), ["env.f", "env.mem"]);
        assert!(imports(b"\0asm\x01\0\0\0").unwrap().is_empty());
        assert!(imports(&module[..20]).is_err());
        assert!(imports(b"MZ").is_err());
    }
}
