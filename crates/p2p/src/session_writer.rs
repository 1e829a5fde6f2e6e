//! Task: writes one session.
//!
//! - inbox: messages queued for the peer (bounded in number and bytes), pongs owed, the word to end
//! - outbox: the socket
//! - owns: the write half and the ping timer
//! - ends when: the session ends (it says farewell), or the peer does not take what is written
//!
//! Does not read the socket.

use std::time::Duration;

use snapsync_wire::p2p::Message as Base;
use tokio::{
    io::AsyncWrite,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{
    Error,
    frame::Packing,
    greeting,
    line::FrameWriter,
    roster::{Ender, Outgoing, wanted},
};

/// Bytes that are sealed before they are written together.
const BATCH: usize = 64 << 10;

/// What the writer listens to.
pub(crate) struct Inbox {
    pub(crate) queue: mpsc::Receiver<Outgoing>,
    pub(crate) pongs_owed: mpsc::Receiver<()>,
    pub(crate) ended: watch::Receiver<Option<Error>>,
}

/// Runs until the session ends.
pub(crate) async fn run<W>(
    mut writer: FrameWriter<W>,
    mut inbox: Inbox,
    ender: Ender,
    ping_interval: Duration,
) where
    W: AsyncWrite + Unpin,
{
    let reason = match write(&mut writer, &mut inbox, ping_interval).await {
        Ok(reason) => reason,
        Err(error) => {
            // The line is in the middle of a frame, or gone: no farewell could be read.
            ender.end(error);
            return writer.close().await;
        }
    };
    match reason.disconnect_reason() {
        Some(reason) => greeting::farewell(&mut writer, reason, Packing::Snappy).await,
        None => writer.close().await,
    }
}

/// Writes until the session is to end, and gives the reason for it.
async fn write<W>(
    writer: &mut FrameWriter<W>,
    inbox: &mut Inbox,
    ping_interval: Duration,
) -> Result<Error, Error>
where
    W: AsyncWrite + Unpin,
{
    let Inbox { queue, pongs_owed, ended } = inbox;
    let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Messages that are sealed have their room until they are written.
    let mut sealed = Vec::new();
    loop {
        // The end first. A pong before messages: without it the peer hangs up. Our ping last: it only
        // matters when nothing else is said.
        tokio::select! {
            biased;
            reason = wanted(ended) => return Ok(reason),
            Some(()) = pongs_owed.recv() => put(writer, &Base::Pong)?,
            Some(message) = queue.recv() => sealed.push(seal(writer, message)?),
            _ = pings.tick() => put(writer, &Base::Ping)?,
        }
        while writer.waiting() < BATCH
            && let Ok(message) = queue.try_recv()
        {
            sealed.push(seal(writer, message)?);
        }
        tokio::select! {
            biased;
            flushed = writer.flush() => flushed?,
            // Half a frame is out: nothing can follow it.
            reason = wanted(ended) => return Err(reason),
        }
        sealed.clear();
    }
}

fn seal<W: AsyncWrite + Unpin>(writer: &mut FrameWriter<W>, message: Outgoing) -> Result<Outgoing, Error> {
    writer.put(message.code, &message.body, Packing::Snappy)?;
    Ok(message)
}

fn put<W: AsyncWrite + Unpin>(writer: &mut FrameWriter<W>, message: &Base) -> Result<(), Error> {
    let (id, body) = message.encode();
    writer.put(u64::from(id), &body, Packing::Snappy)
}
