//! `geth`: installs go-ethereum's programs with Go's own client, once, into the cache folder.
//!
//! The versions are pinned, and Go checks the modules against its checksum database. It trusts nothing already there but by
//! name: a folder is per version, and an install that was cut off leaves a program missing, so it is run again.

use std::{fs::File, process::Command};

use snapsync_e2e::cache::{Release, Tools};

use crate::{error::Error, house, process};

/// Installs the programs of each release where they are missing and prints their places.
pub(crate) fn run() -> Result<(), Error> {
    for release in Release::ALL {
        if install(release)?.is_some() {
            for program in release.programs() {
                println!("{}", release.folder().join(program).display());
            }
        }
    }
    Ok(())
}

/// The installed programs; `None` where there is no Go and the run may go on without them.
pub(crate) fn install(release: Release) -> Result<Option<Tools>, Error> {
    let folder = release.folder();
    std::fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
    let lock_path = folder.join("install.lock");
    let lock = File::create(&lock_path).map_err(Error::io("make", &lock_path))?;
    // BLOCKING: until another process has installed the same. Half of a program is not run.
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if !release.is_installed() && !add(release)? {
        return Ok(None);
    }
    let tools = Tools::locate(release);
    tools.map(Some).ok_or(Error::Output("geth: its version"))
}

/// Lets Go install the programs; `false` where there is no Go and the run may go on without them.
fn add(release: Release) -> Result<bool, Error> {
    let version = release.version();
    if !process::succeeds(Command::new("go").arg("version")) {
        if house::is_ci() {
            return Err(Error::Missing("go (CI is set, so geth must be there)"));
        }
        let left_out = match release {
            Release::Newest => "A REAL GETH",
            Release::Older => "AN OLDER GETH",
        };
        eprintln!("xtask: ################################################################");
        eprintln!("xtask: # Go is not on this machine, so geth {version} cannot be installed.");
        eprintln!("xtask: # EVERY TEST AGAINST {left_out} IS LEFT OUT OF THIS RUN.");
        eprintln!("xtask: ################################################################");
        return Ok(false);
    }
    eprintln!("xtask: installing geth {version}; some minutes the first time, then cached");
    let packages = release.programs().iter();
    let packages = packages.map(|name| format!("github.com/ethereum/go-ethereum/cmd/{name}@v{version}"));
    process::run(Command::new("go").arg("install").args(packages).env("GOBIN", release.folder()))?;
    if release.is_installed() { Ok(true) } else { Err(Error::Missing("a program that Go said it installed")) }
}
