//! Access lists of blocks that follow each other, brought to rows that are older than the first of them.
//!
//! ```text
//! account's key is held as of a target that moves     nonce, balance, code; deleted, if nothing is left
//! slot's part is held as of one                       the slot; a settled storage is as new as its account
//! the storage was claimed at one, and changes         its root is owed from now on: only its trie tells
//! ```
//!
//! All other keys stay as they are: what is missing comes newer, what is newer knows the block already. Values are absolute, so where rows
//! are of several blocks the lists of all blocks after the oldest, in order, bring each of them to the newest. What changes is marked.
//!
//! Several lists of a transaction are brought to the rows together: what they say of one key follows each other, and the pack that holds it is
//! written once, whoever names it. Packs are gone through by rising keys, so a transaction may be larger than the memory for its pages.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, U256};
use snapsync_trie::{Account, Coverage, EMPTY_ROOT, PendingStorage, SlotRow, Standing, TargetId};

use crate::{
    env::WriteTxn,
    error::Result,
    state::{
        accounts::{self, ROW_MAX},
        apply_storages,
        list::{CheckedList, ListedAccount},
        marked,
        pack_writer::Revision,
        pending::{self, PendingRow},
        progress::CommitNumber,
        storages,
        tables::{CODES, PENDING_CODES, PENDING_STORAGES},
        write::Unsettled,
    },
};

/// How many rows of each kind there are more than before; fewer, if negative.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grown {
    pub(crate) accounts: i64,
    pub(crate) slots: i64,
    pub(crate) codes: u64,
}

/// What a list did to what is pending.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) unsettled: Unsettled,
    /// Codes that were waited for, and that no list before it has.
    pub(crate) codes: Vec<B256>,
}

/// Brings lists to the rows of targets that `moves` names, which are of the first one's parent; each list is of the block before the next one's.
/// Returns what each has done to what is pending.
pub(crate) fn apply(
    txn: &WriteTxn<'_>,
    held: &Coverage,
    moves: &BTreeSet<TargetId>,
    commit: CommitNumber,
    lists: &[CheckedList],
) -> Result<(Vec<Brought>, Grown)> {
    let mut words: Vec<Word<'_>> = Vec::with_capacity(lists.iter().map(|list| list.accounts().len()).sum());
    for (list, of) in lists.iter().enumerate() {
        words.extend(of.accounts().map(|(key, listed)| Word { key, list, listed }));
    }
    // Lists rise each by itself, and of equal keys the earlier list's stays before the later one's.
    words.sort_by_key(|word| word.key);
    let named = words.chunk_by(|one, other| one.key == other.key).map(Named);
    let named: Vec<Named<'_>> = named.filter(|named| held.at(*named.key()).is_held()).collect();
    let (grown, scratch) = (Grown::default(), Vec::new());
    let brought = lists.iter().map(|_| Brought::default()).collect();
    let mut bringing = Bringing { txn, held, moves, commit, brought, came: BTreeMap::new(), grown, scratch };
    marked::revise(txn, None, held, commit, &named, |named, row| bringing.account(*named, row))?;
    Ok((bringing.brought, bringing.grown))
}

/// Whether rows that stand like this are brought to the block.
fn does_move(moves: &BTreeSet<TargetId>, standing: Standing) -> bool {
    #[cfg(feature = "planted-bugs")]
    if crate::planted::is(crate::WriterBug::ListAheadOfCursor) {
        return matches!(standing, Standing::At(_));
    }
    matches!(standing, Standing::At(target) if moves.contains(&target))
}

/// What one list says of an account.
#[derive(Clone, Copy, Debug)]
struct Word<'l> {
    key: &'l B256,
    /// Which list.
    list: usize,
    listed: &'l ListedAccount,
}

/// What lists say of one account, in the order of their blocks; at least one of them.
#[derive(Clone, Copy, Debug)]
struct Named<'l>(&'l [Word<'l>]);

impl<'l> Named<'l> {
    fn key(&self) -> &'l B256 {
        self.0[0].key
    }
}

impl AsRef<[u8]> for Named<'_> {
    fn as_ref(&self) -> &[u8] {
        self.key().as_slice()
    }
}

/// What the last list that names a slot says of it.
#[derive(Clone, Copy, Debug)]
struct NamedSlot<'l>(&'l (B256, U256));

impl AsRef<[u8]> for NamedSlot<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0.0.as_slice()
    }
}

/// What these say of slots, rising.
fn slots<'l>(words: &[Word<'l>]) -> Vec<NamedSlot<'l>> {
    let mut slots: Vec<NamedSlot<'l>> = Vec::new();
    #[cfg(feature = "planted-bugs")]
    let reversed: Vec<Word<'l>> = words.iter().rev().copied().collect();
    #[cfg(feature = "planted-bugs")]
    let words = if crate::planted::is(crate::WriterBug::EarlierListWins) { &reversed } else { words };
    // The latest block first: of equal keys the first stays.
    for word in words.iter().rev() {
        slots.extend(word.listed.slots.iter().map(NamedSlot));
    }
    if words.len() > 1 {
        slots.sort_by_key(|slot| slot.0.0);
        slots.dedup_by_key(|slot| slot.0.0);
    }
    slots
}

struct Bringing<'a, 'e> {
    txn: &'a WriteTxn<'e>,
    held: &'a Coverage,
    moves: &'a BTreeSet<TargetId>,
    commit: CommitNumber,
    /// By list.
    brought: Vec<Brought>,
    /// Codes that were waited for and came, and the first list so far that brought each.
    came: BTreeMap<B256, usize>,
    grown: Grown,
    scratch: Vec<u8>,
}

/// What is known of a storage, while lists change it.
struct Storage {
    /// Its row of what is pending, as it is on the disk.
    before: Option<PendingRow>,
    /// As it is after the lists so far.
    pending: Option<PendingRow>,
    /// Whether its account was gone in between: none of its slots on the disk counts.
    is_cleared: bool,
}

impl Bringing<'_, '_> {
    /// What becomes of the row of an account that is held, or of its place. Each list tells what it would have told alone.
    fn account(&mut self, named: Named<'_>, row: Option<&[u8]>) -> Result<Revision<'static>> {
        let key = named.key();
        let standing = self.held.at(*key);
        let before = row.map(|row| accounts::decode(key.as_slice(), row)).transpose()?;
        let does_move = does_move(self.moves, standing);
        let (mut after, mut storage) = (before, None);
        // What was said of slots before the account was gone for the last time counts for nothing.
        let mut words = named.0;
        for (nth, word) in named.0.iter().enumerate() {
            let next = if does_move { word.listed.after(after) } else { after };
            match &next {
                Some(next) => {
                    if !word.listed.slots.is_empty() {
                        self.changes_slots(
                            word,
                            standing,
                            next.storage_root,
                            self.storage(key, &mut storage)?,
                        );
                    }
                    self.code(word, next)?;
                }
                None => {
                    words = &named.0[nth + 1..];
                    if after.is_some() {
                        let storage = self.storage(key, &mut storage)?;
                        storage.is_cleared = true;
                        if storage.pending.take().is_some() {
                            self.brought[word.list].unsettled.freed.push(*key);
                        }
                    }
                }
            }
            after = next;
        }
        if let Some(storage) = storage {
            self.settle(key, words, storage)?;
        }
        if after == before {
            return Ok(Revision::Same);
        }
        self.grown.accounts += i64::from(after.is_some()) - i64::from(before.is_some());
        Ok(after.map_or(Revision::Gone, |after| {
            let mut body = [0; ROW_MAX];
            let length = accounts::encode(&after, &mut body);
            Revision::Put(body[..length].to_vec().into())
        }))
    }

    /// What is known of an account's storage, looked up when it is first asked for.
    fn storage<'s>(&self, key: &B256, storage: &'s mut Option<Storage>) -> Result<&'s mut Storage> {
        if storage.is_none() {
            let pending = pending::get(self.txn, key)?;
            *storage = Some(Storage { before: pending.clone(), pending, is_cleared: false });
        }
        Ok(storage.as_mut().expect("it was put there right now, if it was not there"))
    }

    /// A list changes slots of an account that stays and whose row has this storage root: what is known of its storage then.
    fn changes_slots(&mut self, word: &Word<'_>, standing: Standing, root: B256, storage: &mut Storage) {
        let unsettled = &mut self.brought[word.list].unsettled;
        let Some(PendingRow { storage: pending, .. }) = &mut storage.pending else {
            let Standing::At(target) = standing else { return };
            // A storage that was none and stays none owes nothing.
            let puts = word.listed.slots.iter().any(|(_, value)| !value.is_zero());
            if does_move(self.moves, standing) && (puts || root != EMPTY_ROOT) {
                let parts = Coverage::all(standing);
                let owed = PendingStorage { account: *word.key, expected: None, target, parts };
                storage.pending = Some(PendingRow { storage: owed, since: self.commit });
                unsettled.owed.push(*word.key);
            }
            return;
        };
        if pending.expected.is_some() && does_move(self.moves, Standing::At(pending.target)) {
            pending.expected = None;
            if pending.is_filled() { unsettled.owed.push(*word.key) } else { unsettled.cut.push(*word.key) }
        }
    }

    /// Brings to the disk what has become of a storage, and the slots that these name.
    fn settle(&mut self, key: &B256, words: &[Word<'_>], storage: Storage) -> Result<()> {
        let Storage { before, pending, is_cleared } = storage;
        if is_cleared {
            self.grown.slots -= apply_storages::clear(self.txn, key)?.cast_signed();
        }
        let Some(row) = &pending else {
            if before.is_some() {
                self.txn.delete(PENDING_STORAGES, key.as_slice())?;
            }
            return Ok(());
        };
        if pending != before {
            pending::put(self.txn, row, &mut self.scratch)?;
        }
        let parts = &row.storage.parts;
        let is_here = |slot: &NamedSlot<'_>| does_move(self.moves, parts.at(slot.0.0));
        let here: Vec<NamedSlot<'_>> = slots(words).into_iter().filter(is_here).collect();
        self.put_slots(key, &here, parts)
    }

    /// Puts slots among those that are held.
    fn put_slots(&mut self, account: &B256, slots: &[NamedSlot<'_>], parts: &Coverage) -> Result<()> {
        let grown = &mut self.grown.slots;
        marked::revise(self.txn, Some(account), parts, self.commit, slots, |NamedSlot((key, value)), old| {
            let mut new = None;
            if !value.is_zero() {
                storages::encode(&SlotRow { key: *key, value: *value }, |body| new = Some(body.to_vec()));
            }
            if old == new.as_deref() {
                return Ok(Revision::Same);
            }
            *grown += i64::from(new.is_some()) - i64::from(old.is_some());
            Ok(new.map_or(Revision::Gone, |new| Revision::Put(new.into())))
        })
        .map(drop)
    }

    /// The code that the account has now, if the list brought it.
    fn code(&mut self, word: &Word<'_>, after: &Account) -> Result<()> {
        let Some((hash, code)) = word.listed.code().filter(|(hash, _)| *hash == after.code_hash) else {
            return Ok(());
        };
        if self.txn.get(CODES, hash.as_slice())?.is_none() {
            self.txn.put(CODES, hash.as_slice(), code)?;
            if self.txn.delete(PENDING_CODES, hash.as_slice())? {
                self.brought[word.list].codes.push(*hash);
                self.came.insert(*hash, word.list);
            }
            self.grown.codes += 1;
        } else if let Some(later) = self.came.get_mut(hash).filter(|list| **list > word.list) {
            // Accounts are gone through by their keys: another one had it from a later block, and it is told by the first that brings it.
            self.brought[*later].codes.retain(|code| code != hash);
            self.brought[word.list].codes.push(*hash);
            *later = word.list;
        }
        Ok(())
    }
}
