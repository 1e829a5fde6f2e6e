//! How peers are reached: RLPx sessions on real sockets.
//!
//! A [`Network`] dials its static peers and takes connections if it is told to, proves who is at the other end
//! (EIP-8 handshake), agrees on versions of eth and snap (Hello), compares chains (Status) and from then on
//! delivers decoded messages to its owner and takes messages to send. It trusts nobody: nothing is inflated,
//! decoded or kept before its MAC and its length were checked, every wait and every queue has a bound, all buffers together have
//! one, and whoever sends what nobody asked for is hung up on.
//!
//! Architecture Invariant: nothing here knows what a message is for. Requests are counted by kind and no answer is judged;
//! discovery does not exist yet.

mod backoff;
#[doc(hidden)]
pub mod bench;
mod config;
mod contact;
mod dialer;
mod ecies;
mod enode;
mod error;
mod event;
mod frame;
mod gate;
mod greeting;
mod handshake;
mod ledger;
mod line;
mod listener;
mod metrics;
mod network;
mod node;
mod parts;
mod point;
mod pool;
#[doc(hidden)]
pub mod raw;
mod record;
mod room;
mod roster;
mod session;
mod session_writer;
mod url;
mod wanted;

#[cfg(test)]
mod hostile_tests;

pub use config::{Config, Limits, LocalChain};
pub use contact::Contact;
pub use enode::{Enode, NodeId};
pub use error::{ChainSide, Error, Unasked, Wait};
pub use event::{Direction, Events, Hold, Message, NetworkEvent, PeerId, PeerUp, SendError};
pub use gate::{Exempt, Origins};
pub use ledger::Allowance;
pub use metrics::{Counter, Metrics};
pub use network::{Handle, Network};
pub use record::RecordError;
pub use url::EnodeError;
