//! A slow line: what goes in on one side comes out on the other a while later, in both directions.
//!
//! - task: one a line, one more a connection
//! - inbox: connections of whoever dials the line's address
//! - owns: its listener, both sockets of each connection
//! - ends when: the line is dropped
//!
//! It delays and does not narrow: however much is under way, the delay is the same. It does not know what it carries.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// What is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks under way in one direction: 16 MiB, above what a peer has in flight.
const CHUNKS: usize = 256;

/// A line to one address.
#[derive(Debug)]
pub(crate) struct DelayedLine {
    /// Where it is dialled.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl DelayedLine {
    /// Opens a line on loopback whose round trip takes `round_trip` more than the one to `to`.
    ///
    /// # Errors
    /// When no socket is to be had.
    pub(crate) async fn open(to: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((to.ip(), 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener, to, round_trip / 2)) })
    }
}

impl Drop for DelayedLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, delay: Duration) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(async move {
            // Whoever cannot be reached is gone: so is this side, then.
            let Ok(far) = TcpStream::connect(to).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::join!(carry(near_in, far_out, delay), carry(far_in, near_out, delay));
        });
    }
}

/// One direction, until the sender's side ends or the receiver's is gone.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            let due = Instant::now() + delay;
            if sender.send((due, chunk[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = under_way.recv().await {
            sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _gone_already = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_through_in_order_and_not_before_their_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let delay = Duration::from_millis(20);
        let line = DelayedLine::open(listener.local_addr().expect("bound"), delay).await.expect("a line");
        let begun = Instant::now();
        let mut near = TcpStream::connect(line.address).await.expect("a connection");
        let (mut far, _) = listener.accept().await.expect("a connection");
        near.write_all(b"there").await.expect("open");
        let mut five = [0; 5];
        far.read_exact(&mut five).await.expect("open");
        far.write_all(b"again").await.expect("open");
        near.read_exact(&mut five).await.expect("open");
        assert_eq!(&five, b"again");
        assert!(begun.elapsed() >= delay);
        drop(far);
        assert_eq!(near.read(&mut five).await.expect("open"), 0);
    }
}
