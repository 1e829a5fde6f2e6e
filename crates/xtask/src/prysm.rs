//! Builds Prysm's programs with Go's own client, once, into the cache folder.
//!
//! `go install` refuses a module with `replace` lines, and Prysm has one. So a module of two lines asks for it, with the same line and Prysm's own list
//! of checksums. A build that was cut off leaves a program missing, so it is run again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use snapsync_e2e::prysm::{PROGRAMS, Prysm, VERSION};

use crate::{error::Error, house, process};

const MODULE: &str = "github.com/OffchainLabs/prysm/v7";

/// What Prysm replaces.
const REPLACED: &str =
    "github.com/json-iterator/go => github.com/prestonvanloon/go v1.1.7-0.20190722034630-4f2e55fcf87b";

/// The programs, built if they are missing; `None` where there is no Go.
pub(crate) fn install() -> Result<Option<Prysm>, Error> {
    let folder = Prysm::folder();
    fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
    let lock_path = folder.join("install.lock");
    let lock = File::create(&lock_path).map_err(Error::io("make", &lock_path))?;
    // BLOCKING: until another process has built the same.
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if let Ok(prysm) = Prysm::locate() {
        return Ok(Some(prysm));
    }
    if !process::succeeds(Command::new("go").arg("version")) {
        if house::is_ci() {
            return Err(Error::Missing("go (CI is set, so Prysm must be there)"));
        }
        return Ok(None);
    }
    eprintln!("xtask: building Prysm {VERSION}; five minutes the first time, then cached");
    build(&folder)?;
    Prysm::locate().map(Some).map_err(|_| Error::Missing("a program that Go said it built"))
}

fn build(folder: &Path) -> Result<(), Error> {
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))
    };
    let wrapper = format!("module prysm\n\ngo 1.25.1\n\nrequire {MODULE} v{VERSION}\n\nreplace {REPLACED}\n");
    write("go.mod", wrapper.as_bytes())?;
    let sums = source(folder)?.join("go.sum");
    write("go.sum", &fs::read(&sums).map_err(Error::io("read", &sums))?)?;
    let stamp = format!("-X {MODULE}/runtime/version.gitTag=v{VERSION}");
    let packages = PROGRAMS.iter().map(|program| format!("{MODULE}/cmd/{program}"));
    process::run(go(folder).args(["build", "-o", "bin/", "-ldflags", &stamp]).args(packages))
}

/// Where Go has put Prysm's own source.
fn source(folder: &Path) -> Result<PathBuf, Error> {
    let module = format!("{MODULE}@v{VERSION}");
    let told = process::capture(go(folder).args(["mod", "download", "-json", &module]))?;
    let told: serde_json::Value =
        serde_json::from_slice(&told).map_err(|_| Error::Output("go mod download: no JSON"))?;
    told["Dir"].as_str().map(PathBuf::from).ok_or(Error::Output("go mod download: no folder"))
}

fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    // Without the second, the code for signatures needs a newer processor than some machines have.
    go.current_dir(folder)
        .env("GOFLAGS", "-mod=mod -buildvcs=false")
        .env("CGO_CFLAGS", "-O2 -D__BLST_PORTABLE__");
    go
}
