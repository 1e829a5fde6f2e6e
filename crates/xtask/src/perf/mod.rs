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
mod records;
mod recycle;
mod svg;
mod tables;

use std::fs;

use crate::{
    error::Error,
    house,
    perf::records::{FOLDER, Records, USAGE},
};

/// The page with the tables.
const PAGE: &str = "docs/PERFORMANCE.md";

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
