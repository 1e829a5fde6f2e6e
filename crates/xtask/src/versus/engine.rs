//! The part of a consensus client that a geth needs to begin: it is told the head, over HTTP with a signed token.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::error::Error;

/// An answer that takes longer means a geth that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A secret that geth and its driver share; nobody else can reach either.
const SECRET: [u8; 32] = [0x42; 32];

/// Writes the secret where geth is told to read it.
pub(crate) fn write_secret(folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("jwt.hex");
    let digits: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&path, digits).map_err(Error::io("write", &path))?;
    Ok(path)
}

/// Tells the geth behind `engine` that `head` (`0x…`) is the head of the chain.
pub(crate) fn name_head(engine: SocketAddr, head: &str) -> Result<(), Error> {
    let zero = format!("0x{}", "00".repeat(32));
    let state = json!({ "headBlockHash": head, "safeBlockHash": zero, "finalizedBlockHash": zero });
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "engine_forkchoiceUpdatedV3", "params": [state, null] });
    let answer = exchange(engine, &call.to_string()).map_err(Error::io("ask", "geth's engine API"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let value: Value = serde_json::from_str(body).map_err(|_| Error::Output("geth's engine API"))?;
    // An error here is passing ("beacon syncer reorging"): the head is named again until the sync is done.
    if value.get("error").is_none() && value.pointer("/result/payloadStatus/status").is_none() {
        return Err(Error::Output("geth's engine API"));
    }
    Ok(())
}

fn exchange(engine: SocketAddr, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(engine)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    write!(
        stream,
        "POST / HTTP/1.0\r\nHost: {engine}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        token(&SECRET, now),
        body.len(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
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
