//! The rules of the house that a machine can see: arrows point down, between crates and between the files of one, pure crates
//! decide only, and bytes are hashed through one seam.

use crate::{
    circles,
    error::Error,
    house::{self, Crate, Nature},
    source::{self, Source},
};

/// Crates that do things, which a crate that decides must not have.
const WORKERS_TOOLS: [&str; 8] =
    ["tokio", "futures", "crossbeam-channel", "rayon", "signet-libmdbx", "rand", "libc", "secp256k1"];

/// Words of the standard library that look at the clock, start something, or draw lots.
const IMPURE_WORDS: [&str; 8] = [
    "Instant::now",
    "SystemTime::now",
    "thread::spawn",
    "thread::sleep",
    "std::net",
    "std::fs",
    "RandomState",
    "thread_rng",
];

/// Crates that hash. Only the seam is built from them.
const HASHERS: [&str; 5] = ["tiny-keccak", "sha3", "keccak", "keccak-asm", "alloy-trie"];

/// Words that hash past the seam.
const HASHING_WORDS: [&str; 7] = [
    "tiny_keccak",
    "alloy_primitives::keccak256",
    "utils::keccak256",
    "Keccak256::",
    "sha3::",
    "hash_slow",
    "alloy_trie",
];

/// Fails where a crate breaks a rule.
pub(crate) fn check() -> Result<(), Error> {
    let crates = house::crates()?;
    let mut findings = manifests(&crates);
    let files = source::files("crates")?;
    for file in files.iter().filter(|file| !file.is_test) {
        findings.extend(text(file));
    }
    findings.extend(circles::findings(&files));
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { check: "the house", findings }) }
}

fn manifests(crates: &[Crate]) -> Vec<String> {
    let mut findings = Vec::new();
    for member in crates.iter().filter(|member| member.folder.starts_with("crates/")) {
        let name = &member.package;
        let Some(place) = member.place() else {
            findings.push(format!("{name} has no row in the house (crates/xtask/src/house.rs)"));
            continue;
        };
        let below = crates.iter().filter(|other| member.dependencies.contains(&other.package));
        for other in below.filter_map(Crate::place) {
            if other.row >= place.row {
                findings.push(format!(
                    "{name} (row {}) depends on {} (row {})",
                    place.row, other.name, other.row
                ));
            }
        }
        for dependency in &member.dependencies {
            if place.nature == Nature::Pure && WORKERS_TOOLS.contains(&dependency.as_str()) {
                findings.push(format!("{name} is pure and depends on {dependency}"));
            }
            if place.name != "keccak" && HASHERS.contains(&dependency.as_str()) {
                findings.push(format!(
                    "{name} depends on {dependency}: bytes are hashed through snapsync-keccak"
                ));
            }
        }
    }
    findings
}

fn text(file: &Source) -> Vec<String> {
    let name = file.path.split('/').nth(1).unwrap_or_default();
    let Some(place) = house::PLACES.into_iter().find(|place| place.name == name) else { return Vec::new() };
    // This program names the forbidden words.
    if place.name == "xtask" {
        return Vec::new();
    }
    let code = file.code();
    let mut findings = Vec::new();
    if place.nature == Nature::Pure {
        for word in IMPURE_WORDS.into_iter().filter(|word| code.contains(word)) {
            findings.push(format!("{}: {word} in a pure crate", file.path));
        }
    }
    if place.name != "keccak" {
        for word in HASHING_WORDS.into_iter().filter(|word| code.contains(word)) {
            findings.push(format!("{}: {word} hashes past the seam", file.path));
        }
        if imports_keccak(&code) {
            findings.push(format!("{}: imports a keccak256 that is not the seam's", file.path));
        }
    }
    findings
}

/// Whether a `use alloy_primitives::{…}` takes the hash function along.
fn imports_keccak(code: &str) -> bool {
    code.split("use alloy_primitives::").skip(1).any(|rest| {
        let names = rest.split(';').next().unwrap_or_default();
        names.split([',', '{', '}', ' ', '\n', ':']).any(|name| name == "keccak256" || name == "Keccak256")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        super::text(&Source { path: path.to_owned(), text: text.to_owned(), is_test: false })
    }

    #[test]
    fn hashing_past_the_seam_is_found() {
        assert_eq!(
            findings("crates/trie/src/a.rs", "use alloy_primitives::{B256,\n    keccak256};\n").len(),
            1
        );
        assert_eq!(findings("crates/p2p/src/a.rs", "let hash = alloy_primitives::keccak256(x);\n").len(), 1);
        assert!(findings("crates/trie/src/a.rs", "use snapsync_keccak::keccak256;\n").is_empty());
        assert!(
            findings("crates/trie/src/a.rs", "#[cfg(test)]\nuse alloy_primitives::keccak256;\n").is_empty()
        );
    }

    #[test]
    fn clock_in_a_pure_crate_is_found() {
        assert_eq!(findings("crates/sync/src/a.rs", "let now = Instant::now();\n").len(), 1);
        assert!(findings("crates/driver/src/a.rs", "let now = Instant::now();\n").is_empty());
    }

    #[test]
    fn arrow_that_points_up_is_found() {
        let member = |folder: &str, package: &str, dependencies: &[&str]| Crate {
            package: package.to_owned(),
            folder: folder.to_owned(),
            description: String::new(),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        };
        let down = [member("crates/sync", "s", &["t"]), member("crates/trie", "t", &[])];
        assert!(manifests(&down).is_empty());
        let up = [member("crates/sync", "s", &[]), member("crates/trie", "t", &["s", "tokio"])];
        assert_eq!(manifests(&up).len(), 2);
        assert_eq!(manifests(&[member("crates/common", "c", &[])]).len(), 1);
    }
}
