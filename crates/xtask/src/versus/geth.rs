//! geth's turn: an empty one is connected to the server, told the head, and watched until it has the head's state.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use snapsync_e2e::{
    Error as Harness,
    cache::Tools,
    chain::TestChain,
    datadir::Datadir,
    engine::Engine,
    geth::{Geth, Settings},
    patience,
    rpc::number_in,
};

use crate::{
    error::Error,
    versus::{figures::Figures, server::Server, usage::Watch},
};

/// A snap sync of the largest chain takes half a minute.
const SYNC_PATIENCE: Duration = Duration::from_secs(600);

/// geth forgets a head that it could not follow at once.
const NAME_HEAD_EVERY: Duration = Duration::from_secs(3);

pub(crate) fn run(tools: &Tools, chain: &TestChain, server: &Server, place: &Path) -> Result<Figures, Error> {
    let datadir = Datadir::init(tools, place.join("geth"), &chain.genesis())?;
    let mut settings = Settings::serving(chain.expected().network_id);
    // The last of two equal flags counts.
    settings.arguments.extend(["--syncmode", "snap"].map(str::to_owned));
    let geth = Geth::start(tools, datadir, &settings)?;
    let engine = geth.engine()?;
    geth.rpc().call("admin_addPeer", json!([server.enode()]))?;
    let has_peer = || geth.peer_count().ok().filter(|count| *count > 0);
    patience::until("geth's connection to its server", SYNC_PATIENCE, has_peer, || geth.log())?;

    let watch = Watch::start(geth.process_id());
    sync(&geth, &engine, chain)?;
    Ok(Figures { usage: watch.end(), told: Value::Null, ..Figures::default() })
}

/// Names the head until geth stands on it.
fn sync(geth: &Geth, engine: &Engine, chain: &TestChain) -> Result<(), Error> {
    let expected = chain.expected();
    let (mut named_at, mut failure) = (None::<Instant>, None);
    let look = || {
        if named_at.is_none_or(|at| at.elapsed() >= NAME_HEAD_EVERY) {
            named_at = Some(Instant::now());
            if let Err(error) = engine.name_head(expected.head_hash) {
                failure = Some(error);
                return Some(());
            }
        }
        is_at(geth, expected.head_number).ok().filter(|is_there| *is_there).map(drop)
    };
    patience::until("the end of geth's snap sync", SYNC_PATIENCE, look, || geth.last_words())?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

fn is_at(geth: &Geth, number: u64) -> Result<bool, Harness> {
    let rpc = geth.rpc();
    if rpc.call("eth_syncing", json!([]))? != Value::Bool(false) {
        return Ok(false);
    }
    Ok(number_in(&rpc.block("latest")?, "number")? == number)
}
