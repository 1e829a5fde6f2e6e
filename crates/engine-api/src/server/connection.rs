//! One connection: requests of HTTP/1.1 one after the other, until one of them makes a WebSocket of it.
//!
//! Inbox: its socket. Owns: the call that it is at. Ends when: the caller goes, is silent or slow for too long, is refused or has to make
//! room, or the server stops.
//!
//! It reads nothing of a body before the guard has looked at the head, and little before there is a place for the call, and it hands out an
//! answer bit by bit: the place is given back when the last bit has gone. Where places are wanted, whoever is silent for the longest makes room.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::{
    HttpBody, HttpResponse,
    http::{content_type_is_json, response},
    ws::is_upgrade_request,
};
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::server::{
    guard::{Guard, Refusal},
    hall::Hall,
    limits::Limits,
    places::Place,
    websocket::{self, Upgrade},
};

/// An answer is handed out in pieces of so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Until when the call that is at hand may take; nothing while there is none.
type Clock = watch::Sender<Option<Instant>>;

/// A connection's place, and what tells it to leave.
pub(super) struct Seat {
    pub(super) place: Place,
    pub(super) leave: Arc<Notify>,
}

/// What one connection's requests find.
struct Visit {
    hall: Arc<Hall>,
    id: u32,
    seat: Seat,
    clock: Clock,
    upgrade: Mutex<Option<Upgrade>>,
}

/// A call, from the first of its body until the last of its answer has gone.
struct Call {
    visit: Arc<Visit>,
    place: Option<Place>,
}

/// Serves one connection to its end.
pub(super) async fn run(hall: Arc<Hall>, socket: TcpStream, seat: Seat, id: u32) {
    let leave = Arc::clone(&seat.leave);
    tokio::select! {
        biased;
        () = leave.notified() => tracing::debug!(id, "a connection has made room"),
        () = serve(hall, socket, seat, id) => {}
    }
}

async fn serve(hall: Arc<Hall>, socket: TcpStream, seat: Seat, id: u32) {
    // Answers are written whole: there is nothing to wait for. Where it cannot be set they are a little later.
    socket.set_nodelay(true).ok();
    let (clock, mut overdue_at) = watch::channel(None);
    let visit = Arc::new(Visit { hall: hall.clone(), id, seat, clock, upgrade: Mutex::new(None) });
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
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> HttpResponse {
        if let Err(refusal) = self.hall.guard.admits(request.uri(), request.headers()) {
            tracing::debug!(id = self.id, %refusal, "refused");
            return refused(&refusal);
        }
        self.rest();
        if is_upgrade_request(&request) {
            return self.upgrade(request);
        }
        let id = self.id;
        if request.method() != Method::POST || !content_type_is_json(&request) {
            // jsonrpsee says what is wrong with it, whatever its body is.
            let (head, _) = request.into_parts();
            let (parts, bytes) = self.hall.call(head, Vec::new(), id).await;
            return HttpResponse::from_parts(parts, HttpBody::new(Full::from(bytes)));
        }
        let (head, body) = request.into_parts();
        let hall = Arc::clone(&self.hall);
        let (said, call) = match self.hear(body).await {
            Ok(heard) => heard,
            Err(response) => return response,
        };
        let (mut parts, bytes) = hall.call(head, said, id).await;
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        HttpResponse::from_parts(parts, in_pieces(bytes, call))
    }

    /// Nothing is done for this caller for now. One that has shown a token never has to make room.
    fn rest(&self) {
        match self.hall.guard {
            Guard::Token(_) => self.seat.place.set_ours(),
            Guard::Names(_) => self.seat.place.set_theirs(),
        }
    }

    /// Reads a body to its end: what it says, and its call, which has a place.
    async fn hear(self: Arc<Self>, body: Incoming) -> Result<(Vec<u8>, Call), HttpResponse> {
        let bytes_max = self.hall.limits().body_bytes_max;
        let mut call = Call::begin(self);
        if body.size_hint().lower() > u64::from(bytes_max) {
            return Err(response::too_large(bytes_max));
        }
        let mut body = Limited::new(body, bytes_max as usize);
        let mut said = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => response::too_large(bytes_max),
                false => response::malformed(),
            })?;
            // Whatever comes after a body says nothing.
            let Ok(bytes) = frame.into_data() else { continue };
            said.extend_from_slice(&bytes);
            if said.len() > Limits::HEAD_BYTES_MAX {
                let is_new = call.place.is_none();
                let place = call.placed().await;
                if is_new { place.set_theirs() } else { place.moved(bytes.len()) }
            }
        }
        call.placed().await.set_ours();
        Ok((said, call))
    }

    fn upgrade(&self, request: Request<Incoming>) -> HttpResponse {
        let Ok(permit) = self.hall.websockets.clone().try_acquire_owned() else {
            return response::too_many_requests();
        };
        let mut handshake = soketto::handshake::http::Server::new();
        match handshake.receive_request(&request) {
            Ok(response) => {
                // WebSockets are counted apart, and their silence is looked at there.
                self.seat.place.set_ours();
                let coming = hyper::upgrade::on(request);
                let upgrade = Upgrade { handshake, coming, _permit: permit };
                *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                response.map(|()| HttpBody::empty())
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("cannot become a WebSocket: {error}")),
        }
    }
}

impl Call {
    fn begin(visit: Arc<Visit>) -> Self {
        let call = Self { visit, place: None };
        call.start_clock();
        call
    }

    fn start_clock(&self) {
        self.visit.clock.send_replace(Some(Instant::now() + self.visit.hall.limits().call));
    }

    /// Its place, which it waits for if it has none yet. The time that it waits is not its own.
    async fn placed(&mut self) -> &Place {
        let place = match self.place.take() {
            Some(place) => place,
            None => {
                self.visit.clock.send_replace(None);
                self.visit.seat.place.set_ours();
                let place = self.visit.hall.calls.take(&self.visit.seat.leave).await;
                self.start_clock();
                place
            }
        };
        self.place.insert(place)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.visit.clock.send_replace(None);
        self.visit.rest();
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
fn in_pieces(bytes: Bytes, call: Call) -> HttpBody {
    call.place.iter().for_each(Place::set_theirs);
    let pieces = stream::unfold((bytes, call), |(mut bytes, call)| async move {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
        call.place.iter().for_each(|place| place.moved(piece.len()));
        (!piece.is_empty()).then_some((piece, (bytes, call)))
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
