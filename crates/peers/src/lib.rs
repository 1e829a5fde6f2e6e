//! Whom to ask: the peer book, with rates, deadlines, outcomes and scores.
//!
//! The book knows what each peer said about itself, how it answered until now, what it refused, and what is in flight on
//! it; it chooses whom to ask, for how much and until when. It sends nothing and judges no answer: an [`Outcome`] comes
//! from the one place that proved it. Trust: none. "I don't have it" blames nobody; a range that a race may have broken sets
//! its peer aside for a while; a proved lie costs the peer its score, then its connection. What was learned of a peer outlives
//! its connection.

mod ask;
mod book;
mod choice;
mod config;
mod doubt;
mod entry;
mod fault;
mod pace;
mod past;
mod profile;
mod rate;
mod refusal;
mod score;
mod seed;
mod summary;
mod trial;

pub use ask::{Ask, LATEST_SLACK};
pub use book::Book;
pub use choice::Offer;
pub use config::Config;
pub use fault::{Fault, Outcome};
pub use pace::Delivery;
pub use profile::{Head, Noun, PeerId, PeerKind, PeerNode, PeerProfile};
pub use rate::Rate;
pub use score::{Regard, Score};
pub use seed::Seed;
pub use snapsync_trie::Fault as RangeFault;
pub use summary::PeerSummary;
