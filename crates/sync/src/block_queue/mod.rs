//! Announced blocks on their way to whoever executes them: which are ready, which wait, which are of no use.
//!
//! ```text
//!   announce ──> waits ──its parent is held──> ready ──poll──> given out ──held──> its children are ready
//!                  │ its parent is unknown                       ├─rejected──> bad, and so are its descendants
//!                  └─poll──> Find: our own chain, else peers     └─gave_up──> forgotten, asked for again if somebody waits
//! ```
//!
//! **How a host uses it.** Each verb is a fact that the host tells; drain [`BlockQueue::poll`] after it.
//!
//! - `newPayload`: what the host's own chain knows is answered from there. Else the block goes to [`BlockQueue::announce`] as [`Announcer::Host`], and the
//!   [`Reception`] is the answer: `Held` is VALID, `Bad` INVALID with its latest valid hash, all others SYNCING, unless the block comes out of `poll` at once and
//!   is executed while the caller waits.
//! - [`QueueStep::Execute`]: execute the block, its parent is held. Then say [`BlockQueue::held`], [`BlockQueue::rejected`], or, where that failed by our own doing,
//!   [`BlockQueue::gave_up`].
//! - [`QueueStep::Find`]: look for it in our own chain first, and say `held` if it is there; else ask peers for the span, and announce what comes, from the top.
//!   Whom to ask, how often and when to end is the host's; if nobody has it, or it was refused when it came,
//!   that is [`BlockQueue::nobody_has`], and what waits for it leaves.
//! - `forkchoiceUpdated` is [`BlockQueue::head_moved`] once the head is executed, and [`BlockQueue::finalized`]; a head that is [`BlockQueue::bad`] is INVALID. A gap
//!   that the window does not hold ([`Refusal::Ahead`]) is a sync's, not the queue's.
//!
//! Trust: a link's hash was computed by the host over the header that names its number and its parent; a block was hashed before it was announced.
//! What an announcer says beyond that is nothing: a block is bad because it was executed, or stands above one that was, and never because its parent
//! is unknown. It executes nothing, asks nobody, and knows no clock; what it holds is bounded by [`QueueLimits`], whoever announces whatever.

mod bad;
mod kept;
mod limits;
mod outcome;
mod queue;
mod queued;
mod shares;

pub use limits::QueueLimits;
pub use outcome::{
    Announcer, BlockLink, DropCause, Dropped, Intake, QueueStep, Reception, Refusal, Rejection,
};
pub use queue::BlockQueue;
pub use shares::QueueShare;
