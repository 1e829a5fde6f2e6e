//! The front door: the `snapsync` program.
//!
//! It parses the command line, runs one command, and ends with that command's exit code.

mod args;
mod beacon;
mod chain_file;
mod chain_reader;
mod commands;
mod exit;
mod figures;
mod follow_by;
mod genesis;
mod importer;
mod measure;
mod memory;
mod render;
mod scenes;
mod session;
mod story;
mod taken;
mod watch;

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    memory::share_pools();
    let cli = Cli::parse();
    // Warnings are for every run; more with RUST_LOG, in its usual syntax.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let done = match cli.command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Sync(args) => commands::sync::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Repair(args) => commands::repair::run(&args),
        Command::Mend(args) => commands::repair::mend(&args),
        Command::Reset(args) => commands::reset::run(&args),
        Command::Version => commands::version::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit.into()
        }
    }
}
