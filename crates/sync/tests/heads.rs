//! Later heads: each costs its own headers, the state stays with its target, bodies and receipts follow.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Checkpoint, Config, Coverage, Effect, Engine, Event, Fatal, Head, HeadRefusal, HeaderFloor,
    HeaderPiece, HeaderReach, HeaderSegment, HeaderTop, History, Job, JobId, Join, Journal, Missing, Phase,
    Pin, Report, Target, TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, tell};

/// The hash of a block on another fork.
fn other(number: u64) -> B256 {
    B256::left_padding_from(&[0xf0, number as u8])
}

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange { first, last }
}

fn head(number: u64, hash: B256) -> Head {
    Head { number, hash }
}

fn named(hash: B256) -> Job {
    Job::Headers { top: HeaderTop::Named { hash }, floor: 0 }
}

fn linked(number: u64, hash: B256, floor: u64) -> Job {
    Job::Headers { top: HeaderTop::Linked { number, hash }, floor }
}

/// Headers of one fork whose hashes `of` gives, held down to where they end.
fn headers(job: JobId, top: u64, lowest: u64, of: fn(u64) -> B256) -> Event {
    let root = B256::repeat_byte(0x77);
    let segment = HeaderSegment { top, hash: of(top), root, lowest, parent: of(lowest - 1) };
    Event::HeadersDurable { job, ticket: TICKET, segment, reach: HeaderReach::Down(segment.floor()) }
}

/// The same, and they meet the chain.
fn joined(event: Event, fork: u64, top: Head, bodies: Vec<BlockRange>) -> Event {
    let Event::HeadersDurable { job, ticket, segment, .. } = event else { panic!("{event:?}") };
    let reach = HeaderReach::Joined(Box::new(Join { fork, top, bodies, receipts: vec![] }));
    Event::HeadersDurable { job, ticket, segment, reach }
}

/// An engine whose state of block 100 is whole and verified, with all history; in Complete, unless `change` says otherwise.
fn resumed(change: impl FnOnce(&mut Config, &mut Journal)) -> (Engine, Vec<Effect>) {
    let mut config = Config::standing(hash(0));
    let root = B256::repeat_byte(0x77);
    let target = Target { number: 100, hash: hash(100), root };
    let mut journal = Journal::fresh();
    journal.pin = Some(Pin { id: TargetId(1), target });
    journal.phase = Phase::Complete;
    journal.rebuilt = Some(root);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all_but([], TargetId(1));
    change(&mut config, &mut journal);
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

fn name(engine: &mut Engine, hash: B256) -> Vec<Effect> {
    tell(engine, Event::HeadNamed { hash })
}

fn only(effects: &[Effect]) -> (JobId, Job) {
    let jobs = started(effects);
    assert_eq!(jobs.len(), 1, "{effects:?}");
    jobs[0].clone()
}

fn bodies(effects: &[Effect]) -> Vec<BlockRange> {
    let blocks = |(_, job): (JobId, Job)| match job {
        Job::Bodies { blocks } => Some(blocks),
        _ => None,
    };
    started(effects).into_iter().filter_map(blocks).collect()
}

#[test]
fn head_above_costs_its_own_headers_and_its_blocks_are_asked_for() {
    let (mut engine, effects) = resumed(|_, _| {});
    assert!(started(&effects).is_empty());
    let (job, what) = only(&name(&mut engine, hash(105)));
    assert_eq!(what, named(hash(105)));
    let (job, what) = only(&tell(&mut engine, headers(job, 105, 105, hash)));
    assert_eq!(what, linked(104, hash(104), 101));
    assert_eq!(engine.tally().headers_missing, 4);
    let top = head(105, hash(105));
    let effects = tell(&mut engine, joined(headers(job, 104, 101, hash), 100, top, vec![]));
    assert!(effects.contains(&Effect::Report(Report::Head(top))), "{effects:?}");
    let wanted = effects.iter().find_map(|effect| match effect {
        Effect::Record(progress) => progress.blocks,
        _ => None,
    });
    assert_eq!(wanted, Some(range(1, 105)));
    assert_eq!(bodies(&effects), [range(101, 105)]);
    assert_eq!((engine.head(), engine.tally().headers_missing), (Some(top), 0));
    assert_eq!((engine.tally().bodies_missing, engine.tally().receipts_missing), (5, 5));
    assert_eq!((engine.phase(), engine.pin().unwrap().target.number), (Phase::Complete, 100));
    assert!(started(&name(&mut engine, hash(105))).is_empty(), "it is held");
}

#[test]
fn head_right_above_needs_no_other_header() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    let (job, _) = only(&name(&mut engine, hash(101)));
    let top = head(101, hash(101));
    let effects = tell(&mut engine, joined(headers(job, 101, 101, hash), 100, top, vec![]));
    assert!(started(&effects).is_empty());
    assert_eq!(engine.head(), Some(top));
}

#[test]
fn head_beside_is_followed_down_in_growing_steps_until_it_meets_the_chain() {
    let (mut engine, _) = resumed(|_, _| {});
    let (job, _) = only(&name(&mut engine, other(102)));
    let (job, what) = only(&tell(&mut engine, headers(job, 102, 102, other)));
    assert_eq!(what, linked(101, other(101), 101));
    let (job, what) = only(&tell(&mut engine, headers(job, 101, 101, other)));
    assert_eq!(what, linked(100, other(100), 99));
    let (job, what) = only(&tell(&mut engine, headers(job, 100, 99, other)));
    assert_eq!(what, linked(98, other(98), 93));
    // The fork is at 95: two of the six were held already.
    let top = head(102, other(102));
    let effects = tell(&mut engine, joined(headers(job, 98, 93, other), 95, top, vec![range(97, 97)]));
    assert_eq!(bodies(&effects), [range(98, 102), range(96, 96)], "97 is held");
    assert_eq!((engine.tally().bodies_missing, engine.tally().receipts_missing), (6, 7));
}

#[test]
fn headers_of_a_fork_that_was_left_are_skipped() {
    let (mut engine, _) = resumed(|_, _| {});
    let (job, _) = only(&name(&mut engine, hash(200)));
    let (job, _) = only(&tell(&mut engine, headers(job, 200, 200, hash)));
    // The writer found 150 to 189 in its tables.
    let Event::HeadersDurable { job, ticket, segment, .. } = headers(job, 199, 190, hash) else {
        unreachable!("made here")
    };
    let reach = HeaderReach::Down(HeaderFloor { number: 150, parent: hash(149) });
    let effects = tell(&mut engine, Event::HeadersDurable { job, ticket, segment, reach });
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert_eq!(only(&effects).1, linked(149, hash(149), 101));
}

#[test]
fn reorg_stops_the_jobs_whose_blocks_are_no_longer_canonical() {
    let (mut engine, effects) = resumed(|config, journal| {
        (config.block_jobs, config.blocks_per_job) = (4, 10);
        (journal.phase, journal.bodies) = (Phase::Rebuild, vec![range(71, 100)]);
    });
    let jobs = started(&effects);
    assert_eq!(bodies(&effects), [range(91, 100), range(81, 90), range(71, 80)]);
    let (job, _) = only(&name(&mut engine, other(99)));
    let top = head(99, other(99));
    let effects = tell(&mut engine, joined(headers(job, 99, 99, other), 88, top, vec![]));
    let stopped: Vec<JobId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Stop { id } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [jobs[0].0, jobs[1].0], "the third asks for what both chains have");
    assert_eq!(bodies(&effects), [range(90, 99), range(81, 89)]);
    assert_eq!(engine.tally().bodies_missing, 29, "block 100 is gone");
}

#[test]
fn heads_that_come_while_one_is_fetched_wait_and_only_the_newest_follows() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    let (job, _) = only(&name(&mut engine, hash(105)));
    let (job, _) = only(&tell(&mut engine, headers(job, 105, 105, hash)));
    assert!(started(&name(&mut engine, hash(106))).is_empty());
    assert!(started(&name(&mut engine, hash(107))).is_empty());
    let event = joined(headers(job, 104, 101, hash), 100, head(105, hash(105)), vec![]);
    assert_eq!(only(&tell(&mut engine, event)).1, named(hash(107)));
}

#[test]
fn head_that_nobody_has_ends_nothing_and_makes_room_for_a_newer_one() {
    let (mut engine, _) = resumed(|_, journal| {
        (journal.phase, journal.rebuilt) = (Phase::Download, None);
        journal.bodies = vec![range(100, 100)];
    });
    let missing = Missing::Header { hash: other(3) };
    let (stuck, _) = only(&name(&mut engine, other(3)));
    let effects = tell(&mut engine, Event::NoPeerHas { missing });
    assert_eq!(fatal(&effects), None);
    // All that the target needs comes in: that is complete, whatever else was named.
    tell(&mut engine, Event::Rebuilt { root: B256::repeat_byte(0x77) });
    let block = Event::BodiesDurable { job: JobId(0), ticket: TICKET, blocks: vec![range(100, 100)] };
    let effects = tell(&mut engine, block);
    assert_eq!((fatal(&effects), engine.phase()), (None, Phase::Complete));
    let effects = name(&mut engine, hash(101));
    assert!(effects.contains(&Effect::Stop { id: stuck }), "{effects:?}");
    assert_eq!(only(&effects).1, named(hash(101)));
}

#[test]
fn headers_below_the_target_go_on_beside_a_later_head() {
    let (mut engine, effects) = resumed(|config, journal| {
        config.history = History::None;
        journal.headers = Some(HeaderFloor { number: 61, parent: hash(60) });
        journal.phase = Phase::Download;
    });
    let (down, what) = only(&effects);
    assert_eq!(what, linked(60, hash(60), 1));
    let (job, _) = only(&name(&mut engine, other(103)));
    assert!(started(&tell(&mut engine, headers(down, 60, 41, hash))).is_empty());
    let effects = tell(&mut engine, Event::NoPeerHas { missing: Missing::Headers { blocks: range(1, 40) } });
    assert_eq!(fatal(&effects), None);
    let (job, _) = only(&tell(&mut engine, headers(job, 103, 103, other)));
    let (job, _) = only(&tell(&mut engine, headers(job, 102, 101, other)));
    // It parts lower than headers are held yet: it waits for them.
    let (job, what) = only(&tell(&mut engine, headers(job, 100, 50, other)));
    assert_eq!(what, linked(49, other(49), 41));
    assert!(started(&tell(&mut engine, headers(job, 49, 41, other))).is_empty());
    let effects = tell(&mut engine, headers(down, 40, 21, hash));
    assert_eq!(only(&effects).1, linked(40, other(40), 21));
}

#[test]
fn head_that_forks_below_what_is_held_so_far_waits_for_lower_headers() {
    let (mut engine, effects) = resumed(|config, journal| {
        config.history = History::None;
        (journal.phase, journal.rebuilt, journal.accounts) = (Phase::Download, None, Coverage::missing());
        journal.headers = Some(HeaderFloor { number: 90, parent: hash(89) });
    });
    let below = headers_job(&effects);
    let head_job = headers_job(&name(&mut engine, other(50)));
    // Shorter than what is held is down to: nobody knows yet where they meet.
    let effects = tell(&mut engine, headers(head_job, 50, 50, other));
    assert!(started(&effects).is_empty(), "{effects:?}");
    let effects = tell(&mut engine, headers(below, 89, 1, hash));
    let (_, what) =
        started(&effects).into_iter().find(|(_, job)| matches!(job, Job::Headers { .. })).unwrap();
    assert!(matches!(what, Job::Headers { top: HeaderTop::Linked { number: 49, .. }, .. }), "{what:?}");
}

/// The one job for headers among those that start.
fn headers_job(effects: &[Effect]) -> JobId {
    let jobs = started(effects);
    let mut of_headers = jobs.iter().filter(|(_, job)| matches!(job, Job::Headers { .. }));
    let (id, _) = of_headers.next().unwrap_or_else(|| panic!("{effects:?}"));
    assert!(of_headers.next().is_none(), "{effects:?}");
    *id
}

#[test]
fn head_with_another_genesis_is_left_and_the_next_one_taken() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    let (job, _) = only(&name(&mut engine, other(2)));
    let (job, what) = only(&tell(&mut engine, headers(job, 2, 2, other)));
    assert_eq!(what, linked(1, other(1), 1));
    let effects = tell(&mut engine, headers(job, 1, 1, other));
    assert_eq!((started(&effects).len(), fatal(&effects)), (0, None));
    assert_eq!(only(&name(&mut engine, hash(101))).1, named(hash(101)));
}

#[test]
fn descent_goes_on_after_a_restart_where_the_disk_stands() {
    let (mut engine, effects) = resumed(|config, journal| {
        config.history = History::From(90);
        journal.head = Some(head(110, hash(110)));
        let floor = HeaderFloor { number: 130, parent: hash(129) };
        journal.descent = Some(HeaderPiece { head: head(150, hash(150)), floor });
        journal.bodies = vec![range(108, 110)];
    });
    let jobs = started(&effects);
    assert_eq!(jobs[0].1, linked(129, hash(129), 111));
    assert_eq!(bodies(&effects), [range(108, 110)], "up to the head that is held");
    let top = head(150, hash(150));
    tell(&mut engine, joined(headers(jobs[0].0, 129, 111, hash), 110, top, vec![]));
    assert_eq!((engine.head(), engine.tally().bodies_missing), (Some(top), 43));
}

#[test]
fn chain_that_came_back_to_its_head_fetches_nothing() {
    let (mut engine, _) = resumed(|_, _| {});
    let (job, _) = only(&name(&mut engine, other(101)));
    let effects = name(&mut engine, hash(100));
    assert_eq!(effects, [Effect::Stop { id: job }]);
    // Its last answer was on its way to the disk, and made it canonical: the head that was named is fetched, then.
    let event = joined(headers(job, 101, 101, other), 100, head(101, other(101)), vec![]);
    let jobs = started(&tell(&mut engine, event));
    assert!(jobs.iter().any(|(_, job)| *job == named(hash(100))), "{jobs:?}");
}

#[test]
fn later_head_waits_until_the_target_is_authenticated() {
    let mut engine = Engine::new(Config { history: History::None, ..Config::standing(hash(0)) });
    let (job, what) = only(&name(&mut engine, hash(100)));
    assert_eq!(what, named(hash(100)), "the first head is the target");
    assert!(started(&name(&mut engine, hash(103))).is_empty());
    let effects = tell(&mut engine, headers(job, 100, 100, hash));
    let heads: Vec<Job> = started(&effects)
        .into_iter()
        .map(|(_, job)| job)
        .filter(|job| matches!(job, Job::Headers { .. }))
        .collect();
    assert_eq!(heads, [linked(99, hash(99), 1), named(hash(103))]);
}

/// The heads that were refused, and why.
fn refused(effects: &[Effect]) -> Vec<(B256, HeadRefusal)> {
    let reports = effects.iter().filter_map(|effect| match effect {
        Effect::Report(Report::HeadRefused { hash, why }) => Some((*hash, *why)),
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_head_that_nobody_has_is_told_once_and_asked_for_until_another_is_named() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    name(&mut engine, other(104));
    let missing = || Event::NoPeerHas { missing: Missing::Header { hash: other(104) } };
    assert_eq!(refused(&tell(&mut engine, missing())), [(other(104), HeadRefusal::Unknown)]);
    assert_eq!(refused(&tell(&mut engine, missing())), [], "it is known by now");
    let effects = name(&mut engine, hash(101));
    assert_eq!((refused(&effects), only(&effects).1), (vec![], named(hash(101))));
}

#[test]
fn an_older_head_of_the_same_chain_changes_nothing_and_is_told() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    let (job, _) = only(&name(&mut engine, hash(40)));
    let effects = tell(&mut engine, joined(headers(job, 40, 40, hash), 100, head(100, hash(100)), vec![]));
    assert_eq!(refused(&effects), [(hash(40), HeadRefusal::Older)]);
    assert_eq!(engine.head(), Some(head(100, hash(100))));
}

#[test]
fn a_head_of_another_genesis_is_refused() {
    let (mut engine, _) = resumed(|config, _| config.history = History::None);
    let (mut job, _) = only(&name(&mut engine, other(3)));
    let effects = tell(&mut engine, headers(job, 3, 3, other));
    job = only(&effects).0;
    let effects = tell(&mut engine, headers(job, 2, 1, other));
    assert_eq!((refused(&effects), started(&effects)), (vec![(other(3), HeadRefusal::OtherGenesis)], vec![]));
}

// ROW: F4
#[test]
fn a_head_whose_chain_does_not_contain_the_checkpoint_is_refused_before_its_headers_below_are_asked_for() {
    let checkpoint = Checkpoint { number: 98, hash: hash(98) };
    let with_checkpoint = |config: &mut Config, journal: &mut Journal| {
        config.history = History::None;
        config.checkpoint = Some(checkpoint);
        journal.checkpoint = Some(hash(98));
    };
    let (mut engine, _) = resumed(with_checkpoint);
    let (job, _) = only(&name(&mut engine, other(101)));
    let (job, what) = only(&tell(&mut engine, headers(job, 101, 101, other)));
    assert_eq!(what, linked(100, other(100), 99), "two, and none from the checkpoint on");
    let effects = tell(&mut engine, headers(job, 100, 99, other));
    assert_eq!(
        (refused(&effects), started(&effects)),
        (vec![(other(101), HeadRefusal::OffCheckpoint)], vec![])
    );
    assert_eq!(engine.head(), Some(head(100, hash(100))));
    // One that leaves the chain right below is canonical when that is known.
    let (job, _) = only(&name(&mut engine, other(98)));
    let effects = tell(&mut engine, joined(headers(job, 98, 98, other), 97, head(98, other(98)), vec![]));
    assert_eq!(fatal(&effects), Some(Fatal::CheckpointMismatch { wanted: checkpoint, found: other(98) }));
}
