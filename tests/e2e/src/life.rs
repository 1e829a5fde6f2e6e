//! What happens on a chain that moves, block by block above a test chain's head: a pure plan, another one on each branch.
//!
//! Each block changes what a sync may hold already and makes what it may not have seen: accounts, slots that are set, changed and
//! deleted, storages that become empty and fill again, contracts, codes, delegations. A block is planned once; a branch goes on from a
//! copy of the plan. It does not know geth.

use alloy_primitives::{Address, Bytes, U256};
use serde_json::{Value, json};

use crate::{
    contracts, genesis,
    recipe::{Addresses, Block, Size, calldata, fresh_address},
    transaction::{Call, Form, Wallet, created},
};

/// Accounts that a block pays from outside, at most: every second one new.
const WITHDRAWALS: u64 = 64;

/// What the payer gets first, in Gwei: 2^50 Gwei pay for any number of blocks.
const FUNDS_GWEI: u64 = 1 << 50;

/// Slots of the contract whose storage never rests.
const HERD: u64 = 3_000;

/// What a store to a slot costs at most, with the loop around it.
const STORE_GAS: u64 = 22_400;

/// How much happens in a block of a busy life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bustle {
    /// Some two hundred rows change: in 128 blocks a few percent of the small chain's accounts, and the whole herd.
    Calm,
    /// Some fifteen hundred do: in 128 blocks most of the small chain's state. Even so it is the same kinds of change.
    Wild,
}

impl Bustle {
    /// `most` of something in a wild block; in a calm one an eighth.
    fn of(self, most: u64) -> u64 {
        match self {
            Self::Calm => (most / 8).max(1),
            Self::Wild => most,
        }
    }
}

/// The blocks that are still to come.
#[derive(Clone, Debug)]
pub struct Life {
    /// The number of the next block.
    number: u64,
    /// Differs between branches: so do their new accounts and the values of their slots.
    branch: u64,
    busy: Option<Busy>,
}

/// Who does what takes transactions.
#[derive(Clone, Debug)]
struct Busy {
    size: Size,
    bustle: Bustle,
    payer: Wallet,
    /// The block in which the payer gets its money.
    first: u64,
    /// The account that delegates now.
    delegating: Option<Wallet>,
}

impl Life {
    /// Above the head `head`: nothing but payments from outside, the least that has geth merge its layers.
    pub fn quiet(head: u64) -> Self {
        Self { number: head + 1, branch: 0, busy: None }
    }

    /// Above the head `head` of the chain of `size`: everything that changes a state. The first block brings money, the second one
    /// contracts, and then each one everything.
    pub fn busy(head: u64, size: Size, bustle: Bustle) -> Self {
        let payer = Wallet::new("payer", genesis::CHAIN_ID);
        let busy = Busy { size, bustle, payer, first: head + 1, delegating: None };
        Self { number: head + 1, branch: 0, busy: Some(busy) }
    }

    /// The number of the block that comes next.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Goes on otherwise than any other branch does.
    pub fn branch_off(&mut self, branch: u64) {
        self.branch = branch;
    }

    /// The next block.
    pub fn next_block(&mut self) -> Block {
        let (number, branch) = (self.number, self.branch);
        self.number += 1;
        let count = self.busy.as_ref().map_or(WITHDRAWALS, |busy| busy.bustle.of(WITHDRAWALS));
        let mut withdrawals: Vec<Value> =
            (0..count).map(|nth| withdrawal(number, nth, paid(number, branch, nth), number)).collect();
        let mut transactions = Vec::new();
        if let Some(busy) = &mut self.busy {
            if number == busy.first {
                withdrawals.push(withdrawal(number, WITHDRAWALS, busy.payer.address(), FUNDS_GWEI));
            } else {
                Day { busy, number, branch, transactions: &mut transactions }.plan();
            }
        }
        Block { transactions, withdrawals }
    }
}

/// One block of a busy life, while it is planned.
struct Day<'a> {
    busy: &'a mut Busy,
    number: u64,
    branch: u64,
    transactions: &'a mut Vec<Bytes>,
}

impl Day<'_> {
    fn plan(&mut self) {
        let on_chain = Addresses::on_chain();
        let payer = self.busy.payer.address();
        // Deployed by the payer's first two transactions.
        let (herd, ebb) = (created(payer, 0), created(payer, 1));
        match self.number - self.busy.first {
            1 => {
                self.deploy(&contracts::slots_maker());
                self.deploy(&contracts::store());
            }
            2 => self.slots(herd, 1, HERD, self.value()),
            _ => {
                self.pay(on_chain.accounts_maker);
                self.change_huge(on_chain.slots_maker);
                self.change_herd(herd);
                self.flow(ebb);
                self.found(on_chain.contracts_maker);
                self.store(on_chain.store);
                self.nurse(on_chain.nursery);
                self.delegate(on_chain.store);
                self.deploy(&self.new_code());
            }
        }
    }

    /// No other block of any branch has it: a value that slots are multiplied with, and where new things start.
    fn value(&self) -> u64 {
        self.number * 1_000 + self.branch
    }

    /// Accounts that were there get more, and as many new ones come.
    fn pay(&mut self, maker: Address) {
        let count = self.busy.bustle.of(40);
        let old = 1 + self.number * 37 % (self.busy.size.accounts - count);
        // Far above all that the chain itself has made.
        let new = (1 << 40) + self.value() * count;
        for start in [old, new] {
            let value = (start..start + count).sum();
            self.send(&Form::Fees, maker, value, count * 34_600, calldata([start, start + count]));
        }
    }

    /// Slots of the contract that holds the most: some change, some go, some come.
    fn change_huge(&mut self, huge: Address) {
        let slots = self.busy.size.slots;
        let [changed, gone, new] = [60, 25, 20].map(|most| self.busy.bustle.of(most));
        self.slots(huge, 1 + self.number * 61 % (slots - changed), changed, self.value());
        self.slots(huge, 1 + self.number * 89 % (slots - gone), gone, 0);
        self.slots(huge, slots + 1 + self.number * new, new, self.value());
    }

    /// A part of the herd changes; a few of the part whose turn is next go, until then.
    fn change_herd(&mut self, herd: Address) {
        let [changed, gone] = [1_000, 50].map(|most| self.busy.bustle.of(most));
        let part = |number: u64| 1 + number % (HERD / changed) * changed;
        self.slots(herd, part(self.number), changed, self.value());
        self.slots(herd, part(self.number + 1), gone, 0);
    }

    /// A storage that is full for four blocks and empty for the next four.
    fn flow(&mut self, ebb: Address) {
        const SLOTS: u64 = 40;
        let value = match self.number % 8 {
            0 => self.value(),
            4 => 0,
            _ => return,
        };
        let words = (0..SLOTS).flat_map(|key| [key, value]);
        self.send(&Form::Legacy, ebb, 0, SLOTS * STORE_GAS, calldata(words));
    }

    /// Three small contracts with codes of their own; every eighth time one with some hundred slots.
    fn found(&mut self, maker: Address) {
        /// So large that neither code nor storage repeats.
        const APART: u64 = 1 << 50;
        let start = (1 << 40) + self.value() * 10;
        self.send(&Form::Fees, maker, 0, 3 * 110_000, calldata([start, start + 3, 2, APART, APART]));
        if self.number.is_multiple_of(8) {
            let gas = 56_000 + 300 * STORE_GAS;
            self.send(&Form::Fees, maker, 0, gas, calldata([start + 5, start + 6, 300, APART, APART]));
        }
    }

    /// Slots come; half of those that came a block before go.
    fn store(&mut self, store: Address) {
        let count = self.busy.bustle.of(40);
        let words = (0..count).flat_map(|key| [self.number * 100 + key, self.value() + key]);
        self.send(&Form::Legacy, store, 0, count * STORE_GAS, calldata(words));
        let words = (0..count / 2).flat_map(|key| [(self.number - 1) * 100 + key * 2, 0]);
        self.send(&Form::Legacy, store, 0, count * STORE_GAS, calldata(words));
    }

    /// Contracts that live for one transaction.
    fn nurse(&mut self, nursery: Address) {
        let doomed = self.number % 2;
        self.send(&Form::Fees, nursery, 0, 2_000_000, calldata([doomed]));
    }

    /// An account takes the store's code and stores in itself; every second time the last one that did gives it back.
    fn delegate(&mut self, store: Address) {
        let mut signed = Vec::new();
        if let Some(mut last) = self.busy.delegating.take()
            && self.number.is_multiple_of(2)
        {
            signed.push(last.delegate(Address::ZERO));
        }
        let label = format!("delegating {} {}", self.number, self.branch);
        let mut wallet = Wallet::new(&label, genesis::CHAIN_ID);
        signed.push(wallet.delegate(store));
        let authority = wallet.address();
        self.busy.delegating = Some(wallet);
        let words = (0..10).flat_map(|key| [key, self.value() + key]);
        self.send(&Form::Delegations(signed), authority, 0, 10 * STORE_GAS + 100_000, calldata(words));
    }

    /// Code that nobody else has. Its first byte is STOP: not 0xef, which EIP-3541 forbids.
    fn new_code(&self) -> Vec<u8> {
        let length = 32 + self.number * 97 % 3_000;
        let bytes = (0..length).map(|index| (index * (self.value() | 1)) as u8);
        bytes.chain(self.value().to_be_bytes()).collect()
    }

    fn deploy(&mut self, runtime: &[u8]) {
        let data = contracts::deployment(runtime).into();
        let call = Call { to: None, value: U256::ZERO, gas: 2_000_000, data };
        self.transactions.push(self.busy.payer.sign(&Form::Fees, &call));
    }

    /// Stores `index * factor` for `count` indices from `start`; a factor of zero deletes.
    fn slots(&mut self, maker: Address, start: u64, count: u64, factor: u64) {
        self.send(&Form::Fees, maker, 0, count * STORE_GAS, calldata([start, start + count, factor]));
    }

    fn send(&mut self, form: &Form, to: Address, value: u64, gas: u64, data: Bytes) {
        let call = Call { to: Some(to), value: U256::from(value), gas: gas + 100_000, data };
        self.transactions.push(self.busy.payer.sign(form, &call));
    }
}

/// Whom the block pays as the `nth`: every second account is one that each block pays.
fn paid(number: u64, branch: u64, nth: u64) -> Address {
    let block = if nth.is_multiple_of(2) { number * 1_000 + branch } else { 0 };
    fresh_address(2_000_000 + block, nth)
}

fn withdrawal(number: u64, nth: u64, address: Address, gwei: u64) -> Value {
    json!({
        "index": format!("{:#x}", number * (WITHDRAWALS + 1) + nth),
        "validatorIndex": format!("{nth:#x}"),
        "address": address.to_string(),
        "amount": format!("{gwei:#x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(life: &mut Life, count: usize) -> Vec<Block> {
        (0..count).map(|_| life.next_block()).collect()
    }

    #[test]
    fn copy_of_a_plan_goes_on_alike() {
        let mut life = Life::busy(223, Size::SMALL, Bustle::Calm);
        blocks(&mut life, 5);
        let mut copy = life.clone();
        let (one, other) = (life.next_block(), copy.next_block());
        assert_eq!(one.transactions, other.transactions);
        assert_eq!(one.withdrawals, other.withdrawals);
        assert_eq!(life.number(), 230);
    }

    #[test]
    fn branches_differ_in_each_block() {
        let mut life = Life::busy(223, Size::SMALL, Bustle::Calm);
        blocks(&mut life, 5);
        let mut branch = life.clone();
        branch.branch_off(1);
        for (one, other) in blocks(&mut life, 5).iter().zip(blocks(&mut branch, 5)) {
            assert_ne!(one.withdrawals, other.withdrawals);
            assert_ne!(one.transactions, other.transactions);
        }
    }
}
