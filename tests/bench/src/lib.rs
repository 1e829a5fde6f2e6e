//! How fast the tries are, beside others doing the same.
//!
//! This library holds what is given to all of them: inputs that are the same in every run, the description of the machine,
//! and the table that a run ends with; and for the benches of other crates pieces of a made-up state and a look at memory. Of time it measures nothing
//! itself; `cargo bench` does, in `benches/comparisons`.

mod chance;
mod contest;
mod inputs;
mod machine;
mod peak;
mod piece;

pub use chance::{Chance, scramble};
pub use contest::{Contest, ETHREX, Entry, Goal, HASH_BUILDER};
pub use inputs::{Answer, Leaves, Sets, State};
pub use machine::Machine;
pub use peak::{Peak, anonymous_bytes};
pub use piece::Piece;
