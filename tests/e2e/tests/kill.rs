//! Ends half-way: by a power cut and by Ctrl-C. Half-way is a place: the relay stops the bytes until the disk holds a share of
//! the leaves, and only then the program is ended.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod disk;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use snapsync_e2e::{
    cache::Tools,
    chain::{Expected, TestChain},
    geth::Geth,
    order::{self, Order},
    patience,
    presence::geth_or_report,
    program::{Finished, Running},
    recipe::Size,
    relay::Relay,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that the relay passes between two looks at the disk: 1.5 % of the chain.
const STEP_BYTES: u64 = 50_000;

/// What a data directory holds, by its `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    accounts: u64,
    slots: u64,
    codes: u64,
    headers: u64,
    bodies: u64,
    receipts: u64,
}

impl Held {
    fn in_datadir(datadir: &Path) -> Self {
        let Some(status) = order::status(datadir, PATIENCE).unwrap() else { return Self::default() };
        let count = |part: &str, noun: &str| status[part][noun].as_u64().unwrap();
        Self {
            accounts: count("state", "accounts"),
            slots: count("state", "slots"),
            codes: count("state", "codes"),
            headers: count("history", "headers"),
            bodies: count("history", "bodies"),
            receipts: count("history", "receipts"),
        }
    }

    fn leaves(&self) -> u64 {
        self.accounts + self.slots
    }

    /// Percent of the chain's leaves.
    fn share(&self, expected: &Expected) -> u64 {
        self.leaves() * 100 / (expected.state.accounts + expected.state.slots)
    }
}

/// What a finished run says that it fetched.
fn fetched(finished: &Finished) -> Held {
    let line = finished.stdout.lines().find_map(|line| line.strip_prefix("fetched")).unwrap();
    let mut counts = line.split(", ").map(|part| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    });
    let mut next = || counts.next().unwrap();
    Held { accounts: next(), slots: next(), codes: next(), headers: next(), bodies: next(), receipts: next() }
}

/// Lets bytes through, step by step, until `percent` of the leaves are durable, and more than before; then they stand still.
fn run_until(relay: &Relay, order: &Order, expected: &Expected, percent: u64) -> Running {
    let before = Held::in_datadir(&order.datadir);
    relay.stop_at(relay.passed().down_bytes + STEP_BYTES);
    let running = order.start().unwrap();
    loop {
        let passed = relay.wait_until_stopped(PATIENCE).unwrap();
        let held = Held::in_datadir(&order.datadir);
        if held.share(expected) >= percent && held.leaves() > before.leaves() {
            return running;
        }
        relay.stop_at(passed.down_bytes + STEP_BYTES);
    }
}

/// Where a test stands: a chain that geth serves behind a relay.
struct Scene {
    folder: tempfile::TempDir,
    chain: TestChain,
    geth: Geth,
    relay: Relay,
}

impl Scene {
    fn set(tools: &Tools) -> Self {
        let chain = TestChain::of(tools, Size::SMALL).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let geth = chain.serve(tools, folder.path()).unwrap();
        let relay = Relay::start(geth.peer_address()).unwrap();
        Self { folder, chain, geth, relay }
    }

    fn order(&self, name: &str) -> Order {
        let peer = self.geth.enode_at(self.relay.address());
        Order::to_head_of(&self.chain, peer, self.folder.path().join(name))
    }
}

/// What one kill may cost in bytes from geth. It answers one request of a connection after the other, so that a single answer
/// is cut off; one of 512 KiB, the size that each run begins with, or of 768 KiB, once it has grown by a half. What came whole
/// in the step before and was not committed yet, and the handshakes of the next run, are within the rest. (The engine's own
/// limit is a batch of 2 MiB and its proofs for each open range.)
const KILL_BYTES_MAX: u64 = (768 << 10) + STEP_BYTES + (32 << 10);

// ROW: F5, F15, F16, F19, F30
#[test]
fn three_kills_lose_no_committed_range() {
    let Some(tools) = geth_or_report("three_kills_lose_no_committed_range") else { return };
    let scene = Scene::set(&tools);
    let (relay, expected) = (&scene.relay, scene.chain.expected());
    assert_eq!(scene.order("clean").run(PATIENCE).unwrap().code(), Some(0));
    let clean_bytes = relay.passed().down_bytes;

    let order = scene.order("killed");
    let (mut held, mut kills) = (Held::default(), 0);
    // The share jumps by a fifth of the leaves with each answer from the huge contract: from 60 to 80 at the last place.
    for percent in [15, 35, 55] {
        run_until(relay, &order, expected, percent).kill().unwrap();
        // What waits on the way to the dead must not count as passed.
        relay.cut();
        relay.resume();
        held = Held::in_datadir(&order.datadir);
        assert!((10..=90).contains(&held.share(expected)), "{held:?} is not half-way");
        kills += 1;
    }
    let last = order.run(PATIENCE).unwrap();
    assert_eq!(last.code(), Some(0), "{}", last.stderr);
    let bytes = relay.passed().down_bytes - clean_bytes;
    let limit = clean_bytes + kills * KILL_BYTES_MAX;
    println!("{bytes} bytes with {kills} kills, {clean_bytes} without, {limit} allowed");
    assert!(bytes <= limit, "{bytes} bytes, clean {clean_bytes}");

    // Not one row that was committed was fetched again. (A slot that is held may have been copied from an equal storage.)
    let fetched = fetched(&last);
    assert!(fetched.slots > 0 && fetched.slots + held.slots <= expected.state.slots, "{fetched:?} {held:?}");
    assert_eq!(fetched.accounts + held.accounts, expected.state.accounts);
    for blocks in
        [fetched.headers + held.headers, fetched.bodies + held.bodies, fetched.receipts + held.receipts]
    {
        assert_eq!(blocks, expected.head_number);
    }
    disk::assert_holds_what_geth_has(&order.datadir, &scene.chain, &scene.geth);
}

/// Asks a run to end, which it does in time and in its own words.
fn assert_stops(running: Running) {
    let asked = Instant::now();
    running.interrupt().unwrap();
    let stopped = running.wait(PATIENCE).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(stopped.code(), Some(130), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("the same command resumes"), "{}", stopped.stderr);
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
}

// ROW: F33
#[test]
fn interrupted_run_ends_in_time_and_is_resumed() {
    let Some(tools) = geth_or_report("interrupted_run_ends_in_time_and_is_resumed") else { return };
    let scene = Scene::set(&tools);
    let (relay, expected, order) = (&scene.relay, scene.chain.expected(), scene.order("a"));
    // In the handshake, and among the headers: neither has brought anything to the disk.
    for bytes in [100, 50_000] {
        relay.stop_at(relay.passed().down_bytes + bytes);
        let running = order.start().unwrap();
        relay.wait_until_stopped(PATIENCE).unwrap();
        assert_stops(running);
        relay.cut();
    }
    // In the download, with a peer that has fallen silent.
    assert_stops(run_until(relay, &order, expected, 20));
    relay.cut();
    let held = Held::in_datadir(&order.datadir);
    assert!(held.share(expected) >= 20, "{held:?}");
    // In the download, while bytes flow: so slowly that the end is far away.
    relay.throttle(Some(250_000));
    relay.resume();
    let running = order.start().unwrap();
    let more = || Some(Held::in_datadir(&order.datadir)).filter(|now| now.leaves() > held.leaves());
    let now = patience::until("more leaves", PATIENCE, more, || running.stderr()).unwrap();
    assert!(now.share(expected) < 90, "{now:?}");
    assert_stops(running);
    relay.throttle(None);
    let held = Held::in_datadir(&order.datadir);
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(fetched(&finished).accounts + held.accounts, expected.state.accounts);
    assert!(finished.stdout.contains(&expected.state.root.to_string()), "{}", finished.stdout);
}
