//! How peers are reached: RLPx sessions on real sockets.
//!
//! A [`Network`] dials its static peers and takes connections if it is told to, proves who is at the other end
//! (EIP-8 handshake), agrees on versions of eth and snap (Hello), compares chains (Status) and from then on
//! delivers decoded messages to its owner and takes messages to send. It trusts nobody: nothing is inflated,
//! decoded or kept before its MAC and its length were checked, and every wait and every queue has a bound.
//!
//! Architecture Invariant: nothing here knows what a message is for. No request is tracked and no answer judged;
//! discovery does not exist yet.

mod backoff;
#[doc(hidden)]
pub mod bench;
mod config;
mod dialer;
mod ecies;
mod enode;
mod error;
mod event;
mod frame;
mod greeting;
mod handshake;
mod line;
mod listener;
mod metrics;
mod network;
mod pool;
mod record;
mod roster;
mod session;
mod session_writer;

#[cfg(test)]
mod hostile_tests;

pub use config::{Config, Limits, LocalChain};
pub use enode::{Enode, EnodeError, NodeId};
pub use error::{Error, Wait};
pub use event::{Direction, Events, Message, NetworkEvent, PeerId, PeerUp, SendError};
pub use metrics::{Counter, Metrics};
pub use network::{Handle, Network};
pub use record::RecordError;
