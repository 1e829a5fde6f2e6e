//! `perf`: figures are recorded as JSON, and docs/PERFORMANCE.md's tables and charts are drawn from what was recorded.
//!
//! `measure` runs the program over sizes and lines; `record` takes what `cargo bench` and `versus-geth` wrote. Both keep it under
//! `docs/perf`, with the machine and the compiler beside it. `render` rewrites the tables between their marks and the charts;
//! `check` says whether both are what the records give. Nothing measured is changed on the way.

mod bars;
mod charts;
mod lines;
mod marks;
mod measure;
mod record;
mod recycle;
mod svg;
mod tables;

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{error::Error, house};

/// The page with the tables.
const PAGE: &str = "docs/PERFORMANCE.md";
/// Where records and charts are kept.
const FOLDER: &str = "docs/perf";

const USAGE: &str = "\
usage: cargo xtask perf [render]
       cargo xtask perf measure [--runs N]
       cargo xtask perf record [--criterion] [--versus-geth FILE] [--bench NAME=FILE]..";

/// What was recorded; `None` where nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Records {
    /// Tries beside others doing the same: by `cargo bench`.
    pub(crate) comparisons: Option<Value>,
    /// geth's snap sync beside ours: by `cargo xtask versus-geth --json`.
    pub(crate) versus_geth: Option<Value>,
    /// Whole syncs, of different sizes: by `snapsync bench --json`.
    pub(crate) bench: Option<Value>,
    /// Whole syncs over different numbers of peers and latencies: likewise.
    pub(crate) lines: Option<Value>,
}

/// Runs the command.
pub(crate) fn run(words: &[&str]) -> Result<(), Error> {
    match words {
        [] | ["render"] => write(),
        ["measure", rest @ ..] => {
            measure::run(rest)?;
            write()
        }
        ["record", rest @ ..] => {
            record::run(rest)?;
            write()
        }
        _ => Err(Error::Usage(USAGE)),
    }
}

/// Fails where the page or a chart is not what the records give.
pub(crate) fn check() -> Result<(), Error> {
    let outdated = rendered()?
        .into_iter()
        .filter(|(path, text)| fs::read_to_string(house::root().join(path)).unwrap_or_default() != *text);
    let findings: Vec<String> =
        outdated.map(|(path, _)| format!("{path} is not up to date: cargo xtask perf")).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { check: "performance", findings }) }
}

fn write() -> Result<(), Error> {
    for (path, text) in rendered()? {
        let place = house::root().join(&path);
        fs::write(&place, text).map_err(Error::io("write", &place))?;
        println!("{path}");
    }
    Ok(())
}

/// Every file that follows from the records, by its path below the root, and its text.
fn rendered() -> Result<Vec<(String, String)>, Error> {
    let records = Records::read()?;
    let place = house::root().join(PAGE);
    let page = fs::read_to_string(&place).map_err(Error::io("read", &place))?;
    let page = marks::fill(&page, &tables::all(&records))?;
    let charts = charts::all(&records).into_iter().map(|(name, text)| (format!("{FOLDER}/{name}.svg"), text));
    Ok(std::iter::once((PAGE.to_owned(), page)).chain(charts).collect())
}

impl Records {
    fn read() -> Result<Self, Error> {
        Ok(Self {
            comparisons: read("comparisons")?,
            versus_geth: read("versus-geth")?,
            bench: read("bench")?,
            lines: read("lines")?,
        })
    }
}

/// Where the record of that name is.
fn place_of(name: &str) -> PathBuf {
    house::root().join(FOLDER).join(format!("{name}.json"))
}

fn read(name: &str) -> Result<Option<Value>, Error> {
    let place = place_of(name);
    if !place.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&place).map_err(Error::io("read", &place))?;
    serde_json::from_str(&text).map(Some).map_err(|_| Error::Output("docs/perf: a record is no JSON"))
}
