//! From a request to its answer: which snapshot it takes, and which of the answering functions.
//!
//! One request opens the snapshot that it needs, answers, and closes it. What is not a request gets no answer and no blame: judging
//! answers is not the business of a server.

use alloy_primitives::{B256, Bytes};
use snapsync_p2p::Message;
use snapsync_storage::{HistoryStore, StateStore};
use snapsync_wire::{BlockReceipts, Body, EthVersion, Header, eth, snap};

use crate::{
    accounts::answer_account_range, bodies::answer_block_bodies, codes::answer_byte_codes, error::Result,
    headers::answer_block_headers, limits::Limits, lists::answer_block_access_lists, log::RequestKind,
    nodes::answer_trie_nodes, receipts::answer_receipts, storages::answer_storage_ranges,
};

/// Whoever can answer requests. The server takes any; the demo's bad peers are the other kind.
pub trait Answer: Send + Sync + 'static {
    /// The answer to a request of a peer that speaks this version of eth; `None` means silence.
    ///
    /// # Errors
    /// When our disk fails.
    fn answer(&self, version: EthVersion, request: &Message) -> Result<Option<Message>>;
}

/// Answers from a data directory.
#[derive(Clone, Debug)]
pub struct DiskAnswers {
    state: StateStore,
    history: HistoryStore,
    limits: Limits,
}

impl DiskAnswers {
    /// Answers from these stores.
    pub fn new(state: StateStore, history: HistoryStore, limits: Limits) -> Self {
        Self { state, history, limits }
    }

    fn eth(&self, version: EthVersion, request: &eth::Message) -> Result<Option<eth::Message>> {
        let limits = &self.limits;
        Ok(Some(match request {
            eth::Message::GetBlockHeaders(request) => {
                eth::Message::BlockHeaders(answer_block_headers(&self.history.snapshot()?, request, limits)?)
            }
            eth::Message::GetBlockBodies(request) => {
                eth::Message::BlockBodies(answer_block_bodies(&self.history.snapshot()?, request, limits)?)
            }
            eth::Message::GetReceipts(request) => {
                eth::Message::Receipts(answer_receipts(&self.history.snapshot()?, request, version, limits)?)
            }
            eth::Message::GetBlockAccessLists(request) => {
                eth::Message::BlockAccessLists(answer_block_access_lists(request.id, &request.hashes, limits))
            }
            _ => return Ok(None),
        }))
    }

    fn snap(&self, request: &snap::Message) -> Result<Option<snap::Message>> {
        let limits = &self.limits;
        Ok(Some(match request {
            snap::Message::GetAccountRange(request) => {
                snap::Message::AccountRange(answer_account_range(&self.state.snapshot()?, request, limits)?)
            }
            snap::Message::GetStorageRanges(request) => {
                snap::Message::StorageRanges(answer_storage_ranges(&self.state.snapshot()?, request, limits)?)
            }
            snap::Message::GetByteCodes(request) => {
                snap::Message::ByteCodes(answer_byte_codes(&self.state.snapshot()?, request, limits)?)
            }
            snap::Message::GetTrieNodes(request) => {
                snap::Message::TrieNodes(answer_trie_nodes(&self.state.snapshot()?, request, limits)?)
            }
            snap::Message::GetBlockAccessLists(request) => snap::Message::BlockAccessLists(
                answer_block_access_lists(request.id, &request.hashes, limits),
            ),
            _ => return Ok(None),
        }))
    }
}

impl Answer for DiskAnswers {
    fn answer(&self, version: EthVersion, request: &Message) -> Result<Option<Message>> {
        match request {
            Message::Eth(request) => Ok(self.eth(version, request)?.map(Message::Eth)),
            Message::Snap(request) => Ok(self.snap(request)?.map(Message::Snap)),
        }
    }
}

/// The bytes that a request takes while it waits, about.
pub(crate) fn request_bytes(request: &Message) -> usize {
    let hashes = match request {
        Message::Snap(snap::Message::GetStorageRanges(request)) => request.accounts.len(),
        Message::Snap(snap::Message::GetByteCodes(request)) => request.hashes.len(),
        Message::Snap(snap::Message::GetBlockAccessLists(request)) => request.hashes.len(),
        // A path is no longer than a hash, but has an allocation of its own, and may have a set of its own.
        Message::Snap(snap::Message::GetTrieNodes(request)) => {
            4 * request.paths.iter().map(paths).sum::<usize>()
        }
        Message::Eth(eth::Message::GetBlockBodies(request)) => request.hashes.len(),
        Message::Eth(eth::Message::GetReceipts(request)) => request.hashes.len(),
        Message::Eth(eth::Message::GetBlockAccessLists(request)) => request.hashes.len(),
        _ => 0,
    };
    size_of::<Message>() + hashes * size_of::<B256>()
}

fn paths(set: &snap::TriePaths) -> usize {
    match set {
        snap::TriePaths::Account(_) => 1,
        snap::TriePaths::Storage { paths, .. } => 1 + paths.len(),
    }
}

/// The bytes that an answer takes while it waits, about.
pub(crate) fn answer_bytes(answer: &Message) -> usize {
    let sum = |items: &[Bytes]| items.iter().map(|item| size_of::<Bytes>() + item.len()).sum::<usize>();
    let content = match answer {
        Message::Snap(snap::Message::Encoded(answer)) => answer.body().len(),
        Message::Snap(snap::Message::AccountRange(answer)) => {
            answer.accounts.content_bytes() as usize + sum(&answer.proof)
        }
        Message::Snap(snap::Message::StorageRanges(answer)) => {
            answer.sets.rows().content_bytes() as usize + sum(&answer.proof)
        }
        Message::Snap(snap::Message::ByteCodes(answer)) => sum(&answer.codes),
        Message::Snap(snap::Message::TrieNodes(answer)) => sum(&answer.nodes),
        Message::Eth(eth::Message::BlockHeaders(answer)) => {
            answer.headers.iter().map(|header| size_of::<Header>() + header.raw().len()).sum()
        }
        Message::Eth(eth::Message::BlockBodies(answer)) => {
            answer.bodies.iter().map(|body| size_of::<Body>() + body.raw().len()).sum()
        }
        Message::Eth(eth::Message::Receipts(answer)) => {
            answer.blocks.iter().map(|block| size_of::<BlockReceipts>() + block.raw().len()).sum()
        }
        Message::Snap(snap::Message::BlockAccessLists(answer))
        | Message::Eth(eth::Message::BlockAccessLists(answer)) => answer
            .lists
            .iter()
            .map(|list| size_of::<Bytes>() + list.as_ref().map_or(0, |list| list.len()))
            .sum(),
        _ => 0,
    };
    size_of::<Message>() + content
}

/// What a message asks for, and where its range begins if it has one; `None` if it is no request.
pub(crate) fn request_kind(message: &Message) -> Option<(RequestKind, Option<B256>)> {
    let kind = match message {
        Message::Snap(snap::Message::GetAccountRange(request)) => {
            return Some((RequestKind::Accounts, Some(request.origin)));
        }
        Message::Snap(snap::Message::GetStorageRanges(request)) => {
            return Some((RequestKind::Storages, Some(request.origin)));
        }
        Message::Snap(snap::Message::GetByteCodes(_)) => RequestKind::Codes,
        Message::Snap(snap::Message::GetTrieNodes(_)) => RequestKind::Nodes,
        Message::Snap(snap::Message::GetBlockAccessLists(_))
        | Message::Eth(eth::Message::GetBlockAccessLists(_)) => RequestKind::Lists,
        Message::Eth(eth::Message::GetBlockHeaders(_)) => RequestKind::Headers,
        Message::Eth(eth::Message::GetBlockBodies(_)) => RequestKind::Bodies,
        Message::Eth(eth::Message::GetReceipts(_)) => RequestKind::Receipts,
        _ => return None,
    };
    Some((kind, None))
}
