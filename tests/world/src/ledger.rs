//! The model of the history's writer: headers, bodies and receipts in plain maps, and which chain is canonical.
//!
//! It finds a fork by walking, each time anew, and keeps no pieces but their ends: simpler than the writer, and slower. The real one
//! must say and claim the same.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_storage::Descent;
use snapsync_sync::{
    BlockGaps, BlockRange, Finality, Head, HeaderFloor, HeaderPiece, HeaderReach, HeaderSegment, Join,
};

use crate::chain::Header;

/// Blocks by number and hash.
pub type Blocks = BTreeSet<(u64, B256)>;

/// What is durable of the chain.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// All headers, canonical or not.
    pub headers: BTreeMap<(u64, B256), Header>,
    /// The chain that counts.
    pub canonical: BTreeMap<u64, B256>,
    /// The canonical headers.
    pub held: Option<HeaderPiece>,
    /// Those of a later head that has not met them.
    pub descent: Option<HeaderPiece>,
    /// Bodies that are held.
    pub bodies_held: Blocks,
    /// Receipts that are held.
    pub receipts_held: Blocks,
    /// Canonical blocks without a body.
    pub bodies: BlockGaps,
    /// Canonical blocks without receipts.
    pub receipts: BlockGaps,
    /// Blocks that are wanted.
    pub wanted: Option<BlockRange>,
}

impl Ledger {
    /// Opens gaps.
    pub fn want(&mut self, blocks: BlockRange) {
        let first = self.wanted.map_or(blocks.first, |wanted| wanted.first.max(wanted.last + 1));
        let last = self.held.map_or(blocks.last, |held| blocks.last.min(held.head.number));
        let Some(more) = BlockRange::new(first, last) else { return };
        self.wanted = Some(self.wanted.map_or(more, |wanted| BlockRange { last, ..wanted }));
        self.open(more);
    }

    /// Opens gaps of what is not held.
    fn open(&mut self, range: BlockRange) {
        self.bodies.insert(range);
        self.receipts.insert(range);
        for (gaps, held) in [(&mut self.bodies, &self.bodies_held), (&mut self.receipts, &self.receipts_held)]
        {
            for (number, hash) in held {
                if range.contains(*number) && self.canonical.get(number) == Some(hash) {
                    gaps.remove(BlockRange { first: *number, last: *number });
                }
            }
        }
    }

    /// Keeps bodies; says which are canonical.
    pub fn keep_bodies(&mut self, blocks: &[Header]) -> Vec<BlockRange> {
        let canonical = self.canonical_of(blocks.iter().map(|block| (block.number, block.hash)));
        self.bodies_held.extend(known(&self.headers, blocks));
        canonical.iter().for_each(|range| {
            self.bodies.remove(*range);
        });
        canonical
    }

    /// Keeps receipts; says which are canonical.
    pub fn keep_receipts(&mut self, blocks: &[Header]) -> Vec<BlockRange> {
        let canonical = self.canonical_of(blocks.iter().map(|block| (block.number, block.hash)));
        self.receipts_held.extend(known(&self.headers, blocks));
        canonical.iter().for_each(|range| {
            self.receipts.remove(*range);
        });
        canonical
    }

    /// Takes away what is beside the chain, up to a final block: all of it at once, which is no more here than a writer takes in one commit.
    pub fn finalize(&mut self, hash: B256, highest: u64) -> Finality {
        let number =
            self.canonical.iter().find(|(_, canonical)| **canonical == hash).map(|(number, _)| *number);
        let (Some(number), Some(held)) = (number, self.held) else { return Finality::Beside };
        if number > highest {
            return Finality::Ahead { number };
        }
        let before = self.headers.len();
        let is_cut = self.headers.keys().any(|(number, _)| *number < held.floor.number);
        let end = self.descent.map_or(number + 1, |descent| descent.floor.number.min(number + 1));
        if !is_cut {
            let canonical = &self.canonical;
            let stays = |block: &(u64, B256)| block.0 >= end || canonical.get(&block.0) == Some(&block.1);
            self.headers.retain(|block, _| stays(block));
            self.bodies_held.retain(stays);
            self.receipts_held.retain(stays);
        }
        Finality::Reached { number, pruned: (before - self.headers.len()) as u64, more: false }
    }

    fn canonical_of(&self, blocks: impl Iterator<Item = (u64, B256)>) -> Vec<BlockRange> {
        let canonical = blocks.filter(|(number, hash)| self.canonical.get(number) == Some(hash));
        let single = |(number, _)| BlockRange { first: number, last: number };
        BlockGaps::new(canonical.map(single)).iter().collect()
    }

    /// Puts falling headers where they belong.
    pub fn place(&mut self, segment: &HeaderSegment, headers: &[Header], descent: Descent) -> HeaderReach {
        let top = Head { number: segment.top, hash: segment.hash };
        if descent == Descent::Anew && self.held.is_some_and(|held| held.head != top) {
            (self.held, self.descent, self.wanted) = (None, None, None);
            (self.bodies, self.receipts) = (BlockGaps::default(), BlockGaps::default());
            self.canonical.clear();
        }
        let is_new = |header: &&Header| self.canonical.get(&header.number) != Some(&header.hash);
        let first = headers.iter().find(is_new).map(|header| header.hash);
        for header in headers {
            self.headers.insert((header.number, header.hash), header.clone());
        }
        let Some(mut held) = self.held else {
            self.held = Some(HeaderPiece { head: top, floor: segment.floor() });
            self.canonical.extend(headers.iter().map(|header| (header.number, header.hash)));
            return HeaderReach::Down(segment.floor());
        };
        let Some(first) = first else { return joined(held.head.number, held.head) };
        if first == held.floor.parent {
            held.floor = segment.floor();
            self.held = Some(held);
            self.canonical.extend(headers.iter().map(|header| (header.number, header.hash)));
            return HeaderReach::Down(held.floor);
        }
        let head = match (descent, self.descent) {
            (Descent::Anew | Descent::Begins, _) => top,
            (Descent::GoesOn, Some(open)) if self.leads(open.head, top) => open.head,
            (Descent::GoesOn, _) => return HeaderReach::Loose,
        };
        match self.walk(head, held) {
            Ok(fork) => self.join(head, fork, held),
            Err(floor) => {
                self.descent = Some(HeaderPiece { head, floor });
                HeaderReach::Down(floor)
            }
        }
    }

    /// Whether headers lead from a head down to a block.
    fn leads(&self, head: Head, to: Head) -> bool {
        let (mut number, mut hash) = (head.number, head.hash);
        while number > to.number {
            let Some(header) = self.headers.get(&(number, hash)) else { return false };
            (number, hash) = (number - 1, header.parent);
        }
        hash == to.hash
    }

    /// Down from a head: where it meets the canonical chain, or how far its headers go.
    fn walk(&self, head: Head, held: HeaderPiece) -> Result<u64, HeaderFloor> {
        let mut floor = HeaderFloor { number: head.number + 1, parent: head.hash };
        loop {
            let Some(number) = floor.number.checked_sub(1) else { return Err(floor) };
            if self.canonical.get(&number) == Some(&floor.parent) || floor == held.floor {
                return Ok(number);
            }
            let Some(header) = self.headers.get(&(number, floor.parent)) else { return Err(floor) };
            floor = HeaderFloor { number, parent: header.parent };
        }
    }

    fn join(&mut self, head: Head, fork: u64, held: HeaderPiece) -> HeaderReach {
        drop(self.canonical.split_off(&(fork + 1)));
        let (mut number, mut hash) = (head.number, head.hash);
        while number > fork {
            self.canonical.insert(number, hash);
            hash = self.headers[&(number, hash)].parent;
            number -= 1;
        }
        self.held = Some(HeaderPiece { head, ..held });
        self.descent = None;
        let above = BlockRange { first: fork + 1, last: u64::MAX };
        if let Some(wanted) = &mut self.wanted {
            if head.number < held.head.number {
                wanted.last = wanted.last.min(head.number);
            }
            let range = wanted.meet(above);
            self.bodies.remove(above);
            self.receipts.remove(above);
            if let Some(range) = range {
                self.open(range);
            }
        }
        let held_above =
            |held: &Blocks| self.canonical_of(held.iter().filter(|(number, _)| *number > fork).copied());
        let (bodies, receipts) = (held_above(&self.bodies_held), held_above(&self.receipts_held));
        HeaderReach::Joined(Box::new(Join { fork, top: head, bodies, receipts }))
    }
}

/// Those whose headers are held.
fn known(headers: &BTreeMap<(u64, B256), Header>, blocks: &[Header]) -> impl Iterator<Item = (u64, B256)> {
    blocks.iter().map(|block| (block.number, block.hash)).filter(|block| headers.contains_key(block))
}

fn joined(fork: u64, top: Head) -> HeaderReach {
    HeaderReach::Joined(Box::new(Join { fork, top, bodies: Vec::new(), receipts: Vec::new() }))
}
