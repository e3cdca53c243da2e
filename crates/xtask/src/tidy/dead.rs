//! Files that nothing includes.

use super::File;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

pub fn check(files: &[File], problems: &mut Vec<String>) {
    rust(files, problems);
    scripts(files, problems);
}

fn rust(files: &[File], problems: &mut Vec<String>) {
    let sources: HashMap<&Path, &str> = files
        .iter()
        .filter(|file| file.is(&["rs"]))
        .map(|file| (file.path.as_path(), file.text.as_str()))
        .collect();
    let packages: BTreeSet<&Path> = files
        .iter()
        .filter(|file| file.path.file_name().is_some_and(|name| name == "Cargo.toml"))
        .filter_map(|file| file.path.parent())
        .collect();
    let mut alive: BTreeSet<PathBuf> = BTreeSet::new();
    let mut todo: Vec<(PathBuf, bool)> = sources
        .keys()
        .filter(|path| is_root(path, &packages))
        .map(|path| ((*path).to_owned(), true))
        .collect();
    while let Some((path, root)) = todo.pop() {
        let Some(text) = sources.get(path.as_path()) else { continue };
        if !alive.insert(path.clone()) {
            continue;
        }
        for candidates in modules(&path, root, text) {
            todo.extend(candidates.into_iter().map(|candidate| (candidate, false)));
        }
    }
    let mut dead: Vec<&&Path> = sources.keys().filter(|path| !alive.contains(**path)).collect();
    dead.sort();
    problems.extend(dead.iter().map(|path| format!("{}: no module names this file", path.display())));
}

/// Whether cargo itself takes this file for the start of a crate.
fn is_root(path: &Path, packages: &BTreeSet<&Path>) -> bool {
    let Some(package) = path.ancestors().skip(1).find(|dir| packages.contains(dir)) else { return false };
    let Ok(inside) = path.strip_prefix(package) else { return false };
    let parts: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts[..],
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["src", "bin", _, "main.rs"]
            | ["tests" | "benches" | "examples" | "fuzz_targets", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// For each `mod name;` in a file, the places where it can lie.
fn modules(path: &Path, root: bool, text: &str) -> Vec<Vec<PathBuf>> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let base = if root || stem == "mod" { dir.to_owned() } else { dir.join(stem) };
    let mut found = Vec::new();
    let mut placed: Option<PathBuf> = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            placed = rest.split('"').next().map(|name| normal(&dir.join(name)));
            continue;
        }
        let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
        let name = match words[..] {
            ["mod", name] => name,
            [visibility, "mod", name] if visibility.starts_with("pub") => name,
            _ => continue,
        };
        if line.ends_with(';') {
            found.push(match placed.take() {
                Some(path) => vec![path],
                None => vec![base.join(format!("{name}.rs")), base.join(name).join("mod.rs")],
            });
        }
    }
    found
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// A script lives when a runner finds it by its name, or another file names it.
fn scripts(files: &[File], problems: &mut Vec<String>) {
    for file in files.iter().filter(|file| file.is(&["ts", "mts", "js", "mjs", "css"])) {
        let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.contains(".test.")
            || name.contains(".spec.")
            || name.contains(".config.")
            || name.ends_with(".d.ts")
        {
            continue;
        }
        let stem = name.split('.').next().unwrap_or_default();
        let names = [name.to_owned(), format!("{stem}.js"), format!("{stem}.mjs"), format!("/{stem}\"")];
        let named = files.iter().any(|other| {
            other.path != file.path && names.iter().any(|name| other.text.contains(name.as_str()))
        });
        if !named {
            problems.push(format!("{}: no other file names this one", file.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_file_without_a_module_is_dead() {
        let files = [
            file("a/Cargo.toml", ""),
            file("a/src/lib.rs", "pub mod one;\nmod two;\n#[path = \"../odd.rs\"]\nmod odd;"),
            file("a/src/one.rs", "pub(crate) mod deep;"),
            file("a/src/one/deep.rs", ""),
            file("a/src/two/mod.rs", ""),
            file("a/odd.rs", ""),
            file("a/src/attic.rs", "mod two;"),
            file("a/tests/all.rs", "mod common;"),
            file("a/tests/common/mod.rs", ""),
        ];
        let mut problems = Vec::new();
        check(&files, &mut problems);
        assert_eq!(problems, ["a/src/attic.rs: no module names this file"]);
    }

    #[test]
    fn a_script_that_nobody_names_is_dead() {
        let files = [
            file("w/main.ts", "import \"./used.js\""),
            file("w/used.ts", ""),
            file("w/x.test.ts", "./main.js"),
        ];
        let mut problems = Vec::new();
        check(&files, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        check(&[file("w/lost.ts", "lost.js")], &mut problems);
        assert_eq!(problems.len(), 1);
    }
}
