//! Takes what was measured into `docs/perf`, with the machine and the compiler beside it.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use snapsync_bench::Machine;

use crate::{
    error::Error,
    house,
    perf::records::{FOLDER, USAGE, place_of},
    process,
};

/// Records what the words name.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    let folder = house::root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
    let mut words = words;
    let mut runs = Vec::new();
    loop {
        words = match words {
            [] => break,
            ["--criterion", rest @ ..] => {
                keep("comparisons", read(&comparisons()?)?)?;
                rest
            }
            ["--versus-geth", file, rest @ ..] => {
                keep("versus-geth", read(Path::new(file))?)?;
                rest
            }
            ["--bench", named, rest @ ..] => {
                let (name, file) = named.split_once('=').ok_or(Error::Usage(USAGE))?;
                runs.push(json!({ "name": name, "figures": read(Path::new(file))? }));
                rest
            }
            _ => return Err(Error::Usage(USAGE)),
        };
    }
    if runs.is_empty() { Ok(()) } else { keep("bench", json!({ "runs": runs })) }
}

/// What the comparisons of the last `cargo bench` wrote down.
fn comparisons() -> Result<std::path::PathBuf, Error> {
    let metadata = house::metadata(&["--no-deps"])?;
    Ok(Path::new(house::text(&metadata, "target_directory")).join("criterion/comparisons.json"))
}

fn read(path: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|_| Error::Output("a measurement: it is no JSON"))
}

/// Writes a record. A machine that stands in it already was there when it was measured.
pub(crate) fn keep(name: &str, mut record: Value) -> Result<(), Error> {
    let version = process::capture(Command::new("rustc").arg("--version"))?;
    record["rustc"] = String::from_utf8_lossy(&version).trim().into();
    if record["machine"].is_null() {
        let Machine { processor, cores, features } = Machine::here();
        record["machine"] = json!({ "processor": processor, "cores": cores, "features": features });
    }
    let place = place_of(name);
    fs::write(&place, format!("{record:#}\n")).map_err(Error::io("write", &place))?;
    println!("{FOLDER}/{name}.json");
    Ok(())
}
