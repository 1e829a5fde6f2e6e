//! A chain that moves: blocks that a geth makes one after the other, each of which changes the state.
//!
//! The changes are withdrawals to accounts all over the key space, some new and some that were there: the cheapest way to let
//! geth's state layers merge while it answers. It trusts geth. Owns: the thread that asks for blocks, which ends when the mover is
//! dropped, or at the first block that geth refuses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use snapsync_keccak::keccak256;

use crate::{
    Error, genesis,
    rpc::{Rpc, number_in},
};

/// Accounts that a block changes.
const CHANGES: u64 = 64;

/// A geth's chain that moves.
#[derive(Debug)]
pub struct Mover {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    made: Arc<AtomicU64>,
}

impl Mover {
    /// Makes a block on top of the head of the geth behind `rpc`, and then one each `interval`.
    pub fn start(rpc: Rpc, interval: Duration) -> Result<Self, Error> {
        let head = rpc.block("latest")?;
        let (number, time) = (number_in(&head, "number")?, number_in(&head, "timestamp")?);
        let (stop, stopped) = mpsc::channel::<()>();
        let made = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&made);
        let thread = std::thread::spawn(move || {
            for nth in 1.. {
                commit(rpc, number + nth, time + nth * genesis::BLOCK_SECONDS)?;
                count.fetch_add(1, Ordering::Relaxed);
                // Nothing is ever sent: the end of the channel is the signal.
                if stopped.recv_timeout(interval) == Err(mpsc::RecvTimeoutError::Disconnected) {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self { stop: Some(stop), thread: Some(thread), made })
    }

    /// Blocks made so far.
    pub fn blocks(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Stops, and tells whether geth took every block.
    pub fn stop(mut self) -> Result<u64, Error> {
        self.end()?;
        Ok(self.blocks())
    }

    fn end(&mut self) -> Result<(), Error> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`; a panic here could be the second one.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn commit(rpc: Rpc, number: u64, time: u64) -> Result<(), Error> {
    let withdrawals: Vec<Value> = (0..CHANGES).map(|nth| withdrawal(number, nth)).collect();
    let attributes = json!({
        "timestamp": format!("{time:#x}"),
        "prevRandao": B256::ZERO.to_string(),
        "suggestedFeeRecipient": Address::repeat_byte(0xfe).to_string(),
        "withdrawals": withdrawals,
        "parentBeaconBlockRoot": B256::ZERO.to_string(),
    });
    rpc.call("testing_commitBlockV1", json!([attributes, [], null])).map(drop)
}

/// Every second one goes to an account that the last blocks paid, too.
fn withdrawal(number: u64, nth: u64) -> Value {
    let block = if nth.is_multiple_of(2) { number } else { 0 };
    let address = Address::from_slice(&keccak256(format!("moved {block} {nth}").as_bytes())[12..]);
    json!({
        "index": format!("{:#x}", number * CHANGES + nth),
        "validatorIndex": format!("{nth:#x}"),
        "address": address.to_string(),
        "amount": format!("{:#x}", number),
    })
}
