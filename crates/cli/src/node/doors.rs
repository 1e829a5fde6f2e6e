//! The doors of a node: the Engine API behind its secret, and JSON-RPC for whoever reaches its port, for as long as the sync runs.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use snapsync_driver::Remote;
use snapsync_engine_api::{
    ClientVersion, EngineApi, Guard, JwtSecret, Limits, Running,
    rpc::{self, Namespaces, Parts},
    serve,
};
use snapsync_execute::Forks;
use snapsync_wire::Header;

use crate::{
    exit::{Exit, Failure},
    node::driven::Driven,
};

/// What the doors are made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) authrpc: SocketAddr,
    pub(crate) secret: PathBuf,
    pub(crate) http: Option<Http>,
    pub(crate) forks: Forks,
    /// Block 0's header.
    pub(crate) genesis: Header,
    pub(crate) datadir: PathBuf,
    pub(crate) network_id: u64,
}

/// Where and what JSON-RPC answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    /// Where it is heard.
    pub(crate) at: SocketAddr,
    /// Groups of methods.
    pub(crate) api: String,
    /// Names by which it may be called.
    pub(crate) names: Vec<String>,
}

/// The doors, open.
#[derive(Debug)]
pub(crate) struct Doors {
    driven: Arc<Driven>,
    authrpc: Running,
    http: Option<Running>,
}

impl Doors {
    /// Opens them.
    ///
    /// # Errors
    /// The secret cannot be read or made; a port is taken; a group of methods that is not there was asked for.
    pub(crate) async fn open(plan: Plan, remote: &Remote) -> Result<Self, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let client = format!("snapsync/v{version}/{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let (state, history) = remote.stores();
        let driven = Driven::new(remote.clone(), plan.datadir.clone(), plan.network_id, client);
        let secret = JwtSecret::read_or_make(&plan.secret)
            .map_err(|error| Failure::new(Exit::DataDirectory, error))?;
        let parts = || Parts {
            state: state.clone(),
            history: history.clone(),
            forks: plan.forks.clone(),
            genesis: plan.genesis.clone(),
            host: Arc::clone(&driven) as _,
            limits: rpc::Limits::node(),
        };
        let client =
            ClientVersion { name: "snapsync".into(), version: format!("v{version}"), commit: [0; 4] };
        let (forks, genesis) = (plan.forks.clone(), plan.genesis.clone());
        let engine = EngineApi::new(Arc::clone(&driven) as _, forks, genesis, history.clone(), client);
        let cannot = |error: &dyn std::fmt::Display| Failure::new(Exit::Failure, error);
        let mut methods = engine.into_module();
        methods.merge(rpc::module(parts(), &Namespaces::public())).map_err(|error| cannot(&error))?;
        let guard = Guard::Token(secret);
        let authrpc =
            serve(methods, plan.authrpc, guard, Limits::engine()).await.map_err(|error| cannot(&error))?;
        let http = match plan.http {
            None => None,
            Some(Http { at, api, names }) => {
                let api: Namespaces = api.parse().map_err(|why| Failure::new(Exit::Usage, why))?;
                let opened =
                    serve(rpc::module(parts(), &api), at, Guard::Names(names), Limits::public()).await;
                match opened {
                    Ok(http) => Some(http),
                    Err(error) => {
                        authrpc.stop().await;
                        return Err(cannot(&error));
                    }
                }
            }
        };
        Ok(Self { driven, authrpc, http })
    }

    /// What is said of them: the ports may be the system's choice.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut lines = vec![format!("the consensus client is heard at http://{}", self.authrpc.addr())];
        lines
            .extend(self.http.as_ref().map(|http| format!("JSON-RPC is answered at http://{}", http.addr())));
        lines
    }

    /// What is to be told of the consensus client now.
    pub(crate) fn news(&self) -> Option<String> {
        self.driven.news()
    }

    /// How long the consensus client has said nothing; `None`: it never has said anything.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.driven.silence()
    }

    /// Closes them, once what was asked is answered.
    pub(crate) async fn close(self) {
        self.authrpc.stop().await;
        if let Some(http) = self.http {
            http.stop().await;
        }
    }
}
