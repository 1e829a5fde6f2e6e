//! Rows in packs against plain maps: pieces of any order, size and overlap, through the public writer, over restarts.
//!
//! Keys are those that hurt: the first and the last ones there are, long runs that differ in their last byte, and some that
//! are spread. What is held after each round is what the pieces covered, and in the end the whole state verifies.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::{B256, Bytes, U256};
use proptest::prelude::*;
use snapsync_storage::{
    CommitGate, MemoryDisk, Open, PackedAccounts, PackedStorages, StateProgress, StorageCopy, Store, Summary,
    Verdict, VerifyConfig, Write, verify,
};
use snapsync_trie::{
    Account, Coverage, Gaps, HashRange, StorageClaim, StorageQuery, rows_of, verify_accounts, verify_storages,
};
use synth::{At, Ended, Place, Run, TARGET, World, config, rebuild_storage, scan, sync};

/// What reaches the writer in one round, of one kind: the order within a batch is then not to be seen.
#[derive(Clone, Debug)]
enum Round {
    /// Account ranges by the places of their ends, each with the rows that its answer may have.
    Accounts(Vec<(u16, u16, usize)>),
    /// Whole storages from that account on, so many, some proved as a range.
    Whole(Vec<(u16, usize, Form)>),
    /// Ranges of one account's storage.
    Parts(Vec<(u16, u16, u16, usize)>),
    /// One storage to all that claim the same.
    Copy(u16),
    /// The tries of storages all of whose rows are held.
    Rebuild,
    /// The process ends and starts again.
    Reopen,
    /// The process dies before the commit of what the round would write.
    Crash(Box<Round>),
}

/// How a whole storage is answered.
#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Proved,
}

/// The nth key of the pool. A quarter each: the first keys there are, the last ones, a run in the middle, spread ones.
fn pool(n: u16) -> B256 {
    let at = n / 4;
    let near = |byte: u8, at: u16| {
        let mut key = B256::repeat_byte(byte);
        let low = u16::from_be_bytes([byte, byte]) ^ at;
        key.0[30..].copy_from_slice(&low.to_be_bytes());
        key
    };
    match n % 4 {
        0 => near(0, at),
        1 => near(0xff, at),
        2 => near(0x5a, at),
        _ => snapsync_keccak::keccak256(&at.to_be_bytes()),
    }
}

fn number(kind: u8, n: u16) -> U256 {
    match kind % 3 {
        0 => U256::ZERO,
        1 => U256::from(n),
        _ => U256::MAX,
    }
}

/// The accounts of a state by their keys' numbers, with a byte for its kind and one for its storage; and the storages.
#[derive(Clone, Debug)]
struct Plan {
    accounts: BTreeMap<u16, (u8, u8)>,
    storages: Vec<BTreeMap<u16, u8>>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let accounts = prop::collection::btree_map(0..900u16, any::<(u8, u8)>(), 1..220);
    // The same few sets of slots under many accounts, so that there is something to copy.
    let storages = prop::collection::vec(prop::collection::btree_map(0..600u16, any::<u8>(), 0..250), 1..5);
    (accounts, storages).prop_map(|(accounts, storages)| Plan { accounts, storages })
}

impl Plan {
    fn world(&self) -> World {
        let mut slots: BTreeMap<B256, BTreeMap<B256, U256>> = BTreeMap::new();
        let mut rows = BTreeMap::new();
        for (at, (n, (kind, which))) in self.accounts.iter().enumerate() {
            let nonce = number(kind / 3, *n).saturating_to();
            rows.insert(pool(*n), Account { nonce, balance: number(*kind, *n), ..Account::EMPTY });
            let set = &self.storages[usize::from(*which) % self.storages.len()];
            if at % 3 == 0 && !set.is_empty() {
                let set = set.iter().map(|(n, kind)| (pool(*n), number(kind % 2 + 1, n + 1))).collect();
                slots.insert(pool(*n), set);
            }
        }
        World::of(rows, &slots)
    }
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let place = || 0..1000u16;
    let form = prop_oneof![3 => Just(Form::Plain), 1 => Just(Form::Proved)];
    let round = prop_oneof![
        6 => prop::collection::vec((place(), place(), 1..80usize), 1..5).prop_map(Round::Accounts),
        3 => prop::collection::vec((place(), 1..20usize, form), 1..4).prop_map(Round::Whole),
        // Few accounts, so that pieces meet.
        6 => prop::collection::vec((0..4u16, place(), place(), 1..90usize), 1..6).prop_map(Round::Parts),
        1 => place().prop_map(Round::Copy),
        2 => Just(Round::Rebuild),
        2 => Just(Round::Reopen),
    ];
    let or_lost = prop_oneof![
        6 => round.clone(),
        1 => round.prop_map(|round| Round::Crash(Box::new(round))),
    ];
    prop::collection::vec(or_lost, 1..24)
}

fn range(a: u16, b: u16) -> HashRange {
    // Now and then from the first key, or to the last.
    let a = if a.is_multiple_of(7) { B256::ZERO } else { pool(a) };
    let b = if b.is_multiple_of(7) { HashRange::FULL.last() } else { pool(b) };
    HashRange::new(a.min(b), a.max(b)).unwrap()
}

/// What the store should hold, in plain maps.
#[derive(Clone)]
struct Model {
    accounts: BTreeMap<B256, Account>,
    gaps: Gaps,
    /// Of accounts held that claim slots.
    storages: BTreeMap<B256, Storage>,
}

#[derive(Clone)]
struct Storage {
    slots: BTreeMap<B256, Vec<u8>>,
    gaps: Gaps,
    settled: bool,
}

impl Model {
    fn new() -> Self {
        Self { accounts: BTreeMap::new(), gaps: Gaps::full(), storages: BTreeMap::new() }
    }

    fn cover(&mut self, world: &World, covered: HashRange) {
        for key in world.accounts.rows.range(covered.start()..=covered.last()).map(|row| *row.0) {
            self.accounts.insert(key, world.account(&key).unwrap());
            if world.storages.contains_key(&key) {
                self.storages.entry(key).or_insert_with(|| Storage {
                    slots: BTreeMap::new(),
                    gaps: Gaps::full(),
                    settled: false,
                });
            }
        }
        self.gaps.remove(covered);
    }

    fn cover_slots(&mut self, world: &World, account: &B256, covered: HashRange) {
        let Some(storage) = self.storages.get_mut(account) else { return };
        let rows = &world.storages[account].rows;
        storage
            .slots
            .extend(rows.range(covered.start()..=covered.last()).map(|(key, value)| (*key, value.clone())));
        storage.gaps.remove(covered);
        storage.settled |= covered == HashRange::FULL;
    }

    fn check(&self, store: &Store) {
        let snapshot = store.state.snapshot().unwrap();
        let held: Vec<_> = snapshot
            .accounts_from(B256::ZERO)
            .unwrap()
            .map(|row| row.map(|row| (row.key, row.account)).unwrap())
            .collect();
        assert_eq!(held, self.accounts.clone().into_iter().collect::<Vec<_>>());
        let coverage = snapshot.account_coverage().unwrap();
        assert_eq!(coverage, Coverage::all_but(self.gaps.iter(), TARGET));
        for n in 0..1000 {
            let key = pool(n);
            assert_eq!(snapshot.account(&key).unwrap().as_ref(), self.accounts.get(&key), "{key}");
            let from = snapshot.accounts_from(key).unwrap().next().map(|row| row.unwrap().key);
            assert_eq!(from, self.accounts.range(key..).next().map(|row| *row.0), "from {key}");
        }
        for (account, storage) in &self.storages {
            let slots: Vec<_> = snapshot
                .slots_from(*account, B256::ZERO)
                .unwrap()
                .map(|slot| slot.map(|slot| (slot.key, alloy_rlp::encode(slot.value))).unwrap())
                .collect();
            assert_eq!(slots, storage.slots.clone().into_iter().collect::<Vec<_>>(), "{account}");
            let parts = snapshot.pending_storage(account).unwrap().map(|pending| pending.parts);
            let expected = (!storage.settled).then(|| Coverage::all_but(storage.gaps.iter(), TARGET));
            assert_eq!(parts, expected, "{account}");
        }
    }
}

struct Story<'w> {
    world: &'w World,
    model: Model,
    place: Place,
    open: Option<(Store, Run)>,
}

/// What a round's writes came to; a round that dies comes to nothing.
type Told<T = ()> = std::result::Result<T, Ended>;

impl Story<'_> {
    fn open(&mut self, gate: Box<dyn CommitGate>) {
        let store = self.place.open();
        let run = self.place.run(&store, gate);
        self.open = Some((store, run));
    }

    fn close(&mut self) {
        if let Some((_store, run)) = self.open.take() {
            let _told_before = run.end();
        }
    }

    /// Sends all writes before it waits for the first.
    fn write(&mut self, writes: Vec<Write>) -> Told<Vec<Summary>> {
        let (_, run) = self.open.as_mut().unwrap();
        let tickets: Vec<_> = writes
            .into_iter()
            .map(|write| {
                run.send(|ticket| match write {
                    Write::Accounts { target, accounts, response_bytes, .. } => {
                        Write::Accounts { ticket, target, accounts, response_bytes }
                    }
                    Write::Storages { target, storages, response_bytes, .. } => {
                        Write::Storages { ticket, target, storages, response_bytes }
                    }
                    Write::CopyStorages { copies, .. } => Write::CopyStorages { ticket, copies },
                    write => write,
                })
            })
            .collect();
        tickets.into_iter().map(|ticket| run.heard(ticket)).collect()
    }

    fn round(&mut self, round: &Round) {
        match round {
            Round::Reopen => {
                self.close();
                self.open(Box::new(Open));
            }
            Round::Crash(round) => {
                self.close();
                self.open(Box::new(At { commit: None, verdict: || Verdict::Abort }));
                let before = self.model.clone();
                // A round that has nothing to write has nothing to lose.
                let _lost = self.try_round(round);
                self.model = before;
                self.close();
                self.open(Box::new(Open));
            }
            round => self.try_round(round).unwrap(),
        }
        self.model.check(&self.open.as_ref().unwrap().0);
        scan(self.world, &self.open.as_ref().unwrap().0);
    }

    fn try_round(&mut self, round: &Round) -> Told {
        match round {
            Round::Accounts(answers) => self.accounts(answers),
            Round::Whole(answers) => self.whole(answers),
            Round::Parts(answers) => self.parts(answers),
            Round::Copy(which) => self.copy(*which),
            Round::Rebuild => self.rebuild(),
            Round::Reopen | Round::Crash(_) => Ok(()),
        }
    }

    fn accounts(&mut self, answers: &[(u16, u16, usize)]) -> Told {
        let mut writes = Vec::new();
        for (a, b, rows_max) in answers {
            let range = range(*a, *b);
            let (rows, proof) = self.world.accounts.answer_up_to(range, *rows_max);
            let slim: Vec<_> =
                rows.iter().map(|(key, _)| (*key, self.world.account(key).unwrap().to_slim())).collect();
            let proved = verify_accounts(self.world.accounts.root, range, rows_of(&slim), &proof).unwrap();
            self.model.cover(self.world, proved.covered());
            writes.push(accounts(proved.into()));
        }
        self.write(writes).map(drop)
    }

    fn claims(&self) -> Vec<StorageClaim> {
        let claim =
            |(account, trie): (&B256, &synth::Trie)| StorageClaim { account: *account, root: trie.root };
        self.world.storages.iter().map(claim).collect()
    }

    fn whole(&mut self, answers: &[(u16, usize, Form)]) -> Told {
        let claims = self.claims();
        if claims.is_empty() {
            return Ok(());
        }
        let mut writes = Vec::new();
        for (first, count, form) in answers {
            let first = usize::from(*first) % claims.len();
            let claims = &claims[first..claims.len().min(first + count)];
            let sets: Vec<Vec<_>> = claims
                .iter()
                .map(|claim| self.world.storages[&claim.account].rows.clone().into_iter().collect())
                .collect();
            let last = &self.world.storages[&claims[claims.len() - 1].account];
            let proof: Vec<Bytes> = match form {
                Form::Plain => Vec::new(),
                Form::Proved => last.answer_up_to(HashRange::FULL, usize::MAX).1,
            };
            let query = StorageQuery { claims, range: HashRange::FULL };
            let proved = verify_storages(query, sets.iter().map(|set| rows_of(set)), &proof).unwrap();
            for set in proved.sets() {
                self.model.cover_slots(self.world, &set.claim().account, set.covered());
            }
            writes.push(storages(proved.into()));
        }
        self.write(writes).map(drop)
    }

    fn parts(&mut self, answers: &[(u16, u16, u16, usize)]) -> Told {
        let claims = self.claims();
        if claims.is_empty() {
            return Ok(());
        }
        let mut writes = Vec::new();
        for (which, a, b, rows_max) in answers {
            let claim = claims[usize::from(*which) % claims.len()];
            let range = range(*a, *b);
            let (rows, proof) = self.world.storages[&claim.account].answer_up_to(range, *rows_max);
            let query = StorageQuery { claims: &[claim], range };
            let sets: &[_] = if rows.is_empty() { &[] } else { &[rows] };
            let proved = verify_storages(query, sets.iter().map(|set| rows_of(set)), &proof).unwrap();
            for set in proved.sets() {
                self.model.cover_slots(self.world, &set.claim().account, set.covered());
            }
            writes.push(storages(proved.into()));
        }
        self.write(writes).map(drop)
    }

    fn copy(&mut self, which: u16) -> Told {
        let claims = self.claims();
        let settled: Vec<_> = claims
            .iter()
            .filter(|claim| self.model.storages.get(&claim.account).is_some_and(|storage| storage.settled))
            .collect();
        let Some(donor) = settled.get(usize::from(which) % settled.len().max(1)) else { return Ok(()) };
        let accounts: Vec<_> = claims.iter().map(|claim| claim.account).collect();
        let ticket = snapsync_storage::Ticket(0);
        // The second copy finds what the first has left.
        let (some, rest) = accounts.split_at(accounts.len() / 2);
        let copies =
            [some, rest].map(|accounts| StorageCopy { donor: **donor, accounts: accounts.to_vec() }).to_vec();
        let told = self.write(vec![Write::CopyStorages { ticket, copies }])?;
        let [Summary::Copied { settled, .. }] = &told[..] else { panic!("{told:?}") };
        for claim in &claims {
            let storage = self.model.storages.get(&claim.account);
            let takes = claim.root == donor.root && storage.is_some_and(|storage| !storage.settled);
            assert_eq!(settled.contains(&claim.account), takes, "{}", claim.account);
        }
        for account in settled {
            self.model.cover_slots(self.world, account, HashRange::FULL);
        }
        Ok(())
    }

    fn rebuild(&mut self) -> Told {
        let (store, run) = self.open.as_mut().unwrap();
        for (account, storage) in &mut self.model.storages {
            if !storage.settled && storage.gaps.is_empty() {
                let root = self.world.storages[account].root;
                rebuild_storage(store, run, StorageClaim { account: *account, root })?;
                storage.settled = true;
            }
        }
        Ok(())
    }
}

fn accounts(accounts: PackedAccounts) -> Write {
    Write::Accounts { ticket: snapsync_storage::Ticket(0), target: TARGET, accounts, response_bytes: 1 }
}

fn storages(storages: PackedStorages) -> Write {
    Write::Storages { ticket: snapsync_storage::Ticket(0), target: TARGET, storages, response_bytes: 1 }
}

/// Tells a story from an empty place to the whole state.
fn tell(world: &World, place: Place, rounds: &[Round]) {
    let mut story = Story { world, model: Model::new(), place, open: None };
    story.open(Box::new(Open));
    let progress = StateProgress { pin: Some(world.target), phase: 2, rebuilt: None };
    story.open.as_mut().unwrap().1.write(|ticket| Write::Progress { ticket, progress }).unwrap();
    for round in rounds {
        story.round(round);
    }
    let (store, run) = story.open.as_mut().unwrap();
    sync(world, store, run).unwrap();
    scan(world, store);
    story.close();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_pieces_in_any_order_make_what_they_cover(plan in plans(), rounds in rounds()) {
        let world = plan.world();
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        // Long enough for the writes of a round to meet in one commit.
        config.state.batch_max_wait = Duration::from_millis(1);
        tell(&world, Place::Disk(Box::new(config)), &rounds);
        let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 9 }).unwrap();
        prop_assert_eq!(&report.findings, &[]);
        prop_assert!(report.complete);
        prop_assert_eq!(report.accounts, world.accounts.rows.len() as u64);
        let slots: usize = world.storages.values().map(|trie| trie.rows.len()).sum();
        prop_assert_eq!(report.slots, slots as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // ROW: F30
    #[test]
    fn any_pieces_in_any_order_make_what_they_cover_in_memory(plan in plans(), rounds in rounds()) {
        tell(&plan.world(), Place::Memory(MemoryDisk::default()), &rounds);
    }
}
