//! The `emerge` command: a client of a node, and the node itself.

mod args;
mod command;
mod complete;
mod http;
mod output;
mod place;
mod settings;
mod shell;

use args::Cli;
use clap::Parser;
use output::Output;
use std::process::ExitCode;

const _: () = assert!(emerge_proto::guard::GUARDED, "a program without guards is for nobody");

/// A node makes and drops many small records on several threads, which this does in less than half the time of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A shell that wants to know what a word can be says so in its environment.
    clap_complete::CompleteEnv::with_factory(complete::command).complete();
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
