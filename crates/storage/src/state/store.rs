//! The state environment: opened, looked at, written to by its one writer.
//!
//! Opening checks version and chain before anything is changed. The store itself writes nothing: its [`Writer`] does.

use std::{path::Path, sync::Arc};

use crate::{
    chain::Chain,
    config::Config,
    env::{Env, MemoryEnv},
    error::Result,
    gate::{CommitGate, Open},
    state::{
        apply::StateLedger,
        journal::StateJournal,
        progress::{MEND_KEY, SNAP_KEY, decode_snap},
        snapshot::StateSnapshot,
        tables::{ENV, PROGRESS, TABLES},
        write::{Summary, Write},
    },
    writer::{Committer, Notify, Ticket, Writer},
};

/// The writer of the state.
pub type StateWriter = Writer<Write>;

/// A writer of the state that has no thread: for simulations, which say when a commit takes place.
pub struct StateWriterSteps(Committer<StateLedger>);

impl StateWriterSteps {
    /// Commits a batch in one transaction; says what each ticket has changed. After an error it is over, as a writer's thread is.
    pub fn commit(&mut self, batch: Vec<Write>) -> Result<Vec<(Ticket, Summary)>> {
        self.0.commit(batch)
    }
}

impl std::fmt::Debug for StateWriterSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateWriterSteps").finish_non_exhaustive()
    }
}

/// The state of a data directory. Clones share the environment.
#[derive(Clone, Debug)]
pub struct StateStore {
    pub(super) env: Env,
    chain: Chain,
}

impl StateStore {
    /// Looks whether the directory may be opened, without changing it.
    pub(crate) fn check_untouched(config: &Config, chain: Chain) -> Result<()> {
        chain.check_untouched(&config.state_dir(), ENV)
    }

    /// Opens the state for reading and writing, making it if it is not there. The caller holds the directory's lock
    /// ([`crate::Store::open`] takes it).
    pub(crate) fn open(config: &Config, chain: Chain) -> Result<Self> {
        let dir = config.state_dir();
        let env = Env::open(&dir, ENV, &config.state, &TABLES, |txn| chain.load_or_store(txn, PROGRESS))?;
        Ok(Self { env, chain })
    }

    /// Opens the state that is kept in memory.
    pub(crate) fn open_memory(kept: &Arc<MemoryEnv>, chain: Chain) -> Result<Self> {
        let env = Env::open_memory(kept, ENV, &TABLES, |txn| chain.load_or_store(txn, PROGRESS))?;
        Ok(Self { env, chain })
    }

    /// Opens an existing state for reading, beside a writer in another process. Its chain is what the disk says.
    pub fn open_read_only(datadir: &Path) -> Result<Self> {
        let dir = datadir.join("state");
        // Before tables are looked for that another version may not have.
        let chain = Chain::of(&dir, ENV)?;
        Ok(Self { env: Env::open_read_only(&dir, ENV, &TABLES)?, chain })
    }

    /// The chain that the directory belongs to.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// Whether a mending was begun and is not over ([`crate::mend`]): until it is, what is derived counts for nothing.
    pub fn is_being_mended(&self) -> Result<bool> {
        Ok(self.snapshot()?.txn.get(PROGRESS, &MEND_KEY)?.is_some())
    }

    /// One moment of the state. Keep it short.
    pub fn snapshot(&self) -> Result<StateSnapshot> {
        Ok(StateSnapshot::new(self.env.reader()?))
    }

    /// Everything that a sync resumes from.
    pub fn journal(&self) -> Result<StateJournal> {
        let snapshot = self.snapshot()?;
        let record = snapshot.record()?;
        let targets = snapshot.targets()?;
        Ok(StateJournal {
            chain: self.chain,
            progress: record.map(|record| record.progress),
            snap: snapshot.txn.get(PROGRESS, &SNAP_KEY)?.map(decode_snap).transpose()?,
            counters: record.unwrap_or_default().counters,
            targets: targets.iter().map(|target| target.asked).collect(),
            brought: targets.iter().filter_map(|target| target.brought_to).collect(),
            accounts: snapshot.account_coverage()?,
            storages: snapshot.pending_storages()?,
            codes: snapshot.pending_codes()?,
        })
    }

    /// Bytes of the file that are in use.
    pub fn file_bytes(&self) -> Result<u64> {
        self.env.file_bytes()
    }

    /// Starts the writer. There is one at a time: a second one would wait for the first at its first commit.
    pub fn writer(&self, config: &Config, notify: Notify<Summary>) -> Result<StateWriter> {
        self.writer_behind(config, Box::new(Open), notify)
    }

    /// Starts the writer behind a gate, for tests of what a crash leaves.
    pub fn writer_behind(
        &self,
        config: &Config,
        gate: Box<dyn CommitGate>,
        notify: Notify<Summary>,
    ) -> Result<StateWriter> {
        let ledger = StateLedger::load(&self.snapshot()?)?;
        Writer::start(self.env.clone(), &config.state, ledger, gate, notify)
    }

    /// Starts the writer without a thread, behind a gate.
    pub fn writer_steps(&self, gate: Box<dyn CommitGate>) -> Result<StateWriterSteps> {
        let ledger = StateLedger::load(&self.snapshot()?)?;
        Ok(StateWriterSteps(Committer::new(self.env.clone(), ledger, gate)))
    }
}
