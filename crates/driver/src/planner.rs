//! What the planner owns: the desk, the ways to all others, and what waits.
//!
//! It holds and does not run; `fetch_snap_state.rs` does.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use snapsync_peers::PeerId;
use snapsync_stream::{Desk, Input, RequestId, Watchdog};
use snapsync_sync::JobId;

use crate::{
    Error, agree::Agreement, ask::Payload, asked::Asked, follow::Following, inbox::Inbox,
    notifications::Listeners, outlets::Outlets, parts::Part, people::People, prospects::Prospects,
    questions::Questions, stores::Disk, taking::BlockFollowing, trace::Trace, versions::Versions,
    workers::Workers,
};

/// The planner's state.
pub(crate) struct FetchSnapState {
    pub(crate) started: Instant,
    pub(crate) desk: Desk,
    pub(crate) inbox: Inbox,
    pub(crate) people: People,
    pub(crate) prospects: Prospects,
    pub(crate) versions: Versions,
    pub(crate) watchdog: Watchdog,
    /// How long one stall may last.
    pub(crate) stalled_max: Option<Duration>,
    pub(crate) listeners: Listeners,
    pub(crate) disk: Disk,
    pub(crate) workers: Workers,
    pub(crate) outlets: Outlets,
    pub(crate) trace: Option<Trace>,
    pub(crate) agreement: Option<Agreement>,
    /// Set while the pivot is to follow the peers' newest block.
    pub(crate) following: Option<Following>,
    /// The worker that takes blocks, if there is one.
    pub(crate) blocks: Option<BlockFollowing>,
    /// The head that was named last, and told.
    pub(crate) accepted: Option<B256>,
    /// What peers were asked for these two.
    pub(crate) questions: Questions,
    /// Answers that arrived and were not handed to a worker yet. A second one under the same name is dropped at once, as the
    /// desk expects: the first is the one to be judged.
    pub(crate) payloads: BTreeMap<(PeerId, RequestId), Payload>,
    /// The first receipts of blocks that came in parts, until the rest is here. The desk says when to drop one.
    pub(crate) parts: BTreeMap<(JobId, u64), (B256, Part)>,
    /// The blocks whose bodies, receipts or lists were asked for: the chain may have moved before the answer comes.
    pub(crate) asked: Asked,
    /// Inputs that arose while an earlier one was being carried out.
    pub(crate) pending: VecDeque<Input>,
    pub(crate) ended: Option<Result<(), Error>>,
}

impl FetchSnapState {
    /// The time of the pure crates.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
