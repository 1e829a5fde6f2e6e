//! A slow line: what goes in on one side comes out on the other a while later, in both directions.
//!
//! - task: one a line, one more a connection
//! - inbox: connections of whoever dials the line's address
//! - owns: its listener, both sockets of each connection
//! - ends when: the line is dropped
//!
//! A line that is not narrow delays all the same, however much is under way. It does not know what it carries.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket,
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
/// What is read at once of a narrow line, and how many of these are under way: a sender soon waits, as behind a narrow line it does.
const NARROW_CHUNK_BYTES: usize = 8 << 10;
const NARROW_CHUNKS: usize = 4;
/// What the kernel holds for each socket of a narrow line: left to itself it takes megabytes, which are seconds.
const NARROW_SOCKET_BYTES: u32 = 16 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 16;

/// What a line is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineKind {
    /// How much longer a round trip takes.
    pub(crate) round_trip: Duration,
    /// Bytes a second, each way; `None`: as many as go through.
    pub(crate) bytes_per_second: Option<u64>,
}

impl LineKind {
    /// What is read at once, and how many of these are under way.
    fn chunks(&self) -> (usize, usize) {
        match self.bytes_per_second {
            None => (CHUNK_BYTES, CHUNKS),
            Some(_) => (NARROW_CHUNK_BYTES, NARROW_CHUNKS),
        }
    }

    /// A socket for one of its ends.
    fn socket(&self, to: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if self.bytes_per_second.is_some() {
            socket.set_recv_buffer_size(NARROW_SOCKET_BYTES)?;
            socket.set_send_buffer_size(NARROW_SOCKET_BYTES)?;
        }
        Ok(socket)
    }

    /// How long so many bytes keep the line busy.
    fn takes(&self, bytes: usize) -> Duration {
        self.bytes_per_second.map_or(Duration::ZERO, |a_second| {
            Duration::from_micros(bytes as u64 * 1_000_000 / a_second.max(1))
        })
    }
}

/// A line to one address.
#[derive(Debug)]
pub(crate) struct DelayedLine {
    /// Where it is dialled.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl DelayedLine {
    /// Opens a line of this kind to `to` on loopback.
    ///
    /// # Errors
    /// When no socket is to be had.
    pub(crate) async fn open(to: SocketAddr, kind: LineKind) -> io::Result<Self> {
        let socket = kind.socket(to)?;
        socket.bind((to.ip(), 0).into())?;
        // Those that are accepted have buffers like this one's.
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener, to, kind)) })
    }
}

impl Drop for DelayedLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, kind: LineKind) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(async move {
            // Whoever cannot be reached is gone: so is this side, then.
            let Ok(socket) = kind.socket(to) else { return };
            let Ok(far) = socket.connect(to).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::join!(carry(near_in, far_out, kind), carry(far_in, near_out, kind));
        });
    }
}

/// One direction, until the sender's side ends or the receiver's is gone.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kind: LineKind) {
    let (chunk_bytes, chunks) = kind.chunks();
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(chunks);
    let read = async move {
        let mut chunk = vec![0; chunk_bytes];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            let due = Instant::now() + kind.round_trip / 2;
            if sender.send((due, chunk[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        // When the line has carried what went before.
        let mut free = Instant::now();
        while let Some((due, chunk)) = under_way.recv().await {
            free = free.max(Instant::now()) + kind.takes(chunk.len());
            sleep_until(due.max(free)).await;
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
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn bytes_come_through_in_order_and_not_before_their_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let delay = Duration::from_millis(20);
        let kind = LineKind { round_trip: delay, bytes_per_second: None };
        let line = DelayedLine::open(listener.local_addr().expect("bound"), kind).await.expect("a line");
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
    #[tokio::test]
    async fn a_narrow_line_takes_its_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let kind = LineKind { round_trip: Duration::ZERO, bytes_per_second: Some(400_000) };
        let line = DelayedLine::open(listener.local_addr().expect("bound"), kind).await.expect("a line");
        let begun = Instant::now();
        let mut near = TcpStream::connect(line.address).await.expect("a connection");
        let (mut far, _) = listener.accept().await.expect("a connection");
        near.write_all(&[7; 20_000]).await.expect("open");
        let mut all = vec![0; 20_000];
        far.read_exact(&mut all).await.expect("open");
        assert_eq!(all, [7; 20_000]);
        assert!(begun.elapsed() >= Duration::from_millis(50));
    }
}
