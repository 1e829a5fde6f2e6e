//! `versus-import`: chains under a load, made by us, and a test chain of geth's are executed from files by `geth import` and by `snapsync import`, in turn.
//!
//! Both are processes of their own, watched from outside in the same way, on empty directories. geth has block 0 before its clock starts, and
//! need not compact its database in the end: what is unequal is in its favour. Each checks every block; here only heads are looked at.

mod arguments;
pub(super) mod made;
mod table;
mod turns;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use snapsync_bench::Machine;
use snapsync_e2e::cache::{Release, Tools};

use crate::{chain, error::Error, geth, house, process, versus::usage::Usage};
use arguments::Arguments;
use made::MadeChain;

/// Loads, and blocks of which geth executes some ten seconds.
const CHAINS: [(&str, u64); 4] = [("transfers", 200), ("tokens", 200), ("storage", 30), ("small", 3_000)];

/// The test chain that is executed as well: contracts that make accounts, slots and contracts by the ten thousand, then everyday blocks.
const TEST_CHAIN: &str = "large";

/// Runs the comparison and prints its table.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let arguments = Arguments::parse(words)?;
    let tools = geth::install(Release::Newest)?.ok_or(Error::Missing("geth (and Go, to install it)"))?;
    let programs = build()?;
    let is_asked_for = |load: &str| arguments.only.as_deref().is_none_or(|only| only == load);
    let mut records = Vec::new();
    for (load, blocks) in CHAINS.iter().filter(|(load, _)| is_asked_for(load)) {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
        let blocks = arguments.blocks.unwrap_or(*blocks);
        let chain = MadeChain::make(&programs.join("load"), load, blocks, folder.path())?;
        records.push(compare(&tools, &programs.join("snapsync"), &chain, arguments.runs, folder.path())?);
    }
    if is_asked_for(TEST_CHAIN) {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
        let chain = MadeChain::test(&chain::make(&tools, TEST_CHAIN)?, TEST_CHAIN)?;
        records.push(compare(&tools, &programs.join("snapsync"), &chain, arguments.runs, folder.path())?);
    }
    let machine = Machine::here();
    let record = json!({
        "runs": arguments.runs,
        "geth_version": tools.version,
        "machine": { "processor": machine.processor, "cores": machine.cores, "features": machine.features },
        "chains": records,
    });
    print!("{}", table::render(&record));
    println!("{machine}");
    let Some(path) = &arguments.json else { return Ok(()) };
    fs::write(path, format!("{record:#}\n")).map_err(Error::io("write", path))
}

/// Builds our programs, and tells where they are. All at once: features are those that everything asks for which is built together.
pub(super) fn build() -> Result<PathBuf, Error> {
    process::run(house::cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]))?;
    let metadata = house::metadata(&["--no-deps"])?;
    Ok(Path::new(house::text(&metadata, "target_directory")).join("release"))
}

/// Both clients' turns, so often.
fn compare(
    tools: &Tools,
    program: &Path,
    chain: &MadeChain,
    runs: usize,
    folder: &Path,
) -> Result<Value, Error> {
    let (mut geth, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=runs {
        let place = folder.join(number.to_string());
        fs::create_dir_all(&place).map_err(Error::io("make", &place))?;
        geth.push(turns::geth(tools, chain, &place)?);
        ours.push(turns::snapsync(program, chain, &place)?);
        for (name, turn) in [("geth", geth.last()), ("snapsync", ours.last())] {
            let usage = turn.copied().unwrap_or_default();
            eprintln!("xtask: {}, run {number}: {name}: {usage}", chain.load());
        }
        fs::remove_dir_all(&place).map_err(Error::io("remove", &place))?;
    }
    Ok(json!({ "made": chain.told, "geth": figures(&geth), "snapsync": figures(&ours) }))
}

fn figures(turns: &[Usage]) -> Vec<Value> {
    let figures = turns.iter().map(|usage| {
        json!({
            "wall_seconds": usage.wall_seconds,
            "cpu_seconds": usage.cpu_seconds,
            "peak_rss_bytes": usage.peak_rss_bytes,
            "peak_anonymous_bytes": usage.peak_anonymous_bytes,
        })
    });
    figures.collect()
}
