//! The demo's bad peers: honest answers, spoilt on the way out, each kind in its own manner.
//!
//! A lie is told where it can be told and nowhere else, so that each bad peer is a good one until the question comes up. None of
//! them knows who asks, or what the asker checks.

use alloy_primitives::{B256, Bytes, U256};
use snapsync_p2p::Message;
use snapsync_serve::{Answer, DiskAnswers};
use snapsync_trie::Account;
use snapsync_wire::{
    BlockReceipts, Body, EthVersion, Receipt, eth,
    snap::{self, AccountRange, StorageRanges},
};

/// How a peer of the demo behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// Answers from its disk.
    Honest,
    /// Leaves out the end of a range and says that this was all.
    TruncatedTail,
    /// Leaves out one account's slots among others'.
    OmittedStorageSet,
    /// Changes a balance or a slot.
    ForgedValue,
    /// Changes a receipt.
    WrongReceipts,
    /// Never answers.
    Silent,
    /// Changes a code.
    WrongCode,
    /// Changes the order of two rows.
    SwappedOrder,
    /// Leaves out a transaction or a withdrawal.
    WrongBodies,
    /// Leaves out one row in the middle.
    OmittedRow,
    /// Leaves out the proof.
    NoProof,
}

impl PeerKind {
    /// All bad kinds, in the order in which they are handed out.
    pub const BAD: [Self; 10] = [
        Self::TruncatedTail,
        Self::OmittedStorageSet,
        Self::ForgedValue,
        Self::WrongReceipts,
        Self::Silent,
        Self::WrongCode,
        Self::SwappedOrder,
        Self::WrongBodies,
        Self::OmittedRow,
        Self::NoProof,
    ];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::TruncatedTail => "truncated tail claimed complete",
            Self::OmittedStorageSet => "omitted storage set",
            Self::ForgedValue => "forged value",
            Self::WrongReceipts => "wrong receipts",
            Self::Silent => "silent",
            Self::WrongCode => "wrong code",
            Self::SwappedOrder => "swapped order",
            Self::WrongBodies => "wrong bodies",
            Self::OmittedRow => "omitted row",
            Self::NoProof => "no proof",
        }
    }
}

/// A peer that has everything and says something else.
#[derive(Debug)]
pub(crate) struct TamperedAnswers {
    honest: DiskAnswers,
    kind: PeerKind,
}

impl TamperedAnswers {
    /// Spoils `honest` in the manner of `kind`.
    pub(crate) fn new(honest: DiskAnswers, kind: PeerKind) -> Self {
        Self { honest, kind }
    }
}

impl Answer for TamperedAnswers {
    fn answer(&self, version: EthVersion, request: &Message) -> snapsync_serve::Result<Option<Message>> {
        if self.kind == PeerKind::Silent {
            return Ok(None);
        }
        Ok(self.honest.answer(version, request)?.map(|answer| tampered(self.kind, answer)))
    }
}

/// The answer as this kind of peer gives it; where the kind has no lie for it, the answer itself.
fn tampered(kind: PeerKind, answer: Message) -> Message {
    let mut answer = taken_apart(answer);
    match &mut answer {
        Message::Snap(snap::Message::AccountRange(answer)) => tamper_accounts(kind, answer),
        Message::Snap(snap::Message::StorageRanges(answer)) => tamper_storages(kind, answer),
        Message::Snap(snap::Message::ByteCodes(answer)) if kind == PeerKind::WrongCode => {
            if let Some(code) = answer.codes.iter_mut().find(|code| !code.is_empty()) {
                *code = with_last_bit_flipped(code);
            }
        }
        Message::Eth(eth::Message::Receipts(answer)) if kind == PeerKind::WrongReceipts => {
            if let Some((block, forged)) = answer.blocks.iter_mut().find_map(|block| {
                let forged = forged_receipts(block)?;
                Some((block, forged))
            }) {
                *block = forged;
            }
        }
        Message::Eth(eth::Message::BlockBodies(answer)) if kind == PeerKind::WrongBodies => {
            if let Some((body, cut)) = answer.bodies.iter_mut().find_map(|body| {
                let cut = cut_body(body)?;
                Some((body, cut))
            }) {
                *body = cut;
            }
        }
        _ => {}
    }
    answer
}

/// An answer that the server has written straight into its bytes cannot be changed there.
fn taken_apart(answer: Message) -> Message {
    match answer {
        Message::Snap(snap::Message::Encoded(answer)) => {
            Message::Snap(answer.decode().expect("our own server writes what can be read"))
        }
        answer => answer,
    }
}

/// Rows that can be changed.
fn owned<'a>(rows: impl Iterator<Item = (&'a B256, &'a [u8])>) -> Vec<(B256, Bytes)> {
    rows.map(|(key, value)| (*key, Bytes::copy_from_slice(value))).collect()
}

fn tamper_accounts(kind: PeerKind, answer: &mut AccountRange) {
    let mut rows = owned(answer.accounts.iter());
    let middle = rows.len() / 2;
    match kind {
        PeerKind::TruncatedTail if middle > 0 => rows.truncate(middle),
        PeerKind::ForgedValue if !rows.is_empty() => rows[middle].1 = richer(&rows[middle].1),
        PeerKind::SwappedOrder if middle > 0 => rows.swap(middle - 1, middle),
        PeerKind::OmittedRow if rows.len() > 2 => drop(rows.remove(middle)),
        PeerKind::NoProof if !rows.is_empty() => answer.proof.clear(),
        _ => {}
    }
    answer.accounts = rows.into_iter().collect();
}

fn tamper_storages(kind: PeerKind, answer: &mut StorageRanges) {
    let mut sets: Vec<_> = answer.sets.iter().map(owned).collect();
    tamper_sets(kind, &mut sets, &mut answer.proof);
    answer.sets = sets.into_iter().collect();
}

fn tamper_sets(kind: PeerKind, sets: &mut Vec<Vec<(B256, Bytes)>>, proof: &mut Vec<Bytes>) {
    if kind == PeerKind::OmittedStorageSet {
        // Twins beside each other are spared: without one of them, the other would pass for both.
        if let Some(index) = sets.windows(2).position(|pair| pair[0] != pair[1]) {
            sets.remove(index);
        }
        return;
    }
    let Some(rows) = sets.last_mut() else { return };
    let middle = rows.len() / 2;
    match kind {
        PeerKind::TruncatedTail if middle > 0 => {
            rows.truncate(middle);
            proof.clear();
        }
        PeerKind::ForgedValue => rows[middle].1 = another_number(&rows[middle].1),
        PeerKind::SwappedOrder if middle > 0 => rows.swap(middle - 1, middle),
        PeerKind::OmittedRow if rows.len() > 2 => drop(rows.remove(middle)),
        PeerKind::NoProof => proof.clear(),
        _ => {}
    }
}

/// The same account with one wei more.
fn richer(slim: &Bytes) -> Bytes {
    match Account::from_slim(slim) {
        Ok(account) => {
            let balance = account.balance.wrapping_add(U256::from(1));
            Account { balance, ..account }.to_slim().into()
        }
        Err(_) => unreachable!("the honest answer holds our own accounts"),
    }
}

/// A number that is not this one, and a canonical one.
fn another_number(encoded: &Bytes) -> Bytes {
    let other = if encoded.as_ref() == [1] { 2u64 } else { 1 };
    alloy_rlp::encode(other).into()
}

fn with_last_bit_flipped(bytes: &Bytes) -> Bytes {
    let mut flipped = bytes.to_vec();
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    flipped.into()
}

/// The block's receipts with one unit of gas more in the last; `None` if it has none.
fn forged_receipts(block: &BlockReceipts) -> Option<BlockReceipts> {
    let mut receipts: Vec<Receipt> = block.receipts().ok()?;
    receipts.last_mut()?.cumulative_gas += 1;
    Some(BlockReceipts::from_receipts(block.form(), &receipts))
}

/// The body without its withdrawals; `None` if it has none.
fn cut_body(body: &Body) -> Option<Body> {
    body.withdrawal_payloads().filter(|withdrawals| !withdrawals.is_empty())?;
    let transactions: Vec<Vec<u8>> = body
        .transaction_payloads()
        .into_iter()
        .map(|raw| if raw.first() >= Some(&0xc0) { raw.to_vec() } else { alloy_rlp::encode(raw) })
        .collect();
    Body::from_parts(transactions.iter().map(Vec::as_slice), body.ommers(), Some(&[])).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use snapsync_serve::Limits;
    use snapsync_storage::{BlockFault, ProvenBodies, ProvenReceipts, Store};
    use snapsync_trie::{
        Fault, HashRange, StorageClaim, StorageQuery, verify_accounts, verify_codes, verify_storages,
    };
    use snapsync_wire::Header;

    use super::*;
    use crate::{
        chain::{DemoChain, open_or_make},
        plan::DemoParams,
    };

    struct Served {
        chain: DemoChain,
        store: Store,
        _dir: tempfile::TempDir,
    }

    fn served() -> &'static Served {
        static SERVED: OnceLock<Served> = OnceLock::new();
        SERVED.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let params = DemoParams::tiny();
            let (chain, store) = open_or_make(params, dir.path()).expect("made");
            Served { chain, store, _dir: dir }
        })
    }

    /// What a peer of this kind answers.
    fn ask(kind: PeerKind, request: Message) -> Option<Message> {
        let Served { store, .. } = served();
        let honest = DiskAnswers::new(store.state.clone(), store.history.clone(), Limits::mainnet());
        TamperedAnswers::new(honest, kind).answer(EthVersion::Eth70, &request).expect("our own disk")
    }

    fn accounts(kind: PeerKind, range: HashRange) -> Result<usize, Fault> {
        let root = served().chain.target.root;
        let request = snap::GetAccountRange {
            id: 1,
            root,
            origin: range.start(),
            limit: range.last(),
            response_bytes: 50_000,
        };
        match ask(kind, Message::Snap(snap::Message::GetAccountRange(request))) {
            Some(Message::Snap(snap::Message::AccountRange(answer))) => {
                verify_accounts(root, range, &answer.accounts, &answer.proof).map(|rows| rows.rows().len())
            }
            other => panic!("no account range: {other:?}"),
        }
    }

    fn storages(kind: PeerKind, claims: &[StorageClaim]) -> Result<usize, Fault> {
        let request = snap::GetStorageRanges {
            id: 1,
            root: served().chain.target.root,
            accounts: claims.iter().map(|claim| claim.account).collect(),
            origin: B256::ZERO,
            limit: HashRange::FULL.last(),
            response_bytes: 50_000,
        };
        match ask(kind, Message::Snap(snap::Message::GetStorageRanges(request))) {
            Some(Message::Snap(snap::Message::StorageRanges(answer))) => {
                let query = StorageQuery { claims, range: HashRange::FULL };
                verify_storages(query, &answer.sets, &answer.proof).map(|sets| sets.len())
            }
            other => panic!("no storage ranges: {other:?}"),
        }
    }

    /// The contracts with storage, the huge one first, so that each answer is one set or many.
    fn claims() -> Vec<StorageClaim> {
        let snapshot = served().store.state.snapshot().expect("a snapshot");
        let rows = snapshot.accounts_from(B256::ZERO).expect("rows").map(|row| row.expect("a row"));
        rows.filter(|row| row.account.has_storage())
            .map(|row| StorageClaim { account: row.key, root: row.account.storage_root })
            .collect()
    }

    fn headers() -> Vec<Header> {
        let snapshot = served().store.history.snapshot().expect("a snapshot");
        let header = |number| Bytes::copy_from_slice(snapshot.header(number).expect("rows").expect("there"));
        (1..=20).map(|number| Header::decode(&header(number)).expect("a header")).collect()
    }

    /// Two neighbouring sixteenths of the key space: from the first key, and from a later one.
    fn ranges() -> Vec<HashRange> {
        HashRange::FULL.split(16)[..2].to_vec()
    }

    #[test]
    fn an_honest_peer_s_answers_verify() {
        for range in ranges() {
            assert!(accounts(PeerKind::Honest, range).expect("it is true") > 50);
        }
        assert_eq!(storages(PeerKind::Honest, &claims()[..20]), Ok(20));
    }

    // ROW: F15
    #[test]
    fn a_truncated_tail_is_refused() {
        for range in ranges() {
            let fault = accounts(PeerKind::TruncatedTail, range).expect_err("a lie");
            assert!(matches!(fault, Fault::MissingNode { .. }), "{fault}");
        }
        // A tail needs two slots.
        let large = claims().into_iter().find(|claim| storages_of(claim) > 10).expect("a large one");
        let fault = storages(PeerKind::TruncatedTail, &[large]).expect_err("a lie");
        assert!(matches!(fault, Fault::RootMismatch { .. }), "{fault}");
    }

    fn storages_of(claim: &StorageClaim) -> usize {
        let snapshot = served().store.state.snapshot().expect("a snapshot");
        snapshot.slots_from(claim.account, B256::ZERO).expect("rows").count()
    }

    // ROW: F16
    #[test]
    fn an_omitted_storage_set_is_refused() {
        let fault = storages(PeerKind::OmittedStorageSet, &claims()[..20]).expect_err("a lie");
        assert!(matches!(fault, Fault::OmittedStorageSet { .. }), "{fault}");
    }

    // ROW: F15
    #[test]
    fn a_forged_value_is_refused() {
        for range in ranges() {
            let fault = accounts(PeerKind::ForgedValue, range).expect_err("a lie");
            assert!(matches!(fault, Fault::RootMismatch { .. }), "{fault}");
        }
        let fault = storages(PeerKind::ForgedValue, &claims()[..20]).expect_err("a lie");
        assert!(matches!(fault, Fault::RootMismatch { .. }), "{fault}");
    }

    // ROW: F15
    #[test]
    fn swapped_and_omitted_rows_and_missing_proofs_are_refused() {
        for range in ranges() {
            let fault = accounts(PeerKind::SwappedOrder, range).expect_err("a lie");
            assert!(matches!(fault, Fault::SwappedOrder { .. }), "{fault}");
            let fault = accounts(PeerKind::OmittedRow, range).expect_err("a lie");
            assert!(matches!(fault, Fault::RootMismatch { .. }), "{fault}");
            accounts(PeerKind::NoProof, range).expect_err("a lie");
        }
    }

    // ROW: F17
    #[test]
    fn a_wrong_code_is_refused() {
        let hashes: Vec<B256> = {
            let snapshot = served().store.state.snapshot().expect("a snapshot");
            let rows =
                snapshot.accounts_from(B256::ZERO).expect("rows").map(|row| row.expect("a row").account);
            rows.filter(|account| account.has_code()).map(|account| account.code_hash).take(3).collect()
        };
        let request = snap::GetByteCodes { id: 1, hashes: hashes.clone(), response_bytes: 1 << 20 };
        let answer = ask(PeerKind::WrongCode, Message::Snap(snap::Message::GetByteCodes(request)));
        let Some(Message::Snap(snap::Message::ByteCodes(answer))) = answer else { panic!("no codes") };
        let fault = verify_codes(&hashes, answer.codes).expect_err("a lie");
        assert!(matches!(fault, Fault::WrongCode { .. }), "{fault}");
    }

    #[test]
    fn wrong_receipts_and_bodies_are_refused() {
        let headers = headers();
        let hashes = Header::hashes(&headers);
        let request = eth::GetReceipts { id: 1, first_receipt_index: 0, hashes: hashes.clone() };
        let answer = ask(PeerKind::WrongReceipts, Message::Eth(eth::Message::GetReceipts(request)));
        let Some(Message::Eth(eth::Message::Receipts(answer))) = answer else { panic!("no receipts") };
        let fault = ProvenReceipts::prove(&headers, answer.blocks);
        let fault = fault.expect_err("a lie");
        assert!(matches!(fault, BlockFault::Root { part: "receipts", .. }), "{fault}");
        let request = eth::GetBlockBodies { id: 1, hashes };
        let answer = ask(PeerKind::WrongBodies, Message::Eth(eth::Message::GetBlockBodies(request)));
        let Some(Message::Eth(eth::Message::BlockBodies(answer))) = answer else { panic!("no bodies") };
        let fault = ProvenBodies::prove(&headers, answer.bodies).expect_err("a lie");
        assert!(matches!(fault, BlockFault::Root { part: "withdrawals", .. }), "{fault}");
    }

    #[test]
    fn a_silent_peer_says_nothing() {
        let request = eth::GetBlockBodies { id: 1, hashes: Vec::new() };
        assert!(ask(PeerKind::Silent, Message::Eth(eth::Message::GetBlockBodies(request))).is_none());
    }
}
