//! One world: a zoo of peers, a net, a disk that crashes and a chain that moves, by seed.
//!
//! The world plugs its seeded net, disk and clock into the machine that the driver runs, unchanged; so that what is
//! simulated is what runs. It checks the machine after each step and at the end. Nothing here opens a socket or a file,
//! and no time passes.

mod answer;
mod carry;
mod chain;
mod chance;
mod checks;
mod clock;
mod compare;
mod disk;
mod forge;
mod journal;
mod judge;
mod net;
mod poison;
mod story;
mod tallies;
mod tamper;
mod trace;
mod tries;
mod truth;
mod world;
mod zoo;

pub use chain::{Flavour, Size};
pub use chance::Chance;
pub use story::{Ending, Story, Twist};
pub use tallies::Tallies;
pub use trace::Echo;
pub use world::{Breach, Planted, Told, World};
pub use zoo::Kind;
