//! Any block: `[fork, kind, raw..]`, raw a whole block, or a body under a header that commits to it. It is good or has a reason.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;

use alloy_primitives::Bytes;
use libfuzzer_sys::fuzz_target;
use snapsync_execute::evm::{Config, EvmExecutor};
use snapsync_execute::{Block, Error, Fork, execute};
use snapsync_fuzz::chain::Small;
use snapsync_wire::Body;

const FORKS: [Fork; 8] = [
    Fork::Frontier,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::London,
    Fork::Shanghai,
    Fork::Prague,
    Fork::Osaka,
    Fork::Amsterdam,
];

thread_local! {
    static CHAINS: RefCell<BTreeMap<Fork, (Small, EvmExecutor)>> = const { RefCell::new(BTreeMap::new()) };
}

fuzz_target!(|data: &[u8]| {
    let [fork, kind, raw @ ..] = data else { return };
    let fork = FORKS[usize::from(*fork) % FORKS.len()];
    let raw = Bytes::copy_from_slice(raw);
    CHAINS.with_borrow_mut(|chains| {
        let (chain, executor) = chains.entry(fork).or_insert_with(|| {
            (Small::at(fork), EvmExecutor::new(Config { sender_threads: 1, code_bytes_max: 1 << 16 }))
        });
        let block = if kind % 4 == 0 {
            Block::decode(&raw)
        } else {
            let Ok(body) = Body::decode(&raw) else { return };
            Block::new(chain.header_of(&body, fork), body)
        };
        let Ok(block) = block else { return };
        let snapshot = chain.store.state.snapshot().expect("it is memory");
        let told = execute(executor, &chain.forks, &block, &chain.parent, &snapshot, &chain.hashes);
        match told {
            Ok(advanced) => {
                assert_eq!(advanced.derived.claim().hash, block.hash());
                assert_eq!(advanced.receipts.len(), block.body().transaction_count());
            }
            // A header that names another parent is looked at before anything else; the rest is the block's.
            Err(Error::Bad(_) | Error::NotTheParent { .. }) => {}
            Err(other) => panic!("what no block can do: {other:?}"),
        }
    });
});
