//! Where the built guests are found.

use emerge_proto::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A guest as it was built: the module, and what it evaluates first.
pub(super) struct Guest {
    pub(super) wasm: Cow<'static, [u8]>,
    pub(super) prelude: Cow<'static, [u8]>,
}

const WASM: &str = "javascript.wasm";
const PYTHON: &str = "python.wasm";
const PRELUDE: &str = "prelude.js";

/// Finds the guest for JavaScript: in `folder` when it is given; else in the folder that `EMERGE_GUESTS` names; else inside this program (feature
/// `embed-guests`); else in `guests/` beside the program; else, in a build for development, in `target/guests` of the workspace.
///
/// # Errors
/// `unavailable`, with the places that were tried.
pub(super) fn javascript(folder: Option<&Path>) -> Result<Guest> {
    if folder.is_none()
        && std::env::var_os("EMERGE_GUESTS").is_none()
        && let Some(guest) = embedded()
    {
        return Ok(guest);
    }
    let places = places(folder);
    let found = places.iter().find_map(|place| {
        Some(Guest {
            wasm: std::fs::read(place.join(WASM)).ok()?.into(),
            prelude: std::fs::read(place.join(PRELUDE)).ok()?.into(),
        })
    });
    found.ok_or_else(|| missing("JavaScript", "javascript.wasm and prelude.js", &places))
}

fn places(folder: Option<&Path>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(folder) = folder {
        places.push(folder.to_owned());
    } else if let Some(folder) = std::env::var_os("EMERGE_GUESTS") {
        places.push(PathBuf::from(folder));
    } else {
        if let Ok(program) = std::env::current_exe()
            && let Some(folder) = program.parent()
        {
            places.push(folder.join("guests"));
        }
        if cfg!(debug_assertions) {
            places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"));
        }
    }
    places
}

fn missing(name: &str, files: &str, places: &[PathBuf]) -> Error {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    Error::new(
        ErrorCode::Unavailable,
        format!(
            "the {name} sandbox ({files}) is not in {}: run `cargo xtask setup`",
            places.join(" nor in ")
        ),
    )
}

/// Finds the guest for Python, in the same places.
///
/// # Errors
/// `unavailable`, with the places that were tried.
pub(super) fn python(folder: Option<&Path>) -> Result<Cow<'static, [u8]>> {
    #[cfg(feature = "embed-guests")]
    if folder.is_none() && std::env::var_os("EMERGE_GUESTS").is_none() {
        return Ok(Cow::Borrowed(include_bytes!("../../../../target/guests/python.wasm")));
    }
    let places = places(folder);
    let found = places.iter().find_map(|place| std::fs::read(place.join(PYTHON)).ok());
    found.map(Cow::Owned).ok_or_else(|| missing("Python", PYTHON, &places))
}

#[cfg(feature = "embed-guests")]
fn embedded() -> Option<Guest> {
    Some(Guest {
        wasm: Cow::Borrowed(include_bytes!("../../../../target/guests/javascript.wasm")),
        prelude: Cow::Borrowed(include_bytes!("../../../../target/guests/prelude.js")),
    })
}

#[cfg(not(feature = "embed-guests"))]
fn embedded() -> Option<Guest> {
    None
}
