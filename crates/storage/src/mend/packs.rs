//! Packs that cannot be read go, and what they held of rows is missing from then on.
//!
//! ```text
//!        a1 .. a9   b3 .. ?? ..   d1 .. d8        the pack at b3 cannot be read: nobody knows what it held, so
//!                ├───── missing ─┤                what lies between its neighbours' rows is missing
//! ```
//!
//! Of accounts, what hangs below them goes with them: they come anew, and claim whatever they claim. A storage is pending with a gap; its
//! account is asked again what it claims. Branches are only dropped: the rows give them back.

use alloy_primitives::B256;
use snapsync_trie::{Coverage, HashRange, PendingStorage, Standing};

use crate::{
    env::{Table, WriteTxn},
    error::{Error, Result},
    mend::{begin::readable, mending::Mending},
    state::{
        accounts::{self, hash_key},
        apply_storages,
        fences::Fences,
        nodes,
        pack::PackRows,
        pack_writer,
        pending::{self, PendingRow},
        storages,
        tables::{ACCOUNT_NODES, ACCOUNTS, PENDING_STORAGES, STORAGE_NODES, STORAGES},
    },
};

/// Packs that are dropped in one transaction.
const BROKEN_MAX: usize = 64;

const HASH: usize = 32;

/// A pack that cannot be read, and between what it lies.
#[derive(Debug)]
struct Broken {
    key: Vec<u8>,
    /// The row before it, with its prefix.
    after: Option<Vec<u8>>,
    /// The key of the pack behind it.
    next: Option<Vec<u8>>,
}

/// Drops what cannot be read of one table.
pub(crate) fn mend(mending: &mut Mending<'_>, table: &'static Table) -> Result<()> {
    let prefix_len = if [STORAGES.index, STORAGE_NODES.index].contains(&table.index) { HASH } else { 0 };
    let snapshot = mending.snapshot()?;
    let mut cursor = snapshot.txn.cursor(table)?;
    let (mut pack, mut after, mut broken) = (cursor.seek(&[])?, None, Vec::new());
    while let Some((key, value)) = pack {
        let next = cursor.next()?;
        match readable(read(table, prefix_len, (key, value), next.map(|(next, _)| next)))? {
            Some(last) => after = Some(last),
            None => broken.push(Broken {
                key: key.to_vec(),
                after: after.clone(),
                next: next.map(|(next, _)| next.to_vec()),
            }),
        }
        if broken.len() == BROKEN_MAX {
            drop_all(mending, table, &std::mem::take(&mut broken))?;
        }
        pack = next;
    }
    drop_all(mending, table, &broken)
}

/// Reads a pack to its end, and each row of it; gives the key of the last one.
fn read(
    table: &'static Table,
    prefix_len: usize,
    (key, value): (&[u8], &[u8]),
    next: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let rows = PackRows::new(table, prefix_len, key, value)?;
    if next.is_some_and(|next| next <= key) {
        return Err(Error::corrupt(table.name, key, "the next pack begins before this one"));
    }
    let prefix = &key[..prefix_len];
    let end = next.and_then(|next| next.strip_prefix(prefix));
    let mut rows = rows.ending_before(end)?;
    let mut last = key.to_vec();
    while let Some((row, body)) = rows.next()? {
        if table.index == ACCOUNTS.index {
            hash_key(table.name, row)?;
            accounts::decode(row, body)?;
        } else if table.index == STORAGES.index {
            storages::decode(prefix, row, body)?;
        } else {
            nodes::path(table, row)?;
            nodes::decode(table, row, body)?;
        }
        last.truncate(prefix_len);
        last.extend_from_slice(row);
    }
    Ok(last)
}

fn drop_all(mending: &mut Mending<'_>, table: &'static Table, broken: &[Broken]) -> Result<()> {
    if broken.is_empty() {
        return Ok(());
    }
    mending.change(|txn, mending| {
        for pack in broken {
            if !txn.delete(table, &pack.key)? {
                return Err(Error::corrupt(table.name, &pack.key, "the pack cannot be taken out"));
            }
            mending.mended.packs += 1;
            if table.index == ACCOUNTS.index {
                lose_accounts(txn, mending, pack)?;
            } else if table.index == STORAGES.index {
                lose_slots(txn, mending, pack)?;
            }
        }
        Ok(())
    })
}

/// What lies between two keys, neither of which is meant. They may be of any length.
fn between(after: Option<&[u8]>, next: Option<&[u8]>) -> Option<HashRange> {
    let padded = |key: &[u8]| {
        let len = key.len().min(HASH);
        B256::right_padding_from(&key[..len])
    };
    let start = after.map_or(Some(B256::ZERO), |after| HashRange::after(padded(after)))?;
    let last = next.map_or(Some(HashRange::FULL.last()), |next| HashRange::before(padded(next)))?;
    HashRange::new(start, last)
}

fn lose_accounts(txn: &WriteTxn<'_>, mending: &mut Mending<'_>, pack: &Broken) -> Result<()> {
    let Some(range) = between(pack.after.as_deref(), pack.next.as_deref()) else { return Ok(()) };
    mending.held.lose(txn, range)?;
    mending.mended.ranges += 1;
    pack_writer::cut(txn, ACCOUNT_NODES, &[], &Fences::before_branches(range.start()))?;
    for table in [STORAGES, STORAGE_NODES, PENDING_STORAGES] {
        let mut from = Some(range.start());
        while let Some(start) = from {
            let found = txn.cursor(table)?.seek(start.as_slice())?;
            let account = found.and_then(|(key, _)| key.first_chunk::<HASH>().map(|key| B256::new(*key)));
            let Some(account) = account.filter(|account| range.contains(account)) else { break };
            apply_storages::clear(txn, &account)?;
            txn.delete(PENDING_STORAGES, account.as_slice())?;
            from = HashRange::after(account);
        }
    }
    Ok(())
}

fn lose_slots(txn: &WriteTxn<'_>, mending: &mut Mending<'_>, pack: &Broken) -> Result<()> {
    // Whose they were cannot be told of a shorter key: whoever lacks them does not give the root that is claimed.
    let Some(account) = pack.key.first_chunk::<HASH>().map(|key| B256::new(*key)) else { return Ok(()) };
    let of_account = |key: &Option<Vec<u8>>| {
        key.as_ref().and_then(|key| key.strip_prefix(account.as_slice())).map(<[u8]>::to_vec)
    };
    let (after, next) = (of_account(&pack.after), of_account(&pack.next));
    let Some(range) = between(after.as_deref(), next.as_deref()) else { return Ok(()) };
    let row = match pending::get(txn, &account)? {
        Some(row) => row,
        None if claims_storage(txn, &account)? => {
            mending.mended.storages += 1;
            let parts = Coverage::all(Standing::Mixed);
            let storage = PendingStorage { account, expected: None, target: mending.pin.id, parts };
            PendingRow { storage, since: mending.commit_number() }
        }
        // Nobody claims these slots: what is left of them goes later.
        None => return Ok(()),
    };
    let mut row = PendingRow { since: mending.commit_number(), ..row };
    row.storage.parts.set(range, Standing::Missing);
    if row.storage.parts.marks().len() > Coverage::STRETCHES_MAX {
        // So little of it is sound that it comes anew.
        apply_storages::clear(txn, &account)?;
        row.storage.parts = Coverage::missing();
    } else {
        let fence = Fences::before_branches(range.start());
        pack_writer::cut(txn, STORAGE_NODES, account.as_slice(), &fence)?;
    }
    pending::put(txn, &row, &mut Vec::new())
}

fn claims_storage(txn: &WriteTxn<'_>, account: &B256) -> Result<bool> {
    let row = pack_writer::find(txn, ACCOUNTS, &[], account.as_slice())?;
    row.map_or(Ok(false), |row| Ok(accounts::decode(account.as_slice(), &row)?.has_storage()))
}
