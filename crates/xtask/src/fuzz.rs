//! `fuzz NAME`: runs a fuzz target of `tests/fuzz` with cargo-fuzz, which it installs when it is not there.

use crate::{error::Error, house, process};

const FOLDER: &str = "tests/fuzz";

/// Runs the target `name`; `words` go to libFuzzer.
pub(crate) fn run(name: &str, words: &[&str]) -> Result<(), Error> {
    if !process::succeeds(house::cargo().args(["fuzz", "--version"])) {
        process::run(house::cargo().args(["install", "cargo-fuzz", "--locked"]))?;
    }
    let mut command = house::cargo();
    // No sanitizer: that is what makes it run on a stable compiler. Our code is safe; panics and overflows are what it finds.
    command.args(["fuzz", "run", name, "--fuzz-dir", FOLDER, "--sanitizer", "none", "--"]);
    process::run(command.args(words))
}

/// Whether the targets compile. They are a workspace of their own, which the other checks do not see.
pub(crate) fn check() -> Result<(), Error> {
    let manifest = house::root().join(FOLDER).join("Cargo.toml");
    if !manifest.is_file() {
        eprintln!("xtask: {FOLDER} has no targets");
        return Ok(());
    }
    process::run(house::cargo().args(["check", "--quiet", "--bins", "--manifest-path"]).arg(manifest))
}
