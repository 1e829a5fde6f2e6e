//! A sync among strangers ends as one that is alone.

use std::time::Duration;

use snapsync_e2e::patience;
use snapsync_siege::{BUDGET_BYTES, Crowd, Kind, Line, SESSIONS, Size, Stage};

const PATIENCE: Duration = Duration::from_secs(600);

/// Slow enough that the strangers are all there before the sync is over.
const SLOW_BYTES_PER_S: u64 = 100_000;

/// The chain's few MB in half a minute.
const BYTES_PER_S: u64 = 80_000;

// ROW: F29
#[test]
fn sync_among_strangers_of_every_kind_ends_verified_and_within_its_memory() {
    let stage = Stage::open(Size { accounts: 20_000, contracts: 300, slots: 10_000, blocks: 40 }).unwrap();
    stage.relay().throttle(Some(SLOW_BYTES_PER_S));
    let syncing = stage.sync("sync", Line::Relayed).unwrap();
    let crowd = Crowd::gather(*syncing.place(), SESSIONS).unwrap();
    let all_came = || Kind::ALL.iter().all(|kind| crowd.tally().count(*kind).sessions > 0).then_some(());
    patience::until("strangers of every kind", PATIENCE, all_came, || syncing.stderr()).unwrap();
    stage.relay().throttle(Some(BYTES_PER_S));
    let synced = syncing.wait(PATIENCE).unwrap();
    let allowed = BUDGET_BYTES + (64 << 20);
    assert!(
        synced.anonymous_peak_bytes <= allowed,
        "{} of {allowed} bytes\n{}",
        synced.anonymous_peak_bytes,
        synced.text
    );
}
