//! `engine_getPayloadBodies`: bodies of blocks that are held, for a consensus client that keeps none itself.
//!
//! Access lists are kept by nobody here once a block is taken: in the second version they are null.

use alloy_primitives::{B256, Bytes};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Serialize;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{Body, Header};

use crate::engine::{
    codes::{invalid_params, server_error, too_large_request},
    context::Context,
    json::{Data, Fixed, Quantity},
    params,
    payload::Withdrawal,
    version::Version,
};

/// Bodies of an answer at most.
const BODIES_MAX: usize = 1024;
/// Bytes of bodies of an answer at most: in hex they are twice that, and below what an answer may have (`Limits::engine`).
///
/// SPEC: shanghai.md wants 32 bodies at least. A gas limit of 78 million pays for 1.875 MiB of a block that are not zero (EIP-7623, 40 gas
/// each), so 32 blocks that somebody has paid for in full are given; more than that only zeros could be.
const BYTES_MAX: usize = 60 << 20;

/// `ExecutionPayloadBodyV1`, and `V2` with what that adds.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PayloadBody {
    V1(BodyParts),
    V2 {
        #[serde(flatten)]
        parts: BodyParts,
        #[serde(rename = "blockAccessList")]
        block_access_list: Option<Data>,
    },
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct BodyParts {
    transactions: Vec<Data>,
    withdrawals: Option<Vec<Withdrawal>>,
}

/// What is answered: null is a block that is not held.
pub(super) type Bodies = Vec<Option<PayloadBody>>;

/// `engine_getPayloadBodiesByHash`.
pub(super) fn by_hash(
    version: Version,
    context: &Context,
    params: &Params<'_>,
) -> Result<Bodies, ErrorObjectOwned> {
    let hashes: Vec<Fixed<32>> = params::only(params)?;
    if hashes.len() > BODIES_MAX {
        return Err(too_large_request(format_args!("{} bodies, {BODIES_MAX} are given", hashes.len())));
    }
    let mut reader = Reader::new(version, context)?;
    hashes.into_iter().map(|hash| reader.body(Some(hash.into()))).collect()
}

/// `engine_getPayloadBodiesByRange`: of the chain that is held, up to its head.
pub(super) fn by_range(
    version: Version,
    context: &Context,
    params: &Params<'_>,
) -> Result<Bodies, ErrorObjectOwned> {
    let list = params::list(params, 2, 2)?;
    let (Quantity(start), Quantity(count)) = (params::read(list[0])?, params::read(list[1])?);
    if start == 0 || count == 0 {
        return Err(invalid_params("start and count begin at 1"));
    }
    if count > BODIES_MAX as u64 {
        return Err(too_large_request(format_args!("{count} bodies, {BODIES_MAX} are given")));
    }
    let mut reader = Reader::new(version, context)?;
    let head = reader.snapshot.highest().map_err(server_error)?.map_or(0, |(number, _)| number);
    let last = start.saturating_add(count - 1).min(head);
    (start..=last)
        .map(|number| {
            let hash = reader.snapshot.canonical(number).map_err(server_error)?;
            reader.body(hash)
        })
        .collect()
}

/// One moment of the history, and how much of it was given.
struct Reader<'a> {
    version: Version,
    genesis: &'a Header,
    snapshot: HistorySnapshot,
    bytes: usize,
}

impl<'a> Reader<'a> {
    fn new(version: Version, context: &'a Context) -> Result<Self, ErrorObjectOwned> {
        let snapshot = context.history.snapshot().map_err(server_error)?;
        Ok(Self { version, genesis: &context.genesis, snapshot, bytes: 0 })
    }

    fn body(&mut self, hash: Option<B256>) -> Result<Option<PayloadBody>, ErrorObjectOwned> {
        let Some(hash) = hash else { return Ok(None) };
        if hash == self.genesis.hash() {
            return Ok(Some(self.told(BodyParts::empty(self.genesis))));
        }
        let Some(raw) = self.snapshot.body(&hash).map_err(server_error)? else { return Ok(None) };
        self.bytes += raw.len();
        if self.bytes > BYTES_MAX {
            return Err(too_large_request(format_args!("the bodies have more than {BYTES_MAX} bytes")));
        }
        let body = Body::decode(&Bytes::copy_from_slice(raw)).map_err(server_error)?;
        let parts = BodyParts::of(&body).map_err(server_error)?;
        Ok(Some(self.told(parts)))
    }

    fn told(&self, parts: BodyParts) -> PayloadBody {
        match self.version {
            Version::V1 => PayloadBody::V1(parts),
            _ => PayloadBody::V2 { parts, block_access_list: None },
        }
    }
}

impl BodyParts {
    /// Of block 0, in which nothing ever is.
    fn empty(genesis: &Header) -> Self {
        Self { transactions: Vec::new(), withdrawals: genesis.withdrawals_root.map(|_| Vec::new()) }
    }

    fn of(body: &Body) -> alloy_rlp::Result<Self> {
        let transactions =
            body.transaction_payloads().into_iter().map(|bytes| Data(Bytes::copy_from_slice(bytes)));
        let withdrawals = body.withdrawal_payloads().map(|items| items.into_iter().map(withdrawal).collect());
        Ok(Self { transactions: transactions.collect(), withdrawals: withdrawals.transpose()? })
    }
}

fn withdrawal(raw: &[u8]) -> alloy_rlp::Result<Withdrawal> {
    let read: snapsync_execute::Withdrawal = alloy_rlp::decode_exact(raw)?;
    Ok(Withdrawal {
        index: Quantity(read.index),
        validator_index: Quantity(read.validator),
        address: Fixed(read.address.into_array()),
        amount: Quantity(read.gwei),
    })
}
