//! A chain of the demo's in memory, executed into both stores, and a node that says of itself what the test wants.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_primitives::{B256, B512, Bytes};
use serde_json::{Value, json};
use snapsync_demo::{Load, LoadedChain};
use snapsync_engine_api::rpc::{
    BadAddress, Dialled, Heads, Host, Limits, Methods, Namespaces, NodeFigures, Parts, PeerBlock,
    PeerFigures, SyncFigures, module,
};
use snapsync_execute::{
    Block, RecentHashes,
    evm::{Config, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_storage::{
    BlockSpan, Chain, Descent, HistoryWrite, MemoryDisk, Open, ProvenBodies, ProvenHeaders, ProvenReceipts,
    Store, Ticket, Write,
};
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm};

const TICKET: Ticket = Ticket(0);

/// A node that does nothing, and says what it is told to say.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) follows: AtomicBool,
    pub(crate) heads: Mutex<Heads>,
    pub(crate) added: Mutex<Vec<String>>,
}

impl Host for Told {
    fn sync(&self) -> Option<SyncFigures> {
        let figures = SyncFigures { highest_block: 77, accounts: 5, ..SyncFigures::default() };
        (!self.follows.load(Ordering::Relaxed)).then_some(figures)
    }

    fn heads(&self) -> Heads {
        *self.heads.lock().unwrap()
    }

    fn peers(&self) -> Vec<PeerFigures> {
        let latest = PeerBlock { number: 9, hash: B256::repeat_byte(9) };
        vec![PeerFigures {
            key: B512::repeat_byte(7),
            name: "other".to_owned(),
            capabilities: vec!["eth/69".to_owned(), "snap/1".to_owned()],
            eth: Some(69),
            snap: Some(1),
            remote: ([10, 0, 0, 1], 30_303).into(),
            local: ([10, 0, 0, 2], 40_000).into(),
            dialled: Dialled::ByPeer,
            is_static: true,
            latest: Some(latest),
        }]
    }

    fn add_peer(&self, address: &str) -> Result<(), BadAddress> {
        if !address.starts_with("enode://") {
            return Err(BadAddress { why: "no enode".to_owned() });
        }
        self.added.lock().unwrap().push(address.to_owned());
        Ok(())
    }

    fn remove_peer(&self, address: &str) -> Result<(), BadAddress> {
        self.added.lock().unwrap().retain(|added| added != address);
        Ok(())
    }

    fn node(&self) -> NodeFigures {
        NodeFigures {
            key: B512::repeat_byte(1),
            name: "snapsync/test".to_owned(),
            network_id: 5,
            address: [127, 0, 0, 1].into(),
            listening: Some(30_303),
            discovery: Some(30_304),
            record: Some("enr:test".to_owned()),
        }
    }

    fn status(&self) -> Value {
        json!({ "phase": "idle" })
    }
}

/// A chain and the methods over it.
pub(crate) struct Made {
    pub(crate) store: Store,
    pub(crate) genesis: Genesis,
    pub(crate) headers: Vec<Header>,
    pub(crate) host: Arc<Told>,
    runtime: tokio::runtime::Runtime,
}

impl Made {
    /// So many blocks of a load above block 0, all of them executed.
    pub(crate) fn of(load: Load, blocks: usize) -> Self {
        let (made, bodies, receipts) = Self::without_bodies(load, blocks);
        if blocks > 0 {
            made.write_bodies(bodies, receipts);
        }
        made
    }

    /// The same, whose bodies and receipts are still to be written.
    pub(crate) fn without_bodies(load: Load, blocks: usize) -> (Self, Vec<Body>, Vec<BlockReceipts>) {
        let folder = tempfile::tempdir().unwrap();
        let (described, blocks) = blocks_of(load, blocks, folder.path());
        let genesis = Genesis::in_text(&described.to_string()).unwrap();
        let store = open(&genesis);
        let header = Header::decode(&genesis.header().into()).unwrap();
        let mut made = Self::around(store, genesis, vec![header]);
        let (bodies, receipts) = made.execute(blocks);
        (made, bodies, receipts)
    }

    /// A directory that holds nothing.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (described, _) = blocks_of(Load::Small, 0, folder.path());
        let genesis = Genesis::in_text(&described.to_string()).unwrap();
        Self::around(open(&genesis), genesis, Vec::new())
    }

    fn around(store: Store, genesis: Genesis, headers: Vec<Header>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self { store, genesis, headers, host: Arc::default(), runtime }
    }

    pub(crate) fn methods(&self) -> Methods {
        self.methods_within(Limits::node())
    }

    pub(crate) fn methods_within(&self, limits: Limits) -> Methods {
        self.methods_of(limits, &Namespaces::all())
    }

    pub(crate) fn methods_of(&self, limits: Limits, namespaces: &Namespaces) -> Methods {
        let chain_id = self.genesis.chain_id().unwrap();
        let parts = Parts {
            state: self.store.state.clone(),
            history: self.store.history.clone(),
            forks: self.genesis.forks(chain_id),
            genesis: Header::decode(&self.genesis.header().into()).unwrap(),
            host: self.host.clone(),
            limits,
        };
        module(parts, namespaces).into()
    }

    /// The result, or the error's code as a number.
    pub(crate) fn ask(&self, methods: &Methods, method: &str, params: Value) -> Value {
        self.ask_raw(methods, method, &params.to_string())
    }

    pub(crate) fn ask_raw(&self, methods: &Methods, method: &str, params: &str) -> Value {
        let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let (answer, _) = self.runtime.block_on(methods.raw_json_request(&request, 1)).unwrap();
        let mut answer: Value = serde_json::from_str(answer.get()).unwrap();
        match answer.get_mut("result") {
            Some(result) => result.take(),
            None => answer["error"]["code"].take(),
        }
    }

    fn execute(&mut self, blocks: Vec<Block>) -> (Vec<Body>, Vec<BlockReceipts>) {
        let forks = self.genesis.forks(self.genesis.chain_id().unwrap());
        let mut steps = self.store.state.writer_steps(Box::new(Open)).unwrap();
        for write in self.genesis.state_writes(TICKET).unwrap() {
            steps.commit(vec![write]).unwrap();
        }
        let mut executor = EvmExecutor::new(Config::node());
        let mut hashes = RecentHashes::from(0, self.genesis.hash());
        let (mut bodies, mut receipts) = (Vec::new(), Vec::new());
        for block in blocks {
            let snapshot = self.store.state.snapshot().unwrap();
            let parent = self.headers.last().unwrap();
            let advanced = execute(&mut executor, &forks, &block, parent, &snapshot, &hashes).unwrap();
            drop(snapshot);
            steps.commit(vec![Write::Block { ticket: TICKET, block: Box::new(advanced.derived) }]).unwrap();
            hashes.push(block.hash());
            bodies.push(block.body().clone());
            receipts.push(BlockReceipts::from_receipts(ReceiptForm::Slim, &advanced.receipts));
            self.headers.push(block.header().clone());
        }
        if !bodies.is_empty() {
            self.write_headers();
        }
        (bodies, receipts)
    }

    fn write_headers(&self) {
        let headers = &self.headers[1..];
        let span = BlockSpan { first: 1, last: headers.len() as u64 };
        let falling = headers.iter().rev().cloned().collect();
        let top = headers.last().unwrap().hash();
        let proven = ProvenHeaders::prove(top, Some(span.last), falling).unwrap();
        let mut steps = self.store.history.writer_steps(Box::new(Open)).unwrap();
        let writes = vec![
            HistoryWrite::Headers {
                ticket: TICKET,
                headers: proven,
                descent: Descent::Begins,
                response_bytes: 0,
            },
            HistoryWrite::Want { ticket: TICKET, blocks: span },
        ];
        steps.commit(writes).unwrap();
    }

    pub(crate) fn write_bodies(&self, bodies: Vec<Body>, receipts: Vec<BlockReceipts>) {
        let headers = &self.headers[1..];
        let bodies = ProvenBodies::prove(headers, bodies).unwrap();
        let receipts = ProvenReceipts::prove(headers, receipts).unwrap();
        let writes = vec![
            HistoryWrite::Bodies { ticket: TICKET, bodies, response_bytes: 0 },
            HistoryWrite::Receipts { ticket: TICKET, receipts, response_bytes: 0 },
        ];
        self.store.history.writer_steps(Box::new(Open)).unwrap().commit(writes).unwrap();
    }
}

fn open(genesis: &Genesis) -> Store {
    let chain = Chain { id: genesis.chain_id().unwrap(), genesis: genesis.hash() };
    Store::open_memory(&MemoryDisk::default(), chain).unwrap()
}

fn blocks_of(load: Load, count: usize, folder: &Path) -> (Value, Vec<Block>) {
    let mut chain = LoadedChain::begin(load, 7, folder).unwrap();
    let blocks = (0..count).map(|_| Block::decode(&Bytes::from(chain.next_block().unwrap().raw)).unwrap());
    let blocks = blocks.collect();
    (chain.described().clone(), blocks)
}
