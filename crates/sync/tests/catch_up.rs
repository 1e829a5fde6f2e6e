//! Rows of several blocks are brought to the newest target by access lists, in the order of their blocks; or are not, and it is told why.

mod setup;

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_sync::{
    BlockRange, Config, Coverage, Effect, Ended, Engine, Event, HashRange, Head, HeaderFloor, HeaderReach,
    HeaderSegment, History, Job, JobId, Join, Journal, ListOutcome, ListedBlock, Missing, NoLists,
    PendingStorage, Phase, Pin, Report, Standing, StorageClaim, Target, TargetId,
};

use setup::{TICKET, fatal, hash, started, taken};

/// Target 1 is block 100, each later one ten blocks above.
fn pin(id: u32) -> Pin {
    let number = 90 + 10 * u64::from(id);
    Pin { id: TargetId(id), target: Target { number, hash: hash(number), root: root(id) } }
}

fn root(id: u32) -> B256 {
    hash(7_000 + u64::from(id))
}

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange { first, last }
}

/// As in `setup`, but that nobody answers for headers. No block is left.
fn drain(engine: &mut Engine) -> Vec<Effect> {
    let mut effects = Vec::new();
    while let Some(effect) = engine.poll() {
        match effect {
            Effect::FindLeft { .. } => {
                engine.handle(Duration::ZERO, Event::LeftFound { left: vec![], unheld: None });
            }
            effect => effects.push(effect),
        }
    }
    effects
}

fn tell(engine: &mut Engine, event: Event) -> Vec<Effect> {
    engine.handle(Duration::ZERO, event);
    drain(engine)
}

/// An engine that holds all accounts: as of the first target, and the upper half as of the second, which is the pivot.
fn resumed(change: impl FnOnce(&mut Journal)) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(2)), vec![pin(1), pin(2)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    let upper = HashRange::from_start(B256::repeat_byte(0x80));
    journal.accounts.set(upper, Standing::At(TargetId(2)));
    change(&mut journal);
    let config = Config { history: History::None, lists_per_job: 6, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

fn found(number: u64) -> Event {
    Event::ListFound { number, parent: hash(number - 1), has_list: true }
}

/// An engine that catches up, and its first job.
fn catching_up() -> (Engine, JobId) {
    let (mut engine, _) = resumed(|_| {});
    let effects = tell(&mut engine, found(101));
    assert_eq!(engine.phase(), Phase::CatchUp);
    let [(job, Job::Lists { blocks })] = started(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(blocks, range(101, 106));
    (engine, job)
}

fn listed(number: u64) -> ListedBlock {
    ListedBlock {
        block: Head { number, hash: hash(number) },
        parent: hash(number - 1),
        outcome: ListOutcome::Applied,
        newest: None,
        older: vec![],
        owed: vec![],
        cut: vec![],
        freed: vec![],
    }
}

/// Lists of these blocks were brought to rows; at block 110 those of the first target meet those of the second.
fn applied(job: JobId, blocks: BlockRange) -> Event {
    let met = |number| match number {
        110 => ListedBlock { newest: Some(TargetId(2)), older: vec![TargetId(1)], ..listed(number) },
        _ => listed(number),
    };
    let blocks = (blocks.first..=blocks.last).map(met).collect();
    Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] }
}

/// The job of lists that is started.
fn next(effects: &[Effect]) -> (JobId, BlockRange) {
    let jobs = started(effects);
    let [(job, Job::Lists { blocks })] = jobs[..] else { panic!("{effects:?}") };
    (job, blocks)
}

fn reasons(effects: &[Effect]) -> Vec<NoLists> {
    let why = |effect: &Effect| match effect {
        Effect::Report(Report::NoLists(why)) => Some(*why),
        _ => None,
    };
    effects.iter().filter_map(why).collect()
}

fn rebuilds(effects: &[Effect]) -> bool {
    effects.contains(&Effect::Rebuild { target: TargetId(2), root: root(2) })
}

#[test]
fn lists_are_looked_for_once_all_is_here_and_rows_are_of_several_blocks() {
    let (_, effects) = resumed(|_| {});
    assert!(effects.contains(&Effect::FindList { number: 101 }), "{effects:?}");
    assert!(!rebuilds(&effects), "each list would outdate what is derived");
    let (engine, effects) = resumed(|journal| journal.accounts = Coverage::all(Standing::At(TargetId(2))));
    assert!(rebuilds(&effects) && engine.phase() == Phase::Rebuild);
    let (_, effects) = resumed(|journal| journal.codes = vec![hash(5)]);
    assert!(!effects.contains(&Effect::FindList { number: 101 }), "something is missing still");
}

// ROW: F22
#[test]
fn lists_come_in_windows_and_rows_that_meet_are_of_one_target() {
    let (mut engine, job) = catching_up();
    assert_eq!(engine.tally().lists_missing, 10);
    let effects = tell(&mut engine, applied(job, range(101, 104)));
    assert_eq!(engine.tally().lists_missing, 6);
    assert!(started(&effects).is_empty(), "the rest of the window is on its way");
    let (job, blocks) = next(&tell(&mut engine, applied(job, range(105, 106))));
    assert_eq!(blocks, range(107, 110));
    let effects = tell(&mut engine, applied(job, range(107, 110)));
    assert!(rebuilds(&effects), "{effects:?}");
    assert_eq!(*engine.account_coverage(), Coverage::all(Standing::At(TargetId(2))));
    let effects = tell(&mut engine, Event::Rebuilt { root: root(2) });
    assert!(effects.contains(&Effect::Report(Report::Complete(pin(2)))));
}

#[test]
fn what_owes_its_root_is_derived_when_no_list_is_left() {
    let (mut engine, job) = catching_up();
    let account = B256::repeat_byte;
    let mut first = listed(101);
    (first.owed, first.cut) = (vec![account(1), account(2)], vec![account(3)]);
    let blocks = vec![first, ListedBlock { freed: vec![account(2), account(3)], ..listed(102) }];
    let event = Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] };
    let effects = tell(&mut engine, event);
    assert!(!effects.contains(&Effect::RebuildOwed), "lists are still to come");
    assert_eq!((engine.tally().storages_owed, engine.tally().storages_owed_cut), (1, 0));
    let (job, _) = next(&tell(&mut engine, applied(job, range(103, 106))));
    let effects = tell(&mut engine, applied(job, range(107, 110)));
    assert!(effects.contains(&Effect::RebuildOwed) && !rebuilds(&effects), "{effects:?}");
    assert!(rebuilds(&tell(&mut engine, taken(account(1)))));
}

#[test]
fn a_row_that_takes_a_root_is_as_old_as_its_slots() {
    let (mut engine, effects) = resumed(|journal| {
        journal.accounts = Coverage::all(Standing::At(TargetId(2)));
        let parts = Coverage::all(Standing::At(TargetId(1)));
        let (account, target) = (B256::repeat_byte(1), TargetId(1));
        let pending = PendingStorage { account, expected: None, target, parts };
        journal.storages = vec![pending];
    });
    assert!(effects.contains(&Effect::RebuildOwed));
    let effects = tell(&mut engine, taken(B256::repeat_byte(1)));
    assert!(effects.contains(&Effect::FindList { number: 101 }), "its slots lack ten blocks: {effects:?}");
}

#[test]
fn a_pivot_that_moves_adds_blocks() {
    let (mut engine, job) = catching_up();
    let effects = tell(&mut engine, Event::PivotMoved { target: pin(3).target });
    assert!(!effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    tell(&mut engine, Event::Recorded { pin: Some(TargetId(3)) });
    let (job, _) = next(&tell(&mut engine, applied(job, range(101, 106))));
    let (job, blocks) = next(&tell(&mut engine, applied(job, range(107, 112))));
    assert_eq!(blocks, range(113, 118));
    let (job, _) = next(&tell(&mut engine, applied(job, range(113, 118))));
    let mut last = listed(120);
    (last.newest, last.older) = (Some(TargetId(3)), vec![TargetId(2)]);
    let event = Event::ListsApplied { job, ticket: TICKET, blocks: vec![listed(119), last], codes: vec![] };
    let effects = tell(&mut engine, event);
    assert!(effects.contains(&Effect::Rebuild { target: TargetId(3), root: root(3) }), "{effects:?}");
    assert_eq!(*engine.account_coverage(), Coverage::all(Standing::At(TargetId(3))));
}

#[test]
fn where_blocks_have_no_lists_the_rows_are_healed() {
    let (mut engine, _) = resumed(|_| {});
    let older = Event::ListFound { number: 101, parent: hash(100), has_list: false };
    let effects = tell(&mut engine, older);
    assert_eq!(reasons(&effects), [NoLists::Older { number: 101 }]);
    assert!(rebuilds(&effects));
    tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(engine.phase(), Phase::Heal);
}

#[test]
fn rows_of_a_branch_that_was_left_are_healed() {
    let (mut engine, _) = resumed(|_| {});
    let beside = Event::ListFound { number: 101, parent: hash(999), has_list: true };
    let effects = tell(&mut engine, beside);
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 101 }]);
    assert!(rebuilds(&effects));
    // The writer sees it later.
    let (mut engine, job) = catching_up();
    let left = |number| ListedBlock { outcome: ListOutcome::Left, ..listed(number) };
    let blocks = vec![listed(101), left(102), left(103)];
    let effects = tell(&mut engine, Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] });
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert!(effects.contains(&Effect::FindList { number: 102 }), "{effects:?}");
    let beside = Event::ListFound { number: 102, parent: hash(999), has_list: true };
    let effects = tell(&mut engine, beside);
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 102 }]);
    assert!(rebuilds(&effects));
}

#[test]
fn a_list_of_a_chain_that_was_left_is_no_end_of_those_that_lead_on() {
    let (mut engine, job) = catching_up();
    let left = |number| ListedBlock { outcome: ListOutcome::Left, parent: hash(999), ..listed(number) };
    let blocks = vec![listed(101), left(102)];
    let effects = tell(&mut engine, Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] });
    assert!(reasons(&effects).is_empty() && effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    let (job, blocks) = next(&tell(&mut engine, found(102)));
    assert_eq!(blocks, range(102, 107));
    // The header says that they lead on, and the writer that they do not: nothing is asked for ever.
    let blocks = vec![left(102)];
    let effects = tell(&mut engine, Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] });
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 102 }]);
    assert!(rebuilds(&effects));
}

#[test]
fn rows_of_no_known_block_are_healed() {
    let (_, effects) = resumed(|journal| journal.accounts = Coverage::all(Standing::Mixed));
    assert_eq!(reasons(&effects), [NoLists::Mixed]);
    assert!(rebuilds(&effects));
}

#[test]
fn what_nobody_has_leaves_the_rest_to_healing() {
    let (mut engine, job) = catching_up();
    tell(&mut engine, applied(job, range(101, 103)));
    let missing = Missing::Lists { blocks: range(104, 106) };
    let effects = tell(&mut engine, Event::NoPeerHas { missing });
    assert_eq!(reasons(&effects), [NoLists::Nobody { number: 104 }]);
    assert!(effects.contains(&Effect::Stop { id: job }) && rebuilds(&effects));
    tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(engine.phase(), Phase::Heal);
}

#[test]
fn a_job_that_was_given_up_is_begun_where_rows_are_and_lists_that_come_twice_change_nothing() {
    let (mut engine, job) = catching_up();
    tell(&mut engine, applied(job, range(101, 102)));
    let (again, blocks) = next(&tell(&mut engine, Event::JobEnded { job, why: Ended::GivenUp }));
    assert_eq!(blocks, range(103, 108));
    // What the first one had on its way is applied before, and left when it comes once more.
    tell(&mut engine, applied(job, range(103, 104)));
    let left = |number| ListedBlock { outcome: ListOutcome::Left, ..listed(number) };
    let blocks = vec![left(103), left(104), listed(105)];
    let twice = Event::ListsApplied { job: again, ticket: TICKET, blocks, codes: vec![] };
    assert!(reasons(&tell(&mut engine, twice)).is_empty());
    assert_eq!(next(&tell(&mut engine, applied(again, range(106, 108)))).1, range(109, 110));
}

#[test]
fn a_restart_goes_on_where_rows_were_brought_to() {
    let brought = |journal: &mut Journal| {
        journal.phase = Phase::CatchUp;
        journal.brought = vec![(TargetId(1), Head { number: 105, hash: hash(105) })];
    };
    let (mut engine, effects) = resumed(brought);
    assert!(effects.contains(&Effect::FindList { number: 106 }), "{effects:?}");
    assert_eq!(next(&tell(&mut engine, found(106))).1, range(106, 110));
}

#[test]
fn what_lists_have_brought_and_gives_another_root_is_compared_before_it_counts_as_damaged() {
    let (mut engine, job) = catching_up();
    let (job, _) = next(&tell(&mut engine, applied(job, range(101, 106))));
    tell(&mut engine, applied(job, range(107, 110)));
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!((engine.phase(), fatal(&effects)), (Phase::Heal, None));
}

#[test]
fn what_was_brought_before_a_restart_and_gives_another_root_is_compared_as_well() {
    let (mut engine, effects) = resumed(|journal| {
        journal.targets = vec![pin(2)];
        journal.accounts = Coverage::all(Standing::At(TargetId(2)));
    });
    assert!(rebuilds(&effects), "{effects:?}");
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!((engine.phase(), fatal(&effects)), (Phase::Heal, None));
}

#[test]
fn what_is_claimed_at_a_target_that_becomes_one_with_a_newer_is_asked_of_that_one() {
    let (mut engine, job) = catching_up();
    let claim = StorageClaim { account: B256::repeat_byte(1), root: hash(55) };
    let late = Event::AccountsHealed {
        job: JobId(99),
        ticket: TICKET,
        target: TargetId(1),
        storages: vec![PendingStorage::untouched(claim, TargetId(1))],
        freed: vec![],
        codes: vec![],
    };
    tell(&mut engine, late);
    let (job, _) = next(&tell(&mut engine, applied(job, range(101, 106))));
    let effects = tell(&mut engine, applied(job, range(107, 110)));
    let wanted = Job::Storages { target: TargetId(2), root: root(2), claims: vec![claim] };
    assert!(started(&effects).iter().any(|(_, job)| *job == wanted), "{effects:?}");
}

#[test]
fn a_header_that_was_not_there_is_looked_for_again_when_the_chain_has_changed() {
    let (mut engine, _) = resumed(|_| {});
    let top = Head { number: 200, hash: hash(500) };
    let effects = tell(&mut engine, Event::HeadNamed { hash: top.hash });
    let (job, _) = started(&effects).remove(0);
    let segment = HeaderSegment {
        top: top.number,
        hash: top.hash,
        root: root(9),
        lowest: top.number,
        parent: hash(199),
    };
    let reach = HeaderReach::Joined(Box::new(Join { fork: 150, top, bodies: vec![], receipts: vec![] }));
    let effects = tell(&mut engine, Event::HeadersDurable { job, ticket: TICKET, segment, reach });
    assert!(effects.contains(&Effect::FindList { number: 101 }), "{effects:?}");
}

#[test]
fn rows_of_a_branch_that_was_left_beside_those_that_come_to_the_pivot_do_not_hold_the_sync() {
    let (mut engine, _) = resumed(|journal| {
        // Those of the first target come on, those of the second, of a block beside, do not.
        let beside = Pin { target: Target { hash: hash(999), ..pin(2).target }, ..pin(2) };
        journal.pin = Some(pin(3));
        journal.targets = vec![pin(1), beside, pin(3)];
        journal.accounts.set(HashRange::single(B256::ZERO), Standing::At(TargetId(3)));
    });
    let (job, _) = next(&tell(&mut engine, found(101)));
    let (job, _) = next(&tell(&mut engine, applied_alone(job, range(101, 106))));
    // The first ones have the third one's name from block 120 on: the oldest name is the second one's then.
    let (job, blocks) = next(&tell(&mut engine, applied_alone(job, range(107, 112))));
    let (last, blocks) = next(&tell(&mut engine, applied_alone(job, blocks)));
    assert_eq!(blocks, range(119, 120));
    let met = ListedBlock { newest: Some(TargetId(3)), older: vec![TargetId(1)], ..listed(120) };
    let blocks = vec![listed(119), met];
    let effects = tell(&mut engine, Event::ListsApplied { job: last, ticket: TICKET, blocks, codes: vec![] });
    let (job, blocks) = next(&effects);
    assert_eq!(blocks, range(111, 116));
    let left = |number| ListedBlock { outcome: ListOutcome::Left, ..listed(number) };
    let blocks = (111..=116).map(left).collect();
    let effects = tell(&mut engine, Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] });
    assert!(effects.contains(&Effect::FindList { number: 111 }), "{effects:?}");
    let effects = tell(&mut engine, found(111));
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 111 }]);
    assert!(effects.contains(&Effect::Rebuild { target: TargetId(3), root: root(3) }), "{effects:?}");
}

/// Lists of these blocks were brought to rows that meet no others.
fn applied_alone(job: JobId, blocks: BlockRange) -> Event {
    let blocks = (blocks.first..=blocks.last).map(listed).collect();
    Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] }
}
