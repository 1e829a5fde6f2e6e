//! `test`: installs geth where that can be, makes the test chains, and runs all tests.
//!
//! The closing line counts the tests that met a real geth: each of them adds a line to a tally file. A run without geth is
//! loud about it, and fails where it counts (`CI=true`).

use std::{env, fs, path::Path};

use snapsync_e2e::{
    cache::{Release, Tools},
    chain::{Forks, TestChain},
    presence::TALLY_VARIABLE,
    program::PROGRAM_VARIABLE,
    recipe::Size,
};

use crate::{error::Error, geth, house, process};

/// Runs all tests; `words` go to `cargo test`.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let (newest, older) = (geth::install(Release::Newest)?, geth::install(Release::Older)?);
    prepare(newest.as_ref(), older.as_ref())?;
    let program = house::program("snapsync")?;
    if words.is_empty() {
        planted_bugs()?;
    }
    let tally = env::temp_dir().join(format!("snapsync-geth-tally-{}", std::process::id()));
    let mut command = house::cargo();
    command
        .args(["test", "--workspace", "--locked"])
        .args(words)
        .env(TALLY_VARIABLE, &tally)
        .env(PROGRAM_VARIABLE, program);
    for (release, tools) in [(Release::Newest, &newest), (Release::Older, &older)] {
        if let Some(tools) = tools {
            command.env(release.variable(), &tools.geth);
        }
    }
    let outcome = process::run(&mut command);
    let count = count(&tally);
    fs::remove_file(&tally).ok();
    if count.skipped > 0 || newest.is_none() || older.is_none() {
        eprintln!("xtask: ############ TESTS AGAINST A REAL GETH DID NOT RUN: geth is missing ############");
    }
    println!("xtask: tests against a real geth: {} ran, {} were left out", count.ran, count.skipped);
    outcome?;
    if house::is_ci() && words.is_empty() && (count.ran == 0 || count.skipped > 0) {
        return Err(Error::Missing("a test against a real geth (CI is set, so all of them must run)"));
    }
    Ok(())
}

/// The stories against themselves, of the whole machine and of the state's writer: each mistake that a feature plants must be caught. The feature is
/// for this run only, so it is not in the run over the workspace; of other crates nothing is built again for it.
fn planted_bugs() -> Result<(), Error> {
    let mut command = house::cargo();
    command.args(["test", "--workspace", "--locked", "--features", "snapsync-world/planted-bugs"]);
    for test in ["bugs", "blocks", "lists", "left"] {
        command.args(["--test", test]);
    }
    process::run(&mut command)
}

/// Makes the chains before the tests start, so that no test's time is the chain's.
fn prepare(newest: Option<&Tools>, older: Option<&Tools>) -> Result<(), Error> {
    eprintln!("xtask: making the test chains, unless they are there");
    let mut chains = Vec::new();
    for tools in newest.into_iter().chain(older) {
        chains.push(TestChain::of(tools, Size::SMALL)?);
    }
    if let Some(tools) = newest {
        for forks in Forks::ALL {
            chains.push(TestChain::of_every_fork(tools, forks)?);
        }
    }
    for chain in chains {
        eprintln!("xtask: chain of {} blocks, {:?}", chain.expected().head_number, chain.expected().state);
    }
    Ok(())
}

/// Tests that met geth, and tests that would have.
struct Count {
    ran: usize,
    skipped: usize,
}

fn count(tally: &Path) -> Count {
    let text = fs::read_to_string(tally).unwrap_or_default();
    let of = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    Count { ran: of("ran "), skipped: of("skipped ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tally_is_counted_by_its_first_words() {
        let path = env::temp_dir().join(format!("snapsync-tally-test-{}", std::process::id()));
        fs::write(&path, "ran a\nskipped b\nran c\n").unwrap();
        let count = count(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!((count.ran, count.skipped), (2, 1));
    }
}
