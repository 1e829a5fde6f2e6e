//! Which static peers are dialled, and where: those that were named and not taken back since, each at the place that was named last.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Contact, NodeId};

/// The nodes, each with its one place.
#[derive(Debug, Default)]
pub(crate) struct Wanted(Mutex<BTreeMap<NodeId, Contact>>);

impl Wanted {
    /// From now on it is dialled there, and nowhere else.
    pub(crate) fn insert(&self, contact: Contact) {
        self.lock().insert(contact.id, contact);
    }

    /// Whether it was one of them.
    pub(crate) fn remove(&self, node: &NodeId) -> bool {
        self.lock().remove(node).is_some()
    }

    /// Whether this node is to be dialled, and there.
    pub(crate) fn has(&self, contact: &Contact) -> bool {
        self.lock().get(&contact.id) == Some(contact)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Contact>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
