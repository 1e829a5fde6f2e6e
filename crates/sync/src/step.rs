//! A storage that is pending, and how far it is.

use alloy_primitives::B256;

use crate::{JobId, TargetId, pieces::Piece};

/// On which way a pending storage is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Waits for a job.
    Queued,
    /// A job fetches it whole.
    Fetching(JobId),
    /// Another account with the same root is fetched.
    Following,
    /// A donor's slots are being copied.
    Copying,
    /// It came in pieces: what is missing, and who fetches which piece.
    Split(Vec<Piece>),
    /// Held, and of several blocks: waits for a walk.
    Differing,
    /// A job looks for what differs from the claim.
    Walking(JobId),
    /// Held; its trie is being derived.
    Deriving,
}

/// A storage that is not settled.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) root: B256,
    /// The target that the claim is asked of.
    pub(crate) target: TargetId,
    /// The newest at which the same was claimed: it is asked of that one, once no job asks for it of an older one.
    pub(crate) newest: TargetId,
    pub(crate) step: Step,
    /// What is missing of it, if it came in pieces before it began to follow another account: the rest stays held.
    pub(crate) left: Option<Vec<Piece>>,
    /// Whether slots are held that were proved at another target than the claim's.
    pub(crate) is_mixed: bool,
    /// Slots of the whole storage, by the part that came first; zero while none has.
    pub(crate) slots_about: f64,
}

impl Pending {
    pub(crate) fn new(root: B256, target: TargetId, step: Step) -> Self {
        Self { root, target, newest: target, step, left: None, is_mixed: false, slots_about: 0.0 }
    }
}
