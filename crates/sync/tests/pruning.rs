//! What is final: the writer is told of it once the chain and the state may have it, and goes on until nothing is beside the chain below it.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Engine, Event, Finality, Head, HeaderFloor, Journal, Phase, Pin, ReceiptsFrom,
    Report, Target, TargetId,
};

use setup::{drain, hash, joined, started, tell};

const ROOT: B256 = B256::repeat_byte(0x77);

fn target(number: u64) -> Target {
    Target { number, hash: hash(number), root: ROOT }
}

/// An engine that follows, whose state of block 100 is whole and verified.
fn resumed(change: impl FnOnce(&mut Journal)) -> Engine {
    let mut config = Config::standing(hash(0));
    config.follow_blocks_max = Some(1_000);
    let mut journal = Journal::fresh();
    journal.pin = Some(Pin { id: TargetId(1), target: target(100) });
    journal.phase = Phase::Complete;
    journal.rebuilt = Some(ROOT);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all_but([], TargetId(1));
    change(&mut journal);
    let mut engine = Engine::resume(config, journal);
    drain(&mut engine);
    engine
}

fn name(engine: &mut Engine, hash: B256) -> Vec<Effect> {
    tell(engine, Event::FinalNamed { hash })
}

/// What the writer says of a block that is final.
fn say(engine: &mut Engine, hash: B256, finality: Finality) -> Vec<Effect> {
    tell(engine, Event::Pruned { hash, finality })
}

fn reached(number: u64, pruned: u64, more: bool) -> Finality {
    Finality::Reached { number, pruned, more }
}

/// The blocks up to which something is to go, and of which block the state is.
fn pruned(effects: &[Effect]) -> Vec<(B256, u64)> {
    let prune = |effect: &Effect| match effect {
        Effect::Prune { hash, state } => Some((*hash, *state)),
        _ => None,
    };
    effects.iter().filter_map(prune).collect()
}

fn reports(effects: Vec<Effect>) -> Vec<Report> {
    let report = |effect| if let Effect::Report(report) = effect { Some(report) } else { None };
    effects.into_iter().filter_map(report).collect()
}

/// The chain goes on to a block above it, or beside it.
fn move_to(engine: &mut Engine, top: Head, fork: u64) -> Vec<Effect> {
    let job = started(&tell(engine, Event::HeadNamed { hash: top.hash }))[0].0;
    tell(engine, joined(job, top, fork))
}

// ROW: F28
#[test]
fn a_final_block_is_told_to_the_writer_when_its_head_is_here_and_until_nothing_is_left() {
    let mut engine = resumed(|_| {});
    let top = Head { number: 101, hash: hash(101) };
    let job = started(&tell(&mut engine, Event::HeadNamed { hash: top.hash }))[0].0;
    assert_eq!(pruned(&name(&mut engine, hash(90))), [], "it may be below that head alone");
    assert_eq!(pruned(&tell(&mut engine, joined(job, top, 100))), [(hash(90), 100)]);
    assert_eq!(pruned(&name(&mut engine, hash(90))), [], "the same again is no news");
    assert_eq!(pruned(&say(&mut engine, hash(90), reached(90, 3, true))), [(hash(90), 100)]);
    let effects = say(&mut engine, hash(90), reached(90, 2, false));
    assert_eq!(pruned(&effects), []);
    let block = Head { number: 90, hash: hash(90) };
    assert_eq!(reports(effects), [Report::Finalized { block, pruned: 5 }]);
    assert_eq!(pruned(&name(&mut engine, hash(90))), []);
    assert_eq!(pruned(&name(&mut engine, hash(91))), [(hash(91), 100)]);
}

#[test]
fn a_final_block_above_the_state_waits_for_it() {
    let mut engine = resumed(|_| {});
    assert_eq!(pruned(&name(&mut engine, hash(102))), [(hash(102), 100)]);
    assert_eq!(say(&mut engine, hash(102), Finality::Ahead { number: 102 }), []);
    assert_eq!(
        pruned(&tell(&mut engine, Event::Followed { target: target(101), receipts: ReceiptsFrom::Peers })),
        []
    );
    assert_eq!(
        pruned(&tell(&mut engine, Event::Followed { target: target(102), receipts: ReceiptsFrom::Peers })),
        [(hash(102), 102)]
    );
}

#[test]
fn a_final_block_that_is_not_canonical_is_told_once_and_looked_at_when_the_chain_moves() {
    let mut engine = resumed(|_| {});
    let other = B256::repeat_byte(0xf0);
    name(&mut engine, other);
    let refused = Report::FinalRefused { hash: other };
    assert_eq!(say(&mut engine, other, Finality::Beside), [Effect::Report(refused.clone())]);
    assert_eq!(name(&mut engine, other), []);
    let effects = move_to(&mut engine, Head { number: 101, hash: hash(101) }, 100);
    assert_eq!(pruned(&effects), [(other, 100)]);
    assert!(!reports(say(&mut engine, other, Finality::Beside)).contains(&refused), "it is no news");
    let effects = move_to(&mut engine, Head { number: 99, hash: B256::repeat_byte(0xf1) }, 97);
    assert_eq!(pruned(&effects), [], "the blocks that lead the state back are beside the chain");
    let mut follow = |number| {
        pruned(&tell(&mut engine, Event::Followed { target: target(number), receipts: ReceiptsFrom::Peers }))
    };
    assert_eq!(follow(97), [(other, 97)]);
    assert_eq!(say(&mut engine, other, Finality::Ahead { number: 98 }), []);
    let taken = Event::Followed { target: target(98), receipts: ReceiptsFrom::Peers };
    assert_eq!(pruned(&tell(&mut engine, taken)), [(other, 98)]);
    let block = Head { number: 98, hash: other };
    let told = reports(say(&mut engine, other, reached(98, 1, false)));
    assert!(told.contains(&Report::Finalized { block, pruned: 1 }), "{told:?}");
}

#[test]
fn what_is_said_of_the_one_before_is_not_said_of_the_newest() {
    let mut engine = resumed(|_| {});
    assert_eq!(pruned(&name(&mut engine, hash(80))), [(hash(80), 100)]);
    assert_eq!(pruned(&name(&mut engine, hash(90))), [(hash(90), 100)]);
    for finality in [Finality::Beside, Finality::Ahead { number: 80 }, reached(80, 7, false)] {
        assert_eq!(say(&mut engine, hash(80), finality), []);
    }
    let block = Head { number: 90, hash: hash(90) };
    let told = reports(say(&mut engine, hash(90), reached(90, 0, false)));
    assert_eq!(told, [Report::Finalized { block, pruned: 0 }]);
}

#[test]
fn nothing_goes_before_a_state_was_verified() {
    let mut engine = resumed(|journal| (journal.rebuilt, journal.phase) = (None, Phase::Download));
    assert_eq!(pruned(&name(&mut engine, hash(90))), []);
    assert_eq!(pruned(&tell(&mut engine, Event::Rebuilt { root: ROOT })), [(hash(90), 100)]);
}
