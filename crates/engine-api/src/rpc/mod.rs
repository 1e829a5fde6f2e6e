//! The JSON-RPC of a node: what wallets, scripts and consensus clients ask of blocks, of the state and of the node itself.
//!
//! Trust model: whoever reaches the port may ask anything. A question reads one moment of our disk, is bounded in what it takes ([`Limits`]), and
//! changes nothing; only `admin` moves peers. Answers have geth's shape, and its codes where there is none. `docs/RPC.md` has each method, its
//! bounds, and where it differs.
//!
//! It opens no socket: [`module`] gives the methods to whoever serves them. It sends no transaction, and keeps no filter.

mod accounts;
mod admin;
mod arguments;
mod block_name;
mod blocks;
mod calls;
mod estimates;
mod failure;
mod host;
mod limits;
mod log_filter;
mod logs;
mod message;
mod module;
mod moment;
mod namespaces;
mod network;
mod proofs;
mod receipts;
mod recent;
mod reverts;
mod search;
mod served;
mod slot_key;
mod syncing;
mod transactions;

pub use host::{BadAddress, Dialled, Heads, Host, NodeFigures, PeerBlock, PeerFigures, SyncFigures};
pub use jsonrpsee::Methods;
pub use limits::Limits;
pub use module::module;
pub use namespaces::{Namespace, Namespaces, NoNamespace};
pub use served::Parts;
