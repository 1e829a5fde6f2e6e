//! `bench`: one sync at a standing target, and what it cost, for people or as JSON.
//!
//! Without peers a second process makes and serves a demo chain, so that CPU time and memory are those of the client alone.

use std::path::Path;

use snapsync_driver::{Config, Naming};
use snapsync_keccak::Kernel;
use snapsync_storage::StateStore;

use crate::{
    args::{BenchArgs, KernelArg},
    commands::{place::Place, served::Served, sync},
    exit::{Exit, Failure, storage_failure},
    figures::Figures,
    genesis,
    measure::Costs,
    render::Screen,
    say::outln,
    session::{self, Order},
    watch::Expected,
};

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    args.kernel.map_or(Ok(()), force)?;
    let place = Place::open(args.datadir.as_deref())?;
    let (config, naming, served) = prepare(args, place.path())?;
    let (budget_bytes, datadir) = (config.memory_bytes, config.datadir.clone());
    let before = Costs::now();
    let screen = if args.json { Screen::Quiet } else { Screen::open() };
    let session = sync::block_on(session::run(Order::to_end(config, naming, Expected::default()), screen))?;
    let figures =
        Figures::new(&session, &before, budget_bytes).with_server(served.as_ref().map(Served::stages));
    drop(served);
    let state = StateStore::open_read_only(&datadir).map_err(|error| storage_failure(&error))?;
    let figures = figures.with_disk(&state).map_err(|error| storage_failure(&error))?;
    if args.json {
        let text =
            serde_json::to_string_pretty(&figures).map_err(|error| Failure::new(Exit::Failure, error))?;
        outln!("{text}");
    } else {
        outln!("{}", figures.to_string().trim_end());
    }
    Ok(())
}

/// Makes this process hash by this kernel.
fn force(kernel: KernelArg) -> Result<(), Failure> {
    let kernel = match kernel {
        KernelArg::Portable => Kernel::Portable,
        KernelArg::Avx2 => Kernel::Avx2,
        KernelArg::Avx512 => Kernel::Avx512,
    };
    if !Kernel::available().any(|available| available == kernel) {
        return Err(Failure::new(Exit::Usage, format!("--kernel: this machine cannot run {kernel:?}")));
    }
    snapsync_keccak::force(kernel);
    Ok(())
}

fn prepare(args: &BenchArgs, place: &Path) -> Result<(Config, Naming, Option<Served>), Failure> {
    let datadir = place.join("sync");
    let (mut config, naming, served) = match (&args.genesis, args.target) {
        (Some(file), Some(target)) => {
            let chain =
                genesis::read(file, args.networkid).map_err(|error| Failure::new(Exit::Usage, error))?;
            let peers = sync::peers(&args.peers)?;
            (Config::standing(chain, datadir, peers), sync::naming(target), None)
        }
        _ => {
            let (served, facts) = Served::start(args, place)?;
            let peers = sync::peers(&facts.peers)?;
            (Config::standing(facts.chain(), datadir, peers), Naming::Hash(facts.target), Some(served))
        }
    };
    config.memory_bytes = sync::memory(args.memory)?;
    config.history = sync::history(args.history);
    Ok((config, naming, served))
}
