//! What must hold for any bytes whatever, and a way to make bytes that are nearly right. The property tests and the long-running
//! driver of the fuzz targets (`fuzz/`) share it.
#![allow(clippy::unwrap_used, reason = "a panic here is the finding")]

use crate::frame::{decode_message, encode_frame};
use crate::value::{Value, check, check_map, raw};

/// A small generator of random numbers (splitmix64), so that a seed tells all.
pub struct Random(u64);

impl Random {
    /// A generator that begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

/// Flips, cuts, inserts, repeats or replaces some of the bytes.
pub fn perturb(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.number() as u8),
        // Heads are where the trouble lies.
        2 => bytes.insert(at, [0x5f, 0x7f, 0x9f, 0xbf, 0xff, 0xc2, 0xd8, 0x9b, 0xbb, 0xf9][random.below(10)]),
        3 if !bytes.is_empty() => {
            let end = (at + random.below(8)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        4 if at < bytes.len() => drop(bytes.remove(at)),
        _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
}

/// Bytes are a value that is written and read again as itself, or a typed error; and checking agrees with reading.
pub fn value(bytes: &[u8]) {
    let read = Value::decode(bytes);
    assert_eq!(check(bytes).err(), read.as_ref().err().cloned());
    if let Ok(entries) = raw::entries(bytes) {
        let whole: Result<Vec<_>, _> = entries.collect();
        // Extents are a weaker check than values, so what is a map of values has them.
        assert!(whole.is_ok() || check_map(bytes).is_err());
        if let Ok(entries) = whole {
            let again = raw::build(&entries);
            assert_eq!(raw::entries(&again).unwrap().map(Result::unwrap).collect::<Vec<_>>(), entries);
        }
    }
    let Ok(value) = read else { return };
    let written = value.encode();
    assert_eq!(Value::decode(&written).unwrap(), value);
    assert_eq!(Value::decode(&written).unwrap().encode(), written);
    // The JSON form may only refuse nothing and change only the bits of a NaN.
    let json = value.to_json();
    assert_eq!(Value::from_json(&json).unwrap().to_json(), json);
}

/// Bytes are frames that are written and read again as themselves, or a typed error.
pub fn message(bytes: &[u8]) {
    if let Ok(frames) = decode_message(bytes) {
        let mut written = Vec::new();
        frames.iter().for_each(|frame| encode_frame(frame, &mut written));
        assert_eq!(decode_message(&written).unwrap(), frames);
    }
}

/// Where perturbation begins: the bytes of every vector, good and bad.
pub fn corpus() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../vectors/values.json"),
        include_str!("../vectors/bad-values.json"),
        include_str!("../vectors/frames.json"),
        include_str!("../vectors/records.json"),
        include_str!("../vectors/bad-messages.json"),
    ];
    let cases = files.iter().flat_map(|text| serde_json::from_str::<Vec<serde_json::Value>>(text).unwrap());
    cases
        .map(|case| {
            let hex = case["hex"].as_str().unwrap().as_bytes();
            let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
            hex.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
        })
        .collect()
}
