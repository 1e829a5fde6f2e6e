//! Calls that change nothing: who we are, what we can do, and what a node without a pool has nothing of.

use alloy_primitives::{Bytes, U256};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use snapsync_execute::{Fork, Forks};
use snapsync_wire::Header;

use crate::{
    engine::{
        codes::{server_error, too_large_request, unknown_payload, unsupported_fork},
        context::Context,
        json::{Fixed, Quantity, Wide},
        params,
        version::fork_of,
    },
    object::Object,
};

/// Blobs that are asked for at once, at most.
const BLOBS_MAX: usize = 128;

/// What this program calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientVersion {
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The first bytes of the commit that it was built of; zero where that is not known.
    pub commit: [u8; 4],
}

/// `ClientVersionV1`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClientVersionAnswer {
    code: &'static str,
    name: String,
    version: String,
    commit: Fixed<4>,
}

/// `TransitionConfigurationV1`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transition {
    terminal_total_difficulty: Wide,
    terminal_block_hash: Fixed<32>,
    terminal_block_number: Quantity,
}

/// `engine_getClientVersionV1`: whoever asks is known by its requests.
pub(super) fn client_version(
    client: &ClientVersion,
    params: &Params<'_>,
) -> Result<[ClientVersionAnswer; 1], ErrorObjectOwned> {
    params::only::<IgnoredAny>(params)?;
    let ClientVersion { name, version, commit } = client.clone();
    // Nobody has these two letters in identification.md.
    Ok([ClientVersionAnswer { code: "SN", name, version, commit: Fixed(commit) }])
}

/// `engine_getPayload`, in all versions: nothing is being built.
pub(super) fn payload(params: &Params<'_>) -> Result<(), ErrorObjectOwned> {
    params::only::<Fixed<8>>(params)?;
    Err(unknown_payload("this node builds no blocks"))
}

/// `engine_getBlobsV1`: nothing of each, up to Osaka.
pub(super) fn blobs_one_by_one(
    context: &Context,
    params: &Params<'_>,
) -> Result<Vec<Option<()>>, ErrorObjectOwned> {
    let count = blobs(params::only(params)?)?;
    let snapshot = context.history.snapshot().map_err(server_error)?;
    let highest = snapshot.highest().map_err(server_error)?;
    let raw = highest.map(|(number, _)| snapshot.header(number)).transpose().map_err(server_error)?.flatten();
    let head = raw.and_then(|raw| Header::decode(&Bytes::copy_from_slice(raw)).ok());
    if head.is_some_and(|head| fork_of(&context.forks, head.number, head.timestamp) >= Fork::Osaka) {
        return Err(unsupported_fork("Osaka has begun"));
    }
    Ok(vec![None; count])
}

/// `engine_getBlobsV2` and `V3`: null, since there is no pool.
pub(super) fn blobs_all_or_nothing(params: &Params<'_>) -> Result<Option<()>, ErrorObjectOwned> {
    blobs(params::only(params)?)?;
    Ok(None)
}

/// `engine_getBlobsV4`: null, since there is no pool.
pub(super) fn cells(params: &Params<'_>) -> Result<Option<()>, ErrorObjectOwned> {
    let list = params::list(params, 2, 2)?;
    params::read::<Fixed<16>>(list[1])?;
    blobs(params::read(list[0])?)?;
    Ok(None)
}

fn blobs(hashes: Vec<Fixed<32>>) -> Result<usize, ErrorObjectOwned> {
    if hashes.len() > BLOBS_MAX {
        return Err(too_large_request(format_args!("{} blobs, {BLOBS_MAX} are given", hashes.len())));
    }
    Ok(hashes.len())
}

/// `engine_exchangeTransitionConfigurationV1`, which nobody should call any more.
pub(super) fn transition(forks: &Forks, params: &Params<'_>) -> Result<Transition, ErrorObjectOwned> {
    let Object(theirs) = params::only::<Object<Transition>>(params)?;
    // SPEC: paris.md, 7: of a chain that has decided nothing.
    let undecided = U256::MAX - U256::from(1023);
    let ours = forks.terminal_total_difficulty.unwrap_or(undecided);
    if theirs.terminal_total_difficulty.0 != ours {
        return Err(server_error(format_args!("the terminal total difficulty is {ours:#x} here")));
    }
    Ok(Transition {
        terminal_total_difficulty: Wide(ours),
        terminal_block_hash: Fixed([0; 32]),
        terminal_block_number: Quantity(0),
    })
}
