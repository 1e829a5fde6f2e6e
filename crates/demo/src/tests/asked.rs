//! The serving log of a demo: how a sync asks.

use std::collections::BTreeMap;

use snapsync_serve::{RequestKind, ServeEntry};
use snapsync_trie::HashRange;

use super::*;

/// The first and the last place in the log where something of a kind was asked.
fn span(log: &[ServeEntry], kinds: &[RequestKind]) -> (usize, usize) {
    let mut places = (0..log.len()).filter(|at| kinds.contains(&log[*at].kind));
    let first = places.next().unwrap_or_else(|| panic!("{kinds:?} was never asked"));
    (first, places.next_back().unwrap_or(first))
}

/// The most account ranges that were open at once: the sixteenths of the key space, each from its first request to its
/// last one. A range that is handed on to a second job stays one here, so there may be more.
fn open_origins(log: &[ServeEntry]) -> usize {
    let pieces = HashRange::FULL.split(16);
    let mut spans: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (at, entry) in log.iter().enumerate().filter(|(_, entry)| entry.kind == RequestKind::Accounts) {
        let origin = entry.origin.expect("an account range begins somewhere");
        let piece = pieces.iter().position(|piece| piece.contains(&origin)).expect("they cover everything");
        spans.entry(piece).or_insert((at, at)).1 = at;
    }
    let open = |at: usize| spans.values().filter(|(first, last)| (*first..=*last).contains(&at)).count();
    (0..log.len()).map(open).max().unwrap_or(0)
}

// ROW: F13
// ROW: F15
// ROW: F36
#[test]
fn sixteen_ranges_are_open_while_blocks_come_in_between_on_busy_peers() {
    // Each sixteenth has 5,000 accounts of ~70 bytes: many answers of 16 KiB. Blocks get a fortieth of each line while state is
    // open: some come in between, most of them behind it.
    let params = DemoParams {
        accounts: 80_000,
        contracts: 1_000,
        slots: 40_000,
        blocks: 200,
        history_from: 0,
        seed: 2,
    };
    let limits = Limits { response_bytes_soft: 16 << 10, ..Limits::mainnet() };
    let demo = Demo::serve_within(params, 3, limits);
    demo.sync(demo.config());
    let log = demo.log.drain();
    assert_eq!(demo.log.lost(), 0);
    assert!(open_origins(&log) >= 16, "{} open origins", open_origins(&log));
    let state = span(&log, &[RequestKind::Accounts, RequestKind::Storages, RequestKind::Codes]);
    for kind in [RequestKind::Bodies, RequestKind::Receipts] {
        let blocks = span(&log, &[kind]);
        let between = (state.0..state.1).filter(|at| log[*at].kind == kind).count();
        assert!(between >= 1, "no request for {kind:?} between those for state");
        let state_between = (blocks.0..blocks.1).filter(|at| log[*at].kind == RequestKind::Accounts).count();
        assert!(state_between >= 2, "{state_between} requests for accounts between those for {kind:?}");
    }
    let in_flight = log.iter().map(|entry| entry.in_flight).max().unwrap_or(0);
    assert!(in_flight >= 2, "{in_flight} requests in flight on a peer");
}
