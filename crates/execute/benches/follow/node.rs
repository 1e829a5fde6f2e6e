//! A directory that holds the large state, the newest block, and how the next one is made.

use std::{fs, path::Path};

use alloy_consensus::Header as Fields;
use alloy_primitives::{B256, Bytes};
use snapsync_execute::{
    Block, BlockExecutor, Executed, Follower, Forks, RecentHashes, StateReader,
    evm::{Config as Execution, EvmExecutor},
    genesis::Genesis,
};
use snapsync_storage::{
    BlockClaim, BlockOutcome, Chain, Config, StateSnapshot, StateWriterSteps, Store, Summary, Ticket, Write,
};
use snapsync_wire::{Body, Header};

use crate::{
    Outcome,
    chain::{self, CHAIN_ID, Work},
    state::{self, Size},
};

/// The memory that a sync is given, by default.
pub(crate) const MEMORY_BYTES: u64 = 192 << 20;

const TICKET: Ticket = Ticket(2);

pub(crate) fn config(datadir: &Path) -> Config {
    Config::mainnet(datadir, MEMORY_BYTES)
}

fn store(datadir: &Path, genesis: &Genesis) -> Outcome<Store> {
    Ok(Store::open(&config(datadir), Chain { id: CHAIN_ID, genesis: genesis.hash() })?)
}

/// Block 1, which nobody executes: its state is the large one.
fn first(genesis: &Genesis, root: B256) -> Outcome<Header> {
    let fields = chain::above(&chain::fields_of(&genesis.header())?, &chain::body_of(&[])?);
    chain::header_of(&Fields { state_root: root, ..fields })
}

/// Makes a directory of this size. BLOCKING: until it is durable.
pub(crate) fn lay(datadir: &Path, genesis: &Genesis, size: Size) -> Outcome<()> {
    let store = store(datadir, genesis)?;
    let root = state::lay(&config(datadir), &store, size)?;
    state::record_whole(&store, 1, first(genesis, root)?.hash(), root)
}

/// Makes another of the same state.
pub(crate) fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to.join("state"))?;
    fs::copy(from.join("state/mdbx.dat"), to.join("state/mdbx.dat"))?;
    Ok(())
}

/// A directory that was laid, and the newest of its blocks.
pub(crate) struct Node {
    pub(crate) forks: Forks,
    pub(crate) store: Store,
    /// From the first block on: of those that may be taken back.
    pub(crate) headers: Vec<Header>,
    pub(crate) hashes: RecentHashes,
}

impl Node {
    pub(crate) fn open(datadir: &Path, genesis: &Genesis) -> Outcome<Self> {
        let store = store(datadir, genesis)?;
        let whole = store.state.snapshot()?.whole()?.ok_or("the state is not whole")?;
        let header = first(genesis, whole.root)?;
        if header.hash() != whole.hash {
            return Err("the state is not the first block's".into());
        }
        let mut hashes = RecentHashes::from(0, genesis.hash());
        hashes.push(header.hash());
        Ok(Self { forks: genesis.forks(CHAIN_ID), store, headers: vec![header], hashes })
    }

    pub(crate) fn parent(&self) -> Outcome<&Header> {
        Ok(self.headers.last().ok_or("there is no block")?)
    }

    /// There is a newer block.
    pub(crate) fn push(&mut self, block: &Block) {
        self.headers.push(block.header().clone());
        self.hashes.push(block.hash());
    }

    /// Executes a block over its parent's state, so that its header can be made.
    pub(crate) fn draft(
        &self,
        executor: &mut dyn BlockExecutor,
        snapshot: &StateSnapshot,
        body: Body,
    ) -> Outcome<Draft> {
        let parent = self.parent()?;
        let fields = chain::above(&chain::fields_of(parent.raw())?, &body);
        let block = Block::new(chain::header_of(&fields)?, body)?;
        let rules = self.forks.rules(fields.number, fields.timestamp, fields.difficulty);
        let mut state = StateReader::new(snapshot, &self.hashes)?;
        let executed = executor.execute(&rules, &block, parent, &mut state)?;
        Ok(Draft { fields, body: block.body().clone(), executed })
    }
}

/// A block without its header.
pub(crate) struct Draft {
    fields: Fields,
    body: Body,
    pub(crate) executed: Executed,
}

/// A block, and its access list.
pub(crate) struct Made {
    pub(crate) block: Block,
    pub(crate) list: Bytes,
}

impl Draft {
    /// With the root that its changes lead to.
    pub(crate) fn finish(mut self, root: B256) -> Outcome<Made> {
        chain::claim(&mut self.fields, &self.executed, root);
        let block = Block::new(chain::header_of(&self.fields)?, self.body)?;
        Ok(Made { block, list: self.executed.access_list.ok_or("a block of Amsterdam has a list")? })
    }

    /// Whether its transactions have done what they should.
    pub(crate) fn check(&self, work: Work) -> Outcome<()> {
        let changes = &self.executed.changes;
        let slots: usize = changes.storages.values().map(|storage| storage.slots.len()).sum();
        let (least_accounts, least_slots) = match work {
            Work::Large { transfers, slots } => (transfers, slots),
            // Some are paid twice, and some slots written twice.
            Work::Usual => (work.transactions() / 2, work.transactions() / 2),
        };
        ((slots as u64) >= least_slots && (changes.accounts.len() as u64) >= least_accounts)
            .then_some(())
            .ok_or_else(|| "the transactions have not done what they should".into())
    }
}

/// How blocks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Execution,
    Lists,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Execution, Self::Lists];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Lists => "lists",
        }
    }

    pub(crate) fn follower(self, forks: &Forks) -> Follower {
        match self {
            Self::Execution => Follower::executing(forks.clone(), executor()),
            Self::Lists => Follower::applying_lists(forks.clone()),
        }
    }

    /// The list of a block, where that is the way.
    pub(crate) fn list(self, made: &Made) -> Option<&Bytes> {
        (self == Self::Lists).then_some(&made.list)
    }
}

pub(crate) fn executor() -> Box<EvmExecutor> {
    Box::new(EvmExecutor::new(Execution::node()))
}

/// What a block changes, as the writer takes it.
pub(crate) fn claim_of(block: &Block) -> BlockClaim {
    let header = block.header();
    BlockClaim {
        number: header.number,
        hash: block.hash(),
        parent: header.parent_hash,
        root: header.state_root,
    }
}

/// Takes the newest block back.
pub(crate) fn take_back(writer: &mut StateWriterSteps, header: &Header) -> Outcome<()> {
    write(writer, Write::TakeBack { ticket: TICKET, hash: header.hash() })
}

/// Writes one block, and looks that it was done.
pub(crate) fn write(writer: &mut StateWriterSteps, write: Write) -> Outcome<()> {
    let told = writer.commit(vec![write])?;
    let is_applied = told.iter().all(|(_, summary)| {
        matches!(
            summary,
            Summary::Block { outcome: BlockOutcome::Applied, .. }
                | Summary::TakenBack { outcome: BlockOutcome::Applied, .. }
        )
    });
    is_applied.then_some(()).ok_or_else(|| format!("{told:?}").into())
}
