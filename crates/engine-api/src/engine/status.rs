//! What is answered to a payload and to a forkchoice.

use alloy_primitives::B256;
use serde::Serialize;
use snapsync_execute::{ForkchoiceVerdict, PayloadVerdict};

use crate::engine::json::Fixed;

/// The words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Valid,
    Invalid,
    Syncing,
    Accepted,
    InvalidBlockHash,
}

/// `PayloadStatusV1`. What there is not is null: clients look for all three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayloadStatus {
    status: Status,
    latest_valid_hash: Option<Fixed<32>>,
    validation_error: Option<String>,
}

/// The answer to a forkchoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForkchoiceStatus {
    payload_status: PayloadStatus,
    /// No block is ever being built here.
    payload_id: Option<Fixed<8>>,
}

impl PayloadStatus {
    const fn new(status: Status) -> Self {
        Self { status, latest_valid_hash: None, validation_error: None }
    }

    fn valid(hash: B256) -> Self {
        Self { latest_valid_hash: Some(Fixed(hash.0)), ..Self::new(Status::Valid) }
    }

    fn invalid(latest_valid: Option<B256>, reason: String) -> Self {
        let latest_valid_hash = latest_valid.map(|hash| Fixed(hash.0));
        Self { status: Status::Invalid, latest_valid_hash, validation_error: Some(reason) }
    }

    /// The payload is bad in itself: nothing is known of its ancestors.
    pub(super) fn bad(reason: String) -> Self {
        Self::invalid(None, reason)
    }

    /// Its hash is another, in the words of Paris.
    pub(super) fn bad_hash(reason: String) -> Self {
        Self { status: Status::InvalidBlockHash, ..Self::invalid(None, reason) }
    }

    /// What the node says of the payload of this hash.
    pub(super) fn of(hash: B256, verdict: PayloadVerdict) -> Self {
        match verdict {
            PayloadVerdict::Valid => Self::valid(hash),
            PayloadVerdict::Invalid { latest_valid, reason } => Self::invalid(latest_valid, reason),
            PayloadVerdict::Syncing => Self::new(Status::Syncing),
            PayloadVerdict::Accepted => Self::new(Status::Accepted),
        }
    }
}

impl ForkchoiceStatus {
    /// What the node says of this head; `None`: the safe or the finalized block is no ancestor of it, which is an error.
    pub(super) fn of(head: B256, verdict: ForkchoiceVerdict) -> Option<Self> {
        let payload_status = match verdict {
            ForkchoiceVerdict::Valid => PayloadStatus::valid(head),
            ForkchoiceVerdict::Invalid { latest_valid, reason } => {
                PayloadStatus::invalid(latest_valid, reason)
            }
            ForkchoiceVerdict::Syncing => PayloadStatus::new(Status::Syncing),
            ForkchoiceVerdict::Inconsistent => return None,
        };
        Some(Self { payload_status, payload_id: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("it is text")
    }

    #[test]
    fn answers_are_those_that_clients_look_for() {
        let hash = B256::repeat_byte(7);
        let sevens = format!("0x{}", "07".repeat(32));
        let payload = |verdict| text(&PayloadStatus::of(hash, verdict));
        let nothing = r#""latestValidHash":null,"validationError":null}"#;
        assert_eq!(payload(PayloadVerdict::Syncing), format!(r#"{{"status":"SYNCING",{nothing}"#));
        assert_eq!(payload(PayloadVerdict::Accepted), format!(r#"{{"status":"ACCEPTED",{nothing}"#));
        assert_eq!(
            payload(PayloadVerdict::Valid),
            format!(r#"{{"status":"VALID","latestValidHash":"{sevens}","validationError":null}}"#)
        );
        let invalid = PayloadVerdict::Invalid { latest_valid: Some(hash), reason: "gas".to_owned() };
        assert_eq!(
            payload(invalid),
            format!(r#"{{"status":"INVALID","latestValidHash":"{sevens}","validationError":"gas"}}"#)
        );
        assert_eq!(
            text(&PayloadStatus::bad_hash("it is another".to_owned())),
            r#"{"status":"INVALID_BLOCK_HASH","latestValidHash":null,"validationError":"it is another"}"#
        );
        let syncing = ForkchoiceStatus::of(hash, ForkchoiceVerdict::Syncing);
        assert_eq!(
            text(&syncing),
            format!(r#"{{"payloadStatus":{{"status":"SYNCING",{nothing},"payloadId":null}}"#)
        );
        assert_eq!(ForkchoiceStatus::of(hash, ForkchoiceVerdict::Inconsistent), None);
    }
}
