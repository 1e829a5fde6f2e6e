//! The turn of `snapsync`: `snapsync bench` on an empty directory, from its start to its end.

use std::{path::Path, process::Command};

use snapsync_e2e::chain::TestChain;

use crate::{
    error::Error,
    versus::{figures::Figures, programs::Programs, server::Server, usage},
};

pub(crate) fn run(
    programs: &Programs,
    chain: &TestChain,
    server: &Server,
    place: &Path,
) -> Result<Figures, Error> {
    let expected = chain.expected();
    let mut command = Command::new(&programs.snapsync);
    command.args(["bench", "--json"]).arg("--genesis").arg(chain.genesis());
    command.args(["--networkid", &expected.network_id.to_string(), "--peer", &server.enode()]);
    command.args(["--target", &expected.head_hash.to_string()]);
    command.arg("--datadir").arg(place.join("snapsync"));
    let (usage, text) = usage::run(&mut command, &place.join("snapsync.json"))?;
    let told: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| Error::Output("snapsync bench --json"))?;
    if told["state_root"] != expected.state.root.to_string() {
        return Err(Error::Output("snapsync bench --json: another state root"));
    }
    Ok(Figures { usage, told, ..Figures::default() })
}
