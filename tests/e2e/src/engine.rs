//! The part of a consensus client that a geth needs here: it is told its head, over HTTP with a signed token.
//!
//! It trusts geth. It hands over no blocks: geth fetches them, or has made them itself.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::B256;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    Error,
    line::{Line, request},
};

/// The engine API of a geth on this machine.
#[derive(Clone, Debug)]
pub struct Engine {
    address: SocketAddr,
    /// Shared with geth; nobody else can reach either.
    secret: B256,
}

impl Engine {
    /// The one at `address`, which takes what is signed with `secret`. Nothing is connected yet.
    pub fn new(address: SocketAddr, secret: B256) -> Self {
        Self { address, secret }
    }

    /// Where it is heard.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an HTTP request says of whoever sends it: that he has the secret, now.
    pub fn authorization(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("Bearer {}", token(self.secret.as_slice(), now))
    }

    /// Tells geth that `head` is the head of the chain, and tells what it makes of it: `VALID`, `SYNCING`, or the text of an error,
    /// which may be passing ("beacon syncer reorging").
    pub fn name_head(&self, head: B256) -> Result<String, Error> {
        let value = self.call("engine_forkchoiceUpdatedV3", &head_params(&head.to_string()))?;
        if let Some(error) = value.get("error") {
            return Ok(error.to_string());
        }
        let status = value.pointer("/result/payloadStatus/status").and_then(Value::as_str);
        status
            .map(str::to_owned)
            .ok_or_else(|| failed("engine_forkchoiceUpdatedV3", format!("no status in {value}")))
    }

    /// The access lists of the canonical blocks of these numbers (EIP-7928), as far as geth has them: how many, and their bytes.
    pub fn lists(&self, blocks: RangeInclusive<u64>) -> Result<(u64, u64), Error> {
        const METHOD: &str = "engine_getPayloadBodiesByRangeV2";
        let count = (blocks.end() + 1).saturating_sub(*blocks.start());
        let value = self.call(METHOD, &json!([format!("{:#x}", blocks.start()), format!("{count:#x}")]))?;
        let bodies = value.get("result").and_then(Value::as_array);
        let bodies = bodies.ok_or_else(|| failed(METHOD, format!("no bodies in {value}")))?;
        let lists = bodies.iter().filter_map(|body| body.get("blockAccessList")?.as_str());
        // Two digits a byte, behind `0x`.
        Ok(lists.fold((0, 0), |(count, bytes), list| (count + 1, bytes + (list.len() as u64 - 2) / 2)))
    }

    /// Calls `method`, and gives the whole answer: a result or an error.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, Error> {
        let mut line = Line::to(self.address);
        let reply = line.post(Some(&self.authorization()), &request(method, params));
        let reply = reply.map_err(|error| failed(method, error.to_string()))?;
        serde_json::from_str(&reply.body).map_err(|error| failed(method, format!("{error} in {reply:?}")))
    }
}

/// What `forkchoiceUpdated` is called with to name a head, with nothing safe or final, and no block to be built.
pub(crate) fn head_params(head: &str) -> Value {
    let zero = B256::ZERO.to_string();
    json!([{ "headBlockHash": head, "safeBlockHash": zero, "finalizedBlockHash": zero }, null])
}

fn failed(method: &str, why: String) -> Error {
    Error::Rpc { method: method.to_owned(), why }
}

/// A token of JSON Web Token's form HS256 that says when it was made, in Unix seconds.
fn token(secret: &[u8], made_at: u64) -> String {
    let signed = format!(
        "{}.{}",
        base64(br#"{"alg":"HS256","typ":"JWT"}"#),
        base64(format!("{{\"iat\":{made_at}}}").as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", base64(&mac.finalize().into_bytes()))
}

/// Base 64 in the alphabet for addresses, without padding (RFC 4648, 5).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        // One byte needs two digits, two need three.
        for digit in 0..=chunk.len() {
            text.push(ALPHABET[(group >> (18 - 6 * digit)) as usize & 63] as char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_agrees_with_its_standard() {
        let known =
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")];
        for (text, encoded) in known {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn token_has_three_parts_and_a_signature_of_32_bytes() {
        let token = token(b"secret", 1_700_000_000);
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [36, 24, 43]);
    }
}
