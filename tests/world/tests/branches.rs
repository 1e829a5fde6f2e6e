//! A pivot whose branch is left, by every depth, in every phase: each story ends with the rows of a direct sync of the new branch, to which the world
//! compares what is held.

use std::time::Duration;

use snapsync_sync::{Phase, Report};
use snapsync_world::{
    Also, Echo, Flavour, Kept, Kind, Lists, Older, Snap, Speed, Story, Tallies, Told, Twist, World,
};

/// What differs from one story to the next.
#[derive(Clone, Copy, Debug)]
struct Case {
    phase: Phase,
    depth: u64,
    snap: Snap,
    lists: Lists,
}

const LISTS: Lists = Lists::From { nth: 1, kept: Kept::ByTheFirst };

/// Each phase in which a target may be left, and whether its blocks may have access lists: only these are caught up with, and only others healed.
const PHASES: [(Phase, &[Lists]); 5] = [
    (Phase::Headers, &[Lists::None, LISTS]),
    (Phase::Download, &[Lists::None, LISTS]),
    (Phase::CatchUp, &[LISTS]),
    (Phase::Rebuild, &[Lists::None, LISTS]),
    (Phase::Heal, &[Lists::None]),
];

fn tell(case: Case) -> Result<Told, String> {
    let Case { phase, depth, snap, lists } = case;
    // Seeds of this kind have states that move.
    let mut story = Story::draw(50 * depth + 15);
    story.kinds = vec![Kind::Honest, Kind::Honest, Kind::Capped];
    story.crashes.clear();
    story.sleeps.clear();
    story.speed = Speed { derive_us_per_row: 5_000, ..Speed::ample() };
    (story.commit, story.snap) = (Duration::from_millis(5), snap);
    story.size.flavour = Flavour::Real;
    (story.size.accounts, story.size.huge_slots, story.size.blocks) = (60, 100, 20);
    story.twist = Twist::StateMoves {
        first: Duration::from_millis(300),
        every: Duration::from_millis(300),
        count: 0,
        older: Older::OfOne,
        // So much that some of it lies where rows are of the first target, however few the blocks are.
        touched_per_mille: if depth < 10 { 250 } else { 10 },
        also: Also::Leaves { depth, phase },
        lists,
    };
    World::new(story, Echo::Nowhere, None).run().map_err(|breach| format!("{case:?}: {breach}"))
}

/// Tells a story, and looks that it went as its case says; what happened in it. Where the rows that came first do not differ, nothing has to be
/// healed, and no branch is left.
fn check(case: Case) -> Tallies {
    let told = tell(case).unwrap_or_else(|why| panic!("{why}"));
    let is_left = told.tallies.branches_left == 1;
    assert!(is_left || case.phase == Phase::Heal, "{case:?}: the branch was not left in that phase");
    let ended = told.reports.iter().find_map(|report| match report {
        Report::Complete(pin) => Some(pin.target.number),
        _ => None,
    });
    // The new branch is longer by a block.
    assert_eq!(ended, Some(20 + case.depth + u64::from(is_left)), "{case:?}");
    told.tallies
}

fn cases(depth: u64) -> impl Iterator<Item = Case> {
    let snaps = [Snap::One, Snap::Two];
    let of = move |(phase, lists): (Phase, &'static [Lists])| {
        snaps
            .into_iter()
            .flat_map(move |snap| lists.iter().map(move |lists| Case { phase, depth, snap, lists: *lists }))
    };
    PHASES.into_iter().flat_map(of)
}

// ROW: F6 F22
#[test]
fn a_branch_is_left_in_every_phase_with_nodes_and_ranges_with_lists_and_without() {
    let (mut left_in_healing, mut nodes, mut ranges) = (0, 0, 0);
    let mut taken_off = Vec::new();
    for depth in [2, 31, 100] {
        for case in cases(depth) {
            let told = check(case);
            left_in_healing += told.branches_left * u64::from(case.phase == Phase::Heal);
            nodes += told.healed_accounts;
            ranges += told.repairs;
            taken_off.extend((told.retreats == depth).then_some(depth));
        }
    }
    // Who keeps the lists of the longest branch is not there in time.
    taken_off.dedup();
    assert_eq!(taken_off, [2, 31], "branches whose blocks were all taken off the rows");
    assert!(left_in_healing > 0, "no branch was left while rows were healed");
    assert!(nodes > 0 && ranges > 0, "{nodes} by nodes, {ranges} by ranges");
}

/// Each depth in one phase after the other, each time with other peers.
// ROW: F6 F22
#[test]
fn a_branch_is_left_by_every_depth() {
    for depth in 1..=100 {
        let all: Vec<Case> = cases(depth).collect();
        check(all[depth as usize * 7 % all.len()]);
    }
}
