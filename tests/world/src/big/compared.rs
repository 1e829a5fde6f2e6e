//! Nodes of a walk beside ours: which children differ, and which rows.
//!
//! It looks at keys that are known to differ, and changes none.

use std::{collections::BTreeSet, ops::RangeInclusive};

use snapsync_stream::WantedNode;
use snapsync_sync::{HashRange, TargetId};

use super::{
    ground::{Ground, Whose},
    rows::Rows,
    truth::upper,
};

/// A node of so many leaves, or fewer, is on a page of its own that is not in memory: those above are few.
const FEW: u64 = 16;

/// Rows that differ, by their keys' upper bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Healed {
    pub(crate) accounts: Vec<u64>,
    pub(crate) slots: Vec<(u32, Vec<u64>)>,
}

/// What came of comparing.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// What is to be asked for next.
    pub(crate) below: Vec<WantedNode>,
    /// Rows that differ, if any do.
    pub(crate) healed: Option<Healed>,
    /// Nodes that lie on pages of their own.
    pub(crate) few: u32,
}

/// Compares nodes of a target's tries with ours.
pub(crate) fn compare(ground: &Ground, rows: &mut Rows, target: TargetId, nodes: &[WantedNode]) -> Compared {
    let block = rows.own(target);
    let (mut compared, mut healed) = (Compared::default(), Healed::default());
    for node in nodes {
        let whose = ground.whose(node);
        let range = node.claim.path().range();
        compared.few += u32::from(ground.leaves(whose, &range) <= FEW);
        let differing = rows.differs(ground, whose, block);
        match ground.below(node, block, |range| differs(differing, range)) {
            Some(next) => compared.below.extend(next),
            None => healed.add(whose, differing.range(within(&range)).copied()),
        }
    }
    compared.healed = Some(healed).filter(|healed| !(healed.accounts.is_empty() && healed.slots.is_empty()));
    compared
}

impl Healed {
    fn add(&mut self, whose: Whose, keys: impl Iterator<Item = u64>) {
        let Whose::Contract(contract) = whose else { return self.accounts.extend(keys) };
        let keys: Vec<u64> = keys.collect();
        match self.slots.last_mut() {
            _ if keys.is_empty() => {}
            Some((last, known)) if *last == contract => known.extend(keys),
            _ => self.slots.push((contract, keys)),
        }
    }
}

fn differs(keys: &BTreeSet<u64>, range: &HashRange) -> bool {
    keys.range(within(range)).next().is_some()
}

fn within(range: &HashRange) -> RangeInclusive<u64> {
    upper(&range.start())..=upper(&range.last())
}
