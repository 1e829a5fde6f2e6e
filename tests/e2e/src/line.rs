//! A connection over which JSON-RPC is spoken: HTTP/1.1, one request after the other for as long as it stays open.
//!
//! What is sent need be nothing that makes sense. It trusts the server to end its answers, and reads nothing of them but their frame.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

/// A call that makes a block of many transactions takes seconds; a hanging one must still end the test.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// What stands behind the head.
    pub body: String,
    /// Whether the server closes the connection.
    is_last: bool,
}

/// A connection, which is opened when it is needed.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    /// One to the server at `address`. Nothing is connected yet.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request with that header `Authorization`, if any, and waits for the answer.
    pub fn post(&mut self, authorization: Option<&str>, body: &str) -> io::Result<Reply> {
        let reply = self.exchange(authorization, body);
        // Whatever came of it: half an answer is none, and the next request has a connection of its own.
        if reply.as_ref().map_or(true, |reply| reply.is_last) {
            self.stream = None;
        }
        reply
    }

    fn exchange(&mut self, authorization: Option<&str>, body: &str) -> io::Result<Reply> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            closed => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                closed.insert(BufReader::new(stream))
            }
        };
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        if let Some(authorization) = authorization {
            request.extend(["Authorization: ", authorization, "\r\n"]);
        }
        request.extend(["\r\n", body]);
        // One write: a server that refuses by the head may close before it has read the rest.
        stream.get_mut().write_all(request.as_bytes())?;
        read(stream)
    }
}

/// What is sent to call a method.
pub fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// Reads one answer: its length is said, or it comes in chunks.
fn read(stream: &mut impl BufRead) -> io::Result<Reply> {
    let cut = || io::Error::other("an answer without an end");
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(cut)?;
    let (mut length, mut is_chunked, mut is_last) = (None, false, false);
    loop {
        let header = line(stream)?.to_ascii_lowercase();
        let Some((name, value)) = header.split_once(':') else { break };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse::<u64>().ok(),
            ("transfer-encoding", "chunked") => is_chunked = true,
            ("connection", "close") => is_last = true,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        loop {
            let bytes = u64::from_str_radix(&line(stream)?, 16).map_err(|_| cut())?;
            take(stream, &mut body, bytes)?;
            line(stream)?;
            if bytes == 0 {
                break;
            }
        }
    } else {
        take(stream, &mut body, length.ok_or_else(cut)?)?;
    }
    let body = String::from_utf8(body).map_err(|_| cut())?;
    Ok(Reply { status, body, is_last })
}

/// A line without its end.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// Takes so many bytes, no fewer.
fn take(stream: &mut impl BufRead, body: &mut Vec<u8>, bytes: u64) -> io::Result<()> {
    let taken = stream.take(bytes).read_to_end(body)? as u64;
    if taken == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_their_length_or_in_chunks_one_after_the_other() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\nHTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let mut stream = text.as_bytes();
        let mut next = || read(&mut stream).unwrap();
        assert_eq!(next(), Reply { status: 200, body: "abc".to_owned(), is_last: false });
        assert_eq!(next().body, "abc0123456789");
        assert_eq!(next(), Reply { status: 401, body: String::new(), is_last: true });
        assert!(read(&mut stream).is_err(), "there is no more");
    }

    #[test]
    fn half_an_answer_is_none() {
        for cut in
            ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 200 OK\r\n\r\nabc", "HTTP/1.1\r\n"]
        {
            assert!(read(&mut cut.as_bytes()).is_err(), "{cut:?}");
        }
    }
}
