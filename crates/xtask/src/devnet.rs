//! `devnet`: a network on loopback, with Prysm and geth as its first pair, until Enter is pressed; and the story that ours is told in it.

use crate::{error::Error, geth, narrators, prysm};

use snapsync_e2e::cache::Release;

/// Runs the network, and says how another pair joins it.
pub(crate) fn run() -> Result<(), Error> {
    tell(&["run"])
}

/// Builds what is missing and tells the stories named by `words`, or all of them.
pub(crate) fn tell(words: &[&str]) -> Result<(), Error> {
    if geth::install(Release::Newest)?.is_none() || prysm::install()?.is_none() {
        eprintln!("xtask: ############ THE STORY devnet WAS NOT TOLD: geth or Prysm is missing ############");
        return Ok(());
    }
    narrators::told_by_example("devnet", words)
}
