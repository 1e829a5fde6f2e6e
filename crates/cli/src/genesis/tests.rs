//! Odd genesis files: what geth takes gives geth's hash and fork id, what it refuses is refused by us with its key.

use std::{fs, path::Path, thread};

use alloy_primitives::{Address, B256, U256, b256};
use alloy_trie::TrieAccount;
use serde_json::json;
use snapsync_demo::{DemoChain, DemoParams};
use snapsync_driver::Chain;
use snapsync_e2e::{
    cache::Tools,
    datadir::Datadir,
    geth::{Geth, Settings},
    presence::geth_or_report,
};
use snapsync_wire::ChainHead;

use snapsync_execute::genesis::Genesis;

use super::{chain, read};

/// Every fork by block, for the start of a `config`.
const TO_LONDON: &str = r#""chainId":7,"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,
    "constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,"londonBlock":0"#;

/// Blobs from Cancun to Amsterdam: without it geth refuses those forks.
const BLOBS: &str = r#""blobSchedule":{"cancun":{"target":3,"max":6,"baseFeeUpdateFraction":3338477},
    "prague":{"target":6,"max":9,"baseFeeUpdateFraction":5007716}}"#;

/// What must be in a file besides `config`.
const REST: &str = r#""difficulty":"0x0","gasLimit":"0x1c9c380","alloc":{}"#;

fn after_london(config: &str, rest: &str) -> String {
    format!(r#"{{"config":{{{TO_LONDON},"terminalTotalDifficulty":0,{BLOBS}{config}}},{REST}{rest}}}"#)
}

fn with_alloc(alloc: &str) -> String {
    format!(r#"{{"config":{{"chainId":7}},"difficulty":1,"gasLimit":1,"alloc":{{{alloc}}}}}"#)
}

/// The smallest chain that the demo makes.
fn demo_chain(seed: u64) -> DemoChain {
    let params = DemoParams { accounts: 1, contracts: 0, slots: 0, blocks: 1, history_from: 0, seed };
    let folder = tempfile::tempdir().unwrap();
    snapsync_demo::open_or_make(params, folder.path()).unwrap().0
}

/// A file, and what is odd about it.
type Odd = (&'static str, String);

/// Files that geth takes.
fn taken() -> Vec<Odd> {
    let demo = ("the demo's own file", demo_chain(7).described.to_string());
    [forms(), forks(), heads(), accounts(), vec![demo]].concat()
}

fn forms() -> Vec<Odd> {
    let big = "1".to_owned() + &"0".repeat(76);
    let address = "00".repeat(19);
    vec![
        (
            "no difficulty, and a total difficulty above 2^64 as a number",
            format!(
                r#"{{"config":{{"chainId":7,"terminalTotalDifficulty":58750000000000000000001}},{REST}}}"#
            ),
        ),
        (
            "a gas limit of 0, a difficulty and a base fee of 256 bits, gas used",
            format!(
                r#"{{"config":{{{TO_LONDON}}},"difficulty":{big},"baseFeePerGas":"{big}","gasLimit":0,"gasUsed":"0x10",
                "alloc":{{}}}}"#
            ),
        ),
        (
            "numbers in every form",
            r#"{"config":{"chainId":7},"nonce":"0XffFFffFFffFFffFF","timestamp":"0017","gasLimit":"0x0001","gasUsed":"",
                "number":"0x0","difficulty":"","alloc":{}}"#
                .to_owned(),
        ),
        (
            "names in other cases, two letters outside of ASCII among them",
            format!(
                r#"{{"CONFIG":{{{},"\u017fhanghaitime":0,"SHANGHAITIME":0,"terminaltotaldifficulty":0}},
                "GASLIMIT":5,"\u0064ifficulty":6,"EXTRADATA":"0x01","mixhash":"0x{}","Alloc":{{
                "0x{address}01":{{"BALANCE":"1","noNce":2,"CODE":"0x6001","\u017ftorage":{{"0x01":"0x02"}}}}}}}}"#,
                TO_LONDON.to_uppercase().replace("BLOCK", "bLOCk"),
                "ab".repeat(32),
            ),
        ),
        (
            "fields that nobody knows",
            format!(
                r#"{{"config":{{{TO_LONDON},"hezeTime":"?","ethash":{{}},"x":[[{{}}]]}},{},"comment":{{"a":[1e9,-1.5]}},
                "baseFee":"soon","withdrawalsRoot":true}}"#,
                REST.replace(
                    "{}",
                    &format!(
                        r#"{{"{address}01":{{"balance":"0x1","secretKey":"0x12","comment":null,"type":{{}}}}}}"#
                    )
                )
            ),
        ),
        (
            "fields and forks that are null",
            r#"{"config":{"chainId":7,"homesteadBlock":null,"londonBlock":null,"shanghaiTime":null,"ethash":null,
                "terminalTotalDifficulty":null,"blobSchedule":null},"nonce":null,"timestamp":null,"extraData":null,
                "mixHash":null,"coinbase":null,"parentHash":null,"baseFeePerGas":null,"excessBlobGas":null,"number":null,
                "gasLimit":1,"difficulty":1,"alloc":{"0x000000000000000000000000000000000000000a":
                {"balance":1,"code":null,"nonce":null,"storage":null}}}"#
                .to_owned(),
        ),
        (
            "names that are there twice, and text behind the end",
            format!(
                r#"{{"config":{{{TO_LONDON}}},"alloc":{{"{address}01":{{"balance":1,"nonce":5}},"{address}02":{{"balance":2}}}},
                "gasLimit":1,"difficulty":1,"config":{{"londonBlock":5,"chainId":8,"berlinBlock":4}},"gasLimit":"2",
                "alloc":{{"0x{address}01":{{"balance":7}}}},"extraData":"0x01","extraData":null}} and so on }}"#
            ),
        ),
    ]
}

fn forks() -> Vec<Odd> {
    vec![
        ("forks by time at 0", after_london(r#","shanghaiTime":0,"cancunTime":0"#, "")),
        (
            "forks by time up to the genesis, blob gas in the file, requests",
            after_london(
                r#","shanghaiTime":0,"cancunTime":5,"pragueTime":17,"osakaTime":18"#,
                r#","timestamp":"0x11","blobGasUsed":"0x20000","excessBlobGas":131072"#,
            ),
        ),
        (
            "Amsterdam from the start, a slot in the file",
            after_london(
                r#","shanghaiTime":0,"cancunTime":0,"pragueTime":0,"osakaTime":0,"amsterdamTime":0"#,
                r#","slotNumber":"77","baseFeePerGas":7"#,
            ),
        ),
        (
            "a blob schedule of forks that have none of their own, in forms that none could have",
            after_london(r#","shanghaiTime":0,"cancunTime":0"#, "").replace(
                r#""blobSchedule":{"#,
                r#""blobSchedule":{"osaka":"?","amsterdam":[1],"bogota":{"max":-1},"#,
            ),
        ),
        (
            "Amsterdam later",
            after_london(r#","shanghaiTime":0,"cancunTime":0,"pragueTime":0,"amsterdamTime":9"#, ""),
        ),
        (
            "London after the start, so that no fork by time holds in block 0",
            format!(
                r#"{{"config":{{{},"shanghaiTime":0}},{REST}}}"#,
                TO_LONDON.replace(r#""londonBlock":0"#, r#""londonBlock":5"#)
            ),
        ),
        ("a base fee before London", format!(r#"{{"config":{{"chainId":7}},"baseFeePerGas":9,{REST}}}"#)),
        (
            "an excess of blob gas before Cancun",
            format!(
                r#"{{"config":{{"chainId":7}},"excessBlobGas":9,"blobGasUsed":8,"slotNumber":7,{REST}}}"#
            ),
        ),
    ]
}

fn heads() -> Vec<Odd> {
    vec![
        (
            "hashes, a nonce and extra data",
            format!(
                r#"{{"config":{{"chainId":7}},"parentHash":"0x{}","coinbase":"0X{}","mixHash":"0x{}",
                "nonce":"0x0000000000000042","extraData":"0XaBcD",{REST}}}"#,
                "12".repeat(32),
                "Ab".repeat(20),
                "34".repeat(32)
            ),
        ),
        (
            "another consensus engine, and no chain id",
            format!(
                r#"{{"config":{{"clique":{{"period":15,"epoch":30000}}}},"extraData":"0x{}",{REST}}}"#,
                "00".repeat(97)
            ),
        ),
    ]
}

fn accounts() -> Vec<Odd> {
    let big = "1".to_owned() + &"0".repeat(76);
    let address = "00".repeat(19);
    vec![
        (
            "balances in every form, the negative one too",
            with_alloc(&format!(
                r#""{address}01":{{"balance":"0x0"}},"0x{address}02":{{"balance":""}},"0X{address}03":{{"balance":{big}}},
                "{address}aB":{{"balance":"1"}},"0x{address}Ab":{{"balance":"0X2"}},"{address}05":{{"balance":"-1"}},
                "{address}06":{{"balance":"0x{}"}},"{address}07":{{"balance":"+12"}}"#,
                "f".repeat(64)
            )),
        ),
        (
            "codes, nonces and slots in every form",
            with_alloc(&format!(
                r#""{address}01":{{"balance":0,"code":"","nonce":"0xffffffffffffffff"}},
                "{address}02":{{"balance":0,"code":"0x","nonce":3,"storage":{{}}}},
                "{address}03":{{"balance":0,"code":"0X6001","storage":{{"0x":"","01":"0xff","0x{0}":"0x{0}"}}}},
                "{address}04":{{"balance":0,"storage":{{"0x05":"0x00","0x06":null}}}},
                "{address}05":{{"balance":0,"storage":{{"":"0x0000"}},"storage":{{"0x07":"08"}}}}"#,
                "9a".repeat(32)
            )),
        ),
    ]
}

/// Files that geth refuses, and the key that we name.
fn refused() -> Vec<(String, &'static str)> {
    let address = "00".repeat(20);
    let account = |members: &str| with_alloc(&format!(r#""{address}":{{{members}}}"#));
    let field = |member: &str| format!(r#"{{"config":{{"chainId":7}},{REST},{member}}}"#);
    vec![
        ("{}".to_owned(), "`config` is missing"),
        (r#"{"config":null,"difficulty":1,"gasLimit":1,"alloc":{}}"#.to_owned(), "`config` is missing"),
        (r#"{"config":{"chainId":7},"gasLimit":1,"alloc":{}}"#.to_owned(), "`difficulty` is missing"),
        (r#"{"config":{"chainId":7},"difficulty":1,"alloc":{}}"#.to_owned(), "`gasLimit` is missing"),
        (
            r#"{"config":{"chainId":7},"difficulty":1,"gasLimit":1,"alloc":null}"#.to_owned(),
            "`alloc` is missing",
        ),
        (field(r#""config":3"#), "`config` is not an object: 3"),
        (field(r#""config":{"chainId":true}"#), "`config.chainId` is not a whole number: true"),
        (field(r#""config":{"LondonBlock":1e3}"#), "`config.LondonBlock` is not"),
        (field(r#""config":{"cancunTime":-1}"#), "`config.cancunTime` is not"),
        (field(r#""config":{"terminalTotalDifficulty":1.5}"#), "`config.terminalTotalDifficulty` is not"),
        (field(r#""gaslimit":"18446744073709551616""#), "`gaslimit` is not a whole number below 2^64"),
        (field(r#""nonce":1e3"#), "`nonce` is not"),
        (field(r#""timestamp":"0x""#), "`timestamp` is not"),
        (field(r#""timestamp":"-1""#), "`timestamp` is not"),
        (field(r#""number":1"#), "`number` is not 0"),
        (field(r#""mixHash":"0x12""#), "`mixHash` is not 32 bytes in hex"),
        (field(r#""coinbase":12"#), "`coinbase` is not 20 bytes in hex: 12"),
        (field(r#""extraData":"0x1""#), "`extraData` is not bytes in hex"),
        (field(r#""difficulty":"ten""#), "`difficulty` is not a whole number below 2^256: \"ten\""),
        (field(r#""alloc":[]"#), "`alloc` is not an object"),
        (with_alloc(r#""0x12":{"balance":1}"#), "`alloc.0x12` is not an address"),
        (account(""), "0000.balance` is missing"),
        (account(r#""balance":"0x1z""#), "0000.balance` is not"),
        (account(&format!(r#""balance":"0x1{}""#, "0".repeat(64))), "0000.balance` is not"),
        (account(r#""balance":1,"nonce":-1"#), "0000.nonce` is not"),
        (account(r#""balance":1,"code":"0x123""#), "0000.code` is not bytes in hex"),
        (account(r#""balance":1,"storage":{"0x1":"0x01"}"#), "0000.storage.0x1` is not"),
        (account(r#""balance":1,"storage":{"0x01":"0x1"}"#), "0000.storage.0x01` is not"),
        (account(r#""balance":1,"storage":{"0x01":1}"#), "0000.storage.0x01` is not"),
        (with_alloc(&format!(r#""{address}":null"#)), "0000` is not an object: null"),
    ]
}

/// What we make of a file's text.
fn ours(folder: &Path, name: &str, text: &str) -> Result<Chain, String> {
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, text).unwrap();
    read(&path, Some(7)).map_err(|error| error.to_string())
}

/// What geth makes of the same file: the hash of block 0.
fn geths(tools: &Tools, folder: &Path, name: &str) -> Result<B256, String> {
    let file = folder.join(format!("{name}.json"));
    let made = Datadir::init_for_hash(tools, folder.join(name), &file);
    made.map(|(_, hash)| hash).map_err(|error| error.to_string())
}

/// Works on `items` in two threads: most of geth's time is its start, on one core.
fn in_two_threads<T: Sync>(items: &[T], work: impl Fn(usize, &T) + Sync) {
    let half = |odd: usize| {
        for (index, item) in items.iter().enumerate().filter(|(index, _)| index % 2 == odd) {
            work(index, item);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| half(0));
        half(1);
    });
}

// ROW: F42
#[test]
fn whatever_geth_takes_gives_geths_hash() {
    let Some(tools) = geth_or_report("whatever_geth_takes_gives_geths_hash") else { return };
    let folder = tempfile::tempdir().unwrap();
    in_two_threads(&taken(), |index, (what, text)| {
        let name = index.to_string();
        let ours = ours(folder.path(), &name, text).unwrap_or_else(|error| panic!("{what}: {error}"));
        let geths = geths(&tools, folder.path(), &name).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(ours.genesis_hash, geths, "{what}: {text}");
    });
}

// ROW: F60
#[test]
fn whatever_geth_refuses_for_its_form_is_refused_with_its_key() {
    let name = "whatever_geth_refuses_for_its_form_is_refused_with_its_key";
    let folder = tempfile::tempdir().unwrap();
    let refused = refused();
    for (index, (text, key)) in refused.iter().enumerate() {
        let error = ours(folder.path(), &index.to_string(), text).unwrap_err();
        assert!(error.contains(key), "{key} is not in: {error}");
        assert!(error.contains(&format!("{index}.json")), "the file is not named: {error}");
    }
    let Some(tools) = geth_or_report(name) else { return };
    in_two_threads(&refused, |index, (text, _)| {
        assert!(geths(&tools, folder.path(), &index.to_string()).is_err(), "geth takes {text}");
    });
}

// ROW: F42
#[test]
fn fork_ids_are_geths() {
    let Some(tools) = geth_or_report("fork_ids_are_geths") else { return };
    let later = TO_LONDON.replace(r#""homesteadBlock":0,"#, "").replace(":0", ":5");
    let huge = "1".to_owned() + &"0".repeat(30);
    let texts = [
        // A fork of the DAO counts though it is not supported. Of a number above 2^64 the last 64 bits do.
        format!(
            r#"{{"config":{{{later},"homesteadBlock":1,"daoForkBlock":3,"daoForkSupport":false,"mergeNetsplitBlock":{huge},
            "terminalTotalDifficulty":0,"shanghaiTime":100,"cancunTime":200,{BLOBS}}},{REST},"timestamp":9}}"#
        ),
        after_london(
            r#","shanghaiTime":5,"cancunTime":9,"pragueTime":10,"osakaTime":10,"ubtTime":11,"amsterdamTime":12"#,
            r#","timestamp":"9""#,
        ),
    ];
    in_two_threads(&texts, |index, text| {
        let folder = tempfile::tempdir().unwrap();
        let ours = ours(folder.path(), &index.to_string(), text).unwrap();
        let file = folder.path().join(format!("{index}.json"));
        let (datadir, hash) = Datadir::init_for_hash(&tools, folder.path().join("geth"), &file).unwrap();
        assert_eq!(ours.genesis_hash, hash, "{text}");
        let geth = Geth::start(&tools, datadir, &Settings::serving(7)).unwrap();
        let config = geth.rpc().call("eth_config", json!([])).unwrap();
        let mut compared = 0;
        for which in ["current", "next", "last"] {
            let Some(timestamp) = config[which]["activationTime"].as_u64() else { continue };
            let id = ours.forks().fork_id(ChainHead { number: u64::MAX, timestamp });
            let shown = json!(alloy_primitives::hex::encode_prefixed(id.hash));
            assert_eq!(config[which]["forkId"], shown, "{which} of {text}");
            compared += 1;
        }
        assert!(compared >= 2, "{config}");
    });
}

// ROW: F42
#[test]
fn genesis_of_a_known_network_gives_its_known_hash() {
    let Some(tools) = geth_or_report("genesis_of_a_known_network_gives_its_known_hash") else { return };
    let folder = tempfile::tempdir().unwrap();
    let known = [
        ("mainnet", b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")),
        ("sepolia", b256!("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9")),
        ("hoodi", b256!("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b")),
    ];
    for (network, hash) in known {
        let text = Datadir::genesis_of(&tools, network).unwrap();
        assert_eq!(ours(folder.path(), network, &text).unwrap().genesis_hash, hash, "{network}");
    }
}

#[test]
fn the_allocation_gives_the_root_that_another_trie_gives() {
    let genesis = Genesis::in_text(&with_alloc(
        r#""0x0000000000000000000000000000000000000001":{"balance":"0x1"},
        "0x0000000000000000000000000000000000000002":{"balance":"0x0","nonce":"0x3","code":"0x6001",
            "storage":{"0x01":"0x02","0x03":"0x00","0x04":"0xffff"}}"#,
    ))
    .unwrap();
    let slot = |key: u8| B256::with_last_byte(key);
    let storage = [(slot(1), U256::from(2)), (slot(4), U256::from(0xffff))];
    let other = [
        (Address::with_last_byte(1), TrieAccount { balance: U256::from(1), ..TrieAccount::default() }),
        (
            Address::with_last_byte(2),
            TrieAccount {
                nonce: 3,
                storage_root: alloy_trie::root::storage_root_unhashed(storage),
                code_hash: alloy_primitives::keccak256([0x60, 1]),
                ..TrieAccount::default()
            },
        ),
    ];
    assert_eq!(genesis.state_root(), alloy_trie::root::state_root_unhashed(other));
}

#[test]
fn a_chain_without_an_id_takes_the_networks_and_has_none_without_it() {
    let genesis = Genesis::in_text(&format!(r#"{{"config":{{}},{REST}}}"#)).unwrap();
    assert_eq!(chain(&genesis, Some(5)).unwrap().chain_id, 5);
    assert_eq!(chain(&genesis, None).unwrap_err().to_string(), "`config.chainId` is missing");
}

#[test]
fn a_state_in_a_binary_tree_is_refused() {
    let text = after_london(r#","enableUBTAtGenesis":true"#, "");
    let error = Genesis::in_text(&text).unwrap_err().to_string();
    assert!(error.starts_with("`config.enableUBTAtGenesis` is not false"), "{error}");
}

#[test]
fn a_file_that_is_no_genesis_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = |text: &str| {
        fs::write(file.path(), text).unwrap();
        let error = read(file.path(), None).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
        error
    };
    assert!(refused("[1, 2]").contains("is not a genesis in JSON"));
    assert!(refused("{\"config\": ").contains("is not a genesis in JSON"));
    assert!(refused("").contains("is not a genesis in JSON"));
    let nowhere = Path::new("/nowhere/genesis.json");
    assert!(read(nowhere, None).unwrap_err().to_string().contains("/nowhere/genesis.json"));
}

#[test]
fn the_demo_s_file_describes_its_block_zero_and_nothing_but_the_seed_differs() {
    let made = demo_chain(7);
    let described = Genesis::in_text(&made.described.to_string()).unwrap();
    let read = chain(&described, None).unwrap();
    assert_eq!(read.genesis_hash, made.genesis);
    assert_eq!((read.chain_id, read.genesis_time), (made.network_id, made.genesis_timestamp));
    assert!(read.fork_blocks.is_empty() && read.fork_times.is_empty());
    assert_ne!(made.genesis, demo_chain(8).genesis);
}
