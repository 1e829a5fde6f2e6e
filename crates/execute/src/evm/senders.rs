//! Who signed the transactions of a block.
//!
//! A signature costs as much as a plain transfer's execution, and each stands alone: they are shared out among a few threads for as long
//! as that takes. A thread owns its part of the block and of the answers, sends nothing, and ends with its part.

use std::thread;

use alloy_primitives::{Address, B256, Signature};
use secp256k1::{
    Message,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use snapsync_keccak::keccak256;

use super::transactions::{self, BlockTransaction};
use crate::{
    bad::{BadBlock, BadTransaction},
    block::Block,
    forks::{Fork, Forks, Rules},
};

/// Fewer than so many signatures are not worth a thread: 16 take about a millisecond.
const SIGNATURES_A_THREAD_MIN: usize = 16;

/// Recovers the senders of a block that is to be executed later, on the caller's thread. A block that is bad stays as it is: whoever executes it
/// says why.
pub fn recover_senders(forks: &Forks, block: Block) -> Block {
    let header = block.header();
    let rules = forks.rules(header.number, header.timestamp, header.difficulty);
    let read = transactions::read(&rules, &block);
    match read.and_then(|transactions| recover(&rules, &transactions, 1)) {
        Ok(senders) => block.with_senders(senders),
        Err(_) => block,
    }
}

/// Who signed a transaction of a block that is known to be good: whether the signature may be what it is there, its block has said.
pub fn sender_of(transaction: &BlockTransaction) -> Option<Address> {
    signer(transaction.signature(), transaction.signature_hash())
}

/// Recovers the senders of transactions, on `threads` threads at most, this one among them.
///
/// # Errors
/// Names the first one whose signature is of nobody.
pub(super) fn recover(
    rules: &Rules,
    transactions: &[BlockTransaction],
    threads: usize,
) -> Result<Vec<Address>, BadBlock> {
    let threads = threads.clamp(1, (transactions.len() / SIGNATURES_A_THREAD_MIN).max(1));
    let part = transactions.len().div_ceil(threads).max(1);
    let mut senders = vec![None; transactions.len()];
    thread::scope(|scope| {
        let mut parts = transactions.chunks(part).zip(senders.chunks_mut(part));
        let own = parts.next();
        for (transactions, senders) in parts {
            scope.spawn(move || recover_part(rules, transactions, senders));
        }
        if let Some((transactions, senders)) = own {
            recover_part(rules, transactions, senders);
        }
    });
    let named = |(index, sender): (usize, Option<Address>)| {
        sender.ok_or(BadBlock::Transaction { index, reason: BadTransaction::Signature })
    };
    senders.into_iter().enumerate().map(named).collect()
}

fn recover_part(rules: &Rules, transactions: &[BlockTransaction], senders: &mut [Option<Address>]) {
    for (transaction, sender) in transactions.iter().zip(senders) {
        let signature = transaction.signature();
        // EIP-2: of the two signatures that say the same only the one with the lower `s` is valid.
        if rules.fork < Fork::Homestead || signature.normalize_s().is_none() {
            *sender = signer(signature, transaction.signature_hash());
        }
    }
}

/// The address whose key made a signature over a hash.
fn signer(signature: &Signature, hash: B256) -> Option<Address> {
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    compact[32..].copy_from_slice(&signature.s().to_be_bytes::<32>());
    let parity = if signature.v() { RecoveryId::One } else { RecoveryId::Zero };
    let signature = RecoverableSignature::from_compact(&compact, parity).ok()?;
    let key = secp256k1::SECP256K1.recover_ecdsa(Message::from_digest(hash.0), &signature).ok()?;
    let digest = keccak256(&key.serialize_uncompressed()[1..]);
    Some(Address::from_slice(&digest[12..]))
}
