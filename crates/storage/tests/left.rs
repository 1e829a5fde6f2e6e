//! Rows of blocks that the chain has left: the lists of these blocks name what they changed, and all else becomes the rows of the block where
//! the chain forks off. In any order, with crashes, rows healed in between and storages in pieces they end as the rows of a plain map.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_storage::{
    CheckedList, Derived, HealedAccounts, HealedSlots, MemoryDisk, Open, Retreat, RetreatOutcome,
    RetreatedBlock, StateProgress, Store, Summary, TargetRecord, Verdict, VerifyConfig, Write, verify,
};
use snapsync_trie::{
    Account, Differences, EMPTY_CODE, EMPTY_ROOT, HashRange, NodeClaim, PendingStorage, Standing,
    StorageQuery, TargetId, compare, prove_node, rebuild_whole, rows_of, verify_codes, verify_nodes,
    verify_storages,
};
use snapsync_wire::{Header, HeaderFields};
use synth::{
    At, Ended, Place, Run, World, config,
    plain::{Block, Deed, Plain, answer, blocks, header, key, parts},
    scan,
};

/// A story: blocks up to the fork, those that are left, those that take their place, and how rows came to be of them.
#[derive(Clone, Debug)]
struct Story {
    before: Vec<Block>,
    /// Whether each was a target.
    left: Vec<(Block, bool)>,
    after: Vec<Block>,
    /// Of which target the rows of each part of the key space are, of those there are.
    ranges: Vec<u8>,
    /// Every nth storage stays as the range left it.
    open: u8,
    /// Nodes of the last left block that are compared with ours.
    healed: u8,
    /// Before which of the writes that take a block off the power goes.
    crash: Option<u8>,
}

fn stories() -> impl Strategy<Value = Story> {
    let left = prop::collection::vec((blocks(), any::<bool>()), 1..4);
    let ranges = prop::collection::vec(any::<u8>(), 1..9);
    let (before, after) = (prop::collection::vec(blocks(), 0..3), prop::collection::vec(blocks(), 1..3));
    (before, left, after, ranges, 2..6u8, 0..12u8, prop::option::of(0..3u8)).prop_map(
        |(before, left, after, ranges, open, healed, crash)| Story {
            before,
            left,
            after,
            ranges,
            open,
            healed,
            crash,
        },
    )
}

/// A block of either chain.
struct Made {
    plain: Plain,
    world: World,
    header: Header,
    raw: Bytes,
    parent: Option<usize>,
}

struct Telling {
    place: Place,
    made: Vec<Made>,
    /// By id.
    targets: BTreeMap<TargetId, usize>,
    store: Option<Store>,
    run: Option<Run>,
}

impl Telling {
    fn begin(place: Place) -> Self {
        let store = place.open();
        let run = place.run(&store, Box::new(Open));
        let plain = Plain::first();
        let raw = Bytes::new();
        let mut world = plain.world(9);
        let header = header(9, B256::ZERO, world.target.root, &raw);
        world.target = TargetRecord { hash: header.hash(), ..world.target };
        let first = Made { plain, world, header, raw, parent: None };
        Self { place, made: vec![first], targets: BTreeMap::new(), store: Some(store), run: Some(run) }
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

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn write(&mut self, write: impl FnOnce(snapsync_storage::Ticket) -> Write) -> Result<Summary, Ended> {
        self.run.as_mut().unwrap().write(write)
    }

    /// Records a block as the next target.
    fn name(&mut self, at: usize) {
        let id = TargetId(self.targets.len() as u32 + 1);
        self.made[at].world.target.id = id;
        self.targets.insert(id, at);
        let progress = StateProgress { pin: Some(self.made[at].world.target), phase: 2, rebuilt: None };
        self.write(|ticket| Write::Progress { ticket, progress }).unwrap();
    }

    fn newest(&self) -> usize {
        *self.targets.last_key_value().unwrap().1
    }

    fn journal(&self) -> snapsync_storage::StateJournal {
        self.store().state.journal().unwrap()
    }

    /// Accounts of a range, as of the newest target; then their storages, but for every nth.
    fn fetch(&mut self, range: HashRange, open: u8) {
        while let Some(gap) = self.journal().accounts.gaps_within(range).next() {
            let (target, accounts) = answer(&self.made[self.newest()].world, gap, 11);
            self.write(|ticket| Write::Accounts { ticket, target, accounts, response_bytes: 1 }).unwrap();
        }
        for (nth, pending) in self.journal().storages.into_iter().enumerate() {
            if !nth.is_multiple_of(usize::from(open)) && !pending.is_filled() {
                self.fetch_slots(&pending, if nth.is_multiple_of(3) { 7 } else { usize::MAX });
            }
        }
        self.fetch_codes();
    }

    fn fetch_codes(&mut self) {
        let missing = self.journal().codes;
        if !missing.is_empty() {
            let found = missing.iter().map(|hash| self.made[0].world.codes[hash].clone()).collect();
            let codes = verify_codes(&missing, found).unwrap();
            self.write(|ticket| Write::Codes { ticket, codes, response_bytes: 1 }).unwrap();
        }
    }

    /// Some slots of what is missing of a claim.
    fn fetch_slots(&mut self, pending: &PendingStorage, most: usize) {
        let (claim, target) = (pending.claim().unwrap(), self.made[self.newest()].world.target.id);
        let gap = pending.parts.gaps().next().unwrap();
        let of =
            |made: &&Made| made.world.storages.get(&claim.account).map(|trie| trie.root) == Some(claim.root);
        let trie = &self.made.iter().find(of).unwrap().world.storages[&claim.account];
        let (rows, mut proof) = trie.answer_up_to(gap, most);
        if gap == HashRange::FULL && rows.len() == trie.rows.len() {
            proof.clear();
        }
        let query = StorageQuery { claims: &[claim], range: gap };
        let storages = verify_storages(query, [rows_of(&rows)], &proof).unwrap().into();
        self.write(|ticket| Write::Storages { ticket, target, storages, response_bytes: 1 }).unwrap();
    }

    /// A node of the newest target's trie, or of a storage of its, beside ours.
    fn compared(&self, account: Option<B256>, claim: NodeClaim) -> Differences {
        let world = &self.made[self.newest()].world;
        let snapshot = self.store().state.snapshot().unwrap();
        let mut theirs = account.map_or(&world.accounts, |account| &world.storages[&account]);
        let Ok(node) = prove_node(&mut theirs, &claim.path());
        let node = verify_nodes(&[claim], vec![node.unwrap()]).unwrap().remove(0);
        let told = match account {
            None => compare(&mut snapshot.account_trie().unwrap(), &node),
            Some(account) => compare(&mut snapshot.storage_trie(account).unwrap(), &node),
        };
        told.unwrap().unwrap()
    }

    /// Puts what differs below so many nodes of the newest target's account trie.
    fn heal(&mut self, nodes: u8) {
        let target = self.made[self.newest()].world.target;
        let mut open = vec![NodeClaim::of_root(target.root)];
        for _ in 0..nodes {
            let Some(claim) = open.pop() else { return };
            let found = self.compared(None, claim);
            open.extend(found.nodes());
            let healed = HealedAccounts::new(target.root, &[found]).unwrap();
            let target = target.id;
            self.write(|ticket| Write::HealedAccounts { ticket, target, healed, response_bytes: 1 }).unwrap();
        }
    }

    fn retreat(&self, at: usize) -> Retreat {
        let made = &self.made[at];
        let list = CheckedList::check(&made.header, &made.raw).unwrap();
        Retreat::new(list, &self.made[made.parent.unwrap()].header).unwrap()
    }

    fn take_off(&mut self, at: usize) -> Result<RetreatedBlock, Ended> {
        let retreat = Box::new(self.retreat(at));
        match self.write(|ticket| Write::Retreat { ticket, retreat, response_bytes: 0 })? {
            Summary::Retreated(told) => Ok(told),
            other => panic!("{other:?}"),
        }
    }

    /// Takes blocks off that are left, the highest first.
    fn leave(&mut self, left: &[usize], crash: Option<u8>) {
        for (nth, at) in left.iter().enumerate().rev() {
            let is_of =
                |at: usize| self.targets.keys().any(|id| self.is_known(*id) && self.place_of(*id) == at);
            if nth > 0 && !is_of(left[nth - 1]) {
                let before = self.journal();
                let told = self.take_off(left[nth - 1]).unwrap();
                assert_eq!(told.outcome, RetreatOutcome::Left, "rows are of one above it");
                assert_eq!(self.journal().accounts, before.accounts);
            }
            let before = self.journal();
            if crash.is_some_and(|crash| usize::from(crash) == nth) {
                let _told_before = self.run.take().map(Run::end);
                let gate = At { commit: None, verdict: || Verdict::Abort };
                self.run = Some(self.place.run(self.store(), Box::new(gate)));
                assert!(self.take_off(*at).is_err());
                self.reopen();
                assert_eq!(
                    (self.journal().accounts, self.journal().storages),
                    (before.accounts.clone(), before.storages.clone())
                );
            }
            let told = self.take_off(*at).unwrap();
            assert_eq!(told.outcome, RetreatOutcome::Applied);
            self.check_told(&told, &before);
            self.check_rows();
        }
    }

    /// What is told is what the journal says.
    fn check_told(&self, told: &RetreatedBlock, before: &snapsync_storage::StateJournal) {
        let after = self.journal();
        let keys = self.made[0].plain.accounts.keys().chain([&0, &5, &10]).map(|n| key(*n));
        let has_turned = |key: &B256| {
            before.accounts.at(*key) != Standing::Mixed && after.accounts.at(*key) == Standing::Mixed
        };
        for key in keys {
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
    fn since(&self, place: usize) -> BTreeSet<usize> {
        let journal = self.journal();
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
        let (journal, snapshot) = (self.journal(), self.store().state.snapshot().unwrap());
        for n in 0..40 {
            let key = key(n);
            let pending = journal.storages.iter().find(|pending| pending.account == key);
            let row = snapshot.account(&key).unwrap();
            if let Standing::At(target) = journal.accounts.at(key) {
                let since = self.since(self.place_of(target));
                let theirs: Vec<_> = since.iter().map(|at| self.made[*at].world.account(&key)).collect();
                let owes = pending.is_some_and(|pending| pending.expected.is_none());
                assert!(
                    is_between(row, &theirs, owes),
                    "account {n} stands as of {target:?} and is {row:?}, not {theirs:?}"
                );
            }
            for slot in 0..60u8 {
                let hash = alloy_primitives::keccak256(U256::from(slot).to_be_bytes::<32>());
                let standing = pending.map(|pending| pending.parts.at(hash));
                let Some(Standing::At(target)) = standing else { continue };
                let held = self.slot(&snapshot, key, hash);
                let theirs = |at: &usize| {
                    let trie = self.made[*at].world.storages.get(&key);
                    trie.and_then(|trie| trie.rows.get(&hash).cloned())
                };
                let since = self.since(self.place_of(target));
                assert!(
                    since.iter().any(|at| theirs(at) == held),
                    "slot {slot} of {n} stands as of {target:?}"
                );
            }
        }
    }

    fn slot(&self, snapshot: &snapsync_storage::StateSnapshot, account: B256, slot: B256) -> Option<Vec<u8>> {
        let row = snapshot.slots_from(account, slot).unwrap().next()?.unwrap();
        (row.key == slot).then(|| alloy_rlp::encode(row.value))
    }

    fn reopen(&mut self) {
        let _told_before = self.run.take().map(Run::end);
        self.store = None;
        let store = self.place.open();
        self.run = Some(self.place.run(&store, Box::new(Open)));
        self.store = Some(store);
    }

    /// Accounts of which nothing is known are asked again.
    fn renew(&mut self) -> bool {
        let journal = self.journal();
        let mixed = journal.accounts.stretches().filter(|(_, standing)| *standing == Standing::Mixed);
        let mixed: Vec<HashRange> = mixed.map(|(range, _)| range).collect();
        for range in &mixed {
            let (target, accounts) = answer(&self.made[self.newest()].world, *range, 11);
            self.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 }).unwrap();
        }
        !mixed.is_empty()
    }

    fn bring(&mut self, blocks: &[usize]) {
        for at in blocks {
            let made = &self.made[*at];
            let lists = vec![CheckedList::check(&made.header, &made.raw).unwrap()];
            self.write(|ticket| Write::Lists { ticket, lists, response_bytes: 0 }).unwrap();
            self.check_rows();
        }
    }

    /// All that is pending comes to its end.
    fn settle(&mut self) {
        for round in 0.. {
            self.fetch_codes();
            let pendings = self.journal().storages;
            assert!(round < 1_000, "what is pending comes to no end: {pendings:?}");
            let Some(pending) = pendings.first() else {
                if self.renew() {
                    continue;
                }
                return;
            };
            match pending.claim() {
                Some(_) if !pending.is_filled() => self.fetch_slots(pending, usize::MAX),
                Some(claim) => {
                    let mut open = vec![NodeClaim::of_root(claim.root)];
                    while let Some(node) = open.pop() {
                        let found = self.compared(Some(claim.account), node);
                        open.extend(found.nodes());
                        let healed = vec![HealedSlots::new(claim, &[found]).unwrap()];
                        self.write(|ticket| Write::HealedSlots { ticket, healed, response_bytes: 1 })
                            .unwrap();
                    }
                    self.derive_storage(claim.account);
                }
                None if pending.is_filled() => self.derive_storage(pending.account),
                None => {
                    let range = HashRange::single(pending.account);
                    let (target, accounts) = answer(&self.made[self.newest()].world, range, 11);
                    self.write(|ticket| Write::Renewal { ticket, target, accounts, response_bytes: 1 })
                        .unwrap();
                }
            }
        }
    }

    fn derive_storage(&mut self, account: B256) {
        let snapshot = self.store().state.snapshot().unwrap();
        let (root, changes) = rebuild_whole(&mut snapshot.storage_trie(account).unwrap()).unwrap();
        let seen = snapshot.number().unwrap();
        drop(snapshot);
        for (nodes, derived) in parts(root, changes) {
            self.write(|ticket| Write::StorageNodes { ticket, account, nodes, derived, seen }).unwrap();
        }
    }

    /// The rows give the newest target's root.
    fn check_root(&mut self) {
        let snapshot = self.store().state.snapshot().unwrap();
        let (root, changes) = rebuild_whole(&mut snapshot.account_trie().unwrap()).unwrap();
        let seen = snapshot.number().unwrap();
        drop(snapshot);
        let target = self.made[self.newest()].world.target;
        assert_eq!(root, target.root);
        for (nodes, derived) in parts(root, changes) {
            let is_last = matches!(derived, Derived::Whole(_));
            let told = self.write(|ticket| Write::AccountNodes { ticket, nodes, derived, seen }).unwrap();
            assert!(!is_last || format!("{told:?}").contains("Derived"), "{told:?}");
        }
        let progress = StateProgress { pin: Some(target), phase: 7, rebuilt: Some(root) };
        self.write(|ticket| Write::Progress { ticket, progress }).unwrap();
        scan(&self.made[self.newest()].world, self.store());
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

fn tell(place: Place, story: &Story) {
    let mut told = Telling::begin(place);
    let mut line = vec![0];
    let grow = |told: &mut Telling, from: usize, blocks: Vec<&Block>| {
        let mut line = Vec::new();
        let mut at = from;
        for block in blocks {
            at = told.grow(at, block);
            line.push(at);
        }
        line
    };
    line.extend(grow(&mut told, 0, story.before.iter().collect()));
    let fork = *line.last().unwrap();
    let left = grow(&mut told, fork, story.left.iter().map(|(block, _)| block).collect());
    let after = grow(&mut told, fork, story.after.iter().collect());
    // The first block, the fork, some of those that are left and the last of them; each has its parts of the key space.
    let mut named = vec![0];
    named.extend((fork > 0).then_some(fork));
    let nth = |nth: usize| nth + 1 == left.len() || story.left[nth].1;
    named.extend((0..left.len()).filter(|at| nth(*at)).map(|at| left[at]));
    let ranges = HashRange::FULL.split(story.ranges.len());
    for (nth, at) in named.iter().enumerate() {
        told.name(*at);
        let is_last = nth + 1 == named.len();
        for (range, of) in ranges.iter().zip(&story.ranges) {
            if is_last || usize::from(*of) % named.len() == nth {
                told.fetch(*range, story.open);
            }
        }
    }
    told.heal(story.healed);
    told.name(*after.last().unwrap());
    told.check_rows();
    told.leave(&left, story.crash);
    told.renew();
    told.bring(&line[1..]);
    told.bring(&after);
    told.settle();
    told.check_root();
    told.run.take().unwrap().end().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_of_a_left_branch_become_those_of_the_block_where_it_forks_off(story in stories()) {
        tell(Place::Memory(MemoryDisk::default()), &story);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn what_was_left_on_a_real_disk_verifies(story in stories()) {
        let dir = tempfile::tempdir().unwrap();
        tell(Place::Disk(Box::new(config(dir.path()))), &story);
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
    let list = CheckedList::check(&told.made[one].header, &told.made[one].raw).unwrap();
    assert!(Retreat::new(list.clone(), &told.made[other].header).is_none(), "it is not its parent");
    assert!(CheckedList::check(&told.made[one].header, &told.made[other].raw).is_err());
    told.name(one);
    told.fetch(HashRange::FULL, 2);
    let before = told.journal();
    assert_eq!(told.take_off(other).unwrap().outcome, RetreatOutcome::Left);
    assert_eq!(told.journal().accounts, before.accounts);
    assert_eq!(told.take_off(one).unwrap().outcome, RetreatOutcome::Applied);
    assert_eq!(told.place_of(TargetId(1)), 0);
}

#[cfg(feature = "planted-bugs")]
#[test]
fn mistakes_about_left_blocks_are_caught() {
    use snapsync_storage::WriterBug::{NamedKeyKept, RetreatTooFar};
    for bug in [NamedKeyKept, RetreatTooFar] {
        let caught = synth::caught(bug, stories(), |story| {
            tell(Place::Memory(MemoryDisk::default()), story);
        });
        assert!(caught.is_some(), "no story catches {bug:?}");
        println!("{bug:?}: story {}", caught.unwrap());
    }
}
