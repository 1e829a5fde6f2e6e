//! `stories`: what takes too long, or needs too much beside Rust, for a test run.
//!
//! A story whose tools are missing says so loudly and is left out; none is ever counted as passed without having run.

use std::process::Command;

use snapsync_e2e::cache::Release;

use crate::{
    devnet,
    error::Error,
    geth, house,
    narrators::{told_by, told_by_example},
    process,
};

const USAGE: &str = "\
usage: cargo xtask stories [aarch64]
       cargo xtask stories hostile [--seconds N]
       cargo xtask stories racing-geth [--runs N]
       cargo xtask stories moving [--only NAME] [--seed N]
       cargo xtask stories transitions [--count N] [--seed N]
       cargo xtask stories import [--blocks N]
       cargo xtask stories devnet
";

/// Transactions of the story `transitions`: so many meet every opcode and every precompile.
const TRANSITIONS: &str = "20000";
/// Blocks of the story `import`: as many as a chain of twelve seconds has in four and a half months.
const BLOCKS: &str = "1000000";

const AARCH64: &str = "aarch64-unknown-linux-gnu";
/// Debian's packages of these are gcc-aarch64-linux-gnu and qemu-user.
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Where the linker's package puts the target's libraries.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Tells one story, or all of them.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    match words {
        [] => {
            hashing_on_aarch64()?;
            racing_geth(&[])?;
            moving(&[])?;
            transitions(TRANSITIONS, "0")?;
            import(BLOCKS)?;
            devnet::tell(&["stories"])?;
            hostile(&[])
        }
        ["aarch64"] => hashing_on_aarch64(),
        ["racing-geth"] => racing_geth(&[]),
        ["racing-geth", "--runs", runs] => racing_geth(&[runs]),
        ["moving", words @ ..] => moving(words),
        ["transitions"] => transitions(TRANSITIONS, "0"),
        ["transitions", "--count", count] => transitions(count, "0"),
        ["transitions", "--seed", seed] => transitions(TRANSITIONS, seed),
        ["transitions", "--count", count, "--seed", seed] => transitions(count, seed),
        ["import"] => import(BLOCKS),
        ["import", "--blocks", blocks] => import(blocks),
        ["devnet", words @ ..] => devnet::tell(&[&["stories"], words].concat()),
        ["hostile"] => hostile(&[]),
        ["hostile", "--seconds", seconds] => hostile(&[seconds]),
        _ => Err(Error::Usage(USAGE)),
    }
}

/// A sync among strangers that try to exhaust the node, for ten minutes.
fn hostile(words: &[&str]) -> Result<(), Error> {
    told_by("siege", words)
}

/// A very long chain, imported while it is made: what a block costs, and the memory that both take, stay flat.
fn import(blocks: &str) -> Result<(), Error> {
    told_by("load", &["import", blocks])
}

/// Syncs from a real geth that makes a block every tenth of a second.
fn racing_geth(words: &[&str]) -> Result<(), Error> {
    if !has_geth("racing-geth")? {
        return Ok(());
    }
    told_by("racing_geth", words)
}

/// Syncs from a real geth whose chain moves: kills, reorganisations, a second geth, restarts.
fn moving(words: &[&str]) -> Result<(), Error> {
    if !has_geth("moving")? {
        return Ok(());
    }
    told_by_example("moving_geth", words)
}

/// Random transactions of every fork, executed by us and by geth's own tester: the test of that name, with many more of them.
fn transitions(count: &str, seed: &str) -> Result<(), Error> {
    if !has_geth("transitions")? {
        return Ok(());
    }
    let mut command = house::cargo();
    command
        .args(["test", "--release", "--locked", "--package", "snapsync-e2e", "--test", "transitions"])
        .args(["--", "--nocapture"])
        .env("SNAPSYNC_TRANSITIONS", format!("{count}:{seed}"));
    process::run(&mut command)
}

/// Whether geth is here to be held against; says loudly which story is not told without it.
fn has_geth(story: &str) -> Result<bool, Error> {
    let is_here = geth::install(Release::Newest)?.is_some();
    if !is_here {
        eprintln!("xtask: ############ THE STORY {story} WAS NOT TOLD: geth is missing ############");
    }
    Ok(is_here)
}

/// The tests of `keccak` for a processor with the SHA-3 instructions, which the emulator stands for. They fail if the kernel for
/// these is not among those that they compare.
fn hashing_on_aarch64() -> Result<(), Error> {
    let missing = [LINKER, EMULATOR].into_iter().find(|tool| !starts(tool));
    if let Some(tool) = missing.or_else(|| (!has_target()).then_some(AARCH64)) {
        eprintln!("xtask: ############ THE KERNEL FOR AARCH64 DID NOT RUN: {tool} is missing ############");
        return Ok(());
    }
    let mut command = house::cargo();
    command
        .args(["test", "--locked", "--package", "snapsync-keccak", "--lib", "--target", AARCH64])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", format!("{EMULATOR} -cpu max -L {LIBRARIES}"))
        .env("SNAPSYNC_KERNEL_PROMISED", "Neon");
    process::run(&mut command)
}

fn starts(tool: &str) -> bool {
    process::succeeds(Command::new(tool).arg("--version"))
}

/// Whether the compiler has a standard library for the target.
fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    let folder = process::capture(rustc.args(["--print", "target-libdir", "--target", AARCH64]));
    folder.is_ok_and(|path| std::path::Path::new(String::from_utf8_lossy(&path).trim()).is_dir())
}
