//! What a page downloads: the client's wasm and JavaScript, brotli.

use crate::Measured;
use crate::report::Answer;
use std::path::Path;

pub(crate) fn measure() -> Measured {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/dist/emerge-client");
    let mut total = 0;
    let mut parts = Vec::new();
    let entries =
        std::fs::read_dir(&folder).map_err(|_| "the client is not built; run: npm start".to_owned())?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".wasm") || name.ends_with(".js") {
            let bytes = std::fs::read(entry.path()).map_err(|error| error.to_string())?;
            let small = compressed(&bytes)?;
            total += small;
            parts.push(format!("{name} {:.1}", small as f64 / 1024.0));
        }
    }
    if total == 0 {
        return Err("the client is not built; run: npm start".into());
    }
    Ok(Answer { runs: vec![total as f64 / 1024.0], note: format!("KiB after brotli: {}", parts.join(", ")) })
}

fn compressed(bytes: &[u8]) -> Result<usize, String> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params).map_err(|error| error.to_string())?;
    Ok(out.len())
}
