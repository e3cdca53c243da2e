//! Compilation ahead of time, and the folder that keeps what it gave.
//!
//! A compiled module is machine code that runs outside the sandbox, so loading one is as dangerous as loading a shared library. The folder is
//! therefore used only when it belongs to the user who runs this process and nobody else can enter it.

use super::internal;
use emerge_proto::{Error, ErrorCode, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

const CHECKSUM: usize = 32;

/// Gives the compiled form of `wasm`: from `folder`, or compiled now and kept there. `progress` hears of a compilation before it begins.
pub(super) fn load(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    folder: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Module> {
    // SAFETY: as `read` says of the bytes that it gives.
    load_as(
        engine,
        name,
        wasm,
        folder,
        progress,
        |wasm| engine.precompile_module(wasm),
        |compiled| unsafe { Module::deserialize(engine, compiled) },
    )
}

/// As [`load`], for a component.
pub(super) fn load_component(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    folder: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Component> {
    // SAFETY: as `read` says of the bytes that it gives.
    load_as(
        engine,
        name,
        wasm,
        folder,
        progress,
        |wasm| engine.precompile_component(wasm),
        |compiled| unsafe { Component::deserialize(engine, compiled) },
    )
}

fn load_as<T>(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    folder: &Path,
    progress: &(dyn Fn(&str) + Sync),
    compile: impl Fn(&[u8]) -> wasmtime::Result<Vec<u8>>,
    open: impl Fn(&[u8]) -> wasmtime::Result<T>,
) -> Result<T> {
    prepare_folder(folder)?;
    let file = folder.join(format!("{name}-{}.cwasm", key(engine, wasm)));
    if let Some(module) = read(&file, &open)? {
        return Ok(module);
    }
    // Programs that start together would each compile for half a minute.
    let _lock = lock(folder, name)?;
    if let Some(module) = read(&file, &open)? {
        return Ok(module);
    }
    progress(&format!("compiling the {name} sandbox (once; some seconds)"));
    let compiled = compile(wasm).map_err(|error| internal("the guest could not be compiled", &error))?;
    write(&file, &compiled)?;
    remove_old(&file, name);
    read(&file, &open)?.ok_or_else(|| {
        Error::new(ErrorCode::StorageFailed, format!("{} could not be read back", file.display()))
    })
}

/// Waits until no other program compiles this guest; the lock ends with the file given, or with the program. It saves time and safety does not need it, so
/// that where the file system has no locks there is none.
fn lock(folder: &Path, name: &str) -> Result<Option<fs::File>> {
    let file = folder.join(format!("{name}.lock"));
    let opened =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(&file).map_err(|error| {
            Error::new(ErrorCode::StorageFailed, format!("{} could not be opened: {error}", file.display()))
        })?;
    Ok(opened.lock().is_ok().then_some(opened))
}

/// The name under which a compiled module is kept: what was compiled, and everything of the compiler that matters.
fn key(engine: &Engine, wasm: &[u8]) -> String {
    struct Digester(Sha256);
    impl Hasher for Digester {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut digester = Digester(Sha256::new());
    digester.write(wasm);
    engine.precompile_compatibility_hash().hash(&mut digester);
    digester.0.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the folder, or checks that nobody else could have written to it.
fn prepare_folder(folder: &Path) -> Result<()> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::new(
            ErrorCode::StorageFailed,
            format!("the folder {} for compiled code: {why}", folder.display()),
        )
    };
    if !folder.exists() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| failed(&error))?;
    }
    let metadata = fs::symlink_metadata(folder).map_err(|error| failed(&error))?;
    if !metadata.is_dir() {
        return Err(failed(&"it is not a directory"));
    }
    check_ownership(&metadata, 0o077).map_err(|why| failed(&why))
}

/// Refuses what belongs to someone else, or grants others any of `forbidden`.
#[cfg(unix)]
fn check_ownership(metadata: &fs::Metadata, forbidden: u32) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own {
        return Err(format!("it belongs to user {} and this process runs as {own}", metadata.uid()));
    }
    if metadata.mode() & forbidden != 0 {
        return Err(format!(
            "others may use it (its mode is {:o}); chmod go= makes it ours alone",
            metadata.mode() & 0o777
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_ownership(_: &fs::Metadata, _: u32) -> Result<(), String> {
    Ok(())
}

/// Reads a compiled module; nothing when it is absent, damaged or made by another compiler.
///
/// What `open` gets are the bytes that the compiler gave an earlier run: the file and its folder belong to the user of this process and let nobody else
/// in, so that whoever could have put others there could as well replace this program; and the checksum excludes what a crash or a bad disk left behind.
/// The file's name and wasmtime's own header exclude another version or configuration of the compiler.
fn read<T>(file: &Path, open: impl Fn(&[u8]) -> wasmtime::Result<T>) -> Result<Option<T>> {
    let Ok(metadata) = fs::symlink_metadata(file) else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    check_ownership(&metadata, 0o077)
        .map_err(|why| Error::new(ErrorCode::StorageFailed, format!("{}: {why}", file.display())))?;
    let Ok(bytes) = fs::read(file) else { return Ok(None) };
    // For `remove_old`; where the time cannot be set the file is only older than it need be.
    let _ = fs::File::open(file).and_then(|file| file.set_modified(SystemTime::now()));
    let Some((checksum, compiled)) = bytes.split_at_checked(CHECKSUM) else { return Ok(None) };
    if Sha256::digest(compiled)[..] != *checksum {
        return Ok(None);
    }
    Ok(open(compiled).ok())
}

/// Writes a compiled module so that it is there wholly or not at all.
fn write(file: &Path, compiled: &[u8]) -> Result<()> {
    let partial = partial(file);
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(&partial)?;
        out.write_all(&Sha256::digest(compiled))?;
        out.write_all(compiled)?;
        out.sync_all()?;
        fs::rename(&partial, file)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        Error::new(ErrorCode::StorageFailed, format!("{} could not be written: {error}", file.display()))
    })
}

/// Compiled versions of one guest that are kept: programs of several versions take turns on one machine, and none should evict another's.
const KEPT_VERSIONS: usize = 4;

/// Removes the versions of a guest that were not used for longest, so that the folder does not grow. A program that still wants one compiles it again.
fn remove_old(kept: &Path, name: &str) {
    let Some(entries) = kept.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    let prefix = format!("{name}-");
    let mut others: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path != kept
                && path.extension().is_some_and(|extension| extension == "cwasm")
                && path
                    .file_name()
                    .and_then(|file| file.to_str())
                    .is_some_and(|file| file.starts_with(&prefix))
        })
        .map(|path| (fs::metadata(&path).and_then(|about| about.modified()).unwrap_or(UNIX_EPOCH), path))
        .collect();
    others.sort();
    for (_, path) in others.iter().rev().skip(KEPT_VERSIONS - 1) {
        let _ = fs::remove_file(path);
    }
}

fn partial(file: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    file.with_extension(format!("partial-{}-{unique}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_versions_that_were_used_last_are_kept() {
        let folder = std::env::temp_dir().join(format!("emerge-cache-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, hour: u64| {
            let path = folder.join(name);
            fs::File::create(&path)
                .unwrap()
                .set_modified(UNIX_EPOCH + Duration::from_secs(hour * 3600))
                .unwrap();
            path
        };
        for hour in 1..=6 {
            file(&format!("javascript-{hour}.cwasm"), hour);
        }
        // Those of another guest, and what is no compiled module, are left alone.
        file("javascript2-1.cwasm", 1);
        file("javascript.lock", 1);
        // It has just been written, by a clock that is behind.
        remove_old(&file("javascript-new.cwasm", 0), "javascript");
        let mut left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            left,
            [
                "javascript-4.cwasm",
                "javascript-5.cwasm",
                "javascript-6.cwasm",
                "javascript-new.cwasm",
                "javascript.lock",
                "javascript2-1.cwasm"
            ]
        );
    }
}
