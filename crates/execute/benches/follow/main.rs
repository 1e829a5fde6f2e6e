//! What blocks cost on a large state: executed, brought by their lists, and taken back.
//!
//! `cargo bench --workspace --bench follow -- large [BLOCKS] [TRANSFERS] [SLOTS] [LEAVES]...` for large blocks at the head on states of each of
//! these sizes, `.. -- catch-up [BLOCKS] [LEAVES]` for many usual blocks one behind the other: see `head` and `catch_up`. Without a word it
//! runs both, small. A hundred million leaves need 17 GB of the temporary directory, where each size is removed before the next is laid. Wall
//! times of a run beside other work say nothing.

mod catch_up;
mod chain;
mod head;
mod meter;
mod node;
mod paths;
mod state;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let (word, rest) = words.split_first().map_or(("", &[][..]), |(word, rest)| (word.as_str(), rest));
    match word {
        "large" => head::run(&rest.iter().map(|word| word.parse()).collect::<Result<Vec<_>, _>>()?),
        "catch-up" => catch_up::run(rest),
        "" => head::run(&[]).and_then(|()| catch_up::run(&[])),
        other => Err(format!("`large` or `catch-up`, not `{other}`").into()),
    }
}
