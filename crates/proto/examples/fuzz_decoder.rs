//! Perturbs the vectors for as long as it is told, and stops at the first panic: `fuzz_decoder SECONDS [SEED]`.
//! It needs no nightly compiler; the coverage-guided targets in `fuzz/` use the same checks.

use emerge_proto::perturb;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (seconds, seed) = match (numbers.next(), numbers.next()) {
        (Some(Ok(seconds)), Some(Ok(seed))) => (seconds, seed),
        (Some(Ok(seconds)), None) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (seconds, now.as_nanos() as u64)
        }
        _ => {
            eprintln!("usage: fuzz_decoder SECONDS [SEED]");
            return ExitCode::from(2);
        }
    };
    println!("seed {seed}");
    let end = Instant::now() + Duration::from_secs(seconds);
    let corpus = perturb::corpus();
    let mut random = perturb::Random::new(seed);
    let mut inputs = 0u64;
    while Instant::now() < end {
        for _ in 0..1000 {
            let mut bytes = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(8) {
                perturb::perturb(&mut bytes, &mut random);
            }
            let held = std::panic::catch_unwind(|| {
                perturb::value(&bytes);
                perturb::message(&bytes);
            });
            if held.is_err() {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("seed {seed}, input {inputs}: {hex}");
                return ExitCode::FAILURE;
            }
            inputs += 1;
        }
    }
    println!("{inputs} inputs, none of them broke the decoder");
    ExitCode::SUCCESS
}
