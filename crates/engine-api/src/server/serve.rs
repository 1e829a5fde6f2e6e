//! The task that listens: it takes connections, up to their limit, and sees them end. Beyond it the one that is silent for the longest
//! makes room.
//!
//! Inbox: the listener. Owns: a task for each connection. Ends when: told to stop, or its handle is dropped; then each connection finishes
//! the call that it is at.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use jsonrpsee::server::{Methods, ServerHandle, StopHandle, stop_channel};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinError, JoinHandle, JoinSet},
};

use crate::{
    error::{Error, Result},
    server::{
        connection::{self, Seat},
        guard::Guard,
        hall::Hall,
        limits::Limits,
        places::Places,
    },
};

/// How long nothing is accepted after it has failed: mostly there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that runs. Dropped, it stops without being waited for.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    handle: ServerHandle,
    listening: JoinHandle<()>,
}

impl Running {
    /// Where it listens; the port is the one that the system chose, if it was to choose.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more calls, and comes back when those that had come are answered or overdue.
    pub async fn stop(self) {
        // It has stopped by itself only if its task has panicked, which is told below.
        self.handle.stop().ok();
        if let Err(error) = self.listening.await {
            tell(&error);
        }
    }
}

/// Callers that the system takes in before we do. A consensus client asks for the blobs of many columns at a time, on a connection each; whoever
/// finds no room tries again after a second, and by then it has given up.
const BACKLOG: u32 = 4096;

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A program that starts again listens where connections of the one before have not quite ended.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves these methods at this address, to whom the guard lets in. It runs on the runtime that it is called on.
///
/// # Errors
/// [`Error::Listen`] where nobody can be heard.
pub async fn serve(
    methods: impl Into<Methods>,
    addr: SocketAddr,
    guard: Guard,
    limits: Limits,
) -> Result<Running> {
    let failed = |source| Error::Listen { addr, source };
    let listener = bind(addr).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let (stop, handle) = stop_channel();
    let hall = Arc::new(Hall::new(methods.into(), guard, limits, stop.clone()));
    let listening = tokio::spawn(listen(listener, hall, stop));
    Ok(Running { addr, handle, listening })
}

async fn listen(listener: TcpListener, hall: Arc<Hall>, stop: StopHandle) {
    let mut connections = JoinSet::new();
    take_in(&listener, &hall, stop, &mut connections).await;
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        tell_if_panicked(ended);
    }
}

async fn take_in(listener: &TcpListener, hall: &Arc<Hall>, stop: StopHandle, connections: &mut JoinSet<()>) {
    let mut stopped = pin!(stop.shutdown());
    // It goes on beside what ends meanwhile: whoever was accepted waits for a place.
    let mut arrival = pin!(arrive(listener, &hall.seats));
    let mut id = 0u32;
    loop {
        // The order to stop comes first; ends make room for those who come.
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(ended) = connections.join_next() => tell_if_panicked(ended),
            (socket, seat) = &mut arrival => {
                id = id.wrapping_add(1);
                connections.spawn(connection::run(hall.clone(), socket, seat, id));
                arrival.set(arrive(listener, &hall.seats));
            }
        }
    }
}

/// The next one who comes, and a place for it.
async fn arrive(listener: &TcpListener, seats: &Arc<Places>) -> (TcpStream, Seat) {
    let socket = accept(listener).await;
    let leave = Arc::default();
    let place = seats.take(&leave).await;
    // Nothing is done for it before it has said something.
    place.set_theirs();
    (socket, Seat { place, leave })
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn tell_if_panicked(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tell(&error);
    }
}

/// One caller's connection is no reason to end the node.
fn tell(error: &JoinError) {
    tracing::error!(%error, "a task of the server has panicked");
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, TcpStream as Caller},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn whoever_comes_in_a_crowd_is_taken_in() {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let addr = listener.local_addr().unwrap();
        // Nobody is accepted meanwhile.
        let callers = (0..400).map(|_| Caller::connect_timeout(&addr, Duration::from_secs(10)));
        let callers: io::Result<Vec<_>> = callers.collect();
        assert_eq!(callers.map(|callers| callers.len()).ok(), Some(400));
    }
}
