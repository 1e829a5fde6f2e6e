//! The demo's history: blocks as Prague writes them, with transactions and receipts of every type.
//!
//! Roots, blooms, gas and base fees are right; signatures are noise, because nobody here recovers a sender, and no block is executed:
//! the state roots below the head are noise too.

use alloy_primitives::{Address, B256, U256};
use snapsync_trie::{EMPTY_ROOT, ordered_root};
use snapsync_wire::Header;

use crate::{
    dice::Dice,
    receipts::{MadeReceipts, receipts},
    rlp::List,
    transactions::{GAS_PER_BLOB, MadeTransaction, Terms, transaction},
};

/// The gas limit of every block: mainnet's of 2025.
pub(crate) const GAS_LIMIT: u64 = 45_000_000;
/// How many blobs a block may carry before they get dearer (EIP-7691).
const BLOBS_TARGET: u64 = 6;
/// What the genesis asks for a unit of gas, in wei.
pub(crate) const INITIAL_BASE_FEE: u64 = 1_000_000_000;
/// The distance of two blocks, in seconds.
const SLOT_SECONDS: u64 = 12;
/// Transactions of a block, at most.
const TRANSACTIONS_MAX: u64 = 60;
/// The same of a chain that moves, many times as fast as mainnet's: lines are to carry more state than history.
const TRANSACTIONS_MOVING_MAX: u64 = 4;
/// Withdrawals of a block that has any: as on mainnet.
const WITHDRAWALS: u64 = 16;
/// When the chain begins: the merge of mainnet, give or take a day.
pub(crate) const GENESIS_TIME: u64 = 1_663_200_000;
/// SHA-256 of nothing: the requests hash of a block without requests (EIP-7685).
pub(crate) const NO_REQUESTS: B256 =
    alloy_primitives::b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// Keccak of an empty list: the ommers hash of a block without ommers.
pub(crate) const NO_OMMERS: B256 =
    alloy_primitives::b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

/// One block, as raw bytes: what goes into the store.
#[derive(Clone, Debug)]
pub(crate) struct MadeBlock {
    /// Its height.
    pub(crate) number: u64,
    /// Keccak of `header`.
    pub(crate) hash: B256,
    /// The header's list.
    pub(crate) header: Vec<u8>,
    /// Each transaction as EIP-2718 hashes it.
    pub(crate) transactions: Vec<Vec<u8>>,
    /// Each withdrawal's list.
    pub(crate) withdrawals: Vec<Vec<u8>>,
    /// Each receipt as EIP-2718 hashes it.
    pub(crate) receipts: Vec<Vec<u8>>,
}

/// Makes a chain block by block, each on top of the one before.
#[derive(Debug)]
pub(crate) struct ChainMaker {
    seed: u64,
    chain_id: u64,
    /// Transactions of a block, at most.
    transactions_max: u64,
    parent: Parent,
}

/// What a block needs to know of the one below it.
#[derive(Clone, Copy, Debug)]
struct Parent {
    next: u64,
    hash: B256,
    base_fee: u64,
    gas_limit: u64,
    gas_used: u64,
    withdrawals: u64,
}

impl Parent {
    /// A block of whose fees nothing is known.
    fn unknown(number: u64, hash: B256) -> Self {
        Self {
            next: number + 1,
            hash,
            base_fee: INITIAL_BASE_FEE,
            gas_limit: GAS_LIMIT,
            gas_used: 0,
            withdrawals: 0,
        }
    }

    fn of(header: &Header) -> Self {
        let base_fee = header.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
        Self {
            next: header.number + 1,
            hash: header.hash(),
            base_fee: base_fee.unwrap_or(INITIAL_BASE_FEE),
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
            // Their numbers rise and mean nothing: nobody counts them.
            withdrawals: header.number * WITHDRAWALS,
        }
    }
}

/// What a body and its receipts add up to, for the header above them.
pub(crate) struct Contents {
    pub(crate) transactions_root: B256,
    pub(crate) receipts_root: B256,
    pub(crate) withdrawals_root: B256,
    pub(crate) bloom: [u8; 256],
    pub(crate) gas_used: u64,
    pub(crate) blob_gas_used: u64,
}

impl Contents {
    /// Of an empty block.
    pub(crate) fn nothing() -> Self {
        Self {
            transactions_root: EMPTY_ROOT,
            receipts_root: EMPTY_ROOT,
            withdrawals_root: EMPTY_ROOT,
            bloom: [0; 256],
            gas_used: 0,
            blob_gas_used: 0,
        }
    }
}

/// Where a block stands, and what chance says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) parent: B256,
    pub(crate) number: u64,
    pub(crate) beneficiary: Address,
    base_fee: u64,
    gas_limit: u64,
    extra_data: &'static [u8],
    /// From the beacon chain.
    randao: B256,
    beacon_root: B256,
}

impl Place {
    /// The one above this block.
    pub(crate) fn above(header: &Header, extra_data: &'static [u8], dice: &mut Dice) -> Self {
        Self::on(&Parent::of(header), extra_data, dice)
    }

    fn on(parent: &Parent, extra_data: &'static [u8], dice: &mut Dice) -> Self {
        Self {
            parent: parent.hash,
            number: parent.next,
            beneficiary: dice.address(),
            base_fee: base_fee_after(parent),
            gas_limit: parent.gas_limit,
            extra_data,
            randao: dice.word(),
            beacon_root: dice.word(),
        }
    }

    /// The header of the block that stands there.
    pub(crate) fn header(&self, state_root: B256, contents: &Contents) -> Vec<u8> {
        List::new()
            .item(&self.parent)
            .item(&NO_OMMERS)
            .item(&self.beneficiary)
            .item(&state_root)
            .item(&contents.transactions_root)
            .item(&contents.receipts_root)
            .bytes(&contents.bloom)
            .item(&U256::ZERO)
            .item(&self.number)
            .item(&self.gas_limit)
            .item(&contents.gas_used)
            .item(&(GENESIS_TIME + self.number * SLOT_SECONDS))
            .bytes(self.extra_data)
            .item(&self.randao)
            .bytes(&[0; 8])
            .item(&self.base_fee)
            .item(&contents.withdrawals_root)
            .item(&contents.blob_gas_used)
            // No block carries more than the target, so that no excess builds up.
            .item(&0u64)
            .item(&self.beacon_root)
            .item(&NO_REQUESTS)
            .encode()
    }
}

impl ChainMaker {
    /// A maker whose first block stands on this genesis.
    pub(crate) fn above(genesis: &MadeBlock, seed: u64, chain_id: u64) -> Self {
        Self::on(0, genesis.hash, seed, chain_id)
    }

    /// A maker of a moving chain whose first block stands on this one.
    pub(crate) fn above_header(header: &Header, seed: u64, chain_id: u64) -> Self {
        let parent = Parent::of(header);
        Self { seed, chain_id, transactions_max: TRANSACTIONS_MOVING_MAX, parent }
    }

    /// A maker whose first block stands on a block of whose fees nobody knows.
    pub(crate) fn on(number: u64, hash: B256, seed: u64, chain_id: u64) -> Self {
        let parent = Parent::unknown(number, hash);
        Self { seed, chain_id, transactions_max: TRANSACTIONS_MAX, parent }
    }

    /// The next block, whose header claims `state_root`.
    pub(crate) fn next_block(&mut self, state_root: B256) -> MadeBlock {
        let number = self.parent.next;
        let mut dice = Dice::new(self.seed, 0xb10c_0000_0000 + number);
        let base_fee = base_fee_after(&self.parent);
        let made = self.transactions(&mut dice, base_fee);
        let withdrawals = self.withdrawals(&mut dice, number);
        let MadeReceipts { encoded: receipts, bloom, gas_used } = receipts(&mut dice, &made);
        let blob_gas_used = made.iter().map(|transaction| transaction.blob_gas).sum();
        let transactions: Vec<Vec<u8>> = made.into_iter().map(|transaction| transaction.encoded).collect();
        let contents = Contents {
            transactions_root: ordered_root(&transactions),
            receipts_root: ordered_root(&receipts),
            withdrawals_root: ordered_root(&withdrawals),
            bloom: bloom.bits(),
            gas_used,
            blob_gas_used,
        };
        let place = Place::on(&self.parent, b"snapsync demo", &mut dice);
        let header = place.header(state_root, &contents);
        let hash = snapsync_keccak::keccak256(&header);
        let withdrawn = self.parent.withdrawals + withdrawals.len() as u64;
        let next = number + 1;
        self.parent = Parent { next, hash, base_fee, gas_used, withdrawals: withdrawn, ..self.parent };
        MadeBlock { number, hash, header, transactions, withdrawals, receipts }
    }

    /// The block's transactions: none in every 16th block.
    fn transactions(&self, dice: &mut Dice, base_fee: u64) -> Vec<MadeTransaction> {
        let number = self.parent.next;
        let count = if number.is_multiple_of(16) { 0 } else { 1 + dice.below(self.transactions_max) };
        let mut terms = Terms { chain_id: self.chain_id, base_fee, blobs_left: BLOBS_TARGET };
        (0..count)
            .map(|_| {
                let made = transaction(dice, terms);
                terms.blobs_left -= made.blob_gas / GAS_PER_BLOB;
                made
            })
            .collect()
    }

    /// The block's withdrawals; a few blocks have none.
    fn withdrawals(&self, dice: &mut Dice, number: u64) -> Vec<Vec<u8>> {
        let count = if number % 40 == 7 { 0 } else { WITHDRAWALS };
        (0..count)
            .map(|index| {
                List::new()
                    .item(&(self.parent.withdrawals + index))
                    .item(&dice.below(1_000_000))
                    .item(&dice.address())
                    .item(&(10_000_000 + dice.below(10_000_000)))
                    .encode()
            })
            .collect()
    }
}

/// The base fee above `parent` (EIP-1559): an eighth up or down, by how far its gas was from half the limit.
fn base_fee_after(parent: &Parent) -> u64 {
    let target = parent.gas_limit / 2;
    let change = |distance: u64| u128::from(parent.base_fee) * u128::from(distance) / u128::from(target) / 8;
    let fee = u128::from(parent.base_fee);
    let next = if parent.gas_used > target {
        fee + change(parent.gas_used - target).max(1)
    } else {
        fee - change(target - parent.gas_used)
    };
    u64::try_from(next).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genesis::block_zero;

    fn chain(seed: u64) -> Vec<MadeBlock> {
        let mut maker = ChainMaker::above(&block_zero(seed), seed, 1);
        (1..40).map(|number| maker.next_block(B256::repeat_byte(number))).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_chain() {
        let hashes = |seed| chain(seed).iter().map(|block| block.hash).collect::<Vec<_>>();
        assert_eq!(hashes(1), hashes(1));
        assert_ne!(hashes(1), hashes(2));
    }

    #[test]
    fn every_block_names_the_one_below_it() {
        let blocks = chain(3);
        for pair in blocks.windows(2) {
            let header =
                snapsync_wire::Header::decode(&pair[1].header.clone().into()).expect("our own header");
            assert_eq!(header.parent_hash, pair[0].hash);
            assert_eq!(header.hash(), pair[1].hash);
            assert_eq!(header.number, pair[1].number);
            assert_eq!(header.state_root, B256::repeat_byte(pair[1].number as u8));
        }
    }

    #[test]
    fn a_chain_has_every_type_of_transaction_and_empty_blocks() {
        let blocks = chain(4);
        let mut kinds: Vec<u8> =
            blocks.iter().flat_map(|block| &block.transactions).map(|raw| raw[0].min(0xc0)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, [1, 2, 3, 4, 0xc0]);
        assert!(blocks.iter().any(|block| block.transactions.is_empty()));
        assert!(blocks.iter().all(|block| block.transactions.len() == block.receipts.len()));
    }

    #[test]
    fn base_fees_follow_the_gas_used() {
        let parent = |gas_used| Parent { base_fee: 800, gas_used, ..Parent::unknown(0, B256::ZERO) };
        assert_eq!(base_fee_after(&parent(GAS_LIMIT / 2)), 800);
        assert_eq!(base_fee_after(&parent(GAS_LIMIT)), 900);
        assert_eq!(base_fee_after(&parent(0)), 700);
    }
}
