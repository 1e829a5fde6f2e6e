//! `chain NAME`: makes a test chain by driving geth.

use std::time::Instant;

use snapsync_e2e::{cache::Tools, chain::TestChain, recipe::Size};

use crate::{error::Error, geth};

/// Makes the chain of that name and prints what is in it.
pub(crate) fn run(name: &str) -> Result<(), Error> {
    let tools = geth::install()?.ok_or(Error::Missing("geth"))?;
    let start = Instant::now();
    let chain = make(&tools, name)?;
    println!("{}", chain.folder().display());
    println!("{:#?}", chain.expected());
    println!("ready after {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn make(tools: &Tools, name: &str) -> Result<TestChain, Error> {
    let chain = match name {
        "small" => TestChain::of(tools, Size::SMALL),
        "large" => TestChain::of(tools, Size::LARGE),
        "every-fork" => TestChain::of_every_fork(tools),
        _ => return Err(Error::Usage("chains: small, large, every-fork")),
    };
    Ok(chain?)
}
