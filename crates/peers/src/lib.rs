//! Whom to ask: the peer book, with rates, deadlines, outcomes and scores.
//!
//! The book knows what each peer said about itself, how it answered until now, what it refused, and what is in flight on
//! it; it chooses whom to ask, for how much and until when. It sends nothing and judges no answer: an [`Outcome`] comes
//! from the one place that proved it. Trust: none. "I don't have it" blames nobody; a proved lie costs the peer its
//! score, then its connection.

mod ask;
mod book;
mod config;
mod fault;
mod pace;
mod profile;
mod rate;
mod score;
mod seed;
mod summary;

pub use ask::Ask;
pub use book::{Book, Offer};
pub use config::Config;
pub use fault::{Fault, Outcome};
pub use pace::Delivery;
pub use profile::{Head, Noun, PeerId, PeerKind, PeerProfile};
pub use rate::Rate;
pub use score::{Score, Standing};
pub use seed::Seed;
pub use snapsync_trie::Fault as RangeFault;
pub use summary::PeerSummary;
