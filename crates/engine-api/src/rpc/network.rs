//! Who and where we are: `net`, `web3`, the chain's id, and what this program alone tells.

use alloy_primitives::U64;
use serde_json::Value;

use super::{arguments::Arguments, failure::Result, served::Served};

pub(super) fn chain_id(served: &Served, _: Arguments<'_>) -> Result<U64> {
    Ok(U64::from(served.parts.forks.chain_id))
}

/// In decimal: the one number that is.
pub(super) fn version(served: &Served, _: Arguments<'_>) -> Result<String> {
    Ok(served.parts.host.node().network_id.to_string())
}

pub(super) fn listening(served: &Served, _: Arguments<'_>) -> Result<bool> {
    Ok(served.parts.host.node().listening.is_some())
}

pub(super) fn peer_count(served: &Served, _: Arguments<'_>) -> Result<U64> {
    Ok(U64::from(served.parts.host.peers().len()))
}

pub(super) fn client(served: &Served, _: Arguments<'_>) -> Result<String> {
    Ok(served.parts.host.node().name)
}

pub(super) fn status(served: &Served, _: Arguments<'_>) -> Result<Value> {
    Ok(served.parts.host.status())
}
