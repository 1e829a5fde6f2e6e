//! What it costs to bring rows of one block to a later one, by each of the three ways: access lists, trie nodes, ranges.
//!
//! `cargo bench -p snapsync-driver --bench reconcile -- [leaves] [changes] [ways]`: a state of so many accounts (1,000,000) of which so many have
//! another balance (10,000), apart from each other; ways are some of `nodes`, `ranges`, `lists`, with commas (all). Figures are processor time of
//! this thread, from the answer to the commit, which the state's real writer makes on a real disk; what a peer spends on its answers is not
//! counted. The account trie is derived afterwards in any case.
//!
//! With `catch-up [leaves] [changes] [blocks]...` instead: see `catch_up`.

mod blocks;
mod catch_up;

use std::{collections::BTreeMap, collections::BTreeSet, convert::Infallible, error::Error, time::Duration};

use alloy_primitives::{B256, Bytes};
use blocks::{account, block, key};
use snapsync_driver::{compared, provers::Proved};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    Chain, CheckedList, Config, Open, StateProgress, StateStore, StateWriterSteps, Store, TargetRecord,
    Ticket, Write,
};
use snapsync_stream::{Answered, RequestId, WantedNode};
use snapsync_trie::{
    Account, Branch, Builder, HashRange, NodeClaim, Path, TargetId, TrieSource, prove, prove_node, rows_of,
    verify_accounts,
};
use snapsync_wire::snap::{AccountRange, TrieNodes};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Nodes in a request, as a sync asks for them.
const NODES_PER_REQUEST: usize = 256;
/// Bytes of rows in the answer to a repair, likewise.
const REPAIR_BYTES: usize = 2 << 10;
/// Changes in a block.
const CHANGES_PER_BLOCK: usize = 500;
/// Blocks whose lists are applied in a transaction.
const BLOCKS_PER_COMMIT: usize = 16;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).peekable();
    if words.next_if(|word| word == "catch-up").is_some() {
        return catch_up::run(&words.collect::<Vec<_>>());
    }
    let leaves: u64 = words.next().map_or(Ok(1_000_000), |word| word.parse())?;
    let changes: u64 = words.next().map_or(Ok(10_000), |word| word.parse())?;
    let ways = words.next().unwrap_or_else(|| "nodes,ranges,lists".into());
    let is_asked = |way: &str| ways.split(',').any(|asked| asked == way);
    let before: BTreeMap<u64, u64> = (0..leaves).map(|number| (number, number)).collect();
    // Each so many-th, in an order in which none is beside the next.
    let changed: Vec<u64> =
        (0..changes.min(leaves)).map(|at| at * (leaves / changes.max(1)).max(1)).collect();
    let mut after = before.clone();
    after.extend(changed.iter().map(|number| (*number, number + leaves)));
    let (ours, theirs) = (Trie::new(&before), Trie::new(&after));
    println!("{leaves} accounts, {} of them changed", changed.len());
    println!("| way | requests | bytes a change | nodes, blocks | us a change | changes a CPU second |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let differ = nodes_above(&theirs, &changed)?;
    for (asked, name, way) in [("nodes", "trie nodes", by_nodes as Way), ("ranges", "ranges", by_ranges)] {
        if !is_asked(asked) {
            continue;
        }
        let cost = walk(&ours, &theirs, way)?;
        cost.print(name, changed.len(), format!("{} asked for, {differ} differ", cost.nodes));
    }
    if is_asked("lists") {
        let (cost, check) = lists(&ours, &theirs, &before, &changed)?;
        cost.print("access lists", changed.len(), format!("{} blocks", cost.nodes));
        let writer = Cost { cpu: cost.cpu - check, ..cost };
        writer.print("of that the writer", changed.len(), format!("{} blocks", writer.nodes));
    }
    Ok(())
}

/// A state in memory: what a peer has.
struct Trie {
    rows: BTreeMap<B256, Vec<u8>>,
    branches: BTreeMap<Path, Branch>,
    root: B256,
}

impl Trie {
    fn new(balances: &BTreeMap<u64, u64>) -> Self {
        let rows: BTreeMap<B256, Vec<u8>> =
            balances.iter().map(|(number, balance)| (key(*number), account(*balance).to_rlp())).collect();
        let mut builder = Builder::new();
        rows.iter().for_each(|(key, row)| builder.push_leaf(*key, row));
        let built = builder.finish();
        Self { branches: built.nodes.branches().collect(), root: built.root, rows }
    }

    /// Rows from the origin on, up to so many bytes, and their proof.
    fn answer(&self, range: HashRange, bytes: usize) -> Outcome<AccountRange> {
        let (mut rows, mut size) = (Vec::new(), 0);
        for (key, row) in self.rows.range(range.start()..) {
            let slim = Bytes::from(Account::from_rlp(row)?.to_slim());
            size += 32 + slim.len();
            rows.push((*key, slim));
            if size >= bytes || *key >= range.last() {
                break;
            }
        }
        let edges: Vec<B256> =
            [Some(range.start()), rows.last().map(|(key, _)| *key)].into_iter().flatten().collect();
        let proof = prove(&mut &*self, &edges)?;
        Ok(AccountRange { id: 0, accounts: rows.iter().map(|(key, slim)| (*key, slim)).collect(), proof })
    }
}

impl TrieSource for &Trie {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        Ok(self.rows.range(at_or_after..).next().map(|(key, bytes)| {
            value.extend_from_slice(bytes);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.branches.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }
}

/// How many nodes of theirs lie above rows that have changed.
fn nodes_above(theirs: &Trie, changed: &[u64]) -> Outcome<usize> {
    let mut nodes = BTreeSet::new();
    for number in changed {
        nodes.extend(prove(&mut &*theirs, &[key(*number)])?.iter().map(|node| keccak256(node)));
    }
    Ok(nodes.len())
}

/// A directory that holds a state whole, and is to be brought to another.
struct Disk {
    store: StateStore,
    writer: StateWriterSteps,
    tickets: u64,
    // Removed last.
    folder: tempfile::TempDir,
}

/// The target that rows are to be brought to.
const TARGET: TargetId = TargetId(2);

impl Disk {
    fn holding(ours: &Trie, theirs: &Trie, hash: B256) -> Outcome<Self> {
        Self::of(ours, theirs.root, hash)
    }

    /// Holds ours, and is to come to a state of another root.
    fn of(ours: &Trie, root: B256, hash: B256) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store =
            Store::open(&Config::mainnet(folder.path(), 192 << 20), Chain { id: 1, genesis: B256::ZERO })?;
        let writer = store.state.writer_steps(Box::new(Open))?;
        let mut disk = Self { store: store.state, writer, tickets: 0, folder };
        disk.target(TargetRecord { id: TargetId(1), number: 1, hash, root: ours.root })?;
        let slim: Vec<(B256, Vec<u8>)> = ours
            .rows
            .iter()
            .map(|(key, row)| Ok((*key, Account::from_rlp(row)?.to_slim())))
            .collect::<Outcome<_>>()?;
        let accounts = verify_accounts(ours.root, HashRange::FULL, rows_of(&slim), [&[]; 0])?;
        let ticket = disk.ticket();
        disk.commit(vec![Write::Accounts {
            ticket,
            target: TargetId(1),
            accounts: accounts.into(),
            response_bytes: 0,
        }])?;
        disk.target(TargetRecord { id: TARGET, number: 2, hash: B256::repeat_byte(2), root })?;
        Ok(disk)
    }

    fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn target(&mut self, pin: TargetRecord) -> Outcome<()> {
        let (ticket, progress) = (self.ticket(), StateProgress { pin: Some(pin), phase: 2, rebuilt: None });
        self.commit(vec![Write::Progress { ticket, progress }])
    }

    fn commit(&mut self, batch: Vec<Write>) -> Outcome<()> {
        self.writer.commit(batch)?;
        Ok(())
    }

    /// Whether all rows are theirs.
    fn check(&self, theirs: &Trie) -> Outcome<()> {
        let snapshot = self.store.snapshot()?;
        let mut expected = theirs.rows.iter();
        for row in snapshot.accounts_from(B256::ZERO)? {
            let row = row?;
            if expected.next() != Some((&row.key, &row.account.to_rlp())) {
                return Err(format!("the row at {} is not theirs", row.key).into());
            }
        }
        Ok(())
    }
}

/// What a way costs.
#[derive(Default)]
struct Cost {
    requests: u64,
    bytes: u64,
    nodes: u64,
    cpu: Duration,
}

impl Cost {
    fn print(&self, name: &str, changes: usize, nodes: String) {
        let Self { requests, bytes, cpu, .. } = self;
        let each = cpu.as_secs_f64() / changes as f64;
        println!(
            "| {name} | {requests} | {} | {nodes} | {:.1} | {:.0} |",
            bytes / changes as u64,
            each * 1e6,
            1.0 / each
        );
    }

    /// Counts the time of this thread.
    fn time<T>(&mut self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let start = cpu_time()?;
        let done = work()?;
        self.cpu += cpu_time()? - start;
        Ok(done)
    }
}

/// Time that this thread has spent on a processor.
fn cpu_time() -> Outcome<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(schedstat.split(' ').next().unwrap_or_default().parse()?))
}

/// Asks theirs for some of what is open, and compares the answer with what is on the disk.
type Way = fn(&Disk, &Trie, &mut Vec<WantedNode>, &mut Cost) -> Outcome<Proved>;

fn by_nodes(disk: &Disk, theirs: &Trie, open: &mut Vec<WantedNode>, cost: &mut Cost) -> Outcome<Proved> {
    let wanted = open.split_off(open.len().saturating_sub(NODES_PER_REQUEST));
    let nodes = wanted.iter().map(|node| prove_node(&mut &*theirs, &node.claim.path()));
    let nodes: Vec<Bytes> = nodes.map(|node| Ok(node?.unwrap_or_default())).collect::<Outcome<_>>()?;
    cost.bytes += nodes.iter().map(|node| node.len() as u64).sum::<u64>();
    cost.nodes += nodes.len() as u64;
    cost.time(|| {
        let (ours, answer) = (disk.store.snapshot()?, TrieNodes { id: 0, nodes });
        Ok(compared::nodes(&ours, RequestId(0), (TARGET, theirs.root, &wanted), answer)?)
    })
}

fn by_ranges(disk: &Disk, theirs: &Trie, open: &mut Vec<WantedNode>, cost: &mut Cost) -> Outcome<Proved> {
    let wanted = open.pop().ok_or("nothing is open")?;
    let answer = theirs.answer(wanted.range(), REPAIR_BYTES)?;
    cost.bytes +=
        answer.accounts.content_bytes() + answer.proof.iter().map(|node| node.len() as u64).sum::<u64>();
    cost.nodes += 1;
    cost.time(|| {
        let ours = disk.store.snapshot()?;
        Ok(compared::accounts(&ours, RequestId(0), (TARGET, theirs.root, wanted.claim), &answer)?)
    })
}

/// Walks down until nothing is open; what differs is committed many answers together.
fn walk(ours: &Trie, theirs: &Trie, way: Way) -> Outcome<Cost> {
    const ANSWERS_PER_COMMIT: usize = 64;
    let mut disk = Disk::holding(ours, theirs, B256::repeat_byte(1))?;
    let mut cost = Cost::default();
    let mut open = vec![WantedNode { account: None, claim: NodeClaim::of_root(theirs.root) }];
    let mut batch = Vec::new();
    while !open.is_empty() {
        let proved = way(&disk, theirs, &mut open, &mut cost)?;
        cost.requests += 1;
        match proved.verdict.answered {
            Answered::Nodes { below, .. } | Answered::Shown { below, .. } => {
                open.extend(below.into_iter().rev())
            }
            other => return Err(format!("{other:?}").into()),
        }
        batch.extend(proved.write);
        if batch.len() >= ANSWERS_PER_COMMIT || open.is_empty() {
            let batch = std::mem::take(&mut batch);
            cost.time(|| disk.commit(batch))?;
        }
    }
    disk.check(theirs)?;
    Ok(cost)
}

/// The same by the access lists of as many blocks as hold the changes; and what of it checks them, which threads do beside the writer's.
fn lists(
    ours: &Trie,
    theirs: &Trie,
    before: &BTreeMap<u64, u64>,
    changed: &[u64],
) -> Outcome<(Cost, Duration)> {
    let mut parent = B256::repeat_byte(1);
    let mut disk = Disk::holding(ours, theirs, parent)?;
    let (mut cost, mut check) = (Cost::default(), Cost::default());
    let mut blocks = Vec::new();
    for (number, changed) in (2u64..).zip(changed.chunks(CHANGES_PER_BLOCK)) {
        let balances = changed.iter().map(|number| (*number, number + before.len() as u64)).collect();
        let (header, list) = block(number, parent, theirs.root, &balances);
        parent = header.hash();
        blocks.push((header, list));
    }
    for blocks in blocks.chunks(BLOCKS_PER_COMMIT) {
        cost.requests += 1;
        cost.nodes += blocks.len() as u64;
        cost.bytes += blocks.iter().map(|(_, list)| list.len() as u64).sum::<u64>();
        let ticket = disk.ticket();
        let lists = check.time(|| {
            let lists = blocks.iter().map(|(header, raw)| CheckedList::check(header, raw));
            Ok(lists.collect::<Result<_, _>>().map_err(|fault| format!("{fault:?}"))?)
        })?;
        cost.time(|| disk.commit(vec![Write::Lists { ticket, lists, response_bytes: 0 }]))?;
    }
    cost.cpu += check.cpu;
    disk.check(theirs)?;
    Ok((cost, check.cpu))
}
