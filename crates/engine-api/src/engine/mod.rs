//! The Engine API: what a consensus client calls, checked by the rules of each version, and answered by a [`Node`](crate::Node).
//!
//! The caller has the secret and may still be wrong, or of another fork: each parameter is read strictly, into bounded memory, and a payload
//! is hashed before the node sees it. It builds no blocks and holds no blobs.
//!
//! Source: <https://github.com/ethereum/execution-apis/tree/main/src/engine>, from Paris to Amsterdam.

mod attributes;
mod block;
mod bodies;
mod codes;
mod context;
mod forkchoice;
mod json;
mod module;
mod new_payload;
mod params;
mod payload;
mod queries;
mod status;
mod turns;
mod version;

pub use module::EngineApi;
pub use queries::ClientVersion;
