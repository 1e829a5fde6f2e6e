//! Rows of blocks that the chain has left: the lists of these blocks name what they changed, and all else becomes the rows of the block where
//! the chain forks off. In any order, with crashes, rows healed in between and storages in pieces they end as the rows of a plain map.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_storage::{
    AccountTrieOutcome, CheckedList, HealedAccounts, HealedSlots, ListedBlock, MemoryDisk, Retreat,
    RetreatOutcome, RetreatedBlock, StateJournal, StateSnapshot, Summary, TargetRecord, Ticket, VerifyConfig,
    Write, verify,
};
use snapsync_trie::{
    Account, Coverage, EMPTY_CODE, EMPTY_ROOT, HashRange, NodeClaim, PendingStorage, Standing, TargetId,
};
use snapsync_wire::{Header, HeaderFields};
use synth::{
    Ended, Place, World, config,
    plain::{ACCOUNTS, Block, Deed, Plain, answer, blocks, header, key, slot_key},
    scan,
    told::{Disk, prove_slots},
};

/// Blocks that the chain takes, and how it leaves those that it had taken before.
#[derive(Clone, Debug)]
struct Branch {
    /// So many of the blocks of the branch before stay, but never all.
    stay: u8,
    /// So many lists of the line with that branch have come to the rows before it is left, and of the new line's right behind.
    lists: [u8; 2],
    /// Whether what is doubted then is asked again at once.
    renewed: bool,
    /// Each block, and whether it was a target; the last one always is.
    blocks: Vec<(Block, bool)>,
    /// Nodes of its last block that are compared with ours.
    healed: u8,
}

/// A story: blocks up to the first fork, branches that are left one after the other, what takes their place, and how rows came to be of them.
#[derive(Clone, Debug)]
struct Story {
    before: Vec<Block>,
    left: Vec<Branch>,
    after: Branch,
    /// Of which target the rows of each part of the key space are, of those there are.
    ranges: Vec<u8>,
    /// Every nth storage stays as the range left it.
    open: u8,
    /// Before which of the writes that leave a branch the power goes.
    crash: Option<u8>,
}

fn branches(most: usize) -> impl Strategy<Value = Branch> {
    let blocks = prop::collection::vec((blocks(), any::<bool>()), 1..most);
    let lists = || prop_oneof![Just(0), 1..7u8];
    (0..3u8, [lists(), lists()], any::<bool>(), blocks, 0..12u8)
        .prop_map(|(stay, lists, renewed, blocks, healed)| Branch { stay, lists, renewed, blocks, healed })
}

fn stories() -> impl Strategy<Value = Story> {
    let ranges = prop::collection::vec(any::<u8>(), 1..9);
    let (before, left) = (prop::collection::vec(blocks(), 0..3), prop::collection::vec(branches(4), 1..3));
    (before, left, branches(3), ranges, 2..6u8, prop::option::of(0..5u8)).prop_map(
        |(before, left, after, ranges, open, crash)| Story { before, left, after, ranges, open, crash },
    )
}

/// Lists that come to the rows, or a block that is taken off them.
#[derive(Clone, Debug)]
enum Op {
    Lists(Vec<usize>),
    Off(usize),
}

/// Whether the writes that leave a branch are a transaction each and of one list each, or all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Apart,
    Together,
}

/// What lists and blocks that were taken off have done, and how all stands then.
#[derive(Debug, Default, PartialEq)]
struct Told {
    listed: Vec<ListedBlock>,
    retreated: Vec<RetreatedBlock>,
    accounts: Coverage,
    storages: Vec<PendingStorage>,
}

/// A block of any branch.
struct Made {
    plain: Plain,
    world: World,
    header: Header,
    raw: Bytes,
    parent: Option<usize>,
}

struct Telling {
    disk: Disk,
    made: Vec<Made>,
    /// By id.
    targets: BTreeMap<TargetId, usize>,
}

impl Telling {
    fn begin(place: Place) -> Self {
        let plain = Plain::first();
        let raw = Bytes::new();
        let mut world = plain.world(9);
        let header = header(9, B256::ZERO, world.target.root, &raw);
        world.target = TargetRecord { hash: header.hash(), ..world.target };
        let first = Made { plain, world, header, raw, parent: None };
        Self { disk: Disk::begin(place), made: vec![first], targets: BTreeMap::new() }
    }

    fn grow(&mut self, parent: usize, block: &Block) -> usize {
        let mut plain = self.made[parent].plain.clone();
        let raw = plain.apply(block);
        let below = self.made[parent].world.target;
        let mut world = plain.world(below.number + 1);
        let fields = header(below.number + 1, below.hash, world.target.root, &raw);
        // Blocks of two branches that do the same are two blocks.
        let timestamp = self.made.len() as u64;
        let header = Header::made(&HeaderFields { timestamp, ..(*fields).clone() });
        world.target = TargetRecord { hash: header.hash(), ..world.target };
        self.made.push(Made { plain, world, header, raw, parent: Some(parent) });
        self.made.len() - 1
    }

    fn write(&mut self, write: impl FnOnce(Ticket) -> Write) -> Result<Summary, Ended> {
        self.disk.write(write)
    }

    /// Records a block as the next target.
    fn name(&mut self, at: usize) {
        let id = TargetId(self.targets.len() as u32 + 1);
        self.made[at].world.target.id = id;
        self.targets.insert(id, at);
        self.disk.name(self.made[at].world.target).unwrap();
    }

    /// The newest target.
    fn head(&self) -> &World {
        &self.made[*self.targets.last_key_value().unwrap().1].world
    }

    fn journal(&self) -> StateJournal {
        self.disk.journal()
    }

    /// Accounts of a range, as of the newest target; then their storages, but for every nth.
    fn fetch(&mut self, range: HashRange, open: u8) {
        while let Some(gap) = self.journal().accounts.gaps_within(range).next() {
            let (target, accounts) = answer(self.head(), gap, 11);
            self.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 }).unwrap();
        }
        for (nth, pending) in self.journal().storages.into_iter().enumerate() {
            let is_asked = pending.claim().is_some() && !pending.is_filled();
            if is_asked && !nth.is_multiple_of(usize::from(open)) {
                self.fetch_slots(&pending, if nth.is_multiple_of(3) { 7 } else { usize::MAX });
            }
        }
        self.fetch_codes();
    }

    fn fetch_codes(&mut self) {
        self.disk.fetch_codes(&self.made[0].world).unwrap();
    }

    /// Some slots of what is missing of a claim.
    fn fetch_slots(&mut self, pending: &PendingStorage, most: usize) {
        let (claim, target) = (pending.claim().unwrap(), self.head().target.id);
        let gap = pending.parts.gaps().next().unwrap();
        let of =
            |made: &&Made| made.world.storages.get(&claim.account).map(|trie| trie.root) == Some(claim.root);
        let trie = &self.made.iter().find(of).unwrap().world.storages[&claim.account];
        let storages = prove_slots(trie, claim, gap, most);
        self.write(|ticket| Write::Storages { ticket, target, storages, response_bytes: 1 }).unwrap();
    }

    /// Puts what differs below so many nodes of the newest target's account trie.
    fn heal(&mut self, nodes: u8) {
        let target = self.head().target;
        let mut open = vec![NodeClaim::of_root(target.root)];
        for _ in 0..nodes {
            let Some(claim) = open.pop() else { return };
            let found = self.disk.compared(self.head(), None, claim);
            open.extend(found.nodes());
            let healed = HealedAccounts::new(target.root, &[found]).unwrap();
            let target = target.id;
            self.write(|ticket| Write::HealedAccounts { ticket, target, healed, response_bytes: 1 }).unwrap();
        }
    }

    fn list(&self, at: usize) -> CheckedList {
        CheckedList::check(&self.made[at].header, &self.made[at].raw).unwrap()
    }

    fn retreat(&self, at: usize) -> Retreat {
        Retreat::new(self.list(at), &self.made[self.made[at].parent.unwrap()].header).unwrap()
    }

    fn take_off(&mut self, at: usize) -> RetreatedBlock {
        self.carry(&[Op::Off(at)]).unwrap().retreated.remove(0)
    }

    /// Nothing of this changes when the power goes.
    fn lose(&mut self, ops: &[Op]) {
        let before = self.journal();
        self.disk.lose_next();
        assert!(self.carry(ops).is_err());
        self.disk.reopen();
        let after = self.journal();
        assert_eq!((after.accounts, after.storages), (before.accounts, before.storages));
    }

    /// Sends all of these, then hears of them.
    fn carry(&mut self, ops: &[Op]) -> Result<Told, Ended> {
        let mut tickets = Vec::new();
        for op in ops {
            tickets.push(match op {
                Op::Lists(blocks) => {
                    let lists = blocks.iter().map(|at| self.list(*at)).collect();
                    self.disk.run().send(|ticket| Write::Lists { ticket, lists, response_bytes: 0 })
                }
                Op::Off(at) => {
                    let retreat = Box::new(self.retreat(*at));
                    self.disk.run().send(|ticket| Write::Retreat { ticket, retreat, response_bytes: 0 })
                }
            });
        }
        let mut told = Told::default();
        for ticket in tickets {
            match self.disk.run().heard(ticket)? {
                Summary::Lists { blocks, .. } => told.listed.extend(blocks),
                Summary::Retreated(block) => told.retreated.push(block),
                other => panic!("{other:?}"),
            }
        }
        Ok(told)
    }

    /// Takes a line's blocks off, the highest first, among lists.
    fn leave(&mut self, ops: &[Op], pace: Pace, crash: Option<u8>) -> Told {
        let each = if pace == Pace::Apart { 1 } else { ops.len().max(1) };
        let mut told = Told::default();
        for (nth, ops) in ops.chunks(each).enumerate() {
            if crash.is_some_and(|crash| pace == Pace::Together || usize::from(crash) == nth) {
                self.lose(ops);
            }
            let before = self.journal();
            if let [Op::Off(at)] = ops {
                self.take_off_too_early(self.made[*at].parent.unwrap());
            }
            let Told { listed, retreated, .. } = self.carry(ops).unwrap();
            assert!(retreated.iter().all(|told| told.outcome == RetreatOutcome::Applied));
            if let ([Op::Off(_)], [block]) = (ops, &retreated[..]) {
                self.check_told(block, &before);
            }
            self.check_rows();
            told.listed.extend(listed);
            told.retreated.extend(retreated);
        }
        let StateJournal { accounts, storages, .. } = self.journal();
        Told { accounts, storages, ..told }
    }

    /// A block of which no rows are takes nothing off: they are of one above it.
    fn take_off_too_early(&mut self, at: usize) {
        let is_of = |id: &TargetId| self.is_known(*id) && self.place_of(*id) == at;
        if self.made[at].parent.is_some() && !self.targets.keys().any(is_of) {
            let before = self.journal().accounts;
            assert_eq!(self.take_off(at).outcome, RetreatOutcome::Left);
            assert_eq!(self.journal().accounts, before);
        }
    }

    /// What is told is what the journal says.
    fn check_told(&self, told: &RetreatedBlock, before: &StateJournal) {
        let after = self.journal();
        let has_turned = |key: &B256| {
            before.accounts.at(*key) != Standing::Mixed && after.accounts.at(*key) == Standing::Mixed
        };
        for key in (0..ACCOUNTS).map(key) {
            assert_eq!(has_turned(&key), told.doubtful.contains(&key));
        }
        let find = |storages: &[PendingStorage], key: &B256| {
            storages.iter().find(|pending| pending.account == *key).cloned()
        };
        for pending in &after.storages {
            let is_named = told.unsettled.cut.contains(&pending.account);
            let old = find(&before.storages, &pending.account);
            let was_claimed = old.as_ref().is_none_or(|old| old.expected.is_some());
            assert!(is_named || old.is_some(), "what is newly pending is told");
            assert!(is_named || !(was_claimed && pending.expected.is_none()), "what lost its claim is told");
            let owed = old.is_some_and(|old| old.expected.is_none());
            assert_eq!(told.unsettled.freed.contains(&pending.account), is_named && owed);
        }
        assert!(told.unsettled.owed.is_empty(), "none of them is derived before its account was asked again");
        assert!(told.unsettled.cut.iter().all(|account| find(&after.storages, account).is_some()));
    }

    /// Blocks that rows may be of which stand as of a block: those above it that lead to a block that rows are of.
    fn since(&self, journal: &StateJournal, place: usize) -> BTreeSet<usize> {
        let known =
            journal.targets.iter().filter(|target| !journal.brought.iter().any(|is| is.id == target.id));
        let places = known.chain(&journal.brought);
        let mut since = BTreeSet::from([place]);
        for target in places {
            let mut at = self.made.iter().position(|made| made.world.target.hash == target.hash);
            let mut line = BTreeSet::new();
            while let Some(block) = at {
                line.insert(block);
                if block == place {
                    since.append(&mut line);
                    break;
                }
                at = self.made[block].parent;
            }
        }
        since
    }

    fn is_known(&self, target: TargetId) -> bool {
        self.journal().targets.iter().any(|known| known.id == target)
    }

    fn place_of(&self, target: TargetId) -> usize {
        let journal = self.journal();
        let place = journal.brought.iter().chain(&journal.targets).find(|is| is.id == target).unwrap().hash;
        self.made.iter().position(|made| made.world.target.hash == place).unwrap()
    }

    /// No row counts as of a block that it does not know.
    fn check_rows(&self) {
        let (journal, snapshot) = (self.journal(), self.disk.snapshot());
        let since = |target: &TargetRecord| (target.id, self.since(&journal, self.place_of(target.id)));
        let since: BTreeMap<TargetId, BTreeSet<usize>> = journal.targets.iter().map(since).collect();
        for n in 0..ACCOUNTS {
            let key = key(n);
            let pending = journal.storages.iter().find(|pending| pending.account == key);
            let row = snapshot.account(&key).unwrap();
            if let Standing::At(target) = journal.accounts.at(key) {
                let theirs: Vec<_> =
                    since[&target].iter().map(|at| self.made[*at].world.account(&key)).collect();
                let owes = pending.is_some_and(|pending| pending.expected.is_none());
                assert!(
                    is_between(row, &theirs, owes),
                    "account {n} stands as of {target:?} and is {row:?}, not {theirs:?}"
                );
            }
            // Lists pass over an account of which nothing is known: they do not say of its slots that it was gone in between.
            let is_unknown = journal.accounts.at(key) == Standing::Mixed;
            if is_unknown && self.made.iter().any(|made| made.world.account(&key).is_none()) {
                continue;
            }
            for slot in 0..60u8 {
                let hash = slot_key(slot);
                let standing = pending.map(|pending| pending.parts.at(hash));
                let Some(Standing::At(target)) = standing else { continue };
                let held = self.slot(&snapshot, key, hash);
                let theirs = |at: &usize| {
                    let trie = self.made[*at].world.storages.get(&key);
                    trie.and_then(|trie| trie.rows.get(&hash).cloned())
                };
                assert!(
                    since[&target].iter().any(|at| theirs(at) == held),
                    "slot {slot} of {n} stands as of {target:?}"
                );
            }
        }
    }

    fn slot(&self, snapshot: &StateSnapshot, account: B256, slot: B256) -> Option<Vec<u8>> {
        let row = snapshot.slots_from(account, slot).unwrap().next()?.unwrap();
        (row.key == slot).then(|| alloy_rlp::encode(row.value))
    }

    /// Accounts of which nothing is known are asked again.
    fn renew(&mut self) -> bool {
        let journal = self.journal();
        let mixed = journal.accounts.stretches().filter(|(_, standing)| *standing == Standing::Mixed);
        let mixed: Vec<HashRange> = mixed.map(|(range, _)| range).collect();
        for range in &mixed {
            let (target, accounts) = answer(self.head(), *range, 11);
            self.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 }).unwrap();
        }
        !mixed.is_empty()
    }

    /// All that is pending comes to its end.
    fn settle(&mut self) {
        for round in 0.. {
            self.fetch_codes();
            let pendings = self.journal().storages;
            assert!(round < 1_000, "what is pending comes to no end: {pendings:?}");
            // Of an account of which nothing is known a storage may claim the root of a block that was left since: it was healed there.
            if self.renew() {
                continue;
            }
            let Some(pending) = pendings.first() else { return };
            match pending.claim() {
                Some(_) if !pending.is_filled() => self.fetch_slots(pending, usize::MAX),
                Some(claim) => {
                    let mut open = vec![NodeClaim::of_root(claim.root)];
                    while let Some(node) = open.pop() {
                        let found = self.disk.compared(self.head(), Some(claim.account), node);
                        open.extend(found.nodes());
                        let healed = vec![HealedSlots::new(claim, &[found]).unwrap()];
                        self.write(|ticket| Write::HealedSlots { ticket, healed, response_bytes: 1 })
                            .unwrap();
                    }
                    self.disk.derive_storage(claim.account).unwrap();
                }
                None if pending.is_filled() => self.disk.derive_storage(pending.account).unwrap(),
                None => {
                    let range = HashRange::single(pending.account);
                    let (target, accounts) = answer(self.head(), range, 11);
                    self.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 })
                        .unwrap();
                }
            }
        }
    }

    /// The rows give the newest target's root.
    fn check_root(&mut self) {
        let (derived, target) = (self.disk.derived(None), self.head().target);
        assert_eq!(self.disk.put_accounts(derived).unwrap(), AccountTrieOutcome::Derived(target.root));
        self.disk.record_whole(target).unwrap();
        scan(self.head(), self.disk.store());
    }
}

/// Whether each field of a row is that of one of these blocks: what was healed ahead of its place is gone over by the lists up to there.
fn is_between(row: Option<Account>, blocks: &[Option<Account>], owes: bool) -> bool {
    let fields = |account: &Option<Account>| {
        let account = account.unwrap_or(Account {
            nonce: 0,
            balance: U256::ZERO,
            storage_root: EMPTY_ROOT,
            code_hash: EMPTY_CODE,
        });
        let root = if owes { B256::ZERO } else { account.storage_root };
        [U256::from(account.nonce), account.balance, account.code_hash.into(), root.into()]
    };
    let (row, blocks): ([U256; 4], Vec<_>) = (fields(&row), blocks.iter().map(fields).collect());
    (0..4).all(|nth| blocks.iter().any(|block| block[nth] == row[nth]))
}

fn lists(line: &[usize], pace: Pace) -> impl Iterator<Item = Op> {
    let lists_per_write = if pace == Pace::Apart { 1 } else { 2 };
    line.chunks(lists_per_write).map(|blocks| Op::Lists(blocks.to_vec()))
}

/// Says what leaving each branch did, and what bringing all rows to the last block.
fn tell(place: Place, story: &Story, pace: Pace) -> Vec<Told> {
    let (mut told, mut line, mut all) = (Telling::begin(place), vec![0], Vec::new());
    for block in &story.before {
        line.push(told.grow(line[line.len() - 1], block));
    }
    // The first block, the fork, some of those that are left and the last of each branch have their parts of the key space.
    let nth_named = |branch: &Branch, nth: usize| nth + 1 == branch.blocks.len() || branch.blocks[nth].1;
    let named = |branch: &Branch| (0..branch.blocks.len()).filter(|nth| nth_named(branch, *nth)).count();
    let names = 1 + usize::from(line.len() > 1) + story.left.iter().map(named).sum::<usize>();
    let ranges = HashRange::FULL.split(story.ranges.len());
    let fetch = |told: &mut Telling| {
        let nth = told.targets.len();
        for (range, of) in ranges.iter().zip(&story.ranges) {
            if nth == names || usize::from(*of) % names + 1 == nth {
                told.fetch(*range, story.open);
            }
        }
    };
    for at in BTreeSet::from([0, line[line.len() - 1]]) {
        told.name(at);
        fetch(&mut told);
    }
    let mut fork = line.len();
    for branch in story.left.iter().chain([&story.after]) {
        let stay = fork + usize::from(branch.stay).min((line.len() - fork).saturating_sub(1));
        let (old, gone) = (line.clone(), line.split_off(stay));
        fork = stay;
        let mut gone = Some(gone).filter(|gone| !gone.is_empty());
        for (nth, (block, _)) in branch.blocks.iter().enumerate() {
            line.push(told.grow(line[line.len() - 1], block));
            if !nth_named(branch, nth) {
                continue;
            }
            told.name(line[line.len() - 1]);
            told.check_rows();
            if let Some(gone) = gone.take() {
                let [before, behind] = branch.lists.map(usize::from);
                let mut ops: Vec<Op> = lists(&old[1..old.len().min(before + 1)], pace).collect();
                ops.extend(gone.into_iter().rev().map(Op::Off));
                ops.extend(lists(&line[1..line.len().min(behind + 1)], pace));
                all.push(told.leave(&ops, pace, story.crash));
                if branch.renewed {
                    told.renew();
                }
            }
            fetch(&mut told);
        }
        told.heal(branch.healed);
        told.check_rows();
    }
    let ops: Vec<Op> = lists(&line[1..], pace).collect();
    all.push(told.leave(&ops, pace, None));
    told.settle();
    told.check_root();
    told.disk.end();
    all
}

/// Several writes in one transaction tell and leave what they do one by one.
fn tell_both(story: &Story) {
    let told = |pace| tell(Place::Memory(MemoryDisk::default()), story, pace);
    assert_eq!(told(Pace::Apart), told(Pace::Together));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_of_a_left_branch_become_those_of_the_block_where_it_forks_off(story in stories()) {
        tell_both(&story);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn what_was_left_on_a_real_disk_verifies(story in stories()) {
        let dir = tempfile::tempdir().unwrap();
        tell(Place::Disk(Box::new(config(dir.path()))), &story, Pace::Together);
        let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).unwrap();
        prop_assert_eq!(&report.findings, &[]);
        prop_assert!(report.complete);
    }
}

#[test]
fn list_that_is_another_blocks_takes_nothing_off() {
    let mut told = Telling::begin(Place::Memory(MemoryDisk::default()));
    let put = |n| Block::from([(n, Deed::Put { more: 1, code: None })]);
    let (one, other) = (told.grow(0, &put(1)), told.grow(0, &put(2)));
    let list = told.list(one);
    assert!(Retreat::new(list, &told.made[other].header).is_none(), "it is not its parent");
    assert!(CheckedList::check(&told.made[one].header, &told.made[other].raw).is_err());
    told.name(one);
    told.fetch(HashRange::FULL, 2);
    let before = told.journal();
    assert_eq!(told.take_off(other).outcome, RetreatOutcome::Left);
    assert_eq!(told.journal().accounts, before.accounts);
    assert_eq!(told.take_off(one).outcome, RetreatOutcome::Applied);
    assert_eq!(told.place_of(TargetId(1)), 0);
}

#[cfg(feature = "planted-bugs")]
#[test]
fn mistakes_about_left_blocks_are_caught() {
    use snapsync_storage::WriterBug::{BatchOutOfOrder, NamedKeyKept, RetreatTooFar};
    for bug in [NamedKeyKept, RetreatTooFar, BatchOutOfOrder] {
        let caught = synth::caught(bug, stories(), tell_both);
        assert!(caught.is_some(), "no story catches {bug:?}");
        println!("{bug:?}: story {}", caught.unwrap());
    }
}
