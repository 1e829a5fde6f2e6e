//! The story `racing-geth`: many syncs, each from one real geth that makes a block every tenth of a second.
//!
//! `racing_geth [RUNS]` (20). The program is the one that `SNAPSYNC_PROGRAM` names. It fails when a run ends otherwise than complete or
//! with a state that is truly gone, and when geth is charged with anything.

use std::{process::ExitCode, time::Duration};

use snapsync_e2e::{
    Error,
    cache::{Release, Tools},
    chain::TestChain,
    racing::{Race, race},
    recipe::Size,
};

/// Lines on which the sync takes from less than a second to longer than geth keeps the target's state, which is 128 blocks.
const RATES: [Option<u64>; 5] = [None, Some(2_000_000), Some(1_000_000), Some(500_000), Some(250_000)];

fn main() -> ExitCode {
    let Ok(runs) = std::env::args().nth(1).map_or(Ok(20), |runs| runs.parse::<usize>()) else {
        eprintln!("usage: racing_geth [RUNS]");
        return ExitCode::from(2);
    };
    match tell(runs) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(unfair) => {
            eprintln!("{unfair} runs ended in an unfair way");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(runs: usize) -> Result<usize, Error> {
    let tools =
        Tools::locate(Release::Newest).ok_or(Error::Missing("geth (cargo xtask geth installs it)"))?;
    let chain = TestChain::of(&tools, Size::SMALL)?;
    let mut unfair = 0;
    for run in 0..runs {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
        let bytes_per_second = RATES[run % RATES.len()];
        let block_every = Duration::from_millis(100);
        let patience = Duration::from_secs(300);
        let raced = race(&tools, &chain, folder.path(), Race { block_every, bytes_per_second, patience })?;
        let rate = bytes_per_second.map_or("no limit".to_owned(), |rate| format!("{rate} B/s"));
        println!("run {run}: {rate}: code {:?} after {} blocks", raced.finished.code(), raced.blocks);
        if let Some(why) = raced.unfair() {
            println!("UNFAIR {why}");
            unfair += 1;
        }
    }
    Ok(unfair)
}
