//! `load make LOAD BLOCKS FOLDER [SEED]` writes a chain file and its genesis file; `load import BLOCKS` tells the story `import`.
//!
//! What is imported by is the program that `SNAPSYNC_PROGRAM` names.

mod error;
mod file;
mod process;
mod story;
mod tenths;

use std::{env, path::Path, process::ExitCode};

use snapsync_demo::Load;

use error::Error;

const USAGE: &str =
    "usage: load make transfers|tokens|storage|small BLOCKS FOLDER [SEED], or load import BLOCKS";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Error> {
    let number = |word: &str| word.parse::<u64>().ok().filter(|number| *number > 0);
    match *words {
        ["make", load, blocks, folder, ref seed @ ..] if seed.len() < 2 => {
            let load = load.parse::<Load>().map_err(Error::Usage)?;
            let seed = seed.first().map_or(Some(1), |seed| number(seed));
            let (Some(blocks), Some(seed)) = (number(blocks), seed) else { return Err(usage()) };
            println!("{}", file::make(load, seed, blocks, Path::new(folder))?);
            Ok(())
        }
        ["import", blocks] => story::tell(number(blocks).ok_or_else(usage)?),
        _ => Err(usage()),
    }
}

fn usage() -> Error {
    Error::Usage(USAGE.to_owned())
}
