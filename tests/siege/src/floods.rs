//! What strangers say unasked, again and again.

use alloy_primitives::{B256, Bytes};
use snapsync_p2p::Message;
use snapsync_wire::{BlockRange, eth, snap};

use crate::{Kind, noise::Noise};

/// As many as the protocol's own clients ask for at most.
const LOOK_UPS: usize = 1024;

/// The messages that a stranger of this kind repeats. None, if it only answers.
pub(crate) fn messages(kind: Kind, noise: &mut Noise) -> Vec<Message> {
    match kind {
        Kind::Ranges => ranges(noise),
        Kind::Codes => [LOOK_UPS, 65_536].map(|hashes| codes(noise, hashes)).into(),
        Kind::Storages => vec![storages(noise), accounts(noise)],
        Kind::Receipts => vec![receipts(noise), bodies(noise)],
        Kind::Gossip => vec![transactions(&noise.bytes(120 << 10)), transactions(&vec![0; 4 << 20])],
        Kind::Unasked => unasked(noise),
        Kind::Deaf => vec![codes(noise, LOOK_UPS), headers(), storages(noise)],
        _ => Vec::new(),
    }
}

fn ranges(noise: &mut Noise) -> Vec<Message> {
    let range = |latest| BlockRange { earliest: 0, latest, latest_hash: noise.hash() };
    (1..100).map(range).map(|range| Message::Eth(eth::Message::BlockRangeUpdate(range))).collect()
}

fn codes(noise: &mut Noise, hashes: usize) -> Message {
    let hashes = vec![noise.hash(); hashes];
    Message::Snap(snap::Message::GetByteCodes(snap::GetByteCodes {
        id: noise.number(),
        hashes,
        response_bytes: 2 << 20,
    }))
}

fn storages(noise: &mut Noise) -> Message {
    Message::Snap(snap::Message::GetStorageRanges(snap::GetStorageRanges {
        id: noise.number(),
        root: noise.hash(),
        accounts: (0..LOOK_UPS).map(|_| noise.hash()).collect(),
        origin: B256::ZERO,
        limit: B256::repeat_byte(0xff),
        response_bytes: 2 << 20,
    }))
}

fn accounts(noise: &mut Noise) -> Message {
    Message::Snap(snap::Message::GetAccountRange(snap::GetAccountRange {
        id: noise.number(),
        root: noise.hash(),
        origin: B256::ZERO,
        limit: B256::repeat_byte(0xff),
        response_bytes: 2 << 20,
    }))
}

fn receipts(noise: &mut Noise) -> Message {
    let hashes = vec![noise.hash(); LOOK_UPS];
    let request = eth::GetReceipts { id: noise.number(), first_receipt_index: 0, hashes };
    Message::Eth(eth::Message::GetReceipts(request))
}

fn bodies(noise: &mut Noise) -> Message {
    let hashes = vec![noise.hash(); LOOK_UPS];
    Message::Eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id: noise.number(), hashes }))
}

fn headers() -> Message {
    Message::Eth(eth::Message::GetBlockHeaders(eth::GetBlockHeaders {
        id: 7,
        start: eth::BlockStart::Number(0),
        limit: LOOK_UPS as u64,
        skip: 0,
        direction: eth::Direction::Rising,
    }))
}

/// One transaction of these bytes, in a list.
fn transactions(content: &[u8]) -> Message {
    // Heads of three bytes of length: of a string, and of the list around it.
    let head = |first: u8, length: usize| {
        let [.., high, middle, low] = length.to_be_bytes();
        [first, high, middle, low]
    };
    let body = [&head(0xfa, content.len() + 4)[..], &head(0xba, content.len()), content].concat();
    Message::Eth(eth::Message::Gossip(eth::Gossip { id: 0x02, body: body.into() }))
}

fn unasked(noise: &mut Noise) -> Vec<Message> {
    let codes: Vec<Bytes> = (0..4).map(|_| noise.bytes(24 << 10)).collect();
    let accounts = snap::AccountRange { id: noise.number(), ..crate::lies::accounts(noise) };
    vec![
        Message::Snap(snap::Message::ByteCodes(snap::ByteCodes { id: noise.number(), codes })),
        Message::Snap(snap::Message::AccountRange(accounts)),
    ]
}
