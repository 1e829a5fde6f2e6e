//! A state that is fetched while the chain moves: ranges of several targets, lists of blocks, accounts that are asked again, what was healed
//! node by node, derivations of snapshots that are out of date, crashes; in any order they leave the rows, branches and root of a plain map.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes};
use proptest::prelude::*;
use snapsync_storage::{
    AccountTrieOutcome, BlockOutcome, CheckedList, DerivedBlock, HealedAccounts, HealedSlots, Joined,
    ListFault, MemoryDisk, Settlement, Summary, TargetRecord, Ticket, Unsettled, VerifyConfig, Write, verify,
};
use snapsync_trie::{HashRange, NodeClaim, PendingStorage, Standing, TargetId, rows_of, verify_accounts};
use snapsync_wire::Header;
use synth::{
    Place, World, config,
    plain::{ACCOUNTS, Block, Deed, Plain, answer, blocks, header, key, part_of},
    scan,
    told::{Disk, prove_slots},
};

/// Whether a block becomes the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

/// By what rows come to the head in the end.
#[derive(Clone, Copy, Debug)]
enum Reconciler {
    Lists,
    Healing,
}

fn reconcilers() -> impl Strategy<Value = Reconciler> {
    prop_oneof![Just(Reconciler::Lists), Just(Reconciler::Healing)]
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Something that is missing comes: of what is open the nth, from its start or from its middle.
    Fetch(u8, u8),
    /// A block is made, and named or passed over.
    Move(Block, Named),
    /// The next list that has not come to the rows.
    List,
    /// Several of them in one transaction: of one write, or a write each.
    Together(u8),
    /// An answer that is of an older target than the newest.
    Late(u8, u8),
    /// So many nodes of the newest target's tries are compared with ours, from the root down.
    Heal(u8),
    /// A storage whose rows are all there is derived.
    Derive(u8),
    /// A storage, or the account trie, is derived from a snapshot before the next list, and written behind it.
    Stale(u8),
    /// The power goes before the step's commit.
    Crash(Box<Step>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => any::<(u8, u8)>().prop_map(|(n, size)| Step::Fetch(n, size)),
        3 => blocks().prop_map(|block| Step::Move(block, Named::Yes)),
        1 => blocks().prop_map(|block| Step::Move(block, Named::No)),
        3 => Just(Step::List),
        1 => any::<u8>().prop_map(Step::Together),
        2 => any::<(u8, u8)>().prop_map(|(n, size)| Step::Late(n, size)),
        1 => any::<u8>().prop_map(Step::Heal),
        2 => any::<u8>().prop_map(Step::Derive),
        2 => any::<u8>().prop_map(Step::Stale),
        1 => Just(Step::Reopen),
    ];
    let step = prop_oneof![
        8 => step.clone(),
        1 => step.prop_map(|step| Step::Crash(Box::new(step))),
    ];
    prop::collection::vec(step, 0..60)
}

/// What a list has done to pendings, by the pendings before and after it.
fn unsettled_between(before: &[PendingStorage], after: &[PendingStorage]) -> Unsettled {
    let of = |pendings: &[PendingStorage], account: &B256| {
        pendings.iter().find(|pending| pending.account == *account).cloned()
    };
    let mut unsettled = Unsettled::default();
    for pending in after.iter().filter(|pending| pending.expected.is_none()) {
        let did_owe = of(before, &pending.account).is_some_and(|before| before.expected.is_none());
        match pending.is_filled() {
            _ if did_owe => {}
            true => unsettled.owed.push(pending.account),
            false => unsettled.cut.push(pending.account),
        }
    }
    let gone = before.iter().filter(|pending| of(after, &pending.account).is_none());
    unsettled.freed = gone.map(|pending| pending.account).collect();
    unsettled
}

/// What several lists have told, one behind the other, as one: of an account the last word counts, unless it owed its root before and still does.
fn after_all(told: impl Iterator<Item = Unsettled>, before: &[PendingStorage]) -> Unsettled {
    let (mut owed, mut cut, mut freed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for unsettled in told {
        for account in unsettled.freed {
            assert!(!owed.remove(&account) | !cut.remove(&account), "it owes its root in one way");
            freed.insert(account);
        }
        for account in unsettled.owed {
            freed.remove(&account);
            owed.insert(account);
        }
        for account in unsettled.cut {
            freed.remove(&account);
            cut.insert(account);
        }
    }
    let is_new = |account: &B256| {
        !before.iter().any(|pending| pending.account == *account && pending.expected.is_none())
    };
    // What a list made pending and a later one freed was not pending before.
    let was_pending = |account: &B256| before.iter().any(|pending| pending.account == *account);
    Unsettled {
        owed: owed.into_iter().filter(is_new).collect(),
        cut: cut.into_iter().filter(is_new).collect(),
        freed: freed.into_iter().filter(was_pending).collect(),
    }
}

/// The chain so far, and where the rows of each target are.
struct Chain {
    plain: Plain,
    /// By number, from the first target's.
    worlds: Vec<World>,
    lists: Vec<CheckedList>,
    /// Lists that have come to the rows.
    applied: usize,
    /// Which worlds were targets, rising.
    named: Vec<usize>,
}

impl Chain {
    fn new() -> Self {
        let plain = Plain::first();
        let mut world = plain.world(9);
        world.target = record(&world, 0, &header(9, B256::ZERO, world.target.root, &Bytes::new()));
        Self { plain, worlds: vec![world], lists: Vec::new(), applied: 0, named: vec![0] }
    }

    /// The target.
    fn head(&self) -> &World {
        &self.worlds[self.newest()]
    }

    fn newest(&self) -> usize {
        *self.named.last().unwrap()
    }

    fn step(&mut self, block: &Block) {
        let raw = self.plain.apply(block);
        let (nth, parent) = (self.worlds.len(), self.worlds.last().unwrap().target);
        let mut world = self.plain.world(parent.number + 1);
        let header = header(parent.number + 1, parent.hash, world.target.root, &raw);
        world.target = record(&world, nth, &header);
        self.worlds.push(world);
        self.lists.push(CheckedList::check(&header, &raw).unwrap());
    }
}

fn record(world: &World, nth: usize, header: &Header) -> TargetRecord {
    let id = TargetId(nth as u32);
    TargetRecord { id, number: header.number, hash: header.hash(), root: world.target.root }
}

/// A commit that may be lost.
type Lost = synth::Ended;

struct Story {
    chain: Chain,
    disk: Disk,
}

impl Story {
    fn begin(place: Place) -> Self {
        let mut story = Self { chain: Chain::new(), disk: Disk::begin(place) };
        story.name().unwrap();
        story
    }

    fn write(&mut self, write: impl FnOnce(Ticket) -> Write) -> Result<Summary, Lost> {
        self.disk.write(write)
    }

    /// Records the head as the target.
    fn name(&mut self) -> Result<(), Lost> {
        self.disk.name(self.chain.head().target)
    }

    fn take(&mut self, step: &Step) -> Result<(), Lost> {
        match step {
            Step::Fetch(nth, size) => self.fetch(*nth, *size).map(drop),
            Step::Move(block, named) => {
                self.chain.step(block);
                if *named == Named::Yes {
                    self.chain.named.push(self.chain.worlds.len() - 1);
                    self.name()?;
                }
                Ok(())
            }
            Step::List => self.list(),
            Step::Together(count) => self.lists_together(*count),
            Step::Late(nth, size) => self.late(*nth, *size),
            Step::Heal(nodes) => self.heal(usize::from(*nodes)).map(drop),
            Step::Derive(nth) => self.derive(*nth),
            Step::Stale(nth) => self.stale(*nth),
            Step::Reopen => {
                self.disk.reopen();
                Ok(())
            }
            Step::Crash(step) => {
                self.disk.lose_next();
                let applied = self.chain.applied;
                if self.take(step).is_err() {
                    self.chain.applied = applied;
                }
                self.disk.reopen();
                // Whoever names a head names it again.
                self.name()
            }
        }
    }

    fn list(&mut self) -> Result<(), Lost> {
        self.lists(1, 1)
    }

    fn lists_together(&mut self, count: u8) -> Result<(), Lost> {
        let lists = usize::from(count / 2 % 6) + 2;
        self.lists(lists, if count.is_multiple_of(2) { lists } else { 1 })
    }

    /// Up to so many lists in one transaction, so many in a write.
    fn lists(&mut self, most: usize, in_a_write: usize) -> Result<(), Lost> {
        // Lists behind the target would make its own answers old.
        let open = self.chain.lists[..self.chain.newest()].get(self.chain.applied..).unwrap_or_default();
        let lists: Vec<CheckedList> = open.iter().take(most).cloned().collect();
        let first = self.chain.applied + 1;
        self.chain.applied += lists.len();
        let before = self.disk.journal();
        let run = self.disk.run();
        let writes = lists.chunks(in_a_write).map(|lists| {
            let lists = lists.to_vec();
            run.send(|ticket| Write::Lists { ticket, lists, response_bytes: 0 })
        });
        let tickets: Vec<_> = writes.collect();
        let (mut blocks, mut codes) = (Vec::new(), Vec::new());
        for ticket in tickets {
            let told = run.heard(ticket)?;
            let Summary::Lists { blocks: more, codes: found } = told else { panic!("{told:?}") };
            blocks.extend(more);
            codes.extend(found);
        }
        let after = self.disk.journal();
        assert_eq!(blocks.len(), lists.len());
        for (nth, (list, told)) in (first..).zip(lists.iter().zip(&blocks)) {
            assert_eq!((told.claim, told.outcome), (list.claim(), BlockOutcome::Applied));
            // Where a target stands at this very block, what was brought to it becomes one with it.
            let here = self.chain.named.iter().position(|named| *named == nth);
            let id = |at: usize| TargetId(self.chain.named[at] as u32);
            let expected = here.map(|at| Joined { newest: id(at), older: BTreeSet::from([id(at - 1)]) });
            assert_eq!(told.joined, expected);
        }
        let unsettled = blocks.into_iter().map(|block| block.unsettled);
        assert_eq!(
            after_all(unsettled, &before.storages),
            unsettled_between(&before.storages, &after.storages)
        );
        assert!(codes.iter().all(|code| before.codes.contains(code)));
        assert_eq!(before.codes.len(), after.codes.len() + codes.len());
        Ok(())
    }

    /// Writes something of what is missing. Nothing left: false.
    fn fetch(&mut self, nth: u8, size: u8) -> Result<bool, Lost> {
        let journal = self.disk.journal();
        let gaps: Vec<HashRange> = journal.accounts.gaps().collect();
        let open = gaps.len() + journal.storages.len() + usize::from(!journal.codes.is_empty());
        let nth = usize::from(nth).checked_rem(open).unwrap_or_default();
        if let Some(gap) = gaps.get(nth) {
            let (target, accounts) = answer(self.chain.head(), part_of(*gap, size), size);
            self.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 })?;
        } else if let Some(pending) = journal.storages.get(nth - gaps.len()) {
            self.fetch_storage(pending, size)?;
        } else if !journal.codes.is_empty() {
            self.disk.fetch_codes(self.chain.head())?;
        }
        Ok(open > 0)
    }

    fn fetch_storage(&mut self, pending: &PendingStorage, size: u8) -> Result<(), Lost> {
        let account = pending.account;
        if pending.is_filled() {
            return self.disk.derive_storage(account);
        }
        let of = |world: &&World| world.storages.get(&account).map(|trie| trie.root) == pending.expected;
        let Some(world) = pending.claim().and_then(|_| self.chain.worlds.iter().find(of)) else {
            // Its root is not known any more: the account is asked again.
            let (target, accounts) = answer(self.chain.head(), HashRange::single(account), u8::MAX);
            let told = self.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 })?;
            let Summary::Renewed { pieces, .. } = told else { panic!("{told:?}") };
            // Rows of the newest target know their root, or it was owed by a list that has come since: then they are all held.
            assert_eq!(pieces, [HashRange::single(account)]);
            return Ok(());
        };
        let (claim, gap) = (pending.claim().unwrap(), pending.parts.gaps().next().unwrap());
        let storages = prove_slots(&world.storages[&account], claim, part_of(gap, size), 25);
        let target = self.chain.head().target.id;
        self.write(|ticket| Write::Storages { ticket, target, storages, response_bytes: 1 }).map(drop)
    }

    /// An answer that was asked of an older target: taken while no list has come to that.
    fn late(&mut self, nth: u8, size: u8) -> Result<(), Lost> {
        let older = self.chain.named.len() - 1;
        let Some(nth) = usize::from(nth).checked_rem(older).map(|nth| self.chain.named[nth]) else {
            return Ok(());
        };
        let gap = self.disk.journal().accounts.gaps().next();
        let Some(gap) = gap else { return Ok(()) };
        let (target, accounts) = answer(&self.chain.worlds[nth], gap, size);
        let told = self.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 })?;
        assert_eq!(matches!(told, Summary::Outdated), nth < self.chain.applied, "{told:?}");
        Ok(())
    }

    /// Compares nodes of the newest target's tries with ours, that of the accounts first; whether nothing is left to be compared.
    fn heal(&mut self, mut nodes: usize) -> Result<bool, Lost> {
        // A storage that owes its root may belong to a row that is the target's already: its own is known first.
        for pending in self.disk.journal().storages {
            if pending.claim().is_none() {
                self.fetch_storage(&pending, 1)?;
            }
        }
        let head = self.chain.head().target;
        let mut open = vec![NodeClaim::of_root(head.root)];
        while let Some(claim) = open.pop() {
            if nodes == 0 {
                return Ok(false);
            }
            nodes -= 1;
            let found = self.disk.compared(self.chain.head(), None, claim);
            open.extend(found.nodes());
            let (target, healed) = (head.id, HealedAccounts::new(head.root, &[found]).unwrap());
            let write = |ticket| Write::HealedAccounts { ticket, target, healed, response_bytes: 1 };
            match self.write(write)? {
                Summary::HealedAccounts { storages, .. } => {
                    let journal = self.disk.journal().storages;
                    assert!(storages.iter().all(|storage| journal.contains(storage)));
                }
                // Lists have come to it: they bring the rest.
                Summary::Outdated => {
                    assert!(self.chain.newest() < self.chain.applied);
                    return Ok(false);
                }
                other => panic!("{other:?}"),
            }
        }
        for pending in self.disk.journal().storages {
            let theirs = self.chain.head().storages.get(&pending.account).map(|trie| trie.root);
            let Some(claim) = pending.claim().filter(|claim| Some(claim.root) == theirs) else { continue };
            let mut open = vec![NodeClaim::of_root(claim.root)];
            while let Some(node) = open.pop() {
                if nodes == 0 {
                    return Ok(false);
                }
                nodes -= 1;
                let found = self.disk.compared(self.chain.head(), Some(claim.account), node);
                open.extend(found.nodes());
                let healed = vec![HealedSlots::new(claim, &[found]).unwrap()];
                let told = self.write(|ticket| Write::HealedSlots { ticket, healed, response_bytes: 1 })?;
                let Summary::HealedSlots { healed, dropped, .. } = told else { panic!("{told:?}") };
                assert_eq!((healed, dropped), (vec![claim], Vec::new()));
            }
        }
        Ok(true)
    }

    fn filled(&self, nth: u8) -> Option<B256> {
        let pendings = self.disk.journal().storages;
        let filled: Vec<B256> =
            pendings.iter().filter(|pending| pending.is_filled()).map(|pending| pending.account).collect();
        filled.get(usize::from(nth).checked_rem(filled.len())?).copied()
    }

    fn derive(&mut self, nth: u8) -> Result<(), Lost> {
        self.filled(nth).map_or(Ok(()), |account| self.disk.derive_storage(account))
    }

    /// What is derived before a list and written behind it says nothing that is not so.
    fn stale(&mut self, nth: u8) -> Result<(), Lost> {
        let account = self.filled(nth);
        if account.is_none() && !self.disk.journal().accounts.is_whole() {
            return Ok(());
        }
        let derived = self.disk.derived(account);
        self.list()?;
        match account {
            Some(account) => self.disk.put_storage(account, derived).map(drop),
            None => {
                let outcome = self.disk.put_accounts(derived)?;
                let rows = self.disk.snapshot().rows().unwrap();
                let left = rows.accounts_dirty + rows.slots_dirty + rows.storages_pending;
                assert_eq!(outcome == AccountTrieOutcome::Outdated, left > 0, "{outcome:?}");
                Ok(())
            }
        }
    }

    /// What is missing is fetched, and the rows come to the head: by lists, or by healing if the rest of them is not to be had. The root is the
    /// head's.
    fn end(&mut self, by: Reconciler) {
        self.take(&Step::Move(Block::new(), Named::Yes)).unwrap();
        match by {
            Reconciler::Lists => {
                while self.chain.applied < self.chain.lists.len() {
                    self.list().unwrap();
                }
                while self.fetch(0, 1).unwrap() {}
            }
            Reconciler::Healing => {
                while self.fetch(0, 1).unwrap() {}
                assert!(self.heal(usize::MAX).unwrap(), "a walk over everything ends");
                while self.fetch(0, 1).unwrap() {}
            }
        }
        let derived = self.disk.derived(None);
        let head = self.chain.head().target;
        assert_eq!(self.disk.put_accounts(derived).unwrap(), AccountTrieOutcome::Derived(head.root));
        self.disk.record_whole(head).unwrap();
        let rows = self.disk.snapshot().rows().unwrap();
        assert_eq!((rows.accounts_dirty, rows.slots_dirty), (0, 0));
        scan(self.chain.head(), self.disk.store());
        self.follow();
    }

    /// A list goes to a state that is not whole: this one takes it as a block, which can be taken back.
    fn follow(&mut self) {
        let slots = Deed::Slots(BTreeMap::from([(1, 0), (2, 9), (70, 1)]));
        self.chain.step(&Block::from([
            (1, Deed::Put { more: 3, code: Some(8) }),
            (2, Deed::Empty),
            (5, Deed::Put { more: 1, code: None }),
            (8, slots),
        ]));
        let list = self.chain.lists.last().unwrap().clone();
        let lists = vec![list.clone()];
        let told = self.write(|ticket| Write::Lists { ticket, lists, response_bytes: 0 }).unwrap();
        let Summary::Lists { blocks, .. } = told else { panic!("{told:?}") };
        assert_eq!(blocks[0].outcome, BlockOutcome::Left);
        let snapshot = self.disk.snapshot();
        let changes = list.changes(|key| snapshot.account(key)).unwrap();
        let block = Box::new(DerivedBlock::derive(&snapshot, list.claim(), &changes).unwrap());
        drop(snapshot);
        let told = self.write(|ticket| Write::Block { ticket, block }).unwrap();
        assert!(matches!(told, Summary::Block { outcome: BlockOutcome::Applied, .. }), "{told:?}");
        scan(self.chain.worlds.last().unwrap(), self.disk.store());
    }
}

fn tell(place: Place, steps: &[Step], by: Reconciler) {
    let mut story = Story::begin(place);
    for step in steps {
        story.take(step).unwrap();
    }
    story.end(by);
    story.disk.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // ROW: F30
    #[test]
    fn whatever_moves_while_a_state_is_fetched_it_ends_as_a_plain_map(steps in steps(), by in reconcilers()) {
        tell(Place::Memory(MemoryDisk::default()), &steps, by);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn what_moved_on_a_real_disk_verifies(steps in steps(), by in reconcilers()) {
        let dir = tempfile::tempdir().unwrap();
        tell(Place::Disk(Box::new(config(dir.path()))), &steps, by);
        let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).unwrap();
        prop_assert_eq!(&report.findings, &[]);
        prop_assert!(report.complete);
    }
}

#[test]
fn a_list_leaves_rows_that_are_newer_than_its_block() {
    newer_rows_stay_as_they_are();
}

fn newer_rows_stay_as_they_are() {
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    let gap = HashRange::FULL.split(2).remove(0);
    let (target, accounts) = answer(story.chain.head(), gap, u8::MAX);
    story.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 }).unwrap();
    let put = |more| (0..ACCOUNTS).map(|n| (n, Deed::Put { more, code: None })).collect();
    story.take(&Step::Move(put(1), Named::No)).unwrap();
    story.take(&Step::Move(put(1), Named::Yes)).unwrap();
    while story.fetch(0, u8::MAX).unwrap() {}
    let journal = story.disk.journal();
    let newest = story.chain.head().target.id;
    // Before the first list, behind it, and behind that of the block that they are of.
    for _ in 0..3 {
        let rows: Vec<_> = story.chain.head().accounts.rows.keys().copied().collect();
        let newer = rows.into_iter().filter(|key| journal.accounts.at(*key) == Standing::At(newest));
        let newer: Vec<B256> = newer.collect();
        assert!(!newer.is_empty(), "some are of the newest target");
        let snapshot = story.disk.snapshot();
        for key in newer {
            assert_eq!(snapshot.account(&key).unwrap(), story.chain.head().account(&key));
        }
        drop(snapshot);
        story.list().unwrap();
    }
    story.end(Reconciler::Lists);
}

#[test]
fn storage_that_went_and_came_again_takes_nothing_that_was_derived_before() {
    const ONE: u8 = 8;
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let does = |story: &mut Story, deed| {
        story.take(&Step::Move(Block::from([(ONE, deed)]), Named::Yes)).unwrap();
        story.list().unwrap();
    };
    let slots = |slots: &[u8]| Deed::Slots(slots.iter().map(|slot| (*slot, 99)).collect());
    does(&mut story, slots(&[3]));
    let derived = story.disk.derived(Some(key(ONE)));
    assert!(derived.changes.iter().any(|changes| !changes.put.is_empty()), "it has branches");
    does(&mut story, Deed::Empty);
    does(&mut story, Deed::Put { more: 1, code: None });
    does(&mut story, slots(&[70, 71]));
    assert_eq!(story.filled(0), Some(key(ONE)));
    assert_eq!(story.disk.put_storage(key(ONE), derived).unwrap(), Settlement::Dropped);
    story.end(Reconciler::Lists);
}

#[test]
fn no_root_counts_while_a_storage_owes_its_own() {
    const ONE: u8 = 8;
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let before = story.chain.head().target;
    let slots = Deed::Slots(BTreeMap::from([(3, 99)]));
    story.take(&Step::Move(Block::from([(ONE, slots)]), Named::Yes)).unwrap();
    story.list().unwrap();
    // No row of an account has changed, so the account trie still gives the root of the block before.
    let derived = story.disk.derived(None);
    assert_eq!(derived.root, before.root);
    assert_eq!(story.disk.put_accounts(derived).unwrap(), AccountTrieOutcome::Outdated);
    let refused = story.disk.record_whole(before).unwrap_err();
    assert_eq!(refused.kind, "refused");
}

#[test]
fn derivation_that_another_has_overtaken_is_made_again() {
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let first = story.disk.derived(None);
    let put = |n| Deed::Put { more: n, code: None };
    story.take(&Step::Move((0..ACCOUNTS).map(|n| (n, put(1))).collect(), Named::Yes)).unwrap();
    story.list().unwrap();
    let second = story.disk.derived(None);
    assert_eq!(
        story.disk.put_accounts(first).unwrap(),
        AccountTrieOutcome::Outdated,
        "rows have changed since"
    );
    assert_eq!(
        story.disk.put_accounts(second).unwrap(),
        AccountTrieOutcome::Outdated,
        "it does not know the first"
    );
    story.end(Reconciler::Lists);
}

#[test]
fn slots_that_a_list_has_changed_and_that_came_back_are_healed() {
    const ONE: u8 = 1;
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let slot = |value| Block::from([(ONE, Deed::Slots(BTreeMap::from([(3, value)])))]);
    story.take(&Step::Move(slot(9), Named::Yes)).unwrap();
    story.list().unwrap();
    // The account's row is that of the head, its slot is not.
    story.take(&Step::Move(slot(0), Named::Yes)).unwrap();
    story.end(Reconciler::Healing);
}

#[test]
fn what_was_derived_for_one_claim_settles_no_other() {
    const ONE: u8 = 8;
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let slot = |value| Block::from([(ONE, Deed::Slots(BTreeMap::from([(3, value)])))]);
    story.take(&Step::Move(slot(99), Named::Yes)).unwrap();
    story.list().unwrap();
    let derived = story.disk.derived(Some(key(ONE)));
    // Its account is asked again meanwhile, and claims the root of a later block.
    story.take(&Step::Move(slot(98), Named::Yes)).unwrap();
    let (target, accounts) = answer(story.chain.head(), HashRange::single(key(ONE)), u8::MAX);
    let told = story.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 }).unwrap();
    let Summary::Renewed { storages, .. } = told else { panic!("{told:?}") };
    assert_eq!(storages.iter().map(|storage| storage.account).collect::<Vec<B256>>(), [key(ONE)]);
    assert_eq!(story.disk.put_storage(key(ONE), derived).unwrap(), Settlement::Dropped);
    story.end(Reconciler::Healing);
}

#[test]
fn what_was_compared_with_an_older_target_takes_no_newer_row() {
    let mut story = Story::begin(Place::Memory(MemoryDisk::default()));
    while story.fetch(0, 1).unwrap() {}
    let old = story.chain.head().target;
    let root = story.chain.head().accounts.root;
    let put = |n| (n, Deed::Put { more: 1, code: None });
    story.take(&Step::Move((0..ACCOUNTS).map(put).collect(), Named::Yes)).unwrap();
    // All accounts are asked again, and are those of the newer target.
    let (rows, proof) = story.chain.head().accounts.answer_up_to(HashRange::FULL, usize::MAX);
    let head = story.chain.head();
    let slim: Vec<_> = rows.iter().map(|(key, _)| (*key, head.account(key).unwrap().to_slim())).collect();
    let accounts = verify_accounts(head.target.root, HashRange::FULL, rows_of(&slim), &proof).unwrap().into();
    let target = head.target.id;
    story.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 }).unwrap();
    let found = story.disk.compared(&story.chain.worlds[0], None, NodeClaim::of_root(root));
    assert!(!found.is_empty());
    let healed = HealedAccounts::new(root, &[found]).unwrap();
    let write = |ticket| Write::HealedAccounts { ticket, target: old.id, healed, response_bytes: 1 };
    assert!(matches!(story.write(write).unwrap(), Summary::HealedAccounts { .. }));
    story.end(Reconciler::Lists);
}

#[test]
fn only_the_list_that_the_header_commits_to_is_taken() {
    let mut plain = Plain::first();
    let raw = plain.apply(&Block::from([(1, Deed::Put { more: 1, code: None })]));
    let good = header(10, B256::ZERO, B256::ZERO, &raw);
    assert!(CheckedList::check(&good, &raw).is_ok());
    let mut longer = raw.to_vec();
    longer.push(0);
    let fault = CheckedList::check(&good, &longer.into()).unwrap_err();
    assert!(matches!(fault, ListFault::Hash { number: 10, .. }), "{fault}");
    let garbage = Bytes::from_static(b"no list");
    let fault = CheckedList::check(&header(10, B256::ZERO, B256::ZERO, &garbage), &garbage).unwrap_err();
    assert!(matches!(fault, ListFault::Malformed { number: 10, .. }), "{fault}");
}

#[cfg(feature = "planted-bugs")]
#[test]
fn mistakes_beside_gaps_and_of_derivations_are_caught() {
    use snapsync_storage::WriterBug::{
        DirtyKeyMissing, EarlierListWins, ListAheadOfCursor, ListsPastMeeting, PackAcrossGap, StaleDerivation,
    };
    for bug in [PackAcrossGap, StaleDerivation, ListsPastMeeting, EarlierListWins, DirtyKeyMissing] {
        let caught = synth::caught(bug, steps(), |steps| {
            tell(Place::Memory(MemoryDisk::default()), steps, Reconciler::Lists);
        });
        assert!(caught.is_some(), "no story catches {bug:?}");
        println!("{bug:?}: story {}", caught.unwrap());
    }
    // Later lists nearly always put right what this has done.
    let one_story = Just(vec![(); 0]);
    assert!(synth::caught(ListAheadOfCursor, one_story, |_| newer_rows_stay_as_they_are()).is_some());
}
