//! Which static peers are dialled: those that were named and not taken back since.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::NodeId;

/// The nodes.
#[derive(Debug, Default)]
pub(crate) struct Wanted(Mutex<BTreeSet<NodeId>>);

impl Wanted {
    pub(crate) fn insert(&self, node: NodeId) {
        self.lock().insert(node);
    }

    /// Whether it was one of them.
    pub(crate) fn remove(&self, node: &NodeId) -> bool {
        self.lock().remove(node)
    }

    pub(crate) fn has(&self, node: &NodeId) -> bool {
        self.lock().contains(node)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
