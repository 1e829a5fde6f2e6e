//! A geth that imports a block every tenth of a second while we sync from it alone is never called a liar.

use std::time::Duration;

use snapsync_e2e::{
    chain::TestChain,
    presence::geth_or_report,
    racing::{Race, race},
    recipe::Size,
};

// ROW: F34 F39
#[test]
fn a_geth_that_imports_blocks_while_it_answers_is_not_charged() {
    let Some(tools) = geth_or_report("a_geth_that_imports_blocks_while_it_answers_is_not_charged") else {
        return;
    };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setting = Race {
        block_every: Duration::from_millis(100),
        bytes_per_second: Some(1_000_000),
        patience: Duration::from_secs(240),
    };
    let raced = race(&tools, &chain, folder.path(), setting).unwrap();
    assert_eq!(raced.unfair(), None);
    assert!(raced.blocks > 0, "geth made no block");
}
