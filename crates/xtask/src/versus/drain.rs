//! The turn of the client that checks nothing: what remains is the time that serving takes.

use std::process::Command;

use snapsync_e2e::{chain::TestChain, genesis};

use crate::{
    error::Error,
    versus::{figures::Figures, programs::Programs, server::Server, usage},
};

pub(crate) fn run(programs: &Programs, chain: &TestChain, server: &Server) -> Result<Figures, Error> {
    let expected = chain.expected();
    let mut command = Command::new(&programs.drain);
    command.args([expected.network_id.to_string(), expected.genesis_hash.to_string()]);
    command.args([genesis::TIME.to_string(), server.enode(), expected.state.root.to_string()]);
    let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let (usage, text) = usage::run(&mut command, &folder.path().join("drain.json"))?;
    let told = serde_json::from_str(&text).map_err(|_| Error::Output("snapsync-drain"))?;
    Ok(Figures { usage, told, ..Figures::default() })
}
