//! The words of the command line.

use std::path::PathBuf;

use crate::error::Error;

const USAGE: &str = "usage: cargo xtask versus-node [--runs N] [--only payloads|bad-calls|heads] [--blocks N] [--seconds N] \
                     [--chain small|large] [--json FILE]";

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Payloads that are given one after the other.
    Payloads,
    /// The same while somebody else sends what makes no sense.
    BadCalls,
    /// A chain that moves: an empty directory, and restarts.
    Heads,
}

impl Part {
    const ALL: [Self; 3] = [Self::Payloads, Self::BadCalls, Self::Heads];

    const fn name(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::BadCalls => "bad-calls",
            Self::Heads => "heads",
        }
    }
}

/// What is to be compared, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) runs: usize,
    /// The one part; all of them if there is none.
    pub(crate) only: Option<Part>,
    /// Payloads that are given one after the other.
    pub(crate) blocks: u64,
    /// How long a turn beside bad calls takes, and one without.
    pub(crate) seconds: u64,
    /// The chain that an empty directory begins below.
    pub(crate) chain: String,
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Error> {
        let mut arguments =
            Self { runs: 3, only: None, blocks: 400, seconds: 60, chain: "large".to_owned(), json: None };
        let mut words = words;
        while let [name, value, rest @ ..] = words {
            let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or(Error::Usage(USAGE));
            match *name {
                "--runs" => arguments.runs = usize::try_from(number()?).map_err(|_| Error::Usage(USAGE))?,
                "--only" => {
                    let part = Part::ALL.into_iter().find(|part| part.name() == *value);
                    arguments.only = Some(part.ok_or(Error::Usage(USAGE))?);
                }
                "--blocks" => arguments.blocks = number()?,
                "--seconds" => arguments.seconds = number()?,
                "--chain" => arguments.chain = (*value).to_owned(),
                "--json" => arguments.json = Some(value.into()),
                _ => return Err(Error::Usage(USAGE)),
            }
            words = rest;
        }
        if words.is_empty() { Ok(arguments) } else { Err(Error::Usage(USAGE)) }
    }

    /// Whether that part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Part};

    #[test]
    fn words_are_pairs_that_we_know() {
        let arguments = Arguments::parse(&["--runs", "2", "--only", "bad-calls", "--seconds", "9"]).unwrap();
        assert_eq!((arguments.runs, arguments.seconds, arguments.blocks), (2, 9, 400));
        assert!(arguments.wants(Part::BadCalls) && !arguments.wants(Part::Heads));
        let all = Arguments::parse(&["--chain", "small"]).unwrap();
        assert!(Part::ALL.into_iter().all(|part| all.wants(part)));
        for wrong in [&["--runs"][..], &["--blocks", "0"], &["--only", "calls"], &["--fast", "1"]] {
            assert!(Arguments::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
