//! The relay: what it counts is what was passed, and where it stops is a place.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use snapsync_e2e::relay::Relay;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that sends `bytes` to whoever connects, then waits for the end; and the relay in front of it.
fn sending(bytes: usize) -> Relay {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The client may be gone before all is sent.
            stream.write_all(&vec![7; bytes]).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        }
    });
    Relay::start(address).unwrap()
}

fn client(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(relay.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn bytes_are_counted_both_ways() {
    let relay = sending(100_000);
    let mut stream = client(&relay);
    stream.write_all(&[1; 1_000]).unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    relay.stop_at(100_000);
    relay.wait_until_stopped(PATIENCE).unwrap();
    assert_eq!(relay.passed().down_bytes, 100_000);
    assert!(relay.passed().up_bytes <= 1_000);
}

#[test]
fn stop_is_a_place() {
    let relay = sending(1_000_000);
    relay.stop_at(123_457);
    let mut stream = client(&relay);
    assert_eq!(relay.wait_until_stopped(PATIENCE).unwrap().down_bytes, 123_457);
    stream.read_exact(&mut [0; 123_457]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "a byte came past the stop");
    assert_eq!(relay.passed().down_bytes, 123_457);

    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    relay.resume();
    stream.read_exact(&mut [0; 1_000_000 - 123_457]).unwrap();
    assert_eq!(relay.passed().down_bytes, 1_000_000);
}

#[test]
fn stop_that_is_not_reached_is_late() {
    let relay = sending(10);
    relay.stop_at(11);
    client(&relay).read_exact(&mut [0; 10]).unwrap();
    let error = relay.wait_until_stopped(Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("Some(11)"), "{error}");
}

#[test]
fn throttle_takes_its_time() {
    let relay = sending(200_000);
    relay.throttle(Some(400_000));
    let start = Instant::now();
    client(&relay).read_exact(&mut [0; 200_000]).unwrap();
    // Half a second, less the last piece, which nothing waits for.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}

#[test]
fn cut_ends_the_connection_and_a_new_one_is_taken() {
    let relay = sending(1_000);
    let mut first = client(&relay);
    first.read_exact(&mut [0; 1_000]).unwrap();
    relay.cut();
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)));
    client(&relay).read_exact(&mut [0; 1_000]).unwrap();
}

#[test]
fn drop_while_stopped_does_not_hang() {
    let relay = sending(1_000_000);
    relay.stop_at(10);
    let _stream = client(&relay);
    relay.wait_until_stopped(PATIENCE).unwrap();
    drop(relay);
}
