//! What a run tells about itself: a trace that replays to the same decisions, and figures.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use snapsync_e2e::{chain::TestChain, order::Order, presence::geth_or_report, recipe::Size};

const PATIENCE: Duration = Duration::from_secs(120);

// ROW: F5, F19, F60
#[test]
fn trace_of_a_real_sync_replays_to_the_same_effects() {
    let Some(tools) = geth_or_report("trace_of_a_real_sync_replays_to_the_same_effects") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let file = folder.path().join("trace");
    let order = Order::to_head_of(&chain, geth.enode(), folder.path().join("snapsync"));
    let order = order.with(["--trace".as_ref(), file.as_os_str()]);
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);

    let trace = fs::read_to_string(&file).unwrap();
    let effects = fs::read_to_string(file.with_extension("effects")).unwrap();
    let replayed = snapsync_sync::replay(trace.lines()).unwrap();
    assert_eq!(replayed.to_string(), effects.trim());
    assert!(trace.lines().count() > 50, "{trace}");
    // Every event counts: without the ones from the derived root on, the effects are others.
    let lines: Vec<&str> = trace.lines().collect();
    let rebuilt = lines.iter().rposition(|line| line.contains("\"Rebuilt\"")).unwrap();
    assert_ne!(snapsync_sync::replay(lines[..rebuilt].iter().copied()).unwrap(), replayed);
}

// ROW: F29, F65
#[test]
fn bench_gives_figures_and_stays_within_its_memory() {
    let Some(tools) = geth_or_report("bench_gives_figures_and_stays_within_its_memory") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let expected = chain.expected();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let order = Order::to_head_of(&chain, geth.enode(), folder.path().join("snapsync"));
    let finished = order.with(["--memory", "64"]).bench(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let figures: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(figures["state_root"], json!(expected.state.root.to_string()), "{figures}");
    assert_eq!(figures["block"], json!(expected.head_number), "{figures}");
    assert_eq!(figures["fetched"]["accounts"], json!(expected.state.accounts), "{figures}");
    for name in ["accounts_per_second", "slots_per_second", "bytes_per_second", "cpu_seconds"] {
        assert!(figures[name].as_f64().is_some_and(|figure| figure > 0.0), "{name} in {figures}");
    }
    for name in ["answer_bytes", "peak_rss_bytes", "keccak_messages"] {
        assert!(figures[name].as_u64().is_some_and(|figure| figure > 0), "{name} in {figures}");
    }
    let peak = figures["peak_anonymous_bytes"].as_u64().unwrap();
    assert!(peak > 0 && peak <= (64 + 64) << 20, "{figures}");
}
