//! Runs one execution: takes a signed payload on stdin, verifies it, asks to start, runs the script,
//! streams its output, serves its calls, and reports how it ended. Knows its target and the key of payloads, nothing
//! else.

mod archive;
mod args;
mod calls;
mod child;
mod client;
mod clock;
mod hub;
mod io_threads;
mod lines;
mod machine;
mod processes;
mod report;
mod resident;
mod run;
mod runtime;
mod spool;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1).peekable();
    if given.next_if(|first| first == "call").is_some() {
        return client::main(given);
    }
    if let Some(word) = given.next_if(|first| !first.starts_with('-')) {
        return resident::main(&word, given).unwrap_or_else(|| {
            eprintln!("cronium-runner: unknown command {word:?}");
            ExitCode::from(2)
        });
    }
    let args = match args::Args::parse(given) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("cronium-runner: {error}");
            return ExitCode::from(2);
        }
    };
    match run::run(args, run::Channel::Stdio) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cronium-runner: {error}");
            ExitCode::FAILURE
        }
    }
}
