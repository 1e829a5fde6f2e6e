//! `engine_forkchoiceUpdated`: the node is told what the head is, and what of a block that is to be built is wrong is told.

use alloy_primitives::{B256, Bytes};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Deserialize;
use snapsync_execute::{Forkchoice, ForkchoiceVerdict};
use snapsync_wire::Header;

use crate::engine::{
    attributes::{self, Parent},
    codes::{invalid_forkchoice_state, server_error},
    context::Context,
    json::Fixed,
    params,
    status::ForkchoiceStatus,
    version::Version,
};

/// `ForkchoiceStateV1`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForkchoiceState {
    head_block_hash: Fixed<32>,
    safe_block_hash: Fixed<32>,
    finalized_block_hash: Fixed<32>,
}

/// Answers one call.
pub(super) async fn answer(
    version: Version,
    context: &Context,
    params: Params<'static>,
) -> Result<ForkchoiceStatus, ErrorObjectOwned> {
    let list = params::list(&params, 1, if version >= Version::V4 { 3 } else { 2 })?;
    let state: ForkchoiceState = params::read_object(list[0])?;
    // Whose columns a client keeps matters to whoever has a pool of blobs.
    if let Some(columns) = list.get(2) {
        params::read::<Option<Fixed<16>>>(columns)?;
    }
    let forkchoice = Forkchoice {
        head: state.head_block_hash.into(),
        safe: state.safe_block_hash.into(),
        finalized: state.finalized_block_hash.into(),
    };
    if forkchoice.head.is_zero() {
        return Err(invalid_forkchoice_state("the head is zero"));
    }
    let node = context.node.clone();
    let verdict = context.turns.wait(async move { node.choose(forkchoice).await }).await??;
    let is_valid = verdict == ForkchoiceVerdict::Valid;
    let status = ForkchoiceStatus::of(forkchoice.head, verdict).ok_or_else(|| {
        invalid_forkchoice_state("the safe or the finalized block is no ancestor of the head")
    })?;
    // SPEC: paris.md, 8: attributes are looked at when the head is valid and has been chosen, and what is wrong with them changes nothing.
    let attributes = list.get(1).filter(|attributes| attributes.get() != "null");
    if let Some(attributes) = attributes.filter(|_| is_valid) {
        // BLOCKING: one row is read, of a block that was just taken.
        let parent = parent(context, forkchoice.head).map_err(server_error)?;
        attributes::check(version, &context.forks, attributes, parent)?;
    }
    Ok(status)
}

/// What is known of a block that something is to be built on.
fn parent(context: &Context, head: B256) -> snapsync_storage::Result<Option<Parent>> {
    let of = |header: &Header| Parent { number: header.number, timestamp: header.timestamp };
    if head == context.genesis.hash() {
        return Ok(Some(of(&context.genesis)));
    }
    let snapshot = context.history.snapshot()?;
    let raw = snapshot.header_by_hash(&head)?.map(Bytes::copy_from_slice);
    // What is held was read when it came.
    let header = raw.and_then(|raw| Header::decode(&raw).ok());
    Ok(header.as_ref().map(of))
}
