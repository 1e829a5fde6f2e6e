//! Strangers that try to exhaust a node while it syncs.
//!
//! A [`Crowd`] comes to the listening port of our program over real sockets, each stranger in a way of its own ([`Kind`]), and comes
//! back whenever it is hung up on. Meanwhile the program syncs from one honest peer, and is watched from outside ([`Stage`]). It
//! does not judge what is wrong in an answer: that the sync ends with the right root is the program's own check.

mod crowd;
mod error;
mod floods;
mod kind;
mod lies;
mod noise;
mod place;
mod stage;
pub mod story;
mod stranger;
mod tally;
mod watch;

pub use crowd::{Crowd, SESSIONS};
pub use error::Error;
pub use kind::Kind;
pub use place::Place;
pub use stage::{BUDGET_BYTES, Line, Size, Stage, Synced, Syncing};
pub use tally::{Count, Tally};
