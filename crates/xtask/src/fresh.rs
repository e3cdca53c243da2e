//! Steps that are skipped while their inputs, by content, are those of the last good run.

use crate::project;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A step that makes files from files.
pub struct Step<'a> {
    /// Its name, which is also the name of its stamp.
    pub name: &'a str,
    /// Files and folders that it reads, relative to the root. A folder counts with all below it.
    pub inputs: &'a [&'a str],
    /// Whatever else decides about the result: versions, flags.
    pub facts: &'a [String],
    /// Files that it makes.
    pub outputs: &'a [PathBuf],
}

impl Step<'_> {
    /// Runs `make` unless the outputs are there and made from just these inputs. Tells whether it ran.
    pub fn run(&self, make: impl FnOnce() -> Result<()>) -> Result<bool> {
        let stamp = project::target().join("xtask").join(format!("{}.stamp", self.name));
        let key = self.key()?;
        let there = self.outputs.iter().all(|file| file.is_file());
        if there && std::fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
            return Ok(false);
        }
        // The stamp goes first, so that a step that stops halfway is never taken for done.
        let _ = std::fs::remove_file(&stamp);
        make()?;
        if let Some(file) = self.outputs.iter().find(|file| !file.is_file()) {
            bail!("the step {:?} ended well and did not make {}", self.name, project::short(file));
        }
        if let Some(dir) = stamp.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&stamp, key).with_context(|| project::short(&stamp))?;
        Ok(true)
    }

    fn key(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for fact in self.facts {
            add(&mut hash, fact.as_bytes());
        }
        for input in self.inputs {
            let path = project::root().join(input);
            if !path.exists() {
                bail!("the step {:?} reads {input}, which is not there", self.name);
            }
            for file in below(&path)? {
                add(&mut hash, project::short(&file).as_bytes());
                add(&mut hash, &std::fs::read(&file).with_context(|| project::short(&file))?);
            }
        }
        let mut text = String::new();
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}

fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The files at and below a path, in a fixed order, without what is built or installed there.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| project::short(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_native = Path::new(&name).extension().is_some_and(|extension| extension == "so");
        if is_native
            || ["target", "node_modules", "dist", "pkg", "__pycache__"].iter().any(|built| name == *built)
        {
            continue;
        }
        files.extend(below(&entry.path())?);
    }
    files.sort();
    Ok(files)
}
