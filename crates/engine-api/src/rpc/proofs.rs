//! `eth_getProof`: an account and slots of it, with the nodes above them.

use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use snapsync_execute::ParentState;
use snapsync_keccak::keccak256;
use snapsync_storage::KeptState;
use snapsync_trie::{EMPTY_ROOT, prove};

use super::{
    arguments::{Arguments, Capped, Hex},
    block_name::BlockName,
    failure::{Failure, Result},
    moment::Moment,
    served::Served,
    slot_key::SlotKey,
};

/// No list of slots is read further, whatever the limits say.
const SLOTS_READ_MAX: usize = 16_384;

/// An account, or that there is none.
pub(super) fn of_account(
    served: &Served,
    mut arguments: Arguments<'_>,
) -> Result<EIP1186AccountProofResponse> {
    let Hex(address) = arguments.need::<Hex<Address>>()?;
    let Capped::<SlotKey, SLOTS_READ_MAX>(keys) = arguments.may()?.unwrap_or(Capped(Vec::new()));
    let max = served.parts.limits.proof_slots_max;
    if keys.len() > max {
        let found = keys.len();
        return Err(Failure::Question(format!("too many storage keys requested (max {max}, got {found})")));
    }
    let moment = Moment::open(served)?;
    let found = moment.state_of(arguments.may()?.unwrap_or(BlockName::LATEST))?;
    let gone = || Failure::Ours("a state that was found is not there".to_owned());
    let kept = moment.state.kept(found.block.header.state_root)?.ok_or_else(gone)?;
    let mut reader = moment.reader(&found)?;
    let read = |error: snapsync_execute::Error| Failure::Ours(error.to_string());
    let account = reader.account(&address).map_err(read)?;
    let name = keccak256(address.as_slice());
    let slots = keys.into_iter().map(|key| {
        let value = reader.slot(&address, &key.slot()).map_err(read)?;
        slot(&kept, name, key, value, account.map_or(EMPTY_ROOT, |account| account.storage_root))
    });
    let storage_proof = slots.collect::<Result<_>>()?;
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        // As geth says of what is not there.
        code_hash: account.map_or(B256::ZERO, |account| account.code_hash),
        nonce: account.map_or(0, |account| account.nonce),
        storage_hash: account.map_or(B256::ZERO, |account| account.storage_root),
        account_proof: prove(&mut kept.account_trie()?, &[name])?,
        storage_proof,
    })
}

fn slot(
    kept: &KeptState<'_>,
    account: B256,
    key: SlotKey,
    value: U256,
    root: B256,
) -> Result<EIP1186StorageProof> {
    let proof = if root == EMPTY_ROOT {
        Vec::new()
    } else {
        let name = keccak256(&key.slot().to_be_bytes::<32>());
        prove(&mut kept.storage_trie(account)?, &[name])?
    };
    let key = match key {
        SlotKey::Whole(hash) => hash.into(),
        SlotKey::Number(number) => number.into(),
    };
    Ok(EIP1186StorageProof { key, value, proof })
}
