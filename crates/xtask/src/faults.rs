//! `check faults`: each test that docs/FAULTS.md names is there.
//!
//! A test is named by its file and its function, as in `crates/sync/tests/heads.rs::head_right_above_needs_no_other_header`. Whether it shows what
//! the file says of it, a reader must see.

use std::{collections::BTreeMap, fs};

use crate::{
    error::Error,
    house,
    source::{self, Source},
};

const FAULTS: &str = "docs/FAULTS.md";

/// Looks that all tests are there.
pub(crate) fn check() -> Result<(), Error> {
    let path = house::root().join(FAULTS);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let mut files = source::files("crates")?;
    files.extend(source::files("tests")?);
    let findings = findings(&text, &files);
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { check: "docs/FAULTS.md", findings }) }
}

/// Files and functions between backticks.
fn tests(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter_map(|word| word.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
}

fn findings(text: &str, files: &[Source]) -> Vec<String> {
    let files: BTreeMap<&str, &Source> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let is_there = |file: &Source, test: &str| {
        ["(", "<"].iter().any(|behind| file.text.contains(&format!("fn {test}{behind}")))
    };
    let wrong = |(path, test): (&str, &str)| match files.get(path) {
        None => Some(format!("there is no file {path}")),
        Some(file) if !is_there(file, test) => Some(format!("{path} has no test {test}")),
        Some(_) => None,
    };
    let mut findings: Vec<String> = tests(text).filter_map(wrong).collect();
    if tests(text).next().is_none() {
        findings.push("it names no test".to_owned());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_are_not_there_are_named() {
        let text = "#[test]\nfn here() {}\n";
        let file = Source { path: "crates/x/tests/a.rs".to_owned(), text: text.to_owned(), is_test: true };
        let found = |text: &str| findings(text, std::slice::from_ref(&file));
        assert!(found("| `TestSync` | `crates/x/tests/a.rs::here` and `Some::path` |").is_empty());
        let gone = "`crates/x/tests/a.rs::her`, `crates/x/tests/b.rs::here`";
        assert_eq!(
            found(gone),
            ["crates/x/tests/a.rs has no test her", "there is no file crates/x/tests/b.rs"]
        );
        assert_eq!(found("nothing"), ["it names no test"]);
    }
}
