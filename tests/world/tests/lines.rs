//! How well lines are used: the figures of a sync of gigabytes. Time is virtual, so they are exact; the state is virtual, too,
//! so that gigabytes take a second or two. All bytes are counted where they arrive; useful ones are rows, each once.

use std::time::Duration;

use snapsync_sync::History;
use snapsync_world::big::{BigWorld, Figures, Quality, Scene, Shape};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// 4.3 GB: a tenth and more of it accounts, then storages by a power law, and 70 MB of codes.
fn shape() -> Shape {
    Shape {
        accounts: 10_000_000,
        account_bytes: 100,
        contracts: 150_000,
        slots_typical: 300,
        slot_bytes: 60,
        huge_percent: 0,
        codes: 8_000,
        blocks: 2_000,
        block_bytes: 20_000,
    }
}

fn thirty(seed: u64) -> Scene {
    Scene::thirty(seed, shape())
}

/// The first of the thirty alone, and a fifth of the state.
fn one(seed: u64) -> Scene {
    let mut scene = thirty(seed);
    scene.lines.truncate(1);
    scene.leaves.clear();
    scene.shape.accounts /= 5;
    scene.shape.contracts /= 5;
    scene.shape.codes /= 5;
    scene
}

fn sync(name: &str, scene: Scene) -> Figures {
    let seed = scene.seed;
    let figures = BigWorld::new(scene, |_, _| {}).run();
    println!("{name}, seed {seed}: {figures}");
    figures
}

// ROW: F15 F37 F40
#[test]
fn thirty_peers_are_used_to_nine_tenths_and_the_end_is_short() {
    for seed in 0..6 {
        let figures = sync("thirty", thirty(seed));
        assert!(figures.used_share() >= 0.90, "seed {seed}: {figures}");
        assert!(figures.last_percent_in_answers() <= 3.0, "seed {seed}: {figures}");
        assert!(figures.twice_share() <= 0.01, "seed {seed}: {figures}");
    }
}

// ROW: F15 F37
#[test]
fn one_peer_is_used_to_nineteen_twentieths() {
    for seed in 0..6 {
        let figures = sync("one", one(seed));
        assert!(figures.used_share() >= 0.95, "seed {seed}: {figures}");
    }
}

/// A server on loopback that is bound by its processor, 5.4 us a leaf: from the first request for state to the last row it has
/// no pause worth mentioning.
// ROW: F37
#[test]
fn a_server_next_door_is_never_idle() {
    let mut scene = one(0);
    scene.lines = vec![Quality {
        round_trip: Duration::from_micros(100),
        bytes_per_s: 125_000_000,
        row_ns: 5_400,
        block_thinks: Duration::ZERO,
        unrest_percent: 0,
    }];
    scene.shape =
        Shape { accounts: 620_000, contracts: 3_000, slots_typical: 150, codes: 500, ..scene.shape };
    let figures = sync("next door", scene);
    assert!(figures.busy_share >= 0.95, "{figures}");
}

/// Compared is the time until the state is whole: with three tenths of all slots in one contract, against the same number of
/// slots, accounts and codes, on the same lines, with these slots spread over all contracts.
// ROW: F16
#[test]
fn a_contract_with_three_tenths_of_all_slots_costs_a_twentieth_at_most() {
    for seed in 0..4 {
        let spread = sync("spread", thirty(seed));
        let mut scene = thirty(seed);
        scene.shape.huge_percent = 30;
        let huge = sync("huge", scene);
        assert_eq!(huge.state_bytes, spread.state_bytes);
        assert!(
            huge.took.as_secs_f64() < spread.took.as_secs_f64() * 1.05,
            "{:?}, {:?}",
            huge.took,
            spread.took
        );
    }
}

/// Compared is the time until the state is whole, without bodies and receipts and with them: many (20,000 blocks of 100 KB
/// each way), or slow (each server thinks for half a second before it gives any).
// ROW: F13
#[test]
fn bodies_and_receipts_cost_the_state_a_twentieth_at_most_and_go_on_beside_it() {
    // Of all seeds together: what one of them takes differs by a fiftieth with each answer that is cut elsewhere.
    let (mut alone, mut with_many, mut with_slow) = (0.0, 0.0, 0.0);
    for seed in 0..3 {
        let without = sync("without", thirty(seed));
        alone += without.took.as_secs_f64();
        let mut many = thirty(seed);
        many.history = History::All;
        (many.shape.blocks, many.shape.block_bytes) = (20_000, 100_000);
        let mut slow = thirty(seed);
        slow.history = History::All;
        slow.lines.iter_mut().for_each(|line| line.block_thinks = ms(500));
        for (name, scene, took) in [("many", many, &mut with_many), ("slow", slow, &mut with_slow)] {
            let with = sync(name, scene);
            *took += with.took.as_secs_f64();
            assert!(with.history_bytes > without.history_bytes + 10_000_000, "{name}: {with}");
        }
    }
    for (name, took) in [("many", with_many), ("slow", with_slow)] {
        assert!(took < alone * 1.05, "{name}: {took} against {alone}");
    }
}
