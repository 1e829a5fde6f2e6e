//! `sync`: one run to a target, which stands still or follows the peers' chain.
//!
//! A run that was interrupted is resumed by the same command; a finished directory says so and asks nobody.

use std::collections::BTreeSet;

use snapsync_driver::{Checkpoint, Config, History, Naming, Reconciled, SnapVersion, WhenAlone};
use snapsync_execute::{
    Follower,
    genesis::{Genesis, GenesisError},
};
use snapsync_p2p::Enode;

use crate::{
    args::{HistoryArg, SyncArgs, SyncMode, TargetArg},
    exit::{Exit, Failure},
    genesis,
    importer::Importer,
    render::{self, Screen, count},
    say::outln,
    session::{self, Order, Session},
    watch::{Expected, UpTo},
};

/// Runs the command.
pub(crate) fn run(args: &SyncArgs) -> Result<(), Failure> {
    let config = config(args)?;
    let naming = naming(args.target);
    let screen = if args.scenes { Screen::Scenes } else { Screen::open() };
    if let Some(warning) = warning_of(naming).filter(|_| args.checkpoint.is_none()) {
        screen.line(&warning);
    }
    screen.line(&format!(
        "memory budget {} MiB, {} peers, data directory {}",
        args.memory,
        config.peers.len(),
        args.datadir.display()
    ));
    let order = match args.syncmode {
        SyncMode::Snap if args.follow => {
            Order { follower: Some(follower(args)?), ..Order::to_end(config, naming, Expected::default()) }
        }
        SyncMode::Snap => Order::to_end(config, naming, Expected::default()),
        SyncMode::Full => full(args, config, naming)?,
    };
    let session = block_on(session::run(order, screen))?;
    summary(&session);
    Ok(())
}

/// Whoever takes the blocks above the state.
fn follower(args: &SyncArgs) -> Result<Follower, Failure> {
    if args.target != TargetArg::Latest {
        return Err(Failure::new(
            Exit::Usage,
            "--follow needs `--target latest`: another target stands still",
        ));
    }
    let (genesis, chain_id) = read_genesis(args)?;
    Ok(args.follow_by.follower(genesis.forks(chain_id)))
}

fn read_genesis(args: &SyncArgs) -> Result<(Genesis, u64), Failure> {
    let usage = |error: GenesisError| Failure::new(Exit::Usage, error);
    let genesis = Genesis::read(&args.genesis).map_err(usage)?;
    let chain = genesis::chain(&genesis, args.networkid)
        .map_err(|fault| usage(GenesisError::field(&args.genesis, fault)))?;
    Ok((genesis, chain.chain_id))
}

/// Every block is executed. BLOCKING: until the genesis file's state is here. Ends with the target, unless the head is to be followed.
fn full(args: &SyncArgs, mut config: Config, naming: Naming) -> Result<Order, Failure> {
    let up_to = match naming {
        Naming::Hash(hash) => UpTo::Named { hash, at_once: true },
        Naming::Latest => UpTo::Latest { number: None },
        Naming::Number(_) => {
            let why = "--syncmode full needs `--target latest`, or a hash";
            return Err(Failure::new(Exit::Usage, why));
        }
    };
    let (genesis, chain_id) = read_genesis(args)?;
    let disk = snapsync_storage::Config::mainnet(&args.datadir, config.memory_bytes);
    drop(Importer::open(&disk, &genesis, chain_id)?);
    // However far the head is, blocks lead to it.
    config.follow_blocks_max = u64::MAX;
    Ok(Order {
        naming: Some(naming).filter(|naming| *naming == Naming::Latest),
        follower: Some(args.follow_by.follower(genesis.forks(chain_id))),
        up_to: Some(up_to).filter(|_| !args.follow),
        ..Order::to_end(config, naming, Expected::default())
    })
}

/// What is to be said where peers decide which block is meant.
pub(crate) fn warning_of(naming: Naming) -> Option<String> {
    let how = match naming {
        Naming::Hash(_) => return None,
        Naming::Latest => "`latest`",
        Naming::Number(_) => "its number",
    };
    Some(format!(
        "warning: the target is named by {how}: the peers given decide which block that is; only a hash, or a checkpoint above \
         it, is trustless"
    ))
}

/// Runs a future on a small runtime: the engine has threads of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, error))?
        .block_on(future)
}

/// The engine's settings for these arguments. BLOCKING: looks up hosts that are given by name.
pub(crate) fn config(args: &SyncArgs) -> Result<Config, Failure> {
    let chain =
        genesis::read(&args.genesis, args.networkid).map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut config = Config::standing(chain, args.datadir.clone(), peers(&args.peers)?);
    config.memory_bytes = memory(args.memory)?;
    config.history = history(args.history);
    config.checkpoint =
        args.checkpoint.map(|checkpoint| Checkpoint { number: checkpoint.number, hash: checkpoint.hash });
    config.listen = args.listen;
    config.follow_blocks_max = args.follow_blocks_max;
    if args.snap_v2 {
        config.snap = SnapVersion::Snap2;
        config.snap_fallback = None;
    }
    if args.wait {
        config.when_alone = WhenAlone::Wait;
    }
    config.stalled_max_ms = args.give_up.map(|seconds| seconds.saturating_mul(1000));
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

/// How the rows became those of one block.
fn reconciled(what: &Reconciled) -> String {
    let Reconciled { moves, lists, renewed, nodes, ranges, accounts, slots } = *what;
    let moved = match moves {
        0 => "the pivot stood still".to_owned(),
        1 => "the pivot moved once".to_owned(),
        _ => format!("the pivot moved {} times", count(moves)),
    };
    if lists + nodes + ranges + renewed == 0 {
        let why = if moves == 0 { "all rows are of one block" } else { "nothing differed" };
        return format!("nothing: {moved}, and {why}");
    }
    let ways = [
        (lists, "access lists", "access lists brought to the rows"),
        (nodes, "healing", "trie nodes compared"),
        (ranges, "ranges", "ranges compared"),
    ];
    let ways: Vec<_> = ways.into_iter().filter(|(times, ..)| *times > 0).collect();
    let names: Vec<&str> = ways.iter().map(|(_, name, _)| *name).collect();
    let how = if names.is_empty() { "renewed claims".to_owned() } else { names.join(" and ") };
    let mut told = vec![moved];
    told.extend(ways.iter().map(|(times, _, what)| format!("{} {what}", count(*times))));
    if nodes + ranges > 0 {
        told.push(format!("{} accounts and {} slots healed", count(accounts), count(slots)));
    }
    told.push(format!("{} claims renewed", count(renewed)));
    format!("by {how}: {}", told.join(", "))
}

/// What a finished run tells.
pub(crate) fn summary(session: &Session) {
    let (target, durable) = (&session.target, &session.progress.durable);
    let fetched = durable.accounts + durable.slots + durable.codes + durable.headers + durable.bodies;
    if session.progress.answers == 0 && fetched == 0 {
        outln!("already complete: nothing was fetched");
    }
    outln!("block        {} {}", target.number, target.hash);
    outln!("state root   {} (derived from our rows, equal to the header's)", target.root);
    outln!(
        "fetched      {} accounts, {} slots, {} codes, {} headers, {} bodies, {} receipts",
        count(durable.accounts),
        count(durable.slots),
        count(durable.codes),
        count(durable.headers),
        count(durable.bodies),
        count(durable.receipts)
    );
    if let Some((head, blocks)) = session.followed {
        let hash = if head.hash.is_zero() { String::new() } else { format!(" {}", head.hash) };
        outln!("followed     the state is of block {}{hash} now, {} taken", head.number, count(blocks));
    }
    outln!("reconciled   {}", reconciled(&session.progress.reconciled));
    if let Some(gain) = session.progress.gain.filter(|gain| gain.brought + gain.produced > 0) {
        outln!("gain         {}", render::gain(&gain));
    }
    outln!(
        "received     {} bytes in {} answers, {:.1} s, {:.1} CPU s, peak {} MiB (anonymous {} MiB)",
        count(session.progress.answer_bytes),
        count(session.progress.answers),
        session.progress.elapsed.as_secs_f64(),
        session.costs.cpu_seconds,
        session.costs.peak_rss_bytes >> 20,
        session.anonymous_peak_bytes >> 20
    );
    for (peer, fault) in &session.faults {
        outln!("charged      {peer}: {} ({fault})", fault.kind());
    }
    for (peer, fault) in &session.set_aside {
        outln!("set aside    {peer}: {} ({fault})", fault.kind());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_rows_became_those_of_one_block_is_told() {
        let still = Reconciled::default();
        assert_eq!(reconciled(&still), "nothing: the pivot stood still, and all rows are of one block");
        let moved = Reconciled { moves: 1, ..still };
        assert_eq!(reconciled(&moved), "nothing: the pivot moved once, and nothing differed");
        let healed = Reconciled { moves: 2, renewed: 3, nodes: 4_000, accounts: 5, slots: 6, ..still };
        let listed = Reconciled { moves: 1, lists: 1_200, ..still };
        assert_eq!(
            reconciled(&listed),
            "by access lists: the pivot moved once, 1,200 access lists brought to the rows, 0 claims renewed"
        );
        let both = Reconciled { lists: 7, ..healed };
        assert!(
            reconciled(&both).contains("moved 2 times, 7 access lists brought to the rows, 4,000 trie nodes")
        );
        let by_ranges = Reconciled { nodes: 0, ranges: 70, ..healed };
        assert_eq!(
            reconciled(&by_ranges),
            "by ranges: the pivot moved 2 times, 70 ranges compared, 5 accounts and 6 slots healed, 3 claims renewed"
        );
        assert_eq!(
            reconciled(&healed),
            "by healing: the pivot moved 2 times, 4,000 trie nodes compared, 5 accounts and 6 slots healed, 3 claims renewed"
        );
    }
}
