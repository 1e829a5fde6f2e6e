//! The access lists that a peer keeps: those of the newest blocks, with holes, and how it says that it has none.
//!
//! What it says of lists that it has is true; lies are in `tamper`.

use alloy_primitives::{B256, Bytes};

use crate::{chance::Chance, states::States, story::Kept};

/// What a peer sends in the place of a list that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// Nothing: 0x80.
    Nothing,
    /// An empty list, 0xc0, as besu does.
    EmptyList,
    /// Neither this one nor any behind it.
    End,
}

/// The lists of one peer.
#[derive(Clone, Copy, Debug)]
pub struct Shelf {
    /// How many blocks before the newest it has the lists of; none, if it does not speak of lists.
    kept: Option<usize>,
    /// How many of them in a thousand it lacks all the same.
    holes_per_mille: u64,
    absent: Absent,
    /// Which ones.
    salt: u64,
    /// Whether it has none of blocks that the chain has left.
    forgets_left: bool,
}

impl Shelf {
    /// Of a peer that does not speak of lists.
    pub(crate) const NONE: Self =
        Self { kept: None, holes_per_mille: 0, absent: Absent::Nothing, salt: 0, forgets_left: false };

    /// Of the nth peer.
    pub(crate) fn draw(nth: usize, kept: Kept, chance: &mut Chance) -> Self {
        let absent = [Absent::Nothing, Absent::EmptyList, Absent::End][chance.index(3)];
        let shelf = Self {
            kept: Some([2, 6, usize::MAX][chance.index(3)]),
            holes_per_mille: [0, 0, 100, 300][chance.index(4)],
            absent,
            salt: chance.draw(),
            forgets_left: false,
        };
        let forgets_left = match kept {
            Kept::OfTheChain => true,
            Kept::ByTheFirst if nth == 0 => shelf.salt.is_multiple_of(8),
            _ => shelf.salt.is_multiple_of(2),
        };
        let (shelf, speaks) = (Self { forgets_left, ..shelf }, chance.hits(700));
        match kept {
            Kept::Nowhere => Self::NONE,
            Kept::ByTheFirst | Kept::OfTheChain if nth == 0 => {
                Self { kept: Some(usize::MAX), holes_per_mille: 0, ..shelf }
            }
            _ if speaks => shelf,
            _ => Self::NONE,
        }
    }

    /// Whether it speaks of lists.
    pub(crate) fn is_open(&self) -> bool {
        self.kept.is_some()
    }

    /// What of an answer it has to say, if it is at this block.
    pub(crate) fn tell(
        &self,
        states: &States,
        newest: usize,
        asked: &[B256],
        lists: Vec<Option<Bytes>>,
    ) -> Vec<Option<Bytes>> {
        let mut told = Vec::new();
        for (hash, list) in asked.iter().zip(lists) {
            match (list.filter(|_| self.has(states, newest, hash)), self.absent) {
                (None, Absent::End) => break,
                (None, Absent::EmptyList) => told.push(Some(Bytes::from_static(&[0xc0]))),
                (list, _) => told.push(list),
            }
        }
        told
    }

    fn has(&self, states: &States, newest: usize, hash: &B256) -> bool {
        let Some(block) = states.list(hash).map(|(block, _)| block) else { return false };
        let oldest = newest.saturating_sub(self.kept.unwrap_or(0));
        let draw = Chance::new(self.salt ^ block as u64).below(1000);
        // Some forget the blocks of a chain with the chain, others keep all of the last while.
        let is_forgotten = self.forgets_left && states.is_left(hash);
        self.kept.is_some()
            && !is_forgotten
            && (oldest..=newest).contains(&block)
            && draw >= self.holes_per_mille
    }
}
