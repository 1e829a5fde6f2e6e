//! Who tells a story: a program or an example of the workspace, built for release.

use std::{path::Path, process::Command};

use snapsync_e2e::program::PROGRAM_VARIABLE;

use crate::{error::Error, house, process};

/// An example of the harness tells it.
pub(crate) fn told_by_example(name: &str, words: &[&str]) -> Result<(), Error> {
    let example = ["--package", "snapsync-e2e", "--example", name];
    process::run(house::cargo().args(["build", "--release", "--locked"]).args(example))?;
    told_by(&format!("examples/{name}"), "snapsync-e2e", words)
}

/// A program of a package tells the story of our own, both as a user builds them.
pub(crate) fn told_by(program: &str, package: &str, words: &[&str]) -> Result<(), Error> {
    let packages = ["--package", "snapsync", "--package", package];
    process::run(house::cargo().args(["build", "--release", "--locked"]).args(packages))?;
    let metadata = house::metadata(&["--no-deps"])?;
    let folder = Path::new(house::text(&metadata, "target_directory")).join("release");
    process::run(
        Command::new(folder.join(program)).args(words).env(PROGRAM_VARIABLE, folder.join("snapsync")),
    )
}
