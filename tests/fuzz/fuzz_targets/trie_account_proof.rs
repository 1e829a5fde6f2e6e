//! Tampered and forged answers about accounts. Nothing panics, and what passes is what the state holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapsync_fuzz::{Answer, Kind, Script, accounts};
use snapsync_trie::{rows_of, verify_accounts};

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let trie = accounts();
    let answer = Answer::play(&mut script, trie, Kind::Accounts);
    let Ok(verified) = verify_accounts(answer.root, answer.range, rows_of(&answer.rows), &answer.proof) else {
        return;
    };
    // The sender has made a state of its own up, which is then as true as any.
    if answer.root != trie.root {
        return;
    }
    let covered = verified.covered();
    let truth = trie.rows.range(covered.start()..=covered.last());
    let told = verified.rows().iter().map(|row| (row.key, row.account.to_rlp()));
    assert!(told.eq(truth.map(|(key, leaf)| (*key, leaf.clone()))), "a lie about {covered:?} has passed");
});
