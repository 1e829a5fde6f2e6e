//! Receipts of blocks above a verified state: whoever executes the blocks gives them, and peers are asked for the others alone.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Config, Coverage, Effect, Engine, Event, Head, HeaderFloor, Job, Journal, Phase, Pin,
    ReceiptsFrom, Standing, Target, TargetId,
};

use setup::{TICKET, drain, hash, joined, started, tell};

fn target(number: u64) -> Target {
    Target { number, hash: hash(number), root: hash(7_000 + number) }
}

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange { first, last }
}

/// An engine whose state of block 100 was verified, with receipts missing up to there; and what it asks for first.
fn verified(receipts_above: ReceiptsFrom, missing: Vec<BlockRange>) -> (Engine, Vec<BlockRange>) {
    let pin = Pin { id: TargetId(1), target: target(100) };
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin), vec![pin], Phase::Complete);
    journal.rebuilt = Some(pin.target.root);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    journal.receipts = missing;
    let config = Config { follow_blocks_max: Some(1_000), receipts_above, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    let asked = receipts(&drain(&mut engine));
    (engine, asked)
}

/// Of which blocks receipts are asked for.
fn receipts(effects: &[Effect]) -> Vec<BlockRange> {
    let blocks = |(_, job)| if let Job::Receipts { blocks } = job { Some(blocks) } else { None };
    started(effects).into_iter().filter_map(blocks).collect()
}

/// The chain's top is this block now; above `fork` it is another one.
fn move_to(engine: &mut Engine, top: Head, fork: u64) -> Vec<Effect> {
    let (job, _) = started(&tell(engine, Event::HeadNamed { hash: top.hash })).remove(0);
    tell(engine, joined(job, top, fork))
}

fn head(number: u64) -> Head {
    Head { number, hash: hash(number) }
}

fn take(engine: &mut Engine, number: u64, receipts: ReceiptsFrom) -> Vec<Effect> {
    tell(engine, Event::Followed { target: target(number), receipts })
}

// ROW: F13
#[test]
fn receipts_of_blocks_that_are_executed_are_asked_of_nobody() {
    let (mut engine, asked) = verified(ReceiptsFrom::Execution, vec![range(95, 97)]);
    assert_eq!(asked, [range(95, 97)], "those below the state come of peers");
    let effects = move_to(&mut engine, head(103), 100);
    assert_eq!(receipts(&effects), []);
    let bodies = |(_, job): &(_, Job)| *job == Job::Bodies { blocks: range(101, 103) };
    assert!(started(&effects).iter().any(bodies), "{effects:?}");
    assert_eq!((engine.tally().receipts_missing, engine.tally().bodies_missing), (3, 3), "95 to 97");
    for number in 101..=103 {
        assert_eq!(
            receipts(&take(&mut engine, number, ReceiptsFrom::Execution)),
            [],
            "{number} is on its way"
        );
    }
    let made = Event::ReceiptsMade { blocks: vec![range(101, 103)] };
    assert_eq!(receipts(&tell(&mut engine, made)), []);
    assert_eq!(engine.tally().receipts_missing, 3);
}

#[test]
fn receipts_of_a_block_that_was_not_executed_are_asked_for_once_it_was_taken() {
    let (mut engine, _) = verified(ReceiptsFrom::Execution, vec![]);
    move_to(&mut engine, head(103), 100);
    assert_eq!(receipts(&take(&mut engine, 101, ReceiptsFrom::Peers)), [range(101, 101)]);
    assert_eq!(receipts(&take(&mut engine, 102, ReceiptsFrom::Execution)), []);
    // Several that are brought together.
    move_to(&mut engine, head(120), 102);
    assert_eq!(receipts(&take(&mut engine, 117, ReceiptsFrom::Peers)), [range(103, 117)]);
    // A start that finds the state above receipts which a kill has lost asks for them.
    let (_, asked) = verified(ReceiptsFrom::Execution, vec![range(99, 100)]);
    assert_eq!(asked, [range(99, 100)]);
}

#[test]
fn receipts_of_blocks_that_are_brought_by_lists_are_asked_for_at_once() {
    let (mut engine, _) = verified(ReceiptsFrom::Peers, vec![]);
    assert_eq!(receipts(&move_to(&mut engine, head(103), 100)), [range(101, 103)]);
}

#[test]
fn receipts_that_were_on_their_way_when_the_chain_left_their_block_are_not_those_of_the_next() {
    let (mut engine, _) = verified(ReceiptsFrom::Execution, vec![]);
    move_to(&mut engine, head(102), 100);
    take(&mut engine, 101, ReceiptsFrom::Execution);
    let other = Head { number: 102, hash: B256::repeat_byte(0xf0) };
    assert_eq!(receipts(&move_to(&mut engine, other, 100)), [], "another 101 is to be executed");
    // The one that was executed is taken back, and its receipts were none of a canonical block.
    assert_eq!(receipts(&take(&mut engine, 100, ReceiptsFrom::Peers)), []);
    tell(&mut engine, Event::ReceiptsMade { blocks: vec![] });
    assert_eq!(receipts(&take(&mut engine, 101, ReceiptsFrom::Peers)), [range(101, 101)]);
}

#[test]
fn receipts_of_a_block_that_was_taken_after_the_chain_had_left_it_are_not_those_of_the_next() {
    let (mut engine, _) = verified(ReceiptsFrom::Execution, vec![]);
    move_to(&mut engine, head(102), 100);
    let other = Head { number: 102, hash: B256::repeat_byte(0xf0) };
    move_to(&mut engine, other, 100);
    // It was being executed when the other branch came.
    take(&mut engine, 101, ReceiptsFrom::Execution);
    tell(&mut engine, Event::ReceiptsMade { blocks: vec![] });
    take(&mut engine, 100, ReceiptsFrom::Peers);
    assert_eq!(receipts(&take(&mut engine, 101, ReceiptsFrom::Peers)), [range(101, 101)]);
    // So are those of a block that nobody takes any more.
    take(&mut engine, 102, ReceiptsFrom::Execution);
    move_to(&mut engine, head(2_000), 102);
    let asked = receipts(&tell(&mut engine, Event::PivotMoved { target: target(1_936) }));
    assert!(asked.iter().any(|range| range.first <= 102), "{asked:?}");
}

#[test]
fn a_chain_that_comes_back_to_the_state_s_block_before_that_was_taken_back_is_as_before() {
    let (mut engine, _) = verified(ReceiptsFrom::Execution, vec![]);
    move_to(&mut engine, head(102), 100);
    take(&mut engine, 101, ReceiptsFrom::Execution);
    move_to(&mut engine, Head { number: 101, hash: B256::repeat_byte(0xf0) }, 100);
    assert_eq!(receipts(&move_to(&mut engine, head(103), 100)), [], "of 101 they may be on their way still");
    assert_eq!(receipts(&take(&mut engine, 102, ReceiptsFrom::Execution)), [range(101, 101)], "or were lost");
}

#[test]
fn a_pivot_that_moves_has_the_receipts_of_what_it_passes_asked_for() {
    let (mut engine, _) = verified(ReceiptsFrom::Execution, vec![]);
    let effects = move_to(&mut engine, head(2_000), 100);
    assert_eq!(receipts(&effects), [], "the state is verified still");
    let effects = tell(&mut engine, Event::PivotMoved { target: target(1_936) });
    let asked = receipts(&effects);
    assert_eq!(asked.iter().map(BlockRange::count).sum::<u64>(), 1_900, "{asked:?}");
    let (job, _) =
        started(&effects).into_iter().find(|(_, job)| matches!(job, Job::Receipts { .. })).unwrap();
    let durable = Event::ReceiptsDurable { job, ticket: TICKET, blocks: vec![range(977, 2_000)] };
    tell(&mut engine, durable);
    assert_eq!(engine.tally().receipts_missing, 876);
}
