//! The share that is shown, against what is held.

use alloy_primitives::B256;
use snapsync_storage::{StateStore, StorageSample};
use snapsync_trie::{Coverage, HashRange, TargetId};

use super::*;

const PARAMS: DemoParams =
    DemoParams { accounts: 2_000, contracts: 400, slots: 40_000, blocks: 3, history_from: 0, seed: 3 };

/// The slots take some ten seconds.
const LINE_BYTES_PER_SECOND: u64 = 250_000;

impl Demo {
    /// Accounts and slots that are on the disk.
    fn leaves(&self) -> f64 {
        let state = StateStore::open_read_only(&self.datadir()).expect("a state");
        let rows = state.snapshot().expect("a snapshot").rows().expect("rows");
        (rows.accounts + rows.slots) as f64
    }
}

/// Waits for figures like these.
fn figures(sync: &SnapSync, is: impl Fn(&Progress) -> bool) -> Progress {
    let until = Instant::now() + PATIENCE;
    loop {
        let figures = sync.progress();
        if is(&figures) {
            return figures;
        }
        assert!(Instant::now() < until, "{figures:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

// ROW: F21
#[test]
fn share_after_a_restart_is_of_all_leaves_while_storages_wait_and_rises_to_the_end() {
    let demo = Demo::serve_over(PARAMS, 1, Limits::mainnet(), Some(LINE_BYTES_PER_SECOND));
    let config = Config { history: snapsync_driver::History::None, ..demo.config() };
    let sync = SnapSync::start(config.clone()).expect("started");
    sync.forkchoice_updated(Forkchoice::head(demo.chain.target.hash)).expect("it runs");
    // All accounts are here, and most slots are not.
    figures(&sync, |figures| figures.durable.slots > 4_000 && figures.storages_pending > 50);
    sync.shutdown_blocking().expect("a clean end");
    let held = demo.leaves();

    let sync = SnapSync::start(config).expect("started");
    let mut shares = vec![figures(&sync, |figures| figures.share_before > 0.0).share_before];
    while sync.progress().phase != "complete" {
        shares.push(sync.progress().share);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    sync.shutdown_blocking().expect("a clean end");
    let truth = held / demo.leaves();
    assert!(truth < 0.9, "{truth}: too much was held to tell");
    // How large those are that wait nobody knows; the largest are the last to come.
    assert!(shares[0] < truth + 0.3, "{} is shown of {truth}", shares[0]);
    assert!(shares.is_sorted(), "{shares:?}");
}

#[test]
fn few_rows_tell_how_many_a_storage_has_and_what_is_usual() {
    let demo = Demo::serve(PARAMS, 1);
    let snapshot = demo.store.state.snapshot().expect("a snapshot");
    let mut whole = StorageSample::default();
    for row in snapshot.accounts_from(B256::ZERO).expect("rows") {
        let row = row.expect("a row");
        let slots = snapshot.slots_from(row.key, B256::ZERO).expect("rows").count() as u64;
        if slots > 5_000 {
            // Of a half of it, and of all.
            let half = HashRange::new(B256::ZERO, HashRange::FULL.split(2)[0].last()).expect("rising");
            for held in [half, HashRange::FULL] {
                let mut parts = Coverage::missing();
                parts.fill(held, TargetId(1));
                let about = snapshot.slots_about(row.key, &parts).expect("rows");
                assert!(about.abs_diff(slots) < slots / 20, "{about} slots are {slots}");
            }
        } else if slots > 0 {
            whole = StorageSample { storages: whole.storages + 1, slots: whole.slots + slots };
        }
    }
    assert_eq!(snapshot.slots_about(B256::ZERO, &Coverage::missing()).expect("rows"), 0);
    let sample = snapshot.sample_storages().expect("rows");
    assert!((32..=64).contains(&sample.storages), "{sample:?}");
    let mean = |sample: StorageSample| sample.slots as f64 / sample.storages as f64;
    assert!(mean(sample) < 3.0 * mean(whole) && mean(whole) < 3.0 * mean(sample), "{sample:?} of {whole:?}");
}
