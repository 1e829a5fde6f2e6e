//! How the blocks above the state are taken: by executing them, by their access lists, or by these where execution fails.
//!
//! It takes no block: `snapsync-execute` does.

use std::time::Duration;

use clap::ValueEnum;
use snapsync_execute::{
    Follower, Forks,
    evm::{Config, EvmExecutor},
};

/// For how long blocks are taken by their lists after an execution failed: five blocks' time.
const PAUSE: Duration = Duration::from_secs(60);

/// By which ways blocks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FollowBy {
    /// Each block is executed.
    Execute,
    /// Each block's access list is applied, and no transaction runs: from Amsterdam on.
    ApplyLists,
    /// Each block is executed; where that fails, its access list is applied, and those of the next minute.
    ExecuteOrApply,
}

impl FollowBy {
    /// Whoever takes blocks so, by these rules.
    pub(crate) fn follower(self, forks: Forks) -> Follower {
        let executor = || Box::new(EvmExecutor::new(Config::node()));
        match self {
            Self::Execute => Follower::executing(forks, executor()),
            Self::ApplyLists => Follower::applying_lists(forks),
            Self::ExecuteOrApply => Follower::executing_or_applying(forks, executor(), PAUSE),
        }
    }
}
