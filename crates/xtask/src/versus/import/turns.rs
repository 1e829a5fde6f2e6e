//! A client's turn: an empty directory, the chain's file, and what executing it cost.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use snapsync_e2e::{cache::Tools, datadir::Datadir};

use crate::{
    error::Error,
    versus::{
        import::made::MadeChain,
        usage::{self, Usage},
    },
};

/// `geth import`, after `geth init`.
pub(super) fn geth(tools: &Tools, chain: &MadeChain, place: &Path) -> Result<Usage, Error> {
    let datadir = Datadir::init(tools, place.join("geth"), &chain.genesis)?;
    let log = place.join("geth.log");
    let mut command = Command::new(&tools.geth);
    command.args(["--log.format", "logfmt", "--datadir"]).arg(datadir.path());
    command.args(["import", "--nocompaction"]).arg(&chain.file);
    command.stderr(File::create(&log).map_err(Error::io("make", &log))?);
    let (usage, _) = usage::run(&mut command, &place.join("geth.output"))?;
    let text = fs::read_to_string(&log).map_err(Error::io("read", &log))?;
    let last = text.lines().rfind(|line| line.contains("Imported new chain segment"));
    let is_whole = last.is_some_and(|line| line.contains(&format!(" number={} ", chain.blocks)));
    if is_whole { Ok(usage) } else { Err(Error::Output("geth import: another head")) }
}

/// `snapsync import`, which writes block 0 too.
pub(super) fn snapsync(program: &Path, chain: &MadeChain, place: &Path) -> Result<Usage, Error> {
    let mut command = Command::new(program);
    command.arg("import").arg("--genesis").arg(&chain.genesis);
    command.arg("--datadir").arg(place.join("snapsync")).arg(&chain.file);
    let (usage, text) = usage::run(&mut command, &place.join("snapsync.output"))?;
    let last = text.lines().last().unwrap_or_default().replace(',', "");
    let is_whole = last.contains(&format!(" up to {} ", chain.blocks));
    if is_whole { Ok(usage) } else { Err(Error::Output("snapsync import: another head")) }
}
