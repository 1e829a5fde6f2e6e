//! How much lies in a range: what answers have shown of accounts and of each large storage, to cut a range into requests
//! that give about as much as their peer should send.
//!
//! Keys are hashes, so density is even; where it is not, an answer ends early and the rest is asked for again. A request
//! whose end is known can be followed by the next one at once, without waiting for what it gives.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use snapsync_sync::HashRange;

use crate::{Answered, What};

/// The part of the key space that is asked for while nothing is known: an answer of a state of 50 MB.
const SHARE_FIRST: f64 = 1.0 / 256.0;

/// The least part of the key space that a range is cut at; a fraction of one account in any state.
const SHARE_MIN: f64 = 1.0 / 4_294_967_296.0;

/// Answers after which older ones count half.
const ANSWERS_MEMORY: u32 = 64;

/// Storages whose density is remembered; those with the lowest keys are forgotten first. 100 bytes each.
const STORAGES_MAX: usize = 1024;

/// Bytes over parts of the key space.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: f64,
    share: f64,
    answers: u32,
}

impl Sum {
    fn add(&mut self, bytes: f64, share: f64) {
        if self.answers == ANSWERS_MEMORY {
            *self = Self { bytes: self.bytes / 2.0, share: self.share / 2.0, answers: ANSWERS_MEMORY / 2 };
        }
        self.bytes += bytes;
        self.share += share;
        self.answers += 1;
    }

    /// Bytes that the whole key space would hold.
    fn whole(&self) -> Option<f64> {
        (self.answers > 0 && self.share > 0.0).then(|| self.bytes / self.share)
    }
}

/// What is known of densities.
#[derive(Debug, Default)]
pub(crate) struct Density {
    accounts: Sum,
    /// Bytes and slots of answers to sub-ranges.
    slots: Sum,
    /// Slots over parts of one storage's key space.
    storages: BTreeMap<B256, Sum>,
}

impl Density {
    /// A useful answer came.
    pub(crate) fn learn(&mut self, what: &What, answered: &Answered, bytes: u64) {
        match answered {
            Answered::Accounts { covered } => self.accounts.add(bytes as f64, covered.share()),
            Answered::Storages { partial: Some(part), .. } => {
                self.storages.entry(part.account).or_default().add(part.slots as f64, part.covered.share());
                if self.storages.len() > STORAGES_MAX {
                    self.storages.pop_first();
                }
                if matches!(what, What::StorageRange { .. }) {
                    self.slots.add(bytes as f64, part.slots as f64);
                }
            }
            _ => {}
        }
    }

    /// Bytes that the whole key space of a request's trie would hold.
    fn whole(&self, what: &What) -> Option<f64> {
        match what {
            What::Accounts { .. } => self.accounts.whole(),
            What::StorageRange { claim, .. } => {
                let slot_bytes = self.slots.whole().unwrap_or(64.0);
                Some(self.storages.get(&claim.account)?.whole()? * slot_bytes)
            }
            _ => None,
        }
    }

    /// Whether a range may have several requests in flight: accounts are cut blindly at first, storages are not.
    pub(crate) fn is_known(&self, what: &What) -> bool {
        !matches!(what, What::StorageRange { .. }) || self.whole(what).is_some()
    }

    /// Bytes that a range should give; none if nothing is known.
    pub(crate) fn bytes(&self, what: &What) -> Option<u64> {
        let (What::Accounts { range, .. } | What::StorageRange { range, .. }) = what else { return None };
        // A cast of a float saturates.
        Some((self.whole(what)? * range.share()) as u64)
    }

    /// Cuts a range where about `bytes` end; gives what lies behind. A rest of less than half of that stays with it.
    pub(crate) fn cut(&self, what: &mut What, bytes: u64) -> Option<What> {
        let share = match (self.whole(what), &what) {
            (Some(whole), _) => bytes as f64 / whole.max(1.0),
            (None, What::Accounts { .. }) => SHARE_FIRST,
            (None, _) => return None,
        };
        let share = share.max(SHARE_MIN);
        let rest = what.clone();
        let (What::Accounts { range, .. } | What::StorageRange { range, .. }) = what else { return None };
        if range.share() <= share * 1.5 {
            return None;
        }
        let step = U256::from((share * 2f64.powi(128)) as u128) << 128usize;
        let last = U256::from_be_bytes(range.start().0) + step - U256::ONE;
        let (front, behind) = range.split_at(B256::from(last.to_be_bytes()))?;
        *range = front;
        let mut rest = rest;
        if let What::Accounts { range, .. } | What::StorageRange { range, .. } = &mut rest {
            *range = behind;
        }
        Some(rest)
    }
}

/// The key that follows a request's range, or the last one there is.
pub(crate) fn end_of(what: &What) -> Option<B256> {
    match what {
        What::Accounts { range, .. } => {
            Some(HashRange::after(range.last()).unwrap_or(B256::repeat_byte(0xff)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use snapsync_sync::TargetId;

    use super::*;

    fn accounts(range: HashRange) -> What {
        What::Accounts { target: TargetId(1), root: B256::ZERO, range }
    }

    /// What one answer of this many bytes leads to: bytes that the rest is thought to hold, and requests that it becomes at 1,000 bytes each.
    fn after(covered: HashRange, bytes: u64) -> (u64, usize) {
        let mut density = Density::default();
        let asked = accounts(HashRange::FULL);
        density.learn(&asked, &Answered::Accounts { covered }, bytes);
        let rest = HashRange::after(covered.last()).map(|start| accounts(HashRange::from_start(start)));
        let Some(mut next) = rest else { return (0, 0) };
        let (whole, mut parts) = (density.bytes(&next).unwrap(), 1);
        while let Some(behind) = density.cut(&mut next, 1_000) {
            (next, parts) = (behind, parts + 1);
            if parts == 2_000 {
                break;
            }
        }
        (whole, parts)
    }

    fn up_to(last: &str) -> HashRange {
        let digits: Vec<u8> = last.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
        let mut last = [0xff; 32];
        for (at, pair) in digits.chunks(2).enumerate() {
            last[at] = pair[0] << 4 | pair.get(1).copied().unwrap_or(0xf);
        }
        HashRange::new(B256::ZERO, last.into()).unwrap()
    }

    #[test]
    fn what_is_left_is_guessed_from_the_share_that_an_answer_covers() {
        assert_eq!(after(up_to("7"), 1_000), (1_000, 1));
        assert_eq!(after(up_to("0"), 1_000), (15_000, 15));
        let (bytes, parts) = after(up_to("ef"), 1_000);
        assert!((60..80).contains(&bytes) && parts == 1, "{bytes} in {parts}");
        assert_eq!(after(HashRange::FULL, 1_000), (0, 0));
    }

    #[test]
    fn an_answer_that_covers_next_to_nothing_leads_to_no_endless_cutting() {
        // One key of all, with a byte, with nothing, and with as much as there can be.
        for bytes in [0, 1, u64::MAX] {
            let (_, parts) = after(HashRange::single(B256::ZERO), bytes);
            assert!(parts >= 1);
        }
        // A part has some width whatever was seen.
        let mut density = Density::default();
        density.learn(
            &accounts(HashRange::FULL),
            &Answered::Accounts { covered: HashRange::single(B256::ZERO) },
            u64::MAX,
        );
        let mut first = accounts(HashRange::FULL);
        assert!(density.cut(&mut first, 1).is_some());
        let What::Accounts { range, .. } = first else { panic!("{first:?}") };
        assert!(range.share() >= SHARE_MIN / 2.0);
    }
}
