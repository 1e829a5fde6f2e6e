//! Which of the lists of a transaction are brought to rows together, and to which rows.
//!
//! ```text
//! list of block      11    12    13    14
//! rows stand at   10          12               those at 10 come to 12 with two lists at once, and with those that stand there to 14 by two more
//! ```
//!
//! A list goes to rows that are of its block's parent. Those that follow each other bring the same rows on, until rows of another target stand
//! where these have come to: from there on both are brought, under one name. It does not know what a list says.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use snapsync_trie::TargetId;

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        apply_list::{self, Brought, Grown},
        claim::BlockClaim,
        coverage::AccountCoverage,
        list::CheckedList,
        pending,
        progress::{SyncRecord, TargetRecord},
        targets::{Joined, Targets},
        write::{BlockOutcome, ListedBlock},
    },
};

/// What became of a list, and codes that were waited for and came with it.
pub(crate) type Told = (ListedBlock, Vec<B256>);

/// What is known of the rows that lists are brought to.
pub(crate) struct Runs<'l> {
    pub(crate) held: &'l mut AccountCoverage,
    pub(crate) targets: &'l mut Targets,
    pub(crate) record: &'l SyncRecord,
}

impl Runs<'_> {
    /// Brings lists to rows, in their order; says what became of each, and how many rows there are more than before.
    pub(crate) fn apply(mut self, txn: &WriteTxn<'_>, lists: &[CheckedList]) -> Result<(Vec<Told>, Grown)> {
        let (mut rest, mut told) = (lists, Vec::with_capacity(lists.len()));
        let mut grown = Grown::default();
        while !rest.is_empty() {
            let (run, later) = rest.split_at(self.run_len(rest));
            rest = later;
            let more = self.apply_run(txn, run, &mut told)?;
            grown.accounts += more.accounts;
            grown.slots += more.slots;
            grown.codes += more.codes;
        }
        Ok((told, grown))
    }

    /// Targets whose rows a list is brought to: those of its block's parent. A whole state takes blocks by [`Write::Block`], which can be taken back.
    fn moved_by(&self, claim: &BlockClaim) -> BTreeSet<TargetId> {
        if self.record.progress.whole().is_some() {
            return BTreeSet::new();
        }
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::WriterBug::ListOutOfOrder) {
            return self.targets.below(claim.number);
        }
        self.targets.at(claim.parent)
    }

    /// Whether no rows stand where those do that a list is brought to.
    fn meets_nobody(&self, claim: &BlockClaim) -> bool {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::is(crate::WriterBug::ListsPastMeeting) {
            return true;
        }
        self.moved_by(claim).is_empty()
    }

    /// How many of these, from the first on, bring the same rows from block to block: until rows of another target stand at the same one.
    fn run_len(&self, lists: &[CheckedList]) -> usize {
        let follows = |pair: &[CheckedList]| {
            let (one, next) = (pair[0].claim(), pair[1].claim());
            next.parent == one.hash && self.meets_nobody(&next)
        };
        match lists.first().map(|first| self.moved_by(&first.claim()).len()) {
            Some(1) => 1 + lists.windows(2).take_while(|pair| follows(pair)).count(),
            _ => 1,
        }
    }

    /// What blocks left that follow each other, where rows are of the first one's parent.
    fn apply_run(&mut self, txn: &WriteTxn<'_>, run: &[CheckedList], told: &mut Vec<Told>) -> Result<Grown> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Grown::default()) };
        let moves = self.moved_by(&first.claim());
        if moves.is_empty() {
            told.extend(run.iter().map(|list| (ListedBlock::left(list.claim()), Vec::new())));
            return Ok(Grown::default());
        }
        let (brought, grown) = apply_list::apply(txn, self.held.get(), &moves, self.record.commits, run)?;
        let BlockClaim { number, hash, root, .. } = last.claim();
        let block = TargetRecord { id: TargetId::default(), number, hash, root };
        let mut joined = self.bring(txn, &moves, &block)?;
        for (list, Brought { unsettled, codes }) in run.iter().zip(brought) {
            let claim = list.claim();
            // Rows of two targets meet at the last block, or else it would not be the last.
            let joined = if claim == last.claim() { joined.take() } else { None };
            told.push((ListedBlock { claim, outcome: BlockOutcome::Applied, joined, unsettled }, codes));
        }
        Ok(grown)
    }

    /// Rows of these targets are of this block now; of several that meet there one name stays.
    pub(crate) fn bring(
        &mut self,
        txn: &WriteTxn<'_>,
        moves: &BTreeSet<TargetId>,
        block: &TargetRecord,
    ) -> Result<Option<Joined>> {
        let joined = self.targets.bring(txn, moves, block)?;
        if let Some(Joined { newest, older }) = &joined {
            older.iter().try_for_each(|older| self.held.rename(txn, *older, *newest))?;
            pending::rename(txn, older, *newest)?;
        }
        Ok(joined)
    }
}
