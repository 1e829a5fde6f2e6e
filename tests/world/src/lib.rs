//! One world: a zoo of peers, a net, a disk that crashes, a chain and a pivot that move, by seed.
//!
//! The world plugs its seeded net, disk and clock into the machine that the driver runs, unchanged; so that what is
//! simulated is what runs. It checks the machine after each step and at the end. Nothing here opens a socket or a file,
//! and no time passes.

pub(crate) mod access;
pub mod answer;
pub mod big;
pub mod blocks;
pub mod carry;
pub mod chain;
pub mod chance;
pub(crate) mod changes;
pub mod checks;
pub(crate) mod claims;
pub mod clock;
pub mod compare;
pub mod disk;
pub mod forge;
pub(crate) mod healed;
pub mod healing;
pub mod heavy;
pub mod journal;
pub mod judge;
pub mod keys;
pub mod ledger;
pub(crate) mod listed;
pub(crate) mod moves;
pub mod net;
pub mod pivot;
pub mod poison;
pub(crate) mod provers;
pub(crate) mod proving;
pub(crate) mod real;
pub mod receipts;
pub(crate) mod renewal;
pub(crate) mod retreat;
pub(crate) mod rig;
pub(crate) mod rot;
pub mod ruling;
pub mod shelf;
pub mod speed;
pub mod states;
pub mod story;
pub mod tallies;
pub mod tamper;
pub mod trace;
pub mod tries;
pub mod truth;
pub mod twin;
pub mod world;
pub mod writers;
pub(crate) mod writing;
pub mod zoo;

pub use chain::{Flavour, Size};
pub use chance::Chance;
pub use speed::Speed;
pub use story::{Also, Ending, Kept, Lists, Older, Snap, Story, Twist};
pub use tallies::Tallies;
pub use trace::Echo;
pub use world::{Breach, Planted, Told, World};
pub use zoo::Kind;
