//! Peers of snap/1 and of snap/2, and a sync that speaks one of these at a time, over real sockets.

use snapsync_driver::SnapFallback;
use snapsync_serve::RequestKind;
use snapsync_storage::StateStore;

use super::*;

const PARAMS: DemoParams =
    DemoParams { accounts: 4_000, contracts: 200, slots: 4_000, blocks: 5, history_from: 0, seed: 9 };

/// The first peer has not given all by the time that it goes.
const LINE_BYTES_PER_SECOND: u64 = 60_000;

/// Listens until this was heard; all that was, without figures.
fn until(
    demo: &Demo,
    events: &mut (impl futures::Stream<Item = Event> + Unpin),
    is: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let mut all = Vec::new();
    let ends = Instant::now() + PATIENCE;
    loop {
        let next = async { tokio::time::timeout_at(ends.into(), events.next()).await };
        match demo.runtime.block_on(next).unwrap_or_else(|_| panic!("in time: {all:?}")) {
            Some(Event::Progress(_)) => {}
            Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
            Some(event) => {
                let is_it = is(&event);
                all.push(event);
                if is_it {
                    return all;
                }
            }
            None => panic!("the sync ended early: {all:?}"),
        }
    }
}

// ROW: F42
#[test]
fn a_sync_whose_peers_of_snap_1_are_gone_goes_on_with_those_of_snap_2_and_keeps_all_rows() {
    let mut demo = Demo::serve_over(PARAMS, 1, Limits::mainnet(), Some(LINE_BYTES_PER_SECOND));
    let (writer, log) = ServeLog::bounded(1 << 16);
    let params = PeerParams {
        honest: 1,
        bad: 0,
        seed: 2,
        limits: Limits::mainnet(),
        latency: Duration::ZERO,
        line_bytes_per_second: None,
        snap: SnapVersion::Snap2,
        log: Some(writer),
    };
    let others = demo.runtime.block_on(DemoPeers::start(&demo.chain, &demo.store, &params)).expect("started");
    let mut config = demo.config();
    config.peers.extend(others.enodes().iter().map(|(enode, _)| (*enode).into()));
    config.snap_fallback = Some(SnapFallback { peers_min: 1, after_ms: 1_000 });
    let sync = SnapSync::start(config.clone()).expect("started");
    let mut events = sync.events();
    sync.forkchoice_updated(Forkchoice::head(demo.chain.target.hash)).expect("it runs");
    let heard =
        until(&demo, &mut events, |event| matches!(event, Event::Applied(applied) if applied.accounts > 0));
    assert!(!heard.iter().any(|event| matches!(event, Event::SnapChanged { .. })), "{heard:?}");
    assert_eq!(sync.progress().snap, Some(1));
    let peers = demo.peers.take().expect("they run");
    demo.runtime.block_on(peers.shutdown());
    until(&demo, &mut events, |event| {
        *event == Event::SnapChanged { from: SnapVersion::Snap1, to: SnapVersion::Snap2 }
    });
    let is_state = |kind| [RequestKind::Accounts, RequestKind::Storages, RequestKind::Codes].contains(&kind);
    until(&demo, &mut events, |event| matches!(event, Event::Complete(_)));
    let progress = sync.progress();
    sync.shutdown_blocking().expect("a clean end");
    let asked = log.drain().iter().filter(|entry| is_state(entry.kind)).count();
    assert!(asked > 0, "the rest came from the other");
    let state = StateStore::open_read_only(&demo.datadir()).expect("a state");
    let rows = state.snapshot().expect("a snapshot").rows().expect("rows");
    assert_eq!(progress.durable.accounts, rows.accounts, "each came once");
    assert!(progress.durable.slots <= rows.slots, "and each slot once, or as a copy: {progress:?}");
    assert_eq!((progress.snap, state.journal().expect("a journal").snap), (Some(2), Some(2)));
    drop(state);

    // The next run begins with what the last one spoke, and one that is ordered to does not.
    for (fallback, speaks) in [(config.snap_fallback, 2), (None, 1)] {
        let sync = SnapSync::start(Config { snap_fallback: fallback, ..config.clone() }).expect("started");
        let mut events = sync.events();
        let ends = Instant::now() + PATIENCE;
        while sync.progress().snap.is_none() {
            assert!(Instant::now() < ends);
            std::thread::park_timeout(Duration::from_millis(10));
        }
        assert_eq!(sync.progress().snap, Some(speaks));
        until(&demo, &mut events, |event| matches!(event, Event::Complete(_)));
        sync.shutdown_blocking().expect("a clean end");
    }
    demo.runtime.block_on(others.shutdown());
}
