//! Claims that nobody can answer, and storages that owe their root: accounts are asked again under the newest root, and what that tells takes
//! the place of the claim.

mod setup;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Ended, Engine, Event, HashRange, HeaderFloor, History, Job, JobId, Journal,
    Missing, PendingStorage, Phase, Pin, Standing, StorageClaim, Target, TargetId,
};

use setup::{TICKET, drain, fatal, hash, started, taken, tell};

fn pin(id: u32) -> Pin {
    let number = 99 + u64::from(id);
    let target = Target { number, hash: hash(number), root: hash(7_000 + u64::from(id)) };
    Pin { id: TargetId(id), target }
}

fn claim(account: u8, root: u64) -> StorageClaim {
    StorageClaim { account: B256::repeat_byte(account), root: hash(root) }
}

fn pending(account: u8, root: u64, id: u32) -> PendingStorage {
    PendingStorage::untouched(claim(account, root), TargetId(id))
}

/// One of which the first quarter is held.
fn cut(account: u8, root: u64, id: u32) -> PendingStorage {
    let mut pending = pending(account, root, id);
    pending.fill(HashRange::FULL.split(4)[0], TargetId(1));
    pending
}

fn lost(engine: &mut Engine, id: u32) -> Vec<Effect> {
    tell(engine, Event::NoPeerHas { missing: Missing::State { target: TargetId(id) } })
}

fn follow(engine: &mut Engine, id: u32) {
    tell(engine, Event::PivotMoved { target: pin(id).target });
    tell(engine, Event::Recorded { pin: Some(TargetId(id)) });
}

/// All accounts are held, these storages of target 1 are pending, and the pivot is at 2.
fn engine(change: impl FnOnce(&mut Config), storages: Vec<PendingStorage>) -> Engine {
    let mut engine = resumed(change, |journal| journal.storages = storages).0;
    follow(&mut engine, 2);
    engine
}

/// All accounts of target 1 are held.
fn resumed(change: impl FnOnce(&mut Config), what: impl FnOnce(&mut Journal)) -> (Engine, Vec<Effect>) {
    let mut config = Config { history: History::None, ..Config::standing(hash(0)) };
    change(&mut config);
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1)), vec![pin(1)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    what(&mut journal);
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

fn renewals(effects: &[Effect]) -> Vec<(JobId, u32, Vec<B256>)> {
    let renewal = |(id, job): (JobId, Job)| match job {
        Job::Renewal { target, root, accounts } => {
            assert_eq!(root, pin(target.0).target.root);
            Some((id, target.0, accounts))
        }
        _ => None,
    };
    started(effects).into_iter().filter_map(renewal).collect()
}

fn storages(effects: &[Effect]) -> Vec<(u32, Vec<StorageClaim>)> {
    let claims = |(_, job)| match job {
        Job::Storages { target, claims, .. } => Some((target.0, claims)),
        Job::StorageRange { target, claim, .. } => Some((target.0, vec![claim])),
        _ => None,
    };
    started(effects).into_iter().filter_map(claims).collect()
}

fn keys(accounts: &[u8]) -> Vec<B256> {
    accounts.iter().map(|account| B256::repeat_byte(*account)).collect()
}

fn renewed(job: JobId, accounts: &[u8], id: u32, storages: Vec<PendingStorage>) -> Event {
    let pieces = keys(accounts).into_iter().map(HashRange::single).collect();
    Event::AccountsRenewed { job, ticket: TICKET, pieces, target: TargetId(id), storages, codes: vec![] }
}

#[test]
fn a_claim_that_stands_is_asked_for_under_the_newer_root_and_keeps_what_is_held() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1), cut(2, 52, 1)]);
    let (job, id, accounts) = renewals(&lost(&mut engine, 1))[0].clone();
    assert_eq!((id, accounts), (2, keys(&[1, 2])));
    assert_eq!(engine.tally().claims_outdated, 2);
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 51, 2)]));
    assert_eq!(storages(&effects), [(2, vec![claim(1, 51)])]);
    assert_eq!(engine.account_coverage().at(B256::repeat_byte(1)), Standing::At(TargetId(2)));
    let effects = tell(&mut engine, renewed(job, &[2], 2, vec![cut(2, 52, 2)]));
    let Job::StorageRange { target, range, .. } = started(&effects)[0].1 else { panic!("{effects:?}") };
    assert_eq!((target, range), (TargetId(2), HashRange::from_start(HashRange::FULL.split(4)[1].start())));
    assert_eq!(engine.tally().claims_outdated, 0);
}

#[test]
fn another_root_takes_the_place_of_the_claim() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1), cut(2, 52, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 61, 2)]));
    assert_eq!(storages(&effects), [(2, vec![claim(1, 61)])]);
    let mut whole = pending(2, 62, 2);
    whole.parts = Coverage::all(Standing::At(TargetId(1)));
    let effects = tell(&mut engine, renewed(job, &[2], 2, vec![whole]));
    let walk =
        Job::HealStorages { target: TargetId(2), root: pin(2).target.root, claims: vec![claim(2, 62)] };
    assert_eq!(started(&effects).remove(0).1, walk, "all of it is held, as it was under another root");
}

#[test]
fn an_account_without_a_storage_is_not_pending_any_more() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1), pending(2, 52, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    tell(&mut engine, renewed(job, &[1], 2, vec![]));
    assert_eq!((engine.tally().storages_pending, engine.phase()), (1, Phase::Download));
    tell(&mut engine, renewed(job, &[2], 2, vec![]));
    assert_eq!((engine.tally().storages_pending, engine.phase()), (0, Phase::Rebuild));
}

#[test]
fn who_leads_a_root_is_asked_again_for_all_who_claim_it() {
    let mut engine = engine(|_| {}, vec![pending(1, 5, 1), pending(2, 5, 1), pending(3, 5, 1)]);
    let (job, _, accounts) = renewals(&lost(&mut engine, 1))[0].clone();
    assert_eq!(accounts, keys(&[1]));
    // It went on without them: the next one leads, and is asked again.
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 6, 2)]));
    let (job, _, accounts) = renewals(&effects)[0].clone();
    assert_eq!((accounts, storages(&effects)), (keys(&[2]), vec![(2, vec![claim(1, 6)])]));
    let effects = tell(&mut engine, renewed(job, &[2], 2, vec![pending(2, 5, 2)]));
    let (fetch, _) = started(&effects)[0].clone();
    assert_eq!(storages(&effects), [(2, vec![claim(2, 5)])]);
    let settled = keys(&[2]);
    let settled = Event::StoragesDurable { job: fetch, ticket: TICKET, settled, partial: None };
    let copy = Effect::CopyStorage { donor: claim(2, 5), accounts: keys(&[3]) };
    assert!(tell(&mut engine, settled).contains(&copy));
}

#[test]
fn a_renewal_that_is_open_keeps_the_trie_from_being_derived() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    // An answer to the old claim that was on its way settles it; the row may claim something new all the same.
    let settled = keys(&[1]);
    tell(&mut engine, Event::StoragesDurable { job: JobId(1), ticket: TICKET, settled, partial: None });
    assert_eq!((engine.tally().storages_pending, engine.phase()), (0, Phase::Download));
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 61, 2)]));
    assert_eq!(storages(&effects), [(2, vec![claim(1, 61)])]);
}

#[test]
fn a_row_that_was_asked_again_and_came_late_leads_back_to_download() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    let settled = keys(&[1]);
    tell(&mut engine, Event::StoragesDurable { job: JobId(1), ticket: TICKET, settled, partial: None });
    tell(&mut engine, Event::JobEnded { job, why: Ended::GivenUp });
    assert_eq!(engine.phase(), Phase::Rebuild);
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 61, 2)]));
    assert_eq!((storages(&effects), engine.phase()), (vec![(2, vec![claim(1, 61)])], Phase::Download));
}

#[test]
fn what_a_renewal_did_not_bring_is_asked_again() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1), pending(2, 52, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 51, 2)]));
    let effects = tell(&mut engine, Event::JobEnded { job, why: Ended::Dropped });
    assert_eq!(renewals(&effects)[0].2, keys(&[2]));
}

#[test]
fn a_renewed_claim_that_nobody_can_answer_is_renewed_again() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 51, 2)]));
    // Before the pivot has moved on, that ends the sync; then it ends nothing.
    follow(&mut engine, 3);
    let effects = lost(&mut engine, 2);
    assert_eq!((fatal(&effects), renewals(&effects)[0].1), (None, 3));
    // An answer to the root before is worth what that was: nobody has it any more.
    let (job, ..) = renewals(&effects)[0].clone();
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 51, 2)]));
    assert_eq!((renewals(&effects)[0].1, renewals(&effects)[0].2.clone()), (3, keys(&[1])));
}

#[test]
fn nothing_is_asked_again_of_a_target_that_nobody_has() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1)]);
    tell(&mut engine, Event::PivotMoved { target: pin(3).target });
    lost(&mut engine, 2);
    assert!(renewals(&lost(&mut engine, 1)).is_empty());
    let effects = tell(&mut engine, Event::Recorded { pin: Some(TargetId(3)) });
    assert_eq!(renewals(&effects)[0].1, 3);
}

#[test]
fn so_many_accounts_are_asked_again_at_once_and_none_twice() {
    let change = |config: &mut Config| (config.renewal_jobs, config.accounts_per_renewal) = (2, 3);
    let mut engine = engine(change, (1..=8).map(|at| pending(at, 50 + u64::from(at), 1)).collect());
    let jobs = renewals(&lost(&mut engine, 1));
    let asked: Vec<Vec<B256>> = jobs.iter().map(|(_, _, accounts)| accounts.clone()).collect();
    assert_eq!(asked, [keys(&[1, 2, 3]), keys(&[4, 5, 6])]);
    for at in 1..=2 {
        assert!(
            renewals(&tell(&mut engine, renewed(jobs[0].0, &[at], 2, vec![pending(at, 9, 2)]))).is_empty()
        );
    }
    let effects = tell(&mut engine, renewed(jobs[0].0, &[3], 2, vec![]));
    assert_eq!(renewals(&effects)[0].2, keys(&[7, 8]));
}

#[test]
fn a_copy_of_what_an_account_claims_no_more_is_none_of_what_it_claims_now() {
    let mut engine = engine(|_| {}, vec![pending(1, 5, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    // An equal root of the newer target is fetched instead, and copied to it.
    tell(&mut engine, renewed(JobId(0), &[9], 2, vec![pending(9, 5, 2)]));
    let settled = keys(&[9]);
    let effects =
        tell(&mut engine, Event::StoragesDurable { job: JobId(0), ticket: TICKET, settled, partial: None });
    assert!(effects.contains(&Effect::CopyStorage { donor: claim(9, 5), accounts: keys(&[1]) }));
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![pending(1, 6, 2)]));
    assert_eq!(storages(&effects), [(2, vec![claim(1, 6)])]);
    let effects = tell(&mut engine, Event::StoragesCopied { settled: vec![], refused: keys(&[1]) });
    assert_eq!(effects, [], "it is being fetched");
    assert_eq!(engine.tally().storages_pending, 1);
}

/// A storage that owes its root.
fn owing(account: u8, parts: Coverage) -> PendingStorage {
    PendingStorage { expected: None, parts, ..pending(account, 0, 1) }
}

fn owing_whole(account: u8) -> PendingStorage {
    owing(account, Coverage::all(Standing::At(TargetId(1))))
}

fn rebuilds(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| **effect == Effect::RebuildOwed).count()
}

#[test]
fn what_owes_its_root_is_counted_and_derived_before_the_state_is_whole() {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) = (Some(pin(1)), vec![pin(1)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(TargetId(1)));
    journal.storages = vec![owing_whole(1), owing_whole(2)];
    let config = Config { history: History::None, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    assert_eq!(rebuilds(&drain(&mut engine)), 1);
    let tally = engine.tally();
    assert_eq!((tally.storages_owed, tally.storages_owed_cut, tally.storages_pending), (2, 0, 0));
    assert!(!tally.is_state_wanted(), "no peer is needed for it");
    assert_eq!(tell(&mut engine, taken(B256::repeat_byte(1))), []);
    // A list changed the other while it was derived.
    let effects = tell(&mut engine, Event::Rederive { account: Some(B256::repeat_byte(2)) });
    assert_eq!((rebuilds(&effects), engine.phase()), (1, Phase::Download));
    tell(&mut engine, taken(B256::repeat_byte(2)));
    assert_eq!((engine.tally().storages_owed, engine.phase()), (0, Phase::Rebuild));
}

#[test]
fn what_owes_its_root_and_lacks_slots_is_asked_again_for_a_claim() {
    let mut engine = engine(|_| {}, vec![owing(1, cut(1, 0, 1).parts), owing(2, Coverage::missing())]);
    let tally = engine.tally();
    assert_eq!((tally.storages_owed, tally.storages_owed_cut, tally.is_state_wanted()), (2, 2, true));
    // It was asked for at once, under the root of then.
    let (job, parts) = (JobId(1), cut(1, 0, 1).parts);
    let claimed = PendingStorage { parts, ..pending(1, 61, 2) };
    let effects = tell(&mut engine, renewed(job, &[1], 2, vec![claimed]));
    assert_eq!(storages(&effects), [(2, vec![claim(1, 61)])]);
    assert_eq!((engine.tally().storages_owed, engine.tally().storages_pending), (1, 1));
    tell(&mut engine, renewed(job, &[2], 2, vec![]));
    assert_eq!((engine.tally().storages_owed, engine.tally().storages_pending), (0, 1));
}

#[test]
fn what_is_owed_holds_back_no_accounts_and_gives_no_copy() {
    let owed = (1..=9).map(owing_whole);
    let mut engine = engine(|config| config.pendings_max = 2, owed.chain([pending(0x20, 51, 1)]).collect());
    assert_eq!(engine.tally().storages_owed, 9);
    for account in 1..=9 {
        let effects = tell(&mut engine, taken(B256::repeat_byte(account)));
        assert_eq!(effects, []);
    }
    assert_eq!(engine.tally().storages_pending, 1);
}

#[test]
fn a_renewal_is_waited_for_although_nothing_else_is_missing() {
    let mut engine = engine(|_| {}, vec![pending(1, 51, 1)]);
    let (job, ..) = renewals(&lost(&mut engine, 1))[0].clone();
    // An answer that was on its way settles the claim; the account is asked again all the same.
    let settled = keys(&[1]);
    tell(&mut engine, Event::StoragesDurable { job: JobId(1), ticket: TICKET, settled, partial: None });
    let tally = engine.tally();
    assert_eq!((tally.storages_pending, tally.account_gaps, tally.renewals_open), (0, 0, 1));
    assert!(tally.is_state_wanted(), "a sync whose peers are all lost ends here, and does not wait for ever");
    tell(&mut engine, renewed(job, &[1], 2, vec![]));
    let tally = engine.tally();
    assert_eq!((tally.renewals_open, tally.is_state_wanted()), (0, false));
}

#[test]
fn slots_that_are_still_to_come_are_known_when_a_run_begins() {
    let parts = vec![cut(1, 70, 1), cut(2, 71, 1)];
    let (engine, _) = resumed(
        |_| {},
        |journal| {
            journal.slots_about = parts.iter().map(|pending| pending.account).zip([4_000, 400]).collect();
            journal.storages = parts;
        },
    );
    assert_eq!(engine.tally().slots_owed, 3_300, "three quarters of them");
}

/// The codes that are asked for, by job.
fn codes(effects: &[Effect]) -> Vec<(JobId, Vec<B256>)> {
    let codes = |(id, job)| match job {
        Job::Codes { hashes } => Some((id, hashes)),
        _ => None,
    };
    started(effects).into_iter().filter_map(codes).collect()
}

/// Nobody has a code; the codes that rows are read for then.
fn nobody_has(engine: &mut Engine, code: u64) -> Option<Vec<B256>> {
    let effects = tell(engine, Event::NoPeerHas { missing: Missing::Code { hash: hash(code) } });
    assert_eq!(fatal(&effects), None);
    effects.into_iter().find_map(|effect| match effect {
        Effect::FindCodes { hashes } => Some(hashes),
        _ => None,
    })
}

// ROW: F17
#[test]
fn a_code_that_nobody_has_and_no_row_names_is_waited_for_no_more_and_older_rows_that_name_one_are_asked_again()
 {
    let (mut engine, effects) = resumed(|_| {}, |journal| journal.codes = vec![hash(900), hash(901)]);
    let (job, asked) = codes(&effects)[0].clone();
    assert_eq!(asked, [hash(900), hash(901)]);
    follow(&mut engine, 2);
    tell(&mut engine, Event::HeadNamed { hash: hash(101) });
    assert_eq!(
        nobody_has(&mut engine, 900),
        Some(asked.clone()),
        "all that is missing is looked for at once"
    );
    assert_eq!(nobody_has(&mut engine, 901), None, "it is being looked");
    // Two rows name one of them; a row of the newest target may name another.
    let renewed = renewals(&tell(&mut engine, Event::CodesNamed { accounts: keys(&[5, 6]) }));
    assert_eq!(
        renewed.iter().map(|(_, target, keys)| (*target, keys.clone())).collect::<Vec<_>>(),
        [(2, keys(&[5, 6]))]
    );
    let effects = tell(&mut engine, Event::CodesUnnamed { hashes: vec![hash(900)] });
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert_eq!(codes(&effects)[0].1, [hash(901)], "the other goes on");
    assert_eq!(engine.tally().codes_pending, 1);
    // A job that is given up is not the end of it.
    let again = renewals(&tell(&mut engine, Event::JobEnded { job: renewed[0].0, why: Ended::GivenUp }));
    assert_eq!(again[0].2, keys(&[5, 6]));
    // Both rows are the newest target's now, and name nothing that is missing.
    let (renewal, ..) = again[0];
    let pieces = keys(&[5, 6]).into_iter().map(|key| HashRange::new(key, key).unwrap()).collect();
    let (target, storages, none) = (TargetId(2), vec![], vec![]);
    tell(
        &mut engine,
        Event::AccountsRenewed { job: renewal, ticket: TICKET, pieces, target, storages, codes: none },
    );
    assert_eq!(nobody_has(&mut engine, 901), Some(vec![hash(901)]));
    // What the newest target's rows name is asked for, and not the rows.
    assert_eq!(renewals(&tell(&mut engine, Event::CodesNamed { accounts: keys(&[5]) })), []);
    assert!(
        codes(&tell(&mut engine, Event::CodesUnnamed { hashes: vec![] })).is_empty(),
        "it is asked for still"
    );
    let looks = [(); 6].map(|()| {
        let looked = nobody_has(&mut engine, 901).is_some();
        if looked {
            tell(&mut engine, Event::CodesUnnamed { hashes: vec![] });
        }
        looked
    });
    assert_eq!(looks, [false, true, false, false, false, true], "more and more rarely");
    tell(&mut engine, Event::CodesUnnamed { hashes: vec![hash(901)] });
    assert_eq!(engine.tally().codes_pending, 0);
}

#[test]
fn a_code_of_the_only_target_that_nobody_has_ends_a_sync_to_it() {
    let (mut engine, _) = resumed(|_| {}, |journal| journal.codes = vec![hash(900)]);
    let missing = Missing::Code { hash: hash(900) };
    let effects = tell(&mut engine, Event::NoPeerHas { missing: missing.clone() });
    assert_eq!(fatal(&effects), Some(snapsync_sync::Fatal::TargetUnavailable { missing }));
}

#[test]
fn a_standing_target_whose_rows_name_a_code_that_nobody_has_ends_the_sync_after_some_searches() {
    let (mut engine, _) = resumed(|_| {}, |journal| journal.codes = vec![hash(900)]);
    follow(&mut engine, 2);
    let mut searches = 0;
    for _ in 0..4 {
        if nobody_has(&mut engine, 900).is_some() {
            searches += 1;
            tell(&mut engine, Event::CodesUnnamed { hashes: vec![] });
        }
    }
    let missing = Missing::Code { hash: hash(900) };
    let effects = tell(&mut engine, Event::NoPeerHas { missing: missing.clone() });
    assert_eq!((searches, fatal(&effects)), (3, Some(snapsync_sync::Fatal::TargetUnavailable { missing })));
}
