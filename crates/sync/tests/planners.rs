//! Exact sequences of the planners, seen from outside: which effect follows which event.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Checkpoint, Config, Coverage, Effect, Engine, Event, Fatal, HashRange, Head, HeaderFloor,
    HeaderPiece, HeaderReach, HeaderSegment, HeaderTop, History, Job, JobId, Journal, Missing,
    PartialStorage, PendingStorage, Phase, Pin, Report, StorageClaim, Target, TargetId,
};

use setup::{TICKET, fatal, hash, started, tell};

fn root() -> B256 {
    B256::repeat_byte(0x77)
}

fn key(nibble: u8) -> B256 {
    B256::repeat_byte(nibble << 4)
}

fn headers(job: JobId, top: u64, lowest: u64) -> Event {
    let segment = HeaderSegment { top, hash: hash(top), root: root(), lowest, parent: hash(lowest - 1) };
    let reach = HeaderReach::Down(segment.floor());
    Event::HeadersDurable { job, ticket: TICKET, segment, reach }
}

fn config() -> Config {
    Config { history: History::None, ..Config::standing(hash(0)) }
}

/// An engine whose target (block 100) is known, and what it then wants.
fn pinned(config: Config) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new(config);
    let effects = tell(&mut engine, Event::TargetNamed { hash: hash(100) });
    let (job, _) = started(&effects)[0].clone();
    let effects = tell(&mut engine, headers(job, 100, 100));
    (engine, effects)
}

fn account_jobs(effects: &[Effect]) -> Vec<(JobId, HashRange)> {
    let range = |(id, job): (JobId, Job)| match job {
        Job::Accounts { range, .. } => Some((id, range)),
        _ => None,
    };
    started(effects).into_iter().filter_map(range).collect()
}

fn storage_jobs(effects: &[Effect]) -> Vec<(JobId, Vec<StorageClaim>)> {
    let claims = |(id, job): (JobId, Job)| match job {
        Job::Storages { claims, .. } => Some((id, claims)),
        _ => None,
    };
    started(effects).into_iter().filter_map(claims).collect()
}

fn durable(job: JobId, covered: HashRange, storages: Vec<StorageClaim>, codes: Vec<B256>) -> Event {
    Event::AccountsDurable { job, ticket: TICKET, covered, target: TargetId(1), storages, codes }
}

fn settled(job: JobId, accounts: &[B256]) -> Event {
    Event::StoragesDurable { job, ticket: TICKET, settled: accounts.to_vec(), partial: None }
}

#[test]
fn sixteen_even_ranges_open_first() {
    let (engine, effects) = pinned(config());
    let ranges: Vec<HashRange> = account_jobs(&effects).into_iter().map(|(_, range)| range).collect();
    assert_eq!(ranges, HashRange::FULL.split(16));
    assert_eq!(engine.phase(), Phase::Download);
}

#[test]
fn the_target_is_asked_alone_and_state_waits_for_it() {
    let mut engine = Engine::new(config());
    let effects = tell(&mut engine, Event::TargetNamed { hash: hash(100) });
    let jobs = started(&effects);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].1, Job::Headers { top: HeaderTop::Named { hash: hash(100) }, floor: 0 });
    assert_eq!(engine.phase(), Phase::Headers);
}

#[test]
fn a_range_that_one_answer_may_cover_is_not_split() {
    let (mut engine, effects) = pinned(config());
    let jobs = account_jobs(&effects);
    // All but the last two are done in one answer each; a small answer tells the stride.
    let small = HashRange::new(jobs[15].1.start(), B256::repeat_byte(0xf0)).unwrap();
    tell(&mut engine, Event::Fetched { job: jobs[15].0, next: HashRange::after(small.last()).unwrap() });
    tell(&mut engine, durable(jobs[15].0, small, vec![], vec![]));
    let half = jobs[0].1.split(64)[0];
    let effects = tell(&mut engine, durable(jobs[0].0, half, vec![], vec![]));
    assert!(account_jobs(&effects).is_empty(), "no slot is free");
    let rest = HashRange::new(HashRange::after(half.last()).unwrap(), jobs[0].1.last()).unwrap();
    let effects = tell(&mut engine, durable(jobs[0].0, rest, vec![], vec![]));
    assert!(effects.is_empty(), "a range that one answer may cover is not split: {effects:?}");
}

#[test]
fn a_split_shortens_one_job_and_starts_another_behind_it() {
    let (mut engine, effects) = pinned(Config { account_ranges: 2, ..config() });
    let jobs = account_jobs(&effects);
    assert_eq!(jobs.len(), 2);
    // The first range ends in 32 steps, so the stride is known to be small.
    let mut last = Vec::new();
    for piece in jobs[0].1.split(32) {
        assert!(last.is_empty());
        let next = HashRange::after(piece.last()).unwrap();
        tell(&mut engine, Event::Fetched { job: jobs[0].0, next });
        last = tell(&mut engine, durable(jobs[0].0, piece, vec![], vec![]));
    }
    let halves = jobs[1].1.split(2);
    assert_eq!(last[0], Effect::Shorten { id: jobs[1].0, last: halves[0].last() });
    assert_eq!(account_jobs(&last), vec![(JobId(jobs[1].0.0 + 1), halves[1])]);
}

// ROW: F16
#[test]
fn equal_roots_are_fetched_once_and_copied() {
    let (mut engine, effects) = pinned(config());
    let (job, range) = account_jobs(&effects)[0];
    let claim = |nibble| StorageClaim { account: key(nibble), root: hash(7) };
    let covered = range.split(2)[0];
    let effects = tell(&mut engine, durable(job, covered, vec![claim(1), claim(2), claim(3)], vec![]));
    let jobs = storage_jobs(&effects);
    assert_eq!(jobs[0].1, vec![claim(1)]);
    let effects = tell(&mut engine, settled(jobs[0].0, &[key(1)]));
    assert_eq!(effects[0], Effect::CopyStorage { donor: claim(1), accounts: vec![key(2), key(3)] });
    assert_eq!(engine.tally().storages_pending, 2);
    tell(&mut engine, Event::StoragesCopied { settled: vec![key(2)], refused: vec![] });
    // A donor that is no longer what it was is forgotten, and the account is fetched.
    let effects = tell(&mut engine, Event::StoragesCopied { settled: vec![], refused: vec![key(3)] });
    assert_eq!(storage_jobs(&effects)[0].1, vec![claim(3)]);
}

#[test]
fn a_late_claim_is_copied_from_a_recent_donor() {
    let (mut engine, effects) = pinned(config());
    let (job, range) = account_jobs(&effects)[0];
    let claim = |nibble| StorageClaim { account: key(nibble), root: hash(7) };
    let halves = range.split(2);
    let effects = tell(&mut engine, durable(job, halves[0], vec![claim(1)], vec![]));
    tell(&mut engine, settled(storage_jobs(&effects)[0].0, &[key(1)]));
    let effects = tell(&mut engine, durable(job, halves[1], vec![claim(2)], vec![]));
    assert_eq!(effects[0], Effect::CopyStorage { donor: claim(1), accounts: vec![key(2)] });
}

#[test]
fn an_account_is_never_its_own_donor() {
    let (mut engine, effects) = pinned(config());
    let (job, range) = account_jobs(&effects)[0];
    let claim = StorageClaim { account: key(1), root: hash(7) };
    let effects = tell(&mut engine, durable(job, range.split(2)[0], vec![claim], vec![]));
    tell(&mut engine, settled(storage_jobs(&effects)[0].0, &[key(1)]));
    let effects = tell(&mut engine, durable(job, range.split(2)[0], vec![claim], vec![]));
    assert_eq!(storage_jobs(&effects)[0].1, vec![claim]);
}

// ROW: F16
#[test]
fn a_cut_storage_goes_on_in_pieces_and_is_derived() {
    let (mut engine, effects) = pinned(Config { slots_per_range: 100, ..config() });
    let (job, range) = account_jobs(&effects)[0];
    let claim = StorageClaim { account: key(1), root: hash(7) };
    let effects = tell(&mut engine, durable(job, range, vec![claim], vec![]));
    let (job, _) = storage_jobs(&effects)[0];
    // An eighth holds 100 slots, so 700 more are to be expected: seven pieces of 100.
    let covered = HashRange::FULL.split(8)[0];
    let partial = Some(PartialStorage { account: key(1), covered, slots: 100 });
    let effects = tell(&mut engine, Event::StoragesDurable { job, ticket: TICKET, settled: vec![], partial });
    let pieces: Vec<(JobId, HashRange)> = started(&effects)
        .into_iter()
        .filter_map(|(id, job)| match job {
            Job::StorageRange { range, .. } => Some((id, range)),
            _ => None,
        })
        .collect();
    assert_eq!(pieces.len(), 7);
    assert_eq!(pieces[0].1.start(), HashRange::after(covered.last()).unwrap());
    assert_eq!(pieces[6].1.last(), HashRange::FULL.last());
    assert_eq!(engine.tally().storages_huge, 1);
    assert_eq!((engine.tally().slots_owed, engine.tally().storages_deriving), (700, 0));
    let mut effects = Vec::new();
    for (job, covered) in pieces {
        assert!(effects.is_empty());
        let partial = Some(PartialStorage { account: key(1), covered, slots: 100 });
        effects = tell(&mut engine, Event::StoragesDurable { job, ticket: TICKET, settled: vec![], partial });
    }
    assert_eq!(effects, vec![Effect::RebuildStorage { account: key(1), expected: hash(7) }]);
    assert_eq!((engine.tally().slots_owed, engine.tally().storages_deriving), (0, 1));
    tell(&mut engine, Event::StorageRebuilt { account: key(1), root: hash(7) });
    assert_eq!((engine.tally().storages_pending, engine.tally().storages_huge), (0, 0));
}

#[test]
fn a_derived_storage_root_that_differs_is_fatal() {
    let claim = StorageClaim { account: key(1), root: hash(7) };
    let mut pending = PendingStorage::untouched(claim, TargetId(1));
    pending.fill(HashRange::FULL, TargetId(1));
    let mut engine = resumed(|journal| journal.storages = vec![pending]);
    let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll()).collect();
    assert!(effects.contains(&Effect::RebuildStorage { account: key(1), expected: hash(7) }));
    let effects = tell(&mut engine, Event::StorageRebuilt { account: key(1), root: hash(8) });
    let expected = Fatal::StorageRootMismatch { account: key(1), expected: hash(7), derived: hash(8) };
    assert_eq!(fatal(&effects), Some(expected));
}

// ROW: F17
#[test]
fn codes_go_out_once_in_full_batches_and_flush_at_the_end() {
    let (mut engine, effects) = pinned(Config { codes_per_job: 4, account_ranges: 1, ..config() });
    let (job, range) = account_jobs(&effects)[0];
    let codes = |from: u64, to: u64| (from..to).map(hash).collect::<Vec<_>>();
    let halves = range.split(2);
    let batches = |effects: &[Effect]| -> Vec<usize> {
        let size = |(_, job): (JobId, Job)| match job {
            Job::Codes { hashes } => Some(hashes.len()),
            _ => None,
        };
        started(effects).into_iter().filter_map(size).collect()
    };
    let mut doubled = codes(0, 6);
    doubled.extend(codes(0, 3));
    assert_eq!(batches(&tell(&mut engine, durable(job, halves[0], vec![], doubled))), vec![4]);
    assert_eq!(batches(&tell(&mut engine, durable(job, halves[1], vec![], codes(2, 7)))), vec![3]);
    assert_eq!(engine.tally().codes_pending, 7);
}

#[test]
fn too_many_pendings_hold_accounts_until_they_drain() {
    let (mut engine, effects) = pinned(Config { pendings_max: 8, ..config() });
    let (job, range) = account_jobs(&effects)[0];
    let claims: Vec<_> = (1..11).map(|n| StorageClaim { account: hash(n), root: hash(100 + n) }).collect();
    let effects = tell(&mut engine, durable(job, range.split(2)[0], claims.clone(), vec![]));
    assert!(effects.contains(&Effect::HoldAccounts));
    let (job, _) = storage_jobs(&effects)[0];
    let effects = tell(&mut engine, settled(job, &[hash(1), hash(2), hash(3)]));
    assert!(!effects.contains(&Effect::ReleaseAccounts), "it takes some room, not one place");
    assert!(tell(&mut engine, settled(job, &[hash(4)])).contains(&Effect::ReleaseAccounts));
}

// ROW: F4
#[test]
fn a_checkpoint_below_comes_before_any_state() {
    let checkpoint = Some(Checkpoint { number: 40, hash: hash(40) });
    let (mut engine, effects) = pinned(Config { checkpoint, ..config() });
    let jobs = started(&effects);
    let leg = Job::Headers { top: HeaderTop::Linked { number: 99, hash: hash(99) }, floor: 41 };
    assert_eq!(jobs.iter().map(|(_, job)| job.clone()).collect::<Vec<_>>(), vec![leg]);
    let effects = tell(&mut engine, headers(jobs[0].0, 99, 41));
    assert_eq!(engine.phase(), Phase::Download);
    assert_eq!(account_jobs(&effects).len(), 16);
    let below = Job::Headers { top: HeaderTop::Linked { number: 40, hash: hash(40) }, floor: 1 };
    assert_eq!(started(&effects)[0].1, below);
}

// ROW: F4
#[test]
fn another_checkpoint_is_fatal_before_any_state() {
    let wanted = Checkpoint { number: 40, hash: hash(4040) };
    let (mut engine, effects) = pinned(Config { checkpoint: Some(wanted), ..config() });
    let effects = tell(&mut engine, headers(started(&effects)[0].0, 99, 41));
    assert_eq!(fatal(&effects), Some(Fatal::CheckpointMismatch { wanted, found: hash(40) }));
    assert!(account_jobs(&effects).is_empty());
    assert!(
        tell(&mut engine, Event::TargetNamed { hash: hash(100) }).is_empty(),
        "nothing happens after that"
    );
}

// ROW: F4
#[test]
fn a_checkpoint_above_must_lead_to_the_target() {
    let checkpoint = Some(Checkpoint { number: 120, hash: hash(120) });
    let (mut engine, effects) = pinned(Config { checkpoint, ..config() });
    let jobs = started(&effects);
    let vouched = Job::Headers { top: HeaderTop::Named { hash: hash(120) }, floor: 0 };
    assert_eq!(jobs[0].1, vouched);
    let jobs = started(&tell(&mut engine, headers(jobs[0].0, 120, 120)));
    let leg = Job::Headers { top: HeaderTop::Linked { number: 119, hash: hash(119) }, floor: 101 };
    assert_eq!(jobs[0].1, leg);
    assert_eq!(engine.phase(), Phase::Headers);
    let mut forked = headers(jobs[0].0, 119, 101);
    if let Event::HeadersDurable { segment, .. } = &mut forked {
        segment.parent = hash(9999);
    }
    let effects = tell(&mut engine, forked);
    assert_eq!(
        fatal(&effects),
        Some(Fatal::TargetMismatch { number: 100, wanted: hash(100), found: hash(9999) })
    );

    let (mut engine, effects) = pinned(Config { checkpoint, ..config() });
    let effects = tell(&mut engine, headers(started(&effects)[0].0, 120, 120));
    let effects = tell(&mut engine, headers(started(&effects)[0].0, 119, 101));
    let down = Job::Headers { top: HeaderTop::Linked { number: 99, hash: hash(99) }, floor: 1 };
    assert_eq!(started(&effects)[0].1, down);
    assert_eq!(engine.phase(), Phase::Download);
}

// ROW: F12
#[test]
fn checkpoint_above_that_nobody_has_charges_nobody() {
    let wanted = Checkpoint { number: 120, hash: hash(4040) };
    let (mut engine, effects) = pinned(Config { checkpoint: Some(wanted), ..config() });
    let named = Job::Headers { top: HeaderTop::Named { hash: wanted.hash }, floor: 0 };
    assert_eq!(
        started(&effects)[0].1,
        named,
        "by its hash: peers may truly have another block at that height"
    );
    let missing = Missing::Header { hash: wanted.hash };
    let effects = tell(&mut engine, Event::NoPeerHas { missing: missing.clone() });
    assert_eq!(fatal(&effects), Some(Fatal::TargetUnavailable { missing }));
}

#[test]
fn checkpoint_above_with_another_number_is_fatal() {
    let wanted = Checkpoint { number: 120, hash: hash(119) };
    let (mut engine, effects) = pinned(Config { checkpoint: Some(wanted), ..config() });
    let effects = tell(&mut engine, headers(started(&effects)[0].0, 119, 119));
    assert_eq!(fatal(&effects), Some(Fatal::CheckpointNumber { wanted, found: 119 }));
    assert!(account_jobs(&effects).is_empty());
}

#[test]
fn headers_above_the_target_serve_no_other_checkpoint() {
    let checkpoint = Checkpoint { number: 120, hash: hash(120) };
    let journal = |held: Option<B256>| Journal {
        pin: Some(Pin { id: TargetId(1), target: Target { number: 100, hash: hash(100), root: root() } }),
        phase: Phase::Headers,
        headers: Some(HeaderFloor { number: 100, parent: hash(99) }),
        head: Some(Head { number: 130, hash: hash(130) }),
        checkpoint: held,
        ..Journal::fresh()
    };
    let after_target = |held: Option<B256>| {
        let settings = Config { checkpoint: Some(checkpoint), ..config() };
        Engine::resume(settings, journal(held)).phase()
    };
    assert_eq!(after_target(Some(checkpoint.hash)), Phase::Download);
    assert_eq!(after_target(Some(hash(7777))), Phase::Headers);
    assert_eq!(after_target(None), Phase::Headers);
}

#[test]
fn descent_from_a_checkpoint_goes_on_where_the_disk_stands() {
    let checkpoint = Checkpoint { number: 120, hash: hash(120) };
    let floor = HeaderFloor { number: 110, parent: hash(109) };
    let resumed = |head: Head| {
        let mut engine = Engine::resume(
            Config { checkpoint: Some(checkpoint), ..config() },
            Journal {
                pin: Some(Pin {
                    id: TargetId(1),
                    target: Target { number: 100, hash: hash(100), root: root() },
                }),
                phase: Phase::Headers,
                headers: Some(HeaderFloor { number: 100, parent: hash(99) }),
                descent: Some(HeaderPiece { head, floor }),
                ..Journal::fresh()
            },
        );
        let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll()).collect();
        started(&effects)[0].1.clone()
    };
    let leg = Job::Headers { top: HeaderTop::Linked { number: 109, hash: hash(109) }, floor: 101 };
    assert_eq!(resumed(Head { number: 120, hash: hash(120) }), leg);
    let anew = Job::Headers { top: HeaderTop::Named { hash: hash(120) }, floor: 0 };
    assert_eq!(resumed(Head { number: 121, hash: hash(121) }), anew, "that is a later head's");
}

#[test]
fn another_genesis_is_fatal() {
    let (mut engine, effects) = pinned(Config { genesis: hash(5555), ..config() });
    let effects = tell(&mut engine, headers(started(&effects)[0].0, 99, 1));
    assert_eq!(fatal(&effects), Some(Fatal::GenesisMismatch { wanted: hash(5555), found: hash(0) }));
}

// ROW: F12
#[test]
fn headers_that_do_not_link_change_nothing() {
    let (mut engine, effects) = pinned(config());
    let (job, _) = started(&effects)[0];
    assert!(tell(&mut engine, headers(job, 98, 90)).is_empty());
    assert_eq!(engine.tally().header_floor, Some(100));
}

#[test]
fn history_follows_the_headers_newest_first() {
    let settings = Config { blocks_per_job: 10, block_jobs: 1, history: History::From(50), ..config() };
    let (mut engine, effects) = pinned(settings);
    let (job, _) = started(&effects)[0].clone();
    let bodies = |effects: &[Effect]| -> Vec<(JobId, BlockRange)> {
        let blocks = |(id, job): (JobId, Job)| match job {
            Job::Bodies { blocks } => Some((id, blocks)),
            _ => None,
        };
        started(effects).into_iter().filter_map(blocks).collect()
    };
    let first = bodies(&effects);
    assert_eq!(first[0].1, BlockRange { first: 100, last: 100 });
    tell(&mut engine, headers(job, 99, 60));
    let blocks = first[0].1;
    let effects =
        tell(&mut engine, Event::BodiesDurable { job: first[0].0, ticket: TICKET, blocks: vec![blocks] });
    assert_eq!(bodies(&effects)[0].1, BlockRange { first: 90, last: 99 });
    assert_eq!((engine.tally().bodies_missing, engine.tally().receipts_missing), (50, 51));
}

fn resumed(change: impl FnOnce(&mut Journal)) -> Engine {
    let target = Target { number: 100, hash: hash(100), root: root() };
    let mut journal = Journal::fresh();
    journal.pin = Some(Pin { id: TargetId(1), target });
    journal.phase = Phase::Download;
    journal.headers = Some(snapsync_sync::HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all_but([], TargetId(1));
    change(&mut journal);
    Engine::resume(config(), journal)
}

// ROW: F7
#[test]
fn nothing_missing_leads_to_rebuild_and_only_its_root_to_complete() {
    let mut engine = resumed(|_| {});
    let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll()).collect();
    assert!(effects.contains(&Effect::Rebuild { target: TargetId(1), root: root() }));
    assert_eq!(engine.phase(), Phase::Rebuild);
    assert!(engine.tally().share < 1.0, "not complete before the root is compared");
    let effects = tell(&mut engine, Event::Rebuilt { root: root() });
    assert!(matches!(effects.last(), Some(Effect::Report(Report::Complete(_)))));
    assert!((engine.tally().share - 1.0).abs() < f64::EPSILON);
}

// ROW: F7
#[test]
fn another_derived_root_is_fatal_and_wipes_nothing() {
    let mut engine = resumed(|_| {});
    let effects = tell(&mut engine, Event::Rebuilt { root: hash(3) });
    assert_eq!(fatal(&effects), Some(Fatal::RootMismatch { expected: root(), derived: hash(3) }));
}

#[test]
fn a_restart_asks_for_exactly_what_the_journal_misses() {
    let gap = HashRange::new(key(3), key(4)).unwrap();
    let mut engine = resumed(|journal| {
        journal.accounts = Coverage::all_but([gap], TargetId(1));
        journal.codes = vec![hash(5)];
    });
    let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll()).collect();
    let ranges: Vec<HashRange> = account_jobs(&effects).into_iter().map(|(_, range)| range).collect();
    assert_eq!(ranges, gap.split(16));
    assert_eq!(engine.tally().codes_pending, 1);
}

#[test]
fn a_finished_directory_says_so_and_asks_nothing() {
    let mut engine = resumed(|journal| {
        journal.phase = Phase::Complete;
        journal.rebuilt = Some(root());
    });
    let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll()).collect();
    assert!(matches!(effects.last(), Some(Effect::Report(Report::Complete(_)))));
    assert!(started(&effects).is_empty());
}

#[test]
fn an_unfinished_directory_takes_no_other_target() {
    let mut engine = resumed(|_| {});
    let effects = tell(&mut engine, Event::TargetNamed { hash: hash(101) });
    assert_eq!(fatal(&effects), Some(Fatal::OtherTarget { have: hash(100), asked: hash(101) }));
}

#[test]
fn phases_move_only_along_the_table() {
    let legal: Vec<(Phase, Phase)> = Phase::ALL
        .into_iter()
        .flat_map(|from| Phase::ALL.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from.may_become(*to))
        .collect();
    assert_eq!(legal.len(), 15);
    assert!(legal.iter().all(|(from, to)| from != to));
    assert!(!Phase::Download.may_become(Phase::Complete), "nothing is complete before its root is derived");
}

#[test]
fn a_state_without_accounts_is_derived_at_once_and_nobody_is_asked_for_it() {
    let mut engine = Engine::new(config());
    let effects = tell(&mut engine, Event::TargetNamed { hash: hash(100) });
    let (job, _) = started(&effects)[0].clone();
    let Event::HeadersDurable { job, ticket, segment, reach } = headers(job, 100, 100) else {
        unreachable!("made here")
    };
    let segment = snapsync_sync::HeaderSegment { root: snapsync_trie::EMPTY_ROOT, ..segment };
    let effects = tell(&mut engine, Event::HeadersDurable { job, ticket, segment, reach });
    assert!(account_jobs(&effects).is_empty(), "{effects:?}");
    assert_eq!(engine.phase(), Phase::Rebuild);
    let asks = |effect: &Effect| matches!(effect, Effect::Rebuild { root, .. } if *root == snapsync_trie::EMPTY_ROOT);
    assert!(effects.iter().any(asks), "{effects:?}");
}
