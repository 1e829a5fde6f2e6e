//! Packs into the write transaction: new ones between those that are there, changed rows into the packs that hold them.

use std::collections::BTreeMap;

use crate::{
    env::{Table, WriteCursor, WriteTxn},
    error::Result,
    state::pack::{PackRows, Packs},
};

/// Puts packs that overlap none of those that are there. Refuses to touch one that is.
pub(crate) fn insert<'a>(
    cursor: &mut WriteCursor<'_>,
    packs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<()> {
    for (key, value) in packs {
        cursor.insert(key, value)?;
    }
    Ok(())
}

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

/// Takes all rows under a prefix away.
pub(crate) fn clear(txn: &WriteTxn<'_>, table: &'static Table, prefix: &[u8]) -> Result<()> {
    let mut cursor = txn.cursor(table)?;
    while let Some((key, _)) = cursor.seek(prefix)?
        && key.starts_with(prefix)
    {
        cursor.delete()?;
    }
    Ok(())
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
        let later = next.map_or_else(BTreeMap::new, |next| changes.split_off(&next));
        let mut rows = std::mem::replace(&mut changes, later);
        if let Some((key, value)) = &holder {
            let mut held = PackRows::new(table, prefix.len(), key, value)?;
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
        insert(&mut cursor, packs.iter())?;
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
