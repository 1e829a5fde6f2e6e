//! The pivot moves during a sync: what is asked changes its root, what is in flight and what was proved stay what they are.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Ended, Engine, Event, Fatal, HashRange, HeaderFloor, History, Job, JobId,
    Journal, Missing, MoveReason, PartialStorage, PendingStorage, Phase, Pin, Report, Standing, StorageClaim,
    Target, TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, taken, tell};

fn config() -> Config {
    Config { history: History::None, account_ranges: 2, ..Config::standing(hash(0)) }
}

fn pin(id: u32) -> Pin {
    let number = 99 + u64::from(id);
    Pin { id: TargetId(id), target: Target { number, hash: hash(number), root: root(id) } }
}

/// The state root of a target.
fn root(id: u32) -> B256 {
    hash(7_000 + u64::from(id))
}

fn moved(id: u32) -> Event {
    Event::PivotMoved { target: pin(id).target }
}

fn recorded(id: u32) -> Event {
    Event::Recorded { pin: Some(TargetId(id)) }
}

fn retarget(id: u32) -> Effect {
    Effect::Retarget { target: TargetId(id), root: root(id) }
}

fn nobody_has(id: u32) -> Event {
    Event::NoPeerHas { missing: Missing::State { target: TargetId(id) } }
}

/// An engine in Download at target 1, over what `change` makes of an empty journal.
fn resumed(change: impl FnOnce(&mut Journal)) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1)), vec![pin(1)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    change(&mut journal);
    let mut engine = Engine::resume(config(), journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

fn whole(journal: &mut Journal) {
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
}

/// Moves to a target, and has it recorded.
fn follow(engine: &mut Engine, id: u32) -> Vec<Effect> {
    tell(engine, moved(id));
    tell(engine, recorded(id))
}

fn account_jobs(effects: &[Effect]) -> Vec<(JobId, u32, HashRange)> {
    let range = |(id, job): (JobId, Job)| match job {
        Job::Accounts { target, root: asked, range } => {
            assert_eq!(asked, root(target.0));
            Some((id, target.0, range))
        }
        _ => None,
    };
    started(effects).into_iter().filter_map(range).collect()
}

fn storage_jobs(effects: &[Effect]) -> Vec<(JobId, u32, Vec<StorageClaim>)> {
    let claims = |(id, job): (JobId, Job)| match job {
        Job::Storages { target, root: asked, claims } => {
            assert_eq!(asked, root(target.0));
            Some((id, target.0, claims))
        }
        _ => None,
    };
    started(effects).into_iter().filter_map(claims).collect()
}

fn claim(account: u8, root: u64) -> StorageClaim {
    StorageClaim { account: B256::repeat_byte(account), root: hash(root) }
}

fn durable(job: JobId, covered: HashRange, id: u32, storages: Vec<StorageClaim>) -> Event {
    Event::AccountsDurable { job, ticket: TICKET, covered, target: TargetId(id), storages, codes: vec![] }
}

fn settled(job: JobId, accounts: &[B256]) -> Event {
    Event::StoragesDurable { job, ticket: TICKET, settled: accounts.to_vec(), partial: None }
}

fn is_recorded(effects: &[Effect], id: u32) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Record(progress) if progress.pin == Some(pin(id))))
}

#[test]
fn a_move_is_recorded_before_anything_is_asked_under_it() {
    let (mut engine, first) = resumed(|_| {});
    assert_eq!(account_jobs(&first).len(), 2);
    let effects = tell(&mut engine, moved(2));
    assert!(is_recorded(&effects, 2));
    assert!(effects.contains(&Effect::Report(Report::Moved {
        from: pin(1),
        to: pin(2),
        why: MoveReason::Aged
    })));
    assert!(!effects.contains(&retarget(2)), "the writer does not know it yet");
    assert_eq!((engine.pin(), engine.phase()), (Some(pin(2)), Phase::Download));
    // A job that starts before that is of the target that is on record.
    let (job, _, range) = account_jobs(&first)[0];
    let effects = tell(&mut engine, Event::JobEnded { job, why: Ended::GivenUp });
    assert_eq!(account_jobs(&effects)[0].1, 1);
    assert_eq!(account_jobs(&effects)[0].2, range);
    assert_eq!(tell(&mut engine, recorded(2)), [retarget(2)], "the jobs go on, under their ids and ranges");
}

#[test]
fn the_same_target_again_is_no_move() {
    let (mut engine, _) = resumed(|_| {});
    assert!(tell(&mut engine, moved(1)).is_empty());
    follow(&mut engine, 2);
    assert!(tell(&mut engine, moved(2)).is_empty());
    assert!(tell(&mut engine, recorded(2)).is_empty(), "a later record of the same target is no news");
}

#[test]
fn of_two_moves_before_a_record_the_last_one_counts() {
    let (mut engine, _) = resumed(|_| {});
    tell(&mut engine, moved(2));
    tell(&mut engine, moved(3));
    assert!(tell(&mut engine, recorded(2)).is_empty());
    assert_eq!(tell(&mut engine, recorded(3)), [retarget(3)]);
}

#[test]
fn rows_of_an_older_target_are_held_as_what_they_are() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    follow(&mut engine, 2);
    // The answer was on its way when the pivot moved; the other half comes from the new root.
    tell(&mut engine, durable(jobs[0].0, jobs[0].2, 1, vec![]));
    tell(&mut engine, durable(jobs[1].0, jobs[1].2, 2, vec![]));
    let held: Vec<Standing> = engine.account_coverage().stretches().map(|(_, standing)| standing).collect();
    assert_eq!(held, [Standing::At(TargetId(1)), Standing::At(TargetId(2))]);
    assert_eq!(engine.phase(), Phase::Rebuild);
}

#[test]
fn a_claim_is_asked_for_under_the_root_of_its_own_target() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    follow(&mut engine, 2);
    let quarters = jobs[0].2.split(2);
    let effects = tell(&mut engine, durable(jobs[0].0, quarters[0], 1, vec![claim(1, 51), claim(2, 52)]));
    let old = storage_jobs(&effects);
    assert_eq!((old[0].1, &old[0].2), (1, &vec![claim(1, 51), claim(2, 52)]));
    tell(&mut engine, durable(jobs[0].0, quarters[1], 2, vec![claim(0x40, 53)]));
    let effects = tell(&mut engine, durable(jobs[1].0, jobs[1].2, 2, vec![claim(0x90, 54)]));
    let new = storage_jobs(&effects);
    assert_eq!((new[0].1, &new[0].2), (2, &vec![claim(0x40, 53), claim(0x90, 54)]));
    // What a failed job gives back is still of the target that claimed it.
    let effects = tell(&mut engine, Event::JobEnded { job: old[0].0, why: Ended::GivenUp });
    assert_eq!((storage_jobs(&effects)[0].1, storage_jobs(&effects)[0].2.len()), (1, 2));
}

#[test]
fn a_job_holds_claims_of_one_target_only() {
    let pendings = [(1, 1), (2, 2), (3, 1), (4, 2)];
    let pending =
        |(account, id)| PendingStorage::untouched(claim(account, 60 + u64::from(account)), TargetId(id));
    let (_, effects) = resumed(|journal| {
        whole(journal);
        (journal.pin, journal.targets) = (Some(pin(2)), vec![pin(1), pin(2)]);
        journal.storages = pendings.map(pending).to_vec();
    });
    let jobs: Vec<(u32, Vec<StorageClaim>)> =
        storage_jobs(&effects).into_iter().map(|(_, id, claims)| (id, claims)).collect();
    assert_eq!(jobs, [(1, vec![claim(1, 61), claim(3, 63)]), (2, vec![claim(2, 62), claim(4, 64)])]);
}

#[test]
fn a_restart_asks_older_claims_under_the_roots_that_the_journal_names() {
    let covered = HashRange::FULL.split(4)[0];
    let mut cut = PendingStorage::untouched(claim(7, 70), TargetId(2));
    cut.fill(covered, TargetId(2));
    let (engine, effects) = resumed(|journal| {
        (journal.pin, journal.targets) = (Some(pin(3)), vec![pin(1), pin(2), pin(3)]);
        journal.storages = vec![cut, PendingStorage::untouched(claim(8, 71), TargetId(1))];
    });
    assert_eq!(storage_jobs(&effects)[0].1, 1);
    assert!(account_jobs(&effects).iter().all(|(_, id, _)| *id == 3));
    let ranges: Vec<(TargetId, B256)> = started(&effects)
        .into_iter()
        .filter_map(|(_, job)| match job {
            Job::StorageRange { target, root, .. } => Some((target, root)),
            _ => None,
        })
        .collect();
    assert_eq!(ranges, [(TargetId(2), root(2))]);
    assert_eq!(engine.tally().claims_outdated, 0);
}

#[test]
fn what_an_older_target_claimed_and_nobody_has_is_asked_again_and_ends_nothing() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    let effects = tell(&mut engine, durable(jobs[0].0, jobs[0].2, 1, vec![claim(1, 51), claim(2, 52)]));
    let (old, ..) = storage_jobs(&effects)[0].clone();
    let covered = HashRange::FULL.split(4)[0];
    let partial = Some(PartialStorage { account: claim(2, 52).account, covered, slots: 10 });
    let effects =
        tell(&mut engine, Event::StoragesDurable { job: old, ticket: TICKET, settled: vec![], partial });
    let (range, _) = started(&effects)[0].clone();
    follow(&mut engine, 2);
    let effects = tell(&mut engine, nobody_has(1));
    assert_eq!(effects[..2], [Effect::Stop { id: old }, Effect::Stop { id: range }]);
    let accounts = vec![claim(1, 51).account, claim(2, 52).account];
    let renewal = Job::Renewal { target: TargetId(2), root: root(2), accounts };
    assert_eq!(started(&effects)[0].1, renewal);
    assert_eq!((engine.tally().storages_pending, engine.tally().claims_outdated), (2, 2));
    assert!(engine.tally().is_state_wanted());
    assert_eq!(tell(&mut engine, nobody_has(1)), [], "it is told once");
    // All else goes on, and the state is not called whole.
    let effects = tell(&mut engine, durable(jobs[1].0, jobs[1].2, 2, vec![claim(0x90, 54)]));
    let (new, id, _) = storage_jobs(&effects)[0].clone();
    assert_eq!(id, 2);
    tell(&mut engine, settled(new, &[claim(0x90, 54).account]));
    assert_eq!(engine.phase(), Phase::Download);
    // An answer that was on its way is as true as it was.
    tell(&mut engine, settled(old, &[claim(1, 51).account]));
    assert_eq!((engine.tally().storages_pending, engine.tally().claims_outdated), (1, 1));
}

#[test]
fn an_equal_root_that_is_claimed_anew_is_fetched_and_copied_to_the_outdated_claim() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    let halves = jobs[0].2.split(2);
    tell(&mut engine, durable(jobs[0].0, halves[0], 1, vec![claim(1, 51), claim(2, 51)]));
    follow(&mut engine, 2);
    tell(&mut engine, nobody_has(1));
    assert_eq!(engine.tally().claims_outdated, 2);
    let effects = tell(&mut engine, durable(jobs[0].0, halves[1], 2, vec![claim(0x50, 51)]));
    let new = storage_jobs(&effects);
    assert_eq!((new[0].1, &new[0].2), (2, &vec![claim(0x50, 51)]));
    assert_eq!(engine.tally().claims_outdated, 0, "they wait for what is fetched of the newer claim");
    let effects = tell(&mut engine, settled(new[0].0, &[claim(0x50, 51).account]));
    let accounts = vec![claim(2, 51).account, claim(1, 51).account];
    assert!(effects.contains(&Effect::CopyStorage { donor: claim(0x50, 51), accounts }), "{effects:?}");
}

#[test]
fn a_follower_of_the_new_target_takes_the_lead_of_an_outdated_one() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    let halves = jobs[0].2.split(2);
    let effects = tell(&mut engine, durable(jobs[0].0, halves[0], 1, vec![claim(1, 51)]));
    let (old, ..) = storage_jobs(&effects)[0].clone();
    follow(&mut engine, 2);
    assert!(
        storage_jobs(&tell(&mut engine, durable(jobs[0].0, halves[1], 2, vec![claim(0x50, 51)]))).is_empty()
    );
    let effects = tell(&mut engine, nobody_has(1));
    assert!(effects.contains(&Effect::Stop { id: old }));
    assert_eq!((storage_jobs(&effects)[0].1, &storage_jobs(&effects)[0].2), (2, &vec![claim(0x50, 51)]));
}

#[test]
fn a_donor_of_one_target_serves_claims_of_another() {
    let (mut engine, first) = resumed(|_| {});
    let jobs = account_jobs(&first);
    let effects = tell(&mut engine, durable(jobs[0].0, jobs[0].2, 1, vec![claim(1, 51)]));
    tell(&mut engine, settled(storage_jobs(&effects)[0].0, &[claim(1, 51).account]));
    follow(&mut engine, 2);
    let effects = tell(&mut engine, durable(jobs[1].0, jobs[1].2, 2, vec![claim(0x90, 51)]));
    let accounts = vec![claim(0x90, 51).account];
    assert!(effects.contains(&Effect::CopyStorage { donor: claim(1, 51), accounts }));
}

#[test]
fn only_the_newest_target_that_nobody_has_ends_a_sync() {
    let (mut engine, _) = resumed(|_| {});
    // The one before is still asked, and missed, while the record of the new one is under way.
    tell(&mut engine, moved(2));
    assert_eq!(fatal(&tell(&mut engine, nobody_has(1))), None);
    assert_eq!(tell(&mut engine, recorded(2)), [retarget(2)]);
    let missing = Missing::State { target: TargetId(2) };
    assert_eq!(fatal(&tell(&mut engine, nobody_has(2))), Some(Fatal::TargetUnavailable { missing }));
}

#[test]
fn a_move_before_the_derived_root_was_compared_leads_back_to_download() {
    let (mut engine, _) = resumed(whole);
    assert_eq!(engine.phase(), Phase::Rebuild);
    let effects = tell(&mut engine, moved(2));
    let phases: Vec<Phase> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Report(Report::Phase(phase)) => Some(*phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, [Phase::Download, Phase::Rebuild], "nothing is missing, so that it is derived anew");
    assert!(effects.contains(&Effect::Rebuild { target: TargetId(2), root: root(2) }));
    assert!(is_recorded(&effects, 2));
    // Rows of the older target that give the root of the newer one are its state.
    let effects = tell(&mut engine, Event::Rebuilt { root: root(2) });
    assert!(effects.contains(&Effect::Report(Report::StateVerified(pin(2)))));
    assert_eq!(engine.phase(), Phase::Complete);
}

#[test]
fn a_move_is_of_no_use_before_the_download_and_after_the_root_was_compared() {
    let mut engine = Engine::new(config());
    assert!(tell(&mut engine, moved(2)).is_empty());
    tell(&mut engine, Event::TargetNamed { hash: hash(100) });
    assert!(tell(&mut engine, moved(2)).is_empty());
    assert_eq!(engine.pin(), None);
    let (mut engine, _) = resumed(whole);
    tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(engine.phase(), Phase::Complete);
    assert!(tell(&mut engine, moved(2)).is_empty());
    assert_eq!(engine.pin(), Some(pin(1)));
}

#[test]
fn another_root_than_the_header_s_is_a_fault_only_of_rows_of_one_block() {
    let (mut engine, _) = resumed(whole);
    let effects = tell(&mut engine, Event::Rebuilt { root: hash(3) });
    assert_eq!(fatal(&effects), Some(Fatal::RootMismatch { expected: root(1), derived: hash(3) }));
    let (mut engine, _) = resumed(whole);
    follow(&mut engine, 2);
    let effects = tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!((fatal(&effects), engine.phase()), (None, Phase::Heal));
}

#[test]
fn rows_that_the_writer_dropped_are_owed_until_their_job_ends_and_are_planned_anew() {
    let (mut engine, first) = resumed(|_| {});
    let (job, _, range) = account_jobs(&first)[0];
    follow(&mut engine, 2);
    assert!(tell(&mut engine, Event::Outdated { job, ticket: TICKET }).is_empty());
    assert_eq!(engine.tally().account_gaps, 1);
    assert!(engine.account_coverage().is_missing());
    let effects = tell(&mut engine, Event::JobEnded { job, why: Ended::Dropped });
    let again = account_jobs(&effects);
    assert_eq!((again[0].1, again[0].2), (2, range));
}

#[test]
fn a_storage_of_which_the_writer_dropped_slots_is_asked_for_again() {
    let (mut engine, effects) = resumed(|journal| {
        whole(journal);
        journal.storages = vec![PendingStorage::untouched(claim(1, 51), TargetId(1))];
    });
    let (job, ..) = storage_jobs(&effects)[0].clone();
    assert!(tell(&mut engine, Event::Outdated { job, ticket: TICKET }).is_empty());
    let effects = tell(&mut engine, Event::JobEnded { job, why: Ended::Dropped });
    assert_eq!(storage_jobs(&effects)[0].2, [claim(1, 51)]);
}

/// A storage that came in pieces, of which all are here.
fn filled(claim: StorageClaim) -> PendingStorage {
    let mut pending = PendingStorage::untouched(claim, TargetId(1));
    pending.parts = Coverage::all(Standing::At(TargetId(1)));
    pending
}

#[test]
fn a_storage_whose_row_took_its_root_settles_and_leads_nobody() {
    let (one, other) = (claim(1, 5), claim(2, 5));
    let (mut engine, effects) = resumed(|journal| {
        whole(journal);
        journal.storages = vec![filled(one), PendingStorage::untouched(other, TargetId(1))];
    });
    let derive = Effect::RebuildStorage { account: one.account, expected: one.root };
    assert!(effects.contains(&derive), "{effects:?}");
    assert!(storage_jobs(&effects).is_empty(), "the other waits for a copy");
    let effects = tell(&mut engine, taken(one.account));
    assert_eq!(
        storage_jobs(&effects).iter().map(|(_, _, claims)| claims.clone()).collect::<Vec<_>>(),
        [[other]]
    );
    assert_eq!(engine.tally().storages_pending, 1);
}

#[test]
fn what_changed_while_it_was_derived_is_derived_again() {
    let one = claim(1, 5);
    let (mut engine, _) = resumed(|journal| {
        whole(journal);
        journal.storages = vec![filled(one)];
    });
    let derive = Effect::RebuildStorage { account: one.account, expected: one.root };
    assert_eq!(tell(&mut engine, Event::Rederive { account: Some(one.account) }), [derive]);
    assert_eq!(
        tell(&mut engine, Event::Rederive { account: None }),
        [],
        "the account trie is not derived yet"
    );
    let rebuild = Effect::Rebuild { target: TargetId(1), root: root(1) };
    let effects = tell(&mut engine, Event::StorageRebuilt { account: one.account, root: one.root });
    assert!(effects.contains(&rebuild), "{effects:?}");
    assert_eq!(tell(&mut engine, Event::Rederive { account: Some(one.account) }), [], "it has settled");
    assert_eq!(tell(&mut engine, Event::Rederive { account: None }), [rebuild]);
    tell(&mut engine, Event::Rebuilt { root: root(1) });
    assert_eq!(tell(&mut engine, Event::Rederive { account: None }), [], "it counts already");
}
