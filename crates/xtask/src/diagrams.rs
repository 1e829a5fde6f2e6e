//! The diagrams that a machine can keep true: the house is drawn from the manifests, and the table of channels names each
//! place where one is made.

use std::{collections::BTreeMap, fmt::Write, fs};

use crate::{
    error::Error,
    house::{self, Crate, Nature, Place},
    source,
};

const HOUSE: &str = "diagrams/house.md";
const CHANNELS: &str = "diagrams/channels.md";

/// What makes a channel with a capacity, or a cell that holds the latest of something.
const MAKERS: [&str; 6] = [
    "bounded(",
    "bounded::<",
    "mpsc::channel(",
    "mpsc::channel::<",
    "watch::channel(",
    "broadcast::channel(",
];

/// What makes a channel without an end, which we never do.
const ENDLESS: [&str; 3] = ["unbounded(", "unbounded::<", "unbounded_channel"];

/// Draws the house.
pub(crate) fn write() -> Result<(), Error> {
    let path = house::root().join(HOUSE);
    fs::create_dir_all(house::root().join("diagrams")).map_err(Error::io("make", "diagrams"))?;
    fs::write(&path, drawing(&house::crates()?)).map_err(Error::io("write", &path))?;
    println!("{HOUSE}");
    Ok(())
}

/// Fails where a diagram is not what it should be.
pub(crate) fn check() -> Result<(), Error> {
    let mut findings = Vec::new();
    if read(HOUSE) != drawing(&house::crates()?) {
        findings.push(format!("{HOUSE} is not up to date: cargo xtask diagrams"));
    }
    findings.extend(channels(&read(CHANNELS))?);
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { check: "diagrams", findings }) }
}

/// A diagram's text; one that is not there is empty, and therefore out of date.
fn read(path: &str) -> String {
    fs::read_to_string(house::root().join(path)).unwrap_or_default()
}

fn drawing(crates: &[Crate]) -> String {
    let mut rows: BTreeMap<u8, Vec<(&Crate, Place)>> = BTreeMap::new();
    for member in crates {
        if let Some(place) = member.place().filter(|place| place.name != "xtask") {
            rows.entry(place.row).or_default().push((member, place));
        }
    }
    let mut text = String::from(
        "# The house\n\nDrawn by `cargo xtask diagrams` from the manifests; `cargo xtask check` compares. A crate depends only on \
         rows\nbelow its own. Round: pure (decides). Square: a worker (does).\n\n```mermaid\nflowchart TB\n",
    );
    for (row, members) in rows.iter().rev() {
        writeln!(text, "  subgraph row{row}[row {row}]").ok();
        for (member, place) in members {
            let name = member.short_name();
            let shape =
                if place.nature == Nature::Pure { format!("([{name}])") } else { format!("[{name}]") };
            writeln!(text, "    {name}{shape}").ok();
        }
        text.push_str("  end\n");
    }
    for (member, _) in rows.values().rev().flatten() {
        for below in dependencies(crates, member) {
            writeln!(text, "  {} --> {below}", member.short_name()).ok();
        }
    }
    text.push_str(
        "```\n\n| row | crate | the question it answers | built from |\n| --- | --- | --- | --- |\n",
    );
    for (row, members) in rows.iter().rev() {
        for (member, place) in members {
            let pure = if place.nature == Nature::Pure { " (pure)" } else { "" };
            let below = dependencies(crates, member).join(", ");
            writeln!(text, "| {row} | {}{pure} | {} | {below} |", member.short_name(), member.description)
                .ok();
        }
    }
    text
}

/// The short names of the crates of the workspace that `member` is built from.
fn dependencies<'a>(crates: &'a [Crate], member: &Crate) -> Vec<&'a str> {
    crates
        .iter()
        .filter(|other| member.dependencies.contains(&other.package))
        .map(Crate::short_name)
        .collect()
}

/// Compares the table of channels with the places where channels are made. A row names its file in backquotes, once for
/// each channel made there.
fn channels(table: &str) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    for file in source::files("crates")?.iter().filter(|file| !file.is_test) {
        let path = file.path.trim_start_matches("crates/");
        if path.starts_with("xtask/") {
            continue;
        }
        let code = file.code();
        let count = |words: &[&str]| words.iter().map(|word| occurrences(&code, word)).sum::<usize>();
        let endless = count(&ENDLESS);
        if endless > 0 {
            findings.push(format!("{path}: a channel without a bound"));
        }
        let (made, drawn) = (count(&MAKERS), occurrences(table, &format!("`{path}`")));
        if made > drawn {
            findings.push(format!("{CHANNELS}: {path} makes {made} channels, {drawn} are drawn"));
        }
    }
    Ok(findings)
}

/// How often `word` stands in `text`: not as the tail of a longer word (`bounded(` is not in `unbounded(`), not where a
/// function of that name is written or a type's own is called (`Log::bounded(`).
fn occurrences(text: &str, word: &str) -> usize {
    let stands = |index: usize| {
        let before = &text[..index];
        let is_tail = before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let in_type =
            before.ends_with("::") && !["channel::", "sync::"].iter().any(|path| before.ends_with(path));
        !is_tail && !in_type && !before.ends_with("fn ")
    };
    text.match_indices(word).filter(|(index, _)| stands(*index)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_whole() {
        let text = "bounded(3); unbounded(); crossbeam_channel::bounded(1); fn bounded() {} Log::bounded(2);";
        assert_eq!(occurrences(text, "bounded("), 2);
        assert_eq!(occurrences("tokio::sync::mpsc::channel(3); mpsc::channel(3)", "mpsc::channel("), 2);
    }

    #[test]
    fn house_is_drawn_from_the_top_down() {
        let member = |name: &str, dependencies: &[&str]| Crate {
            package: format!("snapsync-{name}"),
            folder: format!("crates/{name}"),
            description: "Why.".to_owned(),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        };
        let text = drawing(&[member("keccak", &[]), member("trie", &["snapsync-keccak"])]);
        assert!(text.contains("  trie --> keccak\n"), "{text}");
        assert!(text.find("row 1").unwrap() < text.find("row 0").unwrap());
        assert!(text.contains("| 1 | trie (pure) | Why. | keccak |"), "{text}");
    }
}
