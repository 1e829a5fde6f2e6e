//! States that change while they are fetched: what rows of several blocks come to, by hand and by seed.

use std::time::Duration;

use snapsync_world::{
    Also, Breach, Echo, Kept, Kind, Lists, Older, Speed, Story, Tallies, Told, Twist, World,
};

fn tell(story: Story) -> Result<Told, Breach> {
    World::new(story, Echo::Nowhere, None).run()
}

/// Some hundred real accounts and a storage of hundreds of slots, among these peers.
fn moving(seed: u64, kinds: &[Kind]) -> Story {
    // Seeds of this kind have states that move.
    let mut story = Story::draw(50 * seed + 15);
    story.kinds = kinds.to_vec();
    story.crashes.clear();
    story.sleeps.clear();
    story.speed = Speed::ample();
    story.commit = Duration::from_millis(5);
    (story.size.accounts, story.size.huge_slots, story.size.blocks) = (200, 900, 20);
    story.twist = Twist::StateMoves {
        first: Duration::from_millis(300),
        every: Duration::from_millis(150),
        count: 8,
        older: Older::OfOne,
        touched_per_mille: 20,
        also: Also::AtParts,
        lists: Lists::None,
    };
    story
}

// ROW: F6 F30
#[test]
fn rows_of_several_blocks_are_healed_to_those_of_the_newest() {
    let (mut moves, mut parts_outdated, mut healed_accounts, mut healed_storages) = (0, 0, 0, 0);
    for seed in 0..12 {
        let told = tell(moving(seed, &[Kind::Honest, Kind::Honest, Kind::Capped, Kind::Racing]));
        let told = told.unwrap_or_else(|breach| panic!("{breach}"));
        moves += told.tallies.moves;
        parts_outdated += told.tallies.parts_outdated;
        healed_accounts += told.tallies.healed_accounts;
        healed_storages += told.tallies.healed_storages;
        assert_eq!(told.rows_twice, 0, "seed {seed}");
    }
    assert!(moves > 40 && parts_outdated > 2, "{moves} moves, {parts_outdated} parts");
    assert!(healed_accounts > 10 && healed_storages > 10, "{healed_accounts}, {healed_storages}");
}

// ROW: F34 F39
#[test]
fn who_lies_about_nodes_is_hung_up_on_and_who_lacks_some_is_not() {
    for kind in [Kind::CorruptValue, Kind::CorruptProof, Kind::Bloated, Kind::OmitsEntries, Kind::Starving] {
        let mut wrong_nodes = 0;
        for seed in 0..4 {
            let told = tell(moving(seed, &[Kind::Honest, kind, kind, kind]));
            let told = told.unwrap_or_else(|breach| panic!("{kind}: {breach}"));
            wrong_nodes += told.tallies.faults.get("wrong_node").copied().unwrap_or(0);
        }
        let lies = !matches!(kind, Kind::OmitsEntries | Kind::Starving);
        assert!((wrong_nodes > 0) <= lies, "{kind}: {wrong_nodes} wrong nodes");
    }
}

// ROW: F6
#[test]
fn states_that_nobody_keeps_are_healed_all_the_same() {
    let mut renewals = 0;
    for seed in 0..12 {
        let mut story = moving(seed, &[Kind::Honest, Kind::Honest, Kind::Capped]);
        if let Twist::StateMoves { older, .. } = &mut story.twist {
            *older = Older::OfNobody;
        }
        renewals += tell(story).unwrap_or_else(|breach| panic!("{breach}")).tallies.renewals;
    }
    assert!(renewals > 0, "no claim was lost");
}

// ROW: F5 F30
#[test]
fn the_power_goes_at_each_commit_while_the_state_changes() {
    for nth in 1.. {
        let mut story = moving(3, &[Kind::Honest, Kind::Honest, Kind::Capped]);
        story.crashes = [nth, nth + 3].into();
        let told = tell(story).unwrap_or_else(|breach| panic!("commit {nth}: {breach}"));
        assert_eq!(told.rows_twice, 0, "commit {nth}");
        if told.tallies.crashes == 0 {
            assert!(nth > 20, "only {nth} commits");
            return;
        }
    }
}

/// The same where blocks have access lists, from the nth on.
fn listed(seed: u64, nth: u64, kept: Kept, kinds: &[Kind]) -> Story {
    let mut story = moving(seed, kinds);
    if let Twist::StateMoves { lists, .. } = &mut story.twist {
        *lists = Lists::From { nth, kept };
    }
    story
}

// ROW: F22
#[test]
fn rows_of_several_blocks_are_brought_to_the_newest_by_access_lists() {
    let (mut lists, mut owed) = (0, 0);
    for seed in 0..12 {
        let kinds = [Kind::Honest, Kind::Honest, Kind::Capped, Kind::Starving, Kind::Racing];
        let told = tell(listed(seed, 1, Kept::ByTheFirst, &kinds));
        let told = told.unwrap_or_else(|breach| panic!("{breach}"));
        assert_eq!(told.rows_twice, 0, "seed {seed}");
        lists += told.tallies.lists;
        owed += told.tallies.owed;
    }
    assert!(lists > 50 && owed > 50, "{lists} lists, {owed} storages owed their root");
}

// ROW: F22
#[test]
fn where_lists_begin_late_have_holes_or_are_served_by_nobody_the_rest_is_healed() {
    for (nth, kept, why) in [
        (9, Kept::ByTheFirst, "blocks older than access lists"),
        (1, Kept::InParts, "access lists that nobody has"),
        (1, Kept::Nowhere, "access lists that nobody has"),
    ] {
        let mut times = 0;
        for seed in 0..8 {
            let told = tell(listed(seed, nth, kept, &[Kind::Honest, Kind::Honest, Kind::Capped]));
            let told = told.unwrap_or_else(|breach| panic!("{kept:?}: {breach}"));
            times += told.tallies.no_lists.get(why).copied().unwrap_or(0);
        }
        assert!(times > 0, "{kept:?} from {nth} on: {why} never came");
    }
}

/// What many stories of a chain that leaves blocks come to.
fn left(kept: Kept) -> Tallies {
    let mut all = Tallies::default();
    for seed in 0..20 {
        let mut story = listed(seed, 1, kept, &[Kind::Honest, Kind::Honest, Kind::Capped]);
        if let Twist::StateMoves { touched_per_mille, .. } = &mut story.twist {
            *touched_per_mille = 100;
        }
        all.add(&tell(story).unwrap_or_else(|breach| panic!("{kept:?}, seed {seed}: {breach}")).tallies);
    }
    all
}

// ROW: F22
#[test]
fn rows_of_left_blocks_go_back_where_their_lists_are_kept_and_less_is_healed() {
    let (kept, forgotten) = (left(Kept::ByTheFirst), left(Kept::OfTheChain));
    let asked = |tallies: &Tallies| tallies.asked.values().sum::<u64>();
    let compared = |tallies: &Tallies| tallies.healed_accounts + tallies.healed_storages + tallies.repairs;
    println!(
        "kept: {} blocks taken off, {} questions, {} renewals, {} answers compared; forgotten: {} questions, {} renewals, {} answers compared",
        kept.retreats,
        asked(&kept),
        kept.renewals,
        compared(&kept),
        asked(&forgotten),
        forgotten.renewals,
        compared(&forgotten)
    );
    assert!(kept.retreats > 8 && forgotten.retreats == 0, "{} blocks were taken off", kept.retreats);
    assert!(compared(&kept) < compared(&forgotten));
}

// ROW: F22 F39
#[test]
fn who_sends_another_list_is_hung_up_on_and_who_lacks_some_is_not() {
    for kind in [Kind::CorruptValue, Kind::WrongBody, Kind::Starving] {
        let mut wrong = 0;
        // Not in each story is a liar asked for a list before it is hung up on for something else.
        for seed in 0..40 {
            if seed >= 6 && (wrong > 0 || kind == Kind::Starving) {
                break;
            }
            let told = tell(listed(seed, 1, Kept::ByTheFirst, &[Kind::Honest, kind, kind, kind]));
            let told = told.unwrap_or_else(|breach| panic!("{kind}: {breach}"));
            wrong += told.tallies.faults.get("wrong_list").copied().unwrap_or(0);
        }
        assert_eq!(wrong > 0, kind != Kind::Starving, "{kind}: {wrong} wrong lists");
    }
}

// ROW: F5 F22 F30
#[test]
fn the_power_goes_at_each_commit_while_lists_are_brought_to_rows() {
    for nth in 1.. {
        let mut story = listed(3, 1, Kept::ByTheFirst, &[Kind::Honest, Kind::Honest, Kind::Capped]);
        story.crashes = [nth, nth + 3].into();
        let told = tell(story).unwrap_or_else(|breach| panic!("commit {nth}: {breach}"));
        assert_eq!(told.rows_twice, 0, "commit {nth}");
        if told.tallies.crashes == 0 {
            assert!(nth > 20, "only {nth} commits");
            return;
        }
    }
}

// ROW: F6 F22
#[test]
fn pivots_that_move_while_a_root_is_derived_slowly_come_to_an_end() {
    let mut slow = 0;
    for seed in 0..6 {
        let mut story = moving(seed, &[Kind::Honest, Kind::Honest, Kind::Capped]);
        // Twenty seconds, and a move each five.
        story.speed.derive_us_per_row = 100_000;
        if let Twist::StateMoves { every, lists, .. } = &mut story.twist {
            *every = Duration::from_secs(5);
            if seed % 2 == 0 {
                *lists = Lists::From { nth: 1, kept: Kept::ByTheFirst };
            }
        }
        slow += tell(story).unwrap_or_else(|breach| panic!("{breach}")).tallies.slow_derivations;
    }
    assert!(slow >= 12, "{slow} slow derivations");
}
