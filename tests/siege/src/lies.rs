//! What strangers answer when they are asked.

use alloy_primitives::{B256, Bytes};
use snapsync_p2p::Message;
use snapsync_wire::{BlockReceipts, ReceiptForm, eth, snap};

use crate::{Kind, noise::Noise};

/// Nearly all that a message may have: 10 MiB, less the heads.
const BLOATED_BYTES: usize = (10 << 20) - 4096;

/// Rows of a lie: more than fit one leaf's place, few enough to be made quickly.
const ROWS: usize = 2000;

/// A slim account without storage and code: nonce 1, balance 1.
const ACCOUNT: [u8; 5] = [0xc4, 1, 1, 0x80, 0x80];

/// The answer of a stranger of this kind; `None` if it has none.
pub(crate) fn answer(kind: Kind, request: &Message, noise: &mut Noise) -> Option<Message> {
    match kind {
        Kind::Lying => Some(lie(request, noise)?),
        Kind::Bloated => Some(bloated(request, noise)?),
        Kind::Dripping => dripped(request).or_else(|| request.empty_answer()),
        _ => None,
    }
}

/// Accounts that are in no state.
pub(crate) fn accounts(noise: &mut Noise) -> snap::AccountRange {
    let mut keys: Vec<B256> = (0..ROWS).map(|_| noise.hash()).collect();
    keys.sort();
    let proof = (0..8).map(|_| noise.bytes(532)).collect();
    snap::AccountRange { id: 0, accounts: keys.into_iter().map(|key| (key, ACCOUNT)).collect(), proof }
}

fn lie(request: &Message, noise: &mut Noise) -> Option<Message> {
    let answer = match request {
        Message::Snap(snap::Message::GetAccountRange(request)) => {
            snap::Message::AccountRange(snap::AccountRange { id: request.id, ..accounts(noise) })
        }
        Message::Snap(snap::Message::GetStorageRanges(request)) => {
            let set = |_| {
                let mut keys: Vec<B256> = (0..8).map(|_| noise.hash()).collect();
                keys.sort();
                keys.into_iter().map(|key| (key, [1_u8]))
            };
            let sets = request.accounts.iter().map(set).collect();
            snap::Message::StorageRanges(snap::StorageRanges { id: request.id, sets, proof: Vec::new() })
        }
        Message::Snap(snap::Message::GetByteCodes(request)) => {
            let codes = request.hashes.iter().map(|_| noise.bytes(512)).collect();
            snap::Message::ByteCodes(snap::ByteCodes { id: request.id, codes })
        }
        Message::Eth(_) => return receipts_of_nothing(request).or_else(|| request.empty_answer()),
        Message::Snap(_) => return None,
    };
    Some(Message::Snap(answer))
}

/// As large as can be: a proof, or a code, of noise.
fn bloated(request: &Message, noise: &mut Noise) -> Option<Message> {
    // Farther apart than snappy sees: it does not compress.
    let mut bytes = || Bytes::from(noise.bytes(BLOATED_BYTES / 16).repeat(16));
    let answer = match request {
        Message::Snap(snap::Message::GetAccountRange(request)) => {
            snap::Message::AccountRange(snap::AccountRange {
                id: request.id,
                accounts: Default::default(),
                proof: vec![bytes()],
            })
        }
        Message::Snap(snap::Message::GetStorageRanges(request)) => {
            snap::Message::StorageRanges(snap::StorageRanges {
                id: request.id,
                sets: Default::default(),
                proof: vec![bytes()],
            })
        }
        Message::Snap(snap::Message::GetByteCodes(request)) => {
            snap::Message::ByteCodes(snap::ByteCodes { id: request.id, codes: vec![bytes()] })
        }
        Message::Eth(eth::Message::GetReceipts(request)) => {
            let raw = receipts_list(&vec![1; BLOATED_BYTES]);
            return Some(receipts(request, eth::Completeness::Whole, raw?));
        }
        _ => return request.empty_answer(),
    };
    Some(Message::Snap(answer))
}

/// One tiny item more of the first block, and no end of it.
fn dripped(request: &Message) -> Option<Message> {
    let Message::Eth(eth::Message::GetReceipts(request)) = request else { return None };
    // A receipt: type 0, done, one gas, no logs.
    let receipt = [0xc4, 0x80, 0x01, 0x01, 0xc0];
    Some(receipts(request, eth::Completeness::Cut, receipts_list(&receipt)?))
}

/// No receipts, for whatever block.
fn receipts_of_nothing(request: &Message) -> Option<Message> {
    let Message::Eth(eth::Message::GetReceipts(request)) = request else { return None };
    Some(receipts(request, eth::Completeness::Whole, receipts_list(&[])?))
}

fn receipts(request: &eth::GetReceipts, last_block: eth::Completeness, block: BlockReceipts) -> Message {
    let answer = eth::Receipts { id: request.id, last_block, blocks: vec![block] };
    Message::Eth(eth::Message::Receipts(answer))
}

/// A list of these items.
fn receipts_list(items: &[u8]) -> Option<BlockReceipts> {
    let [.., high, middle, low] = items.len().to_be_bytes();
    let head = if items.len() < 56 {
        vec![0xc0 + low]
    } else if high > 0 {
        vec![0xfa, high, middle, low]
    } else {
        vec![0xf9, middle, low]
    };
    BlockReceipts::from_raw(ReceiptForm::Slim, [&head[..], items].concat().into()).ok()
}
