//! `cargo xtask sim`: seeded runs of clients, node and engine under faults, on one virtual clock.

mod backend;
mod check;
mod client;
mod faults;
mod history;
mod link;
#[cfg(feature = "mutations")]
mod mutations;
mod runtime;
mod transact;
mod world;

use clap::Parser;
use faults::Defects;
use std::process::ExitCode;
use world::World;

/// Runs seeds and says which failed.
#[derive(Debug, Parser)]
struct Args {
    /// Run this many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Replay one seed, and print what happened.
    #[arg(long)]
    seed: Option<u64>,
    /// Prove that each deliberate defect is found.
    #[arg(long)]
    mutations: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.mutations {
        return prove_mutations();
    }
    if let Some(seed) = args.seed {
        let outcome = World::new(seed, Defects::default(), true)
            .run()
            .and_then(|()| history::run(seed, Defects::default()));
        return match outcome {
            Ok(()) => {
                println!("1 seeds, 1 passed");
                ExitCode::SUCCESS
            }
            Err(why) => {
                println!("seed {seed} failed: {why}");
                ExitCode::FAILURE
            }
        };
    }
    let mut passed = 0;
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let outcome = World::new(seed, Defects::default(), false).run();
        match outcome.and_then(|()| history::run(seed, Defects::default())) {
            Ok(()) => passed += 1,
            Err(why) => println!("seed {seed} failed: {why}\n  replay: cargo xtask sim --seed {seed}"),
        }
    }
    println!("{} seeds, {passed} passed", args.seeds);
    if passed == args.seeds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(feature = "mutations")]
fn prove_mutations() -> ExitCode {
    mutations::prove()
}

#[cfg(not(feature = "mutations"))]
fn prove_mutations() -> ExitCode {
    println!("this build has no mutations; run: cargo xtask sim --mutations");
    ExitCode::from(2)
}
