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
    /// Files that it makes, and folders with all below them.
    pub outputs: &'a [PathBuf],
}

impl Step<'_> {
    /// Runs `make` unless the outputs are there, as they were made from just these inputs. Tells whether it ran.
    pub fn run(&self, make: impl FnOnce() -> Result<()>) -> Result<bool> {
        let stamp = project::target().join("xtask").join(format!("{}.stamp", self.name));
        let key = self.key()?;
        // Several checkouts may share a stamp, whose outputs within the checkout are each its own.
        if let Some(made) = self.made()?
            && std::fs::read_to_string(&stamp).is_ok_and(|old| old == format!("{key} {made}"))
        {
            return Ok(false);
        }
        // The stamp goes first, so that a step that stops halfway is never taken for done.
        let _ = std::fs::remove_file(&stamp);
        make()?;
        let Some(made) = self.made()? else {
            bail!("the step {:?} ended well and did not make all of {:?}", self.name, self.outputs);
        };
        if let Some(dir) = stamp.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&stamp, format!("{key} {made}")).with_context(|| project::short(&stamp))?;
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
            add_files(&mut hash, &path)?;
        }
        Ok(text(hash))
    }

    /// What the outputs are now; none when one is missing.
    fn made(&self) -> Result<Option<String>> {
        let mut hash = Sha256::new();
        for output in self.outputs {
            if !output.exists() {
                return Ok(None);
            }
            add_files(&mut hash, output)?;
        }
        Ok(Some(text(hash)))
    }
}

/// The files at and below a path, with their names.
fn add_files(hash: &mut Sha256, path: &Path) -> Result<()> {
    for file in below(path)? {
        add(hash, project::short(&file).as_bytes());
        add(hash, &std::fs::read(&file).with_context(|| project::short(&file))?);
    }
    Ok(())
}

fn text(hash: Sha256) -> String {
    let mut text = String::new();
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_runs_again_when_what_it_made_is_not_what_it_made() {
        let folder = project::target().join("xtask").join("test-of-steps");
        let _ = std::fs::remove_dir_all(&folder);
        let (file, whole) = (folder.join("made"), folder.join("whole"));
        let outputs = [file.clone(), whole.clone()];
        let step = Step { name: "test-of-steps", inputs: &["rustfmt.toml"], facts: &[], outputs: &outputs };
        let run = || {
            step.run(|| {
                std::fs::create_dir_all(&whole)?;
                std::fs::write(&file, "made")?;
                Ok(std::fs::write(whole.join("part"), "made")?)
            })
            .expect("the step runs")
        };
        assert_eq!((run(), run()), (true, false));
        // Another checkout that shares the stamp has its own, perhaps of an earlier time.
        for made in [&file, &whole.join("part")] {
            std::fs::write(made, "earlier").expect("a file is written");
            assert_eq!((run(), run()), (true, false));
        }
        std::fs::remove_file(&file).expect("it was there");
        assert!(run());
    }
}
