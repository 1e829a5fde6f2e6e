//! The methods by their names, each with how many arguments it has at most.
//!
//! Whatever a method does, it does on a thread for blocking work, so many of them at once as the limits say; the rest waits. Their sockets are the
//! server's, and so are the bounds of a question's and an answer's bytes.

use std::sync::Arc;

use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Semaphore;

use super::{
    accounts, admin,
    arguments::Arguments,
    blocks, calls, estimates,
    failure::{Failure, Result},
    logs,
    namespaces::{Namespace, Namespaces},
    network, proofs, receipts,
    served::{Parts, Served},
    syncing, transactions,
};

/// The methods of these namespaces.
pub fn module(parts: Parts, namespaces: &Namespaces) -> RpcModule<()> {
    let places = Arc::new(Semaphore::new(parts.limits.questions_max.max(1)));
    let mut methods = Methods { module: RpcModule::new(()), served: Arc::new(Served::new(parts)), places };
    for namespace in Namespace::ALL.into_iter().filter(|namespace| namespaces.has(*namespace)) {
        match namespace {
            Namespace::Admin => put_admin(&mut methods),
            Namespace::Eth => put_eth(&mut methods),
            Namespace::Net => put_net(&mut methods),
            Namespace::Snapsync => put_snapsync(&mut methods),
            Namespace::Web3 => put_web3(&mut methods),
        }
    }
    methods.module
}

fn put_admin(methods: &mut Methods) {
    methods.put("admin_addPeer", 1, admin::add_peer);
    methods.put("admin_nodeInfo", 0, admin::node);
    methods.put("admin_peers", 0, admin::peers);
    methods.put("admin_removePeer", 1, admin::remove_peer);
}

fn put_eth(methods: &mut Methods) {
    methods.put("eth_blockNumber", 0, blocks::number);
    methods.put("eth_call", 4, calls::run);
    methods.put("eth_chainId", 0, network::chain_id);
    methods.put("eth_estimateGas", 4, estimates::enough);
    methods.put("eth_getBalance", 2, accounts::balance);
    methods.put("eth_getBlockByHash", 2, blocks::by_hash);
    methods.put("eth_getBlockByNumber", 2, blocks::by_number);
    methods.put("eth_getBlockReceipts", 1, receipts::of_block);
    methods.put("eth_getBlockTransactionCountByHash", 1, blocks::count_by_hash);
    methods.put("eth_getBlockTransactionCountByNumber", 1, blocks::count_by_number);
    methods.put("eth_getCode", 2, accounts::code);
    methods.put("eth_getLogs", 1, logs::wanted);
    methods.put("eth_getProof", 3, proofs::of_account);
    methods.put("eth_getStorageAt", 3, accounts::slot);
    methods.put("eth_getTransactionByBlockHashAndIndex", 2, transactions::by_block_hash);
    methods.put("eth_getTransactionByBlockNumberAndIndex", 2, transactions::by_block_number);
    methods.put("eth_getTransactionByHash", 1, transactions::by_hash);
    methods.put("eth_getTransactionCount", 2, accounts::nonce);
    methods.put("eth_getTransactionReceipt", 1, receipts::of_transaction);
    methods.put("eth_syncing", 0, syncing::syncing);
}

fn put_net(methods: &mut Methods) {
    methods.put("net_listening", 0, network::listening);
    methods.put("net_peerCount", 0, network::peer_count);
    methods.put("net_version", 0, network::version);
}

fn put_snapsync(methods: &mut Methods) {
    methods.put("snapsync_status", 0, network::status);
}

fn put_web3(methods: &mut Methods) {
    methods.put("web3_clientVersion", 0, network::client);
}

/// The methods as they are put together.
struct Methods {
    module: RpcModule<()>,
    served: Arc<Served>,
    /// One for each question that is worked on.
    places: Arc<Semaphore>,
}

impl Methods {
    fn put<T: Serialize + 'static>(
        &mut self,
        name: &'static str,
        arguments_max: usize,
        answer: fn(&Served, Arguments<'_>) -> Result<T>,
    ) {
        let (served, places) = (self.served.clone(), self.places.clone());
        let registered = self.module.register_async_method(name, move |params, _, _| {
            let (served, places) = (served.clone(), places.clone());
            async move {
                let stopped =
                    |_| ErrorObjectOwned::from(Failure::Ours("the node is shutting down".to_owned()));
                let place = places.acquire_owned().await.map_err(|_| stopped(()))?;
                // BLOCKING: reads the disk, and runs the EVM.
                let answered = tokio::task::spawn_blocking(move || {
                    let _place = place;
                    let answer = answer(&served, Arguments::read(&params, arguments_max)?)?;
                    to_raw_value(&answer).map_err(|error| Failure::Ours(error.to_string()))
                });
                let answered: Result<Box<RawValue>> = answered.await.map_err(|_| stopped(()))?;
                answered.map_err(ErrorObjectOwned::from)
            }
        });
        registered.expect("each name stands once in this file");
    }
}
