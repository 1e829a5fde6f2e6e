//! Seeds in the dev profile, and stories told by hand, each named by what it shows.

use std::time::Duration;

use snapsync_world::{Breach, Echo, Ending, Flavour, Kind, Older, Speed, Story, Told, Twist, World};

fn tell(story: Story) -> Result<Told, Breach> {
    World::new(story, Echo::Nowhere, None).run()
}

/// A middling story with these peers and nothing else that goes wrong.
fn among(kinds: &[Kind]) -> Story {
    let mut story = Story::draw(2);
    story.twist = Twist::None;
    story.crashes.clear();
    story.sleeps.clear();
    story.speed = Speed::ample();
    story.size.flavour = Flavour::Virtual;
    story.size.row_weight = 2_000;
    story.size.accounts = 3_000;
    story.size.contracts_per_mille = 200;
    story.size.huge_slots = 1_500;
    story.size.blocks = 600;
    story.kinds = kinds.to_vec();
    story
}

fn faults(told: &Told, name: &str) -> u64 {
    told.tallies.faults.get(name).copied().unwrap_or(0)
}

// ROW: F19 F30 F36
#[test]
fn sixty_seeds_hold() {
    for seed in 0..60 {
        if let Err(breach) = tell(Story::draw(seed)) {
            panic!("{breach}; read it with SIM_SEED={seed} cargo run -p snapsync-world --bin seeds");
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [0, 1, 3, 7, 13] {
        let (once, again) = (tell(Story::draw(seed)).unwrap(), tell(Story::draw(seed)).unwrap());
        assert_eq!((once.trace, once.took), (again.trace, again.took), "seed {seed}");
    }
    assert_ne!(tell(Story::draw(0)).unwrap().trace, tell(Story::draw(2)).unwrap().trace);
}

// ROW: F6
#[test]
fn one_peer_without_the_root_stops_nobody() {
    let told = tell(among(&[Kind::Honest, Kind::Honest, Kind::Stale, Kind::Honest, Kind::Honest])).unwrap();
    assert!(told.tallies.asked[&Kind::Stale] > 0);
}

// ROW: F6
#[test]
fn a_root_that_nobody_has_is_named() {
    let mut story = among(&[Kind::Honest, Kind::Honest, Kind::Capped]);
    story.twist = Twist::RootLost { at: Duration::from_millis(2_200) };
    assert_eq!(story.ending(), Ending::Fatal("unavailable"));
    tell(story).unwrap();
}

// ROW: F11
#[test]
fn without_peers_it_waits_and_does_not_spin() {
    let mut story = among(&[Kind::Honest, Kind::Capped]);
    story.twist = Twist::Drought { at: Duration::from_millis(2_500), lasts: Duration::from_secs(3_600) };
    let told = tell(story).unwrap();
    assert!(told.took > Duration::from_secs(3_600));
    assert!(told.ticks < 300, "{} ticks in an hour without peers", told.ticks);
}

// ROW: F16
#[test]
fn a_huge_contract_comes_in_pieces_from_capped_peers() {
    let mut story = among(&[Kind::Honest, Kind::Capped, Kind::Capped, Kind::Starving]);
    story.size.huge_slots = 6_000;
    let told = tell(story).unwrap();
    assert!(told.tallies.asked[&Kind::Capped] > 20);
    assert_eq!(told.rows_twice, 0);
}

// ROW: F17 F34
#[test]
fn a_wrong_code_costs_its_sender_and_is_asked_elsewhere() {
    let mut story =
        among(&[Kind::Honest, Kind::WrongCode, Kind::WrongCode, Kind::WrongCode, Kind::WrongCode]);
    story.size.contracts_per_mille = 700;
    let told = tell(story).unwrap();
    assert!(faults(&told, "wrong_code") > 0);
}

// ROW: F5 F30
#[test]
fn the_power_goes_at_each_commit() {
    for nth in 1.. {
        let mut story = among(&[Kind::Honest, Kind::Honest, Kind::Capped]);
        story.crashes = [nth].into();
        let told = tell(story).unwrap();
        // What was durable is never asked for again: gaps and pendings are as durable as their rows.
        assert_eq!(told.rows_twice, 0, "commit {nth}");
        if told.tallies.crashes == 0 {
            assert!(nth > 20, "only {nth} commits");
            return;
        }
    }
}

// ROW: F29
#[test]
fn a_slow_disk_stops_requests_and_memory_stays_within_the_budget() {
    let mut story = among(&[Kind::Honest; 8]);
    story.size.row_weight = 20_000;
    story.budget_bytes = 4 << 20;
    story.commit = Duration::from_secs(2);
    // The check of each step compares what is held with the budget.
    let told = tell(story).unwrap();
    assert!(told.took > Duration::from_secs(10));
}

// ROW: F29
#[test]
fn slow_provers_stop_requests_and_memory_stays_within_the_budget() {
    let mut story = among(&[Kind::Honest; 8]);
    story.size.row_weight = 20_000;
    story.budget_bytes = 4 << 20;
    let quick = tell(story.clone()).unwrap();
    (story.speed.provers, story.speed.prove_bytes_per_ms) = (1, 500);
    let told = tell(story).unwrap();
    assert!(told.tallies.answers_waited > 100, "{} answers waited", told.tallies.answers_waited);
    assert!(told.took > quick.took * 4, "{:?} against {:?}", told.took, quick.took);
    // No more was asked for than with quick ones, for want of answers that wait.
    let asked = |told: &Told| told.tallies.asked[&Kind::Honest];
    assert!(asked(&told) < asked(&quick) * 2, "{} against {}", asked(&told), asked(&quick));
}

// ROW: F29
#[test]
fn a_full_writer_holds_the_provers_and_they_hold_the_requests() {
    let mut story = among(&[Kind::Honest; 8]);
    (story.size.row_weight, story.budget_bytes) = (20_000, 4 << 20);
    story.commit = Duration::from_millis(200);
    (story.speed.queue_writes_max, story.speed.batch_max_bytes, story.speed.write_bytes_per_ms) = (1, 1, 300);
    let told = tell(story).unwrap();
    assert!(told.tallies.provers_waited > 50, "{} times", told.tallies.provers_waited);
    assert!(told.tallies.answers_waited > 50, "{} answers", told.tallies.answers_waited);
}

// ROW: F34 F39
#[test]
fn each_liar_is_caught_and_the_sync_ends() {
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_truthful()) {
        let mut story = among(&[Kind::Honest, kind, kind, kind, kind]);
        story.size.flavour = Flavour::Real;
        // Enough codes that each peer is asked for some.
        story.size.accounts = 1_000;
        let told = tell(story).unwrap_or_else(|breach| panic!("{kind}: {breach}"));
        assert!(told.tallies.faults.values().sum::<u64>() > 0, "{kind} got away with it");
    }
}

// ROW: F38 F40
#[test]
fn peers_that_hang_delay_the_end_by_little() {
    let alone = tell(among(&[Kind::Honest])).unwrap();
    let told =
        tell(among(&[Kind::Honest, Kind::Silent, Kind::Silent, Kind::Silent, Kind::SlowLoris])).unwrap();
    assert!(faults(&told, "silent") > 0);
    assert!(told.took < alone.took + Duration::from_secs(120), "{:?} against {:?}", told.took, alone.took);
}

// ROW: F41
#[test]
fn answers_that_nobody_asked_for_are_told_apart() {
    let told = tell(among(&[
        Kind::Honest,
        Kind::WrongId,
        Kind::WrongId,
        Kind::WrongId,
        Kind::WrongId,
        Kind::Bloated,
        Kind::Bloated,
        Kind::Garbled,
    ]));
    let told = told.unwrap();
    for name in ["unsolicited", "wrong_kind", "malformed", "too_many"] {
        assert!(faults(&told, name) > 0, "{name} was not met: {:?}", told.tallies.faults);
    }
}

#[test]
fn a_job_goes_on_with_nothing_that_others_have_brought() {
    // Below a fork an earlier job's answer came late, and the later one asked on for the rest of one of these blocks after the end.
    tell(Story::draw(2_660)).unwrap();
}

// ROW: F40
#[test]
fn a_silent_peer_cannot_hide_behind_faster_ones() {
    // Its requests were taken off whenever a second peer had answered, so its silence never counted, and a root that
    // nobody had was asked of it for ever.
    tell(Story::draw(2811)).unwrap();
}

// ROW: F6 F11
#[test]
fn the_first_peer_after_a_drought_does_not_speak_for_all() {
    // A refusal from before the drought was still counted when the first peer to come back had no such blocks.
    for seed in [14_207, 15_269, 19_669, 20_819] {
        tell(Story::draw(seed)).unwrap();
    }
}

// ROW: F29
#[test]
fn an_answer_that_needs_all_room_does_not_wait_for_receipts_that_wait_behind_it() {
    // A block's first receipts held some bytes; an answer that was too large for the rest stood before them in their stream.
    tell(Story::draw(1_318)).unwrap();
}

// ROW: F29
#[test]
fn what_is_asked_for_is_never_more_than_the_largest_answer() {
    // A quarter was added to what storages and codes should weigh, also where that was all that may be asked for.
    tell(Story::draw(8_159)).unwrap();
}

// ROW: F12
#[test]
fn a_shorter_head_that_comes_before_the_headers_below_the_target_is_followed_when_they_are_here() {
    // It ended below all that was held then, and was taken for one of another genesis.
    tell(Story::draw(9_277)).unwrap();
}

/// A middling story whose chain moves so often, from this moment on.
fn moving(kinds: &[Kind], at_ms: u64, every_ms: u64, count: u64) -> Story {
    let mut story = among(kinds);
    let (at, every) = (Duration::from_millis(at_ms), Duration::from_millis(every_ms));
    story.twist = Twist::Moves { at, every, count };
    story
}

// ROW: F6 F39
#[test]
fn peers_on_other_forks_or_behind_are_charged_nothing_while_the_chain_moves() {
    for seed in 0..12 {
        let kinds = [Kind::Honest, Kind::Honest, Kind::Honest, Kind::Capped, Kind::Stale, Kind::Forked];
        let mut story = moving(&kinds, 500 + seed * 400, 300, 5);
        story.seed = seed;
        story.size.flavour = if seed % 2 == 0 { Flavour::Real } else { Flavour::Virtual };
        let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
        // A line that loses or doubles things is no fork.
        let of_lines = ["silent", "duplicate"];
        let faults: Vec<_> = told.tallies.faults.keys().filter(|name| !of_lines.contains(*name)).collect();
        assert!(faults.is_empty(), "seed {seed}: {faults:?}");
    }
}

// ROW: F30
#[test]
fn the_power_goes_at_each_commit_of_a_chain_that_moves() {
    for nth in 1.. {
        let mut story = moving(&[Kind::Honest, Kind::Honest, Kind::Capped], 1_500, 900, 4);
        story.size.flavour = Flavour::Real;
        story.size.accounts = 300;
        story.crashes = [nth].into();
        let told = tell(story).unwrap_or_else(|breach| panic!("commit {nth}: {breach}"));
        if told.tallies.crashes == 0 {
            assert!(nth > 15, "only {nth} commits");
            return;
        }
    }
}

// ROW: F34 F39
#[test]
fn a_lone_server_that_imports_blocks_as_it_reads_is_never_hung_up_on() {
    for seed in 0..20 {
        let mut story = among(&[Kind::Racing]);
        story.seed = seed;
        let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
        assert!(told.tallies.hung_up.is_empty(), "seed {seed}: {:?}", told.tallies.hung_up);
    }
}

// ROW: F34 F39
#[test]
fn who_lies_about_ranges_is_set_aside_and_wastes_little() {
    for kind in
        [Kind::CorruptValue, Kind::CorruptProof, Kind::OmitsEntries, Kind::TruncatedTailClaimedComplete]
    {
        let mut story = among(&[Kind::Honest, Kind::Honest, Kind::Honest, kind]);
        story.size.accounts = 5_000;
        story.size.row_weight = 30_000;
        let told = tell(story).unwrap_or_else(|breach| panic!("{kind}: {breach}"));
        let (wasted, all) = (told.tallies.wasted_bytes, told.tallies.judged_bytes);
        assert!(wasted > 0, "{kind} told no lie");
        assert!(wasted * 50 <= all, "{kind}: {wasted} of {all} bytes");
    }
}

// ROW: F6 F13 F39
#[test]
fn peers_that_pruned_forked_or_serve_no_state_cost_nothing_but_their_absence() {
    let kinds =
        [Kind::Honest, Kind::Pruned, Kind::Pruned, Kind::Forked, Kind::Forked, Kind::NoSnap, Kind::NoSnap];
    // On these lines no answer comes twice, which would be charged.
    let told = tell(Story { seed: 4, ..among(&kinds) }).unwrap_or_else(|breach| panic!("{breach}"));
    assert_eq!(faults(&told, "duplicate"), 0);
    for kind in [Kind::Pruned, Kind::Forked, Kind::NoSnap] {
        assert!(told.tallies.asked[&kind] > 0, "{kind} was not asked");
        assert_eq!(told.tallies.hung_up.get(&kind), None);
    }
}

/// A story whose pivot moves five times while rows come in.
fn pivoting(kinds: &[Kind]) -> Story {
    let mut story = among(kinds);
    story.size.row_weight = 30_000;
    story.twist = Twist::PivotMoves {
        first: Duration::from_secs(3),
        every: Duration::from_millis(700),
        count: 5,
        older: Older::OfOne,
    };
    story
}

// ROW: F6 F30
#[test]
fn the_pivot_moves_and_what_is_in_flight_is_neither_lost_nor_fetched_twice() {
    let mut late_ranges = 0;
    for seed in 0..6 {
        let mut story = pivoting(&[Kind::Honest, Kind::Honest, Kind::Capped, Kind::SlowLoris, Kind::Honest]);
        story.seed = seed;
        let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
        assert_eq!((told.tallies.moves, told.rows_twice), (5, 0), "seed {seed}");
        late_ranges += told.tallies.late_ranges;
    }
    assert!(late_ranges > 0, "no answer to an older root came after the pivot had moved");
}

// ROW: F5 F30
#[test]
fn the_power_goes_while_the_pivot_moves() {
    for nth in 1.. {
        let mut story = pivoting(&[Kind::Honest, Kind::Honest, Kind::Capped]);
        story.crashes = [nth, nth + 3].into();
        let told = tell(story).unwrap_or_else(|breach| panic!("commit {nth}: {breach}"));
        assert_eq!(told.rows_twice, 0, "commit {nth}");
        if told.tallies.crashes == 0 {
            assert!(nth > 20, "only {nth} commits");
            return;
        }
    }
}

#[test]
fn the_real_writer_keeps_rows_of_several_targets_as_the_model_does() {
    let (mut moves, mut late_ranges) = (0, 0);
    for seed in 0..8 {
        let mut story = pivoting(&[Kind::Honest, Kind::Capped, Kind::Starving]);
        (story.seed, story.size.flavour, story.size.accounts) = (seed, Flavour::Real, 600);
        story.commit = Duration::from_millis(20);
        let (first, every) = (Duration::from_millis(300), Duration::from_millis(100));
        story.twist = Twist::PivotMoves { first, every, count: 40, older: Older::OfOne };
        story.crashes = if seed % 2 == 0 { [9, 25].into() } else { [].into() };
        let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
        moves += told.tallies.moves;
        late_ranges += told.tallies.late_ranges;
    }
    assert!(moves > 20 && late_ranges > 0, "{moves} moves, {late_ranges} late ranges");
}

// ROW: F6
#[test]
fn what_an_older_target_claimed_and_nobody_has_is_asked_again_and_the_story_ends() {
    let mut renewals = 0;
    for seed in 0..6 {
        let mut story = pivoting(&[Kind::Honest, Kind::Honest, Kind::Capped]);
        (story.seed, story.size.contracts_per_mille, story.commit) = (seed, 50, Duration::from_millis(300));
        if let Twist::PivotMoves { older, .. } = &mut story.twist {
            *older = Older::OfNobody;
        }
        let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
        // That nobody is blamed for it is looked at in each step.
        renewals += told.tallies.renewals;
    }
    assert!(renewals > 0, "all claims were answered in time");
}

// ROW: F39
#[test]
fn a_machine_that_slept_has_lost_nothing_and_blames_nobody() {
    for lasts in [60, 7_200] {
        for at_ms in [1_500, 2_200, 3_000] {
            let mut story = among(&[Kind::Honest]);
            story.size.row_weight = 30_000;
            story.sleeps = vec![(Duration::from_millis(at_ms), Duration::from_secs(lasts))];
            let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
            assert_eq!((told.tallies.sleeps, faults(&told, "silent")), (1, 0), "{lasts} s at {at_ms} ms");
            assert!(told.tallies.hung_up.is_empty());
            assert_eq!(told.rows_twice, 0);
        }
    }
}

// ROW: F6
#[test]
fn a_derivation_that_takes_longer_than_a_pivot_stands_comes_to_its_end() {
    // Heads come each second and lead the pivot on; deriving takes a minute.
    let mut story = moving(&[Kind::Honest, Kind::Honest, Kind::Capped], 1_500, 1_000, 40);
    story.size.accounts = 600;
    story.speed.derive_us_per_row = 100_000;
    let told = tell(story).unwrap_or_else(|breach| panic!("{breach}"));
    assert!(told.tallies.slow_derivations > 0, "it was quick");
    assert!(told.tallies.slow_derivations <= 4, "{} derivations", told.tallies.slow_derivations);
}
