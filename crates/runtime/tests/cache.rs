//! The folder of compiled guests.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test, its helpers too")]

mod common;

use emerge_proto::ErrorCode;
use emerge_runtime::{Sandbox, SandboxOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of this test alone, with a compiled guest in it.
fn folder(name: &str) -> PathBuf {
    common::sandbox();
    let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    // Those of earlier builds may be there too.
    let modified = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    let newest = guests(&compiled).max_by_key(modified).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::copy(&newest, folder.join(newest.file_name().unwrap())).unwrap();
    folder
}

fn open(folder: &Path) -> (emerge_proto::Result<Sandbox>, usize) {
    let compiled = AtomicUsize::new(0);
    let opened = Sandbox::open(&SandboxOptions::new(folder), &|_| {
        compiled.fetch_add(1, Ordering::Relaxed);
    });
    (opened, compiled.into_inner())
}

/// The guest that is compiled when a sandbox is opened.
fn file(folder: &Path) -> PathBuf {
    guests(folder).next().unwrap()
}

fn guests(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("JavaScript-")))
}

#[test]
fn a_compiled_guest_is_used_again() {
    let folder = folder("again");
    let (opened, compiled) = open(&folder);
    opened.unwrap();
    assert_eq!(compiled, 0);
    let mode = std::fs::metadata(file(&folder)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn programs_that_start_together_compile_once() {
    let folder = folder("together");
    std::fs::remove_file(file(&folder)).unwrap();
    let compiled = std::thread::scope(|scope| {
        let opening = [(); 2].map(|()| scope.spawn(|| open(&folder)));
        opening.map(|opening| opening.join().unwrap()).map(|(opened, compiled)| {
            opened.unwrap();
            compiled
        })
    });
    assert_eq!(compiled.iter().sum::<usize>(), 1);
}

#[test]
fn a_damaged_one_is_made_anew() {
    let folder = folder("damaged");
    let file = file(&folder);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (opened, compiled) = open(&folder);
    opened.unwrap();
    assert_eq!(compiled, 1);
    assert_eq!(open(&folder).1, 0);
}

#[test]
fn what_others_could_have_written_is_not_trusted() {
    let folder = folder("open");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let error = open(&folder).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageFailed);
    assert!(error.message.contains("others may use it"), "{}", error.message);

    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(file(&folder), PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(open(&folder).0.unwrap_err().code, ErrorCode::StorageFailed);
}

#[test]
fn a_guest_that_was_not_built_is_said_so() {
    let mut options = SandboxOptions::new(folder("none"));
    options.guests = Some("/nowhere".into());
    let error = Sandbox::open(&options, &|_| {}).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(error.message.contains("cargo xtask setup"), "{}", error.message);
}
