//! The sync as the servers of a node see it: what a consensus client drives, and what `eth_syncing` and `admin_peers` tell.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::B512;
use futures::future::BoxFuture;
use snapsync_driver::{Forkchoice, ForkchoiceVerdict, NewPayload, PayloadVerdict, Remote};
use snapsync_engine_api::{
    Node, Stopped,
    rpc::{BadAddress, Dialled, Heads, Host, NodeFigures, PeerBlock, PeerFigures, SyncFigures},
};
use snapsync_p2p::{Contact, Direction};

use crate::{commands::status, node::hearing::Hearing};

/// The sync, for servers.
#[derive(Debug)]
pub(crate) struct Driven {
    remote: Remote,
    datadir: PathBuf,
    network_id: u64,
    client: String,
    /// What was called safe and final last, of what was found right.
    heads: Mutex<Heads>,
    started: Instant,
    hearing: Mutex<Hearing>,
}

impl Driven {
    pub(crate) fn new(remote: Remote, datadir: PathBuf, network_id: u64, client: String) -> Arc<Self> {
        let (heads, started, hearing) = (Mutex::default(), Instant::now(), Mutex::default());
        Arc::new(Self { remote, datadir, network_id, client, heads, started, hearing })
    }

    /// What is to be told of the consensus client now.
    pub(crate) fn news(&self) -> Option<String> {
        self.hearing().poll(self.started.elapsed())
    }

    /// How long the consensus client has said nothing; `None`: it never has said anything.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.hearing().silence(self.started.elapsed())
    }

    fn hear(&self) {
        self.hearing().on_call(self.started.elapsed());
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node for Driven {
    fn new_payload(&self, payload: NewPayload) -> BoxFuture<'_, Result<PayloadVerdict, Stopped>> {
        self.hear();
        let verdict = self.remote.new_payload(payload);
        Box::pin(async { verdict.await.map_err(|_| Stopped) })
    }

    fn choose(&self, forkchoice: Forkchoice) -> BoxFuture<'_, Result<ForkchoiceVerdict, Stopped>> {
        self.hear();
        let verdict = self.remote.choose(forkchoice);
        Box::pin(async move {
            let verdict = verdict.await.map_err(|_| Stopped)?;
            if verdict == ForkchoiceVerdict::Valid {
                let [safe, finalized] = [forkchoice.safe, forkchoice.finalized]
                    .map(|hash| Some(hash).filter(|hash| !hash.is_zero()));
                *self.heads.lock().unwrap_or_else(PoisonError::into_inner) = Heads { safe, finalized };
            }
            Ok(verdict)
        })
    }
}

impl Host for Driven {
    fn sync(&self) -> Option<SyncFigures> {
        let progress = self.remote.progress();
        let is_there = progress.state_at.is_some() && progress.state_at >= progress.head_number;
        if is_there && progress.phase == "follow" {
            return None;
        }
        Some(SyncFigures {
            current_block: progress.state_at.unwrap_or_default(),
            highest_block: progress.head_number.or(progress.target_number).unwrap_or_default(),
            accounts: progress.durable.accounts,
            slots: progress.durable.slots,
            codes: progress.durable.codes,
            healed_nodes: progress.reconciled.nodes,
            healing_codes: progress.codes_pending as u64,
            lists: progress.reconciled.lists,
            lists_total: progress.reconciled.lists,
            ..SyncFigures::default()
        })
    }

    fn heads(&self) -> Heads {
        *self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peers(&self) -> Vec<PeerFigures> {
        let local = self.remote.listens_at().address;
        let figures = self.remote.peers().into_iter().map(|peer| PeerFigures {
            key: B512::from_slice(peer.enode.id.as_bytes()),
            name: peer.client,
            capabilities: std::iter::once(format!("eth/{}", peer.eth))
                .chain(peer.snap.map(|snap| format!("snap/{snap}")))
                .collect(),
            eth: Some(peer.eth),
            snap: peer.snap,
            remote: peer.enode.address,
            local,
            dialled: match peer.direction {
                Direction::Inbound => Dialled::ByPeer,
                Direction::Outbound => Dialled::ByUs,
            },
            is_static: peer.is_static,
            latest: peer.head.number.map(|number| PeerBlock { number, hash: peer.head.hash }),
        });
        figures.collect()
    }

    fn add_peer(&self, address: &str) -> Result<(), BadAddress> {
        let contact: Contact = read(address)?;
        if self.remote.add_peer(contact) {
            return Ok(());
        }
        Err(BadAddress { why: "too many peers wait to be dialled".to_owned() })
    }

    fn remove_peer(&self, address: &str) -> Result<(), BadAddress> {
        self.remote.remove_peer(read(address)?.id);
        Ok(())
    }

    fn node(&self) -> NodeFigures {
        let local = self.remote.listens_at();
        NodeFigures {
            key: B512::from_slice(local.id.as_bytes()),
            name: self.client.clone(),
            network_id: self.network_id,
            address: if local.address.ip().is_unspecified() {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            } else {
                local.address.ip()
            },
            listening: Some(local.address.port()).filter(|port| *port != 0),
            discovery: None,
            record: None,
        }
    }

    fn status(&self) -> serde_json::Value {
        let (state, history) = self.remote.stores();
        status::json(&self.datadir, state, history)
            .unwrap_or_else(|failure| serde_json::json!({ "failure": failure.message }))
    }
}

fn read(address: &str) -> Result<Contact, BadAddress> {
    address.parse().map_err(|error: snapsync_p2p::EnodeError| BadAddress { why: error.to_string() })
}
