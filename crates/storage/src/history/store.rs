//! The history environment: opened, looked at, written to by its one writer.

use std::{path::Path, sync::Arc};

use crate::{
    chain::Chain,
    config::Config,
    env::{Env, MemoryEnv},
    error::Result,
    gate::{CommitGate, Open},
    history::{
        apply::HistoryLedger,
        record::HistoryJournal,
        snapshot::HistorySnapshot,
        spans::Spans,
        tables::{BODY_GAPS, ENV, PROGRESS, RECEIPT_GAPS, TABLES},
        write::{HistorySummary, HistoryWrite},
    },
    writer::{Committer, Notify, Ticket, Writer},
};

/// The writer of the history.
pub type HistoryWriter = Writer<HistoryWrite>;

/// A writer of the history that has no thread: for simulations, which say when a commit takes place.
pub struct HistoryWriterSteps(Committer<HistoryLedger>);

impl HistoryWriterSteps {
    /// Commits a batch in one transaction; says what each ticket has changed. After an error it is over, as a writer's thread is.
    pub fn commit(&mut self, batch: Vec<HistoryWrite>) -> Result<Vec<(Ticket, HistorySummary)>> {
        self.0.commit(batch)
    }
}

impl std::fmt::Debug for HistoryWriterSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryWriterSteps").finish_non_exhaustive()
    }
}

/// The history of a data directory. Clones share the environment.
#[derive(Clone, Debug)]
pub struct HistoryStore {
    env: Env,
    chain: Chain,
}

impl HistoryStore {
    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// Looks whether the directory may be opened, without changing it.
    pub(crate) fn check_untouched(config: &Config, chain: Chain) -> Result<()> {
        chain.check_untouched(&config.history_dir(), ENV)
    }

    /// Opens the history for reading and writing, making it if it is not there. The caller holds the directory's lock.
    pub(crate) fn open(config: &Config, chain: Chain) -> Result<Self> {
        let dir = config.history_dir();
        let env = Env::open(&dir, ENV, &config.history, &TABLES, |txn| chain.load_or_store(txn, PROGRESS))?;
        Ok(Self { env, chain })
    }

    /// Opens the history that is kept in memory.
    pub(crate) fn open_memory(kept: &Arc<MemoryEnv>, chain: Chain) -> Result<Self> {
        let env = Env::open_memory(kept, ENV, &TABLES, |txn| chain.load_or_store(txn, PROGRESS))?;
        Ok(Self { env, chain })
    }

    /// Opens an existing history for reading, beside a writer in another process. Its chain is what the disk says.
    pub fn open_read_only(datadir: &Path) -> Result<Self> {
        let dir = datadir.join("history");
        // Before tables are looked for that another version may not have.
        let chain = Chain::of(&dir, ENV)?;
        Ok(Self { env: Env::open_read_only(&dir, ENV, &TABLES)?, chain })
    }

    /// The chain that the directory belongs to.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// One moment of the history. Keep it short.
    pub fn snapshot(&self) -> Result<HistorySnapshot> {
        Ok(HistorySnapshot { txn: self.env.reader()? })
    }

    /// Everything that a sync resumes from.
    pub fn journal(&self) -> Result<HistoryJournal> {
        let snapshot = self.snapshot()?;
        let record = snapshot.record()?.unwrap_or_default();
        Ok(HistoryJournal {
            chain: self.chain,
            headers: record.held,
            descent: record.descent,
            wanted: record.wanted,
            bodies: Spans::load(&snapshot.txn, BODY_GAPS)?.list(),
            receipts: Spans::load(&snapshot.txn, RECEIPT_GAPS)?.list(),
            counters: record.counters,
        })
    }

    /// Bytes of the file that are in use.
    pub fn file_bytes(&self) -> Result<u64> {
        self.env.file_bytes()
    }

    /// Starts the writer. There is one at a time: a second one would wait for the first at its first commit.
    pub fn writer(&self, config: &Config, notify: Notify<HistorySummary>) -> Result<HistoryWriter> {
        self.writer_behind(config, Box::new(Open), notify)
    }

    /// Starts the writer behind a gate, for tests of what a crash leaves.
    pub fn writer_behind(
        &self,
        config: &Config,
        gate: Box<dyn CommitGate>,
        notify: Notify<HistorySummary>,
    ) -> Result<HistoryWriter> {
        let ledger = HistoryLedger::load(&self.snapshot()?)?;
        Writer::start(self.env.clone(), &config.history, ledger, gate, notify)
    }
    /// Starts the writer without a thread, behind a gate.
    pub fn writer_steps(&self, gate: Box<dyn CommitGate>) -> Result<HistoryWriterSteps> {
        let ledger = HistoryLedger::load(&self.snapshot()?)?;
        Ok(HistoryWriterSteps(Committer::new(self.env.clone(), ledger, gate)))
    }
}
