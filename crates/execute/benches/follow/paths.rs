//! What must be hashed for a block, counted in the tries as they are after it: the branches above what it has changed, and the leaves
//! right below these. Branches are stored without the digests of their leaves, and not at all where all their children are leaves.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use snapsync_storage::{StateChanges, StateSnapshot};
use snapsync_trie::{Child, HashRange, Path, TrieSource};

use crate::Outcome;

/// Nodes of the tries that a block has changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paths {
    /// Branches and extensions above what has changed, and the leaves that have changed.
    pub(crate) changed: u64,
    /// Other leaves right below those branches.
    pub(crate) beside: u64,
}

impl Paths {
    /// Those of the state that a snapshot is of, under what has changed last.
    pub(crate) fn of(snapshot: &StateSnapshot, changes: &StateChanges) -> Outcome<Self> {
        let mut paths = Self::default();
        let accounts: BTreeSet<B256> =
            changes.accounts.keys().chain(changes.storages.keys()).copied().collect();
        paths.count(&mut snapshot.account_trie()?, accounts)?;
        for (account, storage) in &changes.storages {
            paths.count(&mut snapshot.storage_trie(*account)?, storage.slots.keys().copied())?;
        }
        Ok(paths)
    }

    /// And those of another block.
    pub(crate) fn add(&mut self, other: Self) {
        self.changed += other.changed;
        self.beside += other.beside;
    }

    fn count<S: TrieSource>(
        &mut self,
        source: &mut S,
        keys: impl IntoIterator<Item = B256>,
    ) -> Result<(), S::Error> {
        let (mut above, mut leaves, mut changed) = (BTreeSet::new(), 0, 0);
        for key in keys {
            changed += 1;
            let (path, mut at) = (Path::of_key(&key), Path::ROOT);
            loop {
                let stored = source.next_branch(&at)?.filter(|(found, _)| found.is_prefix_of(&path));
                let Some((found, branch)) = stored else {
                    if above.insert(at) {
                        leaves += self.count_leaves(source, at)?;
                    }
                    break;
                };
                if above.insert(found) {
                    self.count_branch(found, at);
                    leaves += u64::from((branch.present() & !branch.nodes()).count_ones());
                }
                let nibble = path.nibble(found.len());
                if !matches!(branch.child(nibble), Some(Child::Node(_))) {
                    break;
                }
                at = found.child(nibble);
            }
        }
        self.changed += changed;
        self.beside += leaves - changed.min(leaves);
        Ok(())
    }

    /// A branch, and the extension above it if it lies deeper than its place below its parent.
    fn count_branch(&mut self, found: Path, at: Path) {
        self.changed += 1 + u64::from(found.len() > at.len());
    }

    /// A branch of leaves alone is not stored: what lies below `at` is told by its rows. Gives how many there are.
    fn count_leaves<S: TrieSource>(&mut self, source: &mut S, at: Path) -> Result<u64, S::Error> {
        let (mut keys, mut from, mut value) = (Vec::new(), Some(at.first_key()), Vec::new());
        while let Some(first) = from
            && let Some(key) = source.next_row(first, &mut value)?.filter(|key| *key <= at.last_key())
        {
            keys.push(key);
            value.clear();
            from = HashRange::after(key);
        }
        if let [first, .., last] = keys.as_slice() {
            let shared = Path::of_key(first).common_prefix(&Path::of_key(last));
            self.count_branch(Path::prefix_of(first, shared), at);
        }
        Ok(keys.len() as u64)
    }
}
