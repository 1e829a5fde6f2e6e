//! `geth`: installs go-ethereum's programs with Go's own client, once, into the cache folder.
//!
//! The version is pinned, and Go checks the module against its checksum database. It trusts nothing already there but by
//! name: a folder is per version, and an install that was cut off leaves a program missing, so it is run again.

use std::process::Command;

use snapsync_e2e::cache::{self, GETH_VERSION, Tools};

use crate::{error::Error, house, process};

/// Installs the programs where they are missing and prints their places.
pub(crate) fn run() -> Result<(), Error> {
    if let Some(tools) = install()? {
        for program in [&tools.geth, &tools.devp2p, &tools.evm] {
            println!("{}", program.display());
        }
    }
    Ok(())
}

/// The installed programs; `None` where there is no Go and the run may go on without it.
pub(crate) fn install() -> Result<Option<Tools>, Error> {
    let folder = cache::tools_folder();
    let tools = Tools::under(&folder);
    if tools.are_complete() {
        return Ok(Some(tools));
    }
    if !process::succeeds(Command::new("go").arg("version")) {
        if house::is_ci() {
            return Err(Error::Missing("go (CI is set, so geth must be there)"));
        }
        eprintln!("xtask: ################################################################");
        eprintln!("xtask: # Go is not on this machine, so geth {GETH_VERSION} cannot be installed.");
        eprintln!("xtask: # EVERY TEST AGAINST A REAL GETH IS LEFT OUT OF THIS RUN.");
        eprintln!("xtask: ################################################################");
        return Ok(None);
    }
    std::fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
    eprintln!("xtask: installing geth {GETH_VERSION}; some minutes the first time, then cached");
    let packages = ["geth", "devp2p", "evm"]
        .map(|name| format!("github.com/ethereum/go-ethereum/cmd/{name}@v{GETH_VERSION}"));
    process::run(Command::new("go").arg("install").args(packages).env("GOBIN", &folder))?;
    if tools.are_complete() {
        Ok(Some(tools))
    } else {
        Err(Error::Missing("a program that Go said it installed"))
    }
}
