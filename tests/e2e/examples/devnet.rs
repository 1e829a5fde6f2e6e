//! A devnet, and the story of our node in it.
//!
//! `devnet run` runs the first pair until Enter is pressed, and says how another one joins. `devnet stories` has pairs of ours join it: from nothing, from a
//! checkpoint, through outages and kills. The program is the one that `SNAPSYNC_PROGRAM` names. A story that does not come to its end ends with a panic.

#![expect(clippy::unwrap_used, reason = "what is not there fails the story, as it fails a test")]

use std::{
    collections::BTreeSet,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use snapsync_e2e::{
    cache::{Release, Tools},
    datadir::Datadir,
    devnet::{Beacon, Begins, CHAIN_ID, Daemon, Door, GAS_LIMIT, Ground, Load, Ours, Place},
    geth::{Geth, Settings},
    patience,
    prysm::Prysm,
};

/// Before the first slot both clients of the first pair have to be up.
const DELAY_S: u64 = 60;

/// Four epochs: the first one that can be finalized is.
const FINAL_SLOT: u64 = 140;

/// Longer than anything takes that has to happen, in slots of two seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// The pair that makes the chain.
struct First {
    ground: Ground,
    // The fields end in this order: validators before their beacon node, and that before its geth.
    _validators: Daemon,
    beacon: Beacon,
    _load: Load,
    geth: Geth,
}

impl First {
    fn start(folder: &Path) -> Self {
        let tools = Tools::locate(Release::Newest).unwrap();
        let ground = Ground::lay(folder, &tools, &Prysm::locate().unwrap(), DELAY_S).unwrap();
        let datadir = Datadir::init(&tools, folder.join("geth"), &ground.genesis()).unwrap();
        let secret = ground.secret().display().to_string();
        let arguments = [
            ["--authrpc.jwtsecret", &secret],
            // A peer that joins late is served every state.
            ["--gcmode", "archive"],
            ["--miner.gasprice", "1"],
            ["--txpool.pricelimit", "1"],
        ];
        let settings = Settings {
            gas_limit: GAS_LIMIT,
            arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
            ..Settings::serving(CHAIN_ID)
        };
        let geth = Geth::start(&tools, datadir, &settings).unwrap();
        let place = Place::free().unwrap();
        let beacon =
            Beacon::start(&ground, "beacon-1", place, geth.engine_address().unwrap(), Begins::First).unwrap();
        let validators = beacon.validators(&ground).unwrap();
        let load = Load::start(geth.rpc());
        Self { ground, _validators: validators, beacon, _load: load, geth }
    }

    fn slot(&self) -> u64 {
        self.beacon.syncing().map_or(0, |syncing| syncing.head_slot)
    }

    fn wait_for_slot(&self, slot: u64) {
        let what = format!("slot {slot}");
        let come = || (self.slot() >= slot).then_some(());
        patience::until(&what, PATIENCE, come, || self.beacon.last_words()).unwrap();
    }
}

/// A pair that joins.
struct Pair {
    name: &'static str,
    ours: Ours,
    door: Door,
    beacon: Beacon,
}

impl Pair {
    fn join(first: &First, name: &'static str, begins: Begins<'_>) -> Self {
        let door = Door::free().unwrap();
        let ours = Ours::start(&first.ground, name, door, &first.geth.enode()).unwrap();
        let place = Place::free().unwrap();
        let beacon =
            Beacon::start(&first.ground, &format!("beacon-{name}"), place, door.engine, begins).unwrap();
        Self { name, ours, door, beacon }
    }

    /// Until the beacon node calls its head valid, and that is no more than two slots behind the first one's.
    fn wait_until_it_follows(&self, first: &First) {
        let began = Instant::now();
        let follows = || {
            // One that has just started may not be there yet, and its beacon node has not missed it.
            self.ours.head().ok()?;
            let syncing = self.beacon.syncing().ok()?;
            let is_near = syncing.head_slot + 2 >= first.slot();
            (is_near && !syncing.is_optimistic && !syncing.is_alone).then_some(())
        };
        let hint = || format!("{:?}; {}", self.beacon.syncing(), self.beacon.last_words());
        patience::until("a pair that follows", PATIENCE, follows, hint).unwrap();
        println!("{}: follows after {} s, slot {}", self.name, began.elapsed().as_secs(), first.slot());
    }

    /// Follows for so many blocks, and ends on a block that geth has, too.
    fn follow(&self, first: &First, blocks: u64) {
        let (from, _) = self.ours.head().unwrap();
        let reached = || self.ours.head().ok().filter(|(number, _)| *number >= from + blocks);
        let (number, hash) =
            patience::until("blocks", PATIENCE, reached, || self.beacon.last_words()).unwrap();
        // Ours may be the first to know: a block's maker tells the others before its own execution client.
        let theirs =
            || first.geth.rpc().block(&format!("{number:#x}")).ok()?["hash"].as_str().map(str::to_owned);
        let theirs = patience::until("the same block", PATIENCE, theirs, String::new).unwrap();
        assert_eq!(theirs, hash, "block {number}");
        println!("{}: took {blocks} blocks, the last is {number}", self.name);
    }

    /// The chain that it follows holds transactions of every type, with blobs too.
    fn assert_every_type_came(&self) {
        let (newest, _) = self.ours.head().unwrap();
        let numbers = 1..=newest;
        let types: BTreeSet<_> =
            numbers.flat_map(|number| self.ours.transaction_types(number).unwrap()).collect();
        assert!(types.iter().eq(&["0x0", "0x1", "0x2", "0x3", "0x4"]), "{types:?}");
        println!("{}: types of transactions {types:?}", self.name);
    }

    fn start_again(mut self, first: &First, how: impl FnOnce(Ours)) -> Self {
        let Self { name, ours, door, beacon } = self;
        how(ours);
        let ours = Ours::start(&first.ground, name, door, &first.geth.enode()).unwrap();
        self = Self { name, ours, door, beacon };
        self
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    match words.first().map(String::as_str) {
        Some("run") => run(folder.path()),
        Some("stories") => stories(folder.path()),
        _ => {
            eprintln!("usage: devnet run | devnet stories");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(folder: &Path) {
    let first = First::start(folder);
    println!("genesis   {}", first.ground.genesis().display());
    println!("secret    {}", first.ground.secret().display());
    println!("geth      {}, {}", first.geth.rpc().address(), first.geth.enode());
    println!(
        "a node    snapsync node --genesis {} --datadir DIR --authrpc.jwtsecret {} --peer {}",
        first.ground.genesis().display(),
        first.ground.secret().display(),
        first.geth.enode()
    );
    println!("Enter ends it");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn stories(folder: &Path) {
    let first = First::start(folder);
    first.wait_for_slot(FINAL_SLOT);
    let pair = from_nothing(&first);
    let pair = outage(&first, pair);
    let pair = killed(&first, pair);
    let pair = beacon_starts_again(&first, pair);
    geth_stands_still(&first, &pair);
    from_a_checkpoint(&first);
    println!("devnet: every story came to its end");
}

/// From the genesis: optimistic, then valid, then fifty blocks and a justified epoch.
fn from_nothing(first: &First) -> Pair {
    let pair = Pair::join(first, "nothing", Begins::Genesis(&first.beacon));
    pair.wait_until_it_follows(first);
    let (justified, _) = pair.beacon.checkpoints().unwrap();
    pair.follow(first, 50);
    pair.assert_every_type_came();
    let more = || pair.beacon.checkpoints().ok().filter(|(now, _)| *now > justified);
    patience::until("a justified epoch", PATIENCE, more, || pair.beacon.last_words()).unwrap();
    pair
}

/// From the newest final state; killed once rows have come, and before it follows unless it is faster than we look.
fn from_a_checkpoint(first: &First) {
    let pair = Pair::join(first, "checkpoint", Begins::Checkpoint(&first.beacon));
    let has_rows = || pair.ours.fetched().ok().filter(|fetched| *fetched != Some(0));
    let fetched = patience::until("rows", PATIENCE, has_rows, || pair.beacon.last_words()).unwrap();
    println!("{}: killed with {fetched:?} accounts", pair.name);
    let pair = pair.start_again(first, Ours::kill);
    pair.wait_until_it_follows(first);
    pair.follow(first, 5);
}

/// Stopped by its operator, who comes back ten slots later.
fn outage(first: &First, pair: Pair) -> Pair {
    let pair = pair.start_again(first, |ours| {
        assert_eq!(ours.stop().unwrap(), Some(0), "it follows, so that nothing is left to do");
        first.wait_for_slot(first.slot() + 10);
    });
    pair.wait_until_it_follows(first);
    pair.follow(first, 5);
    pair
}

/// Killed between two blocks.
fn killed(first: &First, pair: Pair) -> Pair {
    let pair = pair.start_again(first, Ours::kill);
    pair.wait_until_it_follows(first);
    pair.follow(first, 5);
    pair
}

/// Its beacon node starts again, and names the same head again.
fn beacon_starts_again(first: &First, pair: Pair) -> Pair {
    let Pair { name, ours, door, beacon } = pair;
    let place = beacon.stop().unwrap();
    let begins = Begins::Genesis(&first.beacon);
    let beacon = Beacon::start(&first.ground, &format!("beacon-{name}"), place, door.engine, begins).unwrap();
    let pair = Pair { name, ours, door, beacon };
    pair.wait_until_it_follows(first);
    pair.follow(first, 5);
    pair
}

/// The only peer, and the chain's maker, stands still for half a minute.
fn geth_stands_still(first: &First, pair: &Pair) {
    first.geth.pause().unwrap();
    thread::sleep(Duration::from_secs(30));
    first.geth.resume().unwrap();
    pair.wait_until_it_follows(first);
    pair.follow(first, 5);
}
