//! The state in a finished data directory beside geth's, row by row: what differs is named, not only that something does.

use std::{collections::BTreeMap, fmt, path::Path};

use alloy_primitives::{B256, U256};
use snapsync_e2e::dump::{Dump, Dumped};
use snapsync_storage::{StateSnapshot, StateStore};

/// Rows that a failure names of each kind.
const NAMED_MAX: usize = 5;

/// Every row of the state in `datadir` is geth's, and all of geth's are there.
pub(crate) fn assert_rows_are_geths(datadir: &Path, geths: &Dump) {
    let state = StateStore::open_read_only(datadir).unwrap();
    let snapshot = state.snapshot().unwrap();
    let mut left = geths.accounts.clone();
    let mut differences = Differences::default();
    for row in snapshot.accounts_from(B256::ZERO).unwrap() {
        let row = row.unwrap();
        let ours = Dumped {
            nonce: row.account.nonce,
            balance: row.account.balance,
            storage_root: row.account.storage_root,
            code_hash: row.account.code_hash,
            code: snapshot.code(&row.account.code_hash).unwrap().unwrap_or_default().to_vec().into(),
            slots: slots(&snapshot, row.key),
        };
        match left.remove(&row.key) {
            Some(geths) => differences.look_at(row.key, &ours, &geths),
            None => differences.add("accounts that geth does not have", row.key),
        }
    }
    for key in left.keys() {
        differences.add("accounts that only geth has", key);
    }
    assert!(differences.kinds.is_empty(), "{differences}");
}

fn slots(snapshot: &StateSnapshot, account: B256) -> BTreeMap<B256, U256> {
    let slots = snapshot.slots_from(account, B256::ZERO).unwrap();
    slots.map(|slot| slot.map(|slot| (slot.key, slot.value)).unwrap()).collect()
}

/// What differs, by kind: how often, and the first few places.
#[derive(Debug, Default)]
struct Differences {
    kinds: BTreeMap<&'static str, (usize, Vec<String>)>,
}

impl Differences {
    fn look_at(&mut self, account: B256, ours: &Dumped, geths: &Dumped) {
        if (ours.nonce, ours.balance) != (geths.nonce, geths.balance) {
            self.add("nonces and balances", account);
        }
        if ours.storage_root != geths.storage_root {
            self.add("storage roots that accounts claim", account);
        }
        if ours.code_hash != geths.code_hash {
            self.add("code hashes", account);
        } else if ours.code != geths.code {
            self.add("codes", account);
        }
        for (key, value) in &geths.slots {
            match ours.slots.get(key) {
                None => self.add("slots that only geth has", format!("{account} {key}")),
                Some(our) if our != value => self.add("slots' values", format!("{account} {key}")),
                Some(_) => {}
            }
        }
        for key in ours.slots.keys().filter(|key| !geths.slots.contains_key(*key)) {
            self.add("slots that geth does not have", format!("{account} {key}"));
        }
    }

    fn add(&mut self, kind: &'static str, place: impl ToString) {
        let (count, named) = self.kinds.entry(kind).or_default();
        *count += 1;
        if named.len() < NAMED_MAX {
            named.push(place.to_string());
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (count, named)) in &self.kinds {
            writeln!(out, "{count} {kind}: {}", named.join(", "))?;
        }
        Ok(())
    }
}
