//! `engine_newPayload`: a payload is read and hashed here, and taken by the node if it is what it says.

use std::sync::Arc;

use alloy_primitives::B256;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use snapsync_execute::{Forks, NewPayload};

use crate::{
    engine::{
        block::PayloadFault, codes::server_error, payload::PayloadCall, status::PayloadStatus, turns::Turns,
        version::Version,
    },
    node::Node,
};

/// A payload's hash, and the payload or what it is answered at once.
type Checked = (B256, Result<NewPayload, PayloadStatus>);

/// Answers one call.
pub(super) async fn answer(
    version: Version,
    forks: &Arc<Forks>,
    turns: &Turns,
    node: &Arc<dyn Node>,
    params: Params<'static>,
) -> Result<PayloadStatus, ErrorObjectOwned> {
    let forks = forks.clone();
    // BLOCKING: megabytes of hex are read and hashed.
    let checked = tokio::task::spawn_blocking(move || check(version, &forks, &params));
    let (hash, payload) = checked.await.map_err(server_error)??;
    let payload = match payload {
        Ok(payload) => payload,
        Err(status) => return Ok(status),
    };
    let node = node.clone();
    let verdict = turns.wait(async move { node.new_payload(payload).await }).await??;
    Ok(PayloadStatus::of(hash, verdict))
}

/// Reads a payload. One that is bad in itself never comes before the node.
fn check(version: Version, forks: &Forks, params: &Params<'_>) -> Result<Checked, ErrorObjectOwned> {
    let call = PayloadCall::read(version, forks, params)?;
    let hash = B256::from(call.payload.block_hash);
    let payload = call.into_block().map_err(|fault| {
        let reason = fault.to_string();
        tracing::debug!(%hash, reason, "a payload is bad in itself");
        match fault {
            // SPEC: shanghai.md: later versions call it invalid.
            PayloadFault::Hash { .. } if version == Version::V1 => PayloadStatus::bad_hash(reason),
            _ => PayloadStatus::bad(reason),
        }
    });
    Ok((hash, payload))
}
