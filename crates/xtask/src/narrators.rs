//! Who tells a story: a program or an example of the workspace, built for release.

use std::{path::Path, process::Command};

use snapsync_e2e::program::PROGRAM_VARIABLE;

use crate::{error::Error, house, process};

/// An example of the harness tells it.
pub(crate) fn told_by_example(name: &str, words: &[&str]) -> Result<(), Error> {
    tell(&format!("examples/{name}"), &["--example", name], words)
}

/// A program of ours tells it.
pub(crate) fn told_by(program: &str, words: &[&str]) -> Result<(), Error> {
    tell(program, &[], words)
}

/// Both it and our own program are built with the whole workspace: whatever else is built for release has the same features then, and is there already.
fn tell(program: &str, target: &[&str], words: &[&str]) -> Result<(), Error> {
    process::run(
        house::cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).args(target),
    )?;
    let metadata = house::metadata(&["--no-deps"])?;
    let folder = Path::new(house::text(&metadata, "target_directory")).join("release");
    process::run(
        Command::new(folder.join(program)).args(words).env(PROGRAM_VARIABLE, folder.join("snapsync")),
    )
}
