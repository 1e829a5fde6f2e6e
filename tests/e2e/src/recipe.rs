//! What the test chain holds, block by block: a pure plan, the same each time.
//!
//! First the contracts, then growth (the looping contracts make accounts, slots and contracts by the ten thousand), then
//! two hundred blocks of everyday life: every kind of transaction, deployments, deletions, self-destructs, withdrawals,
//! logs, failures and empty blocks. The plan does not know geth.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use snapsync_keccak::keccak256;

use crate::{
    contracts, genesis,
    transaction::{Call, Form, Wallet, created, tail},
};

/// Changed whenever a chain made from the same size would differ; part of the cache's folder name.
pub const VERSION: u32 = 1;

/// Gas that a growth block may use: a good half of the limit, so that geth executes it in a second or two.
const GROWTH_GAS: u64 = 450_000_000;

/// Everyday blocks: at least two hundred, so that serving windows of 128 states begin above block 64.
const EVERYDAY_BLOCKS: u64 = 210;

/// Shares of a chain's small contracts, in thousandths, and how many slots each of them has: most have one or two, and a
/// power law above.
const SLOTS_PER_CONTRACT: [(u64, u64); 6] = [(500, 1), (250, 2), (150, 4), (75, 16), (20, 64), (5, 400)];

/// How much the chain holds. Each is a lower bound: everyday life adds a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The chain's name, and its folder's.
    pub name: &'static str,
    /// Accounts without code.
    pub accounts: u64,
    /// Slots in the one huge contract.
    pub slots: u64,
    /// Small contracts.
    pub contracts: u64,
    /// Among them, different codes.
    pub codes: u64,
}

impl Size {
    /// For every test run: made in seconds.
    pub const SMALL: Self =
        Self { name: "small", accounts: 20_500, slots: 50_500, contracts: 2_000, codes: 150 };
    /// For figures: made in minutes.
    pub const LARGE: Self =
        Self { name: "large", accounts: 600_500, slots: 600_500, contracts: 20_000, codes: 1_500 };
}

/// One block to be made.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Raw transactions, in order.
    pub transactions: Vec<Bytes>,
    /// Withdrawals, as the engine API writes them.
    pub withdrawals: Vec<Value>,
}

/// The contracts of every chain that is made from a [`Size`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Runs [`contracts::accounts_maker`].
    pub accounts_maker: Address,
    /// Runs [`contracts::slots_maker`], and holds [`Size::slots`] slots.
    pub slots_maker: Address,
    /// Runs [`contracts::contracts_maker`].
    pub contracts_maker: Address,
    /// Runs [`contracts::store`].
    pub store: Address,
    /// Runs [`contracts::store`] too; some of its leaves stand inside their branch.
    pub inline_store: Address,
    /// Runs [`contracts::logger`].
    pub logger: Address,
    /// Runs [`contracts::nursery`].
    pub nursery: Address,
}

impl Addresses {
    /// Where they are: they are what the rich account does first, in this order.
    pub fn on_chain() -> Self {
        let rich = Wallet::new("rich", genesis::CHAIN_ID).address();
        Self {
            accounts_maker: created(rich, 0),
            slots_maker: created(rich, 1),
            contracts_maker: created(rich, 2),
            store: created(rich, 3),
            inline_store: created(rich, 4),
            logger: created(rich, 5),
            nursery: created(rich, 6),
        }
    }
}

/// The plan while it is written.
#[derive(Debug)]
pub struct Recipe {
    size: Size,
    rich: Wallet,
    /// Accounts that delegate to the store.
    delegating: Vec<Wallet>,
    withdrawals: u64,
    /// How many contracts the nursery has created.
    nursed: u64,
    blocks: Vec<Block>,
}

impl Recipe {
    /// Plans the chain of `size`.
    pub fn new(size: Size) -> Self {
        let delegating =
            (0..4).map(|index| Wallet::new(&format!("delegating {index}"), genesis::CHAIN_ID)).collect();
        let rich = Wallet::new("rich", genesis::CHAIN_ID);
        Self { size, rich, delegating, withdrawals: 0, nursed: 0, blocks: Vec::new() }
    }

    /// The genesis file.
    pub fn genesis(&self) -> Value {
        genesis::file(self.rich.address())
    }

    /// The same, for a chain on which blocks have access lists once `without` more than these blocks are made.
    pub fn genesis_before_lists(&self, without: u64) -> Value {
        let last = Self::new(self.size).blocks().len() as u64;
        genesis::with_lists_from(last + without + 1, self.rich.address())
    }

    /// The contract that holds [`Size::slots`] slots.
    pub fn huge_contract() -> Address {
        Addresses::on_chain().slots_maker
    }

    /// All blocks above genesis.
    pub fn blocks(mut self) -> Vec<Block> {
        let addresses = self.deploy();
        self.grow_accounts(addresses.accounts_maker);
        self.grow_slots(addresses.slots_maker);
        self.grow_contracts(addresses.contracts_maker);
        self.store_inline_nodes(addresses.inline_store);
        for day in 0..EVERYDAY_BLOCKS {
            self.live(day, &addresses);
        }
        self.blocks
    }

    fn deploy(&mut self) -> Addresses {
        let mut block = Block::default();
        let mut deploy = |form: Form, runtime: Vec<u8>| {
            let address = self.rich.next_contract();
            let call = Call {
                to: None,
                value: U256::ZERO,
                gas: 3_000_000,
                data: contracts::deployment(&runtime).into(),
            };
            block.transactions.push(self.rich.sign(&form, &call));
            address
        };
        let addresses = Addresses {
            accounts_maker: deploy(Form::Legacy, contracts::accounts_maker()),
            slots_maker: deploy(Form::AccessList(Vec::new()), contracts::slots_maker()),
            contracts_maker: deploy(Form::Fees, contracts::contracts_maker()),
            store: deploy(Form::Unprotected, contracts::store()),
            inline_store: deploy(Form::Legacy, contracts::store()),
            logger: deploy(Form::Fees, contracts::logger()),
            nursery: deploy(Form::Fees, contracts::nursery()),
        };
        self.blocks.push(block);
        addresses
    }

    fn grow_accounts(&mut self, maker: Address) {
        /// A call with value to an account that is not there: 2,600 cold, 6,700 and 25,000 for the value, and the loop.
        const GAS: u64 = 34_600;
        // From 1: sending nothing would make nothing.
        for (first, end) in chunks(1, self.size.accounts + 1, GROWTH_GAS / GAS) {
            let value = (first..end).sum();
            self.grow(maker, value, (end - first) * GAS, &[first, end]);
        }
    }

    fn grow_slots(&mut self, maker: Address) {
        /// A store to a cold empty slot, and the loop.
        const GAS: u64 = 22_400;
        for (first, end) in chunks(1, self.size.slots + 1, GROWTH_GAS / GAS) {
            self.grow(maker, 0, (end - first) * GAS, &[first, end, 1]);
        }
    }

    fn grow_contracts(&mut self, maker: Address) {
        let mut next = 0;
        for (share, slots) in SLOTS_PER_CONTRACT {
            // Creation 32,000, up to 104 bytes of code at 200 each, the loop; then the slots.
            let gas = 56_000 + slots * 22_400;
            // The big ones differ from each other, the little ones repeat.
            let storages = if slots >= 64 { 1_000_003 } else { 7 * slots };
            let end = next + self.size.contracts * share / 1_000;
            for (first, end) in chunks(next, end, GROWTH_GAS / gas) {
                self.grow(maker, 0, (end - first) * gas, &[first, end, slots, storages, self.size.codes]);
            }
            next = end;
        }
    }

    /// A block with one transaction that calls a looping contract.
    fn grow(&mut self, maker: Address, value: u64, gas: u64, words: &[u64]) {
        let call = Call {
            to: Some(maker),
            value: U256::from(value),
            gas: gas + 100_000,
            data: calldata(words.iter().copied()),
        };
        let transaction = self.rich.sign(&Form::Fees, &call);
        self.blocks.push(Block { transactions: vec![transaction], withdrawals: Vec::new() });
    }

    /// Fills a contract with slots whose leaves are so short that they stand inside their branch.
    fn store_inline_nodes(&mut self, store: Address) {
        let words = keys_that_share_a_long_path().flat_map(|(one, other)| [one, 1, other, 2]);
        let call = Call { to: Some(store), value: U256::ZERO, gas: 1_000_000, data: calldata(words) };
        let transaction = self.rich.sign(&Form::Legacy, &call);
        self.blocks.push(Block { transactions: vec![transaction], withdrawals: Vec::new() });
    }

    fn live(&mut self, day: u64, addresses: &Addresses) {
        let mut block = Block::default();
        let transactions = &mut block.transactions;
        match day % 10 {
            0 => {}
            1 => self.transfer(day, addresses.store, transactions),
            2 => {
                let data = Bytes::from(vec![day as u8; (day * 7) as usize]);
                transactions.push(self.call(&Form::Fees, addresses.logger, 2_000_000, data));
            }
            3 => block.withdrawals = (0..4).map(|index| self.withdraw(day, index)).collect(),
            4 => {
                let words = (0..40).flat_map(|key| [day * 100 + key, day + key]);
                transactions.push(self.call(&Form::Legacy, addresses.store, 2_000_000, calldata(words)));
            }
            5 => {
                // Half of what the block before stored goes again, and some of the huge contract's slots.
                let words = (0..20).flat_map(|key| [(day - 1) * 100 + key * 2, 0]);
                transactions.push(self.call(&Form::Legacy, addresses.store, 2_000_000, calldata(words)));
                let words = [1 + day, 9 + day, 0];
                transactions.push(self.call(&Form::Fees, addresses.slots_maker, 2_000_000, calldata(words)));
            }
            6 => self.destroy(addresses.nursery, transactions),
            7 => self.delegate(day, addresses.store, transactions),
            8 => transactions.push(self.deploy_code(day)),
            _ => {
                // Runs out of gas on its way: a receipt that says so, and nothing else happens.
                let words = [50_000_000, 50_001_000, 1];
                transactions.push(self.call(&Form::Fees, addresses.slots_maker, 300_000, calldata(words)));
                transactions.push(self.call(
                    &Form::Legacy,
                    addresses.logger,
                    2_000_000,
                    Bytes::from_static(b"after"),
                ));
                block.withdrawals.push(self.withdraw(day, 0));
            }
        }
        self.blocks.push(block);
    }

    /// Transfers in every form, two of them to accounts that are not there yet.
    fn transfer(&mut self, day: u64, listed: Address, transactions: &mut Vec<Bytes>) {
        let access = Form::AccessList(vec![(listed, vec![B256::with_last_byte(1), B256::with_last_byte(2)])]);
        for (index, form) in [Form::Unprotected, Form::Legacy, access, Form::Fees].iter().enumerate() {
            let to = fresh_address(day / 2, index as u64);
            let value = U256::from(10).pow(U256::from(day % 24));
            let call = Call { to: Some(to), value, gas: 60_000, data: Bytes::new() };
            transactions.push(self.rich.sign(form, &call));
        }
    }

    /// Contracts that live for one transaction, and one that is destroyed too late to disappear (EIP-6780).
    fn destroy(&mut self, nursery: Address, transactions: &mut Vec<Bytes>) {
        transactions.push(self.call(&Form::Fees, nursery, 2_000_000, calldata([1])));
        transactions.push(self.call(&Form::Fees, nursery, 2_000_000, calldata([0])));
        // Two creations a call; a contract's own nonce starts at 1.
        self.nursed += 4;
        let survivor = created(nursery, self.nursed);
        let call = Call { to: Some(survivor), value: U256::from(1_000), gas: 200_000, data: Bytes::new() };
        transactions.push(self.rich.sign(&Form::Legacy, &call));
    }

    /// Two accounts take the store's code, one of them stores in itself; every third time they give it back instead.
    fn delegate(&mut self, day: u64, store: Address, transactions: &mut Vec<Bytes>) {
        let round = (day / 10) as usize;
        let code = if round % 3 == 2 { Address::ZERO } else { store };
        let count = self.delegating.len();
        let delegations =
            [round, round + 1].map(|index| self.delegating[index % count].delegate(code)).to_vec();
        let authority = self.delegating[round % count].address();
        let words = (0..10).flat_map(|key| [key, day + key]);
        let data = calldata(words);
        transactions.push(self.call(&Form::Delegations(delegations), authority, 2_000_000, data));
    }

    /// Deploys code of a length of its own: from a byte up to the most that is allowed (EIP-170).
    fn deploy_code(&mut self, day: u64) -> Bytes {
        let length = match day {
            8 => 24_576,
            18 => 1,
            _ => 32 + day * 97,
        };
        // The first byte is STOP: not 0xef, which EIP-3541 forbids.
        let runtime: Vec<u8> = (0..length).map(|index| (index * (day | 1)) as u8).collect();
        let call = Call {
            to: None,
            value: U256::from(day),
            gas: 8_000_000,
            data: contracts::deployment(&runtime).into(),
        };
        self.rich.sign(&Form::Fees, &call)
    }

    fn call(&mut self, form: &Form, to: Address, gas: u64, data: Bytes) -> Bytes {
        self.rich.sign(form, &Call { to: Some(to), value: U256::ZERO, gas, data })
    }

    fn withdraw(&mut self, day: u64, index: u64) -> Value {
        self.withdrawals += 1;
        json!({
            "index": format!("{:#x}", self.withdrawals - 1),
            "validatorIndex": format!("{:#x}", day * 10 + index),
            // Every second one goes where one went before.
            "address": fresh_address(1_000_000 + day / 20, index).to_string(),
            "amount": format!("{:#x}", 1_000_000 + day),
        })
    }
}

/// An address that nothing else in the chain has.
pub(crate) fn fresh_address(one: u64, other: u64) -> Address {
    tail(keccak256(format!("fresh {one} {other}").as_bytes()))
}

/// `first..end` in pieces of at most `most`.
fn chunks(first: u64, end: u64, most: u64) -> impl Iterator<Item = (u64, u64)> {
    (first..end).step_by(most.max(1) as usize).map(move |start| (start, end.min(start + most.max(1))))
}

/// Calldata of the contracts: words of 32 bytes.
pub(crate) fn calldata(words: impl IntoIterator<Item = u64>) -> Bytes {
    words.into_iter().flat_map(|word| U256::from(word).to_be_bytes::<32>()).collect()
}

/// Pairs of slots whose hashed keys agree in their first eight nibbles. Below such a fork a leaf has 28 bytes of path; with a
/// value of one byte its node is 31 bytes long, and a node under 32 bytes is written into its parent.
fn keys_that_share_a_long_path() -> impl Iterator<Item = (u64, u64)> {
    /// Among n keys, about n^2 / 2^33 pairs share 32 bits: five.
    const KEYS: u64 = 200_000;
    let mut seen: BTreeMap<[u8; 4], u64> = BTreeMap::new();
    (0..KEYS).filter_map(move |key| {
        let hash = keccak256(&U256::from(key).to_be_bytes::<32>());
        let start = [hash[0], hash[1], hash[2], hash[3]];
        seen.insert(start, key).map(|other| (other, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_range_once() {
        let pieces: Vec<_> = chunks(1, 11, 4).collect();
        assert_eq!(pieces, [(1, 5), (5, 9), (9, 11)]);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(SLOTS_PER_CONTRACT.iter().map(|(share, _)| share).sum::<u64>(), 1_000);
    }

    #[test]
    fn contracts_are_deployed_where_they_are_said_to_be() {
        assert_eq!(Recipe::new(Size::SMALL).deploy(), Addresses::on_chain());
    }

    #[test]
    fn some_slots_share_a_long_path() {
        assert!(keys_that_share_a_long_path().count() >= 2);
    }

    #[test]
    fn plan_is_the_same_each_time() {
        let plan = || Recipe::new(Size::SMALL).blocks();
        let (one, other) = (plan(), plan());
        assert!(one.len() >= 200, "only {} blocks", one.len());
        let transactions =
            |blocks: &[Block]| blocks.iter().flat_map(|block| block.transactions.clone()).collect::<Vec<_>>();
        assert_eq!(transactions(&one), transactions(&other));
    }
}
