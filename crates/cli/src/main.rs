//! The `emerge` command: a client of a node, and the node itself.

mod args;
mod command;
mod output;
mod settings;

use args::Cli;
use clap::Parser;
use output::Output;
use std::process::ExitCode;

/// A node makes and drops many small records on several threads, which this does in less than half the time of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json || cli.command.json());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("emerge: the system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(command::run(cli, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(output::exit_code(error.code))
        }
    }
}
