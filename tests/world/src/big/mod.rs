//! A big world: gigabytes of virtual state among many peers, in virtual time, to measure how well lines are used.
//!
//! The machine under test is the one that the driver runs. The truth is a density (how many accounts and slots lie where) in place of rows, so that a
//! sync of gigabytes takes a second or two. It stands still (`world`), or moves (`moving`). All peers are honest: who lies and who is silent is the
//! business of the stories in the rest of this crate.

pub(crate) mod answers;
pub(crate) mod compared;
pub mod course;
pub mod drift;
pub mod figures;
pub(crate) mod ground;
pub(crate) mod ladder;
pub mod line;
pub mod moving;
pub(crate) mod rows;
pub(crate) mod server;
pub mod store;
pub mod truth;
pub mod world;

pub use course::{Costs, Course, Passage, Way};
pub use drift::Pace;
pub use figures::Figures;
pub use line::{Line, Quality};
pub use moving::MovingWorld;
pub use truth::{Shape, Truth};
pub use world::{BigWorld, Scene};
