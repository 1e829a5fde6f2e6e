//! `check glossary`: one word, one idea. Each word of docs/GLOSSARY.md is the name of one type, in the crate that it says.
//!
//! It looks at names only: whether a word is used for what its line says, a reader must see.

use std::{collections::BTreeMap, fs};

use crate::{
    error::Error,
    house,
    source::{self, Source},
};

const GLOSSARY: &str = "docs/GLOSSARY.md";

/// What a type may begin with, behind its visibility.
const KINDS: [&str; 4] = ["struct ", "enum ", "trait ", "type "];

/// Looks that words rise, stand once, and are defined once.
pub(crate) fn check() -> Result<(), Error> {
    let path = house::root().join(GLOSSARY);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let findings = findings(&words(&text), &defined(&source::files("crates")?));
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { check: "the glossary", findings }) }
}

/// Words with the crates that they are said to be of: lines `- **word** (crate): meaning`.
fn words(text: &str) -> Vec<(&str, &str)> {
    let entry = |line| {
        let (word, rest) = str::strip_prefix(line, "- **")?.split_once("** (")?;
        Some((word, rest.split_once("): ")?.0))
    };
    text.lines().filter_map(entry).collect()
}

/// Files that define a type, by its name.
fn defined(files: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_ours = |file: &&Source| !file.is_test && !file.path.starts_with("crates/xtask/");
    for file in files.iter().filter(is_ours) {
        for line in file.code().lines() {
            let item = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
            let Some(rest) = KINDS.iter().find_map(|kind| item.strip_prefix(kind)) else { continue };
            let end = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
            defined.entry(rest[..end].to_owned()).or_default().push(file.path.clone());
        }
    }
    defined
}

fn findings(words: &[(&str, &str)], defined: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut findings = Vec::new();
    for pair in words.windows(2).filter(|pair| pair[0].0 >= pair[1].0) {
        findings.push(format!("{GLOSSARY}: `{}` stands before `{}`", pair[0].0, pair[1].0));
    }
    for (word, home) in words {
        let places = defined.get(*word).map_or(&[][..], Vec::as_slice);
        let at_home = places.iter().any(|path| path.starts_with(&format!("crates/{home}/")));
        if places.len() != 1 || !at_home {
            findings.push(format!("{GLOSSARY}: `{word}` is of {home}; it is defined in {places:?}"));
        }
    }
    if words.is_empty() {
        findings.push(format!("{GLOSSARY}: it has no words"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), is_test: false }
    }

    #[test]
    fn word_is_one_type_of_one_crate() {
        let text = "# Words\n- **Book** (peers): a.\n- **Pin** (sync): b.\n";
        assert_eq!(words(text), [("Book", "peers"), ("Pin", "sync")]);
        let good = [
            file("crates/peers/src/book.rs", "pub struct Book<T> {\n"),
            file("crates/sync/src/pin.rs", "pub(crate) enum Pin {}\n// struct Book {}\n"),
        ];
        assert_eq!(findings(&words(text), &defined(&good)), [""; 0]);
        let twice = [good[0].clone(), good[1].clone(), file("crates/serve/src/b.rs", "type Pin = u8;\n")];
        assert_eq!(findings(&words(text), &defined(&twice)).len(), 1);
        let moved = [good[0].clone(), file("crates/trie/src/pin.rs", "struct Pin;\n")];
        assert_eq!(findings(&words(text), &defined(&moved)).len(), 1);
        assert_eq!(findings(&[("Pin", "sync"), ("Book", "peers")], &defined(&good)).len(), 1, "they rise");
        assert_eq!(findings(&[], &defined(&good)).len(), 1);
    }
}
