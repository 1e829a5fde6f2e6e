//! A state that was verified and that blocks bring on: what is recorded of it, and when the pivot moves all the same.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Config, Coverage, Effect, Ended, Engine, Event, Head, HeaderFloor, History, Job, JobId,
    Journal, Missing, MoveReason, Phase, Pin, ReceiptsFrom, Report, Standing, Target, TargetId,
};

use setup::{drain, fatal, hash, started, tell};

/// Blocks that are taken one after the other, at most.
const BLOCKS_MAX: u64 = 40;

fn target(number: u64) -> Target {
    Target { number, hash: hash(number), root: hash(7_000 + number) }
}

fn pin(id: u32, number: u64) -> Pin {
    Pin { id: TargetId(id), target: target(number) }
}

/// An engine whose state of block 100 was verified, and what it wants first.
fn verified(follow_blocks_max: Option<u64>) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1, 100)), vec![pin(1, 100)], Phase::Complete);
    journal.rebuilt = Some(target(100).root);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    let config = Config { history: History::None, follow_blocks_max, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

/// The chain's top is this block now; above `fork` it is another one.
fn head(engine: &mut Engine, number: u64, fork: u64) -> Vec<Effect> {
    let top = Head { number, hash: hash(number) };
    let asked = tell(engine, Event::HeadNamed { hash: top.hash });
    let (job, _) = started(&asked).remove(0);
    tell(engine, setup::joined(job, top, fork))
}

fn sought(effects: &[Effect]) -> Vec<u64> {
    let number = |effect: &Effect| match effect {
        Effect::FindPivot { number } => Some(*number),
        _ => None,
    };
    effects.iter().filter_map(number).collect()
}

fn recorded(effects: &[Effect]) -> Vec<Option<Pin>> {
    let pin = |effect: &Effect| match effect {
        Effect::Record(progress) => Some(progress.pin),
        _ => None,
    };
    effects.iter().filter_map(pin).collect()
}

#[test]
fn blocks_bring_a_verified_state_on_and_what_writes_them_records_it() {
    let (mut engine, first) = verified(Some(BLOCKS_MAX));
    assert!(first.contains(&Effect::Report(Report::Phase(Phase::Follow))), "{first:?}");
    let effects = head(&mut engine, 103, 100);
    assert!(sought(&effects).is_empty() && started(&effects).is_empty(), "nothing is fetched: {effects:?}");
    let effects = tell(&mut engine, Event::Followed { target: target(101), receipts: ReceiptsFrom::Peers });
    assert!(recorded(&effects).is_empty(), "its block's write does that: {effects:?}");
    assert!(effects.contains(&Effect::Follow { target: target(101) }), "and is to go out now: {effects:?}");
    assert_eq!((engine.pin(), engine.verified()), (Some(pin(1, 101)), Some(target(101))));
    // What is recorded from now on is of that block.
    let effects = head(&mut engine, 104, 103);
    assert!(recorded(&effects).iter().all(|pinned| *pinned == Some(pin(1, 101))), "{effects:?}");
    assert_eq!(engine.phase(), Phase::Follow);
}

#[test]
fn a_state_that_nobody_brings_on_stands() {
    let (mut engine, _) = verified(None);
    assert!(sought(&head(&mut engine, 100 + 10 * BLOCKS_MAX, 100)).is_empty());
    tell(&mut engine, Event::Stranded);
    tell(&mut engine, Event::PivotMoved { target: target(200) });
    assert_eq!((engine.phase(), engine.pin()), (Phase::Complete, Some(pin(1, 100))));
}

#[test]
fn a_head_that_is_too_far_for_blocks_moves_the_pivot_and_the_rows_stay() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    tell(&mut engine, Event::Followed { target: target(110), receipts: ReceiptsFrom::Peers });
    assert!(sought(&head(&mut engine, 110 + BLOCKS_MAX, 110)).is_empty(), "it is just near enough");
    let far = 111 + BLOCKS_MAX;
    assert_eq!(sought(&head(&mut engine, far, 110 + BLOCKS_MAX)), [far], "64 below it is no later block");
    let effects = tell(&mut engine, Event::PivotMoved { target: target(far) });
    let moved = Report::Moved { from: pin(1, 110), to: pin(2, far), why: MoveReason::Aged };
    assert!(effects.contains(&Effect::Report(moved)), "{effects:?}");
    assert_eq!((engine.verified(), engine.pin()), (None, Some(pin(2, far))));
    // All rows are held, of the block to which others had brought them: no range is asked for, and what they give is compared first.
    assert!(started(&effects).is_empty(), "{effects:?}");
    assert_eq!(engine.phase(), Phase::Rebuild);
    assert_eq!(engine.rows_at(), Some(110));
}

#[test]
fn a_state_whose_blocks_cannot_be_taken_back_moves_to_the_chain_that_there_is() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    tell(&mut engine, Event::Followed { target: target(140), receipts: ReceiptsFrom::Peers });
    assert!(sought(&head(&mut engine, 141, 90)).is_empty(), "blocks are taken back, as far as they can be");
    assert_eq!(sought(&tell(&mut engine, Event::Stranded)), [140]);
    let there = Target { number: 140, hash: B256::repeat_byte(0x14), root: B256::repeat_byte(0x15) };
    let effects = tell(&mut engine, Event::PivotMoved { target: there });
    let moved = Report::Moved {
        from: pin(1, 140),
        to: Pin { id: TargetId(2), target: there },
        why: MoveReason::Stranded,
    };
    assert!(effects.contains(&Effect::Report(moved)), "{effects:?}");
}

/// An engine whose state of block 5 came of a chain that was executed from block 0 on; some bodies up to block 9 are missing.
fn executed(missing: BlockRange) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    let five = Pin { id: TargetId(0), target: target(5) };
    (journal.pin, journal.targets, journal.phase) = (Some(five), vec![five], Phase::Complete);
    (journal.rebuilt, journal.accounts) = (Some(target(5).root), Coverage::all(Standing::At(TargetId(0))));
    journal.headers = Some(HeaderFloor { number: 0, parent: B256::ZERO });
    journal.head = Some(Head { number: 9, hash: hash(9) });
    (journal.bodies, journal.receipts) = (vec![missing], vec![]);
    let config = Config { follow_blocks_max: Some(u64::MAX), ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

#[test]
fn a_chain_that_was_executed_from_block_0_on_goes_on_after_a_restart() {
    let missing = BlockRange { first: 6, last: 9 };
    let (engine, effects) = executed(missing);
    assert_eq!(fatal(&effects), None);
    let jobs: Vec<Job> = started(&effects).into_iter().map(|(_, job)| job).collect();
    assert_eq!(jobs, [Job::Bodies { blocks: missing }]);
    assert!(engine.may_follow());
}

#[test]
fn history_that_nobody_has_ends_no_sync_that_follows() {
    let missing = BlockRange { first: 2, last: 3 };
    let (mut engine, effects) = executed(missing);
    let (job, _) = started(&effects).remove(0);
    let effects = tell(&mut engine, Event::NoPeerHas { missing: Missing::Bodies { blocks: missing } });
    assert_eq!(fatal(&effects), None, "blocks above the state are taken all the same");
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    // However often that was so, whoever comes is asked.
    for _ in 0..20 {
        let effects = tell(&mut engine, Event::PeerHas { blocks: missing });
        assert_eq!(started(&effects).len(), 1, "{effects:?}");
        tell(&mut engine, Event::NoPeerHas { missing: Missing::Bodies { blocks: missing } });
    }
}

/// The blocks whose lists are asked for, each range under its job.
fn lists(effects: &[Effect]) -> Vec<(JobId, u64, u64)> {
    let blocks = |(id, job)| match job {
        Job::ListsAbove { blocks } => Some((id, blocks.first, blocks.last)),
        _ => None,
    };
    started(effects).into_iter().filter_map(blocks).collect()
}

// ROW: F8
#[test]
fn lists_are_asked_for_while_they_are_wanted_and_of_blocks_above_the_state_alone() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    assert!(lists(&head(&mut engine, 103, 100)).is_empty(), "nobody wants any");
    let effects = tell(&mut engine, Event::ListsWanted);
    let [(job, 101, 103)] = lists(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(engine.lists_are_above(), Some(100));
    assert!(lists(&head(&mut engine, 104, 103)).is_empty(), "its own come after those below");
    let effects = tell(&mut engine, Event::JobEnded { job, why: Ended::Done });
    let [(job, 104, 104)] = lists(&effects)[..] else { panic!("{effects:?}") };
    let effects = tell(&mut engine, Event::ListsUnwanted);
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert!(lists(&head(&mut engine, 105, 104)).is_empty());
    assert_eq!(engine.lists_are_above(), None);
}

#[test]
fn a_block_that_was_taken_without_its_list_is_not_asked_for_any_more() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    tell(&mut engine, Event::ListsWanted);
    let effects = head(&mut engine, 102, 100);
    let [(job, 101, 102)] = lists(&effects)[..] else { panic!("{effects:?}") };
    assert!(
        !tell(&mut engine, Event::Followed { target: target(101), receipts: ReceiptsFrom::Peers })
            .contains(&Effect::Stop { id: job })
    );
    let effects = tell(&mut engine, Event::NoPeerHas { missing: missing_lists(101, 102) });
    let [(again, 102, 102)] = lists(&effects)[..] else { panic!("{effects:?}") };
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert_eq!(fatal(&effects), None);
    let effects = tell(&mut engine, Event::Followed { target: target(102), receipts: ReceiptsFrom::Peers });
    assert!(effects.contains(&Effect::Stop { id: again }), "{effects:?}");
}

fn missing_lists(first: u64, last: u64) -> Missing {
    Missing::Lists { blocks: BlockRange { first, last } }
}

#[test]
fn lists_of_a_branch_that_was_left_are_asked_for_no_more_and_those_of_the_other_are() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    tell(&mut engine, Event::ListsWanted);
    let effects = head(&mut engine, 105, 100);
    let [(job, 101, 105)] = lists(&effects)[..] else { panic!("{effects:?}") };
    tell(&mut engine, Event::JobEnded { job, why: Ended::Done });
    tell(&mut engine, Event::Followed { target: target(101), receipts: ReceiptsFrom::Peers });
    let effects = head(&mut engine, 106, 102);
    assert!(matches!(lists(&effects)[..], [(_, 103, 106)]), "102 is of both: {effects:?}");
}

#[test]
fn a_pivot_that_moves_ends_the_lists_above_the_state() {
    let (mut engine, _) = verified(Some(BLOCKS_MAX));
    tell(&mut engine, Event::ListsWanted);
    let effects = head(&mut engine, 120, 100);
    let [(job, 101, 120)] = lists(&effects)[..] else { panic!("{effects:?}") };
    let far = 101 + BLOCKS_MAX;
    let effects = head(&mut engine, far, 120);
    assert_eq!(sought(&effects), [far]);
    let effects = tell(&mut engine, Event::PivotMoved { target: target(far) });
    assert!(effects.contains(&Effect::Stop { id: job }) && lists(&effects).is_empty(), "{effects:?}");
    assert_eq!(engine.lists_are_above(), None);
}
