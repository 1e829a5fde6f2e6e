//! What is held of the accounts: a row for each stretch of keys that stand alike, mirrored in the writer's memory.
//!
//! ```text
//! key      where the stretch begins; the next row ends it      32 bytes
//! value    standing ++ seal                                     5 ++ 4 bytes
//! ```
//!
//! A standing is a byte (0 missing, 1 held as of a target, 2 mixed) and the target's id, zero if it has none. No row at all: nothing is
//! held. There are some dozens while ranges are open, and one more for each row whose storage is older than it, up to a limit.

use alloy_primitives::B256;
use snapsync_trie::{Coverage, HashRange, Standing, TargetId};

use crate::{
    env::{ReadTxn, WriteTxn},
    error::{Error, Result},
    record::{Reader, push_seal},
    state::{
        accounts::hash_key,
        fences::Fences,
        tables::{ACCOUNT_RANGES, STANDING_BYTES},
    },
};

const MISSING: u8 = 0;
const AT: u8 = 1;
const MIXED: u8 = 2;

/// What is held of the accounts, and its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountCoverage {
    now: Coverage,
}

impl AccountCoverage {
    pub(crate) fn load(txn: &ReadTxn) -> Result<Self> {
        let mut marks = Vec::new();
        let mut cursor = txn.cursor(ACCOUNT_RANGES)?;
        let mut row = cursor.seek(&[])?;
        while let Some((key, value)) = row {
            let start = hash_key(ACCOUNT_RANGES.name, key)?;
            let mut reader = Reader::sealed(ACCOUNT_RANGES.name, key, value)?;
            marks.push((start, standing(&mut reader)?));
            reader.end()?;
            row = cursor.next()?;
        }
        if marks.is_empty() {
            return Ok(Self::default());
        }
        let now = Coverage::from_marks(marks);
        let wrong = "the ranges do not begin at the first key, or neighbours are one";
        now.map(|now| Self { now }).ok_or_else(|| Error::corrupt(ACCOUNT_RANGES.name, &[], wrong))
    }

    /// What is held is this, whatever was; the table is empty.
    pub(crate) fn anew(txn: &WriteTxn<'_>, held: Coverage) -> Result<Self> {
        let mut anew = Self::default();
        anew.replace(txn, held)?;
        Ok(anew)
    }

    /// The rows of a range are gone.
    pub(crate) fn lose(&mut self, txn: &WriteTxn<'_>, range: HashRange) -> Result<()> {
        let mut after = self.now.clone();
        after.set(range, Standing::Missing);
        self.replace(txn, after)
    }

    pub(crate) const fn get(&self) -> &Coverage {
        &self.now
    }

    /// Fences between the branches on both sides of each gap.
    pub(crate) fn branch_fences(&self) -> Fences {
        Fences::of_branches(self.now.gaps().map(|gap| gap.start()))
    }

    /// Accounts of `covered` are held now, as of `target`: the pieces of it that were missing.
    pub(crate) fn fill(
        &mut self,
        txn: &WriteTxn<'_>,
        covered: HashRange,
        target: TargetId,
    ) -> Result<Vec<HashRange>> {
        let mut after = self.now.clone();
        let pieces = after.fill(covered, target);
        self.replace(txn, after)?;
        Ok(pieces)
    }

    /// The row at `key` is as old as this, if it is not older.
    pub(crate) fn lower(&mut self, txn: &WriteTxn<'_>, key: B256, standing: Standing) -> Result<()> {
        let mut after = self.now.clone();
        after.set(HashRange::single(key), after.at(key).older(standing));
        self.replace(txn, after)
    }

    /// Rows of these pieces are of `target` now.
    pub(crate) fn renew(&mut self, txn: &WriteTxn<'_>, pieces: &[HashRange], target: TargetId) -> Result<()> {
        let mut after = self.now.clone();
        pieces.iter().for_each(|piece| after.set(*piece, Standing::At(target)));
        self.replace(txn, after)
    }

    /// What is held as of `from` is held as of `to` from now on.
    pub(crate) fn rename(&mut self, txn: &WriteTxn<'_>, from: TargetId, to: TargetId) -> Result<()> {
        let mut after = self.now.clone();
        after.rename(from, to);
        self.replace(txn, after)
    }

    /// How all stand once nothing is known any more of the rows at these keys; nothing, if those are too many to be told apart.
    pub(crate) fn doubted(&self, keys: &[B256]) -> Option<Coverage> {
        let mut after = self.now.clone();
        keys.iter().for_each(|key| after.set(HashRange::single(*key), Standing::Mixed));
        (after.marks().len() <= Coverage::STRETCHES_MAX).then_some(after)
    }

    /// All stand like this from now on: writes the rows that differ.
    pub(crate) fn replace(&mut self, txn: &WriteTxn<'_>, mut after: Coverage) -> Result<()> {
        after.join(Coverage::STRETCHES_MAX);
        let (before, marks) = (self.now.marks(), after.marks());
        // Of what is missing altogether there is no row, so the first one that differs may be the first of all.
        let is_new = self.now.is_missing();
        for (start, _) in before.iter().filter(|mark| !is_new && !holds(marks, &mark.0)) {
            txn.delete(ACCOUNT_RANGES, start.as_slice())?;
        }
        let stays = |mark: &(B256, Standing)| {
            let at = before.binary_search_by_key(&mark.0, |(start, _)| *start);
            at.is_ok_and(|at| before[at] == *mark)
        };
        for mark in marks.iter().filter(|mark| is_new || !stays(mark)) {
            let mut value = Vec::with_capacity(STANDING_BYTES + 4);
            push_standing(mark.1, &mut value);
            push_seal(mark.0.as_slice(), &mut value);
            txn.put(ACCOUNT_RANGES, mark.0.as_slice(), &value)?;
        }
        self.now = after;
        Ok(())
    }
}

fn holds(marks: &[(B256, Standing)], start: &B256) -> bool {
    marks.binary_search_by_key(start, |(start, _)| *start).is_ok()
}

/// Appends a standing.
pub(crate) fn push_standing(standing: Standing, out: &mut Vec<u8>) {
    let (tag, target) = match standing {
        Standing::Missing => (MISSING, TargetId(0)),
        Standing::At(target) => (AT, target),
        Standing::Mixed => (MIXED, TargetId(0)),
    };
    out.push(tag);
    out.extend_from_slice(&target.0.to_be_bytes());
}

/// Reads a standing.
pub(crate) fn standing(reader: &mut Reader<'_>) -> Result<Standing> {
    match (reader.u8()?, reader.u32()?) {
        (MISSING, 0) => Ok(Standing::Missing),
        (AT, target) => Ok(Standing::At(TargetId(target))),
        (MIXED, 0) => Ok(Standing::Mixed),
        _ => Err(reader.wrong("how rows stand is unknown")),
    }
}
