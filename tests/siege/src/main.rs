//! `siege [SECONDS]` tells the story `hostile` (600 s); `siege besiege ENODE NETWORK GENESIS GENESIS_TIME` is the process of its
//! strangers.
//!
//! The program under siege is the one that `SNAPSYNC_PROGRAM` names.

use std::{env, process::ExitCode, time::Duration};

use snapsync_siege::{Error, Place, story};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siege: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), Error> {
    let usage = || Error::Unreadable { what: "the command line", text: words.join(" ") };
    match words {
        [] => story::tell(Duration::from_secs(600)),
        [seconds] => story::tell(Duration::from_secs(seconds.parse().map_err(|_| usage())?)),
        [first, place @ ..] if first == "besiege" => {
            story::besiege(Place::from_words(place.try_into().map_err(|_| usage())?)?)
        }
        _ => Err(usage()),
    }
}
