//! A payload as it is sent: `ExecutionPayloadV1` to `V4`, and what comes beside it.
//!
//! What a later structure has added is absent in an earlier one, and null is absent. Fields that no structure has are passed over.

use alloy_primitives::B256;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Deserialize;
use snapsync_execute::{Fork, Forks};
use snapsync_wire::limits;

use crate::{
    engine::{
        codes::{invalid_params, unsupported_fork},
        json::{Data, Few, Fixed, Quantity, Wide},
        params,
        version::{Version, fork_of},
    },
    object::Object,
};

/// A type has one byte, and each type comes once.
const REQUESTS_MAX: usize = 256;

/// A payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) parent_hash: Fixed<32>,
    pub(super) fee_recipient: Fixed<20>,
    pub(super) state_root: Fixed<32>,
    pub(super) receipts_root: Fixed<32>,
    pub(super) logs_bloom: Fixed<256>,
    pub(super) prev_randao: Fixed<32>,
    pub(super) block_number: Quantity,
    pub(super) gas_limit: Quantity,
    pub(super) gas_used: Quantity,
    pub(super) timestamp: Quantity,
    pub(super) extra_data: Data,
    pub(super) base_fee_per_gas: Wide,
    pub(super) block_hash: Fixed<32>,
    pub(super) transactions: Few<Data, { limits::TRANSACTIONS_MAX }>,
    /// Shanghai.
    pub(super) withdrawals: Option<Few<Object<Withdrawal>, { limits::WITHDRAWALS_MAX }>>,
    /// Cancun.
    pub(super) blob_gas_used: Option<Quantity>,
    /// Cancun.
    pub(super) excess_blob_gas: Option<Quantity>,
    /// Amsterdam.
    pub(super) block_access_list: Option<Data>,
    /// Amsterdam.
    pub(super) slot_number: Option<Quantity>,
}

/// `WithdrawalV1`.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Withdrawal {
    pub(super) index: Quantity,
    pub(super) validator_index: Quantity,
    pub(super) address: Fixed<20>,
    /// 10^9 wei each.
    pub(super) amount: Quantity,
}

/// All that `engine_newPayload` is called with.
#[derive(Clone, Debug)]
pub(super) struct PayloadCall {
    pub(super) payload: Payload,
    /// What its blob transactions should name, from Cancun on.
    pub(super) blob_hashes: Option<Vec<B256>>,
    /// Cancun.
    pub(super) parent_beacon_block_root: Option<Fixed<32>>,
    /// Prague: each of another type, in rising order, none of them empty.
    pub(super) requests: Option<Vec<Data>>,
}

impl PayloadCall {
    /// Reads it, and checks that it is of a form and a fork that the version is for.
    ///
    /// # Errors
    /// -32602, -38005.
    pub(super) fn read(
        version: Version,
        forks: &Forks,
        params: &Params<'_>,
    ) -> Result<Self, ErrorObjectOwned> {
        let count = match version {
            Version::V1 | Version::V2 => 1,
            Version::V3 => 3,
            Version::V4 | Version::V5 => 4,
        };
        let list = params::list(params, count, count)?;
        let param = |index: usize| list.get(index).copied();
        let hashes = param(1).map(params::read::<Vec<Fixed<32>>>).transpose()?;
        let call = Self {
            payload: params::read_object(list[0])?,
            blob_hashes: hashes.map(|hashes| hashes.into_iter().map(B256::from).collect()),
            parent_beacon_block_root: param(2).map(params::read).transpose()?,
            requests: param(3).map(params::read::<Few<Data, REQUESTS_MAX>>).transpose()?.map(|few| few.0),
        };
        let fork = fork_of(forks, call.payload.block_number.0, call.payload.timestamp.0);
        // SPEC: shanghai.md as amended by cancun.md: a payload of Cancun is of another fork, whatever its form.
        if version == Version::V2 && fork >= Fork::Cancun {
            return Err(unsupported_fork(format_args!("a payload of {fork:?} in version 2")));
        }
        call.payload.check_form(version, fork)?;
        call.check_requests()?;
        let is_its_fork = match version {
            Version::V1 | Version::V2 => true,
            Version::V3 => fork == Fork::Cancun,
            Version::V4 => matches!(fork, Fork::Prague | Fork::Osaka),
            Version::V5 => fork >= Fork::Amsterdam,
        };
        if is_its_fork {
            Ok(call)
        } else {
            Err(unsupported_fork(format_args!("a payload of {fork:?} in version {version:?}")))
        }
    }

    fn check_requests(&self) -> Result<(), ErrorObjectOwned> {
        let mut before = None;
        for Data(request) in self.requests.iter().flatten() {
            let [kind, _, ..] = request[..] else { return Err(invalid_params("an empty request")) };
            if before >= Some(kind) {
                return Err(invalid_params("requests are not in the order of their types"));
            }
            before = Some(kind);
        }
        Ok(())
    }
}

impl Payload {
    /// That each field which came with a fork is there from the version of that fork on, and not before.
    fn check_form(&self, version: Version, fork: Fork) -> Result<(), ErrorObjectOwned> {
        let has_withdrawals = self.withdrawals.is_some();
        let fields = [
            ("withdrawals", has_withdrawals, version.has_withdrawals(fork).unwrap_or(has_withdrawals)),
            ("blobGasUsed", self.blob_gas_used.is_some(), version >= Version::V3),
            ("excessBlobGas", self.excess_blob_gas.is_some(), version >= Version::V3),
            ("blockAccessList", self.block_access_list.is_some(), version >= Version::V5),
            ("slotNumber", self.slot_number.is_some(), version >= Version::V5),
        ];
        for (field, is_there, is_needed) in fields {
            match (is_there, is_needed) {
                (false, true) => return Err(invalid_params(format_args!("{field} is missing"))),
                (true, false) => return Err(invalid_params(format_args!("{field} is not of this version"))),
                _ => {}
            }
        }
        Ok(())
    }
}
