//! `import`: executes a chain out of files into a data directory, from its genesis or from where the last run ended.
//!
//! Each block is checked and executed, so nobody has to be believed. A bad block ends it with its reason; what came before is kept.

use std::time::{Duration, Instant};

use snapsync_execute::genesis::{Genesis, GenesisError};
use snapsync_storage::Config;

use crate::{
    args::ImportArgs,
    chain_reader::ChainReader,
    exit::{Exit, Failure},
    genesis::chain,
    importer::{Importer, Step},
    render::count,
};

/// How often a line is printed.
const TICK: Duration = Duration::from_secs(1);

/// Runs the command; exit code 5 if a block is bad.
pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let usage = |error: GenesisError| Failure::new(Exit::Usage, error);
    let genesis = Genesis::read(&args.genesis).map_err(usage)?;
    let chain =
        chain(&genesis, args.networkid).map_err(|fault| usage(GenesisError::field(&args.genesis, fault)))?;
    let config = Config::mainnet(&args.datadir, args.memory << 20);
    let mut importer = Importer::open(&config, &genesis, chain.chain_id)?;
    if importer.head() > 0 {
        println!("goes on      above block {}", count(importer.head()));
    }
    let mut pace = Pace::new();
    let blocks = ChainReader::start(args.chains.clone(), genesis.forks(chain.chain_id), importer.head())?;
    let done = take_all(&mut importer, blocks, &mut pace);
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
        if let Step::Executed { number, gas } = importer.take(block?)? {
            pace.see(number, gas);
        }
    }
    Ok(())
}

/// How fast it goes, now and in all.
struct Pace {
    began: Instant,
    shown: Instant,
    gas_since: u64,
    gas: u64,
    blocks: u64,
}

impl Pace {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, shown: now, gas_since: 0, gas: 0, blocks: 0 }
    }

    fn see(&mut self, number: u64, gas: u64) {
        (self.blocks, self.gas, self.gas_since) = (self.blocks + 1, self.gas + gas, self.gas_since + gas);
        let past = self.shown.elapsed();
        if past >= TICK {
            println!("executed     block {}, {:.1} Mgas/s", count(number), megagas(self.gas_since, past));
            (self.shown, self.gas_since) = (Instant::now(), 0);
        }
    }

    fn done(&self, head: u64) {
        let past = self.began.elapsed();
        println!(
            "imported     {} blocks up to {}, {:.1} Mgas at {:.1} Mgas/s",
            count(self.blocks),
            count(head),
            self.gas as f64 / 1e6,
            megagas(self.gas, past)
        );
    }
}

fn megagas(gas: u64, past: Duration) -> f64 {
    gas as f64 / 1e6 / past.as_secs_f64().max(1e-9)
}
