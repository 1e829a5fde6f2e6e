//! Who signs: keys that the seed gives, and the transactions that they send.
//!
//! It knows no state: how much a signer has, and what its next nonce is, its caller says.

use std::iter;

use alloy_primitives::{Address, U256};
use secp256k1::{Message, SECP256K1, SecretKey};
use snapsync_keccak::keccak256;

use crate::{Error, dice::Dice, rlp::List};

/// More than a unit of gas costs here, whatever the blocks below have used.
const FEE_MAX: u64 = 1_000_000_000_000;

/// A key, and its account's next nonce.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SecretKey,
    pub(crate) address: Address,
    pub(crate) nonce: u64,
}

/// What a transaction does.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) to: Option<Address>,
    pub(crate) value: U256,
    pub(crate) gas: u64,
    pub(crate) data: Vec<u8>,
}

impl Call {
    /// Sends ether and nothing else.
    pub(crate) fn pay(to: Address, wei: u64) -> Self {
        Self { to: Some(to), value: U256::from(wei), gas: 21_000, data: Vec::new() }
    }

    /// Calls a contract and sends it nothing.
    pub(crate) fn contract(to: Address, gas: u64, data: Vec<u8>) -> Self {
        Self { to: Some(to), value: U256::ZERO, gas, data }
    }

    /// Makes a contract by this code.
    pub(crate) fn deployment(data: Vec<u8>) -> Self {
        Self { to: None, value: U256::ZERO, gas: 200_000, data }
    }
}

impl Signer {
    /// The n-th of a seed, which has sent nothing yet.
    ///
    /// # Errors
    /// Never, as far as anybody will see: all but a handful of words are keys.
    pub(crate) fn new(seed: u64, nth: u64) -> Result<Self, Error> {
        let mut dice = Dice::new(seed, 0x5164_0000_0000 + nth);
        let key = iter::repeat_with(|| SecretKey::from_byte_array(dice.word().0)).find_map(Result::ok);
        let key = key.ok_or(Error::NoHead)?;
        let public = key.public_key(SECP256K1).serialize_uncompressed();
        let address = Address::from_slice(&keccak256(&public[1..])[12..]);
        Ok(Self { key, address, nonce: 0 })
    }

    /// The contract that this account makes with its first transaction.
    pub(crate) fn first_contract(&self) -> Address {
        Address::from_slice(&keccak256(&List::new().item(&self.address).item(&0u64).encode())[12..])
    }

    /// A transaction as EIP-2718 hashes it: one in five is of the old kind.
    pub(crate) fn sign(&mut self, dice: &mut Dice, chain_id: u64, call: &Call) -> Vec<u8> {
        let nonce = self.nonce;
        self.nonce += 1;
        let to = call.to.as_ref().map_or(&[][..], |to| to.as_slice());
        if dice.below(5) == 0 {
            let list = List::new().item(&nonce).item(&FEE_MAX).item(&call.gas).bytes(to);
            let list = list.item(&call.value).bytes(&call.data);
            let unsigned = list.clone().item(&chain_id).item(&0u64).item(&0u64).encode();
            let (parity, r, s) = self.signature(&unsigned);
            return list.item(&(chain_id * 2 + 35 + parity)).item(&r).item(&s).encode();
        }
        let tip = 1 + dice.below(1_000_000_000);
        let list = List::new().item(&chain_id).item(&nonce).item(&tip).item(&FEE_MAX).item(&call.gas);
        let list = list.bytes(to).item(&call.value).bytes(&call.data).list(List::new());
        let (parity, r, s) = self.signature(&list.encode_typed(2));
        list.item(&parity).item(&r).item(&s).encode_typed(2)
    }

    /// Parity, r and s.
    fn signature(&self, unsigned: &[u8]) -> (u64, U256, U256) {
        let digest = Message::from_digest(keccak256(unsigned).0);
        let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(digest, &self.key).serialize_compact();
        let number = |bytes: &[u8]| U256::from_be_slice(bytes);
        (i32::from(id) as u64, number(&bytes[..32]), number(&bytes[32..]))
    }
}
