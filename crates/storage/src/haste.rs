//! Whether somebody waits for what is written next.
//!
//! It is a hint: what is written, and in which order, is the same with it and without.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// While somebody waits, a writer's batch is what has come by then, and waits for no more. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Haste(Arc<AtomicBool>);

impl Haste {
    /// Somebody waits from now on, or nobody does.
    pub fn set(&self, is_waited_for: bool) {
        // Nothing else is told by it: a batch that sees it late waits as it would without.
        self.0.store(is_waited_for, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
