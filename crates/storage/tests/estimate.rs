//! What a few rows tell of a state of which half is there.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{MemoryDisk, StorageSample, Write};
use snapsync_trie::{Account, HashRange};
use synth::{
    Place, World, fetch_accounts,
    told::{Disk, prove_slots},
};

#[test]
fn a_storage_beside_a_gap_counts_once_among_what_is_usual() {
    let hash = |n: u64| keccak256(&n.to_be_bytes());
    let accounts: BTreeMap<B256, Account> = (0..200).map(|n| (hash(n), Account::EMPTY)).collect();
    let slots = |n: u64| (0..n % 7 + 1).map(|slot| (hash(slot), U256::from(n + 1))).collect();
    let slots: BTreeMap<B256, BTreeMap<B256, U256>> = (0..200).map(|n| (hash(n), slots(n))).collect();
    let world = World::of(accounts, &slots);
    let mut disk = Disk::begin(Place::Memory(MemoryDisk::default()));
    disk.name(world.target).unwrap();
    let upper = HashRange::FULL.split(2).pop().unwrap();
    while let Some(gap) = disk.journal().accounts.gaps_within(upper).next() {
        fetch_accounts(&world, disk.run(), gap).unwrap();
    }
    // Every fifth storage is missing: the next one of its piece is looked at.
    for (nth, pending) in disk.journal().storages.into_iter().enumerate() {
        if !nth.is_multiple_of(5) {
            let (claim, target) = (pending.claim().unwrap(), world.target.id);
            let storages = prove_slots(&world.storages[&claim.account], claim, HashRange::FULL, usize::MAX);
            disk.write(|ticket| Write::Storages { ticket, target, storages, response_bytes: 1 }).unwrap();
        }
    }
    let pendings = disk.journal().storages;
    let is_pending = |key: &B256| pendings.iter().any(|pending| pending.account == *key);
    let of_piece = |piece: &HashRange| {
        let settled = |(key, _): &(&B256, _)| upper.contains(key) && piece.contains(key) && !is_pending(key);
        slots.iter().find(settled).map(|(_, slots)| slots.len() as u64)
    };
    let first: Vec<u64> = HashRange::FULL.split(64).iter().filter_map(of_piece).collect();
    let expected = StorageSample { storages: first.len() as u64, slots: first.iter().sum() };
    assert!((20..=32).contains(&expected.storages), "{expected:?}");
    assert_eq!(disk.snapshot().sample_storages().unwrap(), expected);
}
