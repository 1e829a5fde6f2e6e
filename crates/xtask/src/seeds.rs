//! `seeds`: the simulation of `tests/world`, by seed.

use std::process::Command;

use crate::{error::Error, house, process};

/// Seeds of a run that does not say how many: enough to meet each kind of the zoo, in under a minute.
const COUNT: &str = "500";

/// Runs the simulation with the given words, or with [`COUNT`] seeds. In the development profile: the simulation moves few
/// real bytes, and building all of it a second time would take longer than it runs.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let words = if words.is_empty() { &["--count", COUNT] } else { words };
    process::run(Command::new(house::program("seeds")?).args(words))
}
