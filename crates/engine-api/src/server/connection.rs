//! One connection: requests of HTTP/1.1 one after the other, until one of them makes a WebSocket of it.
//!
//! Inbox: its socket. Owns: the call that it is at. Ends when: the caller goes, is silent or slow for too long, is refused, or the server
//! stops.
//!
//! It reads nothing of a body before the guard has looked at the head and there is room for a call, and it hands out an answer bit by bit:
//! the room is given back when the last bit has gone.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::StreamBody;
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::{HttpBody, HttpResponse, http::response, ws::is_upgrade_request};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, timeout_at},
};

use crate::server::{
    guard::Refusal,
    hall::Hall,
    limits::Limits,
    websocket::{self, Upgrade},
};

/// An answer is handed out in pieces of so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Until when the call that is at hand may take; nothing while there is none.
type Clock = watch::Sender<Option<Instant>>;

/// The room that a call takes, until the last of its answer has gone.
struct Room {
    clock: Clock,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.clock.send_replace(None);
    }
}

/// What one connection's requests find.
struct Visit {
    hall: Arc<Hall>,
    id: u32,
    clock: Clock,
    upgrade: Mutex<Option<Upgrade>>,
}

/// Serves one connection to its end.
pub(super) async fn run(hall: Arc<Hall>, socket: TcpStream, id: u32) {
    // Answers are written whole: there is nothing to wait for. Where it cannot be set they are a little later.
    socket.set_nodelay(true).ok();
    let (clock, mut overdue_at) = watch::channel(None);
    let visit = Arc::new(Visit { hall: hall.clone(), id, clock, upgrade: Mutex::new(None) });
    let service = service_fn(|request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(hall.limits().idle)
        .max_buf_size(Limits::HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopped = pin!(hall.stopped());
    // What ends it comes before what goes on; a call that is overdue is not finished.
    let served = tokio::select! {
        biased;
        () = overdue(&mut overdue_at) => return,
        served = connection.as_mut() => served,
        () = &mut stopped => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = overdue_or_closed(&mut overdue_at) => return,
                served = connection.as_mut() => served,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(id, %error, "a connection ended");
        return;
    }
    let upgrade = visit.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(upgrade) = upgrade {
        websocket::run(&hall, upgrade, id).await;
    }
}

impl Visit {
    async fn answer(&self, request: Request<Incoming>) -> HttpResponse {
        if let Err(refusal) = self.hall.guard.admits(request.uri(), request.headers()) {
            tracing::debug!(id = self.id, %refusal, "refused");
            return refused(&refusal);
        }
        if is_upgrade_request(&request) {
            return self.upgrade(request);
        }
        let limits = self.hall.limits();
        // jsonrpsee finds this out by itself, but for what has more than 32 bits.
        if request.body().size_hint().lower() > u64::from(limits.body_bytes_max) {
            return response::too_large(limits.body_bytes_max);
        }
        let permit = self.hall.calls.clone().acquire_owned().await;
        let room = Room { clock: self.clock.clone(), _permit: permit.expect("nobody closes this semaphore") };
        self.clock.send_replace(Some(Instant::now() + limits.call));
        let (mut parts, bytes) = self.hall.call(request, self.id).await;
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        HttpResponse::from_parts(parts, in_pieces(bytes, room))
    }

    fn upgrade(&self, request: Request<Incoming>) -> HttpResponse {
        let Ok(permit) = self.hall.websockets.clone().try_acquire_owned() else {
            return response::too_many_requests();
        };
        let mut handshake = soketto::handshake::http::Server::new();
        match handshake.receive_request(&request) {
            Ok(response) => {
                let coming = hyper::upgrade::on(request);
                let upgrade = Upgrade { handshake, coming, _permit: permit };
                *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                response.map(|()| HttpBody::empty())
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("cannot become a WebSocket: {error}")),
        }
    }
}

/// Comes back when the call at hand has taken too long.
async fn overdue(clock: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let until = *clock.borrow_and_update();
        let changed = match until {
            None => clock.changed().await,
            Some(until) => match timeout_at(until, clock.changed()).await {
                Ok(changed) => changed,
                Err(_) => return,
            },
        };
        if changed.is_err() {
            // The connection's own end comes now.
            return std::future::pending().await;
        }
    }
}

/// Comes back when the call at hand has taken too long, or when there is none and the connection has had the time to close.
async fn overdue_or_closed(clock: &mut watch::Receiver<Option<Instant>>) {
    let mut calls = clock.clone();
    let closed = async move {
        // An error: nobody makes a call any more either.
        calls.wait_for(Option::is_none).await.ok();
        tokio::time::sleep(Limits::CLOSE).await;
    };
    tokio::select! {
        () = overdue(clock) => {}
        () = closed => {}
    }
}

/// An answer that is polled for bit by bit, so that what is waiting to be written is never all of it.
fn in_pieces(bytes: Bytes, room: Room) -> HttpBody {
    let pieces = stream::unfold((bytes, room), |(mut bytes, room)| async move {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((piece, (bytes, room)))
    });
    HttpBody::new(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))))
}

/// A refusal closes the connection: whoever may not come in does not hold a place.
fn refused(refusal: &Refusal) -> HttpResponse {
    let status = match refusal {
        Refusal::Token(_) => StatusCode::UNAUTHORIZED,
        Refusal::Name => StatusCode::FORBIDDEN,
    };
    let mut response = text(status, refusal.to_string());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text(status: StatusCode, why: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(why + "\n"));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
