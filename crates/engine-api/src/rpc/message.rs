//! What `eth_call` is asked to run, read and filled up.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use snapsync_execute::evm::{Call, CallBlobs, CallFees};

use super::{
    arguments::{Amount, Capped, Hex, Quantity},
    failure::{Failure, Result},
};
use crate::object::Object;

/// More blobs than any fork allows.
const BLOBS_MAX: usize = 128;
/// More than fit under the most gas.
const AUTHORIZATIONS_MAX: usize = 4_096;

/// A message as it is asked for. Fields that are not known are not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskedMessage {
    from: Option<Hex<Address>>,
    to: Option<Hex<Address>>,
    pub(super) gas: Option<Quantity>,
    gas_price: Option<Amount>,
    max_fee_per_gas: Option<Amount>,
    max_priority_fee_per_gas: Option<Amount>,
    max_fee_per_blob_gas: Option<Amount>,
    value: Option<Amount>,
    data: Option<Hex<Bytes>>,
    input: Option<Hex<Bytes>>,
    access_list: Option<Vec<Object<AskedAccess>>>,
    chain_id: Option<Amount>,
    blob_versioned_hashes: Option<Capped<Hex<B256>, BLOBS_MAX>>,
    authorization_list: Option<Capped<Object<AskedAuthorization>, AUTHORIZATIONS_MAX>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskedAccess {
    address: Hex<Address>,
    storage_keys: Vec<Hex<B256>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskedAuthorization {
    chain_id: Amount,
    address: Hex<Address>,
    nonce: Quantity,
    y_parity: Quantity,
    r: Amount,
    s: Amount,
}

impl AskedMessage {
    /// The message, with so much gas at most; `base_fee` says whether blocks have one.
    pub(super) fn call(self, chain_id: u64, base_fee: Option<U256>, gas_max: u64) -> Result<Call> {
        let other = |why: &str| Err(Failure::Other(why.to_owned()));
        let fees = self.fees(base_fee)?;
        let hashes =
            self.blob_versioned_hashes.map(|Capped(all)| all.into_iter().map(|Hex(hash)| hash).collect());
        let hashes: Option<Vec<B256>> = hashes;
        if self.max_fee_per_blob_gas.is_some() && hashes.as_ref().is_none_or(Vec::is_empty) {
            return other("maxFeePerBlobGas specified without blobVersionedHashes");
        }
        if self.to.is_none() && (hashes.is_some() || self.authorization_list.is_some()) {
            return other("a transaction with blobs or authorizations makes no contract");
        }
        if let Some(Amount(found)) = self.chain_id.filter(|Amount(found)| *found != U256::from(chain_id)) {
            return other(&format!("chainId does not match node's (have={found}, want={chain_id})"));
        }
        let fee_max = amount(self.max_fee_per_blob_gas)?;
        let authorizations = self.authorization_list.map_or_else(Vec::new, |Capped(all)| all);
        Ok(Call {
            from: self.from.map_or(Address::ZERO, |Hex(from)| from),
            to: self.to.map(|Hex(to)| to),
            gas: self.gas.map_or(gas_max, |Quantity(gas)| gas.min(gas_max)),
            fees,
            value: self.value.map_or(U256::ZERO, |Amount(value)| value),
            input: self.input.or(self.data).map_or_else(Bytes::new, |Hex(input)| input),
            access_list: AccessList(
                self.access_list.unwrap_or_default().into_iter().map(AskedAccess::listed).collect(),
            ),
            blobs: hashes.map(|hashes| CallBlobs { hashes, fee_max }),
            authorizations: authorizations
                .into_iter()
                .map(AskedAuthorization::signed)
                .collect::<Result<_>>()?,
        })
    }

    fn fees(&self, base_fee: Option<U256>) -> Result<CallFees> {
        let has_market_fees = self.max_fee_per_gas.is_some() || self.max_priority_fee_per_gas.is_some();
        if has_market_fees && self.gas_price.is_some() {
            let why = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
            return Err(Failure::Other(why.to_owned()));
        }
        if has_market_fees && base_fee.is_none() {
            let why = "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active";
            return Err(Failure::Other(why.to_owned()));
        }
        if !has_market_fees {
            return Ok(CallFees::Price(amount(self.gas_price)?));
        }
        let (fee_max, tip_max) = (amount(self.max_fee_per_gas)?, amount(self.max_priority_fee_per_gas)?);
        Ok(CallFees::Market { fee_max, tip_max })
    }
}

impl AskedAccess {
    fn listed(Object(asked): Object<Self>) -> AccessListItem {
        let storage_keys = asked.storage_keys.into_iter().map(|Hex(key)| key).collect();
        AccessListItem { address: asked.address.0, storage_keys }
    }
}

impl AskedAuthorization {
    fn signed(Object(asked): Object<Self>) -> Result<SignedAuthorization> {
        let Quantity(parity) = asked.y_parity;
        let parity =
            u8::try_from(parity).map_err(|_| Failure::Question("yParity is above 255".to_owned()))?;
        let inner =
            Authorization { chain_id: asked.chain_id.0, address: asked.address.0, nonce: asked.nonce.0 };
        Ok(SignedAuthorization::new_unchecked(inner, parity, asked.r.0, asked.s.0))
    }
}

/// A price; nobody could pay more than 128 bits of it.
fn amount(given: Option<Amount>) -> Result<u128> {
    let given = given.map_or(U256::ZERO, |Amount(given)| given);
    u128::try_from(given).map_err(|_| Failure::Question("a fee has more than 128 bits".to_owned()))
}
