//! `sync`: one run to a standing target.
//!
//! A run that was interrupted is resumed by the same command; a finished directory says so and asks nobody.

use std::collections::BTreeSet;

use snapsync_driver::{Checkpoint, Config, History, Naming, WhenAlone};
use snapsync_p2p::Enode;

use crate::{
    args::{HistoryArg, SyncArgs, TargetArg},
    exit::{Exit, Failure},
    genesis,
    render::{Screen, count},
    session::{self, Session},
    watch::Expected,
};

/// Runs the command.
pub(crate) fn run(args: &SyncArgs) -> Result<(), Failure> {
    let config = config(args)?;
    let naming = naming(args.target);
    if !matches!(naming, Naming::Hash(_)) && args.checkpoint.is_none() {
        eprintln!(
            "warning: the target is named by {}: the peers given decide which block that is; only a hash, or a checkpoint \
             above it, is trustless",
            if naming == Naming::Latest { "`latest`" } else { "its number" }
        );
    }
    eprintln!(
        "memory budget {} MiB, {} peers, data directory {}",
        args.memory,
        config.peers.len(),
        args.datadir.display()
    );
    let session = block_on(session::run(config, naming, Expected::default(), Screen::open()))?;
    summary(&session);
    Ok(())
}

/// Runs a future on a small runtime: the engine has threads of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, error))?
        .block_on(future)
}

fn config(args: &SyncArgs) -> Result<Config, Failure> {
    let chain =
        genesis::read(&args.genesis, args.networkid).map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut config = Config::standing(chain, args.datadir.clone(), peers(&args.peers)?);
    config.memory_bytes = memory(args.memory)?;
    config.history = history(args.history);
    config.checkpoint =
        args.checkpoint.map(|checkpoint| Checkpoint { number: checkpoint.number, hash: checkpoint.hash });
    config.listen = args.listen;
    if args.wait {
        config.when_alone = WhenAlone::Wait;
    }
    config.trace = args.trace.clone();
    Ok(config)
}

/// The peers to sync from, each once. BLOCKING: while hosts that are given by name are looked up, once.
pub(crate) fn peers(named: &[String]) -> Result<Vec<Enode>, Failure> {
    let locate = |peer: &String| {
        Enode::locate(peer).map_err(|error| Failure::new(Exit::Usage, format!("peer {peer}: {error}")))
    };
    let mut peers: Vec<Enode> = named.iter().map(locate).collect::<Result<_, _>>()?;
    // One that was given twice is one peer.
    let mut known = BTreeSet::new();
    peers.retain(|peer| known.insert(*peer));
    Ok(peers)
}

/// The memory budget in bytes. Below 32 MiB a single answer of the protocol's hard limit would not fit.
pub(crate) fn memory(mib: u64) -> Result<u64, Failure> {
    if !(32..=1 << 20).contains(&mib) {
        return Err(Failure::new(Exit::Usage, format!("--memory {mib}: between 32 MiB and 1 TiB")));
    }
    Ok(mib << 20)
}

/// The engine's word for which history is kept.
pub(crate) fn history(history: HistoryArg) -> History {
    match history {
        HistoryArg::All => History::All,
        HistoryArg::None => History::None,
        HistoryArg::From(number) => History::From(number),
    }
}

/// The engine's word for how a target is named.
pub(crate) fn naming(target: TargetArg) -> Naming {
    match target {
        TargetArg::Hash(hash) => Naming::Hash(hash),
        TargetArg::Number(number) => Naming::Number(number),
        TargetArg::Latest => Naming::Latest,
    }
}

/// What a finished run tells.
pub(crate) fn summary(session: &Session) {
    let (target, durable) = (&session.target, &session.progress.durable);
    let fetched = durable.accounts + durable.slots + durable.codes + durable.headers + durable.bodies;
    if session.progress.answers == 0 && fetched == 0 {
        println!("already complete: nothing was fetched");
    }
    println!("block        {} {}", target.number, target.hash);
    println!("state root   {} (derived from our rows, equal to the header's)", target.root);
    println!(
        "fetched      {} accounts, {} slots, {} codes, {} headers, {} bodies, {} receipts",
        count(durable.accounts),
        count(durable.slots),
        count(durable.codes),
        count(durable.headers),
        count(durable.bodies),
        count(durable.receipts)
    );
    println!(
        "received     {} bytes in {} answers, {:.1} s, {:.1} CPU s, peak {} MiB (anonymous {} MiB)",
        count(session.progress.answer_bytes),
        count(session.progress.answers),
        session.progress.elapsed.as_secs_f64(),
        session.costs.cpu_seconds,
        session.costs.peak_rss_bytes >> 20,
        session.anonymous_peak_bytes >> 20
    );
    for (peer, fault) in &session.faults {
        println!("charged      {peer}: {} ({fault})", fault.kind());
    }
    for (peer, fault) in &session.set_aside {
        println!("set aside    {peer}: {} ({fault})", fault.kind());
    }
}
