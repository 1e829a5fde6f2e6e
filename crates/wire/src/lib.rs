//! What peers say: the messages of eth/68..71 and snap/1..2, both ways.
//!
//! Pure: bytes in, values out, and back. It trusts nobody: every list is counted before room is made for
//! it, every length is checked against what was received, and no input panics. It does not judge content:
//! a well-formed lie (a wrong header, a forged proof) decodes here and is found out by `snapsync-trie`.
//!
//! What is hashed somewhere is kept as received: headers, transactions, receipts, accounts, lists. Unknown
//! trailing header fields and unknown transaction types therefore survive a round trip unread. What no hash or
//! root is over is refused.
//!
//! Received payloads are [`Bytes`](alloy_primitives::Bytes), and what is decoded from one are slices of it:
//! nothing is copied, and a value kept alive keeps its whole message alive.

mod access_list;
mod body;
mod capability;
mod error;
mod fork;
mod header;
mod receipt;
mod rlp;
mod status;
mod version;

pub mod eth;
pub mod limits;
pub mod p2p;
pub mod snap;

pub use access_list::{AccessList, AccountAccess};
pub use body::Body;
pub use capability::{Capability, Routed, Shared};
pub use error::{Error, RlpFault};
pub use fork::{ChainHead, ForkFault, ForkFilter, ForkId};
pub use header::{Header, HeaderFields};
pub use p2p::{Disconnect, DisconnectReason, Hello};
pub use receipt::{BlockReceipts, PostState, Receipt, ReceiptForm, consensus_receipts};
pub use status::{BlockRange, Status, StatusFault};
pub use version::{EthVersion, Protocol, SnapVersion};
