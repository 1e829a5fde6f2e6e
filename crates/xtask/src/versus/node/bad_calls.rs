//! Somebody who sends what makes no sense, a hundred times a second, over a connection of his own, and looks that it is refused.
//!
//! Threads: one, which sends; it ends with the sender.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use snapsync_e2e::{
    engine::Engine,
    line::{Line, Reply, request},
    payload::PayloadCall,
};

use crate::error::Error;

/// A hundred a second.
const EVERY: Duration = Duration::from_millis(10);

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    NoToken,
    WrongToken,
    NotJson,
    NotHex,
    UnknownMethod,
    /// A payload whose hash is another's.
    WrongHash,
}

impl Flaw {
    const ALL: [Self; 6] =
        [Self::NoToken, Self::WrongToken, Self::NotJson, Self::NotHex, Self::UnknownMethod, Self::WrongHash];

    /// The request, made of a good one.
    fn request(self, call: &PayloadCall) -> String {
        match self {
            Self::NoToken | Self::WrongToken => call.new_payload(),
            Self::NotJson => call.new_payload().replacen(':', "", 3),
            Self::NotHex => altered(call, "transactions", json!(["0xno"])),
            Self::UnknownMethod => request("engine_newPayloadV99", &json!([])),
            Self::WrongHash => altered(call, "blockHash", call.params[0]["parentHash"].clone()),
        }
    }

    /// Whether it was refused as it should be.
    fn is_refused(self, reply: &Reply) -> bool {
        let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        match self {
            Self::NoToken | Self::WrongToken => reply.status == 401,
            Self::NotJson => answer["error"]["code"] == -32700,
            Self::NotHex => answer["error"]["code"] == -32602,
            Self::UnknownMethod => answer["error"]["code"] == -32601,
            Self::WrongHash => answer["result"]["status"] == "INVALID",
        }
    }
}

/// The call that gives a payload with another value in a field.
fn altered(call: &PayloadCall, field: &str, value: Value) -> String {
    let mut params = call.params.clone();
    params[0][field] = value;
    request("engine_newPayloadV4", &params)
}

/// Who sends them.
pub(super) struct BadCalls {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<u64, Error>>,
}

impl BadCalls {
    /// Begins to send, made of this good call.
    pub(super) fn start(engine: &Engine, call: &PayloadCall) -> Self {
        let (stop, stopped) = mpsc::channel();
        let requests = Flaw::ALL.map(|flaw| (flaw, flaw.request(call)));
        let engine = engine.clone();
        // Of the same address, and of nobody who knows the secret.
        let stranger = Engine::new(engine.address(), Default::default());
        let thread = thread::spawn(move || {
            let mut line = Line::to(engine.address());
            let (mut due, mut sent) = (Instant::now(), 0);
            for (flaw, request) in requests.iter().cycle() {
                match stopped.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
                // What could not be sent in time is made up for: it is so many a second.
                due += EVERY;
                let token = match flaw {
                    Flaw::NoToken => None,
                    Flaw::WrongToken => Some(stranger.authorization()),
                    _ => Some(engine.authorization()),
                };
                let reply =
                    line.post(token.as_deref(), request).map_err(Error::io("call", "the Engine API"))?;
                if !flaw.is_refused(&reply) {
                    return Err(Error::Unexpected { what: format!("{flaw:?}"), answer: reply.body });
                }
                sent += 1;
            }
            Ok(sent)
        });
        Self { stop, thread }
    }

    /// Stops, and tells how many were sent, if each was refused.
    pub(super) fn stop(self) -> Result<u64, Error> {
        drop(self.stop);
        match self.thread.join() {
            Ok(sent) => sent,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_its_own_flaw() {
        let call = PayloadCall {
            number: 2,
            hash: "0x02".to_owned(),
            params: json!([{ "parentHash": "0x01", "blockHash": "0x02", "transactions": ["0x03"] }, [], "0x", []]),
        };
        let requests = Flaw::ALL.map(|flaw| flaw.request(&call));
        assert!(requests[..2].iter().all(|request| *request == call.new_payload()));
        let read = |flaw: Flaw| serde_json::from_str::<Value>(&flaw.request(&call));
        assert!(read(Flaw::NotJson).is_err());
        assert_eq!(read(Flaw::NotHex).unwrap()["params"][0]["transactions"], json!(["0xno"]));
        assert_eq!(read(Flaw::WrongHash).unwrap()["params"][0]["blockHash"], "0x01");
        assert_eq!(read(Flaw::UnknownMethod).unwrap()["method"], "engine_newPayloadV99");
    }
}
