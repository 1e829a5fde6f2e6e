//! A chain file, as `geth export` writes one, and the genesis file of its chain.
//!
//! Blocks go into the file as they are made. It reads none.

use std::{
    env,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use snapsync_demo::{Load, LoadedChain};
use tempfile::TempDir;

use crate::error::Error;

/// The chain file's name.
const CHAIN: &str = "chain.rlp";
/// The genesis file's.
const GENESIS: &str = "genesis.json";
/// A file system in memory, where the machine has one: what a maker keeps there need not survive.
const MEMORY: &str = "/dev/shm";

/// A folder for what a maker keeps, which goes with it.
pub(crate) fn workshop() -> Result<TempDir, Error> {
    let memory = tempfile::tempdir_in(MEMORY);
    memory.or_else(|_| tempfile::tempdir()).map_err(Error::io("make a folder in", env::temp_dir()))
}

/// Writes the genesis file of a chain into a folder.
pub(crate) fn write_genesis(chain: &LoadedChain, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(GENESIS);
    fs::write(&path, format!("{:#}\n", chain.described())).map_err(Error::io("write", &path))?;
    Ok(path)
}

/// Makes a chain and writes it into a folder; tells its head, and what is in it.
pub(crate) fn make(load: Load, seed: u64, blocks: u64, folder: &Path) -> Result<Value, Error> {
    fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
    let workshop = workshop()?;
    let mut chain = LoadedChain::begin(load, seed, workshop.path())?;
    let genesis = write_genesis(&chain, folder)?;
    let path = folder.join(CHAIN);
    let mut file = BufWriter::new(File::create(&path).map_err(Error::io("make", &path))?);
    let (mut gas, mut bytes, mut head) = (0, 0, None);
    for _ in 0..blocks {
        let block = chain.next_block()?;
        file.write_all(&block.raw).map_err(Error::io("write", &path))?;
        gas += block.gas_used;
        bytes += block.raw.len();
        head = Some(block.hash);
    }
    file.flush().map_err(Error::io("write", &path))?;
    Ok(json!({
        "load": load.name(),
        "blocks": blocks,
        "head": head,
        "gas": gas,
        "bytes": bytes,
        "chain": path,
        "genesis": genesis,
    }))
}
