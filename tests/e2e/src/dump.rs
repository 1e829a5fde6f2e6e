//! A whole state, row by row, as geth dumps it from its disk.
//!
//! It trusts geth: this is what rows are compared with. It holds all of the state in memory, which is made for the small chains.

use std::{collections::BTreeMap, ffi::OsStr};

use alloy_primitives::{B256, Bytes, U256};
use serde_json::Value;

use crate::{Error, cache::Tools, datadir::Datadir};

/// The state of one block.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Its root, as geth tells it.
    pub root: B256,
    /// Its accounts by hashed address.
    pub accounts: BTreeMap<B256, Dumped>,
}

/// One account, and all that hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumped {
    /// Transactions that it sent, or contracts that it made.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// The root of its storage.
    pub storage_root: B256,
    /// The hash of its code.
    pub code_hash: B256,
    /// Its code.
    pub code: Bytes,
    /// Its slots by hashed key.
    pub slots: BTreeMap<B256, U256>,
}

impl Dump {
    /// The state of the block `hash`, one of the newest 128 of those in `datadir`, on which no geth may run.
    pub fn of(tools: &Tools, datadir: &Datadir, hash: B256) -> Result<Self, Error> {
        let hash = hash.to_string();
        let text = datadir.ask(tools, &["snapshot", "dump", &hash].map(OsStr::new))?;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let root = parse(first, |value| hash_of(value, "root"))?;
        let accounts = lines.map(|line| parse(line, account)).collect::<Result<_, _>>()?;
        Ok(Self { root, accounts })
    }
}

fn parse<T>(line: &str, take: impl FnOnce(&Value) -> Option<T>) -> Result<T, Error> {
    let value = serde_json::from_str(line).ok();
    value.as_ref().and_then(take).ok_or_else(|| {
        let shown: String = line.chars().take(300).collect();
        Error::Chain(format!("geth dumped a state with the line {shown}"))
    })
}

/// A line's account. geth leaves out an empty code and an empty storage.
fn account(value: &Value) -> Option<(B256, Dumped)> {
    let code = value.get("code").map_or(Some(Bytes::new()), |code| code.as_str()?.parse().ok())?;
    let none = serde_json::Map::new();
    let slots = value.get("storage").map_or(Some(&none), Value::as_object)?;
    let slots = slots.iter().map(|(key, value)| Some((key.parse().ok()?, slot(value.as_str()?)?)));
    let dumped = Dumped {
        nonce: value.get("nonce")?.as_u64()?,
        balance: U256::from_str_radix(value.get("balance")?.as_str()?, 10).ok()?,
        storage_root: hash_of(value, "root")?,
        code_hash: hash_of(value, "codeHash")?,
        code,
        slots: slots.collect::<Option<_>>()?,
    };
    Some((hash_of(value, "key")?, dumped))
}

/// A slot's value is dumped as it lies in the trie: the digits of its RLP.
fn slot(digits: &str) -> Option<U256> {
    let bytes: Bytes = digits.parse().ok()?;
    alloy_rlp::decode_exact(&bytes).ok()
}

fn hash_of(value: &Value, name: &str) -> Option<B256> {
    value.get(name)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_an_account() {
        let zero = B256::ZERO;
        let line = format!(
            r#"{{"balance":"12","nonce":3,"root":"{zero}","codeHash":"{zero}","code":"0x00","storage":{{"{zero}":"820100"}},"key":"{zero}"}}"#
        );
        let (key, dumped) = parse(&line, account).unwrap();
        assert_eq!((key, dumped.nonce, dumped.balance), (zero, 3, U256::from(12)));
        assert_eq!(dumped.slots[&zero], U256::from(256));
        assert_eq!(dumped.code[..], [0]);
        assert!(parse("{}", account).is_err());
    }
}
