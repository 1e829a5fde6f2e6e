//! The eth protocol, versions 68 to 71: headers, bodies, receipts, block ranges and access lists.
//!
//! Gossip of transactions is recognised and left unread: a node that syncs has no use for it, and a peer
//! that sends it has done nothing wrong. Blocks are announced by consensus clients since the merge; from
//! eth/69 on their announcements are unknown messages.

mod blocks;
mod message;
mod receipts;

pub use blocks::{
    BlockAccessLists, BlockBodies, BlockHeaders, BlockStart, Direction, GetBlockAccessLists, GetBlockBodies,
    GetBlockHeaders,
};
pub use message::{Gossip, Message};
pub use receipts::{Completeness, GetReceipts, Receipts};
