//! All strangers, on threads of their own.

use std::{io, sync::Arc};

use tokio::runtime::{Builder, Runtime};

use crate::{Kind, Place, Tally, stranger::Stranger};

/// Strangers of a siege: as many as a node takes in.
pub const SESSIONS: usize = 33;

/// Strangers that are at it until this is dropped.
#[derive(Debug)]
pub struct Crowd {
    tally: Arc<Tally>,
    runtime: Option<Runtime>,
}

impl Crowd {
    /// Sends so many, of all kinds in turn.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn gather(place: Place, sessions: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let tally = Arc::<Tally>::default();
        for (number, kind) in (0..).zip(Kind::ALL.into_iter().cycle().take(sessions)) {
            runtime.spawn(Stranger { kind, place, number, tally: Arc::clone(&tally) }.live());
        }
        Ok(Self { tally, runtime: Some(runtime) })
    }

    /// What they have done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
