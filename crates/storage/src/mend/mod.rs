//! What is damaged of our own disk is put right by itself where rows can, and left to be fetched where they cannot.
//!
//! ```text
//!   first of all       the state is whole no more, and everything held counts as of no known block
//!   packs              one that cannot be read goes: what it held of rows is missing from now on
//!   codes              one that is not what its hash says goes
//!   tries              derived from rows alone; a stored branch that differs is written anew, or taken away
//!   claims             a storage whose slots do not give the root that its account claims is pending
//! ```
//!
//! A rotten row leaves the branches above it as they were, which still equal everybody else's: so nothing that is stored is believed, and what
//! comes of the rows is held against the header's root by whoever goes on. It asks nobody; a sync goes on from where it ends. It trusts
//! the header's root, which the journal's seal vouches for, and the form of what it has checked. Every transaction is bounded, and a
//! mending that was killed goes on where it stood: until it is over, no state is recorded as whole.

mod begin;
mod child;
mod codes;
mod compare;
mod history;
mod mending;
mod packs;
mod record;
mod run;
mod storages;
mod tries;

pub use child::{Damaged, answer_mended, mend_in_child};
pub use record::Mended;
pub use run::{mend, mend_behind, mend_history};
