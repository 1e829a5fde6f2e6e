//! Blocks that are derived over others which the disk does not have yet: the same blocks come of it, and several go to the disk at once.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, U256};
use proptest::prelude::*;
use snapsync_storage::{
    AsOf, BlockClaim, BlockOutcome, BlocksAhead, DerivedBlock, MemoryDisk, StateSnapshot, Store, Summary,
    Write,
};
use synth::{
    Place, Run, Trie, World,
    deeds::{Block, Deed, Plain, account_key, assert_is, claim, slot_key, stories, synced},
    scan,
};

/// What happens behind a block: how many of those that wait are written, and whether those that are on the disk are let go of.
type Turn = (usize, bool);

/// A chain that runs ahead of its disk.
struct Chain {
    store: Store,
    run: Run,
    ahead: Arc<BlocksAhead>,
    waiting: Vec<DerivedBlock>,
}

impl Chain {
    fn snapshot(&self) -> StateSnapshot {
        let snapshot = self.store.state.snapshot().unwrap();
        if self.ahead.is_empty() { snapshot } else { snapshot.under(&self.ahead).unwrap().unwrap() }
    }

    /// Writes the oldest blocks that wait, in one commit.
    fn write(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        let tickets: Vec<_> = self
            .waiting
            .drain(..count)
            .map(|block| self.run.send(|ticket| Write::Block { ticket, block: Box::new(block) }))
            .collect();
        for ticket in tickets {
            let Summary::Block { outcome, .. } = self.run.heard(ticket).unwrap() else { panic!("no block") };
            assert_eq!(outcome, BlockOutcome::Applied);
        }
    }

    /// Lets go of what is on the disk.
    fn forget(&mut self) {
        let progress = self.store.state.snapshot().unwrap().progress().unwrap().unwrap();
        Arc::make_mut(&mut self.ahead).forget(progress.pin.unwrap().number);
        assert_eq!(self.ahead.len(), self.waiting.len());
    }
}

/// Takes blocks, each over those before it, while some of them are written.
fn run_ahead(blocks: &[Block], turns: &[Turn]) {
    let place = Place::Memory(MemoryDisk::default());
    let (mut world, store, run) = synced(&place);
    let mut plain = Plain::of(&world);
    let mut chain = Chain { store, run, ahead: Arc::default(), waiting: Vec::new() };
    let turns = turns.iter().copied().chain(std::iter::repeat((0, false)));
    for ((number, block), (written, forgets)) in (world.target.number + 1..).zip(blocks).zip(turns) {
        let changes = plain.apply(block);
        let next = plain.world(number);
        let derived =
            DerivedBlock::derive(&chain.snapshot(), claim(&world.target, &next.target), &changes).unwrap();
        assert!(Arc::make_mut(&mut chain.ahead).push(&derived));
        chain.waiting.push(derived);
        world = next;
        look(&world, &chain.snapshot());
        chain.write(written);
        if forgets {
            chain.forget();
        }
        look(&world, &chain.snapshot());
    }
    chain.write(usize::MAX);
    chain.forget();
    assert_eq!((chain.ahead.is_empty(), chain.ahead.bytes_held()), (true, 0));
    scan(&world, &chain.store);
    chain.run.end().unwrap();
}

/// What a snapshot says is this state, by whatever way it is asked.
fn look(world: &World, snapshot: &StateSnapshot) {
    let progress = snapshot.progress().unwrap().unwrap();
    assert_eq!(progress.whole(), Some(world.target));
    let rows = snapshot.accounts_from(B256::ZERO).unwrap().map(Result::unwrap);
    assert!(rows.map(|row| (row.key, row.account.to_rlp())).eq(world.accounts.rows.clone()));
    assert_is(&mut snapshot.account_trie().unwrap(), &world.accounts);
    let mut reads = snapshot.reads(AsOf::Newest).unwrap();
    let empty = Trie::new(BTreeMap::new());
    for n in 0..130 {
        let key = account_key(n);
        let account = world.account(&key);
        assert_eq!((snapshot.account(&key).unwrap(), reads.account(&key).unwrap()), (account, account));
        let code = account.filter(|account| world.codes.contains_key(&account.code_hash));
        if let Some(hash) = code.map(|account| account.code_hash) {
            let code = Some(world.codes[&hash].as_ref());
            assert_eq!((snapshot.code(&hash).unwrap(), reads.code(&hash).unwrap()), (code, code));
        }
        let trie = world.storages.get(&key).unwrap_or(&empty);
        for slot in 0..40 {
            let held = trie.rows.get(&slot_key(slot));
            let held = held.map_or(U256::ZERO, |rlp| alloy_rlp::decode_exact(rlp).unwrap());
            assert_eq!(reads.slot(&key, &slot_key(slot)).unwrap(), held, "slot {slot} of {n}");
        }
        let slots = snapshot.slots_from(key, B256::ZERO).unwrap().map(Result::unwrap);
        assert!(slots.map(|slot| (slot.key, alloy_rlp::encode(slot.value))).eq(trie.rows.clone()));
        assert_is(&mut snapshot.storage_trie(key).unwrap(), trie);
    }
    assert!(snapshot.kept(world.target.root).unwrap().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_over_blocks_are_those_that_the_disk_would_have_given(
        blocks in stories(),
        turns in prop::collection::vec((0..3_usize, any::<bool>()), 0..6),
    ) {
        run_ahead(&blocks, &turns);
    }
}

/// Takes blocks that are written at once, and then, over each state below the newest, another one: it is the block that the disk would have given,
/// had the others been taken back.
fn branch_off(blocks: &[Block], beside: &Block) {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, mut run) = synced(&place);
    let mut plain = Plain::of(&world);
    let mut before = vec![(world, plain.clone())];
    for block in blocks {
        let changes = plain.apply(block);
        let (parent, _) = before.last().unwrap();
        let next = plain.world(parent.target.number + 1);
        let snapshot = store.state.snapshot().unwrap();
        let derived = DerivedBlock::derive(&snapshot, claim(&parent.target, &next.target), &changes).unwrap();
        drop(snapshot);
        run.write(|ticket| Write::Block { ticket, block: Box::new(derived) }).unwrap();
        before.push((next, plain.clone()));
    }
    let (newest, _) = before.pop().unwrap();
    let mut newest = newest.target;
    let mut branches = Vec::new();
    for (world, plain) in before.iter().rev() {
        let snapshot = store.state.snapshot().unwrap();
        let mut branch = snapshot.rewound(world.target.number, usize::MAX).unwrap().unwrap();
        let under = |branch: &BlocksAhead| {
            let snapshot = store.state.snapshot().unwrap();
            snapshot.under(&Arc::new(branch.clone())).unwrap().unwrap()
        };
        look(world, &under(&branch));
        let mut plain = plain.clone();
        let changes = plain.apply(beside);
        let next = plain.world(world.target.number + 1);
        let claim = claim(&world.target, &next.target);
        let derived = DerivedBlock::derive(&under(&branch), claim, &changes).unwrap();
        assert!(branch.push(&derived));
        look(&next, &under(&branch));
        branches.push((derived, changes, claim));
    }
    // What was derived over older states is what they give when they are the newest.
    for ((world, _), (derived, changes, claim)) in before.iter().rev().zip(branches) {
        run.write(|ticket| Write::TakeBack { ticket, hash: newest.hash }).unwrap();
        newest = world.target;
        let on_disk = DerivedBlock::derive(&store.state.snapshot().unwrap(), claim, &changes).unwrap();
        assert_eq!(format!("{derived:?}"), format!("{on_disk:?}"));
    }
    run.end().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_block_beside_those_that_are_held_is_the_one_that_an_older_state_gives(
        blocks in stories(),
        beside in stories(),
    ) {
        branch_off(&blocks, &beside[0]);
    }
}

#[test]
fn a_state_that_cannot_be_looked_at_is_not_shown() {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, mut run) = synced(&place);
    let mut plain = Plain::of(&world);
    let number = world.target.number;
    let rewound = |number| store.state.snapshot().unwrap().rewound(number, usize::MAX).unwrap();
    assert!(rewound(number).is_none(), "it is the newest");
    assert!(rewound(number - 1).is_none(), "nobody knows what was before");
    let changes = plain.apply(&only(1, Deed::Put { nonce: 5, code: None }));
    let next = plain.world(number + 1);
    let snapshot = store.state.snapshot().unwrap();
    let derived = DerivedBlock::derive(&snapshot, claim(&world.target, &next.target), &changes).unwrap();
    drop(snapshot);
    let mut ahead = BlocksAhead::default();
    assert!(ahead.push(&derived));
    let snapshot = store.state.snapshot().unwrap().under(&Arc::new(ahead)).unwrap().unwrap();
    assert!(snapshot.rewound(number, usize::MAX).unwrap().is_none(), "the newest is not written");
    drop(snapshot);
    run.write(|ticket| Write::Block { ticket, block: Box::new(derived) }).unwrap();
    let older = rewound(number).unwrap();
    assert_eq!(older.tip().map(|tip| tip.hash), Some(world.target.hash));
    let older = Arc::new(older);
    let under = || store.state.snapshot().unwrap().under(&older).unwrap();
    run.write(|ticket| Write::TakeBack { ticket, hash: next.target.hash }).unwrap();
    look(&world, &under().expect("it says what the disk says by now"));
    // It fits no other state.
    let mut plain = Plain::of(&world);
    let changes = plain.apply(&only(2, Deed::Put { nonce: 6, code: None }));
    let other = plain.world(number + 1);
    let snapshot = store.state.snapshot().unwrap();
    let claim = BlockClaim { hash: B256::repeat_byte(0x77), ..claim(&world.target, &other.target) };
    let derived = DerivedBlock::derive(&snapshot, claim, &changes).unwrap();
    drop(snapshot);
    run.write(|ticket| Write::Block { ticket, block: Box::new(derived) }).unwrap();
    assert!(under().is_none());
    run.end().unwrap();
}

/// One deed for the account of this number.
fn only(n: u8, deed: Deed) -> Block {
    Block::from([(n, deed)])
}

#[test]
fn a_storage_that_went_and_came_again_ahead_of_the_disk_has_nothing_of_before() {
    let slots = |slots: &[(u8, u8)], wiped| Deed::Slots { wiped, slots: slots.iter().copied().collect() };
    let put = Deed::Put { nonce: 1, code: None };
    for n in 0..8 {
        let blocks = [
            only(n, slots(&[(1, 1), (2, 2)], false)),
            only(n, Deed::Delete),
            only(n, put.clone()),
            only(n, slots(&[(2, 3), (30, 1)], false)),
            only(n, slots(&[(5, 5)], true)),
            only(n, slots(&[(5, 0), (6, 1)], false)),
        ];
        for written in [0, 1, 2] {
            run_ahead(&blocks, &[(0, false), (written, true), (1, written == 1), (0, true), (2, false)]);
        }
    }
}

#[test]
fn blocks_that_do_not_lead_on_from_a_state_are_refused() {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, _run) = synced(&place);
    let mut plain = Plain::of(&world);
    let changes = plain.apply(&only(1, Deed::Put { nonce: 5, code: None }));
    let next = plain.world(world.target.number + 1);
    let snapshot = || store.state.snapshot().unwrap();
    let block = DerivedBlock::derive(&snapshot(), claim(&world.target, &next.target), &changes).unwrap();
    let mut ahead = BlocksAhead::default();
    assert!(snapshot().under(&Arc::new(ahead.clone())).unwrap().is_none(), "none lead nowhere");
    assert!(ahead.push(&block));
    assert!(!ahead.push(&block), "it does not follow itself");
    assert_eq!((ahead.len(), ahead.tip()), (1, Some(block.claim())));
    assert!(snapshot().under(&Arc::new(ahead.clone())).unwrap().is_some());
    // The state of another block, or of none.
    let elsewhere = Place::Memory(MemoryDisk::default()).open();
    assert!(elsewhere.state.snapshot().unwrap().under(&Arc::new(ahead)).unwrap().is_none());
}
