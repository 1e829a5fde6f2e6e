//! The record of a state sync, and the targets that rows and pendings remember by number.
//!
//! Only what no row implies is in it: what is held and what is pending are rows of their own.

use alloy_primitives::B256;
use snapsync_trie::TargetId;

use crate::{
    error::Result,
    record::{Reader, push_seal, put_option_hash},
    state::tables::PROGRESS,
};

/// The version of the records in this file.
pub(crate) const PROGRESS_VERSION: u8 = 1;
/// The key of [`SyncRecord`] in `Progress`.
pub(crate) const SYNC_KEY: [u8; 1] = [1];
/// The key in `Progress` of a mending that is not over: while it is there, no state is whole.
pub(crate) const MEND_KEY: [u8; 1] = [2];

/// The key in `Progress` of the version of snap that is spoken.
pub(crate) const SNAP_KEY: [u8; 1] = [3];

/// The stored version of snap.
pub(crate) fn encode_snap(version: u8) -> Vec<u8> {
    let mut out = vec![PROGRESS_VERSION, version];
    push_seal(&SNAP_KEY, &mut out);
    out
}

/// The same as it is read.
pub(crate) fn decode_snap(value: &[u8]) -> Result<u8> {
    let mut reader = Reader::versioned(PROGRESS.name, &SNAP_KEY, value, ("snap version", PROGRESS_VERSION))?;
    let version = reader.u8()?;
    reader.end()?;
    Ok(version)
}

/// A block whose state is or was wanted, with its short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetRecord {
    /// The short name.
    pub id: TargetId,
    /// Block number.
    pub number: u64,
    /// Hash of the block's header.
    pub hash: B256,
    /// State root in that header.
    pub root: B256,
}

/// What the engine wants recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateProgress {
    /// The target, once its header is known.
    pub pin: Option<TargetRecord>,
    /// The engine's phase, as the driver numbers it.
    pub phase: u8,
    /// The derived root, once it equalled the target's.
    pub rebuilt: Option<B256>,
}

impl StateProgress {
    /// The target whose state is whole: its root was derived from our rows.
    pub fn whole(&self) -> Option<TargetRecord> {
        self.pin.filter(|pin| self.rebuilt == Some(pin.root))
    }
}

/// What the writer has counted since the directory was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Account rows written.
    pub accounts: u64,
    /// Slots written, copies among them.
    pub slots: u64,
    /// Codes written.
    pub codes: u64,
    /// Bytes of the responses that all of these came in.
    pub response_bytes: u64,
}

/// How many commits the state has had since the directory was made: what a snapshot has seen, and when a row changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// For whoever writes rows and the branches above them at once, beside nobody.
    pub const NEWEST: Self = Self(u64::MAX);
}

/// The stored record: the engine's part and the writer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncRecord {
    pub(crate) progress: StateProgress,
    pub(crate) counters: Counters,
    pub(crate) commits: CommitNumber,
}

impl SyncRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![PROGRESS_VERSION, self.progress.phase];
        match self.progress.pin {
            None => out.push(0),
            Some(pin) => {
                out.push(1);
                out.extend_from_slice(&pin.id.0.to_be_bytes());
                out.extend_from_slice(&pin.number.to_be_bytes());
                out.extend_from_slice(pin.hash.as_slice());
                out.extend_from_slice(pin.root.as_slice());
            }
        }
        put_option_hash(&mut out, self.progress.rebuilt);
        let Counters { accounts, slots, codes, response_bytes } = self.counters;
        for count in [accounts, slots, codes, response_bytes, self.commits.0] {
            out.extend_from_slice(&count.to_be_bytes());
        }
        push_seal(&SYNC_KEY, &mut out);
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self> {
        let mut reader =
            Reader::versioned(PROGRESS.name, &SYNC_KEY, value, ("sync progress", PROGRESS_VERSION))?;
        let phase = reader.u8()?;
        let pin = reader.option(|reader| {
            Ok(TargetRecord {
                id: TargetId(reader.u32()?),
                number: reader.u64()?,
                hash: reader.hash()?,
                root: reader.hash()?,
            })
        })?;
        let rebuilt = reader.option(Reader::hash)?;
        let counters = Counters {
            accounts: reader.u64()?,
            slots: reader.u64()?,
            codes: reader.u64()?,
            response_bytes: reader.u64()?,
        };
        let commits = CommitNumber(reader.u64()?);
        reader.end()?;
        Ok(Self { progress: StateProgress { pin, phase, rebuilt }, counters, commits })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    fn record() -> SyncRecord {
        let pin = TargetRecord {
            id: TargetId(7),
            number: 9,
            hash: B256::repeat_byte(1),
            root: B256::repeat_byte(2),
        };
        let progress = StateProgress { pin: Some(pin), phase: 3, rebuilt: Some(B256::repeat_byte(4)) };
        let counters = Counters { accounts: 5, slots: 6, codes: 7, response_bytes: 8 };
        SyncRecord { progress, counters, commits: CommitNumber(9) }
    }

    #[test]
    fn an_unknown_version_is_named_with_both_numbers() {
        let mut bytes = record().encode();
        bytes[0] = 9;
        let error = SyncRecord::decode(&bytes).unwrap_err();
        assert!(matches!(error, Error::Version { found: 9, known: PROGRESS_VERSION, .. }), "{error}");
    }

    #[test]
    fn a_truncated_record_is_an_error_at_every_length() {
        let bytes = record().encode();
        assert_eq!(SyncRecord::decode(&bytes).unwrap(), record());
        for len in 0..bytes.len() {
            assert!(SyncRecord::decode(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn the_version_of_snap_reads_back_and_no_other_bytes_do() {
        let bytes = encode_snap(2);
        assert_eq!(decode_snap(&bytes).unwrap(), 2);
        for at in 0..bytes.len() {
            assert!(decode_snap(&bytes[..at]).is_err(), "{at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(decode_snap(&flipped).is_err(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SyncRecord::decode(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = PROGRESS_VERSION;
            }
            if let Ok(record) = SyncRecord::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
