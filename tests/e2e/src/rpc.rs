//! JSON-RPC over plain HTTP to a geth on this machine.
//!
//! One connection a call: HTTP/1.0, so that the answer ends where the connection does. It checks what it needs and trusts
//! geth with the rest. It knows nothing of the methods that it carries.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use alloy_primitives::{B256, Bytes};
use serde_json::{Value, json};

use crate::Error;

/// A call that makes a block of many transactions takes seconds; a hanging one must still end the test.
const PATIENCE: Duration = Duration::from_secs(300);

/// A JSON-RPC server.
#[derive(Clone, Copy, Debug)]
pub struct Rpc {
    address: SocketAddr,
}

impl Rpc {
    /// The server at `address`. Nothing is connected yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls `method` and returns its result.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        let mut answer = self.answer(method, params)?;
        if let Some(error) = answer.get("error") {
            return Err(Error::Rpc { method: method.to_owned(), why: error.to_string() });
        }
        Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
    }

    /// Calls `method` and returns the whole answer: a result, or an error with its code.
    pub fn answer(&self, method: &str, params: Value) -> Result<Value, Error> {
        let failed = |why: String| Error::Rpc { method: method.to_owned(), why };
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = self.exchange(&request.to_string()).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&body)
            .map_err(|error| failed(format!("{error} in {}", String::from_utf8_lossy(&body))))
    }

    /// The block that `tag` names (a quoted number such as `0x1f`, or `latest`), without its transactions' contents.
    pub fn block(&self, tag: &str) -> Result<Value, Error> {
        self.call("eth_getBlockByNumber", json!([tag, false]))
    }

    /// The RLP of the block `number`, as geth keeps it.
    pub fn raw_block(&self, number: u64) -> Result<Bytes, Error> {
        let answer = self.call("debug_getRawBlock", json!([format!("{number:#x}")]))?;
        bytes_of(&answer)
    }

    /// The receipts of the block `number`, each in the form that its root is made from.
    pub fn raw_receipts(&self, number: u64) -> Result<Vec<Bytes>, Error> {
        let answer = self.call("debug_getRawReceipts", json!([format!("{number:#x}")]))?;
        answer.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(bytes_of).collect()
    }

    fn exchange(&self, request: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{request}",
            self.address.ip(),
            request.len(),
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        body_of(&answer).ok_or_else(|| io::Error::other("no end of the HTTP header"))
    }
}

/// The part of an HTTP answer behind its header.
fn body_of(answer: &[u8]) -> Option<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END)?;
    Some(answer[end + END.len()..].to_vec())
}

/// The `0x…` number in `value`'s field `name`.
pub fn number_in(value: &Value, name: &str) -> Result<u64, Error> {
    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
    text.strip_prefix("0x")
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| missing(value, name))
}

/// The 32 bytes in `value`'s field `name`.
pub fn hash_in(value: &Value, name: &str) -> Result<B256, Error> {
    value
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| missing(value, name))
}

fn bytes_of(value: &Value) -> Result<Bytes, Error> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| missing(value, "bytes"))
}

fn missing(value: &Value, name: &str) -> Error {
    let mut shown = value.to_string();
    shown.truncate(300);
    Error::Rpc { method: format!("field {name}"), why: format!("not in {shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_starts_behind_the_empty_line() {
        assert_eq!(body_of(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"x\":1}").as_deref(), Some(&b"{\"x\":1}"[..]));
        assert_eq!(body_of(b"HTTP/1.0 200 OK\r\n"), None);
    }

    #[test]
    fn fields_are_read_or_named() {
        let block = json!({ "number": "0xc8", "hash": B256::repeat_byte(7).to_string() });
        assert_eq!(number_in(&block, "number").unwrap(), 200);
        assert_eq!(hash_in(&block, "hash").unwrap(), B256::repeat_byte(7));
        assert!(number_in(&block, "gasUsed").unwrap_err().to_string().contains("gasUsed"));
    }
}
