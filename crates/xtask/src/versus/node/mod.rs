//! `versus-node`: geth and `snapsync node` are driven over the Engine API as a consensus client drives them, in turn.
//!
//! Both are processes of their own on empty directories, called over loopback by the same client with the same requests. geth has block 0 before
//! its clock starts; what is unequal is in its favour. The program is the one that `SNAPSYNC_PROGRAM` names, else one that is built as a user
//! builds it. It proves nothing about what is answered, but that every block is called valid.

mod arguments;
mod bad_calls;
mod bench;
mod driven;
mod heads;
mod payloads;
mod phases;
mod spread;
mod table;
mod turns;

use std::{env, fs, path::PathBuf};

use serde_json::{Map, Value, json};
use snapsync_bench::Machine;
use snapsync_e2e::{cache::Release, program::PROGRAM_VARIABLE};

use crate::{error::Error, geth, versus::import};
use arguments::{Arguments, Part};
use bench::Bench;

/// Runs the comparison and prints its tables.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let arguments = Arguments::parse(words)?;
    let tools = geth::install(Release::Newest)?.ok_or(Error::Missing("geth (and Go, to install it)"))?;
    let named = env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let program = named.map_or_else(|| import::build().map(|folder| folder.join("snapsync")), Ok)?;
    let programs = program.parent().map(PathBuf::from).unwrap_or_default();
    let bench = Bench { tools, programs, program, arguments };
    let machine = Machine::here();
    let mut record = Map::new();
    record.insert("runs".to_owned(), bench.arguments.runs.into());
    record.insert("geth_version".to_owned(), bench.tools.version.clone().into());
    let words =
        json!({ "processor": machine.processor, "cores": machine.cores, "features": machine.features });
    record.insert("machine".to_owned(), words);
    if bench.arguments.wants(Part::Payloads) {
        record.insert("payloads".to_owned(), turns::payloads(&bench)?);
    }
    if bench.arguments.wants(Part::BadCalls) {
        record.insert("bad_calls".to_owned(), turns::bad_calls(&bench)?);
    }
    if bench.arguments.wants(Part::Heads) {
        record.insert("heads".to_owned(), turns::heads(&bench)?);
    }
    let record = Value::from(record);
    print!("{}", table::render(&record));
    println!("{machine}");
    let Some(path) = &bench.arguments.json else { return Ok(()) };
    fs::write(path, format!("{record:#}\n")).map_err(Error::io("write", path))
}
