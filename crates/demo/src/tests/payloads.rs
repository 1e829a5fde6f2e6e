//! A host that gives its blocks itself: they are executed before they are named, written when they are, and asked of no peer.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Header as Head;
use snapsync_driver::{ForkchoiceVerdict, NewPayload, PayloadVerdict};
use snapsync_storage::{StateStore, VerifyConfig, verify};
use snapsync_wire::{Body, Header};

use super::{
    above::{Above, head},
    *,
};

const PARAMS: DemoParams =
    DemoParams { accounts: 900, contracts: 60, slots: 500, blocks: 8, history_from: 0, seed: 25 };
const BLOCKS: u64 = 6;

/// Fields of a header, by their place.
pub(super) const STATE_ROOT: usize = 3;
pub(super) const EXTRA_DATA: usize = 12;
pub(super) const PARENT: usize = 0;

/// The block of this number, as a consensus client gives it.
pub(super) fn payload(above: &Above, number: u64) -> NewPayload {
    let history = above.demo.store.history.snapshot().expect("a snapshot");
    let hash = history.canonical(number).expect("rows").expect("it is there");
    let bytes = |raw: Option<&[u8]>| Bytes::copy_from_slice(raw.expect("it is there"));
    let header = Header::decode(&bytes(history.header_by_hash(&hash).expect("rows"))).expect("a header");
    let body = Body::decode(&bytes(history.body(&hash).expect("rows"))).expect("a body");
    NewPayload { header, body, list: None }
}

/// The same block with another field.
pub(super) fn with(payload: &NewPayload, field: usize, value: &[u8]) -> NewPayload {
    let mut items = Head::decode_bytes(&mut payload.header.raw().as_ref(), true).expect("a list");
    let mut fields = Vec::new();
    let mut at = 0;
    while !items.is_empty() {
        let before = items;
        Head::decode_raw(&mut items).expect("an item");
        match at == field {
            true => fields.extend(alloy_rlp::encode(value)),
            false => fields.extend_from_slice(&before[..before.len() - items.len()]),
        }
        at += 1;
    }
    let mut raw = Vec::new();
    Head { list: true, payload_length: fields.len() }.encode(&mut raw);
    raw.extend(fields);
    NewPayload { header: Header::decode(&raw.into()).expect("a header"), ..payload.clone() }
}

/// A host with its sync.
pub(super) struct Host {
    pub(super) above: Above,
    pub(super) sync: SnapSync,
}

impl Host {
    /// Starts it above what is served.
    pub(super) fn start(above: Above) -> Self {
        let sync = above.start();
        Self { above, sync }
    }

    /// The blocks above the state that is synced first.
    pub(super) fn blocks(&self) -> Vec<NewPayload> {
        let Above { base, top, .. } = &self.above;
        (base.number + 1..=top.number).map(|number| payload(&self.above, number)).collect()
    }

    /// Syncs, until the host is told so, too: what is on record follows what is heard.
    pub(super) fn sync_to(&self, base: snapsync_driver::Head) {
        self.above.hear(&self.sync, base, |event| matches!(event, Event::Complete(_)));
        self.reach(base.hash);
    }

    /// Names a head until it is valid, as a consensus client does: a slow machine has not written it within the time of one call.
    pub(super) fn reach(&self, head: B256) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.choose(head) {
                ForkchoiceVerdict::Valid => return,
                ForkchoiceVerdict::Syncing => {}
                other => panic!("{other:?}"),
            }
            assert!(Instant::now() < until, "{:?}", self.sync.progress());
        }
    }

    pub(super) fn give(&self, payload: &NewPayload) -> PayloadVerdict {
        let answer = self.sync.remote().new_payload(payload.clone());
        self.above.demo.runtime.block_on(answer).expect("it runs")
    }

    pub(super) fn choose(&self, head: B256) -> ForkchoiceVerdict {
        self.choose_all(Forkchoice::head(head))
    }

    pub(super) fn choose_all(&self, forkchoice: Forkchoice) -> ForkchoiceVerdict {
        self.above.demo.runtime.block_on(self.sync.remote().choose(forkchoice)).expect("it runs")
    }

    /// Ends it, and looks that all is whole and right that it leaves.
    pub(super) fn end(self) {
        let Self { above, sync } = self;
        sync.shutdown_blocking().expect("a clean end");
        above.chain.close().expect("a clean end");
        let report = verify(&above.demo.datadir(), VerifyConfig::all_cores()).expect("it can be read");
        assert!(report.is_clean() && report.complete, "{report:?}");
    }

    /// Which block the state on the disk is of.
    pub(super) fn state(&self) -> Option<(u64, B256)> {
        let (state, _) = self.sync.remote().stores();
        let progress = state.snapshot().and_then(|state| state.progress()).expect("it can be read");
        progress.and_then(|progress| progress.whole()).map(|whole| (whole.number, whole.hash))
    }
}

pub(super) fn hash(payload: &NewPayload) -> B256 {
    payload.header.hash()
}

// ROW: F1
#[test]
fn blocks_that_a_host_gives_are_executed_before_they_are_named_and_asked_of_nobody() {
    let host = Host::start(Above::serve(PARAMS, 1, BLOCKS));
    let (base, above) = (host.above.base, &host.above);
    let blocks = host.blocks();

    // Nothing is here yet.
    assert_eq!(host.give(&blocks[0]), PayloadVerdict::Syncing);
    assert_eq!(host.choose(above.demo.chain.genesis), ForkchoiceVerdict::Valid);
    assert_eq!(host.choose(base.hash), ForkchoiceVerdict::Syncing);
    host.sync_to(head(base));
    above.demo.log.drain();

    // Each over the one before, none of them on the disk.
    for block in &blocks {
        assert_eq!(host.give(block), PayloadVerdict::Valid);
    }
    assert_eq!(host.give(&blocks[2]), PayloadVerdict::Valid, "as before");
    assert_eq!(host.state(), Some((base.number, base.hash)));
    let top = hash(blocks.last().expect("six"));
    host.reach(top);
    assert_eq!(host.state(), Some((above.top.number, top)));
    assert_eq!(above.demo.log.drain().len(), 0, "nobody was asked for anything");

    // What is held is valid at once, and moves nothing.
    assert_eq!(host.give(&blocks[0]), PayloadVerdict::Valid);
    host.reach(hash(&blocks[1]));
    assert_eq!(host.state(), Some((above.top.number, top)));
    let forkchoice = |safe, finalized| Forkchoice { head: top, safe, finalized };
    assert_eq!(host.choose_all(forkchoice(hash(&blocks[3]), base.hash)), ForkchoiceVerdict::Valid);
    assert_eq!(host.choose_all(forkchoice(B256::repeat_byte(1), base.hash)), ForkchoiceVerdict::Inconsistent);
    above.demo.log.drain();

    // Beside the chain: executed over an older state; named, it takes the place of what was there.
    let beside = with(&blocks[2], EXTRA_DATA, b"beside");
    assert_eq!(host.give(&beside), PayloadVerdict::Valid);
    assert_eq!(host.state(), Some((above.top.number, top)));
    host.reach(hash(&beside));
    assert_eq!(host.state(), Some((base.number + 3, hash(&beside))));
    // And back, without being given again.
    host.reach(top);
    assert_eq!(host.state(), Some((above.top.number, top)));
    // What stands on a block that was on the chain and was left.
    let above_beside = with(&blocks[3], PARENT, hash(&beside).as_slice());
    assert_eq!(host.give(&above_beside), PayloadVerdict::Valid);
    assert_eq!(host.state(), Some((above.top.number, top)));
    assert_eq!(above.demo.log.drain().len(), 0, "nobody was asked for anything");
    host.end();
}

// ROW: F1
#[test]
fn a_bad_block_that_a_host_gives_is_refused_with_all_above_it_and_nothing_of_it_is_kept() {
    let host = Host::start(Above::serve(PARAMS, 1, BLOCKS));
    let (base, above) = (host.above.base, &host.above);
    host.sync_to(head(base));
    let blocks = host.blocks();
    assert_eq!(host.give(&blocks[0]), PayloadVerdict::Valid);

    let bad = with(&blocks[1], STATE_ROOT, B256::repeat_byte(7).as_slice());
    let PayloadVerdict::Invalid { latest_valid, reason } = host.give(&bad) else { panic!("it is bad") };
    assert_eq!(latest_valid, Some(hash(&blocks[0])));
    assert!(reason.contains("state root"), "{reason}");
    let child = with(&blocks[2], PARENT, hash(&bad).as_slice());
    let PayloadVerdict::Invalid { latest_valid, .. } = host.give(&child) else { panic!("its parent is bad") };
    assert_eq!(latest_valid, Some(hash(&blocks[0])));
    for named in [&bad, &child] {
        let ForkchoiceVerdict::Invalid { latest_valid, .. } = host.choose(hash(named)) else {
            panic!("it is bad")
        };
        assert_eq!(latest_valid, Some(hash(&blocks[0])));
    }
    // What merely lacks its parent is not bad, and is not remembered as such.
    assert_eq!(host.give(&blocks[3]), PayloadVerdict::Syncing);
    for block in &blocks[1..] {
        assert_eq!(host.give(block), PayloadVerdict::Valid);
    }
    assert_eq!(host.state(), Some((base.number, base.hash)));
    host.reach(above.top.hash);
    let Host { above, sync } = host;
    sync.shutdown_blocking().expect("a clean end");
    above.chain.close().expect("a clean end");
    let disk = StateStore::open_read_only(&above.demo.datadir()).expect("it is there");
    let progress = disk.snapshot().and_then(|state| state.progress()).expect("it can be read");
    assert_eq!(progress.and_then(|progress| progress.whole()).map(|at| at.hash), Some(above.top.hash));
}
