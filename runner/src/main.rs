//! Runs one execution: takes a signed payload on stdin, verifies it, asks to start, runs the script,
//! streams its output, and reports how it ended. Knows its target and the key of payloads, nothing else.

mod archive;
mod args;
mod child;
mod clock;
mod hub;
mod io_threads;
mod lines;
mod machine;
mod processes;
mod report;
mod run;
mod spool;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("cronium-runner: {error}");
            return ExitCode::from(2);
        }
    };
    match run::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cronium-runner: {error}");
            ExitCode::FAILURE
        }
    }
}
