//! Inputs that once broke a target (`crashes/TARGET/`), and those that it begins with (`seeds/TARGET/`).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use emerge_fuzz::TARGETS;
use std::path::Path;

#[test]
fn kept_inputs_hold() {
    let mut ran = 0;
    for (name, target) in TARGETS {
        for folder in ["crashes", "seeds"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
            let Ok(files) = std::fs::read_dir(&folder) else { continue };
            for file in files {
                let file = file.unwrap().path();
                println!("{}", file.display());
                target(&std::fs::read(&file).unwrap());
                ran += 1;
            }
        }
    }
    assert!(ran >= TARGETS.len(), "there are seeds");
}
