//! A connection that has become a WebSocket: messages one after the other, each answered before the next is read.
//!
//! Inbox: its socket. Ends when: the caller goes, is silent or slow for too long, or the server stops.
//!
//! jsonrpsee's own loop gives each message a task: calls would overtake one another, and a caller that reads no answers would have any number
//! of them kept. Here a caller that is ahead of us waits in its own socket.

use std::{future::Future, pin::pin, str, sync::Arc, time::Duration};

use futures::io::{BufReader, BufWriter};
use http::{HeaderValue, Method, Request, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use soketto::{Incoming, connection::Error, handshake::http::Server};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::{sleep, timeout},
};
use tokio_util::{compat::TokioAsyncReadCompatExt, io::InspectWriter};

use crate::server::{hall::Hall, limits::Limits};

/// A WebSocket that comes about when the answer that promised it is written.
pub(super) struct Upgrade {
    pub(super) handshake: Server,
    pub(super) coming: OnUpgrade,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// Serves a WebSocket to its end.
pub(super) async fn run(hall: &Hall, upgrade: Upgrade, id: u32) {
    let Upgrade { handshake, coming, _permit } = upgrade;
    let socket = match coming.await {
        Ok(socket) => socket,
        Err(error) => return tracing::debug!(id, %error, "no WebSocket has come about"),
    };
    let limits = hall.limits();
    let body_bytes_max = limits.body_bytes_max as usize;
    // A ping is answered where messages are received: nothing else is written meanwhile.
    let ponged = Arc::new(Notify::new());
    let written = Arc::clone(&ponged);
    let socket = InspectWriter::new(TokioIo::new(socket), move |_| written.notify_one());
    let mut builder = handshake.into_builder(BufReader::new(BufWriter::new(socket.compat())));
    builder.set_max_message_size(body_bytes_max);
    builder.set_max_frame_size(body_bytes_max);
    let (mut sender, mut receiver) = builder.finish();
    let mut stopped = pin!(hall.stopped());
    let ended = loop {
        let mut message = Vec::new();
        // A message that is cut short by the order to stop is not answered.
        let heard = tokio::select! {
            biased;
            () = &mut stopped => break "the server stops",
            heard = unless_silent(limits.idle, &ponged, receiver.receive(&mut message)) => heard,
        };
        match heard {
            Some(Ok(Incoming::Data(_))) => {}
            Some(Ok(Incoming::Pong(_))) => continue,
            Some(Ok(Incoming::Closed(_)) | Err(Error::Closed)) => return,
            Some(Err(error)) => return tracing::debug!(id, %error, "a WebSocket ended"),
            None => break "nothing was said for too long",
        }
        let Ok(answer) = timeout(limits.call, hall.call(head(), message, id)).await else {
            break "a call took too long";
        };
        let Ok(answer) = str::from_utf8(&answer.1) else { break "an answer is no text" };
        // Nothing is said to a notification; over HTTP, where something has to be said, jsonrpsee says this.
        if answer == "null" {
            continue;
        }
        let sent = timeout(limits.call, async {
            sender.send_text(answer).await?;
            sender.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return tracing::debug!(id, %error, "a WebSocket ended"),
            Err(_) => return tracing::debug!(id, "answers are not read"),
        }
    };
    tracing::debug!(id, ended, "a WebSocket is closed");
    // Whoever does not read this has it closed all the same.
    timeout(limits.idle.min(Limits::CLOSE), sender.close()).await.ok();
}

/// What is heard, unless neither it nor a ping comes for so long.
async fn unless_silent<T>(idle: Duration, ponged: &Notify, heard: impl Future<Output = T>) -> Option<T> {
    let mut heard = pin!(heard);
    loop {
        tokio::select! {
            biased;
            heard = &mut heard => return Some(heard),
            // Its time begins anew. Whoever pings for ever keeps one of the places for WebSockets, and nothing else.
            () = ponged.notified() => {}
            () = sleep(idle) => return None,
        }
    }
}

/// What the head of a request would say of a message.
fn head() -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::POST;
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head
}
