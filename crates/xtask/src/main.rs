//! `cargo xtask COMMAND`: what a developer runs. Every command does the set-up that it needs by itself.

mod args;
mod attacks;
mod bench;
mod build;
mod check;
mod codegen;
mod dist;
mod exec;
mod fresh;
mod fuzz;
mod http;
mod node;
mod project;
mod python;
mod report;
mod setup;
mod sim;
mod soak;
mod start;
mod test;
mod tidy;

use anyhow::{Result, bail};
use args::Args;
use std::process::ExitCode;

struct Command {
    name: &'static str,
    about: &'static str,
    options: &'static str,
    run: fn(Args) -> Result<bool>,
}

const COMMANDS: [Command; 12] = [
    Command {
        name: "setup",
        about: "install all that the other commands need",
        options: "",
        run: |args| {
            args.finish()?;
            let mut report = report::Report::new();
            report.stage("set up", setup::everything);
            Ok(report.finish(false))
        },
    },
    Command {
        name: "start",
        about: "build all, start a node on the store in .emerge, open its page (npm start)",
        options: "  --no-open     leave the browser alone\n  anything else goes to `emerge node start`: --port N, --data DIR, …\n",
        run: start::run,
    },
    Command {
        name: "build",
        about: "the sandbox's guest, the client's wasm, the page, the program, as far as they are not fresh",
        options: "  guest | wasm | www | program   only these parts\n",
        run: build::run,
    },
    Command {
        name: "check",
        about: "format, lint, types, licences, the rules of the house (npm run check)",
        options: "  format | codegen | tidy | clippy | types | eslint | imports | deny   only these\n",
        run: check::run,
    },
    Command {
        name: "test",
        about: "the tests (npm test)",
        options: "  --all         what CI runs: check, all tests, 1,000 seeds, the mutations\n  \
                  rust | web | python | http | browser | e2e | docs | sim   only these parts\n",
        run: test::run,
    },
    Command {
        name: "bench",
        about: "each speed against its baseline (npm run bench)",
        options: "  --json FILE   also write a line of JSON for each question\n  \
                  --only GLOB   only the questions with such a name\n",
        run: bench::run,
    },
    Command {
        name: "sim",
        about: "the simulator: many clients, faults, one virtual clock",
        options: "  --seeds N     run N seeds (1000)\n  --seed N      replay one\n  \
                  --mutations   show that deliberate defects are found\n",
        run: sim::run,
    },
    Command {
        name: "attacks",
        about: "named attacks on a real node: what each tries, and what it gets",
        options: "  --guards-off  take each guard away and show that its attacks succeed then\n  \
                  --only TEXT   only those in whose name it stands\n  --list        what each tries\n",
        run: attacks::run,
    },
    Command {
        name: "dist",
        about: "the program and the npm package, into dist/",
        options: "",
        run: dist::run,
    },
    Command {
        name: "codegen",
        about: "write the code that is generated from the protocol's records",
        options: "  --check       only tell whether it is stale\n",
        run: check::codegen,
    },
    Command {
        name: "fuzz",
        about: "what strangers send, led by what it covers: frames, paths, functions of searches, what workers say",
        options: "  --seconds N   how long each target runs (600)\n  --only NAME   one target\n",
        run: fuzz::run,
    },
    Command {
        name: "soak",
        about: "fuzzing, seeds and browser tests in a loop",
        options: "  --minutes N   how long (30)\n",
        run: soak::run,
    },
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> Result<bool> {
    if words.is_empty() || ["--help", "-h", "help"].contains(&words[0].as_str()) {
        println!("cargo xtask COMMAND [OPTIONS]\n");
        for command in &COMMANDS {
            println!("  {:8}  {}", command.name, command.about);
        }
        println!("\ncargo xtask COMMAND --help tells more.");
        return Ok(!words.is_empty());
    }
    let name = words.remove(0);
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        bail!("{name:?} is no command; `cargo xtask --help` lists them");
    };
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("cargo xtask {} [OPTIONS]: {}\n\n{}", command.name, command.about, command.options);
        return Ok(true);
    }
    exec::end_children_on_signal()?;
    (command.run)(Args::new(words))
}
