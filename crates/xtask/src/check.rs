//! `check`: everything about the source that a machine can judge without running the tests.
//!
//! All checks run, so that one run shows all that is wrong; the quick ones come first.

use std::time::Instant;

use crate::{
    diagrams,
    error::Error,
    faults, fuzz, glossary, house, licences, perf, process, purity,
    rows::{self, Strictness},
    seeds,
};

/// A check and its name.
type Check<'a> = (&'static str, &'a dyn Fn() -> Result<(), Error>);

/// Runs the checks of these names, or all, and fails if one of them does.
pub(crate) fn run(names: &[&str], strictness: Strictness) -> Result<(), Error> {
    let checks: [Check; 12] = [
        ("format", &format),
        ("house", &purity::check),
        ("glossary", &glossary::check),
        ("faults", &faults::check),
        ("diagrams", &diagrams::check),
        ("performance", &perf::check),
        ("rows", &|| rows::run(strictness)),
        ("licences", &licences::check),
        ("clippy", &clippy),
        ("docs", &docs),
        ("fuzz", &fuzz::check),
        ("seeds", &|| seeds::run(&[])),
    ];
    if let Some(unknown) = names.iter().find(|&name| checks.iter().all(|check| check.0 != *name)) {
        let known = checks.map(|check| check.0).join(", ");
        return Err(Error::Findings {
            check: "no such check",
            findings: vec![format!("{unknown} (there are {known})")],
        });
    }
    let mut findings = Vec::new();
    for (name, check) in checks.into_iter().filter(|check| names.is_empty() || names.contains(&check.0)) {
        eprintln!("xtask: check: {name}");
        let began = Instant::now();
        if let Err(error) = check() {
            eprintln!("xtask: {error}");
            findings.push(name.to_owned());
        }
        eprintln!("xtask: check: {name} took {:.0} s", began.elapsed().as_secs_f64());
    }
    if findings.is_empty() {
        println!("xtask: checks passed");
        Ok(())
    } else {
        Err(Error::Findings { check: "failed checks", findings })
    }
}

fn format() -> Result<(), Error> {
    process::run(house::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), Error> {
    let mut command = house::cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    process::run(&mut command)
}

fn docs() -> Result<(), Error> {
    let mut command = house::cargo();
    command
        .args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"])
        .env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut command)
}
