//! The same chain in a geth and in a directory of ours, and the same questions to both.

use std::{ffi::OsStr, path::Path, sync::Arc, time::Duration};

use alloy_primitives::{B512, Bytes};
use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Forks, TestChain},
    geth::{Geth, Settings},
    program,
};
use snapsync_engine_api::rpc::{
    BadAddress, Heads, Host, Limits, Namespaces, NodeFigures, Parts, PeerFigures, SyncFigures, module,
};
use snapsync_execute::genesis::Genesis;
use snapsync_storage::{HistoryStore, StateStore};
use snapsync_wire::Header;

const PATIENCE: Duration = Duration::from_secs(120);

/// A node that does nothing.
struct Still {
    network_id: u64,
}

impl Host for Still {
    fn sync(&self) -> Option<SyncFigures> {
        None
    }

    fn heads(&self) -> Heads {
        Heads::default()
    }

    fn peers(&self) -> Vec<PeerFigures> {
        Vec::new()
    }

    fn add_peer(&self, _: &str) -> Result<(), BadAddress> {
        Ok(())
    }

    fn remove_peer(&self, _: &str) -> Result<(), BadAddress> {
        Ok(())
    }

    fn node(&self) -> NodeFigures {
        NodeFigures {
            key: B512::ZERO,
            name: "snapsync".to_owned(),
            network_id: self.network_id,
            address: [127, 0, 0, 1].into(),
            listening: Some(30303),
            discovery: None,
            record: None,
        }
    }

    fn status(&self) -> Value {
        json!({})
    }
}

/// Both, and how their answers differ.
pub(crate) struct Both {
    geth: Geth,
    methods: snapsync_engine_api::rpc::Methods,
    runtime: tokio::runtime::Runtime,
    pub(crate) head: u64,
    pub(crate) genesis: Value,
    asked: usize,
    differences: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Both {
    pub(crate) fn of(tools: &Tools, forks: Forks) -> Self {
        let chain = TestChain::of_every_fork(tools, forks).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::serving(chain.expected().network_id);
        // All transactions by their hashes, all logs, and all namespaces that we have.
        let words =
            ["--history.transactions=0", "--history.logs.disable=false", "--http.api=admin,eth,net,web3"];
        settings.arguments.extend(words.map(str::to_owned));
        let geth = chain.serve_with(tools, folder.path(), &settings).unwrap();
        let datadir = folder.path().join("snapsync");
        let genesis = chain.genesis();
        let words = [OsStr::new("import"), OsStr::new("--genesis"), genesis.as_os_str()];
        let places = [OsStr::new("--datadir"), datadir.as_os_str()];
        let blocks = chain.blocks();
        let finished =
            program::run([&words[..], &places[..], &[blocks.as_os_str()]].concat(), PATIENCE).unwrap();
        assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
        Self {
            geth,
            methods: methods(&datadir, &genesis, chain.expected().network_id),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            head: chain.expected().head_number,
            genesis: serde_json::from_slice(&std::fs::read(&genesis).unwrap()).unwrap(),
            asked: 0,
            differences: Vec::new(),
            _folder: folder,
        }
    }

    /// Asks both; the answers must be equal. Errors are compared by their codes, and by what comes with them.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let (ours, geths) = (self.ours(method, &params), self.geths(method, &params));
        self.asked += 1;
        if ours != geths && self.differences.len() < 40 {
            self.differences.push(format!("{method} {}:\n{}", cut(&params), difference("", &ours, &geths)));
        }
        geths
    }

    /// Asks us alone.
    pub(crate) fn ours(&self, method: &str, params: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let (answer, _) = self.runtime.block_on(self.methods.raw_json_request(&request, 1)).unwrap();
        essence(serde_json::from_str(answer.get()).unwrap())
    }

    pub(crate) fn geths(&self, method: &str, params: &Value) -> Value {
        essence(self.geth.rpc().answer(method, params.clone()).unwrap())
    }

    /// Every answer was the same.
    pub(crate) fn finish(self) {
        assert!(self.asked > 20, "only {} questions", self.asked);
        let found = self.differences.len();
        assert!(found == 0, "{found} of {} answers differ:\n{}", self.asked, self.differences.join("\n"));
    }
}

fn methods(datadir: &Path, genesis: &Path, network_id: u64) -> snapsync_engine_api::rpc::Methods {
    let genesis = Genesis::read(genesis).unwrap();
    let chain_id = genesis.chain_id().unwrap();
    let parts = Parts {
        state: StateStore::open_read_only(datadir).unwrap(),
        history: HistoryStore::open_read_only(datadir).unwrap(),
        forks: genesis.forks(chain_id),
        genesis: Header::decode(&Bytes::from(genesis.header())).unwrap(),
        host: Arc::new(Still { network_id }),
        // The largest block of these chains has more logs than one answer may.
        limits: Limits { log_bytes_max: 64 << 20, ..Limits::node() },
    };
    module(parts, &Namespaces::all()).into()
}

/// The result, or the code of the error and its data.
fn essence(mut answer: Value) -> Value {
    match answer.get_mut("error") {
        Some(error) => {
            let message = if error["code"] == 3 { error["message"].take() } else { Value::Null };
            json!({ "code": error["code"], "data": error["data"], "message": message })
        }
        None => json!({ "result": answer["result"].take() }),
    }
}

/// Where two values differ.
fn difference(path: &str, ours: &Value, geths: &Value) -> String {
    if ours == geths {
        return String::new();
    }
    match (ours, geths) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let one = |name: &String| difference(&format!("{path}/{name}"), &ours[name], &geths[name]);
            names.into_iter().map(one).collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.map(|(index, (left, right))| difference(&format!("{path}/{index}"), left, right)).collect()
        }
        _ => format!("  {path}: ours {}, geth's {}\n", cut(ours), cut(geths)),
    }
}

fn cut(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}
