//! The Engine API and the JSON-RPC of a node.

mod node;

pub use node::{Node, Stopped};
