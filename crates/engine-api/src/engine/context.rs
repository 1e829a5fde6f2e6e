//! What methods find: the node, the chain that it follows, what it keeps, and whose turn it is.

use std::sync::Arc;

use jsonrpsee::types::ErrorObjectOwned;
use snapsync_execute::Forks;
use snapsync_storage::HistoryStore;
use snapsync_wire::Header;
use tokio::sync::Semaphore;

use crate::{
    engine::{codes::server_error, turns::Turns},
    node::Node,
};

/// Calls whose megabytes are read or written at a time.
const THREADS: usize = 2;

/// What methods find.
pub(super) struct Context {
    pub(super) node: Arc<dyn Node>,
    pub(super) forks: Arc<Forks>,
    pub(super) history: HistoryStore,
    /// Block 0's header, which no history holds.
    pub(super) genesis: Arc<Header>,
    pub(super) turns: Turns,
    threads: Arc<Semaphore>,
}

impl Context {
    pub(super) fn new(node: Arc<dyn Node>, forks: Forks, genesis: Header, history: HistoryStore) -> Self {
        let (forks, genesis) = (Arc::new(forks), Arc::new(genesis));
        Self {
            node,
            forks,
            history,
            genesis,
            turns: Turns::new(),
            threads: Arc::new(Semaphore::new(THREADS)),
        }
    }

    /// Does something that takes its time on a thread where it may. A caller who goes cannot stop what has begun there: it counts until it ends.
    ///
    /// # Errors
    /// It has panicked.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErrorObjectOwned> {
        let thread = self.threads.clone().acquire_owned().await.map_err(server_error)?;
        // BLOCKING: on a thread of its own.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(thread);
            done
        });
        done.await.map_err(server_error)
    }
}
