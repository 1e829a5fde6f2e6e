//! `import`: executes a chain out of files into a data directory, from its genesis or from where the last run ended.
//!
//! Each block is checked and executed, so nobody has to be believed. A bad block ends it with its reason; what came before is kept.

use snapsync_execute::genesis::{Genesis, GenesisError};
use snapsync_storage::Config;

use crate::{
    args::ImportArgs,
    chain_reader::ChainReader,
    exit::{Exit, Failure},
    genesis::chain,
    importer::{Importer, Step},
    pace::Pace,
    render::count,
    say::outln,
};

/// Runs the command; exit code 5 if a block is bad.
pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let usage = |error: GenesisError| Failure::new(Exit::Usage, error);
    let genesis = Genesis::read(&args.genesis).map_err(usage)?;
    let chain =
        chain(&genesis, args.networkid).map_err(|fault| usage(GenesisError::field(&args.genesis, fault)))?;
    let config = Config::mainnet(&args.datadir, args.memory << 20);
    let mut importer = Importer::open(&config, &genesis, chain.chain_id)?;
    if importer.head() > 0 {
        outln!("goes on      above block {}", count(importer.head()));
    }
    let blocks = ChainReader::start(args.chains.clone(), genesis.forks(chain.chain_id), importer.head())?;
    let mut pace = Pace::open(&args.chains, blocks.bytes_read());
    let done = take_all(&mut importer, blocks, &mut pace);
    pace.close();
    let head = importer.head();
    // Whatever ended it: what was executed before is kept.
    importer.close()?;
    done?;
    pace.done(head);
    Ok(())
}

/// Executes the blocks of all files.
fn take_all(importer: &mut Importer, blocks: ChainReader, pace: &mut Pace) -> Result<(), Failure> {
    for block in blocks {
        match importer.take(block?)? {
            Step::Executed { number, gas } => pace.executed(number, gas),
            Step::Known => pace.passed(),
        }
    }
    Ok(())
}
