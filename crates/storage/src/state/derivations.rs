//! Which derivation wrote the branches of a trie last.
//!
//! A derivation knows the branches that its snapshot saw, and takes those away that stand no more. Branches that another one has written
//! since it does not know: they would stay, and with the marks gone nobody would look at them again. So of two derivations that overlap the
//! second is refused, and its trie is derived anew. In memory only: after a restart none is under way.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::state::progress::CommitNumber;

/// The last derivation of each trie that is not settled; the account trie is nobody's.
#[derive(Debug, Default)]
pub(crate) struct Derivations {
    last: BTreeMap<Option<B256>, Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// What its snapshot had seen.
    seen: CommitNumber,
    /// When it wrote.
    at: CommitNumber,
}

/// Whether branches may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Granted,
    /// Its snapshot is older than branches that another derivation, or a block, has written.
    Overlapping,
}

impl Derivations {
    /// A derivation of a snapshot that had seen `seen` writes branches in this commit, unless others were written since.
    pub(crate) fn write(&mut self, trie: Option<&B256>, seen: CommitNumber, commit: CommitNumber) -> Turn {
        let trie = trie.copied();
        let overlaps = |last: &Last| last.seen != seen && seen < last.at;
        if self.last.get(&trie).is_some_and(overlaps) {
            return Turn::Overlapping;
        }
        self.last.insert(trie, Last { seen, at: commit });
        Turn::Granted
    }

    /// Nothing more is derived of a storage.
    pub(crate) fn forget(&mut self, account: &B256) {
        self.last.remove(&Some(*account));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_derivations_that_overlap_the_second_is_refused() {
        let (mut derivations, [two, four, five, six]) =
            (Derivations::default(), [2, 4, 5, 6].map(CommitNumber));
        let storage = B256::repeat_byte(1);
        for trie in [None, Some(&storage)] {
            assert_eq!(derivations.write(trie, two, four), Turn::Granted);
            assert_eq!(derivations.write(trie, two, five), Turn::Granted, "its own next part");
            assert_eq!(derivations.write(trie, four, six), Turn::Overlapping);
            assert_eq!(derivations.write(trie, five, six), Turn::Granted, "it has seen all parts");
            assert_eq!(derivations.write(trie, two, six), Turn::Overlapping, "too late");
        }
        derivations.forget(&storage);
        assert_eq!(derivations.write(Some(&storage), two, six), Turn::Granted);
    }
}
