//! A left block that changed more than is told apart: of accounts the writer says so and does nothing, of a storage's slots it says nothing
//! any more of any.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use alloy_primitives::{Address, B256, Bytes, U256};
use snapsync_storage::{
    CheckedList, MemoryDisk, Retreat, RetreatOutcome, RetreatedBlock, Summary, TargetRecord, Write,
};
use snapsync_trie::{Coverage, HashRange, Standing};
use synth::{
    Place,
    plain::{Plain, address, answer, changes, header, key, list},
    scan,
    told::{Disk, prove_slots},
};

/// One that has storage.
const ONE: u8 = 8;

/// A state that is settled and of a block with this access list, and what takes the block off. The list says what it likes: a left block's
/// rows are not looked at.
fn whole(raw: &Bytes) -> (Disk, Retreat) {
    let mut world = Plain::first().world(10);
    let parent = header(9, B256::ZERO, world.target.root, &Bytes::new());
    let block = header(10, parent.hash(), world.target.root, raw);
    world.target = TargetRecord { hash: block.hash(), ..world.target };
    let mut disk = Disk::begin(Place::Memory(MemoryDisk::default()));
    disk.name(world.target).unwrap();
    while let Some(gap) = disk.journal().accounts.gaps().next() {
        let (target, accounts) = answer(&world, gap, 11);
        disk.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 }).unwrap();
    }
    for pending in disk.journal().storages {
        let (claim, target) = (pending.claim().unwrap(), world.target.id);
        let storages = prove_slots(&world.storages[&claim.account], claim, HashRange::FULL, usize::MAX);
        disk.write(|ticket| Write::Storages { ticket, target, storages, response_bytes: 1 }).unwrap();
    }
    disk.fetch_codes(&world).unwrap();
    assert_eq!(disk.journal().storages, []);
    scan(&world, disk.store());
    (disk, Retreat::new(CheckedList::check(&block, raw).unwrap(), &parent).unwrap())
}

fn take_off(disk: &mut Disk, retreat: Retreat) -> RetreatedBlock {
    let retreat = Box::new(retreat);
    match disk.write(|ticket| Write::Retreat { ticket, retreat, response_bytes: 0 }).unwrap() {
        Summary::Retreated(told) => told,
        other => panic!("{other:?}"),
    }
}

fn listed(address: Address, slots: Vec<Vec<u8>>, nonces: Vec<Vec<u8>>) -> Vec<u8> {
    let none = || list(Vec::new()).to_vec();
    let slots = list(slots).to_vec();
    list(vec![alloy_rlp::encode(address), slots, none(), none(), changes(nonces), none()]).to_vec()
}

#[test]
fn block_that_changed_more_accounts_than_can_be_told_apart_takes_nothing_off() {
    // The first stretch, and two more for each account.
    let most = (Coverage::STRETCHES_MAX - 1) / 2;
    for (count, outcome) in [(most, RetreatOutcome::Applied), (most + 1, RetreatOutcome::Crowded)] {
        let account = |n: usize| {
            listed(Address::left_padding_from(&n.to_be_bytes()), Vec::new(), vec![alloy_rlp::encode(1u8)])
        };
        let raw = list((1..=count).map(account).collect());
        let (mut disk, retreat) = whole(&raw);
        let before = disk.journal();
        let told = take_off(&mut disk, retreat);
        assert_eq!(told.outcome, outcome, "{count} accounts");
        let after = disk.journal();
        match outcome {
            RetreatOutcome::Applied => {
                assert_eq!(told.doubtful.len(), count);
                assert!(told.doubtful.iter().all(|key| after.accounts.at(*key) == Standing::Mixed));
            }
            _ => {
                assert!(told.doubtful.is_empty());
                assert_eq!((after.accounts, after.storages), (before.accounts, before.storages));
                assert_eq!((after.targets, after.brought), (before.targets, before.brought));
            }
        }
    }
}

#[test]
fn of_a_storage_with_more_changed_slots_than_can_be_told_apart_none_is_known() {
    // The same, of 8,192 stretches.
    let most = 4_095;
    for (count, is_crowded) in [(most, false), (most + 1, true)] {
        let slot = |n: usize| {
            list(vec![alloy_rlp::encode(U256::from(n)), changes(vec![alloy_rlp::encode(1u8)])]).to_vec()
        };
        let raw = list(vec![listed(address(ONE), (1..=count).map(slot).collect(), Vec::new())]);
        let (mut disk, retreat) = whole(&raw);
        let told = take_off(&mut disk, retreat);
        assert_eq!((told.outcome, told.unsettled.cut), (RetreatOutcome::Applied, vec![key(ONE)]));
        let pending = disk.journal().storages.remove(0);
        assert_eq!((pending.account, pending.expected), (key(ONE), None));
        if is_crowded {
            assert_eq!(pending.parts, Coverage::all(Standing::Mixed));
        } else {
            assert_eq!(pending.parts.marks().len(), 1 + 2 * count);
            let mixed = pending.parts.stretches().filter(|(_, standing)| *standing == Standing::Mixed);
            assert_eq!(mixed.count(), count);
        }
    }
}
