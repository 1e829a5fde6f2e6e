//! A caller: HTTP/1.1 and WebSocket by hand, so that it may be as rude as a test wants it.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use snapsync_engine_api::JwtSecret;
use soketto::handshake::client::Header;
use soketto::handshake::{Client as Handshake, ServerResponse};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// A connection over HTTP.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    secret: Option<JwtSecret>,
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A call as text.
pub(crate) fn call(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// The head of a request.
pub(crate) fn head(authorization: Option<&str>, body_bytes: usize) -> String {
    let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{authorization}Content-Length: {body_bytes}\r\n\r\n"
    )
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr, secret: Option<JwtSecret>) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        Self { stream: BufReader::new(stream), secret }
    }

    /// What comes before a call's body.
    pub(crate) fn bearer(&self) -> Option<String> {
        self.secret.as_ref().map(|secret| format!("Bearer {}", secret.token(now_s())))
    }

    /// Sends bytes, whatever they are; whether they were taken.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).await.is_ok()
    }

    /// Sends a body and awaits what comes back.
    pub(crate) async fn post(&mut self, body: &str) -> Answer {
        let head = head(self.bearer().as_deref(), body.len());
        self.post_under(&head, body).await
    }

    pub(crate) async fn post_under(&mut self, head: &str, body: &str) -> Answer {
        self.send(head.as_bytes()).await;
        self.send(body.as_bytes()).await;
        self.answer().await.expect("an answer")
    }

    /// Calls a method: the whole answer.
    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.post(&call(method, params)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Calls a method that answers.
    pub(crate) async fn result(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.call(method, params).await;
        answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }

    /// Calls a method that refuses: its code.
    pub(crate) async fn code(&mut self, method: &str, params: &Value) -> i64 {
        let answer = self.call(method, params).await;
        let code = answer.pointer("/error/code").and_then(Value::as_i64);
        code.unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    /// The next answer; `None`: the connection was closed.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let mut body_bytes = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.parse().unwrap();
            }
        }
        let mut body = vec![0; body_bytes];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Answer { status, text: String::from_utf8(body).unwrap() })
    }
}

/// A WebSocket.
pub(crate) struct Socket {
    sender: soketto::Sender<Compat<TcpStream>>,
    receiver: soketto::Receiver<Compat<TcpStream>>,
}

impl Socket {
    /// Asks for one; the status if it is refused.
    pub(crate) async fn connect(addr: SocketAddr, authorization: Option<&str>) -> Result<Self, u16> {
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut client = Handshake::new(stream.compat(), "localhost", "/");
        let headers = authorization.map(|value| [Header { name: "Authorization", value: value.as_bytes() }]);
        if let Some(headers) = &headers {
            client.set_headers(headers);
        }
        match client.handshake().await.unwrap() {
            ServerResponse::Accepted { .. } => {
                let (sender, receiver) = client.into_builder().finish();
                Ok(Self { sender, receiver })
            }
            ServerResponse::Rejected { status_code } => Err(status_code),
            ServerResponse::Redirect { status_code, .. } => Err(status_code),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) -> bool {
        self.sender.send_text(text).await.is_ok() && self.sender.flush().await.is_ok()
    }

    /// Sends a ping; whether it was taken.
    pub(crate) async fn ping(&mut self) -> bool {
        let nothing = [].as_slice().try_into().unwrap();
        self.sender.send_ping(nothing).await.is_ok() && self.sender.flush().await.is_ok()
    }

    /// Whether a pong comes next.
    pub(crate) async fn is_ponged(&mut self) -> bool {
        matches!(self.receiver.receive(&mut Vec::new()).await, Ok(soketto::Incoming::Pong(_)))
    }

    /// The next message; `None`: it was closed.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut message = Vec::new();
        match self.receiver.receive(&mut message).await.ok()? {
            soketto::Incoming::Data(_) => Some(serde_json::from_slice(&message).unwrap()),
            soketto::Incoming::Closed(_) | soketto::Incoming::Pong(_) => None,
        }
    }
}
