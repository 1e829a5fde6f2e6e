//! The harness of moving chains against a real geth: what is said to change changes, and geth goes where it is sent.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::time::Duration;

use serde_json::{Value, json};
use snapsync_e2e::{
    chain::TestChain,
    dump::{Dump, Dumped},
    life::{Bustle, Life},
    mover::{Mover, REORG_BLOCKS_MAX},
    moving::{MovingGeth, Pace, STATES, header, holds_state},
    patience,
    presence::geth_or_report,
    recipe::Size,
    rpc::Rpc,
};

/// As fast as geth can.
const AT_ONCE: Pace = Pace { block_every: Duration::ZERO, bustle: Bustle::Calm, bytes_per_second: None };

/// Rows of an older state beside those of a newer one, counted by what became of them.
#[derive(Debug, Default)]
struct Changes {
    accounts_new: usize,
    balances_changed: usize,
    codes_new: usize,
    codes_gone: usize,
    storages_gone: usize,
    slots_new: usize,
    slots_changed: usize,
    slots_gone: usize,
}

impl Changes {
    fn between(old: &Dump, new: &Dump) -> Self {
        let mut changes = Self::default();
        for (key, new) in &new.accounts {
            match old.accounts.get(key) {
                Some(old) => changes.look_at(old, new),
                None => changes.accounts_new += 1,
            }
            let is_new = |code| old.accounts.values().all(|old| old.code_hash != code);
            changes.codes_new += usize::from(!new.code.is_empty() && is_new(new.code_hash));
        }
        changes
    }

    fn look_at(&mut self, old: &Dumped, new: &Dumped) {
        self.balances_changed += usize::from(old.balance != new.balance);
        self.codes_gone += usize::from(!old.code.is_empty() && new.code.is_empty());
        self.storages_gone += usize::from(!old.slots.is_empty() && new.slots.is_empty());
        self.slots_gone += old.slots.keys().filter(|key| !new.slots.contains_key(*key)).count();
        for (key, value) in &new.slots {
            match old.slots.get(key) {
                Some(old) => self.slots_changed += usize::from(old != value),
                None => self.slots_new += 1,
            }
        }
    }

    fn counts(&self) -> [usize; 8] {
        let Self { accounts_new, balances_changed, codes_new, codes_gone, storages_gone, .. } = *self;
        let Self { slots_new, slots_changed, slots_gone, .. } = *self;
        [
            accounts_new,
            balances_changed,
            codes_new,
            codes_gone,
            storages_gone,
            slots_new,
            slots_changed,
            slots_gone,
        ]
    }
}

#[test]
fn busy_chain_changes_every_kind_of_row() {
    let Some(tools) = geth_or_report("busy_chain_changes_every_kind_of_row") else { return };
    let folder = tempfile::tempdir().unwrap();
    let moving = MovingGeth::start(&tools, Size::SMALL, folder.path(), AT_ONCE).unwrap();
    // A storage that becomes empty is full for four blocks of eight.
    moving.wait_for_blocks(16).unwrap();
    let standing = moving.stand().unwrap();
    let rpc = standing.geth.rpc();
    let newest = header(rpc, "latest").unwrap();
    let full = (newest.number - 12..).find(|number| number % 8 == 1).unwrap();
    for number in full..=newest.number {
        assert_transactions_succeeded(rpc, number);
    }
    let states = [full, full + 3, full + 4].map(|number| header(rpc, &format!("{number:#x}")).unwrap());
    let datadir = standing.geth.stop().unwrap();
    let [old, near, new] = states.map(|header| {
        let dump = Dump::of(&tools, &datadir, header.hash).unwrap();
        assert_eq!(dump.root, header.root);
        dump
    });
    let changes = Changes::between(&old, &new);
    assert!(changes.counts().iter().all(|count| *count > 0), "{changes:?}");
    // One block alone changes the herd.
    let changes = Changes::between(&near, &new);
    assert!(changes.slots_changed > 100, "{changes:?}");
}

fn assert_transactions_succeeded(rpc: Rpc, number: u64) {
    let receipts = rpc.call("eth_getBlockReceipts", json!([format!("{number:#x}")])).unwrap();
    let receipts = receipts.as_array().unwrap();
    assert!(receipts.len() >= 10, "{receipts:?}");
    let failed: Vec<&Value> = receipts.iter().filter(|receipt| receipt["status"] != "0x1").collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn geth_goes_over_to_another_branch_and_keeps_the_states_of_both() {
    let name = "geth_goes_over_to_another_branch_and_keeps_the_states_of_both";
    let Some(tools) = geth_or_report(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let moving = MovingGeth::start(&tools, Size::SMALL, folder.path(), AT_ONCE).unwrap();
    moving.wait_for_blocks(10).unwrap();
    let rpc = moving.geth().rpc();
    for depth in [0, 1, 5] {
        let told = moving.mover().reorganise(depth).unwrap();
        assert_eq!(told.left.number, told.fork.number + depth as u64);
        assert_eq!(told.head.number, told.left.number + 1);
        for stands in [told.fork, told.head] {
            assert_eq!(header(rpc, &format!("{:#x}", stands.number)).unwrap().hash, stands.hash);
        }
        let there = header(rpc, &format!("{:#x}", told.left.number)).unwrap();
        assert_eq!(there.hash == told.left.hash, depth == 0);
        assert!(holds_state(rpc, told.left.hash), "{told:?}");
    }
    moving.wait_for_blocks(3).unwrap();
    assert!(moving.mover().reorganise(REORG_BLOCKS_MAX + 1).is_err());
}

#[test]
fn geth_holds_the_states_of_the_newest_128_blocks() {
    let Some(tools) = geth_or_report("geth_holds_the_states_of_the_newest_128_blocks") else { return };
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let rpc = geth.rpc();
    let mover = Mover::start(&geth, Life::quiet(chain.expected().head_number), Duration::ZERO).unwrap();
    let made = || (mover.blocks() > STATES + 10).then_some(());
    patience::until("the blocks", Duration::from_secs(120), made, || geth.log()).unwrap();
    mover.stop().unwrap();
    let head = header(rpc, "latest").unwrap().number;
    let holds = |below: u64| {
        let block = header(rpc, &format!("{:#x}", head - below)).unwrap();
        holds_state(rpc, block.hash)
    };
    // The one just below the newest 128 is the disk's, and still there.
    assert_eq!([0, 1, STATES - 1, STATES + 1].map(holds), [true, true, true, false]);
}
