//! A small made-up state with true proofs, and a sync of it into a store that is so simple that it cannot be wrong.
//!
//! It asks itself instead of peers. Everything reaches the disk as it does in earnest: proved by `snapsync_trie`, written by
//! the writer, one commit a write, so that "commit N" is a place and not a race. The disk is a real one with a writer thread, or one
//! in memory whose writer takes a step when it is told to.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its own part of the world; a failing test may panic anywhere"
)]

pub(crate) mod books;
pub(crate) mod chain;
pub(crate) mod deeds;
pub(crate) mod mended;
pub(crate) mod plain;
pub(crate) mod told;

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::mpsc,
    time::Duration,
};

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    Chain, CommitGate, Config, Derived, Error, MemoryDisk, NodeChanges, Notice, PackedAccounts, Result,
    StateProgress, StateWriter, StateWriterSteps, StorageCopy, Store, Summary, TargetRecord, Ticket, Verdict,
    Write,
};
use snapsync_trie::{
    Account, Branch, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, Path, PendingStorage, StorageClaim,
    StorageQuery, TargetId, TrieSource, join, prove, rebuild, rebuild_whole, rows_of, subtries,
    verify_accounts, verify_codes, verify_storages,
};

/// The one target of a made-up state.
pub(crate) const TARGET: TargetId = TargetId(1);

/// Rows in an answer of the made-up peer.
const ANSWER_ROWS: usize = 25;

pub(crate) struct Trie {
    pub(crate) rows: BTreeMap<B256, Vec<u8>>,
    pub(crate) nodes: BTreeMap<Path, Branch>,
    pub(crate) root: B256,
}

impl Trie {
    pub(crate) fn new(rows: BTreeMap<B256, Vec<u8>>) -> Self {
        let mut builder = Builder::new();
        for (key, value) in &rows {
            builder.push_leaf(*key, value);
        }
        let built = builder.finish();
        Self { rows, nodes: built.nodes.branches().collect(), root: built.root }
    }

    /// The first rows of `range`, up to the answer's size or the first one at or behind its end, and their proof.
    fn answer(&self, range: HashRange) -> (Vec<(B256, Vec<u8>)>, Vec<Bytes>) {
        self.answer_up_to(range, ANSWER_ROWS)
    }

    /// The same, with another size of the answer.
    pub(crate) fn answer_up_to(
        &self,
        range: HashRange,
        rows_max: usize,
    ) -> (Vec<(B256, Vec<u8>)>, Vec<Bytes>) {
        let mut rows = Vec::new();
        for (key, value) in self.rows.range(range.start()..) {
            rows.push((*key, value.clone()));
            if rows.len() == rows_max || *key >= range.last() {
                break;
            }
        }
        let last = rows.last().map_or(range.start(), |row| row.0);
        let Ok(proof) = prove(&mut &*self, &[range.start(), last]);
        (rows, proof)
    }
}

impl TrieSource for &Trie {
    type Error = Infallible;

    fn next_row(
        &mut self,
        at_or_after: B256,
        value: &mut Vec<u8>,
    ) -> std::result::Result<Option<B256>, Infallible> {
        Ok(self.rows.range(at_or_after..).next().map(|(key, row)| {
            value.extend_from_slice(row);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> std::result::Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.nodes.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

/// The made-up state.
pub(crate) struct World {
    pub(crate) accounts: Trie,
    pub(crate) storages: BTreeMap<B256, Trie>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
    pub(crate) target: TargetRecord,
}

pub(crate) const CHAIN: Chain = Chain { id: 1337, genesis: B256::repeat_byte(0x47) };

impl World {
    /// `accounts` accounts: every third has storage (1 slot, sometimes 5, one of them `huge`), shared and own codes.
    pub(crate) fn new(accounts: u64, huge: u64) -> Self {
        let (mut rows, mut storages, mut codes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for at in 0..accounts {
            let key = keccak256(&at.to_be_bytes());
            let mut account = Account { nonce: at, balance: U256::from(at * at), ..Account::EMPTY };
            if at % 3 == 0 {
                let slots = if at == 3 { huge } else { [1, 5][usize::from(at % 4 == 0)] };
                // Some storages are the same.
                let trie = storage(slots, at / 12);
                account.storage_root = trie.root;
                storages.insert(key, trie);
                let code = Bytes::from(format!("code {}", at % 10).into_bytes());
                account.code_hash = keccak256(&code);
                codes.insert(account.code_hash, code);
            }
            rows.insert(key, account.to_rlp());
        }
        Self::around(rows, storages, codes)
    }

    /// These accounts, and under some of them these slots.
    pub(crate) fn of(
        accounts: BTreeMap<B256, Account>,
        slots: &BTreeMap<B256, BTreeMap<B256, U256>>,
    ) -> Self {
        let storages: BTreeMap<B256, Trie> = slots
            .iter()
            .map(|(account, slots)| {
                (
                    *account,
                    Trie::new(slots.iter().map(|(key, value)| (*key, alloy_rlp::encode(value))).collect()),
                )
            })
            .collect();
        let rows = accounts
            .into_iter()
            .map(|(key, mut account)| {
                account.storage_root = storages.get(&key).map_or(EMPTY_ROOT, |trie| trie.root);
                (key, account.to_rlp())
            })
            .collect();
        Self::around(rows, storages, BTreeMap::new())
    }

    pub(crate) fn around(
        rows: BTreeMap<B256, Vec<u8>>,
        storages: BTreeMap<B256, Trie>,
        codes: BTreeMap<B256, Bytes>,
    ) -> Self {
        let accounts = Trie::new(rows);
        let target = TargetRecord { id: TARGET, number: 9, hash: B256::repeat_byte(9), root: accounts.root };
        Self { accounts, storages, codes, target }
    }

    pub(crate) fn account(&self, key: &B256) -> Option<Account> {
        self.accounts.rows.get(key).map(|rlp| decode(rlp))
    }
}

fn storage(slots: u64, salt: u64) -> Trie {
    let row = |at: u64| {
        let key = keccak256(&[salt.to_be_bytes(), at.to_be_bytes()].concat());
        (key, alloy_rlp::encode(U256::from(at + 1 + salt * 1000)))
    };
    Trie::new((0..slots).map(row).collect())
}

fn decode(rlp: &[u8]) -> Account {
    use alloy_rlp::Decodable;
    let mut rest = alloy_rlp::Header::decode_bytes(&mut &*rlp, true).unwrap();
    Account {
        nonce: u64::decode(&mut rest).unwrap(),
        balance: U256::decode(&mut rest).unwrap(),
        storage_root: B256::decode(&mut rest).unwrap(),
        code_hash: B256::decode(&mut rest).unwrap(),
    }
}

pub(crate) fn config(datadir: &std::path::Path) -> Config {
    let mut config = Config::small(datadir);
    config.state.batch_max_wait = Duration::ZERO;
    config.history.batch_max_wait = Duration::ZERO;
    config
}

/// Where a store is kept.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Disk(Box<Config>),
    Memory(MemoryDisk),
}

impl Place {
    pub(crate) fn open(&self) -> Store {
        match self {
            Self::Disk(config) => Store::open(config, CHAIN).unwrap(),
            Self::Memory(disk) => Store::open_memory(disk, CHAIN).unwrap(),
        }
    }

    pub(crate) fn run(&self, store: &Store, gate: Box<dyn CommitGate>) -> Run {
        match self {
            Self::Disk(config) => Run::new(store, config, gate),
            Self::Memory(_) => Run::with(Hands::Steps(Box::new(Steps {
                steps: store.state.writer_steps(gate).unwrap(),
                queued: Vec::new(),
            }))),
        }
    }
}

/// Says no at one commit, or at each.
pub(crate) struct At {
    pub(crate) commit: Option<u64>,
    pub(crate) verdict: fn() -> Verdict,
}

impl CommitGate for At {
    fn before_commit(&mut self, number: u64) -> Verdict {
        if self.commit.is_none_or(|commit| commit == number) { (self.verdict)() } else { Verdict::Pass }
    }
}

/// A running writer whose every write is waited for.
pub(crate) struct Run {
    hands: Hands,
    told: VecDeque<Notice<Summary>>,
    tickets: u64,
    pub(crate) commits: u64,
    /// Commits of answers, which a peer had to give.
    pub(crate) fetches: u64,
}

enum Hands {
    Thread(StateWriter, mpsc::Receiver<Notice<Summary>>),
    Steps(Box<Steps>),
}

/// A writer in steps, and what waits for the next.
struct Steps {
    steps: StateWriterSteps,
    queued: Vec<Write>,
}

impl Steps {
    /// Commits what is queued, all together.
    fn commit(&mut self) -> Vec<Notice<Summary>> {
        match self.steps.commit(std::mem::take(&mut self.queued)) {
            Ok(done) => {
                done.into_iter().map(|(ticket, summary)| Notice::Committed { ticket, summary }).collect()
            }
            Err(error) => vec![Notice::Failed { kind: error.kind(), message: error.to_string() }],
        }
    }
}

impl Run {
    pub(crate) fn new(store: &Store, config: &Config, gate: Box<dyn CommitGate>) -> Self {
        let (tell, notices) = mpsc::channel();
        let notify = Box::new(move |notice| tell.send(notice).unwrap());
        Self::with(Hands::Thread(store.state.writer_behind(config, gate, notify).unwrap(), notices))
    }

    fn with(hands: Hands) -> Self {
        Self { hands, told: VecDeque::new(), tickets: 0, commits: 0, fetches: 0 }
    }

    /// Writes and waits; the summary, or why the writer ended.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(Ticket) -> Write,
    ) -> std::result::Result<Summary, Ended> {
        let ticket = self.send(write);
        self.heard(ticket)
    }

    /// Sends a write that may share its commit with those before and behind it.
    pub(crate) fn send(&mut self, write: impl FnOnce(Ticket) -> Write) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        match &mut self.hands {
            Hands::Thread(writer, _) => {
                // It may have ended at the write before: whoever waits for that is told why.
                let _told_later = writer.send(write(ticket));
            }
            Hands::Steps(steps) => steps.queued.push(write(ticket)),
        }
        ticket
    }

    /// Waits for a write; they are heard of in the order in which they were sent.
    pub(crate) fn heard(&mut self, expected: Ticket) -> std::result::Result<Summary, Ended> {
        if self.told.is_empty() {
            match &mut self.hands {
                Hands::Thread(_, notices) => self.told.push_back(notices.recv().unwrap()),
                Hands::Steps(steps) => self.told.extend(steps.commit()),
            }
        }
        match self.told.pop_front().unwrap() {
            Notice::Committed { ticket, summary } => {
                assert_eq!(ticket, expected);
                self.commits += 1;
                let answer = matches!(
                    summary,
                    Summary::Accounts { .. } | Summary::Storages { .. } | Summary::Codes { .. }
                );
                self.fetches += u64::from(answer);
                Ok(summary)
            }
            Notice::Failed { kind, message } => Err(Ended { kind, message }),
        }
    }

    /// Ends it. A writer in steps has said already why it ended.
    pub(crate) fn end(self) -> Result<()> {
        match self.hands {
            Hands::Thread(writer, _) => writer.join(),
            Hands::Steps(_) => Ok(()),
        }
    }
}

/// Why a run ended early, as its notice says.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

/// Syncs from where the journal stands to the derived root. Ends early when a commit fails.
pub(crate) fn sync(world: &World, store: &Store, run: &mut Run) -> std::result::Result<(), Ended> {
    let progress = StateProgress { pin: Some(world.target), phase: 2, rebuilt: None };
    if store.state.journal()?.progress.is_none() {
        run.write(|ticket| Write::Progress { ticket, progress })?;
    }
    loop {
        let journal = store.state.journal()?;
        if let Some(hashes) = Some(&journal.codes).filter(|codes| !codes.is_empty()) {
            let found = hashes.iter().map(|hash| world.codes[hash].clone()).collect();
            let codes = verify_codes(hashes, found).unwrap();
            run.write(|ticket| Write::Codes { ticket, codes, response_bytes: 1 })?;
        } else if let Some(pending) = journal.storages.first() {
            fetch_storage(world, store, run, pending)?;
        } else if let Some(gap) = journal.accounts.gaps().next() {
            // Not from the gap's start alone: holes in the middle must be kept too.
            let parts = if gap.share() > 0.1 { 3 } else { 1 };
            fetch_accounts(world, run, gap.split(parts).pop().unwrap())?;
        } else {
            break;
        }
    }
    rebuild_accounts(world, store, run)
}

/// An answer of accounts of this range.
fn answered(world: &World, range: HashRange) -> PackedAccounts {
    let (rows, proof) = world.accounts.answer(range);
    let slim: Vec<_> = rows.iter().map(|(key, rlp)| (*key, decode(rlp).to_slim())).collect();
    verify_accounts(world.accounts.root, range, rows_of(&slim), &proof).unwrap().into()
}

pub(crate) fn fetch_accounts(
    world: &World,
    run: &mut Run,
    range: HashRange,
) -> std::result::Result<(), Ended> {
    let accounts = answered(world, range);
    run.write(|ticket| Write::Accounts { ticket, target: TARGET, accounts, response_bytes: 1 })?;
    Ok(())
}

/// One account, asked again.
pub(crate) fn renew(world: &World, run: &mut Run, key: B256) -> std::result::Result<(), Ended> {
    let accounts = answered(world, HashRange::single(key));
    run.write(|ticket| Write::Renewal { ticket, target: TARGET, accounts, response_bytes: 1 })?;
    Ok(())
}

pub(crate) fn fetch_storage(
    world: &World,
    store: &Store,
    run: &mut Run,
    pending: &PendingStorage,
) -> std::result::Result<(), Ended> {
    let claim = pending.claim().unwrap();
    if let Some(donor) = donor(world, store, &claim) {
        let copies = vec![StorageCopy { donor, accounts: vec![claim.account] }];
        let copied = run.write(|ticket| Write::CopyStorages { ticket, copies })?;
        assert_eq!(copied, Summary::Copied { settled: vec![claim.account], refused: vec![] });
        return Ok(());
    }
    let Some(range) = pending.parts.gaps().next() else { return rebuild_storage(store, run, claim) };
    let trie = &world.storages[&claim.account];
    let (rows, mut proof) = trie.answer(range);
    if range == HashRange::FULL && rows.len() == trie.rows.len() {
        proof.clear();
    }
    let query = StorageQuery { claims: &[claim], range };
    let storages = verify_storages(query, [rows_of(&rows)], &proof).unwrap();
    let storages = storages.into();
    run.write(|ticket| Write::Storages { ticket, target: TARGET, storages, response_bytes: 1 })?;
    Ok(())
}

/// Another account with the same storage that is settled.
fn donor(world: &World, store: &Store, claim: &StorageClaim) -> Option<StorageClaim> {
    let snapshot = store.state.snapshot().unwrap();
    world
        .storages
        .iter()
        .filter(|(account, trie)| trie.root == claim.root && **account != claim.account)
        .map(|(account, _)| *account)
        .find(|account| {
            snapshot.account(account).unwrap().is_some()
                && snapshot.pending_storage(account).unwrap().is_none()
        })
        .map(|account| StorageClaim { account, root: claim.root })
}

pub(crate) fn rebuild_storage(
    store: &Store,
    run: &mut Run,
    claim: StorageClaim,
) -> std::result::Result<(), Ended> {
    let snapshot = store.state.snapshot()?;
    let seen = snapshot.number()?;
    let (root, changes) = rebuild_whole(&mut snapshot.storage_trie(claim.account)?)?;
    assert_eq!(root, claim.root);
    let (last, account) = (changes.len() - 1, claim.account);
    for (nth, nodes) in changes.into_iter().enumerate() {
        let derived = if nth == last { Derived::Whole(root) } else { Derived::Part };
        run.write(|ticket| Write::StorageNodes { ticket, account, nodes, derived, seen })?;
    }
    Ok(())
}

fn rebuild_accounts(world: &World, store: &Store, run: &mut Run) -> std::result::Result<(), Ended> {
    let root = derive_accounts(store, run)?;
    assert_eq!(root, world.accounts.root);
    record_whole(world, run)
}

/// Derives the account trie; gives its root.
pub(crate) fn derive_accounts(store: &Store, run: &mut Run) -> std::result::Result<B256, Ended> {
    let mut parts = Vec::new();
    let seen = store.state.snapshot()?.number()?;
    for prefix in subtries(1) {
        let mut changes = Vec::new();
        let snapshot = store.state.snapshot()?;
        parts.push(rebuild(&mut snapshot.account_trie()?, prefix, &mut |change| {
            changes.push(change);
            Ok(())
        })?);
        for nodes in changes {
            run.write(|ticket| Write::AccountNodes { ticket, nodes, derived: Derived::Part, seen })?;
        }
    }
    let built = join(parts);
    let nodes = NodeChanges { put: built.nodes, removed: built.removed };
    let derived = Derived::Whole(built.root);
    run.write(|ticket| Write::AccountNodes { ticket, nodes, derived, seen })?;
    Ok(built.root)
}

pub(crate) fn record_whole(world: &World, run: &mut Run) -> std::result::Result<(), Ended> {
    let progress = StateProgress { pin: Some(world.target), phase: 7, rebuilt: Some(world.accounts.root) };
    run.write(|ticket| Write::Progress { ticket, progress })?;
    Ok(())
}

/// A full scan: what the journal claims is held is there and right, and what it says is missing is not there.
pub(crate) fn scan(world: &World, store: &Store) {
    let journal = store.state.journal().unwrap();
    let snapshot = store.state.snapshot().unwrap();
    let expected: Vec<_> = world
        .accounts
        .rows
        .keys()
        .filter(|key| journal.accounts.at(**key).is_held())
        .map(|key| (*key, world.account(key).unwrap()))
        .collect();
    let held: Vec<_> = snapshot
        .accounts_from(B256::ZERO)
        .unwrap()
        .map(|row| row.map(|row| (row.key, row.account)).unwrap())
        .collect();
    assert_eq!(held, expected, "accounts held are those outside the gaps");
    let mut slots_expected = 0;
    for (key, account) in &held {
        let pending = journal.storages.iter().find(|pending| pending.account == *key);
        let slots: Vec<_> = snapshot
            .slots_from(*key, B256::ZERO)
            .unwrap()
            .map(|slot| slot.map(|slot| (slot.key, alloy_rlp::encode(slot.value))).unwrap())
            .collect();
        let missing = |key: &B256| pending.is_some_and(|pending| !pending.parts.at(*key).is_held());
        let reference: Vec<_> = world
            .storages
            .get(key)
            .into_iter()
            .flat_map(|trie| trie.rows.clone())
            .filter(|(key, _)| !missing(key))
            .collect();
        assert_eq!(slots, reference, "slots held are those outside the sub-gaps");
        slots_expected += slots.len() as u64;
        assert_eq!(account.storage_root == EMPTY_ROOT, !world.storages.contains_key(key));
        if account.code_hash != EMPTY_CODE {
            let code = snapshot.code(&account.code_hash).unwrap();
            let pending = journal.codes.contains(&account.code_hash);
            assert_eq!(code.is_some(), !pending, "a code is held or pending");
            assert!(code.is_none_or(|code| code == world.codes[&account.code_hash].as_ref()));
        }
    }
    let rows = snapshot.rows().unwrap();
    assert_eq!(rows.slots, slots_expected, "no slot without its account");
    assert_eq!(journal.counters.accounts, rows.accounts);
    assert_eq!(journal.counters.slots, rows.slots);
    assert_eq!(journal.counters.codes, rows.codes);
    if journal.progress.is_some_and(|progress| progress.rebuilt.is_some()) {
        assert_eq!(rows.account_nodes, world.accounts.nodes.len() as u64);
        assert_eq!(
            rows.storage_nodes,
            world.storages.values().map(|trie| trie.nodes.len() as u64).sum::<u64>()
        );
    }
}

/// The first story of `stories` that catches a mistake of the writer.
#[cfg(feature = "planted-bugs")]
pub(crate) fn caught<T: std::fmt::Debug>(
    bug: snapsync_storage::WriterBug,
    stories: impl proptest::strategy::Strategy<Value = T>,
    tell: impl Fn(&T) + std::panic::RefUnwindSafe,
) -> Option<usize>
where
    T: std::panic::RefUnwindSafe,
{
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..500).find(|_| {
        let story = stories.new_tree(&mut runner).unwrap().current();
        snapsync_storage::plant(Some(bug));
        let told = std::panic::catch_unwind(|| tell(&story));
        snapsync_storage::plant(None);
        told.is_err()
    })
}
