//! Frames of an answer of 500 KB, sealed and opened, and what each part of it takes: `cargo bench -p snapsync-p2p`.
//!
//! Throughput is given in bytes of the answer. What is written in no part is checking and moving.
#![expect(clippy::unwrap_used, reason = "a bench stops where it fails")]

use std::{hint::black_box, time::Duration};

use aes::{
    Aes256,
    cipher::{KeyIvInit, StreamCipher},
};
use alloy_primitives::{B256, Bytes};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use snapsync_keccak::{Stream, keccak256};
use snapsync_p2p::bench::Ends;
use snapsync_wire::{
    SnapVersion,
    snap::{AccountRangeWriter, Message},
};

/// Accounts without code of an answer of ~500 KB.
const ACCOUNTS: u64 = 8500;

/// An answer as a server sends it: random keys, a nonce, a random balance.
fn answer() -> Bytes {
    let mut keys: Vec<B256> = (0..ACCOUNTS).map(|number| keccak256(&number.to_be_bytes())).collect();
    keys.sort_unstable();
    let mut writer = AccountRangeWriter::with_capacity(1, 1 << 20);
    for key in keys {
        let mut slim = [0xcd, 1, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80];
        slim[0] = 0xc0 + slim.len() as u8 - 1;
        slim[3..11].copy_from_slice(&keccak256(key.as_slice())[..8]);
        writer.push(&key, &slim);
    }
    writer.finish(&[] as &[Bytes]).body().clone()
}

fn bench(criterion: &mut Criterion) {
    let answer = answer();
    let mut group = criterion.benchmark_group("frames");
    group.throughput(Throughput::Bytes(answer.len() as u64)).measurement_time(Duration::from_secs(3));
    let mut ends = Ends::new();
    group.bench_function("seal", |bencher| bencher.iter(|| ends.seal(black_box(&answer)).unwrap().len()));
    let mut ends = Ends::new();
    group.bench_function("seal and open", |bencher| {
        bencher.iter(|| {
            let mut frame = ends.seal(black_box(&answer)).unwrap().to_vec();
            ends.open(&mut frame).unwrap()
        });
    });
    group.bench_function("part: mac", |bencher| {
        let mut stream = Stream::new();
        bencher.iter(|| stream.update(black_box(&answer)));
    });
    let mut sealed = answer.to_vec();
    group.bench_function("part: aes", |bencher| {
        let mut cipher = ctr::Ctr128BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
        bencher.iter(|| cipher.apply_keystream(black_box(&mut sealed)));
    });
    let packed = snap::raw::Encoder::new().compress_vec(&answer).unwrap();
    group.bench_function("part: compress", |bencher| {
        let (mut encoder, mut out) =
            (snap::raw::Encoder::new(), vec![0; snap::raw::max_compress_len(answer.len())]);
        bencher.iter(|| encoder.compress(black_box(&answer), &mut out).unwrap());
    });
    group.bench_function("part: inflate", |bencher| {
        let mut out = vec![0; answer.len()];
        bencher.iter(|| snap::raw::Decoder::new().decompress(black_box(&packed), &mut out).unwrap());
    });
    group.bench_function("part: decode", |bencher| {
        let decode = |body: Bytes| Message::decode(SnapVersion::Snap1, 0x01, &body).unwrap();
        bencher.iter_batched(|| answer.clone(), decode, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
