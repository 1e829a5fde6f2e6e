//! The table that a run ends with: who did what in how many nanoseconds a leaf, and how that stands to the others.

use std::fmt;

use crate::Machine;

/// How many times faster than the others a kernel is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Than ethrex-trie.
    pub ethrex: f64,
    /// Than HashBuilder.
    pub hash_builder: f64,
}

/// One contender's figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who.
    pub contender: String,
    /// CPU nanoseconds a leaf, the median.
    pub nanoseconds: f64,
    /// What is asked of it; nothing of the others.
    pub goal: Option<Goal>,
}

/// One piece of work, and all who did it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest {
    /// What was done.
    pub work: String,
    /// Our kernels first, then the others.
    pub entries: Vec<Entry>,
}

/// The name of the first rival.
pub const ETHREX: &str = "ethrex-trie";
/// The name of the second.
pub const HASH_BUILDER: &str = "HashBuilder";

impl Contest {
    fn of(&self, contender: &str) -> Option<f64> {
        self.entries.iter().find(|entry| entry.contender == contender).map(|entry| entry.nanoseconds)
    }

    /// All contests as one table, with the machine's features below it.
    pub fn table(contests: &[Self], machine: &Machine) -> String {
        let header = ["work", "who", "ns/leaf", "M leaves/s", "x ethrex-trie", "x HashBuilder", "asked", ""];
        let mut rows = vec![header.map(str::to_owned)];
        for contest in contests {
            rows.extend(contest.entries.iter().map(|entry| contest.row(entry)));
        }
        let mut widths = [0; 8];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right.
                let padded = if index < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                text.push_str(&padded);
                text.push_str("  ");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push_str(&format!("machine: {machine}\n"));
        text
    }

    fn row(&self, entry: &Entry) -> [String; 8] {
        let ratio = |rival: &str| self.of(rival).map(|rival| rival / entry.nanoseconds);
        let (ethrex, hash_builder) = (ratio(ETHREX), ratio(HASH_BUILDER));
        let is_met = entry.goal.map(|goal| {
            ethrex.is_none_or(|ratio| ratio >= goal.ethrex)
                && hash_builder.is_none_or(|ratio| ratio >= goal.hash_builder)
        });
        let times = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        [
            self.work.clone(),
            entry.contender.clone(),
            format!("{:.0}", entry.nanoseconds),
            format!("{:.2}", 1e3 / entry.nanoseconds),
            times(ethrex),
            times(hash_builder),
            entry.goal.map_or_else(String::new, |goal| goal.to_string()),
            is_met.map_or("", |is_met| if is_met { "met" } else { "NOT MET" }).to_owned(),
        ]
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.ethrex, self.hash_builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_held_against_what_is_asked() {
        let entry =
            |contender: &str, nanoseconds, goal| Entry { contender: contender.to_owned(), nanoseconds, goal };
        let goal = |ethrex| Some(Goal { ethrex, hash_builder: 2.0 });
        let entries = vec![
            entry("fast", 100.0, goal(6.0)),
            entry("slow", 200.0, goal(6.0)),
            entry(ETHREX, 1000.0, None),
            entry(HASH_BUILDER, 500.0, None),
        ];
        let contest = Contest { work: "root".to_owned(), entries };
        let table = Contest::table(&[contest], &Machine::default());
        let line = |word: &str| table.lines().find(|line| line.contains(word)).unwrap().to_owned();
        assert!(line("slow").ends_with("NOT MET") && line("fast").ends_with(" met"), "{table}");
    }
}
