//! Custom sections of a WebAssembly binary, found without a look at the others.

use super::invalid;
use crate::{Error, ErrorCode, Result, limits};

/// The name of the custom sections that describe a class.
pub const SECTION: &str = "emerge.class";

const MAGIC: &[u8] = b"\0asm";
const CORE: &[u8] = &[1, 0, 0, 0];

/// The content of all sections that describe the class, one after the other.
///
/// # Errors
/// `class_invalid` for what is no core module, or has no such section; `too_large`.
pub fn described(module: &[u8]) -> Result<Vec<u8>> {
    if module.len() > limits::MAX_MODULE {
        let why = format!("the module is {} bytes; the limit is {}", module.len(), limits::MAX_MODULE);
        return Err(Error::new(ErrorCode::TooLarge, why).limit(limits::MAX_MODULE as u64).field("module"));
    }
    let rest = module.strip_prefix(MAGIC).ok_or_else(|| not("it does not begin as WebAssembly does"))?;
    let mut rest = rest
        .strip_prefix(CORE)
        .ok_or_else(|| not("a core module of version 1 is needed, and no component"))?;
    let mut found = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = unsigned(after)?;
        let (content, after) = after.split_at_checked(size).ok_or_else(cut)?;
        rest = after;
        if id == 0 {
            let (length, content) = unsigned(content)?;
            let (name, content) = content.split_at_checked(length).ok_or_else(cut)?;
            if name == SECTION.as_bytes() {
                if found.len() + content.len() > limits::MAX_SOURCE {
                    let why =
                        format!("the module describes itself in more than {} bytes", limits::MAX_SOURCE);
                    let error = Error::new(ErrorCode::TooLarge, why);
                    return Err(error.limit(limits::MAX_SOURCE as u64).field("module"));
                }
                found.extend_from_slice(content);
            }
        }
    }
    if found.is_empty() {
        let why = format!("the module has no section {SECTION:?}, which says what class it is");
        return Err(invalid(why).field("module"));
    }
    Ok(found)
}

/// A LEB128 integer of 32 bits, and what follows it.
fn unsigned(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let number = u32::try_from(number).map_err(|_| cut())?;
            return Ok((number as usize, &bytes[at + 1..]));
        }
    }
    Err(cut())
}

fn not(why: &str) -> Error {
    invalid(format!("this is no WebAssembly module: {why}")).field("module")
}

fn cut() -> Error {
    not("it is cut short, or damaged")
}
