//! Settled storages that others may be copied from: the newest ones, by their roots.
//!
//! A root that comes again later is fetched again: a global index of roots would cost more than it saves. Whether a donor is still what it
//! was, the writer looks before it copies.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;

use crate::Config;

/// Donors, oldest first in the queue.
#[derive(Debug, Default)]
pub(crate) struct Donors {
    by_root: BTreeMap<B256, B256>,
    by_age: VecDeque<B256>,
}

impl Donors {
    /// Who has the storage of this root.
    pub(crate) fn of(&self, root: &B256) -> Option<B256> {
        self.by_root.get(root).copied()
    }

    pub(crate) fn remember(&mut self, config: &Config, root: B256, account: B256) {
        if config.donors_max == 0 || self.by_root.insert(root, account).is_some() {
            return;
        }
        self.by_age.push_back(root);
        if self.by_age.len() > config.donors_max
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.by_root.remove(&oldest);
        }
    }

    pub(crate) fn forget(&mut self, root: B256) {
        if self.by_root.remove(&root).is_some() {
            self.by_age.retain(|other| *other != root);
        }
    }

    /// What is always true here.
    pub(crate) fn check(&self, config: &Config) {
        assert!(self.by_root.len() <= config.donors_max, "more donors are remembered than may be");
        assert_eq!(self.by_root.len(), self.by_age.len(), "each donor has an age");
    }
}
