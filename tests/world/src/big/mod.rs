//! A big world: gigabytes of virtual state among many peers, in virtual time, to measure how well lines are used.
//!
//! The machine under test is the one that the driver runs. The truth is a density (how many accounts and slots lie where)
//! in place of rows, so that a sync of gigabytes takes a second or two. All peers are honest: who lies and who is silent
//! is the business of the stories in the rest of this crate.

pub mod figures;
pub mod line;
pub mod store;
pub mod truth;
pub mod world;

pub use figures::Figures;
pub use line::{Line, Quality};
pub use truth::{Shape, Truth};
pub use world::{BigWorld, Scene};
