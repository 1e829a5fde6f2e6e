//! The two checks that always run: that every transaction can be read, and that the block is the one whose hash was said.
//!
//! The header is put together of what the payload says, and of roots and hashes over it. It does not look at what it builds on.

use alloy_consensus::{EthereumTxEnvelope, Transaction, TxEip4844, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{B64, B256};
use alloy_rlp::{Encodable, Header as Head};
use sha2::{Digest, Sha256};
use snapsync_execute::NewPayload;
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;
use snapsync_wire::{Body, Header};

use crate::{
    engine::{
        json::{Data, Quantity},
        payload::{Payload, PayloadCall, Withdrawal},
    },
    object::Object,
};

/// Why a payload is bad in itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PayloadFault {
    /// Nobody could execute it.
    #[error("transaction {index} cannot be read: {why}")]
    Transaction {
        /// Which one.
        index: usize,
        /// What is wrong.
        why: String,
    },
    /// The blobs are not those that were said.
    #[error(
        "its blob transactions name other blobs than were expected: {found} of them, {expected} expected"
    )]
    Blobs {
        /// So many hashes were said.
        expected: usize,
        /// So many are named.
        found: usize,
    },
    /// It hashes to something else.
    #[error("its hash is {found}, and {claimed} was said")]
    Hash {
        /// What was said.
        claimed: B256,
        /// What it is.
        found: B256,
    },
    /// It is larger than a block can be.
    #[error("it is no block: {0}")]
    Form(#[from] snapsync_wire::Error),
}

impl PayloadCall {
    /// The block, if it is the one that was said.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn into_block(self) -> Result<NewPayload, PayloadFault> {
        let found = named_blobs(&self.payload.transactions.0)?;
        if let Some(expected) = self.blob_hashes.as_ref().filter(|expected| **expected != found) {
            return Err(PayloadFault::Blobs { expected: expected.len(), found: found.len() });
        }
        let header = Header::decode(&self.header_bytes().into())?;
        let (claimed, found) = (B256::from(self.payload.block_hash), header.hash());
        if claimed != found {
            return Err(PayloadFault::Hash { claimed, found });
        }
        let body = Body::decode(&self.payload.body_bytes().into())?;
        Ok(NewPayload { header, body, list: self.payload.block_access_list.map(|Data(list)| list) })
    }

    fn header_bytes(&self) -> Vec<u8> {
        let payload = &self.payload;
        let withdrawals_root = payload.withdrawals.as_ref().map(|withdrawals| {
            let items: Vec<_> = withdrawals.0.iter().map(|Object(withdrawal)| withdrawal.bytes()).collect();
            ordered_root(&items)
        });
        let transactions: Vec<_> =
            payload.transactions.0.iter().map(|Data(transaction)| transaction).collect();
        let mut fields = Vec::with_capacity(1024);
        let out = &mut fields;
        payload.parent_hash.0.encode(out);
        EMPTY_OMMER_ROOT_HASH.encode(out);
        payload.fee_recipient.0.encode(out);
        payload.state_root.0.encode(out);
        ordered_root(&transactions).encode(out);
        payload.receipts_root.0.encode(out);
        payload.logs_bloom.0.encode(out);
        // The difficulty, as of all blocks since the merge.
        0u8.encode(out);
        for Quantity(number) in [payload.block_number, payload.gas_limit, payload.gas_used, payload.timestamp]
        {
            number.encode(out);
        }
        payload.extra_data.0.encode(out);
        payload.prev_randao.0.encode(out);
        B64::ZERO.encode(out);
        payload.base_fee_per_gas.0.encode(out);
        // Of those that came with forks none is there without the one before it: the form of the version was checked.
        withdrawals_root.iter().for_each(|root| root.encode(out));
        payload.blob_gas_used.iter().for_each(|gas| gas.0.encode(out));
        payload.excess_blob_gas.iter().for_each(|gas| gas.0.encode(out));
        self.parent_beacon_block_root.iter().for_each(|root| root.0.encode(out));
        self.requests.iter().for_each(|requests| requests_hash(requests).encode(out));
        payload.block_access_list.iter().for_each(|Data(list)| keccak256(list).encode(out));
        payload.slot_number.iter().for_each(|slot| slot.0.encode(out));
        list(&fields)
    }
}

impl Payload {
    fn body_bytes(&self) -> Vec<u8> {
        let mut transactions = Vec::new();
        for Data(transaction) in &self.transactions.0 {
            if transaction.first().is_some_and(|kind| *kind < 0x80) {
                // One with a type is a string among the others.
                Head { list: false, payload_length: transaction.len() }.encode(&mut transactions);
            }
            transactions.extend_from_slice(transaction);
        }
        let mut parts = list(&transactions);
        // No ommers.
        parts.extend(list(&[]));
        if let Some(withdrawals) = &self.withdrawals {
            let items: Vec<_> =
                withdrawals.0.iter().flat_map(|Object(withdrawal)| withdrawal.bytes()).collect();
            parts.extend(list(&items));
        }
        list(&parts)
    }
}

impl Withdrawal {
    fn bytes(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(64);
        self.index.0.encode(&mut fields);
        self.validator_index.0.encode(&mut fields);
        self.address.0.encode(&mut fields);
        self.amount.0.encode(&mut fields);
        list(&fields)
    }
}

/// The hashes of blobs that transactions name, in their order. Each transaction is read, and has the one encoding that there is for it.
fn named_blobs(transactions: &[Data]) -> Result<Vec<B256>, PayloadFault> {
    let mut named = Vec::new();
    for (index, Data(bytes)) in transactions.iter().enumerate() {
        let fault = |why: String| PayloadFault::Transaction { index, why };
        if bytes.is_empty() {
            return Err(fault("it is empty".to_owned()));
        }
        let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(bytes)
            .map_err(|why| fault(why.to_string()))?;
        if transaction.encoded_2718() != **bytes {
            return Err(fault("its encoding is not the shortest".to_owned()));
        }
        named.extend(transaction.blob_versioned_hashes().into_iter().flatten());
    }
    Ok(named)
}

/// What a header commits to of the requests of a block (EIP-7685).
fn requests_hash(requests: &[Data]) -> B256 {
    let mut all = Sha256::new();
    for Data(request) in requests {
        all.update(Sha256::digest(request));
    }
    B256::from(<[u8; 32]>::from(all.finalize()))
}

fn list(items: &[u8]) -> Vec<u8> {
    let head = Head { list: true, payload_length: items.len() };
    let mut out = Vec::with_capacity(items.len() + head.length());
    head.encode(&mut out);
    out.extend_from_slice(items);
    out
}
