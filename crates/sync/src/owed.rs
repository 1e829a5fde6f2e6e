//! Storages that owe their root: an access list has changed their slots, and what their tries give, their accounts' rows take.
//!
//! Nobody claims anything of them, so they lead nobody, are copied to nobody and hold back no accounts. They may be very many, and are counted only;
//! who derives them finds them on the disk. Those of which slots are missing, or whose accounts a left block changed, are known by name: their
//! accounts are asked again, and then there is a claim that the slots can be asked for by.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use crate::{Coverage, Effect, HashRange, PendingStorage, Standing};

/// Whether somebody derives what is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Round {
    #[default]
    Due,
    Begun,
}

/// What is owed.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// Those of which slots are missing, or whose accounts are not known any more.
    cut: BTreeSet<B256>,
    /// How many there are beside those.
    filled: usize,
    round: Round,
}

impl Owed {
    pub(crate) fn new(pendings: &[PendingStorage], accounts: &Coverage) -> Self {
        let mut owed = Self::default();
        for pending in pendings.iter().filter(|pending| pending.expected.is_none()) {
            // One account of which nothing is known is asked again by its name.
            let mut here = accounts.within(HashRange::FULL);
            let is_doubtful = accounts.at(pending.account) == Standing::Mixed
                && here.any(|(range, _)| range == HashRange::single(pending.account));
            if pending.is_filled() && !is_doubtful {
                owed.filled += 1;
            } else {
                owed.cut.insert(pending.account);
            }
        }
        owed
    }

    pub(crate) fn len(&self) -> usize {
        self.filled + self.cut.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Accounts that are to be asked again.
    pub(crate) fn cut(&self) -> &BTreeSet<B256> {
        &self.cut
    }

    /// Rows of these pieces were asked again: they claim something, or nothing, and owe no longer.
    pub(crate) fn renewed(&mut self, pieces: &[HashRange]) {
        if !self.cut.is_empty() {
            self.cut.retain(|account| !pieces.iter().any(|piece| piece.contains(account)));
        }
    }

    /// Slots of a storage have changed, and all of them are held.
    pub(crate) fn owe(&mut self) {
        self.filled += 1;
        self.round = Round::Due;
    }

    /// Slots of a storage have changed, and some are missing.
    pub(crate) fn owe_cut(&mut self, account: B256) {
        self.cut.insert(account);
    }

    /// An account's row took its root, or is gone.
    pub(crate) fn taken(&mut self, account: &B256) {
        if !self.cut.remove(account) {
            self.filled = self.filled.saturating_sub(1);
        }
    }

    /// One has changed while it was derived.
    pub(crate) fn derive_again(&mut self) {
        self.round = Round::Due;
    }

    /// Has those derived that are held.
    pub(crate) fn plan(&mut self, out: &mut Vec<Effect>) {
        if self.round == Round::Due && self.filled > 0 {
            self.round = Round::Begun;
            out.push(Effect::RebuildOwed);
        }
    }
}
