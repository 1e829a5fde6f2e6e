//! The demo's chain on a real disk: made once, by its seed, and opened again by whoever finds it there.
//!
//! Everything goes through the doors that a sync uses: verified rows, proven blocks, the writers. So what the peers serve is
//! what a finished sync leaves behind. It lives in its data directory and nowhere else.

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use serde_json::Value;
#[cfg(test)]
use snapsync_p2p::LocalChain;
use snapsync_storage::{
    BlockSpan, Chain, CommitNumber, Config, Derived, Descent, HistoryWrite, NodeChanges, ProvenBodies,
    ProvenHeaders, ProvenReceipts, StateProgress, StateRows, Store, TargetRecord, Ticket, Write,
};
use snapsync_sync::Phase;
use snapsync_trie::{Nodes, TargetId};
use snapsync_wire::{BlockReceipts, Body, ForkFilter, Header, ReceiptForm};

use crate::{
    DemoParams, Error,
    blocks::{ChainMaker, GENESIS_TIME, MadeBlock},
    dice::Dice,
    genesis::{block_zero, genesis},
    plan::StatePlan,
    rlp::List,
    state::{MadeState, MadeStorages},
};

/// The id of every demo chain, by EIP-155 and as a network's number: "demo" on a telephone.
pub(crate) const CHAIN_ID: u64 = 3366;
/// Blocks that are made, proved and written together: some megabytes.
const SEGMENT_BLOCKS: u64 = 128;
/// Nobody waits for a single write here; the writer's end tells whether all are durable.
const TICKET: Ticket = Ticket(0);
/// The one target that a made state has.
const TARGET: TargetId = TargetId(0);

/// What a client must know of the chain in order to sync it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoChain {
    /// The network's number, and the chain's id.
    pub network_id: u64,
    /// The hash of block 0.
    pub genesis: B256,
    /// Block 0 as a genesis file says it.
    pub described: Value,
    /// Its time, in seconds since 1970.
    pub genesis_timestamp: u64,
    /// The fork list: every fork up to Prague is active from the genesis on.
    pub forks: ForkFilter,
    /// The head, whose state is whole.
    pub target: TargetRecord,
    /// What the state holds.
    pub rows: StateRows,
}

impl DemoChain {
    #[cfg(test)]
    /// What a client that holds nothing tells of it.
    pub(crate) fn at_genesis(&self) -> LocalChain {
        LocalChain::at_genesis(self.network_id, self.forks.clone(), self.genesis_timestamp)
    }
}

/// Opens the chain of these parameters in `datadir`, making it if it is not there. BLOCKING: for as long as that takes.
///
/// # Errors
/// When the directory is in use, holds another chain, or the disk fails.
pub fn open_or_make(params: DemoParams, datadir: &Path) -> Result<(DemoChain, Store), Error> {
    let plan = StatePlan::new(params);
    let seed = chain_seed(plan.params());
    let described = genesis(seed, CHAIN_ID);
    let genesis = block_zero(seed);
    let config = Config::small(datadir);
    let store = Store::open(&config, Chain { id: CHAIN_ID, genesis: genesis.hash })?;
    let target = match finished(&store)? {
        Some(target) => target,
        None => {
            let state = MadeState::new(&plan);
            let maker = ChainMaker::above(&genesis, seed, CHAIN_ID);
            let target = write_blocks(&store, &config, maker, genesis.clone(), &params, state.root())?;
            write_state(&store, &config, &state, target)?;
            target
        }
    };
    let chain = DemoChain {
        network_id: CHAIN_ID,
        genesis: genesis.hash,
        described,
        genesis_timestamp: GENESIS_TIME,
        forks: ForkFilter::new(genesis.hash, GENESIS_TIME, &[], &[]),
        target,
        rows: store.state.snapshot()?.rows()?,
    };
    Ok((chain, store))
}

/// The target of a directory whose chain was made to the end before.
fn finished(store: &Store) -> Result<Option<TargetRecord>, Error> {
    let progress = store.state.snapshot()?.progress()?;
    Ok(progress.and_then(|progress| progress.whole()))
}

/// Chance for the blocks, out of all that makes them: chains of different size have different geneses and are never confounded.
fn chain_seed(params: DemoParams) -> u64 {
    let DemoParams { accounts, contracts, slots, blocks, history_from: _, seed } = params;
    [accounts, contracts, slots, blocks].into_iter().fold(seed, |seed, salt| Dice::new(seed, salt).next())
}

/// Makes and writes the blocks from the genesis to the head, whose header claims `root`.
fn write_blocks(
    store: &Store,
    config: &Config,
    mut maker: ChainMaker,
    genesis: MadeBlock,
    params: &DemoParams,
    root: B256,
) -> Result<TargetRecord, Error> {
    let (head, from) = (params.blocks, params.history_from);
    let writer = store.history.writer(config, Box::new(drop))?;
    let wanted = BlockSpan { first: 0, last: head };
    // The roots below the head are of states that nobody has: noise, like the rest of these blocks.
    let mut noise = Dice::new(root.0[0].into(), 0x0057_a7e5);
    let mut segment = vec![genesis];
    let written = (|| {
        writer.send(HistoryWrite::Want { ticket: TICKET, blocks: wanted })?;
        for number in 1..=head {
            let state_root = if number == head { root } else { noise.word() };
            segment.push(maker.next_block(state_root));
            if segment.len() as u64 == SEGMENT_BLOCKS && number < head {
                // Each segment lies on top of the one before.
                write_segment(std::mem::take(&mut segment), from, Descent::GoesOn, |write| {
                    writer.send(write)
                })?;
            }
        }
        let (number, hash) = segment.last().map_or((0, B256::ZERO), |block| (block.number, block.hash));
        write_segment(segment, from, Descent::GoesOn, |write| writer.send(write))?;
        Ok(TargetRecord { id: TARGET, number, hash, root })
    })();
    // Why the writer has ended says more than that it is gone.
    writer.join()?;
    written
}

/// Proves and writes consecutive blocks: their headers, and from `history_from` on bodies and receipts.
pub(crate) fn write_segment(
    blocks: Vec<MadeBlock>,
    history_from: u64,
    descent: Descent,
    send: impl Fn(HistoryWrite) -> Result<(), snapsync_storage::Error>,
) -> Result<(), Error> {
    let top = blocks.last().map_or(B256::ZERO, |block| block.hash);
    let (mut headers, mut bodies, mut receipts) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        let header = Header::decode(&Bytes::from(block.header))?;
        let transactions: Vec<Vec<u8>> = block.transactions.iter().map(|raw| network_form(raw)).collect();
        let withdrawals: Vec<&[u8]> = block.withdrawals.iter().map(Vec::as_slice).collect();
        let no_ommers = List::new().encode();
        let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &no_ommers, Some(&withdrawals))?;
        let list = block.receipts.iter().fold(List::new(), |list, raw| list.raw(&network_form(raw)));
        let block_receipts = BlockReceipts::from_raw(ReceiptForm::WithBloom, list.encode().into())?;
        if block.number >= history_from {
            bodies.push(body);
            receipts.push(block_receipts);
        }
        headers.push(header);
    }
    let kept = &headers[headers.len() - bodies.len()..];
    let bodies = (!bodies.is_empty()).then(|| ProvenBodies::prove(kept, bodies)).transpose()?;
    let receipts = (!receipts.is_empty()).then(|| ProvenReceipts::prove(kept, receipts)).transpose()?;
    headers.reverse();
    let headers = ProvenHeaders::prove(top, None, headers)?;
    send(HistoryWrite::Headers { ticket: TICKET, headers, descent, response_bytes: 0 })?;
    if let Some(bodies) = bodies {
        send(HistoryWrite::Bodies { ticket: TICKET, bodies, response_bytes: 0 })?;
    }
    if let Some(receipts) = receipts {
        send(HistoryWrite::Receipts { ticket: TICKET, receipts, response_bytes: 0 })?;
    }
    Ok(())
}

/// A transaction or receipt as it travels: a list as it is, anything typed inside a string.
pub(crate) fn network_form(raw: &[u8]) -> Vec<u8> {
    match raw.first() {
        Some(0xc0..) => raw.to_vec(),
        _ => alloy_rlp::encode(raw),
    }
}

/// Writes the whole state, then says that it is `target`'s.
fn write_state(
    store: &Store,
    config: &Config,
    state: &MadeState<'_>,
    target: TargetRecord,
) -> Result<(), Error> {
    let writer = store.state.writer(config, Box::new(drop))?;
    let written: Result<(), Error> = (|| {
        // The target comes before what is of it; accounts open the pendings that storages and codes fill.
        writer.send(progress(target, None))?;
        state.accounts(|accounts| {
            Ok::<_, Error>(writer.send(Write::Accounts {
                ticket: TICKET,
                target: TARGET,
                accounts: accounts.into(),
                response_bytes: 0,
            })?)
        })?;
        if let Some(above) = state.above_accounts() {
            let (nodes, derived) = (added(above.clone()), Derived::Whole(state.root()));
            writer.send(Write::AccountNodes {
                ticket: TICKET,
                nodes,
                derived,
                seen: CommitNumber::NEWEST,
            })?;
        }
        state.storages(|made| Ok::<_, Error>(writer.send(storage_write(made))?))?;
        for codes in state.codes() {
            writer.send(Write::Codes { ticket: TICKET, codes: codes?, response_bytes: 0 })?;
        }
        Ok(())
    })();
    writer.join()?;
    written?;
    let rows = store.state.snapshot()?.rows()?;
    if rows.account_gaps + rows.storages_pending + rows.codes_pending > 0 {
        return Err(Error::NotWhole { rows });
    }
    // Last, and only now: whoever finds this record may serve what is below it.
    let writer = store.state.writer(config, Box::new(drop))?;
    writer.send(progress(target, Some(target.root)))?;
    Ok(writer.join()?)
}

fn storage_write(made: MadeStorages) -> Write {
    match made {
        MadeStorages::Slots(storages) => {
            Write::Storages { ticket: TICKET, target: TARGET, storages: storages.into(), response_bytes: 0 }
        }
        MadeStorages::Above { claim, nodes } => Write::StorageNodes {
            ticket: TICKET,
            account: claim.account,
            nodes: added(nodes),
            derived: Derived::Whole(claim.root),
            seen: CommitNumber::NEWEST,
        },
    }
}

/// Branches where none stood before.
fn added(put: Nodes) -> NodeChanges {
    NodeChanges { put, removed: Vec::new() }
}

/// The record that a sync would leave: rows come in until the root is derived, then nothing is open.
fn progress(target: TargetRecord, rebuilt: Option<B256>) -> Write {
    let phase = if rebuilt.is_some() { Phase::Complete } else { Phase::Download };
    Write::Progress {
        ticket: TICKET,
        progress: StateProgress { pin: Some(target), phase: phase.number(), rebuilt },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> DemoParams {
        DemoParams { blocks: 140, ..DemoParams::tiny() }
    }

    #[test]
    fn a_chain_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (made, store) = open_or_make(params(), dir.path()).expect("made");
        assert_eq!((made.target.number, made.rows.accounts, made.rows.slots), (140, 2_000, 1_500));
        let history = store.history.snapshot().expect("a snapshot");
        let rows = history.rows().expect("rows");
        assert_eq!((rows.headers, rows.bodies, rows.receipts), (141, 141, 141));
        assert_eq!(history.highest().expect("rows"), Some((140, made.target.hash)));
        let head =
            Header::decode(&Bytes::copy_from_slice(history.header(140).expect("rows").expect("there")));
        assert_eq!(head.expect("a header").state_root, made.target.root);
        drop(history);
        drop(store);
        let (found, _store) = open_or_make(params(), dir.path()).expect("found");
        assert_eq!(found, made);
    }

    #[test]
    fn other_parameters_are_another_chain() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(open_or_make(params(), dir.path()).expect("made"));
        let other = DemoParams { accounts: 2_001, ..params() };
        let error = open_or_make(other, dir.path()).expect_err("another chain is there");
        assert!(matches!(error, Error::Disk(snapsync_storage::Error::OtherChain { .. })), "{error}");
    }

    #[test]
    fn a_chain_without_contracts_is_a_chain() {
        let dir = tempfile::tempdir().expect("a directory");
        let bare = DemoParams { accounts: 10, contracts: 0, slots: 5, blocks: 1, history_from: 0, seed: 1 };
        let (made, _store) = open_or_make(bare, dir.path()).expect("made");
        assert_eq!((made.rows.accounts, made.rows.slots, made.rows.codes), (10, 0, 0));
    }
}
