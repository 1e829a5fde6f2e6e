//! What a consensus client gives and names, and what a node says of it: payloads and forkchoice of the Engine API, as all in the house call
//! them.
//!
//! Source: <https://github.com/ethereum/execution-apis/blob/main/src/engine/paris.md>. They say nothing of JSON.

use alloy_primitives::{B256, Bytes};
use snapsync_wire::{Body, Header};

/// A block that the consensus client gave. Whoever makes one has compared its hash.
#[derive(Clone, Debug)]
pub struct NewPayload {
    /// The header that hashes to the hash that was said.
    pub header: Header,
    /// The body; that it is the header's is looked at when the block is taken.
    pub body: Body,
    /// The block's access list (EIP-7928), from Amsterdam on.
    pub list: Option<Bytes>,
}

/// What is known of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadVerdict {
    /// It was executed, or its list applied, and its root is its header's; so was every block before it, or the state was verified above them.
    Valid,
    /// It is bad, or one of its ancestors is.
    Invalid {
        /// The newest ancestor that is not, where it is known.
        latest_valid: Option<B256>,
        /// What is wrong.
        reason: String,
    },
    /// What it builds on is not here yet.
    Syncing,
    /// It lies beside the chain, and what it builds on is here: it is taken when it is named.
    Accepted,
}

/// What a consensus client names: the head of its chain, and what it holds for safe and final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forkchoice {
    /// Hash of the head block.
    pub head: B256,
    /// Hash of the safe block; zero when there is none.
    pub safe: B256,
    /// Hash of the finalized block; zero when there is none.
    pub finalized: B256,
}

impl Forkchoice {
    /// A head and nothing else: a standing target.
    pub fn head(head: B256) -> Self {
        Self { head, safe: B256::ZERO, finalized: B256::ZERO }
    }
}

/// What became of a forkchoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkchoiceVerdict {
    /// The head's state is ours and on the disk, and the chain is the head's; where the head is an ancestor of what is held, nothing has changed.
    Valid,
    /// The head is bad, or one of its ancestors is.
    Invalid {
        /// The newest ancestor that is not, where it is known.
        latest_valid: Option<B256>,
        /// What is wrong.
        reason: String,
    },
    /// What leads to the head is being fetched.
    Syncing,
    /// The head is good, and the safe or the finalized block is no ancestor of it.
    Inconsistent,
}
