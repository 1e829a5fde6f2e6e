//! Whose turn it is, among those who want something done to the chain: one at a time, in the order in which they came.
//!
//! A caller who goes away leaves the line. One whose turn has come is finished all the same: the next must not meet half a payload.

use std::{future::Future, sync::Arc};

use jsonrpsee::types::ErrorObjectOwned;
use tokio::sync::Semaphore;

use crate::engine::codes::server_error;

/// How many may wait: more than a client has calls out, which are a payload and a forkchoice of each slot that it waits for.
const WAITING_MAX: usize = 64;

/// The turns.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(WAITING_MAX)), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Does something when its turn has come.
    ///
    /// # Errors
    /// There is no place, or what was to be done has panicked.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ErrorObjectOwned> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(server_error(format_args!("{WAITING_MAX} calls are waiting")));
        };
        // The semaphore serves those who wait in their order.
        let turn = self.turn.clone().acquire_owned().await.map_err(server_error)?;
        let done = tokio::spawn(async move {
            let done = work.await;
            drop((place, turn));
            done
        });
        done.await.map_err(server_error)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all, poll};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn line_is_served_in_its_order_and_has_an_end() {
        let turns = Turns::new();
        let (release, held) = oneshot::channel::<()>();
        let mut first = Box::pin(turns.wait(async move { held.await.is_ok() }));
        assert!(poll!(&mut first).is_pending());
        let (told, mut heard) = tokio::sync::mpsc::channel(WAITING_MAX);
        let mut others = Vec::new();
        for number in 1..WAITING_MAX {
            let told = told.clone();
            let mut wait = Box::pin(turns.wait(async move { told.send(number).await.is_ok() }));
            assert!(poll!(&mut wait).is_pending());
            others.push(wait);
        }
        let late = turns.wait(async {}).await;
        assert_eq!(late.expect_err("there is no place").code(), -32000);
        release.send(()).expect("it is waited for");
        assert_eq!(first.await, Ok(true));
        assert!(join_all(others).await.into_iter().all(|done| done == Ok(true)));
        drop(told);
        let mut order = Vec::new();
        while let Some(number) = heard.recv().await {
            order.push(number);
        }
        assert_eq!(order, (1..WAITING_MAX).collect::<Vec<_>>());
        assert_eq!(turns.wait(async {}).await, Ok(()), "there is room again");
    }

    #[tokio::test]
    async fn caller_who_goes_leaves_the_line_unless_it_is_its_turn() {
        let turns = Turns::new();
        let (release, held) = oneshot::channel::<()>();
        let (told, done) = oneshot::channel();
        let mut first = Box::pin(turns.wait(async move {
            held.await.ok();
            told.send(()).ok();
        }));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(turns.wait(async { unreachable!("it has left the line") }));
        assert!(poll!(&mut second).is_pending());
        drop((first, second));
        let mut third = Box::pin(turns.wait(async {}));
        assert!((&mut third).now_or_never().is_none(), "the first is still at work");
        release.send(()).expect("it is finished all the same");
        assert_eq!(third.await, Ok(()));
        assert_eq!(done.await, Ok(()));
    }
}
