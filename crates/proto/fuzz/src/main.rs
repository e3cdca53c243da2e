//! Two fuzz targets for the decoder: values (with encoded maps) and messages. The inputs are the vectors, perturbed; the
//! targets live in `emerge_proto::perturb`, where the property tests use them too. It needs no nightly compiler and no sanitizer.
//!
//! `emerge-proto-fuzz [--seconds N] [--seed N] [--hex INPUT]`; the last runs one input that was found before.

use emerge_proto::perturb;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 2] = [("values", perturb::value), ("messages", perturb::message)];

struct Options {
    seconds: u64,
    seed: u64,
    hex: Option<String>,
}

fn options() -> Option<Options> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { seconds: 60, seed: now.as_nanos() as u64, hex: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--seconds" => options.seconds = value.parse().ok()?,
            "--seed" => options.seed = value.parse().ok()?,
            "--hex" => options.hex = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

/// The target that an input breaks.
fn broken(input: &[u8]) -> Option<&'static str> {
    let breaks = |target: fn(&[u8])| std::panic::catch_unwind(|| target(input)).is_err();
    TARGETS.iter().find(|(_, target)| breaks(*target)).map(|(name, _)| *name)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: emerge-proto-fuzz [--seconds N] [--seed N] [--hex INPUT]");
        return ExitCode::from(2);
    };
    if let Some(hex) = &options.hex {
        return match unhex(hex).map(|input| broken(&input)) {
            Some(None) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        };
    }
    println!("seed {}", options.seed);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let corpus = perturb::corpus();
    let mut random = perturb::Random::new(options.seed);
    let mut inputs = 0u64;
    while Instant::now() < end {
        for _ in 0..1000 {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(8) {
                perturb::perturb(&mut input, &mut random);
            }
            if let Some(target) = broken(&input) {
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("{target} broke; run it again with --hex {hex}");
                println!("{inputs} passed, 1 failed");
                return ExitCode::FAILURE;
            }
            inputs += 1;
        }
    }
    println!("{inputs} passed, 0 failed");
    ExitCode::SUCCESS
}
