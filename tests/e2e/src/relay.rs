//! A relay between a client and a server on this machine, which can be slow, stop after a number of bytes, or cut the line.
//!
//! It makes "half-way" a place: after exactly so many bytes from the server it passes nothing more and wakes whoever waits
//! for that. It counts bytes both ways. It does not understand what it passes.
//!
//! Threads: one accepts; two for each connection pass bytes, one a direction. They end when the relay is dropped.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::Error;

/// What a pump takes from a socket at once: small against anything that a test counts.
const PIECE_BYTES: usize = 16 * 1024;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Bytes that were passed since the start, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// From clients to the server.
    pub up_bytes: u64,
    /// From the server to clients.
    pub down_bytes: u64,
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    valve: Arc<Valve>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug, Default)]
struct Valve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    passed: Passed,
    /// Nothing more is passed once this many bytes went down.
    stop_at_down_bytes: Option<u64>,
    /// Bytes a second, each way.
    rate: Option<u64>,
    /// When the next byte may go, up and down, under the rate.
    free_at: [Option<Instant>; 2],
    /// The sockets of open connections, to be cut.
    sockets: Vec<TcpStream>,
    /// Where connections are led to, if not to the first server any more.
    server: Option<SocketAddr>,
    closed: bool,
}

impl Relay {
    /// Starts a relay in front of `server`, on a port of the system's choice.
    pub fn start(server: SocketAddr) -> Result<Self, Error> {
        let open = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = open().map_err(Error::io("listen for", "the relay"))?;
        let valve = Arc::new(Valve::default());
        let acceptor = thread::spawn({
            let valve = Arc::clone(&valve);
            move || accept(&listener, server, &valve)
        });
        Ok(Self { address, valve, acceptor: Some(acceptor) })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes passed so far.
    pub fn passed(&self) -> Passed {
        self.valve.lock().passed
    }

    /// Stops passing, both ways, once `down_bytes` in all have come from the server. Not one byte more is passed.
    pub fn stop_at(&self, down_bytes: u64) {
        self.valve.change(|state| state.stop_at_down_bytes = Some(down_bytes));
    }

    /// Waits until the place of [`stop_at`](Self::stop_at) is reached.
    pub fn wait_until_stopped(&self, patience: Duration) -> Result<Passed, Error> {
        let state = self.valve.lock();
        let waiting = |state: &mut State| !state.is_stopped();
        let (state, late) = self
            .valve
            .changed
            .wait_timeout_while(state, patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            return Err(Error::Late {
                what: format!("the relay's stop at {:?} bytes", state.stop_at_down_bytes),
                seconds: patience.as_secs(),
                tail: format!("it has passed {:?}", state.passed),
            });
        }
        Ok(state.passed)
    }

    /// Passes again, without a place to stop at.
    pub fn resume(&self) {
        self.valve.change(|state| state.stop_at_down_bytes = None);
    }

    /// Passes at most this many bytes a second each way, over all connections; `None` lifts that.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.valve.change(|state| {
            state.rate = bytes_per_second;
            state.free_at = [None; 2];
        });
    }

    /// Leads new connections to another server: the same one, that has started again.
    pub fn lead_to(&self, server: SocketAddr) {
        self.valve.change(|state| state.server = Some(server));
    }

    /// Cuts all connections that are open. New ones are accepted.
    pub fn cut(&self) {
        self.valve.change(State::cut);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.valve.change(|state| {
            state.closed = true;
            state.cut();
        });
        // Wakes the acceptor, which then sees that the relay is closed.
        TcpStream::connect(self.address).ok();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of a pump would be a bug of the relay; it shows as a failed test already, and a second panic here would
            // abort the process.
            acceptor.join().ok();
        }
    }
}

impl State {
    fn is_stopped(&self) -> bool {
        self.stop_at_down_bytes.is_some_and(|stop| self.passed.down_bytes >= stop)
    }

    fn cut(&mut self) {
        for socket in self.sockets.drain(..) {
            // One that the other side has closed already is cut enough.
            socket.shutdown(Shutdown::Both).ok();
        }
    }

    /// How many of `wanted` bytes may go now, or how long to wait before asking again (`None`: until something changes).
    fn ask(&mut self, direction: Direction, wanted: usize) -> Result<usize, Option<Duration>> {
        let mut allowed = wanted;
        if let Some(stop) = self.stop_at_down_bytes {
            let left = stop.saturating_sub(self.passed.down_bytes);
            if left == 0 {
                return Err(None);
            }
            if direction == Direction::Down {
                allowed = allowed.min(usize::try_from(left).unwrap_or(usize::MAX));
            }
        }
        if let Some(rate) = self.rate {
            let now = Instant::now();
            let free_at = &mut self.free_at[direction as usize];
            let from = free_at.unwrap_or(now).max(now);
            if from > now {
                return Err(Some(from - now));
            }
            *free_at = Some(from + Duration::from_secs_f64(allowed as f64 / rate.max(1) as f64));
        }
        match direction {
            Direction::Up => self.passed.up_bytes += allowed as u64,
            Direction::Down => self.passed.down_bytes += allowed as u64,
        }
        Ok(allowed)
    }
}

impl Valve {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is counters and switches; a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until some of `wanted` bytes may be passed, and counts them. `None`: the relay is closed.
    fn pass(&self, direction: Direction, wanted: usize) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            state = match state.ask(direction, wanted) {
                Ok(allowed) => {
                    // The place to stop at may have been reached just now.
                    self.changed.notify_all();
                    return Some(allowed);
                }
                // BLOCKING: until the relay resumes, is changed or closed.
                Err(None) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Err(Some(pause)) => {
                    self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, valve: &Arc<Valve>) {
    let mut pumps = Vec::new();
    for client in listener.incoming() {
        let (is_closed, other) = {
            let state = valve.lock();
            (state.closed, state.server)
        };
        if is_closed {
            break;
        }
        let server = other.unwrap_or(server);
        // A connection that cannot be made on either side is closed; the client sees that.
        if let Ok(threads) = client.and_then(|client| connect(client, server, valve)) {
            pumps.extend(threads);
        }
    }
    for pump in pumps {
        pump.join().ok();
    }
}

fn connect(client: TcpStream, server: SocketAddr, valve: &Arc<Valve>) -> io::Result<[JoinHandle<()>; 2]> {
    let server = TcpStream::connect(server)?;
    let sockets = [client.try_clone()?, server.try_clone()?];
    let ends = [(client.try_clone()?, server.try_clone()?, Direction::Up), (server, client, Direction::Down)];
    valve.change(|state| state.sockets.extend(sockets));
    Ok(ends.map(|(from, to, direction)| {
        let valve = Arc::clone(valve);
        thread::spawn(move || pump(from, to, direction, &valve))
    }))
}

/// Passes bytes until one side ends, then ends both.
fn pump(mut from: TcpStream, mut to: TcpStream, direction: Direction, valve: &Valve) {
    let mut piece = vec![0; PIECE_BYTES];
    'connection: while let Ok(length @ 1..) = from.read(&mut piece) {
        let mut rest = &piece[..length];
        while !rest.is_empty() {
            let Some(allowed) = valve.pass(direction, rest.len()) else { break 'connection };
            let (now, later) = rest.split_at(allowed);
            if to.write_all(now).is_err() {
                break 'connection;
            }
            rest = later;
        }
    }
    for socket in [&from, &to] {
        socket.shutdown(Shutdown::Both).ok();
    }
}
