//! What the last blocks have changed: the rows and branches as they were before each of them.
//!
//! ```text
//! Undo         key    kind 1 ++ key length 1 ++ key of the row ++ number 8
//!              value  1 ++ the row's body before the block, or 0: there was none; seal 4
//! UndoBlocks   key    number 8 ++ part 4
//!              value  part 0: version 1 ++ hash 32 ++ parent's number 8, hash 32, root 32 ++ accounts, slots that came 8, 8 ++ seal 4
//!                     others: kind 1 ++ key length 1 ++ key, of each row that the block changed; seal 4
//! kind                0 account · 1 slot · 2 branch of the account trie · 3 branch of a storage trie
//! ```
//!
//! A row as it was at block `b` is what its first undo row behind `b` holds, found by one search; without one it is the row of now. The
//! list of a block's keys takes it back. Codes stay: they are what their hashes say, whoever names them.

use std::ops::RangeInclusive;

use alloy_primitives::B256;
use snapsync_trie::TargetId;

use crate::{
    env::{ReadCursor, ReadTxn, Table, WriteTxn},
    error::{Error, Result},
    record::{Reader, SEAL_BYTES, push_seal},
    state::{
        fences::Fences,
        pack_writer::{self, Change},
        progress::TargetRecord,
        tables::{ACCOUNT_NODES, ACCOUNTS, STORAGE_NODES, STORAGES, UNDO, UNDO_BLOCKS},
    },
};

/// How many blocks can be taken back, and seen: peers ask for the states of as many.
pub const BLOCKS_MAX: u64 = 128;

/// Where rows are as they were.
pub(crate) const TABLE: &Table = UNDO;

/// The version of a block's record.
const VERSION: u8 = 1;

/// Bytes of keys in one part of a block's list.
const PART_BYTES: usize = 32 << 10;

const MISSING: &str = "the row before the block is missing";

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Account,
    Slot,
    AccountBranch,
    StorageBranch,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Account, Self::Slot, Self::AccountBranch, Self::StorageBranch];

    /// Where such rows lie.
    pub(crate) fn table(self) -> &'static Table {
        match self {
            Self::Account => ACCOUNTS,
            Self::Slot => STORAGES,
            Self::AccountBranch => ACCOUNT_NODES,
            Self::StorageBranch => STORAGE_NODES,
        }
    }

    /// How long its keys are, behind the account's.
    fn key_lengths(self) -> RangeInclusive<usize> {
        match self {
            Self::Account | Self::Slot => 32..=32,
            Self::AccountBranch | Self::StorageBranch => 0..=64,
        }
    }

    /// Whether there are keys of this length, with the account's in front.
    fn has_keys_of(self, length: usize) -> bool {
        length.checked_sub(self.prefix_len()).is_some_and(|own| self.key_lengths().contains(&own))
    }

    /// How much of a key is its account's.
    fn prefix_len(self) -> usize {
        match self {
            Self::Account | Self::AccountBranch => 0,
            Self::Slot | Self::StorageBranch => 32,
        }
    }
}

/// A row before a block. Ordered as the tables are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UndoRow {
    pub(crate) kind: Kind,
    /// With the account's in front, where it has one.
    pub(crate) key: Vec<u8>,
    /// Its body, if there was one.
    pub(crate) old: Option<Vec<u8>>,
}

/// A row that has changed since a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undone {
    /// Behind the account's, where it has one.
    pub(crate) key: Vec<u8>,
    /// Its body after that block, if there was one.
    pub(crate) old: Option<Vec<u8>>,
}

/// A block that can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UndoBlock {
    pub(crate) hash: B256,
    /// What the state was of before.
    pub(crate) parent: TargetRecord,
    /// How many accounts and slots there are more for it.
    pub(crate) accounts_more: i64,
    pub(crate) slots_more: i64,
}

fn row_key(kind: Kind, key: &[u8], number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + key.len());
    push_name(&mut out, kind, key);
    out.extend_from_slice(&number.to_be_bytes());
    out
}

fn push_name(out: &mut Vec<u8>, kind: Kind, key: &[u8]) {
    // Keys have at most 96 bytes.
    out.extend_from_slice(&[kind as u8, key.len() as u8]);
    out.extend_from_slice(key);
}

fn part_key(number: u64, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Keeps what a block changes, and lets go of what is too old. Its rows rise.
pub(crate) fn keep(txn: &WriteTxn<'_>, number: u64, block: &UndoBlock, rows: &[UndoRow]) -> Result<()> {
    let mut value = Vec::new();
    #[cfg(feature = "planted-bugs")]
    let rows = if crate::planted::is(crate::WriterBug::UndoRowMissing) {
        rows.get(1..).unwrap_or(rows)
    } else {
        rows
    };
    for row in rows {
        let key = row_key(row.kind, &row.key, number);
        value.clear();
        value.push(u8::from(row.old.is_some()));
        value.extend_from_slice(row.old.as_deref().unwrap_or_default());
        push_seal(&key, &mut value);
        txn.put(UNDO, &key, &value)?;
    }
    put_part(txn, &part_key(number, 0), block.encode())?;
    let (mut part, mut names) = (1, Vec::with_capacity(PART_BYTES));
    for row in rows {
        if names.len() + row.key.len() + 2 > PART_BYTES {
            put_part(txn, &part_key(number, part), std::mem::take(&mut names))?;
            part += 1;
        }
        push_name(&mut names, row.kind, &row.key);
    }
    if !names.is_empty() {
        put_part(txn, &part_key(number, part), names)?;
    }
    if let Some(old) = number.checked_sub(BLOCKS_MAX) {
        forget_up_to(txn, old)?;
    }
    Ok(())
}

/// Bytes of all that [`keep`] puts for rows of a block, but for its first record and the keys of the others.
pub(crate) fn bytes_kept(rows: &[UndoRow]) -> usize {
    // Its row: kind, length, key and number; whether there was a body, the body, the seal. Its name in the block's list.
    let row = |row: &UndoRow| {
        let name = 2 + row.key.len();
        (name + 8) + (1 + row.old.as_ref().map_or(0, Vec::len) + SEAL_BYTES) + name
    };
    rows.iter().map(row).sum()
}

fn put_part(txn: &WriteTxn<'_>, key: &[u8], mut value: Vec<u8>) -> Result<()> {
    push_seal(key, &mut value);
    txn.put(UNDO_BLOCKS, key, &value)
}

impl UndoBlock {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(self.hash.as_slice());
        out.extend_from_slice(&self.parent.number.to_be_bytes());
        out.extend_from_slice(self.parent.hash.as_slice());
        out.extend_from_slice(self.parent.root.as_slice());
        out.extend_from_slice(&self.accounts_more.to_be_bytes());
        out.extend_from_slice(&self.slots_more.to_be_bytes());
        out
    }

    fn decode(key: &[u8], value: &[u8], id: TargetId) -> Result<Self> {
        let mut reader = Reader::versioned(UNDO_BLOCKS.name, key, value, ("undo block", VERSION))?;
        let hash = reader.hash()?;
        let parent = TargetRecord { id, number: reader.u64()?, hash: reader.hash()?, root: reader.hash()? };
        let (accounts_more, slots_more) = (reader.u64()?.cast_signed(), reader.u64()?.cast_signed());
        reader.end()?;
        Ok(Self { hash, parent, accounts_more, slots_more })
    }
}

/// What would be left if the block that the state is of was taken back; nothing, if it is not kept.
pub(crate) fn below(txn: &ReadTxn, head: &TargetRecord) -> Result<Option<TargetRecord>> {
    let key = part_key(head.number, 0);
    let Some(value) = txn.get(UNDO_BLOCKS, &key)? else { return Ok(None) };
    let block = UndoBlock::decode(&key, value, head.id)?;
    Ok((block.hash == head.hash).then_some(block.parent))
}

/// The rows that the block which the state is of has changed, as they were before it, and whose state that was; nothing, if it is not kept.
pub(crate) fn before(txn: &ReadTxn, head: &TargetRecord) -> Result<Option<(TargetRecord, Vec<UndoRow>)>> {
    let Some(parent) = below(txn, head)? else { return Ok(None) };
    let mut rows = Vec::new();
    for part in 1.. {
        let key = part_key(head.number, part);
        let Some(value) = txn.get(UNDO_BLOCKS, &key)? else { break };
        read_names(&key, value, |kind, name| rows.push(UndoRow { kind, key: name.to_vec(), old: None }))?;
    }
    for row in &mut rows {
        let key = row_key(row.kind, &row.key, head.number);
        let value = txn.get(UNDO, &key)?.ok_or_else(|| Error::corrupt(UNDO.name, &key, MISSING))?;
        row.old = body(&key, value)?.map(<[u8]>::to_vec);
    }
    Ok(Some((parent, rows)))
}

/// Takes back the block that the state is of, if it is kept. Says what that block was, and whose state is left.
pub(crate) fn take_back(txn: &WriteTxn<'_>, head: &TargetRecord) -> Result<Option<UndoBlock>> {
    let key = part_key(head.number, 0);
    let Some(value) = txn.get(UNDO_BLOCKS, &key)? else { return Ok(None) };
    let block = UndoBlock::decode(&key, &value, head.id)?;
    if block.hash != head.hash {
        return Ok(None);
    }
    let mut rows = Vec::new();
    for (kind, name) in names(txn, head.number)? {
        let key = row_key(kind, &name, head.number);
        let old = match txn.get(UNDO, &key)? {
            Some(value) => body(&key, &value)?.map(<[u8]>::to_vec),
            None => return Err(Error::corrupt(UNDO.name, &key, MISSING)),
        };
        rows.push(UndoRow { kind, key: name, old });
    }
    for group in rows.chunk_by(is_one_trie) {
        let (kind, split) = (group[0].kind, group[0].kind.prefix_len());
        let changes: Vec<Change<'_>> =
            group.iter().map(|row| Change { key: &row.key[split..], body: row.old.as_deref() }).collect();
        // The state is whole: nothing is missing that a pack could reach over.
        pack_writer::merge(txn, kind.table(), &group[0].key[..split], &Fences::none(), &changes)?;
    }
    forget(txn, head.number)?;
    Ok(Some(block))
}

fn is_one_trie(one: &UndoRow, next: &UndoRow) -> bool {
    let split = one.kind.prefix_len();
    one.kind == next.kind && one.key.get(..split) == next.key.get(..split)
}

/// The rows that a block changed, rising.
fn names(txn: &WriteTxn<'_>, number: u64) -> Result<Vec<(Kind, Vec<u8>)>> {
    let mut all = Vec::new();
    for part in 1.. {
        let key = part_key(number, part);
        let Some(value) = txn.get(UNDO_BLOCKS, &key)? else { break };
        read_names(&key, &value, |kind, name| all.push((kind, name.to_vec())))?;
    }
    Ok(all)
}

fn read_names(key: &[u8], value: &[u8], mut each: impl FnMut(Kind, &[u8])) -> Result<()> {
    let mut reader = Reader::sealed(UNDO_BLOCKS.name, key, value)?;
    while !reader.is_empty() {
        let kind = Kind::ALL.get(usize::from(reader.u8()?)).copied();
        let length = reader.u8()?;
        let name = reader.bytes(usize::from(length))?;
        let Some(kind) = kind.filter(|kind| kind.has_keys_of(name.len())) else {
            return Err(reader.wrong("a row of no kind that there is"));
        };
        each(kind, name);
    }
    Ok(())
}

fn body<'v>(key: &'v [u8], value: &'v [u8]) -> Result<Option<&'v [u8]>> {
    let mut reader = Reader::sealed(UNDO.name, key, value)?;
    let there = reader.u8()?;
    let rest = reader.rest();
    match there {
        0 if rest.is_empty() => Ok(None),
        1 => Ok(Some(rest)),
        _ => Err(reader.wrong("neither a row nor the word that there was none")),
    }
}

/// Lets go of a block.
fn forget(txn: &WriteTxn<'_>, number: u64) -> Result<()> {
    for (kind, name) in names(txn, number)? {
        txn.delete(UNDO, &row_key(kind, &name, number))?;
    }
    let mut part = 0;
    while txn.delete(UNDO_BLOCKS, &part_key(number, part))? {
        part += 1;
    }
    Ok(())
}

/// Lets go of all blocks.
pub(crate) fn forget_all(txn: &WriteTxn<'_>) -> Result<()> {
    forget_up_to(txn, u64::MAX)
}

/// Lets go of all blocks up to this one.
fn forget_up_to(txn: &WriteTxn<'_>, last: u64) -> Result<()> {
    loop {
        let first = txn.cursor(UNDO_BLOCKS)?.seek(&[])?.map(|(key, _)| key.into_owned());
        let number = match first {
            Some(key) => block_number(&key)?,
            None => return Ok(()),
        };
        if number > last {
            return Ok(());
        }
        forget(txn, number)?;
    }
}

fn block_number(key: &[u8]) -> Result<u64> {
    match key.first_chunk() {
        Some(number) if key.len() == 12 => Ok(u64::from_be_bytes(*number)),
        _ => Err(Error::corrupt(UNDO_BLOCKS.name, key, "the key is not a block and a part")),
    }
}

/// The lowest block that can be taken back.
pub(crate) fn lowest(txn: &ReadTxn) -> Result<Option<u64>> {
    txn.cursor(UNDO_BLOCKS)?.seek(&[])?.map(|(key, _)| block_number(key)).transpose()
}

/// A row's body as it was at a block: nothing, if it has not changed since.
pub(crate) fn at(
    cursor: &mut ReadCursor<'_>,
    kind: Kind,
    key: &[u8],
    number: u64,
) -> Result<Option<Option<Vec<u8>>>> {
    let Some(behind) = number.checked_add(1) else { return Ok(None) };
    let sought = row_key(kind, key, behind);
    let Some((found, value)) = cursor.seek(&sought)? else { return Ok(None) };
    if found.len() != sought.len() || found[..found.len() - 8] != sought[..sought.len() - 8] {
        return Ok(None);
    }
    Ok(Some(body(found, value)?.map(<[u8]>::to_vec)))
}

/// The first row at or behind `from` under `prefix` that has changed since block `number`. Rows are found by the length of their names first:
/// of each length there is, one is looked at, and the lowest of them is it.
pub(crate) fn first_behind(
    cursor: &mut ReadCursor<'_>,
    kind: Kind,
    prefix: &[u8],
    from: &[u8],
    number: u64,
) -> Result<Option<Undone>> {
    let mut first: Option<Undone> = None;
    let lengths = kind.key_lengths();
    let mut length = *lengths.start();
    while length <= *lengths.end() {
        match first_of_length(cursor, kind, length, (prefix, from), number)? {
            Sought::Found(undone) => {
                if first.as_ref().is_none_or(|first| undone.key < first.key) {
                    first = Some(undone);
                }
                length += 1;
            }
            Sought::Nothing => length += 1,
            Sought::Longer(name) => match name.checked_sub(prefix.len()) {
                Some(longer) if longer > length => length = longer,
                _ => length += 1,
            },
            Sought::End => break,
        }
    }
    Ok(first)
}

/// What is found of one length.
enum Sought {
    Found(Undone),
    /// None under the prefix.
    Nothing,
    /// None at all; the next name has this length.
    Longer(usize),
    /// None, and none that is longer.
    End,
}

fn first_of_length(
    cursor: &mut ReadCursor<'_>,
    kind: Kind,
    length: usize,
    (prefix, from): (&[u8], &[u8]),
    number: u64,
) -> Result<Sought> {
    let length = prefix.len() + length;
    let mut sought = vec![kind as u8, length as u8];
    sought.extend_from_slice(prefix);
    sought.extend_from_slice(from);
    while let Some((found, value)) = cursor.seek(&sought)? {
        let (found_kind, found_length, rest) = match found {
            [kind, length, rest @ ..] if rest.len() == usize::from(*length) + 8 => (*kind, *length, rest),
            _ => return Err(Error::corrupt(UNDO.name, found, "the key is not a row and a block")),
        };
        if found_kind != kind as u8 {
            return Ok(Sought::End);
        }
        if usize::from(found_length) != length {
            return Ok(Sought::Longer(found_length.into()));
        }
        let (name, changed) = rest.split_at(length);
        let Some(key) = name.strip_prefix(prefix) else { return Ok(Sought::Nothing) };
        let is_before = key < from;
        if !is_before && *changed > number.to_be_bytes()[..] {
            let old = body(found, value)?.map(<[u8]>::to_vec);
            return Ok(Sought::Found(Undone { key: key.to_vec(), old }));
        }
        // The row's first change behind the block; behind the row, if it lies before what is sought.
        let behind = if is_before { u64::MAX } else { number.saturating_add(1) };
        sought = row_key(kind, name, behind);
        if sought.as_slice() <= found {
            sought = [found, &[0]].concat();
        }
    }
    Ok(Sought::End)
}

/// The block that is kept, or lies right below those that are, whose state has this root; the newest of them.
pub(crate) fn block_of(txn: &ReadTxn, newest: u64, root: B256) -> Result<Option<u64>> {
    let mut number = newest;
    loop {
        let key = part_key(number, 0);
        let Some(value) = txn.get(UNDO_BLOCKS, &key)? else { return Ok(None) };
        let parent = UndoBlock::decode(&key, value, TargetId::default())?.parent;
        if parent.root == root {
            return Ok(Some(parent.number));
        }
        if parent.number >= number {
            return Err(Error::corrupt(UNDO_BLOCKS.name, &key, "the block's parent is not below it"));
        }
        number = parent.number;
    }
}

/// Looks at all that is kept: each row that a block names is there, and none beside them. Gives what is wrong to `wrong`.
pub(crate) fn check(txn: &ReadTxn, mut wrong: impl FnMut(Error)) -> Result<()> {
    let mut named = 0;
    let mut cursor = txn.cursor(UNDO_BLOCKS)?;
    let mut row = cursor.seek(&[])?;
    while let Some((key, value)) = row {
        let checked = block_number(key).and_then(|number| {
            if key[8..] == [0; 4] {
                return UndoBlock::decode(key, value, TargetId::default()).map(drop);
            }
            let mut missing = None;
            read_names(key, value, |kind, name| {
                named += 1;
                let sought = row_key(kind, name, number);
                let held = txn.get(UNDO, &sought).and_then(|held| match held {
                    Some(value) => body(&sought, value).map(drop),
                    None => Err(Error::corrupt(UNDO.name, &sought, "the row before the block is missing")),
                });
                missing = missing.take().or(held.err());
            })?;
            missing.map_or(Ok(()), Err)
        });
        if let Err(error) = checked {
            wrong(error);
        }
        row = cursor.next()?;
    }
    if txn.rows(UNDO)? > named {
        wrong(Error::corrupt(UNDO.name, &[], "there are rows that no block names"));
    }
    Ok(())
}
