//! The command line: every command.

use clap::{Parser, Subcommand};

use crate::{
    args::{BenchArgs, DemoArgs, DirArgs, ImportArgs, MendArgs, RepairArgs, ResetArgs, SyncArgs, VerifyArgs},
    node::args::NodeArgs,
};

/// Snap sync for Ethereum: headers, bodies, receipts and the whole state, every byte proved.
#[derive(Debug, Parser)]
#[command(name = "snapsync", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a chain and peers of our own on loopback, sync from them, show it
    Demo(DemoArgs),
    /// Sync to a standing target from the peers given, then exit
    Sync(SyncArgs),
    /// Run a node that a consensus client drives: sync, then follow the head it names
    Node(Box<NodeArgs>),
    /// Sync and print the figures: leaves per second, CPU, memory
    Bench(BenchArgs),
    /// Execute a chain out of files, as `geth export` writes them, into a data directory
    Import(ImportArgs),
    /// Show what a data directory holds, also beside a running sync
    Status(DirArgs),
    /// Derive every root again from the rows and compare it with what is stored
    Verify(VerifyArgs),
    /// Mend what is damaged in a data directory: rows and branches from peers, instead of syncing again
    Repair(RepairArgs),
    /// Mend what can be mended without peers, and answer with one line of JSON; used by `repair` for its child
    #[command(hide = true)]
    Mend(MendArgs),
    /// Erase a data directory: the only command that erases anything
    Reset(ResetArgs),
    /// Print the version
    Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_moving_demo_has_fewer_blocks_at_first_and_twists_need_one() {
        let parse = |words: &[&str]| Cli::try_parse_from(["snapsync", "demo"].iter().chain(words));
        let blocks = |words: &[&str]| match parse(words).map(|cli| cli.command) {
            Ok(Command::Demo(args)) => args.blocks,
            other => panic!("{other:?}"),
        };
        assert_eq!((blocks(&[]), blocks(&["--moving"])), (2_048, 256));
        assert_eq!(blocks(&["--moving", "--reorgs", "--kill", "--blocks", "9"]), 9);
        for words in [&["--reorgs"][..], &["--kill"], &["--block-ms", "9"], &["--moving", "--serve-only"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
