//! geth's turn: an empty one is connected to the server, told the head, and watched until it has the head's state.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use snapsync_e2e::{
    Error as Harness,
    cache::Tools,
    chain::TestChain,
    datadir::Datadir,
    geth::{Geth, Settings},
    patience,
    rpc::number_in,
};

use crate::{
    error::Error,
    versus::{engine, figures::Figures, server::Server, usage::Watch},
};

/// A snap sync of the largest chain takes half a minute.
const SYNC_PATIENCE: Duration = Duration::from_secs(600);

/// geth forgets a head that it could not follow at once.
const NAME_HEAD_EVERY: Duration = Duration::from_secs(3);

pub(crate) fn run(tools: &Tools, chain: &TestChain, server: &Server, place: &Path) -> Result<Figures, Error> {
    let datadir = Datadir::init(tools, place.join("geth"), &chain.genesis())?;
    let secret = engine::write_secret(place)?;
    let mut settings = Settings::serving(chain.expected().network_id);
    // The last of two equal flags counts.
    let words = ["--syncmode", "snap", "--authrpc.jwtsecret", &secret.to_string_lossy()];
    settings.arguments.extend(words.map(str::to_owned));
    let geth = Geth::start(tools, datadir, &settings)?;
    let engine = engine_of(&geth)?;
    geth.rpc().call("admin_addPeer", json!([server.enode()]))?;
    let has_peer = || geth.peer_count().ok().filter(|count| *count > 0);
    patience::until("geth's connection to its server", SYNC_PATIENCE, has_peer, || geth.log())?;

    let watch = Watch::start(geth.process_id());
    sync(&geth, engine, chain)?;
    Ok(Figures { usage: watch.end(), told: Value::Null, ..Figures::default() })
}

/// Names the head until geth stands on it.
fn sync(geth: &Geth, engine: SocketAddr, chain: &TestChain) -> Result<(), Error> {
    let expected = chain.expected();
    let head = expected.head_hash.to_string();
    let (mut named_at, mut failure) = (None::<Instant>, None);
    let look = || {
        if named_at.is_none_or(|at| at.elapsed() >= NAME_HEAD_EVERY) {
            named_at = Some(Instant::now());
            if let Err(error) = engine::name_head(engine, &head) {
                failure = Some(error);
                return Some(());
            }
        }
        is_at(geth, expected.head_number).ok().filter(|is_there| *is_there).map(drop)
    };
    patience::until("the end of geth's snap sync", SYNC_PATIENCE, look, || last_words(geth))?;
    failure.map_or(Ok(()), Err)
}

fn is_at(geth: &Geth, number: u64) -> Result<bool, Harness> {
    let rpc = geth.rpc();
    if rpc.call("eth_syncing", json!([]))? != Value::Bool(false) {
        return Ok(false);
    }
    Ok(number_in(&rpc.block("latest")?, "number")? == number)
}

/// Where the engine API listens, as the log says.
fn engine_of(geth: &Geth) -> Result<SocketAddr, Error> {
    let log = geth.log();
    let line = log.lines().find(|line| line.contains("HTTP server started") && line.contains("auth=true"));
    let address = line.and_then(|line| {
        line.split_whitespace().find_map(|word| word.strip_prefix("endpoint=")?.parse().ok())
    });
    address.ok_or(Error::Output("geth: where its engine API is"))
}

fn last_words(geth: &Geth) -> String {
    let log = geth.log();
    let lines: Vec<&str> = log.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
