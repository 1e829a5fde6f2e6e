//! Whether each crate that we are built from may be used: its SPDX expression against a list of what is allowed.
//!
//! What the rivals of a bench drag in is another matter: it is run to be compared with, on the machine that built it, and
//! never part of anything that is given away. Only for crates that nothing else can reach, the list is longer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{error::Error, house};

/// Licences that ask for no more than a notice (MPL: for changes to its own files, of which we make none).
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The package whose test dependencies are the rivals.
const BENCH: &str = "snapsync-bench";

/// Licences that ask for more, yet only of who gives the program away.
const ALLOWED_OF_RIVALS: [&str; 1] = ["LGPL-3.0-only"];

/// Fails where a crate's licence is not allowed, or is not said.
pub(crate) fn check() -> Result<(), Error> {
    let metadata = house::metadata(&[])?;
    let packages = house::list(&metadata, "packages");
    let ours = built_from(&metadata);
    let findings: Vec<String> = packages
        .iter()
        .filter(|package| {
            let licence = house::text(package, "license");
            let is_rivals = !ours.contains(house::text(package, "id"));
            !(is_allowed(licence, &ALLOWED) || is_rivals && is_allowed(licence, &ALLOWED_OF_RIVALS))
        })
        .map(|package| {
            let licence = package["license"].as_str().unwrap_or("not said");
            format!("{} {}: {licence}", house::text(package, "name"), house::text(package, "version"))
        })
        .collect();
    if findings.is_empty() {
        println!("licences: {} crates, all allowed", packages.len());
        Ok(())
    } else {
        Err(Error::Findings { check: "licences", findings })
    }
}

/// The ids of all packages but those that only the rivals of [`BENCH`] are built from.
fn built_from(metadata: &Value) -> BTreeSet<String> {
    let nodes = metadata.pointer("/resolve/nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let nodes: BTreeMap<&str, &Value> = nodes.iter().map(|node| (house::text(node, "id"), node)).collect();
    let names = house::list(metadata, "packages").iter();
    let bench = names
        .filter(|package| house::text(package, "name") == BENCH)
        .map(|package| house::text(package, "id"));
    let bench: BTreeSet<&str> = bench.collect();
    let members = house::list(metadata, "workspace_members").iter().filter_map(Value::as_str);
    let mut open: Vec<&str> = members.collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id.to_owned()) {
            continue;
        }
        let dependencies = nodes.get(id).map_or(&[][..], |node| house::list(node, "deps"));
        let of_ours = dependencies.iter().filter(|dependency| {
            let kinds = house::list(dependency, "dep_kinds");
            !bench.contains(id) || kinds.iter().any(|kind| house::text(kind, "kind") != "dev")
        });
        open.extend(of_ours.map(|dependency| house::text(dependency, "pkg")));
    }
    reached
}

/// Whether an SPDX expression can be satisfied from the list. The old `A/B` means `A OR B`.
fn is_allowed(expression: &str, list: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    !words.is_empty() && any_of(&mut rest, list) && rest.is_empty()
}

fn any_of(words: &mut &[&str], list: &[&str]) -> bool {
    let mut allowed = all_of(words, list);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        allowed |= all_of(words, list);
    }
    allowed
}

fn all_of(words: &mut &[&str], list: &[&str]) -> bool {
    let mut allowed = one(words, list);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        allowed &= one(words, list);
    }
    allowed
}

fn one(words: &mut &[&str], list: &[&str]) -> bool {
    let [first, rest @ ..] = *words else { return false };
    *words = rest;
    if *first == "(" {
        let allowed = any_of(words, list);
        if let [")", rest @ ..] = *words {
            *words = rest;
        }
        return allowed;
    }
    // An exception only ever allows more than its licence.
    if let ["WITH", _, rest @ ..] = *words {
        *words = rest;
    }
    list.contains(first)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crate_of_a_rival_is_told_from_one_that_we_are_built_from() {
        let dependency =
            |package: &str, kind: Value| json!({ "pkg": package, "dep_kinds": [{ "kind": kind }] });
        let node = |id: &str, dependencies: Vec<Value>| json!({ "id": id, "deps": dependencies });
        let metadata = json!({
            "packages": [{ "name": BENCH, "id": "bench" }],
            "workspace_members": ["bench", "program"],
            "resolve": { "nodes": [
                node("bench", vec![dependency("rival", json!("dev")), dependency("both", json!("dev"))]),
                node("rival", vec![dependency("below", Value::Null)]),
                node("program", vec![dependency("both", json!("dev")), dependency("bench", Value::Null)]),
            ] },
        });
        assert_eq!(built_from(&metadata), ["bench", "both", "program"].map(str::to_owned).into());
    }

    #[test]
    fn expressions_are_read_as_spdx_does() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR (MIT AND Zlib)",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good, &ALLOWED), "{good}");
        }
        for bad in
            ["", "AGPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "MIT OR", "MIT Apache-2.0"]
        {
            // A dangling OR still offers MIT; what matters is that no forbidden part is required.
            assert_eq!(is_allowed(bad, &ALLOWED), bad == "MIT OR", "{bad}");
        }
    }
}
