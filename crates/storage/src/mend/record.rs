//! How far a mending has come: a record of the journal, there from its first transaction to its last.
//!
//! ```text
//! version 1 ++ step (1) ++ next (2) ++ proven (1)
//! ++ counted (8 each): accounts, slots, codes
//! ++ mended of the state (8 each): records, packs, ranges, storages, branches, codes
//! ++ seal (4)
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    record::{Reader, push_seal},
    state::{progress::MEND_KEY, tables::PROGRESS},
};

const VERSION: u8 = 1;

/// What a mending found of our own disk, and put right or left to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// Records of the journal that could not be read; they were made anew.
    pub records: u64,
    /// Packs of rows or branches that could not be read, and were dropped.
    pub packs: u64,
    /// Ranges of accounts that are missing now, with their storages.
    pub ranges: u64,
    /// Storages that are pending now: slots are missing, or are not those that their accounts claim.
    pub storages: u64,
    /// Stored branches that were not those of their rows: written anew, or taken away.
    pub branches: u64,
    /// Codes that were not what their hashes say, and were dropped.
    pub codes: u64,
    /// Headers that were not what their hashes say; those below them are asked for again.
    pub headers: u64,
    /// Bodies and receipts that are missing now.
    pub blocks: u64,
    /// Rows of the history that no header vouches for, and that went.
    pub rows: u64,
}

impl Mended {
    /// Counts what another mending has found, too.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.packs += other.packs;
        self.ranges += other.ranges;
        self.storages += other.storages;
        self.branches += other.branches;
        self.codes += other.codes;
        self.headers += other.headers;
        self.blocks += other.blocks;
        self.rows += other.rows;
    }

    /// Whether nothing was wrong that this could see.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// What a mending does, one after the other. Branches come before rows: where rows get lost, the packs of branches above them are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    #[default]
    AccountBranchPacks,
    StorageBranchPacks,
    AccountPacks,
    SlotPacks,
    Codes,
    AccountTrie,
    Root,
    Storages,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::AccountBranchPacks,
        Self::StorageBranchPacks,
        Self::AccountPacks,
        Self::SlotPacks,
        Self::Codes,
        Self::AccountTrie,
        Self::Root,
        Self::Storages,
    ];

    /// The step after this one.
    pub(crate) fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }
}

/// Rows that there are, counted anew: nobody knows how many a dropped pack held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) accounts: u64,
    pub(crate) slots: u64,
    pub(crate) codes: u64,
}

/// A mending that is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MendRecord {
    pub(crate) step: Step,
    /// Sub-tries of the step that are done.
    pub(crate) next: u16,
    /// Whether the account rows give the target's root: then what they claim is true.
    pub(crate) is_proven: bool,
    pub(crate) counted: Counted,
    pub(crate) mended: Mended,
}

impl MendRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.step as u8];
        out.extend_from_slice(&self.next.to_be_bytes());
        out.push(u8::from(self.is_proven));
        let Counted { accounts, slots, codes } = self.counted;
        // The history is mended apart.
        let Mended { records, packs, ranges, storages, branches, codes: codes_lost, .. } = self.mended;
        for count in [accounts, slots, codes, records, packs, ranges, storages, branches, codes_lost] {
            out.extend_from_slice(&count.to_be_bytes());
        }
        push_seal(&MEND_KEY, &mut out);
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self> {
        let mut reader = Reader::versioned(PROGRESS.name, &MEND_KEY, value, ("mending", VERSION))?;
        let step = Step::ALL.get(usize::from(reader.u8()?)).copied();
        let step = step.ok_or_else(|| reader.wrong("no mending has this step"))?;
        let next = u16::from(reader.u8()?) << 8 | u16::from(reader.u8()?);
        let is_proven = reader.u8()? != 0;
        let counted = Counted { accounts: reader.u64()?, slots: reader.u64()?, codes: reader.u64()? };
        let mended = Mended {
            records: reader.u64()?,
            packs: reader.u64()?,
            ranges: reader.u64()?,
            storages: reader.u64()?,
            branches: reader.u64()?,
            codes: reader.u64()?,
            ..Mended::default()
        };
        reader.end()?;
        Ok(Self { step, next, is_proven, counted, mended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_no_shorter_one_does() {
        let record = MendRecord {
            step: Step::Storages,
            next: 255,
            is_proven: true,
            counted: Counted { accounts: 1, slots: 2, codes: 3 },
            mended: Mended {
                records: 4,
                packs: 5,
                ranges: 6,
                storages: 7,
                branches: 8,
                codes: 9,
                ..Mended::default()
            },
        };
        let bytes = record.encode();
        assert_eq!(MendRecord::decode(&bytes).unwrap(), record);
        for len in 0..bytes.len() {
            assert!(MendRecord::decode(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn steps_follow_each_other_to_the_last() {
        let mut steps = vec![Step::default()];
        while let Some(next) = steps[steps.len() - 1].next() {
            steps.push(next);
        }
        assert_eq!(steps, Step::ALL);
    }
}
