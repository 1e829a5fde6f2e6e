//! What no peer has, and how a person hears of it.
//!
//! It says what is missing and not what follows from that.

use std::fmt;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{BlockRange, TargetId};

/// What no peer has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// The state of a target.
    State {
        /// The target.
        target: TargetId,
    },
    /// A code.
    Code {
        /// Its hash.
        hash: B256,
    },
    /// A header that was named by its hash: the target's, or that of a checkpoint above it.
    Header {
        /// Its hash.
        hash: B256,
    },
    /// Headers, of which the highest one's hash is known.
    Headers {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Access lists.
    Lists {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Bodies.
    Bodies {
        /// The blocks.
        blocks: BlockRange,
    },
    /// Receipts.
    Receipts {
        /// The blocks.
        blocks: BlockRange,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // SPEC: geth and others serve the states of their newest 128 blocks, as snap asks for.
            Self::State { .. } => {
                f.write_str("its state (peers serve the states of about the newest 128 blocks)")
            }
            Self::Code { hash } => write!(f, "code {hash}"),
            Self::Header { hash } => write!(f, "header {hash}"),
            Self::Headers { blocks } => of_blocks(f, ["header", "headers"], *blocks),
            Self::Lists { blocks } => of_blocks(f, ["access list", "access lists"], *blocks),
            Self::Bodies { blocks } => of_blocks(f, ["body", "bodies"], *blocks),
            // Receipts are many even of one block.
            Self::Receipts { blocks } => of_blocks(f, ["receipts", "receipts"], *blocks),
        }
    }
}

/// Names things of one block or of several.
fn of_blocks(f: &mut fmt::Formatter<'_>, [one, many]: [&str; 2], blocks: BlockRange) -> fmt::Result {
    if blocks.first == blocks.last {
        return write!(f, "{one} of block {}", blocks.first);
    }
    write!(f, "{many} of blocks {} to {}", blocks.first, blocks.last)
}
