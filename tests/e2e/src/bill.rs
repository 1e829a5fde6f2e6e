//! What a sync from a geth whose chain moves has cost: bytes over the line, beside those of one download of the chain that stands
//! still, and beside what its blocks have changed.
//!
//! It trusts geth's lists of changes, and counts on the line. It judges nothing but one bound.

use std::{fmt, ops::RangeInclusive, path::Path, time::Duration};

use alloy_primitives::Bytes;

use crate::{Error, cache::Tools, chain::TestChain, geth::Geth, order::Order, relay::Relay};

/// What blocks bring may come so many times: as they are, as the nodes above what they change, and once more where a walk was cut off.
const TIMES_MAX: u64 = 3;

/// Of the access list of a block of a calm life, in the mean.
const CALM_LIST_BYTES: u64 = 3_386;

/// Bytes that came down a line, and what they are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Over the line in all.
    pub fetched: u64,
    /// By a sync of the chain below all that was made.
    pub download: u64,
    /// Blocks above the first target, whose state came in part.
    pub blocks: u64,
    /// What they bring: themselves, and what they change.
    pub changes: u64,
}

impl Bill {
    /// Whether no more was fetched than once all, and what changed three times.
    pub fn is_fair(&self) -> bool {
        self.fetched <= self.download + TIMES_MAX * self.changes
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fetched, download, blocks, changes } = self;
        let beyond = fetched.saturating_sub(*download) as f64 / *changes as f64;
        write!(
            f,
            "{fetched} bytes: a download ({download}) and {beyond:.2} times what {blocks} blocks bring ({changes})"
        )
    }
}

/// The bytes that a sync of `chain` takes while it stands still.
pub fn download(tools: &Tools, chain: &TestChain, folder: &Path, patience: Duration) -> Result<u64, Error> {
    let geth = chain.serve(tools, folder)?;
    let line = Relay::start(geth.peer_address())?;
    let order = Order::to_head_of(chain, geth.enode_at(line.address()), folder.join("snapsync"));
    let finished = order.run(patience)?;
    if finished.code() != Some(0) {
        return Err(Error::Chain(format!("it was not synced: {}", finished.stderr)));
    }
    Ok(line.passed().down_bytes)
}

/// What the canonical `blocks` of geth bring, in bytes: the blocks themselves, their receipts, and what they change, as their access lists say
/// it. Where some of them have none, each counts as much as the others do; where none has one, as much as is usual in a calm life.
pub fn changes(geth: &Geth, blocks: RangeInclusive<u64>) -> Result<u64, Error> {
    /// Calls may be about 1,024 blocks.
    const CALL_BLOCKS: u64 = 512;
    let (mut lists, mut listed, mut history) = (0, 0, 0);
    let mut first = *blocks.start();
    while first <= *blocks.end() {
        let last = (*blocks.end()).min(first + CALL_BLOCKS - 1);
        let (count, bytes) = geth.engine()?.lists(first..=last)?;
        (lists, listed, first) = (lists + count, listed + bytes, last + 1);
    }
    for number in blocks.clone() {
        let receipts = geth.rpc().raw_receipts(number)?;
        history += geth.rpc().raw_block(number)?.len() + receipts.iter().map(without_bloom).sum::<usize>();
    }
    let wanted = (blocks.end() + 1).saturating_sub(*blocks.start());
    Ok(listed.checked_div(lists).unwrap_or(CALM_LIST_BYTES) * wanted + history as u64)
}

/// Since eth/69 receipts come without their blooms.
fn without_bloom(receipt: &Bytes) -> usize {
    const BLOOM_BYTES: usize = 256;
    receipt.len().saturating_sub(BLOOM_BYTES)
}
