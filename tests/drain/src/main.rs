//! The floor under every client: `drain NETWORK GENESIS GENESIS_TIME ENODE ROOT` takes the state of a root from one peer.
//!
//! It asks as a sync does, decrypts, inflates and decodes, and lets go of everything: no proof is looked at and nothing is
//! kept but counts. What it takes is what serving takes. For measuring only: it believes whatever it is told.

mod asks;
mod tally;

use std::{env, error::Error, process::ExitCode, time::Instant};

use asks::Asks;
use secp256k1::SecretKey;
use snapsync_p2p::{Config, Events, Limits, LocalChain, Message, Network, NetworkEvent, PeerId};
use snapsync_wire::{EthVersion, ForkFilter, SnapVersion, snap};
use tally::Tally;
use tokio::sync::watch;

type Failure = Box<dyn Error>;

/// Requests that wait at the peer at the same time: its line never stands idle for a round trip.
const IN_FLIGHT: usize = 4;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&words))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drain: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[String]) -> Result<(), Failure> {
    let [network_id, genesis, genesis_time, enode, root] = words else {
        return Err("usage: drain NETWORK GENESIS GENESIS_TIME ENODE ROOT".into());
    };
    let genesis_time = genesis_time.parse()?;
    // Every fork of the chains that this is used on holds from the genesis on.
    let forks = ForkFilter::new(genesis.parse()?, genesis_time, &[], &[]);
    let (_keep, chain) = watch::channel(LocalChain::at_genesis(network_id.parse()?, forks, genesis_time));
    let config = Config {
        key: SecretKey::from_byte_array([0x5a; 32])?,
        listen: None,
        static_peers: vec![enode.parse()?],
        client_name: "snapsync/drain".to_owned(),
        eth: vec![EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71],
        snap: Some(SnapVersion::Snap1),
        chain,
        limits: Limits::mainnet(),
        seed: 1,
    };
    let start = Instant::now();
    let (network, mut events) = Network::start(config).await?;
    let tally = drain(&network, &mut events, Asks::new(root.parse()?)).await?;
    println!("{}", tally.to_json(start.elapsed()));
    network.shutdown().await;
    Ok(())
}

/// Asks until there is nothing left to ask.
async fn drain(network: &Network, events: &mut Events, mut asks: Asks) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut connected: Option<PeerId> = None;
    loop {
        match events.recv().await.ok_or("the network ended")? {
            NetworkEvent::Up(up) => connected = Some(up.peer),
            NetworkEvent::Message { message: Message::Snap(answer), bytes_on_wire, bytes, .. } => {
                tally.count(&answer, bytes_on_wire, bytes);
                take(&mut asks, answer)?;
            }
            NetworkEvent::Message { .. } => {}
            NetworkEvent::Down { reason, .. } => return Err(format!("the peer left: {reason}").into()),
            NetworkEvent::DialFailed { error, .. } => return Err(format!("no connection: {error}").into()),
        }
        let Some(peer) = connected else { continue };
        while asks.in_flight() < IN_FLIGHT
            && let Some(request) = asks.next()
        {
            network.send(peer, &Message::Snap(request))?;
        }
        if asks.in_flight() == 0 {
            return Ok(tally);
        }
    }
}

fn take(asks: &mut Asks, answer: snap::Message) -> Result<(), Failure> {
    match answer {
        snap::Message::AccountRange(accounts) => asks.accounts(&accounts),
        snap::Message::StorageRanges(storages) => asks.storages(&storages),
        snap::Message::ByteCodes(codes) => asks.codes(&codes),
        // Whatever the peer asks of us stays unanswered.
        _ => Ok(()),
    }
}
