//! What both hosts share: a node that keeps a state on disk and takes blocks, and a chain whose blocks hold withdrawals and nothing else.

use std::{collections::BTreeMap, error::Error, path::Path, time::Duration};

use alloy_consensus::Header as Fields;
use alloy_eips::{eip1559::BaseFeeParams, eip4895::Withdrawal};
use alloy_primitives::{Address, Bytes, U256};
use snapsync_execute::{Block, Follower, Forks, RecentHashes, TakenBy, genesis::Genesis};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    AccountChange, BlockOutcome, Chain, Config, Open, StateChanges, StateSnapshot, StateWriterSteps, Store,
    Summary, Ticket, Write,
};
use snapsync_trie::{EMPTY_CODE, ordered_root};
use snapsync_wire::{Body, Header};

pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const CHAIN_ID: u64 = 7;

/// A host: a state on disk, and the newest block.
pub(crate) struct Node {
    pub(crate) forks: Forks,
    store: Store,
    writer: StateWriterSteps,
    parent: Header,
    hashes: RecentHashes,
}

impl Node {
    /// At block 0 of a chain that begins after the merge; `times` are further forks of its genesis file. BLOCKING: until it is durable.
    pub(crate) fn begin(datadir: &Path, times: &str) -> Result<Self> {
        let by_block = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "istanbul"];
        let by_block = by_block.map(|fork| format!(r#""{fork}Block":0,"#)).concat();
        let genesis = Genesis::in_text(&format!(
            r#"{{"config":{{"chainId":{CHAIN_ID},{by_block}"berlinBlock":0,"londonBlock":0,"terminalTotalDifficulty":0,
            "shanghaiTime":0{times}}},"difficulty":"0x0","gasLimit":"0x1c9c380","alloc":{{}}}}"#
        ))?;
        let chain = Chain { id: CHAIN_ID, genesis: genesis.hash() };
        let store = Store::open(&Config::mainnet(datadir, 64 << 20), chain)?;
        let mut writer = store.state.writer_steps(Box::new(Open))?;
        for write in genesis.state_writes(Ticket(0))? {
            writer.commit(vec![write])?;
        }
        let parent = Header::decode(&genesis.header().into())?;
        let hashes = RecentHashes::from(0, parent.hash());
        Ok(Self { forks: genesis.forks(CHAIN_ID), store, writer, parent, hashes })
    }

    /// The state of the newest block.
    pub(crate) fn snapshot(&self) -> Result<StateSnapshot> {
        Ok(self.store.state.snapshot()?)
    }

    /// Wei of an account.
    pub(crate) fn balance(&self, of: &Address) -> Result<U256> {
        let account = self.snapshot()?.account(&keccak256(of.as_slice()))?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }

    /// Takes the next block and writes it. BLOCKING: until it is durable.
    pub(crate) fn take(
        &mut self,
        follower: &mut Follower,
        block: &Block,
        list: Option<&Bytes>,
    ) -> Result<TakenBy> {
        // A node gives the time since it began; here blocks alone make it.
        let now = Duration::from_secs(block.header().timestamp);
        let snapshot = self.snapshot()?;
        let taken = follower.take(now, block, &self.parent, list, &snapshot, &self.hashes)?;
        // What is written next needs the pages that a snapshot holds.
        drop(snapshot);
        let write = Write::Block { ticket: Ticket(block.header().number), block: Box::new(taken.derived) };
        let told = self.writer.commit(vec![write])?;
        let is_applied =
            |summary: &Summary| matches!(summary, Summary::Block { outcome: BlockOutcome::Applied, .. });
        if !told.iter().any(|(_, summary)| is_applied(summary)) {
            return Err("the block does not follow the state".into());
        }
        self.parent = block.header().clone();
        self.hashes.push(block.hash());
        Ok(taken.by)
    }

    /// The fields of the next block, in which one account is paid; those of later forks, and the state's root, are left to the caller.
    pub(crate) fn paying(&self, payee: Address, gwei: u64) -> Result<(Fields, Body)> {
        let paid = Withdrawal { index: 0, validator_index: 0, address: payee, amount: gwei };
        let withdrawal = alloy_rlp::encode(paid);
        let body = Body::from_parts([], &[alloy_rlp::EMPTY_LIST_CODE], Some(&[&withdrawal]))?;
        let parent: Fields = alloy_rlp::decode_exact(self.parent.raw())?;
        let fields = Fields {
            parent_hash: self.parent.hash(),
            number: parent.number + 1,
            timestamp: parent.timestamp + 12,
            gas_limit: parent.gas_limit,
            base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
            withdrawals_root: Some(ordered_root(&[withdrawal])),
            ..Fields::default()
        };
        Ok((fields, body))
    }
}

/// The header of these fields.
pub(crate) fn header_of(fields: &Fields) -> Result<Header> {
    Ok(Header::decode(&alloy_rlp::encode(fields).into())?)
}

/// One account with so much ether, and nothing else about it.
pub(crate) fn balance_change(of: &Address, balance: U256) -> StateChanges {
    let change = AccountChange { nonce: 0, balance, code_hash: EMPTY_CODE };
    let accounts = BTreeMap::from([(keccak256(of.as_slice()), Some(change))]);
    StateChanges { accounts, ..StateChanges::default() }
}
