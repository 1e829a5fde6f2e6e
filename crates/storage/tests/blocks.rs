//! Blocks on a whole state: rows, branches and root are those of a plain map, whatever changes, and a crash takes a block as a whole.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_keccak::keccak256;
use snapsync_storage::{
    AccountChange, AsOf, BlockClaim, BlockError, BlockOutcome, DerivedBlock, MemoryDisk, Open, StateChanges,
    StateProgress, StorageChange, Store, Summary, TargetRecord, Verdict, VerifyConfig, Write, verify,
};
use snapsync_trie::{Coverage, EMPTY_CODE, Standing};
use synth::{
    At, Place, Trie, World, config,
    deeds::{Block, Deed, Plain, account_key, assert_is, claim, deeds, slot_key, stories, synced, write},
    scan,
};

/// Applies blocks one after the other, each of them first before a crash.
fn follow(place: &Place, blocks: &[Block]) -> World {
    let (mut world, mut store, mut run) = synced(place);
    let mut plain = Plain::of(&world);
    let mut past = Vec::new();
    for (number, block) in (world.target.number + 1..).zip(blocks) {
        let changes = plain.apply(block);
        let next = plain.world(number);
        let derive = |store: &Store| {
            DerivedBlock::derive(
                &store.state.snapshot().unwrap(),
                claim(&world.target, &next.target),
                &changes,
            )
        };
        let lost = derive(&store).unwrap();
        run.end().unwrap();
        let mut dying = place.run(&store, Box::new(At { commit: None, verdict: || Verdict::Abort }));
        dying.write(|ticket| Write::Block { ticket, block: Box::new(lost) }).unwrap_err();
        // Its thread must have let go of the environment before that is opened again.
        let _told_before = dying.end();
        drop(store);
        store = place.open();
        scan(&world, &store);
        run = place.run(&store, Box::new(Open));
        let derived = derive(&store).unwrap();
        let claim = derived.claim();
        assert_eq!(write(&mut run, derived), Summary::Block { claim, outcome: BlockOutcome::Applied });
        scan(&next, &store);
        let progress = store.state.journal().unwrap().progress.unwrap();
        assert_eq!((progress.pin, progress.rebuilt), (Some(next.target), Some(next.target.root)));
        // Its state is not its own parent's: that it came twice shows.
        assert!(matches!(derive(&store), Err(BlockError::NotTheParent)));
        past.push(std::mem::replace(&mut world, next));
    }
    look_back(&past, &world, &store);
    look_at_kept(&past, &world, &store);
    // Half of them are taken back, and come again as others did.
    for _ in 0..past.len() / 2 {
        let parent = past.pop().unwrap();
        let hash = world.target.hash;
        let taken = run.write(|ticket| Write::TakeBack { ticket, hash }).unwrap();
        assert_eq!(taken, Summary::TakenBack { hash, outcome: BlockOutcome::Applied });
        // It is not there to be taken back again.
        let twice = run.write(|ticket| Write::TakeBack { ticket, hash }).unwrap();
        assert_eq!(twice, Summary::TakenBack { hash, outcome: BlockOutcome::Left });
        world = parent;
        scan(&world, &store);
        let target = store.state.journal().unwrap().progress.unwrap().pin;
        assert_eq!(target, Some(world.target));
        look_back(&past, &world, &store);
        look_at_kept(&past, &world, &store);
    }
    run.end().unwrap();
    world
}

/// Every row of every state that is kept, as it was.
fn look_back(past: &[World], head: &World, store: &Store) {
    let snapshot = store.state.snapshot().unwrap();
    let lowest = past.first().map(|world| world.target.number);
    assert_eq!(snapshot.lowest_block().unwrap(), lowest);
    let as_of = |world: &World| AsOf::Block(world.target.number);
    let older = past.iter().chain([head]).map(|world| (world, as_of(world)));
    for (world, as_of) in older.chain([(head, AsOf::Newest)]) {
        let number = world.target.number;
        let mut reads = snapshot.reads(as_of).unwrap();
        for n in 0..130 {
            let key = account_key(n);
            let account = reads.account(&key).unwrap();
            assert_eq!(account, world.account(&key), "account {n} at {number}");
            for slot in 0..40 {
                let value = reads.slot(&key, &slot_key(slot)).unwrap();
                let held = world.storages.get(&key).and_then(|trie| trie.rows.get(&slot_key(slot)));
                let held = held.map_or(U256::ZERO, |rlp| alloy_rlp::decode_exact(rlp).unwrap());
                assert_eq!(value, held, "slot {slot} of {n} at {number}");
            }
        }
    }
}

/// Every state that is kept, as whoever asks by its root is answered: rows, and tries that give the root.
fn look_at_kept(past: &[World], head: &World, store: &Store) {
    let snapshot = store.state.snapshot().unwrap();
    for world in past.iter().chain([head]) {
        let kept = snapshot.kept(world.target.root).unwrap().unwrap();
        let rows = kept.accounts_from(B256::ZERO).unwrap().map(Result::unwrap);
        assert!(rows.map(|row| (row.key, row.account.to_rlp())).eq(world.accounts.rows.clone()));
        assert_is(&mut kept.account_trie().unwrap(), &world.accounts);
        let empty = Trie::new(BTreeMap::new());
        for n in 0..130 {
            let key = account_key(n);
            let trie = world.storages.get(&key).unwrap_or(&empty);
            let slots = kept.slots_from(key, B256::ZERO).unwrap().map(Result::unwrap);
            assert!(slots.map(|slot| (slot.key, alloy_rlp::encode(slot.value))).eq(trie.rows.clone()));
            assert_is(&mut kept.storage_trie(key).unwrap(), trie);
        }
    }
    assert!(snapshot.kept(B256::repeat_byte(9)).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // ROW: F30
    #[test]
    fn blocks_leave_the_rows_and_branches_of_a_plain_map(blocks in stories()) {
        follow(&Place::Memory(MemoryDisk::default()), &blocks);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn blocks_on_a_real_disk_verify(
        blocks in prop::collection::vec(prop::collection::btree_map(0..120u8, deeds(), 0..40), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let world = follow(&Place::Disk(Box::new(config(dir.path()))), &blocks);
        let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).unwrap();
        prop_assert_eq!(&report.findings, &[]);
        prop_assert!(report.complete);
        prop_assert_eq!(report.accounts, world.accounts.rows.len() as u64);
    }
}

#[test]
fn only_the_root_that_the_header_claims_makes_a_block() {
    let (world, store, _run) = synced(&Place::Memory(MemoryDisk::default()));
    let mut plain = Plain::of(&world);
    let put = Deed::Put { nonce: 5, code: None };
    let changes = plain.apply(&Block::from([(1, put)]));
    let next = plain.world(10);
    let snapshot = store.state.snapshot().unwrap();
    let right = claim(&world.target, &next.target);
    let wrong = BlockClaim { root: world.target.root, ..right };
    let error = DerivedBlock::derive(&snapshot, wrong, &changes).unwrap_err();
    assert!(
        matches!(error, BlockError::Root { derived, claimed } if derived == right.root && claimed == wrong.root),
        "{error}"
    );
    assert_eq!(changes.root_above(&snapshot).unwrap(), right.root);
    for other in [BlockClaim { parent: B256::ZERO, ..right }, BlockClaim { number: 11, ..right }] {
        assert!(matches!(DerivedBlock::derive(&snapshot, other, &changes), Err(BlockError::NotTheParent)));
    }
    let mut ghost = changes.clone();
    let slots = BTreeMap::from([(slot_key(1), U256::from(1))]);
    ghost.storages.insert(B256::ZERO, StorageChange { wiped: false, slots });
    assert!(matches!(
        DerivedBlock::derive(&snapshot, right, &ghost),
        Err(BlockError::NoAccount { account: B256::ZERO })
    ));
    assert!(DerivedBlock::derive(&snapshot, right, &changes).is_ok());
}

#[test]
fn a_block_keeps_the_codes_that_its_accounts_name_and_no_others() {
    let (world, store, mut run) = synced(&Place::Memory(MemoryDisk::default()));
    let mut plain = Plain::of(&world);
    let mut changes = plain.apply(&Block::from([(1, Deed::Put { nonce: 5, code: Some(9) })]));
    let next = plain.world(10);
    let claim = claim(&world.target, &next.target);
    let code = changes.codes.pop().unwrap();
    let derive =
        |changes: &StateChanges| DerivedBlock::derive(&store.state.snapshot().unwrap(), claim, changes);
    let missing = keccak256(&code);
    assert!(matches!(derive(&changes), Err(BlockError::NoCode { hash }) if hash == missing));
    let stray = Bytes::from_static(b"nobody's");
    changes.codes = vec![stray.clone(), code.clone()];
    write(&mut run, derive(&changes).unwrap());
    let snapshot = store.state.snapshot().unwrap();
    assert_eq!(snapshot.code(&missing).unwrap(), Some(code.as_ref()));
    assert_eq!(snapshot.code(&keccak256(&stray)).unwrap(), None);
}

/// Two blocks above a state, each with what it leaves.
fn siblings(world: &World, store: &Store) -> [(World, DerivedBlock); 2] {
    let snapshot = store.state.snapshot().unwrap();
    [1, 2].map(|n| {
        let mut plain = Plain::of(world);
        let changes = plain.apply(&Block::from([(n, Deed::Put { nonce: 77, code: None })]));
        let mut next = plain.world(10);
        next.target.hash = B256::repeat_byte(n);
        let block = DerivedBlock::derive(&snapshot, claim(&world.target, &next.target), &changes).unwrap();
        (next, block)
    })
}

#[test]
fn a_block_waits_for_what_was_sent_before_it_and_one_of_another_parent_is_left() {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, mut run) = synced(&place);
    let [(next, block), (_, late)] = siblings(&world, &store);
    // All in one commit.
    let tickets =
        [block, late].map(|block| run.send(|ticket| Write::Block { ticket, block: Box::new(block) }));
    let outcomes = tickets.map(|ticket| match run.heard(ticket).unwrap() {
        Summary::Block { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    });
    assert_eq!(outcomes, [BlockOutcome::Applied, BlockOutcome::Left]);
    scan(&next, &store);
    assert_ne!(world.account(&account_key(1)).unwrap().nonce, 77);
    assert_eq!(next.account(&account_key(1)).unwrap().code_hash, EMPTY_CODE);
}

#[test]
fn a_block_takes_the_place_of_another_in_one_commit() {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, mut run) = synced(&place);
    let [(first, block), (sibling, second)] = siblings(&world, &store);
    write(&mut run, block);
    let hash = first.target.hash;
    let tickets = [
        run.send(|ticket| Write::TakeBack { ticket, hash }),
        run.send(|ticket| Write::Block { ticket, block: Box::new(second) }),
    ];
    for ticket in tickets {
        let told = run.heard(ticket).unwrap();
        let (Summary::TakenBack { outcome, .. } | Summary::Block { outcome, .. }) = told else {
            panic!("{told:?}")
        };
        assert_eq!(outcome, BlockOutcome::Applied, "{ticket:?}");
    }
    scan(&sibling, &store);
}

#[test]
fn blocks_are_not_kept_when_the_state_is_not_whole_any_more_and_all_rows_are_of_the_last_one() {
    let place = Place::Memory(MemoryDisk::default());
    let (world, store, mut run) = synced(&place);
    let mut plain = Plain::of(&world);
    let changes = plain.apply(&Block::from([(1, Deed::Put { nonce: 77, code: None })]));
    let next = plain.world(10);
    let claim = claim(&world.target, &next.target);
    write(&mut run, DerivedBlock::derive(&store.state.snapshot().unwrap(), claim, &changes).unwrap());
    let lowest = || store.state.snapshot().unwrap().lowest_block().unwrap();
    assert_eq!(lowest(), Some(9));
    let below = store.state.snapshot().unwrap().below_newest().unwrap();
    assert_eq!(below, Some(world.target), "what would be left if it was taken back");
    let later = TargetRecord { id: next.target.id.next(), number: 99, hash: B256::ZERO, root: B256::ZERO };
    let progress = StateProgress { pin: Some(later), phase: 3, rebuilt: None };
    run.write(|ticket| Write::Progress { ticket, progress }).unwrap();
    assert_eq!(lowest(), None);
    let snapshot = store.state.snapshot().unwrap();
    assert_eq!(snapshot.below_newest().unwrap(), None);
    assert_eq!(snapshot.account_coverage().unwrap(), Coverage::all(Standing::At(next.target.id)));
    let targets = snapshot.targets().unwrap();
    assert_eq!(targets.iter().map(|known| known.asked).collect::<Vec<_>>(), [next.target, later]);
}

#[test]
fn as_many_blocks_are_kept_as_peers_ask_for_and_no_more() {
    let place = Place::Memory(MemoryDisk::default());
    let (mut world, store, mut run) = synced(&place);
    let mut plain = Plain::of(&world);
    let first = world.target.number;
    for number in first + 1..=first + 140 {
        let changes = plain.apply(&Block::from([(1, Deed::Put { nonce: number, code: None })]));
        let next = plain.world(number);
        let claim = claim(&world.target, &next.target);
        let block = DerivedBlock::derive(&store.state.snapshot().unwrap(), claim, &changes).unwrap();
        write(&mut run, block);
        world = next;
    }
    let nonce_at = |number| {
        let snapshot = store.state.snapshot().unwrap();
        let account = snapshot.reads(AsOf::Block(number)).unwrap().account(&account_key(1)).unwrap();
        account.unwrap().nonce
    };
    assert_eq!(store.state.snapshot().unwrap().lowest_block().unwrap(), Some(first + 12));
    assert_eq!([first + 12, first + 77, first + 140].map(nonce_at), [first + 12, first + 77, first + 140]);
    for left in (0..128).rev() {
        let hash = store.state.journal().unwrap().progress.unwrap().pin.unwrap().hash;
        let taken = run.write(|ticket| Write::TakeBack { ticket, hash }).unwrap();
        assert_eq!(taken, Summary::TakenBack { hash, outcome: BlockOutcome::Applied }, "{left} are left");
    }
    let head = store.state.journal().unwrap().progress.unwrap().pin.unwrap();
    assert_eq!((head.number, store.state.snapshot().unwrap().lowest_block().unwrap()), (first + 12, None));
    let taken = run.write(|ticket| Write::TakeBack { ticket, hash: head.hash }).unwrap();
    assert_eq!(taken, Summary::TakenBack { hash: head.hash, outcome: BlockOutcome::Left });
}

/// What differs between two states.
fn between(before: &Plain, after: &Plain) -> StateChanges {
    let mut changes = StateChanges::default();
    for key in before.accounts.keys().chain(after.accounts.keys()) {
        let account = after.accounts.get(key).map(|account| AccountChange {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
        });
        changes.accounts.insert(*key, account);
        let slots = |plain: &Plain| plain.slots.get(key).cloned().unwrap_or_default();
        if account.is_some() {
            let gone = slots(before).into_keys().map(|slot| (slot, U256::ZERO));
            let slots = gone.chain(slots(after)).collect();
            changes.storages.insert(*key, StorageChange { wiped: false, slots });
        }
    }
    changes.codes = after.codes.values().cloned().collect();
    changes
}

/// Applies all blocks at once, between two that come alone.
fn together(place: &Place, blocks: &[Block]) {
    let (world, store, mut run) = synced(place);
    let mut plain = Plain::of(&world);
    let alone = |nonce| Block::from([(1, Deed::Put { nonce, code: None })]);
    let derive = |world: &World, next: &World, changes: &StateChanges| {
        let (snapshot, claim) = (store.state.snapshot().unwrap(), claim(&world.target, &next.target));
        DerivedBlock::derive(&snapshot, claim, changes).unwrap()
    };
    let changes = plain.apply(&alone(77));
    let first = plain.world(world.target.number + 1);
    write(&mut run, derive(&world, &first, &changes));
    let before = plain.clone();
    blocks.iter().for_each(|block| drop(plain.apply(block)));
    let next = plain.world(first.target.number + 1 + blocks.len() as u64);
    let (changes, claim) = (between(&before, &plain), claim(&first.target, &next.target));
    let derived = DerivedBlock::derive_stretch(&store.state.snapshot().unwrap(), claim, &changes).unwrap();
    assert_eq!(write(&mut run, derived), Summary::Block { claim, outcome: BlockOutcome::Applied });
    scan(&next, &store);
    assert_eq!(store.state.snapshot().unwrap().lowest_block().unwrap(), None);
    let hash = next.target.hash;
    let taken = run.write(|ticket| Write::TakeBack { ticket, hash }).unwrap();
    assert_eq!(taken, Summary::TakenBack { hash, outcome: BlockOutcome::Left });
    let changes = plain.apply(&alone(78));
    let last = plain.world(next.target.number + 1);
    write(&mut run, derive(&next, &last, &changes));
    scan(&last, &store);
    assert_eq!(store.state.snapshot().unwrap().lowest_block().unwrap(), Some(next.target.number));
    let hash = last.target.hash;
    run.write(|ticket| Write::TakeBack { ticket, hash }).unwrap();
    scan(&next, &store);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    // ROW: F30
    #[test]
    fn blocks_that_come_together_leave_what_the_last_of_them_leaves_and_are_not_taken_back(blocks in stories()) {
        together(&Place::Memory(MemoryDisk::default()), &blocks);
    }
}

#[cfg(feature = "planted-bugs")]
#[test]
fn mistakes_of_what_takes_a_block_back_and_of_the_order_are_caught() {
    use snapsync_storage::WriterBug::{BatchOutOfOrder, UndoRowMissing};
    let place = || Place::Memory(MemoryDisk::default());
    let caught = synth::caught(UndoRowMissing, stories(), |blocks| drop(follow(&place(), blocks)));
    assert!(caught.is_some(), "no story catches {UndoRowMissing:?}");
    snapsync_storage::plant(Some(BatchOutOfOrder));
    let caught = std::panic::catch_unwind(a_block_takes_the_place_of_another_in_one_commit);
    snapsync_storage::plant(None);
    assert!(caught.is_err(), "nothing catches {BatchOutOfOrder:?}");
}
