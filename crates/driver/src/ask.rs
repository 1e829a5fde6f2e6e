//! A request becomes a message on the wire, and a message an answer to a request.
//!
//! Trusts nobody: an answer is only sorted here, by kind and id; it is proved by the workers. It decides nothing.

use alloy_primitives::{B256, Bytes};
use snapsync_p2p::Message;
use snapsync_peers::{Head, Noun};
use snapsync_stream::{HeaderStart, Request, WantedNode, What};
use snapsync_sync::{BlockRange, HashRange};
use snapsync_wire::{eth, snap};

/// An answer's content, as it was decoded and before it is proved.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Accounts with their proof.
    Accounts(snap::AccountRange),
    /// Slots of one account or many.
    Storages(snap::StorageRanges),
    /// Codes.
    Codes(snap::ByteCodes),
    /// Trie nodes.
    Nodes(snap::TrieNodes),
    /// Access lists.
    Lists(eth::BlockAccessLists),
    /// Headers.
    Headers(eth::BlockHeaders),
    /// Bodies.
    Bodies(eth::BlockBodies),
    /// Receipts, in the form of the peer's eth version.
    Receipts(eth::Receipts),
}

impl Payload {
    /// The noun.
    pub(crate) fn noun(&self) -> Noun {
        match self {
            Self::Accounts(_) => Noun::Accounts,
            Self::Storages(_) => Noun::Storages,
            Self::Codes(_) => Noun::Codes,
            Self::Nodes(_) => Noun::Nodes,
            Self::Lists(_) => Noun::Lists,
            Self::Headers(_) => Noun::Headers,
            Self::Bodies(_) => Noun::Bodies,
            Self::Receipts(_) => Noun::Receipts,
        }
    }
}

/// A message of a peer, sorted.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// An answer, under the id that it carries.
    Answer {
        /// The id.
        request: u64,
        /// Its content.
        payload: Payload,
    },
    /// The peer's blocks have changed.
    Range {
        /// The blocks that it serves; `None` if what it says makes no range.
        blocks: Option<BlockRange>,
        /// Its newest block.
        head: Head,
    },
    /// Gossip: nothing that a sync needs.
    Other,
}

/// Sorts a message.
pub(crate) fn sort(message: Message) -> Incoming {
    let (request, payload) = match message {
        Message::Snap(snap::Message::AccountRange(answer)) => (answer.id, Payload::Accounts(answer)),
        Message::Snap(snap::Message::StorageRanges(answer)) => (answer.id, Payload::Storages(answer)),
        Message::Snap(snap::Message::ByteCodes(answer)) => (answer.id, Payload::Codes(answer)),
        Message::Snap(snap::Message::TrieNodes(answer)) => (answer.id, Payload::Nodes(answer)),
        Message::Eth(eth::Message::BlockAccessLists(answer))
        | Message::Snap(snap::Message::BlockAccessLists(answer)) => (answer.id, Payload::Lists(answer)),
        Message::Eth(eth::Message::BlockHeaders(answer)) => (answer.id, Payload::Headers(answer)),
        Message::Eth(eth::Message::BlockBodies(answer)) => (answer.id, Payload::Bodies(answer)),
        Message::Eth(eth::Message::Receipts(answer)) => (answer.id, Payload::Receipts(answer)),
        Message::Eth(eth::Message::BlockRangeUpdate(range)) => {
            let blocks = BlockRange::new(range.earliest, range.latest);
            let head = Head { number: Some(range.latest), hash: range.latest_hash };
            return Incoming::Range { blocks, head };
        }
        Message::Eth(_) | Message::Snap(_) => return Incoming::Other,
    };
    Incoming::Answer { request, payload }
}

/// Which of a peer's protocols has access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListsBy {
    /// eth/71.
    Eth,
    /// snap/2, beside an older eth.
    Snap,
}

/// The message that a request is sent as. `hashes` are those of the blocks whose bodies, receipts or lists it asks for.
pub(crate) fn message(request: &Request, hashes: Vec<B256>, lists_by: ListsBy) -> Message {
    let (id, response_bytes) = (request.id.0, request.response_bytes);
    match &request.what {
        What::Accounts { root, range, .. } => accounts(id, *root, *range, response_bytes),
        What::Renewal { root, account, .. } => {
            accounts(id, *root, HashRange::single(*account), response_bytes)
        }
        What::Storages { root, claims, .. } => {
            snap(snap::Message::GetStorageRanges(snap::GetStorageRanges {
                id,
                root: *root,
                accounts: claims.iter().map(|claim| claim.account).collect(),
                origin: B256::ZERO,
                limit: B256::repeat_byte(0xff),
                response_bytes,
            }))
        }
        What::StorageRange { root, claim, range, .. } => {
            slots(id, *root, claim.account, *range, response_bytes)
        }
        What::Codes { hashes } => snap(snap::Message::GetByteCodes(snap::GetByteCodes {
            id,
            hashes: hashes.clone(),
            response_bytes,
        })),
        What::Nodes { root, nodes, .. } => snap(snap::Message::GetTrieNodes(snap::GetTrieNodes {
            id,
            root: *root,
            paths: paths(nodes),
            response_bytes,
        })),
        What::Repair { root, node, .. } => match node.account {
            None => accounts(id, *root, node.range(), response_bytes),
            Some(account) => slots(id, *root, account, node.range(), response_bytes),
        },
        What::Lists { .. } | What::ListsAbove { .. } | What::LeftList { .. } => match lists_by {
            ListsBy::Eth => eth(eth::Message::GetBlockAccessLists(eth::GetBlockAccessLists { id, hashes })),
            ListsBy::Snap => snap(snap::Message::GetBlockAccessLists(snap::GetBlockAccessLists {
                id,
                hashes,
                response_bytes,
            })),
        },
        What::Headers { start, count } => headers(id, *start, *count),
        What::Bodies { .. } => eth(eth::Message::GetBlockBodies(eth::GetBlockBodies { id, hashes })),
        What::Receipts { first_receipt, .. } => eth(eth::Message::GetReceipts(eth::GetReceipts {
            id,
            first_receipt_index: *first_receipt,
            hashes,
        })),
    }
}

/// Where nodes stand; those of one storage that follow each other go together.
fn paths(nodes: &[WantedNode]) -> Vec<snap::TriePaths> {
    let mut sets: Vec<snap::TriePaths> = Vec::new();
    for WantedNode { account, claim } in nodes {
        let path = Bytes::from(claim.path().to_compact());
        match (account, sets.last_mut()) {
            (None, _) => sets.push(snap::TriePaths::Account(path)),
            (Some(account), Some(snap::TriePaths::Storage { account: last, paths }))
                if last.as_ref() == account.as_slice() =>
            {
                paths.push(path);
            }
            (Some(account), _) => {
                let account = Bytes::copy_from_slice(account.as_slice());
                sets.push(snap::TriePaths::Storage { account, paths: vec![path] });
            }
        }
    }
    sets
}

/// Numbers and hashes of the headers in an answer.
pub(crate) fn blocks(payload: &Payload) -> Vec<(u64, B256)> {
    let Payload::Headers(answer) = payload else { return Vec::new() };
    answer.headers.iter().map(|header| (header.number, header.hash())).collect()
}

/// Number and hash of the first header in an answer.
pub(crate) fn first_header(payload: &Payload) -> Option<(u64, B256)> {
    let Payload::Headers(answer) = payload else { return None };
    answer.headers.first().map(|header| (header.number, header.hash()))
}

/// Asks for the header at a height.
pub(crate) fn header_by_number(id: u64, number: u64) -> Message {
    headers(id, HeaderStart::Number(number), 1)
}

/// Asks for headers upward from a height.
pub(crate) fn headers_from(id: u64, number: u64, limit: u64) -> Message {
    let (start, direction) = (eth::BlockStart::Number(number), eth::Direction::Rising);
    eth(eth::Message::GetBlockHeaders(eth::GetBlockHeaders { id, start, limit, skip: 0, direction }))
}

fn accounts(id: u64, root: B256, range: HashRange, response_bytes: u64) -> Message {
    let (origin, limit) = (range.start(), range.last());
    snap(snap::Message::GetAccountRange(snap::GetAccountRange { id, root, origin, limit, response_bytes }))
}

fn slots(id: u64, root: B256, account: B256, range: HashRange, response_bytes: u64) -> Message {
    let (accounts, origin, limit) = (vec![account], range.start(), range.last());
    snap(snap::Message::GetStorageRanges(snap::GetStorageRanges {
        id,
        root,
        accounts,
        origin,
        limit,
        response_bytes,
    }))
}

fn headers(id: u64, start: HeaderStart, count: u64) -> Message {
    let start = match start {
        HeaderStart::Hash(hash) | HeaderStart::Linked { hash, .. } => eth::BlockStart::Hash(hash),
        HeaderStart::Number(number) => eth::BlockStart::Number(number),
    };
    let direction = eth::Direction::Falling;
    eth(eth::Message::GetBlockHeaders(eth::GetBlockHeaders { id, start, limit: count, skip: 0, direction }))
}

fn eth(message: eth::Message) -> Message {
    Message::Eth(message)
}

fn snap(message: snap::Message) -> Message {
    Message::Snap(message)
}
