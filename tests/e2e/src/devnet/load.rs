//! Transactions of every form that a wallet of ours signs, sent to a geth for as long as a devnet runs.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use alloy_primitives::{B256, Bytes, U256};
use serde_json::json;
use snapsync_keccak::keccak256;

use super::ground::{CHAIN_ID, blob_payer, payer, writer};
use crate::{
    rpc::Rpc,
    transaction::{Call, Form, Wallet, tail},
};

/// Five or so in each block.
const PAUSE: Duration = Duration::from_millis(400);

/// So many transactions until the same form comes again.
const TURNS: u64 = 6;

/// One of so many has a blob besides, every ten seconds; and so many of these come, before another pair joins. A beacon node whose only peer is the one that
/// has the newest cells is easily left without them, and waits for them for ever, whatever its execution client is.
const BLOB_TURNS: u64 = 25;
const BLOBS: u64 = 20;

/// Deploys a contract that stores one slot when it is called.
const MAKES_A_CONTRACT: &str = "0x6005600c60003960056000f36001600055";

/// Sends until it is dropped.
#[derive(Debug)]
pub struct Load {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins to send to the geth at `rpc`. One that it refuses is left out: the next has its nonce.
    pub fn start(rpc: Rpc) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let (mut payer, mut blob_payer) = (payer(), blob_payer());
            for turn in 0u64.. {
                let (form, call) = what(turn);
                send(rpc, &mut payer, |payer| payer.sign(&form, &call));
                if turn % BLOB_TURNS == 0 && turn < BLOBS * BLOB_TURNS {
                    send(rpc, &mut blob_payer, |payer| payer.sign_with_blob(&pays(turn)));
                }
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Signs and sends; what is refused has used no nonce.
fn send(rpc: Rpc, payer: &mut Wallet, sign: impl FnOnce(&mut Wallet) -> Bytes) {
    let mut next = payer.clone();
    let raw = sign(&mut next);
    if rpc.call("eth_sendRawTransaction", json!([raw.to_string()])).is_ok() {
        *payer = next;
    }
}

/// Pays someone new.
fn pays(turn: u64) -> Call {
    let someone = tail(keccak256(&turn.to_be_bytes()));
    Call { to: Some(someone), value: U256::from(turn + 1), gas: 21_000, data: Bytes::new() }
}

fn what(turn: u64) -> (Form, Call) {
    let key = keccak256(&turn.to_be_bytes());
    let stored = [key.0, B256::from(U256::from(turn + 1)).0].concat();
    let stores = Call { to: Some(writer()), value: U256::ZERO, gas: 100_000, data: stored.into() };
    let makes = MAKES_A_CONTRACT.parse().unwrap_or_default();
    let makes = Call { to: None, value: U256::ZERO, gas: 200_000, data: makes };
    match turn % TURNS {
        0 => (Form::Legacy, pays(turn)),
        1 => (Form::AccessList(vec![(writer(), vec![key])]), Call { gas: 150_000, ..stores }),
        2 => (Form::Fees, stores),
        3 => (Form::Fees, makes),
        4 => {
            let mut someone = Wallet::new(&format!("devnet delegates {turn}"), CHAIN_ID);
            (Form::Delegations(vec![someone.delegate(writer())]), Call { gas: 100_000, ..pays(turn) })
        }
        _ => (Form::Fees, pays(turn)),
    }
}
