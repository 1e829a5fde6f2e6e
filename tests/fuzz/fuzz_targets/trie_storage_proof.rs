//! Tampered and forged answers about slots. Nothing panics, and what passes is what the account holds.
#![no_main]

use alloy_primitives::B256;
use libfuzzer_sys::fuzz_target;
use snapsync_fuzz::{Answer, Kind, Script, slots};
use snapsync_trie::{StorageClaim, StorageQuery, rows_of, verify_storages};

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let tries = slots();
    // Some whole sets, and one that may be cut.
    let whole = usize::from(script.byte()) % tries.len();
    let mut sets: Vec<Vec<(B256, Vec<u8>)>> = Vec::new();
    let mut claims = Vec::new();
    for (number, trie) in tries[..whole].iter().enumerate() {
        sets.push(trie.rows.iter().map(|(key, value)| (*key, value.clone())).collect());
        claims.push(StorageClaim { account: B256::with_last_byte(number as u8), root: trie.root });
    }
    let answer = Answer::play(&mut script, &tries[whole], Kind::Slots);
    claims.push(StorageClaim { account: B256::with_last_byte(whole as u8), root: answer.root });
    sets.push(answer.rows);
    // A set may be left out, so that the ones after it move up.
    let left_out = usize::from(script.byte());
    if left_out < sets.len() {
        sets.remove(left_out);
    }
    let query = StorageQuery { claims: &claims, range: answer.range };
    let Ok(verified) = verify_storages(query, sets.iter().map(|set| rows_of(set)), &answer.proof) else { return };
    for set in verified.sets() {
        let Some(trie) = tries.iter().find(|trie| trie.root == set.claim().root) else { continue };
        let covered = set.covered();
        let truth = trie.rows.range(covered.start()..=covered.last());
        let told = set.rows().iter().map(|row| (row.key, alloy_rlp::encode(row.value)));
        assert!(
            told.eq(truth.map(|(key, value)| (*key, value.clone()))),
            "a lie about {covered:?} has passed"
        );
    }
});
