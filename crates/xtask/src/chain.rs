//! `chain NAME`: makes a test chain by driving geth. `peer NAME`: serves one from a real geth, to try things by hand.

use std::{env, io, time::Instant};

use snapsync_e2e::{
    cache::{Release, Tools},
    chain::{Forks, TestChain},
    recipe::Size,
};

use crate::{error::Error, geth};

/// Makes the chain of that name and prints what is in it.
pub(crate) fn run(name: &str) -> Result<(), Error> {
    let tools = geth::install(Release::Newest)?.ok_or(Error::Missing("geth"))?;
    let start = Instant::now();
    let chain = make(&tools, name)?;
    println!("{}", chain.folder().display());
    println!("{:#?}", chain.expected());
    println!("ready after {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Starts a geth that serves the chain of that name, says how to sync from it, and ends with its input.
pub(crate) fn serve(name: &str) -> Result<(), Error> {
    let tools = geth::install(Release::Newest)?.ok_or(Error::Missing("geth"))?;
    let chain = make(&tools, name)?;
    let folder = env::temp_dir().join(format!("snapsync-peer-{}", std::process::id()));
    let geth = chain.serve(&tools, &folder)?;
    let expected = chain.expected();
    println!("{} blocks, state root {}", expected.head_number, expected.state.root);
    println!("JSON-RPC at http://{}", geth.rpc().address());
    println!(
        "snapsync sync --genesis {} --networkid {} --peer {} --target {} --datadir DIR",
        chain.genesis().display(),
        expected.network_id,
        geth.enode(),
        expected.head_hash,
    );
    eprintln!("xtask: press Enter to end it");
    // BLOCKING: until the developer is done. An input that is closed ends it too.
    io::stdin().read_line(&mut String::new()).map_err(Error::io("read", "the terminal"))?;
    drop(geth);
    std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))
}

/// The chain of that name, made if it is not there yet.
pub(crate) fn make(tools: &Tools, name: &str) -> Result<TestChain, Error> {
    let size = [Size::SMALL, Size::LARGE].into_iter().find(|size| size.name == name);
    let forks = Forks::ALL.into_iter().find(|forks| forks.name() == name);
    Ok(match (size, forks) {
        (Some(size), _) => TestChain::of(tools, size)?,
        (None, Some(forks)) => TestChain::of_every_fork(tools, forks)?,
        (None, None) => {
            return Err(Error::Usage("chains: small, large, forks-to-prague, forks-to-amsterdam"));
        }
    })
}
