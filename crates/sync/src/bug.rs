//! Mistakes that can be planted, so that a test can show that it would notice. Compiled for tests only.

use serde::{Deserialize, Serialize};

/// A planted mistake. Each sits at one place, marked there by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bug {
    /// sync: an account gap is dropped when its range is split.
    GapDropped,
    /// sync: every seventh pending storage is forgotten.
    PendingLost,
    /// sync: the last code of an answer is forgotten.
    CodeLost,
    /// sync: followers of a settled storage count as settled without being copied.
    FollowersNeverCopied,
    /// sync: complete is reported when rows are in, without a derived root.
    CompleteBeforeRebuild,
    /// sync: the unfetched rest of a huge storage is not planned.
    HugeStorageCutShort,
    /// sync: a claim of an older target is asked for under the newest root, and charged to the peer that answers truthfully.
    ClaimRetargeted,
    /// sync: a storage whose claim was renewed counts as settled.
    RenewalForgotten,
    /// sync: rows that came of an older target count as rows of the newest one.
    OldRowsCountAsNewest,
    /// sync: the first list of a job is left out.
    ListSkipped,
    /// sync: an account that a left block changed counts as of that one's parent.
    DoubtForgotten,
    /// sync: a restart takes the checkpoint as met, whatever lies there.
    CheckpointTrusted,
    /// stream: a range continues at the last covered key instead of the one after it.
    ContinuesAtLast,
    /// stream: an answer moves the engine as soon as it is proved, before it is durable.
    JournalAheadOfRows,
    /// stream: an answer counts as proved when it arrives; a fault in its verdict is overlooked.
    ProofSkipped,
    /// stream: a request's bytes stay reserved after its rows are durable.
    BudgetLeak,
    /// stream: what is held of a block that comes in parts is not counted.
    PartUncounted,
    /// stream: the rest of a cut block is asked of anybody.
    PartOfAnybody,
    /// stream: an answer that comes after its deadline is used for the request that replaced it.
    StaleAnswerUsed,
    /// stream: a second answer to the same request is handed on again.
    DuplicateNotNoticed,
    /// stream: the rest of a cut answer is dropped.
    RestDropped,
    /// stream: header answers are judged as they arrive, not in order.
    HeadersOutOfOrder,
    /// stream: answers of access lists are judged as they arrive, not in the order of their blocks.
    ListsOutOfOrder,
    /// peers: what a peer refused is asked of it again.
    RefusedAskedAgain,
    /// peers: the limit of requests in flight on a peer is not kept.
    FlightLimitIgnored,
    /// peers: a fault costs nothing.
    FaultForgiven,
    /// peers: a range that a race may have broken is charged like a lie.
    RaceCharged,
    /// peers: who broke a range is asked for the next one at once.
    BrokenAskedAgain,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 28] = [
        Self::GapDropped,
        Self::PendingLost,
        Self::CodeLost,
        Self::FollowersNeverCopied,
        Self::CompleteBeforeRebuild,
        Self::HugeStorageCutShort,
        Self::ClaimRetargeted,
        Self::RenewalForgotten,
        Self::OldRowsCountAsNewest,
        Self::ListSkipped,
        Self::DoubtForgotten,
        Self::CheckpointTrusted,
        Self::ContinuesAtLast,
        Self::JournalAheadOfRows,
        Self::ProofSkipped,
        Self::BudgetLeak,
        Self::PartUncounted,
        Self::PartOfAnybody,
        Self::StaleAnswerUsed,
        Self::DuplicateNotNoticed,
        Self::RestDropped,
        Self::HeadersOutOfOrder,
        Self::ListsOutOfOrder,
        Self::RefusedAskedAgain,
        Self::FlightLimitIgnored,
        Self::FaultForgiven,
        Self::RaceCharged,
        Self::BrokenAskedAgain,
    ];
}
