//! A chain under a load, one block after the other, as `geth export` writes blocks: for whoever imports chains from files.
//!
//! The same load and the same seed make the same chain. Nothing of it is kept but the newest state, in a directory of its own, so it may be of any
//! length. Who imports it believes nothing: each block was executed before its header was written.

use std::path::Path;

use alloy_primitives::{Address, B256, address};
use serde_json::{Value, json};
use snapsync_execute::{RecentHashes, genesis::Genesis};
use snapsync_storage::{BlockOutcome, Chain, Config, Open, StateWriterSteps, Store, Summary, Ticket, Write};
use snapsync_wire::Header;

use crate::{
    Error,
    blocks::{MadeBlock, Place},
    chain::{CHAIN_ID, network_form},
    dice::Dice,
    genesis::genesis,
    load::{Load, SIGNERS, allocation},
    rlp::List,
    sealer::{ExecutedBlock, Sealer, failed},
    signers::Signer,
};

/// What these blocks say of themselves.
const EXTRA: &[u8] = b"snapsync demo, loaded";
/// Twice what the heaviest load takes, so that fees stay.
const GAS_LIMIT: u64 = 120_000_000;
/// Who gets the fees of all blocks.
const BENEFICIARY: Address = address!("70ce700000000000000000000000000000000003");
/// One write is waited for at a time.
const TICKET: Ticket = Ticket(0);

/// A chain that grows as long as it is asked for blocks.
#[derive(Debug)]
pub struct LoadedChain {
    load: Load,
    seed: u64,
    described: Value,
    sealer: Sealer,
    signers: Vec<Signer>,
    parent: Header,
    hashes: RecentHashes,
    writer: StateWriterSteps,
    store: Store,
}

/// A block as it stands in a chain file.
#[derive(Clone, Debug)]
pub struct ExportedBlock {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// What its transactions used.
    pub gas_used: u64,
    /// Header, transactions, ommers and withdrawals in one list.
    pub raw: Vec<u8>,
}

impl LoadedChain {
    /// Begins the chain of a load and a seed. Its state is kept in `datadir`, which must be empty; a directory in memory is as good.
    ///
    /// # Errors
    /// When the directory is in use, or the disk fails.
    pub fn begin(load: Load, seed: u64, datadir: &Path) -> Result<Self, Error> {
        let signers = (0..SIGNERS).map(|nth| Signer::new(seed, nth)).collect::<Result<Vec<_>, _>>()?;
        let mut described = genesis(seed, CHAIN_ID);
        described["gasLimit"] = json!(format!("{GAS_LIMIT:#x}"));
        described["alloc"] = allocation(&signers);
        let genesis = Genesis::in_text(&described.to_string()).map_err(failed)?;
        let chain = Chain { id: CHAIN_ID, genesis: genesis.hash() };
        let store = Store::open(&Config::small(datadir), chain)?;
        let mut writer = store.state.writer_steps(Box::new(Open))?;
        for write in genesis.state_writes(TICKET)? {
            writer.commit(vec![write])?;
        }
        let parent = Header::decode(&genesis.header().into())?;
        let hashes = RecentHashes::from(0, parent.hash());
        let sealer = Sealer::new(&genesis, CHAIN_ID);
        Ok(Self { load, seed, described, sealer, signers, parent, hashes, writer, store })
    }

    /// Its genesis file, which geth takes too.
    pub fn described(&self) -> &Value {
        &self.described
    }

    /// The next block. BLOCKING: until its state is written.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn next_block(&mut self) -> Result<ExportedBlock, Error> {
        let number = self.parent.number + 1;
        let mut dice = Dice::new(self.seed, 0x10ad_0000_0000 + number);
        let mut transactions = Vec::new();
        for call in self.load.calls(number, &mut dice) {
            let signer = &mut self.signers[dice.below(SIGNERS) as usize];
            transactions.push(signer.sign(&mut dice, CHAIN_ID, &call));
        }
        let mut place = Place::above(&self.parent, EXTRA, &mut dice);
        place.beneficiary = BENEFICIARY;
        let snapshot = self.store.state.snapshot()?;
        let above = (&self.parent, &place);
        let sealed = self.sealer.seal((&snapshot, &self.hashes), above, transactions, Vec::new())?;
        drop(snapshot);
        let ExecutedBlock { made, derived } = sealed;
        let told = self.writer.commit(vec![Write::Block { ticket: TICKET, block: Box::new(derived) }])?;
        let is_applied =
            |summary: &Summary| matches!(summary, Summary::Block { outcome: BlockOutcome::Applied, .. });
        if !told.iter().any(|(_, summary)| is_applied(summary)) {
            return Err(Error::NoHead);
        }
        let raw = exported(&made);
        self.hashes.push(made.hash);
        self.parent = Header::decode(&made.header.into())?;
        Ok(ExportedBlock { number, hash: made.hash, gas_used: self.parent.gas_used, raw })
    }
}

fn exported(block: &MadeBlock) -> Vec<u8> {
    let inside = |list: List, raw: &Vec<u8>| list.raw(raw);
    let transactions = block.transactions.iter().map(|raw| network_form(raw));
    let transactions = transactions.fold(List::new(), |list, raw| list.raw(&raw));
    let withdrawals = block.withdrawals.iter().fold(List::new(), inside);
    List::new().raw(&block.header).list(transactions).list(List::new()).list(withdrawals).encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(load: Load, seed: u64, count: usize) -> Vec<ExportedBlock> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut chain = LoadedChain::begin(load, seed, folder.path()).expect("a chain");
        (0..count).map(|_| chain.next_block().expect("a block")).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_chain_under_every_load() {
        for load in Load::ALL {
            let hashes = |seed| blocks(load, seed, 3).iter().map(|block| block.hash).collect::<Vec<_>>();
            assert_eq!(hashes(1), hashes(1), "{load:?}");
            assert_ne!(hashes(1), hashes(2), "{load:?}");
        }
    }

    #[test]
    fn transactions_do_what_their_load_says() {
        let gas = |load| blocks(load, 3, 2)[1].gas_used;
        assert_eq!(gas(Load::Transfers), 200 * 21_000);
        // A call that fails takes less, and gives back what it has not used.
        assert!((200 * 33_000..200 * 55_000).contains(&gas(Load::Tokens)), "{}", gas(Load::Tokens));
        // 2,000 slots that are new and 2,000 that are not.
        assert!((52_000_000..60_000_000).contains(&gas(Load::Storage)), "{}", gas(Load::Storage));
        assert!((21_000..150_000).contains(&gas(Load::Small)));
    }
}
