//! A chain with a block of each fork, made and hashed by alloy: payloads as its types write them, and a history that holds the blocks.

use std::{collections::BTreeMap, sync::OnceLock};

use alloy_consensus::{
    Block, BlockBody, EthereumTxEnvelope, Header, SignableTransaction, TxEip1559, TxEip4844, TxLegacy,
    constants::EMPTY_OMMER_ROOT_HASH, proofs,
};
use alloy_eips::{Encodable2718, eip4895::Withdrawal, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use serde_json::{Value, json};
use snapsync_execute::{Fork, Forks};
use snapsync_storage::{
    BlockSpan, Chain, Config, Descent, HistoryStore, HistoryWrite, ProvenBodies, ProvenHeaders, Store, Ticket,
};

type Transaction = EthereumTxEnvelope<TxEip4844>;

/// The forks by time, a hundred seconds each; block n has the time of the fork after n others.
const TIMES: [(Fork, u64); 5] = [
    (Fork::Shanghai, 200),
    (Fork::Cancun, 300),
    (Fork::Prague, 400),
    (Fork::Osaka, 500),
    (Fork::Amsterdam, 600),
];
/// The block's access list, from Amsterdam on: an empty one.
pub(crate) const LIST: &str = "0xc0";
/// The block's slot, from Amsterdam on.
pub(crate) const SLOT: u64 = 77;

pub(crate) fn forks() -> Forks {
    Forks { times: BTreeMap::from(TIMES), ..Forks::since_genesis(7, Fork::Amsterdam) }
}

/// A block, and what a consensus client would send of it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) fork: Fork,
    pub(crate) block: Block<Transaction>,
    pub(crate) hash: B256,
}

impl Made {
    /// The version of `engine_newPayload` that it goes with.
    pub(crate) fn method(&self) -> &'static str {
        match self.fork {
            Fork::Shanghai => "engine_newPayloadV2",
            Fork::Cancun => "engine_newPayloadV3",
            Fork::Prague | Fork::Osaka => "engine_newPayloadV4",
            Fork::Amsterdam => "engine_newPayloadV5",
            _ => "engine_newPayloadV1",
        }
    }

    /// The payload alone.
    pub(crate) fn payload(&self) -> Value {
        let (hash, block) = (self.hash, &self.block);
        match self.fork {
            Fork::Shanghai => json!(ExecutionPayloadV2::from_block_unchecked(hash, block)),
            Fork::Cancun | Fork::Prague | Fork::Osaka => {
                json!(ExecutionPayloadV3::from_block_unchecked(hash, block))
            }
            Fork::Amsterdam => {
                let mut payload = json!(ExecutionPayloadV3::from_block_unchecked(hash, block));
                payload["blockAccessList"] = json!(LIST);
                payload["slotNumber"] = json!(format!("{SLOT:#x}"));
                payload
            }
            _ => json!(ExecutionPayloadV1::from_block_unchecked(hash, block)),
        }
    }

    /// All parameters.
    pub(crate) fn params(&self) -> Value {
        self.params_with(self.payload())
    }

    /// All parameters, with another payload.
    pub(crate) fn params_with(&self, payload: Value) -> Value {
        let blobs: Vec<B256> = match self.fork >= Fork::Cancun {
            true => vec![blob(1), blob(2)],
            false => Vec::new(),
        };
        let root = self.block.header.parent_beacon_block_root;
        match self.fork {
            Fork::Cancun => json!([payload, blobs, root]),
            Fork::Prague | Fork::Osaka | Fork::Amsterdam => json!([payload, blobs, root, []]),
            _ => json!([payload]),
        }
    }
}

/// A blob's hash.
pub(crate) fn blob(number: u8) -> B256 {
    let mut hash = B256::repeat_byte(number);
    hash[0] = 1;
    hash
}

/// The blocks from the genesis block on, one of each fork from Paris to Amsterdam.
pub(crate) fn blocks() -> &'static [Made] {
    static BLOCKS: OnceLock<Vec<Made>> = OnceLock::new();
    BLOCKS.get_or_init(|| {
        let mut parent = B256::ZERO;
        let forks = [Fork::Paris].into_iter().chain(TIMES.map(|(fork, _)| fork));
        let made = (0..).zip(forks).map(|(number, fork)| {
            let block = block(number, parent, fork);
            parent = hash_of(&block.header);
            Made { fork, block, hash: parent }
        });
        made.collect()
    })
}

/// Block 0's header.
pub(crate) fn genesis() -> snapsync_wire::Header {
    snapsync_wire::Header::decode(&alloy_rlp::encode(&blocks()[0].block.header).into()).unwrap()
}

/// The block of a fork.
pub(crate) fn of(fork: Fork) -> &'static Made {
    blocks().iter().find(|made| made.fork == fork).unwrap()
}

fn hash_of(header: &Header) -> B256 {
    keccak256(alloy_rlp::encode(header))
}

fn block(number: u64, parent_hash: B256, fork: Fork) -> Block<Transaction> {
    let transactions = transactions(number, fork);
    let withdrawals = (fork >= Fork::Shanghai).then(|| {
        let one = |index| Withdrawal {
            index,
            validator_index: 5,
            address: Address::repeat_byte(6),
            amount: 1 << 40,
        };
        vec![one(2 * number), one(2 * number + 1)]
    });
    let (is_cancun, is_prague, is_amsterdam) =
        (fork >= Fork::Cancun, fork >= Fork::Prague, fork >= Fork::Amsterdam);
    let header = Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::repeat_byte(1),
        state_root: B256::repeat_byte(2),
        transactions_root: proofs::calculate_transaction_root(&transactions),
        receipts_root: B256::repeat_byte(3),
        number,
        gas_limit: 30_000_000,
        gas_used: 42_000,
        timestamp: 100 * (number + 1),
        extra_data: Bytes::from_static(b"made"),
        mix_hash: B256::repeat_byte(4),
        base_fee_per_gas: Some(7),
        withdrawals_root: withdrawals.as_deref().map(proofs::calculate_withdrawals_root),
        blob_gas_used: is_cancun.then_some(2 << 17),
        excess_blob_gas: is_cancun.then_some(0),
        parent_beacon_block_root: is_cancun.then_some(B256::repeat_byte(8)),
        requests_hash: is_prague.then_some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: is_amsterdam.then(|| keccak256([0xc0])),
        slot_number: is_amsterdam.then_some(SLOT),
        ..Header::default()
    };
    let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: withdrawals.map(Into::into) };
    Block { header, body }
}

fn transactions(nonce: u64, fork: Fork) -> Vec<Transaction> {
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    let legacy =
        TxLegacy { chain_id: Some(7), nonce, gas_price: 9, gas_limit: 21_000, ..TxLegacy::default() };
    let typed = TxEip1559 {
        chain_id: 7,
        nonce,
        max_fee_per_gas: 9,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(9)),
        ..TxEip1559::default()
    };
    let with_blobs = TxEip4844 {
        chain_id: 7,
        nonce,
        max_fee_per_gas: 9,
        gas_limit: 21_000,
        blob_versioned_hashes: vec![blob(1), blob(2)],
        ..TxEip4844::default()
    };
    let mut made = vec![legacy.into_signed(signature).into(), typed.into_signed(signature).into()];
    if fork >= Fork::Cancun {
        made.push(with_blobs.into_signed(signature).into());
    }
    made
}

/// The network form of a transaction, as a payload has it.
pub(crate) fn text_of(transaction: &Transaction) -> String {
    Bytes::from(transaction.encoded_2718()).to_string()
}

/// A history that holds the whole chain.
pub(crate) struct Held {
    pub(crate) history: HistoryStore,
    _store: Store,
    _folder: tempfile::TempDir,
}

/// The one history that all tests read.
pub(crate) fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| history(true))
}

/// A history with all headers, and the bodies if they are wanted; the genesis block's is never.
pub(crate) fn history(with_bodies: bool) -> Held {
    history_of(blocks(), with_bodies)
}

/// A history with one block above the genesis block, whose only transaction has an input of so many bytes; and that block.
pub(crate) fn history_of_large(input_bytes: usize) -> (Held, Made) {
    let genesis = blocks()[0].clone();
    let mut block = block(1, genesis.hash, Fork::Paris);
    let transaction = TxLegacy { input: vec![7; input_bytes].into(), ..TxLegacy::default() };
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    block.body.transactions = vec![transaction.into_signed(signature).into()];
    block.header.transactions_root = proofs::calculate_transaction_root(&block.body.transactions);
    let made = Made { fork: Fork::Paris, hash: hash_of(&block.header), block };
    (history_of(&[genesis, made.clone()], true), made)
}

fn history_of(blocks: &[Made], with_bodies: bool) -> Held {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::small(folder.path());
    let store = Store::open(&config, Chain { id: 7, genesis: blocks[0].hash }).unwrap();
    let writer = store.history.writer(&config, Box::new(drop)).unwrap();
    let decoded =
        |made: &Made| snapsync_wire::Header::decode(&alloy_rlp::encode(&made.block.header).into()).unwrap();
    let headers: Vec<_> = blocks.iter().map(decoded).collect();
    let top = blocks.last().unwrap();
    let (ticket, response_bytes) = (Ticket(0), 0);
    let span = BlockSpan { first: 1, last: top.block.header.number };
    writer.send(HistoryWrite::Want { ticket, blocks: span }).unwrap();
    let falling = headers.iter().rev().cloned().collect();
    let headers_proven = ProvenHeaders::prove(top.hash, None, falling).unwrap();
    let write =
        HistoryWrite::Headers { ticket, headers: headers_proven, descent: Descent::Begins, response_bytes };
    writer.send(write).unwrap();
    if with_bodies {
        let body = |made: &Made| {
            let mut raw = Vec::new();
            made.block.body.encode(&mut raw);
            snapsync_wire::Body::decode(&raw.into()).unwrap()
        };
        let bodies = ProvenBodies::prove(&headers[1..], blocks[1..].iter().map(body).collect()).unwrap();
        writer.send(HistoryWrite::Bodies { ticket, bodies, response_bytes }).unwrap();
    }
    writer.join().unwrap();
    Held { history: store.history.clone(), _store: store, _folder: folder }
}
