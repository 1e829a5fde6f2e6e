//! Codes against their hashes, in batches.

use alloy_primitives::B256;
use snapsync_keccak::keccak256_batch;

use crate::{
    error::Result,
    state::{accounts::hash_key, snapshot::StateSnapshot, store::StateStore, tables::CODES},
    verify::report::{Findings, Report},
};

/// Codes of one batch at most, and the bytes after which it takes no further one.
const BATCH_CODES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Codes that lie side by side, with what they hash to.
pub(crate) struct HashedCodes {
    /// The key that each stands at, and its hash.
    pub(crate) codes: Vec<(Vec<u8>, B256)>,
    /// Where the next ones begin, if there are more.
    pub(crate) next: Option<Vec<u8>>,
}

/// Hashes a batch of codes, from this key on.
pub(crate) fn hashed_codes(snapshot: &StateSnapshot, from: &[u8]) -> Result<HashedCodes> {
    let mut cursor = snapshot.txn.cursor(CODES)?;
    let mut row = cursor.seek(from)?;
    let (mut batch, mut bytes): (Vec<(&[u8], &[u8])>, _) = (Vec::new(), 0);
    while let Some((key, code)) = row
        && batch.len() < BATCH_CODES
        && bytes < BATCH_BYTES
    {
        bytes += code.len();
        batch.push((key, code));
        row = cursor.next()?;
    }
    let messages: Vec<&[u8]> = batch.iter().map(|(_, code)| *code).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_batch(&messages, &mut hashes);
    let codes = batch.iter().zip(hashes).map(|((key, _), hash)| (key.to_vec(), hash)).collect();
    Ok(HashedCodes { codes, next: row.map(|(key, _)| key.to_vec()) })
}

/// Hashes every code.
pub(crate) fn check(store: &StateStore, findings: &Findings, report: &mut Report) -> Result<()> {
    let mut from = Some(Vec::new());
    while let Some(start) = from.filter(|_| !findings.is_full()) {
        let batch = hashed_codes(&store.snapshot()?, &start)?;
        for (key, found) in &batch.codes {
            let expected = findings.note(hash_key(CODES.name, key))?;
            if expected.is_some_and(|expected| expected != *found) {
                findings.add(CODES.name, key, format!("the code hashes to {found}"));
            }
        }
        report.codes += batch.codes.len() as u64;
        from = batch.next;
    }
    Ok(())
}
