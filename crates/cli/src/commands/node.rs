//! `node`: a node that a consensus client drives, until it is stopped.
//!
//! It looks at its settings and at the machine before it starts anything, and says what it is going to do.

use std::path::Path;

use snapsync_execute::Follower;
use snapsync_wire::Header;

use crate::{
    args::SyncMode,
    commands::sync::{block_on, summary},
    exit::{Exit, Failure},
    follow_by::FollowBy,
    importer::Importer,
    node::{
        args::{LogFormat, NodeArgs},
        doors::Plan,
        machine::Machine,
        setup::Setup,
    },
    render::Screen,
    say::{errln, outln},
    session::{self, Order},
    watch::{Expected, UpTo},
};

/// Runs the command.
pub(crate) fn run(args: &NodeArgs) -> Result<(), Failure> {
    let setup = Setup::of(args)?;
    if args.dump_config {
        outln!("{}", args.effective.trim_end());
        return Ok(());
    }
    let datadir = setup.engine.datadir.clone();
    Machine::of(&datadir)?.can_run(&datadir, setup.engine.memory_bytes)?;
    make(&datadir)?;
    let screen = match args.log_format {
        LogFormat::Text => Screen::open(),
        LogFormat::Json => Screen::logged(),
    };
    for line in told(&setup) {
        screen.line(&line);
    }
    match block_on(session::run(order(setup)?, screen)) {
        Ok(session) => summary(&session),
        // A node has no other end: that it was told to is no failure, wherever it was.
        Err(stopped) if stopped.exit == Exit::Interrupted && !args.exit_when_synced => {
            match args.log_format {
                LogFormat::Text => errln!("{stopped}"),
                LogFormat::Json => Screen::logged().line(&stopped.message),
            }
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

fn make(datadir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(datadir)
        .map_err(|error| Failure::new(Exit::Disk, format!("cannot make {}: {error}", datadir.display())))
}

/// What is said of a node before it starts.
fn told(setup: &Setup) -> Vec<String> {
    let Setup { engine, secret, .. } = setup;
    let mut lines = vec![
        format!(
            "chain {}, genesis {}, memory budget {} MiB, data directory {}",
            engine.chain.chain_id,
            engine.chain.genesis_hash,
            engine.memory_bytes >> 20,
            engine.datadir.display()
        ),
        format!("the secret that the consensus client shows is in {}", secret.display()),
    ];
    if engine.peers.is_empty() {
        lines.push("warning: no --peer is given, and nodes are not discovered: the state comes when somebody connects".into());
    }
    lines
}

/// What the engine is told to do. BLOCKING: in a new directory of a full sync, until block 0's state is there.
fn order(setup: Setup) -> Result<Order, Failure> {
    if setup.syncmode == SyncMode::Full {
        let disk = snapsync_storage::Config::mainnet(&setup.engine.datadir, setup.engine.memory_bytes);
        drop(Importer::open(&disk, &setup.genesis, setup.engine.chain.chain_id)?);
    }
    let genesis = Header::decode(&setup.genesis.header().into())
        .map_err(|error| Failure::new(Exit::Usage, format!("block 0's header: {error}")))?;
    let plan = Plan {
        authrpc: setup.authrpc,
        secret: setup.secret,
        http: setup.http,
        forks: setup.forks.clone(),
        genesis,
        datadir: setup.engine.datadir.clone(),
        network_id: setup.engine.chain.network_id,
    };
    let follower: Follower = FollowBy::ExecuteOrApply.follower(setup.forks);
    Ok(Order {
        config: setup.engine,
        naming: None,
        expected: Expected::default(),
        follower: Some(follower),
        up_to: setup.ends_when_synced.then_some(UpTo::Head { newest: None }),
        doors: Some(plan),
    })
}
