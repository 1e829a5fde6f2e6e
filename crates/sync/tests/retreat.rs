//! Rows of blocks that the canonical chain has left go back to where it forks off, and lists bring them on from there; or stay, and it is told
//! why. Where a walk is cut off by a move, lists are looked for once more.

mod setup;

use std::time::Duration;

use alloy_primitives::B256;
use snapsync_sync::{
    Config, Coverage, Effect, Ended, Engine, Event, HashRange, Head, HeaderFloor, History, Job, JobId,
    Journal, LeftBlock, ListOutcome, ListedBlock, Missing, NoLists, PendingStorage, Phase, Pin, Report,
    RetreatOutcome, RetreatedBlock, Standing, StorageClaim, Target, TargetId,
};

use setup::{TICKET, hash, started};

const LEFT: TargetId = TargetId(1);
const PIVOT: TargetId = TargetId(2);

/// Blocks 101 and 102 of the branch that was left.
fn left_hash(number: u64) -> B256 {
    hash(5_000 + number)
}

fn head(number: u64) -> Head {
    Head { number, hash: hash(number) }
}

/// Target 1 is block 102 of the branch that was left, target 2 is block 110 of the other one; they fork at 100.
fn pin(id: TargetId) -> Pin {
    let (number, hash) = if id == LEFT { (102, left_hash(102)) } else { (110, hash(110)) };
    Pin { id, target: Target { number, hash, root: hash } }
}

fn left() -> Vec<LeftBlock> {
    let block = |number| Head { number, hash: left_hash(number) };
    vec![
        LeftBlock { block: block(102), parent: block(101), has_list: true },
        LeftBlock { block: block(101), parent: head(100), has_list: true },
    ]
}

fn drain(engine: &mut Engine) -> Vec<Effect> {
    std::iter::from_fn(|| engine.poll()).collect()
}

fn tell(engine: &mut Engine, event: Event) -> Vec<Effect> {
    engine.handle(Duration::ZERO, event);
    drain(engine)
}

fn found(left: Vec<LeftBlock>) -> Event {
    Event::LeftFound { left, unheld: None }
}

/// An engine that holds all accounts: as of the block that was left, and the upper half as of the pivot.
fn resumed(change: impl FnOnce(&mut Journal)) -> (Engine, Vec<Effect>) {
    let mut journal = Journal::fresh();
    (journal.pin, journal.targets, journal.phase) =
        (Some(pin(PIVOT)), vec![pin(LEFT), pin(PIVOT)], Phase::Download);
    journal.headers = Some(HeaderFloor { number: 1, parent: hash(0) });
    journal.accounts = Coverage::all(Standing::At(LEFT));
    let upper = HashRange::from_start(B256::repeat_byte(0x80));
    journal.accounts.set(upper, Standing::At(PIVOT));
    change(&mut journal);
    let config = Config { history: History::None, ..Config::standing(hash(0)) };
    let mut engine = Engine::resume(config, journal);
    let effects = drain(&mut engine);
    (engine, effects)
}

/// The job of the left list that is started.
fn next(effects: &[Effect]) -> (JobId, Head) {
    let jobs = started(effects);
    let [(job, Job::LeftList { block })] = jobs[..] else { panic!("{effects:?}") };
    (job, block)
}

fn reasons(effects: &[Effect]) -> Vec<NoLists> {
    let why = |effect: &Effect| match effect {
        Effect::Report(Report::NoLists(why)) => Some(*why),
        _ => None,
    };
    effects.iter().filter_map(why).collect()
}

fn taken_off(job: JobId, of: &LeftBlock, change: impl FnOnce(&mut RetreatedBlock)) -> Event {
    let mut retreated = RetreatedBlock {
        block: of.block,
        parent: of.parent,
        outcome: RetreatOutcome::Applied,
        newest: None,
        older: vec![],
        doubtful: vec![],
        cut: vec![],
        freed: vec![],
    };
    change(&mut retreated);
    Event::Retreated { job, ticket: TICKET, retreated }
}

fn account(n: u8) -> B256 {
    B256::repeat_byte(n)
}

/// Both blocks are taken off; they changed accounts 1 and 2, of which 2 has a storage.
fn taken_back() -> (Engine, Vec<Effect>) {
    let (mut engine, _) = resumed(|_| {});
    let (job, _) = next(&tell(&mut engine, found(left())));
    let effects = tell(&mut engine, taken_off(job, &left()[0], |told| told.doubtful = vec![account(1)]));
    let (job, _) = next(&effects);
    let changed =
        |told: &mut RetreatedBlock| (told.doubtful, told.cut) = (vec![account(2)], vec![account(2)]);
    let effects = tell(&mut engine, taken_off(job, &left()[1], changed));
    (engine, effects)
}

/// A later head whose chain meets the one that is held at `fork`.
fn joined(engine: &mut Engine, fork: u64, number: u64) -> Vec<Effect> {
    let top = Head { number, hash: hash(9_000 + number) };
    let asked = tell(engine, Event::HeadNamed { hash: top.hash });
    let (job, _) = started(&asked).remove(0);
    tell(engine, setup::joined(job, top, fork))
}

#[test]
fn left_blocks_are_taken_off_from_the_highest_down() {
    let (mut engine, effects) = resumed(|_| {});
    let Some(Effect::FindLeft { blocks }) =
        effects.iter().find(|effect| matches!(effect, Effect::FindLeft { .. }))
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*blocks, [Head { number: 102, hash: left_hash(102) }], "the pivot is canonical");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::FindList { .. })));
    let effects = tell(&mut engine, found(left()));
    assert_eq!(engine.phase(), Phase::CatchUp);
    let (job, block) = next(&effects);
    assert_eq!(block, left()[0].block);
    let effects = tell(&mut engine, taken_off(job, &left()[0], |_| {}));
    let (job, block) = next(&effects);
    assert_eq!(block, left()[1].block);
    let effects = tell(&mut engine, taken_off(job, &left()[1], |_| {}));
    assert!(effects.contains(&Effect::FindList { number: 101 }), "the chain forks at 100: {effects:?}");
    assert_eq!(reasons(&effects), []);
}

#[test]
fn what_a_left_block_changed_is_asked_again_before_lists_come() {
    let (mut engine, effects) = taken_back();
    assert_eq!(engine.account_coverage().at(account(1)), Standing::Mixed);
    let jobs = started(&effects);
    let Some((job, Job::Renewal { target, accounts, .. })) = jobs.first() else { panic!("{effects:?}") };
    assert_eq!((*target, accounts.clone()), (PIVOT, vec![account(1), account(2)]));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::FindList { .. })));
    let parts = Coverage::all(Standing::At(LEFT));
    let claim = StorageClaim { account: account(2), root: hash(77) };
    let storage = PendingStorage { parts, ..PendingStorage::untouched(claim, PIVOT) };
    let pieces = vec![HashRange::single(account(1)), HashRange::single(account(2))];
    let (job, ticket, target) = (*job, TICKET, PIVOT);
    let event =
        Event::AccountsRenewed { job, ticket, pieces, target, storages: vec![storage], codes: vec![] };
    let effects = tell(&mut engine, event);
    assert!(effects.contains(&Effect::FindList { number: 101 }), "{effects:?}");
    assert_eq!((engine.tally().storages_owed, engine.tally().storages_pending), (0, 1));
    // Its storage is walked down once all rows are of one block.
    let effects = tell(&mut engine, Event::ListFound { number: 101, parent: hash(100), has_list: true });
    let jobs = started(&effects);
    let [(job, Job::Lists { blocks })] = jobs[..] else { panic!("{effects:?}") };
    let listed = |number: u64| ListedBlock {
        block: head(number),
        parent: hash(number - 1),
        outcome: ListOutcome::Applied,
        newest: (number == 110).then_some(PIVOT),
        older: if number == 110 { vec![LEFT] } else { vec![] },
        owed: vec![],
        cut: vec![],
        freed: vec![],
    };
    let blocks = (blocks.first..=blocks.last).map(listed).collect();
    let effects = tell(&mut engine, Event::ListsApplied { job, ticket: TICKET, blocks, codes: vec![] });
    assert!(matches!(started(&effects)[..], [(_, Job::HealStorages { target: PIVOT, .. })]), "{effects:?}");
    assert_eq!(*engine.account_coverage(), Coverage::all(Standing::At(PIVOT)));
}

#[test]
fn a_restart_asks_again_what_was_doubted() {
    let parts = Coverage::all(Standing::At(LEFT));
    let pending = PendingStorage { account: account(1), expected: None, target: LEFT, parts };
    let (engine, effects) = resumed(|journal| {
        journal.accounts.set(HashRange::single(account(1)), Standing::Mixed);
        journal.storages = vec![pending];
        journal.brought = vec![(LEFT, head(100))];
    });
    let renews =
        |(_, job): &(JobId, Job)| matches!(job, Job::Renewal { accounts, .. } if *accounts == [account(1)]);
    assert!(started(&effects).iter().any(renews), "{effects:?}");
    assert!(!effects.contains(&Effect::RebuildOwed), "what its slots give says nothing yet");
    assert_eq!((engine.tally().storages_owed, engine.tally().storages_owed_cut), (1, 1));
}

#[test]
fn where_a_left_block_cannot_be_taken_off_it_is_told_why() {
    let unheld = Event::LeftFound { left: vec![], unheld: Some(102) };
    let mut older = left();
    older[1].has_list = false;
    for (event, why) in
        [(unheld, NoLists::Unheld { number: 102 }), (found(older), NoLists::Older { number: 101 })]
    {
        let (mut engine, _) = resumed(|_| {});
        assert_eq!(reasons(&tell(&mut engine, event)), [why]);
    }
    let (mut engine, _) = resumed(|_| {});
    let (job, _) = next(&tell(&mut engine, found(left())));
    let blocks = snapsync_sync::BlockRange { first: 102, last: 102 };
    let effects = tell(&mut engine, Event::NoPeerHas { missing: Missing::Lists { blocks } });
    assert_eq!(reasons(&effects), [NoLists::Left { number: 102 }]);
    assert!(effects.contains(&Effect::Stop { id: job }));
    // The block after the oldest rows' is another branch's, and then what differs is healed.
    let effects = tell(&mut engine, Event::ListFound { number: 103, parent: hash(102), has_list: true });
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 103 }]);
    assert_eq!(engine.phase(), Phase::Rebuild);
}

#[test]
fn blocks_that_changed_too_many_accounts_stay() {
    let (mut engine, _) = resumed(|_| {});
    let (job, _) = next(&tell(&mut engine, found(left())));
    let crowded = taken_off(job, &left()[0], |told| told.outcome = RetreatOutcome::Crowded);
    assert_eq!(reasons(&tell(&mut engine, crowded)), [NoLists::Crowded { number: 102 }]);
    assert_eq!(engine.account_coverage().oldest(), Standing::At(LEFT));
}

#[test]
fn a_later_target_never_becomes_one_of_a_lower_block() {
    // Rows of the first target are of a canonical block above the one where the second one's branch forks off.
    let older = Pin { id: LEFT, target: Target { number: 105, hash: hash(105), root: hash(105) } };
    let newer = Pin { id: TargetId(2), target: pin(LEFT).target };
    let pivot = Pin { id: TargetId(3), target: pin(PIVOT).target };
    let (mut engine, _) = resumed(|journal| {
        (journal.pin, journal.targets) = (Some(pivot), vec![older, newer, pivot]);
    });
    let effects = tell(&mut engine, found(left()));
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 102 }]);
}

#[test]
fn a_list_that_takes_nothing_off_is_looked_at_again_once() {
    let (mut engine, _) = resumed(|_| {});
    let (job, _) = next(&tell(&mut engine, found(left())));
    let stays = |told: &mut RetreatedBlock| told.outcome = RetreatOutcome::Left;
    let effects = tell(&mut engine, taken_off(job, &left()[0], stays));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::FindLeft { .. })), "{effects:?}");
    let (job, _) = next(&tell(&mut engine, found(left())));
    let effects = tell(&mut engine, taken_off(job, &left()[0], stays));
    assert_eq!(reasons(&effects), [NoLists::OtherBranch { number: 102 }]);
}

#[test]
fn what_a_stopped_job_had_with_the_writer_counts_and_ends_no_other_job() {
    let (mut engine, _) = resumed(|_| {});
    let (first, _) = next(&tell(&mut engine, found(left())));
    // The writer would not, so that it is looked again; another answer to the same job comes through after all.
    let stays = |told: &mut RetreatedBlock| told.outcome = RetreatOutcome::Left;
    tell(&mut engine, taken_off(first, &left()[0], stays));
    let (second, block) = next(&tell(&mut engine, found(left())));
    assert_eq!(block, left()[0].block);
    let effects = tell(&mut engine, taken_off(first, &left()[0], |_| {}));
    assert!(effects.contains(&Effect::Stop { id: second }), "nobody needs that list any more: {effects:?}");
    let (third, block) = next(&effects);
    assert_eq!(block, left()[1].block);
    // A late word of one that was stopped says nothing of this one.
    let effects = tell(&mut engine, taken_off(second, &left()[0], stays));
    assert_eq!((reasons(&effects), started(&effects).len()), (vec![], 0), "{effects:?}");
    let effects = tell(&mut engine, taken_off(third, &left()[1], |_| {}));
    assert!(effects.contains(&Effect::FindList { number: 101 }), "{effects:?}");
}

#[test]
fn of_two_branches_the_older_targets_block_goes_first() {
    for (low, high) in [(6_000, 7_000), (7_000, 6_000)] {
        // Two targets of two branches, both of block 101 above 100, whatever their hashes.
        let of = |id, name| Pin { id, target: Target { number: 101, hash: hash(name), root: hash(name) } };
        let pivot = Pin { id: TargetId(3), target: pin(PIVOT).target };
        let (mut engine, _) = resumed(|journal| {
            (journal.pin, journal.targets) = (Some(pivot), vec![of(LEFT, low), of(TargetId(2), high), pivot]);
        });
        let off = |name| LeftBlock {
            block: Head { number: 101, hash: hash(name) },
            parent: head(100),
            has_list: true,
        };
        let both = vec![off(low.max(high)), off(low.min(high))];
        let (job, block) = next(&tell(&mut engine, found(both)));
        assert_eq!(block.hash, hash(low), "the first target's");
        let (_, block) = next(&tell(&mut engine, taken_off(job, &off(low), |_| {})));
        assert_eq!(block.hash, hash(high));
    }
}

#[test]
fn a_head_that_only_goes_on_lets_who_is_asked_for_a_left_list_be() {
    let (mut engine, _) = resumed(|journal| journal.head = Some(head(110)));
    let (job, _) = next(&tell(&mut engine, found(left())));
    let effects = joined(&mut engine, 110, 111);
    assert!(!effects.contains(&Effect::Stop { id: job }), "{effects:?}");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::FindLeft { .. })), "{effects:?}");
    // A fork may have left other blocks.
    let effects = joined(&mut engine, 108, 112);
    assert!(effects.contains(&Effect::Stop { id: job }), "{effects:?}");
}

/// An engine whose rows are of a canonical block 100 and have no lists to the pivot, block 110: it walks down that one's trie.
fn healing() -> (Engine, JobId) {
    let canonical = Pin { id: LEFT, target: Target { number: 100, hash: hash(100), root: hash(100) } };
    let (mut engine, _) = resumed(|journal| journal.targets = vec![canonical, pin(PIVOT)]);
    tell(&mut engine, found(vec![]));
    let effects = tell(&mut engine, Event::ListFound { number: 101, parent: hash(100), has_list: false });
    assert_eq!(reasons(&effects), [NoLists::Older { number: 101 }]);
    let effects = tell(&mut engine, Event::Rebuilt { root: hash(1) });
    assert_eq!(engine.phase(), Phase::Heal);
    let jobs = started(&effects);
    let [(walk, Job::HealAccounts { .. })] = jobs[..] else { panic!("{effects:?}") };
    (engine, walk)
}

fn moved() -> Event {
    Event::PivotMoved { target: Target { number: 120, hash: hash(120), root: hash(120) } }
}

#[test]
fn a_walk_that_a_move_cuts_off_gives_way_to_lists() {
    let (mut engine, walk) = healing();
    let effects = tell(&mut engine, moved());
    assert!(effects.contains(&Effect::Stop { id: walk }));
    tell(&mut engine, Event::Recorded { pin: Some(TargetId(3)) });
    tell(&mut engine, found(vec![]));
    let effects = tell(&mut engine, Event::ListFound { number: 101, parent: hash(100), has_list: true });
    assert_eq!(engine.phase(), Phase::CatchUp);
    assert!(matches!(started(&effects)[..], [(_, Job::Lists { .. })]), "{effects:?}");
}

#[test]
fn where_there_are_still_none_the_next_walk_begins() {
    let (mut engine, _) = healing();
    tell(&mut engine, moved());
    tell(&mut engine, Event::Recorded { pin: Some(TargetId(3)) });
    tell(&mut engine, found(vec![]));
    let effects = tell(&mut engine, Event::ListFound { number: 101, parent: hash(100), has_list: false });
    assert_eq!(engine.phase(), Phase::Heal);
    let jobs = started(&effects);
    let [(walk, Job::HealAccounts { target, .. })] = jobs[..] else { panic!("{effects:?}") };
    assert_eq!(target, TargetId(3));
    // A try that fails is repeated, and no list is looked for.
    let effects = tell(&mut engine, Event::JobEnded { job: walk, why: Ended::GivenUp });
    assert!(matches!(started(&effects)[..], [(_, Job::HealAccounts { .. })]), "{effects:?}");
}
