//! Answers of snap from bytes to values and back, a leaf at a time: `cargo bench -p snapsync-wire`.
//!
//! The bytes are what a server sends for a request of 500 KB. Throughput is given in leaves, so that its inverse is
//! nanoseconds a leaf.

use std::hint::black_box;

use alloy_primitives::{B256, Bytes};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snapsync_keccak::keccak256;
use snapsync_wire::{
    SnapVersion,
    snap::{AccountRangeWriter, Encoded, Message, StorageRangesWriter},
};

/// Accounts of an answer of ~500 KiB.
const ACCOUNTS: u64 = 4500;
/// Storages in an answer, of one to three slots each.
const SETS: u64 = 1000;

/// Keys that rise, as in any answer.
fn keys(count: u64) -> Vec<B256> {
    let mut keys: Vec<B256> = (0..count).map(|number| keccak256(&number.to_be_bytes())).collect();
    keys.sort_unstable();
    keys
}

/// Three in four have a nonce and a balance only; the others are contracts.
fn slim(number: u64, key: &B256) -> Vec<u8> {
    let mut payload = vec![0x80 + 2, 1, number as u8, 0x80 + 8];
    payload.extend_from_slice(&key[8..16]);
    if number.is_multiple_of(4) {
        for hash in [keccak256(&key[..8]), keccak256(&key[8..])] {
            payload.push(0xa0);
            payload.extend_from_slice(hash.as_slice());
        }
        return [&[0xf8, payload.len() as u8][..], &payload].concat();
    }
    payload.extend_from_slice(&[0x80, 0x80]);
    [&[0xc0 + payload.len() as u8][..], &payload].concat()
}

fn accounts() -> Vec<(B256, Vec<u8>)> {
    keys(ACCOUNTS).into_iter().zip(0..).map(|(key, number)| (key, slim(number, &key))).collect()
}

fn sets() -> Vec<Vec<(B256, Vec<u8>)>> {
    let value = |key: &B256| match key[0] % 4 {
        0 => vec![7],
        1 => vec![0x82, 0x12, 0x34],
        2 => [&[0x94][..], &key[..20]].concat(),
        _ => [&[0xa0][..], &key[..]].concat(),
    };
    let set = |set: u64| keys(1 + set % 3).into_iter().map(|key| (key, value(&key))).collect();
    (0..SETS).map(set).collect()
}

fn encoded_accounts(accounts: &[(B256, Vec<u8>)], proof: &[Bytes]) -> Encoded {
    let mut writer = AccountRangeWriter::with_capacity(1, 1 << 19);
    accounts.iter().for_each(|(key, slim)| writer.push(key, slim));
    writer.finish(proof)
}

fn encoded_storages(sets: &[Vec<(B256, Vec<u8>)>], proof: &[Bytes]) -> Encoded {
    let mut writer = StorageRangesWriter::with_capacity(1, 1 << 19);
    for set in sets {
        set.iter().for_each(|(key, value)| writer.push(key, value));
        writer.end_set();
    }
    writer.finish(proof)
}

/// The bytes of every leaf, as whoever proves them will look at them.
fn sum(message: &Message) -> usize {
    let sum = |sum: usize, (key, value): (&B256, &[u8])| sum + usize::from(key[31]) + value.len();
    match message {
        Message::AccountRange(answer) => answer.accounts.iter().fold(0, sum),
        Message::StorageRanges(answer) => answer.sets.iter().flatten().fold(0, sum),
        _ => 0,
    }
}

fn bench(criterion: &mut Criterion) {
    let proof: Vec<Bytes> = keys(8).iter().map(|key| key.repeat(16).into()).collect();
    let (accounts, sets) = (accounts(), sets());
    let slots = sets.iter().map(Vec::len).sum::<usize>() as u64;
    let answers = [
        ("accounts", ACCOUNTS, encoded_accounts(&accounts, &proof)),
        ("storages", slots, encoded_storages(&sets, &proof)),
    ];
    let mut group = criterion.benchmark_group("wire");
    for (name, leaves, answer) in &answers {
        group.throughput(Throughput::Elements(*leaves));
        let decode = || Message::decode(SnapVersion::Snap1, answer.message(), black_box(answer.body()));
        group.bench_function(format!("decode {name}"), |bencher| bencher.iter(decode));
        let decoded = decode().expect("what was written here");
        group
            .bench_function(format!("walk over {name}"), |bencher| bencher.iter(|| sum(black_box(&decoded))));
    }
    group.throughput(Throughput::Elements(ACCOUNTS));
    group.bench_function("write accounts", |bencher| {
        bencher.iter(|| encoded_accounts(black_box(&accounts), &proof));
    });
    group.throughput(Throughput::Elements(slots));
    group.bench_function("write storages", |bencher| {
        bencher.iter(|| encoded_storages(black_box(&sets), &proof));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
