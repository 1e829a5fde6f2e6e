//! Transactions of every type up to Prague, as raw bytes.
//!
//! They look real from outside (types, sizes, access lists, authorizations); their signatures are noise, and nobody could execute them.

use alloy_primitives::{B256, U256};

use crate::{dice::Dice, rlp::List};

/// The gas that one blob costs (EIP-4844).
pub(crate) const GAS_PER_BLOB: u64 = 131_072;

/// What the block says to its transactions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The chain that the signatures would be bound to.
    pub(crate) chain_id: u64,
    /// What a unit of gas costs here, in wei.
    pub(crate) base_fee: u64,
    /// How many blobs more the block may carry.
    pub(crate) blobs_left: u64,
}

/// A transaction and what its receipt must know of it.
#[derive(Clone, Debug)]
pub(crate) struct MadeTransaction {
    /// The EIP-2718 type.
    pub(crate) kind: u8,
    /// As EIP-2718 hashes it.
    pub(crate) encoded: Vec<u8>,
    /// What it uses: 21,000 for a plain transfer.
    pub(crate) gas_used: u64,
    /// What its blobs use, counted apart.
    pub(crate) blob_gas: u64,
    /// How many logs it leaves.
    pub(crate) logs: u64,
}

/// One transaction, of mainnet's mix: mostly 1559, a fifth legacy, some of every other type.
pub(crate) fn transaction(dice: &mut Dice, terms: Terms) -> MadeTransaction {
    let kind = match dice.below(20) {
        0..4 => 0,
        4..6 => 1,
        6 if terms.blobs_left > 0 => 3,
        7 => 4,
        _ => 2,
    };
    let is_call = dice.below(3) > 0;
    let logs = if is_call { dice.below(8) } else { 0 };
    let gas_used = if is_call { 30_000 + dice.below(300_000) + logs * 2_000 } else { 21_000 };
    let data_len = if is_call { 4 + 32 * dice.below(20) as usize } else { 0 };
    let call = Call { nonce: dice.below(10_000), gas: gas_used + gas_used / 5, data: dice.bytes(data_len) };
    let (list, blobs) = match kind {
        0 => (legacy(dice, terms, &call), 0),
        1 => (List::new().item(&terms.chain_id).item(&call.nonce).item(&price(dice, terms)), 0),
        _ => {
            let tip = 1 + dice.below(1_000_000_000);
            (
                List::new()
                    .item(&terms.chain_id)
                    .item(&call.nonce)
                    .item(&tip)
                    .item(&(price(dice, terms) + tip)),
                u64::from(kind == 3),
            )
        }
    };
    let list = if kind == 0 { list } else { typed(dice, terms, &call, kind, list) };
    MadeTransaction { kind, encoded: list.encode_typed(kind), gas_used, blob_gas: blobs * GAS_PER_BLOB, logs }
}

/// The part that all types share.
struct Call {
    nonce: u64,
    gas: u64,
    data: Vec<u8>,
}

fn price(dice: &mut Dice, terms: Terms) -> u64 {
    terms.base_fee + terms.base_fee / 4 + dice.below(1_000_000)
}

fn legacy(dice: &mut Dice, terms: Terms, call: &Call) -> List {
    let list = List::new()
        .item(&call.nonce)
        .item(&price(dice, terms))
        .item(&call.gas)
        .item(&dice.address())
        .item(&dice.wei())
        .bytes(&call.data)
        // EIP-155: 35 or 36 above twice the chain's id.
        .item(&(terms.chain_id * 2 + 35 + dice.below(2)));
    signed(dice, list)
}

/// Everything from the gas on, for types 1 to 4.
fn typed(dice: &mut Dice, terms: Terms, call: &Call, kind: u8, head: List) -> List {
    let mut list = head
        .item(&call.gas)
        .item(&dice.address())
        .item(&dice.wei())
        .bytes(&call.data)
        .list(access_list(dice, kind));
    if kind == 3 {
        list = list.item(&(1 + dice.below(1_000))).list(List::new().item(&blob_hash(dice)));
    }
    if kind == 4 {
        let authorizations: Vec<List> = (0..1 + dice.below(2)).map(|_| authorization(dice, terms)).collect();
        list = list.list(List::new().lists(authorizations));
    }
    let parity = dice.below(2);
    signed(dice, list.item(&parity))
}

/// Two numbers of noise: integers, hence without leading zeros.
fn signed(dice: &mut Dice, list: List) -> List {
    let (r, s) = (U256::from_be_bytes(dice.word().0), U256::from_be_bytes(dice.word().0));
    list.item(&r).item(&s)
}

fn access_list(dice: &mut Dice, kind: u8) -> List {
    let entries = if kind == 1 { 1 + dice.below(3) } else { dice.below(10) / 8 };
    let entries: Vec<List> = (0..entries)
        .map(|_| {
            let slots = (0..dice.below(4)).fold(List::new(), |slots, _| slots.item(&dice.word()));
            List::new().item(&dice.address()).list(slots)
        })
        .collect();
    List::new().lists(entries)
}

fn authorization(dice: &mut Dice, terms: Terms) -> List {
    let list =
        List::new().item(&terms.chain_id).item(&dice.address()).item(&dice.below(100)).item(&dice.below(2));
    signed(dice, list)
}

fn blob_hash(dice: &mut Dice) -> B256 {
    let mut hash = dice.word();
    // The version of KZG commitments.
    hash[0] = 1;
    hash
}
