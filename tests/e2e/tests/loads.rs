//! Chains that the demo makes under a load, in geth's own format: geth executes them, and so does `import`, and both stand on the same head.

use std::{ffi::OsStr, fs, time::Duration};

use serde_json::json;
use snapsync_demo::{Load, LoadedChain};
use snapsync_e2e::{datadir::Datadir, order, presence::geth_or_report, program};

const PATIENCE: Duration = Duration::from_secs(60);
const BLOCKS: u64 = 6;

// ROW: F8
#[test]
fn geth_and_import_come_to_the_same_head_under_every_load() {
    let Some(tools) = geth_or_report("geth_and_import_come_to_the_same_head_under_every_load") else {
        return;
    };
    for load in Load::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut chain = LoadedChain::begin(load, 7, &folder.path().join("maker")).unwrap();
        let blocks: Vec<_> = (0..BLOCKS).map(|_| chain.next_block().unwrap()).collect();
        let [genesis, file, exported, datadir] =
            ["genesis.json", "chain.rlp", "exported.rlp", "snapsync"].map(|name| folder.path().join(name));
        fs::write(&genesis, chain.described().to_string()).unwrap();
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| &block.raw).copied().collect();
        fs::write(&file, &bytes).unwrap();

        let geth = Datadir::init(&tools, folder.path().join("geth"), &genesis).unwrap();
        geth.import(&tools, &file).unwrap();
        geth.export(&tools, &exported).unwrap();
        // Block 0 comes before ours.
        assert!(fs::read(&exported).unwrap().ends_with(&bytes), "{load:?}: geth has other blocks");

        let words = [OsStr::new("import"), OsStr::new("--genesis"), genesis.as_os_str()];
        let places = [OsStr::new("--datadir"), datadir.as_os_str(), file.as_os_str()];
        let finished = program::run([words, places].concat(), PATIENCE).unwrap();
        assert_eq!(finished.code(), Some(0), "{load:?}: {}", finished.stderr);
        let status = order::status(&datadir, PATIENCE).unwrap().unwrap();
        let head = blocks.last().unwrap();
        assert_eq!(status["target"]["hash"], json!(head.hash.to_string()), "{load:?}: {status}");
        assert_eq!(head.number, BLOCKS);
    }
}
