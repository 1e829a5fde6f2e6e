//! What a block that is to be built should be like: checked, and then not built.

use jsonrpsee::types::ErrorObjectOwned;
use serde::Deserialize;
use serde_json::value::RawValue;
use snapsync_execute::{Fork, Forks};
use snapsync_wire::limits;

use crate::{
    engine::{
        codes::{invalid_params, invalid_payload_attributes, unsupported_fork},
        json::{Few, Fixed, Quantity},
        payload::Withdrawal,
        version::{Version, fork_of},
    },
    object::Object,
};

/// `PayloadAttributesV1` to `V4`. Most of it is read for its form alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    timestamp: Quantity,
    #[serde(rename = "prevRandao")]
    _prev_randao: Fixed<32>,
    #[serde(rename = "suggestedFeeRecipient")]
    _suggested_fee_recipient: Fixed<20>,
    /// Shanghai.
    withdrawals: Option<Few<Object<Withdrawal>, { limits::WITHDRAWALS_MAX }>>,
    /// Cancun.
    parent_beacon_block_root: Option<Fixed<32>>,
    /// Amsterdam.
    slot_number: Option<Quantity>,
    /// Amsterdam.
    target_gas_limit: Option<Quantity>,
}

/// The block that something is to be built on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) number: u64,
    pub(super) timestamp: u64,
}

/// Checks attributes; `parent` is not known where its header is not held.
///
/// # Errors
/// -38003, -38005; -32602 in the first version, which had no other word for it.
pub(super) fn check(
    version: Version,
    forks: &Forks,
    attributes: &RawValue,
    parent: Option<Parent>,
) -> Result<(), ErrorObjectOwned> {
    let Object(attributes) =
        serde_json::from_str::<Object<Attributes>>(attributes.get()).map_err(invalid_payload_attributes)?;
    // A number above all that forks begin at tells of those that begin at a time.
    let number = parent.map_or(u64::MAX, |parent| parent.number.saturating_add(1));
    let fork = fork_of(forks, number, attributes.timestamp.0);
    attributes.check_form(version, fork)?;
    let is_its_fork = match version {
        Version::V1 | Version::V2 => fork <= Fork::Shanghai,
        Version::V3 => (Fork::Cancun..Fork::Amsterdam).contains(&fork),
        Version::V4 | Version::V5 => fork >= Fork::Amsterdam,
    };
    if !is_its_fork {
        return Err(unsupported_fork(format_args!("attributes of {fork:?} in version {version:?}")));
    }
    match parent {
        Some(parent) if attributes.timestamp.0 <= parent.timestamp => {
            Err(invalid_payload_attributes("the time is not after the head's"))
        }
        _ => Ok(()),
    }
}

impl Attributes {
    fn check_form(&self, version: Version, fork: Fork) -> Result<(), ErrorObjectOwned> {
        let has_withdrawals = self.withdrawals.is_some();
        let fields = [
            ("withdrawals", has_withdrawals, version.has_withdrawals(fork).unwrap_or(has_withdrawals)),
            ("parentBeaconBlockRoot", self.parent_beacon_block_root.is_some(), version >= Version::V3),
            ("slotNumber", self.slot_number.is_some(), version >= Version::V4),
            ("targetGasLimit", self.target_gas_limit.is_some(), version >= Version::V4),
        ];
        match fields.into_iter().find(|(_, is_there, is_needed)| is_there != is_needed) {
            None => Ok(()),
            // SPEC: as go-ethereum has it; paris.md names no error for this.
            Some((field, ..)) if version == Version::V1 => {
                Err(invalid_params(format_args!("{field} is not of this version")))
            }
            Some((field, true, _)) => {
                Err(invalid_payload_attributes(format_args!("{field} is not of this version")))
            }
            Some((field, false, _)) => Err(invalid_payload_attributes(format_args!("{field} is missing"))),
        }
    }
}
