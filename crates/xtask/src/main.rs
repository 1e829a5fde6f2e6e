//! What a developer runs: `cargo xtask COMMAND`.
//!
//! Each command is a file of its name. It drives cargo, Go's client and our own programs, and decides nothing about
//! syncing. It does not install a tool that a command does not need, and asks nothing of the network but the package
//! registries' own clients.

mod error;
mod geth;
mod house;
mod process;

use std::{env, process::ExitCode};

use error::Error;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  geth           installs geth, devp2p and evm with Go's own client, and prints where they are
";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["geth"] => geth::run(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Error::Usage(USAGE)),
    }
}
