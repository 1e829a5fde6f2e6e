//! The account ranges that are not held: a row each, mirrored in the writer's memory.
//!
//! ```text
//! key      first key of the gap          32 bytes
//! value    last key, inclusive ++ target ++ seal    32 ++ 4 ++ 4 bytes
//! ```
//!
//! Invariant: the gaps are disjoint, and no account row lies in one of them. There are as many as ranges are open, some
//! dozens, so the mirror is small.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_trie::HashRange;

use crate::{
    env::{ReadTxn, WriteTxn},
    error::Result,
    record::{Reader, push_seal},
    state::{accounts::hash_key, fences::Fences, journal::AccountGap, tables::ACCOUNT_GAPS},
};

/// All account gaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountGaps {
    /// By first key: last key and target.
    gaps: BTreeMap<B256, (B256, u32)>,
}

impl AccountGaps {
    pub(crate) fn load(txn: &ReadTxn) -> Result<Self> {
        let mut gaps = BTreeMap::new();
        let mut cursor = txn.cursor(ACCOUNT_GAPS)?;
        let mut row = cursor.seek(&[])?;
        let mut free_from = Some(B256::ZERO);
        while let Some((key, value)) = row {
            let start = hash_key(ACCOUNT_GAPS.name, key)?;
            let mut reader = Reader::sealed(ACCOUNT_GAPS.name, key, value)?;
            let (last, target) = (reader.hash()?, reader.u32()?);
            if last < start || free_from.is_none_or(|free| start < free) {
                return Err(reader.wrong("gaps overlap or end before they start"));
            }
            reader.end()?;
            free_from = HashRange::after(last);
            gaps.insert(start, (last, target));
            row = cursor.next()?;
        }
        Ok(Self { gaps })
    }

    pub(crate) fn list(&self) -> Vec<AccountGap> {
        self.gaps
            .iter()
            .map(|(start, (last, target))| AccountGap { range: range(*start, *last), target: *target })
            .collect()
    }

    /// The whole key space is missing, for `target`.
    pub(crate) fn open_all(&mut self, txn: &WriteTxn<'_>, target: u32) -> Result<()> {
        self.put(txn, HashRange::FULL, target)
    }

    /// The parts of `covered` that are missing, rising.
    pub(crate) fn within(&self, covered: HashRange) -> Vec<HashRange> {
        let before = self.gaps.range(..covered.start()).next_back();
        let inside = self.gaps.range(covered.start()..=covered.last());
        before
            .into_iter()
            .chain(inside)
            .filter_map(|(start, (last, _))| range(*start, *last).intersection(&covered))
            .collect()
    }

    /// Fences between the branches on both sides of each gap.
    pub(crate) fn branch_fences(&self) -> Fences {
        Fences::of_branches(self.gaps.keys().copied())
    }

    /// Takes one piece, as [`AccountGaps::within`] gave it, out of the gap that it lies in. Returns the gap's target.
    pub(crate) fn shrink(&mut self, txn: &WriteTxn<'_>, piece: HashRange) -> Result<u32> {
        let (start, (last, target)) = self
            .gaps
            .range(..=piece.start())
            .next_back()
            .map(|(start, gap)| (*start, *gap))
            .expect("a piece is a part of a gap that is still there");
        self.gaps.remove(&start);
        txn.delete(ACCOUNT_GAPS, start.as_slice())?;
        if start < piece.start() {
            let end = HashRange::before(piece.start()).expect("something lies before it: the gap's start");
            self.put(txn, range(start, end), target)?;
        }
        if piece.last() < last {
            let next = HashRange::after(piece.last()).expect("something lies behind it: the gap's last");
            self.put(txn, range(next, last), target)?;
        }
        Ok(target)
    }

    fn put(&mut self, txn: &WriteTxn<'_>, gap: HashRange, target: u32) -> Result<()> {
        let mut value = gap.last().to_vec();
        value.extend_from_slice(&target.to_be_bytes());
        push_seal(gap.start().as_slice(), &mut value);
        self.gaps.insert(gap.start(), (gap.last(), target));
        txn.put(ACCOUNT_GAPS, gap.start().as_slice(), &value)
    }
}

fn range(start: B256, last: B256) -> HashRange {
    HashRange::new(start, last).expect("a gap was checked to start before its end when it was made")
}
