//! Each thing that a header claims of what its block does: a lie about one alone is found out.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod lab;

use alloy_primitives::{Address, B256, Bytes};
use lab::{BOMB, COUNTER, Draft, LOGGER, Lab, RICH, genesis_with, is_lie, legacy, signed};
use snapsync_execute::{
    BadBlock, Block, BlockExecutor, Commitment, Error, Executed, Fork, ParentState, Rules, apply_list,
    execute,
};
use snapsync_wire::Header;

const OTHER: B256 = B256::repeat_byte(7);

/// A block that counts and logs, on a chain of this fork.
fn lively(fork: Fork) -> (Lab, Draft) {
    let mut lab = Lab::at(fork);
    let transactions = [COUNTER, LOGGER, Address::repeat_byte(0x33)];
    let transactions = (0..).zip(transactions).map(|(nonce, to)| {
        signed(RICH, alloy_consensus::TxLegacy { value: alloy_primitives::U256::ZERO, ..legacy(nonce, to) })
    });
    let draft = lab.with(transactions.collect());
    (lab, draft)
}

fn lie(fork: Fork, tell: impl FnOnce(&mut alloy_consensus::Header)) -> BadBlock {
    let (mut lab, mut draft) = lively(fork);
    tell(&mut draft.fields);
    let bad = lab.bad(&draft);
    // The truth is still told afterwards.
    let draft = lab.with(draft.transactions);
    lab.advance(&draft);
    bad
}

#[test]
fn lies_about_what_a_block_does_are_found_out() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Osaka, Fork::Amsterdam]
    {
        let bad = lie(fork, |fields| fields.gas_used += 1);
        assert!(
            matches!(bad, BadBlock::GasUsed { claimed, found } if claimed == found + 1),
            "{fork:?}: {bad}"
        );
        assert!(is_lie(&lie(fork, |fields| fields.receipts_root = OTHER), Commitment::Receipts));
        assert_eq!(lie(fork, |fields| fields.logs_bloom.0[9] ^= 1), BadBlock::Bloom);
        assert_eq!(lie(fork, |fields| fields.logs_bloom = alloy_primitives::Bloom::ZERO), BadBlock::Bloom);
        assert!(is_lie(&lie(fork, |fields| fields.state_root = OTHER), Commitment::State));
    }
    for fork in [Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
        assert!(is_lie(&lie(fork, |fields| fields.requests_hash = Some(OTHER)), Commitment::Requests));
    }
    let bad = lie(Fork::Amsterdam, |fields| fields.block_access_list_hash = Some(OTHER));
    assert!(is_lie(&bad, Commitment::AccessList));
}

/// An executor that says something wrong of a block that another one executes.
struct Liar<'l> {
    inner: &'l mut dyn BlockExecutor,
    tell: fn(&mut Executed),
}

impl BlockExecutor for Liar<'_> {
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed, Error> {
        let mut executed = self.inner.execute(rules, block, parent, state)?;
        (self.tell)(&mut executed);
        Ok(executed)
    }
}

// ROW: F53
#[test]
fn what_a_hosts_executor_says_is_compared_with_the_header() {
    let (mut lab, draft) = lively(Fork::Amsterdam);
    let (parent, snapshot) = (lab.parent(), lab.snapshot());
    let lies: [fn(&mut Executed); 8] = [
        |executed| executed.gas_used += 1,
        |executed| executed.blob_gas_used += 1,
        |executed| drop(executed.receipts.pop()),
        |executed| executed.receipts.reverse(),
        |executed| executed.requests_hash = None,
        |executed| executed.access_list = Some(Bytes::from_static(&[0xc0])),
        |executed| {
            executed.changes.accounts.pop_first();
        },
        |executed| executed.changes.storages.clear(),
    ];
    for (index, tell) in lies.into_iter().enumerate() {
        let mut liar = Liar { inner: &mut lab.executor, tell };
        let told = execute(&mut liar, &lab.forks, &draft.block(), &parent, &snapshot, &lab.hashes);
        assert!(matches!(told, Err(Error::Bad(_))), "lie {index}: {told:?}");
    }
    let mut ghost = Liar {
        inner: &mut lab.executor,
        tell: |executed| {
            let storage = executed.changes.storages.values().next().cloned().unwrap();
            executed.changes.storages.insert(OTHER, storage);
        },
    };
    let told = execute(&mut ghost, &lab.forks, &draft.block(), &parent, &snapshot, &lab.hashes);
    assert!(matches!(told, Err(Error::Misfit(_))), "{told:?}");
}

#[test]
fn an_access_list_leaves_the_state_that_execution_leaves() {
    let (mut lab, draft) = lively(Fork::Amsterdam);
    let list = lab.raw(&draft.block()).unwrap().access_list.unwrap();
    let (parent, block) = (lab.parent(), draft.block());
    let snapshot = lab.snapshot();
    let derived = apply_list(&lab.forks, &block, &parent, &list, &snapshot).unwrap();
    assert_eq!(derived.claim().hash, block.hash());
    drop(snapshot);
    lab.write(derived);
    assert_eq!(lab.slot(COUNTER, 0), alloy_primitives::U256::ONE);
    let parent = lab.head.clone();
    lab.head = draft.fields.clone();
    lab.hashes.push(block.hash());
    lab.take_back(parent);
    lab.advance(&draft);
}

#[test]
fn a_list_that_is_not_the_blocks_costs_its_sender_and_a_lie_about_its_root_the_block() {
    let (mut lab, draft) = lively(Fork::Amsterdam);
    let list = lab.raw(&draft.block()).unwrap().access_list.unwrap();
    let (parent, snapshot) = (lab.parent(), lab.snapshot());
    let apply =
        |draft: &Draft, list: &Bytes| apply_list(&lab.forks, &draft.block(), &parent, list, &snapshot);
    let other = Bytes::from_static(&[0xc0]);
    assert!(matches!(apply(&draft, &other), Err(Error::List(_))));
    let mut wrong = draft.clone();
    wrong.fields.state_root = OTHER;
    let told = apply(&wrong, &list).unwrap_err();
    assert!(is_lie(told.bad_block().unwrap(), Commitment::State), "{told}");
    // The header commits to what is no list.
    let mut wrong = draft.clone();
    let noise = Bytes::from_static(&[0xc1, 0x05]);
    wrong.fields.block_access_list_hash = Some(snapsync_keccak::keccak256(&noise));
    let told = apply(&wrong, &noise).unwrap_err();
    assert!(matches!(told.bad_block(), Some(BadBlock::Malformed { part: "access list", .. })), "{told}");
    // Header and body are held against the rules all the same.
    let mut wrong = draft.clone();
    wrong.fields.extra_data = vec![0; 33].into();
    assert!(apply(&wrong, &list).unwrap_err().bad_block().is_some());
    let wrong = Draft { transactions: Vec::new(), ..draft.clone() };
    assert!(is_lie(apply(&wrong, &list).unwrap_err().bad_block().unwrap(), Commitment::Transactions));
    // Before Amsterdam there is none.
    let (lab, draft) = lively(Fork::Osaka);
    let (parent, snapshot) = (lab.parent(), lab.snapshot());
    let told = apply_list(&lab.forks, &draft.block(), &parent, &other, &snapshot);
    assert!(matches!(told, Err(Error::List(_))), "{told:?}");
}

#[test]
fn a_block_on_another_state_is_nobodys_fault() {
    let (mut lab, draft) = lively(Fork::Osaka);
    lab.advance(&draft);
    let before = Lab::at(Fork::Osaka);
    let next = lab.with(Vec::new());
    // Its parent is not what this store has.
    let (parent, snapshot) = (lab.parent(), before.snapshot());
    let told = execute(&mut lab.executor, &before.forks, &next.block(), &parent, &snapshot, &before.hashes);
    assert!(
        matches!(told, Err(Error::NotTheParent { parent }) if parent == next.fields.parent_hash),
        "{told:?}"
    );
}

#[test]
fn a_contract_of_the_protocol_that_is_not_there_or_fails_makes_the_block_bad() {
    // Without code; with code that reverts; with code that asks for something, which is then in the requests' hash.
    for (code, is_good) in
        [("0x", false), ("0x60006000fd", false), ("0x600160006000f3", true), ("0x60016000f3", true)]
    {
        for (count, contract) in lab::SYSTEM_CONTRACTS.iter().enumerate() {
            let contract = contract.to_lowercase();
            let chain = genesis_with(Fork::Amsterdam, |file| file["alloc"][&contract]["code"] = code.into());
            let mut lab = Lab::of(&chain);
            let draft = lab.draft();
            let told = lab.raw(
                &{
                    let mut draft = draft;
                    draft.commit();
                    draft
                }
                .block(),
            );
            match (is_good, told) {
                (true, Ok(executed)) => {
                    let is_empty = executed.requests_hash
                        == Lab::at(Fork::Amsterdam).with(Vec::new()).fields.requests_hash;
                    assert_eq!(is_empty, code == "0x600160006000f3", "{count}");
                }
                (false, Err(error)) => {
                    let bad = error.bad_block().unwrap();
                    assert!(
                        matches!(bad, BadBlock::SystemCall { contract: of, .. } if format!("{of:x}") == contract || alloy_primitives::hex::encode(of) == contract),
                        "{bad}"
                    );
                }
                (_, told) => panic!("{code} {count}: {told:?}"),
            }
        }
    }
}

#[test]
fn a_contract_that_ends_takes_its_storage_with_it() {
    for fork in [Fork::Frontier, Fork::SpuriousDragon, Fork::Shanghai] {
        let mut lab = Lab::at(fork);
        assert_eq!(lab.slot(BOMB, 1).to::<u64>(), 7);
        let draft = lab.with(vec![signed(RICH, legacy(0, BOMB))]);
        lab.advance(&draft);
        assert_eq!(lab.balance(BOMB), None, "{fork:?}");
        assert!(lab.slot(BOMB, 1).is_zero() && lab.slot(BOMB, 2).is_zero());
    }
    // From Cancun on only its ether goes.
    let mut lab = Lab::at(Fork::Cancun);
    let draft = lab.with(vec![signed(RICH, legacy(0, BOMB))]);
    lab.advance(&draft);
    assert_eq!((lab.balance(BOMB).map(|wei| wei.to::<u64>()), lab.slot(BOMB, 1).to::<u64>()), (Some(0), 7));
}
