//! Codes against their hashes, in batches.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256_batch;

use crate::{
    error::Result,
    state::{accounts::hash_key, store::StateStore, tables::CODES},
    verify::report::{Findings, Report},
};

/// Codes of one batch at most, and the bytes after which it takes no further one.
const BATCH_CODES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Hashes every code.
pub(crate) fn check(store: &StateStore, findings: &Findings, report: &mut Report) -> Result<()> {
    let mut from = Vec::new();
    loop {
        let snapshot = store.snapshot()?;
        let mut cursor = snapshot.txn.cursor(CODES)?;
        let mut row = cursor.seek(&from)?;
        let mut batch: Vec<(B256, Bytes)> = Vec::new();
        let mut bytes = 0;
        while let Some((key, code)) = row
            && batch.len() < BATCH_CODES
            && bytes < BATCH_BYTES
        {
            bytes += code.len();
            if let Some(hash) = findings.note(hash_key(CODES.name, key))? {
                batch.push((hash, Bytes::copy_from_slice(code)));
            }
            from = key.to_vec();
            row = cursor.next()?;
        }
        let messages: Vec<&[u8]> = batch.iter().map(|(_, code)| code.as_ref()).collect();
        let mut hashes = vec![B256::ZERO; messages.len()];
        keccak256_batch(&messages, &mut hashes);
        for ((expected, _), found) in batch.iter().zip(hashes) {
            if *expected != found {
                findings.add(CODES.name, expected.as_slice(), format!("the code hashes to {found}"));
            }
        }
        report.codes += batch.len() as u64;
        if row.is_none() || findings.is_full() {
            return Ok(());
        }
        // The shortest key behind the last one.
        from.push(0);
    }
}
