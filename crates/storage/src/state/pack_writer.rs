//! Changed rows into the packs that hold them, inside the write transaction; rows found in it, and taken away.
//!
//! ```text
//!   a row that changes       its pack is written over, in its place: only the row's bytes are laid out again where no row comes or goes
//!   a pack that is too full  two halves, or as many as it takes
//!   a pack below a half      joins the next one, or else the one before, where both fit into one
//!   a fence                  no pack reaches over it: what lies between two fences comes and goes by itself
//! ```
//!
//! Packs that are new altogether come by `pack_inserter`.

use std::borrow::Cow;

use crate::{
    env::{Pair, Table, WriteCursor, WriteTxn},
    error::{Error, Result},
    state::{
        fences::Fences,
        pack::{PACK_MAX, PackRows, Packs, RowKey, frame_bytes},
        pack_splice::{Frame, Seeker, Sought, splice},
    },
};

/// A row to put, or to take away. Of some, keys rise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// The key behind the prefix.
    pub(crate) key: &'a [u8],
    /// `None` takes the row away.
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Change<'a> {
    pub(crate) fn revision(&self) -> Revision<'a> {
        self.body.map_or(Revision::Gone, |body| Revision::Put(body.into()))
    }
}

impl AsRef<[u8]> for Change<'_> {
    fn as_ref(&self) -> &[u8] {
        self.key
    }
}

/// What becomes of a row, or of its place.
#[derive(Clone, Debug)]
pub(crate) enum Revision<'r> {
    /// What it was.
    Same,
    /// A row with this body.
    Put(Cow<'r, [u8]>),
    /// None.
    Gone,
}

/// A row of a pack, or one that comes to it.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    key: RowKey,
    body: &'a [u8],
}

/// A pack as it lies in the table: its key with the prefix, and its frames.
type StoredPack = (Vec<u8>, Vec<u8>);

/// The body of the row at `key`.
pub(crate) fn find(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    key: &[u8],
) -> Result<Option<Vec<u8>>> {
    let Some((pack, value)) = holder(&mut txn.cursor(table)?, prefix, key)? else { return Ok(None) };
    let mut rows = PackRows::new(table, prefix.len(), &pack, &value)?;
    while let Some((found, body)) = rows.next()? {
        if found == key {
            return Ok(Some(body.to_vec()));
        }
    }
    Ok(None)
}

/// Keys behind the prefix, and bodies, of the rows from `first` to `last`, inclusive.
pub(crate) fn rows_in(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    first: &[u8],
    last: &[u8],
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut cursor = txn.cursor(table)?;
    let mut found = Vec::new();
    let mut pack = match holder(&mut cursor, prefix, first)? {
        Some(pack) => Some(pack),
        None => owned(cursor.seek(&[prefix, first].concat())?),
    };
    while let Some((key, value)) =
        pack.filter(|(key, _)| key.strip_prefix(prefix).is_some_and(|key| key <= last))
    {
        let mut rows = PackRows::new(table, prefix.len(), &key, &value)?;
        while let Some((key, body)) = rows.next()? {
            if key >= first && key <= last {
                found.push((key.to_vec(), body.to_vec()));
            }
        }
        pack = owned(cursor.next()?);
    }
    Ok(found)
}

fn owned(pair: Option<Pair<'_>>) -> Option<StoredPack> {
    pair.map(|(key, value)| (key.into_owned(), value.into_owned()))
}

/// Takes all rows under a prefix away; returns how many could be read.
pub(crate) fn clear(txn: &WriteTxn<'_>, table: &'static Table, prefix: &[u8]) -> Result<u64> {
    let (mut cursor, mut count) = (txn.cursor(table)?, 0);
    while let Some((key, value)) = cursor.seek(prefix)?
        && key.starts_with(prefix)
    {
        // A damaged pack goes as well: what is true is about to take its place.
        if let Ok(mut rows) = PackRows::new(table, prefix.len(), &key, &value) {
            while let Ok(Some(_)) = rows.next() {
                count += 1;
            }
        }
        cursor.delete()?;
    }
    Ok(count)
}

/// From now on no pack under a prefix reaches over `fence`: the one that does becomes two.
pub(crate) fn cut(txn: &WriteTxn<'_>, table: &'static Table, prefix: &[u8], fence: &[u8]) -> Result<()> {
    let mut cursor = txn.cursor(table)?;
    let Some((pack, value)) = holder(&mut cursor, prefix, fence)? else { return Ok(()) };
    let mut rows = PackRows::new(table, prefix.len(), &pack, &value)?;
    let (mut packs, mut is_cut) = (Packs::default(), false);
    while let Some((key, body)) = rows.next()? {
        if !is_cut && key >= fence {
            is_cut = true;
            packs.cut();
        }
        packs.push(prefix, key, body);
    }
    for (key, value) in packs.iter().filter(|_| packs.len() > 1) {
        cursor.put(key, value)?;
    }
    Ok(())
}

/// Brings changes into the rows under a prefix. Their keys rise.
pub(crate) fn merge(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    fences: &Fences,
    changes: &[Change<'_>],
) -> Result<()> {
    revise(txn, table, prefix, fences, changes, |change, _| Ok(change.revision()))
}

/// Asks of each of some keys under a prefix, which rise, what its row becomes: `decide` is given its body, if there is one. A pack that
/// holds several of them is found, read and written once.
pub(crate) fn revise<'r, K: AsRef<[u8]>>(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    fences: &Fences,
    keys: &'r [K],
    mut decide: impl FnMut(&'r K, Option<&[u8]>) -> Result<Revision<'r>>,
) -> Result<()> {
    let mut run = Run { cursor: txn.cursor(table)?, table, prefix, fences };
    let (mut rest, mut pack) = (keys, StoredPack::default());
    while let Some(first) = rest.first() {
        let first = first.as_ref();
        let is_there = holder_into(&mut run.cursor, prefix, first, &mut pack)? && run.is_near(first, &pack);
        let mut here = Here::new(&run, is_there.then_some(&pack))?;
        let mut asked = 0;
        while let Some(key) = rest.get(asked)
            && fences.is_between(first, key.as_ref())
            && let Some(sought) = here.seek(&mut run, first, key.as_ref())?
        {
            let revision = decide(key, sought.body())?;
            here.note(key.as_ref(), sought, revision);
            asked += 1;
        }
        rest = &rest[asked..];
        let Here { next, revised, .. } = here;
        run.write(first, is_there.then_some(&pack), next, &revised)?;
    }
    Ok(())
}

/// The pack that may hold some rows, as it is read.
struct Here<'p, 'r> {
    rows: Option<Seeker<'p>>,
    /// The pack behind, if somebody has looked.
    next: Option<Option<StoredPack>>,
    /// What becomes of rows of it, or comes to it.
    revised: Vec<Revised<'r>>,
}

/// A row that changes: where it lies, if it is there.
struct Revised<'r> {
    key: &'r [u8],
    frame: Option<Frame>,
    body: Option<Cow<'r, [u8]>>,
}

impl<'p, 'r> Here<'p, 'r> {
    fn new(run: &Run<'_, '_>, pack: Option<&'p StoredPack>) -> Result<Self> {
        let rows = pack.map(|(key, value)| {
            Ok(Seeker::new(PackRows::new(run.table, run.prefix.len(), key, value)?, value))
        });
        Ok(Self { rows: rows.transpose()?, next: None, revised: Vec::new() })
    }

    /// What is at `key`, or nothing, if that belongs to a pack behind this one.
    fn seek(&mut self, run: &mut Run<'_, '_>, first: &[u8], key: &[u8]) -> Result<Option<Sought<'p>>> {
        let sought = match &mut self.rows {
            Some(rows) => rows.seek(key)?,
            None => Sought::End,
        };
        if matches!(sought, Sought::End) {
            if self.next.is_none() {
                self.next = Some(run.behind(first)?);
            }
            let next = self.next.iter().flatten().next();
            if next.is_some_and(|(next, _)| &next[run.prefix.len()..] <= key) {
                return Ok(None);
            }
        }
        Ok(Some(sought))
    }

    fn note(&mut self, key: &'r [u8], sought: Sought<'_>, revision: Revision<'r>) {
        let frame = sought.frame();
        let body = match revision {
            Revision::Same => return,
            Revision::Gone => None,
            Revision::Put(body) => Some(body),
        };
        self.revised.push(Revised { key, frame, body });
    }
}

/// Rows of one table under one prefix, as they are changed.
struct Run<'t, 'a> {
    cursor: WriteCursor<'t>,
    table: &'static Table,
    prefix: &'a [u8],
    fences: &'a Fences,
}

impl Run<'_, '_> {
    /// The pack behind the place of a row.
    fn behind(&mut self, key: &[u8]) -> Result<Option<StoredPack>> {
        let sought = [self.prefix, key].concat();
        let found = match self.cursor.seek(&sought)? {
            Some((found, _)) if *found == sought => self.cursor.next()?,
            found => found,
        };
        Ok(owned(found.filter(|(next, _)| next.starts_with(self.prefix))))
    }

    /// Writes what has become of rows of a pack, or of none, that lie before the next pack.
    fn write(
        &mut self,
        first: &[u8],
        holder: Option<&StoredPack>,
        next: Option<Option<StoredPack>>,
        revised: &[Revised<'_>],
    ) -> Result<()> {
        if revised.is_empty() || self.spliced(holder, revised)? {
            return Ok(());
        }
        let next = match next {
            Some(next) => next,
            None => self.behind(first)?,
        };
        let changes: Vec<Change<'_>> =
            revised.iter().map(|row| Change { key: row.key, body: row.body.as_deref() }).collect();
        self.rewrite(holder, next, &changes)
    }

    /// Writes rows into the bytes of their pack, if all of them are there and stay, and it becomes neither too large nor so small that it
    /// joins another.
    fn spliced(&mut self, holder: Option<&StoredPack>, revised: &[Revised<'_>]) -> Result<bool> {
        let Some((key, value)) = holder else { return Ok(false) };
        let places = revised.iter().map(|row| Some((row.frame?, row.body.as_deref()?)));
        let Some(changes) = places.collect::<Option<Vec<(Frame, &[u8])>>>() else { return Ok(false) };
        let grown: isize = changes.iter().map(|(frame, body)| frame.grows_by(body.len())).sum();
        let bytes = (key.len() + value.len()).saturating_add_signed(grown);
        if bytes > PACK_MAX || (grown < 0 && bytes < PACK_MAX / 2) {
            return Ok(false);
        }
        let mut spliced = Vec::with_capacity(PACK_MAX);
        splice(value, changes.into_iter(), &mut spliced);
        self.cursor.put(key, &spliced)?;
        Ok(true)
    }

    /// Whether the row at `key` may lie in a pack, as far as fences go.
    fn is_near(&self, key: &[u8], (pack, _): &StoredPack) -> bool {
        self.fences.is_between(key, &pack[self.prefix.len()..])
    }

    /// Brings changes into the rows of a pack, or of none, that lie before the next pack.
    fn rewrite(
        &mut self,
        holder: Option<&StoredPack>,
        next: Option<StoredPack>,
        changes: &[Change<'_>],
    ) -> Result<()> {
        let end = next.as_ref().map(|(next, _)| &next[self.prefix.len()..]);
        // What a damaged pack holds beyond its place would be put among the rows of the next.
        let held = match holder {
            Some((key, value)) => {
                Some(PackRows::new(self.table, self.prefix.len(), key, value)?.ending_before(end)?)
            }
            None => None,
        };
        let mut rows = merged(held, changes)?;
        let neighbour = self.neighbour(&rows, holder, next.as_ref())?;
        let first = rows.first().map(|row| row.key);
        if let Some(pack) = &neighbour {
            let first = first.as_ref().map(RowKey::as_slice);
            let first = first.filter(|first| pack.0[self.prefix.len()..] < **first);
            let mut more = self.rows_of(pack, first)?;
            if first.is_some() {
                std::mem::swap(&mut rows, &mut more);
            }
            rows.append(&mut more);
        }
        let gone = holder.into_iter().chain(&neighbour).map(|(key, _)| key.as_slice());
        self.replace(gone, &packed(self.prefix, &rows))
    }

    /// The pack that these rows join: the one behind them or the one before, where both fit into one. None, if they fill half of a
    /// pack, or did not become fewer: those stay where they are.
    fn neighbour(
        &mut self,
        rows: &[Row<'_>],
        holder: Option<&StoredPack>,
        next: Option<&StoredPack>,
    ) -> Result<Option<StoredPack>> {
        let Some(first) = rows.first() else { return Ok(None) };
        let bytes = rows_bytes(self.prefix, rows);
        let has_shrunk = holder.is_none_or(|(key, value)| bytes < key.len() + value.len());
        if !has_shrunk || bytes >= PACK_MAX / 2 {
            return Ok(None);
        }
        let fits = |run: &Self, pack: &StoredPack| {
            // The first key of one of them moves into a frame, with two bytes more at most.
            run.is_near(first.key.as_slice(), pack) && bytes + pack.0.len() + pack.1.len() + 2 <= PACK_MAX
        };
        if let Some(next) = next.filter(|next| fits(self, next)) {
            return Ok(Some(next.clone()));
        }
        let before = holder.map(|(key, _)| self.before(key)).transpose()?.flatten();
        Ok(before.filter(|before| fits(self, before)))
    }

    /// All rows of a pack, which ends there if it ends somewhere.
    fn rows_of<'p>(&self, (key, value): &'p StoredPack, end: Option<&'p [u8]>) -> Result<Vec<Row<'p>>> {
        merged(Some(PackRows::new(self.table, self.prefix.len(), key, value)?.ending_before(end)?), &[])
    }

    /// The pack before the one at this key.
    fn before(&mut self, key: &[u8]) -> Result<Option<StoredPack>> {
        self.cursor.find(key)?;
        let found = self.cursor.prev()?.filter(|(before, _)| before.starts_with(self.prefix));
        Ok(found.map(|(before, value)| (before.into_owned(), value.into_owned())))
    }

    /// Puts packs where others were. One that keeps its key is written over.
    fn replace<'k>(&mut self, gone: impl Iterator<Item = &'k [u8]>, packs: &Packs) -> Result<()> {
        for key in gone {
            if packs.iter().all(|(new, _)| new != key) && self.cursor.find(key)?.is_some() {
                self.cursor.delete()?;
            }
        }
        for (key, value) in packs.iter() {
            self.cursor.put(key, value)?;
        }
        Ok(())
    }
}

/// Held rows with changes brought in.
fn merged<'a>(mut held: Option<PackRows<'a>>, changes: &[Change<'a>]) -> Result<Vec<Row<'a>>> {
    let mut rows = Vec::with_capacity(changes.len() + 32);
    let mut changes = changes.iter().peekable();
    let mut push = |key: &[u8], body: Option<&'a [u8]>| {
        let key = RowKey::new(key).ok_or(Error::Refused { why: "a row's key is longer than any" })?;
        rows.extend(body.map(|body| Row { key, body }));
        Ok(())
    };
    while let Some((key, body)) = held.as_mut().map_or(Ok(None), PackRows::next)? {
        while let Some(change) = changes.next_if(|change| change.key < key) {
            push(change.key, change.body)?;
        }
        match changes.next_if(|change| change.key == key) {
            Some(change) => push(key, change.body)?,
            None => push(key, Some(body))?,
        }
    }
    changes.try_for_each(|change| push(change.key, change.body))?;
    Ok(rows)
}

/// What each row takes in one pack: the first with the key, which stands beside the prefix.
fn frames<'r>(rows: &'r [Row<'_>]) -> impl Iterator<Item = usize> + 'r {
    let mut before = None;
    rows.iter().map(move |row| {
        let key = row.key.as_slice();
        let bytes = frame_bytes(before, key, row.body) + if before.is_none() { key.len() } else { 0 };
        before = Some(key);
        bytes
    })
}

/// What rows take in one pack.
fn rows_bytes(prefix: &[u8], rows: &[Row<'_>]) -> usize {
    prefix.len() + frames(rows).sum::<usize>()
}

/// Rows in packs: in one if they fit, in halves if they fit in two, else in full ones.
fn packed(prefix: &[u8], rows: &[Row<'_>]) -> Packs {
    let bytes = rows_bytes(prefix, rows);
    let is_halved = bytes > PACK_MAX && bytes <= 2 * PACK_MAX;
    let mut packs = Packs::default();
    let mut so_far = 0;
    for (row, frame) in rows.iter().zip(frames(rows)) {
        // The cut comes where the middle of a row lies in the second half.
        if is_halved && so_far <= bytes / 2 && so_far + frame / 2 > bytes / 2 {
            packs.cut();
        }
        so_far += frame;
        packs.push(prefix, row.key.as_slice(), row.body);
    }
    packs
}

/// The pack that holds the row at `key` if any does: the last one that starts at or before it. The cursor stands there.
fn holder(cursor: &mut WriteCursor<'_>, prefix: &[u8], key: &[u8]) -> Result<Option<StoredPack>> {
    let mut pack = StoredPack::default();
    Ok(holder_into(cursor, prefix, key, &mut pack)?.then_some(pack))
}

/// The same, into the memory of another pack; whether there is one.
fn holder_into(
    cursor: &mut WriteCursor<'_>,
    prefix: &[u8],
    key: &[u8],
    (pack, value): &mut StoredPack,
) -> Result<bool> {
    pack.clear();
    pack.extend_from_slice(prefix);
    pack.extend_from_slice(key);
    let found = match cursor.seek(pack)? {
        Some((found, held)) if *found == **pack => Some((found, held)),
        Some(_) => cursor.prev()?,
        None => cursor.last()?,
    };
    let Some((found, held)) = found.filter(|(found, _)| found.starts_with(prefix)) else { return Ok(false) };
    pack.clear();
    pack.extend_from_slice(&found);
    value.clear();
    value.extend_from_slice(&held);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Config,
        env::Env,
        state::{
            pack_cursor::PackCursor,
            pack_inserter::Inserter,
            tables::{ACCOUNTS, STORAGE_NODES, TABLES},
        },
    };

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
    type Changed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    /// Keys that are often equal, or one the beginning of another.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0..4u8, 0..5)
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..400)
    }

    fn opened(dir: &tempfile::TempDir) -> Env {
        let config = Config::small(dir.path());
        Env::open(&dir.path().join("state"), "state", &config.state, &TABLES, |_| Ok(())).unwrap()
    }

    fn change(txn: &WriteTxn<'_>, prefix: &[u8], fences: &Fences, changes: &Changed) {
        let changes: Vec<_> =
            changes.iter().map(|(key, body)| Change { key, body: body.as_deref() }).collect();
        merge(txn, STORAGE_NODES, prefix, fences, &changes).unwrap();
    }

    fn puts(rows: &Rows) -> Changed {
        rows.iter().map(|(key, body)| (key.clone(), Some(body.clone()))).collect()
    }

    fn read(env: &Env, prefix: &[u8]) -> Rows {
        let txn = env.reader().unwrap();
        let mut cursor = PackCursor::new(&txn, STORAGE_NODES, prefix).unwrap();
        let mut rows = Rows::new();
        let mut row = cursor.seek(&[]).unwrap();
        while let Some((key, body)) = row {
            assert!(rows.last_key_value().is_none_or(|(last, _)| last.as_slice() < key), "packs overlap");
            rows.insert(key.to_vec(), body.to_vec());
            row = cursor.next().unwrap();
        }
        rows
    }

    /// First and last key of each pack, and its bytes.
    fn packs(env: &Env, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, usize)> {
        let txn = env.reader().unwrap();
        let mut cursor = txn.cursor(STORAGE_NODES).unwrap();
        let (mut all, mut pack) = (Vec::new(), cursor.seek(prefix).unwrap());
        while let Some((key, value)) = pack.filter(|(key, _)| key.starts_with(prefix)) {
            let mut rows = PackRows::new(STORAGE_NODES, prefix.len(), key, value).unwrap();
            let mut last = Vec::new();
            while let Some((key, _)) = rows.next().unwrap() {
                last = key.to_vec();
            }
            all.push((key[prefix.len()..].to_vec(), last, key.len() + value.len()));
            pack = cursor.next().unwrap();
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merged_changes_read_back_and_neighbours_stay(
            rounds in prop::collection::vec(
                prop::collection::btree_map(key(), prop::option::of(body()), 0..30),
                1..5,
            ),
            neighbours in prop::collection::btree_map(key(), body(), 1..10),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let env = opened(&dir);
            let (ours, before, behind) = ([7u8; 32], [6u8; 32], [8u8; 32]);
            let none = Fences::none();
            let txn = env.writer().unwrap();
            for prefix in [&before, &behind] {
                change(&txn, prefix, &none, &puts(&neighbours));
            }
            txn.commit().unwrap();
            let mut expected = Rows::new();
            for round in &rounds {
                let txn = env.writer().unwrap();
                change(&txn, &ours, &none, round);
                for (key, body) in round {
                    match body {
                        Some(body) => expected.insert(key.clone(), body.clone()),
                        None => expected.remove(key),
                    };
                    let found = find(&txn, STORAGE_NODES, &ours, key).unwrap();
                    prop_assert_eq!(found.as_ref(), body.as_ref());
                }
                txn.commit().unwrap();
                prop_assert_eq!(&read(&env, &ours), &expected);
                for (_, _, bytes) in packs(&env, &ours) {
                    prop_assert!(bytes <= PACK_MAX);
                }
            }
            for prefix in [&before, &behind] {
                prop_assert_eq!(&read(&env, prefix), &neighbours);
            }
        }

        /// Some ranges are missing at first. Rows change around them, and then they are filled, each at once.
        #[test]
        fn packs_end_at_gaps_and_what_fills_one_joins_no_other(
            mut gaps in prop::collection::btree_set(prop::collection::vec(0..4u8, 1..5), 1..5),
            rounds in prop::collection::vec(
                prop::collection::btree_map(key(), prop::option::of(body()), 1..30),
                1..5,
            ),
            fill in prop::collection::btree_map(key(), body(), 1..60),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let env = opened(&dir);
            let prefix = [7u8; 32];
            // A gap is from its first key to just before that key with a one behind it.
            let ends = |gap: &Vec<u8>| (gap.clone(), [gap.as_slice(), &[1]].concat());
            let is_in = |gap: &Vec<u8>, key: &Vec<u8>| { let (first, end) = ends(gap); *key >= first && *key < end };
            // They do not overlap.
            gaps = gaps.iter().filter(|gap| gaps.iter().all(|other| other == *gap || !is_in(other, gap))).cloned().collect();
            let mut expected = Rows::new();
            while let Some(gap) = gaps.first().cloned() {
                let fences = Fences::at(gaps.iter().cloned());
                for round in &rounds {
                    let mut round = round.clone();
                    round.retain(|key, _| !gaps.iter().any(|gap| is_in(gap, key)));
                    for (key, body) in &round {
                        match body {
                            Some(body) => expected.insert(key.clone(), body.clone()),
                            None => expected.remove(key),
                        };
                    }
                    let txn = env.writer().unwrap();
                    change(&txn, &prefix, &fences, &round);
                    txn.commit().unwrap();
                    prop_assert_eq!(&read(&env, &prefix), &expected);
                    for (first, last, _) in packs(&env, &prefix) {
                        prop_assert!(fences.is_between(&first, &last), "a pack lies across a gap");
                    }
                }
                gaps.remove(&gap);
                let mut new = Packs::default();
                for (key, body) in fill.iter().filter(|(key, _)| is_in(&gap, key)) {
                    new.push(&prefix, key, body);
                    expected.insert(key.clone(), body.clone());
                }
                let txn = env.writer().unwrap();
                let mut inserter = Inserter::new(&txn, STORAGE_NODES).unwrap();
                inserter.insert(new.iter()).unwrap();
                inserter.settle().unwrap();
                drop(inserter);
                txn.commit().unwrap();
                prop_assert_eq!(&read(&env, &prefix), &expected);
            }
        }
    }

    #[test]
    fn rows_that_come_one_by_one_leave_pages_as_full_as_halves_are() {
        let dir = tempfile::tempdir().unwrap();
        let env = opened(&dir);
        let key = |n: u64| snapsync_keccak::keccak256(&n.to_be_bytes());
        let (before, new) = (40_000, 40_000);
        let mut rows: Vec<_> = (0..before).map(key).collect();
        rows.sort_unstable();
        let mut packs = Packs::default();
        rows.iter().for_each(|row| packs.push(&[], row.as_slice(), &[7; 40]));
        let txn = env.writer().unwrap();
        let mut inserter = Inserter::new(&txn, ACCOUNTS).unwrap();
        inserter.insert(packs.iter()).unwrap();
        drop(inserter);
        txn.commit().unwrap();
        let pages = || env.reader().unwrap().leaf_pages(ACCOUNTS).unwrap();
        let full = pages();
        for block in 0..20 {
            let mut rows: Vec<_> = (0..new / 20).map(|n| key(before + block * new + n)).collect();
            rows.sort_unstable();
            let changes: Vec<_> =
                rows.iter().map(|row| Change { key: row.as_slice(), body: Some(&[8; 40]) }).collect();
            let txn = env.writer().unwrap();
            merge(&txn, ACCOUNTS, &[], &Fences::none(), &changes).unwrap();
            txn.commit().unwrap();
        }
        let grown = pages();
        // Twice the rows; packs and pages that are cut in halves are three fifths full, a bit more or less.
        assert!(grown * 4 < full * 2 * 7, "{full} pages became {grown}");
        // Rows that change in their place move nothing.
        let mut rows: Vec<_> = (0..new).map(key).collect();
        rows.sort_unstable();
        let changes: Vec<_> =
            rows.iter().map(|row| Change { key: row.as_slice(), body: Some(&[9; 40]) }).collect();
        let txn = env.writer().unwrap();
        merge(&txn, ACCOUNTS, &[], &Fences::none(), &changes).unwrap();
        txn.commit().unwrap();
        assert_eq!(pages(), grown);
    }

    #[test]
    fn rows_that_go_leave_no_crowd_of_small_packs() {
        let dir = tempfile::tempdir().unwrap();
        let env = opened(&dir);
        let key = |n: u16| n.to_be_bytes().to_vec();
        let all: Rows = (0..2_000).map(|n| (key(n), vec![7; 30])).collect();
        let prefix = [7; 32];
        let txn = env.writer().unwrap();
        change(&txn, &prefix, &Fences::none(), &puts(&all));
        txn.commit().unwrap();
        let full = packs(&env, &prefix).len();
        // Nine of ten go, a few with each block.
        for block in 0..9 {
            let gone = (0..200).map(|n| (key(n * 10 + block), None)).collect();
            let txn = env.writer().unwrap();
            change(&txn, &prefix, &Fences::none(), &gone);
            txn.commit().unwrap();
        }
        assert_eq!(read(&env, &prefix).len(), 200);
        let left = packs(&env, &prefix);
        assert!(left.len() <= full / 10 * 2 + 1, "{} packs of {full}", left.len());
        let gone = (0..200).map(|n| (key(n * 10 + 9), None)).collect();
        let txn = env.writer().unwrap();
        change(&txn, &prefix, &Fences::none(), &gone);
        txn.commit().unwrap();
        assert!(packs(&env, &prefix).is_empty());
    }
}
