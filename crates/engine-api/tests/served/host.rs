//! A node that says what it is told to, and an engine in front of it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use alloy_primitives::B256;
use futures::{FutureExt, future::BoxFuture};
use jsonrpsee::RpcModule;
use snapsync_engine_api::{
    ClientVersion, EngineApi, Guard, JwtSecret, Limits, Node, Running, Stopped, serve,
};
use snapsync_execute::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict};
use snapsync_storage::HistoryStore;
use tokio::sync::Semaphore;

use crate::{chain, client::Client};

/// What a node was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Payload(u64, B256),
    Choose(Forkchoice),
}

/// A node that says what it is told to: first what was put in its mouth, then that it is syncing.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) payloads: Mutex<VecDeque<PayloadVerdict>>,
    pub(crate) heads: Mutex<VecDeque<ForkchoiceVerdict>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
    /// What it was given.
    pub(crate) given: Mutex<Vec<NewPayload>>,
    /// How many answers it may give; without end unless it is held.
    pub(crate) answers: Semaphore,
    pub(crate) is_stopped: AtomicBool,
    inside: AtomicUsize,
    /// How many calls it was ever at, at once.
    pub(crate) inside_max: AtomicUsize,
}

impl Told {
    fn new() -> Self {
        Self {
            payloads: Mutex::default(),
            heads: Mutex::default(),
            asked: Mutex::default(),
            given: Mutex::default(),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
            is_stopped: false.into(),
            inside: 0.into(),
            inside_max: 0.into(),
        }
    }

    pub(crate) fn says(&self, verdict: PayloadVerdict) {
        self.payloads.lock().unwrap().push_back(verdict);
    }

    pub(crate) fn says_of_head(&self, verdict: ForkchoiceVerdict) {
        self.heads.lock().unwrap().push_back(verdict);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// From now on it answers as often as it is let.
    pub(crate) fn hold(&self) {
        self.answers.forget_permits(Semaphore::MAX_PERMITS);
    }

    async fn answer(&self) -> Result<(), Stopped> {
        self.inside_max.fetch_max(self.inside.fetch_add(1, SeqCst) + 1, SeqCst);
        self.answers.acquire().await.map_err(|_| Stopped)?.forget();
        self.inside.fetch_sub(1, SeqCst);
        if self.is_stopped.load(SeqCst) { Err(Stopped) } else { Ok(()) }
    }
}

impl Node for Told {
    fn new_payload(&self, payload: NewPayload) -> BoxFuture<'_, Result<PayloadVerdict, Stopped>> {
        async move {
            let (number, hash) = (payload.header.number, payload.header.hash());
            self.asked.lock().unwrap().push(Asked::Payload(number, hash));
            self.given.lock().unwrap().push(payload);
            self.answer().await?;
            Ok(self.payloads.lock().unwrap().pop_front().unwrap_or(PayloadVerdict::Syncing))
        }
        .boxed()
    }

    fn choose(&self, forkchoice: Forkchoice) -> BoxFuture<'_, Result<ForkchoiceVerdict, Stopped>> {
        async move {
            self.asked.lock().unwrap().push(Asked::Choose(forkchoice));
            self.answer().await?;
            Ok(self.heads.lock().unwrap().pop_front().unwrap_or(ForkchoiceVerdict::Syncing))
        }
        .boxed()
    }
}

/// An engine that runs.
pub(crate) struct Host {
    pub(crate) node: Arc<Told>,
    pub(crate) running: Running,
    pub(crate) secret: JwtSecret,
}

/// What hosts are made of.
pub(crate) fn secret() -> JwtSecret {
    JwtSecret::new([0x5e; 32])
}

/// The methods of a node that says what it is told to.
pub(crate) fn methods(node: &Arc<Told>, history: HistoryStore) -> RpcModule<EngineApi> {
    let client = ClientVersion {
        name: "snapsync".to_owned(),
        version: "v0.1.0".to_owned(),
        commit: [0xde, 0xad, 0xbe, 0xef],
    };
    let mut module =
        EngineApi::new(node.clone(), chain::forks(), chain::genesis(), history, client).into_module();
    // Somebody else's, on the same port.
    let mut others = RpcModule::new(());
    others.register_method("eth_chainId", |_, (), _| "0x7").unwrap();
    module.merge(others).unwrap();
    module
}

impl Host {
    /// One with a chain of its own, which is held whole.
    pub(crate) async fn start() -> Self {
        Self::with(Limits::engine(), chain::held().history.clone()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::with(limits, chain::held().history.clone()).await
    }

    pub(crate) async fn with(limits: Limits, history: HistoryStore) -> Self {
        let node = Arc::new(Told::new());
        let secret = secret();
        let addr = "127.0.0.1:0".parse().unwrap();
        let running =
            serve(methods(&node, history), addr, Guard::Token(secret.clone()), limits).await.unwrap();
        Self { node, running, secret }
    }

    /// A caller that has the secret.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.running.addr(), Some(self.secret.clone())).await
    }
}
