//! What a host hears of a sync whose chain moves, in order, over real sockets.

use alloy_primitives::B256;
use snapsync_driver::{Error, HeadRefusal, HeadSource, MoveReason, Phase, Place, Reconciler};

use super::*;
use crate::MovingChain;

const PARAMS: DemoParams =
    DemoParams { accounts: 4_000, contracts: 200, slots: 4_000, blocks: 20, history_from: 0, seed: 8 };

/// Two of these carry the state in some fifteen seconds, which is far longer than the chain takes for the blocks that make its state old.
const LINE_BYTES_PER_SECOND: u64 = 25_000;
/// Blocks above the first target before the sync begins, whose state is kept still, and when it is not any more.
const BEFORE: u64 = 110;
const AFTER: u64 = 160;

/// What was heard, but for figures.
struct Heard {
    sync: SnapSync,
    events: std::pin::Pin<Box<dyn futures::Stream<Item = Event> + Send>>,
    all: Vec<Event>,
    figures: usize,
    until: Instant,
}

impl Heard {
    fn of(sync: SnapSync) -> Self {
        let events = Box::pin(sync.events());
        Self { sync, events, all: Vec::new(), figures: 0, until: Instant::now() + PATIENCE }
    }

    /// Listens until this was heard.
    fn wait(&mut self, runtime: &Runtime, is: impl Fn(&Event) -> bool) {
        loop {
            let next = async { tokio::time::timeout_at(self.until.into(), self.events.next()).await };
            match runtime.block_on(next).unwrap_or_else(|_| panic!("in time: {:?}", self.all)) {
                Some(Event::Progress(_)) => self.figures += 1,
                Some(Event::PeerFault { peer, fault }) => panic!("{peer} is honest: {fault}"),
                Some(event) => {
                    let is_it = is(&event);
                    self.all.push(event);
                    if is_it {
                        return;
                    }
                }
                None => panic!("the sync ended early: {:?}", self.all),
            }
        }
    }

    /// The place of the first event from `from` on that is like this.
    fn place(&self, from: usize, what: &str, is: impl Fn(&Event) -> bool) -> usize {
        let place = self.all[from..].iter().position(is);
        from + place.unwrap_or_else(|| panic!("no {what} from {from} on: {:?}", self.all))
    }

    /// All rows that came were told, in few pieces: one a second, and one before a step.
    fn assert_rows_were_told_in_few_pieces(&self) {
        let figures = self.sync.progress();
        let applied = || {
            self.all.iter().filter_map(|event| if let Event::Applied(it) = event { Some(it) } else { None })
        };
        assert_eq!(applied().map(|it| it.accounts).sum::<u64>(), figures.durable.accounts);
        assert_eq!(applied().map(|it| it.slots).sum::<u64>(), figures.durable.slots);
        let steps = self
            .all
            .iter()
            .filter(|event| matches!(event, Event::Phase(_) | Event::PivotMoved { .. }))
            .count();
        let most = figures.elapsed.as_secs() as usize + 2 * steps + 1;
        assert!(applied().count() <= most, "{} events of rows in {:?}", applied().count(), figures.elapsed);
    }
}

// ROW: F51, F27
#[test]
fn a_host_hears_in_order_of_heads_rows_peers_the_pivot_and_what_brings_rows_to_it() {
    let demo = Demo::serve_over(PARAMS, 2, Limits::mainnet(), Some(LINE_BYTES_PER_SECOND));
    let first = demo.chain.target;
    let mut chain = MovingChain::open(&demo.store, &demo.dir.path().join("chain"), 1).expect("it goes on");
    let mut grow = |blocks: u64| (0..blocks).map(|_| chain.grow().expect("a block")).last().expect("some");
    let announcer = demo.peers.as_ref().expect("they run").announcer();
    let announce = || announcer.look(&demo.store.history).expect("our own disk");
    grow(BEFORE);
    announce();
    let mut heard = Heard::of(SnapSync::start(demo.config()).expect("started"));
    let refused = heard.sync.forkchoice_updated(Forkchoice::head(B256::ZERO));
    assert!(matches!(refused, Err(Error::NoBlock { .. })), "{refused:?}");
    for _ in 0..2 {
        heard.sync.forkchoice_updated(Forkchoice::head(first.hash)).expect("it runs");
    }
    // Rows of the first block are here when its state is dropped.
    heard.wait(&demo.runtime, |event| matches!(event, Event::Applied(applied) if applied.accounts > 0));
    let head = grow(AFTER - BEFORE);
    announce();
    let is_at = |place: fn(&Place) -> bool| move |event: &Event| matches!(event, Event::PeerWindow { place: at, .. } if place(at));
    for _ in 0..2 {
        heard.wait(&demo.runtime, is_at(|place| *place == Place::Ahead { blocks: AFTER }));
    }
    heard.sync.forkchoice_updated(Forkchoice::head(head.hash)).expect("it runs");
    heard.wait(&demo.runtime, |event| matches!(event, Event::Complete(_)));
    let older = demo.store.history.snapshot().expect("a snapshot").canonical(9).expect("rows").expect("held");
    heard.sync.forkchoice_updated(Forkchoice::head(older)).expect("it runs");
    heard.wait(&demo.runtime, |event| matches!(event, Event::HeadRejected { why: HeadRefusal::Older, .. }));

    let accepted =
        |hash: B256| move |event: &Event| *event == Event::HeadAccepted { hash, by: HeadSource::Host };
    let at = heard.place(0, "refusal", |event| {
        *event == Event::HeadRejected { hash: B256::ZERO, why: HeadRefusal::NoBlock }
    });
    let at = heard.place(at, "first head", accepted(first.hash));
    assert!(!heard.all[at + 1..].iter().any(accepted(first.hash)), "the same again is no news");
    let at =
        heard.place(at, "first target", |event| matches!(event, Event::Pinned(to) if to.hash == first.hash));
    let at = heard.place(at, "download", |event| *event == Event::Phase(Phase::Download));
    let at = heard.place(at, "rows", |event| matches!(event, Event::Applied(_)));
    let at = heard.place(at, "peer ahead", is_at(|place| matches!(place, Place::Ahead { .. })));
    let at = heard.place(at, "second head", accepted(head.hash));
    let at =
        heard.place(at, "its headers", |event| matches!(event, Event::Head(top) if top.hash == head.hash));
    let at = heard.place(at, "move", |event| match event {
        Event::PivotMoved { from, to, why: MoveReason::Aged | MoveReason::Lost } => {
            (from.number, from.hash) == (20, first.hash) && to.number > 20 && to.number <= 20 + AFTER
        }
        _ => false,
    });
    let at = heard.place(at, "peer within", is_at(|place| *place == Place::Within));
    let at = heard.place(at, "walk", |event| *event == Event::ReconcileBegan(Reconciler::Walk));
    let at = heard.place(at, "its end", |event| {
        matches!(event, Event::ReconcileEnded { by: Reconciler::Walk, did, .. } if did.nodes > 0 && did.accounts > 0)
    });
    let at = heard.place(at, "verified", |event| matches!(event, Event::StateVerified(_)));
    let at = heard.place(at, "complete", |event| matches!(event, Event::Complete(_)));
    let at = heard.place(at, "older head", accepted(older));
    heard.place(at, "its refusal", |event| {
        *event == Event::HeadRejected { hash: older, why: HeadRefusal::Older }
    });
    assert!(!heard.all.iter().any(|event| matches!(event, Event::Missed { .. })));
    assert!(heard.figures > 0);

    heard.assert_rows_were_told_in_few_pieces();
    heard.sync.shutdown_blocking().expect("a clean end");
    chain.close().expect("durable");
}
