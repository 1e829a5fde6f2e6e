//! What the blocks of a loaded chain do: ether that moves, tokens that move, slots that are written, or next to nothing.
//!
//! It chooses transactions, and gives the contracts that these call. Which accounts are new, and which slots, follows from a block's number
//! alone: it reads no state.

use std::str::FromStr;

use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256, address, bytes};
use serde_json::{Map, Value, json};
use snapsync_keccak::keccak256;

use crate::{
    dice::Dice,
    signers::{Call, Signer},
};

/// What the blocks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// 200 plain transfers a block, one in four to an account that nobody knew.
    Transfers,
    /// 200 transfers a block of a token, each of which changes two slots and leaves a log; one in eight to somebody who had none.
    Tokens,
    /// 4,000 slots a block, half of them new.
    Storage,
    /// One transaction a block, or two: for chains of very many blocks. Their state stops growing.
    Small,
}

/// Who signs.
pub(crate) const SIGNERS: u64 = 100;
/// Transactions of a block that is not small.
const TRANSACTIONS: u64 = 200;
/// Accounts, and holders of the token, that are paid again and again.
const PAYEES: u64 = 10_000;
/// The same of small blocks.
const PAYEES_OF_SMALL: u64 = 1_000;
/// Calls of a block that write slots; as many others write into slots that are there.
const CALLS_TO_NEW_SLOTS: u64 = 4;
/// Slots that one of them writes: 11 million gas, if all are new.
const SLOTS_A_CALL: u64 = 500;

/// A token as most are: balances in a mapping, `transfer(address,uint256)` for whatever selector, and its event.
const TOKEN: Address = address!("70ce700000000000000000000000000000000001");
const TOKEN_CODE: Bytes = bytes!(
    // The sender's slot is keccak(sender, 0); what is there must be enough.
    "335f5260405f208054602435808210605a57"
    // It becomes less.
    "809103909155"
    // The payee's becomes more.
    "6004355f5260405f2080548201"
    "9055"
    // Transfer(from, to, amount).
    "5f5260043533"
    "7fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    "60205fa3"
    // It returns true, or has none of it.
    "60015f5260205ff3"
    "5b5f5ffd"
);
/// `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// More than a call of the token takes.
const TOKEN_GAS: u64 = 60_000;

/// Writes the block's number into each slot from the first word of its input up to the second.
const WRITER: Address = address!("70ce700000000000000000000000000000000002");
const WRITER_CODE: Bytes = bytes!("5f356020355b81811460175743825590600101906005565b00");
/// More than such a call takes.
const WRITER_GAS: u64 = 13_000_000;

impl Load {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transfers, Self::Tokens, Self::Storage, Self::Small];

    /// Its name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Tokens => "tokens",
            Self::Storage => "storage",
            Self::Small => "small",
        }
    }

    /// What the transactions of a block do.
    pub(crate) fn calls(self, number: u64, dice: &mut Dice) -> Vec<Call> {
        match self {
            Self::Transfers => (0..TRANSACTIONS).map(|_| transfer(dice)).collect(),
            Self::Tokens => (0..TRANSACTIONS).map(|_| token(dice)).collect(),
            Self::Storage => storage(number, dice),
            Self::Small => small(dice),
        }
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let load = Self::ALL.into_iter().find(|load| load.name() == name);
        load.ok_or_else(|| format!("loads are {}, not {name}", Self::ALL.map(Self::name).join(", ")))
    }
}

fn transfer(dice: &mut Dice) -> Call {
    let to = if dice.below(4) == 0 { dice.address() } else { known(dice, PAYEES) };
    Call::pay(to, 1 + dice.below(1_000_000_000_000_000))
}

fn token(dice: &mut Dice) -> Call {
    let to = if dice.below(8) == 0 { dice.address() } else { known(dice, PAYEES) };
    token_to(to, dice)
}

fn token_to(to: Address, dice: &mut Dice) -> Call {
    let amount = B256::from(U256::from(1 + dice.below(1_000_000)));
    Call::contract(TOKEN, TOKEN_GAS, [&TRANSFER[..], to.into_word().as_slice(), amount.as_slice()].concat())
}

fn storage(number: u64, dice: &mut Dice) -> Vec<Call> {
    let calls_before = (number - 1) * CALLS_TO_NEW_SLOTS;
    let new = calls_before..calls_before + CALLS_TO_NEW_SLOTS;
    // The first block finds none, and writes its own once more.
    let old = (0..CALLS_TO_NEW_SLOTS).map(|_| dice.below(calls_before.max(1)));
    let write = |nth: u64| {
        let range = [nth * SLOTS_A_CALL, (nth + 1) * SLOTS_A_CALL];
        Call::contract(WRITER, WRITER_GAS, range.map(|slot| B256::from(U256::from(slot)).0).concat())
    };
    new.chain(old).map(write).collect()
}

fn small(dice: &mut Dice) -> Vec<Call> {
    let mut calls = vec![Call::pay(known(dice, PAYEES_OF_SMALL), 1 + dice.below(1_000_000_000))];
    if dice.below(2) == 0 {
        let to = known(dice, PAYEES_OF_SMALL);
        calls.push(token_to(to, dice));
    }
    calls
}

/// One of so many who are paid again and again.
fn known(dice: &mut Dice, count: u64) -> Address {
    Address::from_slice(&keccak256(&dice.below(count).to_be_bytes())[12..])
}

/// What the genesis file gives, by address: ether and tokens to those who sign, the contracts, and those of the protocol.
pub(crate) fn allocation(signers: &[Signer]) -> Value {
    let contract = |code: &Bytes, storage: Map<String, Value>| json!({ "nonce": "0x1", "balance": "0x0", "code": code.to_string(), "storage": storage });
    let of_protocol = [
        (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
        (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
        (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
        (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
    ];
    let mut alloc: Map<String, Value> = of_protocol
        .into_iter()
        .map(|(address, code)| (address.to_string(), contract(code, Map::new())))
        .collect();
    // 2^100: more than all blocks take.
    let much = format!("{:#x}", U256::from(1) << 100);
    let tokens = signers.iter().map(|signer| {
        let slot = keccak256(&[signer.address.into_word().0, [0; 32]].concat());
        (slot.to_string(), json!(much))
    });
    alloc.insert(TOKEN.to_string(), contract(&TOKEN_CODE, tokens.collect()));
    alloc.insert(WRITER.to_string(), contract(&WRITER_CODE, Map::new()));
    alloc.extend(signers.iter().map(|signer| (signer.address.to_string(), json!({ "balance": much }))));
    alloc.into()
}
