//! The words of the command line.

use std::path::PathBuf;

use crate::error::Error;

const USAGE: &str = "usage: cargo xtask versus-geth [--runs N] [--chain small|large] [--json FILE]";

/// What is to be compared, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) runs: usize,
    pub(crate) chain: String,
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Error> {
        let mut arguments = Self { runs: 3, chain: "large".to_owned(), json: None };
        let mut words = words;
        while let [name, value, rest @ ..] = words {
            match *name {
                "--runs" => {
                    let runs = value.parse().ok().filter(|runs| *runs > 0);
                    arguments.runs = runs.ok_or(Error::Usage(USAGE))?;
                }
                "--chain" => arguments.chain = (*value).to_owned(),
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
        let arguments = Arguments::parse(&["--runs", "5", "--json", "a.json"]).unwrap();
        assert_eq!((arguments.runs, arguments.chain.as_str()), (5, "large"));
        for wrong in [&["--runs"][..], &["--runs", "0"], &["--fast", "1"]] {
            assert!(Arguments::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
