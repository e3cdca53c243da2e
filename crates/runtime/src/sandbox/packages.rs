//! Packages of pure Python that the operator adds to the guest, read from a folder such as `pip install --target` fills.

use emerge_proto::{Error, ErrorCode, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of all texts together: they lie in the memory of every instance.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Modules of all packages together.
const MAX_MODULES: usize = 10_000;
/// How deep folders nest.
const MAX_DEPTH: usize = 32;
/// Endings of modules that are no Python.
const COMPILED: [&str; 4] = ["so", "pyd", "dylib", "dll"];

/// A module as it can be imported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name with those of the packages around it, such as `attr.converters`.
    pub(super) name: String,
    /// Whether modules lie below it.
    pub(super) is_package: bool,
    pub(super) text: String,
}

impl Module {
    /// What the guest takes of it (`guest-python/app/guest_packages.py`).
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        [self.name.as_bytes(), if self.is_package { &[1] } else { &[0] }, self.text.as_bytes()]
    }
}

/// Reads all modules of a folder, in the order of their names.
///
/// # Errors
/// `bad_argument` for what is no folder, a module that was compiled for a machine, a text that is not UTF-8, or too much of it, each naming the file.
pub(super) fn read(folder: &Path) -> Result<Vec<Module>> {
    let mut found = Found::default();
    found.folder(folder, "", 0)?;
    found.modules.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found.modules)
}

#[derive(Default)]
struct Found {
    modules: Vec<Module>,
    bytes: usize,
}

impl Found {
    fn folder(&mut self, folder: &Path, around: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(refused(folder, &format!("folders nest deeper than {MAX_DEPTH}")));
        }
        let listed = fs::read_dir(folder).map_err(|error| refused(folder, &error.to_string()))?;
        let mut paths: Vec<PathBuf> = listed
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()
            .map_err(|error| refused(folder, &error.to_string()))?;
        paths.sort();
        for path in paths {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() {
                self.package(&path, around, depth)?;
            } else if COMPILED.contains(&ending) {
                return Err(refused(
                    &path,
                    "it was compiled for a machine, and the sandbox takes Python alone",
                ));
            } else if ending == "py" && stem != "__init__" && is_name(stem) {
                self.module(&path, named(around, stem), false)?;
            }
        }
        Ok(())
    }

    /// A folder whose name can be imported: a package, also without `__init__.py` when modules lie in it (PEP 420).
    fn package(&mut self, folder: &Path, around: &str, depth: usize) -> Result<()> {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()).filter(|name| is_name(name))
        else {
            return Ok(());
        };
        let (name, init, before) = (named(around, name), folder.join("__init__.py"), self.modules.len());
        self.folder(folder, &name, depth + 1)?;
        if init.is_file() {
            self.module(&init, name, true)?;
        } else if self.modules.len() > before {
            self.modules.push(Module { name, is_package: true, text: String::new() });
        }
        Ok(())
    }

    fn module(&mut self, file: &Path, name: String, is_package: bool) -> Result<()> {
        let text = fs::read_to_string(file).map_err(|error| refused(file, &error.to_string()))?;
        self.bytes += text.len();
        if self.bytes > MAX_BYTES || self.modules.len() == MAX_MODULES {
            let why =
                format!("with it there are more than {MAX_MODULES} modules, or {MAX_BYTES} bytes of them");
            return Err(refused(file, &why).limit(MAX_BYTES as u64));
        }
        self.modules.push(Module { name, is_package, text });
        Ok(())
    }
}

fn named(around: &str, name: &str) -> String {
    if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") }
}

/// Whether a statement can import it. `bin` and `__pycache__` beside packages are not meant.
fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|first| first == '_' || first.is_alphabetic());
    starts && name != "__pycache__" && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}

#[cold]
fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("the packages for Python: {}: {why}", path.display()))
        .field("python-packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    #[test]
    fn modules_have_the_names_by_which_they_are_imported() {
        let folder = folder(&[
            ("one.py", b"a = 1"),
            ("two/__init__.py", b"b = 2"),
            ("two/deep/er.py", b"c = 3"),
            ("two/__pycache__/er.py", b"old"),
            ("two/py.typed", b""),
            ("two-1.0.dist-info/METADATA", b"Name: two"),
            ("bin/tool.txt", b"#!"),
        ]);
        let modules = read(folder.path()).unwrap();
        let found: Vec<_> =
            modules.iter().map(|module| (&*module.name, module.is_package, &*module.text)).collect();
        let expected = [
            ("one", false, "a = 1"),
            ("two", true, "b = 2"),
            ("two.deep", true, ""),
            ("two.deep.er", false, "c = 3"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_the_sandbox_cannot_take_is_named() {
        for (file, text, why) in [
            ("fast/_fast.cpython-314-x86_64-linux-gnu.so", &b""[..], "compiled for a machine"),
            ("latin.py", b"# \xe9", "UTF-8"),
        ] {
            let folder = folder(&[("fine.py", b""), (file, text)]);
            let error = read(folder.path()).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some("python-packages"))
            );
            assert!(error.message.contains(file) && error.message.contains(why), "{}", error.message);
        }
        let gone = read(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(gone.message.contains("/nowhere/at/all"), "{}", gone.message);
        let much = vec![b'#'; MAX_BYTES / 2 + 1];
        let large = folder(&[("a.py", &much), ("b.py", &much)]);
        assert_eq!(read(large.path()).unwrap_err().limit, Some(MAX_BYTES as u64));
    }
}
