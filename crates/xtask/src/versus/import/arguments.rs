//! The words of the command line.

use std::path::PathBuf;

use crate::error::Error;

const USAGE: &str = "usage: cargo xtask versus-import [--runs N] [--only LOAD] [--blocks N] [--json FILE]";

/// What is to be imported, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) runs: usize,
    /// The one load; all of them if there is none.
    pub(crate) only: Option<String>,
    /// Blocks of each chain, instead of as many as its load takes some seconds for.
    pub(crate) blocks: Option<u64>,
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Error> {
        let mut arguments = Self { runs: 5, only: None, blocks: None, json: None };
        let mut words = words;
        while let [name, value, rest @ ..] = words {
            let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or(Error::Usage(USAGE));
            match *name {
                "--runs" => arguments.runs = usize::try_from(number()?).map_err(|_| Error::Usage(USAGE))?,
                "--only" => arguments.only = Some((*value).to_owned()),
                "--blocks" => arguments.blocks = Some(number()?),
                "--json" => arguments.json = Some(value.into()),
                _ => return Err(Error::Usage(USAGE)),
            }
            words = rest;
        }
        if words.is_empty() { Ok(arguments) } else { Err(Error::Usage(USAGE)) }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    #[test]
    fn words_are_pairs_that_we_know() {
        let arguments = Arguments::parse(&["--runs", "3", "--only", "small", "--blocks", "9"]).unwrap();
        assert_eq!(
            (arguments.runs, arguments.only.as_deref(), arguments.blocks),
            (3, Some("small"), Some(9))
        );
        for wrong in [&["--runs"][..], &["--blocks", "0"], &["--fast", "1"]] {
            assert!(Arguments::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
