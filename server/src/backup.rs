//! Copies of the stores of this machine: of a folder that no node has open, and folders made of copies.

use crate::backend::embedded::Embedded;
use crate::running::{STORE, make_folder, now_micros};
pub use emerge_engine::backup::{Check, Restored};
use emerge_engine::backup::{Restore, copy_closed};
use emerge_proto::{Error, ErrorCode, Result};
use std::io::{Read, Write};
use std::path::Path;

/// Bytes of a copy that are read at a time.
const PIECE: usize = 1024 * 1024;
/// Where a store is made of a copy; it gets its name when all of it is there.
const PART: &str = "store.part";

fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::StorageFailed, format!("{what} {}: {error}", path.display()))
}

/// Writes a copy of the store in a data folder that no node has open.
///
/// # Errors
/// `not_found` when there is none, `unavailable` when a node has it open, `storage_failed`.
pub async fn copy_folder(data: &Path, to: &mut impl Write) -> Result<()> {
    let store = data.join(STORE);
    if !store.is_dir() {
        return Err(Error::new(ErrorCode::NotFound, format!("there is no store in {}", data.display())));
    }
    let backend = Embedded::open(&store)?;
    copy_closed(&backend, now_micros(), |bytes| {
        to.write_all(bytes).map_err(|error| failed("cannot copy", &store, error))
    })
    .await
}

/// Makes a data folder of a copy. It holds a store only when this returns; whatever an earlier try left in it is dropped, and a folder
/// that was made for it goes when it fails.
///
/// # Errors
/// `already_exists` when the folder holds a store, `bad_argument` when the copy is damaged, `storage_failed`.
pub async fn restore_folder(from: &mut impl Read, data: &Path) -> Result<Restored> {
    let store = data.join(STORE);
    if store.exists() {
        let why =
            format!("{} holds a store already; a backup is restored into another folder", data.display());
        return Err(Error::new(ErrorCode::AlreadyExists, why));
    }
    let is_new = !data.exists();
    make_folder(data).map_err(|error| failed("cannot make the folder", data, error))?;
    let part = data.join(PART);
    if part.exists() {
        std::fs::remove_dir_all(&part).map_err(|error| failed("cannot remove", &part, error))?;
    }
    let restored = fill(from, &part).await;
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => {
            // What cannot be removed is removed by the next try.
            let _ = std::fs::remove_dir_all(&part);
            if is_new {
                let _ = std::fs::remove_dir(data);
            }
            return Err(error);
        }
    };
    std::fs::rename(&part, &store).map_err(|error| failed("cannot make the folder", &store, error))?;
    Ok(restored)
}

async fn fill(from: &mut impl Read, part: &Path) -> Result<Restored> {
    let mut restore = Restore::begin(Embedded::open(part)?).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).map_err(|error| {
            Error::new(ErrorCode::BadArgument, format!("the backup cannot be read: {error}"))
        })?;
        if read == 0 {
            break;
        }
        restore.feed(&piece[..read]).await?;
    }
    let (backend, restored) = restore.finish().await?;
    // Its folder may be moved once it is closed.
    drop(backend);
    Ok(restored)
}
