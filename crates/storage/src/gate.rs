//! The place where a test lets a commit fail: asked just before each one.
//!
//! An abort stands for a crash at that moment: MDBX drops the transaction as a whole, which is all that a lost process
//! leaves behind. It cannot show a torn page; the tests that kill a real process do.

use crate::error::Error;

/// Says whether a commit takes place.
pub trait CommitGate: Send {
    /// `number` counts the commits of this writer from 1.
    fn before_commit(&mut self, number: u64) -> Verdict;
}

/// What a gate says.
#[derive(Debug)]
pub enum Verdict {
    /// Commit.
    Pass,
    /// End as if the process had died here: no commit, no notice of success.
    Abort,
    /// End as if MDBX had given this error.
    Fail(Error),
}

/// The gate of every real store: always open.
#[derive(Clone, Copy, Debug)]
pub struct Open;

impl CommitGate for Open {
    fn before_commit(&mut self, _number: u64) -> Verdict {
        Verdict::Pass
    }
}
