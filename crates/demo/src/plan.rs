//! What state the demo has: who has how many slots, which code and which storage, as pure functions of the parameters.
//!
//! Mainnet in small: most contracts hold one or two slots, a few hold many by a power law, one holds a large part of all. Codes and
//! storages are shared, as proxies and clones share them. Nothing here hashes tries or writes: `chain` does.

use alloy_primitives::{Address, B256, U256, address};

use crate::dice::Dice;

/// The size of a demo chain. The same parameters make the same chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoParams {
    /// All accounts, contracts among them.
    pub accounts: u64,
    /// How many of the accounts have code; clamped to `accounts`.
    pub contracts: u64,
    /// All slots of all contracts; none if there is no contract.
    pub slots: u64,
    /// The height of the head, the genesis being 0.
    pub blocks: u64,
    /// The lowest block whose body and receipts are kept; of those below only headers are.
    pub history_from: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

impl DemoParams {
    /// A chain that is made, served and synced in well under a minute on two cores.
    pub const fn demo() -> Self {
        let (accounts, contracts, slots) = (400_000, 12_000, 500_000);
        Self { accounts, contracts, slots, blocks: 2_048, history_from: 0, seed: 1 }
    }

    /// Whether its state has the contracts without which no block can be executed above it.
    pub fn may_execute(&self) -> bool {
        let plan = StatePlan::new(*self);
        let last = CALLED_AFTER_BLOCKS.len() as u64 * plan.codes();
        plan.of_protocol(last).is_some()
    }

    /// A chain that is made in a moment, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) const fn tiny() -> Self {
        let (accounts, contracts, slots) = (2_000, 150, 1_500);
        Self { accounts, contracts, slots, blocks: 20, history_from: 0, seed: 7 }
    }
}

/// What one storage holds, as the seed of its slots: contracts of equal `StorageSeed` have equal storage roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StorageSeed {
    /// Whose slots they are: a contract's index, or a template's.
    pub(crate) id: u64,
    /// How many slots.
    pub(crate) slots: u64,
}

impl StorageSeed {
    /// Whether other contracts have the same storage.
    pub(crate) fn is_shared(&self) -> bool {
        self.id >= TEMPLATE_BASE
    }
}

/// One contract in so many has a storage that others have too.
const TEMPLATE_EVERY: u64 = 3;
/// How many different shared storages there are.
const TEMPLATES: u64 = 48;
/// Templates are numbered from here, above every contract.
const TEMPLATE_BASE: u64 = 1 << 40;
/// One contract in so many has more than two slots.
const MEDIUM_EVERY: u64 = 40;
/// So many contracts share a code, on average.
const CONTRACTS_PER_CODE: u64 = 8;
/// The smallest and the largest code, in bytes: the second is the limit of EIP-170.
const CODE_BYTES: (u64, u64) = (100, 24_576);

/// The code that ends at once.
const IDLE_CODE: u64 = 0;
/// Contracts that the protocol calls after each block, of EIP-7002 and EIP-7251.
const CALLED_AFTER_BLOCKS: [Address; 2] = [
    address!("00000961ef480eb55e80d19ad83579a64c007002"),
    address!("0000bbddc7ce488642fb579f8b00f3a590007251"),
];

/// The whole state, planned.
#[derive(Clone, Debug)]
pub(crate) struct StatePlan {
    params: DemoParams,
    /// The slots of contract 0 (the huge one), then of the medium ones.
    large: Vec<u64>,
    /// The first small contract that has no slot because all are given away.
    small_end: u64,
}

impl StatePlan {
    /// Shares out the slots.
    pub(crate) fn new(params: DemoParams) -> Self {
        let params = DemoParams { contracts: params.contracts.min(params.accounts), ..params };
        if params.contracts == 0 {
            return Self { params, large: Vec::new(), small_end: 0 };
        }
        let medium = (params.contracts - 1).div_ceil(MEDIUM_EVERY);
        let mut plan = Self { params, large: vec![0; 1 + medium as usize], small_end: 1 + medium };
        // The huge contract has at least three tenths; the small ones may take half of the rest.
        let huge = params.slots - params.slots * 7 / 10;
        let mut small_left = (params.slots - huge) / 2;
        while plan.small_end < params.contracts {
            let slots = plan.small_storage(plan.small_end).slots;
            if slots > small_left {
                break;
            }
            small_left -= slots;
            plan.small_end += 1;
        }
        let small = (params.slots - huge) / 2 - small_left;
        plan.share_medium(params.slots - huge - small);
        let given: u64 = plan.large[1..].iter().sum();
        plan.large[0] = params.slots - small - given;
        plan
    }

    /// Gives `slots` to the medium contracts: the r-th gets a share of 1/r. What rounding leaves goes to the huge one.
    fn share_medium(&mut self, slots: u64) {
        let weight: f64 = (1..self.large.len()).map(|rank| 1.0 / rank as f64).sum();
        for (rank, share) in self.large.iter_mut().enumerate().skip(1) {
            *share = (slots as f64 / weight / rank as f64) as u64;
        }
    }

    /// The parameters, with the number of contracts clamped.
    pub(crate) fn params(&self) -> DemoParams {
        self.params
    }

    /// The storage of a contract, by its index; `None` if it has none.
    pub(crate) fn storage(&self, contract: u64) -> Option<StorageSeed> {
        let seed = match self.large.get(contract as usize) {
            Some(&slots) => StorageSeed { id: contract, slots },
            None if contract < self.small_end => self.small_storage(contract),
            None => return None,
        };
        (seed.slots > 0).then_some(seed)
    }

    /// One or two slots, or none for one in sixteen; a third of them by template.
    fn small_storage(&self, contract: u64) -> StorageSeed {
        let is_template = contract.is_multiple_of(TEMPLATE_EVERY);
        let id = if is_template { TEMPLATE_BASE + contract / TEMPLATE_EVERY % TEMPLATES } else { contract };
        let slots = match Dice::new(self.params.seed, id).below(16) {
            0 => 0,
            1..11 => 1,
            _ => 2,
        };
        StorageSeed { id, slots }
    }

    /// How many different codes there are.
    pub(crate) fn codes(&self) -> u64 {
        self.params.contracts.div_ceil(CONTRACTS_PER_CODE)
    }

    /// Which code a contract has.
    pub(crate) fn code_of(&self, contract: u64) -> u64 {
        contract % self.codes()
    }

    /// A code's bytes; sizes are spread evenly over the powers of two between the smallest and the largest.
    pub(crate) fn code(&self, code: u64) -> Vec<u8> {
        let mut dice = Dice::new(self.params.seed, 0xc0de_0000_0000_0000 + code);
        let doublings = 1 + dice.below(8);
        let size = (CODE_BYTES.0 + dice.below(CODE_BYTES.0 << doublings)).min(CODE_BYTES.1);
        let mut bytes = dice.bytes(size as usize);
        // The first thing that nearly every compiler writes (PUSH1 0x80 PUSH1 0x40 MSTORE); no code begins with 0xef (EIP-3541).
        bytes[..5].copy_from_slice(&[0x60, 0x80, 0x60, 0x40, 0x52]);
        if code == IDLE_CODE {
            bytes[0] = 0;
        }
        bytes
    }

    /// An account's nonce and balance; never an empty account.
    pub(crate) fn purse(&self, account: u64) -> (u64, U256) {
        let mut dice = Dice::new(self.params.seed, 0xacc0_0000_0000_0000 + account);
        if account < self.params.contracts {
            // A contract begins with nonce 1 (EIP-161); most hold nothing.
            let balance = if dice.below(5) == 0 { dice.wei() } else { U256::ZERO };
            return (1, balance);
        }
        let magnitude = dice.below(4) * 4;
        (dice.below(1 << magnitude), dice.wei() + U256::from(1))
    }

    /// An account that may be paid: one without code, if there is one.
    pub(crate) fn payee(&self, dice: &mut Dice) -> Address {
        let DemoParams { accounts, contracts, .. } = self.params;
        Address::from(self.address(contracts + dice.below(accounts - contracts)))
    }

    /// The contract that the protocol calls after each block, if this is one of them: the next ones with the code that ends at once.
    fn of_protocol(&self, contract: u64) -> Option<Address> {
        let mut nth = (1..).zip(CALLED_AFTER_BLOCKS);
        let is_it = |nth: u64| contract == nth * self.codes() && contract < self.params.contracts;
        nth.find(|(nth, _)| is_it(*nth)).map(|(_, address)| address)
    }

    /// What is hashed to an account's key: 20 bytes as an address has.
    pub(crate) fn address(&self, account: u64) -> [u8; 20] {
        if let Some(address) = self.of_protocol(account) {
            return address.into_array();
        }
        let mut address = [0; 20];
        address[..8].copy_from_slice(&self.params.seed.to_be_bytes());
        address[12..].copy_from_slice(&account.to_be_bytes());
        address
    }

    /// What is hashed to a slot's key: small storages use the first slots, as plain variables do, large ones a mapping's.
    pub(crate) fn slot(&self, storage: StorageSeed, index: u64) -> B256 {
        let mut slot = B256::ZERO;
        slot[24..].copy_from_slice(&index.to_be_bytes());
        if storage.slots > 2 {
            slot[..8].copy_from_slice(&(storage.id + 1).to_be_bytes());
        }
        slot
    }

    /// A slot's value: a flag or counter, an address, an amount or a full word; never zero, since a zero slot does not exist.
    pub(crate) fn slot_value(&self, storage: StorageSeed, index: u64) -> U256 {
        let mut dice =
            Dice::new(self.params.seed ^ storage.id.rotate_left(17), 0x5107_0000_0000_0000 + index);
        match dice.below(6) {
            0 | 1 => U256::from(1 + dice.below(255)),
            2 => U256::from_be_bytes(dice.address().into_word().0) + U256::from(1),
            3 | 4 => dice.wei() + U256::from(1),
            _ => U256::from_be_bytes(dice.word().0).max(U256::from(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plan(accounts: u64, contracts: u64, slots: u64) -> StatePlan {
        StatePlan::new(DemoParams { accounts, contracts, slots, ..DemoParams::demo() })
    }

    fn total_slots(plan: &StatePlan) -> u64 {
        (0..plan.params.contracts)
            .filter_map(|contract| plan.storage(contract))
            .map(|storage| storage.slots)
            .sum()
    }

    #[test]
    fn every_slot_is_given_away_exactly_once() {
        for (contracts, slots) in
            [(5_000, 200_000), (1, 10), (2, 3), (300, 100), (10, 0), (100, 1), (20_000, 4_000_000)]
        {
            assert_eq!(total_slots(&plan(100_000, contracts, slots)), slots, "{contracts} contracts");
        }
        assert_eq!(total_slots(&plan(10, 0, 100)), 0);
    }

    #[test]
    fn most_contracts_are_small_and_one_is_huge() {
        let plan = plan(100_000, 5_000, 200_000);
        let sizes: Vec<u64> =
            (0..5_000).map(|contract| plan.storage(contract).map_or(0, |storage| storage.slots)).collect();
        assert!(sizes[0] >= 60_000);
        assert!(sizes.iter().filter(|slots| **slots <= 2).count() > 4_800);
        assert!(sizes[1] > 4 * sizes[20] && sizes[20] > 2 * sizes[100] && sizes[100] > 2);
    }

    #[test]
    fn codes_and_storages_are_shared() {
        let plan = plan(100_000, 5_000, 200_000);
        let mut sharers = BTreeMap::<StorageSeed, u64>::new();
        for storage in (0..5_000).filter_map(|contract| plan.storage(contract)) {
            *sharers.entry(storage).or_default() += 1;
        }
        assert!(sharers.values().filter(|count| **count > 10).count() > 20);
        assert_eq!(plan.codes(), 625);
        let sizes: Vec<usize> = (0..625).map(|code| plan.code(code).len()).collect();
        assert!(sizes.iter().all(|size| (100..=24_576).contains(size)));
        assert!(sizes.iter().any(|size| *size < 300) && sizes.iter().any(|size| *size > 12_000));
    }

    #[test]
    fn no_account_is_empty_and_no_slot_is_zero() {
        let plan = plan(1_000, 100, 1_000);
        assert!(
            (0..1_000)
                .map(|account| plan.purse(account))
                .all(|(nonce, balance)| nonce > 0 || !balance.is_zero())
        );
        let huge = plan.storage(0).expect("contract 0 has storage");
        assert!((0..huge.slots).all(|index| !plan.slot_value(huge, index).is_zero()));
    }

    #[test]
    fn contracts_that_the_protocol_calls_are_there_and_end_at_once() {
        for contracts in [0, 1, 2, 3, 8, 9, 60, 5_000] {
            let plan = plan(100_000, contracts, 100);
            let called: Vec<u64> =
                (0..contracts).filter(|contract| plan.of_protocol(*contract).is_some()).collect();
            assert_eq!(called.len() == CALLED_AFTER_BLOCKS.len(), plan.params.may_execute(), "{contracts}");
            assert_eq!(plan.params.may_execute(), contracts > 2);
            assert!(called.iter().all(|contract| plan.code(plan.code_of(*contract))[0] == 0));
        }
    }
}
