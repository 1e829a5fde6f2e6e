//! JSON-RPC over plain HTTP to a geth on this machine, or to a node of ours.
//!
//! One connection a call. It checks what it needs and trusts the server with the rest. It knows nothing of the methods that it carries.

use std::net::SocketAddr;

use alloy_primitives::{B256, Bytes};
use serde_json::{Value, json};

use crate::{
    Error,
    line::{Line, request},
};

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
        let reply = Line::to(self.address).post(None, &request(method, &params));
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&reply.body).map_err(|error| failed(format!("{error} in {reply:?}")))
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
    fn fields_are_read_or_named() {
        let block = json!({ "number": "0xc8", "hash": B256::repeat_byte(7).to_string() });
        assert_eq!(number_in(&block, "number").unwrap(), 200);
        assert_eq!(hash_in(&block, "hash").unwrap(), B256::repeat_byte(7));
        assert!(number_in(&block, "gasUsed").unwrap_err().to_string().contains("gasUsed"));
    }
}
