//! A store and its writer under the hands of a story: each write is waited for, the power may go, and what is derived, compared and proved is so
//! as workers do it. It knows of no chain: whoever tells the story has the worlds.

use alloy_primitives::B256;
use snapsync_storage::{
    AccountTrieOutcome, CommitNumber, Open, PackedStorages, Settlement, StateJournal, StateProgress,
    StateSnapshot, Store, Summary, TargetRecord, Ticket, Verdict, Write,
};
use snapsync_trie::{
    Changes, Differences, HashRange, NodeClaim, StorageClaim, StorageQuery, compare, prove_node,
    rebuild_whole, rows_of, verify_codes, verify_nodes, verify_storages,
};

use super::{At, Ended, Place, Run, Trie, World, plain::parts};

/// Where a store is kept, and the store while the power is there.
pub(crate) struct Disk {
    place: Place,
    store: Option<Store>,
    run: Option<Run>,
}

/// What a snapshot gave.
pub(crate) struct Derivation {
    pub(crate) root: B256,
    pub(crate) changes: Vec<Changes>,
    seen: CommitNumber,
}

impl Disk {
    pub(crate) fn begin(place: Place) -> Self {
        let store = place.open();
        let run = place.run(&store, Box::new(Open));
        Self { place, store: Some(store), run: Some(run) }
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn run(&mut self) -> &mut Run {
        self.run.as_mut().unwrap()
    }

    pub(crate) fn journal(&self) -> StateJournal {
        self.store().state.journal().unwrap()
    }

    pub(crate) fn snapshot(&self) -> StateSnapshot {
        self.store().state.snapshot().unwrap()
    }

    pub(crate) fn write(&mut self, write: impl FnOnce(Ticket) -> Write) -> Result<Summary, Ended> {
        self.run().write(write)
    }

    /// The next commit is lost.
    pub(crate) fn lose_next(&mut self) {
        let _told_before = self.run.take().map(Run::end);
        let gate = At { commit: None, verdict: || Verdict::Abort };
        self.run = Some(self.place.run(self.store(), Box::new(gate)));
    }

    pub(crate) fn reopen(&mut self) {
        // A thread must have let go of the environment before that is opened again; why it ended was told before.
        let _told_before = self.run.take().map(Run::end);
        self.store = None;
        let store = self.place.open();
        self.run = Some(self.place.run(&store, Box::new(Open)));
        self.store = Some(store);
    }

    pub(crate) fn end(self) {
        self.run.unwrap().end().unwrap();
    }

    /// Records the next target.
    pub(crate) fn name(&mut self, target: TargetRecord) -> Result<(), Ended> {
        let progress = StateProgress { pin: Some(target), phase: 2, rebuilt: None };
        self.write(|ticket| Write::Progress { ticket, progress }).map(drop)
    }

    /// Records that the state is the target's.
    pub(crate) fn record_whole(&mut self, target: TargetRecord) -> Result<(), Ended> {
        let progress = StateProgress { pin: Some(target), phase: 7, rebuilt: Some(target.root) };
        self.write(|ticket| Write::Progress { ticket, progress }).map(drop)
    }

    /// Writes the codes that are missing, if any are.
    pub(crate) fn fetch_codes(&mut self, world: &World) -> Result<(), Ended> {
        let missing = self.journal().codes;
        if missing.is_empty() {
            return Ok(());
        }
        let found = missing.iter().map(|hash| world.codes[hash].clone()).collect();
        let codes = verify_codes(&missing, found).unwrap();
        self.write(|ticket| Write::Codes { ticket, codes, response_bytes: 1 }).map(drop)
    }

    /// A node of this world's account trie, or of a storage of its, beside ours as it is on the disk now.
    pub(crate) fn compared(&self, world: &World, account: Option<B256>, claim: NodeClaim) -> Differences {
        let snapshot = self.snapshot();
        let mut theirs = account.map_or(&world.accounts, |account| &world.storages[&account]);
        let Ok(node) = prove_node(&mut theirs, &claim.path());
        let node = verify_nodes(&[claim], vec![node.unwrap()]).unwrap().remove(0);
        let told = match account {
            None => compare(&mut snapshot.account_trie().unwrap(), &node),
            Some(account) => compare(&mut snapshot.storage_trie(account).unwrap(), &node),
        };
        told.unwrap().unwrap()
    }

    pub(crate) fn derived(&self, account: Option<B256>) -> Derivation {
        let snapshot = self.snapshot();
        let (root, changes) = match account {
            Some(account) => rebuild_whole(&mut snapshot.storage_trie(account).unwrap()).unwrap(),
            None => rebuild_whole(&mut snapshot.account_trie().unwrap()).unwrap(),
        };
        Derivation { root, changes, seen: snapshot.number().unwrap() }
    }

    pub(crate) fn put_storage(&mut self, account: B256, derivation: Derivation) -> Result<Settlement, Ended> {
        let (mut last, seen) = (Settlement::Dropped, derivation.seen);
        for (nodes, derived) in parts(derivation.root, derivation.changes) {
            let told = self.write(|ticket| Write::StorageNodes { ticket, account, nodes, derived, seen })?;
            let Summary::StorageNodes { settlement, .. } = told else { panic!("{told:?}") };
            last = settlement;
        }
        Ok(last)
    }

    /// Derives a storage whose rows are all there.
    pub(crate) fn derive_storage(&mut self, account: B256) -> Result<(), Ended> {
        let derived = self.derived(Some(account));
        match self.put_storage(account, derived)? {
            Settlement::Settled | Settlement::Taken { .. } => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn put_accounts(&mut self, derivation: Derivation) -> Result<AccountTrieOutcome, Ended> {
        let (mut last, seen) = (AccountTrieOutcome::Unfinished, derivation.seen);
        for (nodes, derived) in parts(derivation.root, derivation.changes) {
            let told = self.write(|ticket| Write::AccountNodes { ticket, nodes, derived, seen })?;
            let Summary::AccountNodes { outcome } = told else { panic!("{told:?}") };
            last = outcome;
        }
        Ok(last)
    }
}

/// The first slots of a range of a storage, up to so many.
pub(crate) fn prove_slots(trie: &Trie, claim: StorageClaim, range: HashRange, most: usize) -> PackedStorages {
    let (rows, mut proof) = trie.answer_up_to(range, most);
    if range == HashRange::FULL && rows.len() == trie.rows.len() {
        proof.clear();
    }
    let query = StorageQuery { claims: &[claim], range };
    verify_storages(query, [rows_of(&rows)], &proof).unwrap().into()
}
