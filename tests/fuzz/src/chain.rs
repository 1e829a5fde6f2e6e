//! A small chain to execute hostile blocks on: one funded account, contracts that count, log and end themselves.

use alloy_consensus::Header as Fields;
use alloy_primitives::{Address, B256, U256, hex};
use snapsync_execute::{Fork, Forks, RecentHashes, genesis::Genesis};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    AccountChange, BlockClaim, Chain, DerivedBlock, MemoryDisk, Open, StateChanges, StateStore,
    StateWriterSteps, StorageChange, Store, Ticket, Write,
};
use snapsync_trie::{EMPTY_CODE, ordered_root};
use snapsync_wire::{Body, Header};

/// The chain's id.
pub const CHAIN_ID: u64 = 7;

/// Codes at addresses of 0x01.. repeated: a counter, a logger, one that ends itself, one that calls whom its input names.
const CODES: [&str; 4] =
    ["60005460010160005543435500", "602a60006000a100", "33ff", "60006000600060006000600035602060ff16f100"];

/// Contracts of the protocol that a block needs (EIPs 7002, 7251, 8282): here they ask for nothing.
const SYSTEM: [&str; 4] = [
    "00000961Ef480Eb55e80D19ad83579A64c007002",
    "0000BBdDc7CE488642fb579F8B00f3a590007251",
    "0000BFF46984E3725691FA540A8C7589300D8282",
    "000064D678505AD48F8CCB093BC65613800E8282",
];

/// A state in memory at block 0, and the rules of the chain.
#[derive(Debug)]
pub struct Small {
    /// Its rules: those of one fork from the first block on.
    pub forks: Forks,
    /// Block 0.
    pub parent: Header,
    /// Hashes of older blocks.
    pub hashes: RecentHashes,
    /// The state.
    pub store: Store,
    writer: StateWriterSteps,
}

impl Small {
    /// At block 0.
    pub fn at(fork: Fork) -> Self {
        let account = |code: &str| {
            format!(r#"{{"balance":"0xffffffffffffffff","nonce":"0x1","code":"0x{code}","storage":{{"0x01":"0x02"}}}}"#)
        };
        let contracts = (1_u8..).zip(CODES).map(|(byte, code)| (Address::repeat_byte(byte), account(code)));
        let system = SYSTEM.map(|address| {
            let address = hex::decode(address).expect("it is hex");
            (Address::from_slice(&address), account("00"))
        });
        let alloc: Vec<String> =
            contracts.chain(system).map(|(address, account)| format!(r#""{address:x}":{account}"#)).collect();
        let by_block =
            ["homestead", "eip150", "eip158", "byzantium", "constantinople", "istanbul", "berlin", "london"];
        let by_block = by_block.iter().zip(Fork::BY_BLOCK).filter(|(_, since)| *since <= fork);
        let by_time = ["shanghai", "cancun", "prague", "osaka", "amsterdam"];
        let by_time = by_time.iter().zip(Fork::BY_TIME).filter(|(_, since)| *since <= fork);
        let mut config: String = by_block.map(|(name, _)| format!(r#","{name}Block":0"#)).collect();
        config.extend(by_time.map(|(name, _)| format!(r#","{name}Time":0"#)));
        if fork >= Fork::Paris {
            config += r#","terminalTotalDifficulty":0"#;
        }
        let difficulty = if fork < Fork::Paris { "0x20000" } else { "0x0" };
        let text = format!(
            r#"{{"config":{{"chainId":{CHAIN_ID}{config}}},"difficulty":"{difficulty}","gasLimit":"0x1c9c380","timestamp":"0x64",
            "alloc":{{{}}}}}"#,
            alloc.join(",")
        );
        let genesis = Genesis::in_text(&text).expect("it is a genesis file");
        let chain = Chain { id: CHAIN_ID, genesis: genesis.hash() };
        let store = Store::open_memory(&MemoryDisk::default(), chain).expect("it is memory");
        let mut writer = store.state.writer_steps(Box::new(Open)).expect("nobody else writes");
        for write in genesis.state_writes(Ticket(0)).expect("it has a state") {
            writer.commit(vec![write]).expect("it is memory");
        }
        let parent = Header::decode(&genesis.header().into()).expect("it is a header");
        let hashes = RecentHashes::from(0, parent.hash());
        Self { forks: genesis.forks(CHAIN_ID), parent, hashes, store, writer }
    }

    /// A header above block 0 that commits to `body`, and claims what an empty block would come to.
    pub fn header_of(&self, body: &Body, fork: Fork) -> Header {
        let at_least = |since: Fork| fork >= since;
        let work = if at_least(Fork::Paris) { U256::ZERO } else { U256::from(0x20000) };
        let fields = Fields {
            parent_hash: self.parent.hash(),
            ommers_hash: keccak256(body.ommers()),
            beneficiary: Address::repeat_byte(0xbe),
            state_root: self.parent.state_root,
            transactions_root: ordered_root(&body.transaction_payloads()),
            difficulty: work,
            number: 1,
            timestamp: self.parent.timestamp + 12,
            gas_limit: self.parent.gas_limit,
            // The genesis file's default less an eighth, since block 0 used no gas.
            base_fee_per_gas: at_least(Fork::London).then_some(875_000_000),
            withdrawals_root: body.withdrawal_payloads().map(|items| ordered_root(&items)),
            blob_gas_used: at_least(Fork::Cancun).then_some(0),
            excess_blob_gas: at_least(Fork::Cancun).then_some(0),
            parent_beacon_block_root: at_least(Fork::Cancun).then_some(B256::repeat_byte(4)),
            requests_hash: at_least(Fork::Prague).then_some(B256::ZERO),
            block_access_list_hash: at_least(Fork::Amsterdam).then_some(B256::ZERO),
            slot_number: at_least(Fork::Amsterdam).then_some(1),
            ..Fields::default()
        };
        Header::decode(&alloy_rlp::encode(fields).into()).expect("it was just made")
    }

    /// Writes blocks that each change, add and end some accounts and slots, so that there is something to take back; gives their hashes, the
    /// newest last, and their roots.
    pub fn grow(&mut self, blocks: u8) -> Vec<(B256, B256)> {
        let mut grown = Vec::new();
        let mut parent = self.parent.hash();
        for number in 1..=blocks {
            let snapshot = self.store.state.snapshot().expect("it is memory");
            let contract = keccak256(Address::repeat_byte(1).as_slice());
            let held = snapshot.account(&contract).expect("it is memory").expect("block 0 has it");
            let change = |nonce| AccountChange { nonce, balance: U256::from(number), code_hash: EMPTY_CODE };
            let mut changes = StateChanges::default();
            let contract_change = AccountChange { code_hash: held.code_hash, ..change(u64::from(number)) };
            changes.accounts.insert(contract, Some(contract_change));
            changes.accounts.insert(B256::repeat_byte(number), Some(change(1)));
            changes.accounts.insert(B256::repeat_byte(number.wrapping_sub(2)), None);
            let slots = (0..4).map(|slot| (B256::repeat_byte(slot * 50), U256::from(number % (slot + 2))));
            changes.storages.insert(contract, StorageChange { wiped: false, slots: slots.collect() });
            let root = changes.root_above(&snapshot).expect("they fit");
            let claim = BlockClaim { number: number.into(), hash: B256::repeat_byte(number), parent, root };
            let derived = DerivedBlock::derive(&snapshot, claim, &changes).expect("they fit");
            drop(snapshot);
            let write = Write::Block { ticket: Ticket(0), block: Box::new(derived) };
            self.writer.commit(vec![write]).expect("it is memory");
            parent = claim.hash;
            grown.push((claim.hash, root));
        }
        grown
    }

    /// Takes the newest block back.
    ///
    /// # Errors
    /// When the disk holds what cannot be.
    pub fn take_back(mut self, hash: B256) -> snapsync_storage::Result<StateStore> {
        self.writer.commit(vec![Write::TakeBack { ticket: Ticket(0), hash }])?;
        Ok(self.store.state)
    }
}
