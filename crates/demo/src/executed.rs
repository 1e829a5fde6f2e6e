//! Blocks that can be executed, above the demo's state: real signatures of keys that the seed gives, and roots that follow.
//!
//! The first of them gives ether to the keys by withdrawals; then they send it to accounts of the state, make a contract, and call it. It
//! writes nothing itself.

use alloy_primitives::{Address, U256};
use snapsync_execute::{Forks, HeaderRest, genesis::Genesis};
use snapsync_keccak::keccak256;
use snapsync_storage::{HistorySnapshot, StateSnapshot};
use snapsync_wire::Header;

use crate::{
    DemoChain, Error,
    blocks::Place,
    dice::Dice,
    rlp::List,
    sealer::{ExecutedBlock, Sealer, failed},
    signers::{Call, Signer},
};

/// What these blocks say of themselves.
const EXTRA: &[u8] = b"snapsync demo, executed";
/// Keys that sign.
const KEYS: u64 = 8;
/// Transactions of a block, at most.
const TRANSACTIONS_MAX: u64 = 40;
/// What a withdrawal gives to a key: a hundred ether.
const GWEI: u64 = 100_000_000_000;
/// Writes the second word of its input into the slot that the first one names, and leaves a log.
const CONTRACT: [u8; 11] = [0x60, 0x20, 0x35, 0x5f, 0x35, 0x55, 0x5f, 0x5f, 0xa0, 0x00, 0x00];

/// Makes such blocks.
#[derive(Debug)]
pub struct BlockMaker {
    sealer: Sealer,
    seed: u64,
    chain_id: u64,
}

impl BlockMaker {
    /// Makes blocks of this chain; other seeds make others.
    ///
    /// # Errors
    /// When its genesis file cannot be read: a bug of the maker.
    pub fn new(chain: &DemoChain, seed: u64) -> Result<Self, Error> {
        let genesis = Genesis::in_text(&chain.described.to_string()).map_err(failed)?;
        let chain_id = chain.network_id;
        Ok(Self { sealer: Sealer::new(&genesis, chain_id), seed, chain_id })
    }

    /// The rules of the chain's blocks.
    pub fn forks(&self) -> &Forks {
        self.sealer.forks()
    }

    /// Whether a block is one of these.
    pub(crate) fn has_made(header: &Header) -> bool {
        HeaderRest::of(header).is_ok_and(|rest| rest.extra_data.as_ref() == EXTRA)
    }

    /// The block above `parent`, whose state the snapshot is of.
    ///
    /// # Errors
    /// When the disk fails, or the block cannot be executed: a bug of the maker.
    pub(crate) fn next(
        &mut self,
        state: &StateSnapshot,
        history: &HistorySnapshot,
        parent: &Header,
        payees: impl Fn(&mut Dice) -> Address,
    ) -> Result<ExecutedBlock, Error> {
        let mut dice = Dice::new(self.seed, 0xe8ec_0000_0000 + parent.number);
        let (mut signers, are_poor) = self.signers(state)?;
        let withdrawals = if are_poor { gifts(&signers, parent.number) } else { Vec::new() };
        let transactions =
            if are_poor { Vec::new() } else { self.transactions(&mut dice, &mut signers, payees) };
        let place = Place::above(parent, EXTRA, &mut dice);
        self.sealer.seal((state, history), (parent, &place), transactions, withdrawals)
    }

    /// Those who sign, as they are in a state, and whether any of them has nothing.
    fn signers(&self, state: &StateSnapshot) -> Result<(Vec<Signer>, bool), Error> {
        let (mut signers, mut are_poor) = (Vec::new(), false);
        for nth in 0..KEYS {
            let mut signer = Signer::new(self.seed, nth)?;
            let account = state.account(&keccak256(signer.address.as_slice()))?;
            signer.nonce = account.as_ref().map_or(0, |account| account.nonce);
            are_poor |= account.is_none_or(|account| account.balance.is_zero());
            signers.push(signer);
        }
        Ok((signers, are_poor))
    }

    fn transactions(
        &self,
        dice: &mut Dice,
        signers: &mut [Signer],
        payees: impl Fn(&mut Dice) -> Address,
    ) -> Vec<Vec<u8>> {
        let contract = signers[0].first_contract();
        let mut made = Vec::new();
        if signers[0].nonce == 0 {
            made.push(signers[0].sign(dice, self.chain_id, &deployment()));
        }
        for _ in 0..1 + dice.below(TRANSACTIONS_MAX) {
            let at = dice.below(KEYS) as usize;
            let call = match dice.below(3) {
                0 => {
                    let data = [U256::from(dice.below(100)).to_be_bytes(), dice.word().0].concat();
                    Call::contract(contract, 100_000, data)
                }
                _ => Call::pay(payees(dice), 1 + dice.below(1_000_000_000_000_000)),
            };
            made.push(signers[at].sign(dice, self.chain_id, &call));
        }
        made
    }
}

/// What makes the contract.
fn deployment() -> Call {
    // Puts the code into memory, behind 21 zeros, and returns it.
    let mut data = vec![0x6a];
    data.extend_from_slice(&CONTRACT);
    data.extend_from_slice(&[0x5f, 0x52, 0x60, 0x0b, 0x60, 0x15, 0xf3]);
    Call::deployment(data)
}

/// A withdrawal for each key.
fn gifts(signers: &[Signer], number: u64) -> Vec<Vec<u8>> {
    let gift = |(index, signer): (u64, &Signer)| {
        List::new().item(&(number * 16 + index)).item(&index).item(&signer.address).item(&GWEI).encode()
    };
    (0..).zip(signers).map(gift).collect()
}
