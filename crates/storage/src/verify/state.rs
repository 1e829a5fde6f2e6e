//! The accounts, in 256 sub-tries; what hangs below each account; and the root above them all.

use alloy_primitives::B256;
use snapsync_trie::{
    AccountRow, Builder, Coverage, HashRange, Part, Path, Standing, TargetId, join, subtries,
};

use crate::{
    error::{Error, Result},
    state::{
        dirty,
        journal::StateJournal,
        progress::CommitNumber,
        snapshot::StateSnapshot,
        store::StateStore,
        tables::{
            ACCOUNT_NODES, ACCOUNT_RANGES, ACCOUNTS, CODES, PENDING_CODES, PENDING_STORAGES, STORAGE_NODES,
            STORAGES,
        },
        undo,
    },
    verify::{
        nodes::{Expect, compare, find_strays},
        report::{Findings, Report},
        share::{VerifyConfig, share},
        storages::{self, NODES_WAITING_MAX},
    },
};

/// Two leading nibbles: 256 sub-tries, so that each snapshot is short.
const SUBTRIE_DEPTH: usize = 2;

/// What one sub-trie gave.
struct Checked {
    part: Part,
    accounts: u64,
    slots: u64,
    account_nodes: u64,
    storage_nodes: u64,
}

/// Checks all tables of the state but the codes.
pub(crate) fn check(
    store: &StateStore,
    config: VerifyConfig,
    findings: &Findings,
    report: &mut Report,
) -> Result<()> {
    let Some(journal) = findings.note(store.journal())? else { return Ok(()) };
    let progress = journal.progress.unwrap_or_default();
    report.complete = progress.rebuilt.is_some();
    report.expected_root = progress.pin.map(|pin| pin.root);
    let expect = if report.complete { Expect::All } else { Expect::Some };
    check_journal(store, &journal, report.complete, findings)?;
    let snapshot = store.snapshot()?;
    undo::check(&snapshot.txn, |error| drop(findings.note::<()>(Err(error))))?;
    let commits = findings.note(snapshot.number())?.unwrap_or(CommitNumber::NEWEST);
    let marks = dirty::check(&snapshot.txn, commits, |error| drop(findings.note::<()>(Err(error))))?;
    if report.complete && marks > 0 {
        findings.add("Progress", &[1], "the state is recorded as whole, but some rows have changed since");
    }
    drop(snapshot);
    let prefixes = subtries(SUBTRIE_DEPTH);
    let parts = share(config.threads, prefixes.len(), |at| {
        check_subtrie(store, prefixes[at], &journal.accounts, expect, findings)
    })?;
    let mut account_nodes = 0;
    let mut joined = Vec::with_capacity(parts.len());
    for checked in parts {
        report.accounts += checked.accounts;
        report.slots += checked.slots;
        report.nodes += checked.storage_nodes;
        account_nodes += checked.account_nodes;
        joined.push(checked.part);
    }
    let built = join(joined);
    let snapshot = store.snapshot()?;
    account_nodes += compare(&snapshot.txn, ACCOUNT_NODES, None, &built.nodes, expect, findings)?;
    report.nodes += account_nodes;
    report.root = Some(built.root);
    if report.complete && report.root != report.expected_root {
        let expected = report.expected_root.unwrap_or_default();
        let what = format!("the accounts give {}, the target's header says {expected}", built.root);
        findings.add(ACCOUNTS.name, &[], what);
    }
    if findings.note(snapshot.account_nodes_len())?.is_some_and(|stored| stored != account_nodes) {
        find_strays(&snapshot.txn, ACCOUNT_NODES, None, findings, |range| keys(&snapshot, range))?;
    }
    Ok(())
}

fn keys(snapshot: &StateSnapshot, range: HashRange) -> Result<impl Iterator<Item = Result<B256>> + '_> {
    let rows = snapshot.accounts_from(range.start())?;
    Ok(rows.map(|row| row.map(|row| row.key)).take_while(move |key| match key {
        Ok(key) => range.contains(key),
        Err(_) => true,
    }))
}

/// What the journal says must fit together, and fit the rows.
fn check_journal(
    store: &StateStore,
    journal: &StateJournal,
    complete: bool,
    findings: &Findings,
) -> Result<()> {
    let snapshot = store.snapshot()?;
    for pending in &journal.storages {
        let key = pending.account;
        match findings.note(snapshot.account(&key))? {
            Some(Some(account)) if pending.expected.is_none_or(|root| account.storage_root == root) => {}
            Some(_) => findings.add(PENDING_STORAGES.name, key.as_slice(), "no account claims this root"),
            None => {}
        }
    }
    for hash in &journal.codes {
        if snapshot.code(hash)?.is_some() {
            findings.add(PENDING_CODES.name, hash.as_slice(), "the code is held");
        }
    }
    let is_known = |id: &TargetId| journal.targets.iter().any(|target| target.id == *id);
    for (start, standing) in journal.accounts.marks() {
        if matches!(standing, Standing::At(target) if !is_known(target)) {
            findings.add(ACCOUNT_RANGES.name, start.as_slice(), "the target of these rows is not known");
        }
    }
    for pending in &journal.storages {
        let of_unknown =
            |(_, standing): &(B256, Standing)| matches!(standing, Standing::At(target) if !is_known(target));
        if !is_known(&pending.target) || pending.parts.marks().iter().any(of_unknown) {
            let key = pending.account.as_slice();
            findings.add(
                PENDING_STORAGES.name,
                key,
                "the target of this claim, or of its slots, is not known",
            );
        }
    }
    if complete && !(journal.accounts.is_whole() && journal.storages.is_empty() && journal.codes.is_empty()) {
        findings.add("Progress", &[1], "the state is recorded as whole, but something is still missing");
    }
    Ok(())
}

fn check_subtrie(
    store: &StateStore,
    prefix: Path,
    coverage: &Coverage,
    expect: Expect,
    findings: &Findings,
) -> Result<Checked> {
    let snapshot = store.snapshot()?;
    let mut builder = Builder::below(prefix);
    let mut checked = Checked {
        part: Builder::below(prefix).finish_part(),
        accounts: 0,
        slots: 0,
        account_nodes: 0,
        storage_nodes: 0,
    };
    let mut leaf = Vec::with_capacity(112);
    let range = prefix.range();
    for row in snapshot.accounts_from(range.start())? {
        if findings.is_full() {
            break;
        }
        // A row that cannot be read is a fault of its own; the root will differ too.
        let Some(AccountRow { key, account }) = findings.note(row)? else { continue };
        if !range.contains(&key) {
            break;
        }
        checked.accounts += 1;
        if !coverage.at(key).is_held() {
            findings.add(ACCOUNTS.name, key.as_slice(), "the account lies in a gap");
        }
        leaf.clear();
        account.write_rlp(&mut leaf);
        builder.push_leaf(key, &leaf);
        if account.has_storage() {
            let storage = storages::check(&snapshot, &key, &account, findings)?;
            checked.slots += storage.slots;
            checked.storage_nodes += storage.nodes;
        }
        if account.has_code() && !knows_code(&snapshot, &account.code_hash)? {
            findings.add(
                CODES.name,
                account.code_hash.as_slice(),
                "an account names this code; it is not there",
            );
        }
        if builder.nodes_waiting() > NODES_WAITING_MAX {
            let nodes = builder.take_nodes();
            checked.account_nodes += compare(&snapshot.txn, ACCOUNT_NODES, None, &nodes, expect, findings)?;
        }
    }
    checked.part = builder.finish_part();
    let nodes = checked.part.take_nodes();
    checked.account_nodes += compare(&snapshot.txn, ACCOUNT_NODES, None, &nodes, expect, findings)?;
    find_orphans(&snapshot, range, findings)?;
    Ok(checked)
}

fn knows_code(snapshot: &StateSnapshot, hash: &B256) -> Result<bool> {
    Ok(snapshot.code(hash)?.is_some() || snapshot.txn.get(PENDING_CODES, hash.as_slice())?.is_some())
}

/// Slots and branches below accounts that have no storage or do not exist.
fn find_orphans(snapshot: &StateSnapshot, range: HashRange, findings: &Findings) -> Result<()> {
    for table in [STORAGES, STORAGE_NODES] {
        let mut cursor = snapshot.txn.cursor(table)?;
        let mut next = Some(range.start());
        while let Some(from) = next
            && let Some((key, _)) = cursor.seek(from.as_slice())?
        {
            let Some(account) = key.first_chunk::<32>().map(|account| B256::new(*account)) else {
                return Err(Error::corrupt(table.name, key, "the key is shorter than an account's"));
            };
            if !range.contains(&account) {
                break;
            }
            let owner = findings.note(snapshot.account(&account))?;
            if owner.is_some_and(|owner| owner.is_none_or(|owner| !owner.has_storage())) {
                findings.add(table.name, key, "no account with storage stands above this");
            }
            next = HashRange::after(account);
        }
    }
    Ok(())
}
