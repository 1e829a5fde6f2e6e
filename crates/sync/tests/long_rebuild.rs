//! Deriving the root takes longer than the pivot would stay: it stands still until that root was compared, so that a sync ends.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Engine, Event, Head, HeaderFloor, HeaderReach, HeaderSegment, History, Join,
    Journal, Phase, Pin, Report, Standing, Target, TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, tell};

fn pin(id: u32) -> Pin {
    let number = 99 + u64::from(id);
    Pin { id: TargetId(id), target: Target { number, hash: hash(number), root: root(id) } }
}

/// The state root of a target.
fn root(id: u32) -> B256 {
    hash(7_000 + u64::from(id))
}

/// An engine that holds all accounts of target 1, and derives their root.
fn deriving() -> Engine {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1)), vec![pin(1)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    let config = Config { history: History::None, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    drain(&mut engine);
    assert_eq!(engine.phase(), Phase::Rebuild);
    engine
}

/// Ten heads, each forty blocks above the one before. What the engine wants meanwhile beside their headers.
fn moves_on(engine: &mut Engine) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut before = 101;
    for nth in 1..=10 {
        let top = Head { number: 100 + 40 * nth, hash: hash(100_000 + nth) };
        let asked = tell(engine, Event::HeadNamed { hash: top.hash });
        let (job, _) = started(&asked).remove(0);
        let (number, hash) = (top.number, top.hash);
        let segment =
            HeaderSegment { top: number, hash, root: self::hash(77), lowest: number, parent: self::hash(78) };
        let reach =
            HeaderReach::Joined(Box::new(Join { fork: before, top, bodies: vec![], receipts: vec![] }));
        effects.extend(tell(engine, Event::HeadersDurable { job, ticket: TICKET, segment, reach }));
        before = number;
    }
    effects
}

fn sought(effects: &[Effect]) -> Vec<u64> {
    let number = |effect: &Effect| match effect {
        Effect::FindPivot { number } => Some(*number),
        _ => None,
    };
    effects.iter().filter_map(number).collect()
}

// ROW: F5
#[test]
fn heads_that_come_while_the_root_is_derived_move_nothing_and_the_sync_ends() {
    let mut engine = deriving();
    assert!(sought(&moves_on(&mut engine)).is_empty());
    assert_eq!(engine.phase(), Phase::Rebuild);
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert!(effects.contains(&Effect::Report(Report::StateVerified(pin(1)))), "{effects:?}");
    assert_eq!((sought(&effects), engine.phase()), (vec![], Phase::Complete));
}

#[test]
fn a_root_that_differs_opens_healing_and_only_then_is_a_later_pivot_sought() {
    let mut engine = deriving();
    tell(&mut engine, Event::PivotMoved { target: pin(2).target });
    tell(&mut engine, Event::Recorded { pin: Some(TargetId(2)) });
    assert_eq!(engine.phase(), Phase::Rebuild);
    assert!(sought(&moves_on(&mut engine)).is_empty());
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!((sought(&effects), engine.phase()), (vec![500 - 64], Phase::Heal));
    assert_eq!(fatal(&effects), None, "rows of two blocks need not give the root of either");
}
