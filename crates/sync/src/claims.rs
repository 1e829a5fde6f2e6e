//! What a storage goes on with: where the disk stands after a restart, and when its account's row claims another root than before.

use snapsync_trie::StorageClaim;

use crate::{
    PendingStorage,
    pieces::Piece,
    storages::{Group, Pending, Step, Storages},
};

impl Storages {
    /// Goes on with a storage where the disk stands.
    pub(crate) fn go_on(&mut self, pending: &PendingStorage) {
        let Some(claim) = pending.claim() else { return };
        if pending.parts.is_missing() {
            return self.add(claim, pending.target);
        }
        let StorageClaim { account, root } = claim;
        let is_mixed = !pending.is_of_one_target();
        let begun = Pending { is_mixed, ..Pending::new(root, pending.target, Step::Queued) };
        self.pending.insert(account, begun);
        self.groups.entry(root).or_insert(Group { leader: account, followers: Vec::new() });
        self.split(account, pending.parts.gaps().map(|range| Piece { range, job: None }).collect());
    }

    /// An account's row claims this now, whatever it claimed before.
    pub(crate) fn claim_anew(&mut self, pending: &PendingStorage) {
        self.taken(pending.account);
        self.go_on(pending);
    }
}
