//! The chain that is followed: a large state, and blocks of transfers and of calls that write many slots.

use std::{collections::BTreeMap, error::Error};

use alloy_consensus::{EthereumTxEnvelope, Header as Fields, SignableTransaction, TxEip1559, TxEip4844};
use alloy_eips::{Encodable2718, eip1559::BaseFeeParams};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rlp::Encodable;
use secp256k1::{Message, SecretKey, ecdsa::RecoveryId};
use snapsync_execute::{Executed, genesis::Genesis};
use snapsync_keccak::keccak256;
use snapsync_storage::{AccountChange, StateChanges, StorageChange};
use snapsync_trie::{EMPTY_CODE, EMPTY_ROOT, ordered_root};
use snapsync_wire::{Body, Header};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

pub(crate) const CHAIN_ID: u64 = 7;

/// Slots that one call writes: some 2.5 million gas, where a transaction may have 16.
const SLOTS_PER_CALL: u64 = 500;

/// Writes the block's number into each slot from the first word of its input up to the second.
const WRITER_CODE: &str = "5f356020355b81811460175743825590600101906005565b00";
const WRITER: Address = Address::repeat_byte(0xcc);

/// Contracts of the protocol that a block needs, without their queues.
const SYSTEM: [&str; 4] = [
    "00000961ef480eb55e80d19ad83579a64c007002",
    "0000bbddc7ce488642fb579f8b00f3a590007251",
    "0000bff46984e3725691fa540a8c7589300d8282",
    "000064d678505ad48f8ccb093bc65613800e8282",
];

/// What a block does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Accounts that get ether.
    pub(crate) transfers: u64,
    /// Slots that get another value.
    pub(crate) slots: u64,
}

/// How many accounts and slots there are before the first block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) accounts: u64,
    pub(crate) slots: u64,
}

fn key() -> Outcome<SecretKey> {
    Ok(SecretKey::from_byte_array([1; 32])?)
}

fn signer() -> Outcome<Address> {
    let public = key()?.public_key(secp256k1::SECP256K1).serialize_uncompressed();
    Ok(Address::from_slice(&keccak256(&public[1..])[12..]))
}

/// An account of the large state.
fn account(number: u64) -> Address {
    Address::from_slice(&keccak256(&number.to_be_bytes())[..20])
}

/// Block 0: whoever signs, the contract, and those of the protocol.
pub(crate) fn genesis() -> Outcome<Genesis> {
    let code = |code: &str| format!(r#"{{"balance":"0x0","nonce":"0x1","code":"0x{code}"}}"#);
    let mut alloc = vec![
        format!(r#""{:x}":{{"balance":"0xffffffffffffffffffffff"}}"#, signer()?),
        format!(r#""{WRITER:x}":{}"#, code(WRITER_CODE)),
    ];
    alloc.extend(SYSTEM.map(|address| format!(r#""{address}":{}"#, code("00"))));
    let blocks = [
        "homestead",
        "eip150",
        "eip155",
        "eip158",
        "byzantium",
        "constantinople",
        "istanbul",
        "berlin",
        "london",
    ]
    .map(|fork| format!(r#""{fork}Block":0,"#));
    let times =
        ["shanghai", "cancun", "prague", "osaka", "amsterdam"].map(|fork| format!(r#","{fork}Time":0"#));
    Ok(Genesis::in_text(&format!(
        r#"{{"config":{{"chainId":{CHAIN_ID},{}"terminalTotalDifficulty":0{}}},"difficulty":"0x0",
        "gasLimit":"0x3b9aca00","timestamp":"0x64","alloc":{{{}}}}}"#,
        blocks.concat(),
        times.concat(),
        alloc.join(",")
    ))?)
}

/// What makes the state large.
pub(crate) fn large(size: Size) -> StateChanges {
    let change = AccountChange { nonce: 0, balance: U256::from(1), code_hash: EMPTY_CODE };
    let accounts = (0..size.accounts).map(|number| (keccak256(account(number).as_slice()), Some(change)));
    let slots = (0..size.slots).map(|slot| (slot_key(slot), U256::from(1))).collect();
    let storage = StorageChange { wiped: false, slots };
    StateChanges {
        accounts: accounts.collect(),
        storages: BTreeMap::from([(keccak256(WRITER.as_slice()), storage)]),
        codes: Vec::new(),
    }
}

fn slot_key(slot: u64) -> B256 {
    keccak256(&U256::from(slot).to_be_bytes::<32>())
}

fn signed(nonce: u64, to: Address, gas_limit: u64, input: Bytes) -> Outcome<Vec<u8>> {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(u64::from(input.is_empty())),
        input,
        ..TxEip1559::default()
    };
    let hash = transaction.signature_hash();
    let (id, compact) = secp256k1::SECP256K1
        .sign_ecdsa_recoverable(Message::from_digest(hash.0), &key()?)
        .serialize_compact();
    let number = |bytes: &[u8]| U256::from_be_slice(bytes);
    let signature = Signature::new(number(&compact[..32]), number(&compact[32..]), id == RecoveryId::One);
    let envelope = EthereumTxEnvelope::<TxEip4844>::from(transaction.into_signed(signature)).encoded_2718();
    let mut payload = Vec::new();
    envelope.as_slice().encode(&mut payload);
    Ok(payload)
}

/// The transactions of a block, the first of which has this nonce; each block picks others of the accounts and slots.
pub(crate) fn body(number: u64, nonce: u64, size: Size, work: Work) -> Outcome<Body> {
    let mut transactions = Vec::new();
    let mut nonces = nonce..;
    let mut next = || nonces.next().ok_or("nonces end");
    for transfer in 0..work.transfers {
        let to = account((number * 7919 + transfer * 104_729) % size.accounts.max(1));
        transactions.push(signed(next()?, to, 21_000, Bytes::new())?);
    }
    for first in (0..work.slots).step_by(SLOTS_PER_CALL as usize) {
        let count = SLOTS_PER_CALL.min(work.slots - first);
        let start = (number * work.slots + first) % size.slots.saturating_sub(SLOTS_PER_CALL).max(1);
        let input = [U256::from(start), U256::from(start + count)].map(|word| word.to_be_bytes::<32>());
        transactions.push(signed(next()?, WRITER, 16_000_000, input.concat().into())?);
    }
    let transactions = transactions.iter().map(Vec::as_slice);
    Ok(Body::from_parts(transactions, &[alloy_rlp::EMPTY_LIST_CODE], Some(&[]))?)
}

/// The header of an empty block above `parent`, but for what comes of it.
pub(crate) fn above(parent: &Fields, body: &Body) -> Fields {
    Fields {
        parent_hash: parent.hash_slow(),
        beneficiary: Address::repeat_byte(0xbe),
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
        transactions_root: ordered_root(&body.transaction_payloads()),
        withdrawals_root: Some(EMPTY_ROOT),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        block_access_list_hash: Some(B256::ZERO),
        slot_number: Some(parent.number + 1),
        ..Fields::default()
    }
}

/// Fills in what came of a block.
pub(crate) fn claim(fields: &mut Fields, executed: &Executed, root: B256) {
    fields.gas_used = executed.gas_used;
    fields.receipts_root = ordered_root(&executed.consensus_receipts());
    fields.logs_bloom = executed.logs_bloom();
    fields.requests_hash = executed.requests_hash;
    fields.block_access_list_hash = executed.access_list.as_ref().map(|list| keccak256(list));
    fields.state_root = root;
}

/// The header of these fields.
pub(crate) fn header_of(fields: &Fields) -> Outcome<Header> {
    Ok(Header::decode(&alloy_rlp::encode(fields).into())?)
}

/// The fields of this header.
pub(crate) fn fields_of(header: &[u8]) -> Outcome<Fields> {
    Ok(alloy_rlp::decode_exact(header)?)
}
