//! Storages from their slots, by the accounts that claim them; what nobody claims goes; codes that accounts name and nobody has.
//!
//! ```text
//!   the slots give the root that the row claims    it is settled, if it was not
//!   they give another one                          it is pending; which of the two is wrong is not known here
//!   a part is missing                              it is pending; its account is asked again
//! ```
//!
//! A claim is expected only where the account rows give the target's root: else it might be the claim that is rotten, and peers would
//! be asked for what never was. Then the root is owed: the row takes what the slots give, and healing finds what differs.

use alloy_primitives::B256;
use snapsync_trie::{Account, Builder, Coverage, HashRange, Path, PendingStorage, Standing};

use crate::{
    env::{Table, WriteTxn},
    error::Result,
    mend::{
        compare::{BranchChanges, Compared},
        mending::Mending,
        tries::BRANCHES_MAX,
    },
    record::seal,
    state::{
        apply_storages,
        pending::{self, PendingRow},
        snapshot::StateSnapshot,
        storages,
        tables::{CODES, PENDING_CODES, PENDING_STORAGES, STORAGE_NODES, STORAGES},
    },
};

/// What is to change. A transaction takes as many as there are branches in a portion.
enum Fix {
    Branches {
        account: B256,
        held: Coverage,
        changes: BranchChanges,
    },
    /// It waits for this from now on.
    Pend(PendingStorage),
    /// It waits no more.
    Settle(B256),
    /// Nobody claims it.
    Clear(B256),
    /// An account names this code, and nobody has it.
    Code(B256),
}

/// Changes that wait for a transaction.
struct Fixes<'m, 's> {
    mending: &'m mut Mending<'s>,
    waiting: Vec<Fix>,
    weight: usize,
}

impl Fixes<'_, '_> {
    fn add(&mut self, fix: Fix) -> Result<()> {
        self.weight += if let Fix::Branches { changes, .. } = &fix { changes.len() } else { 1 };
        self.waiting.push(fix);
        if self.weight > BRANCHES_MAX { self.write() } else { Ok(()) }
    }

    fn branches(&mut self, trie: &Compared<'_>, account: B256, changes: &mut BranchChanges) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(changes);
        self.add(Fix::Branches { account, held: trie.held.clone(), changes })
    }

    fn write(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.weight = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        self.mending.change(|txn, mending| waiting.into_iter().try_for_each(|fix| apply(txn, mending, fix)))
    }
}

fn apply(txn: &WriteTxn<'_>, mending: &mut Mending<'_>, fix: Fix) -> Result<()> {
    match fix {
        Fix::Branches { account, held, changes } => {
            mending.mended.branches += changes.len() as u64;
            Compared { account: Some(account), prefix: Path::ROOT, held: &held }.put(txn, &changes)
        }
        Fix::Pend(storage) => {
            let is_new = pending::get(txn, &storage.account)?.is_none();
            mending.mended.storages += u64::from(is_new);
            let row = PendingRow { storage, since: mending.commit_number() };
            pending::put(txn, &row, &mut Vec::new())
        }
        Fix::Settle(account) => txn.delete(PENDING_STORAGES, account.as_slice()).map(drop),
        Fix::Clear(account) => {
            apply_storages::clear(txn, &account)?;
            txn.delete(PENDING_STORAGES, account.as_slice()).map(drop)
        }
        Fix::Code(hash) => txn.put(PENDING_CODES, hash.as_slice(), &seal(hash.as_slice(), &[])),
    }
}

/// Puts the storages right of all accounts below one prefix.
pub(crate) fn mend(mending: &mut Mending<'_>, prefix: Path) -> Result<()> {
    let (snapshot, range) = (mending.snapshot()?, prefix.range());
    let is_proven = mending.at.is_some_and(|at| at.is_proven);
    let mut fixes = Fixes { mending, waiting: Vec::new(), weight: 0 };
    let mut slots = 0;
    for row in snapshot.accounts_from(range.start())? {
        let row = row?;
        if !range.contains(&row.key) {
            break;
        }
        let code = row.account.code_hash;
        let is_known = |table| Ok(snapshot.txn.get(table, code.as_slice())?.is_some());
        if is_proven && row.account.has_code() && !is_known(CODES)? && !is_known(PENDING_CODES)? {
            fixes.add(Fix::Code(code))?;
        }
        if row.account.has_storage() {
            slots += storage(&snapshot, &row.key, &row.account, is_proven, &mut fixes)?;
        }
    }
    for table in [STORAGES, STORAGE_NODES, PENDING_STORAGES] {
        unclaimed(&snapshot, table, range, &mut fixes)?;
    }
    fixes.write()?;
    if let Some(at) = &mut mending.at {
        at.counted.slots += slots;
    }
    Ok(())
}

/// One storage; returns how many slots are held.
fn storage(
    snapshot: &StateSnapshot,
    key: &B256,
    account: &Account,
    is_proven: bool,
    fixes: &mut Fixes<'_, '_>,
) -> Result<u64> {
    let pending = snapshot.pending_storage(key)?;
    let all = || Coverage::all(Standing::Mixed);
    let held = pending.as_ref().map_or_else(all, |pending| pending.parts.clone());
    let trie = Compared { account: Some(*key), prefix: Path::ROOT, held: &held };
    let (mut builder, mut changes) = (Builder::new(), BranchChanges::new());
    let (mut slots, mut found, mut leaf) = (0, 0, Vec::with_capacity(33));
    for slot in snapshot.slots_from(*key, B256::ZERO)? {
        let slot = slot?;
        leaf.clear();
        storages::write_leaf(&slot.value, &mut leaf);
        builder.push_leaf(slot.key, &leaf);
        slots += 1;
        if builder.nodes_waiting() > BRANCHES_MAX {
            found += trie.branches(&snapshot.txn, &builder.take_nodes(), &mut changes)?;
            fixes.branches(&trie, *key, &mut changes)?;
        }
    }
    let built = builder.finish();
    found += trie.branches(&snapshot.txn, &built.nodes, &mut changes)?;
    if trie.stored(&snapshot.txn)? != found {
        trie.strays(&snapshot.txn, |range| keys(snapshot, *key, range), &mut changes)?;
    }
    fixes.branches(&trie, *key, &mut changes)?;
    let (claimed, target) = (account.storage_root, fixes.mending.pin.id);
    let is_claimed = held.is_whole() && built.root == claimed;
    match pending {
        None if is_claimed => {}
        None => {
            let expected = is_proven.then_some(claimed);
            fixes.add(Fix::Pend(PendingStorage { account: *key, expected, target, parts: all() }))?;
        }
        Some(pending) if is_claimed && (is_proven || pending.expected == Some(claimed)) => {
            fixes.add(Fix::Settle(*key))?;
        }
        Some(pending) => {
            let now = match is_proven {
                true => PendingStorage { expected: Some(claimed), target, ..pending.clone() },
                false => PendingStorage {
                    expected: pending.expected.filter(|root| *root == claimed),
                    ..pending.clone()
                },
            };
            if now != pending {
                fixes.add(Fix::Pend(now))?;
            }
        }
    }
    Ok(slots)
}

fn keys(
    snapshot: &StateSnapshot,
    account: B256,
    range: HashRange,
) -> Result<impl Iterator<Item = Result<B256>> + '_> {
    let slots = snapshot.slots_from(account, range.start())?;
    Ok(slots.map(|slot| slot.map(|slot| slot.key)).take_while(move |key| match key {
        Ok(key) => range.contains(key),
        Err(_) => true,
    }))
}

/// What stands in a table by account, of which there is no account, or none with a storage.
fn unclaimed(
    snapshot: &StateSnapshot,
    table: &'static Table,
    range: HashRange,
    fixes: &mut Fixes<'_, '_>,
) -> Result<()> {
    let mut cursor = snapshot.txn.cursor(table)?;
    let mut next = Some(range.start());
    while let Some(from) = next
        && let Some((key, _)) = cursor.seek(from.as_slice())?
        && let Some(account) = key.first_chunk::<32>().map(|account| B256::new(*account))
        && range.contains(&account)
    {
        if snapshot.account(&account)?.is_none_or(|owner| !owner.has_storage()) {
            fixes.add(Fix::Clear(account))?;
        }
        next = HashRange::after(account);
    }
    Ok(())
}
