//! The operator's virtual environment: what its files say, read without running anything of it.

use emerge_proto::{Error, ErrorCode, Result};
use std::path::{Path, PathBuf};

/// A virtual environment of CPython.
#[derive(Clone, Debug)]
pub(super) struct Venv {
    /// The folder.
    pub(super) folder: PathBuf,
    /// The program to start: the environment's own name of it.
    pub(super) program: PathBuf,
    /// The interpreter that this is a link to.
    pub(super) interpreter: PathBuf,
    /// Where its packages lie.
    pub(super) packages: PathBuf,
    /// Where its own library and shared objects lie.
    pub(super) library: PathBuf,
    /// The version, as in `3.11`.
    pub(super) version: String,
}

/// The oldest Python that `emerge`, the package, has.
const OLDEST: u32 = 10;

impl Venv {
    /// Reads an environment.
    ///
    /// # Errors
    /// `unavailable`, with what is missing and how to make one.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .map_err(|error| missing(folder, &format!("it cannot be opened: {error}")))?;
        let text = std::fs::read_to_string(folder.join("pyvenv.cfg"))
            .map_err(|error| missing(&folder, &format!("its pyvenv.cfg cannot be read: {error}")))?;
        let value = |wanted: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim() == wanted)
                .map(|(_, value)| value.trim().to_owned())
        };
        let version = value("version")
            .or_else(|| value("version_info"))
            .ok_or_else(|| missing(&folder, "its pyvenv.cfg names no version"))?;
        let minor = minor_of(&version)
            .ok_or_else(|| missing(&folder, &format!("its version is {version:?}, and no Python 3")))?;
        if minor < OLDEST {
            return Err(missing(&folder, &format!("it is Python {version}; 3.{OLDEST} or later is needed")));
        }
        let version = format!("3.{minor}");
        let program = folder.join("bin/python");
        let interpreter = program
            .canonicalize()
            .map_err(|error| missing(&folder, &format!("its bin/python cannot be found: {error}")))?;
        let packages = folder.join(format!("lib/python{version}/site-packages"));
        if !packages.is_dir() {
            return Err(missing(&folder, &format!("it has no folder lib/python{version}/site-packages")));
        }
        let library = interpreter
            .parent()
            .and_then(Path::parent)
            .map(|base| base.join("lib"))
            .filter(|library| library.join(format!("python{version}")).is_dir())
            .ok_or_else(|| {
                missing(
                    &folder,
                    &format!("the library of {} cannot be found beside it", interpreter.display()),
                )
            })?;
        Ok(Self { folder, program, interpreter, packages, library, version })
    }

    /// The first of these packages that is not installed, by its whole name.
    pub(super) fn lacks<'a>(&self, packages: &[&'a str]) -> Option<&'a str> {
        packages.iter().copied().find(|package| !self.has(package))
    }

    /// Whether a package is installed: its top level, as the rest is found when it is imported.
    pub(super) fn has(&self, package: &str) -> bool {
        let name = package.split('.').next().unwrap_or(package);
        self.packages.join(name).is_dir()
            || self.packages.join(format!("{name}.py")).is_file()
            || self.modules().any(|file| file.starts_with(&format!("{name}.")) && file.ends_with(".so"))
    }

    fn modules(&self) -> impl Iterator<Item = String> {
        let entries = std::fs::read_dir(&self.packages).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }

    /// What is installed, with versions, as its metadata says: `numpy 2.4.6`.
    pub(super) fn installed(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .modules()
            .filter_map(|name| {
                let (name, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
                Some(format!("{name} {version}"))
            })
            .collect();
        found.sort_unstable();
        found
    }
}

fn minor_of(version: &str) -> Option<u32> {
    let mut parts = version.split('.');
    (parts.next() == Some("3")).then(|| parts.next()?.parse().ok())?
}

fn missing(folder: &Path, why: &str) -> Error {
    Error::new(
        ErrorCode::Unavailable,
        format!(
            "{} is no environment for native Python: {why}. Make one with: python3 -m venv {0}; {0}/bin/pip install pandas",
            folder.display()
        ),
    )
    .field("native-python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(minor_of("3.11.7"), Some(11));
        assert_eq!(minor_of("3.14.0.final.0"), Some(14));
        assert_eq!(minor_of("2.7.18"), None);
        assert_eq!(minor_of("3"), None);
    }

    #[test]
    fn what_is_no_environment_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let why = |folder: &Path| {
            let error = Venv::open(folder).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::Unavailable, Some("native-python")));
            error.message
        };
        assert!(why(&folder.path().join("none")).contains("cannot be opened"));
        assert!(why(folder.path()).contains("pyvenv.cfg cannot be read"));
        std::fs::write(folder.path().join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.9.1\n").unwrap();
        assert!(why(folder.path()).contains("3.10 or later"));
        std::fs::write(folder.path().join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.7\n").unwrap();
        assert!(why(folder.path()).contains("bin/python cannot be found"));
    }
}
