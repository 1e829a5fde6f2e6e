//! The handle that a host embeds, against a demo.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt;
use snapsync_driver::{Error, Milestone, Phase, Stall, Target, WhenAlone};

use super::*;

const PARAMS: DemoParams =
    DemoParams { accounts: 20_000, contracts: 500, slots: 10_000, blocks: 60, history_from: 0, seed: 4 };

// ROW: F53
// ROW: F21
#[test]
fn a_host_sees_phases_in_order_and_a_share_that_never_falls() {
    let demo = Demo::serve(PARAMS, 2);
    let sync = SnapSync::start(demo.config()).expect("started");
    let (events, mut heard) = (sync.events(), sync.events());
    let until = Instant::now() + PATIENCE;
    let head = Forkchoice::head(demo.chain.target.hash);
    sync.forkchoice_updated(head).expect("it runs");
    sync.forkchoice_updated(head).expect("the same head again changes nothing");
    // Sampled until the end; a listener that starts before the first event misses none.
    let mut shares = vec![sync.progress().share];
    let mut is_verified = false;
    while sync.progress().phase != "complete" {
        assert!(Instant::now() < until, "{:?}", sync.progress());
        let progress = sync.progress();
        // Blocks may still be on their way then: the share is the state's.
        while let Some(Some(event)) = heard.next().now_or_never() {
            is_verified |= matches!(event, Event::StateVerified(_));
        }
        assert!(progress.share < 1.0 || is_verified, "{progress:?}");
        shares.push(progress.share);
        std::thread::yield_now();
    }
    shares.push(sync.progress().share);
    assert!(shares.is_sorted(), "{shares:?}");
    assert_eq!((shares[0], shares.last()), (0.0, Some(&1.0)));
    demo.runtime.block_on(sync.shutdown()).expect("a clean end");
    // The stream ends with the sync.
    let events: Vec<Event> = demo.runtime.block_on(events.collect());
    let phases: Vec<Phase> = events
        .iter()
        .filter_map(|event| if let Event::Phase(phase) = event { Some(*phase) } else { None })
        .collect();
    assert_eq!(phases, [Phase::Headers, Phase::Download, Phase::Rebuild, Phase::Complete]);
    let target = demo.chain.target;
    let target = Target { number: target.number, hash: target.hash, root: target.root };
    let place = |event: &Event| events.iter().position(|other| other == event);
    let told = [Event::Pinned(target), Event::StateVerified(target), Event::Complete(target)]
        .map(|event| place(&event));
    assert!(told.iter().all(Option::is_some) && told.is_sorted(), "{events:?}");
    // A second run on the same directory is complete at once.
    let again = demo.sync(demo.config());
    assert_eq!((again.answers, again.share), (0, 1.0));
}

// ROW: F50
#[test]
fn a_host_hears_in_order_what_is_durable_and_one_that_never_answers_delays_nothing() {
    let demo = Demo::serve(PARAMS, 2);
    let sync = SnapSync::start(demo.config()).expect("started");
    let mut notices = sync.notifications().expect("it runs");
    let mut unanswered = sync.notifications().expect("it runs");
    sync.forkchoice_updated(Forkchoice::head(demo.chain.target.hash)).expect("it runs");
    let mut heard = Vec::new();
    while let Some(notice) = notices.next_blocking() {
        let milestone = notice.milestone;
        notice.ack();
        // Where the headers meet the genesis, their top is a head as well.
        if !matches!(milestone, Milestone::Head(_)) {
            heard.push(milestone);
        }
        if matches!(milestone, Milestone::Complete(_)) {
            break;
        }
    }
    let target = demo.chain.target;
    let target = Target { number: target.number, hash: target.hash, root: target.root };
    assert_eq!(
        heard,
        [Milestone::Pivot(target), Milestone::StateVerified(target), Milestone::Complete(target)]
    );
    assert!(unanswered.next_blocking().is_some(), "it was told, and nobody waited for it");
    sync.shutdown_blocking().expect("a clean end");
    let status = snapsync_storage::StateStore::open_read_only(&demo.datadir()).expect("a state");
    let progress = status.journal().expect("a journal").progress.expect("a record");
    assert_eq!(progress.rebuilt, Some(target.root));
}

// ROW: F53
#[test]
fn whoever_asks_for_events_late_hears_that_a_directory_is_complete() {
    let demo = Demo::serve(PARAMS, 1);
    demo.sync(demo.config());
    let sync = SnapSync::start(demo.config()).expect("started");
    let until = Instant::now() + PATIENCE;
    // By its own clock it is long done then.
    while sync.progress().phase != "complete" || sync.progress().elapsed < Duration::from_millis(500) {
        assert!(Instant::now() < until, "{:?}", sync.progress());
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let mut events = sync.events();
    let completed = async {
        while let Some(event) = events.next().await {
            if let Event::Complete(target) = event {
                return Some(target.hash);
            }
        }
        None
    };
    let heard = demo.runtime.block_on(async { tokio::time::timeout(PATIENCE, completed).await });
    assert_eq!(heard, Ok(Some(demo.chain.target.hash)));
    sync.shutdown_blocking().expect("a clean end");
}

/// An address that passes nothing on until it is opened.
struct Door {
    address: SocketAddr,
    open: Arc<AtomicBool>,
}

impl Door {
    fn before(peer: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let open = Arc::new(AtomicBool::new(false));
        let door = Self { address, open: Arc::clone(&open) };
        // Ends with the process: nobody closes the listener.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if open.load(Ordering::SeqCst) {
                    let Ok(inner) = TcpStream::connect(peer) else { return };
                    pass(stream.try_clone().expect("a socket"), inner.try_clone().expect("a socket"));
                    pass(inner, stream);
                }
            }
        });
        door
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _gone_already = to.shutdown(Shutdown::Both);
    });
}

// ROW: F11
#[test]
fn a_sync_without_peers_sleeps_and_finishes_when_one_appears() {
    let demo = Demo::serve(PARAMS, 1);
    let door = Door::before(demo.enodes[0].address);
    let mut config = demo.config();
    config.peers[0] = Enode { address: door.address, ..demo.enodes[0] }.into();
    let sync = SnapSync::start(config).expect("started");
    let mut events = sync.events();
    sync.forkchoice_updated(Forkchoice::head(demo.chain.target.hash)).expect("it runs");
    let until = Instant::now() + PATIENCE;
    // At least two seconds from one figure to the next, as its own clock says.
    let figures_after = |elapsed: Duration| loop {
        let progress = sync.progress();
        if progress.elapsed >= elapsed {
            break progress;
        }
        assert!(Instant::now() < until);
        std::thread::park_timeout(Duration::from_millis(10));
    };
    let early = figures_after(Duration::from_millis(500));
    let late = figures_after(early.elapsed + Duration::from_secs(2));
    assert_eq!((late.peers, late.in_flight, late.answers), (0, 0, 0));
    // Five a second to publish, and one for each dial that failed: far from a loop that spins.
    let (wakes, between) = (late.wakes - early.wakes, late.elapsed - early.elapsed);
    let most = (15.0 * between.as_secs_f64()) as u64;
    assert!((1..=most).contains(&wakes), "{wakes} wakes in {between:?}");
    door.open.store(true, Ordering::SeqCst);
    demo.runtime.block_on(async {
        loop {
            match events.next().await {
                Some(Event::Complete(_)) => break,
                Some(_) => assert!(Instant::now() < until, "{:?}", sync.progress()),
                None => panic!("the sync ended early"),
            }
        }
    });
    sync.shutdown_blocking().expect("a clean end");
}

// ROW: F35
#[test]
fn a_stall_is_told_once_and_ends_a_sync_by_its_name_where_it_may_not_last() {
    let demo = Demo::serve(PARAMS, 1);
    let door = Door::before(demo.enodes[0].address);
    let mut config = demo.config();
    config.peers[0] = Enode { address: door.address, ..demo.enodes[0] }.into();
    (config.when_alone, config.stalled_after_ms, config.stalled_max_ms) = (WhenAlone::Wait, 300, Some(600));
    let sync = SnapSync::start(config).expect("started");
    let events = sync.events();
    sync.forkchoice_updated(Forkchoice::head(demo.chain.target.hash)).expect("it runs");
    // The stream ends with the sync.
    let events: Vec<Event> = demo.runtime.block_on(events.collect());
    let told: Vec<&Event> = events
        .iter()
        .filter(|event| matches!(event, Event::Stalled(_) | Event::Resumed(_) | Event::Failed { .. }))
        .collect();
    let [Event::Stalled(Stall::NoPeers), Event::Failed { label: "stalled_no_peers", .. }] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(sync.progress().stalled, Some("no_peers"), "the last figures say it");
    let ended = sync.shutdown_blocking();
    assert!(matches!(ended, Err(Error::Stalled { stall: Stall::NoPeers, .. })), "{ended:?}");
}
