//! Where the interactive shell stands. Outside it every path is absolute.

use emerge_proto::{Path, Result};
use std::sync::{Mutex, PoisonError};

static PLACE: Mutex<Option<Path>> = Mutex::new(None);

/// The directory from which relative paths count; none outside the shell.
pub(crate) fn get() -> Option<Path> {
    PLACE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// From now on relative paths count from here.
pub(crate) fn set(path: Path) {
    *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
}

/// The path that a text means: in the shell also `name`, `./name`, `../name`.
///
/// # Errors
/// `bad_path`.
pub(crate) fn resolve(text: &str) -> Result<Path> {
    match get() {
        Some(place) if !text.starts_with('/') => from(&place, text),
        _ => Path::parse(text),
    }
}

fn from(place: &Path, text: &str) -> Result<Path> {
    let mut path = place.clone();
    for segment in text.strip_suffix('/').unwrap_or(text).split('/') {
        path = match segment {
            "." => path,
            ".." => path.parent().unwrap_or_else(Path::root),
            name => path.join(name)?,
        };
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_count_from_a_place() {
        let place = Path::parse("/a/b").unwrap();
        for (text, wanted) in
            [("c", "/a/b/c"), (".", "/a/b"), ("..", "/a"), ("../../../..", "/"), ("./c/../d/", "/a/b/d")]
        {
            assert_eq!(from(&place, text).unwrap().as_str(), wanted, "{text}");
        }
        assert!(from(&place, "c//d").is_err() && from(&place, "").is_err());
    }
}
