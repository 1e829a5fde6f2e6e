//! A mending under way: what it knows of the state, and its transactions.
//!
//! Each transaction carries the records with it, so that the disk says at any time how far it has come. After a failed one it is over, as a
//! writer is.

use crate::{
    env::WriteTxn,
    error::{Error, Result},
    gate::{CommitGate, Verdict},
    mend::record::{MendRecord, Mended},
    state::{
        coverage::AccountCoverage,
        progress::{CommitNumber, Counters, MEND_KEY, SYNC_KEY, SyncRecord, TargetRecord},
        snapshot::StateSnapshot,
        store::StateStore,
        tables::PROGRESS,
    },
};

/// A mending.
pub(crate) struct Mending<'s> {
    store: &'s StateStore,
    gate: &'s mut dyn CommitGate,
    commits: u64,
    record: SyncRecord,
    /// The target.
    pub(crate) pin: TargetRecord,
    /// What is held of the accounts.
    pub(crate) held: AccountCoverage,
    /// How far it is; `None` once it is over.
    pub(crate) at: Option<MendRecord>,
    /// What was found until now.
    pub(crate) mended: Mended,
}

impl<'s> Mending<'s> {
    pub(crate) fn new(
        store: &'s StateStore,
        gate: &'s mut dyn CommitGate,
        record: SyncRecord,
        pin: TargetRecord,
        held: AccountCoverage,
        at: MendRecord,
    ) -> Self {
        Self { store, gate, commits: 0, record, pin, held, at: Some(at), mended: at.mended }
    }

    /// One moment of the state.
    pub(crate) fn snapshot(&self) -> Result<StateSnapshot> {
        self.store.snapshot()
    }

    /// The number of the commit that is being made.
    pub(crate) fn commit_number(&self) -> CommitNumber {
        self.record.commits
    }

    /// The state is not whole any more, whatever was recorded.
    pub(crate) fn set_back(&mut self, phase: u8) {
        self.record.progress.rebuilt = None;
        self.record.progress.phase = phase;
    }

    /// The step is done; after the last one all is counted.
    pub(crate) fn finish_step(&mut self) {
        let Some(at) = self.at else { return };
        self.at = at.step.next().map(|step| MendRecord { step, next: 0, ..at });
        if self.at.is_none() {
            let counters = self.record.counters;
            let (accounts, slots, codes) = (at.counted.accounts, at.counted.slots, at.counted.codes);
            self.record.counters = Counters { accounts, slots, codes, ..counters };
        }
    }

    /// One transaction. BLOCKING: flushes to the disk.
    pub(crate) fn change(
        &mut self,
        change: impl FnOnce(&WriteTxn<'_>, &mut Self) -> Result<()>,
    ) -> Result<()> {
        let env = self.store.env().clone();
        let txn = env.writer()?;
        self.record.commits.0 += 1;
        change(&txn, self)?;
        txn.put(PROGRESS, &SYNC_KEY, &self.record.encode())?;
        match &mut self.at {
            Some(at) => {
                at.mended = self.mended;
                txn.put(PROGRESS, &MEND_KEY, &at.encode())?;
            }
            None => drop(txn.delete(PROGRESS, &MEND_KEY)?),
        }
        self.commits += 1;
        match self.gate.before_commit(self.commits) {
            Verdict::Pass => txn.commit(),
            Verdict::Abort => Err(Error::Aborted { number: self.commits }),
            Verdict::Fail(error) => Err(error),
        }
    }
}
