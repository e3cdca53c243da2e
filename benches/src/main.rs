//! `npm run bench`: one table of ratios, each the median of interleaved runs.

mod chromium;
mod client_size;
mod cpython;
mod disk_bytes;
mod durable_stores;
mod evalsha;
mod exactly_once;
mod hot_object;
mod listing;
mod many_gets;
mod native_gets;
mod native_python;
mod page;
mod page_gets;
mod postgres;
mod pyodide;
mod redis;
mod report;
mod runtimes;
mod searches;
mod setting;
mod texts;
mod transaction;
mod transfers;

use clap::Parser;
use emerge_proto::Language;
use report::{Answer, Report};
use std::path::PathBuf;
use std::process::ExitCode;
use transfers::Spread;

/// A node makes and drops many small records on several threads, which this does in less than half the time of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, and prints one table: ratio, floor, aim, and pass or short.
#[derive(Debug, Parser)]
struct Args {
    /// Also write one JSON line for each question to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only the questions whose name fits, such as 'main/page-*'.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
    /// Interleaved runs for each figure; five at least.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(5..))]
    runs: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut report = Report::new(args.only);
    let runs = args.runs as usize;
    report.ask("main/page-get", 0.7, 0.95, async || page_gets::one_at_a_time(runs).await).await;
    report.ask("main/page-get-64", 5.0, 10.0, async || page_gets::in_flight(runs).await).await;
    report.ask("main/native-get-64", 0.1, 0.4, async || native_gets::measure(runs).await).await;
    report.ask("main/durable-stores", 4.0, 15.0, async || durable_stores::measure(runs).await).await;
    report.ask("main/exactly-once", 0.9, 0.98, async || exactly_once::measure(3 * runs).await).await;
    report.ask_less("main/client-size-kb", 150.0, 80.0, async || client_size::measure()).await;
    report
        .ask_less("main/disk-bytes-per-object", 1024.0, 400.0, async || disk_bytes::measure(runs).await)
        .await;
    let get = "a get of a small object, a redis-py GET of 200 bytes, one at a time";
    report.ask("python/get", 0.7, 1.2, async || cpython::measure("get", get, runs).await).await;
    let asyncio = "gets, redis-py GETs, by asyncio, 64 in flight";
    report
        .ask("python/asyncio-64", 1.5, 5.0, async || cpython::measure("asyncio", asyncio, runs).await)
        .await;
    let call = "a Python method on the node, a Pyro5 (msgpack) call, one at a time";
    report.ask("python/call", 0.7, 1.2, async || cpython::measure("call", call, runs).await).await;
    report.ask_less("python/pyodide-start", 400.0, 150.0, async || pyodide::start(runs).await).await;
    let get = "a get in Pyodide, one by the JavaScript client in the same worker, one at a time";
    report.ask("python/pyodide-get", 0.5, 0.9, async || pyodide::compare("get_async", get, runs).await).await;
    report
        .ask("python/pyodide-get-sync", 0.35, 0.7, async || pyodide::compare("get_sync", get, runs).await)
        .await;
    let table = "a dict of 10,000 entries to wire bytes, json.dumps and UTF-8";
    report
        .ask("python/dict-to-wire", 0.5, 1.0, async || pyodide::compare("dict_to_wire", table, runs).await)
        .await;
    report.ask_less("objects/get-of-million", 1.5, 1.15, async || many_gets::measure(runs).await).await;
    report.ask("objects/list-10000", 0.4, 0.7, async || listing::measure(runs).await).await;
    report.ask("objects/hot-object", 0.3, 1.0, async || hot_object::measure(runs).await).await;
    report.ask("objects/transaction-100", 10.0, 40.0, async || transaction::measure(runs).await).await;
    report.ask_less("objects/indexed-search", 20.0, 5.0, async || searches::indexed(runs).await).await;
    report.ask_less("objects/text-search", 10.0, 2.0, async || texts::best(runs).await).await;
    report.ask("objects/lambda-scan", 0.4, 0.8, async || searches::unindexed(runs).await).await;
    report.ask("runtimes/python-call", 0.9, 1.3, async || cpython::measure("call", call, runs).await).await;
    let calls =
        "a Python method on the node, 16 in flight on one connection, Pyro5 (msgpack) calls of 16 clients";
    report
        .ask("runtimes/python-call-16", 1.5, 4.0, async || cpython::measure("calls", calls, runs).await)
        .await;
    report.ask("runtimes/javascript-call", 0.7, 1.2, async || evalsha::measure(runs).await).await;
    report.ask("runtimes/wasm-method", 2.0, 20.0, async || runtimes::wasm_method(runs).await).await;
    report.ask("runtimes/python-fib", 0.5, 0.8, async || runtimes::fibonacci(runs).await).await;
    for (name, language, floor, aim) in [
        ("runtimes/fresh-python-ms", Language::Python, 10.0, 2.0),
        ("runtimes/fresh-javascript-ms", Language::JavaScript, 2.0, 0.5),
        ("runtimes/fresh-wasm-ms", Language::Wasm, 0.2, 0.05),
    ] {
        report.ask_less(name, floor, aim, async || runtimes::fresh(language, runs).await).await;
    }
    report.ask("runtimes/64-principals", 0.5, 0.9, async || runtimes::principals(runs).await).await;
    for (name, spread, aim) in
        [("runtimes/transfer-uniform", Spread::Uniform, 5.0), ("runtimes/transfer-zipf", Spread::Zipf, 10.0)]
    {
        report.ask(name, 1.0, aim, async || transfers::measure(spread, runs).await).await;
    }
    report.ask("runtimes/pandas-groupby", 0.3, 0.7, async || native_python::groupby(runs).await).await;
    report.print();
    if let Some(file) = args.json
        && let Err(error) = report.write(&file)
    {
        eprintln!("{} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    if report.all_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a question gives: the figure of each run, or why it cannot be asked here.
type Measured = Result<Answer, String>;
