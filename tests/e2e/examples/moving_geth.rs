//! The stories `moving`: our program syncs from a real geth whose chain moves, and something happens meanwhile.
//!
//! `moving_geth [--only NAME] [--seed N]`. The program is the one that `SNAPSYNC_PROGRAM` names. Each story ends with a sync that is
//! complete, whose rows and blocks are all geth's, and in which no peer was charged; a story that does not ends with a panic.

#![expect(clippy::unwrap_used, reason = "what is not there fails the story, as it fails a test")]

#[path = "../tests/blocks/mod.rs"]
mod blocks;
#[path = "../tests/held/mod.rs"]
mod held;
#[path = "../tests/rows/mod.rs"]
mod rows;

use std::{
    collections::BTreeSet,
    ops::Range,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use held::{PATIENCE, assert_holds_a_block_of_geths};
use snapsync_e2e::{
    bill::{self, Bill},
    cache::{Release, Tools},
    chain::TestChain,
    geth::{Geth, Settings},
    life::Bustle,
    mover::{Made, REORG_BLOCKS_MAX},
    moving::{Lists, MovingGeth, Pace, Speaks, Standing, header},
    order::{self, Order},
    patience,
    program::{Finished, Running},
    recipe::Size,
    relay::Relay,
};

/// geth keeps a state for 32 seconds.
const PACE: Pace =
    Pace { block_every: Duration::from_millis(250), bustle: Bustle::Calm, bytes_per_second: Some(60_000) };

type Tell = fn(&Tools, &Path, &mut Chance);

/// All of them.
const STORIES: [(&str, Tell); 13] = [
    ("nodes", nodes),
    ("lists", lists),
    ("across-amsterdam", across_amsterdam),
    ("kills", kills),
    ("hundred-kills", hundred_kills),
    ("ranges", ranges),
    ("reorgs", reorgs),
    ("two-geths", two_geths),
    ("wild", wild),
    ("restart-geth", restart_geth),
    ("crash-geth", crash_geth),
    ("lost-geth", lost_geth),
    ("follow", follow),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((only, seed)) = arguments(&words) else {
        eprintln!("usage: moving_geth [--only NAME] [--seed N]");
        return ExitCode::from(2);
    };
    let tools = Tools::locate(Release::Newest).unwrap();
    for (name, tell) in STORIES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("=== {name}, seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        tell(&tools, folder.path(), &mut Chance(seed));
        println!("=== {name}: told in {} s", began.elapsed().as_secs());
    }
    ExitCode::SUCCESS
}

/// The one story that is to be told, and the seed (1).
fn arguments(words: &[String]) -> Option<(Option<&str>, u64)> {
    let (mut only, mut seed) = (None, 1);
    for pair in words.chunks(2) {
        match pair {
            [flag, name] if flag == "--only" && STORIES.iter().any(|story| story.0 == name) => {
                only = Some(name.as_str());
            }
            [flag, number] if flag == "--seed" => seed = number.parse().ok()?,
            _ => return None,
        }
    }
    Some((only, seed))
}

/// Chance from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn within(&mut self, range: Range<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start + (mixed ^ mixed >> 31) % (range.end - range.start)
    }
}

/// What the program says of its first target, and of each other one.
const TARGET: &[&str] = &["target: block", "the pivot moved from block"];
const HEAL: &[&str] = &["phase: heal"];
const REBUILD: &[&str] = &["phase: rebuild"];

/// How long a story waits for what depends on the pace of geth's chain, which a slow machine does not keep.
const STORY_PATIENCE: Duration = Duration::from_secs(900);

fn times(running: &Running, words: &[&str]) -> usize {
    let said = running.stderr();
    words.iter().map(|words| said.matches(words).count()).sum()
}

/// Waits until the program has said one of these so often, or has ended; tells whether it goes on.
fn hear(running: &Running, words: &[&str], count: usize) -> bool {
    let told = || (times(running, words) >= count || is_over(running)).then_some(());
    patience::until(words[0], STORY_PATIENCE, told, || running.stderr()).unwrap();
    !is_over(running)
}

/// Whether there is nothing more to come of a sync.
fn is_over(running: &Running) -> bool {
    let said = running.stderr();
    running.has_ended() || said.contains("state root verified") || said.contains("error:")
}

/// The sync ends as it is to end, and what it holds is geth's. The chain stands still by then: else the state that it ends with may be gone
/// from geth before it is compared, since it may be that of a block far below the head.
fn assert_ends_well(running: Running, order: &Order, tools: &Tools, moving: MovingGeth) {
    let standing = moving.stand().unwrap();
    assert_ended_well(&running.wait(PATIENCE).unwrap(), order, tools, standing);
}

fn assert_ended_well(finished: &Finished, order: &Order, tools: &Tools, standing: Standing) {
    println!("{}", finished.stdout);
    assert_uncharged(finished);
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    let block = assert_holds_a_block_of_geths(&order.datadir, tools, standing);
    assert!(finished.stdout.contains(&block.root.to_string()), "{}", finished.stdout);
}

fn assert_uncharged(finished: &Finished) {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!said.contains("charged"), "an honest geth was charged:\n{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// A sync whose pivot moves five times, by nodes alone (Prague, snap/1).
fn nodes(tools: &Tools, folder: &Path, _chance: &mut Chance) {
    move_five_times(tools, folder, Speaks::Snap1, Lists::None, "healing");
}

/// The same by access lists alone (Amsterdam, snap/2).
fn lists(tools: &Tools, folder: &Path, _chance: &mut Chance) {
    move_five_times(tools, folder, Speaks::Snap2, Lists::After(0), "access lists");
}

/// The same from before Amsterdam to after it: no lists lead across.
fn across_amsterdam(tools: &Tools, folder: &Path, _chance: &mut Chance) {
    // The first targets are below the fork; the last ones, four times 120 blocks later, are above it.
    move_five_times(tools, folder, Speaks::Snap1, Lists::After(200), "healing");
}

fn move_five_times(tools: &Tools, folder: &Path, speaks: Speaks, lists: Lists, how: &str) {
    let moving = MovingGeth::start_as(tools, Size::SMALL, folder, PACE, speaks, lists).unwrap();
    let download = bill::download(tools, moving.chain(), &folder.join("still"), PATIENCE).unwrap();
    let mut order = moving.order(folder.join("snapsync"));
    if speaks == Speaks::Snap2 {
        order = order.with(["--snap.v2"]);
    }
    // The small chain comes in a minute at this pace, and five moves take twice as long.
    moving.relay().throttle(Some(25_000));
    let running = order.start().unwrap();
    let recorded = || order::target(&order.datadir, PATIENCE).unwrap();
    let first = patience::until("a target", PATIENCE, recorded, || running.stderr()).unwrap();
    assert!(hear(&running, TARGET, 6), "{}", running.stderr());
    moving.relay().throttle(None);
    let standing = moving.stand().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    let last = header(standing.geth.rpc(), "latest").unwrap();
    let changes = bill::changes(&standing.geth, first.number + 1..=last.number).unwrap();
    let fetched = standing.relay.passed().down_bytes;
    assert_ended_well(&finished, &order, tools, standing);
    let bill = Bill { fetched, download, blocks: last.number - first.number, changes };
    println!("{bill}");
    assert!(bill.is_fair(), "{bill}");
    assert!(finished.stdout.contains(&format!("reconciled   by {how}")), "{}", finished.stdout);
}

/// Twenty or more over one sync, from a geth that gives trie nodes.
fn kills(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let moving = MovingGeth::start(tools, Size::SMALL, folder, KILLING).unwrap();
    let order = moving.order(folder.join("snapsync"));
    kill_often(tools, moving, &order, Kills::SOME, chance);
}

/// A hundred over one sync.
fn hundred_kills(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let moving = MovingGeth::start(tools, Size::SMALL, folder, KILLING).unwrap();
    let order = moving.order(folder.join("snapsync"));
    kill_often(tools, moving, &order, Kills::A_HUNDRED, chance);
}

/// From a geth that gives none, so that rows are repaired by ranges: a request each, so that the chain must not go too fast.
fn ranges(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let pace = Pace { block_every: Duration::from_secs(1), ..KILLING };
    let moving = MovingGeth::start_as(tools, Size::SMALL, folder, pace, Speaks::Snap2, Lists::None).unwrap();
    let order = moving.order(folder.join("snapsync")).with(["--snap.v2"]);
    kill_often(tools, moving, &order, Kills::SOME, chance);
}

/// For kills.
const KILLING: Pace = Pace { bytes_per_second: Some(80_000), ..PACE };

/// How often a sync is killed.
#[derive(Clone, Copy)]
struct Kills {
    /// Wherever it is.
    on_a_narrow_line: u64,
    /// Then, once it heals.
    in_healing: u64,
    /// At the latest when so many bytes have come.
    bytes_max: u64,
}

impl Kills {
    const SOME: Self = Self { on_a_narrow_line: 20, in_healing: 8, bytes_max: 250_000 };
    const A_HUNDRED: Self = Self { on_a_narrow_line: 100, in_healing: 10, bytes_max: 50_000 };
}

/// SIGKILL at random places: by bytes that came, or by time where none come.
fn kill_often(tools: &Tools, moving: MovingGeth, order: &Order, kills: Kills, chance: &mut Chance) {
    let pause = chance.within(4..kills.on_a_narrow_line);
    let (mut done, mut targets) = (0, BTreeSet::new());
    for kill in 0..kills.on_a_narrow_line + kills.in_healing {
        let is_narrow = kill < kills.on_a_narrow_line;
        moving.relay().throttle(if is_narrow { KILLING.bytes_per_second } else { Some(400_000) });
        let bytes = chance.within(5_000..kills.bytes_max);
        let limit = Duration::from_millis(chance.within(10..if is_narrow { 6_000 } else { 1_500 }));
        let running = order.start().unwrap();
        if !is_narrow {
            hear(&running, HEAL, 1);
        }
        let began = Instant::now();
        let from = moving.relay().passed().down_bytes;
        let is_there = || {
            let passed = moving.relay().passed().down_bytes - from;
            (passed >= bytes || began.elapsed() >= limit || running.has_ended()).then_some(passed)
        };
        let passed = patience::until("a place", PATIENCE, is_there, || running.stderr()).unwrap();
        let has_ended = running.has_ended();
        let killed = running.kill().unwrap();
        moving.relay().cut();
        assert_uncharged(&killed);
        let last = killed.stderr.lines().rfind(|line| line.contains("phase:")).unwrap_or("none").to_owned();
        let target = order::target(&order.datadir, PATIENCE).unwrap().map(|made| made.number);
        targets.extend(target);
        println!("kill {kill}: {passed} bytes, {} ms, {last}, {target:?}", began.elapsed().as_millis());
        if has_ended {
            // It was faster than we.
            assert_eq!(killed.code(), Some(0), "{}", killed.stderr);
            break;
        }
        done += 1;
        if kill == pause {
            // All that was asked so far is gone meanwhile.
            moving.wait_for_blocks(130).unwrap();
        }
    }
    assert!(done >= kills.on_a_narrow_line, "the sync ended after {done} kills");
    assert!(targets.len() > 1, "the pivot stood still at {targets:?}");
    moving.relay().throttle(None);
    assert_ends_well(order.start().unwrap(), order, tools, moving);
}

/// Leaves so many blocks.
fn reorganise(moving: &MovingGeth, depth: usize, when: &str) {
    let Ok(told) = moving.mover().reorganise(depth) else {
        panic!("{depth} {when}: {}", moving.geth().log())
    };
    println!(
        "{when}, {depth} blocks: from {} to {} above {}",
        told.left.number, told.head.number, told.fork.number
    );
}

/// Leaves the chain from one block below the target on.
fn reorganise_past(moving: &MovingGeth, target: Made) {
    let head = header(moving.geth().rpc(), "latest").unwrap();
    let depth = (head.number + 2).saturating_sub(target.number) as usize;
    if depth >= REORG_BLOCKS_MAX {
        return println!("the pivot {} is out of reach", target.number);
    }
    reorganise(moving, depth.max(2), &format!("past the pivot {}", target.number));
}

/// Reorganisations of all depths: during the download, during healing, and one past the pivot right before the end.
fn reorgs(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let moving = MovingGeth::start(tools, Size::SMALL, folder, PACE).unwrap();
    moving.wait_for_blocks(20).unwrap();
    let order = moving.order(folder.join("snapsync"));
    let running = order.start().unwrap();
    hear(&running, TARGET, 1);
    for depth in [1, 3, chance.within(4..18)] {
        moving.wait_for_blocks(chance.within(4..16)).unwrap();
        reorganise(&moving, depth as usize, "in the download");
    }
    reorganise_past(&moving, order::target(&order.datadir, PATIENCE).unwrap().unwrap());
    hear(&running, TARGET, 3);
    reorganise(&moving, chance.within(2..30) as usize, "after the pivot moved");
    moving.relay().throttle(Some(400_000));
    assert!(hear(&running, HEAL, 1), "{}", running.stderr());
    reorganise(&moving, chance.within(1..30) as usize, "in healing");
    reorganise_past(&moving, order::target(&order.datadir, PATIENCE).unwrap().unwrap());
    let rebuilds = times(&running, REBUILD);
    moving.relay().throttle(None);
    if hear(&running, REBUILD, rebuilds + 1) {
        reorganise_past(&moving, order::target(&order.datadir, PATIENCE).unwrap().unwrap());
    }
    assert_ends_well(running, &order, tools, moving);
}

/// Two geths of one chain: one of them hears of no new block, and is started again in the middle, and then the other one is.
fn two_geths(tools: &Tools, folder: &Path, chance: &mut Chance) {
    // Who is stuck has a say for 36 seconds: less than 128 blocks at this pace, more at the usual one.
    let pace = Pace { block_every: Duration::from_millis(400), bytes_per_second: Some(40_000), ..PACE };
    let moving = MovingGeth::start(tools, Size::SMALL, &folder.join("moving"), pace).unwrap();
    let chain = TestChain::of(tools, Size::SMALL).unwrap();
    let stuck = chain.serve(tools, &folder.join("stuck")).unwrap();
    let line = Relay::start(stuck.peer_address()).unwrap();
    line.throttle(Some(25_000));
    let mut order = moving.order(folder.join("snapsync"));
    order.peers.push(stuck.enode_at(line.address()));
    let running = order.start().unwrap();
    hear(&running, TARGET, 1);
    moving.wait_for_blocks(chance.within(10..40)).unwrap();
    let settings = Settings::serving(chain.expected().network_id);
    let stuck = Geth::start(tools, stuck.stop().unwrap(), &settings).unwrap();
    line.lead_to(stuck.peer_address());
    assert!(hear(&running, TARGET, 2), "{}", running.stderr());
    moving.wait_for_blocks(chance.within(1..40)).unwrap();
    let moving = moving.leave().unwrap().come_back(tools).unwrap();
    moving.relay().throttle(None);
    assert_ends_well(running, &order, tools, moving);
}

/// Most of the state changes while it is fetched, and the pivot moves five times.
fn wild(tools: &Tools, folder: &Path, _chance: &mut Chance) {
    let pace = Pace { bustle: Bustle::Wild, ..PACE };
    let moving = MovingGeth::start(tools, Size::SMALL, folder, pace).unwrap();
    let order = moving.order(folder.join("snapsync"));
    let running = order.start().unwrap();
    assert!(hear(&running, TARGET, 6), "{}", running.stderr());
    moving.relay().throttle(None);
    assert_ends_well(running, &order, tools, moving);
}

/// The only geth goes away for some seconds, in the download and later, and comes back.
fn restart_geth(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let mut moving = MovingGeth::start(tools, Size::SMALL, folder, PACE).unwrap();
    let order = moving.order(folder.join("snapsync"));
    let running = order.start().unwrap();
    hear(&running, TARGET, 1);
    for moves in 1..=3 {
        assert!(hear(&running, TARGET, moves), "{}", running.stderr());
        moving.wait_for_blocks(chance.within(1..40)).unwrap();
        let away = moving.leave().unwrap();
        let (began, pause) = (Instant::now(), Duration::from_millis(chance.within(500..8_000)));
        patience::until("its return", PATIENCE, || (began.elapsed() > pause).then_some(()), String::new)
            .unwrap();
        moving = away.come_back(tools).unwrap();
        let status = order::status(&order.datadir, PATIENCE).unwrap().unwrap();
        println!("away for {} ms, in {}", began.elapsed().as_millis(), status["phase"]);
    }
    moving.relay().throttle(Some(1_000_000));
    if hear(&running, HEAL, 1) {
        moving = moving.leave().unwrap().come_back(tools).unwrap();
    }
    moving.relay().throttle(None);
    assert_ends_well(running, &order, tools, moving);
}

/// The only geth loses its newest blocks, and with them all that we ask of it: its chain goes on far below the head that we know. The
/// sync may say that nobody has the state; then the same command goes on.
fn crash_geth(tools: &Tools, folder: &Path, chance: &mut Chance) {
    const RUNS_MAX: u64 = 4;
    let mut moving = MovingGeth::start(tools, Size::SMALL, folder, PACE).unwrap();
    let order = moving.order(folder.join("snapsync"));
    let mut running = order.start().unwrap();
    assert!(hear(&running, TARGET, 2), "{}", running.stderr());
    moving.wait_for_blocks(chance.within(1..60)).unwrap();
    moving = moving.crash(tools, Size::SMALL).unwrap();
    // What the line carries beside the blocks themselves is little, and what is walked down must come while a state is kept.
    moving.relay().throttle(None);
    let mut runs = 1;
    let finished = loop {
        let finished = running.wait(PATIENCE).unwrap();
        assert_uncharged(&finished);
        if finished.code() == Some(0) || runs == RUNS_MAX {
            break finished;
        }
        println!("run {runs}: {:?}, {}", finished.code(), finished.stderr.lines().last().unwrap_or_default());
        assert_eq!(finished.code(), Some(4), "{}", finished.stderr);
        runs += 1;
        running = order.start().unwrap();
    };
    assert_ended_well(&finished, &order, tools, moving.stand().unwrap());
}

/// The only geth goes away for good while rows are healed: that ends the run, and the same command goes on when it is back.
fn lost_geth(tools: &Tools, folder: &Path, chance: &mut Chance) {
    let moving = MovingGeth::start(tools, Size::SMALL, folder, PACE).unwrap();
    let order = moving.order(folder.join("snapsync"));
    let running = order.start().unwrap();
    assert!(hear(&running, TARGET, 2), "{}", running.stderr());
    moving.relay().throttle(Some(chance.within(200_000..500_000)));
    assert!(hear(&running, HEAL, 1), "{}", running.stderr());
    let away = moving.leave().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_uncharged(&finished);
    assert_eq!(finished.code(), Some(4), "{}", finished.stderr);
    let moving = away.come_back(tools).unwrap();
    moving.relay().throttle(None);
    assert_ends_well(order.start().unwrap(), &order, tools, moving);
}

/// Blocks above the verified state are executed, while the chain turns, below that state too, and the process is killed again and again; now and then
/// more blocks come meanwhile than are executed.
fn follow(tools: &Tools, folder: &Path, chance: &mut Chance) {
    const TWISTS: u64 = 30;
    let moving =
        MovingGeth::start(tools, Size::SMALL, folder, Pace { bytes_per_second: None, ..PACE }).unwrap();
    moving.wait_for_blocks(45).unwrap();
    let order = moving.order(folder.join("snapsync")).with(["--follow", "--follow-blocks-max", "60"]);
    let mut running = order.start().unwrap();
    let wait = |running: &Running, wanted: &dyn Fn(Made) -> bool| {
        let look = || {
            assert!(!running.has_ended(), "{}", running.stderr());
            order::verified(&order.datadir, PATIENCE).unwrap().filter(|made| wanted(*made))
        };
        patience::until("the state", STORY_PATIENCE, look, || running.stderr()).unwrap()
    };
    wait(&running, &|_| true);
    reorganise(&moving, 15, "below the verified state");
    let (mut kills, mut moves) = (0, 0);
    for _ in 0..TWISTS {
        match chance.within(0..4) {
            0 => reorganise(&moving, chance.within(1..40) as usize, "while it follows"),
            1 => {
                moves += times(&running, &["the pivot moved from block"]);
                running.kill().unwrap();
                moving.wait_for_blocks(chance.within(1..90)).unwrap();
                running = order.start().unwrap();
                kills += 1;
            }
            2 => moving.wait_for_blocks(chance.within(1..12)).unwrap(),
            _ => {
                let head = header(moving.geth().rpc(), "latest").unwrap();
                wait(&running, &|made| made.number >= head.number);
            }
        }
    }
    let standing = moving.stand().unwrap();
    let head = header(standing.geth.rpc(), "latest").unwrap();
    wait(&running, &|made| made.hash == head.hash);
    moves += times(&running, &["the pivot moved from block"]);
    println!("{kills} kills, {moves} moves of the pivot, at block {}", head.number);
    running.interrupt().unwrap();
    let finished = running.wait(PATIENCE).unwrap();
    assert_uncharged(&finished);
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(assert_holds_a_block_of_geths(&order.datadir, tools, standing), head);
}
