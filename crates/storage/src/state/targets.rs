//! The targets that rows and pendings name, and where the rows of each have been brought to.
//!
//! ```text
//! key      id                                                     4
//! value    version 1 ++ number 8 ++ block hash ++ state root      what was asked of peers
//!          ++ optional number 8 ++ block hash ++ state root       where access lists have brought the rows since
//!          seal                                                   4
//! ```
//!
//! An answer is true at the block that was asked for. Once lists were applied to a target's rows they are of a later block, so answers
//! that come after that are dropped: what they say may be out of date, and nobody would tell.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_trie::TargetId;

use crate::{
    env::WriteTxn,
    error::{Error, Result},
    record::{Reader, push_seal},
    state::{
        progress::{PROGRESS_VERSION, TargetRecord},
        tables::TARGETS,
    },
};

/// A target, and where its rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTarget {
    /// What was asked of peers.
    pub asked: TargetRecord,
    /// The block that access lists have brought its rows to; `None`: they are as they were asked for.
    pub brought_to: Option<TargetRecord>,
}

impl KnownTarget {
    /// The block at which rows of this target are true, if they are not newer.
    pub fn place(&self) -> TargetRecord {
        self.brought_to.unwrap_or(self.asked)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![PROGRESS_VERSION];
        push_block(&mut out, &self.asked);
        out.push(u8::from(self.brought_to.is_some()));
        if let Some(block) = &self.brought_to {
            push_block(&mut out, block);
        }
        push_seal(&self.asked.id.0.to_be_bytes(), &mut out);
        out
    }

    /// Reads a row of `Targets`.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let mut name = Reader::new(TARGETS.name, key, key);
        let id = TargetId(name.u32()?);
        name.end()?;
        let mut reader = Reader::versioned(TARGETS.name, key, value, ("target", PROGRESS_VERSION))?;
        let asked = block(id, &mut reader)?;
        let brought_to = reader.option(|reader| block(id, reader))?;
        reader.end()?;
        Ok(Self { asked, brought_to })
    }
}

fn push_block(out: &mut Vec<u8>, block: &TargetRecord) {
    out.extend_from_slice(&block.number.to_be_bytes());
    out.extend_from_slice(block.hash.as_slice());
    out.extend_from_slice(block.root.as_slice());
}

fn block(id: TargetId, reader: &mut Reader<'_>) -> Result<TargetRecord> {
    Ok(TargetRecord { id, number: reader.u64()?, hash: reader.hash()?, root: reader.hash()? })
}

/// Whether answers of a target are still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Taken,
    /// Its rows are of a later block now.
    Outdated,
    /// Nobody has recorded it.
    Unknown,
}

/// Targets that have met at one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The one whose name all their rows have from now on.
    pub newest: TargetId,
    /// Names that nothing has any more.
    pub older: BTreeSet<TargetId>,
}

/// All targets there are, mirrored in the writer's memory.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    known: BTreeMap<TargetId, KnownTarget>,
}

impl Targets {
    pub(crate) fn new(known: Vec<KnownTarget>) -> Self {
        Self { known: known.into_iter().map(|target| (target.asked.id, target)).collect() }
    }

    pub(crate) fn answers(&self, target: TargetId) -> Answers {
        match self.known.get(&target) {
            Some(KnownTarget { brought_to: None, .. }) => Answers::Taken,
            Some(_) => Answers::Outdated,
            // It has become one with a newer one.
            None if self.known.last_key_value().is_some_and(|(newest, _)| target < *newest) => {
                Answers::Outdated
            }
            None => Answers::Unknown,
        }
    }

    /// The root of what is asked of peers under this name.
    pub(crate) fn root(&self, target: TargetId) -> Option<B256> {
        self.known.get(&target).map(|known| known.asked.root)
    }

    /// Records what is asked of peers. A name means one block for good: rows that carry it would be of two.
    pub(crate) fn record(&mut self, txn: &WriteTxn<'_>, asked: TargetRecord) -> Result<()> {
        match self.known.get(&asked.id) {
            Some(known) if known.asked == asked => Ok(()),
            Some(_) => Err(Error::Refused { why: "a target that is recorded is another block" }),
            None => self.put(txn, KnownTarget { asked, brought_to: None }),
        }
    }

    /// No row is of an older target than this.
    pub(crate) fn forget_below(&mut self, txn: &WriteTxn<'_>, id: TargetId) -> Result<()> {
        let kept = self.known.split_off(&id);
        for older in std::mem::replace(&mut self.known, kept).into_keys() {
            txn.delete(TARGETS, &older.0.to_be_bytes())?;
        }
        Ok(())
    }

    /// The state is whole, and of this block now.
    pub(crate) fn replace(&mut self, txn: &WriteTxn<'_>, asked: TargetRecord) -> Result<()> {
        self.put(txn, KnownTarget { asked, brought_to: None })
    }

    fn put(&mut self, txn: &WriteTxn<'_>, target: KnownTarget) -> Result<()> {
        let id = target.asked.id;
        txn.put(TARGETS, &id.0.to_be_bytes(), &target.encode())?;
        self.known.insert(id, target);
        Ok(())
    }

    /// Targets whose rows are at the block of this hash.
    pub(crate) fn at(&self, hash: B256) -> BTreeSet<TargetId> {
        self.known
            .values()
            .filter(|target| target.place().hash == hash)
            .map(|target| target.asked.id)
            .collect()
    }

    /// Targets whose rows are at the block of this hash and may become those of a lower one: of two targets the later is not of a lower block.
    pub(crate) fn may_retreat(&self, hash: B256, number: u64) -> BTreeSet<TargetId> {
        let here = self.at(hash);
        let is_in_the_way = |known: &KnownTarget| {
            let id = known.asked.id;
            here.last().is_some_and(|newest| id < *newest)
                && !here.contains(&id)
                && known.place().number > number
        };
        if self.known.values().any(is_in_the_way) { BTreeSet::new() } else { here }
    }

    /// Targets whose rows are at lower blocks.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn below(&self, number: u64) -> BTreeSet<TargetId> {
        let below = self.known.values().filter(|target| target.place().number < number);
        below.map(|target| target.asked.id).collect()
    }

    /// Targets whose rows are at higher blocks.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn above(&self, number: u64) -> BTreeSet<TargetId> {
        let above = self.known.values().filter(|target| target.place().number > number);
        above.map(|target| target.asked.id).collect()
    }

    /// Rows of these targets are of this block now. Of several that meet at one block the newest stays: says which one, and which
    /// others have become one with it.
    pub(crate) fn bring(
        &mut self,
        txn: &WriteTxn<'_>,
        moved: &BTreeSet<TargetId>,
        block: &TargetRecord,
    ) -> Result<Option<Joined>> {
        for id in moved {
            let Some(target) = self.known.get(id).copied() else { continue };
            self.put(txn, KnownTarget { brought_to: Some(TargetRecord { id: *id, ..*block }), ..target })?;
        }
        let mut older = self.at(block.hash);
        let Some(newest) = older.pop_last().filter(|_| !older.is_empty()) else { return Ok(None) };
        for id in &older {
            self.known.remove(id);
            txn.delete(TARGETS, &id.0.to_be_bytes())?;
        }
        Ok(Some(Joined { newest, older }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(fill: u8) -> TargetRecord {
        let hash = B256::repeat_byte(fill);
        TargetRecord { id: TargetId(7), number: u64::from(fill), hash, root: hash }
    }

    #[test]
    fn a_target_reads_back_and_no_shorter_one_does() {
        for brought_to in [None, Some(record(9))] {
            let target = KnownTarget { asked: record(3), brought_to };
            let (key, bytes) = ([0, 0, 0, 7], target.encode());
            assert_eq!(KnownTarget::decode(&key, &bytes).unwrap(), target);
            for len in 0..bytes.len() {
                assert!(KnownTarget::decode(&key, &bytes[..len]).is_err(), "{len}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            if let Some(version) = bytes.first_mut() {
                *version = PROGRESS_VERSION;
            }
            push_seal(&[0, 0, 0, 7], &mut bytes);
            let _ = KnownTarget::decode(&[0, 0, 0, 7], &bytes);
        }
    }
}
