//! What every error is to a script: a word, whether the same order may succeed later, and an exit code.
//!
//! The words and the codes are part of the interface: README has the table, and a test holds both together. It writes no message.

use snapsync_storage::Error as Disk;
use snapsync_stream::Stall;
use snapsync_sync::Fatal;

use crate::Error;

/// A kind of ending that a script may want to tell from the others: the exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Something that no other code names.
    Failure = 1,
    /// The command line or a file that it names is wrong.
    Usage = 2,
    /// The data directory is locked, of another chain, of another version, or of another unfinished target.
    DataDirectory = 3,
    /// No peer can be reached, none has the target, or peers do not agree which block it is.
    Target = 4,
    /// What was verified is false: a root, a checkpoint, a stored row.
    Verification = 5,
    /// The disk failed: full, read-only, torn, or it does not come to an end.
    Disk = 6,
    /// The state is complete and verified, but nobody has some of the history.
    History = 7,
    /// Stalled for longer than was allowed: connected peers lack what is wanted.
    PeersLack = 8,
    /// Stalled for longer than was allowed: the chain grows faster than rows are brought on.
    LosingToHead = 9,
    /// Stopped by a signal; everything committed is kept.
    Interrupted = 130,
}

/// Whether the same order may succeed later, without a person changing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It may: peers come, space is made, the chain goes on. What is on the disk is gone on with.
    Recoverable,
    /// It will not: the order, the directory or the disk has to be another one.
    Fatal,
}

/// What an error is to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// A word that stays what it is.
    pub label: &'static str,
    /// Whether to try again.
    pub severity: Severity,
    /// The exit code.
    pub exit: Exit,
}

impl Ending {
    const fn later(label: &'static str, exit: Exit) -> Self {
        Self { label, severity: Severity::Recoverable, exit }
    }

    const fn fatal(label: &'static str, exit: Exit) -> Self {
        Self { label, severity: Severity::Fatal, exit }
    }

    /// Of an error of the disk.
    pub fn of_disk(error: &Disk) -> Self {
        let label = error.kind();
        match error {
            Disk::Locked { .. } => Self::later(label, Exit::DataDirectory),
            Disk::OtherChain { .. } | Disk::Version { .. } | Disk::Absent { .. } => {
                Self::fatal(label, Exit::DataDirectory)
            }
            Disk::AddressSpace { .. } => Self::fatal(label, Exit::Failure),
            Disk::MapFull { .. }
            | Disk::DiskFull { .. }
            | Disk::Io { .. }
            | Disk::WriterGone { .. }
            | Disk::Aborted { .. } => Self::later(label, Exit::Disk),
            Disk::Corrupt { .. }
            | Disk::TooLarge { .. }
            | Disk::ReadOnly { .. }
            | Disk::Damaged { .. }
            | Disk::Mdbx { .. }
            | Disk::Refused { .. }
            | Disk::CheckFailed { .. }
            | Disk::CheckerDied { .. } => Self::fatal(label, Exit::Disk),
        }
    }

    fn of_fatal(fatal: &Fatal) -> Self {
        match fatal {
            Fatal::CheckpointMismatch { .. } => Self::fatal("checkpoint_mismatch", Exit::Verification),
            Fatal::CheckpointNumber { .. } => Self::fatal("checkpoint_number", Exit::Verification),
            Fatal::TargetMismatch { .. } => Self::fatal("target_mismatch", Exit::Verification),
            Fatal::GenesisMismatch { .. } => Self::fatal("genesis_mismatch", Exit::Verification),
            Fatal::OtherTarget { .. } => Self::fatal("other_target", Exit::DataDirectory),
            Fatal::TargetUnavailable { .. } => Self::later("target_unavailable", Exit::Target),
            Fatal::HistoryUnavailable { .. } => Self::later("history_unavailable", Exit::History),
            Fatal::RootMismatch { .. } => Self::fatal("root_mismatch", Exit::Verification),
            Fatal::Unreconciled { .. } => Self::fatal("unreconciled", Exit::Verification),
            Fatal::StorageRootMismatch { .. } => Self::fatal("storage_root_mismatch", Exit::Verification),
        }
    }

    fn of_stall(stall: Stall) -> Self {
        match stall {
            Stall::NoPeers => Self::later("stalled_no_peers", Exit::Target),
            Stall::PeersLackState => Self::later("stalled_peers_lack_state", Exit::PeersLack),
            Stall::PeersLackBlocks => Self::later("stalled_peers_lack_blocks", Exit::PeersLack),
            Stall::Disk => Self::later("stalled_disk", Exit::Disk),
            Stall::LosingToHead => Self::later("stalled_losing_to_head", Exit::LosingToHead),
        }
    }
}

impl Error {
    /// Its word, whether to try again, and its exit code.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Fatal(fatal) => Ending::of_fatal(fatal),
            Self::Storage(error) => Ending::of_disk(error),
            Self::Network(_) => Ending::later("network", Exit::Failure),
            Self::Enode(_) => Ending::fatal("peer_address", Exit::Usage),
            Self::Trace { .. } => Ending::fatal("trace", Exit::Failure),
            Self::Thread(_) => Ending::later("thread", Exit::Failure),
            Self::NoBlock { .. } => Ending::fatal("no_block", Exit::Usage),
            Self::NoBodies => Ending::fatal("no_bodies", Exit::Usage),
            Self::PeersDisagree { .. } => Ending::later("peers_disagree", Exit::Target),
            Self::OnlyGenesis { .. } => Ending::later("only_genesis", Exit::Target),
            Self::NoSuchBlock { .. } => Ending::later("no_such_block", Exit::Target),
            Self::NobodyAnswers { .. } => Ending::later("nobody_answers", Exit::Target),
            Self::NobodyLeft { .. } => Ending::later("nobody_left", Exit::Target),
            Self::NobodyProves { .. } => Ending::later("nobody_proves", Exit::Target),
            Self::Stalled { stall, .. } => Ending::of_stall(*stall),
            Self::ShutDown => Ending::later("shut_down", Exit::Failure),
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
