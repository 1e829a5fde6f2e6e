//! Why a head is not taken, in words for whoever named it.
//!
//! It decides nothing: the planner of heads does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a head that was named is not, or not yet, the top of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadRefusal {
    /// No block has this hash: it is zero, or all ones.
    NoBlock,
    /// No connected peer has its header, or those below it. It is asked for until another head is named.
    Unknown,
    /// It lies below the top of the chain that is held, on that chain.
    Older,
    /// Its chain does not contain the checkpoint.
    OffCheckpoint,
    /// Its chain does not descend from our genesis.
    OtherGenesis,
}

impl fmt::Display for HeadRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBlock => "no block has this hash",
            Self::Unknown => {
                "no connected peer has its headers; they are asked for until another head is named"
            }
            Self::Older => "it lies below the newest block that is held, on the same chain",
            Self::OffCheckpoint => "its chain does not contain the checkpoint",
            Self::OtherGenesis => "its chain does not descend from our genesis",
        })
    }
}
