//! What blocks leave in the store: taken back and executed again they leave the same; forks pass one after the other.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod lab;

use std::collections::BTreeMap;

use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use lab::{ASKER, BOMB, COUNTER, Draft, Lab, RICH, genesis_with, legacy, signed, with_fees};
use snapsync_execute::{BadBlock, BlockHashes, Commitment, Error, Executed, Follower, Fork, RecentHashes};
use snapsync_keccak::keccak256;
use snapsync_storage::{DerivedBlock, StateSnapshot};
use snapsync_trie::{Path, TrieSource};

/// All rows and branches of one state.
type Everything = (Vec<(B256, Vec<u8>)>, Vec<(B256, Path, String)>, BTreeMap<B256, Vec<(B256, U256)>>);

/// Everything of each state that is kept.
fn kept(snapshot: &StateSnapshot, roots: &[B256]) -> Vec<Everything> {
    let one = |root: &B256| {
        let kept = snapshot.kept(*root).unwrap().unwrap_or_else(|| panic!("{root} is kept"));
        let accounts: Vec<_> = kept.accounts_from(B256::ZERO).unwrap().map(Result::unwrap).collect();
        let mut branches = Vec::new();
        let mut look = |of: B256, trie: &mut dyn FnMut(&Path) -> Option<(Path, String)>| {
            let mut next = Some(Path::prefix_of(&B256::ZERO, 0));
            while let Some(from) = next {
                let found = trie(&from);
                next = found.as_ref().and_then(|(path, _)| after(path));
                branches.extend(found.map(|(path, branch)| (of, path, branch)));
            }
        };
        let mut trie = kept.account_trie().unwrap();
        look(B256::ZERO, &mut |from| {
            trie.next_branch(from).unwrap().map(|(path, branch)| (path, format!("{branch:?}")))
        });
        let mut slots = BTreeMap::new();
        for row in &accounts {
            let held = kept.slots_from(row.key, B256::ZERO).unwrap().map(Result::unwrap);
            slots.insert(row.key, held.map(|slot| (slot.key, slot.value)).collect());
            let mut trie = kept.storage_trie(row.key).unwrap();
            look(row.key, &mut |from| {
                trie.next_branch(from).unwrap().map(|(path, branch)| (path, format!("{branch:?}")))
            });
        }
        (accounts.iter().map(|row| (row.key, row.account.to_rlp())).collect(), branches, slots)
    };
    roots.iter().map(one).collect()
}

/// The path that follows in the order of branches.
fn after(path: &Path) -> Option<Path> {
    (path.len() < 64).then(|| path.child(0))
}

/// A block that does a bit of everything.
fn busy(lab: &mut Lab) -> Draft {
    let nonce = lab.nonce();
    let number = lab.head.number;
    let none = U256::ZERO;
    // Creates a contract with a slot of its own, whose code is the block's number.
    let initcode = [&[0x43, 0x60, 1, 0x55, 0x43, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3][..]].concat();
    let create =
        TxLegacy { to: TxKind::Create, value: none, input: initcode.into(), ..legacy(nonce, COUNTER) };
    let somebody = Address::from_word(keccak256(&number.to_be_bytes()));
    let transactions = vec![
        signed(RICH, create),
        signed(RICH, with_fees(nonce + 1)),
        signed(RICH, TxEip1559 { to: TxKind::Call(ASKER), ..with_fees(nonce + 2) }),
        signed(RICH, legacy(nonce + 3, somebody)),
        signed(RICH, TxLegacy { value: none, ..legacy(nonce + 4, BOMB) }),
    ];
    let paid = Withdrawal { index: number, validator_index: 1, address: somebody, amount: number };
    let draft = Draft { transactions, withdrawals: Some(vec![paid]), ..lab.draft() };
    lab.fill(draft)
}

#[test]
fn blocks_that_are_taken_back_and_executed_again_leave_the_same() {
    // Before EIP-6780, so that contracts end too.
    let mut lab = Lab::at(Fork::Shanghai);
    let mut heads = vec![lab.head.clone()];
    let mut drafts = Vec::new();
    for _ in 0..128 {
        let draft = busy(&mut lab);
        lab.advance(&draft);
        heads.push(lab.head.clone());
        drafts.push(draft);
    }
    assert_eq!(lab.slot(COUNTER, 0), U256::from(128));
    assert_eq!(lab.slot(ASKER, 0), U256::from_be_bytes(heads[127].hash_slow().0));
    let roots: Vec<B256> = heads.iter().step_by(16).map(|head| head.state_root).collect();
    let before = kept(&lab.snapshot(), &roots);
    assert!(before.last().unwrap().0.len() > 250 && before.last().unwrap().1.len() > 20);
    for head in heads.iter().rev().skip(1) {
        lab.take_back(head.clone());
    }
    assert_eq!(lab.head.number, 0);
    for draft in &drafts {
        lab.advance(draft);
    }
    assert!(kept(&lab.snapshot(), &roots) == before);
}

#[test]
fn a_chain_passes_through_every_fork() {
    let chain = genesis_with(Fork::Frontier, |file| {
        let config = &mut file["config"];
        let by_block = [
            "homestead",
            "daoFork",
            "eip150",
            "eip155",
            "eip158",
            "byzantium",
            "constantinople",
            "istanbul",
            "berlin",
            "london",
        ];
        for (number, name) in (2..).zip(by_block) {
            config[format!("{name}Block")] = number.into();
        }
        config["daoForkSupport"] = true.into();
        config["terminalTotalDifficulty"] = 1_000_000.into();
        // Blocks are twelve seconds apart; twelve and thirteen end the mining.
        for (number, name) in (14..).zip(["shanghai", "cancun", "prague", "osaka", "bpo1", "amsterdam"]) {
            config[format!("{name}Time")] = (100 + 12 * number).into();
        }
        config["blobSchedule"] = serde_json::json!({
            "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
            "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
            "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193},
        });
    });
    let mut lab = Lab::of(&chain);
    let mut seen = Vec::new();
    for number in 1..=21u64 {
        let mut draft = lab.draft();
        if number == 12 {
            draft.fields.difficulty = U256::ZERO;
        }
        if (3..13).contains(&number) {
            draft.fields.extra_data = Bytes::from_static(b"dao-hard-fork");
        }
        let nonce = lab.nonce();
        draft.transactions = vec![
            signed(RICH, TxLegacy { value: U256::ZERO, ..legacy(nonce, COUNTER) }),
            signed(RICH, legacy(nonce + 1, Address::repeat_byte(0x33))),
        ];
        let draft = lab.fill(draft);
        lab.advance(&draft);
        let rules = lab.forks.rules(number, draft.fields.timestamp, draft.fields.difficulty);
        seen.push((rules.fork, rules.blobs.map(|blobs| blobs.max)));
    }
    seen.dedup();
    let forks: Vec<Fork> = seen.iter().map(|(fork, _)| *fork).collect();
    assert_eq!(forks.first(), Some(&Fork::Frontier));
    assert_eq!(forks.last(), Some(&Fork::Amsterdam));
    let blobs: Vec<u64> = seen.iter().filter_map(|(_, max)| *max).collect();
    assert_eq!(blobs, [6, 9, 9, 15, 15]);
    assert_eq!(lab.slot(COUNTER, 0), U256::from(21));
    // Where nobody was before it, the fork of the DAO leaves empty accounts, and whoever touches them since takes them away.
    assert_eq!(
        lab.balance(alloy_primitives::address!("bf4ed7b27f1d666546e30d74d50d173d20bca754")),
        Some(U256::ZERO)
    );
}

#[test]
fn the_daos_ether_moves_before_the_first_transaction() {
    let drained = alloy_primitives::address!("304a554a310c7e546dfe434669c62820b7d83490");
    let refund = alloy_primitives::address!("bf4ed7b27f1d666546e30d74d50d173d20bca754");
    let chain = genesis_with(Fork::Homestead, |file| {
        file["config"]["daoForkBlock"] = 1.into();
        file["config"]["daoForkSupport"] = true.into();
        // Whoever calls it is told what the drained account holds.
        let asks = format!("0x73{}3160005500", alloy_primitives::hex::encode(drained));
        file["alloc"][alloy_primitives::hex::encode(COUNTER)] =
            serde_json::json!({"balance": "0x0", "code": asks, "storage": {"0x00": "0x01"}});
        file["alloc"][alloy_primitives::hex::encode(drained)] = serde_json::json!({"balance": "0x64"});
    });
    let mut lab = Lab::of(&chain);
    let mut draft = lab.draft();
    draft.fields.extra_data = Bytes::from_static(b"dao-hard-fork");
    draft.transactions = vec![signed(RICH, TxLegacy { value: U256::ZERO, ..legacy(0, COUNTER) })];
    let draft = lab.fill(draft);
    lab.advance(&draft);
    assert_eq!((lab.balance(drained), lab.balance(refund)), (Some(U256::ZERO), Some(U256::from(0x64))));
    assert_eq!(lab.slot(COUNTER, 0), U256::ZERO, "it was moved before");
}

#[test]
fn empty_accounts_come_before_spurious_dragon_and_go_when_they_are_touched_since() {
    let nobody = Address::repeat_byte(0x77);
    let touch = |nonce| signed(RICH, TxLegacy { value: U256::ZERO, ..legacy(nonce, nobody) });
    let mut lab = Lab::at(Fork::TangerineWhistle);
    let draft = lab.with(vec![touch(0)]);
    lab.advance(&draft);
    assert_eq!(lab.balance(nobody), Some(U256::ZERO));
    // It stays while it is touched again.
    let draft = lab.with(vec![touch(1)]);
    lab.advance(&draft);
    assert_eq!(lab.balance(nobody), Some(U256::ZERO));
    let chain = genesis_with(Fork::SpuriousDragon, |file| {
        file["alloc"][alloy_primitives::hex::encode(nobody)] = serde_json::json!({"balance": "0x0"});
    });
    let mut lab = Lab::of(&chain);
    assert_eq!(lab.balance(nobody), Some(U256::ZERO));
    let draft = lab.with(vec![touch(0)]);
    lab.advance(&draft);
    assert_eq!(lab.balance(nobody), None);
    // One that never was does not come.
    let mut lab = Lab::at(Fork::SpuriousDragon);
    let draft = lab.with(vec![touch(0)]);
    let executed: Executed = lab.raw(&draft.block()).unwrap();
    assert!(!executed.changes.accounts.contains_key(&keccak256(nobody.as_slice())));
}

#[test]
fn withdrawals_are_paid_and_an_empty_one_leaves_nothing() {
    let mut lab = Lab::at(Fork::Amsterdam);
    let (some, none) = (Address::repeat_byte(0x51), Address::repeat_byte(0x52));
    let to = |index, address, amount| Withdrawal { index, validator_index: 1, address, amount };
    let withdrawals = vec![to(0, some, 3), to(1, none, 0), to(2, some, u64::MAX)];
    let draft = Draft { withdrawals: Some(withdrawals), ..lab.draft() };
    let draft = lab.fill(draft);
    lab.advance(&draft);
    let gwei = U256::from(1_000_000_000);
    assert_eq!(lab.balance(some), Some((U256::from(u64::MAX) + U256::from(3)) * gwei));
    assert_eq!(lab.balance(none), None);
}

#[test]
fn a_hash_that_nobody_knows_is_not_the_blocks_fault() {
    let mut lab = Lab::at(Fork::Osaka);
    let draft = lab.with(vec![signed(RICH, TxLegacy { value: U256::ZERO, ..legacy(0, ASKER) })]);
    lab.hashes = RecentHashes::from(9, B256::ZERO);
    let told = lab.execute(&draft);
    assert!(matches!(told, Err(Error::NoBlockHash { number: 0 })), "{told:?}");
}

#[test]
fn as_many_hashes_are_known_as_the_evm_asks_for() {
    let mut hashes = RecentHashes::from(5, B256::repeat_byte(5));
    for number in 6..300u64 {
        hashes.push(B256::from(U256::from(number)));
    }
    let known = |number| hashes.hash_of(number).unwrap();
    assert_eq!(known(299), Some(B256::from(U256::from(299))));
    assert_eq!(known(44), Some(B256::from(U256::from(44))));
    assert_eq!((known(43), known(300)), (None, None));
    assert_eq!(hashes.pop(), Some(B256::from(U256::from(299))));
}

#[test]
fn many_senders_are_recovered_in_parts() {
    let mut lab = Lab::at(Fork::Osaka);
    let transactions: Vec<Bytes> = (0..100).map(|nonce| signed(RICH, legacy(nonce, COUNTER))).collect();
    let draft = lab.with(transactions);
    assert_eq!(lab.advance(&draft).len(), 100);
    assert_eq!(lab.slot(COUNTER, 0), U256::from(100));
}

/// A chain of busy blocks, each with its list, and what it leaves when they are executed one by one.
fn busy_chain(blocks: u64) -> (Vec<(Draft, Bytes)>, Lab) {
    let mut lab = Lab::at(Fork::Amsterdam);
    let chain = (0..blocks).map(|_| {
        let draft = busy(&mut lab);
        let list = lab.raw(&draft.block()).unwrap().access_list.unwrap();
        lab.advance(&draft);
        (draft, list)
    });
    (chain.collect(), lab)
}

/// Brings blocks by their lists together.
fn together(lab: &Lab, chain: &[(Draft, Bytes)]) -> Result<DerivedBlock, Error> {
    let (follower, snapshot) = (Follower::applying_lists(lab.forks.clone()), lab.snapshot());
    let mut stretch = follower.stretch(&lab.parent(), &snapshot);
    for (draft, list) in chain {
        stretch.push(&draft.block(), list)?;
    }
    // Each block changes an account at least.
    assert!(chain.is_empty() || stretch.is_full(chain.len()) && !stretch.is_full(usize::MAX));
    stretch.derive()
}

// ROW: F8
#[test]
fn lists_that_are_brought_together_leave_what_their_blocks_leave_one_by_one() {
    let (chain, executed) = busy_chain(40);
    let root = [executed.head.state_root];
    let mut lab = Lab::at(Fork::Amsterdam);
    for part in [&chain[..1], &chain[1..2], &chain[2..30], &chain[30..]] {
        let derived = together(&lab, part).unwrap();
        assert_eq!(derived.undo_bytes(), 0);
        lab.write(derived);
        lab.head = part.last().unwrap().0.fields.clone();
        part.iter().for_each(|(draft, _)| lab.hashes.push(draft.block().hash()));
    }
    assert!(kept(&lab.snapshot(), &root) == kept(&executed.snapshot(), &root));
    assert_eq!(lab.slot(ASKER, 0), executed.slot(ASKER, 0));
    assert_eq!(lab.snapshot().below_newest().unwrap(), None, "none of them can be taken back");
    // And the chain goes on.
    let next = busy(&mut lab);
    lab.advance(&next);
    assert!(lab.snapshot().below_newest().unwrap().is_some());
}

#[test]
fn a_lie_among_lists_that_are_brought_together_shows() {
    let (chain, _) = busy_chain(6);
    let lab = Lab::at(Fork::Amsterdam);
    let other = Bytes::from_static(&[0xc0]);
    let mut wrong = chain.clone();
    wrong[3].1 = other;
    assert!(matches!(together(&lab, &wrong), Err(Error::List(_))));
    let told = together(&lab, &[chain[0].clone(), chain[2].clone()]).unwrap_err();
    assert!(told.bad_block().is_some(), "it is not its parent: {told}");
    // Its author claims another root.
    let mut wrong = chain[..4].to_vec();
    wrong[3].0.fields.state_root = B256::repeat_byte(7);
    let told = together(&lab, &wrong).unwrap_err();
    let lie = |bad: &BadBlock| matches!(bad, BadBlock::Claim { what: Commitment::State, .. });
    assert!(told.bad_block().is_some_and(lie), "{told}");
    assert!(matches!(together(&lab, &[]), Err(Error::NotTheParent { .. })));
}
