//! A chain in memory: blocks are made by executing them once, which fills in what their headers claim, and then one thing is changed.
//!
//! Fees and blobs of the next block come from alloy's formulas, so that ours are held against others.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;

use alloy_consensus::{
    EthereumTxEnvelope, Header as Fields, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy,
};
use alloy_eips::{Encodable2718, eip1559::BaseFeeParams, eip4895::Withdrawal, eip7840::BlobParams};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use secp256k1::{Message, SecretKey};
use snapsync_execute::{
    Advanced, BadBlock, BadTransaction, Block, BlockExecutor, Commitment, Error, Executed, Fork, Forks,
    RecentHashes, StateReader,
    evm::{Config, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    BlockOutcome, Chain, MemoryDisk, Open, StateSnapshot, StateWriterSteps, Store, Summary, Ticket, Write,
};
use snapsync_trie::{EMPTY_ROOT, ordered_root};
use snapsync_wire::{Body, Header, Receipt};

pub(crate) const CHAIN_ID: u64 = 7;
/// What each transaction may use: state costs a lot from Amsterdam on.
pub(crate) const GAS: u64 = 1_000_000;
/// Whoever signs.
pub(crate) const RICH: u8 = 1;
/// Has a key and nothing else.
pub(crate) const POOR: u8 = 2;
/// Where the lab's contracts are.
pub(crate) const COUNTER: Address = Address::repeat_byte(0xc0);
pub(crate) const BOMB: Address = Address::repeat_byte(0xb0);
pub(crate) const LOGGER: Address = Address::repeat_byte(0x10);
pub(crate) const ASKER: Address = Address::repeat_byte(0xa5);

/// EIP-7002, EIP-7251, EIP-8282.
pub(crate) const SYSTEM_CONTRACTS: [&str; 4] = [
    "00000961Ef480Eb55e80D19ad83579A64c007002",
    "0000BBdDc7CE488642fb579F8B00f3a590007251",
    "0000BFF46984E3725691FA540A8C7589300D8282",
    "000064D678505AD48F8CCB093BC65613800E8282",
];

pub(crate) fn key(of: u8) -> SecretKey {
    SecretKey::from_byte_array([of; 32]).unwrap()
}

pub(crate) fn address(of: u8) -> Address {
    let public = key(of).public_key(secp256k1::SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

/// The chain's first state: a rich account, contracts that count, log, ask and end themselves, those of the protocol, which ask for nothing.
fn allocation() -> BTreeMap<String, serde_json::Value> {
    let code = |code: &str| serde_json::json!({"balance": "0x0", "nonce": "0x1", "code": code});
    let mut alloc = BTreeMap::from([
        (hex::encode(address(RICH)), serde_json::json!({"balance": "0xffffffffffffffffffffff"})),
        // Adds one to slot 0, and stores the number of the block under itself.
        (hex::encode(COUNTER), code("0x60005460010160005543435500")),
        // Ends itself; its ether goes to whoever calls.
        (
            hex::encode(BOMB),
            serde_json::json!({"balance": "0x5", "nonce": "0x1", "code": "0x33ff",
                "storage": {"0x01": "0x07", "0x02": "0x08"}}),
        ),
        // Logs nothing under one topic, 0x2a.
        (hex::encode(LOGGER), code("0x602a60006000a100")),
        // Stores the hash of the block before.
        (hex::encode(ASKER), code("0x600143034060005500")),
    ]);
    for contract in SYSTEM_CONTRACTS {
        alloc.insert(contract.to_lowercase(), code("0x00"));
    }
    alloc
}

/// A chain whose forks hold from its first block on.
pub(crate) fn genesis(fork: Fork) -> Genesis {
    genesis_with(fork, |_| {})
}

pub(crate) fn genesis_with(fork: Fork, change: impl FnOnce(&mut serde_json::Value)) -> Genesis {
    let is_mined = fork < Fork::Paris;
    let by_block =
        ["homestead", "eip150", "eip158", "byzantium", "constantinople", "istanbul", "berlin", "london"];
    let mut config = serde_json::json!({"chainId": CHAIN_ID});
    for (name, since) in by_block.iter().zip(Fork::BY_BLOCK).filter(|(_, since)| *since <= fork) {
        config[format!("{name}Block")] = 0.into();
        if since == Fork::SpuriousDragon {
            config["eip155Block"] = 0.into();
        }
    }
    let by_time = ["shanghai", "cancun", "prague", "osaka", "amsterdam"];
    for (name, _) in by_time.iter().zip(Fork::BY_TIME).filter(|(_, since)| *since <= fork) {
        config[format!("{name}Time")] = 0.into();
    }
    if !is_mined {
        config["terminalTotalDifficulty"] = 0.into();
    }
    let difficulty = if is_mined { "0x20000" } else { "0x0" };
    let mut file = serde_json::json!({
        "config": config, "difficulty": difficulty, "gasLimit": "0x1c9c380", "timestamp": "0x64", "alloc": allocation(),
    });
    change(&mut file);
    Genesis::in_text(&file.to_string()).unwrap()
}

/// A block that is being made.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) fields: Fields,
    pub(crate) transactions: Vec<Bytes>,
    pub(crate) ommers: Vec<Fields>,
    pub(crate) withdrawals: Option<Vec<Withdrawal>>,
}

impl Draft {
    pub(crate) fn body(&self) -> Body {
        let network = |raw: &Bytes| if raw[0] >= 0xc0 { raw.to_vec() } else { alloy_rlp::encode(raw) };
        let transactions: Vec<Vec<u8>> = self.transactions.iter().map(network).collect();
        let withdrawals: Option<Vec<Vec<u8>>> =
            self.withdrawals.as_ref().map(|all| all.iter().map(alloy_rlp::encode).collect());
        let withdrawals: Option<Vec<&[u8]>> =
            withdrawals.as_ref().map(|all| all.iter().map(Vec::as_slice).collect());
        let ommers = alloy_rlp::encode(&self.ommers);
        Body::from_parts(transactions.iter().map(Vec::as_slice), &ommers, withdrawals.as_deref()).unwrap()
    }

    /// The header commits to the body as it is.
    pub(crate) fn commit(&mut self) {
        let body = self.body();
        self.fields.transactions_root = ordered_root(&body.transaction_payloads());
        self.fields.ommers_hash = keccak256(body.ommers());
        self.fields.withdrawals_root = body.withdrawal_payloads().map(|items| ordered_root(&items));
    }

    pub(crate) fn block(&self) -> Block {
        Block::new(header_of(&self.fields), self.body()).unwrap()
    }
}

pub(crate) fn header_of(fields: &Fields) -> Header {
    Header::decode(&alloy_rlp::encode(fields).into()).unwrap()
}

/// A store with the state of the newest block, and what makes the next.
pub(crate) struct Lab {
    pub(crate) forks: Forks,
    pub(crate) store: Store,
    steps: StateWriterSteps,
    pub(crate) executor: EvmExecutor,
    pub(crate) head: Fields,
    pub(crate) hashes: RecentHashes,
    tickets: u64,
}

impl Lab {
    /// At the first block of a chain whose forks hold from there on.
    pub(crate) fn at(fork: Fork) -> Self {
        Self::of(&genesis(fork))
    }

    pub(crate) fn of(genesis: &Genesis) -> Self {
        let forks = genesis.forks(CHAIN_ID);
        let hash = genesis.hash();
        let chain = Chain { id: CHAIN_ID, genesis: hash };
        let store = Store::open_memory(&MemoryDisk::default(), chain).unwrap();
        let mut steps = store.state.writer_steps(Box::new(Open)).unwrap();
        for write in genesis.state_writes(Ticket(0)).unwrap() {
            steps.commit(vec![write]).unwrap();
        }
        let head = alloy_rlp::decode_exact::<Fields>(&genesis.header()).unwrap();
        assert_eq!(head.hash_slow(), hash);
        let config = Config { sender_threads: 2, code_bytes_max: 1 << 16 };
        let executor = EvmExecutor::new(config);
        let hashes = RecentHashes::from(0, hash);
        Self { forks, store, steps, executor, head, hashes, tickets: 0 }
    }

    pub(crate) fn snapshot(&self) -> StateSnapshot {
        self.store.state.snapshot().unwrap()
    }

    pub(crate) fn parent(&self) -> Header {
        header_of(&self.head)
    }

    /// The next block, empty; what its header claims of the state is not yet filled in.
    pub(crate) fn draft(&self) -> Draft {
        let (parent, number, timestamp) = (&self.head, self.head.number + 1, self.head.timestamp + 12);
        let work = U256::from(0x20000);
        let difficulty = if parent.difficulty.is_zero() { U256::ZERO } else { work };
        let rules = self.forks.rules(number, timestamp, difficulty);
        let at_least = |fork: Fork| rules.fork >= fork;
        let zero = at_least(Fork::Cancun).then_some(0);
        let excess = rules.blobs.map(|blobs| {
            let blobs = BlobParams {
                target_blob_count: blobs.target,
                max_blob_count: blobs.max,
                update_fraction: blobs.update_fraction.into(),
                // EIP-7918 has no say before Osaka.
                ..if at_least(Fork::Osaka) { BlobParams::osaka() } else { BlobParams::prague() }
            };
            let (excess, used) = (parent.excess_blob_gas.unwrap_or(0), parent.blob_gas_used.unwrap_or(0));
            blobs.next_block_excess_blob_gas_osaka(excess, used, parent.base_fee_per_gas.unwrap_or(0))
        });
        let fee = parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(1_000_000_000);
        let fields = Fields {
            parent_hash: parent.hash_slow(),
            beneficiary: Address::repeat_byte(0xbe),
            difficulty,
            number,
            timestamp,
            gas_limit: parent.gas_limit * if rules.is_first_of_london { 2 } else { 1 },
            base_fee_per_gas: at_least(Fork::London).then_some(fee),
            blob_gas_used: zero,
            excess_blob_gas: excess,
            parent_beacon_block_root: at_least(Fork::Cancun).then_some(B256::repeat_byte(4)),
            slot_number: at_least(Fork::Amsterdam).then_some(number),
            requests_hash: at_least(Fork::Prague).then_some(B256::ZERO),
            block_access_list_hash: at_least(Fork::Amsterdam).then_some(B256::ZERO),
            ..Fields::default()
        };
        let withdrawals = at_least(Fork::Shanghai).then(Vec::new);
        Draft { fields, transactions: Vec::new(), ommers: Vec::new(), withdrawals }
    }

    /// The next block with these transactions, its header filled in.
    pub(crate) fn with(&mut self, transactions: Vec<Bytes>) -> Draft {
        let draft = Draft { transactions, ..self.draft() };
        self.fill(draft)
    }

    /// Fills in what a header claims of what its block does.
    pub(crate) fn fill(&mut self, mut draft: Draft) -> Draft {
        draft.fields.blob_gas_used = draft.fields.blob_gas_used.map(|_| blob_gas(&draft.transactions));
        draft.commit();
        let executed = self.raw(&draft.block()).unwrap();
        fill_claims(&mut draft.fields, &executed);
        draft.fields.state_root = executed.changes.root_above(&self.snapshot()).unwrap();
        draft
    }

    /// What the executor alone says.
    pub(crate) fn raw(&mut self, block: &Block) -> Result<Executed, Error> {
        let snapshot = self.store.state.snapshot().unwrap();
        let mut state = StateReader::new(&snapshot, &self.hashes).unwrap();
        let header = block.header();
        let rules = self.forks.rules(header.number, header.timestamp, header.difficulty);
        self.executor.execute(&rules, block, &header_of(&self.head), &mut state)
    }

    /// Executes and checks a block.
    pub(crate) fn execute(&mut self, draft: &Draft) -> Result<Advanced, Error> {
        let (parent, snapshot) = (self.parent(), self.snapshot());
        execute(&mut self.executor, &self.forks, &draft.block(), &parent, &snapshot, &self.hashes)
    }

    /// Executes a block and writes it.
    pub(crate) fn advance(&mut self, draft: &Draft) -> Vec<Receipt> {
        let Advanced { derived, receipts } = self.execute(draft).unwrap();
        self.write(derived);
        self.head = draft.fields.clone();
        self.hashes.push(draft.block().hash());
        receipts
    }

    pub(crate) fn write(&mut self, derived: snapsync_storage::DerivedBlock) {
        self.tickets += 1;
        let claim = derived.claim();
        let write = Write::Block { ticket: Ticket(self.tickets), block: Box::new(derived) };
        let told = self.steps.commit(vec![write]).unwrap();
        assert!(
            matches!(&told[..], [(_, Summary::Block { claim: of, outcome: BlockOutcome::Applied })] if *of == claim),
            "{told:?}"
        );
    }

    pub(crate) fn take_back(&mut self, parent: Fields) {
        let write = Write::TakeBack { ticket: Ticket(0), hash: self.head.hash_slow() };
        let told = self.steps.commit(vec![write]).unwrap();
        assert!(
            matches!(&told[..], [(_, Summary::TakenBack { outcome: BlockOutcome::Applied, .. })]),
            "{told:?}"
        );
        self.head = parent;
        self.hashes.pop();
    }

    /// Why a block is bad.
    pub(crate) fn bad(&mut self, draft: &Draft) -> BadBlock {
        match self.execute(draft) {
            Err(Error::Bad(bad)) => *bad,
            other => panic!("{other:?}"),
        }
    }

    /// Why a block with this one transaction is bad.
    pub(crate) fn bad_transaction(&mut self, transaction: Bytes) -> BadTransaction {
        let mut draft = Draft { transactions: vec![transaction], ..self.draft() };
        draft.fields.blob_gas_used = draft.fields.blob_gas_used.map(|_| blob_gas(&draft.transactions));
        draft.commit();
        match self.bad(&draft) {
            BadBlock::Transaction { index: 0, reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn nonce(&self) -> u64 {
        let account = self.snapshot().account(&keccak256(address(RICH).as_slice())).unwrap();
        account.map_or(0, |account| account.nonce)
    }

    pub(crate) fn slot(&self, contract: Address, slot: u64) -> U256 {
        let (account, slot) =
            (keccak256(contract.as_slice()), keccak256(&U256::from(slot).to_be_bytes::<32>()));
        self.snapshot().reads(snapsync_storage::AsOf::Newest).unwrap().slot(&account, &slot).unwrap()
    }

    pub(crate) fn balance(&self, of: Address) -> Option<U256> {
        self.snapshot().account(&keccak256(of.as_slice())).unwrap().map(|account| account.balance)
    }
}

pub(crate) fn fill_claims(fields: &mut Fields, executed: &Executed) {
    let receipts = executed.consensus_receipts();
    fields.gas_used = executed.gas_used;
    fields.receipts_root = if receipts.is_empty() { EMPTY_ROOT } else { ordered_root(&receipts) };
    fields.logs_bloom = executed.logs_bloom();
    fields.requests_hash = executed.requests_hash;
    fields.block_access_list_hash = executed.access_list.as_ref().map(|list| keccak256(list));
}

fn blob_gas(transactions: &[Bytes]) -> u64 {
    let blobs = transactions.iter().filter_map(|raw| {
        let read = alloy_eips::Decodable2718::decode_2718_exact(raw);
        let transaction: EthereumTxEnvelope<TxEip4844> = read.ok()?;
        alloy_consensus::Transaction::blob_gas_used(&transaction)
    });
    blobs.sum()
}

pub(crate) fn sign(of: u8, hash: B256) -> Signature {
    let signature = secp256k1::SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key(of));
    let (id, compact) = signature.serialize_compact();
    let number = |bytes: &[u8]| U256::from_be_slice(bytes);
    Signature::new(number(&compact[..32]), number(&compact[32..]), id == secp256k1::ecdsa::RecoveryId::One)
}

/// A transaction, signed.
pub(crate) fn signed<T>(of: u8, transaction: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    let signature = sign(of, transaction.signature_hash());
    enveloped(transaction, signature)
}

/// A transaction with any signature.
pub(crate) fn enveloped<T>(transaction: T, signature: Signature) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    EthereumTxEnvelope::<TxEip4844>::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// Ether for anybody, paid well.
pub(crate) fn legacy(nonce: u64, to: Address) -> TxLegacy {
    TxLegacy {
        chain_id: None,
        nonce,
        gas_price: 10_000_000_000,
        gas_limit: GAS,
        to: TxKind::Call(to),
        value: U256::ONE,
        input: Bytes::new(),
    }
}

pub(crate) fn with_list(nonce: u64) -> TxEip2930 {
    TxEip2930 {
        chain_id: CHAIN_ID,
        nonce,
        gas_price: 10_000_000_000,
        gas_limit: GAS,
        to: TxKind::Call(COUNTER),
        ..TxEip2930::default()
    }
}

pub(crate) fn with_fees(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(COUNTER),
        ..TxEip1559::default()
    }
}

pub(crate) fn with_blobs(nonce: u64, blobs: usize) -> TxEip4844 {
    let mut hash = B256::repeat_byte(9);
    hash.0[0] = 1;
    TxEip4844 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: COUNTER,
        blob_versioned_hashes: vec![hash; blobs],
        max_fee_per_blob_gas: 1_000,
        ..TxEip4844::default()
    }
}

pub(crate) fn with_authorizations(
    nonce: u64,
    authorizations: Vec<alloy_eips::eip7702::SignedAuthorization>,
) -> TxEip7702 {
    TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: GAS,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: COUNTER,
        authorization_list: authorizations,
        ..TxEip7702::default()
    }
}

/// What a header commits to differs.
pub(crate) fn is_lie(bad: &BadBlock, about: Commitment) -> bool {
    matches!(bad, BadBlock::Claim { what, .. } if *what == about)
}
