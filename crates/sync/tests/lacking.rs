//! History that no peer has: it ends no state sync, it is named, and it is asked for again.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Checkpoint, Config, Coverage, Effect, Engine, Event, Fatal, HashRange, HeaderFloor, Job,
    JobId, Journal, Missing, Phase, Pin, Report, Target, TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, tell};

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange { first, last }
}

fn bodies(first: u64, last: u64) -> Missing {
    Missing::Bodies { blocks: range(first, last) }
}

fn receipts(first: u64, last: u64) -> Missing {
    Missing::Receipts { blocks: range(first, last) }
}

/// An engine that has the state of block 100 but one range, all headers, and no body or receipt.
fn resumed(change: impl FnOnce(&mut Config, &mut Journal)) -> (Engine, Vec<Effect>) {
    let mut config = Config::standing(hash(0));
    let target = Target { number: 100, hash: hash(100), root: B256::repeat_byte(0x77) };
    let mut journal = Journal::fresh();
    journal.pin = Some(Pin { id: TargetId(1), target });
    journal.phase = Phase::Download;
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::missing();
    journal.bodies = vec![range(1, 100)];
    journal.receipts = vec![range(1, 100)];
    change(&mut config, &mut journal);
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

fn nobody_has(engine: &mut Engine, missing: Missing) -> Vec<Effect> {
    tell(engine, Event::NoPeerHas { missing })
}

fn told(effects: &[Effect]) -> Option<Vec<Missing>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Report(Report::Lacking(lack)) => Some(lack.spans.clone()),
        _ => None,
    })
}

fn bodies_durable(blocks: &[BlockRange]) -> Event {
    Event::BodiesDurable { job: JobId(0), ticket: TICKET, blocks: blocks.to_vec() }
}

fn receipts_durable(blocks: &[BlockRange]) -> Event {
    Event::ReceiptsDurable { job: JobId(0), ticket: TICKET, blocks: blocks.to_vec() }
}

fn verify_state(engine: &mut Engine) -> Vec<Effect> {
    let (storages, codes) = (vec![], vec![]);
    let covered = HashRange::FULL;
    tell(
        engine,
        Event::AccountsDurable {
            job: JobId(0),
            ticket: TICKET,
            covered,
            target: TargetId(1),
            storages,
            codes,
        },
    );
    tell(engine, Event::Rebuilt { root: B256::repeat_byte(0x77) })
}

// ROW: F12
#[test]
fn old_blocks_that_nobody_has_end_the_sync_only_when_all_else_is_in() {
    let (mut engine, _) = resumed(|_, _| {});
    assert_eq!(fatal(&nobody_has(&mut engine, bodies(5, 9))), None);
    assert_eq!(fatal(&nobody_has(&mut engine, receipts(7, 7))), None);
    assert_eq!(engine.phase(), Phase::Download);
    assert_eq!((engine.tally().bodies_missing, engine.tally().receipts_missing), (100, 100));
    assert_eq!(fatal(&verify_state(&mut engine)), None, "other blocks can be had");
    tell(&mut engine, receipts_durable(&[range(1, 6), range(8, 100)]));
    let effects = tell(&mut engine, bodies_durable(&[range(1, 4), range(10, 100)]));
    let Some(Fatal::HistoryUnavailable { lack }) = fatal(&effects) else { panic!("{effects:?}") };
    assert_eq!(lack.spans, [bodies(5, 9), receipts(7, 7)]);
    assert_eq!(lack.to_string(), "bodies of blocks 5 to 9, receipts of block 7");
}

#[test]
fn what_nobody_has_is_told_at_first_and_when_it_has_doubled() {
    let (mut engine, _) = resumed(|_, _| {});
    let news: Vec<u64> =
        (1..=32).filter(|at| told(&nobody_has(&mut engine, bodies(2 * at, 2 * at))).is_some()).collect();
    assert_eq!(news, [1, 2, 4, 8, 16, 32]);
}

#[test]
fn a_job_that_has_nothing_else_to_do_makes_room_for_another() {
    let (mut engine, effects) = resumed(|config, _| (config.block_jobs, config.blocks_per_job) = (1, 10));
    let of_bodies = |effects: &[Effect]| -> Vec<(JobId, BlockRange)> {
        let blocks = |(id, job): (JobId, Job)| match job {
            Job::Bodies { blocks } => Some((id, blocks)),
            _ => None,
        };
        started(effects).into_iter().filter_map(blocks).collect()
    };
    let first = of_bodies(&effects)[0];
    assert_eq!(first.1, range(91, 100));
    let effects = nobody_has(&mut engine, bodies(91, 100));
    assert!(effects.contains(&Effect::Stop { id: first.0 }));
    assert_eq!(of_bodies(&effects)[0].1, range(81, 90));
    assert_eq!(told(&effects), Some(vec![bodies(91, 100)]));
}

#[test]
fn whoever_comes_is_asked_for_what_nobody_had() {
    let (mut engine, _) =
        resumed(|_, journal| (journal.bodies, journal.receipts) = (vec![range(5, 9)], vec![]));
    assert!(started(&nobody_has(&mut engine, bodies(5, 9))).is_empty());
    assert!(engine.lacks_history());
    let elsewhere = tell(&mut engine, Event::PeerHas { blocks: range(50, 90) });
    assert!(started(&elsewhere).is_empty(), "it has other blocks only");
    let effects = tell(&mut engine, Event::PeerHas { blocks: range(8, u64::MAX) });
    assert_eq!(started(&effects)[0].1, Job::Bodies { blocks: range(8, 9) });
}

#[test]
fn peers_that_come_and_go_keep_no_sync_from_ending() {
    let (mut engine, _) = resumed(|_, journal| {
        (journal.bodies, journal.receipts) = (vec![range(5, 9), range(20, 20)], vec![]);
    });
    nobody_has(&mut engine, bodies(5, 9));
    verify_state(&mut engine);
    for round in 0..100 {
        let effects = tell(&mut engine, Event::PeerHas { blocks: range(0, u64::MAX) });
        if started(&effects).is_empty() {
            assert!((2..20).contains(&round), "{round}");
            let effects = nobody_has(&mut engine, bodies(20, 20));
            assert!(matches!(fatal(&effects), Some(Fatal::HistoryUnavailable { .. })));
            return;
        }
        nobody_has(&mut engine, bodies(5, 9));
    }
    panic!("it never ends");
}

#[test]
fn the_next_run_asks_again_for_what_nobody_had() {
    let (engine, effects) = resumed(|_, journal| {
        journal.accounts = Coverage::all_but([], TargetId(1));
        journal.rebuilt = Some(B256::repeat_byte(0x77));
        journal.phase = Phase::Rebuild;
        (journal.bodies, journal.receipts) = (vec![range(5, 9)], vec![]);
    });
    assert_eq!(fatal(&effects), None);
    assert_eq!(engine.phase(), Phase::Rebuild);
    assert_eq!(started(&effects)[0].1, Job::Bodies { blocks: range(5, 9) });
}

#[test]
fn old_headers_that_nobody_has_are_history_too() {
    let (mut engine, _) = resumed(|_, journal| {
        journal.headers = Some(HeaderFloor { number: 41, parent: hash(40) });
        (journal.bodies, journal.receipts) = (vec![range(1, 40)], vec![range(1, 40)]);
    });
    let missing = Missing::Headers { blocks: range(10, 40) };
    let effects = nobody_has(&mut engine, missing);
    assert_eq!(told(&effects), Some(vec![Missing::Headers { blocks: range(1, 40) }]));
    let effects = verify_state(&mut engine);
    let text = fatal(&effects).map(|fatal| fatal.to_string()).unwrap();
    assert!(text.starts_with("nobody has headers of blocks 1 to 40;"), "{text}");
}

#[test]
fn headers_that_authenticate_the_target_are_no_history() {
    let (mut engine, _) = resumed(|config, journal| {
        config.checkpoint = Some(Checkpoint { number: 20, hash: hash(20) });
        journal.headers = Some(HeaderFloor { number: 41, parent: hash(40) });
    });
    let missing = Missing::Headers { blocks: range(21, 40) };
    let effects = nobody_has(&mut engine, missing.clone());
    assert_eq!(fatal(&effects), Some(Fatal::TargetUnavailable { missing }));
}

#[test]
fn what_is_missing_is_called_what_it_is() {
    assert_eq!(bodies(4, 4).to_string(), "body of block 4");
    assert_eq!(bodies(4, 5).to_string(), "bodies of blocks 4 to 5");
    assert_eq!(receipts(4, 4).to_string(), "receipts of block 4");
    assert_eq!(receipts(4, 5).to_string(), "receipts of blocks 4 to 5");
    assert_eq!(Missing::Headers { blocks: range(1, 2) }.to_string(), "headers of blocks 1 to 2");
}
