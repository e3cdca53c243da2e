//! `emerge-guest-marks IN OUT`: makes a component or a module note which parts of its memory it writes, so that a host can put the memory back into an earlier
//! state by copying little.
//!
//! The memory becomes 4 MiB larger. That last part of its initial size is the map: one byte for each card, 1 KiB of a 32-bit memory, which is 1 when
//! the card was written. Every store, and every bulk operation, sets the bytes of its cards first. So do the functions by which the component model's
//! canonical functions get memory from the guest, and the calls of imported functions, which are given a place for what they return. A plain module's own are
//! `alloc` and `emerge.ask`.
//!
//! The data with which a memory begins is written by the module itself, and only when the memory does not hold it already: then a host that lets the
//! memory begin with an earlier state has an instance without writing tens of megabytes.

mod module;

use anyhow::{Context, Result, bail};
use wasm_encoder::{Component, RawSection};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// A WebAssembly page.
const WASM_PAGE: u64 = 64 * 1024;
/// Pages of WebAssembly that the map takes: a byte for each 1 KiB of 4 GiB.
const MAP_PAGES: u64 = 64;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        bail!("usage: emerge-guest-marks IN OUT")
    };
    let bytes = std::fs::read(&input).with_context(|| input.clone())?;
    let map = u32::try_from(initial_pages(&bytes)? * WASM_PAGE)?;
    let marked =
        if Parser::is_component(&bytes) { component(&bytes, map)? } else { module::mark(&bytes, map)? };
    Validator::new_with_features(WasmFeatures::all()).validate_all(&marked)?;
    std::fs::write(&output, marked).with_context(|| output.clone())
}

/// Rewrites the modules of a component.
fn component(bytes: &[u8], map: u32) -> Result<Vec<u8>> {
    let mut out = Component::new();
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    while !rest.is_empty() {
        let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else {
            bail!("the component ends early")
        };
        rest = &rest[consumed..];
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                rest = &rest[unchecked_range.end - unchecked_range.start..];
                let marked = module::mark(&bytes[unchecked_range], map)?;
                out.section(&RawSection { id: 1, data: &marked });
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                rest = &rest[unchecked_range.end - unchecked_range.start..];
                out.section(&RawSection { id: 4, data: &bytes[unchecked_range] });
            }
            Payload::Version { .. } | Payload::End(_) => {}
            other => {
                let (id, range) = other.as_section().context("a section of an unknown kind")?;
                out.section(&RawSection { id, data: &bytes[range] });
            }
        }
    }
    Ok(out.finish())
}

/// The size of the one memory that there is; the modules of a component share it.
fn initial_pages(bytes: &[u8]) -> Result<u64> {
    let mut sizes = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::MemorySection(memories) = payload? {
            for memory in memories {
                sizes.push(memory?.initial);
            }
        }
    }
    match sizes[..] {
        [size] => Ok(size),
        _ => bail!("{} memories are defined; it must be one", sizes.len()),
    }
}
