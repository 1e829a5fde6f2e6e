//! Changed rows into the packs that hold them, inside the write transaction; rows found in it, and taken away.
//!
//! Packs that are new altogether come by `pack_inserter`.

use std::collections::BTreeMap;

use crate::{
    env::{Table, WriteCursor, WriteTxn},
    error::Result,
    state::pack::{PackRows, Packs},
};

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

/// Brings changes into the rows under a prefix: a body is put, `None` takes the row away.
///
/// Packs that shrink are not joined with their neighbours.
pub(crate) fn merge(
    txn: &WriteTxn<'_>,
    table: &'static Table,
    prefix: &[u8],
    mut changes: BTreeMap<Vec<u8>, Option<&[u8]>>,
) -> Result<()> {
    let mut cursor = txn.cursor(table)?;
    while let Some((first, _)) = changes.first_key_value() {
        let holder = holder(&mut cursor, prefix, first)?;
        // From the holder, or from where it would be, to the next pack: what lies between goes into one pack, or several.
        let next = match &holder {
            Some(_) => cursor.next()?,
            None => cursor.seek(&[prefix, first.as_slice()].concat())?,
        };
        let next =
            next.filter(|(key, _)| key.starts_with(prefix)).map(|(key, _)| key[prefix.len()..].to_vec());
        let later = next.as_ref().map_or_else(BTreeMap::new, |next| changes.split_off(next));
        let mut rows = std::mem::replace(&mut changes, later);
        if let Some((key, value)) = &holder {
            // What a damaged pack holds beyond its place would be put among the rows of the next.
            let mut held = PackRows::new(table, prefix.len(), key, value)?.ending_before(next.as_deref());
            while let Some((key, body)) = held.next()? {
                rows.entry(key.to_vec()).or_insert(Some(body));
            }
            txn.delete(table, key)?;
        }
        let mut packs = Packs::default();
        for (key, body) in &rows {
            if let Some(body) = body {
                packs.push(prefix, key, body);
            }
        }
        for (key, value) in packs.iter() {
            cursor.insert(key, value)?;
        }
    }
    Ok(())
}

/// The pack that holds the row at `key` if any does: the last one that starts at or before it. The cursor stands there.
fn holder(cursor: &mut WriteCursor<'_>, prefix: &[u8], key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let sought = [prefix, key].concat();
    let found = match cursor.seek(&sought)? {
        Some((found, value)) if *found == sought => Some((found, value)),
        Some(_) => cursor.prev()?,
        None => cursor.last()?,
    };
    Ok(found
        .filter(|(found, _)| found.starts_with(prefix))
        .map(|(found, value)| (found.into_owned(), value.into_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Config,
        env::Env,
        state::{
            pack_cursor::PackCursor,
            tables::{STORAGE_NODES, TABLES},
        },
    };

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    /// Keys that are often equal, or one the beginning of another.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0..4u8, 0..5)
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..400)
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
            let config = Config::small(dir.path());
            let env = Env::open(&dir.path().join("state"), "state", &config.state, &TABLES, |_| Ok(())).unwrap();
            let (ours, before, behind) = ([7u8; 32], [6u8; 32], [8u8; 32]);
            let txn = env.writer().unwrap();
            for prefix in [&before, &behind] {
                let rows = neighbours.iter().map(|(key, body)| (key.clone(), Some(body.as_slice()))).collect();
                merge(&txn, STORAGE_NODES, prefix, rows).unwrap();
            }
            txn.commit().unwrap();
            let mut expected = Rows::new();
            for round in &rounds {
                let changes: BTreeMap<_, _> =
                    round.iter().map(|(key, body)| (key.clone(), body.as_deref())).collect();
                let txn = env.writer().unwrap();
                merge(&txn, STORAGE_NODES, &ours, changes).unwrap();
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
            }
            for prefix in [&before, &behind] {
                prop_assert_eq!(&read(&env, prefix), &neighbours);
            }
        }
    }
}
