//! What came, in numbers.

use std::time::Duration;

use serde_json::{Value, json};
use snapsync_wire::snap::Message;

/// What came so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    accounts: usize,
    slots: usize,
    codes: usize,
    bytes_on_wire: usize,
    bytes: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, answer: &Message, bytes_on_wire: usize, bytes: usize) {
        match answer {
            Message::AccountRange(answer) => self.accounts += answer.accounts.len(),
            Message::StorageRanges(answer) => self.slots += answer.sets.rows().len(),
            Message::ByteCodes(answer) => self.codes += answer.codes.len(),
            _ => {}
        }
        self.bytes_on_wire += bytes_on_wire;
        self.bytes += bytes;
    }

    pub(crate) fn to_json(self, took: Duration) -> Value {
        json!({
            "seconds": took.as_secs_f64(),
            "accounts": self.accounts,
            "slots": self.slots,
            "codes": self.codes,
            "leaves": self.accounts + self.slots,
            "bytes_on_wire": self.bytes_on_wire,
            "answer_bytes": self.bytes,
        })
    }
}
