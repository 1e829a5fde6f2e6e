//! Codes that are not what their hashes say go. Who names them is found later, with the accounts.

use crate::{error::Result, mend::mending::Mending, state::tables::CODES, verify::hashed_codes};

/// Drops them, a batch a transaction.
pub(crate) fn mend(mending: &mut Mending<'_>) -> Result<()> {
    let (mut from, mut codes) = (Some(Vec::new()), 0);
    while let Some(start) = from {
        let batch = hashed_codes(&mending.snapshot()?, &start)?;
        let wrong: Vec<&Vec<u8>> =
            batch.codes.iter().filter(|(key, hash)| key != hash.as_slice()).map(|(key, _)| key).collect();
        codes += (batch.codes.len() - wrong.len()) as u64;
        if !wrong.is_empty() {
            mending.change(|txn, mending| {
                mending.mended.codes += wrong.len() as u64;
                wrong.iter().try_for_each(|key| txn.delete(CODES, key).map(drop))
            })?;
        }
        from = batch.next;
    }
    // Only now: a mending that is killed counts them again.
    if let Some(at) = &mut mending.at {
        at.counted.codes = codes;
    }
    Ok(())
}
