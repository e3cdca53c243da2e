//! Deliberate defects, each of which must be found.

use crate::faults::Defects;
use crate::history;
use crate::world::World;
use std::process::ExitCode;

/// Seeds after which a defect counts as not found.
const SEEDS: u64 = 300;

pub(crate) fn prove() -> ExitCode {
    let none = Defects::default;
    let mutations = [
        ("acknowledge before commit", Defects { acknowledge_before_commit: true, ..none() }),
        ("outcome in another commit", Defects { outcome_in_another_commit: true, ..none() }),
        ("resend forgets the sequence", Defects { resend_forgets_sequence: true, ..none() }),
        ("cursor off by one", Defects { cursor_off_by_one: true, ..none() }),
        ("reads not validated", Defects { reads_not_validated: true, ..none() }),
        ("watch gap", Defects { watch_gap: true, ..none() }),
        ("cut message accepted", Defects { cut_message_accepted: true, ..none() }),
        ("phantom read", Defects { forget_listed_ranges: true, ..none() }),
        ("stale index", Defects { stale_index: true, ..none() }),
    ];
    let mut found = 0;
    for (name, defects) in &mutations {
        let hit = (1..=SEEDS).find_map(|seed| {
            let outcome = World::new(seed, *defects, false).run().and_then(|()| history::run(seed, *defects));
            outcome.err().map(|why| (seed, why))
        });
        match hit {
            Some((seed, why)) => {
                found += 1;
                println!("{name}: found by seed {seed}: {why}");
            }
            None => println!("{name}: NOT found in {SEEDS} seeds"),
        }
    }
    println!("{} mutations, {found} found", mutations.len());
    if found == mutations.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
