//! The chain that is followed: blocks of transfers, and of calls that compute, read slots and write some.

use alloy_consensus::{EthereumTxEnvelope, Header as Fields, SignableTransaction, TxEip1559, TxEip4844};
use alloy_eips::{Encodable2718, eip1559::BaseFeeParams};
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use alloy_rlp::Encodable;
use secp256k1::{Message, SecretKey, ecdsa::RecoveryId};
use snapsync_bench::scramble;
use snapsync_execute::{Executed, genesis::Genesis};
use snapsync_keccak::keccak256;
use snapsync_trie::{EMPTY_ROOT, ordered_root};
use snapsync_wire::{Body, Header};

use crate::{
    Outcome,
    state::{Size, contract, payee},
};

pub(crate) const CHAIN_ID: u64 = 7;

/// Who signs, in turn.
const SIGNERS: u64 = 100;

/// Of its input's five words: writes the block's number into each slot from the first up to the second, hashes so many times as the third says,
/// and reads each slot from the fourth up to the fifth. What is not there is zero.
pub(crate) const CONTRACT_CODE: &str = concat!(
    "5f356020355b81811460175743825590600101906005565b",
    "6040355b8015602e5760405f205f5260019003601b565b50",
    "6060356080355b81811460485781545090600101906036565b00",
);
/// That of the protocol's contracts, which have nothing in their queues: it stops.
pub(crate) const SYSTEM_CODE: &str = "00";

/// Contracts of the protocol that a block needs.
const SYSTEM: [&str; 4] = [
    "00000961ef480eb55e80d19ad83579a64c007002",
    "0000bbddc7ce488642fb579f8b00f3a590007251",
    "0000bff46984e3725691fa540a8c7589300d8282",
    "000064d678505ad48f8ccb093bc65613800e8282",
];

/// Slots that one call of a large block writes: half a million gas, where a transaction may have 16.
const SLOTS_A_CALL: u64 = 100;
/// Transactions of a usual block, and the transfers among them.
const USUAL_TRANSACTIONS: u64 = 200;
const USUAL_TRANSFERS: u64 = 80;
/// What one of the others does: ~86,000 gas.
const USUAL_WRITES: u64 = 4;
const USUAL_READS: u64 = 6;
const USUAL_ROUNDS: u64 = 100;

/// What a block does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// So many accounts get ether, and so many slots another value.
    Large {
        /// Accounts that get ether.
        transfers: u64,
        /// Slots that get another value.
        slots: u64,
    },
    /// 200 transactions of some 60,000 gas each, as on public networks: 80 transfers; 120 calls of a contract each, which hash 100 times, read
    /// six slots and change four.
    Usual,
}

/// What a transaction does.
struct Call {
    to: Address,
    gas_limit: u64,
    input: Vec<u64>,
}

impl Call {
    const fn pay(to: Address) -> Self {
        Self { to, gas_limit: 21_000, input: Vec::new() }
    }
}

impl Work {
    /// Transactions of a block.
    pub(crate) const fn transactions(self) -> u64 {
        match self {
            Self::Large { transfers, slots } => transfers + slots.div_ceil(SLOTS_A_CALL),
            Self::Usual => USUAL_TRANSACTIONS,
        }
    }

    fn call(self, number: u64, at: u64, size: Size) -> Call {
        let of_all = number * self.transactions() + at;
        match self {
            Self::Large { transfers, .. } if at < transfers => {
                // No factor of it is one of how many there are: all are paid before one is paid again.
                let transfer = number * transfers + at;
                Call::pay(payee(transfer.wrapping_mul(7919) % size.known_accounts()))
            }
            Self::Large { transfers, slots } => {
                let calls = slots.div_ceil(SLOTS_A_CALL);
                let (call, first) = (number * calls + at - transfers, (at - transfers) * SLOTS_A_CALL);
                let (turn, count) = (call / size.contracts(), SLOTS_A_CALL.min(slots - first));
                let start = turn * SLOTS_A_CALL % (size.known_slots() - count + 1);
                let to = contract(call % size.contracts());
                Call { to, gas_limit: 16_000_000, input: vec![start, start + count] }
            }
            Self::Usual if at < USUAL_TRANSFERS => Call::pay(payee(scramble(of_all) % size.known_accounts())),
            Self::Usual => {
                let dice = scramble(of_all);
                let touched = USUAL_WRITES + USUAL_READS;
                let first = (dice >> 32) % (size.known_slots() - touched + 1);
                let (written, read) = (first + USUAL_WRITES, first + touched);
                let input = vec![first, written, USUAL_ROUNDS, written, read];
                Call { to: contract(dice % size.contracts()), gas_limit: 1_000_000, input }
            }
        }
    }
}

fn key(signer: u64) -> Outcome<SecretKey> {
    Ok(SecretKey::from_byte_array(B256::from(U256::from(signer + 1)).0)?)
}

/// Who signs.
pub(crate) fn signers() -> Outcome<Vec<Address>> {
    let address = |signer| {
        let public = key(signer)?.public_key(secp256k1::SECP256K1).serialize_uncompressed();
        Ok(Address::from_slice(&keccak256(&public[1..])[12..]))
    };
    (0..SIGNERS).map(address).collect()
}

/// Contracts of the protocol.
pub(crate) fn system_contracts() -> Outcome<[Address; 4]> {
    let addresses: Vec<Address> = SYSTEM.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
    addresses.try_into().map_err(|_| "there are four".into())
}

/// Block 0, whose state nobody looks at: the large one is that of block 1.
pub(crate) fn genesis() -> Outcome<Genesis> {
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
        "gasLimit":"0x3b9aca00","timestamp":"0x64","alloc":{{}}}}"#,
        blocks.concat(),
        times.concat(),
    ))?)
}

/// The transaction of this number in the chain.
fn signed(number: u64, call: &Call) -> Outcome<Vec<u8>> {
    let (signer, nonce) = (number % SIGNERS, number / SIGNERS);
    let words = call.input.iter().map(|word| U256::from(*word).to_be_bytes::<32>());
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: call.gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(call.to),
        value: U256::from(u64::from(call.input.is_empty())),
        input: words.collect::<Vec<_>>().concat().into(),
        ..TxEip1559::default()
    };
    let hash = transaction.signature_hash();
    let (id, compact) = secp256k1::SECP256K1
        .sign_ecdsa_recoverable(Message::from_digest(hash.0), &key(signer)?)
        .serialize_compact();
    let number = |bytes: &[u8]| U256::from_be_slice(bytes);
    let signature = Signature::new(number(&compact[..32]), number(&compact[32..]), id == RecoveryId::One);
    let envelope = EthereumTxEnvelope::<TxEip4844>::from(transaction.into_signed(signature)).encoded_2718();
    let mut payload = Vec::new();
    envelope.as_slice().encode(&mut payload);
    Ok(payload)
}

/// What a block does: each picks others of the accounts and slots.
pub(crate) fn body(number: u64, size: Size, work: Work) -> Outcome<Body> {
    let first = number * work.transactions();
    let transactions = (0..work.transactions())
        .map(|at| signed(first + at, &work.call(number, at, size)))
        .collect::<Outcome<Vec<_>>>()?;
    body_of(&transactions)
}

/// A body of these transactions and nothing else.
pub(crate) fn body_of(transactions: &[Vec<u8>]) -> Outcome<Body> {
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
