//! The demo of a chain that moves, as a person runs it: what is told, and how it ends.
//!
//! The chain is small and quick, the lines narrow: the pivot moves before the state is here.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::Duration;

use snapsync_e2e::program;

/// The sync takes some seconds; a machine that does other things takes longer.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn moving_demo_tells_moves_turns_and_kills_and_ends_with_a_verified_state() {
    let chain = ["--accounts", "50000", "--contracts", "200", "--slots", "30000", "--blocks", "20"];
    let pace = ["--block-ms", "100", "--line-kib", "192", "--peers", "3", "--bad-peers", "0"];
    let words = ["demo", "--moving", "--reorgs", "--kill"].into_iter().chain(chain).chain(pace);
    let finished = program::run(words, PATIENCE).unwrap();
    let told = &finished.stderr;
    assert_eq!(finished.code(), Some(0), "{}\n{told}", finished.stdout);
    let lines = |start: &str| told.lines().filter(|line| line.starts_with(start)).count();
    assert!(lines("moved     pivot") >= 1, "{told}");
    assert!(
        told.lines().any(|line| line.starts_with("turned ") && line.contains("is left with them")),
        "{told}"
    );
    assert!(
        told.lines().any(|line| line.starts_with("turned ") && line.contains("on both branches")),
        "{told}"
    );
    assert!(lines("killed ") >= 2, "{told}");
    assert_eq!(lines("killed "), lines("resumed "), "{told}");
    assert_falls_with_a_word(told);
    // Everybody is honest.
    assert_eq!(lines("caught "), 0, "{told}");
    assert!(finished.stdout.contains("\nreconciled   "), "{}", finished.stdout);
    let verified =
        finished.stdout.lines().find(|line| line.starts_with("verified     state root 0x")).unwrap();
    let below = verified.split(", ").last().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(below <= 256, "{verified}");
    println!("{}{told}", finished.stdout);
}

/// The share never falls, but where a line says why.
fn assert_falls_with_a_word(told: &str) {
    let mut before = 0.0;
    for line in told.lines().filter(|line| line.starts_with("share ") || line.starts_with("resumed ")) {
        let share: f64 = line.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        let is_explained = line.contains("more is missing") || line.contains(" less: ");
        assert!(share >= before || is_explained, "from {before} to {line}");
        before = share;
    }
    assert!(before > 90.0, "{told}");
}
