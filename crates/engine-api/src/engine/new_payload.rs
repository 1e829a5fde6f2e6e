//! `engine_newPayload`: a payload is read and hashed here, and taken by the node if it is what it says.

use alloy_primitives::B256;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use snapsync_execute::{Forks, NewPayload};

use crate::engine::{
    block::PayloadFault, context::Context, payload::PayloadCall, status::PayloadStatus, version::Version,
};

/// A payload's hash, and the payload or what it is answered at once.
type Checked = (B256, Result<NewPayload, PayloadStatus>);

/// Answers one call.
pub(super) async fn answer(
    version: Version,
    context: &Context,
    params: Params<'static>,
) -> Result<PayloadStatus, ErrorObjectOwned> {
    let forks = context.forks.clone();
    let (hash, payload) = context.apart(move || check(version, &forks, &params)).await??;
    let payload = match payload {
        Ok(payload) => payload,
        Err(status) => return Ok(status),
    };
    let node = context.node.clone();
    let verdict = context.turns.wait(async move { node.new_payload(payload).await }).await??;
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
