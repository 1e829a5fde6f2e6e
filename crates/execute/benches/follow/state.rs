//! The large state: who is in it, and how it comes to the disk in the memory of a few pieces.
//!
//! Half of the leaves are accounts, half are slots, which up to 1,000 contracts have in equal parts: equal storages, but each has its rows.
//! Blocks change accounts and slots whose keys are digests of addresses and positions; the others have keys that are made up, evenly spread, so that
//! they come in their order and nothing has to be sorted but a piece. Rows go through the doors that a sync uses. Each piece is proved against a
//! root of its own: the writer compares no roots between answers. What lies between pieces is derived in the end, as after a sync.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use snapsync_bench::{Piece, scramble};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    Config, Derived, Open, StateProgress, StateWriter, StorageCopy, Store, TargetRecord, Ticket, Write,
};
use snapsync_sync::Phase;
use snapsync_trie::{
    Account, Builder, HashRange, StorageClaim, StorageQuery, TargetId, prove, rebuild_whole, rows_of,
    verify_accounts, verify_codes, verify_storages,
};

use crate::{
    Outcome,
    chain::{self, CONTRACT_CODE, SYSTEM_CODE},
};

/// Accounts whose addresses are known, so that blocks can name them: as many as 128 blocks of 1,000 transfers.
const KNOWN_ACCOUNTS: u64 = 1 << 17;
/// Slots of each contract whose positions are known.
const KNOWN_SLOTS: u64 = 1_000;
/// Contracts, where each has 500 slots at least.
const CONTRACTS: u64 = 1_000;
const SLOTS_A_CONTRACT: u64 = 500;
/// Accounts in a piece, about.
const PIECE_ACCOUNTS: u64 = 8_192;
/// Contracts that get a storage in one write: a copy of 100,000 slots is some megabytes.
const COPIES: usize = 8;

const TICKET: Ticket = Ticket(1);
/// What rows are written under before their root is known.
const UNKNOWN: TargetId = TargetId(1);
/// What the state is of.
const WHOLE: TargetId = TargetId(2);

type Row = (B256, Vec<u8>);

/// How many accounts and slots there are before the first block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Both.
    pub(crate) leaves: u64,
}

impl Size {
    pub(crate) const fn contracts(self) -> u64 {
        let contracts = self.leaves / 2 / SLOTS_A_CONTRACT;
        if contracts > CONTRACTS {
            CONTRACTS
        } else if contracts == 0 {
            1
        } else {
            contracts
        }
    }

    pub(crate) const fn slots_a_contract(self) -> u64 {
        self.leaves / 2 / self.contracts()
    }

    /// Slots of a contract that blocks may change.
    pub(crate) fn known_slots(self) -> u64 {
        self.slots_a_contract().min(KNOWN_SLOTS)
    }

    /// Accounts that blocks may pay.
    pub(crate) fn known_accounts(self) -> u64 {
        (self.leaves / 2).min(KNOWN_ACCOUNTS)
    }

    fn made_up_accounts(self) -> u64 {
        self.leaves / 2 - self.known_accounts()
    }

    fn pieces(self) -> u64 {
        (self.leaves / 2 / PIECE_ACCOUNTS).next_power_of_two().max(2)
    }
}

/// An account that blocks pay.
pub(crate) fn payee(number: u64) -> Address {
    Address::from_slice(&keccak256(&number.to_be_bytes())[..20])
}

/// A contract that blocks call.
pub(crate) fn contract(number: u64) -> Address {
    Address::left_padding_from(&[&[0xcc; 8][..], &number.to_be_bytes()].concat())
}

/// Lays the rows of the state into a new directory, and the branches above them; gives its root. BLOCKING: until all is durable.
pub(crate) fn lay(config: &Config, store: &Store, size: Size) -> Outcome<B256> {
    let slots = slots(size);
    let known = known(size, root_of(&slots))?;
    let writer = store.state.writer(config, Box::new(drop))?;
    let sent = send_rows(&writer, size, &known, &slots);
    // Why the writer has ended, if it has, is better to know than that nobody takes rows.
    writer.join()?;
    sent?;
    derive(store)
}

/// Records that the state is whole, and this block's.
pub(crate) fn record_whole(store: &Store, number: u64, hash: B256, root: B256) -> Outcome<()> {
    let mut writer = store.state.writer_steps(Box::new(Open))?;
    let pin = Some(TargetRecord { id: WHOLE, number, hash, root });
    let progress = StateProgress { pin, phase: Phase::Complete.number(), rebuilt: Some(root) };
    writer.commit(vec![Write::Progress { ticket: TICKET, progress }])?;
    Ok(())
}

fn send_rows(writer: &StateWriter, size: Size, known: &[(B256, Account)], slots: &[Row]) -> Outcome<()> {
    let pin = TargetRecord { id: UNKNOWN, number: 0, hash: B256::ZERO, root: B256::ZERO };
    let progress = StateProgress { pin: Some(pin), phase: Phase::Download.number(), rebuilt: None };
    writer.send(Write::Progress { ticket: TICKET, progress })?;
    for piece in 0..size.pieces() {
        writer.send(accounts(size, piece, known)?)?;
    }
    let codes = [Bytes::from(hex::decode(CONTRACT_CODE)?), Bytes::from(hex::decode(SYSTEM_CODE)?)];
    let codes = verify_codes(&codes.each_ref().map(|code| keccak256(code)), codes.to_vec())?;
    writer.send(Write::Codes { ticket: TICKET, codes, response_bytes: 0 })?;
    let mut claims = known.iter().filter(|(_, account)| account.has_storage()).map(claim_of);
    let donor = claims.next().ok_or("no contract")?;
    let query = StorageQuery { claims: &[donor], range: HashRange::FULL };
    let storages = verify_storages(query, [rows_of(slots)], &[] as &[Vec<u8>])?.into();
    writer.send(Write::Storages { ticket: TICKET, target: UNKNOWN, storages, response_bytes: 0 })?;
    let others: Vec<B256> = claims.map(|claim| claim.account).collect();
    for accounts in others.chunks(COPIES) {
        let copies = vec![StorageCopy { donor, accounts: accounts.to_vec() }];
        writer.send(Write::CopyStorages { ticket: TICKET, copies })?;
    }
    Ok(())
}

fn claim_of((account, row): &(B256, Account)) -> StorageClaim {
    StorageClaim { account: *account, root: row.storage_root }
}

/// Derives what lies between the pieces, and the root.
fn derive(store: &Store) -> Outcome<B256> {
    let mut writer = store.state.writer_steps(Box::new(Open))?;
    let snapshot = store.state.snapshot()?;
    let (seen, (root, changes)) = (snapshot.number()?, rebuild_whole(&mut snapshot.account_trie()?)?);
    drop(snapshot);
    let last = changes.len().saturating_sub(1);
    for (at, nodes) in changes.into_iter().enumerate() {
        let derived = if at == last { Derived::Whole(root) } else { Derived::Part };
        writer.commit(vec![Write::AccountNodes { ticket: TICKET, nodes, derived, seen }])?;
    }
    Ok(root)
}

/// The accounts that blocks name, by rising key.
fn known(size: Size, storage_root: B256) -> Outcome<Vec<(B256, Account)>> {
    let key = |address: Address| keccak256(address.as_slice());
    let with_code = |code: &str| -> Outcome<Account> {
        Ok(Account { nonce: 1, code_hash: keccak256(&hex::decode(code)?), ..Account::EMPTY })
    };
    let (contract_row, system_row) =
        (Account { storage_root, ..with_code(CONTRACT_CODE)? }, with_code(SYSTEM_CODE)?);
    let rich = Account { balance: U256::from(1) << 100, ..Account::EMPTY };
    let poor = Account { balance: U256::from(1), ..Account::EMPTY };
    let mut known: Vec<(B256, Account)> =
        (0..size.known_accounts()).map(|number| (key(payee(number)), poor)).collect();
    known.extend((0..size.contracts()).map(|number| (key(contract(number)), contract_row)));
    known.extend(chain::system_contracts()?.map(|address| (key(address), system_row)));
    for signer in chain::signers()? {
        known.push((key(signer), rich));
    }
    known.sort_unstable_by_key(|(key, _)| *key);
    Ok(known)
}

/// The slots of each contract, by rising key.
fn slots(size: Size) -> Vec<Row> {
    let value = alloy_rlp::encode(U256::from(1));
    let key = |slot: u64| {
        if slot < size.known_slots() { keccak256(&U256::from(slot).to_be_bytes::<32>()) } else { mix(!slot) }
    };
    let mut slots: Vec<Row> = (0..size.slots_a_contract()).map(|slot| (key(slot), value.clone())).collect();
    slots.sort_unstable();
    slots
}

fn root_of(rows: &[Row]) -> B256 {
    let mut builder = Builder::new();
    rows.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
    builder.finish().root
}

/// One of so many pieces of all accounts, proved.
fn accounts(size: Size, piece: u64, known: &[(B256, Account)]) -> Outcome<Write> {
    let pieces = size.pieces();
    let bits = pieces.ilog2();
    let leading = |rest: u64| (piece << (64 - bits)) | (rest >> bits);
    let edge = |rest: u8| {
        let mut key = [rest; 32];
        key[..8].copy_from_slice(&leading(u64::from_be_bytes([rest; 8])).to_be_bytes());
        B256::new(key)
    };
    let range = HashRange::new(edge(0), edge(0xff)).ok_or("a piece starts before it ends")?;
    let made_up =
        (size.made_up_accounts() * piece / pieces)..(size.made_up_accounts() * (piece + 1) / pieces);
    let row = |number: u64| {
        let mut key = mix(number);
        let first = key.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        key[..8].copy_from_slice(&leading(first).to_be_bytes());
        (
            key,
            Account {
                nonce: number % 50,
                balance: U256::from(number) << 32 | U256::from(1),
                ..Account::EMPTY
            },
        )
    };
    let mut rows: Vec<(B256, Account)> = made_up.map(row).collect();
    let from = known.partition_point(|(key, _)| *key < range.start());
    rows.extend(known[from..].iter().take_while(|(key, _)| *key <= range.last()));
    rows.sort_unstable_by_key(|(key, _)| *key);
    let trie = Piece::new(rows.iter().map(|(key, account)| (*key, account.to_rlp())).collect());
    let slim: Vec<Row> = rows.iter().map(|(key, account)| (*key, account.to_slim())).collect();
    let last = rows.last().map_or(range.start(), |(key, _)| *key);
    let Ok(proof) = prove(&mut &trie, &[range.start(), last]);
    let accounts = verify_accounts(trie.root, range, rows_of(&slim), &proof)?.into();
    Ok(Write::Accounts { ticket: TICKET, target: UNKNOWN, accounts, response_bytes: 0 })
}

/// A digest that costs next to nothing.
fn mix(seed: u64) -> B256 {
    let mut words = [0; 32];
    for (at, word) in (0u64..).zip(words.chunks_exact_mut(8)) {
        word.copy_from_slice(&scramble(seed.wrapping_mul(4).wrapping_add(at)).to_be_bytes());
    }
    B256::new(words)
}
