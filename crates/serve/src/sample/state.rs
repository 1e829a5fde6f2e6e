//! A small finished state on a real disk: 300 accounts, 20 of them with storage.

use alloy_primitives::{B256, Bytes, U256};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    Chain, Config, Open, StateProgress, StateSnapshot, Store, TargetRecord, Ticket, Write,
};
use snapsync_trie::{
    Account, AccountRow, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, StorageClaim, StorageQuery, TargetId,
    rows_of, verify_accounts, verify_codes, verify_storages,
};

/// 300 accounts, 20 of them with storage.
pub(crate) struct Sample {
    pub(crate) store: Store,
    pub(crate) root: B256,
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) storages: Vec<StorageClaim>,
    /// Which of `storages` is the large one.
    pub(crate) huge: usize,
    pub(crate) codes: Vec<B256>,
    _dir: tempfile::TempDir,
}

const NO_PROOF: &[&[u8]] = &[];

impl Sample {
    pub(crate) const HUGE_SLOTS: usize = 500;

    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::small(dir.path());
        let chain = Chain { id: 1, genesis: B256::repeat_byte(9) };
        let store = Store::open(&config, chain).expect("a fresh store");
        let codes: Vec<Bytes> = (1..4u8).map(|code| vec![code; 200].into()).collect();
        let hashes: Vec<B256> = codes.iter().map(|code| keccak256(code)).collect();
        let mut sets = Vec::new();
        let mut accounts: Vec<AccountRow> = (0..300u64)
            .map(|index| {
                let mut account = Account {
                    nonce: index,
                    balance: U256::from(index * 1_000_000),
                    storage_root: EMPTY_ROOT,
                    code_hash: EMPTY_CODE,
                };
                let key = keccak256(&index.to_be_bytes());
                if index < 20 {
                    account.code_hash = hashes[index as usize % 3];
                    let slots = slots(if index == 0 { Self::HUGE_SLOTS as u64 } else { index });
                    account.storage_root = root(slots.iter().map(|(key, value)| (*key, value.to_vec())));
                    sets.push((StorageClaim { account: key, root: account.storage_root }, slots));
                }
                AccountRow { key, account }
            })
            .collect();
        accounts.sort_by_key(|row| row.key);
        sets.sort_by_key(|(claim, _)| claim.account);
        let huge = sets.iter().position(|(_, slots)| slots.len() == Self::HUGE_SLOTS).expect("the large one");
        let root = root(accounts.iter().map(|row| (row.key, row.account.to_rlp())));
        let (storages, sets): (Vec<_>, Vec<_>) = sets.into_iter().unzip();
        let slim: Vec<(B256, Vec<u8>)> =
            accounts.iter().map(|row| (row.key, row.account.to_slim())).collect();
        let query = StorageQuery { claims: &storages, range: HashRange::FULL };
        let pin = Some(TargetRecord { id: TargetId(0), number: 1, hash: B256::repeat_byte(8), root });
        let ticket = Ticket(0);
        write(
            &store,
            vec![
                Write::Progress { ticket, progress: StateProgress { pin, phase: 0, rebuilt: None } },
                Write::Accounts {
                    ticket,
                    target: TargetId(0),
                    accounts: verify_accounts(root, HashRange::FULL, rows_of(&slim), NO_PROOF)
                        .expect("our own rows")
                        .into(),
                    response_bytes: 0,
                },
                Write::Storages {
                    ticket,
                    target: TargetId(0),
                    storages: verify_storages(query, sets.iter().map(|set| rows_of(set)), NO_PROOF)
                        .expect("our own slots")
                        .into(),
                    response_bytes: 0,
                },
                Write::Codes {
                    ticket,
                    codes: verify_codes(&hashes, codes).expect("our own codes"),
                    response_bytes: 0,
                },
                Write::Progress { ticket, progress: StateProgress { pin, phase: 0, rebuilt: Some(root) } },
            ],
        );
        Self { store, root, accounts, storages, huge, codes: hashes, _dir: dir }
    }

    pub(crate) fn snapshot(&self) -> StateSnapshot {
        self.store.state.snapshot().expect("a snapshot")
    }
}

fn slots(count: u64) -> Vec<(B256, Bytes)> {
    let mut slots: Vec<(B256, Bytes)> =
        (0..count).map(|slot| (keccak256(&slot.to_be_bytes()), alloy_rlp::encode(slot + 1).into())).collect();
    slots.sort();
    slots
}

fn root(leaves: impl Iterator<Item = (B256, Vec<u8>)>) -> B256 {
    let mut builder = Builder::new();
    leaves.for_each(|(key, value)| builder.push_leaf(key, &value));
    builder.finish().root
}

/// Writes all in one transaction: no other reader of it comes between the rows and the record that says that they are whole.
fn write(store: &Store, writes: Vec<Write>) {
    let count = writes.len();
    let told = store.state.writer_steps(Box::new(Open)).and_then(|mut writer| writer.commit(writes));
    assert_eq!(told.expect("all is written").len(), count);
}
