//! The whole machine among few peers, each story told by hand: what it comes to, whom it leaves, what it says and what it still holds.

use std::{collections::BTreeSet, time::Duration};

use snapsync_sync::{Fatal, History, Journal, Missing, Report, TraceLine, replay};
use snapsync_world::{Echo, Flavour, Kind, Size, Snap, Speed, Story, Told, Twist, World};

/// 4,000 accounts, a third with storage, one of these huge, and 3,000 blocks with all of their history. By this seed the lines of the
/// first five peers lose nothing.
fn story(kinds: &[Kind]) -> Story {
    Story {
        seed: 32,
        size: Size {
            flavour: Flavour::Virtual,
            accounts: 4_000,
            contracts_per_mille: 333,
            huge_slots: 4_000,
            row_weight: 2_000,
            blocks: 3_000,
        },
        kinds: kinds.to_vec(),
        crashes: BTreeSet::new(),
        budget_bytes: 64 << 20,
        commit: Duration::from_millis(3),
        speed: Speed::ample(),
        history: History::All,
        snap: Snap::One,
        twist: Twist::None,
        sleeps: Vec::new(),
        limit: Duration::from_secs(3_600),
    }
}

/// A story told to its end, and what the machine still holds then. Whether it ends as it must the world sees to.
fn tell(story: Story) -> (World, Told) {
    let mut world = World::new(story, Echo::Nowhere, None);
    let told = world.run().unwrap_or_else(|breach| panic!("{breach}"));
    let desk = world.desk();
    assert_eq!((desk.reservations(), desk.reserved_bytes()), (0, 0), "what was reserved is free");
    assert!(desk.in_flight().is_empty());
    (world, told)
}

fn is_complete(told: &Told) -> bool {
    told.reports.iter().any(|report| matches!(report, Report::Complete(_)))
}

fn fatal(told: &Told) -> Option<&Fatal> {
    told.reports.iter().find_map(|report| match report {
        Report::Fatal(fatal) => Some(fatal),
        _ => None,
    })
}

fn left(told: &Told) -> Vec<Kind> {
    told.tallies.hung_up.keys().copied().collect()
}

#[test]
fn honest_peers_complete_it() {
    let (_, told) = tell(story(&[Kind::Honest; 3]));
    assert!(is_complete(&told));
    assert_eq!((told.rows_twice, left(&told)), (0, vec![]));
}

#[test]
fn one_peer_is_enough() {
    assert!(is_complete(&tell(story(&[Kind::Honest])).1));
}

#[test]
fn a_state_of_one_account_is_complete() {
    for flavour in [Flavour::Virtual, Flavour::Real] {
        let mut tiny = story(&[Kind::Honest; 2]);
        tiny.size =
            Size { flavour, accounts: 1, contracts_per_mille: 0, huge_slots: 0, row_weight: 0, blocks: 3 };
        let (_, told) = tell(tiny);
        assert!(is_complete(&told), "{flavour:?}");
        assert_eq!(left(&told), []);
    }
}

#[test]
fn liar_and_silent_are_named_and_left() {
    let (_, told) = tell(story(&[Kind::Honest, Kind::Silent, Kind::WrongCode]));
    assert!(is_complete(&told));
    assert!(told.tallies.faults["silent"] > 0);
    assert_eq!(left(&told), [Kind::Silent, Kind::WrongCode]);
}

#[test]
fn one_stale_peer_of_five_moves_nothing() {
    let (_, told) = tell(story(&[Kind::Stale, Kind::Honest, Kind::Honest, Kind::Honest, Kind::Honest]));
    assert!(is_complete(&told));
    assert_eq!(left(&told), [], "not having something is no fault");
}

#[test]
fn a_root_that_nobody_has_ends_with_a_clear_report() {
    let mut lost = story(&[Kind::Honest; 2]);
    lost.twist = Twist::RootLost { at: Duration::ZERO };
    let (mut world, told) = tell(lost);
    let target = world.desk().engine().pin().unwrap().id;
    assert_eq!(fatal(&told), Some(&Fatal::TargetUnavailable { missing: Missing::State { target } }));
    assert_eq!(left(&told), []);
}

#[test]
fn state_that_nobody_has_under_a_still_head_is_waited_for() {
    for lasts in [60, 7_200].map(Duration::from_secs) {
        let mut gone = story(&[Kind::Honest; 3]);
        gone.twist = Twist::StateGone { at: Duration::from_millis(2_500), lasts };
        gone.limit = Duration::from_secs(4 * 3_600);
        let (_, told) = tell(gone);
        assert!(is_complete(&told), "{lasts:?}");
        assert_eq!(left(&told), [], "not having something is no fault");
        // Soon after somebody has it again, though no head says so.
        assert!(told.took < lasts + Duration::from_secs(180), "{lasts:?}: {:?}", told.took);
    }
}

// ROW: F12
#[test]
fn old_blocks_that_all_peers_lack_end_no_state_sync_and_are_named_at_the_end() {
    let (_, told) = tell(story(&[Kind::Pruned; 2]));
    let at = |wanted: &dyn Fn(&Report) -> bool| told.reports.iter().position(wanted);
    let verified = at(&|report| matches!(report, Report::StateVerified(_))).expect("the state is complete");
    let lacking = at(&|report| matches!(report, Report::Lacking(_))).expect("what is lacking is told");
    // That these are the blocks which nobody has is looked at by the world.
    let Some(Fatal::HistoryUnavailable { lack }) = fatal(&told) else { panic!("{:?}", told.reports) };
    let [Missing::Bodies { blocks }, Missing::Receipts { .. }] = lack.spans[..] else { panic!("{lack:?}") };
    assert_eq!(lack.spans[1], Missing::Receipts { blocks });
    assert_eq!(blocks.first, 1);
    assert!(verified < told.reports.len() - 1 && lacking < told.reports.len() - 1);
    assert_eq!(left(&told), [], "not having something is no fault");
}

#[test]
fn one_peer_that_has_old_blocks_is_enough() {
    let (_, told) = tell(story(&[Kind::Honest, Kind::Pruned, Kind::Pruned]));
    assert!(is_complete(&told));
    assert_eq!(left(&told), []);
}

#[test]
fn slow_peer_does_not_hold_up_the_end() {
    let (_, told) = tell(story(&[Kind::Honest, Kind::SlowLoris]));
    assert!(is_complete(&told));
    // A few of its deadlines, which are 30 s at most.
    assert!(told.took < Duration::from_secs(100), "{:?}", told.took);
}

#[test]
fn trace_replays_to_the_same_hash() {
    let mut world = World::new(story(&[Kind::Honest, Kind::WrongCode]), Echo::Nowhere, None);
    let config = Box::new(world.desk().engine().config().clone());
    let start = TraceLine::Start { config, journal: Box::new(Journal::fresh()) };
    world.desk().record();
    assert!(is_complete(&world.run().unwrap()));
    let lines: Vec<String> =
        [start].into_iter().chain(world.desk().take_trace()).map(|line| line.to_json().unwrap()).collect();
    let replayed = replay(lines.iter().map(String::as_str)).unwrap();
    assert_eq!(Some(replayed), world.desk().effect_hash());
}

#[test]
fn same_seed_same_story() {
    let effects = |seed| {
        let story = Story { seed, ..story(&[Kind::Honest, Kind::WrongCode, Kind::SlowLoris]) };
        let mut world = World::new(story, Echo::Nowhere, None);
        world.desk().record();
        let told = world.run().unwrap();
        (world.desk().effect_hash(), told.took)
    };
    assert_eq!(effects(5), effects(5));
    assert_ne!(effects(5), effects(6));
}

/// Many manners at once, each seed on other lines, with a disk that lags. A window once shrank to less than the header answers that
/// waited in it for the one above.
#[test]
fn every_seed_ends_and_frees_what_it_reserved() {
    let kinds = [Kind::Honest, Kind::WrongCode, Kind::SlowLoris, Kind::Stale, Kind::Silent];
    for seed in 0..16 {
        let commit = Duration::from_millis(seed % 5 * 40);
        let (_, told) = tell(Story { seed, commit, ..story(&kinds) });
        assert!(is_complete(&told), "seed {seed}");
        // A spin would be thousands.
        assert!(told.ticks < 500, "seed {seed}: woken {} times", told.ticks);
        // Any other may be on a line that loses too much; for what it is left then, the world sees to.
        assert!(!left(&told).contains(&Kind::Honest), "seed {seed}: {:?}", left(&told));
        assert_eq!(told.rows_twice, 0, "seed {seed}");
    }
}
