//! `versus-geth`: one geth serves a chain; an empty geth, an empty `snapsync` and a client that checks nothing take it, in turn.
//!
//! All three are processes of their own, watched from outside in the same way, on the same machine, from the same server.
//! geth's clock starts when it has a peer and is told the head, ours when its process starts: what is unequal is in its favour.
//! It proves nothing about what was synced; both clients check that themselves before they say that they are done.

mod arguments;
mod drain;
pub(crate) mod figures;
mod geth;
pub(crate) mod import;
pub(crate) mod node;
mod ours;
mod programs;
mod server;
pub(crate) mod table;
mod usage;

use std::{fs, path::Path};

use serde_json::{Value, json};
use snapsync_bench::Machine;
use snapsync_e2e::{
    cache::{Release, Tools},
    chain::Expected,
};

use crate::{chain, error::Error, geth as tools};
use arguments::Arguments;
use figures::{Client, Figures};
use programs::Programs;
use server::Server;

/// One turn of all three.
type Round = [Figures; 3];

/// Runs the comparison and prints its table.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let arguments = Arguments::parse(words)?;
    let tools = tools::install(Release::Newest)?.ok_or(Error::Missing("geth (and Go, to install it)"))?;
    let programs = Programs::build()?;
    let chain = chain::make(&tools, &arguments.chain)?;
    let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let server = Server::start(&tools, &chain, &folder.path().join("server"))?;
    eprintln!("xtask: warming the server up");
    server.count(|| drain::run(&programs, &chain, &server))?;
    let mut rounds: Vec<Round> = Vec::new();
    for number in 1..=arguments.runs {
        let place = folder.path().join(number.to_string());
        fs::create_dir_all(&place).map_err(Error::io("make", &place))?;
        let turn = |client: Client| {
            let figures = server.count(|| match client {
                Client::Geth => geth::run(&tools, &chain, &server, &place),
                Client::Snapsync => ours::run(&programs, &chain, &server, &place),
                Client::Drain => drain::run(&programs, &chain, &server),
            })?;
            eprintln!("xtask: run {number}: {}: {}", client.name(), figures.usage);
            Ok::<_, Error>(figures)
        };
        rounds.push([turn(Client::Geth)?, turn(Client::Snapsync)?, turn(Client::Drain)?]);
        fs::remove_dir_all(&place).map_err(Error::io("remove", &place))?;
    }
    let record = record(&arguments, &tools, chain.expected(), &Machine::here(), &rounds);
    print!("{}", table::render(&record));
    match &arguments.json {
        Some(path) => write(path, &record),
        None => Ok(()),
    }
}

/// Everything that a table is made from.
fn record(
    arguments: &Arguments,
    tools: &Tools,
    expected: &Expected,
    machine: &Machine,
    rounds: &[Round],
) -> Value {
    let of = |client: Client| -> Vec<Value> {
        let figures = rounds.iter().map(|round| &round[client as usize]);
        figures
            .map(|figures| {
                json!({
                    "wall_seconds": figures.usage.wall_seconds,
                    "cpu_seconds": figures.usage.cpu_seconds,
                    "peak_rss_bytes": figures.usage.peak_rss_bytes,
                    "peak_anonymous_bytes": figures.usage.peak_anonymous_bytes,
                    "wire_bytes": figures.wire_bytes,
                    "server_cpu_seconds": figures.server_cpu_seconds,
                    "told": figures.told,
                })
            })
            .collect()
    };
    let clients: serde_json::Map<String, Value> =
        Client::ALL.into_iter().map(|client| (client.name().to_owned(), of(client).into())).collect();
    json!({
        "chain": arguments.chain,
        "runs": rounds.len(),
        "leaves": expected.state.accounts + expected.state.slots,
        "geth_version": tools.version,
        "machine": { "processor": machine.processor, "cores": machine.cores, "features": machine.features },
        "clients": clients,
    })
}

fn write(path: &Path, record: &Value) -> Result<(), Error> {
    fs::write(path, format!("{record:#}\n")).map_err(Error::io("write", path))
}
