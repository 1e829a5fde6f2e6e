//! `rows`: which tests show which row of the feature table. A test says so itself, by a line `// ROW: F15` (or several,
//! with commas) directly above it.

use std::collections::BTreeMap;

use crate::{
    error::Error,
    source::{self, Source},
};

/// What a row without a test means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// It is printed.
    Report,
    /// The command fails.
    Fail,
}

/// The rows that the program has so far, and what each one is.
const ROWS: [(&str, &str); 47] = [
    ("F1", "driven by a consensus client"),
    ("F2", "sync modes"),
    ("F4", "trusted checkpoint"),
    ("F5", "pivot pinned"),
    ("F6", "staleness is not one peer's empty answer"),
    ("F7", "complete only after the root"),
    ("F8", "blocks executed, or their lists applied"),
    ("F9", "fell behind again"),
    ("F10", "bad blocks are told with their newest good ancestor"),
    ("F11", "no peers: waits without spinning"),
    ("F12", "headers, backwards from a trusted hash"),
    ("F13", "bodies and receipts beside the state"),
    ("F14", "block queue"),
    ("F15", "account ranges"),
    ("F16", "storages"),
    ("F17", "codes"),
    ("F18", "empty is proved"),
    ("F19", "gaps are the single truth"),
    ("F20", "tries derived from rows"),
    ("F21", "progress"),
    ("F22", "catch-up by access lists"),
    ("F23", "state healing"),
    ("F24", "repair by ranges"),
    ("F26", "nothing of the state once it is complete"),
    ("F27", "peers behind and ahead"),
    ("F28", "prune at finality"),
    ("F29", "bounded stages"),
    ("F30", "data and cursor in one transaction"),
    ("F31", "versioned progress record"),
    ("F32", "storage faults"),
    ("F33", "graceful stop"),
    ("F34", "an error returns to its peer"),
    ("F35", "watchdog"),
    ("F36", "typed streams"),
    ("F37", "prefetch and adaptive sizes"),
    ("F38", "retries and time-outs"),
    ("F39", "peer book"),
    ("F40", "multi-fetch of the tail"),
    ("F41", "response checks"),
    ("F42", "negotiation"),
    ("F50", "notifications"),
    ("F51", "events"),
    ("F52", "typed errors"),
    ("F53", "embedding"),
    ("F60", "commands"),
    ("F61", "Engine API and RPC"),
    ("F65", "figures"),
];

/// Prints each row with the tests that show it.
pub(crate) fn run(strictness: Strictness) -> Result<(), Error> {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["crates", "tests"] {
        for file in source::files(folder)?.iter().filter(|file| !file.path.starts_with("crates/xtask/")) {
            for (row, test) in marks(file) {
                shown.entry(row).or_default().push(test);
            }
        }
    }
    let mut findings = Vec::new();
    for (row, what) in ROWS {
        let tests = shown.remove(row).unwrap_or_default();
        println!("{row:4} {what} ({})", tests.len());
        for test in &tests {
            println!("     {test}");
        }
        if tests.is_empty() {
            findings.push(format!("{row} ({what}) is shown by no test"));
        }
    }
    findings.extend(
        shown
            .into_keys()
            .map(|row| format!("{row} is marked somewhere and is not a row of this program yet")),
    );
    match strictness {
        _ if findings.is_empty() => Ok(()),
        Strictness::Fail => Err(Error::Findings { check: "rows", findings }),
        Strictness::Report => {
            eprintln!("xtask: rows: {}", findings.join("\n  "));
            Ok(())
        }
    }
}

/// The rows that a file's tests are marked with, each with the test's name and place.
fn marks(file: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    for line in file.text.lines().map(str::trim) {
        if let Some(rows) = line.strip_prefix("// ROW:") {
            waiting.extend(rows.split([',', ' ']).filter(|row| !row.is_empty()).map(str::to_owned));
        } else if let Some(name) = function(line) {
            found.extend(waiting.drain(..).map(|row| (row, format!("{} {name}", file.path))));
        }
    }
    found
}

/// The name of the function that a line starts.
fn function(line: &str) -> Option<&str> {
    let rest = ["pub ", "async "].iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_belong_to_the_next_function() {
        let text =
            "// ROW: F15, F18\n#[test]\nfn one() {}\nfn two() {}\n    // ROW: F4\n    async fn three() {}\n";
        let file = Source { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned(), is_test: false };
        let found: Vec<_> = marks(&file).into_iter().map(|(row, test)| format!("{row} {test}")).collect();
        assert_eq!(
            found,
            ["F15 crates/x/src/a.rs one", "F18 crates/x/src/a.rs one", "F4 crates/x/src/a.rs three"]
        );
    }
}
