//! Transactions of every type that a fork has, signed, to codes that do anything.

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, Transaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy,
};
use alloy_eips::{
    Decodable2718, Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use secp256k1::{Message, SECP256K1, SecretKey, ecdsa::RecoveryId};
use snapsync_execute::Fork;

use super::{
    CHAIN_ID,
    case::{CALLER_ADDRESS, Places},
    chance::Chance,
    code::Coder,
    inputs,
};

/// Keys that send transactions, and behind them those that only authorize.
pub(crate) const SENDERS: u8 = 8;
pub(crate) const SIGNERS: u8 = SENDERS + 6;

fn key(of: u8) -> SecretKey {
    SecretKey::from_byte_array([of + 1; 32]).unwrap()
}

/// The account of a key.
pub(crate) fn account(of: u8) -> Address {
    let public = key(of).public_key(SECP256K1).serialize_uncompressed();
    Address::from_slice(&keccak256(&public[1..])[12..])
}

fn sign(of: u8, hash: B256) -> Signature {
    let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &key(of));
    let (id, compact) = signature.serialize_compact();
    let number = |bytes: &[u8]| U256::from_be_slice(bytes);
    Signature::new(number(&compact[..32]), number(&compact[32..]), id == RecoveryId::One)
}

fn signed<T>(of: u8, transaction: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    let signature = sign(of, transaction.signature_hash());
    EthereumTxEnvelope::<TxEip4844>::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// A transaction as it stands in a list: one with a type is a byte string there.
pub(crate) fn listed(raw: &Bytes) -> Vec<u8> {
    if raw[0] >= alloy_rlp::EMPTY_LIST_CODE { raw.to_vec() } else { alloy_rlp::encode(raw) }
}

/// The gas of the blobs of some transactions.
pub(crate) fn blob_gas(transactions: &[&Bytes]) -> u64 {
    let of = |raw: &&Bytes| {
        let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw).unwrap();
        transaction.blob_gas_used().unwrap_or(0)
    };
    transactions.iter().map(of).sum()
}

/// The precompile that a transaction has called by way of a contract, and where that keeps what came of it.
pub(crate) fn called(raw: &Bytes) -> Option<(u64, B256)> {
    let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw).unwrap();
    let input = transaction.input().split_at_checked(32).filter(|_| transaction.to() == Some(CALLER_ADDRESS));
    input.map(|(address, input)| (U256::from_be_slice(address).to(), keccak256(input)))
}

/// Makes transactions, and counts nonces.
pub(crate) struct Maker<'c> {
    pub(crate) chance: &'c mut Chance,
    pub(crate) fork: Fork,
    pub(crate) places: &'c Places,
    pub(crate) nonces: [u64; SIGNERS as usize],
    pub(crate) blobs_left: u64,
}

/// What a transaction does.
struct Call {
    to: TxKind,
    value: U256,
    input: Bytes,
    gas: u64,
}

impl Maker<'_> {
    /// The next transaction. One in thirty is not valid, and takes no nonce.
    pub(crate) fn next(&mut self) -> Bytes {
        let of = self.chance.below(SENDERS.into()) as u8;
        let call = self.call();
        if self.chance.one_in(30) {
            return self.spoiled(of, call);
        }
        let nonce = self.nonces[usize::from(of)];
        self.nonces[usize::from(of)] += 1;
        self.typed(of, nonce, call)
    }

    /// Of another nonce, with too little gas, or for more than there is.
    fn spoiled(&mut self, of: u8, call: Call) -> Bytes {
        let nonce = self.nonces[usize::from(of)];
        match self.chance.below(4) {
            0 => self.typed(of, nonce + 1, call),
            1 if nonce > 0 => self.typed(of, nonce - 1, call),
            2 => self.typed(of, nonce, Call { value: U256::MAX >> 1, ..call }),
            _ => self.typed(of, nonce, Call { gas: 20_999, ..call }),
        }
    }

    fn typed(&mut self, of: u8, nonce: u64, call: Call) -> Bytes {
        let Call { to, value, input, gas: gas_limit } = call;
        let price = u128::from(7 + self.chance.below(1_000));
        let (max_fee_per_gas, max_priority_fee_per_gas) =
            (price, price - u128::from(self.chance.below(price as u64)));
        let types =
            [Fork::Frontier, Fork::SpuriousDragon, Fork::Berlin, Fork::London, Fork::Cancun, Fork::Prague];
        let types: Vec<Fork> = types.into_iter().filter(|since| *since <= self.fork).collect();
        let (chain_id, access_list) = (CHAIN_ID, self.access_list());
        match (self.chance.pick(&types), to) {
            (Fork::Berlin, _) => signed(
                of,
                TxEip2930 { chain_id, nonce, gas_price: price, gas_limit, to, value, input, access_list },
            ),
            (Fork::London, _) => {
                let transaction = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                signed(of, transaction)
            }
            (Fork::Cancun, TxKind::Call(to)) if self.blobs_left > 0 => {
                let transaction = TxEip4844 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    blob_versioned_hashes: self.blobs(),
                    max_fee_per_blob_gas: 1 << 70,
                    input,
                };
                signed(of, transaction)
            }
            (Fork::Prague, TxKind::Call(to)) => {
                let transaction = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    authorization_list: self.authorizations(),
                    input,
                };
                signed(of, transaction)
            }
            (since, _) => {
                let chain_id = (since == Fork::SpuriousDragon).then_some(chain_id);
                signed(of, TxLegacy { chain_id, nonce, gas_price: price, gas_limit, to, value, input })
            }
        }
    }

    /// Hashes of some of the blobs that the block has room for.
    fn blobs(&mut self) -> Vec<B256> {
        let count = 1 + self.chance.below(self.blobs_left.min(3));
        self.blobs_left -= count;
        let hash = |chance: &mut Chance| {
            let mut hash = B256::from_slice(&chance.bytes(32));
            hash.0[0] = 1;
            hash
        };
        (0..count).map(|_| hash(self.chance)).collect()
    }

    fn call(&mut self) -> Call {
        let gas = match self.fork {
            Fork::Amsterdam => 800_000 + self.chance.below(2_000_000),
            _ => 400_000 + self.chance.below(600_000),
        };
        let value = if self.chance.one_in(3) { U256::from(self.chance.below(5)) } else { U256::ZERO };
        let length = self.chance.below(150) as usize;
        let (to, input) = match self.chance.below(20) {
            0..11 => (TxKind::Call(self.chance.pick(&self.places.contracts)), self.chance.bytes(length)),
            11..16 => {
                let (precompile, input) = inputs::any(self.chance);
                let called = precompile.into_word().to_vec();
                (TxKind::Call(CALLER_ADDRESS), [called, input].concat())
            }
            16 => {
                let (precompile, input) = inputs::any(self.chance);
                (TxKind::Call(precompile), input)
            }
            17 => {
                let initcode = Coder::new(self.chance, self.fork, &self.places.known).write();
                (TxKind::Create, initcode)
            }
            18 => return self.protocol_call(gas),
            _ => (TxKind::Call(self.chance.pick(&self.places.known)), Vec::new()),
        };
        Call { to, value, input: input.into(), gas }
    }

    /// A request to the beacon chain, or a look at what contracts of the protocol hold.
    fn protocol_call(&mut self, gas: u64) -> Call {
        let (to, length) = self.chance.pick(&self.places.protocol);
        let length = if self.chance.one_in(6) { 0 } else { length };
        let value = U256::from(1 + self.chance.below(3));
        let value = if length == 32 { U256::ZERO } else { value };
        let mut input = self.chance.bytes(length);
        if length == 32 {
            // A time or a number that is near.
            input = U256::from(self.chance.below(120)).to_be_bytes::<32>().to_vec();
        }
        Call { to: TxKind::Call(to), value, input: input.into(), gas: gas.max(400_000) }
    }

    fn access_list(&mut self) -> AccessList {
        let item = |chance: &mut Chance| AccessListItem {
            address: chance.pick(&self.places.known),
            storage_keys: (0..chance.below(3)).map(|_| U256::from(chance.below(12)).into()).collect(),
        };
        let count = self.chance.below(3);
        AccessList((0..count).map(|_| item(self.chance)).collect())
    }

    /// Some of them come too early or for another chain, and change nothing.
    fn authorizations(&mut self) -> Vec<SignedAuthorization> {
        let count = 1 + self.chance.below(2);
        (0..count).map(|_| self.authorization()).collect()
    }

    fn authorization(&mut self) -> SignedAuthorization {
        let of = SENDERS + self.chance.below(u64::from(SIGNERS - SENDERS)) as u8;
        let nonce = &mut self.nonces[usize::from(of)];
        let chain_id = U256::from(self.chance.pick(&[CHAIN_ID, CHAIN_ID, 0, CHAIN_ID + 1]));
        let is_early = self.chance.one_in(8);
        let mut authorization = Authorization { chain_id, address: Address::ZERO, nonce: *nonce };
        if is_early {
            authorization.nonce += 1;
        } else if chain_id <= U256::from(CHAIN_ID) {
            *nonce += 1;
        }
        if !self.chance.one_in(6) {
            authorization.address = self.chance.pick(&self.places.known);
        }
        let signature = sign(of, authorization.signature_hash());
        authorization.into_signed(signature)
    }
}
