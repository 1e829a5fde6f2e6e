//! What can end a sync, sorted by what the host does about it.

use std::path::PathBuf;

use alloy_primitives::B256;
use snapsync_stream::Stall;
use snapsync_sync::Fatal;

use crate::{Answer, Lost};

/// Why a sync could not start or could not go on. What is on the disk stays there and is consistent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine cannot go on: a mismatch, or nobody has the target.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The disk failed, or holds something else.
    #[error(transparent)]
    Storage(#[from] snapsync_storage::Error),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] snapsync_p2p::Error),
    /// A peer's address is not an enode.
    #[error(transparent)]
    Enode(#[from] snapsync_p2p::EnodeError),
    /// The trace file could not be written.
    #[error("trace file {path}: {source}")]
    Trace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or a runtime could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// What was named as a block's hash is none: zero, or all ones.
    #[error("{hash} is no block's hash")]
    NoBlock {
        /// What was named.
        hash: B256,
    },
    /// Blocks were to be taken above the state, and no bodies kept.
    #[error("blocks cannot be followed without their bodies: keep those from the state's block on, at least")]
    NoBodies,
    /// There is no majority for a block; only a hash would be trustless.
    #[error("peers do not agree which block is meant: {}; name the target by its hash", listed(answers))]
    PeersDisagree {
        /// What each says.
        answers: Vec<Answer>,
    },
    /// Every peer says that it has nothing above the genesis: as a rule it syncs itself.
    #[error(
        "all {peers} connected peers say that their newest block is the genesis, as those do that sync themselves; to sync to \
         it, name it by its number, 0"
    )]
    OnlyGenesis {
        /// How many.
        peers: usize,
    },
    /// No peer answered which block is meant.
    #[error("no peer has block {number}")]
    NoSuchBlock {
        /// The height.
        number: u64,
    },
    /// Peers are connected, and none answers which block is meant.
    #[error("no connected peer answers which block is meant, for {seconds} s")]
    NobodyAnswers {
        /// How long was waited.
        seconds: u64,
    },
    /// No peer is left that can help, and none is to be expected any more.
    #[error("{}", nobody(*met, lost))]
    NobodyLeft {
        /// Whether any of them was ever connected.
        met: bool,
        /// Every peer that was given, each once, with what it was lost for.
        lost: Vec<Lost>,
    },
    /// Nobody has the state, and some peers sent ranges of it that do not prove.
    #[error("{fatal}{}", below(broken))]
    NobodyProves {
        /// Why the engine cannot go on. Boxed, since two of them would make every error large.
        fatal: Box<Fatal>,
        /// The peers that sent such ranges, each with what was wrong.
        broken: Vec<Lost>,
    },
    /// A stall lasted longer than the settings allow.
    #[error("stalled for {seconds} s: {stall}")]
    Stalled {
        /// What it waited for.
        stall: Stall,
        /// How long.
        seconds: u64,
    },
    /// The sync was shut down.
    #[error("shut down")]
    ShutDown,
}

impl Error {
    /// Of why a sync ended and of what its writers say when they are closed, the one from which the other follows: whoever works
    /// beside a writer that failed sees only that it is gone, or meets the same disk.
    pub(crate) fn or_of_the_disk(ended: Result<(), Self>, closed: Result<(), Self>) -> Result<(), Self> {
        match (ended, closed) {
            (Ok(()) | Err(Self::ShutDown | Self::Storage(_)), Err(closed)) => Err(closed),
            (ended, _) => ended,
        }
    }
}

/// One line where there is one peer, else one more line for each.
fn nobody(met: bool, lost: &[Lost]) -> String {
    let what = if met { "no peer is left that can help" } else { "no peer can be reached" };
    match lost {
        [] => format!("{what}: none was given, and nobody can come without a listening address"),
        [one] => format!("{what}: {one}"),
        all => format!("{what}:{}", below(all)),
    }
}

/// A line more for each.
fn below(lost: &[Lost]) -> String {
    lost.iter().map(|one| format!("\n  {one}")).collect()
}

fn listed(answers: &[Answer]) -> String {
    answers.iter().map(Answer::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use snapsync_storage::Error as Disk;

    use super::*;

    #[test]
    fn what_a_writer_failed_of_is_told_and_not_that_it_is_gone() {
        let full = || Err(Disk::DiskFull { env: "state" }.into());
        let told = |ended, closed| Error::or_of_the_disk(ended, closed).map_err(|error| error.to_string());
        let said = "disk full: no space left for database state".to_owned();
        // A worker that ended first, a notice that was read first, a stop that came meanwhile.
        for ended in [Err(Error::ShutDown), Err(Disk::WriterGone { env: "state" }.into()), Ok(())] {
            assert_eq!(told(ended, full()), Err(said.clone()));
        }
        let fatal = || Error::NoSuchBlock { number: 7 };
        assert_eq!(told(Err(fatal()), full()), Err(fatal().to_string()), "that came before");
        assert_eq!(told(Ok(()), Ok(())), Ok(()));
    }

    #[test]
    fn lost_peers_have_a_line_each() {
        let lost = |peer: &str| Lost { peer: peer.into(), reason: "it is gone".into() };
        let error = Error::NobodyLeft { met: true, lost: vec![lost("a"), lost("b")] };
        assert_eq!(error.to_string(), "no peer is left that can help:\n  a: it is gone\n  b: it is gone");
        let error = Error::NobodyLeft { met: false, lost: vec![lost("a")] };
        assert_eq!(error.to_string(), "no peer can be reached: a: it is gone");
    }
}
