//! Transactions of the kinds that real chains hold, signed here. Sources: the yellow paper, EIP-155, 2718, 2930, 1559, 4844, 7594, 7702.
//!
//! The wallet trusts its caller about what a transaction should do; nothing is estimated or checked.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable, Header};
use secp256k1::{Message, SECP256K1, SecretKey};
use sha2::{Digest, Sha256};
use snapsync_keccak::keccak256;

/// Far above the base fee of any block of the test chain, whose genesis starts at 7 wei.
const GAS_PRICE: u64 = 1_000_000_000;

/// The point at infinity: the commitment to a blob of zeros, and the proof of each of its cells (EIP-4844, EIP-7594).
const INFINITY: [u8; 48] = {
    let mut point = [0; 48];
    point[0] = 0xc0;
    point
};

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Call {
    /// The called account; none deploys `data`.
    pub to: Option<Address>,
    /// Wei that is sent along.
    pub value: U256,
    /// The gas limit.
    pub gas: u64,
    /// Calldata or init code.
    pub data: Bytes,
}

/// The form of a transaction.
#[derive(Clone, Debug)]
pub enum Form {
    /// As before EIP-155: valid on any chain.
    Unprotected,
    /// With the chain id in `v`.
    Legacy,
    /// EIP-2930, with its access list.
    AccessList(Vec<(Address, Vec<B256>)>),
    /// EIP-1559, without an access list.
    Fees,
    /// EIP-7702.
    Delegations(Vec<Delegation>),
}

/// A signed authorization (EIP-7702): an account will run another one's code.
#[derive(Clone, Debug)]
pub struct Delegation(Vec<u8>);

/// A key that signs and counts.
#[derive(Clone, Debug)]
pub struct Wallet {
    key: SecretKey,
    address: Address,
    chain_id: u64,
    /// The nonce of its next transaction or authorization.
    nonce: u64,
}

impl Wallet {
    /// The wallet whose key is the hash of `label`. Its account must be unused.
    pub fn new(label: &str, chain_id: u64) -> Self {
        let key = SecretKey::from_byte_array(keccak256(label.as_bytes()).0)
            .expect("a hash is zero or above the curve's order only by a miracle");
        let public = key.public_key(SECP256K1).serialize_uncompressed();
        Self { key, address: tail(keccak256(&public[1..])), chain_id, nonce: 0 }
    }

    /// Its account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The address of the contract that its next transaction deploys, if it deploys one.
    pub fn next_contract(&self) -> Address {
        created(self.address, self.nonce)
    }

    /// Signs a transaction; its raw EIP-2718 bytes.
    pub fn sign(&mut self, form: &Form, call: &Call) -> Bytes {
        let nonce = self.take_nonce();
        let price = GAS_PRICE;
        let mut fields = Vec::new();
        match form {
            Form::Unprotected | Form::Legacy => {
                put(&mut fields, &[&nonce, &price]);
                put_call(&mut fields, call);
                return self.sign_legacy(form, fields);
            }
            Form::AccessList(_) => put(&mut fields, &[&self.chain_id, &nonce, &price]),
            // Tip, then the cap: the tip is one wei so that the fee recipient's balance moves too.
            Form::Fees | Form::Delegations(_) => put(&mut fields, &[&self.chain_id, &nonce, &1u64, &price]),
        }
        put_call(&mut fields, call);
        let kind = match form {
            Form::AccessList(entries) => {
                put_access_list(&mut fields, entries);
                1
            }
            Form::Delegations(delegations) => {
                put_access_list(&mut fields, &[]);
                let signed: Vec<u8> =
                    delegations.iter().flat_map(|delegation| delegation.0.iter().copied()).collect();
                put_list(&mut fields, &signed);
                4
            }
            Form::Fees | Form::Unprotected | Form::Legacy => {
                put_access_list(&mut fields, &[]);
                2
            }
        };
        let (parity, r, s) = self.signature(&enveloped(kind, &fields));
        put(&mut fields, &[&parity, &r, &s]);
        enveloped(kind, &fields).into()
    }

    /// Signs a transaction that carries a blob of zeros: its raw bytes as pools exchange them, the blob and the proofs of its cells among them
    /// (EIP-7594). It deploys nothing.
    pub fn sign_with_blob(&mut self, call: &Call) -> Bytes {
        const KIND: u8 = 3;
        /// The blob's proofs are those of its cells.
        const WRAPPER_VERSION: u8 = 1;
        const BLOB_BYTES: usize = 4096 * 32;
        const CELLS: usize = 128;
        let mut versioned_hash = B256::from_slice(&Sha256::digest(INFINITY));
        versioned_hash.0[0] = 1;
        let nonce = self.take_nonce();
        let mut fields = Vec::new();
        put(&mut fields, &[&self.chain_id, &nonce, &1u64, &GAS_PRICE]);
        put_call(&mut fields, call);
        put_access_list(&mut fields, &[]);
        put(&mut fields, &[&GAS_PRICE, &vec![versioned_hash]]);
        let (parity, r, s) = self.signature(&enveloped(KIND, &fields));
        put(&mut fields, &[&parity, &r, &s]);
        let mut wrapped = listed(&fields);
        put(&mut wrapped, &[&WRAPPER_VERSION]);
        let blob: &[u8] = &[0; BLOB_BYTES];
        for items in [&[blob][..], &[&INFINITY[..]], &[&INFINITY[..]; CELLS]] {
            let mut list = Vec::new();
            items.iter().for_each(|item| item.encode(&mut list));
            put_list(&mut wrapped, &list);
        }
        enveloped(KIND, &wrapped).into()
    }

    /// Signs an authorization for this wallet's account to run the code at `code`; the zero address ends it. It uses up a
    /// nonce of this account, as a transaction does.
    pub fn delegate(&mut self, code: Address) -> Delegation {
        /// Marks the signed message of an authorization (EIP-7702).
        const MAGIC: u8 = 0x05;
        let nonce = self.take_nonce();
        let mut fields = Vec::new();
        put(&mut fields, &[&self.chain_id, &code, &nonce]);
        let (parity, r, s) = self.signature(&enveloped(MAGIC, &fields));
        put(&mut fields, &[&parity, &r, &s]);
        Delegation(listed(&fields))
    }

    fn sign_legacy(&self, form: &Form, mut fields: Vec<u8>) -> Bytes {
        let mut signed = fields.clone();
        let first_v = match form {
            Form::Unprotected => 27,
            _ => {
                put(&mut signed, &[&self.chain_id, &0u64, &0u64]);
                35 + 2 * self.chain_id
            }
        };
        let (parity, r, s) = self.signature(&listed(&signed));
        put(&mut fields, &[&(first_v + parity), &r, &s]);
        listed(&fields).into()
    }

    /// Parity, r and s over the hash of `message`.
    fn signature(&self, message: &[u8]) -> (u64, U256, U256) {
        let digest = Message::from_digest(keccak256(message).0);
        let (recovery, bytes) = SECP256K1.sign_ecdsa_recoverable(digest, &self.key).serialize_compact();
        let (r, s) = bytes.split_at(32);
        (i32::from(recovery) as u64, U256::from_be_slice(r), U256::from_be_slice(s))
    }

    fn take_nonce(&mut self) -> u64 {
        let nonce = self.nonce;
        self.nonce += 1;
        nonce
    }
}

/// The address of the contract that `creator` makes with `nonce`.
pub fn created(creator: Address, nonce: u64) -> Address {
    let mut fields = Vec::new();
    put(&mut fields, &[&creator, &nonce]);
    tail(keccak256(&listed(&fields)))
}

/// The last 20 bytes of a hash.
pub fn tail(hash: B256) -> Address {
    Address::from_slice(&hash[12..])
}

fn put(fields: &mut Vec<u8>, values: &[&dyn Encodable]) {
    for value in values {
        value.encode(fields);
    }
}

/// Gas limit, destination, value and data: the same four in every form.
fn put_call(fields: &mut Vec<u8>, call: &Call) {
    let to: &[u8] = call.to.as_ref().map_or(&[], |address| address.as_slice());
    put(fields, &[&call.gas, &to, &call.value, &call.data]);
}

fn put_access_list(fields: &mut Vec<u8>, entries: &[(Address, Vec<B256>)]) {
    let mut list = Vec::new();
    for (address, slots) in entries {
        let mut entry = Vec::new();
        put(&mut entry, &[address, slots]);
        put_list(&mut list, &entry);
    }
    put_list(fields, &list);
}

fn put_list(fields: &mut Vec<u8>, items: &[u8]) {
    fields.extend_from_slice(&listed(items));
}

fn listed(items: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    Header { list: true, payload_length: items.len() }.encode(&mut list);
    list.extend_from_slice(items);
    list
}

fn enveloped(kind: u8, fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&listed(fields));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    /// The example of EIP-155: chain 1, nonce 9, 20 gwei, 21,000 gas, 1 ether to 0x3535…, key 0x4646….
    #[test]
    fn legacy_signature_is_that_of_the_eip() {
        let key = SecretKey::from_byte_array([0x46; 32]).unwrap();
        let wallet = Wallet { key, address: Address::ZERO, chain_id: 1, nonce: 0 };
        let mut fields = Vec::new();
        put(&mut fields, &[&9u64, &20_000_000_000u64]);
        let call = Call {
            to: Some(Address::repeat_byte(0x35)),
            value: U256::from(10).pow(U256::from(18)),
            gas: 21_000,
            data: Bytes::new(),
        };
        put_call(&mut fields, &call);
        let expected = hex!(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
        );
        assert_eq!(wallet.sign_legacy(&Form::Legacy, fields)[..], expected[..]);
    }

    #[test]
    fn contract_address_is_the_known_one() {
        let creator: Address = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0".parse().unwrap();
        let expected: Address = "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d".parse().unwrap();
        assert_eq!(created(creator, 0), expected);
    }
}
