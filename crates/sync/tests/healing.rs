//! Rows of several blocks are healed: walks down the tries of the newest target, until the derived root is its own; and the pivot that
//! follows the head.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Ended, Engine, Event, Fatal, HashRange, Head, HeaderFloor, HeaderTop, History,
    Job, JobId, Journal, Missing, PendingStorage, Phase, Pin, Report, Standing, StorageClaim, Target,
    TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, tell};

fn config() -> Config {
    Config { history: History::None, ..Config::standing(hash(0)) }
}

fn pin(id: u32) -> Pin {
    let number = 99 + u64::from(id);
    Pin { id: TargetId(id), target: Target { number, hash: hash(number), root: root(id) } }
}

/// The state root of a target.
fn root(id: u32) -> B256 {
    hash(7_000 + u64::from(id))
}

/// The pivot moves, and that is on record.
fn follow(engine: &mut Engine, id: u32) -> Vec<Effect> {
    let mut effects = tell(engine, Event::PivotMoved { target: pin(id).target });
    effects.extend(tell(engine, Event::Recorded { pin: Some(TargetId(id)) }));
    effects
}

/// An engine that holds all accounts, of target 1.
fn resumed(change: impl FnOnce(&mut Journal)) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1)), vec![pin(1)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    change(&mut journal);
    let mut engine = Engine::resume(config(), journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

/// An engine whose rows are of target 1 and whose pivot is target 2; and the walk that it starts.
fn healing() -> (Engine, JobId) {
    let (mut engine, _) = resumed(|_| {});
    follow(&mut engine, 2);
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(engine.phase(), Phase::Heal);
    (engine, walk(&effects, 2))
}

/// The walk down the account trie that was started.
fn walk(effects: &[Effect], id: u32) -> JobId {
    let wanted = Job::HealAccounts { target: TargetId(id), root: root(id) };
    let jobs = started(effects);
    jobs.iter().find(|(_, job)| *job == wanted).unwrap_or_else(|| panic!("{effects:?}")).0
}

fn claim(account: u8, root: u64) -> StorageClaim {
    StorageClaim { account: B256::repeat_byte(account), root: hash(root) }
}

/// A storage of which all is held as it was at target 1, and whose account claims another root at a later one.
fn held(claim: StorageClaim, id: u32) -> PendingStorage {
    let parts = Coverage::all(Standing::At(TargetId(1)));
    PendingStorage { parts, ..PendingStorage::untouched(claim, TargetId(id)) }
}

fn healed(job: JobId, id: u32, storages: Vec<PendingStorage>) -> Event {
    let (target, freed, codes) = (TargetId(id), vec![], vec![]);
    Event::AccountsHealed { job, ticket: TICKET, target, storages, freed, codes }
}

fn ended(job: JobId, why: Ended) -> Event {
    Event::JobEnded { job, why }
}

fn rebuilds(effects: &[Effect]) -> Vec<TargetId> {
    let of = |effect: &Effect| match effect {
        Effect::Rebuild { target, .. } => Some(*target),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

// ROW: F23
#[test]
fn what_differs_is_healed_and_the_root_is_derived_once_more() {
    let (mut engine, accounts) = healing();
    let changed = claim(5, 55);
    let effects = tell(&mut engine, healed(accounts, 2, vec![held(changed, 2)]));
    let (slots, job) = started(&effects).remove(0);
    assert_eq!(job, Job::HealStorages { target: TargetId(2), root: root(2), claims: vec![changed] });
    let effects = tell(&mut engine, ended(accounts, Ended::Done));
    assert!(rebuilds(&effects).is_empty(), "a storage is not settled yet");
    tell(&mut engine, Event::SlotsHealed { job: slots, ticket: TICKET });
    let effects = tell(&mut engine, ended(slots, Ended::Done));
    let derive = Effect::RebuildStorage { account: changed.account, expected: changed.root };
    assert!(effects.contains(&derive), "its rows are those of the claim only once the walk is over");
    let settled = Event::StorageRebuilt { account: changed.account, root: changed.root };
    let effects = tell(&mut engine, settled);
    assert_eq!((rebuilds(&effects), engine.phase()), (vec![TargetId(2)], Phase::Rebuild));
    let effects = tell(&mut engine, Event::Rebuilt { root: root(2) });
    assert!(effects.contains(&Effect::Report(Report::Complete(pin(2)))));
}

#[test]
fn a_storage_that_is_new_is_fetched_and_one_of_which_a_part_is_held_is_filled_first() {
    let (mut engine, accounts) = healing();
    let (new, begun) = (claim(5, 55), claim(6, 66));
    let mut parts = Coverage::missing();
    let [low, high]: [HashRange; 2] = HashRange::FULL.split(2).try_into().unwrap();
    parts.fill(low, TargetId(1));
    let storages = vec![
        PendingStorage::untouched(new, TargetId(2)),
        PendingStorage { parts, ..PendingStorage::untouched(begun, TargetId(2)) },
    ];
    let effects = tell(&mut engine, healed(accounts, 2, storages));
    let jobs: Vec<Job> = started(&effects).into_iter().map(|(_, job)| job).collect();
    let (target, root) = (TargetId(2), root(2));
    assert!(jobs.contains(&Job::StorageRange { target, root, claim: begun, range: high }), "{jobs:?}");
    let is_walk = |job: &Job| matches!(job, Job::HealStorages { .. });
    assert!(!jobs.iter().any(is_walk), "nothing is compared before it is all here");
}

#[test]
fn a_claim_that_changes_under_a_walk_begins_anew_and_one_that_goes_is_waited_for_no_more() {
    let (mut engine, accounts) = healing();
    let (first, second, other) = (claim(5, 55), claim(5, 56), claim(6, 66));
    let effects = tell(&mut engine, healed(accounts, 2, vec![held(first, 2), held(other, 2)]));
    let (slots, _) = started(&effects).remove(0);
    follow(&mut engine, 3);
    let walk_3 = {
        // The walk of target 2 was stopped, and what it had on its way to the disk changes nothing here.
        let effects = tell(&mut engine, healed(accounts, 2, vec![]));
        assert!(started(&effects).is_empty());
        engine.tally()
    };
    assert_eq!(walk_3.storages_pending, 2);
    let anew = Event::AccountsHealed {
        job: accounts,
        ticket: TICKET,
        target: TargetId(3),
        storages: vec![held(second, 3)],
        freed: vec![other.account],
        codes: vec![],
    };
    let effects = tell(&mut engine, anew);
    assert!(effects.contains(&Effect::Stop { id: slots }), "nobody waits for what it walks down");
    let jobs = started(&effects);
    let claims = vec![second];
    assert_eq!(jobs[0].1, Job::HealStorages { target: TargetId(3), root: root(3), claims });
    assert_eq!(engine.tally().storages_pending, 1);
}

#[test]
fn a_walk_that_was_given_up_or_lost_rows_begins_again() {
    for why in [Ended::GivenUp, Ended::Dropped] {
        let (mut engine, accounts) = healing();
        let effects = tell(&mut engine, ended(accounts, why));
        let again = walk(&effects, 2);
        assert_ne!(again, accounts);
        let changed = claim(5, 55);
        let effects = tell(&mut engine, healed(again, 2, vec![held(changed, 2)]));
        let (slots, job) = started(&effects).remove(0);
        let effects = tell(&mut engine, ended(slots, why));
        assert_eq!(started(&effects).remove(0).1, job);
    }
}

#[test]
fn a_move_stops_the_walk_and_the_next_one_goes_down_the_new_trie_once_that_is_on_record() {
    let (mut engine, accounts) = healing();
    let effects = tell(&mut engine, Event::PivotMoved { target: pin(3).target });
    assert!(effects.contains(&Effect::Stop { id: accounts }));
    assert!(started(&effects).is_empty());
    let effects = tell(&mut engine, Event::Recorded { pin: Some(TargetId(3)) });
    let next = walk(&effects, 3);
    let effects = tell(&mut engine, ended(next, Ended::Done));
    assert_eq!(rebuilds(&effects), [TargetId(3)]);
}

#[test]
fn a_walk_that_finds_nothing_while_the_root_differs_means_damage() {
    let (mut engine, accounts) = healing();
    tell(&mut engine, ended(accounts, Ended::Done));
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(fatal(&effects), Some(Fatal::RootMismatch { expected: root(2), derived: root(1) }));
}

#[test]
fn walks_that_find_something_each_time_and_lead_nowhere_end_too() {
    let (mut engine, mut accounts) = healing();
    for pass in 1..100 {
        tell(&mut engine, healed(accounts, 2, vec![]));
        tell(&mut engine, ended(accounts, Ended::Done));
        let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
        if let Some(end) = fatal(&effects) {
            let oldest = Standing::At(TargetId(1));
            assert_eq!(end, Fatal::Unreconciled { oldest, target: TargetId(2) });
            return assert!(pass > 2, "two passes are not many");
        }
        accounts = walk(&effects, 2);
    }
    panic!("it heals for ever");
}

#[test]
fn a_restart_goes_on_healing() {
    let changed = claim(5, 55);
    let (mut engine, effects) = resumed(|journal| {
        (journal.pin, journal.targets) = (Some(pin(2)), vec![pin(1), pin(2)]);
        journal.phase = Phase::Heal;
        journal.storages = vec![held(changed, 2)];
    });
    let (slots, job) = started(&effects).remove(0);
    assert_eq!(job, Job::HealStorages { target: TargetId(2), root: root(2), claims: vec![changed] });
    tell(&mut engine, ended(slots, Ended::Done));
    tell(&mut engine, Event::StorageRebuilt { account: changed.account, root: changed.root });
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    walk(&effects, 2);
}

/// The headers of a head are here down to the chain.
fn joined(engine: &mut Engine, number: u64, fork: u64) -> Vec<Effect> {
    let top = Head { number, hash: B256::left_padding_from(&[0xf0, fork as u8, number as u8]) };
    let mut effects = tell(engine, Event::HeadNamed { hash: top.hash });
    let (job, asked) = started(&effects).remove(0);
    assert_eq!(asked, Job::Headers { top: HeaderTop::Named { hash: top.hash }, floor: 0 });
    effects.extend(tell(engine, setup::joined(job, top, fork)));
    effects
}

fn sought(effects: &[Effect]) -> Vec<u64> {
    let number = |effect: &Effect| match effect {
        Effect::FindPivot { number } => Some(*number),
        _ => None,
    };
    effects.iter().filter_map(number).collect()
}

/// An engine in Download whose pivot is block 100.
fn downloading() -> Engine {
    resumed(|journal| journal.accounts = Coverage::missing()).0
}

fn nobody_has(id: u32) -> Event {
    Event::NoPeerHas { missing: Missing::State { target: TargetId(id) } }
}

// ROW: F5
#[test]
fn the_pivot_moves_when_the_head_is_far_past_it() {
    let mut engine = downloading();
    assert!(sought(&joined(&mut engine, 220, 100)).is_empty());
    assert_eq!(sought(&joined(&mut engine, 221, 220)), [221 - 64]);
    assert_eq!(sought(&joined(&mut engine, 222, 221)), [222 - 64], "it was not found, and is sought again");
    tell(&mut engine, Event::PivotMoved { target: Target { number: 158, ..pin(2).target } });
    assert!(sought(&joined(&mut engine, 223, 222)).is_empty());
}

#[test]
fn the_pivot_moves_when_nobody_has_its_state_and_the_sync_ends_if_there_is_no_later_one() {
    let mut engine = downloading();
    joined(&mut engine, 170, 100);
    assert_eq!(sought(&tell(&mut engine, nobody_has(1))), [170 - 64]);
    let mut engine = downloading();
    joined(&mut engine, 101, 100);
    assert_eq!(sought(&tell(&mut engine, nobody_has(1))), [101], "late is better than never");
    let mut engine = downloading();
    let end = fatal(&tell(&mut engine, nobody_has(1)));
    assert_eq!(end, Some(Fatal::TargetUnavailable { missing: Missing::State { target: TargetId(1) } }));
}

#[test]
fn while_heads_are_named_what_nobody_has_is_waited_for() {
    let mut engine = downloading();
    // The head is the pivot itself, and nothing comes after it for hours.
    assert!(started(&tell(&mut engine, Event::HeadNamed { hash: pin(1).target.hash })).is_empty());
    for _ in 0..1_000 {
        let effects = tell(&mut engine, nobody_has(1));
        assert_eq!((fatal(&effects), sought(&effects)), (None, vec![]));
    }
    let code = Event::NoPeerHas { missing: Missing::Code { hash: hash(5) } };
    assert_eq!(
        fatal(&tell(&mut engine, code.clone())),
        None,
        "it may be one that only a branch had that was left"
    );
    assert_eq!(sought(&joined(&mut engine, 101, 100)), [101], "a later head is a way out");
    // Whoever names a block by its hash wants that one.
    let mut engine = downloading();
    tell(&mut engine, Event::HeadNamed { hash: pin(1).target.hash });
    tell(&mut engine, Event::TargetNamed { hash: pin(1).target.hash });
    assert!(matches!(fatal(&tell(&mut engine, code)), Some(Fatal::TargetUnavailable { .. })));
}

#[test]
fn where_moves_cut_off_walks_that_find_no_less_the_next_pivot_is_nearer_to_the_head() {
    let (mut engine, mut job) = healing();
    let (mut pivot, mut top, mut told) = (pin(2).target.number, 100, Vec::new());
    for id in 2..6 {
        for _ in 0..5 {
            tell(&mut engine, healed(job, id, vec![]));
        }
        let head = pivot + 121;
        pivot = sought(&joined(&mut engine, head, top)).remove(0);
        top = head;
        told.push((engine.is_losing_to_head(), head - pivot));
        let target = Target { number: pivot, hash: hash(900 + pivot), root: root(id + 1) };
        tell(&mut engine, Event::PivotMoved { target });
        job = walk(&tell(&mut engine, Event::Recorded { pin: Some(TargetId(id + 1)) }), id + 1);
    }
    assert_eq!(told, [(false, 64), (true, 32), (true, 16), (true, 8)]);
    tell(&mut engine, ended(job, Ended::Done));
    assert!(!engine.is_losing_to_head(), "a walk came to its end");
}

#[test]
fn a_pivot_whose_branch_was_left_makes_way_and_its_state_is_not_the_end() {
    let mut engine = downloading();
    assert_eq!(sought(&joined(&mut engine, 110, 98)), [100], "as near to what is held as can be");
    // All was in when the chain turned: only the root was still to be compared.
    let (mut engine, _) = resumed(|_| {});
    assert_eq!(engine.phase(), Phase::Rebuild);
    assert!(sought(&joined(&mut engine, 110, 98)).is_empty(), "it stands still until the root is compared");
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!((sought(&effects), engine.phase()), (vec![100], Phase::Download));
    let effects = follow(&mut engine, 2);
    assert_eq!(rebuilds(&effects), [TargetId(2)]);
}

#[test]
fn a_restart_knows_that_the_pivot_s_branch_was_left() {
    let (_, effects) = resumed(|journal| {
        journal.accounts = Coverage::missing();
        journal.head = Some(Head { number: 110, hash: hash(110) });
        journal.is_orphaned = true;
    });
    assert_eq!(sought(&effects), [100]);
}

#[test]
fn a_walk_whose_claim_stands_at_the_next_pivot_goes_on_under_its_root() {
    let (mut engine, accounts) = healing();
    let (stands, other) = (claim(5, 55), claim(6, 66));
    let effects = tell(&mut engine, healed(accounts, 2, vec![held(stands, 2), held(other, 2)]));
    let (slots, _) = started(&effects).remove(0);
    let accounts = walk(&follow(&mut engine, 3), 3);
    let effects = tell(&mut engine, healed(accounts, 3, vec![held(stands, 3)]));
    assert!(!effects.contains(&Effect::Stop { id: slots }), "the other one is walked down by it still");
    let job = Job::HealStorages { target: TargetId(3), root: root(3), claims: vec![stands] };
    assert_eq!(started(&effects).remove(0).1, job);
    let effects = tell(&mut engine, healed(accounts, 3, vec![held(other, 3)]));
    assert!(effects.contains(&Effect::Stop { id: slots }));
}

#[test]
fn what_a_walk_over_the_accounts_left_as_it_was_is_claimed_at_its_target_too() {
    let (mut engine, accounts) = healing();
    let (walked, new) = (claim(5, 55), claim(6, 66));
    let pendings = vec![held(walked, 2), PendingStorage::untouched(new, TargetId(2))];
    let effects = tell(&mut engine, healed(accounts, 2, pendings));
    let is_whole = |(_, job): &(JobId, Job)| matches!(job, Job::Storages { .. });
    let fetching = started(&effects).into_iter().find(is_whole).unwrap();
    let accounts = walk(&follow(&mut engine, 3), 3);
    let effects = tell(&mut engine, ended(accounts, Ended::Done));
    let (target, root) = (TargetId(3), root(3));
    let jobs: Vec<Job> = started(&effects).into_iter().map(|(_, job)| job).collect();
    assert!(jobs.contains(&Job::HealStorages { target, root, claims: vec![walked] }), "{jobs:?}");
    assert!(jobs.contains(&Job::Storages { target, root, claims: vec![new] }), "{jobs:?}");
    let (fetching, _) = fetching;
    assert!(
        effects.contains(&Effect::Stop { id: fetching }),
        "nobody is asked under the older root any more"
    );
}

#[test]
fn a_pivot_that_the_chain_came_back_to_stays() {
    let (mut engine, _) = resumed(|_| {});
    joined(&mut engine, 110, 98);
    tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(engine.phase(), Phase::Download, "its branch was left");
    assert_eq!(sought(&joined(&mut engine, 111, 98)), [100]);
    let effects = tell(&mut engine, Event::PivotMoved { target: pin(1).target });
    assert_eq!(rebuilds(&effects), [TargetId(1)]);
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert!(effects.contains(&Effect::Report(Report::Complete(pin(1)))), "{effects:?}");
}
