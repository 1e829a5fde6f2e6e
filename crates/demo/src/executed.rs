//! Blocks that can be executed, above the demo's state: real signatures of keys that the seed gives, and roots that follow.
//!
//! The first of them gives ether to the keys by withdrawals; then they send it to accounts of the state, make a contract, and call it. Each
//! block is executed here before its header is written, as whoever builds a block does. It writes nothing itself.

use alloy_primitives::{Address, B256, U256};
use secp256k1::{Message, SECP256K1, SecretKey};
use snapsync_execute::{
    Block, BlockExecutor, Forks, HeaderRest, StateReader,
    evm::{Config, EvmExecutor},
    genesis::Genesis,
};
use snapsync_keccak::keccak256;
use snapsync_storage::{BlockClaim, DerivedBlock, HistorySnapshot, StateSnapshot};
use snapsync_trie::ordered_root;
use snapsync_wire::{Body, Header};

use crate::{
    DemoChain, Error,
    blocks::{Contents, MadeBlock, Place},
    chain::network_form,
    dice::Dice,
    rlp::List,
};

/// What these blocks say of themselves.
const EXTRA: &[u8] = b"snapsync demo, executed";
/// Keys that sign.
const KEYS: u64 = 8;
/// Transactions of a block, at most.
const TRANSACTIONS_MAX: u64 = 40;
/// What a withdrawal gives to a key: a hundred ether.
const GWEI: u64 = 100_000_000_000;
/// More than a unit of gas costs here, whatever the blocks below have used.
const FEE_MAX: u64 = 1_000_000_000_000;
/// Writes the second word of its input into the slot that the first one names, and leaves a log.
const CONTRACT: [u8; 11] = [0x60, 0x20, 0x35, 0x5f, 0x35, 0x55, 0x5f, 0x5f, 0xa0, 0x00, 0x00];

/// Makes such blocks.
#[derive(Debug)]
pub struct BlockMaker {
    executor: EvmExecutor,
    forks: Forks,
    seed: u64,
    chain_id: u64,
}

/// A block that was made, and what it does to the state.
pub(crate) struct ExecutedBlock {
    pub(crate) made: MadeBlock,
    pub(crate) derived: DerivedBlock,
}

/// A key, and its account as it is after the transactions so far.
struct Signer {
    key: SecretKey,
    address: Address,
    nonce: u64,
    balance: U256,
}

/// What a transaction does.
struct Call {
    to: Option<Address>,
    value: U256,
    gas: u64,
    data: Vec<u8>,
}

impl BlockMaker {
    /// Makes blocks of this chain; other seeds make others.
    ///
    /// # Errors
    /// When its genesis file cannot be read: a bug of the maker.
    pub fn new(chain: &DemoChain, seed: u64) -> Result<Self, Error> {
        let genesis = Genesis::in_text(&chain.described.to_string()).map_err(failed)?;
        let chain_id = chain.network_id;
        Ok(Self {
            executor: EvmExecutor::new(Config::node()),
            forks: genesis.forks(chain_id),
            seed,
            chain_id,
        })
    }

    /// The rules of the chain's blocks.
    pub fn forks(&self) -> &Forks {
        &self.forks
    }

    /// Whether a block is one of these.
    pub(crate) fn has_made(header: &Header) -> bool {
        HeaderRest::of(header).is_ok_and(|rest| rest.extra_data.as_ref() == EXTRA)
    }

    /// The block above `parent`, whose state the snapshot is of.
    ///
    /// # Errors
    /// When the disk fails, or the block cannot be executed: a bug of the maker.
    pub(crate) fn next(
        &mut self,
        state: &StateSnapshot,
        history: &HistorySnapshot,
        parent: &Header,
        payees: impl Fn(&mut Dice) -> Address,
    ) -> Result<ExecutedBlock, Error> {
        let mut dice = Dice::new(self.seed, 0xe8ec_0000_0000 + parent.number);
        let mut signers = self.signers(state)?;
        let is_poor = signers.iter().any(|signer| signer.balance.is_zero());
        let withdrawals = if is_poor { gifts(&signers, parent.number) } else { Vec::new() };
        let transactions =
            if is_poor { Vec::new() } else { self.transactions(&mut dice, &mut signers, payees) };
        let place = Place::above(parent, EXTRA);
        let mut contents = Contents {
            transactions_root: ordered_root(&transactions),
            withdrawals_root: ordered_root(&withdrawals),
            ..Contents::nothing()
        };
        let header = |contents: &Contents, root| place.header(&mut dice.clone(), root, contents);
        let draft = block(header(&contents, B256::ZERO), &transactions, &withdrawals)?;
        let rules =
            self.forks.rules(draft.header().number, draft.header().timestamp, draft.header().difficulty);
        let mut reader = StateReader::new(state, history).map_err(failed)?;
        let executed = self.executor.execute(&rules, &draft, parent, &mut reader).map_err(failed)?;
        let receipts = executed.consensus_receipts();
        contents.receipts_root = ordered_root(&receipts);
        contents.bloom = executed.logs_bloom().0.0;
        contents.gas_used = executed.gas_used;
        let root = executed.changes.root_above(state)?;
        let header = header(&contents, root);
        let (number, hash) = (parent.number + 1, keccak256(&header));
        let claim = BlockClaim { number, hash, parent: parent.hash(), root };
        let derived = DerivedBlock::derive(state, claim, &executed.changes)?;
        Ok(ExecutedBlock {
            made: MadeBlock { number, hash, header, transactions, withdrawals, receipts },
            derived,
        })
    }

    fn signers(&self, state: &StateSnapshot) -> Result<Vec<Signer>, Error> {
        let signer = |nth| {
            let mut dice = Dice::new(self.seed, 0x5164_0000_0000 + nth);
            // All but a handful of words are keys.
            let key =
                std::iter::repeat_with(|| SecretKey::from_byte_array(dice.word().0)).find_map(Result::ok);
            let key = key.ok_or(Error::NoHead)?;
            let public = key.public_key(SECP256K1).serialize_uncompressed();
            let address = Address::from_slice(&keccak256(&public[1..])[12..]);
            let account = state.account(&keccak256(address.as_slice()))?;
            let (nonce, balance) =
                account.map_or((0, U256::ZERO), |account| (account.nonce, account.balance));
            Ok(Signer { key, address, nonce, balance })
        };
        (0..KEYS).map(signer).collect()
    }

    fn transactions(
        &self,
        dice: &mut Dice,
        signers: &mut [Signer],
        payees: impl Fn(&mut Dice) -> Address,
    ) -> Vec<Vec<u8>> {
        let contract = created_by(&signers[0].address);
        let mut made = Vec::new();
        if signers[0].nonce == 0 {
            made.push(self.signed(dice, &mut signers[0], &deployment()));
        }
        for _ in 0..1 + dice.below(TRANSACTIONS_MAX) {
            let at = dice.below(KEYS) as usize;
            let call = match dice.below(3) {
                0 => Call {
                    to: Some(contract),
                    value: U256::ZERO,
                    gas: 100_000,
                    data: [U256::from(dice.below(100)).to_be_bytes(), dice.word().0].concat(),
                },
                _ => Call {
                    to: Some(payees(dice)),
                    value: U256::from(1 + dice.below(1_000_000_000_000_000)),
                    gas: 21_000,
                    data: Vec::new(),
                },
            };
            made.push(self.signed(dice, &mut signers[at], &call));
        }
        made
    }

    /// A transaction as EIP-2718 hashes it: one in five is of the old kind.
    fn signed(&self, dice: &mut Dice, signer: &mut Signer, call: &Call) -> Vec<u8> {
        let nonce = signer.nonce;
        signer.nonce += 1;
        let to = call.to.as_ref().map_or(&[][..], |to| to.as_slice());
        if dice.below(5) == 0 {
            let list = List::new().item(&nonce).item(&FEE_MAX).item(&call.gas).bytes(to);
            let list = list.item(&call.value).bytes(&call.data);
            let unsigned = list.clone().item(&self.chain_id).item(&0u64).item(&0u64).encode();
            let (parity, r, s) = signature(&signer.key, &unsigned);
            return list.item(&(self.chain_id * 2 + 35 + parity)).item(&r).item(&s).encode();
        }
        let tip = 1 + dice.below(1_000_000_000);
        let list = List::new().item(&self.chain_id).item(&nonce).item(&tip).item(&FEE_MAX).item(&call.gas);
        let list = list.bytes(to).item(&call.value).bytes(&call.data).list(List::new());
        let (parity, r, s) = signature(&signer.key, &list.encode_typed(2));
        list.item(&parity).item(&r).item(&s).encode_typed(2)
    }
}

/// What makes the contract.
fn deployment() -> Call {
    // Puts the code into memory, behind 21 zeros, and returns it.
    let mut data = vec![0x6a];
    data.extend_from_slice(&CONTRACT);
    data.extend_from_slice(&[0x5f, 0x52, 0x60, 0x0b, 0x60, 0x15, 0xf3]);
    Call { to: None, value: U256::ZERO, gas: 200_000, data }
}

/// The contract that this account makes first.
fn created_by(address: &Address) -> Address {
    Address::from_slice(&keccak256(&List::new().item(address).item(&0u64).encode())[12..])
}

/// A withdrawal for each key.
fn gifts(signers: &[Signer], number: u64) -> Vec<Vec<u8>> {
    let gift = |(index, signer): (u64, &Signer)| {
        List::new().item(&(number * 16 + index)).item(&index).item(&signer.address).item(&GWEI).encode()
    };
    (0..).zip(signers).map(gift).collect()
}

/// Parity, r and s.
fn signature(key: &SecretKey, unsigned: &[u8]) -> (u64, U256, U256) {
    let digest = Message::from_digest(keccak256(unsigned).0);
    let (id, bytes) = SECP256K1.sign_ecdsa_recoverable(digest, key).serialize_compact();
    let number = |bytes: &[u8]| U256::from_be_slice(bytes);
    (i32::from(id) as u64, number(&bytes[..32]), number(&bytes[32..]))
}

fn block(header: Vec<u8>, transactions: &[Vec<u8>], withdrawals: &[Vec<u8>]) -> Result<Block, Error> {
    let transactions: Vec<Vec<u8>> = transactions.iter().map(|raw| network_form(raw)).collect();
    let withdrawals: Vec<&[u8]> = withdrawals.iter().map(Vec::as_slice).collect();
    let no_ommers = List::new().encode();
    let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &no_ommers, Some(&withdrawals))?;
    Block::new(Header::decode(&header.into())?, body).map_err(failed)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Executed(Box::new(error))
}
