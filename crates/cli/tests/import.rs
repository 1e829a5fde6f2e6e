//! `import`: a chain that geth made, executed by the program from its genesis, in parts, past a kill, up to a bad block.

mod program;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use alloy_primitives::Bytes;
use program::{json, snapsync, stderr, stdout};
use snapsync_e2e::{
    chain::{Forks, TestChain},
    patience,
    presence::geth_or_report,
};
use snapsync_storage::StateStore;
use snapsync_wire::Header;

fn word(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

fn words(chain: &TestChain, datadir: &Path, files: &[PathBuf]) -> Vec<String> {
    let mut words = vec![
        "import".to_owned(),
        "--genesis".to_owned(),
        word(&chain.genesis()),
        "--datadir".to_owned(),
        word(datadir),
    ];
    words.extend(files.iter().map(|file| word(file)));
    words
}

/// Where each block of a chain file ends.
fn ends(file: &[u8]) -> Vec<usize> {
    let mut rest = file;
    let mut ends = Vec::new();
    while !rest.is_empty() {
        alloy_rlp::Header::decode_raw(&mut rest).expect("a block");
        ends.push(file.len() - rest.len());
    }
    ends
}

/// The number of the block that begins here.
fn number_of(file: &[u8]) -> u64 {
    let mut items = alloy_rlp::Header::decode_bytes(&mut &file[..], true).expect("a block");
    let header = items;
    alloy_rlp::Header::decode_raw(&mut items).expect("a header");
    let header = Bytes::copy_from_slice(&header[..header.len() - items.len()]);
    Header::decode(&header).expect("a header").number
}

fn head(datadir: &Path) -> Option<(u64, String)> {
    let store = StateStore::open_read_only(datadir).ok()?;
    let whole = store.snapshot().ok()?.progress().ok()??.whole()?;
    Some((whole.number, whole.hash.to_string()))
}

fn assert_whole(chain: &TestChain, datadir: &Path) {
    let expected = chain.expected();
    assert_eq!(head(datadir), Some((expected.head_number, expected.head_hash.to_string())));
    let run = snapsync(["verify", "--json", "--datadir", &word(datadir)]);
    let report = json(&run);
    assert_eq!(run.status.code(), Some(0), "{report}");
    assert_eq!(report["complete"], true, "{report}");
    assert_eq!(report["accounts"], expected.state.accounts, "{report}");
    assert_eq!(report["slots"], expected.state.slots, "{report}");
    assert!(report["receipts"].as_u64() >= Some(expected.head_number), "{report}");
}

#[test]
fn a_chain_is_imported_in_parts_with_gzip_and_without_and_once_only() {
    let Some(tools) = geth_or_report("a_chain_is_imported_in_parts_with_gzip_and_without_and_once_only")
    else {
        return;
    };
    let chain = TestChain::of_every_fork(&tools, Forks::ToPrague).expect("a chain");
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(chain.blocks()).expect("a file");
    let ends = ends(&bytes);
    let (first, second) = bytes.split_at(ends[ends.len() / 2]);
    let (packed, rest) = (folder.path().join("first.rlp.gz"), folder.path().join("second.rlp"));
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(&packed).expect("a file"),
        flate2::Compression::fast(),
    );
    gzip.write_all(first).expect("written");
    gzip.finish().expect("written");
    fs::write(&rest, second).expect("written");
    let datadir = folder.path().join("data");
    // What does not follow is bad, and named.
    let run = snapsync(words(&chain, &datadir, std::slice::from_ref(&rest)));
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(stderr(&run).contains("is bad: its parent is"), "{}", stderr(&run));
    let run = snapsync(words(&chain, &datadir, &[packed.clone(), rest.clone()]));
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).contains("Mgas/s"), "{}", stdout(&run));
    assert_whole(&chain, &datadir);
    let run = snapsync(words(&chain, &datadir, &[packed, rest]));
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).contains("imported     0 blocks"), "{}", stdout(&run));
}

#[test]
fn a_bad_block_ends_an_import_with_its_reason_and_a_good_one_goes_on() {
    let Some(tools) = geth_or_report("a_bad_block_ends_an_import_with_its_reason_and_a_good_one_goes_on")
    else {
        return;
    };
    let chain = TestChain::of_every_fork(&tools, Forks::ToAmsterdam).expect("a chain");
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(chain.blocks()).expect("a file");
    let ends = ends(&bytes);
    let mut wrong = bytes[..ends[20]].to_vec();
    // Two list heads of three bytes, parent and ommers of 33 bytes, the maker's 21: then the state root.
    wrong[ends[19] + 3 + 3 + 33 + 33 + 21 + 1] ^= 1;
    let file = folder.path().join("wrong.rlp");
    fs::write(&file, &wrong).expect("written");
    let datadir = folder.path().join("data");
    let run = snapsync(words(&chain, &datadir, &[file]));
    assert_eq!(run.status.code(), Some(5), "{}{}", stdout(&run), stderr(&run));
    assert!(stderr(&run).contains("is bad: its state root is"), "{}", stderr(&run));
    // What came before is kept, and nothing of it.
    let kept = number_of(&wrong[ends[19]..]) - 1;
    assert_eq!(head(&datadir).map(|(number, _)| number), Some(kept));
    let run = snapsync(words(&chain, &datadir, &[chain.blocks()]));
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).contains(&format!("above block {kept}")), "{}", stdout(&run));
    assert_whole(&chain, &datadir);
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let Some(tools) = geth_or_report("an_import_that_is_killed_goes_on_where_it_was") else { return };
    let chain = TestChain::of_every_fork(&tools, Forks::ToAmsterdam).expect("a chain");
    let folder = tempfile::tempdir().expect("a folder");
    let datadir = folder.path().join("data");
    let words = words(&chain, &datadir, &[chain.blocks()]);
    for least in [5, 60, 120] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_snapsync"))
            .args(&words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let reached = || head(&datadir).filter(|(number, _)| *number >= least);
        patience::until("a block", Duration::from_secs(120), reached, String::new).expect("a head");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let run = snapsync(&words);
    assert_eq!(run.status.code(), Some(0), "{}{}", stdout(&run), stderr(&run));
    assert!(stdout(&run).contains("goes on      above block"), "{}", stdout(&run));
    assert_whole(&chain, &datadir);
}

#[test]
fn files_that_are_none_are_named_and_exit_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let genesis = folder.path().join("genesis.json");
    fs::write(&genesis, r#"{"config":{"chainId":7},"difficulty":1,"gasLimit":5000,"alloc":{}}"#)
        .expect("written");
    let noise = folder.path().join("noise.rlp");
    fs::write(&noise, [0x80]).expect("written");
    let datadir = folder.path().join("data");
    let import = |genesis: &Path, chain: &Path| {
        snapsync(["import", "--genesis", &word(genesis), "--datadir", &word(&datadir), &word(chain)])
    };
    for (genesis, chain, named) in [
        (&genesis, &noise, &noise),
        (&genesis, &folder.path().join("nothing.rlp"), &folder.path().join("nothing.rlp")),
        (&folder.path().join("nothing.json"), &noise, &folder.path().join("nothing.json")),
    ] {
        let run = import(genesis, chain);
        assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
        assert!(stderr(&run).contains(&word(named)), "{}", stderr(&run));
    }
}
