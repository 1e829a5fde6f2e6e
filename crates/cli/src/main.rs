//! The front door: the `snapsync` program.
//!
//! It parses the command line, runs one command, and ends with that command's exit code.

mod args;
mod beacon;
mod chain_file;
mod chain_reader;
mod cli;
mod commands;
mod exit;
mod figures;
mod follow_by;
mod genesis;
mod importer;
mod log;
mod measure;
mod memory;
mod node;
mod pace;
mod render;
mod say;
mod scenes;
mod session;
mod story;
mod taken;
mod watch;
mod wavering;

use std::{ffi::OsString, process::ExitCode};

use crate::{
    cli::Command,
    exit::Failure,
    node::{args::LogFormat, words},
    say::errln,
};

fn main() -> ExitCode {
    memory::share_pools();
    let words: Vec<OsString> = std::env::args_os().collect();
    let done = words::read(&words).and_then(|cli| run(cli.command));
    match done.and_then(|()| say::whole_result()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            errln!("error: {failure}");
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    log::begin(match &command {
        Command::Node(args) => args.log_format,
        _ => LogFormat::Text,
    });
    match command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Sync(args) => commands::sync::run(&args),
        Command::Node(args) => commands::node::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Repair(args) => commands::repair::run(&args),
        Command::Mend(args) => commands::repair::mend(&args),
        Command::Reset(args) => commands::reset::run(&args),
        Command::Version => commands::version::run(),
    }
}
